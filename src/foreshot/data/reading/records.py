"""Records: the rows of a file or a stream, one after another, in a memory that doesn't grow with their number.

Reads CSV, TSV and their kin, JSON Lines, Parquet and plain lines (each line a text). A row that can't be read is told,
and reading goes on after it.
"""

import contextlib
import io
import os
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from foreshot.data.reading.delimited import PLAIN, Dialect, csv_records, csv_rows, read_header
from foreshot.data.reading.dialects import HEAD_LINES, find_dialect, tabs_in_lines, take_head
from foreshot.data.reading.lines import (
    LINES_COLUMN,
    BadRecord,
    Record,
    json_records,
    line_records,
    raw_text,
    read_lines,
    reading,
)
from foreshot.data.reading.parquet import open_parquet
from foreshot.data.reading.spanning import Spanning
from foreshot.data.texts import excerpt
from foreshot.errors import DataError
from foreshot.files.bounded import open_file
from foreshot.settings.dialect import FOUND, AskedDialect

KINDS: Mapping[str, str] = MappingProxyType(
    {
        ".csv": "csv",
        ".tsv": "tsv",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".parquet": "parquet",
        ".txt": "lines",
    }
)
"""What a file holds, by how its name ends."""
STREAMS = ("lines", "csv", "tsv", "jsonl")
STANDARD_INPUT = "standard input"


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records of one source, to be read once, and closed.

    `columns` are their names, None where nobody knows yet: JSON Lines, or nothing there. Of a delimited table
    `dialect` says how it is read, `titles` are the columns as its header has them, white space included, and `heading`
    is all down to the header as it stands there, without the last line end. `notes` tell what was found out about it,
    `spanning` counts rows of several lines as they are read. `units` is the size of all records together, None for a
    stream. `schema` is Parquet's.
    """

    source: str
    kind: str
    items: Generator[Record | BadRecord, None, None]
    owner: Generator[Any, None, None]  # of the file that is open
    columns: Sequence[str] | None = None
    titles: Sequence[str] | None = None
    heading: str = ""
    dialect: Dialect | None = None
    notes: Sequence[str] = ()
    spanning: Spanning = field(default_factory=Spanning)
    units: int | None = None
    schema: Any = None

    def __iter__(self) -> Iterator[Record | BadRecord]:
        return self.items

    def __enter__(self) -> "Records":
        return self

    def __exit__(self, *_: object) -> None:
        # Generators can't be closed while another thread, in them, waits for the next line of a slow stream.
        with contextlib.suppress(ValueError):
            self.items.close()
            self.owner.close()

    @property
    def decimal_comma(self) -> bool:
        """Whether a number may be written as 0,5: where commas don't part the fields."""
        return self.dialect is not None and self.dialect.delimiter != ","

    def place(self, row: int) -> str:
        """Where a row is, as a message says it."""
        return f"{self.source}, {'row' if self.kind == 'parquet' else 'line'} {row}"


def open_records(
    source: str | Path | BinaryIO, *, kind: str = "lines", dialect: AskedDialect = FOUND, refuse_nul: bool = False
) -> Records:
    """Open a file, the standard input ("-") or a stream that is open already, which stays open.

    A file's name tells what it holds; `kind`, one of STREAMS, what a stream does. Lines are a table where `dialect`
    names a separator. With `refuse_nul` a line with a NUL character is a bad one. Raises DataError for a source that
    can't be read at all.
    """
    if kind not in STREAMS:
        raise DataError(f"a stream of {excerpt(kind)} can't be read; its kind is one of {', '.join(STREAMS)}")
    if str(source) == "-":
        stream = _standard_input()
        closing = stream is not sys.stdin.buffer
        return _open_text(stream, STANDARD_INPUT, kind, dialect, refuse_nul=refuse_nul, closing=closing)
    if not isinstance(source, str | Path):
        return _open_text(source, STANDARD_INPUT, kind, dialect, refuse_nul=refuse_nul)
    path = Path(source)
    if path.suffix.lower() not in KINDS:
        raise DataError(f"{path}: unknown kind of file; the name must end in one of {', '.join(KINDS)}")
    kind = KINDS[path.suffix.lower()]
    with reading(str(path)):
        file = open_file(path)
    if kind == "parquet":
        file.close()
        schema, rows, items = open_parquet(path)
        return Records(
            source=str(path), kind=kind, items=items, owner=items, columns=schema.names, units=rows, schema=schema
        )
    units = os.fstat(file.fileno()).st_size
    return _open_text(file, str(path), kind, dialect, refuse_nul=refuse_nul, units=units, closing=True)


def _standard_input() -> BinaryIO:
    """Its bytes, through a buffer of our own: Python's, which a thread may wait in, is wanted when Python ends.

    Raises DataError where it is closed.
    """
    if sys.stdin is None:
        raise DataError(f"{STANDARD_INPUT}: is closed; pipe the rows into it, or name a file")
    try:
        return os.fdopen(os.dup(sys.stdin.fileno()), "rb")
    except io.UnsupportedOperation:  # a test or a notebook put something else in its place
        return sys.stdin.buffer


def names_a_table(asked: AskedDialect) -> bool:
    """Whether plain lines are asked to be read as a table."""
    return asked.firm and bool(asked.separator)


def _open_text(
    stream: BinaryIO,
    source: str,
    kind: str,
    asked: AskedDialect,
    *,
    refuse_nul: bool,
    units: int | None = None,
    closing: bool = False,
) -> Records:
    if kind == "lines" and names_a_table(asked):
        kind = "tsv" if asked.separator == "\t" else "csv"
    # JSON allows other line ends inside its strings; a CSV of old may have "\r" for its line ends.
    line_end = "" if kind in PLAIN else "\n"
    # What can't be sought in comes bit by bit, and its header is to be answered before there is a row.
    at_once = stream.seekable()
    owner = read_lines(stream, source, line_end, refuse_nul=refuse_nul, closing=closing)
    first = next(owner, None)  # this also starts the generator, so that closing it closes the file
    if first is None:
        empty = line_records([])
        return Records(source=source, kind=kind, items=empty, owner=owner, units=units)
    if kind == "jsonl":
        return Records(source=source, kind=kind, items=json_records(chain([first], owner)), owner=owner, units=units)
    try:
        head, cut = [first], True
        if at_once or kind != "lines":
            head, cut = take_head(chain([first], owner), HEAD_LINES if at_once else 1)
        lines = chain(head, owner)
        if kind == "lines":
            return Records(
                source=source,
                kind=kind,
                items=line_records(lines),
                owner=owner,
                columns=[LINES_COLUMN],
                notes=(note,) if (note := tabs_in_lines(head, source)) else (),
                units=units,
            )
        found = find_dialect(head, cut=cut, kind=kind, source=source, asked=asked)
        rows = csv_rows(islice(lines, bool(found.sep_line), None), source, found.dialect)
        header, columns = read_header(rows, source)
    except DataError:
        owner.close()
        raise
    spanning = Spanning()
    return Records(
        source=source,
        kind=kind,
        items=csv_records(rows, columns or [], found, spanning, source),
        owner=owner,
        columns=columns,
        titles=header.fields if header else None,
        heading=found.sep_line + (raw_text(header.lines) if header else ""),
        dialect=found.dialect,
        notes=(found.note,) if found.note and header else (),
        spanning=spanning,
        units=units,
    )
