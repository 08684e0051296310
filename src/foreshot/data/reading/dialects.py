"""The dialect of a delimited table, found from its head: what parts the fields, and whether quotes hold them together.

A separator is one where the header has it and every row has as many fields. In tables of commas and semicolons quotes
are CSV's. Where fields are parted by tabs or bars a text seldom needs quotes, and one that begins or ends with a quote
would swallow rows: there a quote is a letter wherever the lines have the right number of fields as they stand, unless
every field that begins with a quote is quoted as a writer of CSV does it.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from foreshot.data.reading.delimited import (
    PLAIN,
    WHOLE_FIELD,
    Dialect,
    Fields,
    Found,
    csv_rows,
    is_header,
    quotes_twice,
)
from foreshot.data.reading.lines import BadRecord, Line
from foreshot.data.reading.spanning import shape_of
from foreshot.data.texts import excerpt
from foreshot.errors import DataError
from foreshot.settings.dialect import SEPARATORS, AskedDialect

HEAD_LINES, HEAD_LETTERS = 1000, 2**20
"""A head ends with the line that reaches either."""
QUOTED_BY_CUSTOM = frozenset({",", ";"})
NAMES = {sign: name for name, sign in SEPARATORS.items()}
LEAST_SHARE = 0.5
"""Of the lines below a header whose separator isn't the usual one: fewer rows that it parts are no table of its."""

SEP_LINE = re.compile(r'"?sep=([^\w\s"]|\t)"?[\r\n]*\Z', re.IGNORECASE)
"""What Excel takes the separator from: a line above the header."""


class _Reading(NamedTuple):
    """The head, read in a dialect; `columns` is 0 where it has no header, `share` that of the lines in good rows.

    It is `whole` where all rows are good, or there is none below the header, as far as a stream has come.
    `settled` says that the head shows what a quote is: it may hold no field that begins with one.
    """

    dialect: Dialect
    header: list[str]
    rows: list[Fields]
    bad: int
    share: float
    whole: bool
    settled: bool = True

    @property
    def columns(self) -> int:
        return len(self.header)


def take_head(lines: Iterator[Line], most: int) -> tuple[list[Line], bool]:
    """The first lines, `most` of them that aren't blank, and whether there may be more."""
    head: list[Line] = []
    filled = letters = 0
    for line in islice(lines, HEAD_LINES):
        head.append(line)
        filled += bool(line.text.strip())
        letters += len(line.text)
        if filled >= most + bool(SEP_LINE.match(head[0].text)) or letters >= HEAD_LETTERS:
            break
    else:
        return head, len(head) == HEAD_LINES
    return head, True


def find_dialect(head: Sequence[Line], *, cut: bool, kind: str, source: str, asked: AskedDialect) -> Found:
    """The dialect of a table of this kind whose first lines are `head`, `cut` where there may be more.

    Raises DataError where several fit, and where the header has a separator that the rows haven't.
    """
    told = SEP_LINE.match(head[0].text)
    lines = head[1:] if told else head
    usual = PLAIN[kind].delimiter
    sign_asked, quoting_asked = asked.firm and asked.separator is not None, asked.firm and asked.quoting is not None
    named = asked.separator if sign_asked else told[1] if told else None
    if named is None:
        reading = _choose(lines, cut, usual, source, asked)
    else:
        reading = _read_quoted_or_not(lines, cut, named, asked)
    dialect = reading.dialect
    said = []
    if dialect.delimiter != usual and not sign_asked:
        said.append(f"separator {_called(dialect.delimiter)} (found; --separator names another)")
    if reading.settled and not quoting_asked and dialect.delimiter not in QUOTED_BY_CUSTOM:
        quotes, other = ("quotes as in CSV", "none") if dialect.quoted else ("quotes are letters", "csv")
        said.append(f"{quotes} (found; --quoting {other} reads them otherwise)")
    note = f"{source}: {', '.join(said)}" if said else None
    one_line = [row.fields for row in reading.rows if len(row.lines) == 1]
    watched = dialect.quoted and not quoting_asked
    return Found(
        dialect=dialect,
        note=note,
        sep_line=head[0].text.rstrip("\r\n") + "\n" if told else "",
        shape=shape_of(one_line, reading.columns, dialect.delimiter) if watched else None,
        settled=reading.settled,
    )


def tabs_in_lines(head: Sequence[Line], source: str) -> str | None:
    """What to say of plain lines that may be a table; None where they don't all have as many tabs."""
    tabs = {line.text.count("\t") for line in head if line.text.strip()}
    if len(head) < 2 or len(tabs) != 1 or 0 in tabs:
        return None
    return f"{source}: each line is read as one text, tabs and all (--separator tab reads a table)"


