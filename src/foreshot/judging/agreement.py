"""Agreement: how far two scores of the same texts say the same, by correlation and at thresholds.

A row is flagged from a threshold up, that one included. NumPy alone, so that a deployed model is compared, by the
same code, where SciPy is not installed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from foreshot.judging.bootstrap import bootstrap, interval
from foreshot.judging.shares import wilson
from foreshot.progress import Progress, Silent
from foreshot.results.base import Estimate
from foreshot.results.scores import AtThreshold, FlagAgreement, ScoreAgreement

RESAMPLES = 999
DECIMALS = 16  # of a threshold; as many as tell neighbouring floats below 1 apart


def score_agreement(
    stored: np.ndarray,
    new: np.ndarray,
    own_flagged: np.ndarray,
    *,
    own_threshold: float | None,
    thresholds: tuple[float, ...],
    seed: int = 0,
    progress: Progress | None = None,
) -> ScoreAgreement:
    """Compare stored and new scores (rows,) from 0 to 1; `own_flagged` (rows,) is what the model decides by itself.

    Shares have Wilson's intervals. Those of all else are of a bootstrap over rows.
    """
    old_values, new_values = Distinct.of(stored), Distinct.of(new)
    flagged = [stored >= threshold for threshold in thresholds]

    def statistics(times: np.ndarray) -> list[float]:
        ranks = old_values.ranks(times), new_values.ranks(times)
        cuts = [new_values.cut(times, float(times[one].sum())) for one in flagged]
        return [correlation(*ranks, times), correlation(stored, new, times), *(sum(cut) / 2 for cut in cuts)]

    spearman, pearson, *middles = intervals(statistics, len(stored), seed=seed, progress=progress or Silent())
    found = []
    for threshold, before, middle in zip(thresholds, flagged, middles, strict=True):
        kept = kept_threshold(new, before)
        found.append(
            AtThreshold(
                threshold=threshold,
                flagged=wilson(int(before.sum()), len(before)),
                own=flag_agreement(before, own_flagged, own_threshold),
                same=flag_agreement(before, new >= threshold, threshold),
                kept=None if kept is None else flag_agreement(before, new >= kept, kept),
                kept_threshold=None if kept is None or middle is None else _around(kept, middle.low, middle.high),
            )
        )
    return ScoreAgreement(spearman=spearman, pearson=pearson, thresholds=found)


# ---- correlation ----


def pearson(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's correlation of two scores (rows,), NaN where one of them is constant."""
    return correlation(first, second, np.ones(len(first)))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two scores (rows,): Pearson's of their ranks; equal scores share the mean of theirs."""
    times = np.ones(len(first))
    return correlation(Distinct.of(first).ranks(times), Distinct.of(second).ranks(times), times)


def correlation(first: np.ndarray, second: np.ndarray, times: np.ndarray) -> float:
    """Pearson's correlation of numbers (rows,) where row i counts `times[i]`; NaN where one of them is constant."""
    # Measured from a row that counts, what is constant is exactly 0 and leaves no rounding to divide by.
    start = times.argmax()
    first, second = first - first[start], second - second[start]
    # Plain sums: BLAS would spread each of them over threads, which on a busy machine takes 50 times as long.
    rows = times.sum()
    first, second = first - (times * first).sum() / rows, second - (times * second).sum() / rows
    squares = (times * first**2).sum() * (times * second**2).sum()
    return float((times * first * second).sum() / np.sqrt(squares)) if squares > 0 else float("nan")


