"""Marks: the cells of a label column that say whether a text has the label, 1, or not, 0."""

from collections.abc import Sequence
from typing import Any

from foreshot.data.labels import Classes, canonical_label, given, is_fraction, not_labelled, rows_text
from foreshot.data.reading.files import Sheet
from foreshot.data.texts import excerpt, place
from foreshot.errors import DataError

MARKS = {"0": 0, "false": 0, "1": 1, "true": 1}
"""By `canonical_label`, so that 1, 1.0, True, "1" and "TRUE" are the same mark."""


def mark(cell: Any) -> int:
    """A cell's mark, 0 or 1; raises KeyError for one that is none (`why_not_a_mark`)."""
    return MARKS[canonical_label(cell)]


def why_not_a_mark(cell: Any) -> str | None:
    """What keeps a cell from being a mark; None where nothing does."""
    written = canonical_label(cell)
    if written in MARKS:
        return None
    if not_labelled([*MARKS, written]):
        return (
            f"{excerpt(written)!r} is neither 0 nor 1, and usually says that nobody labelled the row: "
            f"⟨leave_out⟩{given([written])} leaves such rows out"
        )
    return f"{excerpt(written)!r} is neither 0 nor 1" if written else "no label (0 or 1)"


def refuse_ratings(sheet: Sheet, column: str) -> None:
    """Refuse a column of scores or ratings: one with a fraction, or with two different whole numbers above 1.

    Such rows aren't skipped: it is the column that is the wrong one. Raises DataError.
    """
    above: set[str] = set()
    for row, cell in zip(sheet.rows, sheet.columns[column], strict=True):
        written = canonical_label(cell)
        if written.isascii() and written.isdigit() and written.lstrip("0") not in {"", "1"}:
            above.add(written.lstrip("0"))
        if is_fraction(cell) or len(above) > 1:
            kind = "scores" if is_fraction(cell) else "ratings or classes"
            raise DataError(
                f"{place(sheet.source, row)}, column {excerpt(column)!r}: {excerpt(cell)} shows that the column holds "
                f"{kind}; each of ⟨labels⟩ must hold 0 and 1: choose a threshold and write 1 from it up, or leave the "
                "column out"
            )


def classes_of_mark(name: str) -> Classes:
    """The two classes that a label's marks tell apart: not to have it, and to have it, which counts as toxic."""
    absent = f"not {name}"
    return Classes((absent, name), 1, {"0": absent, "1": name}, ())


def check_trainable(marks: Sequence[tuple[int, ...]], names: Sequence[str], *, source: str) -> None:
    """Stop when no training row, or each of them, has one of the labels; takes a row's marks after another's."""
    for name, of_label in zip(names, zip(*marks, strict=True), strict=True):
        if len(set(of_label)) < 2:
            rows = "every row of the training part has" if of_label[0] else "no row of the training part has"
            raise DataError(
                f"{source}: {rows} the label {excerpt(name)!r}, so it can't be learnt; add rows, train on more of them "
                "(⟨max_train_rows⟩), or leave it out of ⟨labels⟩"
            )


def label_counts(marks: Sequence[tuple[int, ...]], names: Sequence[str], *, source: str) -> str:
    """How many rows have each label, and how many have none, in a sentence."""
    counts = zip(names, map(sum, zip(*marks, strict=True)), strict=True)
    counted = ", ".join(f"{rows_text(count)} labelled {excerpt(name)}" for name, count in counts)
    return f"{source}: {counted}, {sum(not any(of_row) for of_row in marks):,} with none of these labels"


def labels_without_rows(marks: Sequence[tuple[int, ...]], names: Sequence[str], *, part: str) -> list[str]:
    """For each label that no row of a part has, or each, a sentence: there its ranking can't be judged."""
    return [
        f"{part}: {'every row has' if of_label[0] else 'no row has'} the label {excerpt(name)!r}; it has no AUROC there"
        for name, of_label in zip(names, zip(*marks, strict=True), strict=True)
        if len(set(of_label)) < 2
    ]
