"""The verdict: from numbers to what to ship, and why. Its rules are written out for users in docs/verdict.md.

A pure function: no model, no file, no text of the data is known here.
"""

import math
from collections.abc import Sequence
from functools import partial

from foreshot.judging.evidence import (
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    REPEAT,
    SEALED,
    SEALED_POSITIVE,
    SIDES,
    SUITE,
    SUITE_POSITIVE,
    Candidate,
    Change,
    Evidence,
)
from foreshot.judging.statistics import SIGNIFICANCE
from foreshot.results.base import Estimate
from foreshot.results.verdict import Comparison, Requirement, StudentVerdict, Verdict
from foreshot.settings.experiment import VerdictPolicy

ROUNDING = 1e-9  # of differences: one that lies on a margin is within it
NEVER_SEEN = -math.log(0.025)
"""What was never seen in n rows may still happen to 3.7 / n of them (Hanley and Lippman-Hand 1983, at 97.5 %).

A bootstrap of rows on which two models agree has an interval of no width, however few the rows are.
"""
FEWEST_CASES = 6  # of a kind that is judged by itself: with fewer, no sign test can reach 5 %
MOST_TIMES = 100  # times the rows there are: to ask for more than that is no advice
NAMED = 3  # students or functionalities that a sentence names
MENDING, MENDING_SEALED = "mending", "mending_sealed"
"""What is asked of a student of a mended teacher beside what is asked of all: macro-F1 and the sealed part against the
teacher that wasn't mended."""


def verdict(evidence: Evidence) -> Verdict:
    """Judge every student, choose the one to ship, and say it in a sentence."""
    requirements = {student.model: _requirements(evidence, student) for student in evidence.students}
    conflicts = {student.model: _conflict(evidence, student) for student in evidence.students}
    passing = [
        student
        for student in evidence.students
        if not conflicts[student.model] and all(found.state == "holds" for found in requirements[student.model])
    ]
    chosen = min(passing, key=partial(_cheapest_first, evidence)) if passing else None
    students = [
        _student_verdict(student.model, requirements[student.model], conflicts[student.model], chosen)
        for student in evidence.students
    ]
    kind = _kind(students, chosen)
    return Verdict(
        kind=kind,
        headline=_headline(evidence, students, chosen),
        recommended=chosen.model if chosen else None,
        students=students,
        margins={name: float(value) for name, value in evidence.policy.model_dump().items() if value is not None},
    )


def _cheapest_first(evidence: Evidence, candidate: Candidate) -> tuple[float, ...]:
    """Fewer layers first, then fewer parameters; of two that cost the same, the one that behaves better.

    Where models were mended, behaviour is what all of them do on the sealed part.
    """
    means, behaviour = candidate.means, SEALED if SEALED in evidence.sizes else SUITE
    return (candidate.layers or 0, candidate.parameters or 0, -means.get(behaviour, 0.0), -means[METRIC])


def _requirements(evidence: Evidence, student: Candidate) -> list[Requirement]:
    policy = evidence.policy
    if evidence.difference(student.model, evidence.reference_of(student).model, REPEAT):
        found = [_not_worse(evidence, student, REPEAT, policy.metric_margin)]
    else:
        found = [_not_worse(evidence, student, METRIC, evidence.metric_margin)]
    found += _pays_for_mending(evidence, student)
    if evidence.label_changes:
        found.append(_keeps_labels(evidence, student))
    found += _behaves(evidence, student)
    found += _keeps_probes(evidence, student)
    if policy.identity_margin is not None:
        found.append(_keeps_groups(evidence, student, policy.identity_margin))
    found.append(_enough_seeds(student, policy))
    return found


def _behaves(evidence: Evidence, student: Candidate) -> list[Requirement]:
    """What is asked of a student on the suite; of a mended one on the sealed part alone."""
    policy = evidence.policy
    if not evidence.suite_results:
        reason = "no suite was run, so its behaviour is unknown"
        return [Requirement(name="behaviour", state="can't tell", reason=reason)]
    if student.mended and evidence.suite_results[student.model].sealed is None:
        reason = "nothing of the suite is sealed, so what it does on cases that it was not mended with is unknown"
        return [Requirement(name="behaviour", state="can't tell", reason=reason)]
    if not evidence.knows_reference(student):
        return [_sees(evidence, student, policy.suite_floor)]
    whole, positive = _judged_by(student)
    sides = [whole] if evidence.positive is None else [whole, positive]
    return [
        *(_not_worse(evidence, student, measure, policy.suite_margin) for measure in sides),
        _sees(evidence, student),
        _keeps_functionalities(evidence, student),
    ]


