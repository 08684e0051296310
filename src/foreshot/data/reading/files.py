"""Sheets: tables as they stand in a file or a dataset, before any column is given a meaning.

Reads CSV, TSV, JSON Lines, Parquet, saved Hugging Face datasets and datasets of the hub, whole, into memory.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foreshot.data.reading.lines import BadRecord, Record, repeated
from foreshot.data.reading.parquet import ArrowRow
from foreshot.data.reading.records import KINDS, Records, open_records
from foreshot.data.reading.saved_datasets import INFO_FILE, PARTS_FILE, refuse_unsafe
from foreshot.data.texts import excerpt, listing
from foreshot.errors import DataError

MOST_COLUMNS = 1000
MOST_ROWS = 10_000_000
"""Of a table that is held in memory; one row takes a hundred bytes there, however short it is in the file."""
TOO_MANY = f"at most {MOST_ROWS:,} are read; take a sample"
LEAST_MEMORY, EXPANSION = 2**28, 100
"""What a table may take in memory: so many bytes, or so many times the file's size, if that is more. Counted are `CELL`
for each cell, whatever is in it, and a Parquet file's values; all else is in the file as it is in memory."""
CELL = 8
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z", re.ASCII)
READERS = tuple(suffix for suffix, kind in KINDS.items() if kind != "lines")
"""What the name of a file must end in."""
OTHER_NAMES = {"train": ("training",), "validation": ("valid", "val", "dev"), "test": ()}


@dataclass(frozen=True)
class Sheet:
    """A table as read.

    `source` is what the user named; `columns` maps names to cells (str for CSV and TSV, whatever they are
    elsewhere), every str of them valid Unicode; `rows` says where each row starts: the line in a text file
    (the header of a CSV is line 1), else the row's number, counted from 1.
    """

    source: str
    columns: dict[str, list[Any]]
    rows: list[int]


def open_sheet(source: str | Path, *, part: str = "train") -> Sheet:
    """Read a file, a saved Hugging Face dataset folder, or a dataset of the hub ("owner/name").

    `part` chooses the split where a dataset has several. Raises DataError that names the source and the row.
    """
    name = str(source)
    try:
        sheet = _read(name, Path(source), part)
    except OSError as error:
        raise DataError(f"{name}: can't be read ({error.strerror or excerpt(error, 80)})") from None
    if not sheet.rows:
        raise DataError(f"{name}: holds no rows of data")
    _refuse_many_columns(name, len(sheet.columns))
    return sheet


# ---- files ----


def _read(name: str, path: Path, part: str) -> Sheet:
    if path.is_dir():
        return _read_saved_dataset(path, part)
    suffix = path.suffix.lower()
    if path.exists() and suffix in READERS:
        return _read_file(path)
    if path.exists():
        raise DataError(f"{path}: unknown kind of file; the name must end in one of {', '.join(READERS)}")
    if HUB_ID.match(name) and suffix not in READERS and not path.parent.is_dir():
        return _read_hub_dataset(name, part)
    raise DataError(f"{path}: no such file")


def _read_file(path: Path) -> Sheet:
    """All records of a file; raises DataError for the first that can't be read."""
    rows: list[int] = []
    with open_records(path, refuse_nul=True) as records:
        _refuse_many_columns(str(path), len(records.columns or ()))
        if records.kind == "parquet" and (records.units or 0) > MOST_ROWS:
            raise DataError(f"{path}: has {records.units:,} rows; {TOO_MANY}")
        columns: dict[str, list[Any]] = {name: [] for name in records.columns or ()}
        for record in _within_memory(path, records, columns):
            # In the order that they come in: a difference of sets has another in each process.
            for name in [name for name in record.cells if name not in columns] if records.columns is None else ():
                columns[name] = [None] * len(rows)
                if len(columns) > MOST_COLUMNS:
                    raise DataError(f"{records.place(record.row)}: more than {MOST_COLUMNS} different fields by here")
            for name, cells in columns.items():
                cells.append(record.cells.get(name))
            rows.append(record.row)
    if not rows and records.columns is None:
        raise DataError(f"{path}: is empty")
    return Sheet(str(path), columns, rows)


