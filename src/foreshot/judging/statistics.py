"""How sure a number is: intervals, and whether two models differ beyond chance.

All of it looks at decisions alone, not at scores. SciPy and statsmodels do the numerics.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import stats

from foreshot.judging.bootstrap import bootstrap, change, enough_resamples, interval, p_value, rounded
from foreshot.judging.shares import CONFIDENCE
from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore
from foreshot.results.verdict import Comparison

SIGNIFICANCE = 0.05  # of p-values after Holm's correction

Outcome = Literal["better", "worse", "not distinguishable"]
Numbers = Callable[[np.ndarray], np.ndarray]
"""Means of columns, shape (..., columns), to the numbers that are made of them, shape (..., numbers)."""
Metric = Callable[[np.ndarray], np.ndarray]
"""Confusion counts of shape (..., true class, predicted class) to a number each, shape (...)."""


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Unweighted mean of the classes' F1, 0 for a class that neither occurs nor is predicted."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    total = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.asarray(np.divide(2 * right, total, out=np.zeros(right.shape), where=total > 0).mean(axis=-1))


def accuracy(counts: np.ndarray) -> np.ndarray:
    """Share of the rows that are right."""
    return np.asarray(np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1)))


def mean_of_sides(counts: np.ndarray) -> np.ndarray:
    """Unweighted mean of the classes' shares right (balanced accuracy), of those classes that there are rows of."""
    rows = counts.sum(axis=-1)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    shares = np.divide(right, rows, out=np.zeros(right.shape), where=rows > 0)
    return np.asarray(shares.sum(axis=-1) / (rows > 0).sum(axis=-1))


def seed_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean over seeds; None for one seed."""
    if len(values) < 2:
        return None
    mean, error = float(np.mean(values)), float(stats.sem(values))
    if error == 0:
        return mean, mean
    low, high = stats.t.interval(CONFIDENCE, len(values) - 1, loc=mean, scale=error)
    return float(low), float(high)


@dataclass(frozen=True, kw_only=True)
class PairedSample:
    """What models are compared in: their decisions on the same rows, and the number that these are summed up to.

    `predicted[model]` has shape (seeds, rows), `labels` (rows,), both class numbers below `classes`. Rows with the
    same number in `units` (rows,) are drawn together when rows are resampled, as cases of one template must be.
    With several `tables` a row belongs to one of them: class c of table t has the number t * classes + c.
    """

    predicted: Mapping[str, np.ndarray]
    labels: np.ndarray
    metric: Metric
    classes: int
    units: np.ndarray
    tables: int = 1

    @classmethod
    def make(
        cls,
        predicted: Mapping[str, np.ndarray],
        labels: np.ndarray,
        metric: Metric,
        *,
        classes: int,
        units: np.ndarray | None = None,
        tables: int = 1,
    ) -> "PairedSample":
        """A sample whose rows are units by themselves unless `units` says otherwise."""
        units = np.arange(len(labels)) if units is None else units
        return cls(predicted=predicted, labels=labels, metric=metric, classes=classes, units=units, tables=tables)

    def of_rows(self, chosen: np.ndarray) -> "PairedSample":
        """The same on some rows: a mask (rows,) or row numbers."""
        predicted = {model: decided[:, chosen] for model, decided in self.predicted.items()}
        return replace(self, predicted=predicted, labels=self.labels[chosen], units=self.units[chosen])

    def with_metric(self, metric: Metric) -> "PairedSample":
        """The same summed up to another number."""
        return replace(self, metric=metric)

    def counts(self, model: str) -> np.ndarray:
        """Confusion counts of every unit, (seeds, units, tables × classes, classes)."""
        unit_of_row = np.unique(self.units, return_inverse=True)[1]
        decided = self.predicted[model]
        counts = np.zeros((len(decided), int(unit_of_row.max()) + 1, self.tables * self.classes, self.classes))
        for seed, of_seed in enumerate(decided):
            np.add.at(counts[seed], (unit_of_row, self.labels, of_seed % self.classes), 1.0)
        return counts

    def mean(self, model: str) -> float:
        """The model's number, the mean over its seeds."""
        return float(self.metric(self.counts(model).sum(axis=1)).mean())


