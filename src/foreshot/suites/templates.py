"""Templates: sentences with slots, filled from lists of words, of which one gives a text or a pair of near twins.

"[a|b]" stands for `a` in one twin and `b` in the other. {slot} takes a word of the list of that name, {slots} its
plural, {slot2} another word of the list. a(n) becomes "a" or "an", and sentences get their capital letter.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random

Row = Mapping[str, str]
"""What each slot of a list is to hold when this row of it is drawn."""

SLOT = re.compile(r"\{([a-z]+2?)\}")

_ALTERNATIVE = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")
_ARTICLE = re.compile(r"\b(a)\(n\)(?= (\W*(?!use|uni)[aeiou])?)", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(?:^[\"']?|[.?!] )[a-z]")


class Decks:
    """Slot fillers, dealt like cards, so that all of a list is used before any of it again."""

    def __init__(self, lists: Mapping[str, Sequence[Row]], seed: str) -> None:
        self._lists, self._seed = lists, seed
        self._list_of = {slot: name for name, rows in lists.items() for slot in rows[0]}
        self._decks: dict[str, Iterator[Row]] = {}

    def words_for(self, template: str) -> dict[str, str]:
        """A word for each slot of the template."""
        words: dict[str, str] = {}
        for slot in SLOT.findall(template):
            if slot not in words:
                number = slot[len(slot.rstrip("2")) :]
                row = next(self._deck(self._list_of[slot.rstrip("2")]))
                words |= {f"{name}{number}": word for name, word in row.items()}
        return words

    def _deck(self, name: str) -> Iterator[Row]:
        if name not in self._decks:
            self._decks[name] = _dealt(self._lists[name], Random(f"{self._seed}/{name}"))
        return self._decks[name]


def rows(name: str, words: Sequence[str]) -> list[Row]:
    """The rows of a list of plain words, each with its plural."""
    return [{name: word, f"{name}s": plural(word)} for word in words]


def plural(word: str) -> str:
    return word + ("es" if word.endswith(("o", "s", "x", "z", "ch", "sh")) else "s")


def sides(template: str) -> list[str]:
    """The two templates of a pair of twins; the template itself where it has no alternatives."""
    return list(dict.fromkeys(_ALTERNATIVE.sub(rf"\{side}", template) for side in (1, 2)))


def spelt(template: str, words: Mapping[str, str]) -> str:
    """The text: slots filled, articles and capital letters right."""
    text = SLOT.sub(lambda match: words[match[1]], template)
    text = _ARTICLE.sub(lambda match: match[1] + ("n" if match[2] else ""), text)
    return _SENTENCE_START.sub(lambda match: match[0][:-1] + match[0][-1].upper(), text)


def _dealt(dealt: Sequence[Row], rng: Random) -> Iterator[Row]:
    """The rows in random order, over and over; by `random()` alone, which Python promises not to change."""
    while True:
        yield from sorted(dealt, key=lambda row: rng.random())
