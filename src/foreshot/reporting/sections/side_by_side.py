"""Side by side: how well the models do, with how they behave and what they cost beside every metric."""

from functools import partial

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foreshot.reporting.behaviour import behaviours, judged_label, judged_note, measure_title
from foreshot.reporting.drawing import BLUE, Drawing, name_rows, styled
from foreshot.reporting.measures import known_measures, measure_cell
from foreshot.reporting.rates import best_table, trials_table
from foreshot.reporting.section import Drawings, Heading, Prose, Section, Shown, blocks, shown
from foreshot.reporting.tables import (
    Cell,
    Column,
    ModelRuns,
    Table,
    big_count_text,
    bytes_text,
    factor_text,
    learning_rate_text,
    mean_text,
    model_cell,
    models_of,
    seconds_text,
    seed_count,
    spread_text,
    table,
    training_time,
)
from foreshot.reporting.texts import shortened
from foreshot.reporting.tradeoff import tradeoffs
from foreshot.results.models import Spread
from foreshot.results.results import Results
from foreshot.settings.experiment import MOST_ASKED_TRAINING_ROWS
from foreshot.settings.recipes import LORA_FACTOR, TUNED

SHORT = {"train_cross_entropy": "train CE", "test_cross_entropy": "test CE", "macro_f1": "macro-F1"}
"""What the terminal shows. The objective as optimised isn't among it: it can't be compared across recipes."""
LONGEST_LABEL = 24
BASELINE_NOTE = (
    "The baseline is a bundle that was made elsewhere: a row to beat. It learnt nothing here, decides by the same "
    "policy as the others rather than by its own thresholds, and has no part in the verdict."
)


def section(results: Results) -> Section:
    """The section: the main table, what a search for learning rates found, and quality against cost."""
    best, panels = best_table(results), overview(results)
    return Section(
        "comparison",
        "Side by side",
        "Side by side",
        blocks(
            Shown(main_table(results), "main", titled=best is not None),
            Prose("Wide tables scroll sideways; the names stay in place.", style="notes hint", only="html"),
            shown(best, titled=True),
            shown(trials_table(results), folded="closed"),
            Heading("Quality against cost", only="html"),
            Prose(_how_tradeoffs_are_read(results), only="html"),
            Drawings(tradeoffs(results), "large"),
            [Heading("The metric beside the behaviour", only="html"), Prose(_how_panels_are_read(results), only="html")]
            if panels
            else None,
            Drawings(panels) if panels else None,
        ),
    )


def _how_tradeoffs_are_read(results: Results) -> str:
    said = (
        "A dot is a model. The broken line is the frontier: no model on it is matched or beaten by one that costs as "
        "little; filled dots lie on it."
    )
    spans = ["the seeds"] if any(len(summary.seeds) > 1 for summary in results.summaries) else []
    spans += ["the suite's 95 % interval"] if results.suite else []
    return f"{said} Upright lines span {' and '.join(spans)}." if spans else said


def _how_panels_are_read(results: Results) -> str:
    several = seed_count(results) > 1
    dot = "A dot is a model's mean over the seeds, a line its range" if several else "A dot is a model"
    suite = f"{', for the suite' if several else ', a line for the suite'} the 95 % interval" if results.suite else ""
    return (
        f"{dot}{suite}. A student that keeps its place in the first panel and loses it in the next has changed in a "
        "way that the metric doesn't show."
    )


def main_table(results: Results) -> Table:
    """The answer in one table: losses, test metrics, behaviour and cost of every model.

    Where learning rates were searched, the models at their best stand in `reporting.rates` instead.
    """
    models = compared_models(results)
    measures = known_measures(results, models)
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
            *(measure_cell(model, name, form) for name, _, _, form in measures),
            *(count.text(model) for count in counts),
            model.cost_text(lambda cost: cost.layers, str),
            model.cost_text(lambda cost: cost.trained_parameters, big_count_text) if model.first.training else "none",
            mean_text(training_time(model), seconds_text),
            model.cost_text(lambda cost: cost.size_on_disk, bytes_text),
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
    measures = [measure for measure in known_measures(results, models) if measure[0] in SHORT]
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
            model.cost_text(lambda cost: cost.layers, str),
            *(spread_text(model.summary.spreads.get(name), form) for name, _, _, form in measures),
            *(count.text(model) for count in counts),
            mean_text(training_time(model), seconds_text),
        ]
        for model in models
    ]
    return table("comparison", f"{results.name}: the models side by side", columns, rows, *_terminal_notes(results))


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
    notes += [BASELINE_NOTE] if any(model.is_baseline for model in models) else []
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
    if results.data.thresholds is not None:
        notes.append("macro-F1 is of what is flagged at the thresholds in use, against what the stored scores flag")
    if (judged := judged_label(results)) is not None and len(results.data.label_names or []) > 1:
        kind = "scores" if results.data.thresholds is not None else "labels"
        notes.append(
            f"macro-F1 and CE are means over {len(results.data.label_names or [])} {kind}; "
            f"suite and probes judge {judged}"
        )
    if seed_count(results) > 1:
        notes.append(f"mean ± standard deviation over {seed_count(results)} seeds")
    notes += [f"{model.name} is {model.remark}; no part of the verdict" for model in models if model.is_baseline]
    if unmatched := _unmatched_note(results, models):
        notes.append("* " + unmatched[0].lower() + unmatched[1:].rstrip("."))
    if constant := _constant_note(models):
        notes.append(constant.rstrip("."))
    if not results.suite_results and not behaviours(results):
        notes.append(_behaviour_note(results).rstrip("."))
    return notes


def overview(results: Results) -> list[Drawing]:
    """The metric beside the behaviour: a panel for macro-F1, then one for each number on behaviour."""
    models = models_of(results)
    panels: list[tuple[str, str, float, list[Spread | None]]] = [
        (
            measure_title(results, "macro_f1", "macro-F1"),
            "on the test rows",
            1.0,
            [model.summary.spreads.get("macro_f1") for model in models],
        )
    ]
    for found in behaviours(results):
        remark = f"of {found.of}" if found.of else "share"
        panels.append((found.title, remark, found.limit, [found.find(model) for model in models]))
    if len(panels) == 1:
        return []
    names = [shortened(model.name, LONGEST_LABEL) for model in models]
    return [
        Drawing(
            title=title,
            remark=remark,
            description=f"{title} by model: "
            + "; ".join(f"{name} {found.mean:.3g}" for name, found in zip(names, spreads, strict=True) if found),
            figure=partial(_dot_figure, names, spreads, limit),
            prefix=f"overview{number}",
        )
        for number, (title, remark, limit, spreads) in enumerate(panels)
    ]


def _dot_figure(names: list[str], spreads: list[Spread | None], limit: float) -> Figure:
    with styled():
        figure = Figure(figsize=(3.3, 0.5 + 0.24 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for row, found in enumerate(spreads):
            if found is None:
                continue
            axes.plot([found.minimum, found.maximum], [row, row], color=BLUE, linewidth=2.4, alpha=0.45)
            axes.plot([found.mean], [row], color=BLUE, marker="o", markersize=5)
        axes.set_xlim(-0.02 * limit, limit * 1.02)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=limit > 1, steps=[1, 2, 2.5, 5, 10]))
        name_rows(axes, names)
        axes.grid(axis="both")
    return figure
