"""Quality against cost: what each model gains for its parameters, with the frontier drawn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from foreshot.reporting.behaviour import measure_title
from foreshot.reporting.drawing import BLUE, GREEN, INK, MUTED, Drawing, styled
from foreshot.reporting.tables import ModelRuns, metric_text, models_of, percent_text
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.behaviour import SuiteResult
from foreshot.results.models import Spread
from foreshot.results.results import Results

WIDTH, HEIGHT = 4.4, 3.0  # inches
LEFT, BOTTOM, RIGHT, TOP = 0.13, 0.155, 0.985, 0.97  # of the figure, where the axes stand
LABEL_SIZE = 8.5  # points
LETTER_WIDTH = 0.58  # of the size, on average
LONGEST_LABEL = 18


@dataclass(frozen=True)
class Point:
    """A model in a plot: what it costs, how good it is, and between which values that may lie."""

    name: str
    cost: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Box:
    """Where a label stands, in points from the axes' lower left corner."""

    left: float
    bottom: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        """Whether the two have room in common."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.bottom < other.bottom + other.height
            and other.bottom < self.bottom + self.height
        )


def frontier(points: Sequence[Point]) -> list[Point]:
    """The models that no other one beats: none costs as little or less and is better, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, -point.value)):
        if not best or point.value > best[-1].value:
            best.append(point)
    return best


def tradeoffs(results: Results) -> list[Drawing]:
    """Macro-F1 against parameters, and the suite likewise where there is one."""
    models = models_of(results)
    metric = measure_title(results, "macro_f1", "macro-F1")
    panels = [(metric, "on the test rows", _points(models, _macro_f1), metric_text)]
    if results.suite_results:
        by_model = {found.model: found for found in results.suite_results}
        title = "mean of the suite's sides" if results.data.positive is not None else "suite right"
        remark = "a model that flags everything gets 50%" if results.data.positive is not None else ""
        points = _points(models, lambda model: _suite_share(by_model.get(model.name), results.data.positive))
        panels.append((title, remark, points, percent_text))
    drawings = []
    for number, (title, remark, points, form) in enumerate(panels):
        if not points:
            continue
        best = ", ".join(point.name for point in frontier(points))
        described = "; ".join(f"{point.name} {point.cost:.1f} M, {form(point.value)}" for point in points)
        drawings.append(
            Drawing(
                title=title,
                remark=remark,
                description=f"{title} against parameters in millions: {described}. On the frontier: {best}.",
                figure=partial(_figure, points, is_share=form is percent_text),
                prefix=f"tradeoff{number}",
            )
        )
    return drawings


def placed_labels(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    room: tuple[float, float],
    lines: Sequence[Box] = (),
) -> list[Box]:
    """A box for each name, beside its point and inside the room, all measured in typographic points.

    None overlaps a point, a line or another label, as long as there is room anywhere.
    """
    height = LABEL_SIZE * 1.25
    taken = [*(Box(x - 4, y - 4, 8, 8) for x, y in points), *lines]
    placed: dict[int, Box] = {}
    for index in sorted(range(len(points)), key=lambda index: -points[index][1]):
        (x, y), width = points[index], LABEL_SIZE * LETTER_WIDTH * len(names[index])
        candidates = [
            Box(left, y - height / 2 + step * height / 2, width, height)
            for step in sorted(range(-40, 41), key=abs)
            for left in ((x + 8, x - 8 - width) if x < room[0] * 0.6 else (x - 8 - width, x + 8))
        ]
        inside = [
            box
            for box in candidates
            if box.left >= 0 and box.left + width <= room[0] and box.bottom >= 0 and box.bottom + height <= room[1]
        ] or candidates[:1]
        free = [box for box in inside if not any(box.overlaps(other) for other in (*taken, *placed.values()))]
        placed[index] = (free or inside)[0]
    return [placed[index] for index in range(len(points))]


def _points(models: Sequence[ModelRuns], find: Callable[[ModelRuns], Estimate | None]) -> list[Point]:
    found = []
    for model in models:
        estimate, cost = find(model), model.first.cost
        if estimate is not None and cost is not None:
            name = shortened(model.name, LONGEST_LABEL)
            found.append(Point(name, cost.parameters / 1e6, estimate.value, estimate.low, estimate.high))
    return found


