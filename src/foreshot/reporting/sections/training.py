"""Training: how the losses fell, part by part."""

import math
from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foreshot.reporting.drawing import BLUE, GREEN, OBJECTIVE, ORANGE, PINK, PURPLE, Drawing, styled
from foreshot.reporting.section import Drawings, Heading, Legend, Prose, Section, Shown, blocks, shown
from foreshot.reporting.tables import (
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    count_text,
    loss_text,
    model_cell,
    models_of,
    seed_count,
    spread_text,
    table,
)
from foreshot.results.models import LOSS_PARTS, CurvePoint, Loss, ModelResult
from foreshot.results.results import Results

PART_STYLES: dict[str, tuple[str, str | tuple, float]] = {
    "objective": (OBJECTIVE, "-", 1.8),
    "classification": (BLUE, "-", 1.2),
    "divergence": (ORANGE, "--", 1.2),
    "cosine": (GREEN, ":", 1.6),
    "hidden": (PURPLE, "-.", 1.2),
    "relations": (PINK, (0, (5, 1, 1, 1, 1, 1)), 1.2),
}
DASHES = {"divergence": "8 4", "cosine": "2 4", "hidden": "8 3 2 3", "relations": "8 2 2 2 2 2"}
"""Of the legend, as the curves have them."""


def section(results: Results) -> Section | None:
    """The section: the loss curves, and the losses in numbers."""
    curves = loss_curves(results)
    if not curves:
        return None
    several = "; each seed is a line" if seed_count(results) > 1 else ""
    return Section(
        "training",
        "Training",
        "Training",
        blocks(
            Heading("Loss curves", only="html"),
            Legend([(part, part, 3 if part == "objective" else 2.2, DASHES.get(part, "")) for part in _parts(results)]),
            Drawings(curves),
            Prose(
                f"All panels have the same vertical axis{several}. Where a model learns from the labels alone, its "
                "objective is the classification loss.",
                style="notes",
                only="html",
            ),
            Shown(losses_table(results), titled=True),
            Shown(steadiness_table(results), titled=True),
            Shown(epochs_table(results), folded="closed"),
            shown(rounds_table(results), titled=True),
        ),
    )


def loss_curves(results: Results) -> list[Drawing]:
    """The training losses of each model, part by part; all have one y axis and every seed is a line."""
    models = [model for model in models_of(results) if model.first.training]
    top = max((_highest_loss(model) for model in models), default=1.0)
    return [
        Drawing(
            title=model.name,
            remark=f"{model.first.training.steps:,} updates" if model.first.training else "",
            description=_describe_curves(model),
            figure=partial(_curve_figure, model, top),
            prefix=f"curve{number}",
        )
        for number, model in enumerate(models)
    ]


def _highest_loss(model: ModelRuns) -> float:
    points = [point for run in model.runs if run.training for point in run.training.curve]
    values = [getattr(point.loss, part) for point in points for part in LOSS_PARTS]
    return max((value for value in values if value is not None and math.isfinite(value)), default=1.0)


def _describe_curves(model: ModelRuns) -> str:
    training = model.first.training
    if training is None:
        return ""
    first, last = training.curve[0].loss, training.curve[-1].loss
    ways = [
        f"{part} from {loss_text(getattr(first, part))} to {loss_text(getattr(last, part))}"
        for part in LOSS_PARTS
        if getattr(first, part) is not None
    ]
    return f"Training losses of {model.name} over {training.steps} updates, first seed: {', '.join(ways)}."


def _curve_figure(model: ModelRuns, top: float) -> Figure:
    with styled():
        figure = Figure(figsize=(3.3, 2.0), layout="constrained")
        axes = figure.add_subplot()
        for run in model.runs:
            if run.training:
                _draw_curves(axes, run.training.curve, faint=len(model.runs) > 1)
        axes.set_ylim(0, top * 1.04)
        axes.set_xlim(left=0)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, steps=[1, 2, 5, 10]))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.set_xlabel("updates")
    return figure