def _judged_by(model: Candidate) -> tuple[str, str]:
    """The measures of the suite that a model is judged by, of all cases and of the toxic ones."""
    return (SEALED, SEALED_POSITIVE) if model.mended else (SUITE, SUITE_POSITIVE)


def _pays_for_mending(evidence: Evidence, student: Candidate) -> list[Requirement]:
    """What mending may cost, against the teacher that wasn't mended; none of a student that is held against that one.

    On the test rows no more than the margin; the sealed part must not be lost, and should be won.
    """
    reference, teacher = evidence.reference_of(student), evidence.teacher
    if reference.model == teacher.model:
        return []
    found = [_not_worse(evidence, student, METRIC, evidence.metric_margin, than=teacher, name=MENDING)]
    sealed, margin = evidence.difference(student.model, teacher.model, SEALED), evidence.policy.suite_margin
    if sealed is not None:
        lost, what = _is_lost(sealed.difference, margin), _against(evidence, sealed, teacher)
        reason = f"{what}: {'clearly worse' if lost else 'not clearly worse'}"
        found.append(Requirement(name=MENDING_SEALED, state="fails" if lost else "holds", reason=reason))
    return found


def _not_worse(
    evidence: Evidence,
    student: Candidate,
    measure: str,
    margin: float,
    *,
    than: Candidate | None = None,
    name: str | None = None,
) -> Requirement:
    """Non-inferior to its teacher, or another: the whole interval of the difference lies above minus the margin."""
    other, name = than or evidence.reference_of(student), name or measure
    compared = evidence.difference(student.model, other.model, measure)
    if compared is None:
        return Requirement(name=name, state="can't tell", reason=f"{_called(evidence, measure)} was not measured")
    difference, what = compared.difference, _against(evidence, compared, other)
    low = min(difference.low, difference.value - NEVER_SEEN / evidence.sizes[measure])
    if low >= -margin - ROUNDING:
        return Requirement(name=name, state="holds", reason=f"{what}, within the margin of {_size(margin)}")
    if _is_lost(difference, margin):
        return Requirement(
            name=name, state="fails", reason=f"{what}: clearly worse, and beyond the margin of {_size(margin)}"
        )
    return Requirement(name=name, state="can't tell", reason=f"{what}: {_enough(evidence, compared, margin)}")


def _is_lost(difference: Estimate, margin: float) -> bool:
    """Worse by more than the margin as measured, and worse beyond chance."""
    return difference.value < -margin - ROUNDING and difference.high < 0


def _enough(evidence: Evidence, compared: Comparison, margin: float) -> str:
    """How many rows would settle it, were the difference to stay: an interval narrows with the square root of them."""
    difference, rows = compared.difference, evidence.sizes[compared.measure]
    value, room = difference.value, difference.value + margin
    unit = "test rows" if compared.measure in {METRIC, REPEAT} else "cases"
    needed = math.inf
    if room > ROUNDING:  # until the interval lies within the margin
        needed = max(rows * ((value - difference.low) / room) ** 2, NEVER_SEEN / room)
    elif value < 0 <= difference.high:  # until it lies below 0
        needed = max(rows * ((difference.high - value) / value) ** 2, rows + 1)
    if needed > MOST_TIMES * rows:
        return f"too near the margin of {_size(margin)} for {rows:,} {unit}, or any number of them, to tell"
    enough = _rounded(math.ceil(round(needed, 6)))
    return f"{rows:,} {unit} are too few for a margin of {_size(margin)}; about {enough} would do"


