"""Tables: a sheet whose text and label columns are known and whose cells are checked and normalised."""

import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from foreshot.data.identity_columns import identity_columns as read_identity_columns
from foreshot.data.labels import canonical_label, is_fraction
from foreshot.data.marks import mark, refuse_ratings, why_not_a_mark
from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.texts import excerpt, listing, normalise, place
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect

TEXT_NAMES = frozenset({
    "text", "texts", "comment", "comments", "comment_text", "tweet", "tweets", "tweet_text", "sentence",
    "content", "message", "post", "body", "utterance", "document", "review"
})  # fmt: skip
LABEL_NAMES = frozenset(
    {"label", "labels", "class", "toxic", "is_toxic", "toxicity", "target", "hate", "hateful", "is_hate"}
)


@dataclass(frozen=True)
class Table:
    """Texts, normalised, with their labels as written; `rows` says where in the source each one stands.

    `skipped_rows` counts the rows left out because of `skip_bad_rows`; `announcements` tell what was guessed.
    Of a multi-label task `labels` are the marks of the first label, which `label_column` names, and `marks` has the 0
    or 1 of each of `label_names` for every row.
    `identities` says of each identity group which rows mention it.
    """

    source: str
    texts: list[str]
    labels: list[int | bool | str]
    rows: list[int]
    text_column: str
    label_column: str
    skipped_rows: int
    announcements: tuple[str, ...]
    label_names: tuple[str, ...] | None = None
    marks: list[tuple[int, ...]] | None = None
    identities: dict[str, list[bool]] = field(default_factory=dict)


def read_table(
    source: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    labels: Sequence[str] | None = None,
    skip_bad_rows: bool = False,
    part: str = "train",
    identity_columns: Sequence[str] = (),
    dialect: AskedDialect = FOUND,
) -> Table:
    """Read a file or dataset (see `open_sheet`) and check its text and label columns, named or guessed.

    `labels` names the columns of a multi-label task, which hold 0 and 1; then there is no `label`.
    Raises DataError for a missing or ambiguous column, for labels that are scores or ratings, and, unless
    `skip_bad_rows`, for a row without a text or a label; the message names the first such row.
    """
    sheet = open_sheet(source, part=part, dialect=dialect)
    if labels is not None:
        return _multi_label_table(sheet, text, tuple(labels), identity_columns, skip_bad_rows=skip_bad_rows)
    text_column, label_column, announcements = _choose_columns(sheet, text, label)
    texts, written = sheet.columns[text_column], sheet.columns[label_column]
    _check_labels(sheet, label_column)
    checks = {text_column: _text_complaint, label_column: _label_complaint}
    kept = _good_rows(sheet, checks, skip_bad_rows=skip_bad_rows)
    return Table(
        source=sheet.source,
        texts=[normalise(texts[index]) for index in kept],
        labels=[int(written[index]) if isinstance(written[index], float) else written[index] for index in kept],
        rows=[sheet.rows[index] for index in kept],
        text_column=text_column,
        label_column=label_column,
        skipped_rows=len(texts) - len(kept),
        announcements=announcements,
        identities=read_identity_columns(sheet, identity_columns, kept),
    )


def _multi_label_table(
    sheet: Sheet, text: str | None, names: tuple[str, ...], identity_columns: Sequence[str], *, skip_bad_rows: bool
) -> Table:
    source, columns = sheet.source, sheet.columns
    for name in (text, *names):
        _refuse_missing(source, columns, name)
    text_column = text or _guess(source, columns, "text", TEXT_NAMES, taken=names)
    if text_column in names:
        raise DataError(f"{source}: column {excerpt(text_column)!r} can't be both the text and a label")
    for name in names:
        refuse_ratings(sheet, name)
    checks = {text_column: _text_complaint, **dict.fromkeys(names, why_not_a_mark)}
    kept = _good_rows(sheet, checks, skip_bad_rows=skip_bad_rows)
    marks = [tuple(mark(columns[name][index]) for name in names) for index in kept]
    return Table(
        source=source,
        texts=[normalise(columns[text_column][index]) for index in kept],
        labels=[of_row[0] for of_row in marks],
        rows=[sheet.rows[index] for index in kept],
        text_column=text_column,
        label_column=names[0],
        skipped_rows=len(sheet.rows) - len(kept),
        announcements=() if text else (_announcement(source, "text", text_column),),
        label_names=names,
        marks=marks,
        identities=read_identity_columns(sheet, identity_columns, kept),
    )