def _draw_curves(axes: Axes, curve: Sequence[CurvePoint], *, faint: bool) -> None:
    steps = [point.step for point in curve]
    for part in reversed(LOSS_PARTS):
        values = [getattr(point.loss, part) for point in curve]
        if values[0] is None:
            continue
        if part == "objective" and values == [point.loss.classification for point in curve]:
            continue  # one loss: the objective is the classification loss
        colour, dashes, width = PART_STYLES[part]
        axes.plot(
            steps, values, color=colour, linestyle=dashes, linewidth=width * (0.75 if faint else 1),
            alpha=0.65 if faint else None, marker="." if len(steps) == 1 else "",
        )  # fmt: skip


def losses_table(results: Results) -> Table:
    """Each loss by itself: its mean over the last epoch, and how steady it was."""
    return _parts_table(
        results,
        "losses",
        "Losses of the last epoch",
        lambda run: run.training.final if run.training else None,
        "Means over the steps of the last epoch, in training mode. Divergence holds the factor T².",
    )


def steadiness_table(results: Results) -> Table:
    """How much each loss went up and down at the end of training."""
    return _parts_table(
        results,
        "steadiness",
        "Steadiness",
        lambda run: run.training.steadiness if run.training else None,
        "Standard deviation of each loss over the last third of the steps: lower is steadier. Losses of "
        "different kinds and sizes vary by different amounts, so compare within a column.",
    )


def epochs_table(results: Results) -> Table:
    """The losses of every epoch, means over the seeds."""
    columns = (Column("epoch", is_number=False), *(Column(part) for part in _parts(results)))
    rows: list[Row] = []
    for model in models_of(results):
        if model.first.training is None:
            continue
        rows.append(Row((Cell(model.name),), is_heading=True))
        for epoch in range(len(model.first.training.epoch_means)):
            find = partial(_epoch, epoch=epoch)
            cells = (_part_text(model, find, part) for part in _parts(results))
            rows.append(Row((Cell(str(epoch + 1)), *(Cell(text) for text in cells))))
    return Table("epochs", "Losses of every epoch", columns, tuple(rows))


def rounds_table(results: Results) -> Table | None:
    """On how many unlabelled texts scouts and their teacher disagreed, round by round; None without rounds."""
    found = [model for model in models_of(results) if model.first.training and model.first.training.disagreements]
    rounds = max((len(run.training.disagreements) for model in found for run in model.runs if run.training), default=0)
    finds = [partial(_disagreements, index=index) for index in range(rounds)]
    rows = [[model_cell(model), *(spread_text(model.over_seeds(of), count_text) for of in finds)] for model in found]
    note = (
        f"Of {results.data.unlabelled_rows:,} unlabelled texts, those that a scout decides otherwise than its teacher. "
        "A scout is the student itself, trained with what the round before found; what the last one found comes first "
        "in the student's passes over these texts."
    )
    columns = [Column("model", is_number=False), *(Column(f"round {number}") for number in range(1, rounds + 1))]
    return table("rounds", "Texts that a scout and the teacher disagree on", columns, rows, note) if rounds else None


def _disagreements(run: ModelResult, index: int) -> float | None:
    found = run.training.disagreements if run.training else []
    return found[index] if index < len(found) else None


def _parts(results: Results) -> list[str]:
    """The losses that some model of the comparison has."""
    finals = [run.training.final for run in results.models if run.training]
    return [part for part in LOSS_PARTS if any(getattr(final, part) is not None for final in finals)]


def _parts_table(
    results: Results, key: str, title: str, find: Callable[[ModelResult], Loss | None], note: str
) -> Table:
    columns = [Column("model", is_number=False), *(Column(part) for part in _parts(results))]
    rows = [
        [model_cell(model), *(_part_text(model, find, part) for part in _parts(results))]
        for model in models_of(results)
        if model.first.training
    ]
    return table(key, title, columns, rows, note)


def _part_text(model: ModelRuns, find: Callable[[ModelResult], Loss | None], part: str) -> str:
    return spread_text(model.over_seeds(lambda run: getattr(find(run), part, None)), loss_text)


def _epoch(run: ModelResult, epoch: int) -> Loss | None:
    return run.training.epoch_means[epoch] if run.training else None
