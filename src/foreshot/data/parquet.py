"""Parquet, as records. PyArrow is loaded when a file is opened: texts are scored without it."""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from foreshot.data.lines import Record, reading, repeated
from foreshot.data.texts import excerpt
from foreshot.errors import DataError

BATCH_ROWS = 1024
BUFFER = 2**20
"""Bytes read at once of each column; without it a whole row group, perhaps the file, is."""


class ArrowBatch:
    """A batch of an Arrow table, `arrow`, whose columns are made Python values when they are asked for."""

    def __init__(self, arrow: Any, source: str) -> None:
        self.arrow, self._source = arrow, source
        self._values: dict[str, list[Any]] = {}

    def values(self, name: str) -> list[Any]:
        """The cells of a column; raises DataError where they have no form in Python, as text that is not UTF-8."""
        import pyarrow as pa

        if name not in self._values:
            try:
                self._values[name] = _values(self.arrow.column(name))
            except (pa.ArrowException, ValueError) as error:
                raise DataError(
                    f"{self._source}: column {excerpt(name)!r} can't be read ({excerpt(error, 80)}); leave it out"
                ) from None
        return self._values[name]


class ArrowRow(Mapping[str, Any]):
    """The cells of one row of a batch."""

    __slots__ = ("batch", "index")

    def __init__(self, batch: ArrowBatch, index: int) -> None:
        self.batch, self.index = batch, index

    def __getitem__(self, name: str) -> Any:
        return self.batch.values(name)[self.index]

    def __iter__(self) -> Iterator[str]:
        return iter(self.batch.arrow.schema.names)

    def __len__(self) -> int:
        return self.batch.arrow.num_columns


def open_parquet(path: Path) -> tuple[Any, int, Generator[Record, None, None]]:
    """The schema, the number of rows, and the records, whose cells are `ArrowRow`s; raises DataError."""
    import pyarrow.parquet as pq

    with reading(str(path)), _undamaged(path):
        file = pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
        schema, rows = file.schema_arrow, file.metadata.num_rows
    if complaint := repeated(schema.names):
        raise DataError(f"{path}: {complaint}")
    return schema, rows, _records(path, file)


def _records(path: Path, file: Any) -> Generator[Record, None, None]:
    row = 0
    with reading(str(path)), _undamaged(path), file:
        for arrow in file.iter_batches(BATCH_ROWS):
            batch = ArrowBatch(arrow, str(path))
            for index in range(arrow.num_rows):
                row += 1
                yield Record(row, ArrowRow(batch, index), 1, "")


@contextlib.contextmanager
def _undamaged(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DataError(f"{path}: is not a Parquet file, or is damaged ({excerpt(error, 80)})") from None


def _values(column: Any) -> list[Any]:
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except ValueError:  # times finer than Python's: 1970-01-01 00:00:00.000000001
        return list(column.cast(pa.string()).to_pylist())
