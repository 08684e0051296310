"""Sheets: tables as they stand in a file or a dataset, before any column is given a meaning.

Reads CSV, TSV, JSON Lines, Parquet, saved Hugging Face datasets and datasets of the hub, whole, into memory.
"""

import codecs
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from foreshot.data.texts import excerpt, listing, valid_unicode
from foreshot.errors import DataError

MOST_COLUMNS = 1000
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+\Z", re.ASCII)
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
    if len(sheet.columns) > MOST_COLUMNS:
        raise DataError(f"{name}: has {len(sheet.columns)} columns; at most {MOST_COLUMNS} are read")
    return sheet


# ---- files ----


def _read(name: str, path: Path, part: str) -> Sheet:
    if path.is_dir():
        return _read_saved_dataset(path, part)
    suffix = path.suffix.lower()
    if path.exists() and suffix in READERS:
        return READERS[suffix](path)
    if path.exists():
        raise DataError(f"{path}: unknown kind of file; the name must end in one of {', '.join(READERS)}")
    if HUB_ID.match(name) and suffix not in READERS and not path.parent.is_dir():
        return _read_hub_dataset(name, part)
    raise DataError(f"{path}: no such file")


def _read_text(path: Path) -> str:
    """The file's text without a byte order mark; line ends stay as they are."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: is UTF-16, not UTF-8; convert it with: iconv -f UTF-16 -t UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        offset = error.start + (len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0)
        line = content.count(b"\n", 0, offset) + 1
        raise DataError(
            f"{path}, line {line}: is not UTF-8 (byte {content[offset]:#04x} at offset {offset}); "
            "convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8"
        ) from None
    if (nul := text.find("\0")) >= 0:
        line = text.count("\n", 0, nul) + 1
        raise DataError(f"{path}, line {line}: holds a NUL character; the file is damaged or is not text")
    if not text.strip():
        raise DataError(f"{path}: is empty")
    return text


def _read_csv(path: Path, delimiter: str = ",") -> Sheet:
    text = _read_text(path)
    limit = csv.field_size_limit(len(text) + 1)
    try:
        lines = _csv_lines(path, text, delimiter)
    finally:
        csv.field_size_limit(limit)
    names = [name.strip() or f"column {number}" for number, name in enumerate(lines[0][1], start=1)]
    _refuse_repeats(names, f"{path}, line {lines[0][0]}")
    for line, fields in lines:
        if len(fields) != len(names):
            raise DataError(
                f"{path}, line {line}: has {len(fields)} fields where the header has {len(names)}; "
                "a text that holds the separator or a line end must stand in double quotes"
            )
    cells = zip(*(fields for _, fields in lines[1:]), strict=True)
    columns = {name: list(column) for name, column in zip(names, cells, strict=False)}
    return Sheet(str(path), columns or {name: [] for name in names}, [line for line, _ in lines[1:]])


def _read_tsv(path: Path) -> Sheet:
    return _read_csv(path, delimiter="\t")


def _csv_lines(path: Path, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The records that aren't blank, each with the line where it starts."""
    # strict: otherwise a quote that is never closed would swallow the rest of the file without a word.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    records, start = [], 1
    try:
        for fields in reader:
            if fields:
                records.append((start, fields))
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"{path}, line {start}: the quotes don't match ({error}); "
            "put the field in double quotes and write each quote inside it twice"
        ) from None
    return records


def _read_jsonl(path: Path) -> Sheet:
    records, rows = [], []
    # Only "\n" ends a line: str.splitlines would also cut at characters that JSON allows inside strings.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            records.append(_json_object(line, f"{path}, line {number}"))
            rows.append(number)
    names = list(dict.fromkeys(name for record in records for name in record))
    if len(names) > MOST_COLUMNS:
        raise DataError(f"{path}: has {len(names)} different fields; at most {MOST_COLUMNS} are read")
    return Sheet(str(path), {name: [record.get(name) for record in records] for name in names}, rows)


def _json_object(line: str, where: str) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _refuse_repeats([name for name, _ in pairs], where)
        return dict(pairs)

    try:
        value = json.loads(line, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{where}: is not JSON ({error.msg}, character {error.colno}); give one object a line"
        ) from None
    except (ValueError, RecursionError):
        raise DataError(f"{where}: holds a number or a nesting too large to read") from None
    if not isinstance(value, dict):
        raise DataError(f'{where}: is not a JSON object; write each row as {{"text": …, "label": …}}')
    if "\\ud" not in line.lower():
        return value
    return {valid_unicode(name): valid_unicode(cell) if isinstance(cell, str) else cell for name, cell in value.items()}


def _refuse_repeats(names: Sequence[str], where: str) -> None:
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise DataError(f"{where}: column {excerpt(repeated[0])!r} is named twice; rename one of them")


def _read_parquet(path: Path) -> Sheet:
    try:
        with pq.ParquetFile(path) as file:
            return _from_arrow(str(path), file.read())
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DataError(f"{path}: is not a Parquet file, or is damaged ({excerpt(error, 80)})") from None


def _from_arrow(source: str, table: pa.Table) -> Sheet:
    _refuse_repeats(table.column_names, source)
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return Sheet(source, columns, list(range(1, table.num_rows + 1)))


READERS: Mapping[str, Callable[[Path], Sheet]] = MappingProxyType(
    {
        ".csv": _read_csv,
        ".tsv": _read_tsv,
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".parquet": _read_parquet,
    }
)


# ---- Hugging Face datasets ----


def _read_saved_dataset(folder: Path, part: str) -> Sheet:
    if not any((folder / name).is_file() for name in ("dataset_info.json", "dataset_dict.json")):
        raise DataError(f"{folder}: is a folder without a saved Hugging Face dataset; name a file in it")
    datasets = _import_datasets(str(folder))
    try:
        dataset = datasets.load_from_disk(str(folder))
    except Exception as error:  # whatever a damaged folder brings up
        raise DataError(f"{folder}: can't be loaded as a saved dataset ({excerpt(error, 80)})") from None
    return _from_dataset(str(folder), dataset, part)


def _read_hub_dataset(name: str, part: str) -> Sheet:
    datasets = _import_datasets(name)
    try:
        dataset = datasets.load_dataset(name)  # datasets runs no code of the hub's unless it is told to
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
    # Through Arrow, so that pictures and sounds in other columns aren't decoded.
    sheet = _from_arrow(source, dataset.with_format("arrow")[:])
    for name, feature in dataset.features.items():
        if names := getattr(feature, "names", None):
            # -1 is how datasets mark a row without a label.
            sheet.columns[name] = [None if cell is None or cell < 0 else names[cell] for cell in sheet.columns[name]]
    return sheet
