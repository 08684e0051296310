"""Stored scores: a file of texts with the score, 0 to 1, that another classifier gave each of them."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from foreshot.data.reading.lines import BadRecord, Record
from foreshot.data.reading.records import Records, open_records
from foreshot.data.scores import (
    LONGEST_NAME,
    NO_SCORE,
    cell_at,
    fields,
    fields_named,
    is_gap,
    read_score,
    unwrapped,
)
from foreshot.data.table import choose_text_column, why_not_a_string
from foreshot.data.texts import excerpt
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect
from foreshot.settings.scores import attribute_of

SCORE_NAMES = frozenset({"score", "summaryscore", "perspective", "toxicity_score", "perspective_score"})
HEAD = 1024  # rows that tell what the columns are


class StoredRow(NamedTuple):
    """A row with its text and its score."""

    record: Record
    text: str
    score: float


@dataclass(frozen=True, kw_only=True)
class StoredScores:
    """A file whose columns are known; `a.b` is the field b in a field a.

    `decimal_comma` says that scores may be written as 0,7. `head` are its first rows, `skipped_rows` counts those that
    are left out because of `skip_bad_rows`, and `announcements` tell what was guessed or found.
    """

    text_column: str
    score_column: str
    skip_bad_rows: bool
    decimal_comma: bool
    head: list[Record]
    announcements: list[str]
    skipped_rows: int = 0

    def rows(self, records: Records, items: Iterable[Record | BadRecord]) -> Iterator[StoredRow | None]:
        """The rows that have a text and a score; None for each that is left out.

        Raises DataError for the first that isn't one, unless such are left out, and for any number outside 0 to 1:
        then the column is the wrong one, or on another scale.
        """
        for item in items:
            found = item.complaint if isinstance(item, BadRecord) else self._read(item)
            if isinstance(found, StoredRow):
                if not 0 <= found.score <= 1:
                    hint = "divide such scores by 100, or name" if 1 < found.score <= 100 else "name"
                    raise DataError(
                        f"{records.place(item.row)}, column {_named(self.score_column)!r}: {found.score:g} "
                        f"is outside 0 to 1; {hint} another column with ⟨score⟩"
                    )
                yield found
            elif self.skip_bad_rows:
                yield None
            else:
                raise DataError(_complaint(records, item.row, found))

    def _read(self, record: Record) -> StoredRow | str:
        """The row, or what is wrong with it."""
        text, score = cell_at(record.cells, self.text_column), unwrapped(cell_at(record.cells, self.score_column))
        if unfit := why_not_a_string(text):
            return f"column {_named(self.text_column)!r}: {unfit}"
        if is_gap(score):
            return f"column {_named(self.score_column)!r}: no score"
        number = read_score(score.replace(",", ".") if self.decimal_comma and isinstance(score, str) else score, 1.0)
        if math.isnan(number):
            comma = isinstance(score, str) and score.count(",") == 1
            hint = " (write a point, as in 0.7)" if comma else ""
            return f"column {_named(self.score_column)!r}: {excerpt(score)!r} is no number{hint}"
        if number == NO_SCORE:
            return f"column {_named(self.score_column)!r}: {number:g}, which usually says that there is no score"
        return StoredRow(record, text, number)


def look_through(
    path: Path, *, text: str | None, score: str | None, skip_bad_rows: bool, dialect: AskedDialect = FOUND
) -> StoredScores:
    """Find the columns, named or guessed, and check every row.

    Raises DataError for a missing or ambiguous column, for what `StoredScores.rows` refuses, for fewer than 2 rows,
    and for scores that are all the same.
    """
    with open_records(path, dialect=dialect) as records:
        first = list(islice(records, HEAD))
        stored = _columns(records, first, text, score, skip_bad_rows)
        rows = skipped = 0
        least, most = 1.0, 0.0
        for row in stored.rows(records, chain(first, records)):
            if row is None:
                skipped += 1
            else:
                rows += 1
                least, most = min(least, row.score), max(most, row.score)
        spanning = records.spanning.note(records.source)
    left_out = f" ({skipped:,} bad rows were left out)" if skipped else ""
    if rows < 2:
        raise DataError(f"{path}: {rows} row{'' if rows == 1 else 's'} to compare{left_out}; at least 2 are needed")
    if least == most:
        raise DataError(
            f"{path}: every score in column {_named(stored.score_column)!r} is {least:g}{left_out}, so there is "
            "nothing to agree with; name another column with ⟨score⟩"
        )
    announcements = [*stored.announcements, *([spanning] if spanning else [])]
    return replace(stored, skipped_rows=skipped, announcements=announcements)


def _columns(
    records: Records, first: Sequence[Record | BadRecord], text: str | None, score: str | None, skip_bad_rows: bool
) -> StoredScores:
    head = [record for record in first if isinstance(record, Record)]
    found = dict.fromkeys(field for record in head for field in fields(record.cells))
    columns = list(found) or list(records.columns or [])
    if not columns:
        bad = next((item for item in first if isinstance(item, BadRecord)), None)
        raise DataError(_complaint(records, bad.row, bad.complaint) if bad else f"{records.source}: has no rows")
    text_column, text_note = choose_text_column(records.source, columns, text)
    score_column, score_note = _choose_score_column(records.source, columns, score, taken=text_column)
    return StoredScores(
        text_column=text_column,
        score_column=score_column,
        skip_bad_rows=skip_bad_rows,
        decimal_comma=records.decimal_comma,
        head=head,
        announcements=[*records.notes, *(note for note in (text_note, score_note) if note)],
    )


def _choose_score_column(
    source: str, columns: Sequence[str], named: str | None, *, taken: str
) -> tuple[str, str | None]:
    if named is not None:
        found = fields_named(named, columns)
        if not found:
            raise DataError(f"{source}: has no column {_named(named)!r}; its columns are {_listing(columns)}")
        if len(found) > 1:
            raise DataError(f"{source}: scores {_named(named)} may be {_listing(found)}; name one in full")
        if found[0] == taken:
            raise DataError(f"{source}: column {_named(named)!r} can't be both the text and the score")
        return found[0], None if found[0] == named else f"{source}: {_named(named)} is read from {_named(found[0])}"
    guesses = [name for name in columns if name != taken and _names_a_score(name.casefold())]
    if len(guesses) == 1:
        return guesses[0], f"{source}: score column {_named(guesses[0])!r} (guessed; --score names another)"
    raise DataError(
        f"{source}: the score column may be {_listing(guesses)}; name it with ⟨score⟩"
        if guesses
        else f"{source}: no column has a name that tells it holds the score; name it with ⟨score⟩ "
        f"(columns: {_listing(columns)})"
    )


def _names_a_score(name: str) -> bool:
    return name in SCORE_NAMES or attribute_of(name) == "toxicity"


def _named(column: str) -> str:
    return excerpt(column, LONGEST_NAME)


def _listing(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(map(_named, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _complaint(records: Records, row: int, complaint: str) -> str:
    joint = ", " if complaint.startswith("column") else ": "
    return f"{records.place(row)}{joint}{complaint}; repair the file, or leave such rows out with ⟨skip_bad_rows⟩"