def _macro_f1(model: ModelRuns) -> Estimate | None:
    found: Spread | None = model.summary.spreads.get("macro_f1")
    return None if found is None else Estimate(value=found.mean, low=found.minimum, high=found.maximum)


def _suite_share(found: SuiteResult | None, positive: str | None) -> Estimate | None:
    """The mean of the two sides, so that flagging all or nothing is worth a half; without sides the whole."""
    if found is None:
        return None
    sides = list(found.by_label.values())
    if positive is None or not sides:
        return found.accuracy
    return Estimate(
        value=sum(side.value for side in sides) / len(sides),
        low=sum(side.low for side in sides) / len(sides),
        high=sum(side.high for side in sides) / len(sides),
    )


def _around(start: tuple[float, float], end: tuple[float, float]) -> Box:
    """A box about an upright or level line."""
    left, right = sorted((start[0], end[0]))
    bottom, top = sorted((start[1], end[1]))
    return Box(left - 1.5, bottom - 1.5, right - left + 3, top - bottom + 3)


def _figure(points: Sequence[Point], *, is_share: bool) -> Figure:
    with styled():
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.add_axes((LEFT, BOTTOM, RIGHT - LEFT, TOP - BOTTOM))
        lowest, highest = min(point.low for point in points), max(point.high for point in points)
        pad = max(0.08 * (highest - lowest), 0.01)
        bottom, top = max(0.0, lowest - pad), min(1.0, highest + pad)
        costs = [point.cost for point in points]
        span = max(max(costs) - min(costs), 0.1 * max(costs))
        left, right = max(0.0, min(costs) - 0.6 * span), max(costs) + 0.6 * span
        best = frontier(points)
        axes.step(
            [*(point.cost for point in best), right], [*(point.value for point in best), best[-1].value],
            where="post", color=GREEN, linewidth=1.4, linestyle=(0, (5, 2)), zorder=1,
        )  # fmt: skip
        for point in points:
            axes.plot([point.cost] * 2, [point.low, point.high], color=BLUE, linewidth=1.2, alpha=0.55, zorder=2)
            axes.plot(
                [point.cost], [point.value], marker="o", markersize=6.5, zorder=3, color=BLUE,
                markerfacecolor=BLUE if point in best else "none", markeredgewidth=1.4,
            )  # fmt: skip
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        if is_share:
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g}%"))
        axes.set_xlabel("parameters, millions")
        axes.grid()
        axes.set_axisbelow(True)
        room = (72 * WIDTH * (RIGHT - LEFT), 72 * HEIGHT * (TOP - BOTTOM))

        def place(cost: float, value: float) -> tuple[float, float]:
            return (cost - left) / (right - left) * room[0], (value - bottom) / (top - bottom) * room[1]

        where = [place(point.cost, point.value) for point in points]
        lines = [_around(place(point.cost, point.low), place(point.cost, point.high)) for point in points]
        corners = [*best, Point("", right, best[-1].value, 0, 0)]
        for before, after in pairwise(corners):
            turn = place(after.cost, before.value)
            lines += [_around(place(before.cost, before.value), turn), _around(turn, place(after.cost, after.value))]
        boxes = placed_labels(where, [point.name for point in points], room, lines)
        for point, (x, y), box in zip(points, where, boxes, strict=True):
            is_left = box.left < x
            anchor = (box.left + (box.width if is_left else 0), box.bottom + box.height / 2)
            if abs(anchor[1] - y) > box.height / 2:
                axes.plot(
                    [x / room[0], anchor[0] / room[0]], [y / room[1], anchor[1] / room[1]],
                    transform=axes.transAxes, color=MUTED, linewidth=0.6, zorder=1,
                )  # fmt: skip
            axes.text(
                anchor[0] / room[0], anchor[1] / room[1], point.name, transform=axes.transAxes, fontsize=LABEL_SIZE,
                color=INK, ha="right" if is_left else "left", va="center_baseline", parse_math=False,
            )  # fmt: skip
    return figure
