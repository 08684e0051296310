"""The comparison as a table in the terminal, for screens of 80 columns and more, and for files."""

import re
from collections.abc import Iterable

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from foreshot.reporting.comparison import terminal_table
from foreshot.reporting.tables import Table
from foreshot.reporting.texts import visible
from foreshot.results import Results

ROOMY = 96
LONGEST_NAME = 24
_WORDS = re.compile(r" ± |(?<!\d) ")  # where a cell may be broken: not between a number and its unit


def print_table(results: Results, console: Console) -> None:
    """Print the models side by side: losses, test metrics, behaviour and time, with what must be known to read them.

    Headings wrap where the screen is narrow and numbers don't: one that is cut off is a wrong one.
    """
    table = terminal_table(results)
    gap = 2 if console.width >= ROOMY else 1
    widths = _widths(table, console.width - gap * (len(table.columns) - 1))
    shown = RichTable(
        title=_text(table.title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, gap - 1, 0, 0),
        pad_edge=False,
        show_edge=False,
        header_style="",
    )
    for column, width in zip(table.columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.is_number else "left"
        shown.add_column(_text(column.short or column.title), justify=justify, width=width, overflow="fold")
    for row in table.rows:
        name, *numbers = row.cells
        shown.add_row(_text(name.text), *(_number(cell.text) for cell in numbers))
    needed = sum(widths) + gap * (len(widths) - 1)
    console.print(shown, width=max(console.width, needed), crop=False, overflow="ignore")
    for note in table.notes:
        console.print(_text(note), style="dim")


def _widths(table: Table, room: int) -> list[int]:
    """The columns' widths: as wide as their texts, narrowed where there are words to wrap until they fit."""
    texts = [
        [column.short or column.title, *(row.cells[index].text for row in table.rows)]
        for index, column in enumerate(table.columns)
    ]
    least = [_longest(word for text in column for word in _WORDS.split(visible(text))) for column in texts]
    least[0] = min(least[0], LONGEST_NAME)
    widths = [_longest(part for text in column for part in visible(text).split(" ± ")) for column in texts]
    widths[0] = min(widths[0], LONGEST_NAME)
    while sum(widths) > room and widths != least:
        spare = [width - minimum for width, minimum in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1
    return widths


def _longest(texts: Iterable[str]) -> int:
    return max(cell_len(text) for text in texts)


def _text(text: str) -> Text:
    """Plain text: neither Rich's markup nor a terminal's control sequences have an effect."""
    return Text(visible(text))


def _number(text: str) -> Text:
    """A number with its deviation below it, so that a column stays narrow."""
    return Text("\n±").join(_text(part) for part in text.split(" ± "))
