"""The comparison and its verdict in the terminal, for screens of 80 columns and more, and for files."""

import re
from collections.abc import Iterable

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from foreshot.reporting.judgement import LONGEST_REASON, SIGNS, headline, notes, notice, ranked_students
from foreshot.reporting.sections.side_by_side import terminal_table
from foreshot.reporting.sections.stored_scores import summary_table
from foreshot.reporting.tables import Table
from foreshot.reporting.texts import shortened, visible
from foreshot.results.results import Results

ROOMY = 96
LONGEST_NAME = 24
STYLES = {
    "recommended": "bold green",
    "acceptable": "green",
    "conflict": "bold red",
    "not recommended": "red",
    "inconclusive": "yellow",
}
_WORDS = re.compile(r"(?<!\d) ")  # where a cell may be broken: not between a number and its unit


def print_table(results: Results, console: Console) -> None:
    """Print the models side by side – losses, test metrics, behaviour and time, with notes – and then the verdict.

    Headings wrap where the screen is narrow and numbers don't: one that is cut off is a wrong one.
    """
    if results.data.thresholds is not None:
        console.print(_text(notice(results)), style="bold")
    for table in (terminal_table(results), summary_table(results)):
        if table is not None:
            _print_one(table, console)
    _print_verdict(results, console)


def _print_one(table: Table, console: Console) -> None:
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
        width=sum(widths) + gap * (len(widths) - 1),
    )
    for column, width in zip(table.columns, widths, strict=True):
        justify: JustifyMethod = "right" if column.is_number else "left"
        shown.add_column(_text(column.short or column.title), justify=justify, width=width, overflow="fold")
    for row in table.rows:
        name, *numbers = row.cells
        shown.add_row(
            _text(name.text),
            *(_number(cell.text, width) for cell, width in zip(numbers, widths[1:], strict=True)),
        )
    console.print(shown, crop=False, overflow="ignore")
    for note in table.notes:
        console.print(_text(note), style="dim")


def _print_verdict(results: Results, console: Console) -> None:
    """What to ship, then every student with its verdict and all its reasons, and what decided nothing."""
    kind = results.verdict.kind
    console.print()
    console.print(Text(f"{SIGNS[kind]} Verdict: {kind}", style=STYLES[kind]))
    for sentence, is_order in headline(results):
        console.print(_text(sentence), style="bold" if is_order else "")
    console.print()
    students = RichTable.grid(padding=(0, 1, 0, 0))
    students.add_column(width=1)
    students.add_column(max_width=LONGEST_NAME, overflow="fold")
    students.add_column(ratio=1, overflow="fold")
    for student in ranked_students(results):
        style = STYLES[student.kind]
        reasons = "; ".join(shortened(reason, LONGEST_REASON) for reason in student.reasons)
        said = Text.assemble((student.kind, style), f": {visible(reasons)}" if reasons else "")
        students.add_row(Text(SIGNS[student.kind], style=style), _text(student.model), said)
    console.print(students)
    for note in notes(results):
        console.print(_text(f"note: {note}"), style="dim")


def _widths(table: Table, room: int) -> list[int]:
    """The columns' widths: as wide as their texts; to fit, headings wrap first, then cells of two words."""
    headings = [_text(column.short or column.title).plain for column in table.columns]
    cells = [[part for row in table.rows for part in _lines(row.cells[index].text)] for index in range(len(headings))]
    words = [[word for text in column for word in _WORDS.split(text)] for column in cells]
    least = [max(_longest(heading.split()), _longest(column)) for heading, column in zip(headings, cells, strict=True)]
    widths = [max(cell_len(heading), width) for heading, width in zip(headings, least, strict=True)]
    widths[0] = least[0] = min(widths[0], LONGEST_NAME)
    _narrow(widths, least, room)
    _narrow(widths, [max(_longest(h.split()), _longest(w)) for h, w in zip(headings, words, strict=True)], room)
    return widths


def _narrow(widths: list[int], least: list[int], room: int) -> None:
    while sum(widths) > room and any(width > minimum for width, minimum in zip(widths, least, strict=True)):
        spare = [width - minimum for width, minimum in zip(widths, least, strict=True)]
        widths[spare.index(max(spare))] -= 1


def _longest(texts: Iterable[str]) -> int:
    return max((cell_len(text) for text in texts), default=0)


def _text(text: str) -> Text:
    """Plain text: neither Rich's markup nor a terminal's control sequences have an effect."""
    return Text(visible(text))


def _lines(text: str) -> list[str]:
    """A cell's lines: the deviation stands below its number, as "±.0021", so that a column stays narrow."""
    number, sign, deviation = visible(text).partition(" ± ")
    return [number, f"±{deviation.removeprefix('0')}"] if sign else [number]


def _number(text: str, width: int) -> Text:
    """A number in its column, broken between words alone and never between a number and its unit."""
    lines: list[str] = []
    for line in _lines(text):
        first, *others = _WORDS.split(line)
        lines.append(first)
        for word in others:
            if cell_len(f"{lines[-1]} {word}") <= width:
                lines[-1] += f" {word}"
            else:
                lines.append(word)
    return Text("\n".join(lines))
