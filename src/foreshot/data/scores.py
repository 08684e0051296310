"""Scores: numbers from 0 to 1 that another classifier, or a share of votes, gave each text; found and read.

They stand in a column, or in the fields of nested cells, as the answers of Perspective's API have them:
`attributeScores.TOXICITY.summaryScore.value`. A dot leads into a field.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from foreshot.data.reading.files import Sheet
from foreshot.data.texts import excerpt, listing
from foreshot.errors import DataError
from foreshot.settings.scores import WRAPPING, attribute_of, output_name

NO_SCORE = -1.0
PERCENT = 100.0
GAP = math.nan
DEEPEST = 8  # levels of nested fields that are looked into
LONGEST_NAME = 80  # letters of a nested field's name that a message shows, so that it can be given back
LOOKED_AT = 1024  # rows that tell what fields there are
MOST_JSON = 2**20  # letters of a cell that is read as JSON


@dataclass(frozen=True, kw_only=True)
class ScoreColumn:
    """One column of scores: its `cells` as they stand there, or are nested there, and what was found out about it.

    `name` is what the output is called that learns it, `asked` what the column was asked for by.
    `scale` is what its numbers are divided by: 100 where they are percentages.
    """

    name: str
    asked: str
    where: str  # the column, or the way into it
    cells: Sequence[Any]
    scale: float
    announcements: tuple[str, ...]

    def read(self, index: int) -> float:
        """The score of a row, `GAP` where there is none; of a row about which `why_not_a_score` is silent."""
        return read_score(self.cells[index], self.scale)


def score_columns(sheet: Sheet, names: Sequence[str]) -> list[ScoreColumn]:
    """The scores that names stand for: columns, ways into nested cells, or attributes of the API's answers.

    Those of one table are on one scale: where one column shows percentages, all are. Raises
    DataError where there is none of a name, or several that it could be.
    """
    found = []
    for name in names:
        where = _where(sheet, name)
        found.append((name, where, [unwrapped(cell_at(row, where)) for row in _rows(sheet, where)]))
    known = [_known_numbers(cells) for _, _, cells in found]
    scale = PERCENT if any(map(are_percentages, known)) else 1.0
    columns = []
    for (name, where, cells), numbers in zip(found, known, strict=True):
        said = [] if where == name else [f"{sheet.source}: {excerpt(name)} is read from {_named(where)}"]
        if scale != 1 and numbers:
            said.append(f"{sheet.source}: column {_named(where)!r} is taken for percentages: divided by 100")
        if numbers and set(numbers) <= {0.0, 1.0}:
            said.append(
                f"{sheet.source}: column {_named(where)!r} holds only 0 and 1, as labels do: where people gave them, "
                "name it with --label, which judges them as what is right"
            )
        columns.append(
            ScoreColumn(
                name=output_name(name), asked=name, where=where, cells=cells, scale=scale, announcements=tuple(said)
            )
        )
    return columns


def score_column(sheet: Sheet, name: str) -> ScoreColumn:
    """The scores that one name stands for; see `score_columns`."""
    return score_columns(sheet, [name])[0]


def _known_numbers(cells: Sequence[Any]) -> list[float]:
    """The numbers without a percent sign."""
    numbers = (written_number(cell) for cell in cells if not is_gap(cell) and not has_sign(cell))
    return [number for number in numbers if math.isfinite(number)]


def read_score(cell: Any, scale: float) -> float:
    """The score that a cell holds, 0 to 1: `GAP` for none, NaN for what is no number; 1% is 0.01 on every scale."""
    return GAP if is_gap(cell) else written_number(cell) / (PERCENT if has_sign(cell) else scale)


def why_not_a_score(cell: Any, scale: float) -> str | None:
    """What keeps a cell from being a score or a gap; None where nothing does."""
    if is_gap(cell):
        return None
    number = written_number(cell)
    if math.isnan(number):
        comma = isinstance(cell, str) and cell.count(",") == 1
        return f"{excerpt(cell)!r} is no number{' (write a point, as in 0.7)' if comma else ''}"
    if number == NO_SCORE:
        return f"{number:g} usually says that there is no score; empty the cell"
    most = PERCENT if has_sign(cell) else scale
    return None if 0 <= number <= most else f"{excerpt(cell)} is outside 0 to {most:g}"


def is_gap(cell: Any) -> bool:
    """Whether a cell holds nothing at all."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def written_number(cell: Any) -> float:
    """A cell as the number that stands there, without its percent sign; NaN where it is none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float | Decimal):
        return math.nan
    try:
        return float(cell.strip().removesuffix("%") if isinstance(cell, str) else cell)
    except (ValueError, OverflowError):
        return math.nan


def has_sign(cell: Any) -> bool:
    """Whether a cell is written with a percent sign."""
    return isinstance(cell, str) and cell.rstrip().endswith("%")


def are_percentages(numbers: Sequence[float]) -> bool:
    """Whether most numbers that aren't 0 are above 1, up to 100: one alone is a slip, and so is one beyond."""
    return 2 * sum(1 < number <= 100 for number in numbers) > sum(number != 0 for number in numbers)