def _sees(evidence: Evidence, student: Candidate, floor: float = 0.0) -> Requirement:
    """Better than blind: a model that flags everything, or nothing, gets one half of the suite's two sides right.

    Of the sides of k classes it gets one k-th. Where nothing is known about the teacher, a student is held against the
    suite's labels alone: it must get at least `floor` right. A mended model must see on the sealed part.
    """
    found, suite = evidence.suite_results[student.model], "the suite"
    by_label = found.by_label
    if student.mended and found.sealed is not None:
        by_label, suite = found.sealed.by_label, "the suite's sealed part"
    sides = by_label.values()
    if len(sides) < 2:
        return Requirement(name="sees", state="can't tell", reason=f"{suite} has cases of one class only")
    chance = max(1 / len(sides), floor)
    balanced = sum(side.value for side in sides) / len(sides)
    balanced_low = sum(side.low for side in sides) / len(sides)
    of_sides = "the sealed part's sides" if suite != "the suite" else "the suite's sides"
    reason = f"{balanced:.0%} right on the mean of {of_sides}, where a blind model gets {1 / len(sides):.0%}"
    if floor:
        reason += f"; {floor:.0%} is asked for, since the teacher's behaviour is unknown"
    state = "holds" if balanced_low > chance else "fails" if balanced <= chance + ROUNDING else "can't tell"
    return Requirement(name="sees", state=state, reason=reason)


def _keeps_functionalities(evidence: Evidence, student: Candidate) -> Requirement:
    """Those of all cases; of a mended student those of the sealed ones."""
    found = evidence.suite_results[student.model]
    cells = found.sealed.functionalities if student.mended and found.sealed is not None else found.functionalities
    changes = [
        Change(name=cell.name, rows=cell.cases, difference=cell.minus_teacher, adjusted_p=cell.adjusted_p)
        for cell in cells
        if cell.minus_teacher is not None
    ]
    return _keeps_each(changes, evidence.policy.functionality_margin, name="functionalities", one="functionality")


def _keeps_labels(evidence: Evidence, student: Candidate) -> Requirement:
    """A mean over labels hides what is lost on a rare one."""
    changes = evidence.label_changes[student.model]
    margin = evidence.policy.label_margin
    if evidence.is_reference:
        margin = max(margin, evidence.metric_margin)
    return _keeps_each(changes, margin, name="labels", one="label's macro-F1")


def _keeps_each(changes: Sequence[Change], margin: float, *, name: str, one: str) -> Requirement:
    """None of several is lost: by more than the margin, and beyond chance though they are many."""
    lost, unsure = [], []
    for change in changes:
        difference, p_value = change.difference, change.adjusted_p
        if difference.value >= -margin - ROUNDING or change.rows < FEWEST_CASES:
            continue
        said = f"{change.name} ({_points(difference.value)} points"
        if _is_lost(difference, margin) and (p_value is None or p_value < SIGNIFICANCE):
            lost.append((difference.value, f"{said})"))
        else:
            unsure.append((difference.value, f"{said} on {change.rows} cases)"))
    if lost:
        return Requirement(name=name, state="fails", reason=f"loses {_some(lost)}")
    if unsure:
        reason = f"seems to lose {_some(unsure)}: too few cases to tell"
        return Requirement(name=name, state="can't tell", reason=reason)
    return Requirement(name=name, state="holds", reason=f"loses no {one} by more than {_size(margin)}")


def _keeps_probes(evidence: Evidence, student: Candidate) -> list[Requirement]:
    """None without labelled probes. They are few, so only what is clearly lost, or looks badly lost, counts."""
    policy, teacher = evidence.policy, evidence.reference_of(student)
    found = [evidence.difference(student.model, teacher.model, measure) for measure in (PROBES, PROBES_POSITIVE)]
    measured = sorted((compared for compared in found if compared), key=lambda compared: compared.difference.value)
    if not measured:
        return []
    for compared in measured:
        enough = evidence.sizes[compared.measure] >= FEWEST_CASES
        if enough and _is_lost(compared.difference, policy.suite_margin):
            reason = f"{_against(evidence, compared, teacher)}: clearly worse"
            return [Requirement(name=PROBES, state="fails", reason=reason)]
    worst = measured[0]
    what = _against(evidence, worst, teacher)
    if worst.difference.value < -policy.functionality_margin - ROUNDING:
        reason = f"{what}: {evidence.sizes[worst.measure]:,} probes are too few to tell"
        return [Requirement(name=PROBES, state="can't tell", reason=reason)]
    return [Requirement(name=PROBES, state="holds", reason=f"{what}: not clearly worse")]


