"""Teachers that were only asked: what each is and counts for, and the test rows on which several differ most."""

from foreshot.reporting.section import Prose, Section, Shown, blocks, shown
from foreshot.reporting.tables import Cell, Column, Table, mean_text, metric_text, models_of, table
from foreshot.reporting.texts import shortened
from foreshot.results.results import Results
from foreshot.results.teachers import STORED, AskedTeachers, Disagreement

LONGEST_NAME = 80
WEIGHING = {
    "equal": "All count alike.",
    "fitted": "Weights were fitted on the validation rows: those whose mean has the least cross-entropy there.",
    "given": "Weights are as they were given.",
}


def section(results: Results) -> Section | None:
    """The section; None where the teacher is a model of the run's own."""
    found = results.asked_teachers
    if found is None:
        return None
    title = "The teachers" if found.disagreement else "The teacher"
    return Section(
        "teachers",
        title,
        title,
        blocks(
            Prose(_what_they_are(found)),
            Shown(teachers_table(results, found), "wordy"),
            [Prose(sentence) for sentence in sentences(found, found.disagreement)] if found.disagreement else None,
            shown(contested_table(found), "wordy", titled=True),
        ),
    )


def _what_they_are(found: AskedTeachers) -> str:
    if found.disagreement is None and found.teachers[0].kind == STORED:
        return "The teacher is stored scores: there are no layers to take, and students start from the encoder."
    if found.disagreement is None:
        return (
            "The teacher was only asked, each text in its own tokens: no layers were taken from it, and every student "
            "starts from the encoder."
        )
    return (
        f"{len(found.teachers)} teachers were only asked, each text in each one's own tokens. Students learn from the "
        "weighted mean of their probabilities, which is the model called teacher, and start from the encoder. "
        + WEIGHING[found.weighing]
    )


def teachers_table(results: Results, found: AskedTeachers) -> Table:
    """What each teacher is, what it counts for, and its macro-F1, above that of the mean."""
    columns = [
        Column("model", is_number=False),
        Column("name", is_number=False),
        Column("is", is_number=False),
        Column("weight"),
        Column("macro-F1"),
    ]
    spreads = {model.name: model.summary.spreads.get("macro_f1") for model in models_of(results)}

    def macro_f1(name: str) -> str:
        return mean_text(spreads.get(name), metric_text)

    rows = [
        [one.model, shortened(one.name, LONGEST_NAME), one.kind, f"{one.weight:.3f}", macro_f1(one.model)]
        for one in found.teachers
    ]
    if found.disagreement:
        rows.append(["teacher", "the mean of these", "", "1.000", macro_f1("teacher")])
    return table("teachers", "The teachers", columns, rows)


def sentences(found: AskedTeachers, differ: Disagreement) -> list[str]:
    """How far the teachers differ, whether their mean errs there, and what became of such rows in training."""
    if len(differ.by_output) > 2:
        outputs = ", ".join(f"{shortened(name, 40)} {_apart(value)}" for name, value in differ.by_output.items())
        outputs = f" By output: {outputs}."
    else:
        outputs = ""
    said = [
        f"On the test rows their probabilities have a standard deviation of {_apart(differ.mean)} (the root of the "
        f"mean variance).{outputs}"
    ]
    if differ.correlation is not None:
        said.append(
            f"Spearman's correlation of a row's disagreement with the mean's error there is {differ.correlation:+.2f}"
            + ("." if differ.correlation <= 0 else ": where they differ, the mean is wrong more often.")
        )
    if found.strength:
        said.append(
            f"In training a row on which they differ weighed less: exp(−4 · {found.strength:g} · variance) of what one "
            "did on which they agree."
        )
    return said


def contested_table(found: AskedTeachers) -> Table | None:
    """The test rows on which the teachers differ most; None where they never do."""
    differ = found.disagreement
    if differ is None or not differ.rows:
        return None
    columns = [
        Column("text", is_number=False),
        Column("row"),
        Column("label", is_number=False),
        Column("probability of", is_number=False),
        *(Column(one.model) for one in found.teachers),
        Column("their mean"),
        Column("standard deviation"),
    ]
    rows = [
        [
            Cell(shortened(one.text)),
            str(one.row),
            shortened(", ".join(one.labels) or "none", 40),
            shortened(one.output, 40),
            *(f"{value:.2f}" for value in one.probabilities),
            f"{one.mean:.2f}",
            _apart(one.variance),
        ]
        for one in differ.rows
    ]
    return table("contested", "Where they differ most", columns, rows)


def _apart(variance: float) -> str:
    return f"{variance**0.5:.2f}"
