"""Alignment: the same text as `normalise` gives, and where each of its characters came from."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.data.alignment import _composing_starters, align
from foreshot.data.texts import escape_entities, normalise, valid_unicode

FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"  # three people and two joiners, one picture

# What makes the lengths differ, side by side: half pairs, entities, controls, marks in the wrong order, Hangul's
# letters, vowels of Bengali and Tamil that compose, characters that fall into several or into another one.
LETTERS = [
    *"aeA9 .\n\t",
    *("&amp;", "&lt;", "&#x301;", "&#769;", "&#0;", "&#x1F600;", "&NotEqualTilde;", "&nosuch;", "&", ";", "amp;"),
    *("\x00", "\x07", "\x85", "\x9f", "\ud83d", "\ude00", "\ufeff", "\u200b", "\u200d", "\u202e"),
    *("\u0301", "\u0316", "\u0344", "\u0f71", "\u0f73", "\u0f75", "\u3099", "\u093c", "\u0958", "\u212b", "\u2126"),
    *("\u1100", "\u1161", "\u11a8", "\uac00", "\uac01", "\u09c7", "\u09be", "\u0bc6", "\u0bd7", "\u1025", "\u102e"),
    *("\U00011131", "\U00011127", "\U0001d15e", "\U0001f600", "\u05d0", "\u05bc", "\ufb31", "\u0627", "\u0653"),
]


def origins(text: str) -> list[tuple[str, str]]:
    """Each normalised character, and what it came from."""
    aligned = align(text)
    spans = zip(aligned.normalised, aligned.begins, aligned.ends, strict=True)
    return [(letter, text[begin:end]) for letter, begin, end in spans]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("ab", [("a", "a"), ("b", "b")]),
        ("a&amp;b", [("a", "a"), ("&", "&amp;"), ("b", "b")]),
        ("&amp;lt;", [("&", "&amp;"), ("l", "l"), ("t", "t"), (";", ";")]),
        ("&#x1F600;!", [("\U0001f600", "&#x1F600;"), ("!", "!")]),
        ("a\x00b\x07", [("a", "a"), ("b", "b")]),
        ("a\x85b", [("a", "a"), (" ", "\x85"), ("b", "b")]),
        ("e\u0301t", [("\xe9", "e\u0301"), ("t", "t")]),
        ("e&#769;t", [("\xe9", "e&#769;"), ("t", "t")]),
        ("e\x00\u0301", [("\xe9", "e\x00\u0301")]),
        # marks that change places came from all that changed them
        ("x\u0301\u0316", [("x", "x\u0301\u0316"), ("\u0316", "x\u0301\u0316"), ("\u0301", "x\u0301\u0316")]),
        ("\u1100\u1161\u11a8\u1100", [("\uac01", "\u1100\u1161\u11a8"), ("\u1100", "\u1100")]),
        ("\u0958", [("\u0915", "\u0958"), ("\u093c", "\u0958")]),
        (f"{FAMILY}\x00x", [*((letter, letter) for letter in FAMILY), ("x", "x")]),
        ("\ud83d\ude00x\ud83d", [("\U0001f600", "\ud83d\ude00"), ("x", "x"), ("\ufffd", "\ud83d")]),
        ("\u05d0\u05bc \u202eab\x01", [*((letter, letter) for letter in "\u05d0\u05bc \u202eab")]),
        ("a\u200b\x00\u200bb", [*((letter, letter) for letter in "a\u200b\u200bb")]),
    ],
)
def test_each_character_knows_where_it_came_from(text, expected):
    assert origins(text) == expected


def check(text: str) -> None:
    aligned = align(text)
    assert aligned.normalised == normalise(valid_unicode(text))
    assert len(aligned.normalised) == len(aligned.begins) == len(aligned.ends)
    assert all(0 <= begin < end <= len(text) for begin, end in zip(aligned.begins, aligned.ends, strict=True))
    assert aligned.begins == sorted(aligned.begins)
    assert aligned.ends == sorted(aligned.ends)
    covered = {place for span in zip(aligned.begins, aligned.ends, strict=True) for place in range(*span)}
    lost = [letter for place, letter in enumerate(text) if place not in covered]
    assert all(unicodedata.category(letter) == "Cc" or letter in "&#0x1;" for letter in lost), lost
    for place, letter in enumerate(aligned.normalised):
        begin, end = aligned.original_span(place, place + 1)
        assert letter in normalise(valid_unicode(text[begin:end])), "it came from something else"


@given(st.lists(st.sampled_from(LETTERS), max_size=12).map("".join))
def test_spans_rise_and_cover_what_makes_lengths_differ(text):
    check(text)


@given(st.text())
def test_spans_rise_and_cover_any_text(text):
    check(text)


@given(st.lists(st.sampled_from(["&", "amp;", "lt;", "#769;", "&lt;", "a", "\u0338"]), max_size=8).map("".join))
def test_a_normalised_text_with_its_entities_escaped_is_normalised_into_itself(text):
    seen = normalise(text)
    assert normalise(escape_entities(seen)) == seen


def test_a_span_of_several_characters_holds_what_was_dropped_among_them():
    aligned = align("you wal\x00nut\x00!")
    assert aligned.normalised == "you walnut!"
    assert aligned.original_span(4, 10) == (4, 11)


def test_starters_that_compose_are_all_found():
    """By what NFC does, over all of Unicode, to each of them after what its composition begins with."""
    composed = (unicodedata.normalize("NFD", chr(code)) for code in range(sys.maxunicode + 1))
    pairs = {letters for letters in composed if len(letters) > 1}
    seconds = {letter for letters in pairs for letter in letters[1:] if not unicodedata.combining(letter)}
    assert seconds <= _composing_starters()
    assert {"\u1161", "\u11c2", "\u09be", "\u102e"} <= seconds


@pytest.mark.parametrize("unit", ["\u0301\u0316", "e\u0301", "\u1161", "\u0f73", "&amp;\u0301", "\ud83d", "\x00"])
def test_a_long_text_takes_no_more_than_its_length_is_worth(unit):
    text = "x" + unit * (100_000 // len(unit))  # a quadratic way with marks takes minutes
    aligned = align(text)
    assert aligned.normalised == normalise(valid_unicode(text))
    assert aligned.ends[-1] <= len(text)
