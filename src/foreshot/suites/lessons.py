"""Lessons: contrast texts that a model is mended with: English near twins, one of them abuse and the other not.

`lessons.yaml` was written for this project, with other templates, names and insults than the built-in suite. About
what `foreshot.suites.builtin.UNTAUGHT` names there is no lesson.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import cycle
from random import Random
from typing import Any

import yaml

from foreshot.data.split import fold
from foreshot.suites.templates import Decks, Row, rows, sides, spelt

LANGUAGE = "en"

LABELS: Mapping[str, tuple[str, bool]] = {
    "attack": ("toxic", True),
    "abuse": ("toxic", False),
    "benign": ("benign", False),
}
"""What each side of a template is: its label, and whether it attacks people for what they are."""

_TRIES = 40  # fillings of one template in a row that give nothing new, before we take it for used up
_LOWER, _TYPO, _OPENER, _CLOSER, _FILLER, _SHOUTED = 0.35, 0.06, 0.12, 0.1, 0.12, 0.02  # shares of pairs
_BARE = 0.4  # share of those in lower case that have no punctuation either
_CHOICE = re.compile(r"<([^<>|]*(?:\|[^<>|]*)+)>")
_LONG_WORD = re.compile(r"(?<![\w@#])[a-z]{5,}(?!\w)")


@dataclass(frozen=True)
class ContrastText:
    """One text; `label` is "toxic" or "benign", `kind` names the lesson, and twins are of one `pair`.

    `attacks_group` says that people are attacked for a protected characteristic; not every toxic text does that.
    """

    text: str
    label: str
    attacks_group: bool
    kind: str
    pair: int


def contrast_texts(most: int, seed: int) -> list[ContrastText]:
    """At most so many texts, drawn evenly over the kinds, and over the templates of each; twins stand together.

    No two are equal after `foreshot.data.split.fold`. The same seed gives the same texts on every machine, and those
    for a smaller `most` are the first of those for a larger one. There are well over 20,000.
    """
    drawn: list[ContrastText] = []
    taken: set[str] = set()
    kinds = [_drawn(name, kind, taken, Random(f"lessons/{seed}/{name}"), f"{seed}") for name, kind in _kinds().items()]
    pair = 0
    while kinds and len(drawn) < most:
        for kind in list(kinds):
            if (twins := next(kind, None)) is None:
                kinds.remove(kind)
            elif len(drawn) + len(twins) > most:
                return drawn
            else:
                drawn += [ContrastText(*twin, pair) for twin in twins]
                pair += 1
    return drawn


@cache
def _lessons() -> Mapping[str, Any]:
    source = resources.files("foreshot").joinpath("suites/lessons.yaml")
    loaded: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return loaded


def _kinds() -> Mapping[str, Any]:
    kinds: dict[str, Any] = _lessons()["kinds"]
    return kinds


@cache
def _lists() -> Mapping[str, Sequence[Row]]:
    lessons = _lessons()
    pronouns = {"he": {"he": "he", "him": "him", "his": "his"}, "she": {"he": "she", "him": "her", "his": "her"}}
    names = [{"name": name, **pronouns[sex]} for sex, listed in lessons["names"].items() for name in listed]
    words = {name: rows(name, listed) for name, listed in lessons["words"].items()}
    return {**words, "name": names, "group": lessons["groups"], "crowd": lessons["crowds"]}


def _drawn(
    name: str, kind: Mapping[str, Any], taken: set[str], rng: Random, seed: str
) -> Iterator[list[tuple[str, str, bool, str]]]:
    """Texts of one kind with label, whether they attack a group, and kind: those of a template at a time."""
    decks = Decks(_lists(), f"lessons/{seed}/{name}")
    templates = kind["templates"].splitlines()
    order = sorted(templates, key=lambda template: rng.random())
    failures = 0
    for template in cycle(order):
        texts = _written(template, decks, rng, kind.get("around", 0))
        folded = {fold(text) for text in texts}
        if len(folded) == len(texts) and taken.isdisjoint(folded):
            failures = 0
            taken |= folded
            yield [(text, *LABELS[side], name) for text, side in zip(texts, kind["of"], strict=True)]
        elif (failures := failures + 1) == _TRIES * len(order):
            return


def _written(template: str, decks: Decks, rng: Random, around: int) -> list[str]:
    """A template's texts, with as many harmless sentences around them, in one of the manners that people write in."""
    while match := _CHOICE.search(template):
        template = template[: match.start()] + _one_of(match[1].split("|"), rng) + template[match.end() :]
    words = decks.words_for(template)
    texts = [spelt(side, words) for side in sides(template)]
    lessons = _lessons()
    filler = _some_of(lessons["filler"], around + (rng.random() < _FILLER), rng)
    place = int(rng.random() * (len(filler) + 1))
    opener = [_one_of(lessons["openers"], rng)] if rng.random() < _OPENER else []
    closer = [_one_of(lessons["closers"], rng)] if rng.random() < _CLOSER else []
    texts = [" ".join([*filler[:place], *opener, text, *closer, *filler[place:]]) for text in texts]
    if rng.random() < _TYPO:
        texts = [_mistyped(text, rng) for text in texts]
    if rng.random() < _LOWER:
        bare = rng.random() < _BARE
        return [re.sub(r"[.,!;:'](?!\w)", "", text.lower()) if bare else text.lower() for text in texts]
    return [text.upper() for text in texts] if rng.random() < _SHOUTED else texts


def _mistyped(text: str, rng: Random) -> str:
    """Two letters of one longer word have changed places, or one is missing."""
    found = list(_LONG_WORD.finditer(text))
    if not found:
        return text
    word = found[int(rng.random() * len(found))]
    place = word.start() + 1 + int(rng.random() * (len(word[0]) - 2))
    swapped = text[place + 1] + text[place] if rng.random() < 0.5 else text[place + 1]
    return text[:place] + swapped + text[place + 2 :]


def _one_of(options: Sequence[str], rng: Random) -> str:
    return options[int(rng.random() * len(options))]


def _some_of(options: Sequence[str], count: int, rng: Random) -> list[str]:
    return sorted(options, key=lambda option: rng.random())[:count]
