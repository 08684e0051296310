"""Shares: how much of a suite one model gets right, kind by kind, and how sure each share is.

NumPy alone, so that a deployed model is judged, by the same code, where SciPy is not installed.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np

from foreshot.results.base import Estimate
from foreshot.results.behaviour import Case, CellResult, SealedResult, SuiteResult

CONFIDENCE = 0.95

Kind = tuple[str, str]  # a functionality or a group, and the label that its cases must get


def suite_shares(model: str, cases: Sequence[Case], decided: np.ndarray, class_names: Sequence[str]) -> SuiteResult:
    """One model on the suite: `decided` has shape (seeds, cases), class numbers.

    Shares are means over the seeds with Wilson's interval for the number of cases.
    """
    labels = np.array([class_names.index(case.label) for case in cases])
    right = decided == labels
    pairs, sealed = contrast_pairs(cases), sealed_rows(cases)
    return SuiteResult(
        model=model,
        accuracy=_share(right),
        by_label=_sides(right, labels, class_names),
        functionalities=_cells(right, rows_by_functionality(cases)),
        groups=_cells(right, rows_by_group(cases)),
        pairs_right=_share(right[:, pairs].all(axis=-1)) if len(pairs) else None,
        sealed=SealedResult(
            cases=len(sealed),
            accuracy=_share(right[:, sealed]),
            by_label=_sides(right[:, sealed], labels[sealed], class_names),
            functionalities=_cells(right[:, sealed], rows_by_functionality([cases[row] for row in sealed])),
        )
        if len(sealed)
        else None,
    )


def wilson(right: float, cases: float) -> Estimate:
    """A share with Wilson's 95 % interval (Wilson 1927); both may be means over seeds."""
    share, z = right / cases, NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    centre = share + z**2 / (2 * cases)
    distance = z * sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2))
    low, high = ((centre + side) / (1 + z**2 / cases) for side in (-distance, distance))
    # Rounding may take an end past 0 or 1, or past the share itself where that is 0 or 1.
    return Estimate(value=share, low=min(max(0.0, low), share), high=max(min(1.0, high), share))


def rows_by_functionality(cases: Sequence[Case]) -> dict[Kind, np.ndarray]:
    """Row numbers of the cases of each functionality and label, in the suite's order."""
    return _rows_by_kind(cases, lambda case: case.functionality)


def rows_by_group(cases: Sequence[Case]) -> dict[Kind, np.ndarray]:
    """Row numbers of the cases about each group and of each label, by the groups' names."""
    return dict(sorted(_rows_by_kind(cases, lambda case: case.group).items()))


def sealed_rows(cases: Sequence[Case]) -> np.ndarray:
    """Row numbers of the cases that nothing was mended with, (sealed cases,)."""
    return np.array([index for index, case in enumerate(cases) if case.sealed], dtype=int)


def contrast_pairs(cases: Sequence[Case]) -> np.ndarray:
    """Row numbers of each pair's two cases, (pairs, 2)."""
    by_pair: dict[str, list[int]] = {}
    for index, case in enumerate(cases):
        if case.pair is not None:
            by_pair.setdefault(case.pair, []).append(index)
    return np.array(list(by_pair.values()), dtype=int).reshape(-1, 2)


def _sides(right: np.ndarray, labels: np.ndarray, class_names: Sequence[str]) -> dict[str, Estimate]:
    """The share right of each class that there are cases of."""
    by_label = {name: right[:, labels == index] for index, name in enumerate(class_names)}
    return {name: _share(of_label) for name, of_label in by_label.items() if of_label.size}


def _cells(right: np.ndarray, rows_by_kind: Mapping[Kind, np.ndarray]) -> list[CellResult]:
    return [
        CellResult(name=name, label=label, cases=len(rows), accuracy=_share(right[:, rows]))
        for (name, label), rows in rows_by_kind.items()
    ]


def _rows_by_kind(cases: Sequence[Case], kind_of: Callable[[Case], str | None]) -> dict[Kind, np.ndarray]:
    rows: dict[Kind, list[int]] = {}
    for index, case in enumerate(cases):
        if (kind := kind_of(case)) is not None:
            rows.setdefault((kind, case.label), []).append(index)
    return {kind: np.array(numbers) for kind, numbers in rows.items()}


def _share(right: np.ndarray) -> Estimate:
    """Share right of (seeds, cases)."""
    return wilson(float(right.mean(axis=0).sum()), right.shape[1])
