"""The flip ledger: every text on which a student decides otherwise than its teacher, the most harmful first."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foreshot.data.reading.spreadsheets import inert
from foreshot.judging.task import Task
from foreshot.results.behaviour import Flip
from foreshot.runtime.decisions import label_logits, scaled_probabilities

NEWLY_MISSED, NEWLY_FLAGGED, NEWLY_CAUGHT, NEWLY_CLEARED = (
    "newly missed",
    "newly flagged",
    "newly caught",
    "newly cleared",
)
NEWLY_WRONG, NEWLY_RIGHT, CHANGED = "newly wrong", "newly right", "changed"
BY_HARM = (NEWLY_MISSED, NEWLY_WRONG, NEWLY_FLAGGED, CHANGED, NEWLY_CAUGHT, NEWLY_CLEARED, NEWLY_RIGHT)
"""Kinds of flips: a toxic text let through, a benign one flagged, then the changes for the better."""

COLUMNS = ("model", "kind", "part", "row", "label", "teacher_score", "student_score", "seeds_flipped", "seeds", "text")


@dataclass(frozen=True, kw_only=True)
class Answered:
    """The texts of one part, and what one model decided on them.

    `labels` (rows,) class numbers, −1 for none; `rows` where each stands in its source; `decided` (seeds, rows) class
    numbers; `probabilities` (seeds, rows, classes).
    """

    part: Literal["test", "suite", "probes"]
    texts: Sequence[str]
    rows: Sequence[int]
    labels: np.ndarray
    decided: np.ndarray
    probabilities: np.ndarray


def flips(
    model: str, student: Answered, teacher: Answered, class_names: Sequence[str], positive: int | None
) -> list[Flip]:
    """The flips of a student in one part, in the part's order; the teacher has one seed.

    Where seeds flip to different classes, the most harmful kind counts.
    """
    before = teacher.decided[0]
    changed = student.decided != before
    found = []
    for index in np.flatnonzero(changed.any(axis=0)).tolist():
        label = int(student.labels[index])
        shown = positive if positive is not None else label if label >= 0 else int(before[index])
        kinds = {
            _kind(label, int(before[index]), int(after), positive)
            for after in student.decided[changed[:, index], index]
        }
        found.append(
            Flip(
                model=model,
                kind=min(kinds, key=BY_HARM.index),
                part=student.part,
                row=student.rows[index],
                label=class_names[label] if label >= 0 else "",
                text=student.texts[index],
                teacher_score=float(teacher.probabilities[0, index, shown]),
                student_score=float(student.probabilities[:, index, shown].mean()),
                seeds_flipped=int(changed[:, index].sum()),
                seeds=len(student.decided),
            )
        )
    return found


def decided_otherwise(student: np.ndarray, teacher: np.ndarray, task: Task) -> tuple[np.ndarray, np.ndarray]:
    """The rows on which two models' logits (rows, outputs) decide otherwise, (flips,), and the teacher's sureness.

    They decide what behaviour is judged by, without fitted thresholds (`Task.likeliest`). The sureness is the
    probability of what the teacher holds for likelier, which orders flips as `ranked` does those without a label. Where
    it says nothing (NaN) there is no flip.
    """
    before, after, judged = task.likeliest(teacher), task.likeliest(student), teacher
    if task.multi_label and task.judged_output is not None:
        before, after = before[:, task.judged_output], after[:, task.judged_output]
        judged = label_logits(teacher, task.judged_output)
    rows = np.flatnonzero((before != after) & ~np.isnan(judged).any(axis=1))
    return rows, scaled_probabilities(judged[rows], 1.0).max(axis=1)


def ranked(found: Sequence[Flip]) -> list[Flip]:
    """Most harmful first: by kind, then flips of more seeds, then by how sure the teacher was."""

    def harm(flip: Flip) -> tuple[float, ...]:
        return (BY_HARM.index(flip.kind), -flip.seeds_flipped / flip.seeds, -_sureness(flip))

    return sorted(found, key=harm)


def _sureness(flip: Flip) -> float:
    """How sure the teacher was of its decision, whatever the threshold that made it: only that sets the order."""
    if flip.kind in {NEWLY_MISSED, NEWLY_CLEARED, NEWLY_WRONG}:  # it said what the score is of
        return flip.teacher_score
    if flip.kind in {NEWLY_FLAGGED, NEWLY_CAUGHT, NEWLY_RIGHT}:  # it didn't
        return 1 - flip.teacher_score
    return abs(flip.teacher_score - 0.5)


def counts(found: Sequence[Flip]) -> dict[str, dict[str, int]]:
    """How many flips of each kind each student has."""
    counted: dict[str, Counter[str]] = {}
    for flip in found:
        counted.setdefault(flip.model, Counter())[flip.kind] += 1
    return {model: {kind: kinds[kind] for kind in BY_HARM if kinds[kind]} for model, kinds in counted.items()}


def to_csv(found: Sequence[Flip]) -> str:
    """All flips as CSV; what a spreadsheet would take for a formula gets an apostrophe in front (OWASP)."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for flip in found:
        values: Mapping[str, object] = flip.model_dump()
        writer.writerow([_cell(values[column]) for column in COLUMNS])
    return file.getvalue()


def _kind(label: int, before: int, after: int, positive: int | None) -> str:
    if label < 0:
        return CHANGED
    if positive is None:
        return NEWLY_WRONG if before == label else NEWLY_RIGHT if after == label else CHANGED
    if label == positive:
        return NEWLY_CAUGHT if after == positive else NEWLY_MISSED
    return NEWLY_FLAGGED if after == positive else NEWLY_CLEARED


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.4f}"
    return inert(value) if isinstance(value, str) else value
