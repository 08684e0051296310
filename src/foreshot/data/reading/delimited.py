"""CSV and TSV, as records."""

import csv
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

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
from foreshot.errors import DataError

DELIMITERS = {"csv": ",", "tsv": "\t"}
MOST_COLUMNS = 10_000
MOST_LINES = 100_000
"""In one row: a line takes a hundred bytes of memory besides its letters."""


class Fields(NamedTuple):
    """A row's fields, and the lines that they stand in."""

    lines: tuple[Line, ...]
    fields: list[str]


Rows = Generator[Fields | BadRecord, None, None]


def read_header(rows: Rows, source: str) -> tuple[list[str] | None, list[str] | None]:
    """The header as it is written, and the names of the columns; both None where there is nothing but white space.

    Raises DataError for a header that can't be read, or that names a column twice.
    """
    for header in rows:
        if isinstance(header, BadRecord):
            raise DataError(f"{source}, line {header.row}: {header.complaint}")
        if "".join(header.fields).strip() or len(header.fields) > 1:
            if len(header.fields) > MOST_COLUMNS:
                raise DataError(f"{source}: has {len(header.fields):,} columns; at most {MOST_COLUMNS:,} are read")
            columns = [name.strip() or f"column {number}" for number, name in enumerate(header.fields, start=1)]
            if complaint := repeated(columns):
                raise DataError(f"{source}, line {header.lines[0].number}: {complaint}")
            return header.fields, columns
    return None, None


def csv_records(rows: Rows, columns: Sequence[str]) -> Generator[Record | BadRecord, None, None]:
    """The rows below the header; bad ones have another number of fields."""
    for row in rows:
        if isinstance(row, BadRecord):
            yield row
        elif len(row.fields) != len(columns):
            yield bad_record(
                row.lines,
                f"has {len(row.fields)} fields where the header has {len(columns)}; "
                "a text that holds the separator or a line end must stand in double quotes",
            )
        else:
            cells = dict(zip(columns, row.fields, strict=True))
            yield Record(row.lines[0].number, cells, size_of(row.lines), raw_text(row.lines))


def csv_rows(lines: Iterator[Line], source: str, delimiter: str) -> Rows:
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
                    f"{source}, line {taken[0].number}: a row of more than {most} starts here; "
                    "a quote is probably never closed"
                )
            taken.append(line)
            yield line.text

    # strict: otherwise a quote that is never closed would swallow the rest of the file without a word.
    reader = csv.reader(feed(), delimiter=delimiter, strict=True)
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
            reader = csv.reader(feed(), delimiter=delimiter, strict=True)
            continue
        wrong = next((line for line in taken if line.complaint), None)
        if wrong and wrong.complaint:
            yield bad_record(taken, wrong.complaint, wrong.number)
        elif fields:
            yield Fields(tuple(taken), fields)


def _mismatch(error: csv.Error) -> str:
    what = str(error).replace("\t", "\\t")  # a tab is none that one could see
    return f"the quotes don't match ({what}); put the field in double quotes and write each quote inside it twice"
