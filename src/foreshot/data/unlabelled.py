"""Texts without labels, which the teacher labels: read, and kept apart from the rows that have a label."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from foreshot.data.reading.files import open_sheet
from foreshot.data.reading.lines import LINES_COLUMN, BadRecord
from foreshot.data.reading.records import open_records
from foreshot.data.split import fold
from foreshot.data.table import choose_text_column, is_empty
from foreshot.data.texts import normalise
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect


@dataclass(frozen=True)
class Unlabelled:
    """Texts, normalised, none of them twice; `left_out` counts the rest by reason."""

    source: str
    texts: list[str]
    left_out: dict[str, int]
    announcements: tuple[str, ...]


def read_unlabelled(
    source: str, *, text: str | None, known: Iterable[str], dialect: AskedDialect = FOUND
) -> Unlabelled:
    """The texts of a plain file (a line each), a table or a dataset, without those that are empty, repeated or `known`.

    `text` names the column, where the source has it; else it is guessed. Raises DataError for a source that can't be
    read, and where no text is left.
    """
    if Path(source).suffix.lower() == ".txt":
        cells, announcement = _lines(source, dialect), None
    else:
        sheet = open_sheet(source, dialect=dialect)
        named = text if text in sheet.columns else None
        column, announcement = choose_text_column(sheet.source, sheet.columns, named)
        cells = sheet.columns[column]
    return apart_from(known, cells, source=source, announcements=() if announcement is None else (announcement,))


def apart_from(
    known: Iterable[str], cells: Iterable[Any], *, source: str, announcements: tuple[str, ...] = ()
) -> Unlabelled:
    """These texts without those that are empty, repeated or `known`; raises DataError where none is left."""
    seen = {fold(labelled) for labelled in known}
    labelled = frozenset(seen)
    texts, left_out = [], {"empty": 0, "also among the labelled rows": 0, "repeated": 0}
    for cell in cells:
        if is_empty(cell):
            left_out["empty"] += 1
            continue
        normal = normalise(cell)
        folded = fold(normal)
        if folded in seen:
            left_out["also among the labelled rows" if folded in labelled else "repeated"] += 1
            continue
        seen.add(folded)
        texts.append(normal)
    if not texts:
        but = " but those of the labelled rows" if left_out["also among the labelled rows"] else ""
        raise DataError(f"{source}: holds no text{but}; nothing is left to learn from")
    return Unlabelled(
        source=source,
        texts=texts,
        left_out={reason: count for reason, count in left_out.items() if count},
        announcements=announcements,
    )


def _lines(source: str, dialect: AskedDialect) -> list[str]:
    with open_records(source, dialect=replace(dialect, firm=False)) as records:
        for note in records.notes:
            dialect.say(note)
        found = []
        for record in records:
            if isinstance(record, BadRecord):
                raise DataError(f"{records.place(record.row)}: {record.complaint}")
            found.append(record.cells[LINES_COLUMN])
    return found
