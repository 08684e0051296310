"""What a model does on the suite, kind by kind, and how much of what it catches escapes when disguised."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from foreshot.judging.shares import Kind, rows_by_functionality, rows_by_group, sealed_rows, suite_shares, wilson
from foreshot.judging.statistics import PairedSample, accuracy, differences, holm
from foreshot.results.base import Estimate
from foreshot.results.behaviour import Case, CellResult, EvasionResult, SuiteResult
from foreshot.suites.perturbations import PERTURBATIONS, perturb


def suite_results(
    cases: Sequence[Case],
    predicted: Mapping[str, np.ndarray],
    class_names: Sequence[str],
    *,
    teacher: str,
    mended: Collection[str] = (),
) -> list[SuiteResult]:
    """Every model on the suite: `predicted[model]` has shape (seeds, cases), class numbers.

    To the shares that each model gets right (`suite_shares`) come the students' differences from the teacher, by a
    paired bootstrap that draws cases of one template together; there are none where the teacher wasn't asked. Those of
    the sealed cases alone are for the `mended` students.
    """
    labels = np.array([class_names.index(case.label) for case in cases])
    sample = PairedSample.make(predicted, labels, accuracy, classes=len(class_names), units=template_units(cases))
    students = [model for model in predicted if model != teacher] if teacher in predicted else []
    by_functionality = _changes(sample, rows_by_functionality(cases), students, teacher)
    by_group = _changes(sample, rows_by_group(cases), students, teacher)
    sealed = sealed_rows(cases)
    of_sealed = rows_by_functionality([cases[row] for row in sealed])
    mended_students = [student for student in students if student in mended]
    by_sealed = _changes(sample.of_rows(sealed), of_sealed, mended_students, teacher)
    shares = [suite_shares(model, cases, decided, class_names) for model, decided in predicted.items()]
    return [
        found.model_copy(
            update={
                "functionalities": _compared(found.model, found.functionalities, by_functionality),
                "groups": _compared(found.model, found.groups, by_group),
                "sealed": found.sealed
                and found.sealed.model_copy(
                    update={"functionalities": _compared(found.model, found.sealed.functionalities, by_sealed)}
                ),
            }
        )
        for found in shares
    ]


def template_units(cases: Sequence[Case]) -> np.ndarray:
    """A number for each case (cases,): equal for cases of one template, which stand or fall together."""
    names = [f"template {case.template}" if case.template else f"case {index}" for index, case in enumerate(cases)]
    return np.unique(names, return_inverse=True)[1]


@dataclass(frozen=True, kw_only=True)
class Evasions:
    """Rewritten toxic test rows: `rows` (rows,) are their numbers in the test part, `texts[p]` one for each row."""

    rows: np.ndarray
    texts: dict[str, list[str]]  # by perturbation

    @property
    def all_texts(self) -> list[str]:
        """Every rewritten text, perturbation after perturbation."""
        return [text for texts in self.texts.values() for text in texts]


def make_evasions(texts: Sequence[str], toxic: np.ndarray, words: frozenset[str], *, most: int, seed: int) -> Evasions:
    """Rewrite toxic rows (`toxic` has shape (rows,)), a seeded sample of at most so many, by every perturbation."""
    numbers = [int(row) for row in np.flatnonzero(toxic)]
    rows = sorted(Random(f"{seed}/evasions").sample(numbers, min(len(numbers), most)))
    return Evasions(
        rows=np.array(rows, dtype=int),
        texts={
            name: [perturb(name, texts[row], words=words, seed=str(seed)) for row in rows] for name in PERTURBATIONS
        },
    )


def evasion_results(
    evasions: Evasions,
    texts: Sequence[str],
    decided: np.ndarray,
    evading: np.ndarray,
    positive: int,
    trained: Collection[str] | None = None,
) -> list[EvasionResult]:
    """What share of the rows that a model flags escapes it, for each perturbation.

    `decided` has shape (seeds, test rows), `evading` (seeds, perturbations × rows) as in `Evasions.all_texts`.
    Rows that a perturbation leaves as they are don't count; several seeds are pooled. Where there is nothing that
    could escape, `rows` is 0 and the share not known: 0 to 1. `trained` names the perturbations that models were
    mended with, if any was.
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
        share, is_trained = _share_of(float(escaped), float(rows)), None if trained is None else name in trained
        results.append(EvasionResult(perturbation=name, rows=shown, escaped=share, trained=is_trained))
    return results


def _changes(
    sample: PairedSample, rows_by_kind: Mapping[Kind, np.ndarray], students: Sequence[str], teacher: str
) -> dict[tuple[Kind, str], dict[str, Any]]:
    """For each kind and student the change from the teacher, and its p-value by Holm over all kinds of a student."""
    pairs = [(student, teacher) for student in students]
    by_kind = [differences(sample.of_rows(rows), pairs) for rows in rows_by_kind.values()]
    changes = {}
    for index, student in enumerate(students):
        adjusted = holm([of_kind[index][1] for of_kind in by_kind])
        for kind, of_kind, p_value in zip(rows_by_kind, by_kind, adjusted, strict=True):
            changes[kind, student] = {"minus_teacher": of_kind[index][0], "adjusted_p": p_value}
    return changes


def _compared(
    model: str, cells: Sequence[CellResult], changes: Mapping[tuple[Kind, str], dict[str, Any]]
) -> list[CellResult]:
    return [cell.model_copy(update=changes.get(((cell.name, cell.label), model), {})) for cell in cells]


def _share_of(part: float, whole: float) -> Estimate:
    return wilson(part, whole) if whole > 0 else Estimate(value=0.0, low=0.0, high=1.0)
