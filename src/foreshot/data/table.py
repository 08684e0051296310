"""Tables: a sheet whose text and label columns are known and whose cells are checked and normalised."""

import math
import unicodedata
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from foreshot.data.identity_columns import identity_columns as read_identity_columns
from foreshot.data.label_sets import in_use, is_object, label_sets
from foreshot.data.labels import canonical_label, given, is_fraction, not_labelled
from foreshot.data.marks import mark, refuse_ratings, why_not_a_mark
from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.scores import GAP, LONGEST_NAME, ScoreColumn, has_scores, is_gap, score_columns, why_not_a_score
from foreshot.data.texts import excerpt, listing, normalise, place
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect
from foreshot.settings.scores import output_name

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
    Of a multi-label task `labels` are the marks of the first label, and `marks` has the 0 or 1 of each of `label_names`
    for every row; `label_column` is the first label's, or the one that holds them all.
    Of a table with scores `scores` has a number from 0 to 1 for each of `score_names` and every row, NaN for a gap;
    where nobody labelled the rows, `labels` say whether the first score reaches its threshold, 1 or 0, -1 for a gap.
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
    score_names: tuple[str, ...] | None = None
    scores: list[tuple[float, ...]] | None = None
    labelled: bool = True


def read_table(
    source: str | Path,
    *,
    text: str | None = None,
    label: str | None = None,
    labels: Sequence[str] | None = None,
    scores: Sequence[str] = (),
    threshold: float = 0.5,
    leave_out: Sequence[str] = (),
    combined: bool = False,
    skip_bad_rows: bool = False,
    part: str = "train",
    identity_columns: Sequence[str] = (),
    dialect: AskedDialect = FOUND,
) -> Table:
    """Read a file or dataset (see `open_sheet`) and check its text and label columns, named or guessed.

    `labels` names the columns of a multi-label task, which hold 0 and 1, or, beside `label`, the labels to look for in
    that one column's cells (`label_sets`). `scores` names columns or fields of scores (`data.scores`): beside labels
    they may be missing, without `label` and `labels` they are what is known, and the first one's `threshold` makes
    labels of it. Rows with a label that `leave_out` names are left out, and counted in an
    announcement. `combined` takes several labels in one cell for a label of its own.
    Raises DataError for a missing or ambiguous column, for labels that are scores or ratings, for several labels in one
    cell that nobody asked for, and, unless `skip_bad_rows`, for a row without a text or a label; the message names the
    first such row.
    """
    sheet = open_sheet(source, part=part, dialect=dialect)
    if scores and label is None and labels is None:
        columns = score_columns(sheet, scores)
        return _score_table(sheet, text, columns, threshold, identity_columns, skip_bad_rows=skip_bad_rows)
    read = _labelled_table(
        sheet, text, label, labels, leave_out, identity_columns, combined, part=part, skip_bad_rows=skip_bad_rows
    )
    return _with_scores(read, sheet, scores, skip_bad_rows=skip_bad_rows) if scores else read


def _labelled_table(
    sheet: Sheet,
    text: str | None,
    label: str | None,
    labels: Sequence[str] | None,
    leave_out: Sequence[str],
    identity_columns: Sequence[str],
    combined: bool,
    *,
    part: str,
    skip_bad_rows: bool,
) -> Table:
    if labels is not None:
        return _multi_label_table(
            sheet, text, label, tuple(labels), leave_out, identity_columns, part=part, skip_bad_rows=skip_bad_rows
        )
    text_column, label_column, announcements = _choose_columns(sheet, text, label)
    sheet, left_out = _without(sheet, [label_column], leave_out)
    sheet, read = (sheet, ()) if combined else _with_one_label(sheet, label_column)
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
        announcements=(*announcements, *left_out, *read),
        identities=read_identity_columns(sheet, identity_columns, kept),
    )


def _score_table(
    sheet: Sheet,
    text: str | None,
    columns: Sequence[ScoreColumn],
    threshold: float,
    identity_columns: Sequence[str],
    *,
    skip_bad_rows: bool,
) -> Table:
    """Rows of which scores alone are known; a row without any is a bad one."""
    text_column, announcement = choose_text_column(sheet.source, sheet.columns, text)
    if len({column.where for column in columns}) < len(columns):
        raise DataError(f"{sheet.source}: ⟨scores⟩: two of them are the same column")
    bad = _complaints(sheet, {text_column: _text_complaint}) | _score_complaints(columns)
    kept = _kept_rows(sheet, bad, skip_bad_rows=skip_bad_rows, has="a score")
    scores = [tuple(column.read(index) for column in columns) for index in kept]
    return Table(
        source=sheet.source,
        texts=[normalise(sheet.columns[text_column][index]) for index in kept],
        labels=[-1 if math.isnan(first) else int(first >= threshold) for first, *_ in scores],
        rows=[sheet.rows[index] for index in kept],
        text_column=text_column,
        label_column=columns[0].where,
        skipped_rows=len(sheet.rows) - len(kept),
        announcements=(
            *((announcement,) if announcement else ()),
            *(said for column in columns for said in column.announcements),
        ),
        identities=read_identity_columns(sheet, identity_columns, kept),
        score_names=tuple(column.name for column in columns),
        scores=scores,
        labelled=False,
    )


