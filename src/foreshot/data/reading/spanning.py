"""Rows that span lines: is it a comment of several lines, or did a stray quote swallow the rows that follow it?

A comment's lines have other numbers of separators, or the fields that they would make aren't those of the column: a
word where every row has a number, a text where there are but a few labels.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from foreshot.data.reading.lines import Line

LEAST_ROWS = 4
"""Fewer tell nothing about what a column holds."""
MANY_LINES = 8
"""Of a row, all with the right number of separators, where no column has anything regular about it."""
NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?\Z")


class RowShape(NamedTuple):
    """What rows of one line look like; of each regular column, by its number, the values, None for numbers."""

    delimiter: str
    columns: int
    regular: dict[int, frozenset[str] | None]

    def fits(self, line: Line) -> bool:
        """Whether a line by itself looks like a row."""
        cells = [_bare(cell) for cell in line.text.rstrip("\r\n").split(self.delimiter)]
        return len(cells) == self.columns and all(
            NUMBER.match(cells[number]) is not None if values is None else cells[number] in values
            for number, values in self.regular.items()
        )

    def swallowed(self, lines: Sequence[Line]) -> bool:
        """Whether the lines of one row look like rows themselves, so many or so much that it is no chance."""
        filled = [line for line in lines if line.text.strip()]
        # A line that begins with a number and a comma is no wonder, one that ends with a comma and a label is.
        signs = len(self.regular) + (self.regular.get(self.columns - 1) is not None)
        enough = (len(filled) - 1) * signs > 1 if signs else len(filled) >= MANY_LINES
        return enough and all(map(self.fits, filled))


def shape_of(rows: Sequence[Sequence[str]], columns: int, delimiter: str) -> RowShape | None:
    """The shape of rows of one line each; None where there is one column, in which any line looks like a row."""
    if columns < 2:
        return None
    regular: dict[int, frozenset[str] | None] = {}
    for number, cells in enumerate(zip(*rows, strict=True) if len(rows) >= LEAST_ROWS else ()):
        values = frozenset(map(_bare, cells))
        numbers = len(values) > 2 and all(map(NUMBER.match, values))  # two are a label's
        if numbers or len(values) <= max(2, len(rows) // 5):
            regular[number] = None if numbers else values
    return RowShape(delimiter, columns, regular)


@dataclass
class Spanning:
    """Rows that stand in several lines, as far as was read: how many, and the longest."""

    rows: int = 0
    longest: int = 1
    begins: int = 0

    def add(self, lines: Sequence[Line]) -> None:
        """Count a row that stands in these lines."""
        self.rows += 1
        if len(lines) > self.longest:
            self.longest, self.begins = len(lines), lines[0].number

    def note(self, source: str) -> str | None:
        """What was found, as a message; None where each row stands in one line."""
        if not self.rows:
            return None
        return (
            f"{source}: rows that quotes hold together over several lines: {self.rows:,}, the longest from line "
            f"{self.begins:,} over {self.longest:,} lines (--quoting none where a quote is a letter)"
        )


def _bare(cell: str) -> str:
    return cell.removeprefix('"').removesuffix('"')
