"""How figures are drawn: inline SVG, small, equal bytes for equal numbers, coloured by the page's own variables.

Matplotlib draws with stand-in colours that are then replaced by CSS variables, so that one drawing is legible
on a light page, on a dark one and on paper.
"""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

import matplotlib.style
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, MUTED, GRID = "#010101", "#010102", "#010103"
OBJECTIVE, BLUE, ORANGE, GREEN = "#010110", "#010111", "#010112", "#010113"
PURPLE, PINK = "#010114", "#010115"
PAPER = "#010120"
VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--rule)", PAPER: "var(--paper)",
    OBJECTIVE: "var(--objective)", BLUE: "var(--classification)", ORANGE: "var(--divergence)", GREEN: "var(--cosine)",
    PURPLE: "var(--hidden)", PINK: "var(--relations)",
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
    """A figure and what stands above it; `description` is read out where it can't be seen.

    Only who asks for its `svg` has it drawn, which takes a tenth of a second: Markdown has no drawings. `prefix` makes
    the SVG's ids its own among those of a page.
    """

    title: str
    remark: str
    description: str
    figure: Callable[[], Figure]
    prefix: str

    @cached_property
    def svg(self) -> Markup:
        """The figure as an SVG element."""
        return svg(self.figure(), prefix=self.prefix)


def name_rows(axes: Axes, names: list[str]) -> None:
    """Give each row of a chart the name of its model, the first at the top."""
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
        label.set_color(INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_axisbelow(True)


def styled() -> AbstractContextManager[None]:
    """Matplotlib in the reports' style."""
    return matplotlib.style.context(["default", STYLE])


def svg(figure: Figure, *, prefix: str) -> Markup:
    """A figure as an SVG element: the ids that it needs, made unique by `prefix`, page colours."""
    buffer = io.StringIO()
    with styled():
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
    return Markup(text)  # noqa: S704  # nosec B704  # Matplotlib has escaped the names in it
