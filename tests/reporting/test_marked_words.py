"""Words marked in a text: where they stand, how full their colour is, and which of them are named."""

import re
from importlib import resources

import pytest

from foreshot.reporting.marked_words import FAINTEST, FULL_AT, FULL_FROM, Piece, pieces, signed, strongest


def shares(*scores: float) -> list[float]:
    """The shares of the words of a text that has a word for each score."""
    spans = [(2 * number, 2 * number + 1) for number in range(len(scores))]
    found = pieces("a " * len(scores), spans, scores, end=1000)
    return [piece.share for piece in found if piece.score is not None]


def test_the_parts_are_the_text():
    found = pieces("so, (not) good", [(0, 2), (5, 8), (10, 14)], [0.05, -2.0, 1.0], end=14, by_people=[0, None, 1])
    assert found == [
        Piece("so", 0.05, 0.025),
        Piece(", ("),
        Piece("not", -2.0, 1.0),
        Piece(") "),
        Piece("good", 1.0, 0.5, by_people=True),
    ]
    assert [(piece.direction, piece.number) for piece in found] == [
        ("", "+0.05"), ("", ""), ("away", "−2.00"), ("", ""), ("towards", "+1.00"),
    ]  # fmt: skip


def test_beyond_the_end_nothing_is_shown():
    assert pieces("one two", [(0, 3), (4, 7)], [1.0, 1.0], end=5) == [Piece("one", 1.0, 1.0), Piece(" t…")]
    assert pieces("", [], [], end=5) == []


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ((0.5, -0.1), [0.5, 0.1]),  # all do little: the full colour is that of 1
        ((2.0, -1.0), [1.0, 0.5]),
        ((12.0, -1.5, 3.0), [1.0, 0.5, 1.0]),  # one does very much: the full colour is that of 3
        ((-4.0, -0.3), [1.0, 0.1]),
        ((0.0, 0.0), [0.0, 0.0]),
    ],
)
def test_the_strongest_word_neither_pales_the_others_nor_makes_much_of_little(scores, expected):
    assert shares(*scores) == pytest.approx(expected)


def test_the_faintest_words_are_not_named():
    assert strongest([0.1, -3.0, 0.09, 0.5, 0.0], 5) == [1, 3, 0]
    assert strongest([-0.2, -0.4, -0.3], 2) == [1, 2]  # where every word pushes away
    assert strongest([0.0, 0.09], 5) == strongest([], 5) == []


def test_numbers_have_a_true_minus():
    assert [signed(score) for score in (2.345, -0.5, 0.0, 31.0)] == ["+2.35", "−0.50", "+0.00", "+31.00"]


def test_the_servers_page_marks_by_the_same_numbers():
    script = resources.files("foreshot.serving").joinpath("static/influence.js").read_text(encoding="utf-8")
    found = {name: float(value) for name, value in re.findall(r"^const (\w+) = ([\d.]+);", script, re.MULTILINE)}
    expected = {"FAINTEST": FAINTEST, "FULL_FROM": FULL_FROM, "FULL_AT": FULL_AT}
    assert {name: found[name] for name in expected} == expected