def _keeps_groups(evidence: Evidence, student: Candidate, margin: float) -> Requirement:
    """No group's subgroup AUC is shown, or may be, below its teacher's by more than the margin (policy `identity`)."""
    changes = evidence.group_changes.get(student.model, ())
    if not changes:
        reason = "no identity group has enough test rows of both sides, so how it ranks them is unknown"
        return Requirement(name="identity", state="can't tell", reason=reason)
    lost, wide = [], []
    for change in changes:
        difference, said = change.difference, f"{change.name} ({_points(change.difference.value)} points"
        if _is_lost(difference, margin) and (change.adjusted_p is None or change.adjusted_p < SIGNIFICANCE):
            lost.append((difference.value, f"{said})"))
        elif difference.low < -margin - ROUNDING:
            wide.append((difference.low, f"{said}, {_points(difference.low)} to {_points(difference.high)})"))
    if lost:
        reason = f"loses subgroup AUC on {_some(lost)}"
        return Requirement(name="identity", state="fails", reason=reason)
    if wide:
        reason = f"subgroup AUC may be lost by more than {_size(margin)} on {_some(wide)}: too few test rows to tell"
        return Requirement(name="identity", state="can't tell", reason=reason)
    reason = f"loses no identity group's subgroup AUC by more than {_size(margin)}"
    return Requirement(name="identity", state="holds", reason=reason)


def _enough_seeds(student: Candidate, policy: VerdictPolicy) -> Requirement:
    if student.seeds >= policy.min_seeds:
        return Requirement(name="seeds", state="holds", reason=f"{student.seeds} seeds")
    seeds = "one seed shows" if student.seeds == 1 else f"{student.seeds} seeds show"
    return Requirement(
        name="seeds", state="can't tell", reason=f"{seeds} little of what chance does; {policy.min_seeds} would do"
    )


def _conflict(evidence: Evidence, student: Candidate) -> str:
    """The trap, in a sentence: no student is better on the metric, and one behaves clearly better; else empty."""
    others = [other for other in evidence.students if other.model != student.model]
    on_metric = [evidence.difference(student.model, other.model, METRIC) for other in others]
    if not others or any(found is None or found.outcome == "worse" for found in on_metric):
        return ""
    margin = evidence.policy.suite_margin
    behind = [
        (found.difference.value, measure, other.model)
        for other in others
        for measure in _behaviour_of(student, other)
        if (found := evidence.difference(student.model, other.model, measure))
        and found.outcome == "worse"
        and found.difference.value < -margin - ROUNDING
        and _shows_up(evidence, other, student, measure)
        and not _is_another_threshold(evidence, other, student, measure)
    ]
    if not behind:
        return ""
    _, measure, other_name = min(behind)
    other = next(candidate for candidate in others if candidate.model == other_name)
    tied = any(found and found.outcome != "better" for found in on_metric)
    best = "is not clearly beaten by any student" if tied else "is the best student"
    return (
        f"{student.model} {best} on the test rows ({evidence.metric_name} {student.means[METRIC]:.3f}), but gets only "
        f"{student.means[measure]:.0%} of {_counted(evidence, measure)} right where {other.model} gets "
        f"{other.means[measure]:.0%}"
    )


def _behaviour_of(student: Candidate, other: Candidate) -> tuple[str, ...]:
    """What two students are compared in: not in what one of them was mended with."""
    return (*_judged_by(student if student.mended else other), PROBES, PROBES_POSITIVE)


def _shows_up(evidence: Evidence, other: Candidate, student: Candidate, measure: str) -> bool:
    """Whether a student that is ahead in a measure is better at telling the sides apart.

    One that flags everything, or nearly so, gets all toxic cases right, and most of a suite that is mostly toxic.
    """
    if evidence.suite_results and _sees(evidence, other).state == "fails":
        return False
    return _of_both_sides(evidence, other, measure) >= _of_both_sides(evidence, student, measure) - ROUNDING


