"""Shares right, counted by hand on a suite of seven cases; Wilson's intervals against SciPy and statsmodels."""

import math

import numpy as np
import pytest
from scipy import stats
from small_suite import CASES, CLASSES, ODD, TEACHER, case, cells
from statsmodels.stats.proportion import proportion_confint

from foreshot.judging.shares import contrast_pairs, suite_shares, wilson
from foreshot.results.behaviour import SuiteResult

# ---- Wilson's interval ----


def test_wilson_by_hand():
    # 8 of 10: centre (p + z²/2n) / (1 + z²/n), half-width z √(p(1−p)/n + z²/4n²) / (1 + z²/n), z = 1.959964
    z, n, p = 1.959963984540054, 10, 0.8
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    found = wilson(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, centre - half, centre + half))
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # as published tables have it


@pytest.mark.parametrize("cases", [1, 2, 3, 7, 10, 64, 263, 1500, 2150, 1_000_000])
def test_wilson_against_scipy_and_statsmodels(cases):
    for right in sorted({0, 1, cases // 3, cases // 2, cases - 1, cases}):
        found = wilson(right, cases)
        expected = stats.binomtest(right, cases).proportion_ci(method="wilson")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert (found.low, found.high) == pytest.approx(proportion_confint(right, cases, method="wilson"), abs=1e-12)
        assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(("right", "cases"), [(2.5, 3), (1 / 3, 4), (262.9, 263), (0.1, 1), (1432.7, 2150)])
def test_wilson_of_means_over_seeds_against_statsmodels(right, cases):
    found = wilson(right, cases)
    assert found.value == right / cases
    assert (found.low, found.high) == pytest.approx(proportion_confint(right, cases, method="wilson"), abs=1e-12)


# ---- a model on the suite ----


@pytest.fixture(scope="module")
def teacher() -> SuiteResult:
    return suite_shares("teacher", CASES, np.array(TEACHER), CLASSES)


@pytest.fixture(scope="module")
def odd() -> SuiteResult:
    return suite_shares("odd", CASES, np.array(ODD), CLASSES)


def test_shares_of_all_cases_and_of_each_label(teacher, odd):
    assert (teacher.model, odd.model) == ("teacher", "odd")
    assert teacher.accuracy == wilson(6, 7)
    assert teacher.by_label == {"benign": wilson(2, 3), "toxic": wilson(4, 4)}
    assert odd.accuracy == wilson(5, 7)  # 5 of 7 with either seed
    assert odd.by_label["benign"] == wilson(2.5, 3)  # 3 and 2
    assert odd.by_label["toxic"] == wilson(2.5, 4)  # 2 and 3
    interval = stats.binomtest(6, 7).proportion_ci(method="wilson")
    assert (teacher.accuracy.low, teacher.accuracy.high) == pytest.approx((interval.low, interval.high))


def test_functionalities_in_the_suites_order(teacher, odd):
    of_teacher, of_odd = cells(teacher.functionalities), cells(odd.functionalities)
    assert list(of_teacher) == list(of_odd) == [("threat", "toxic"), ("negated threat", "benign"), ("names", "benign")]
    assert [one.cases for one in of_odd.values()] == [4, 2, 1]
    assert [one.accuracy.value for one in of_teacher.values()] == [1, 1, 0]
    assert [one.accuracy.value for one in of_odd.values()] == [2.5 / 4, 1.5 / 2, 1]
    assert of_odd["threat", "toxic"].accuracy == wilson(2.5, 4)


def test_groups_by_name_and_label_without_cases_of_no_group(odd):
    of_odd = cells(odd.groups)
    assert list(of_odd) == [("men", "benign"), ("men", "toxic"), ("women", "benign"), ("women", "toxic")]
    assert [one.cases for one in of_odd.values()] == [1, 1, 1, 2]
    assert [one.accuracy.value for one in of_odd.values()] == [1, 0, 0.5, 1]


def test_pairs_with_both_cases_right(teacher, odd):
    assert teacher.pairs_right == wilson(2, 2)
    # Pair 1 is cases 0 and 1: right with the first seed alone. Pair 2 is cases 2 and 4: never.
    assert odd.pairs_right == wilson(0.5, 2)


def test_a_model_by_itself_has_no_teacher(teacher, odd):
    for found in (teacher, odd):
        assert [one.minus_teacher for one in found.functionalities + found.groups] == [None] * 7


def test_a_suite_without_pairs_or_groups():
    found = suite_shares("odd", [case("toxic", "threat")], np.array([[1]]), CLASSES)
    assert found.pairs_right is None
    assert found.groups == []
    assert found.by_label == {"toxic": wilson(1, 1)}  # and nothing on the other side


def test_one_functionality_may_have_both_labels():
    cases = [case("toxic", "slur"), case("benign", "slur"), case("toxic", "slur")]
    found = suite_shares("odd", cases, np.array([[1, 1, 0]]), CLASSES)
    assert {key: one.accuracy.value for key, one in cells(found.functionalities).items()} == {
        ("slur", "toxic"): 0.5,
        ("slur", "benign"): 0,
    }


def test_three_classes():
    names = ["hate", "offensive", "neither"]
    cases = [case("neither", "a"), case("hate", "a"), case("offensive", "b"), case("hate", "b")]
    found = suite_shares("odd", cases, np.array([[2, 1, 1, 0]]), names)
    assert {name: share.value for name, share in found.by_label.items()} == {"hate": 0.5, "offensive": 1, "neither": 1}


def test_pairs_by_their_rows():
    assert contrast_pairs(CASES).tolist() == [[0, 1], [2, 4]]
    assert contrast_pairs(CASES[5:]).shape == (0, 2)
