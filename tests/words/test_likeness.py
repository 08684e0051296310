import math

import numpy as np
import pytest

from foreshot.words.likeness import overlap, rank_correlation


def test_rank_correlation_by_hand() -> None:
    first = np.array([0.1, 0.2, 0.3, 0.4])
    assert rank_correlation(first, np.array([1.0, 2.0, 3.0, 9.0])) == pytest.approx(1)
    assert rank_correlation(first, -first) == pytest.approx(-1)
    # Ranks 1 2 3 4 and 2 1 4 3: 1 − 6·(1+1+1+1) / (4·15)
    assert rank_correlation(first, np.array([0.2, 0.1, 0.4, 0.3])) == pytest.approx(0.6)


def test_where_one_model_gives_all_words_the_same_there_is_none() -> None:
    assert math.isnan(rank_correlation(np.zeros(3), np.array([1.0, 2.0, 3.0])))
    assert math.isnan(rank_correlation(np.array([1.0]), np.array([2.0])))
    assert math.isnan(rank_correlation(np.array([]), np.array([])))


def test_overlap_is_of_the_strongest_fifth() -> None:
    first = np.array([9.0, 8.0, *[0.0] * 8])
    assert overlap(first, np.array([1.0, 7.0, 9.0, *[0.0] * 7])) == 0.5
    assert overlap(first, first) == 1
    assert overlap(first, -first) == 0
    assert overlap(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 0