def _is_another_threshold(evidence: Evidence, other: Candidate, student: Candidate, measure: str) -> bool:
    """Whether the other student is ahead on the toxic side alone, and this one keeps what its teacher does there.

    Then the other flags more, of either side, where this one does as it was taught: it isn't blind.
    """
    whole, positive = SIDES[measure]
    on_all = evidence.difference(student.model, other.model, whole)
    if measure != positive or (on_all is not None and on_all.outcome == "worse"):
        return False
    if positive in {SUITE_POSITIVE, SEALED_POSITIVE}:
        kept = [_not_worse(evidence, student, positive, evidence.policy.suite_margin)]
    else:
        kept = _keeps_probes(evidence, student)
    return all(found.state == "holds" for found in kept)


def _of_both_sides(evidence: Evidence, candidate: Candidate, measure: str) -> float:
    """The mean of the shares right of toxic and of benign cases; where there is one side alone, its share."""
    whole, positive = SIDES[measure]
    cases, positives = evidence.sizes.get(whole, 0), evidence.sizes.get(positive, 0)
    if not 0 < positives < cases:
        return candidate.means[measure]
    flagged = candidate.means[positive]
    cleared = (cases * candidate.means[whole] - positives * flagged) / (cases - positives)
    return (flagged + cleared) / 2


def _student_verdict(
    model: str, requirements: list[Requirement], conflict: str, chosen: Candidate | None
) -> StudentVerdict:
    if conflict:
        kind, reasons = "conflict", [conflict]
    elif any(found.state == "fails" for found in requirements):
        kind, reasons = "not recommended", [found.reason for found in requirements if found.state == "fails"]
    elif any(found.state == "can't tell" for found in requirements):
        kind, reasons = "inconclusive", [found.reason for found in requirements if found.state == "can't tell"]
    elif chosen is not None and chosen.model == model:
        kind, reasons = "recommended", [found.reason for found in requirements]
    else:
        name = chosen.model if chosen else ""
        kind, reasons = "acceptable", [f"as good as asked for; {name} costs less, or as much and behaves better"]
    return StudentVerdict(model=model, kind=kind, reasons=reasons, requirements=requirements)


def _kind(students: list[StudentVerdict], chosen: Candidate | None) -> str:
    kinds = {student.kind for student in students}
    if "conflict" in kinds:
        return "conflict"
    if chosen:
        return "recommended"
    return "inconclusive" if "inconclusive" in kinds else "not recommended"


def _headline(evidence: Evidence, students: list[StudentVerdict], chosen: Candidate | None) -> str:
    sentences = []
    traps = [student for student in students if student.kind == "conflict"]
    if traps:
        first, *others = traps
        sentences.append(f"Don't ship {first.model}: it {first.reasons[0].removeprefix(first.model + ' ')}.")
        if others:
            sentences.append(f"Nor {_listed([trap.model for trap in others])}, for the same reason.")
    if chosen:
        sentences.append(_ship(evidence, chosen))
    elif any(student.kind == "inconclusive" for student in students):
        open_ones = [student for student in students if student.kind == "inconclusive"]
        closest = min(open_ones, key=lambda student: len(student.reasons))
        for_now = " for now" if evidence.teacher.layers is not None else ""
        sentences.append(f"{_keep(evidence)}{for_now}: it can't be told yet whether a student can replace it.")
        sentences.append(f"{closest.model} comes closest; what is open: {'; '.join(closest.reasons)}.")
    else:
        sentences.append(f"{_keep(evidence)}: no student can be recommended.")
        if not traps:
            sentences += [f"{student.model}: {student.reasons[0]}." for student in students[:NAMED]]
    if warning := _teacher_warning(evidence, evidence.reference_of(chosen) if chosen else evidence.teacher):
        sentences.append(warning)
    return " ".join(sentences)


def _keep(evidence: Evidence) -> str:
    """What to do while no student is good enough; what stored scores came from may not be there to be kept."""
    return "Keep the teacher" if evidence.teacher.layers is not None else "Don't ship a student yet"