def _score_complaints(columns: Sequence[ScoreColumn]) -> dict[int, str]:
    """What is wrong with the scores of each bad row; one without any score is bad, too."""
    bad: dict[int, str] = {}
    for index, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        for column, cell in zip(columns, cells, strict=True):
            if complaint := why_not_a_score(cell, column.scale):
                bad[index] = f"column {excerpt(column.where, LONGEST_NAME)!r}: {complaint}"
                break
        if index not in bad and all(is_gap(cell) for cell in cells):
            bad[index] = f"column {excerpt(columns[0].where, LONGEST_NAME)!r}: no score"
    return bad


def _with_scores(read: Table, sheet: Sheet, names: Sequence[str], *, skip_bad_rows: bool) -> Table:
    """A labelled table with the scores that its rows have, all of them gaps where it has no such column.

    Of a bad score the row stays where bad rows are left out: without the score.
    """
    columns = score_columns(sheet, [name for name in names if has_scores(sheet, name)])
    index_of = {row: index for index, row in enumerate(sheet.rows)}
    by_name = {column.asked: column for column in columns}
    scores, bad = [], 0
    for index in (index_of[row] for row in read.rows):
        of_row = []
        for name in names:
            column = by_name.get(name)
            complaint = column and why_not_a_score(column.cells[index], column.scale)
            if column and complaint and not skip_bad_rows:
                raise DataError(
                    f"{place(sheet.source, sheet.rows[index])}, column {excerpt(column.where, LONGEST_NAME)!r}: "
                    f"{complaint}; repair the file, or go on without such scores with ⟨skip_bad_rows⟩"
                )
            bad += bool(complaint)
            of_row.append(column.read(index) if column and not complaint else GAP)
        scores.append(tuple(of_row))
    said = [said for column in columns for said in column.announcements]
    if bad:
        said.append(f"{sheet.source}: {bad:,} bad scores were left out, and their rows kept")
    names = tuple(map(output_name, names))
    return replace(read, score_names=names, scores=scores, announcements=(*read.announcements, *said))


def _multi_label_table(
    sheet: Sheet,
    text: str | None,
    label: str | None,
    names: tuple[str, ...],
    leave_out: Sequence[str],
    identity_columns: Sequence[str],
    *,
    part: str,
    skip_bad_rows: bool,
) -> Table:
    source, label_columns = sheet.source, names if label is None else (label,)
    if sheet.columns.keys().isdisjoint(label_columns) and label is None:
        raise DataError(
            f"{source}: has no column {excerpt(names[0])!r}; its columns are {listing(sheet.columns)}; where one "
            "column holds all labels of a row, name it with ⟨label⟩, too"
        )
    for name in (text, *label_columns):
        _refuse_missing(source, sheet.columns, name)
    text_column = text or _guess(source, sheet.columns, "text", TEXT_NAMES, taken=label_columns)
    if text_column in (*names, label):
        raise DataError(f"{source}: column {excerpt(text_column)!r} can't be both the text and a label")
    sheet, announcements = _without(sheet, label_columns, leave_out)
    if label is not None:
        sheet, read = _with_marks(sheet, label, names, is_training=part == "train")
        announcements += read
    columns = sheet.columns
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
        label_column=label or names[0],
        skipped_rows=len(sheet.rows) - len(kept),
        announcements=(*(() if text else (_announcement(source, "text", text_column),)), *announcements),
        label_names=names,
        marks=marks,
        identities=read_identity_columns(sheet, identity_columns, kept),
    )


def _without(sheet: Sheet, columns: Collection[str], leave_out: Sequence[str]) -> tuple[Sheet, tuple[str, ...]]:
    """The sheet without the rows that have one of these labels, and how many there were of each."""
    if not leave_out:
        return sheet, ()
    counts = dict.fromkeys((canonical_label(label).casefold() for label in leave_out), 0)
    kept = []
    for index, labels in enumerate(zip(*(sheet.columns[name] for name in columns), strict=True)):
        found = {folded for label in labels if (folded := canonical_label(label).casefold()) in counts}
        for label in found:
            counts[label] += 1
        if not found:
            kept.append(index)
    counted = ", ".join(f"{count:,} labelled {excerpt(label) or 'with nothing'}" for label, count in counts.items())
    columns_kept = {name: [cells[index] for index in kept] for name, cells in sheet.columns.items()}
    return (
        Sheet(sheet.source, columns_kept, [sheet.rows[index] for index in kept]),
        (f"{sheet.source}: rows left out by --leave-out: {counted}",),
    )


