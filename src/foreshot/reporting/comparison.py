"""The comparison's tables: how well the models do, with how they behave beside every metric."""

from collections.abc import Callable

from foreshot.reporting.behaviour import LONGEST_NAME, behaviour_text, behaviours, suite_shares
from foreshot.reporting.labels import judged_label, judged_note, measure_title
from foreshot.reporting.reasons import people_auprc
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    big_count_text,
    bytes_text,
    count_text,
    factor_text,
    known_spread,
    learning_rate_text,
    loss_text,
    mean_text,
    metric_text,
    models_of,
    range_text,
    seconds_text,
    seed_count,
    spread_text,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.models import ClassMetrics, Spread
from foreshot.results.results import Results
from foreshot.settings.experiment import MOST_ASKED_TRAINING_ROWS
from foreshot.settings.recipes import LORA_FACTOR, TUNED

MEASURES: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("train_objective", "training loss", "training", loss_text),
    ("train_cross_entropy", "training cross-entropy", "training", loss_text),
    ("test_cross_entropy", "test cross-entropy", "test", loss_text),
    ("accuracy", "accuracy", "test", metric_text),
    ("macro_f1", "macro-F1", "test", metric_text),
    ("auroc", "AUROC", "test", metric_text),
    ("mean_auroc", "AUROC", "test", metric_text),
)
SHORT = {"train_cross_entropy": "train CE", "test_cross_entropy": "test CE", "macro_f1": "macro-F1"}
"""What the terminal shows. The objective as optimised isn't among it: it can't be compared across recipes."""
MOST_MATRIX_CLASSES = 20


def model_cell(model: ModelRuns) -> Cell:
    """A model's name, marked where it was not trained under the same conditions."""
    return Cell(model.name, remark=model.remark)


def main_table(results: Results) -> Table:
    """The answer in one table: losses, test metrics, behaviour and cost of every model.

    Where learning rates were searched, the models at their best stand in `search.best_table` instead.
    """
    models = compared_models(results)
    measures = _known_measures(results, models)
    counts = behaviours(results)
    columns = [
        Column("model", is_number=False),
        *(Column(title, group=group) for _, title, group, _ in measures),
        *(Column(count.title, group="behaviour") for count in counts),
        *(Column(title, group="cost") for title in ("layers", "trained parameters", "training time", "size on disk")),
    ]
    rows = [
        [
            model_cell(model),
            *(_measure_cell(model, name, form) for name, _, _, form in measures),
            *(count.text(model) for count in counts),
            str(model.first.cost.layers),
            big_count_text(model.first.cost.trained_parameters) if model.first.training else "none",
            mean_text(training_time(model), seconds_text),
            bytes_text(model.first.cost.size_on_disk),
        ]
        for model in models
    ]
    return table("comparison", _title(results, models), columns, rows, *main_notes(results, models))


def _title(results: Results, models: list[ModelRuns]) -> str:
    if not results.trials:
        return "Side by side"
    matched = all(model.is_matched for model in models)
    return "At the same learning rate" if matched else "Each at its usual learning rate"


def compared_models(results: Results) -> list[ModelRuns]:
    """The models of the main table: all but those that a search made, which have a table of their own."""
    searched = {trial.recipe + TUNED for trial in results.trials}
    return [model for model in models_of(results) if model.name not in searched]


def terminal_table(results: Results) -> Table:
    """The main table's most needed columns, under names short enough for a terminal."""
    models = models_of(results)
    measures = [measure for measure in _known_measures(results, models) if measure[0] in SHORT]
    counts = behaviours(results)
    columns = [
        Column("model", is_number=False),
        Column("layers"),
        *(Column(title, short=SHORT[name]) for name, title, _, _ in measures),
        *(Column(count.title, short=count.short) for count in counts),
        Column("training time", short="time"),
    ]
    rows = [
        [
            Cell(model.name + ("" if model.is_matched else " *")),
            str(model.first.cost.layers),
            *(spread_text(model.summary.spreads.get(name), form) for name, _, _, form in measures),
            *(count.text(model) for count in counts),
            mean_text(training_time(model), seconds_text),
        ]
        for model in models
    ]
    return table("comparison", f"{results.name}: the models side by side", columns, rows, *_terminal_notes(results))


def range_table(results: Results) -> Table | None:
    """The least and the greatest value over the seeds, and the mean's interval; None with one seed."""
    if seed_count(results) < 2:
        return None
    models = [model for model in models_of(results) if len(model.runs) > 1]
    measures = _known_measures(results, models)
    counts = behaviours(results)
    columns = [
        Column("model", is_number=False),
        Column("seeds"),
        *(Column(title, group=group) for _, title, group, _ in measures),
        *(Column(f"{count.title} (of {count.of})" if count.of else count.title, group="behaviour") for count in counts),
    ]
    rows = [
        [
            model_cell(model),
            str(len(model.runs)),
            *(_range_cell(model.summary.spreads.get(name), form) for name, _, _, form in measures),
            *(count.range(model) for count in counts),
        ]
        for model in models
    ]
    notes = [
        "Above, the least and the greatest value over the seeds; below, Student's 95 % interval of the mean, which "
        "knows the chance of training alone and not that of the test rows."
    ]
    if suite_shares(results):
        notes.append("For the suite it is Wilson's 95 % interval of the mean over the seeds.")
    return table("range", "Over the seeds", columns, rows, *notes)


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


def training_time(model: ModelRuns) -> Spread | None:
    """Seconds of training over the seeds; None for a teacher that was given."""
    return known_spread([timing.training_seconds for timing in model.timing])


