"""The split: training, validation and test rows that share no text, every class in each of them."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from foreshot.data.labels import Classes, examine_labels, find_classes, rows_text
from foreshot.data.marks import check_trainable, classes_of_mark, label_counts, labels_without_rows
from foreshot.data.scores import GAP, check_taught, score_counts
from foreshot.data.table import Table
from foreshot.data.texts import excerpt, place
from foreshot.errors import DataError


@dataclass(frozen=True)
class Part:
    """Rows of one part: texts, class indices, where in `source` each row stands, and which identities it mentions.

    Of a multi-label task `marks` has the 0 or 1 of every label for each row, and `labels` the judged label's. Where
    there are stored scores `scores` has each output's, NaN for a gap; where they alone are known, `labels` are -1 for a
    row without the first one. `repeats` has further scores of the same text, by the row's index. `corrected` says which
    rows were put right by a correction (`data.correcting`), None where there are none.
    """

    source: str
    texts: list[str]
    labels: list[int]
    rows: list[int]
    marks: list[tuple[int, ...]] | None = None
    identities: dict[str, list[bool]] = field(default_factory=dict)  # by group
    scores: list[tuple[float, ...]] | None = None
    repeats: dict[int, tuple[float, ...]] = field(default_factory=dict)
    corrected: list[bool] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def choose(self, indices: Iterable[int]) -> "Part":
        """The part with only these rows, in the order of the source."""
        kept = sorted(indices)
        return Part(
            source=self.source,
            texts=[self.texts[index] for index in kept],
            labels=[self.labels[index] for index in kept],
            rows=[self.rows[index] for index in kept],
            marks=None if self.marks is None else [self.marks[index] for index in kept],
            identities={group: [found[index] for index in kept] for group, found in self.identities.items()},
            scores=None if self.scores is None else [self.scores[index] for index in kept],
            repeats={new: self.repeats[old] for new, old in enumerate(kept) if old in self.repeats},
            corrected=None if self.corrected is None else [self.corrected[index] for index in kept],
        )

    def label_counts(self, names: Sequence[str] | None) -> dict[str, int] | None:
        """How many rows have each label of a multi-label task, or each score."""
        if names is None:
            return None
        if self.marks is None:
            of_each = zip(names, zip(*(self.scores or ()), strict=True), strict=True)
            return {name: sum(score == score for score in scores) for name, scores in of_each}
        return {name: sum(of_label) for name, of_label in zip(names, zip(*self.marks, strict=True), strict=True)}

    @property
    def answers(self) -> list[int] | list[tuple[int, ...]]:
        """What people said of each row: its class, or its marks."""
        return self.labels if self.marks is None else self.marks


@dataclass(frozen=True)
class Split:
    """The parts "train", "validation" and "test", and what was left out of them.

    `duplicates_removed` counts rows by reason; `label_conflicts` counts the rows whose text has copies with
    another label in the same source, all of which are left out; `skipped_rows` those left out in reading.
    Of a multi-label task `label_names` are the labels, in the order of the marks, and `classes` those of the first
    one, the judged label: to have it or not. With stored scores `score_names` are theirs; where `labelled` is False
    nothing else is known, and they are what a model's outputs are held against.
    """

    parts: dict[str, Part]
    classes: Classes
    duplicates_removed: dict[str, int]
    label_conflicts: int
    skipped_rows: int
    text_column: str
    label_column: str
    announcements: tuple[str, ...]
    label_names: tuple[str, ...] | None = None
    score_names: tuple[str, ...] | None = None
    labelled: bool = True

    @property
    def output_names(self) -> tuple[str, ...]:
        """What a model's logits are called: the classes, the labels of a multi-label task, or the scores."""
        if not self.labelled and self.score_names is not None:
            return self.score_names
        return self.classes.names if self.label_names is None else self.label_names

    @property
    def has_scores(self) -> bool:
        """Whether some row has a stored score."""
        parts = (part.scores for part in self.parts.values() if part.scores is not None)
        return any(score == score for scores in parts for of_row in scores for score in of_row)

    @property
    def counted_names(self) -> tuple[str, ...] | None:
        """The labels of a multi-label task, or the scores; None of classes."""
        return self.label_names if self.labelled else self.score_names


