"""Agreement of two scores: against SciPy, scikit-learn and statsmodels, and tables of ten rows worked out by hand."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from foreshot.judging.agreement import (
    Distinct,
    cohen_kappa,
    correlation,
    flag_agreement,
    intervals,
    kept_threshold,
    pearson,
    plainest,
    score_agreement,
    spearman,
)
from foreshot.judging.shares import wilson
from foreshot.progress import Silent

STORED = np.array([0.05, 0.10, 0.20, 0.30, 0.40, 0.55, 0.60, 0.75, 0.80, 0.95])
NEW = np.array([0.01, 0.30, 0.05, 0.02, 0.20, 0.10, 0.45, 0.40, 0.04, 0.99])


def drawn(seed: int, *, ties: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(seed)
    for rows in (2, 3, 10, 57, 400):
        first = random.beta(0.4, 1.5, rows)
        second = np.clip(first + random.normal(0, 0.2, rows), 0, 1)
        yield (first.round(1), second.round(1)) if ties else (first, second)


# ---- correlation ----


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_scipys(ties):
    for first, second in drawn(1, ties=ties):
        if len(np.unique(first)) > 1 and len(np.unique(second)) > 1:
            assert pearson(first, second) == pytest.approx(stats.pearsonr(first, second).statistic, abs=1e-12)
            assert spearman(first, second) == pytest.approx(stats.spearmanr(first, second).statistic, abs=1e-12)


def test_equal_scores_share_the_mean_of_their_ranks():
    scores = np.array([0.5, 0.1, 0.5, 0.9, 0.1, 0.5])
    assert Distinct.of(scores).ranks(np.ones(6)).tolist() == [4, 1.5, 4, 6, 1.5, 4]


def test_rows_that_count_several_times_are_as_many_rows():
    random = np.random.default_rng(2)
    for first, second in drawn(3, ties=True):
        times = random.integers(0, 4, len(first))
        times[:2] = 1
        many = np.repeat(first, times), np.repeat(second, times)
        ranks = [Distinct.of(scores).ranks(times.astype(float)) for scores in (first, second)]
        assert np.repeat(ranks[0], times) == pytest.approx(stats.rankdata(many[0]))
        if all(len(np.unique(scores)) > 1 for scores in many):
            assert correlation(first, second, times) == pytest.approx(stats.pearsonr(*many).statistic)
            assert correlation(*ranks, times) == pytest.approx(stats.spearmanr(*many).statistic)


@pytest.mark.parametrize("value", [0.0, 0.1, 1 / 3])
def test_a_constant_score_correlates_with_nothing(value):
    """Rounding would leave the mean of 0.1, 0.1, 0.1 beside 0.1, and something to divide by."""
    constant, varied = np.full(3, value), np.array([0.1, 0.7, 0.2])
    assert math.isnan(pearson(constant, varied))
    assert math.isnan(spearman(varied, constant))


def test_rows_that_do_not_count_vary_nothing():
    first, second = np.array([0.9, 0.1, 0.1, 0.1]), np.array([0.3, 0.1, 0.7, 0.2])
    assert math.isnan(correlation(first, second, np.array([0.0, 1, 1, 1])))
    assert not math.isnan(correlation(first, second, np.ones(4)))


# ---- the threshold that keeps the rate ----


def test_as_many_rows_are_flagged_as_were():
    flagged = STORED >= 0.5  # 5 of 10; the new scores fall 0.99 0.45 0.40 0.30 0.20 | 0.10
    assert kept_threshold(NEW, flagged) == 0.15
    flagged = STORED >= 0.7  # 3 of 10: between 0.30 and 0.40
    assert kept_threshold(NEW, flagged) == 0.35
    flagged = STORED >= 0.9  # 1 of 10: between 0.45 and 0.99
    assert kept_threshold(NEW, flagged) == 0.7


def test_of_equal_scores_the_nearest_rate_is_kept():
    scores = np.array([0.2, 0.2, 0.6, 0.6, 0.6, 0.6])
    for wanted, expected in ((1, 4), (3, 4), (4, 4), (5, 6)):  # 5 lies midway: then more are flagged
        found = kept_threshold(scores, np.arange(6) < wanted)
        assert (scores >= found).sum() == expected


def test_no_rate_is_kept_where_nothing_or_everything_was_flagged():
    assert kept_threshold(NEW, np.zeros(10, dtype=bool)) is None
    assert kept_threshold(NEW, np.ones(10, dtype=bool)) is None


def test_a_kept_rate_is_the_nearest_of_all_thresholds():
    for first, second in drawn(4, ties=True):
        for threshold in (0.2, 0.5):
            before = first >= threshold
            found = kept_threshold(second, before)
            if found is not None:
                nearest = min(abs(int((second >= one).sum()) - int(before.sum())) for one in second)
                assert abs(int((second >= found).sum()) - int(before.sum())) == nearest


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, 0.5),
        (0.4271, 0.4288, 0.428),
        (0.3, 0.4, 0.35),  # neither 0.3, which flags a row more, nor 0.4, which rounding might miss
        (0.123456, 0.123457, 0.1234565),
        (0.0, 0.0, 0.0),
        (np.nextafter(0.7, 0), 0.7, 0.7),
    ],
)
def test_the_plainest_number_parts_the_rows(low, high, expected):
    assert plainest(low, high) == expected
    assert low < expected <= high or low == high


# ---- flags ----


def test_flags_by_hand():
    before, after = STORED >= 0.5, NEW >= 0.3
    # Before: rows 5 to 9. After: rows 1, 6, 7, 9. Both: 6, 7, 9; newly: 1; no longer: 5 and 8.
    found = flag_agreement(before, after, 0.3)
    assert found.threshold == 0.3
    assert found.flagged == wilson(4, 10)
    assert found.equal == wilson(7, 10)
    assert found.newly_flagged == wilson(1, 10)
    assert found.no_longer_flagged == wilson(2, 10)
    # Chance: 0.5 · 0.4 + 0.5 · 0.6 = 0.5; kappa = (0.7 − 0.5) / (1 − 0.5)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.low < 0.4 < found.kappa.high


def test_kappa_is_scikit_learns():
    for first, second in drawn(5, ties=False):
        before, after = first >= 0.3, second >= 0.3
        expected = cohen_kappa_score(before, after) if len(np.unique([before, after])) > 1 else None
        found = flag_agreement(before, after, None).kappa
        assert (found.value if found else None) == (expected if expected is None else pytest.approx(expected))


def test_kappas_of_many_tables_at_once():
    tables = np.random.default_rng(6).integers(1, 50, (5, 4, 2, 2))
    expected = [[cohens_kappa(table).kappa for table in row] for row in tables]
    assert cohen_kappa(tables) == pytest.approx(np.array(expected))


def test_kappas_interval_is_near_the_one_for_large_samples():
    before = np.repeat([False, False, True, True], [600, 90, 70, 240])
    after = np.repeat([False, True, False, True], [600, 90, 70, 240])
    known = cohens_kappa(np.array([[600, 90], [70, 240]]))  # Fleiss, Cohen and Everitt 1969
    found = flag_agreement(before, after, None).kappa
    assert (found.low, found.high) == pytest.approx((known.kappa_low, known.kappa_upp), abs=0.01)


# ---- all of it ----


def everything(**changes: object):
    settings = {"own_threshold": 0.3, "thresholds": (0.5, 0.9, 1.0)}
    return score_agreement(STORED, NEW, NEW >= 0.3, **{**settings, **changes})


def test_everything_by_hand():
    found = everything()
    assert found.pearson.value == pytest.approx(stats.pearsonr(STORED, NEW).statistic)
    assert found.spearman.value == pytest.approx(stats.spearmanr(STORED, NEW).statistic)
    first, second, third = found.thresholds
    assert (first.threshold, first.flagged) == (0.5, wilson(5, 10))
    assert first.own == flag_agreement(STORED >= 0.5, NEW >= 0.3, 0.3)
    assert first.same == flag_agreement(STORED >= 0.5, NEW >= 0.5, 0.5)
    assert first.kept == flag_agreement(STORED >= 0.5, NEW >= 0.15, 0.15)
    assert first.kept_threshold.low <= first.kept_threshold.value == 0.15 <= first.kept_threshold.high
    assert (second.flagged.value, second.kept.flagged.value) == (0.1, 0.1)
    assert (third.flagged.value, third.kept, third.kept_threshold) == (0, None, None)


def test_a_score_that_reaches_the_threshold_is_flagged():
    (found,) = everything(thresholds=(0.4,)).thresholds  # 0.40 is both a stored score and a new one
    assert found.flagged == wilson(6, 10)
    assert found.same.flagged == wilson(3, 10)


def test_a_model_that_says_one_thing_has_no_correlation():
    found = score_agreement(STORED, np.full(10, 0.4), np.zeros(10, dtype=bool), own_threshold=None, thresholds=(0.7,))
    assert (found.spearman, found.pearson) == (None, None)
    assert found.thresholds[0].kept.flagged.value == 1  # the only rate that a threshold could reach
    assert found.thresholds[0].own.flagged.value == 0


def test_the_same_seed_draws_the_same_rows():
    assert everything() == everything()
    assert everything(seed=1).pearson.low != everything().pearson.low


def test_a_bootstrap_of_a_mean_has_the_known_error():
    values = np.random.default_rng(7).normal(5, 2, 400)
    (found,) = intervals(lambda times: [float(times @ values / times.sum())], 400, seed=0, progress=Silent())
    error = 1.96 * stats.sem(values)
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.03)


def test_intervals_are_those_of_scipys_bootstrap():
    random = np.random.default_rng(8)
    stored = random.beta(0.5, 1.5, 300)
    new = np.clip(stored + random.normal(0, 0.2, 300), 0, 1)
    found = score_agreement(stored, new, new >= 0.5, own_threshold=0.5, thresholds=(0.7,))
    for estimate, of in ((found.spearman, stats.spearmanr), (found.pearson, stats.pearsonr)):
        known = stats.bootstrap(
            (stored, new), lambda *both, of=of: of(*both).statistic, paired=True, vectorized=False,
            n_resamples=999, method="percentile", rng=np.random.default_rng(9),
        ).confidence_interval  # fmt: skip
        assert (estimate.low, estimate.high) == pytest.approx((known.low, known.high), abs=0.015)


def test_a_kept_thresholds_interval_is_that_of_whole_samples():
    """Each draw is a sample of its own, whose rate with the stored scores is the one to keep."""
    random = np.random.default_rng(11)
    stored = random.random(400)
    new = np.clip(stored + random.normal(0, 0.05, 400), 0, 1)
    (found,) = score_agreement(stored, new, new >= 0.5, own_threshold=0.5, thresholds=(0.6,)).thresholds
    kept = []
    for _ in range(999):
        rows = random.integers(400, size=400)
        kept.append(np.quantile(new[rows], (stored[rows] < 0.6).mean()))
    expected = np.quantile(kept, [0.025, 0.975])
    assert (found.kept_threshold.low, found.kept_threshold.high) == pytest.approx(expected, abs=0.006)


def test_a_kept_threshold_is_as_sure_as_its_rows_are_many():
    random = np.random.default_rng(10)
    widths = []
    for rows in (100, 1600):
        stored, noise = random.random(rows), random.normal(0, 0.1, rows)
        found = score_agreement(
            stored, np.clip(stored + noise, 0, 1), stored > 2, own_threshold=None, thresholds=(0.7,)
        ).thresholds[0].kept_threshold  # fmt: skip
        assert found.low < 0.7 < found.high
        widths.append(found.high - found.low)
    assert 2.5 < widths[0] / widths[1] < 6.5  # 16 times the rows: about a quarter


def test_progress_counts_every_draw():
    class Counted(Silent):
        done = 0

        def advance(self, units: int, state: str = "") -> None:
            self.done += units

    progress = Counted()
    everything(progress=progress)
    assert progress.done == 999
