"""Tables as plain values, and the numbers in them as text: what page, Markdown and terminal share."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from foreshot.judging.summary import spread
from foreshot.progress import duration
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.models import LOSS_PARTS, Cost, ModelResult, Spread, Summary, Timing
from foreshot.results.results import Results

NOTHING = "–"
LONGEST_BASELINE = 40
Mark = Literal["", "flagged", "mixed", "kept", "good", "bad", "open"]


@dataclass(frozen=True)
class Column:
    """A column's heading; `group` stands above neighbours that belong together, `short` is for terminals."""

    title: str
    group: str = ""
    short: str = ""
    is_number: bool = True


@dataclass(frozen=True)
class Cell:
    """What stands in a cell: a text, a remark below it, and how it is drawn where there is room to draw.

    `share` (0 to 1) tints the cell; `wrong` is set where a model's answer is not the label; `hint` is shown when
    a pointer rests on the cell, so it may only repeat what can also be read elsewhere.
    """

    text: str
    remark: str = ""
    mark: Mark = ""
    wrong: bool = False
    share: float | None = None
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """A row of cells; a heading opens a group of rows and may have fewer cells than there are columns."""

    cells: tuple[Cell, ...]
    is_heading: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its title and the notes that belong below it; the first cell of a row names the row."""

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelRuns:
    """One model over its seeds."""

    name: str
    runs: tuple[ModelResult, ...]
    timing: tuple[Timing, ...]
    summary: Summary
    usual_rate: float  # the experiment's learning rate

    @property
    def first(self) -> ModelResult:
        """The run of the first seed."""
        return self.runs[0]

    @property
    def is_teacher(self) -> bool:
        """Whether this is the model that the students are compared with."""
        return self.first.recipe is None and not self.is_baseline

    @property
    def is_baseline(self) -> bool:
        """Whether this is a bundle that the others are only compared with."""
        return self.first.baseline is not None

    @property
    def is_student(self) -> bool:
        """Whether this was made from teacher or encoder by a recipe."""
        return self.first.recipe is not None

    @property
    def is_matched(self) -> bool:
        """Whether it was trained with the experiment's learning rate; True for a teacher that was given."""
        return all(run.training is None or run.training.matched for run in self.runs)

    @property
    def rate_factor(self) -> float:
        """How many times the experiment's learning rate it was trained with; 1 for a teacher that was given."""
        return 1.0 if self.first.training is None else self.first.training.learning_rate / self.usual_rate

    @property
    def remark(self) -> str:
        """What marks it wherever its numbers stand beside others': "not matched: 10×"; nothing where it is matched.

        Of the baseline it is what that is.
        """
        if self.first.baseline is not None:
            return f"a baseline: {shortened(self.first.baseline, LONGEST_BASELINE)}"
        return "" if self.is_matched else f"not matched: {factor_text(self.rate_factor)}"

    @property
    def loss_count(self) -> int:
        """How many losses its objective is made of; 0 for a teacher that was given."""
        if self.first.training is None:
            return 0
        final = self.first.training.final
        return sum(getattr(final, part) is not None for part in LOSS_PARTS if part != "objective")

    @property
    def is_constant(self) -> bool:
        """Whether with some seed it predicts one class for every test row, and so has learnt nothing."""
        return any(_columns_used(run.test.confusion_matrix) == 1 for run in self.runs)

    def cost_text(self, find: Callable[[Cost], int], form: Callable[[int], str]) -> str:
        """What it takes to keep, of its first seed; `NOTHING` where only its scores are known."""
        return NOTHING if self.first.cost is None else form(find(self.first.cost))

    def over_seeds(self, number: Callable[[ModelResult], float | None]) -> Spread | None:
        """The spread over the seeds of a number that every run has; None when one lacks it."""
        return known_spread([number(run) for run in self.runs])


def _columns_used(matrix: list[list[int]]) -> int:
    return sum(any(counts) for counts in zip(*matrix, strict=True))


def models_of(results: Results) -> list[ModelRuns]:
    """The models in their first order, each with all its seeds."""
    return [
        ModelRuns(
            name=summary.model,
            runs=tuple(run for run in results.models if run.model == summary.model),
            timing=tuple(timing for timing in results.timing if timing.model == summary.model),
            summary=summary,
            usual_rate=results.conditions.learning_rate,
        )
        for summary in results.summaries
    ]


def reference_of(results: Results, name: str) -> str:
    """The teacher that a model is held against: the one without mending, unless a mended one is its own."""
    teacher = results.models[0].model
    return results.mending.references.get(name, teacher) if results.mending else teacher


def seed_count(results: Results) -> int:
    """How many seeds the model with the most seeds has."""
    return max(len(summary.seeds) for summary in results.summaries)