def _good_rows(sheet: Sheet, checks: Mapping[str, Callable[[Any], str | None]], *, skip_bad_rows: bool) -> list[int]:
    """The indices of the rows in which no column's check complains.

    Raises DataError for the first of the others, unless `skip_bad_rows`, and where no row is left.
    """
    bad = {}
    for column, complaint_about in checks.items():
        for index, cell in enumerate(sheet.columns[column]):
            if complaint := complaint_about(cell):
                bad[index] = f"column {excerpt(column)!r}: {complaint}"
    if bad and not skip_bad_rows:
        first = min(bad)
        raise DataError(
            f"{place(sheet.source, sheet.rows[first])}, {bad[first]} (bad rows: "
            f"{len(bad)}); repair the file, or leave such rows out with ⟨skip_bad_rows⟩"
        )
    kept = [index for index in range(len(sheet.rows)) if index not in bad]
    if not kept:
        raise DataError(f"{sheet.source}: no row has both a text and a label; nothing is left")
    return kept


def read_texts(source: str | Path, *, text: str | None = None, dialect: AskedDialect = FOUND) -> list[str]:
    """The texts of a file or dataset, normalised; rows without one are left out. Raises what `read_table` does."""
    sheet = open_sheet(source, dialect=dialect)
    cells = sheet.columns[choose_text_column(sheet.source, sheet.columns, text)[0]]
    return [normalise(cell) for cell in cells if _text_complaint(cell) is None]


def choose_text_column(source: str, columns: Collection[str], named: str | None) -> tuple[str, str | None]:
    """The column that holds the texts, named or guessed, and an announcement where it was guessed.

    Raises DataError where the named one is missing, or none or several could be it.
    """
    _refuse_missing(source, columns, named)
    if named is not None:
        return named, None
    guessed = _guess(source, columns, "text", TEXT_NAMES)
    return guessed, _announcement(source, "text", guessed)


def is_empty(cell: Any) -> bool:
    """Whether a cell holds no text that could be seen."""
    return _text_complaint(cell) is not None


def why_not_a_string(cell: Any) -> str | None:
    """What keeps a cell from being a text, which may be empty; None where nothing does."""
    if cell is None:
        return "no text"
    return None if isinstance(cell, str) else f"a value of type {type(cell).__name__} instead of a text"


def _choose_columns(sheet: Sheet, text: str | None, label: str | None) -> tuple[str, str, tuple[str, ...]]:
    source, columns = sheet.source, sheet.columns
    for named in (text, label):
        _refuse_missing(source, columns, named)
    text_column = text or _guess(source, columns, "text", TEXT_NAMES, taken=(label,))
    label_column = label or _guess(source, columns, "label", LABEL_NAMES, taken=(text_column,))
    if text_column == label_column:
        raise DataError(f"{source}: column {excerpt(text)!r} can't be both the text and the label")
    guesses = (("text", text, text_column), ("label", label, label_column))
    announcements = tuple(_announcement(source, kind, column) for kind, named, column in guesses if not named)
    return text_column, label_column, announcements


def _refuse_missing(source: str, columns: Collection[str], named: str | None) -> None:
    if named is not None and named not in columns:
        raise DataError(f"{source}: has no column {excerpt(named)!r}; its columns are {listing(columns)}")


def _guess(
    source: str, columns: Collection[str], kind: str, known: Collection[str], *, taken: Collection[str | None] = ()
) -> str:
    found = [name for name in columns if name.casefold() in known and name not in taken]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{source}: the {kind} column may be {listing(found)}; name it with ⟨{kind}⟩")
    raise DataError(
        f"{source}: no column has a name that tells it holds the {kind}; name it with ⟨{kind}⟩ "
        f"(columns: {listing(columns)})"
    )


def _announcement(source: str, kind: str, column: str) -> str:
    return f"{source}: {kind} column {excerpt(column)!r} (guessed; --{kind} names another)"


def _check_labels(sheet: Sheet, column: str) -> None:
    """Refuse what can't be a class. Such rows aren't skipped: it is the column that is the wrong one."""
    for row, cell in zip(sheet.rows, sheet.columns[column], strict=True):
        if is_fraction(cell):
            complaint = (
                f"{excerpt(cell)} is a score, not a class; choose a threshold and write 1 for scores that "
                "reach it and 0 for the others, or name another column with ⟨label⟩"
            )
        elif not isinstance(cell, bool | int | str | float | None):
            kind = type(cell).__name__
            complaint = f"a value of type {kind}; labels are whole numbers, true or false, or words"
        else:
            continue
        raise DataError(f"{place(sheet.source, row)}, column {excerpt(column)!r}: {complaint}")


def _text_complaint(cell: Any) -> str | None:
    if complaint := why_not_a_string(cell):
        return complaint
    visible = any(not letter.isspace() and unicodedata.category(letter) != "Cf" for letter in normalise(cell))
    return None if visible else "an empty text"


def _label_complaint(cell: Any) -> str | None:
    return None if canonical_label(cell) else "no label"