def fold(text: str) -> str:
    """What two texts must have in common to count as the same.

    Unicode NFKC with case folded (the Unicode Standard, section 3.13, "Default Caseless Matching"), format
    characters such as zero-width spaces dropped, white space collapsed and stripped.
    """
    if text.isascii():
        return " ".join(text.casefold().split())
    text = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    # Twice: folding case can undo the normal form, and the normal form can bring up a capital.
    for _ in range(2):
        text = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(unicodedata.normalize("NFKC", text).split())


def split_tables(
    data: Table,
    validation: Table | None,
    test: Table | None,
    *,
    positive: Sequence[str] | None,
    named_classes: Sequence[str] | None = None,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    max_train_rows: int | None,
) -> Split:
    """Make the three parts: own files where they are given, else a stratified share of `data`.

    `positive` and `named_classes` say which labels count as toxic, and which are classes at all (`examine_labels`).
    The fractions are of the rows of `data` once duplicates are gone; `max_train_rows` then takes a stratified
    sample of the training rows. Equal seeds give equal splits. Raises DataError when a class is too rare for
    each part to have one of its rows, when a file of its own has a label that `data` hasn't, or when no training row,
    or each of them, has one of several labels.
    """
    given = {"train": data, "validation": validation, "test": test}
    tables = {name: table for name, table in given.items() if table is not None}
    names = data.label_names
    said: tuple[str, ...]
    if not data.labelled:
        said = (score_counts(data.scores or [], data.score_names or (), source=data.source),)
        classes = classes_of_mark((data.score_names or ("",))[0])
    elif names is None:
        said = examine_labels(data.labels, data.rows, positive, named_classes, source=data.source)
        classes = find_classes(data.labels, positive, source=data.source, are_named=named_classes is not None)
    else:
        said = (label_counts(data.marks or [], names, source=data.source),)
        classes = classes_of_mark(names[0])
    read = {name: _encode(table, classes) for name, table in tables.items()}
    parts, removed, conflicts = _without_repeats(read, are_scores=not data.labelled)
    if not data.labelled:
        parts, unknown = _judged_by_first_score(parts)
        said += unknown
    shares = {"test": test_fraction, "validation": validation_fraction}
    missing = {name: share for name, share in shares.items() if name not in tables}
    _check_enough(parts["train"], classes, parts_to_make=1 + len(missing), labelled=data.labelled)
    parts |= _split_off(parts["train"], missing, len(classes.names), seed)
    parts["train"] = _at_most(parts["train"], max_train_rows, len(classes.names), seed)
    check_every_class(parts, classes)
    announced = [text for table in tables.values() for text in table.announcements]
    announced += [*said, *classes.announcements]
    if not data.labelled:
        check_taught(parts["train"].scores or [], data.score_names or (), source=data.source)
    if names is not None:
        check_trainable(parts["train"].marks or [], names, source=data.source)
        announced += [
            absent
            for name in ("validation", "test")
            for absent in labels_without_rows(parts[name].marks or [], names, part=name)
        ]
    return Split(
        parts={name: parts[name] for name in given},
        classes=classes,
        duplicates_removed=removed,
        label_conflicts=conflicts,
        skipped_rows=sum(table.skipped_rows for table in tables.values()),
        text_column=data.text_column,
        label_column=data.label_column,
        announcements=tuple(dict.fromkeys(announced)),
        label_names=names,
        score_names=data.score_names,
        labelled=data.labelled,
    )


