"""Parquet, as records. PyArrow is loaded when a file is opened: texts are scored without it."""

import contextlib
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from foreshot.data.reading.lines import Record, reading, repeated
from foreshot.data.texts import excerpt
from foreshot.errors import DataError

BATCH_ROWS = 1024
BUFFER = 2**20
"""Bytes read at once of each column; without it a whole row group, perhaps the file, is."""
MOST_UNPACKED, EXPANSION = 2**26, 200
"""Bytes of a column in a row group that may be compressed as far as one likes; beyond them, how far they may be."""
MOST_VALUES = 10_000_000
"""Values of nested columns in a row group, besides a hundred for each row."""
MOST_IN_BATCH = 2**28


class ArrowBatch:
    """A batch of an Arrow table, `arrow`, whose columns are made Python values when they are asked for."""

    def __init__(self, arrow: Any, source: str) -> None:
        self.arrow, self._source = arrow, source
        self.size = arrow.nbytes + sum(map(_repeated_bytes, arrow.columns))
        self._values: dict[str, list[Any]] = {}

    def values(self, name: str) -> list[Any]:
        """The cells of a column; raises DataError where they have no form in Python, as text that is not UTF-8."""
        import pyarrow as pa

        if name not in self._values:
            try:
                self._values[name] = _values(self.arrow.column(name))
            except (pa.ArrowException, ValueError, OverflowError) as error:
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
        metadata = pq.read_metadata(path)
        schema, rows = metadata.schema.to_arrow_schema(), metadata.num_rows
        if not schema.names:
            raise DataError(f"{path}: has no columns")
        _refuse_damaged_descriptions(path, metadata)
        dictionaries = _refuse_bombs(path, metadata)
        file = pq.ParquetFile(
            path, metadata=metadata, buffer_size=BUFFER, pre_buffer=False, read_dictionary=dictionaries
        )
    if complaint := repeated(schema.names):
        raise DataError(f"{path}: {complaint}")
    return schema, rows, _records(path, file, schema)


def _refuse_damaged_descriptions(path: Path, metadata: Any) -> None:
    """Raise pa.ArrowException or OSError where a column of a row group is described in a way that can't be.

    PyArrow ends the process where such a description is given to Python (`row_group(i).column(j)`), but raises where it
    begins to read, which it does here for no row at all. The table must have columns, else it divides by zero.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, metadata=metadata, buffer_size=BUFFER, pre_buffer=False) as file:
        for group in range(metadata.num_row_groups):
            list(file.reader.iter_batches(0, [group]))


def _refuse_bombs(path: Path, metadata: Any) -> list[str]:
    """Raise DataError where a few bytes stand for very many; gives the columns whose texts may be in a dictionary.

    Those are to be read as dictionaries, so that a long text that a thousand rows share is in memory once.
    """
    dictionaries = {}
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            size, values = chunk.total_uncompressed_size, chunk.num_values
            packed = size > MOST_UNPACKED and size > EXPANSION * chunk.total_compressed_size
            if packed or values > MOST_VALUES + 100 * group.num_rows:
                raise DataError(
                    f"{path}: column {excerpt(chunk.path_in_schema)!r} has {chunk.total_compressed_size:,} bytes that "
                    f"stand for {values:,} values in {size:,} bytes; it is damaged, or made to fill memory"
                )
            if chunk.physical_type == "BYTE_ARRAY" and chunk.has_dictionary_page and size * BATCH_ROWS > MOST_IN_BATCH:
                dictionaries[chunk.path_in_schema] = True
    return list(dictionaries)


def _plain(path: Path, row: int, batch: Any, schema: Any) -> Any:
    """A batch whose dictionaries are made columns of the schema's types, unless they would fill memory: DataError."""
    import pyarrow as pa

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if _repeated_bytes(column) > MOST_IN_BATCH:
            raise DataError(
                f"{path}, row {row} or after it: column {excerpt(name)!r} repeats texts so long that "
                f"{BATCH_ROWS:,} rows take more than {MOST_IN_BATCH:,} bytes; it was made to fill memory"
            )
    if batch.schema == schema:
        return batch
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.record_batch(columns, schema=schema)


def _repeated_bytes(array: Any) -> int:
    """How much the texts in an array's dictionaries take once each stands where it is used."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = array.type
    if pa.types.is_dictionary(kind):
        if not (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type)):
            return 0
        return pc.sum(pc.binary_length(array.dictionary).cast(pa.int64()).take(array.indices)).as_py() or 0
    if pa.types.is_map(kind):
        return _repeated_bytes(array.keys) + _repeated_bytes(array.items)
    if pa.types.is_list(kind) or pa.types.is_struct(kind):
        inside = array.flatten()
        return sum(map(_repeated_bytes, inside)) if isinstance(inside, list) else _repeated_bytes(inside)
    return 0


def _records(path: Path, file: Any, schema: Any) -> Generator[Record, None, None]:
    row = 0
    with reading(str(path)), _undamaged(path), file:
        for read in file.iter_batches(BATCH_ROWS):
            arrow = _plain(path, row + 1, read, schema)
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
    except (
        ValueError,
        OverflowError,
    ):  # times finer than Python's, 1970-01-01 00:00:00.000000001, or of no year of its
        return list(column.cast(pa.string()).to_pylist())