def _ship(evidence: Evidence, chosen: Candidate) -> str:
    """What to ship, what it saves, and how good it and the teacher are, since margins alone don't say."""
    teacher, (whole, positive) = evidence.reference_of(chosen), _judged_by(chosen)
    measure = positive if positive in evidence.sizes else whole
    fewer = teacher.layers is not None and chosen.layers is not None and chosen.layers < teacher.layers
    saved = f"{chosen.layers} layers instead of {teacher.layers}, and " if fewer else ""
    suite = "the suite's sealed part" if chosen.mended else "the suite"
    on_suite = f"on the test rows and on {suite}" if evidence.knows_reference(chosen) else "on the test rows"
    its_own = f", {_titled(teacher)} {teacher.means[measure]:.0%}" if measure in teacher.means else ""
    if teacher.model != evidence.teacher.model and measure in evidence.teacher.means:
        its_own += f", the one without mending {evidence.teacher.means[measure]:.0%}"
    sentence = (
        f"Ship {chosen.model}: {saved}within the margins of {_titled(teacher)} {on_suite}. It gets "
        f"{chosen.means[measure]:.0%} of {_counted(evidence, measure)} right{its_own}."
    )
    if _takes_as_much(chosen, teacher):
        return f"{sentence} It takes as much to run as {_titled(teacher)}."
    return sentence


def _titled(teacher: Candidate) -> str:
    return "the mended teacher" if teacher.mended else "the teacher"


def _takes_as_much(chosen: Candidate, teacher: Candidate) -> bool:
    sizes = (chosen.layers, teacher.layers), (chosen.parameters, teacher.parameters)
    return all(of_chosen is not None and of is not None and of_chosen >= of for of_chosen, of in sizes)


def _teacher_warning(evidence: Evidence, teacher: Candidate) -> str:
    """A student that keeps its teacher's behaviour keeps its blindness too."""
    if not evidence.suite_results:
        return ""
    if teacher.model not in evidence.suite_results:
        return (
            "How the teacher itself does on the suite is unknown, so the student is held against the suite's labels "
            "alone; have its cases scored (foreshot suite), and give the scores with --teacher-scores."
        )
    sees = _sees(evidence, teacher)
    if sees.state == "holds":
        return ""
    called = _titled(teacher).capitalize()
    return f"{called} itself is hardly better than blind on the suite ({sees.reason}): look at its data first."


def _called(evidence: Evidence, measure: str) -> str:
    positive = evidence.positive or "positive"
    return {
        METRIC: evidence.metric_name,
        REPEAT: f"{evidence.metric_name} where a text was scored twice,",
        SUITE: "suite accuracy",
        SUITE_POSITIVE: f"accuracy on the suite's {positive} cases",
        SEALED: "accuracy on the suite's sealed cases",
        SEALED_POSITIVE: f"accuracy on the suite's sealed {positive} cases",
        PROBES: "share of probes right",
        PROBES_POSITIVE: f"share of {positive} probes flagged",
    }[measure]


def _counted(evidence: Evidence, measure: str) -> str:
    positive = evidence.positive or "positive"
    return {
        SUITE: "the suite",
        SUITE_POSITIVE: f"the suite's {positive} cases",
        SEALED: "the suite's sealed cases",
        SEALED_POSITIVE: f"the suite's sealed {positive} cases",
        PROBES: "the probes",
        PROBES_POSITIVE: f"the {positive} probes",
    }[measure]


def _against(evidence: Evidence, compared: Comparison, teacher: Candidate) -> str:
    difference = compared.difference
    against = "a repeat's" if compared.measure == REPEAT else f"{_titled(teacher)}'s"
    if evidence.is_reference and compared.measure == METRIC:
        against = "the stored scores' own"
    return (
        f"{_called(evidence, compared.measure)} {_points(difference.value)} points against {against} "
        f"(95 % interval {_points(difference.low)} to {_points(difference.high)})"
    )


def _some(lost: list[tuple[float, str]]) -> str:
    """The worst ones by name, the others by number."""
    named = "; ".join(name for _, name in sorted(lost)[:NAMED])
    return f"{named} and {len(lost) - NAMED} more" if len(lost) > NAMED else named


def _listed(names: Sequence[str]) -> str:
    """Names as a sentence has them: "a, b and c"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _points(value: float) -> str:
    """A difference in percentage points, with a true minus, and none at all where it is shown as 0."""
    shown = f"{value * 100:+.1f}"
    return "0.0" if float(shown) == 0 else shown.replace("-", "−")


def _size(margin: float) -> str:
    return "1 point" if math.isclose(margin, 0.01) else f"{margin * 100:g} points"


def _rounded(count: int) -> str:
    """Two significant digits, upwards: an estimate of how many, not a count."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"{math.ceil(count / step) * step:,}"
