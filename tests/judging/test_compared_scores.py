"""Bootstraps of means over texts, against SciPy's own, and by hand."""

import numpy as np
import pytest
from scipy import stats

from foreshot.judging.statistics import bootstrap_means, compared_scores


def identity(means: np.ndarray) -> np.ndarray:
    return means


def test_an_interval_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=80)
    (found,) = bootstrap_means(values[None, :, None], identity)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(2)
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    width = values.std() / np.sqrt(len(values))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.1 * width)


def test_numbers_may_be_made_of_several_means() -> None:
    columns = np.array([[[1.0, 1.0], [0.0, 0.0], [3.0, 1.0]]])
    (ratio,) = bootstrap_means(columns, lambda means: means[..., :1] / np.maximum(means[..., 1:], 1e-9))
    assert ratio.value == pytest.approx(2.0)


def test_a_number_is_the_mean_over_seeds_of_what_each_seeds_means_make() -> None:
    columns = np.array([[[1.0], [3.0]], [[3.0], [5.0]]])  # means 2 and 4, squares 4 and 16
    (squared,) = bootstrap_means(columns, lambda means: means**2)
    assert squared.value == pytest.approx(10.0)


def test_a_change_is_paired_and_its_interval_that_of_the_differences() -> None:
    rng = np.random.default_rng(4)
    teacher = rng.normal(size=100)
    student = teacher - 0.05 + 0.01 * rng.normal(size=100)  # noisy texts, a steady change
    found = compared_scores(
        {"teacher": teacher[None, :, None], "student": student[None, :, None]}, identity, teacher="teacher"
    )
    (score,) = found["student"]
    assert score.minus_teacher is not None
    expected = stats.bootstrap(
        (student - teacher,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(5)
    ).confidence_interval
    assert score.minus_teacher.value == pytest.approx((student - teacher).mean())
    assert (score.minus_teacher.low, score.minus_teacher.high) == pytest.approx(
        (expected.low, expected.high), abs=0.0005
    )
    assert score.adjusted_p is not None
    assert score.adjusted_p < 0.01
    assert found["teacher"][0].minus_teacher is None


def test_equal_models_do_not_differ_and_holm_counts_every_number_of_every_student() -> None:
    rng = np.random.default_rng(6)
    teacher = rng.normal(size=(1, 60, 2))
    slightly = teacher + rng.normal(0.03, 0.1, size=teacher.shape)
    alone = compared_scores({"teacher": teacher, "a": slightly}, identity, teacher="teacher")
    among = compared_scores(
        {"teacher": teacher, "a": slightly, **{name: teacher.copy() for name in "bcdefgh"}}, identity, teacher="teacher"
    )
    assert [score.adjusted_p for score in among["b"]] == [1.0, 1.0]
    assert among["b"][0].minus_teacher is not None
    assert among["b"][0].minus_teacher.value == 0
    assert all(many.adjusted_p > one.adjusted_p for many, one in zip(among["a"], alone["a"], strict=True))
