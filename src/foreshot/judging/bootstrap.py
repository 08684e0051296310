"""The percentile bootstrap (Efron and Tibshirani 1993, chapters 13 and 16): what other rows of the kind would change.

Units – rows, texts, templates – are drawn with replacement, once for all models and seeds, so that differences between
models are paired. NumPy alone, so that a deployed model is compared, by the same code, where SciPy is not installed.
"""

from collections.abc import Callable, Iterator

import numpy as np

from foreshot.judging.shares import CONFIDENCE
from foreshot.results.base import Estimate

RESAMPLES = 4999  # at least
RESAMPLES_PER_PAIR = 100  # so that Holm's correction over many pairs leaves the smallest p-value below 0.05
BATCH = 250  # resamples at a time, and fewer where that is more than MOST_DRAWN units: for the sake of memory
MOST_DRAWN = 5_000_000
DECIMALS = 12  # of differences; what is left is rounding, which would make equal models differ

Statistic = Callable[[np.ndarray], np.ndarray]
"""How often each unit counts, (resamples, units), to numbers, (resamples, numbers)."""


def enough_resamples(tests: int) -> int:
    """How many resamples so many tests need."""
    return max(RESAMPLES, RESAMPLES_PER_PAIR * tests - 1)


def bootstrap(
    statistic: Statistic, units: int, *, resamples: int = RESAMPLES, seed: int = 0, batch: int = BATCH
) -> np.ndarray:
    """The numbers of every resample, (resamples, numbers); `statistic` is asked about a `batch` of them at a time."""
    return np.concatenate([statistic(times_drawn(drawn)) for drawn in draws(units, resamples, seed, batch)])


def draws(units: int, resamples: int, seed: int, batch: int = BATCH) -> Iterator[np.ndarray]:
    """The numbers of the units that are drawn, (resamples, units), a batch of resamples at a time."""
    rng = np.random.default_rng(seed)
    batch = min(batch, max(1, MOST_DRAWN // units))
    for start in range(0, resamples, batch):
        yield rng.integers(units, size=(min(batch, resamples - start), units))


def times_drawn(drawn: np.ndarray) -> np.ndarray:
    """How often each unit was drawn, (resamples, units), from what `draws` gives."""
    resamples, units = drawn.shape
    numbered = drawn + units * np.arange(resamples)[:, None]
    return np.bincount(numbered.ravel(), minlength=resamples * units).reshape(resamples, -1).astype(float)


def interval(observed: float, drawn: np.ndarray) -> Estimate:
    """A number with the 95 % interval that its resamples (resamples,) give; those that are NaN don't count."""
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn[~np.isnan(drawn)], [tail, 100 - tail])
    return Estimate(value=float(observed), low=float(low), high=float(high))


def p_value(drawn: np.ndarray) -> float:
    """The two-sided p-value of a difference, from its resamples (resamples,)."""
    below, above = ((1 + side.sum()) / (1 + len(drawn)) for side in (drawn <= 0, drawn >= 0))
    return float(min(1.0, 2 * min(below, above)))


def rounded(differences: np.ndarray) -> np.ndarray:
    """Differences without what is left by rounding, which would make equal models differ."""
    return np.round(differences, DECIMALS) + 0.0  # no -0.0