def known_spread(values: Sequence[float | None]) -> Spread | None:
    """The spread of values, None when there are none or one is unknown."""
    known = [value for value in values if value is not None]
    return spread(known) if known and len(known) == len(values) else None


def table(key: str, title: str, columns: Sequence[Column], rows: Iterable[Iterable[object]], *notes: str) -> Table:
    """A table of rows given as texts or cells; empty notes are left out."""
    made = tuple(Row(tuple(cell if isinstance(cell, Cell) else Cell(str(cell)) for cell in row)) for row in rows)
    return Table(key, title, tuple(columns), made, tuple(note for note in notes if note))


def heading(*cells: str) -> Row:
    """A row that opens a group of rows."""
    return Row(tuple(Cell(text) for text in cells), is_heading=True)


def loss_text(value: float) -> str:
    """A loss, with four decimals."""
    return f"{value:.4f}" if value == 0 or abs(value) >= 0.00005 else "<0.0001"


def metric_text(value: float) -> str:
    """A metric, with three decimals."""
    return f"{value:.3f}"


def percent_text(value: float) -> str:
    """A share in whole percent; neither "0%" nor "100%" unless it is exactly that."""
    text = f"{value:.0%}"
    return {"0%": "<1%", "100%": ">99%"}.get(text, text) if 0 < value < 1 else text


def points_text(value: float, digits: int = 1) -> str:
    """A difference of shares in percentage points, with its sign and a true minus."""
    text = f"{value * 100:+.{digits}f}"
    return "0" if float(text) == 0 else text.replace("-", "−")


def points_interval_text(found: Estimate, digits: int = 1) -> str:
    """The interval of a difference, in percentage points."""
    return f"{points_text(found.low, digits)} to {points_text(found.high, digits)}"


def percent_interval_text(found: Estimate) -> str:
    """The interval of a share: "55–67%"."""
    return f"{found.low * 100:.0f}–{found.high * 100:.0f}%"


def margin_text(margin: float) -> str:
    """A margin in percentage points."""
    return f"{margin * 100:g} point{'' if margin == 0.01 else 's'}"


def p_text(value: float) -> str:
    """A p-value, with as many decimals as a bootstrap can give."""
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def count_text(value: float) -> str:
    """A count, or a mean of counts with one decimal where it isn't whole."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def rate_text(value: float) -> str:
    """Rows a second."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def big_count_text(value: float) -> str:
    """A number of parameters, in millions or thousands."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:.1f} {name}"
    return f"{value:.0f}"


def bytes_text(value: float) -> str:
    """A size in MB (10^6 bytes)."""
    return f"{value / 1e6:,.1f} MB" if value >= 1e5 else f"{value / 1e3:,.1f} kB"


def seconds_text(value: float) -> str:
    """A time for people, with a decimal below ten seconds."""
    return f"{value:.1f} s" if value < 9.95 else duration(value)


def mebibytes_text(value: float) -> str:
    """A peak of memory, in MiB."""
    return f"{value:,.0f} MiB"


def learning_rate_text(value: float) -> str:
    """A learning rate as people write it: 5e-5."""
    mantissa, _, exponent = f"{value:.6e}".partition("e")
    digits = mantissa.rstrip("0").rstrip(".")
    return f"{digits}e{int(exponent)}" if value < 0.001 else f"{value:g}"


def factor_text(value: float) -> str:
    """How many times something: "10×"."""
    return f"{value:,.0f}×" if value >= 100 else f"{value:.3g}×"


def spread_text(found: Spread | None, form: Callable[[float], str], *, of: int | None = None) -> str:
    """A number over the seeds: "0.912", or "0.912 ± 0.004"; with `of`, "14/18" or "14.3/18 ± 0.6"."""
    if found is None:
        return NOTHING
    text = form(found.mean) + ("" if of is None else f"/{of}")
    return text if found.deviation is None else f"{text} ± {_deviation_text(found.deviation, form)}"


def _deviation_text(deviation: float, form: Callable[[float], str]) -> str:
    return f"{deviation:.1f}" if form is count_text else form(deviation)


def mean_text(found: Spread | None, form: Callable[[float], str]) -> str:
    """The mean over the seeds alone, for what the clock says."""
    return NOTHING if found is None else form(found.mean)


def range_text(found: Spread | None, form: Callable[[float], str]) -> str:
    """The least and the greatest value over the seeds."""
    if found is None:
        return NOTHING
    least, most = form(found.minimum), form(found.maximum)
    return least if least == most else f"{least} … {most}"


def model_cell(model: ModelRuns) -> Cell:
    """A model's name, marked where it was not trained under the same conditions."""
    return Cell(model.name, remark=model.remark)


def training_time(model: ModelRuns) -> Spread | None:
    """Seconds of training over the seeds; None for a teacher that was given."""
    return known_spread([timing.training_seconds for timing in model.timing])
