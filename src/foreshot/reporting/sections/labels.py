"""The labels of a multi-label task: how every model does on each of them, and which one behaviour is judged by."""

from collections.abc import Callable, Sequence

from foreshot.reporting.behaviour import LONGEST_NAME, behaviours, judged_label
from foreshot.reporting.section import Section, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    count_text,
    heading,
    known_spread,
    metric_text,
    models_of,
    spread_text,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.models import LabelResult
from foreshot.results.results import Results

Number = Callable[[LabelResult], float | None]
MEANS = (
    ("mean_auroc", "AUROC"),
    ("mean_average_precision", "average precision"),
    ("macro_f1", "macro-F1"),
)
"""By the names of `judging.summary`; each is a mean over the labels."""
OF_EACH: tuple[tuple[str, str, Number], ...] = (
    ("AUROC", "ranking", lambda found: found.auroc),
    ("average precision", "ranking", lambda found: found.average_precision),
    ("threshold", "decisions", lambda found: found.decision.threshold),
    ("precision", "decisions", lambda found: found.precision),
    ("recall", "decisions", lambda found: found.recall),
    ("F1", "decisions", lambda found: found.f1),
    ("before", "calibration error (ECE)", lambda found: found.calibration.expected_calibration_error),
    ("after", "calibration error (ECE)", lambda found: found.calibration_after_scaling.expected_calibration_error),
    ("before", "Brier score", lambda found: found.calibration.brier),
    ("after", "Brier score", lambda found: found.calibration_after_scaling.brier),
)


def section(results: Results) -> Section | None:
    """The section: of a multi-label task how every model does on each label."""
    found = labels_table(results)
    if found is None:
        return None
    means = label_means_table(results)
    return Section("labels", "Labels", "Labels", blocks(shown(means, titled=True), shown(found, titled=True)))


def label_means_table(results: Results) -> Table | None:
    """Means over the labels, with their spread over the seeds, for every model; None where there is one label alone."""
    if judged_label(results) is None:
        return None
    beside = behaviours(results)
    columns = [
        Column("model", is_number=False),
        *(Column(title, group="mean over the labels") for _, title in MEANS),
        *(Column(found.title, group="behaviour") for found in beside),
    ]
    rows = [
        [
            model.name,
            *(spread_text(model.summary.spreads.get(name), metric_text) for name, _ in MEANS),
            *(found.text(model) for found in beside),
        ]
        for model in models_of(results)
    ]
    unranked = [found.name for found in results.models[0].labels if found.auroc is None]
    note = ""
    if unranked:
        names = ", ".join(shortened(name, LONGEST_NAME) for name in unranked)
        note = f"AUROC and average precision leave out {names}: no test row has the label, or every one has it."
    return table("label-means", "All labels together", columns, rows, note)


def labels_table(results: Results) -> Table | None:
    """Every model on every label, the teacher beside the students; None where a text has one label alone."""
    names = results.data.label_names
    if not names:
        return None
    models = models_of(results)
    columns = (Column("label and model", is_number=False), *(Column(title, group=group) for title, group, _ in OF_EACH))
    rows: list[Row] = []
    for index, name in enumerate(names):
        support = models[0].first.labels[index].support
        called = f"{shortened(name, LONGEST_NAME)}{' (judged)' if index == 0 else ''}"
        rows.append(heading(f"{called}: {count_text(support)} of {_test_rows(results)} test rows"))
        rows += [_label_row(model, index, results.models[0].decision.policy) for model in models]
    notes = (
        "Every label has a temperature and a threshold of its own, fitted on the validation rows; all else is of the "
        f"test rows. Without a threshold, {NOTHING}, a label is given from a probability of 0.5. Calibration: before "
        "and after temperature scaling; lower is better.",
        _fallback_note(results),
    )
    return Table("labels-each", "Each label", columns, tuple(rows), tuple(note for note in notes if note))


def _label_row(model: ModelRuns, index: int, asked: str) -> Row:
    found = [run.labels[index] for run in model.runs]
    fallen_back = any(one.decision.policy != asked for one in found)
    unmet = any(not one.decision.met for one in found)
    remark = "too few rows for the policy" if fallen_back else "✗ not met" if unmet else ""
    numbers = (Cell(_text(found, number)) for _, _, number in OF_EACH)
    return Row((Cell(model.name, remark=remark), *numbers))


def _text(found: Sequence[LabelResult], number: Number) -> str:
    return spread_text(known_spread([number(one) for one in found]), metric_text)


def _fallback_note(results: Results) -> str:
    asked = results.models[0].decision.policy
    fallen_back = [
        found.name
        for found in results.models[0].labels
        if any(found.name == one.name and one.decision.policy != asked for run in results.models for one in run.labels)
    ]
    if not fallen_back:
        return ""
    names = ", ".join(shortened(name, LONGEST_NAME) for name in fallen_back)
    return f"The validation rows are too few for {asked} on {names}: there argmax is taken, a probability of 0.5."


def _test_rows(results: Results) -> str:
    return count_text(results.data.parts["test"].rows)
