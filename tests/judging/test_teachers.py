"""Several teachers, by arrays alone: fitted weights against a grid, variances and weights of rows by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from foreshot.judging.teachers import (
    disagreement,
    fitted_weights,
    probabilities_of,
    rank_correlation,
    row_weights,
    variances,
)


def noisy(answers: np.ndarray, noise: float, seed: int, *, several: bool) -> np.ndarray:
    """A teacher's probabilities: logits that point to the answer, with noise."""
    rng = np.random.default_rng(seed)
    truth = answers if several else np.eye(answers.max() + 1)[answers]
    return probabilities_of(2 * (2 * truth - 1) + noise * rng.normal(size=truth.shape), several=several)


def cross_entropy(mean: np.ndarray, answers: np.ndarray) -> float:
    if answers.ndim == 1:
        return float(-np.log(mean[np.arange(len(answers)), answers]).mean())
    return float(-(answers * np.log(mean) + (1 - answers) * np.log(1 - mean)).mean())


@pytest.mark.parametrize("several", [False, True])
def test_fitted_weights_are_the_best_of_a_grid(several):
    rng = np.random.default_rng(1)
    answers = rng.integers(0, 2, size=(80, 3)) if several else rng.integers(0, 3, size=150)
    each = np.stack([noisy(answers, noise, seed, several=several) for noise, seed in ((2.5, 1), (3, 2), (4, 3))])
    found = fitted_weights(each, answers)
    steps = np.linspace(0, 1, 101)
    grid = [(a, b, 1 - a - b) for a in steps for b in steps if a + b <= 1 + 1e-9]
    by_grid = [cross_entropy(np.tensordot(np.clip(weights, 0, 1), each, 1), answers) for weights in grid]
    best = grid[int(np.argmin(by_grid))]
    assert found == pytest.approx(np.array(best), abs=0.011)
    assert cross_entropy(np.tensordot(found, each, 1), answers) <= min(by_grid) + 1e-9
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0
    assert 0.05 < found[0] < 0.95  # no corner, where anything would find it


def test_a_teacher_that_only_errs_gets_nothing():
    answers = np.array([0, 1, 0, 1, 1, 0])
    right = np.where(np.eye(2)[answers] > 0, 0.9, 0.1)
    assert fitted_weights(np.stack([1 - right, right]), answers).tolist() == [0.0, 1.0]


def test_rows_without_an_answer_or_a_word_have_no_say():
    answers = np.array([[1.0, np.nan], [0.0, 1.0], [np.nan, 0.0]])
    each = np.random.default_rng(0).uniform(0.1, 0.9, size=(2, 3, 2))
    each[0, 1, 0] = np.nan
    known = np.array([[True, False], [False, True], [False, True]])
    expected = fitted_weights(each[:, known][:, :, None], answers[known][:, None])
    assert fitted_weights(each, answers) == pytest.approx(expected, abs=1e-5)


def test_variances_by_hand():
    # 0.2, 0.4 and 0.9 weighed 1/4, 1/4, 1/2: mean 0.6, variance 0.25 · 0.16 + 0.25 · 0.04 + 0.5 · 0.09
    toxic = np.array([0.2, 0.4, 0.9])
    each = np.stack([1 - toxic, toxic], axis=1)[:, None]
    weights = np.array([0.25, 0.25, 0.5])
    found = variances(each, weights)
    assert found == pytest.approx(np.array([[0.095, 0.095]]))
    assert disagreement(found, several=False, positive=1) == pytest.approx(np.array([[0.095]]))
    assert disagreement(found, several=False, positive=None) == pytest.approx(np.array([[0.095]]))
    assert disagreement(found, several=True, positive=0) is found
    each[0] = np.nan  # one that says nothing: 0.4 and 0.9, weighed 1/3 and 2/3
    assert variances(each, weights)[0, 1] == pytest.approx(0.5**2 * 2 / 9)


def test_the_largest_variance_is_a_quarter_and_weighs_least():
    apart = variances(np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), np.array([0.5, 0.5]))
    assert apart.tolist() == [[0.25, 0.25]]
    weights = row_weights(np.array([[0.0], [0.125], [0.25]]), 2.0)
    assert weights[:, 0].tolist() == pytest.approx([1.0, math.exp(-1), math.exp(-2)])
    assert weights.dtype == np.float32
    assert row_weights(apart, 0.0).tolist() == [[1.0, 1.0]]


def test_the_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    found, errors = rng.uniform(size=40), rng.integers(0, 2, size=40)
    assert rank_correlation(found, errors) == pytest.approx(stats.kendalltau(found, errors).statistic, abs=0.2)
    ranks, of_errors = stats.rankdata(found), stats.rankdata(errors)
    assert rank_correlation(found, errors) == pytest.approx(np.corrcoef(ranks, of_errors)[0, 1])
    assert rank_correlation(found, np.zeros(40)) is None
    assert rank_correlation(np.ones(40), errors) is None