def differences(
    sample: PairedSample, pairs: Sequence[tuple[str, str]], *, seed: int = 0
) -> list[tuple[Estimate, float]]:
    """For each pair of models, first minus second with its 95 % interval, and the two-sided p-value.

    A paired bootstrap over units; a model's number is the mean over its seeds. The interval says what other rows would
    change, not what other seeds would. One unit alone tells nothing: -1 to 1.
    """
    if not pairs:
        return []
    models = list(dict.fromkeys(model for pair in pairs for model in pair))
    by_model = [sample.counts(model) for model in models]
    counts = np.concatenate(by_model)  # (models × seeds, units, tables × classes, classes)
    units = counts.shape[1]
    flat = counts.transpose(1, 0, 2, 3).reshape(units, -1)
    seeds = np.array([len(found) for found in by_model])
    owners = np.repeat(np.arange(len(models)), seeds)
    mean_over_seeds = (owners[None, :] == np.arange(len(models))[:, None]) / seeds[:, None]
    first, second = (np.array([models.index(pair[side]) for pair in pairs]) for side in (0, 1))

    def statistic(weights: np.ndarray) -> np.ndarray:
        numbers = sample.metric((weights @ flat).reshape(len(weights), *counts.shape[:1], *counts.shape[2:]))
        means = mean_over_seeds @ numbers.T
        return rounded(means[first] - means[second]).T

    (observed,) = statistic(np.ones((1, units)))
    if units == 1:  # nothing to draw from
        return [(Estimate(value=float(value), low=-1.0, high=1.0), 1.0) for value in observed]
    drawn = bootstrap(statistic, units, resamples=enough_resamples(len(pairs)), seed=seed)
    # SciPy's quantile rounds otherwise than NumPy's: intervals of a run that is gone on with stay as they were.
    ends = stats.quantile(drawn.T, [(1 - CONFIDENCE) / 2, 1 - (1 - CONFIDENCE) / 2], axis=-1)
    return [
        (Estimate(value=float(value), low=float(low), high=float(high)), p_value(of_pair))
        for value, (low, high), of_pair in zip(observed, ends, drawn.T, strict=True)
    ]


def bootstrap_means(columns: np.ndarray, numbers: Numbers, *, seed: int = 0) -> list[Estimate]:
    """Numbers made of means over units, with 95 % intervals of a bootstrap; see `compared_scores`."""
    observed, drawn = _numbers_drawn(columns, numbers, enough_resamples(1), seed)
    return [interval(value, of_number) for value, of_number in zip(observed, drawn.T, strict=True)]


