"""Rows that can be gone through again and again, one after another: a file's in a memory that doesn't grow with it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.reading.lines import LINES_COLUMN, BadRecord, Record
from foreshot.data.reading.records import KINDS, Records, open_records
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect

HEAD = 1024
"""Rows that tell what columns there are."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A source's rows: `head` has the first of them, and by them the names of columns; iterating reads all anew.

    `plain` says that each row is a line of text, in the column LINES_COLUMN. `decimal_comma` says that a number may be
    written as 0,5. Iterating raises DataError for a row that can't be read.
    """

    head: Sheet
    read: Callable[[], Iterator[Record]]
    plain: bool = False
    decimal_comma: bool = False

    @property
    def source(self) -> str:
        """What the user named."""
        return self.head.source

    def __iter__(self) -> Iterator[Record]:
        return self.read()


def rows_of(source: str, dialect: AskedDialect = FOUND) -> Rows:
    """The rows of a file, which is read as a stream, or of a dataset (see `open_sheet`), which is held in memory.

    Raises DataError for a source that can't be read or holds no rows.
    """
    path = Path(source)
    plain = path.suffix.lower() == ".txt"
    if not plain and (not path.is_file() or path.suffix.lower() not in KINDS):
        return _in_memory(open_sheet(source, dialect=dialect))
    if plain:
        dialect = replace(dialect, firm=False)
    with open_records(path, dialect=dialect, refuse_nul=not plain) as records:
        for note in records.notes:
            dialect.say(note)
        head = _head(source, records)
        comma = records.decimal_comma
    return Rows(head=head, read=lambda: _stream(path, dialect, refuse_nul=not plain), plain=plain, decimal_comma=comma)


def rows_in(texts: Sequence[str], *, source: str) -> Rows:
    """The rows that these texts are, as if they were lines of a file."""
    return replace(_in_memory(Sheet(source, {LINES_COLUMN: list(texts)}, list(range(1, len(texts) + 1)))), plain=True)


def _in_memory(sheet: Sheet) -> Rows:
    def read() -> Iterator[Record]:
        for index, row in enumerate(sheet.rows):
            yield Record(row, {name: cells[index] for name, cells in sheet.columns.items()}, 1, "")

    columns = {name: cells[:HEAD] for name, cells in sheet.columns.items()}
    return Rows(head=Sheet(sheet.source, columns, sheet.rows[:HEAD]), read=read)


def _stream(path: Path, dialect: AskedDialect, *, refuse_nul: bool) -> Iterator[Record]:
    with open_records(path, dialect=dialect, refuse_nul=refuse_nul) as records:
        yield from _good(records)
        if spanning := records.spanning.note(records.source):
            dialect.say(spanning)


def _good(records: Records) -> Iterator[Record]:
    for record in records:
        if isinstance(record, BadRecord):
            raise DataError(f"{records.place(record.row)}: {record.complaint}")
        yield record


def _head(source: str, records: Records) -> Sheet:
    first = list(islice(_good(records), HEAD))
    if not first and records.kind != "lines":
        raise DataError(f"{source}: {'is empty' if records.columns is None else 'holds no rows of data'}")
    names = dict.fromkeys(name for record in first for name in record.cells) if records.columns is None else None
    columns = {name: [record.cells.get(name) for record in first] for name in names or records.columns or ()}
    return Sheet(source, columns, [record.row for record in first])
