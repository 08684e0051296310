"""Rationales: texts in which people marked what counts, by character offsets or token by token."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foreshot.data.alignment import align
from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.split import fold
from foreshot.data.table import choose_text_column, is_empty
from foreshot.data.texts import excerpt, listing, place
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect

SPANS, TOKENS, RATIONALE = "spans", "tokens", "rationale"


@dataclass(frozen=True)
class Rationales:
    """Texts, normalised, none of them twice, and for each its letters that people marked, (letters,) truth values.

    `left_out` counts the rest of the file by reason.
    """

    source: str
    texts: list[str]
    marks: list[np.ndarray]
    left_out: dict[str, int]


def read_rationales(
    source: str, *, text: str | None, known: Iterable[str], dialect: AskedDialect = FOUND
) -> Rationales:
    """The texts of a table in which people marked something, without those that are `known`, such as training rows.

    Either a column `spans` holds a list of the marked characters' offsets into the text, counted from 0 (as in
    ToxicSpans, Pavlopoulos et al. 2021), or `tokens` holds a list of words and `rationale` one 0 or 1 for each of them
    (as in HateXplain, Mathew et al. 2021). `text` names the text's column, where the source has it; else it is guessed.
    Raises DataError that names the row.
    """
    sheet = open_sheet(source, dialect=dialect)
    written = _with_offsets(sheet, text) if SPANS in sheet.columns else _with_tokens(sheet)
    trained_on = frozenset(fold(one) for one in known)
    seen: set[str] = set()
    texts, marks = [], []
    left_out = {"empty": 0, "nothing marked": 0, "also among the training rows": 0, "repeated": 0}
    for original, marked in written:
        aligned = align(original)
        folded = fold(aligned.normalised)
        reason = (
            "empty" if is_empty(original)
            else "nothing marked" if not marked.any()
            else "also among the training rows" if folded in trained_on
            else "repeated" if folded in seen
            else None
        )  # fmt: skip
        if reason is not None:
            left_out[reason] += 1
            continue
        seen.add(folded)
        texts.append(aligned.normalised)
        marks.append(
            np.array(
                [marked[begin:end].any() for begin, end in zip(aligned.begins, aligned.ends, strict=True)], dtype=bool
            )
        )
    if not texts:
        raise DataError(f"{source}: no text is left in which people marked something ({_counted(left_out)})")
    return Rationales(source, texts, marks, {reason: count for reason, count in left_out.items() if count})


def _counted(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)


def _with_offsets(sheet: Sheet, text: str | None) -> Iterable[tuple[str, np.ndarray]]:
    """Each text as it was written, and its characters that are marked, (characters,)."""
    texts_in = {name: cells for name, cells in sheet.columns.items() if name != SPANS}
    column, _ = choose_text_column(sheet.source, texts_in, text if text in texts_in else None)
    for row, written, cell in zip(sheet.rows, sheet.columns[column], sheet.columns[SPANS], strict=True):
        where = f"{place(sheet.source, row)}, column {SPANS!r}"
        original = written if isinstance(written, str) else ""
        marked = np.zeros(len(original), dtype=bool)
        for offset in _list(cell, where):
            if isinstance(offset, bool) or not isinstance(offset, int):
                raise DataError(f"{where}: {excerpt(offset)!r} is no character offset; write whole numbers from 0")
            if not 0 <= offset < len(original):
                raise DataError(
                    f"{where}: the offset {offset} lies outside the text of {len(original):,} characters; count "
                    "Unicode code points from 0"
                )
            marked[offset] = True
        yield original, marked


def _with_tokens(sheet: Sheet) -> Iterable[tuple[str, np.ndarray]]:
    for name in (TOKENS, RATIONALE):
        if name not in sheet.columns:
            raise DataError(
                f"{sheet.source}: rationales need the column {SPANS}, or {TOKENS} and {RATIONALE} (its columns: "
                f"{listing(sheet.columns)})"
            )
    for row, tokens_cell, marks_cell in zip(sheet.rows, sheet.columns[TOKENS], sheet.columns[RATIONALE], strict=True):
        where = place(sheet.source, row)
        tokens = _list(tokens_cell, f"{where}, column {TOKENS!r}")
        marks = _list(marks_cell, f"{where}, column {RATIONALE!r}")
        if wrong := [token for token in tokens if not isinstance(token, str)]:
            raise DataError(f"{where}, column {TOKENS!r}: {excerpt(wrong[0])!r} is no word; write a list of strings")
        if wrong := [mark for mark in marks if mark not in (0, 1)]:
            raise DataError(f"{where}, column {RATIONALE!r}: {excerpt(wrong[0])!r} is neither 0 nor 1")
        if len(tokens) != len(marks):
            raise DataError(f"{where}: has {len(tokens)} tokens and {len(marks)} marks; there must be one for each")
        yield " ".join(tokens), _spread(tokens, marks)


def _spread(tokens: Sequence[str], marks: Sequence[int]) -> np.ndarray:
    """The marks of tokens as those of the characters of the text that they make, one space between them."""
    lengths = [len(token) + 1 for token in tokens]
    spread = np.repeat(np.array(marks, dtype=bool), lengths)
    if len(spread):
        spread[np.cumsum(lengths) - 1] = False  # the spaces
    return spread[:-1]


def _list(cell: Any, where: str) -> list[Any]:
    """A list, as JSON where the file holds strings."""
    found = cell
    if isinstance(cell, str):
        try:
            found = json.loads(cell)
        except (ValueError, RecursionError):
            found = None
    if not isinstance(found, list):
        raise DataError(f"{where}: {excerpt(cell)!r} is no list; write one as JSON does, such as [0, 1, 2]")
    return found
