"""The verdict as the report shows it: what to ship and why, and a line for each student."""

import re
from dataclasses import dataclass

from foreshot.judging.evidence import (
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    REPEAT,
    SEALED,
    SEALED_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
)
from foreshot.reporting.behaviour import LONGEST_NAME, measure_title, probe_counts, sealed_shares, suite_shares
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Table,
    mean_text,
    metric_text,
    models_of,
    reference_of,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.results import Results
from foreshot.results.verdict import StudentVerdict

SIGNS = {"recommended": "✓", "acceptable": "✓", "conflict": "⚠", "not recommended": "✗", "inconclusive": "?"}
"""A sign beside every kind of verdict, so that colour is never all that tells them apart."""
FIRST_SHOWN = ("recommended", "conflict", "acceptable", "inconclusive", "not recommended")
LONGEST_REASON = 400
SENTENCE_END = re.compile(r"(?<=\.) ")
INTERVAL = re.compile(r" \(95 % interval [^()]*\)")
ORDERS = ("Don't ship ", "Nor ", "Ship ", "Keep the teacher")


@dataclass(frozen=True)
class Card:
    """One model in a line: its verdict, what the verdict rests on, and the first reason."""

    name: str
    remark: str  # that its learning rate is another one
    kind: str
    sign: str
    numbers: tuple[tuple[str, str], ...]  # what it is, and its value
    reason: str

    @property
    def slug(self) -> str:
        """The kind as a name for style sheets."""
        return self.kind.replace(" ", "-")


def verdict_sign(results: Results) -> str:
    """The sign of the verdict as a whole."""
    return SIGNS[results.verdict.kind]


def headline(results: Results) -> list[tuple[str, bool]]:
    """The verdict's headline, sentence by sentence, and whether each says what to do: those are shown big."""
    sentences = SENTENCE_END.split(shortened(results.verdict.headline, 4 * LONGEST_REASON))
    found = [(sentence, sentence.startswith(ORDERS)) for sentence in sentences]
    if not any(is_order for _, is_order in found):
        found[0] = (found[0][0], True)
    if results.verdict.folder:
        seeds = ", of its seeds the best on the validation rows" if len(results.conditions.seeds) > 1 else ""
        found.append((f"Take {shortened(results.verdict.folder)}{seeds}.", False))
    found.append((what_is_judged(results), False))
    return found


def what_is_judged(results: Results) -> str:
    """Which of two questions the verdict answers: whether these files may be shipped, or which recipe is better."""
    if len(results.conditions.seeds) == 1:
        return "This verdict is about these files, of one seed; what the recipes would give with others isn't known."
    return (
        "This verdict is about files, of each student the seed that is best on the validation rows, against this very "
        "teacher; which recipe is better stands under Differences."
    )


def notes(results: Results) -> list[str]:
    """What is worth knowing beside the verdict and decided nothing."""
    return [shortened(note, LONGEST_REASON) for note in [*_otherwise_than_registered(results), *results.verdict.notes]]


def _otherwise_than_registered(results: Results) -> list[str]:
    """That it is judged otherwise than was written down before training, if so."""
    registered, changed = results.made.registered, results.made.changed
    if registered is None or not changed:
        return []
    when = "after models were trained" if registered.after_training else "before training"
    return [f"Judged otherwise than was written down on {registered.at[:10]}, {when}: {'; '.join(changed)}."]


def ranked_students(results: Results) -> list[StudentVerdict]:
    """The students, those to know of first at the top."""
    return sorted(results.verdict.students, key=lambda student: FIRST_SHOWN.index(student.kind))


def cards(results: Results) -> list[Card]:
    """A card for each student, and the teacher's as what they are held against; none for each of several teachers.

    A mended teacher has one, too, as what mended students are held against. The baseline's comes last.
    """
    models = {model.name: model for model in models_of(results)}
    made = [
        Card(
            name=student.model,
            remark=_remark(results, models[student.model]),
            kind=student.kind,
            sign=SIGNS[student.kind],
            numbers=_numbers(results, models[student.model]),
            reason=_first_reason(student),
        )
        for student in ranked_students(results)
        if student.model in models
    ]
    made += [
        Card(name, _remark(results, models[name]), "reference", "", _numbers(results, models[name]), reason)
        for name, reason in references(results).items()
        if name in models and models[name].is_teacher
    ]
    made += [
        Card(
            model.name, model.remark, "baseline", "", _numbers(results, model), "a row to beat: no part of the verdict"
        )
        for model in models.values()
        if model.is_baseline
    ]
    return made


