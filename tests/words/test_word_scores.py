import numpy as np
import pytest

from foreshot.runtime.words import words_of
from foreshot.words.explained import ExplainedTexts
from foreshot.words.word_scores import leave_one_out_scores, reduced_texts, texts_left_out, with_faithfulness

TEXTS = ["you utter fool", "kind, kind word", "no"]
EXPLAINED = ExplainedTexts(source="here", texts=TEXTS, words=[words_of(text) for text in TEXTS], marked=None)


def test_every_text_stands_once_without_each_word() -> None:
    assert texts_left_out(EXPLAINED) == [
        *(" utter fool", "you  fool", "you utter "),
        *(", kind word", "kind,  word", "kind, kind "),
        "",
    ]


def test_a_words_score_is_what_the_probability_loses_without_it() -> None:
    whole, parts = np.array([0.9, 0.2, 0.5]), np.array([0.9, 0.8, 0.1, 0.3, 0.2, 0.1, 0.4])
    found = leave_one_out_scores(EXPLAINED, whole, parts)
    assert [scores.tolist() for scores in found] == [
        pytest.approx([0.0, 0.1, 0.8]),
        pytest.approx([-0.1, 0.0, 0.1]),
        pytest.approx([0.1]),
    ]


def test_the_strongest_words_towards_the_decision_are_taken_out_and_kept_alone() -> None:
    scores = [np.array([0.0, 0.1, 0.8]), np.array([-0.1, 0.0, 0.1]), np.array([0.1])]
    found = reduced_texts(EXPLAINED, scores, np.array([True, False, True]))
    # Shares of 1, 5, 10, 20 and 50 % of three words: one word, and two of them.
    assert found[:10] == ["you utter "] * 4 + ["you  "] + ["fool"] * 4 + ["utter fool"]
    # Decided to be benign: the word that speaks most for that is the first.
    assert found[10:20] == [", kind word"] * 4 + [",  word"] + ["kind"] * 4 + ["kind kind"]
    assert found[20:] == [""] * 5 + ["no"] * 5


def test_faithfulness_is_of_the_decision() -> None:
    decided, probabilities = np.array([True, False]), np.array([0.9, 0.2])
    removed, kept = [0.4, 0.4, 0.4, 0.4, 0.1], [0.9, 0.9, 0.9, 0.9, 0.8]
    removed_benign, kept_benign = [0.5] * 5, [0.3] * 5
    reduced = np.array([*removed, *kept, *removed_benign, *kept_benign])
    log_odds = [np.zeros(3), np.array([0.5, -0.1])]
    found = with_faithfulness([np.zeros(3), np.zeros(2)], log_odds, decided, probabilities, reduced)
    assert found.comprehensiveness == pytest.approx([0.9 - 0.34, 0.8 - 0.5])
    assert found.sufficiency == pytest.approx([0.9 - 0.88, 0.8 - 0.7])
    assert found.towards_decision(1).tolist() == [-0.5, 0.1]
