"""Alignment: where each character of a normalised text stands in the text as it was sent."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from foreshot.data.texts import CONTROLS, ENTITY, decode_entity, nfc, normalise, valid_unicode

_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_END_OF_LETTERS = 0x40000  # the planes beyond are empty, or for marks and private use
_HANGUL = range(0xAC00, 0xAC00 + 21 * 28)  # one leading consonant with all vowels and trailing consonants

Units = Iterable[tuple[str, int, int]]
"""Parts of a text as they become characters: what a part is now, and where it began and ended in the original."""


@dataclass(frozen=True)
class Aligned:
    """A normalised text, and for each of its characters the code points of the original that it came from.

    Character i came from `begins[i]` up to, and not with, `ends[i]`. Both rise, though not strictly: the two letters
    that an entity stands for came from the same place. What was dropped lies between the spans, or before or after.
    """

    normalised: str
    begins: list[int]
    ends: list[int]

    def original_span(self, begin: int, end: int) -> tuple[int, int]:
        """Where the normalised characters from `begin` up to `end`, at least one, came from."""
        return self.begins[begin], self.ends[end - 1]


def align(original: str) -> Aligned:
    """The text as every model sees it (`texts.normalise`, half surrogate pairs replaced), with its origin.

    Takes time that grows with the length, whatever the text.
    """
    normalised = normalise(valid_unicode(original))
    if normalised == original:
        return Aligned(original, list(range(len(original))), list(range(1, len(original) + 1)))
    units = list(_decoded(original))
    if "".join(letter for letter, _, _ in units) != normalised:
        units = list(_composed(units))
    return Aligned(
        normalised=normalised,
        begins=[begin for part, begin, _ in units for _ in part],
        ends=[end for part, _, end in units for _ in part],
    )


def _decoded(original: str) -> Iterator[tuple[str, int, int]]:
    """Each character once entities are decoded and controls dropped, with its origin."""
    places = _places(original)
    text = valid_unicode(original)
    reached = 0
    for match in ENTITY.finditer(text):
        for position in range(reached, match.start()):
            yield from _allowed(text[position], places[position], places[position + 1])
        decoded, begin, end = decode_entity(match), match.start(), match.end()
        if decoded == match[0]:  # no entity that is known
            for position in range(begin, end):
                yield text[position], places[position], places[position + 1]
        else:
            for letter in decoded:
                yield from _allowed(letter, places[begin], places[end])
        reached = end
    for position in range(reached, len(text)):
        yield from _allowed(text[position], places[position], places[position + 1])


def _places(original: str) -> list[int]:
    """Where each character of `valid_unicode(original)` begins in the original, and where the last one ends."""
    halves = {match.start() + 1 for match in _SURROGATES.finditer(original)}
    return [place for place in range(len(original) + 1) if place not in halves]


def _allowed(letter: str, begin: int, end: int) -> Iterator[tuple[str, int, int]]:
    if kept := letter.translate(CONTROLS):
        yield kept, begin, end


def _composed(units: Units) -> Iterator[tuple[str, int, int]]:
    """NFC by clusters: a character with those after it that may combine with what stands before them.

    Where composition changes a cluster, each character of what it becomes came from the whole of it.
    """
    for cluster in _clusters(units):
        before = "".join(letter for letter, _, _ in cluster)
        after = nfc(before)
        if after == before:
            yield from cluster
        else:
            yield after, cluster[0][1], cluster[-1][2]


def _clusters(units: Units) -> Iterator[list[tuple[str, int, int]]]:
    cluster: list[tuple[str, int, int]] = []
    for unit in units:
        if cluster and not _may_combine_backwards(unit[0]):
            yield cluster
            cluster = []
        cluster.append(unit)
    if cluster:
        yield cluster


@functools.lru_cache(maxsize=10_000)
def _may_combine_backwards(letter: str) -> bool:
    """Whether NFC may order a character before, or compose it with, one that precedes it."""
    first = unicodedata.normalize("NFD", letter)[0]
    return unicodedata.combining(first) > 0 or first in _composing_starters()


@functools.cache
def _composing_starters() -> frozenset[str]:
    """Characters of combining class 0 that are the second of a composition, such as Hangul's vowels."""
    decompositions = {*map(unicodedata.decomposition, map(chr, range(_END_OF_LETTERS)))}
    pairs = [pair for pair in map(str.split, decompositions) if len(pair) == 2 and pair[0][0] != "<"]
    seconds = {chr(int(second, 16)) for _, second in pairs}
    for syllable in map(chr, _HANGUL):
        seconds.update(unicodedata.normalize("NFD", syllable)[1:])
    return frozenset(letter for letter in seconds if not unicodedata.combining(letter))