def main_notes(results: Results, models: list[ModelRuns]) -> list[str]:
    """What must be known to read a table of these models' losses, metrics and behaviour."""
    notes = [_objective_note(results, models)]
    notes.append(
        "Cross-entropy is like for like: every model in evaluation mode, on the same training rows (of more than "
        f"{MOST_ASKED_TRAINING_ROWS} so many, drawn) and the same test rows, in nats. Lower is better."
    )
    if seed_count(results) > 1:
        notes.append(
            f"Mean ± standard deviation over {seed_count(results)} seeds. Training time is the mean. The "
            "teacher is trained once, with the first seed, and has no deviation."
        )
    notes.append(_unmatched_note(results, models))
    notes.append(_constant_note(models))
    if any(model.is_teacher and model.first.training is None for model in models):
        notes.append("The teacher was given ready: it has no training loss or time of its own here.")
    notes.append(_behaviour_note(results))
    notes.append(judged_note(results))
    return notes


def _objective_note(results: Results, models: list[ModelRuns]) -> str:
    several = [model.name for model in models if model.loss_count > 1]
    single = [model.name for model in models if model.loss_count == 1]
    note = "Training loss is the objective as it was optimised, the mean over the last epoch."
    if several and single:
        note += (
            f" For {', '.join(several)} it combines {models_loss_count(models)} losses, for "
            f"{', '.join(single)} it is one: a mean of several losses can't be compared with a single one. "
            "Compare the training cross-entropy."
        )
    return note


def models_loss_count(models: list[ModelRuns]) -> int:
    """The greatest number of losses that an objective of the comparison is made of."""
    return max(model.loss_count for model in models)


def _unmatched_note(results: Results, models: list[ModelRuns]) -> str:
    rates = [
        f"{model.name} ({learning_rate_text(model.first.training.learning_rate)}, {factor_text(model.rate_factor)})"
        for model in models
        if not model.is_matched and model.first.training
    ]
    if not rates:
        return ""
    usual = learning_rate_text(results.conditions.learning_rate)
    note = f"Not matched: trained with a learning rate of its own instead of {usual}: {', '.join(rates)}."
    if any((model.first.recipe or {}).get("learning_rate_factor", 1) != 1 for model in models):
        note += (
            " LoRA hardly learns in a few hundred updates at the others' rate, so its named recipes take "
            f"{LORA_FACTOR:g} times it; --matched gives every recipe the same."
        )
    return note


def _constant_note(models: list[ModelRuns]) -> str:
    constant = [model.name for model in models if model.is_constant]
    if not constant:
        return ""
    verb = "predicts" if len(constant) == 1 else "predict"
    seeds = " with at least one seed" if any(len(model.runs) > 1 for model in models) else ""
    return f"{', '.join(constant)} {verb} one and the same class for every test row{seeds}: nothing was learnt."


def _behaviour_note(results: Results) -> str:
    if results.suite:
        return (
            f"Suite: {shortened(results.suite.name, 80)}, {results.suite.cases:,} cases that no model was trained on; "
            "shares are means over the seeds."
        )
    if not results.probes:
        return "No suite was run and no probes were given: no behaviour was looked at, and metrics don't show it."
    if not behaviours(results):
        return "The probes have no labels and no class is positive: the answers are shown, but not counted."
    return "No suite was run: the probes are all that shows behaviour."


def _terminal_notes(results: Results) -> list[str]:
    models = models_of(results)
    notes = []
    notes.append("CE: cross-entropy, measured alike for every model; training losses stand in the report")
    if results.data.synthetic:
        notes.append("synthetic corpus: these numbers say nothing about real comments")
    if (judged := judged_label(results)) is not None:
        notes.append(
            f"macro-F1 and CE are means over {len(results.data.label_names or [])} labels; "
            f"suite and probes judge {judged}"
        )
    if seed_count(results) > 1:
        notes.append(f"mean ± standard deviation over {seed_count(results)} seeds")
    if unmatched := _unmatched_note(results, models):
        notes.append("* " + unmatched[0].lower() + unmatched[1:].rstrip("."))
    if constant := _constant_note(models):
        notes.append(constant.rstrip("."))
    if not results.suite_results and not behaviours(results):
        notes.append(_behaviour_note(results).rstrip("."))
    return notes


def _known_measures(results: Results, models: list[ModelRuns]) -> list[tuple[str, str, str, Callable[[float], str]]]:
    return [
        (name, measure_title(results, name, title), group, form)
        for name, title, group, form in MEASURES
        if any(name in model.summary.spreads for model in models)
    ]


def _measure_cell(model: ModelRuns, name: str, form: Callable[[float], str]) -> Cell:
    text = spread_text(model.summary.spreads.get(name), form)
    if name != "train_objective":
        return Cell(text)
    remarks = {0: "given ready", 1: "1 loss"}
    return Cell(text, remark=remarks.get(model.loss_count, f"{model.loss_count} losses"))


def _range_cell(found: Spread | None, form: Callable[[float], str]) -> Cell:
    if found is None or found.low is None or found.high is None:
        return Cell(range_text(found, form))
    return Cell(range_text(found, form), remark=f"95 %: {form(found.low)} to {form(found.high)}")


def _class_text(model: ModelRuns, index: int, name: str) -> str:
    def number(found: ClassMetrics) -> float:
        return float(getattr(found, name))

    return spread_text(model.over_seeds(lambda run: number(run.test.classes[index])), metric_text)
