"""Power: how many rows, cases and seeds it takes to show that a student is as good, from the spread that was seen.

A student is shown to be as good where the whole interval of its difference lies above minus the margin. With a true
difference d, a margin m and an error s of the difference that happens with probability Φ((m + d) / s - z), z the
interval's quantile (Chow, Shao and Wang 2008, section 3.2: the test of non-inferiority). s² falls with the rows.
"""

import math

from scipy import stats

from foreshot.judging.shares import CONFIDENCE
from foreshot.results.base import Estimate

QUANTILE = float(stats.norm.ppf((1 + CONFIDENCE) / 2))
MOST_SEEDS = 50


def error_of(difference: Estimate) -> float:
    """The standard error that an interval over rows shows."""
    return (difference.high - difference.low) / (2 * QUANTILE)


def power(error: float, *, margin: float, difference: float) -> float:
    """How likely it is that a student which truly differs so is shown to be within the margin."""
    room = margin + difference
    if error <= 0:
        return float(room >= 0)
    return float(stats.norm.cdf(room / error - QUANTILE))


def rows_needed(error: float, rows: int, *, margin: float, difference: float, wanted: float) -> int | None:
    """With how many rows it is as likely as wanted, where so many have such an error; None where none would do."""
    room = margin + difference
    if room <= 0:
        return None
    return max(1, math.ceil(rows * (error * (QUANTILE + float(stats.norm.ppf(wanted))) / room) ** 2))


def seeds_needed(error: float, deviation: float, *, margin: float, difference: float, wanted: float) -> int | None:
    """With how many seeds it is as likely as wanted that the *recipe* is shown to be within the margin.

    `deviation` is the sample standard deviation over seeds, `error` that over rows, which more seeds leave as it is.
    Student's quantile with Welch's degrees of freedom, as in `judging.statistics.over_seeds`; None where `MOST_SEEDS`
    are not enough.
    """
    for seeds in range(2, MOST_SEEDS + 1):
        of_seeds = deviation**2 / seeds
        total = error**2 + of_seeds
        if total <= 0:
            return seeds if margin + difference >= 0 else None
        freedom = total**2 * (seeds - 1) / of_seeds**2 if of_seeds > 0 else math.inf
        quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom))
        if stats.norm.cdf((margin + difference) / math.sqrt(total) - quantile) >= wanted:
            return seeds
    return None
