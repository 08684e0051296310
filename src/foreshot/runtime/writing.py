"""Scored rows as CSV, TSV, JSON Lines or Parquet: all that a row had, then what the classifier says about it."""

import base64
import csv
import datetime
import json
import math
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Protocol

from foreshot.data.reading.delimited import PLAIN
from foreshot.data.reading.lines import Record
from foreshot.data.reading.parquet import ArrowRow
from foreshot.data.reading.records import KINDS, Records
from foreshot.data.reading.spreadsheets import inert
from foreshot.data.texts import excerpt, valid_unicode
from foreshot.errors import DataError
from foreshot.runtime.bundle import Manifest
from foreshot.runtime.classifier import Prediction

PREFIX = "predicted_"
ROWS_IN_GROUP = 2**16
BYTES_IN_GROUP = 2**24
"""Parquet is written in groups of so many rows, or bytes, whichever comes first."""


class Output(Protocol):
    """Where scored rows go."""

    def write(self, rows: Sequence[Record], predictions: Sequence[Prediction]) -> None:
        """Write rows in their order; raises DataError for one that doesn't fit."""

    def finish(self) -> None:
        """Write what is held back."""


def new_columns(labels: Sequence[str], taken: Collection[str], *, several: bool = False) -> list[str]:
    """Names of the columns that predictions add; all with a prefix where the input has one of them already.

    `several` says that a text can have several of the labels.
    """
    names = ["labels" if several else "label", *(f"score_{label}" for label in labels), "decision", "truncated"]
    while not set(names).isdisjoint(taken):
        names = [PREFIX + name for name in names]
    return names


@dataclass(frozen=True)
class NewColumns:
    """What predictions add to a row: `names`, and whether the first column is a list of labels or one label."""

    names: list[str]
    several: bool

    @classmethod
    def of(cls, manifest: Manifest, taken: Collection[str]) -> "NewColumns":
        """Those of a bundle's predictions, beside the columns that are `taken`."""
        several = manifest.decisions is not None
        return cls(new_columns(manifest.labels, taken, several=several), several)

    def cells(self, prediction: Prediction) -> list[Any]:
        """A str or a list of them, a float for each class or label, a str or None, a bool."""
        first = list(prediction.labels) if self.several else prediction.label
        return [first, *prediction.scores.values(), prediction.decision, prediction.truncated]

    def types(self) -> list[Any]:
        """The Arrow types of the cells."""
        import pyarrow as pa

        first = pa.list_(pa.string()) if self.several else pa.string()
        return [first, *[pa.float64()] * (len(self.names) - 3), pa.string(), pa.bool_()]


# ---- CSV and TSV ----


class DelimitedOutput:
    """A delimited table. Rows of a table of the same kind stay as they were written, and the new cells suit them.

    Cells of another format are made safe for spreadsheets; those of another kind of table stay as they are.
    """

    def __init__(
        self, write: Callable[[str], None], kind: str, records: Records, columns: Sequence[str], new: NewColumns
    ) -> None:
        self._write, self._records, self._columns, self._new = write, records, columns, new
        self._lines: list[str] = []
        of_kind = records.dialect if records.kind == kind else None
        self._dialect = of_kind if of_kind and of_kind.delimiter else PLAIN[kind]
        self._as_it_was, self._from_table = self._dialect is of_kind, records.kind in PLAIN
        # With both characters in the line end, the writer puts a cell that holds either of them in quotes.
        self._writer = csv.writer(
            SimpleNamespace(write=lambda line: self._lines.append(line.removesuffix("\r\n") + "\n")),
            delimiter=self._dialect.delimiter,
            lineterminator="\r\n",
            quotechar='"' if self._dialect.quoted else None,
            quoting=csv.QUOTE_MINIMAL if self._dialect.quoted else csv.QUOTE_NONE,
        )
        titles = records.titles or (columns if self._from_table else [inert(name) for name in columns])
        self._add(records.heading, titles, [inert(name) for name in new.names])
        self._flush()

    def write(self, rows: Sequence[Record], predictions: Sequence[Prediction]) -> None:
        """Write rows; nested values are JSON text."""
        for row, prediction in zip(rows, predictions, strict=True):
            refuse_unknown(self._records, row, self._columns)
            cells = [row.cells.get(name) for name in self._columns]
            old = cells if self._from_table else [_cell(cell) for cell in cells]
            self._add(row.raw, old, [_cell(cell) for cell in self._new.cells(prediction)])
        self._flush()

    def finish(self) -> None:
        """Nothing is held back."""

    def _add(self, raw: str, old: Sequence[Any], new: Sequence[Any]) -> None:
        """A row: `old` cells, or their text as it was, and new ones."""
        if not self._dialect.quoted:  # then no cell can hold what parts cells
            parting = re.compile(rf"[\r\n{re.escape(self._dialect.delimiter)}]")
            new = [parting.sub(" ", cell) if isinstance(cell, str) else cell for cell in new]
        if self._as_it_was and raw:
            self._lines.append(raw + self._dialect.delimiter)
            old = ()
        self._writer.writerow([*old, *new])

    def _flush(self) -> None:
        self._write("".join(self._lines))
        self._lines.clear()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float):
        return value
    return inert(as_text(value))


