"""What a model does on the suite, kind by kind, and how much of what it catches escapes when disguised."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from foreshot.facts import Case, CellResult, Estimate, EvasionResult, SuiteResult
from foreshot.judging.perturbations import PERTURBATIONS, perturb
from foreshot.judging.statistics import Task, accuracy, differences, holm, wilson

Kind = tuple[str, str]  # a functionality or a group, and the label that its cases must get
MOST_EVADING_ROWS = 200
"""Toxic test rows that are rewritten, of a seeded sample: each of them once by every perturbation."""


def suite_results(
    cases: Sequence[Case], predicted: Mapping[str, np.ndarray], class_names: Sequence[str], *, teacher: str | None
) -> list[SuiteResult]:
    """Every model on the suite: `predicted[model]` has shape (seeds, cases), class numbers.

    Shares are means over the seeds with Wilson's interval for the number of cases; differences from the teacher
    are by a paired bootstrap that draws cases of one template together.
    """
    labels = np.array([class_names.index(case.label) for case in cases])
    task = Task.make(predicted, labels, accuracy, classes=len(class_names), units=template_units(cases))
    functionalities = _rows_by_kind(cases, lambda case: case.functionality)
    groups = dict(sorted(_rows_by_kind(cases, lambda case: case.group).items()))
    kinds = {"functionalities": functionalities, "groups": groups}
    students = [model for model in predicted if model != teacher]
    changes = {
        what: _changes(task, by_kind, students, teacher) if teacher is not None else {}
        for what, by_kind in kinds.items()
    }
    pairs = contrast_pairs(cases)
    found = []
    for model, decided in predicted.items():
        right = decided == labels
        cells = {
            what: [
                CellResult(
                    name=kind[0],
                    label=kind[1],
                    cases=len(rows),
                    accuracy=_share(right[:, rows]),
                    **changes[what].get((kind, model), {}),
                )
                for kind, rows in by_kind.items()
            ]
            for what, by_kind in kinds.items()
        }
        by_label = {name: right[:, labels == index] for index, name in enumerate(class_names)}
        found.append(
            SuiteResult(
                model=model,
                accuracy=_share(right),
                by_label={name: _share(of_label) for name, of_label in by_label.items() if of_label.size},
                functionalities=cells["functionalities"],
                groups=cells["groups"],
                pairs_right=_share(right[:, pairs].all(axis=-1)) if len(pairs) else None,
            )
        )
    return found


def template_units(cases: Sequence[Case]) -> np.ndarray:
    """A number for each case (cases,): equal for cases of one template, which stand or fall together."""
    names = [f"template {case.template}" if case.template else f"case {index}" for index, case in enumerate(cases)]
    return np.unique(names, return_inverse=True)[1]


def contrast_pairs(cases: Sequence[Case]) -> np.ndarray:
    """Row numbers of each pair's two cases, (pairs, 2)."""
    by_pair: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        if case.pair is not None:
            by_pair.setdefault(case.pair, []).append(index)
    return np.array(list(by_pair.values()), dtype=int).reshape(-1, 2)


@dataclass(frozen=True, kw_only=True)
class Evasions:
    """Rewritten toxic test rows: `rows` (rows,) are their numbers in the test part, `texts[p]` one for each row."""

    rows: np.ndarray
    texts: dict[str, list[str]]  # by perturbation

    @property
    def all_texts(self) -> list[str]:
        """Every rewritten text, perturbation after perturbation."""
        return [text for texts in self.texts.values() for text in texts]


def make_evasions(texts: Sequence[str], toxic: np.ndarray, words: frozenset[str], *, seed: int) -> Evasions:
    """Rewrite a sample of the toxic rows (`toxic` has shape (rows,)) by every perturbation."""
    numbers = [int(row) for row in np.flatnonzero(toxic)]
    rows = sorted(Random(f"{seed}/evasions").sample(numbers, min(len(numbers), MOST_EVADING_ROWS)))
    return Evasions(
        rows=np.array(rows, dtype=int),
        texts={
            name: [perturb(name, texts[row], words=words, seed=str(seed)) for row in rows] for name in PERTURBATIONS
        },
    )


def evasion_results(
    evasions: Evasions, texts: Sequence[str], decided: np.ndarray, evading: np.ndarray, positive: int
) -> list[EvasionResult]:
    """What share of the rows that a model flags escapes it, for each perturbation.

    `decided` has shape (seeds, test rows), `evading` (seeds, perturbations × rows) as in `Evasions.all_texts`.
    Rows that a perturbation leaves as they are don't count; several seeds are pooled. Where there is nothing that
    could escape, `rows` is 0 and the share not known: 0 to 1.
    """
    caught = decided[:, evasions.rows] == positive
    results = []
    for index, (name, rewritten) in enumerate(evasions.texts.items()):
        count = len(rewritten)
        changed = np.array([text != texts[row] for text, row in zip(rewritten, evasions.rows, strict=True)], dtype=bool)
        now_missed = evading[:, index * count : (index + 1) * count] != positive
        tried = caught & changed
        # Seeds look at the same rows, so they don't count as more rows: the mean over them does.
        rows, escaped = tried.sum() / len(tried), (tried & now_missed).sum() / len(tried)
        shown = max(1, round(rows)) if rows > 0 else 0
        results.append(EvasionResult(perturbation=name, rows=shown, escaped=_share_of(float(escaped), float(rows))))
    return results


def _changes(
    task: Task, rows_by_kind: Mapping[Kind, np.ndarray], students: Sequence[str], teacher: str
) -> dict[tuple[Kind, str], dict[str, Any]]:
    """For each kind and student the change from the teacher, and its p-value by Holm over all kinds of a student."""
    pairs = [(student, teacher) for student in students]
    by_kind = [differences(task.of_rows(rows), pairs) for rows in rows_by_kind.values()]
    changes = {}
    for index, student in enumerate(students):
        adjusted = holm([of_kind[index][1] for of_kind in by_kind])
        for kind, of_kind, p_value in zip(rows_by_kind, by_kind, adjusted, strict=True):
            changes[kind, student] = {"minus_teacher": of_kind[index][0], "adjusted_p": p_value}
    return changes


def _rows_by_kind(cases: Sequence[Case], kind_of: Callable[[Case], str | None]) -> dict[Kind, np.ndarray]:
    """Row numbers of the cases of each kind and label."""
    rows: dict[Kind, list[int]] = {}
    for index, case in enumerate(cases):
        if (kind := kind_of(case)) is not None:
            rows.setdefault((kind, case.label), []).append(index)
    return {kind: np.array(numbers) for kind, numbers in rows.items()}


def _share(right: np.ndarray) -> Estimate:
    """Share right of (seeds, cases)."""
    return wilson(float(right.mean(axis=0).sum()), right.shape[1])


def _share_of(part: float, whole: float) -> Estimate:
    return wilson(part, whole) if whole > 0 else Estimate(value=0.0, low=0.0, high=1.0)
