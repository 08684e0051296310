"""Delimited text – CSV, TSV and their kin – as records."""

import csv
import re
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from foreshot.data.reading.lines import (
    LONGEST_RECORD,
    BadRecord,
    Line,
    Record,
    bad_record,
    raw_text,
    repeated,
    size_of,
)
from foreshot.data.reading.spanning import RowShape, Spanning
from foreshot.errors import DataError

MOST_COLUMNS = 10_000
MOST_LINES = 100_000
"""In one row: a line takes a hundred bytes of memory besides its letters."""
WHOLE_FIELD = re.compile(r'"(?:[^"]|"")*"\Z')
NOWHERE = "\udfff"
"""A character that no text in UTF-8 holds: what parts the fields of a table that has one."""


class Dialect(NamedTuple):
    """What parts the fields ("" where there is one), and whether double quotes hold a field together as in CSV."""

    delimiter: str
    quoted: bool

    def reader(self, lines: Iterable[str]) -> Any:
        """Rows of fields. Strict: otherwise a quote that is never closed would swallow the file without a word."""
        quoting: Any = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter or NOWHERE, quoting=quoting, strict=True)


PLAIN = MappingProxyType({"csv": Dialect(",", quoted=True), "tsv": Dialect("\t", quoted=True)})
"""What tables are written in, by their kind."""


class Found(NamedTuple):
    """How a table is to be read, found from its head (`dialects.find_dialect`).

    `note` tells what isn't usual of a table of its kind; `sep_line` is Excel's, as written. `shape` is what a row looks
    like, where quotes may have swallowed some. `settled` says that a quote is known to be a letter, or not.
    """

    dialect: Dialect
    note: str | None
    sep_line: str
    shape: RowShape | None
    settled: bool


class Fields(NamedTuple):
    """A row's fields, and the lines that they stand in."""

    lines: tuple[Line, ...]
    fields: list[str]


Rows = Generator[Fields | BadRecord, None, None]


def is_header(row: Fields) -> bool:
    """Whether a row is more than white space."""
    return bool("".join(row.fields).strip()) or len(row.fields) > 1


def read_header(rows: Rows, source: str) -> tuple[Fields | None, list[str] | None]:
    """The header, and the names of the columns; both None where there is nothing but white space.

    Raises DataError for a header that can't be read, or that names a column twice.
    """
    for header in rows:
        if isinstance(header, BadRecord):
            raise DataError(f"{source}, line {header.row}: {header.complaint}")
        if is_header(header):
            if len(header.fields) > MOST_COLUMNS:
                raise DataError(f"{source}: has {len(header.fields):,} columns; at most {MOST_COLUMNS:,} are read")
            columns = [name.strip() or f"column {number}" for number, name in enumerate(header.fields, start=1)]
            if complaint := repeated(columns):
                raise DataError(f"{source}, line {header.lines[0].number}: {complaint}")
            return header, columns
    return None, None


def csv_records(
    rows: Rows, columns: Sequence[str], found: Found, spanning: Spanning, source: str
) -> Generator[Record | BadRecord, None, None]:
    """The rows below the header; bad ones have another number of fields. Those of several lines are counted.

    Raises DataError where quotes seem to have swallowed rows, and where the table's head didn't show what a quote is
    and a later row is quoted as CSV is.
    """
    for row in rows:
        if isinstance(row, BadRecord):
            yield row
            continue
        if len(row.lines) > 1:
            if found.shape and found.shape.swallowed(row.lines):
                raise DataError(
                    f"{source}, line {row.lines[0].number}: a quote begins here that ends in line "
                    f"{row.lines[-1].number}, and the lines look like rows themselves; repair it, give ⟨quoting⟩ none "
                    "where quotes are letters, or csv where it is right"
                )
            spanning.add(row.lines)
        if len(row.fields) != len(columns):
            has = f"has {len(row.fields)} fields where the header has {len(columns)}; "
            yield bad_record(row.lines, has + _advice(found.dialect, columns))
            continue
        if not found.settled and any(map(quotes_twice, row.fields)):
            raise DataError(
                f"{source}, line {row.lines[0].number}: is quoted as CSV is, and the first rows don't show whether all "
                "are; give ⟨quoting⟩ csv, or none where quotes are letters"
            )
        cells = dict(zip(columns, row.fields, strict=True))
        yield Record(row.lines[0].number, cells, size_of(row.lines), raw_text(row.lines))


def quotes_twice(cell: str) -> bool:
    """Whether a field in quotes holds a quote, written twice."""
    return cell.startswith('"') and '""' in cell[1:-1] and WHOLE_FIELD.match(cell) is not None


def _advice(dialect: Dialect, columns: Sequence[str]) -> str:
    if not dialect.quoted:
        return "where quotes hold a text together, give ⟨quoting⟩ csv; else a text can't hold the separator"
    quoted = "a text that holds the separator or a line end must stand in double quotes"
    return quoted if len(columns) > 1 else f"{quoted}; where there is one column, give ⟨separator⟩ none"


def csv_rows(lines: Iterator[Line], source: str, dialect: Dialect) -> Rows:
    """The rows that aren't blank. Where quotes don't match, a row's first line is bad and the next one starts anew."""
    waiting: deque[Line] = deque()  # lines that were read already
    taken: list[Line] = []  # those of this row

    def feed() -> Iterator[str]:
        letters = 0
        while line := waiting.popleft() if waiting else next(lines, None):
            letters = len(line.text) + (letters if taken else 0)
            if letters > LONGEST_RECORD or len(taken) > MOST_LINES:
                most = f"{LONGEST_RECORD:,} letters" if letters > LONGEST_RECORD else f"{MOST_LINES:,} lines"
                raise DataError(
                    f"{source}, line {taken[0].number}: a row of more than {most} starts here; a quote is probably "
                    "never closed; where a quote is a letter, give ⟨quoting⟩ none"
                )
            taken.append(line)
            yield line.text

    reader = dialect.reader(feed())
    while True:
        taken.clear()
        limit = csv.field_size_limit(LONGEST_RECORD)  # the process's own: others may read meanwhile, too
        mismatch = None
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            mismatch = _mismatch(error)
        finally:
            csv.field_size_limit(limit)
        if mismatch is not None:
            yield bad_record(taken[:1], taken[0].complaint or mismatch)
            waiting.extendleft(reversed(taken[1:]))
            reader = dialect.reader(feed())
            continue
        wrong = next((line for line in taken if line.complaint), None)
        if wrong and wrong.complaint:
            yield bad_record(taken, wrong.complaint, wrong.number)
        elif fields:
            yield Fields(tuple(taken), fields)


def _mismatch(error: csv.Error) -> str:
    what = str(error).replace("\t", "\\t").replace(NOWHERE, "the line's end")  # none that one could see
    return (
        f"the quotes don't match ({what}); put the field in double quotes and write each quote inside it twice, or, "
        "where a quote is a letter, give ⟨quoting⟩ none"
    )