# ---- where scores stand ----


def fields_named(name: str, nested: Sequence[str]) -> list[str]:
    """Of columns and nested fields the one of this name, or that what the API wraps up is in, else those that are about
    an attribute of this name.
    """
    wraps = (field.removeprefix(f"{name}.") for field in nested if field.startswith(f"{name}."))
    if name in nested or any(not attribute_of(rest) for rest in wraps):
        return [name]
    return [field for field in nested if attribute_of(field).casefold() == name.casefold()]


def fields(cells: Mapping[str, Any], prefix: str = "", depth: int = 1) -> Iterator[str]:
    """Names of cells; those of nested ones, which answers of the API are, after their parents' and a dot."""
    for name, cell in cells.items():
        inner = opened(cell)
        if isinstance(inner, Mapping) and depth < DEEPEST:
            yield from fields(inner, f"{prefix}{name}.", depth + 1)
        else:
            yield prefix + name


def cell_at(cells: Mapping[str, Any], name: str) -> Any:
    """A cell by its name, or a nested one by the names on the way to it; None where there is none."""
    if name in cells:
        return cells[name]
    found: Any = cells
    for part in name.split("."):
        found = opened(found)
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def opened(cell: Any) -> Any:
    """A cell with the JSON object that its text spells, where it does."""
    if not isinstance(cell, str) or not cell.startswith("{") or len(cell) > MOST_JSON:
        return cell
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def unwrapped(cell: Any) -> Any:
    """A score without what the API puts around it: {"summaryScore": {"value": 0.7}} is 0.7."""
    found = opened(cell)
    for _ in range(DEEPEST):
        inner = [found[key] for key in found if key.casefold() in WRAPPING] if isinstance(found, Mapping) else []
        if len(inner) != 1:
            break
        found = opened(inner[0])
    return found


def has_scores(sheet: Sheet, name: str) -> bool:
    """Whether a table has a column or a field that a name stands for, or several."""
    return bool(_candidates(sheet, name))


def _where(sheet: Sheet, name: str) -> str:
    """The column, or the way into one, that a name stands for."""
    found = _candidates(sheet, name)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{sheet.source}: scores {excerpt(name)} may be {listing(found)}; name one in full")
    raise DataError(
        f"{sheet.source}: has no column or field {_named(name)!r}; its columns are {listing(_nested(sheet))}; "
        "name those with scores with ⟨scores⟩"
    )


def _candidates(sheet: Sheet, name: str) -> list[str]:
    """The column or the field of this name, else the fields that are about an attribute of this name."""
    if name in sheet.columns:
        return [name]
    return fields_named(name, _nested(sheet)) or fields_named(name, _nested(sheet, most=len(sheet.rows)))


def _nested(sheet: Sheet, most: int = LOOKED_AT) -> list[str]:
    """The columns, those of nested cells by their fields, as the first rows have them."""
    return list(dict.fromkeys(field for row in _head(sheet, most) for field in fields(row)))


def _head(sheet: Sheet, most: int) -> Iterator[dict[str, Any]]:
    for index in range(min(len(sheet.rows), most)):
        yield {name: cells[index] for name, cells in sheet.columns.items()}


def _rows(sheet: Sheet, where: str) -> Iterator[dict[str, Any]]:
    """Every row, with no more than the columns that a way leads through."""
    names = [name for name in sheet.columns if where == name or where.startswith(f"{name}.")]
    for index in range(len(sheet.rows)):
        yield {name: sheet.columns[name][index] for name in names}


def _named(column: str) -> str:
    return excerpt(column, LONGEST_NAME)


# ---- what is known of rows ----


def score_counts(scores: Sequence[tuple[float, ...]], names: Sequence[str], *, source: str) -> str:
    """How many rows have each score, and what it is in the mean, in a sentence."""
    said = []
    for name, of_output in zip(names, zip(*scores, strict=True), strict=True):
        known = [score for score in of_output if not math.isnan(score)]
        mean = f", {sum(known) / len(known):.3f} in the mean" if known else ""
        said.append(f"{len(known):,} scores of {excerpt(name)}{mean}")
    return f"{source}: {'; '.join(said)}"


def check_taught(scores: Sequence[tuple[float, ...]], names: Sequence[str], *, source: str) -> None:
    """Stop when no training row has a score for one of the outputs, or every one has the same."""
    for name, of_output in zip(names, zip(*scores, strict=True), strict=True):
        known = {score for score in of_output if not math.isnan(score)}
        if len(known) < 2:
            what = f"every training row has the score {min(known):g}" if known else "no training row has a score"
            raise DataError(f"{source}: {what} for {excerpt(name)}, so it can't be learnt; leave it out of ⟨scores⟩")
