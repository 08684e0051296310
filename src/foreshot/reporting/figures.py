"""Figures as inline SVG: small, equal bytes for equal numbers, and coloured by the page's own variables.

Matplotlib draws with stand-in colours that are then replaced by CSS variables, so that one drawing is legible
on a light page, on a dark one and on paper.
"""

import io
import math
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib.style
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foreshot.reporting.behaviour import probe_counts
from foreshot.reporting.tables import ModelRuns, loss_text, models_of
from foreshot.reporting.texts import visible
from foreshot.results import LOSS_PARTS, CurvePoint, Results, Spread

INK, MUTED, GRID = "#010101", "#010102", "#010103"
PART_STYLES: dict[str, tuple[str, str, float]] = {
    "objective": ("#010110", "-", 1.8),
    "classification": ("#010111", "-", 1.2),
    "divergence": ("#010112", "--", 1.2),
    "cosine": ("#010113", ":", 1.6),
}
DOT = "#010111"
VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--rule)",
    "#010110": "var(--objective)", "#010111": "var(--classification)",
    "#010112": "var(--divergence)", "#010113": "var(--cosine)",
}  # fmt: skip
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "foreshot", "font.size": 9.0, "axes.spines.top": False,
    "axes.spines.right": False, "axes.edgecolor": MUTED, "axes.linewidth": 0.6, "axes.labelcolor": MUTED,
    "xtick.color": MUTED, "ytick.color": MUTED, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "xtick.major.size": 3.0, "ytick.major.size": 3.0, "grid.color": GRID, "grid.linewidth": 0.6,
    "text.color": INK, "figure.facecolor": "none", "axes.facecolor": "none",
}  # fmt: skip


@dataclass(frozen=True)
class Drawing:
    """An SVG and what stands above it; `description` is read out where it can't be seen."""

    title: str
    remark: str
    description: str
    svg: Markup


def loss_curves(results: Results) -> list[Drawing]:
    """The training losses of each model, part by part; all have one y axis and every seed is a line."""
    models = [model for model in models_of(results) if model.first.training]
    top = max((_highest_loss(model) for model in models), default=1.0)
    return [
        Drawing(
            title=model.name,
            remark=f"{model.first.training.steps:,} updates" if model.first.training else "",
            description=_describe_curves(model),
            svg=_svg(_curve_figure(model, top), prefix=f"curve{number}"),
        )
        for number, model in enumerate(models)
    ]


def loss_parts(results: Results) -> list[str]:
    """The losses that some curve shows, for the legend."""
    finals = [run.training.final for run in results.models if run.training]
    return [part for part in LOSS_PARTS if any(getattr(final, part) is not None for final in finals)]


def overview(results: Results) -> list[Drawing]:
    """The metric beside the behaviour: a panel for macro-F1, then one for each count of probes."""
    models = models_of(results)
    panels: list[tuple[str, str, float, list[Spread | None]]] = [
        ("macro-F1", "on the test rows", 1.0, [model.summary.spreads.get("macro_f1") for model in models])
    ]
    for count in probe_counts(results):
        panels.append((count.title, f"of {count.of}", float(count.of), [count.find(model) for model in models]))
    if len(panels) == 1:
        return []
    names = [visible(model.name) for model in models]
    return [
        Drawing(
            title=title,
            remark=remark,
            description=f"{title} by model: "
            + "; ".join(f"{name} {found.mean:.3g}" for name, found in zip(names, spreads, strict=True) if found),
            svg=_svg(_dot_figure(names, spreads, limit), prefix=f"overview{number}"),
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
    with _styled():
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
    with _styled():
        figure = Figure(figsize=(3.3, 0.5 + 0.24 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for row, found in enumerate(spreads):
            if found is None:
                continue
            axes.plot([found.minimum, found.maximum], [row, row], color=DOT, linewidth=2.4, alpha=0.45)
            axes.plot([found.mean], [row], color=DOT, marker="o", markersize=5)
        axes.set_xlim(-0.02 * limit, limit * 1.02)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=limit > 1, steps=[1, 2, 2.5, 5, 10]))
        axes.set_yticks(range(len(names)), names)
        for label in axes.get_yticklabels():
            label.set_parse_math(False)
            label.set_color(INK)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="both")
        axes.set_axisbelow(True)
    return figure


def _styled() -> AbstractContextManager[None]:
    return matplotlib.style.context(["default", STYLE])


def _svg(figure: Figure, *, prefix: str) -> Markup:
    """A figure as an SVG element: the ids that it needs, made unique by `prefix`, page colours."""
    buffer = io.StringIO()
    with _styled():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text, flags=re.DOTALL)
    text = text.replace("xlink:href", "href")
    needed = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in needed else "", text)
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{prefix}-", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, variable)
    text = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font-size: \1", text)
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d{2})\d+", r"\1", tag[0]), text)
    text = re.sub(r"\n\s*", "\n", text).strip()
    return Markup(text)  # noqa: S704  # Matplotlib has escaped the names in it