def _with_one_label(sheet: Sheet, column: str) -> tuple[Sheet, tuple[str, ...]]:
    """The sheet with the one label of each list, where no list has more; raises DataError for cells with several."""
    sets = label_sets(sheet.columns[column])
    if sets is None:
        return sheet, ()
    used = list(in_use(sets))
    sizes = list(map(len, sets))
    if max(sizes) < 2 and (len(used) < 2 or min(sizes) > 0):
        single = [labels[0] if labels else "none" for labels in sets]
        announcement = f"{sheet.source}: column {excerpt(column)!r}: each list has one label, or none: read as a class"
        return replace(sheet, columns={**sheet.columns, column: single}), (announcement,)
    row = sizes.index(max(sizes))
    cell = sheet.columns[column][row]
    shown = f"{place(sheet.source, sheet.rows[row])}, column {excerpt(column)!r}: {excerpt(cell)}"
    if set(used) <= {"0", "1"}:
        raise DataError(
            f"{shown} holds the marks of several labels; write a column for each label and name them with ⟨labels⟩"
        )
    combine = "; to make a class of every combination, name all with ⟨classes⟩" if isinstance(cell, str) else ""
    raise DataError(
        f"{shown} holds several labels; to learn each of them, add ⟨labels⟩{given(used)} and ⟨label⟩{given([column])} "
        f"(the first is judged; choose it, and leave out any){combine}; or name another column with ⟨label⟩"
    )


def _with_marks(sheet: Sheet, column: str, names: Sequence[str], *, is_training: bool) -> tuple[Sheet, tuple[str, ...]]:
    """The sheet with a column of 0 and 1 for each of the named labels, which stand in the cells of one column.

    Raises DataError for a cell that usually says that nobody labelled the row and, where the rows are those to train
    on, for a label that no cell has.
    """
    cells = sheet.columns[column]
    wanted = {canonical_label(name).casefold(): name for name in names}
    sets = label_sets(cells, names) or [tuple(filter(None, [canonical_label(cell)])) for cell in cells]
    used = in_use(sets)
    found = [{label.casefold() for label in labels} for labels in sets]
    absent = [name for label, name in wanted.items() if not any(label in labels for labels in found)]
    if is_training and absent:
        raise DataError(
            f"{sheet.source}: no cell of column {excerpt(column)!r} has the label {excerpt(absent[0])!r} of ⟨labels⟩; "
            f"its labels are {listing(used)}"
        )
    for row, cell, labels in zip(sheet.rows, cells, sets, strict=True):
        if len(labels) == 1 and labels[0].casefold() not in wanted and not_labelled(labels):
            raise DataError(
                f"{place(sheet.source, row)}, column {excerpt(column)!r}: {excerpt(cell)!r} usually says that nobody "
                f"labelled the row; leave such rows out with ⟨leave_out⟩{given([canonical_label(cell)])}, or empty the "
                "cell if it means that the text has no label"
            )
    marks = {name: [int(canonical_label(name).casefold() in labels) for labels in found] for name in names}
    others = [f"{excerpt(label)} {count:,}" for label, count in used.items() if label.casefold() not in wanted]
    beside = f"; not asked for, by rows: {listing(others)}" if others else ""
    announcement = f"{sheet.source}: column {excerpt(column)!r}: a row's labels are read from its cell{beside}"
    return replace(sheet, columns={**sheet.columns, **marks}), (announcement,)


def _good_rows(sheet: Sheet, checks: Mapping[str, Callable[[Any], str | None]], *, skip_bad_rows: bool) -> list[int]:
    """The indices of the rows in which no column's check complains; see `_kept_rows`."""
    return _kept_rows(sheet, _complaints(sheet, checks), skip_bad_rows=skip_bad_rows, has="a label")


def _complaints(sheet: Sheet, checks: Mapping[str, Callable[[Any], str | None]]) -> dict[int, str]:
    """What a column's check says of each bad row."""
    return {
        index: f"column {excerpt(column)!r}: {complaint}"
        for column, complaint_about in checks.items()
        for index, cell in enumerate(sheet.columns[column])
        if (complaint := complaint_about(cell))
    }


def _kept_rows(sheet: Sheet, bad: Mapping[int, str], *, skip_bad_rows: bool, has: str) -> list[int]:
    """The indices of all rows but the bad ones.

    Raises DataError for the first bad one, unless `skip_bad_rows`, and where no row is left.
    """
    if bad and not skip_bad_rows:
        first = min(bad)
        raise DataError(
            f"{place(sheet.source, sheet.rows[first])}, {bad[first]} (bad rows: "
            f"{len(bad)}); repair the file, or leave such rows out with ⟨skip_bad_rows⟩"
        )
    kept = [index for index in range(len(sheet.rows)) if index not in bad]
    if not kept:
        raise DataError(f"{sheet.source}: no row has both a text and {has}; nothing is left")
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
        elif is_object(cell):
            complaint = (
                f"{excerpt(cell)} holds the marks of several labels; write a column for each label and name them with "
                "⟨labels⟩"
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
    return None if canonical_label(cell) else "no label (if that means a class, write its name)"