def references(results: Results) -> dict[str, str]:
    """The teachers that students are held against, and of which students each is the measure."""
    teacher, mending = results.models[0].model, results.mending
    if mending is None:
        return {teacher: "the teacher, which every student is held against"}
    found = dict.fromkeys(mending.references.values())
    others = [name for name in found if name != teacher]
    if not others:
        return {teacher: "the teacher, which every student is held against, mended ones on what is sealed"}
    return {
        teacher: "the teacher, which every student without mending is held against",
        **dict.fromkeys(others, "the mended teacher, which mended students are held against, on what is sealed"),
    }


def students_table(results: Results) -> Table:
    """The cards as a table."""
    found = cards(results)
    names = [name for name, _ in found[0].numbers] if found else []
    columns = [
        Column("model", is_number=False),
        Column("verdict", is_number=False),
        *(Column(name) for name in names),
        Column("why", is_number=False),
    ]
    rows = [
        [
            Cell(card.name, remark=card.remark),
            f"{card.sign} {card.kind}".strip(),
            *(value for _, value in card.numbers),
            card.reason,
        ]
        for card in found
    ]
    return table("students", "The students", columns, rows)


def measure_name(results: Results, measure: str) -> str:
    """What a comparison's measure is called."""
    positive = shortened(results.data.positive or "positive", LONGEST_NAME)
    return {
        METRIC: measure_title(results, METRIC, "macro-F1"),
        REPEAT: "macro-F1 where a text was scored twice",
        SUITE: "suite right",
        SUITE_POSITIVE: f"suite's {positive} cases right",
        SEALED: "suite's sealed cases right",
        SEALED_POSITIVE: f"suite's sealed {positive} cases right",
        PROBES: "probes right",
        PROBES_POSITIVE: f"{positive} probes flagged",
    }.get(measure, measure)


def _numbers(results: Results, model: ModelRuns) -> tuple[tuple[str, str], ...]:
    """What the verdict rests on: the metric, the suite (the probes where there is none), and what it costs."""
    positive = shortened(results.data.positive or "", LONGEST_NAME)
    numbers = [("macro-F1", mean_text(model.summary.spreads.get("macro_f1"), metric_text))]
    sealed = sealed_shares(results)
    shares = suite_shares(results)
    names = ("suite", f"{positive} side")
    numbers += [(name, share.text(model)) for name, share in zip(names, shares, strict=False)]
    numbers += [(f"sealed {name}", share.text(model)) for name, share in zip(names, sealed, strict=False)]
    if not shares:
        numbers += [(count.short, count.text(model)) for count in probe_counts(results)]
    numbers.append(("layers", model.cost_text(lambda cost: cost.layers, str)))
    return tuple(numbers)


def _remark(results: Results, model: ModelRuns) -> str:
    """That a model was mended, with what it is held against where that isn't the teacher, and its learning rate."""
    mended = ""
    if results.mending is not None and model.name in results.mending.references:
        reference = reference_of(results, model.name)
        apart = "" if model.is_teacher or reference == results.models[0].model else f", held against {reference}"
        mended = f"mended{apart}"
    return "; ".join(remark for remark in (mended, model.remark) if remark)


def _first_reason(student: StudentVerdict) -> str:
    """The first reason without its interval, which the table of requirements has: a card has room for a line."""
    return shortened(INTERVAL.sub("", student.reasons[0]), LONGEST_REASON) if student.reasons else NOTHING


def title(results: Results) -> str:
    """The report's title."""
    return f"Foreshot: {results.name}"


def notice(results: Results) -> str:
    """What must be said first: that the data are made up, or that scores are all that is known; empty otherwise."""
    if results.data.thresholds is not None:
        return (
            "How well do students stand in for the scores? Stored scores are all that is known of these rows, so that "
            "no figure of the test rows says how right a model is."
        )
    if not results.data.synthetic:
        return ""
    return (
        "Synthetic corpus, made from templates to show how the comparison works: "
        "its numbers say nothing about real comments."
    )