def _called(separator: str) -> str:
    return NAMES.get(separator) or excerpt(repr(separator))


# ---- what parts the fields ----


def _choose(lines: Sequence[Line], cut: bool, usual: str, source: str, asked: AskedDialect) -> _Reading:
    """The reading of the one separator that fits; the usual one where there is one column."""
    head = "".join(line.text for line in lines[: _header_lines(lines)])
    others = [sign for sign in SEPARATORS.values() if sign and sign != usual and sign in head]
    readings = {sign: _read_quoted_or_not(lines, cut, sign, asked) for sign in (usual, *others)}
    plain = readings[usual]
    parting = {sign: found for sign, found in readings.items() if found.columns > 1}
    whole = {sign: found for sign, found in parting.items() if found.whole}
    if usual in whole and len(whole) > 1:
        # What stands in quotes parts nothing.
        outside = {sign for sign in whole if _read(lines, cut, Dialect(sign, quoted=True)).whole}
        whole = {sign: found for sign, found in whole.items() if sign == usual or sign in outside}
    if asked.separator in whole:
        return whole[asked.separator]
    if len(whole) > 1:
        signs = " or ".join(map(_called, whole))
        raise DataError(f"{source}: its fields may be parted by {signs}; name the right one with ⟨separator⟩")
    if whole:
        return next(iter(whole.values()))
    if not parting:
        return plain
    sign, best = max(parting.items(), key=lambda item: (item[1].share, item[0] == usual))
    if usual in parting and (sign == usual or best.share < LEAST_SHARE):
        return plain
    if best.share < LEAST_SHARE:
        raise DataError(
            f"{source}: the header seems to be parted by {_called(sign)}, but of the rows most have another number of "
            "fields; name what parts them with ⟨separator⟩ (none where there is one column)"
        )
    return best


def _header_lines(lines: Sequence[Line]) -> int:
    """How many lines there are up to the first that isn't blank."""
    return next((number for number, line in enumerate(lines, start=1) if line.text.strip()), 0)


# ---- whether quotes hold them together ----


def _read_quoted_or_not(lines: Sequence[Line], cut: bool, sign: str, asked: AskedDialect) -> _Reading:
    """The head in the quoting that fits."""
    quoted, letters = Dialect(sign, quoted=True), Dialect(sign, quoted=False)
    if asked.quoting is not None:
        wanted = _read(lines, cut, quoted if asked.quoting == "csv" else letters)
        if asked.firm or wanted.whole:
            return wanted
    in_quotes = _read(lines, cut, quoted)
    if sign in QUOTED_BY_CUSTOM:
        return in_quotes
    as_letters = _read(lines, cut, letters)
    if (in_quotes.share, not in_quotes.bad) > (as_letters.share, not as_letters.bad):
        return in_quotes
    shown = _shows_quotes(as_letters)
    return in_quotes if shown else as_letters._replace(settled=shown is not None)


def _shows_quotes(reading: _Reading) -> bool | None:
    """Whether fields are quoted as a writer of CSV does it; None where no field begins with a quote.

    It does so to every field, or to a column, or where a field holds a quote, which it then writes twice.
    """
    cells = [cell for row in [reading.header, *(row.fields for row in reading.rows)] for cell in row]
    beginning = [cell for cell in cells if cell.startswith('"')]
    if not beginning:
        return None
    if not all(map(WHOLE_FIELD.match, beginning)):
        return False
    columns = zip(*(row.fields for row in reading.rows), strict=True) if len(reading.rows) > 1 else ()
    return (
        all(map(WHOLE_FIELD.match, reading.header))
        or any(map(quotes_twice, beginning))
        or any(all(map(WHOLE_FIELD.match, column)) for column in columns)
    )


def _read(lines: Sequence[Line], cut: bool, dialect: Dialect) -> _Reading:
    """The head in a dialect. Of a head that is `cut` nothing is said about what its end may have cut."""
    header: list[str] = []
    good: list[Fields] = []
    bad = within = below = 0
    try:
        for row in csv_rows(iter(lines), "", dialect):
            if isinstance(row, BadRecord):
                if not header or (cut and "unexpected end" in row.complaint):
                    break
                bad += 1
            elif not header:
                header = row.fields if is_header(row) else []
                below = lines[-1].number - row.lines[-1].number
            elif len(row.fields) == len(header):
                good.append(row)
                within += len(row.lines)
            else:
                bad += 1
    except DataError:  # a row beyond all bounds, which reading the table will tell
        bad += 1
    whole = bool(header) and not bad and bool(good or not below)
    return _Reading(dialect, header, good, bad, within / max(1, below) if header else 0, whole)
