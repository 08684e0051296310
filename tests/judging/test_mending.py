"""What mending brought, counted by hand on five cases and six texts."""

import numpy as np
import pytest
from small_suite import CLASSES, case

from foreshot.judging.behaviour import Evasions, suite_results
from foreshot.judging.mending import escapes, kind_gains, part_gains
from foreshot.judging.statistics import mean_of_sides
from foreshot.results.mending import Gain

CASES = [
    case("toxic", "threat"),
    case("toxic", "threat", sealed=True),
    case("benign", "negation"),
    case("benign", "negation", sealed=True),
    case("toxic", "threat", sealed=True),
]
PREDICTED = {
    "odd": np.array([[1, 0, 1, 1, 0]]),  # the first alone is right
    "odd-mended": np.array([[1, 1, 0, 0, 0], [1, 1, 0, 1, 0]]),  # four are right, and three
}
PAIRS = [("odd", "odd-mended")]


def changes(found: Gain) -> tuple[float, float, float]:
    return found.before, found.after, found.difference.value


def test_the_mean_of_the_sides_by_hand():
    counts = np.array([[[3, 1], [1, 1]], [[0, 0], [1, 3]]])  # 3/4 and 1/2; nothing of the first class, 3/4
    assert mean_of_sides(counts) == pytest.approx([0.625, 0.75])


def test_each_part_of_the_suite_by_hand():
    (found,) = part_gains(CASES, PREDICTED, CLASSES, PAIRS)
    assert {name: part.cases for name, part in found.items()} == {"whole": 5, "open": 2, "sealed": 3}
    assert changes(found["open"].mean_of_sides) == pytest.approx((0.5, 1, 0.5))
    assert changes(found["sealed"].mean_of_sides) == pytest.approx((0, 0.5, 0.5))  # toxic 1/2; benign 1 and 0
    assert changes(found["whole"].mean_of_sides) == pytest.approx((1 / 6, 17 / 24, 13 / 24))
    assert changes(found["whole"].by_label["toxic"]) == pytest.approx((1 / 3, 2 / 3, 1 / 3))
    assert changes(found["sealed"].by_label["benign"]) == pytest.approx((0, 0.5, 0.5))


def test_the_interval_is_that_of_a_paired_bootstrap():
    (found,) = part_gains(CASES, PREDICTED, CLASSES, PAIRS)
    difference = found["sealed"].by_label["toxic"].difference  # of two cases one changes: 0, ½ or 1 by ¼, ½ and ¼
    assert (difference.value, difference.low, difference.high) == (0.5, 0, 1)


def test_open_and_sealed_cases_of_a_functionality_stand_apart():
    (found,) = kind_gains(CASES, PREDICTED, CLASSES, PAIRS)
    assert [(one.name, one.label, one.sealed, one.cases, one.right.before, one.right.after) for one in found] == [
        ("threat", "toxic", False, 1, 1, 1),
        ("threat", "toxic", True, 2, 0, 0.5),
        ("negation", "benign", False, 1, 0, 1),
        ("negation", "benign", True, 1, 0, 0.5),
    ]


def test_a_suite_without_an_open_part_has_none():
    sealed = [one.model_copy(update={"sealed": True}) for one in CASES]
    (found,) = part_gains(sealed, PREDICTED, CLASSES, PAIRS)
    assert list(found) == ["whole", "sealed"]
    assert found["whole"] == found["sealed"]
    (kinds,) = kind_gains(sealed, PREDICTED, CLASSES, PAIRS)
    assert {one.sealed for one in kinds} == {True}


def test_sealed_cases_are_counted_and_compared_by_themselves():
    teacher = np.array([[1, 1, 0, 0, 1]])  # all right
    predicted = {"teacher": teacher, **PREDICTED}
    first, odd, mended = suite_results(CASES, predicted, CLASSES, teacher="teacher", mended=["odd-mended"])
    assert (first.sealed.cases, first.sealed.accuracy.value) == (3, 1)
    assert {name: share.value for name, share in mended.sealed.by_label.items()} == {"benign": 0.5, "toxic": 0.5}
    assert [(one.name, one.cases, one.minus_teacher.value) for one in mended.sealed.functionalities] == [
        ("threat", 2, -0.5),
        ("negation", 1, -0.5),
    ]
    assert mended.functionalities[0].minus_teacher.value == pytest.approx(-1 / 3)
    assert {one.minus_teacher for one in (*first.sealed.functionalities, *odd.sealed.functionalities)} == {None}
    (nothing,) = suite_results([case("toxic", "a")], {"teacher": np.array([[1]])}, CLASSES, teacher="teacher")
    assert nothing.sealed is None


# ---- escapes ----

TEXTS = ["you are a moron", "what a lovely day", "MORON", "total morons, all of you", "hello there", "😀"]
EVASIONS = Evasions(
    rows=np.array([0, 2, 3]),
    texts={"leet": ["y0u", "M0R0N", "t0tal"], "upper case": ["YOU", "MORON", "TOTAL"]},  # row 2 stays as it is
)
CAUGHT = np.array([[1, 0, 1, 1, 0, 0]]), np.array([[1, 0, 1, 0, 0, 0]])  # rows 0 and 2 by both
EVADING = np.array([[0, 0, 1, 0, 1, 0]]), np.array([[0, 1, 0, 1, 1, 0]])


def test_escapes_of_rows_that_both_catch_by_hand():
    trained, untrained = escapes(EVASIONS, TEXTS, CAUGHT, EVADING, 1, {"leet"})
    assert (trained.trained, trained.disguises, trained.rows) == (True, ["leet"], 2)
    assert changes(trained.escaped) == (1, 0.5, -0.5)
    assert (trained.left.value, trained.left.low, trained.left.high) == (0.5, 0, 1)
    # Of the rows that both catch upper case changes one alone.
    assert (untrained.trained, untrained.rows, *changes(untrained.escaped)) == (False, 1, 1, 0, -1)
    assert untrained.left.value == 0


def test_disguises_of_a_kind_are_pooled():
    (found,) = escapes(EVASIONS, TEXTS, CAUGHT, EVADING, 1, {"leet", "upper case"})
    assert (found.disguises, found.rows) == (["leet", "upper case"], 2)
    assert changes(found.escaped) == pytest.approx((1, 1 / 3, -2 / 3))
    assert found.left.value == pytest.approx(1 / 3)


def test_seeds_are_paired():
    caught = np.array([[1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]), np.array([[1, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0]])
    evading = np.zeros((2, 6), dtype=int), np.array([[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]])
    found, _ = escapes(EVASIONS, TEXTS, caught, evading, 1, {"leet"})
    assert (found.rows, *changes(found.escaped)) == (1, 1, 0.5, -0.5)  # row 0 with each seed; row 2 never by both


def test_where_nothing_escaped_nothing_is_left():
    flagged = np.ones((1, 6), dtype=int)
    found, _ = escapes(EVASIONS, TEXTS, CAUGHT, (flagged, EVADING[1]), 1, {"leet"})
    assert changes(found.escaped) == (0, 0.5, 0.5)
    assert found.left is None


def test_what_nobody_catches_cannot_escape():
    nothing = np.zeros((1, 6), dtype=int)
    assert escapes(EVASIONS, TEXTS, (nothing, CAUGHT[1]), EVADING, 1, {"leet"}) == []
