"""`foreshot check`: one model judged by itself on a suite, as a table or as JSON."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foreshot.cli.exits import VIOLATED, interruption_as_one_line
from foreshot.cli.options import Quoting, Separator, pairs_by_comma
from foreshot.progress import Terminal, printable
from foreshot.reporting.texts import shortened, visible
from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult

if TYPE_CHECKING:
    from foreshot.checking.check import Checked

LONGEST_NAME = 40


def check_command(
    model: Annotated[
        str, typer.Argument(help="A classifier: a bundle, ready, a student's folder, any model folder, or a hub id.")
    ],
    suite: Annotated[str, typer.Option(help="builtin, or a file (own format or HateCheck's).")] = "builtin",
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the model's, by comma: hateful=toxic,non-hateful=benign.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The model's class that counts as toxic, or the label to judge.")
    ] = None,
    problem_type: Annotated[
        str | None, typer.Option(help="single-label or multi-label, where a model's config.json doesn't say.")
    ] = None,
    file: Annotated[str | None, typer.Option(help="Which of a bundle's graphs: model.onnx or model.int8.onnx.")] = None,
    separator: Separator = None,
    quoting: Quoting = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit with 1 if a share right is below: 0.8.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="results.json of a run (its teacher), or an earlier --json, to compare with.")
    ] = None,
    max_drop: Annotated[
        float, typer.Option(min=0, max=1, help="How far a share may fall below the baseline's: 0.02.")
    ] = 0.0,
) -> None:
    """Judge one model by itself on a suite; fit to be a gate in CI."""
    console = Console(highlight=False)
    with interruption_as_one_line(None):
        labels = pairs_by_comma("--suite-label", suite_label)
        from foreshot.checking.check import check, violations

        progress = Terminal(Console(stderr=True, highlight=False))
        checked = check(
            model,
            suite,
            suite_labels=labels,
            positive=positive,
            file=file,
            separator=separator,
            quoting=quoting,
            problem_type=problem_type,
            progress=progress,
        )
        complaints = violations(checked, fail_under=fail_under, baseline=baseline, max_drop=max_drop)
        if as_json:
            # ASCII alone, so that no terminal obeys it
            typer.echo(json.dumps(checked.model_dump(mode="json"), indent=1))
        else:
            print_check(checked, console)
        for complaint in complaints:
            typer.echo(f"foreshot: {printable(complaint)}", err=True)
        if complaints:
            raise typer.Exit(VIOLATED)


def print_check(checked: "Checked", console: Console) -> None:
    """Print the shares of a suite that a model gets right: as a whole, by class, and by functionality."""
    facts, result = checked.suite, checked.result
    for announcement in checked.announcements:
        console.print(Text(visible(announcement), style="dim"))
    sides = ", ".join(f"{count:,} {shortened(name, LONGEST_NAME)}" for name, count in facts.class_counts.items())
    console.print(Text(f"{visible(checked.model)} on the suite {visible(facts.name)}: {facts.cases:,} cases ({sides})"))
    table = _table("all and each class")
    table.add_row("all cases", "", f"{facts.cases:,}", *_numbers(result.accuracy))
    for name, share in result.by_label.items():
        table.add_row(Text(shortened(name, LONGEST_NAME)), "", f"{facts.class_counts[name]:,}", *_numbers(share))
    if result.pairs_right is not None:
        table.add_row("contrast pairs, both right", "", f"{facts.pairs:,}", *_numbers(result.pairs_right))
    console.print()
    console.print(table)
    _print_cells("functionality", result.functionalities, console)
    if result.groups:
        _print_cells("group", result.groups, console)
    decision = checked.decision
    how = "the likeliest class" if decision.threshold is None else f"threshold {decision.threshold:.3f}"
    note = f"Decided by {decision.policy} ({how}). In brackets Wilson's 95 % intervals; the worst come first."
    console.print()
    console.print(Text(note, style="dim"))


def _print_cells(what: str, cells: list[CellResult], console: Console) -> None:
    table = _table(what)
    for cell in sorted(cells, key=lambda cell: cell.accuracy.value):
        table.add_row(
            Text(shortened(cell.name, LONGEST_NAME)),
            Text(shortened(cell.label, LONGEST_NAME)),
            f"{cell.cases:,}",
            *_numbers(cell.accuracy),
        )
    console.print()
    console.print(table)


def _table(what: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="")
    table.add_column(what, overflow="fold")
    table.add_column("must be", overflow="fold")
    for title in ("cases", "right", "interval"):
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _numbers(share: Estimate) -> tuple[str, str]:
    return f"{share.value:.0%}", f"({share.low:.0%} to {share.high:.0%})"
