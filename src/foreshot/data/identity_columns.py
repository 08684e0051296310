"""Identity columns: cells that say whether a row mentions a group, as truth values."""

import math
from collections.abc import Sequence
from typing import Any

from foreshot.data.labels import NO_WORDS, YES_WORDS, canonical_label
from foreshot.data.reading.files import Sheet
from foreshot.data.texts import excerpt, listing, place
from foreshot.errors import DataError

MENTIONED_FROM = 0.5


def identity_columns(sheet: Sheet, names: Sequence[str], kept: Sequence[int]) -> dict[str, list[bool]]:
    """For each named column whether the kept rows (indices into the sheet) mention its group.

    A cell holds 0 or 1, true or false, or the share of annotators who saw the group mentioned, which counts from one
    half; an empty cell is 0 (both as in the Civil Comments data of Borkan et al. 2019). Raises DataError
    for a column that isn't there, and for another value, with its row.
    """
    found = {}
    for name in names:
        if name not in sheet.columns:
            raise DataError(
                f"{sheet.source}: has no column {excerpt(name)!r} for ⟨identity_columns⟩; its columns are "
                f"{listing(sheet.columns)}"
            )
        cells = sheet.columns[name]
        found[name] = [_is_mentioned(cells[index], sheet.source, sheet.rows[index], name) for index in kept]
    return found


def _is_mentioned(cell: Any, source: str, row: int, column: str) -> bool:
    written = canonical_label(cell).lower()
    if not written or written in NO_WORDS:
        return False
    if written in YES_WORDS:
        return True
    try:
        share = float(written)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise DataError(
            f"{place(source, row)}, column {excerpt(column)!r}: {excerpt(cell)!r} doesn't say whether the row mentions "
            "the group; write 0 or 1, true or false, or a share from 0 to 1; an empty cell counts as 0"
        )
    return share >= MENTIONED_FROM
