import numpy as np

from foreshot.data.rationales import Rationales
from foreshot.words.explained import MOST_MARKED_WORDS, MOST_WORDS, from_rationales, from_rows


def letters(text: str, *marked: str) -> np.ndarray:
    found = np.zeros(len(text), dtype=bool)
    for part in marked:
        found[text.index(part) : text.index(part) + len(part)] = True
    return found


def rationales(*pairs: tuple[str, np.ndarray]) -> Rationales:
    return Rationales("file.csv", [text for text, _ in pairs], [marks for _, marks in pairs], {"empty": 2})


def test_a_word_is_marked_where_half_of_its_letters_are() -> None:
    text = "you utterly stupid, foolish man"
    found = from_rationales(rationales((text, letters(text, "utt", "stup", "foolish"))), 10, np.random.default_rng(0))
    assert found.marked is not None
    marked = [word.word for word, mark in zip(found.words[0], found.marked[0], strict=True) if mark]
    assert marked == ["stupid", "foolish"]
    assert found.word_counts.tolist() == [5]


def test_texts_that_can_not_be_used_are_counted() -> None:
    long = " ".join(["word"] * (MOST_MARKED_WORDS + 1))
    comma = "you, fool"
    found = from_rationales(
        rationales((long, letters(long, "word")), (comma, letters(comma, ",")), ("fool", letters("fool", "fool"))),
        10,
        np.random.default_rng(0),
    )
    assert found.texts == ["fool"]
    assert found.left_out == {"empty": 2, "longer than 100 words": 1, "without a marked word": 1}


def test_no_more_are_drawn_than_asked_for_and_always_the_same() -> None:
    texts = [f"text number {number} here" for number in range(50)]
    one, other = (from_rows(texts, "test rows", 10, np.random.default_rng(3)) for _ in range(2))
    assert one.texts == other.texts
    assert len(set(one.texts)) == 10
    assert one.texts == sorted(one.texts, key=texts.index)
    assert from_rows(texts, "test rows", 10, np.random.default_rng(4)).texts != one.texts
    drawn = from_rationales(rationales(*((text, letters(text, "text")) for text in texts)), 7, np.random.default_rng(3))
    assert len(drawn.texts) == 7
    assert drawn.left_out["beyond the most that are explained"] == 43


def test_test_rows_are_neither_very_short_nor_long() -> None:
    texts = ["two words", "three words here", " ".join(["word"] * MOST_WORDS), " ".join(["word"] * (MOST_WORDS + 1))]
    assert from_rows(texts, "test rows", 10, np.random.default_rng(0)).texts == texts[1:3]
    assert from_rows(texts[:1], "test rows", 10, np.random.default_rng(0)).texts == []
