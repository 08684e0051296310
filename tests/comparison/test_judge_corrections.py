"""How many held-out corrections are right, by hand: of classes, of several labels, and where something isn't known."""

import numpy as np
import pytest

from foreshot.comparison.judge_corrections import is_right, shares
from foreshot.judging.shares import wilson

NAN = np.nan


def test_a_class_is_right_or_not():
    decided = np.array([[0.0, 1, 1, NAN], [0, 0, 1, 1]])
    assert is_right(decided, np.array([0.0, 1, 0, 1])).tolist() == [
        [True, True, False, False],
        [True, False, False, True],
    ]


@pytest.mark.parametrize(
    ("decided", "answers", "wanted"),
    [
        ([1, 0], [1, 0], True),
        ([1, 1], [1, 0], False),
        ([1, 1], [1, NAN], True),
        ([NAN, 0], [1, 0], True),
        ([NAN, 1], [1, 0], False),
        ([NAN, 1], [1, NAN], False),  # nothing that was said is known
    ],
)
def test_of_several_labels_all_that_is_known_must_be(decided, answers, wanted):
    assert is_right(np.array([[decided]], dtype=float), np.array([answers], dtype=float)).tolist() == [[wanted]]


def test_shares_are_means_over_seeds_with_wilsons_interval_for_the_rows():
    right = np.array([[True, True, False, False], [True, False, False, True]])
    found = shares("odd", right, np.array([0, 0, 0, 1]), ["benign", "toxic", "other"])
    assert (found.model, found.all.rows, found.all.right) == ("odd", 4, wilson(2, 4))
    assert {name: (share.rows, share.right) for name, share in found.by_class.items()} == {
        "benign": (3, wilson(1.5, 3)),
        "toxic": (1, wilson(0.5, 1)),
    }
