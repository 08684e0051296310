"""Test rows, closely: every metric, class by class."""

from foreshot.reporting.behaviour import LONGEST_NAME, behaviour_text, behaviours, judged_label, measure_title
from foreshot.reporting.section import Columns, Heading, Prose, Section, Shown, blocks
from foreshot.reporting.sections.reasons import people_auprc
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    count_text,
    metric_text,
    model_cell,
    models_of,
    spread_text,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.models import ClassMetrics
from foreshot.results.results import Results

MOST_MATRIX_CLASSES = 20


def section(results: Results) -> Section:
    """The section: all metrics, confusion matrices, and each class by itself."""
    matrices = confusion_tables(results)
    explained = "Rows: the true class. Columns: the predicted class."
    return Section(
        "test",
        "Test rows",
        "Test rows, closely",
        blocks(
            Shown(metrics_table(results), titled=True),
            [
                Heading("Confusion matrices"),
                Prose(f"{explained} The tint shows the share of the row.", only="html"),
                Prose(explained, only="markdown"),
                Columns([[Shown(matrix, "matrix", caption=True)] for matrix in matrices], "matrices"),
            ]
            if matrices
            else None,
            Shown(classes_table(results), titled=True),
        ),
    )


def metrics_table(results: Results) -> Table:
    """All metrics of the test rows that hold for a model as a whole."""
    models = models_of(results)
    measures = [
        (name, measure_title(results, name, title), form)
        for name, title, form in (
            ("accuracy", "accuracy", metric_text),
            ("macro_f1", "macro-F1", metric_text),
            ("mcc", "MCC", metric_text),
            ("auroc", "AUROC", metric_text),
            ("average_precision", "average precision", metric_text),
        )
        if any(name in model.summary.spreads for model in models)
    ]
    counts = behaviours(results)
    agreement = people_auprc(results)
    columns = [
        Column("model", is_number=False),
        *(Column(title, group="test") for _, title, _ in measures),
        *([Column("AUPRC against people", group="reasons")] if agreement else []),
        *(Column(count.title, group="behaviour") for count in counts),
    ]
    rows = [
        [
            model_cell(model),
            *(spread_text(model.summary.spreads.get(name), form) for name, _, form in measures),
            *([metric_text(agreement[model.name]) if model.name in agreement else NOTHING] if agreement else []),
            *(count.text(model) for count in counts),
        ]
        for model in models
    ]
    positive = results.data.positive
    judged = judged_label(results)
    whose = (
        f"those of the label {judged}, and so is all else but macro-F1"
        if judged is not None
        else f"those of the class {shortened(positive, LONGEST_NAME)}"
        if positive
        else "the mean over the classes, one against the rest"
    )
    notes = [f"MCC: Matthews correlation coefficient. AUROC and average precision are {whose}."]
    if agreement:
        notes.append(
            "AUPRC against people: how well the model's word scores find the words that people marked, on the texts of "
            "the section Why they decide so."
        )
    return table("metrics", "All test metrics", columns, rows, *notes)


def classes_table(results: Results) -> Table:
    """Precision, recall and F1 of every class, model by model, means over the seeds."""
    columns = (
        Column("class", is_number=False),
        *(Column(title) for title in ("precision", "recall", "F1", "test rows")),
    )
    rows: list[Row] = []
    for model in models_of(results):
        rows.append(Row((Cell(model.name, remark=behaviour_text(results, model)),), is_heading=True))
        for index, found in enumerate(model.first.test.classes):
            cells = (_class_text(model, index, name) for name in ("precision", "recall", "f1"))
            rows.append(Row((Cell(found.name), *(Cell(text) for text in cells), Cell(count_text(found.support)))))
    judged = judged_label(results)
    notes = () if judged is None else (f"Of {judged}, the label that suite and probes judge.",)
    return Table("classes", "Each class", columns, tuple(rows), notes)


def confusion_tables(results: Results) -> list[Table]:
    """True against predicted class for each model, counts summed over the seeds, behaviour in the caption."""
    names = [shortened(name, LONGEST_NAME) for name in results.data.classes]
    if len(names) > MOST_MATRIX_CLASSES:
        return []
    made = []
    for number, model in enumerate(models_of(results)):
        matrices = [run.test.confusion_matrix for run in model.runs]
        rows = []
        for true, name in enumerate(names):
            counts = [sum(matrix[true][predicted] for matrix in matrices) for predicted in range(len(names))]
            total = sum(counts)
            cells = [
                Cell(
                    count_text(count),
                    share=count / total if total else 0.0,
                    mark="kept" if at == true else "",
                )
                for at, count in enumerate(counts)
            ]
            rows.append([Cell(name), *cells])
        columns = [
            Column("true class", is_number=False),
            *(Column(name, group="predicted") for name in names),
        ]
        seeds = f", summed over {len(matrices)} seeds" if len(matrices) > 1 else ""
        note = "; ".join(part for part in (f"test rows{seeds}", behaviour_text(results, model)) if part)
        made.append(table(f"confusion-{number}", model.name, columns, rows, note))
    return made


def _class_text(model: ModelRuns, index: int, name: str) -> str:
    def number(found: ClassMetrics) -> float:
        return float(getattr(found, name))

    return spread_text(model.over_seeds(lambda run: number(run.test.classes[index])), metric_text)
