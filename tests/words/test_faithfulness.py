import numpy as np
import pytest

from foreshot.words.faithfulness import SHARES, chosen_words, mean_fall, strongest


def test_the_strongest_share_is_rounded_up_and_stands_in_the_texts_order() -> None:
    scores = np.array([0.1, 0.9, -0.5, 0.4, 0.3])
    assert strongest(scores, 0.01) == [1]
    assert strongest(scores, 0.4) == [1, 3]
    assert strongest(scores, 0.5) == [1, 3, 4]
    assert strongest(scores, 1.0) == [0, 1, 2, 3, 4]


def test_of_equal_scores_the_earlier_words_are_taken() -> None:
    assert strongest(np.zeros(4), 0.5) == [0, 1]


def test_there_is_a_choice_for_each_share() -> None:
    found = chosen_words(np.arange(100.0))
    assert [len(chosen) for chosen in found] == [1, 5, 10, 20, 50]
    assert len(SHARES) == 5


def test_the_fall_is_the_mean_over_changed_texts() -> None:
    assert mean_fall(0.9, [0.9, 0.8, 0.1, 0.0, 0.2]) == pytest.approx(0.5)
    assert mean_fall(0.2, [0.6, 0.6]) == pytest.approx(-0.4)
