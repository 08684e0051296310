"""How sure a number is: intervals, and whether two models differ beyond chance.

Chance is in the rows, and in training: where a model has several seeds, they are a sample of it (`over_seeds`).
SciPy does the numerics.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import stats

from foreshot.judging.bootstrap import bootstrap, enough_resamples, interval, p_value, rounded
from foreshot.judging.shares import CONFIDENCE
from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore
from foreshot.results.verdict import Comparison

SIGNIFICANCE = 0.05  # of p-values after Holm's correction
TINY = 1e-18  # a variance that is rounding

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

    A model's number is the mean over its seeds. The interval says what other rows would change, by a paired bootstrap
    over units, and for a model of several seeds what other seeds would (`over_seeds`). One unit alone tells nothing:
    -1 to 1.
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

    def by_seed(weights: np.ndarray) -> np.ndarray:
        return sample.metric((weights @ flat).reshape(len(weights), *counts.shape[:1], *counts.shape[2:]))

    def statistic(weights: np.ndarray) -> np.ndarray:
        means = mean_over_seeds @ by_seed(weights).T
        return rounded(means[first] - means[second]).T

    everything = np.ones((1, units))
    (observed,), (of_seeds,) = statistic(everything), by_seed(everything)
    if units == 1:  # nothing to draw from
        return [(Estimate(value=float(value), low=-1.0, high=1.0), 1.0) for value in observed]
    drawn = bootstrap(statistic, units, resamples=enough_resamples(len(pairs)), seed=seed)
    # SciPy's quantile rounds otherwise than NumPy's: intervals of a run that is gone on with stay as they were.
    ends = stats.quantile(drawn.T, [(1 - CONFIDENCE) / 2, 1 - (1 - CONFIDENCE) / 2], axis=-1)
    return [
        over_seeds(
            Estimate(value=float(value), low=float(low), high=float(high)),
            of_pair,
            [of_seeds[owners == one], of_seeds[owners == other]],
        )
        for value, (low, high), of_pair, one, other in zip(observed, ends, drawn.T, first, second, strict=True)
    ]


def over_seeds(found: Estimate, drawn: np.ndarray, sides: Sequence[np.ndarray]) -> tuple[Estimate, float]:
    """What `found` over other rows, whose resamples `drawn` (resamples,) are, is over other rows and seeds; and its p.

    `sides` have each model's number by seed, (seeds,). Rows and seeds are crossed random factors: the variance of the
    difference is the bootstrap's over rows plus the sample variance over a model's seeds, divided by how many they are;
    its degrees of freedom are Welch's (1947, Satterthwaite's approximation), with those of the rows infinite. That
    counts the part that rows and seeds share twice, so it is a little too wide rather than too narrow (compare Owen
    2007, "The pigeonhole bootstrap", section 4); `benchmarks/verdict.py` has the coverage. The interval of the rows is
    stretched by what that makes of Student's; models of one seed, or of seeds that are all alike, keep it as it is.
    """
    seeds = [(float(np.var(side, ddof=1)) / len(side), len(side) - 1) for side in sides if len(side) > 1]
    of_seeds, of_rows = sum(variance for variance, _ in seeds), float(np.nanvar(drawn))
    if of_seeds <= TINY:
        return found, p_value(drawn[~np.isnan(drawn)])
    total = of_rows + of_seeds
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in seeds)
    error, wanted = math.sqrt(total), (1 + CONFIDENCE) / 2
    reach = float(stats.t.ppf(wanted, freedom)) * error
    p = float(2 * stats.t.sf(abs(found.value) / error, freedom))
    if of_rows <= TINY:
        return found.model_copy(update={"low": found.value - reach, "high": found.value + reach}), p
    stretch = reach / (float(stats.norm.ppf(wanted)) * math.sqrt(of_rows))
    low, high = (found.value + stretch * (end - found.value) for end in (found.low, found.high))
    return found.model_copy(update={"low": low, "high": high}), p


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
    bootstrap over units; changes know the chance of seeds, too (`over_seeds`).
    """
    others = [name for name in columns if name != teacher]
    tests = len(others) * len(numbers(columns[teacher][:, 0])[0])
    resamples = enough_resamples(tests)
    found = {name: _numbers_drawn(of_model, numbers, resamples, seed) for name, of_model in columns.items()}
    reference, reference_drawn = found[teacher]
    by_seed = {name: numbers(of_model.mean(axis=1)) for name, of_model in columns.items()}
    changes = {}
    for name in others:
        for number, value in enumerate(rounded(found[name][0] - reference)):
            drawn = rounded(found[name][1][:, number] - reference_drawn[:, number])
            sides = [of_model[:, number] for of_model in (by_seed[name], by_seed[teacher])]
            changes[name, number] = over_seeds(interval(value, drawn), drawn, sides)
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
    """p-values corrected for being so many (Holm 1979); none for none.

    The i-th smallest of m, counted from 0, is multiplied by m - i, and is at least what a smaller one became. What
    statsmodels has is the same, but asks for a collection of garbage each time: a third of a second beside PyTorch.
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1, np.maximum.accumulate(factors * np.asarray(p_values, dtype=float)[order]))
    return [float(value) for value in corrected]


def compare_all(
    measure: str, sample: PairedSample, *, held_against: Mapping[str, str] | None = None, baseline: str | None = None
) -> list[Comparison]:
    """Every pair of models in one measure, with Holm's correction (Holm 1979) over each of three families.

    What the verdict asks, each model and the one that it is `held_against`; the other pairs; and those of which one is
    the `baseline`, which come last.
    McNemar's exact test on what is right and wrong is added for two models of one seed each, where every row is a
    unit by itself, as that test takes them to be.
    """
    pairs, asked = list(combinations(sample.predicted, 2)), {frozenset(pair) for pair in (held_against or {}).items()}
    own = [pair for pair in pairs if baseline not in pair]
    return _compared(measure, sample, own, asked) + _compared(
        measure, sample, [pair for pair in pairs if baseline in pair], asked
    )


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


def _compared(
    measure: str, sample: PairedSample, pairs: Sequence[tuple[str, str]], asked: Collection[frozenset[str]]
) -> list[Comparison]:
    """The pairs that are `asked` about are corrected by themselves, and so are the others."""
    found = differences(sample, pairs)
    adjusted = [1.0] * len(pairs)
    for of_verdict in (True, False):
        family = [place for place, pair in enumerate(pairs) if (frozenset(pair) in asked) == of_verdict]
        for place, corrected in zip(family, holm([found[place][1] for place in family]), strict=True):
            adjusted[place] = corrected
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
    """McNemar's exact test: of the rows that one model alone gets right, each is either's with probability one half."""
    decided = sample.predicted[first], sample.predicted[second]
    if any(len(of_model) != 1 for of_model in decided) or len(np.unique(sample.units)) < len(sample.units):
        return None
    first_right, second_right = (of_model[0] == sample.labels for of_model in decided)
    alone = int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    return float(stats.binomtest(alone[0], sum(alone), 0.5).pvalue) if sum(alone) else 1.0
