"""Leave-one-out: texts without a word, and scores worked out by the tiny bundle's formula."""

from pathlib import Path

import pytest
from tiny_bundles import probabilities_of, tiny_bundle

import foreshot
from foreshot.runtime.leave_one_out import kept_only, left_out, without, word_scores
from foreshot.runtime.words import words_of


def test_each_text_lacks_one_word_and_nothing_else() -> None:
    text = "a (bb) a!"
    assert left_out(text, words_of(text)) == [" (bb) a!", "a () a!", "a (bb) !"]
    assert left_out(text, []) == []


def test_some_words_are_dropped_or_kept_in_whatever_order_they_are_named() -> None:
    text = "You, (absolute) 😀 walnut!"
    you, absolute, picture, walnut = words_of(text)
    assert without(text, [walnut, you]) == ", (absolute) 😀 !"
    assert without(text, []) == text
    assert without(text, [you, absolute, picture, walnut]) == ", ()  !"
    assert kept_only([walnut, picture, you]) == "You 😀 walnut"
    assert kept_only([]) == ""


def test_scores_by_hand(tmp_path: Path) -> None:
    classifier = foreshot.load(tiny_bundle(tmp_path / "bundle"))
    text = "you absolute walnut"
    texts = [text, *left_out(text, words_of(text))]
    toxic = [prediction.scores["toxic"] for prediction in classifier(texts)]
    found = word_scores(toxic[0], toxic[1:])
    # n words, r of them rude: the logits are (n − r, 16 r) / (n + 2)
    with_all = probabilities_of(text)[1]  # (2, 16) / 5
    expected = [with_all - probabilities_of(rest)[1] for rest in ("absolute walnut", "you walnut", "you absolute")]
    assert found == pytest.approx(expected, abs=1e-6)
    assert found[2] == pytest.approx(0.942675826 - 0.377540669, abs=1e-6)  # softmax of (2, 16)/5, and of (2, 0)/4
    assert found[0] < 0 < found[2]


def test_no_words_have_no_scores() -> None:
    assert word_scores(0.5, []) == []
