"""Leave-one-out: what each word does to a score, by leaving it out (Li et al. 2016, arXiv:1612.08220)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from foreshot.runtime.classifier import Prediction

_WORD = re.compile(r"\S+")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A word of a text: the characters from `begin` up to, and not with, `end`, counted in code points."""

    begin: int
    end: int
    word: str


def words_of(text: str, most: int) -> list[Word]:
    """The first `most` words of a text: what stands between white space."""
    found: list[Word] = []
    for match in _WORD.finditer(text):
        if len(found) == most:
            break
        found.append(Word(begin=match.start(), end=match.end(), word=match[0]))
    return found


def left_out(text: str, words: Sequence[Word]) -> list[str]:
    """The text once for each word, without it."""
    return [text[: word.begin] + text[word.end :] for word in words]


def influences(whole: Prediction, without: Sequence[Prediction], positive: str | None) -> list[float]:
    """What each word adds: the probability with it minus that without, -1 to 1.

    It is that of the positive class, or where none is of the label that the whole text got.
    """
    label = whole.label if positive is None else positive
    return [whole.scores[label] - part.scores[label] for part in without]
