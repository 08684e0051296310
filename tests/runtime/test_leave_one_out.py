"""Leave-one-out: words where they stand, and influences worked out by the tiny bundle's formula."""

from pathlib import Path

import pytest
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle

import foreshot
from foreshot.runtime.leave_one_out import Word, influences, left_out, words_of


def spans(text: str, most: int = 100) -> list[tuple[int, int, str]]:
    return [(word.begin, word.end, word.word) for word in words_of(text, most)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("you absolute walnut", [(0, 3, "you"), (4, 12, "absolute"), (13, 19, "walnut")]),
        ("  kind,\n\tday!  ", [(2, 7, "kind,"), (9, 13, "day!")]),
        ("😀 walnut 👩‍👧", [(0, 1, "😀"), (2, 8, "walnut"), (9, 12, "👩‍👧")]),  # code points, not UTF-16 units
        ("café\u2003nu\u00a0en", [(0, 4, "café"), (5, 7, "nu"), (8, 10, "en")]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words_stand_between_white_space(text: str, expected: list[tuple[int, int, str]]) -> None:
    assert spans(text) == expected
    assert all(text[begin:end] == word for begin, end, word in expected)


@pytest.mark.parametrize(("most", "found"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_no_more_words_than_asked_for(most: int, found: int) -> None:
    assert spans("you absolute walnut", most) == spans("you absolute walnut")[:found]


def test_each_text_lacks_one_word_and_nothing_else() -> None:
    text = "a bb a"
    assert left_out(text, words_of(text, 9)) == [" bb a", "a  a", "a bb "]
    assert left_out(text, []) == []


def test_influences_by_hand(tmp_path: Path) -> None:
    classifier = foreshot.load(tiny_bundle(tmp_path / "bundle"))
    text = "you absolute walnut"
    words = words_of(text, 10)
    (whole,) = classifier(text)
    found = influences(whole, classifier(left_out(text, words)), "toxic")
    # n words, r of them rude: the logits are (n − r, 16 r) / (n + 2)
    with_all = probabilities_of(text)[1]  # (2, 16) / 5
    expected = [with_all - probabilities_of(rest)[1] for rest in ("absolute walnut", "you walnut", "you absolute")]
    assert found == pytest.approx(expected, abs=1e-6)
    assert found[2] == pytest.approx(0.942675826 - 0.377540669, abs=1e-6)  # softmax of (2, 16)/5, and of (2, 0)/4
    assert found[0] < 0 < found[2]


def test_the_positive_class_counts_of_a_text_that_is_not_of_it_too(tmp_path: Path) -> None:
    classifier = foreshot.load(tiny_bundle(tmp_path / "bundle"))
    (whole,) = classifier("thank you")
    assert whole.label == "benign"
    found = influences(whole, classifier(["you", "thank"]), "toxic")
    expected = probabilities_of("thank you")[1] - probabilities_of("you")[1]  # both words are the same to the model
    assert found == pytest.approx([expected, expected], abs=1e-6)
    assert expected < 0


def test_without_a_positive_class_it_is_the_decided_label_that_counts(tmp_path: Path) -> None:
    classifier = foreshot.load(tiny_bundle(tmp_path / "bundle", labels=["cat", "dog"]))
    for text, label, column in (("thank you", "cat", 0), ("you fool", "dog", 1)):
        (whole,) = classifier(text)
        assert whole.label == label
        words = words_of(text, 10)
        found = influences(whole, classifier(left_out(text, words)), None)
        rests = reversed(text.split())
        expected = [probabilities_of(text)[column] - probabilities_of(rest)[column] for rest in rests]
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_word_says_where_it_stands() -> None:
    assert words_of("x kind", 2)[1] == Word(begin=2, end=6, word="kind")


def test_of_several_labels_it_is_the_judged_one_that_counts(tmp_path: Path) -> None:
    decisions = label_decisions("toxic", "insult", judged="insult")
    classifier = foreshot.load(tiny_bundle(tmp_path / "bundle", decisions=decisions))
    text, rests = "you fool", ("fool", "you")
    found = influences(classifier(text)[0], classifier(list(rests)), classifier.manifest.positive)
    insult = {one: label_probabilities_of(one, decisions)[1] for one in (text, *rests)}
    assert found == pytest.approx([insult[text] - insult[rest] for rest in rests], abs=1e-6)
