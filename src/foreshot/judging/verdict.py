"""The verdict: from numbers to what to ship, and why. Its rules are written out for users in docs/verdict.md.

A pure function: no model, no file, no text of the data is known here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from foreshot.config import VerdictPolicy
from foreshot.judging.statistics import turned
from foreshot.results import Comparison, Requirement, StudentVerdict, SuiteResult, Verdict

METRIC, SUITE, SUITE_POSITIVE, PROBES, PROBES_POSITIVE = MEASURES = (
    "macro_f1",
    "suite",
    "suite_positive",
    "probes",
    "probes_positive",
)
"""Macro-F1 on the test rows; share right of the suite, and of its toxic cases; likewise of the labelled probes."""

BEHAVIOUR = (SUITE, SUITE_POSITIVE, PROBES, PROBES_POSITIVE)
CHANCE = 0.5


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model as the verdict sees it: its cost, how many seeds it has, and its mean in each measure."""

    model: str
    layers: int
    parameters: int
    seeds: int
    means: dict[str, float]  # by measure


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the verdict looks at. The teacher is the first candidate; `sizes` has each measure's rows or cases."""

    candidates: Sequence[Candidate]
    comparisons: Sequence[Comparison]
    suite_results: dict[str, SuiteResult]  # by model; none without a suite
    positive: str | None
    sizes: dict[str, int]
    policy: VerdictPolicy

    @property
    def teacher(self) -> Candidate:
        """The model that the students are held against."""
        return self.candidates[0]

    @property
    def students(self) -> Sequence[Candidate]:
        """All but the teacher."""
        return self.candidates[1:]

    def difference(self, first: str, second: str, measure: str) -> Comparison | None:
        """`first` against `second` in a measure, if it was measured."""
        for found in self.comparisons:
            if found.measure == measure and {found.first, found.second} == {first, second}:
                return found if found.first == first else turned(found)
        return None


def verdict(evidence: Evidence) -> Verdict:
    """Judge every student, choose the one to ship, and say it in a sentence."""
    requirements = {student.model: _requirements(evidence, student) for student in evidence.students}
    conflicts = {student.model: _conflict(evidence, student) for student in evidence.students}
    passing = [
        student
        for student in evidence.students
        if not conflicts[student.model] and all(found.state == "holds" for found in requirements[student.model])
    ]
    chosen = min(passing, key=_cheapest_first) if passing else None
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
        margins={name: float(value) for name, value in evidence.policy.model_dump().items()},
    )


def _cheapest_first(candidate: Candidate) -> tuple[float, ...]:
    """Fewer layers first, then fewer parameters; of two that cost the same, the one that behaves better."""
    means = candidate.means
    return (candidate.layers, candidate.parameters, -means.get(SUITE, 0.0), -means[METRIC])


def _requirements(evidence: Evidence, student: Candidate) -> list[Requirement]:
    policy = evidence.policy
    found = [_not_worse(evidence, student, METRIC, policy.metric_margin)]
    if not evidence.suite_results:
        found.append(
            Requirement(name="behaviour", state="can't tell", reason="no suite was run, so its behaviour is unknown")
        )
    else:
        found.append(_not_worse(evidence, student, SUITE, policy.suite_margin))
        if evidence.positive is not None:
            found.append(_not_worse(evidence, student, SUITE_POSITIVE, policy.suite_margin))
            found.append(_sees(evidence, student))
        found.append(_keeps_functionalities(evidence, student))
    found.append(_enough_seeds(student, policy))
    return found


def _not_worse(evidence: Evidence, student: Candidate, measure: str, margin: float) -> Requirement:
    """Non-inferior to the teacher: the whole interval of the difference lies above minus the margin."""
    compared = evidence.difference(student.model, evidence.teacher.model, measure)
    if compared is None:
        return Requirement(name=measure, state="can't tell", reason=f"{_called(evidence, measure)} was not measured")
    difference = compared.difference
    what = (
        f"{_called(evidence, measure)} {_points(difference.value)} against the teacher's "
        f"({_points(difference.low)} to {_points(difference.high)})"
    )
    if difference.low >= -margin:
        return Requirement(name=measure, state="holds", reason=f"{what}, within the margin of {_size(margin)}")
    if difference.value < -margin and (difference.high < 0 or compared.outcome == "worse"):
        return Requirement(name=measure, state="fails", reason=f"{what}: worse by more than {_size(margin)}")
    return Requirement(name=measure, state="can't tell", reason=f"{what}: {_enough(evidence, compared, margin)}")


def _enough(evidence: Evidence, compared: Comparison, margin: float) -> str:
    """How many rows would settle it: an interval narrows with the square root of the rows."""
    difference, rows = compared.difference, evidence.sizes[compared.measure]
    room = difference.value + margin
    unit = "test rows" if compared.measure == METRIC else "cases"
    if room <= 0:
        return f"{rows:,} {unit} are too few to tell whether it is worse by more than {_size(margin)}"
    needed = math.ceil(rows * ((difference.value - difference.low) / room) ** 2)
    return f"{rows:,} {unit} are too few for a margin of {_size(margin)}; about {_rounded(needed)} would do"