@dataclass(frozen=True)
class Distinct:
    """Scores as their distinct values, rising, and the number of each row's among them, (rows,)."""

    values: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray) -> "Distinct":
        """The distinct values of scores (rows,)."""
        return cls(*np.unique(scores, return_inverse=True))

    def ranks(self, times: np.ndarray) -> np.ndarray:
        """Ranks from 1, (rows,), where row i counts `times[i]`; equal scores share the mean of theirs."""
        rows = self._rows(times)
        return np.asarray((np.cumsum(rows) - (rows - 1) / 2)[self.numbers])

    def cut(self, times: np.ndarray, wanted: float) -> tuple[float, float]:
        """The two scores above the first of which, and up to the second, any threshold flags most nearly `wanted` rows.

        Of two that come equally near it is the lower one, which flags more. At least one row is always flagged.
        """
        at_least = np.cumsum(self._rows(times)[::-1])[::-1]
        place = int(np.abs(at_least - wanted).argmin())
        return float(self.values[place - 1]) if place else 0.0, float(self.values[place])

    def _rows(self, times: np.ndarray) -> np.ndarray:
        return np.bincount(self.numbers, weights=times, minlength=len(self.values))


# ---- thresholds ----


def kept_threshold(scores: np.ndarray, flagged: np.ndarray) -> float | None:
    """The threshold on scores (rows,) that flags as many rows as `flagged` (rows,), or, of equal scores, most nearly.

    It has as few decimals as tell the rows apart, so that the number shown is the very one that flags them. None where
    no row or every row is flagged.
    """
    if flagged.all() or not flagged.any():
        return None
    return plainest(*Distinct.of(scores).cut(np.ones(len(scores)), float(flagged.sum())))


def plainest(low: float, high: float) -> float:
    """The number between two scores with the fewest decimals, near their middle; `high` where there is none.

    On a score, the rounding of another machine would flip that row.
    """
    middle = (low + high) / 2
    rounded = (round(middle, decimals) for decimals in range(1, DECIMALS + 1))
    return next((number for number in rounded if low < number < high), high)


def flag_agreement(before: np.ndarray, after: np.ndarray, threshold: float | None) -> FlagAgreement:
    """What is flagged `after` against what was `before`, both (rows,) of bool; `threshold` is only noted."""
    rows = len(before)
    table = np.bincount(2 * before + after, minlength=4).reshape(2, 2)
    drawn = np.random.default_rng(0).multinomial(rows, table.ravel() / rows, RESAMPLES).reshape(-1, 2, 2)
    return FlagAgreement(
        threshold=threshold,
        flagged=wilson(int(table[:, 1].sum()), rows),
        equal=wilson(int(table.trace()), rows),
        newly_flagged=wilson(int(table[0, 1]), rows),
        no_longer_flagged=wilson(int(table[1, 0]), rows),
        kappa=_interval(float(cohen_kappa(table)), cohen_kappa(drawn)),
    )


def cohen_kappa(tables: np.ndarray) -> np.ndarray:
    """Cohen's kappa (Cohen 1960, equation 1) of counts (..., 2, 2); NaN where both know one class alone."""
    rows = tables.sum(axis=(-2, -1))
    observed = np.trace(tables, axis1=-2, axis2=-1) / rows
    expected = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1) / rows**2
    possible = 1 - expected
    return np.divide(observed - expected, possible, out=np.full(np.shape(rows), np.nan), where=possible > 0)


# ---- intervals ----


def intervals(
    statistics: Callable[[np.ndarray], list[float]], rows: int, *, seed: int, progress: Progress
) -> list[Estimate | None]:
    """Numbers with their bootstrap intervals; `statistics` gets how often each row counts, (rows,). None for NaN."""

    def resampled(times: np.ndarray) -> np.ndarray:
        progress.advance(1)
        return np.array([statistics(times[0])])

    progress.begin("intervals", RESAMPLES)
    try:
        drawn = bootstrap(resampled, rows, resamples=RESAMPLES, seed=seed, batch=1)
    finally:
        progress.end()
    return [_interval(value, drawn[:, index]) for index, value in enumerate(statistics(np.ones(rows)))]


def _interval(value: float, drawn: np.ndarray) -> Estimate | None:
    """A number with its interval; None where it, or that of every draw, is undefined."""
    if np.isnan(value) or np.isnan(drawn).all():
        return None
    found = interval(value, drawn)
    return _around(value, found.low, found.high)


def _around(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=min(low, value), high=max(high, value))
