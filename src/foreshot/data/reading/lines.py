"""Lines of text, and records that are one line each: plain lines and JSON Lines."""

import contextlib
import io
import json
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

from foreshot.data.texts import excerpt, valid_unicode
from foreshot.errors import DataError

LINES_COLUMN = "text"
LONGEST_RECORD = 2**25
"""Letters in one record. Without a bound, a quote that is never closed would bring the file into memory."""
BLANK = " \t\r\n"
"""White space as JSON has it (RFC 8259, section 2)."""
MOST_GROUPS = 2**20
"""Lists and objects in one JSON line: each takes fifty times the memory that its brackets do."""


@dataclass(frozen=True, slots=True)
class Record:
    """A row: `cells` are str in CSV, TSV and lines, and whatever they are elsewhere.

    `row` is the line where it starts (the header of a CSV is line 1), in Parquet its number, from 1; `size` the
    bytes that it takes, in Parquet 1; `raw` its text as it stands in the file, without the line end, in Parquet "".
    """

    row: int
    cells: Mapping[str, Any]
    size: int
    raw: str


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A row that can't be read, and why; bytes that are not UTF-8 stand in `raw` as \\xe9."""

    row: int
    complaint: str
    size: int
    raw: str


class Line(NamedTuple):
    """A line of a text; `size` in bytes, and what is wrong with it, if anything."""

    number: int
    text: str  # with its line end
    size: int
    complaint: str | None


def read_lines(
    stream: BinaryIO, source: str, line_end: str, *, refuse_nul: bool, closing: bool
) -> Generator[Line, None, None]:
    """The lines of a stream, without a byte order mark; a byte that is no UTF-8 makes a complaint of its line."""
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape", newline=line_end)
    number, offset = 0, 0
    try:
        while line := _next_line(text, source, number + 1):
            number += 1
            size, complaint = _measured(line, offset)
            offset += size
            if number == 1:
                if line.startswith(("\udcff\udcfe", "\udcfe\udcff")):
                    raise DataError(f"{source}: is UTF-16, not UTF-8; convert it with: iconv -f UTF-16 -t UTF-8")
                line = line.removeprefix("\ufeff")
            if refuse_nul and complaint is None and "\0" in line:
                complaint = "holds a NUL character; the file is damaged or is not text"
            yield Line(number, line, size, complaint)
    finally:
        if closing:
            text.close()
        else:
            text.detach()


def _next_line(text: io.TextIOWrapper, source: str, number: int) -> str:
    with reading(source):
        line = text.readline(LONGEST_RECORD + 1)
    if len(line) > LONGEST_RECORD:
        raise DataError(f"{source}, line {number}: is longer than {LONGEST_RECORD:,} letters; is this the right file?")
    return line


def _measured(line: str, offset: int) -> tuple[int, str | None]:
    """How many bytes a line takes that begins at `offset`, and what is wrong with the first that is no UTF-8."""
    if line.isascii():
        return len(line), None
    try:
        return len(line.encode("utf-8")), None
    except UnicodeEncodeError as error:
        place = offset + len(line[: error.start].encode("utf-8"))
        return len(line.encode("utf-8", "surrogateescape")), (
            f"is not UTF-8 (byte {ord(line[error.start]) - 0xDC00:#04x} at offset {place}); "
            "convert it, for example with: iconv -f WINDOWS-1252 -t UTF-8"
        )


def bad_record(lines: Sequence[Line], complaint: str, row: int | None = None) -> BadRecord:
    """The bad record that these lines are; `row` is the first line's number unless it is given."""
    raw = raw_text(lines).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return BadRecord(row or lines[0].number, complaint, size_of(lines), raw)


def raw_text(lines: Sequence[Line]) -> str:
    """The text of a record's lines, without the line end of the last."""
    return "".join(line.text for line in lines).removesuffix("\n").removesuffix("\r")


def size_of(lines: Sequence[Line]) -> int:
    """How many bytes a record's lines take."""
    return sum(line.size for line in lines)


@contextlib.contextmanager
def reading(source: str) -> Iterator[None]:
    """Errors of the system, as DataError."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{source}: no such file") from None
    except OSError as error:
        raise DataError(f"{source}: can't be read ({error.strerror or excerpt(error, 80)})") from None


def repeated(names: Sequence[str]) -> str | None:
    """What is wrong with columns of which two have the same name."""
    twice = [name for name, times in Counter(names).items() if times > 1]
    return f"column {excerpt(twice[0])!r} is named twice; rename one of them" if twice else None


def line_records(lines: Iterable[Line]) -> Generator[Record | BadRecord, None, None]:
    """Each line as a record with one cell, its text."""
    for line in lines:
        if line.complaint:
            yield bad_record([line], line.complaint)
        else:
            text = raw_text([line])
            yield Record(line.number, {LINES_COLUMN: text}, line.size, text)


def json_records(lines: Iterable[Line]) -> Generator[Record | BadRecord, None, None]:
    """Each line that isn't blank as a JSON object."""
    for line in lines:
        if line.text.strip(BLANK):
            complaint, cells = (line.complaint, {}) if line.complaint else _parsed(line.text)
            if complaint:
                yield bad_record([line], complaint)
            else:
                yield Record(line.number, cells, line.size, raw_text([line]))


def _parsed(line: str) -> tuple[str | None, dict[str, Any]]:
    """What is wrong with a line, if anything, and the JSON object in it."""
    if line.count("[") + line.count("{") > MOST_GROUPS:
        return f"holds more than {MOST_GROUPS:,} lists and objects", {}
    try:
        value = json.loads(line, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        return f"is not JSON ({error.msg}, character {error.colno}); give one object a line", {}
    except _RepeatedError as error:
        return str(error), {}
    except (ValueError, RecursionError):
        return "holds a number or a nesting too large to read", {}
    if not isinstance(value, dict):
        return 'is not a JSON object; write each row as {"text": …, "label": …}', {}
    if "\\ud" in line.lower():
        value = {
            valid_unicode(name): valid_unicode(cell) if isinstance(cell, str) else cell for name, cell in value.items()
        }
    return None, value


class _RepeatedError(Exception):
    """A JSON object names a field twice."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if complaint := repeated([name for name, _ in pairs]):
        raise _RepeatedError(complaint)
    return dict(pairs)
