"""`foreshot plan`: how many rows, cases and seeds the next comparison needs, from the spread that one has shown."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import margins
from foreshot.errors import ConfigError
from foreshot.progress import printable

if TYPE_CHECKING:
    from foreshot.results.results import Results
    from foreshot.results.verdict import Comparison


def plan_command(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, whose spread is taken.")],
    difference: Annotated[
        float, typer.Option(min=-1, max=1, help="How a student truly differs from its teacher: -0.005 is half a point.")
    ] = 0.0,
    power: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="How likely it shall be shown to be within the margins.")
    ] = 0.8,
    policy: Annotated[str | None, typer.Option(help="Margins, else the run's: metric=0.02,suite=0.05.")] = None,
) -> None:
    """Say how many test rows, cases and seeds it takes to show that a student is as good as its teacher."""
    console = Console(highlight=False)
    with interruption_as_one_line(None):
        from foreshot.results.finished import results_of

        results = results_of(run)
        if not results.comparisons:
            raise ConfigError(f"{run}: nothing was compared, so that no spread is known")
        asked = {name: _margin(name, value) for name, value in (margins(policy) or {}).items()}
        console.print(
            f"{printable(str(run))}: to show that a student which truly differs from its teacher by "
            f"{difference * 100:+g} points is within the margins, with a probability of {power:.0%}",
            markup=False,
            soft_wrap=True,
        )
        for student in results.verdict.students:
            console.print(_table(results, student.model, results.verdict.margins | asked, difference, power))
        console.print(
            "rows and cases: of the file that is judged; seeds: for the recipe, with the rows there are. An interval "
            "narrows with the square root of the rows; other rows, cases or models may spread otherwise.",
            markup=False,
        )


def _margin(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ConfigError(f"--policy: {name.removesuffix('_margin')}={value} is no number") from None


def _table(results: "Results", student: str, margins: dict[str, float], difference: float, wanted: float) -> Table:
    """A row for each measure that the verdict asks about."""
    from foreshot.judging.evidence import METRIC
    from foreshot.judging.power import error_of, power, rows_needed, seeds_needed
    from foreshot.reporting.judgement import measure_name
    from foreshot.reporting.sections.differences import MARGINS, against_teacher
    from foreshot.reporting.texts import shortened, visible

    summary = next(found for found in results.summaries if found.model == student)
    spread = summary.spreads.get("macro_f1")
    table = Table(box=box.SIMPLE_HEAD, title=Text(shortened(visible(student), 60), style="bold"), title_justify="left")
    for title in ("", "margin", "there are", "shows it in", "would do", "seeds"):
        table.add_column(title, justify="right" if title else "left")
    of_scores = results.models[0].cost is None  # the teacher is what the test rows say
    for measure, name in (MARGINS | ({METRIC: "score_margin"} if of_scores else {})).items():
        for found in (one for one in against_teacher(results, measure) if one.first == student):
            error, margin, rows = error_of(found.difference), margins[name], _rows(results, found)
            needed = rows_needed(error, rows, margin=margin, difference=difference, wanted=wanted)
            seeds = "–"
            if measure == METRIC and spread is not None and spread.deviation is not None:
                enough = seeds_needed(error, spread.deviation, margin=margin, difference=difference, wanted=wanted)
                seeds = str(enough or "none")
            table.add_row(
                Text(visible(measure_name(results, measure))),
                f"{margin * 100:g} points",
                f"{rows:,}",
                f"{power(error, margin=margin, difference=difference):.0%}",
                "none" if needed is None else f"{needed:,}",
                seeds,
            )
    return table


def _rows(results: "Results", found: "Comparison") -> int:
    """How many rows or cases a difference was measured on."""
    from foreshot.judging.evidence import METRIC, SEALED, SEALED_POSITIVE, SUITE_POSITIVE

    if found.measure == METRIC or results.suite is None:
        return results.data.parts["test"].rows
    positive = results.data.positive or ""
    if found.measure in (SEALED, SEALED_POSITIVE):
        sealed = next(one.sealed for one in results.suite_results if one.model == found.first)
        assert sealed is not None  # it was compared
        cells = [cell for cell in sealed.functionalities if found.measure == SEALED or cell.label == positive]
        return sum(cell.cases for cell in cells)
    return results.suite.class_counts[positive] if found.measure == SUITE_POSITIVE else results.suite.cases
