"""One model's check on a suite, as a table in the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from foreshot.checking.check import Checked
from foreshot.reporting.texts import shortened, visible
from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult

LONGEST_NAME = 40


def print_check(checked: Checked, console: Console) -> None:
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
