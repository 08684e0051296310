"""Figures of the main comparison: how the losses fell, and the metric beside the behaviour."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foreshot.reporting.behaviour import behaviours
from foreshot.reporting.drawing import (
    BLUE,
    GREEN,
    OBJECTIVE,
    ORANGE,
    PINK,
    PURPLE,
    Drawing,
    name_rows,
    styled,
    svg,
)
from foreshot.reporting.labels import measure_title
from foreshot.reporting.tables import ModelRuns, loss_text, models_of
from foreshot.reporting.texts import shortened
from foreshot.results.models import LOSS_PARTS, CurvePoint, Spread
from foreshot.results.results import Results

PART_STYLES: dict[str, tuple[str, str | tuple, float]] = {
    "objective": (OBJECTIVE, "-", 1.8),
    "classification": (BLUE, "-", 1.2),
    "divergence": (ORANGE, "--", 1.2),
    "cosine": (GREEN, ":", 1.6),
    "hidden": (PURPLE, "-.", 1.2),
    "relations": (PINK, (0, (5, 1, 1, 1, 1, 1)), 1.2),
}
LONGEST_LABEL = 24


def loss_curves(results: Results) -> list[Drawing]:
    """The training losses of each model, part by part; all have one y axis and every seed is a line."""
    models = [model for model in models_of(results) if model.first.training]
    top = max((_highest_loss(model) for model in models), default=1.0)
    return [
        Drawing(
            title=model.name,
            remark=f"{model.first.training.steps:,} updates" if model.first.training else "",
            description=_describe_curves(model),
            svg=svg(_curve_figure(model, top), prefix=f"curve{number}"),
        )
        for number, model in enumerate(models)
    ]


def loss_parts(results: Results) -> list[str]:
    """The losses that some curve shows, for the legend."""
    finals = [run.training.final for run in results.models if run.training]
    return [part for part in LOSS_PARTS if any(getattr(final, part) is not None for final in finals)]


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
            svg=svg(_dot_figure(names, spreads, limit), prefix=f"overview{number}"),
        )
        for number, (title, remark, limit, spreads) in enumerate(panels)
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
