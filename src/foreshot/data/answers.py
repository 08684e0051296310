"""Answers: what a row of corrections says is right, however it says it: a label, several labels, or numbers for them.

An answer has a value for each of the task's outputs (`data.corrections`).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from foreshot.data.label_sets import LabelSet, label_sets
from foreshot.data.labels import BENIGN, TOXIC, canonical_label, word_for
from foreshot.data.marks import mark, why_not_a_mark
from foreshot.data.reading.files import Sheet
from foreshot.data.scores import is_gap, opened, why_not_a_score, written_number
from foreshot.data.split import Split
from foreshot.data.table import LABEL_NAMES
from foreshot.data.texts import excerpt, listing
from foreshot.errors import DataError

LABELS, SCORES, SAID = "labels", "scores", "said"
"""Columns of the file that a server keeps, beside text and label."""
SAME = {"true": "1", "false": "0", "1": "true", "0": "false"}
"""Canonical labels that mean the same in two tables."""
EVEN = 0.5
UNSAID = math.nan

Values = tuple[float, ...]


class UnknownLabelError(Exception):
    """A label that the data don't have."""

    def __init__(self, label: str, known: Iterable[object]) -> None:
        super().__init__(f"label {excerpt(label)!r} is none of the data's ({listing(known)})")
        self.label = label


class WrongCellError(Exception):
    """A cell that says nothing that could be understood."""


@dataclass(frozen=True, kw_only=True)
class ClassAnswers:
    """Answers of a task of classes: one value, the number of the class."""

    sheet: Sheet
    split: Split
    label: str | None

    def read(self, index: int) -> Values | None:
        """What a row says is right; None where it says only which class is wrong.

        Raises UnknownLabelError, or WrongCellError for a row that says nothing.
        """
        cells = self.sheet.columns
        cell = None if self.label is None else cells[self.label][index]
        if canonical_label(cell):
            return (float(self._number(cell)),)
        if SCORES not in cells or is_gap(cells[SCORES][index]):
            raise WrongCellError("nothing says what is right")
        scores = {self._number(name): score for name, score in scores_in(cells[SCORES][index]).items()}
        likeliest = max(scores, key=lambda number: scores[number])
        if scores[likeliest] >= EVEN:
            return (float(likeliest),)
        return (float(1 - likeliest),) if len(self.split.classes.names) == 2 else None

    def said(self, index: int) -> Values | None:
        """What a model had said, where the row tells and the data have such a label."""
        cell = self.sheet.columns.get(SAID, ())[index : index + 1]
        try:
            return (float(self._number(cell[0])),) if cell and isinstance(cell[0], str) else None
        except UnknownLabelError:
            return None

    def _number(self, cell: object) -> int:
        """The class of a label, as it stands in the data or as models call it."""
        classes, written = self.split.classes, canonical_label(cell)
        names = {name: name for name in classes.names} | classes.mapping
        folded = {label.casefold(): name for label, name in names.items()}
        name = names.get(written) or folded.get(written.casefold()) or names.get(SAME.get(written, ""))
        if name is None:
            raise UnknownLabelError(written, names)
        return classes.names.index(name)