def compared_scores(
    columns: Mapping[str, np.ndarray], numbers: Numbers, *, teacher: str, seed: int = 0
) -> dict[str, list[ComparedScore]]:
    """Every model's numbers with 95 % intervals, and the changes from the teacher with Holm's correction over them all.

    `columns[model]` has shape (seeds, units, columns), units such as texts being the same for all; `numbers` makes
    numbers (..., numbers) of means over units (..., columns). A model's number is the mean over its seeds. A paired
    bootstrap over units.
    """
    others = [name for name in columns if name != teacher]
    tests = len(others) * len(numbers(columns[teacher][:, 0])[0])
    resamples = enough_resamples(tests)
    found = {name: _numbers_drawn(of_model, numbers, resamples, seed) for name, of_model in columns.items()}
    reference, reference_drawn = found[teacher]
    changes = {
        (name, number): change(value, rounded(found[name][1][:, number] - reference_drawn[:, number]))
        for name in others
        for number, value in enumerate(rounded(found[name][0] - reference))
    }
    adjusted = dict(zip(changes, holm([p_value for _, p_value in changes.values()]), strict=True))
    return {
        name: [
            ComparedScore(
                value=interval(value, drawn[:, number]),
                minus_teacher=changes[name, number][0] if name != teacher else None,
                adjusted_p=adjusted[name, number] if name != teacher else None,
            )
            for number, value in enumerate(observed)
        ]
        for name, (observed, drawn) in found.items()
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being so many (Holm 1979); none for none."""
    from statsmodels.stats.multitest import multipletests  # it takes half a second to import

    return [float(value) for value in multipletests(p_values, method="holm")[1]] if p_values else []


def compare_all(measure: str, sample: PairedSample, *, baseline: str | None = None) -> list[Comparison]:
    """Every pair of models in one measure, with Holm's correction (Holm 1979) over all of them.

    The pairs of which one is the `baseline` are corrected by themselves and come last, so that naming one changes
    nothing about the others.
    McNemar's exact test on what is right and wrong is added for two models of one seed each, where every row is a
    unit by itself, as that test takes them to be.
    """
    pairs = list(combinations(sample.predicted, 2))
    own = [pair for pair in pairs if baseline not in pair]
    return _compared(measure, sample, own) + _compared(measure, sample, [pair for pair in pairs if baseline in pair])


def turned(comparison: Comparison) -> Comparison:
    """The same comparison seen from the other model."""
    difference = comparison.difference
    other = {"better": "worse", "worse": "better"}.get(comparison.outcome, comparison.outcome)
    return comparison.model_copy(
        update={
            "first": comparison.second,
            "second": comparison.first,
            "difference": Estimate(value=-difference.value, low=-difference.high, high=-difference.low),
            "outcome": other,
        }
    )


def _compared(measure: str, sample: PairedSample, pairs: Sequence[tuple[str, str]]) -> list[Comparison]:
    found = differences(sample, pairs)
    if not found:
        return []
    adjusted = holm([p_value for _, p_value in found])
    return [
        Comparison(
            measure=measure,
            first=first,
            second=second,
            difference=difference,
            p_value=p_value,
            adjusted_p=adjusted_p,
            outcome=_outcome(difference.value, adjusted_p),
            mcnemar_p=_mcnemar(sample, first, second),
        )
        for (first, second), (difference, p_value), adjusted_p in zip(pairs, found, adjusted, strict=True)
    ]


def _numbers_drawn(columns: np.ndarray, numbers: Numbers, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of columns (seeds, units, columns), means over seeds: observed (numbers,), then (resamples, numbers)."""
    units = columns.shape[1]
    flat = columns.transpose(1, 0, 2).reshape(units, -1)

    def statistic(weights: np.ndarray) -> np.ndarray:
        means = (weights @ flat / units).reshape(len(weights), len(columns), -1)
        return np.asarray(numbers(means).mean(axis=1))

    drawn = bootstrap(statistic, units, resamples=resamples, seed=seed)
    return numbers(columns.mean(axis=1)).mean(axis=0), drawn


def _outcome(difference: float, adjusted_p: float) -> Outcome:
    if adjusted_p >= SIGNIFICANCE:
        return "not distinguishable"
    return "better" if difference > 0 else "worse"


def _mcnemar(sample: PairedSample, first: str, second: str) -> float | None:
    from statsmodels.stats.contingency_tables import mcnemar  # it takes half a second to import

    decided = sample.predicted[first], sample.predicted[second]
    if any(len(of_model) != 1 for of_model in decided) or len(np.unique(sample.units)) < len(sample.units):
        return None
    first_right, second_right = (of_model[0] == sample.labels for of_model in decided)
    table = [
        [int((first_right & second_right).sum()), int((first_right & ~second_right).sum())],
        [int((~first_right & second_right).sum()), int((~first_right & ~second_right).sum())],
    ]
    return float(mcnemar(table, exact=True).pvalue)
