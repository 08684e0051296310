"""Scores in rows that come one after another: where they stand, and what is known once all were seen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from foreshot.data.reading.again import Rows
from foreshot.data.scores import (
    LONGEST_NAME,
    PERCENT,
    cell_at,
    has_scores,
    has_sign,
    is_gap,
    read_score,
    score_column,
    unwrapped,
    why_not_a_score,
    written_number,
)
from foreshot.data.texts import excerpt, place
from foreshot.errors import DataError


@dataclass(frozen=True, kw_only=True)
class ScoreField:
    """A score of every row: the column, or the way into nested cells, and what its numbers are divided by.

    `decimal_comma` says that they may be written as 0,5.
    """

    where: str
    scale: float = 1.0
    decimal_comma: bool = False

    def cell(self, cells: Mapping[str, Any]) -> Any:
        """What stands there in a row."""
        found = unwrapped(cell_at(cells, self.where))
        return found.replace(",", ".") if self.decimal_comma and isinstance(found, str) else found

    def score(self, cell: Any) -> float:
        """The score that a cell holds, `GAP` for none; of a cell about which `why_not_a_score` is silent."""
        return read_score(cell, self.scale)


class ScoreSurvey:
    """What is found out about the scores of a source while its rows go by: `see` each, then ask for the `fields`.

    `fields` has one of each of `names`, None where the source has no such column; it is empty where it has none of
    them. Raises DataError for a name that could be several columns.
    """

    def __init__(self, rows: Rows, names: Sequence[str]) -> None:
        found = [_find(rows, name) if has_scores(rows.head, name) else None for name in names]
        self.fields: tuple[ScoreField | None, ...] = tuple(found) if any(found) else ()
        self._source = rows.source
        self._seen = [_Seen() for _ in self.fields]

    def see(self, row: int, cells: Sequence[Any]) -> bool:
        """Look at the cells of the fields in a row; whether it has any score, or nobody asked for one."""
        for seen, cell in zip(self._seen, cells, strict=True):
            if not is_gap(cell):
                seen.add(row, cell)
        return not self.fields or not all(is_gap(cell) for cell in cells)

    def surveyed(self) -> tuple[ScoreField | None, ...]:
        """The fields with their scales, once all rows were seen; raises DataError for the first that is no score."""
        scale = PERCENT if any(seen.are_percentages for seen in self._seen) else 1.0
        found = zip(self.fields, self._seen, strict=True)
        return tuple(field and replace(field, scale=self._checked(scale, field, seen)) for field, seen in found)

    def _checked(self, scale: float, field: ScoreField, seen: "_Seen") -> float:
        if scale in seen.bad:
            row, cell = seen.bad[scale]
            raise DataError(
                f"{place(self._source, row)}, column {excerpt(field.where, LONGEST_NAME)!r}: "
                f"{why_not_a_score(cell, scale)}; repair the file"
            )
        return scale


class _Seen:
    """What was seen of a field: numbers above 1 and other than 0, and on each scale the first cell that is no score.

    One field that shows percentages says that all of the source are.
    """

    def __init__(self) -> None:
        self.above = self.not_zero = 0
        self.bad: dict[float, tuple[int, Any]] = {}

    def add(self, row: int, cell: Any) -> None:
        for scale in (1.0, PERCENT):
            if scale not in self.bad and why_not_a_score(cell, scale):
                self.bad[scale] = row, cell
        number = math.nan if has_sign(cell) else written_number(cell)
        if math.isfinite(number):
            self.above += 1 < number <= PERCENT
            self.not_zero += number != 0

    @property
    def are_percentages(self) -> bool:
        """As `data.scores` has it."""
        return 2 * self.above > self.not_zero


def _find(rows: Rows, name: str) -> ScoreField:
    return ScoreField(where=score_column(rows.head, name).where, decimal_comma=rows.decimal_comma)