def _sees(evidence: Evidence, student: Candidate) -> Requirement:
    """Better than blind: a model that flags everything, or nothing, gets one half of the suite's two sides right."""
    sides = evidence.suite_results[student.model].by_label.values()
    balanced = sum(side.value for side in sides) / len(sides)
    balanced_low = sum(side.low for side in sides) / len(sides)
    reason = f"{balanced:.0%} right on the mean of the suite's sides, where a blind model gets {CHANCE:.0%}"
    state = "holds" if balanced_low > CHANCE else "fails" if balanced <= CHANCE else "can't tell"
    return Requirement(name="sees", state=state, reason=reason)


def _keeps_functionalities(evidence: Evidence, student: Candidate) -> Requirement:
    margin = evidence.policy.functionality_margin
    lost = [
        (cell.minus_teacher.value, cell.name)
        for cell in evidence.suite_results[student.model].functionalities
        if cell.minus_teacher and cell.minus_teacher.value < -margin and cell.minus_teacher.high < 0
    ]
    if not lost:
        return Requirement(
            name="functionalities", state="holds", reason=f"loses no functionality by more than {_size(margin)}"
        )
    named = "; ".join(f"{name} ({_points(value)})" for value, name in sorted(lost)[:3])
    more = f" and {len(lost) - 3} more" if len(lost) > 3 else ""
    return Requirement(name="functionalities", state="fails", reason=f"loses {named}{more}")


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
    behind: list[tuple[float, str, str]] = []
    for other in others:
        for measure in BEHAVIOUR:
            found = evidence.difference(student.model, other.model, measure)
            if found and found.outcome == "worse" and found.difference.value < -margin and _is_sound(evidence, other):
                behind.append((found.difference.value, measure, other.model))
    if not behind:
        return ""
    _, measure, other_name = min(behind)
    other = next(candidate for candidate in others if candidate.model == other_name)
    best = "is as good as any student" if any(f and f.outcome != "better" for f in on_metric) else "is the best student"
    return (
        f"{student.model} {best} on the test rows (macro-F1 {student.means[METRIC]:.3f}), but gets only "
        f"{student.means[measure]:.0%} of {_counted(evidence, measure)} right where {other.model} gets "
        f"{other.means[measure]:.0%}"
    )


def _is_sound(evidence: Evidence, other: Candidate) -> bool:
    """Whether a student is fit to show another up: one that flags everything gets all toxic cases right."""
    if not evidence.suite_results or evidence.positive is None:
        return True
    return _sees(evidence, other).state != "fails"


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
    for trap in traps:
        sentences.append(f"Don't ship {trap.model}: {trap.reasons[0].removeprefix(trap.model + ' ')}.")
    if chosen:
        teacher = evidence.teacher
        sentences.append(
            f"Ship {chosen.model}: {chosen.layers} layers instead of {teacher.layers}, and within the margins of the "
            "teacher on the test rows and on the suite."
            if chosen.layers < teacher.layers
            else f"Ship {chosen.model}: within the margins of the teacher on the test rows and on the suite."
        )
    elif any(student.kind == "inconclusive" for student in students):
        open_ones = [student for student in students if student.kind == "inconclusive"]
        closest = min(open_ones, key=lambda student: len(student.reasons))
        sentences.append(f"Can't tell yet whether a student can replace the teacher: {closest.model} comes closest.")
        sentences.append(f"What is open: {'; '.join(closest.reasons)}.")
    else:
        sentences.append("Keep the teacher: no student can be recommended.")
        if not traps:
            sentences.append(
                " ".join(f"{student.model}: {student.reasons[0]}." for student in students if student.reasons)
            )
    if warning := _teacher_warning(evidence):
        sentences.append(warning)
    return " ".join(sentences)


def _teacher_warning(evidence: Evidence) -> str:
    """A student that keeps its teacher's behaviour keeps its blindness too."""
    if not evidence.suite_results or evidence.positive is None:
        return ""
    sees = _sees(evidence, evidence.teacher)
    if sees.state == "holds":
        return ""
    return f"The teacher itself is hardly better than blind on the suite ({sees.reason}): look at its data first."


def _called(evidence: Evidence, measure: str) -> str:
    positive = evidence.positive or "positive"
    return {
        METRIC: "macro-F1",
        SUITE: "suite accuracy",
        SUITE_POSITIVE: f"accuracy on the suite's {positive} cases",
        PROBES: "share of probes right",
        PROBES_POSITIVE: f"share of {positive} probes flagged",
    }[measure]


def _counted(evidence: Evidence, measure: str) -> str:
    positive = evidence.positive or "positive"
    return {
        SUITE: "the suite",
        SUITE_POSITIVE: f"the suite's {positive} cases",
        PROBES: "the probes",
        PROBES_POSITIVE: f"the {positive} probes",
    }[measure]


def _points(value: float) -> str:
    """A difference in percentage points, with a true minus."""
    return f"{value * 100:+.1f}".replace("-", "−")


def _size(margin: float) -> str:
    return f"{margin * 100:g} points"


def _rounded(count: int) -> str:
    """Two significant digits, upwards: an estimate of how many, not a count."""
    step = 10 ** max(0, len(str(count)) - 2)
    return f"{math.ceil(count / step) * step:,}"