def write_split(split: Split, folder: Path) -> None:
    """Write train.parquet, validation.parquet and test.parquet (text, label, class, row) into a folder.

    With corrections there is corrections.parquet besides, those that were held out, and a column `corrected`; a row
    that one of them added has its number there.
    Of a multi-label task a column `marks` follows, with a field of 0 and 1 for each label, and where there are stored
    scores a column `scores`, with a field for each, null for a gap.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in split.parts.items():
        columns = {
            "text": pa.array(part.texts, pa.string()),
            "label": pa.array(part.labels, pa.int64()),
            "class": pa.array(
                [split.classes.names[label] if label >= 0 else None for label in part.labels], pa.string()
            ),
            "row": pa.array(part.rows, pa.int64()),
        }
        if split.label_names is not None and part.marks is not None:
            of_labels = [pa.array(of_label, pa.int64()) for of_label in zip(*part.marks, strict=True)]
            columns["marks"] = pa.StructArray.from_arrays(of_labels, names=list(split.label_names))
        if split.score_names is not None and part.scores is not None:
            of_scores = [pa.array(of, pa.float64(), from_pandas=True) for of in zip(*part.scores, strict=True)]
            columns["scores"] = pa.StructArray.from_arrays(of_scores, names=list(split.score_names))
        if part.corrected is not None:
            columns["corrected"] = pa.array(part.corrected, pa.bool_())
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")


def _encode(table: Table, classes: Classes) -> Part:
    if not table.labelled:
        labels = [int(label) for label in table.labels]
    else:
        labels = [
            classes.encode(label, source=table.source, row=row)
            for label, row in zip(table.labels, table.rows, strict=True)
        ]
    return Part(table.source, table.texts, labels, table.rows, table.marks, table.identities, table.scores)


def _judged_by_first_score(parts: dict[str, Part]) -> tuple[dict[str, Part], tuple[str, ...]]:
    """The parts without the rows to judge by that lack the first score, and how many these were.

    Such rows are good for training alone, where they teach the other outputs.
    """
    said, kept = [], {}
    for name, part in parts.items():
        known = [index for index, label in enumerate(part.labels) if label >= 0]
        if name == "train" or len(known) == len(part):
            kept[name] = part
            continue
        kept[name] = part.choose(known)
        said.append(f"{part.source}: {rows_text(len(part) - len(known))} without the first score left out of {name}")
    return kept, tuple(said)


def _without_repeats(
    parts: dict[str, Part], *, are_scores: bool = False
) -> tuple[dict[str, Part], dict[str, int], int]:
    """The parts without repeated texts, the rows removed by reason, and the rows of conflicting labels.

    A text stays where it weighs most: in the test part before the validation part before the training part. Scores
    don't conflict: the first of a text counts, and the second is kept as its repeat.
    """
    removed: Counter[str] = Counter()
    conflicts = 0
    seen: dict[str, str] = {}  # folded text -> the part that has it
    result: dict[str, Part] = {}
    for name in ("test", "validation", "train"):
        if name not in parts:
            continue
        answers = parts[name].answers
        copies: defaultdict[str, list[int]] = defaultdict(list)
        for index, text in enumerate(parts[name].texts):
            copies[fold(text)].append(index)
        kept = []
        for folded, indices in copies.items():
            if not are_scores and len({answers[index] for index in indices}) > 1:
                conflicts += len(indices)
                continue
            removed[f"repeated within {name}"] += len(indices) - 1
            if folded in seen:
                removed[f"also in {seen[folded]}"] += 1
            else:
                kept.append(indices[0])
        seen |= dict.fromkeys((fold(parts[name].texts[index]) for index in kept), name)
        joined = _copies_joined(parts[name], copies.values()) if are_scores else parts[name]
        result[name] = joined.choose(kept)
    return result, dict(+removed), conflicts


def _copies_joined(part: Part, copies: Iterable[list[int]]) -> Part:
    """The part in which the first copy of a text has the first score of each output, and the second ones as repeats.

    A store may have a row for each score of a text.
    """
    labels, scores = list(part.labels), list(part.scores or ())
    repeats: dict[int, tuple[float, ...]] = {}
    for first, *others in copies:
        known: list[list[float]] = [
            [score for index in (first, *others) if (score := scores[index][output]) == score]
            for output in range(len(scores[first]))
        ]
        labels[first] = next((part.labels[index] for index in (first, *others) if part.labels[index] >= 0), -1)
        scores[first] = tuple(of_output[0] if of_output else GAP for of_output in known)
        if any(len(of_output) > 1 for of_output in known):
            repeats[first] = tuple(of_output[1] if len(of_output) > 1 else GAP for of_output in known)
    return replace(part, labels=labels, scores=scores, repeats=repeats)


def _check_enough(train: Part, classes: Classes, *, parts_to_make: int, labelled: bool = True) -> None:
    """Refuse a class with fewer rows than parts to make, and one that occurs once: a slip, not a class."""
    counts = Counter(train.labels)
    needed = max(2, parts_to_make)
    for index, name in enumerate(classes.names):
        if not labelled and not train.texts:
            raise DataError(f"{train.source}: no row is left to train on: every text is in another part, too")
        if counts[index] < needed and not labelled:
            raise DataError(
                f"{train.source}: {rows_text(counts[index])} of {len(train):,} {'reach' if index else 'lie below'} the "
                f"threshold of {excerpt(classes.names[1])}; {needed} are needed, or nothing can be told apart: choose "
                "one in use with ⟨threshold⟩, or name another column first"
            )
        if counts[index] < needed:
            row = train.rows[train.labels.index(index)] if counts[index] else None
            where = train.source if row is None else place(train.source, row)
            times = {0: "in no row", 1: "once"}.get(counts[index], f"{counts[index]} times")
            raise DataError(
                f"{where}: label {excerpt(name)!r} occurs {times}, not counting texts that are repeated "
                f"or in another part; {needed} rows of each label are needed: add some"
                f"{', merge (⟨positive⟩) or leave its rows out (⟨leave_out⟩)' if train.marks is None else ''}"
            )


def _split_off(train: Part, shares: dict[str, float], classes: int, seed: int) -> dict[str, Part]:
    """Stratified shares of the training rows, and what stays of them as "train"."""
    rest = [index for index, label in enumerate(train.labels) if label >= 0]
    unknown = [index for index, label in enumerate(train.labels) if label < 0]
    sizes = {name: max(round(share * len(rest)), classes) for name, share in shares.items()}
    if len(rest) - sum(sizes.values()) < classes:
        wanted = " and ".join(f"{size} for {name}" for name, size in sizes.items())
        raise DataError(
            f"{train.source}: {len(train)} rows aren't enough to set aside {wanted} and still train "
            f"on each of {classes} classes; add rows or take smaller fractions"
        )
    from sklearn.model_selection import train_test_split

    made = {}
    for name, size in sizes.items():
        strata = [train.labels[index] for index in rest]
        rest, taken = train_test_split(rest, test_size=size, random_state=seed, stratify=strata)
        made[name] = train.choose(taken)
    return {**made, "train": train.choose([*rest, *unknown])}


def _at_most(train: Part, most: int | None, classes: int, seed: int) -> Part:
    if most is None or most >= len(train):
        return train
    if most < classes:
        raise DataError(f"{train.source}: ⟨max_train_rows⟩ {most} can't hold one row of each of {classes} classes")
    from sklearn.utils import resample

    indices = range(len(train))
    return train.choose(
        resample(list(indices), replace=False, n_samples=most, random_state=seed, stratify=train.labels)
    )


def check_every_class(parts: Mapping[str, Part], classes: Classes) -> None:
    """Raise DataError for a part that has no row of some class."""
    for name, part in parts.items():
        for index in sorted(set(range(len(classes.names))) - set(part.labels)):
            remedy = (
                "set a larger share aside, or merge labels with ⟨positive⟩"
                if part.marks is None
                else "set a larger share aside, or name another label first: that one is judged"
            )
            raise DataError(
                f"{part.source}: the {name} part has no row of class {excerpt(classes.names[index])!r}; "
                f"add rows of it, {remedy}"
            )
