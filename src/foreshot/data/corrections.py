"""Corrections: what people said is right for a text, as a table says it, or the file that a server keeps.

Each says it of the task's outputs, in their order: of classes one number, that of the class; of labels 0 or 1 each; of
scores a number from 0 to 1 each. NaN is what it says nothing of.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from foreshot.data.answers import Answers, UnknownLabelError, Values, WrongCellError, answers_in
from foreshot.data.labels import canonical_label, given
from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.reading.records import KINDS
from foreshot.data.split import Split, fold
from foreshot.data.table import choose_text_column, is_empty
from foreshot.data.texts import excerpt, normalise, place
from foreshot.errors import DataError
from foreshot.files.journal import rotated
from foreshot.settings.dialect import FOUND, AskedDialect

WHEN_NAMES = ("when", "time", "timestamp", "date", "created_at", "at")


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What is right for a text, normalised; `said` is what a model had said, where that is known."""

    text: str
    row: int
    values: Values
    when: datetime | None = None
    said: Values | None = None


@dataclass(frozen=True, kw_only=True)
class Corrections:
    """One correction for each text, in the order of the file, or of time.

    `read` counts all that were there, `contradicted` those of which a later one says otherwise, and `left_out` by
    reason those that nothing can be learnt from.
    """

    source: str
    found: tuple[Correction, ...]
    read: int
    contradicted: int
    left_out: dict[str, int]
    by_time: bool
    announcements: tuple[str, ...]


def read_corrections(
    source: str,
    split: Split,
    *,
    text: str | None = None,
    label: str | None = None,
    leave_out: Sequence[str] = (),
    skip_bad_rows: bool = False,
    dialect: AskedDialect = FOUND,
) -> Corrections:
    """The corrections in a table, or in a server's file and the older ones beside it, for the task of a split.

    `text` and `label` name the columns, where the table has them. Of several corrections of a text (see `fold`) the
    later one counts, by their times where all have one, else by their order; what it says nothing of stays as an
    earlier one had it. Rows with a label that `leave_out` names are left out. Raises DataError for a table that can't
    be read, a label that the data don't have, and, unless `skip_bad_rows`, a row that says nothing.
    """
    sheets = _sheets(source, dialect)
    said = [f"{source}: {len(sheets) - 1} older files beside it are read, too"] if len(sheets) > 1 else []
    left_out: Counter[str] = Counter()
    every: list[Correction] = []
    for sheet in sheets:
        named, guessed = choose_text_column(sheet.source, sheet.columns, text if text in sheet.columns else None)
        said += [guessed] if guessed and guessed not in said else []
        spare = {canonical_label(one).casefold() for one in leave_out}
        every += _corrections_of(
            sheet, named, answers_in(sheet, split, label), spare, left_out, skip_bad_rows=skip_bad_rows
        )
    if not every:
        raise DataError(f"{source}: no row says what is right for a text; nothing is left")
    by_time = all(one.when is not None for one in every)
    ordered = sorted(every, key=lambda one: one.when or datetime.min) if by_time else every
    found, contradicted = _latest(ordered)
    return Corrections(
        source=source,
        found=found,
        read=len(every),
        contradicted=contradicted,
        left_out=dict(left_out),
        by_time=by_time,
        announcements=tuple(said),
    )


def merged(earlier: Values, later: Values) -> Values:
    """The later values, and the earlier ones where these say nothing."""
    return tuple(old if math.isnan(new) else new for old, new in zip(earlier, later, strict=True))


def _sheets(source: str, dialect: AskedDialect) -> list[Sheet]:
    """The file, after those that a server set aside; one of them may be empty, or not yet there."""
    path = Path(source)
    if KINDS.get(path.suffix.lower()) != "jsonl" or not path.parent.is_dir():
        return [open_sheet(source, dialect=dialect)]
    older = list(rotated(path).values())
    present = older and (not path.exists() or path.stat().st_size == 0)
    return [open_sheet(one, dialect=dialect) for one in (older if present else [*older, path])]


def _corrections_of(
    sheet: Sheet,
    text_column: str,
    answers: Answers,
    spare: Collection[str],
    left_out: Counter[str],
    *,
    skip_bad_rows: bool,
) -> list[Correction]:
    """The corrections of one sheet; those of `spare` labels, and what teaches nothing, are counted in `left_out`."""
    texts, label = sheet.columns[text_column], answers.label
    when_column = next((name for name in WHEN_NAMES if name in sheet.columns), None)
    found = []
    for index, row in enumerate(sheet.rows):
        where = place(sheet.source, row)
        if label is not None and spare and canonical_label(sheet.columns[label][index]).casefold() in spare:
            left_out["with a label that is left out"] += 1
            continue
        try:
            values = _values(answers, index, texts[index], where)
        except WrongCellError as error:
            if not skip_bad_rows:
                raise DataError(f"{where}: {error}; repair it, or leave such rows out with ⟨skip_bad_rows⟩") from None
            left_out["that can't be read"] += 1
            continue
        if values is None:
            left_out["that say only what a text is not"] += 1
            continue
        when = _time(sheet.columns[when_column][index], f"{where}, column {when_column!r}") if when_column else None
        text = normalise(texts[index])
        found.append(Correction(text=text, row=row, values=values, when=when, said=answers.said(index)))
    return found


def _values(answers: Answers, index: int, text: Any, where: str) -> Values | None:
    if is_empty(text):
        raise WrongCellError("has no text")
    try:
        return answers.read(index)
    except UnknownLabelError as error:
        raise DataError(
            f"{where}: {error}; repair it, or leave such rows out with ⟨leave_out⟩{given([error.label])}"
        ) from None


def _time(cell: Any, where: str) -> datetime | None:
    """A time as a cell has it: ISO 8601, seconds since 1970, or a value of a table; without a zone it is UTC."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    try:
        if isinstance(cell, int | float):
            return datetime.fromtimestamp(cell, UTC)
        found = datetime.fromisoformat(cell.strip()) if isinstance(cell, str) else cell
        if isinstance(found, date) and not isinstance(found, datetime):
            found = datetime(found.year, found.month, found.day)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found
    except (ValueError, OverflowError, OSError, AttributeError):
        raise DataError(
            f"{where}: {excerpt(cell)!r} is no time; write it as 2026-11-30T12:00:00Z, or empty it"
        ) from None


def _latest(ordered: Iterable[Correction]) -> tuple[tuple[Correction, ...], int]:
    """The last word on each text, and how many corrections a later one contradicts."""
    latest: dict[str, Correction] = {}
    contradicted = 0
    for one in ordered:
        before = latest.pop(fold(one.text), None)
        if before is not None:
            contradicted += _differ(before.values, one.values)
            one = replace(one, values=merged(before.values, one.values), said=one.said or before.said)
        latest[fold(one.text)] = one
    return tuple(latest.values()), contradicted


def _differ(one: Values, other: Values) -> bool:
    pairs = zip(one, other, strict=True)
    return any(a != b for a, b in pairs if not (math.isnan(a) or math.isnan(b)))
