import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, f1_score

from foreshot.words.plausibility import (
    THRESHOLDS,
    auprc,
    best_threshold,
    relative,
    span_matches,
    spans,
    token_f1,
)


def mask(letters: str) -> np.ndarray:
    """Chosen words are written as x, others as dots."""
    return np.array([letter == "x" for letter in letters])


def test_scores_are_shares_of_the_strongest_one_that_speaks_for_a_word() -> None:
    assert relative(np.array([0.5, -2.0, 0.25, 0.0])).tolist() == [1.0, 0.0, 0.5, 0.0]
    assert relative(np.array([-1.0, 0.0])).tolist() == [0.0, 0.0]
    assert relative(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("chosen", "marked", "f1"),
    [("xx..", "xx..", 1.0), ("xx..", ".xx.", 0.5), ("x...", ".xxx", 0.0), ("....", "x...", 0.0), ("xxxx", "x...", 0.4)],
)
def test_token_f1_by_hand(chosen: str, marked: str, f1: float) -> None:
    assert token_f1(mask(chosen), mask(marked)) == pytest.approx(f1)


@settings(max_examples=50)
@given(pairs=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
def test_token_f1_is_that_of_scikit_learn(pairs: list[tuple[bool, bool]]) -> None:
    chosen, marked = np.array(pairs).T
    assert token_f1(chosen, marked) == pytest.approx(f1_score(marked, chosen, zero_division=0))


def test_spans_are_runs_of_chosen_words() -> None:
    assert spans(mask("xx.x..xxx")) == [(0, 2), (3, 4), (6, 9)]
    assert spans(mask("....")) == []
    assert spans(mask("")) == []
    assert spans(mask("xx")) == [(0, 2)]


@pytest.mark.parametrize(
    ("chosen", "marked", "precision", "recall"),
    [
        ("xx....", "xx....", 1.0, 1.0),
        ("xx....", "xxxx..", 1.0, 1.0),  # IOU 2/4
        ("x.....", "xxx...", 0.0, 0.0),  # IOU 1/3
        ("xx..x.", "xx....", 0.5, 1.0),
        ("xx....", "xx..xx", 1.0, 0.5),
        (".xx...", "xxx..x", 1.0, 0.5),  # IOU 2/3
        ("......", "xx....", 0.0, 0.0),
        ("x.x...", "xxx...", 0.0, 0.0),  # two pieces, IOU 1/3 each
    ],
)
def test_span_matches_by_hand(chosen: str, marked: str, precision: float, recall: float) -> None:
    assert span_matches(mask(chosen), mask(marked)) == (precision, recall)


def test_the_area_under_precision_and_recall_by_hand() -> None:
    # By falling score: right, wrong, right. Precision 1, 1/2, 2/3 at recall 1/2, 1/2, 1, and 1 at recall 0.
    found = auprc(np.array([0.9, 0.5, 0.3]), np.array([True, False, True]))
    assert found == pytest.approx(0.5 * 1 + 0.5 * (1 / 2 + 2 / 3) / 2)
    assert auprc(np.array([3.0, 2.0, -1.0]), np.array([True, True, False])) == 1.0


@settings(max_examples=50)
@given(
    scores=arrays.arrays(float, st.integers(2, 12), elements=st.floats(-1, 1), unique=True),
    data=st.data(),
)
def test_the_area_lies_near_scikit_learns_average_precision(scores: np.ndarray, data: st.DataObject) -> None:
    """Both are areas under the same points: by trapezoids, and by steps, which can differ by a step at most."""
    marked = np.array(data.draw(st.lists(st.booleans(), min_size=len(scores), max_size=len(scores))))
    if 0 < marked.sum() < len(marked):
        assert abs(auprc(scores, marked) - average_precision_score(marked, scores)) <= 0.5


def test_the_best_threshold_is_the_lowest_of_those_with_the_highest_mean_f1() -> None:
    shares = [np.array([1.0, 0.6, 0.1]), np.array([0.3, 1.0])]
    marks = [mask("xx."), mask(".x")]
    # From 0.35 to 0.6 both texts are right; 0.6 itself still chooses the second word.
    assert best_threshold(shares, marks) == pytest.approx(0.35)
    by_hand = [
        np.mean([f1_score(m, s >= t, zero_division=0) for s, m in zip(shares, marks, strict=True)]) for t in THRESHOLDS
    ]
    assert best_threshold(shares, marks) == THRESHOLDS[int(np.argmax(by_hand))]
