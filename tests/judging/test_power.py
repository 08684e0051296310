"""How much is needed: by hand, and against simulated comparisons that know nothing of the formula."""

import numpy as np
import pytest
from scipy import stats

from foreshot.judging.power import MOST_SEEDS, error_of, power, rows_needed, seeds_needed
from foreshot.results.base import Estimate


def test_by_hand():
    """An interval of ±1.96 points is an error of 1; a margin of 2 then lies 2 errors off: z of the power is 0.04."""
    error = error_of(Estimate(value=0.0, low=-0.0195996, high=0.0195996))
    assert error == pytest.approx(0.01, abs=1e-6)
    assert power(error, margin=0.02, difference=0.0) == pytest.approx(stats.norm.cdf(0.04), abs=1e-4)
    # 80 % ask for 1.96 + 0.8416 errors in the room: (2.8016 / 2)² as many rows
    assert rows_needed(error, 1000, margin=0.02, difference=0.0, wanted=0.8) == 1963
    # a true loss of one point leaves half of the room: four times as many
    assert rows_needed(error, 1000, margin=0.02, difference=-0.01, wanted=0.8) == pytest.approx(4 * 1962.2, abs=1)


def test_with_as_many_rows_as_are_needed_it_is_as_likely_as_wanted():
    rng = np.random.default_rng(3)
    spread, rows = 0.4, 500
    needed = rows_needed(spread / rows**0.5, rows, margin=0.03, difference=-0.005, wanted=0.8)
    drawn = rng.normal(-0.005, spread, (4000, needed))
    lower = drawn.mean(axis=1) - 1.959964 * drawn.std(axis=1, ddof=1) / needed**0.5
    assert (lower >= -0.03).mean() == pytest.approx(0.8, abs=3 * 0.0064)


def test_with_as_many_seeds_as_are_needed_the_recipe_is_shown():
    rng = np.random.default_rng(4)
    error, deviation = 0.004, 0.01
    needed = seeds_needed(error, deviation, margin=0.02, difference=0.0, wanted=0.8)
    assert 2 < needed < 20
    shown = {}
    for seeds in (needed - 1, needed):
        means = rng.normal(0, deviation, (20000, seeds))
        total = error**2 + means.var(axis=1, ddof=1) / seeds
        freedom = total**2 * (seeds - 1) / (means.var(axis=1, ddof=1) / seeds) ** 2
        lower = means.mean(axis=1) + rng.normal(0, error, 20000) - stats.t.ppf(0.975, freedom) * total**0.5
        shown[seeds] = (lower >= -0.02).mean()
    assert shown[needed] >= 0.78
    assert shown[needed - 1] < shown[needed]


@pytest.mark.parametrize("difference", [-0.02, -0.05])
def test_on_the_margin_or_beyond_nothing_would_do(difference):
    assert rows_needed(0.01, 1000, margin=0.02, difference=difference, wanted=0.8) is None
    assert seeds_needed(0.01, 0.01, margin=0.02, difference=difference, wanted=0.8) is None
    assert power(0.01, margin=0.02, difference=difference) <= 0.025 + 1e-9


def test_more_seeds_do_not_help_where_rows_are_too_few():
    assert seeds_needed(0.02, 0.005, margin=0.02, difference=0.0, wanted=0.8) is None
    assert MOST_SEEDS == 50


def test_models_that_never_differ():
    assert power(0.0, margin=0.02, difference=0.0) == 1
    assert power(0.0, margin=0.02, difference=-0.03) == 0
    assert rows_needed(0.0, 10, margin=0.02, difference=0.0, wanted=0.8) == 1
    assert seeds_needed(0.0, 0.0, margin=0.02, difference=0.0, wanted=0.8) == 2
