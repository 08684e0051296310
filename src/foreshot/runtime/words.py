"""Words of a normalised text, as explanations count them, whatever its script."""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_RUN = re.compile(r"\S+")
_DISGUISES = frozenset("@#*&%＠＃＊＆％")
"""Punctuation that stands for letters ("@ss", "f*ck"); the dollar is no punctuation to Unicode."""
_SPARED_FORMATS = frozenset("\u200c\u200d")
"""Joiners, which say how the letters beside them look."""
_TAGS = "\U000e0000"
"""Format characters from here on are the letters of flags."""
_CHARACTER_SCRIPTS = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "HIRAGANA", "KATAKANA", "HALFWIDTH KATAKANA")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a text: the characters from `begin` up to, and not with, `end`, counted in code points."""

    begin: int
    end: int
    word: str


def words_of(text: str, most: int | None = None) -> list[Word]:
    """The words of a normalised text (`data.texts.normalise`), or the first `most` of them.

    A word stands between white space; the punctuation around it is left out, that within it ("don't", "f.u.c.k") is
    not, and what is nothing but punctuation is no word. `@ # * & % $` belong to the word, since they disguise letters.
    Han, Hiragana and Katakana letters, which no white space parts, are each a word, with their marks.
    """
    return list(itertools.islice(_words(text), most))


def _words(text: str) -> Iterator[Word]:
    for run in _RUN.finditer(text):
        for begin, end in _split_at_characters(text, *run.span()):
            begin, end = _without_punctuation(text, begin, end)
            if begin < end:
                yield Word(begin=begin, end=end, word=text[begin:end])


def _split_at_characters(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The run in parts: each letter that is a word by itself, with the marks that follow, and what is between them."""
    start = begin
    position = begin
    while position < end:
        if not _is_character_word(text[position]):
            position += 1
            continue
        if start < position:
            yield start, position
        start = position
        position += 1
        while position < end and _is_mark(text[position]):
            position += 1
        yield start, position
        start = position
    if start < end:
        yield start, end


def _without_punctuation(text: str, begin: int, end: int) -> tuple[int, int]:
    """The part without the punctuation at its ends, and without the marks that such punctuation has."""
    while begin < end and _is_punctuation(text[begin]):
        begin += 1
        while begin < end and unicodedata.category(text[begin])[0] == "M":
            begin += 1
    last = end
    while begin < last:
        last -= 1
        if _is_punctuation(text[last]):
            end = last
        elif unicodedata.category(text[last])[0] != "M":
            break
    return begin, end


@functools.lru_cache(maxsize=10_000)
def _is_punctuation(letter: str) -> bool:
    """Whether a character, at the end of a word, is none of it: punctuation, quotes, format characters."""
    category = unicodedata.category(letter)
    if category == "Cf":
        return letter not in _SPARED_FORMATS and letter < _TAGS
    return (category[0] == "P" and category != "Pc" and letter not in _DISGUISES) or letter in "`´"


@functools.lru_cache(maxsize=10_000)
def _is_character_word(letter: str) -> bool:
    return unicodedata.category(letter) == "Lo" and unicodedata.name(letter, "").startswith(_CHARACTER_SCRIPTS)


@functools.lru_cache(maxsize=10_000)
def _is_mark(letter: str) -> bool:
    """Whether a character goes with the one before it: a combining mark, or a sign of length or repetition."""
    return unicodedata.category(letter)[0] == "M" or unicodedata.category(letter) == "Lm"