# ---- JSON Lines ----


class JsonOutput:
    """JSON Lines. An object that was read as JSON stays as it was written, but for its new fields."""

    def __init__(self, write: Callable[[str], None], records: Records, new: NewColumns) -> None:
        self._write, self._records, self._new = write, records, new

    def write(self, rows: Sequence[Record], predictions: Sequence[Prediction]) -> None:
        """Write rows, one object a line."""
        self._write("".join(map(self._line, rows, predictions)))

    def finish(self) -> None:
        """Nothing is held back."""

    def _line(self, row: Record, prediction: Prediction) -> str:
        if taken := row.cells.keys() & set(self._new.names):
            raise DataError(
                f"{self._records.place(row.row)}: field {excerpt(min(taken))!r} is one that is added to every row, "
                "and the first rows had none of this name; rename it"
            )
        added = dict(zip(self._new.names, self._new.cells(prediction), strict=True))
        if self._records.kind == "jsonl" and "\\ud" not in row.raw.lower():
            start = row.raw.strip().removesuffix("}").rstrip()
            return f"{start}{', ' if row.cells else ''}{as_json(added)[1:]}\n"
        return as_json({**{name: _number_or_null(cell) for name, cell in row.cells.items()}, **added}) + "\n"


def as_json(value: Any) -> str:
    """A value as JSON in valid Unicode; what JSON has no form for becomes a string."""
    written = json.dumps(value, ensure_ascii=False, default=as_text)
    return written if written.isascii() else valid_unicode(written)