def _within_memory(path: Path, records: Records, columns: Collection[str]) -> Iterator[Record]:
    """The records; raises DataError for one that can't be read, and where they need far more memory than the file.

    `columns` are those that a record's cells go into, empty ones too, by now.
    """
    most = max(LEAST_MEMORY, EXPANSION * path.stat().st_size)
    taken = CELL * len(columns) * (records.units or 0) if records.kind == "parquet" else 0
    for number, record in enumerate(records):
        if isinstance(record, BadRecord):
            raise DataError(f"{records.place(record.row)}: {record.complaint}")
        if number >= MOST_ROWS:
            raise DataError(f"{records.place(record.row)}: is row {number + 1:,} of the data; {TOO_MANY}")
        if not isinstance(record.cells, ArrowRow):
            taken += CELL * len(columns)
        elif record.cells.index == 0:
            taken += record.cells.batch.size
        if taken > most:
            raise DataError(
                f"{records.place(record.row)}: by here the values take {taken:,} bytes, far more than the file; it is "
                "damaged, or made to fill memory"
            )
        yield record


def _refuse_many_columns(source: str, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise DataError(f"{source}: has {columns} columns; at most {MOST_COLUMNS} are read")


# ---- Hugging Face datasets ----


def _read_saved_dataset(folder: Path, part: str) -> Sheet:
    if not any((folder / name).is_file() for name in (INFO_FILE, PARTS_FILE)):
        raise DataError(f"{folder}: is a folder without a saved Hugging Face dataset; name a file in it")
    datasets = _import_datasets(str(folder))
    refuse_unsafe(folder)
    try:
        dataset = datasets.load_from_disk(str(folder))
    except Exception as error:  # whatever a damaged folder brings up
        raise DataError(f"{folder}: can't be loaded as a saved dataset ({excerpt(error, 80)})") from None
    return _from_dataset(str(folder), dataset, part)


def _read_hub_dataset(name: str, part: str) -> Sheet:
    datasets = _import_datasets(name)
    try:
        dataset = datasets.load_dataset(name)  # nosec B615  # runs no code of the hub; the user names it
    except Exception as error:  # network, permission, spelling, format: the library has an error for each
        raise DataError(
            f"{name}: no such file, and it can't be loaded as a dataset of the Hugging Face hub "
            f"({type(error).__name__}: {excerpt(error, 80)}); check spelling and network, or give a file"
        ) from None
    return _from_dataset(name, dataset, part)


def _import_datasets(source: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise DataError(f"{source}: reading a Hugging Face dataset needs pip install 'foreshot[train]'") from None
    return datasets


def _from_dataset(source: str, dataset: Any, part: str) -> Sheet:
    if isinstance(dataset, Mapping):
        wanted = [name for name in (part, *OTHER_NAMES.get(part, ())) if name in dataset]
        if not wanted and len(dataset) > 1:
            raise DataError(f"{source}: has no part {excerpt(part)!r}; its parts are {listing(dataset)}")
        dataset = dataset[wanted[0] if wanted else next(iter(dataset))]
    if len(dataset) > MOST_ROWS:
        raise DataError(f"{source}: has {len(dataset):,} rows; {TOO_MANY}")
    _refuse_many_columns(source, len(dataset.column_names))
    # Through Arrow, so that pictures and sounds in other columns aren't decoded.
    table = dataset.with_format("arrow")[:]
    taken = CELL * table.num_rows * table.num_columns
    if taken > max(LEAST_MEMORY, EXPANSION * table.nbytes):
        raise DataError(
            f"{source}: its values would take {taken:,} bytes, far more than its files; it is damaged, or made to fill "
            "memory"
        )
    if complaint := repeated(table.column_names):
        raise DataError(f"{source}: {complaint}")
    try:
        table.validate(full=True)  # an Arrow file is taken as it is, texts beyond its end and all
    except ValueError as error:
        raise DataError(f"{source}: is damaged ({excerpt(error, 80)})") from None
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    sheet = Sheet(source, columns, list(range(1, table.num_rows + 1)))
    for name, feature in dataset.features.items():
        if names := getattr(feature, "names", None):
            # -1 is how datasets mark a row without a label.
            sheet.columns[name] = [None if cell is None or cell < 0 else names[cell] for cell in sheet.columns[name]]
    return sheet