@dataclass(frozen=True, kw_only=True)
class OutputAnswers:
    """Answers of a task of several labels, or of scores: a value for each of them.

    `label` is a column that says it in words, and `holds_all` whether what its cells don't name is not there.
    """

    sheet: Sheet
    split: Split
    label: str | None
    sets: Sequence[LabelSet]  # of the column `label`
    holds_all: bool

    @property
    def names(self) -> tuple[str, ...]:
        """What the outputs are called."""
        return self.split.output_names

    def read(self, index: int) -> Values:
        """What a row says is right, of some outputs at least; raises UnknownLabelError or WrongCellError."""
        cells = {name: column[index] for name, column in self.sheet.columns.items()}
        found: dict[str, float] = {}
        if self.label is not None:
            found |= self._in_words(self.sets[index], all_of_them=self.holds_all)
        if not is_gap(cells.get(LABELS)):
            found |= self._in_words(_listed(cells[LABELS]), all_of_them=True)
        if not is_gap(cells.get(SCORES)):
            found |= {self._name(name): score for name, score in scores_in(cells[SCORES]).items()}
        found |= {name: self._own(name, cells[name]) for name in self.names if not is_gap(cells.get(name))}
        if not found:
            raise WrongCellError("nothing says what is right")
        return tuple(self._value(found.get(name, UNSAID)) for name in self.names)

    def said(self, index: int) -> Values | None:
        """What a model had said, where the row tells and the data have such labels."""
        cell = self.sheet.columns.get(SAID, ())[index : index + 1]
        if not cell or not isinstance(cell[0], str | list):
            return None
        try:
            words = self._in_words(_listed(cell[0]), all_of_them=isinstance(cell[0], list))
        except UnknownLabelError:
            return None
        return tuple(words.get(name, UNSAID) for name in self.names)

    def _value(self, score: float) -> float:
        """A number as the task has it: labels are there or not."""
        return score if not self.split.labelled or math.isnan(score) else float(score >= EVEN)

    def _own(self, name: str, cell: Any) -> float:
        complaint = why_not_a_mark(cell) if self.split.labelled else why_not_a_score(cell, 1.0)
        if complaint:
            raise WrongCellError(f"column {excerpt(name)!r}: {complaint}")
        return float(mark(cell)) if self.split.labelled else written_number(cell)

    def _in_words(self, labels: LabelSet, *, all_of_them: bool) -> dict[str, float]:
        """What labels say; one that is a word for the judged output, or for not having it, is about that alone."""
        if len(labels) == 1 and not all_of_them and (judged := self._judged(labels[0])) is not None:
            return {self.names[0]: judged}
        there = {self._name(label): 1.0 for label in labels if not (all_of_them and word_for(label) == BENIGN)}
        return dict.fromkeys(self.names, 0.0) | there if all_of_them else there

    def _judged(self, label: str) -> float | None:
        """Whether a text has the judged output, 1 or 0, as a word says it; None for a word that doesn't."""
        if label.casefold() in {name.casefold() for name in self.names}:
            return None
        classes = self.split.classes
        if name := classes.mapping.get(label) or next((name for name in classes.names if name == label), None):
            return float(classes.names.index(name))
        return {TOXIC: 1.0, BENIGN: 0.0}.get(word_for(label))

    def _name(self, label: str) -> str:
        folded = {name.casefold(): name for name in self.names}
        if label.casefold() not in folded:
            raise UnknownLabelError(label, self.names)
        return folded[label.casefold()]


Answers = ClassAnswers | OutputAnswers


def answers_in(sheet: Sheet, split: Split, label: str | None) -> Answers:
    """What reads the answers of a table for the task of a split; `label` names the column, where the table has it.

    Raises DataError where no column says what is right.
    """
    names, columns = split.output_names, sheet.columns
    several = not split.labelled or split.label_names is not None
    wanted = [label, *((split.label_column,) if not several else ()), "label"]
    column = next((name for name in wanted if name in columns and not (several and name in names)), None)
    if column is None and not several:
        known = [name for name in columns if name.casefold() in LABEL_NAMES]
        column = known[0] if len(known) == 1 else None
    own = [name for name in (LABELS, SCORES, *(names if several else ())) if name in columns]
    if column is None and not own:
        each = f", or a column for each of {listing(names)}" if several else ""
        raise DataError(
            f"{sheet.source}: no column says what is right for a text; call it label{each} (its columns: "
            f"{listing(columns)})"
        )
    if not several:
        return ClassAnswers(sheet=sheet, split=split, label=column)
    cells = [] if column is None else columns[column]
    sets = label_sets(cells, names) or [_listed(cell) for cell in cells]
    return OutputAnswers(sheet=sheet, split=split, label=column, sets=sets, holds_all=column in (label, LABELS))


def scores_in(cell: Any) -> dict[str, float]:
    """The numbers of a cell by their labels; raises WrongCellError for what is none, or not from 0 to 1."""
    scores = opened(cell)
    if not isinstance(scores, Mapping) or not scores:
        raise WrongCellError(f"column {SCORES!r}: {excerpt(cell)!r} has no score for any label")
    for name, score in scores.items():
        if is_gap(score) or (complaint := why_not_a_score(score, 1.0)):
            raise WrongCellError(f"column {SCORES!r}: {excerpt(name)}: {'no score' if is_gap(score) else complaint}")
    return {str(name): written_number(score) for name, score in scores.items()}


def _listed(cell: Any) -> LabelSet:
    cells = cell if isinstance(cell, list | tuple) else (cell,)
    return tuple(filter(None, map(canonical_label, cells)))