def as_text(value: Any) -> str:
    """A value as text: times by ISO 8601, bytes in base 64, nested values as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return as_json(value) if isinstance(value, bool | int | float | list | dict | tuple) else str(value)


def _number_or_null(value: Any) -> Any:
    """JSON has no "not a number", which Parquet files of pandas have where a number is missing."""
    return None if isinstance(value, float) and math.isnan(value) else value


# ---- Parquet ----


class ParquetOutput:
    """Parquet. Rows of a Parquet file keep their types; JSON's get those of the first rows, or are JSON text."""

    def __init__(
        self,
        file: BinaryIO,
        stack: ExitStack,
        records: Records,
        columns: Sequence[str],
        new: NewColumns,
        head: Sequence[Record],
    ) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._records = records
        old = records.schema or pa.schema(
            [(name, _arrow_type([row.cells.get(name) for row in head])) for name in columns]
        )
        self._old, self._new = old, new
        self._schema = pa.schema([*old, *map(pa.field, new.names, new.types())], metadata=old.metadata)
        self._writer = stack.enter_context(pq.ParquetWriter(file, self._schema))
        self._held: list[Any] = []

    def write(self, rows: Sequence[Record], predictions: Sequence[Prediction]) -> None:
        """Hold rows until there are enough for a group."""
        import pyarrow as pa

        old = self._arrow_columns([row.cells for row in rows]) if self._records.schema else self._made_columns(rows)
        new = zip(*map(self._new.cells, predictions), strict=True)
        types = self._schema.types[len(old) :]
        arrays = [*old, *(pa.array(cells, kind) for cells, kind in zip(new, types, strict=True))]
        self._held.append(pa.Table.from_arrays(arrays, schema=self._schema))
        if (
            sum(table.num_rows for table in self._held) >= ROWS_IN_GROUP
            or sum(table.nbytes for table in self._held) >= BYTES_IN_GROUP
        ):
            self.finish()

    def finish(self) -> None:
        """Write a group of the rows that are held."""
        import pyarrow as pa

        if self._held:
            self._writer.write_table(pa.concat_tables(self._held))
            self._held.clear()

    def _arrow_columns(self, rows: Sequence[Any]) -> list[Any]:
        """The columns of `ArrowRow`s, from the batches that these stand in, so that nothing is converted."""
        import pyarrow as pa

        def run(numbered: tuple[int, ArrowRow]) -> tuple[int, int]:
            return id(numbered[1].batch), numbered[1].index - numbered[0]

        pieces = []
        for _, numbered in groupby(enumerate(rows), key=run):
            neighbours = [row for _, row in numbered]
            pieces.append(neighbours[0].batch.arrow.slice(neighbours[0].index, len(neighbours)))
        return pa.Table.from_batches(pieces).columns

    def _made_columns(self, rows: Sequence[Record]) -> list[Any]:
        import pyarrow as pa

        for row in rows:
            refuse_unknown(self._records, row, self._old.names)
        columns = []
        for name, kind in zip(self._old.names, self._old.types, strict=True):
            cells = [row.cells.get(name) for row in rows]
            try:
                columns.append(pa.array(_strings(cells) if kind == pa.string() else cells, kind))
            except (pa.ArrowException, ValueError, TypeError, OverflowError):
                raise DataError(
                    f"{self._records.place(rows[0].row)} or after it: column {excerpt(name)!r} holds something other "
                    f"than {kind}, which the first rows hold; write a .jsonl file"
                ) from None
        return columns


def refuse_unknown(records: Records, row: Record, columns: Sequence[str]) -> None:
    """Raise DataError for a row with a field that a table, whose columns were those of the first rows, hasn't."""
    if unknown := row.cells.keys() - set(columns):
        raise DataError(
            f"{records.place(row.row)}: field {excerpt(min(unknown))!r} is in none of the first rows, so that the "
            "table has no column for it; write a .jsonl file"
        )


def _arrow_type(cells: Sequence[Any]) -> Any:
    """The type of a column that holds such cells: string, whose cells may be JSON, where they are no simple type."""
    import pyarrow as pa

    try:
        found = pa.array(cells).type
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        return pa.string()
    return pa.string() if pa.types.is_nested(found) or pa.types.is_null(found) else found


def _strings(cells: Sequence[Any]) -> list[str | None]:
    return [None if cell is None else valid_unicode(as_text(cell)) for cell in cells]


def kind_of_output(records: Records, out: Path | None) -> str:
    """The format that a file's name asks for, else that of what is read; lines become JSON lines."""
    kind = records.kind if out is None else KINDS.get(out.suffix.lower(), records.kind)
    if kind == "lines":
        kind = records.kind  # a table in a file of a name that plain lines have
    return "jsonl" if kind == "lines" else kind


def open_output(
    kind: str,
    write: Callable[[str], None],
    *,
    file: BinaryIO | None,
    stack: ExitStack,
    records: Records,
    columns: Sequence[str],
    new: NewColumns,
    head: Sequence[Record],
) -> Output:
    """An output of a kind, its header written; `head` are the first rows; what must be closed goes on the `stack`."""
    if kind == "parquet" and file is not None:
        return ParquetOutput(file, stack, records, columns, new, head)
    if kind in PLAIN:
        return DelimitedOutput(write, kind, records, columns, new)
    return JsonOutput(write, records, new)
