"""The built-in behavioural suite: what a classifier of abuse must get right, kind by kind, in English.

`builtin.yaml` was written for this project; nothing is copied from a published suite. It is blunt, since
real moderation meets real abuse: everyday insults, and abuse of groups in ordinary words. It spells out no
racial, ethnic, religious or homophobic slur; to test those, load a published suite such as HateCheck.

It has two parts. The lessons that a model is mended with (`foreshot.suites.lessons`) may aim at what the open part
tests, in other words. Nothing aims at the sealed part: the functionalities of `UNTAUGHT`, the disguises that nothing
is trained with, and in each other functionality the templates whose number leaves 2 or 4 when divided by 5.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import cycle, islice
from random import Random
from typing import Any

import yaml

from foreshot.data.split import fold
from foreshot.results.behaviour import Case
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.perturbations import PERTURBATIONS, UNTRAINED, perturb

EACH = 3
"""Cases that a template with a slot gives, where its block doesn't say."""

UNTAUGHT = frozenset(
    {
        "derogatory word alone",
        "urging self-harm",
        "sexual degradation",
        "question about a rude word",
        "names that contain rude strings",
        "rude string inside a word",
    }
)
"""Functionalities, toxic ones and benign, that no lesson is about: all of their cases are sealed."""

_TRIES = 60  # fillings of one template, before we give up on a text that the suite doesn't have yet
_RUDE, _KIND = ("insult", "nasty", "daft", "silly", "vermin", "whore", "pest", "beast", "foul", "rude"), ("gem", "kind")
_COUNTABLE = ("insult", "daft", "whore", "beast", "gem")  # the lists whose words have a plural

_SLOT = re.compile(r"\{([a-z]+)\}")
_ALTERNATIVE = re.compile(r"\[([^|\]]*)\|([^\]]*)\]")
_ARTICLE = re.compile(r"\b(a)\(n\)(?= (\W*(?!use|uni)[aeiou])?)", re.IGNORECASE)
_SENTENCE_START = re.compile(r"(?:^[\"']?|[.?!] )[a-z]")


@cache
def builtin_cases() -> tuple[Case, ...]:
    """Every case, functionality by functionality; the same on every machine.

    No two texts are equal after `foreshot.data.split.fold`. A contrast pair is filled with the same words.
    """
    collected = _Collected()
    for block in _suite()["blocks"]:
        _write_block(block, collected)
    for name in PERTURBATIONS:
        _write_evasion(name, collected)
    order = list(_suite()["functionalities"])
    return tuple(sorted(collected.cases, key=lambda case: order.index(case.functionality)))


@cache
def derogatory_words() -> frozenset[str]:
    """The suite's derogatory and rude words, in lower case, singular and plural."""
    return _listed(_RUDE)


@cache
def _suite() -> Mapping[str, Any]:
    source = resources.files("foreshot").joinpath("suites/builtin.yaml")
    loaded: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return loaded


def _listed(slots: Sequence[str]) -> frozenset[str]:
    lists = _suite()["words"]
    plurals = {_plural(word) for slot in slots if slot in _COUNTABLE for word in lists[slot]}
    return frozenset(plurals.union(*(lists[slot] for slot in slots)))


class _Collected:
    """The cases so far; a text that is there already is refused, with its twin."""

    def __init__(self) -> None:
        self.cases: list[Case] = []
        self._folded: set[str] = set()
        self._pairs = 0

    def add(self, cases: Sequence[Case]) -> bool:
        """Whether the case, or the contrast pair, was new and is now here."""
        folded = {fold(case.text) for case in cases}
        if len(folded) < len(cases) or not self._folded.isdisjoint(folded):
            return False
        self._folded |= folded
        if len(cases) == 2:
            self._pairs += 1
            cases = [case.model_copy(update={"pair": f"{self._pairs:03}"}) for case in cases]
        self.cases += cases
        return True


class _Decks:
    """Slot fillers, dealt like cards, so that a block uses all of a list before any of it again."""

    def __init__(self, seed: str) -> None:
        self._seed = f"builtin/{seed}"
        self._decks: dict[str, Iterator[Mapping[str, str]]] = {}

    def fill(self, template: str) -> list[tuple[str, str | None]]:
        """The text of a template and the group in it; the toxic and the benign text where there are two."""
        words: dict[str, str] = {}
        for slot in _SLOT.findall(template):
            if slot not in words:
                words |= next(self._deck(_root(slot)))
        sides = [_ALTERNATIVE.sub(rf"\{side}", template) for side in (1, 2)]
        return [_spell(side, words) for side in dict.fromkeys(sides)]

    def _deck(self, root: str) -> Iterator[Mapping[str, str]]:
        if root not in self._decks:
            self._decks[root] = _dealt(_rows(root), Random(f"{self._seed}/{root}"))
        return self._decks[root]


def _write_block(block: Mapping[str, Any], collected: _Collected) -> None:
    kinds = [block["of"]] if isinstance(block["of"], str) else block["of"]
    decks = _Decks(kinds[0])
    for number, template in enumerate(block["templates"], 1):
        wanted = block.get("each", EACH) if _SLOT.search(template) else 1
        for _ in range(_TRIES):
            cases = [
                _case(text, kind, group, f"{number}", sealed=kind in UNTAUGHT or _is_sealed(number))
                for kind, (text, group) in zip(kinds, decks.fill(template), strict=True)
            ]
            wanted -= collected.add(cases)
            if not wanted:
                break
        else:
            raise ValueError(f"no new text from {template!r}")


def _write_evasion(name: str, collected: _Collected) -> None:
    """Toxic texts disguised in one way, and benign texts written in that way as their twins."""
    plan = _suite()["evasions"]
    twin = plan["twins"].get(name, {"of": "", "cases": 0})
    decks = _Decks(f"evasion/{name}")
    templates = plan["emoji_templates" if name == "emoji" else "templates"]
    made, untrained = 0, name in UNTRAINED
    for number, template in islice(cycle(enumerate(templates, 1)), _TRIES * len(templates)):
        texts = decks.fill(template)
        kinds = [(f"evasion: {name}", f"{number}", derogatory_words())]
        if made < twin["cases"]:
            kinds.append((twin["of"], f"{name} {number}", _listed(_KIND)))
        cases = []
        for (plain, group), (kind, numbered, words) in zip(texts, kinds, strict=False):
            written = perturb(name, plain, words=words, seed=BUILTIN_SUITE)
            if written != plain:
                sealed = untrained or _is_sealed(number)
                cases.append(_case(written, kind, group, numbered, plain=plain, sealed=sealed))
        made += len(cases) == len(kinds) and collected.add(cases)
        if made == plan["cases"]:
            return
    raise ValueError(f"only {made} new texts to disguise by {name!r}")


def _is_sealed(number: int) -> bool:
    """Two templates of five, by where they stand in their block."""
    return number % 5 in (2, 4)


def _case(text: str, kind: str, group: str | None, number: str, *, plain: str = "", sealed: bool) -> Case:
    known = _suite()["functionalities"][kind]
    return Case(
        text=text,
        label=known["label"],
        functionality=kind,
        group=group,
        template=f"{kind} {number}",
        note=f"{known['note']}: {plain}" if plain else known["note"],
        sealed=sealed,
    )


def _root(slot: str) -> str:
    """The list that a slot draws from."""
    if slot in ("group", "member"):
        return "group"
    return slot if slot in _suite()["words"] else slot.removesuffix("s")


def _rows(root: str) -> list[Mapping[str, str]]:
    """For each word of a list, what the slots are to hold when it is drawn."""
    if root == "group":
        return list(_suite()["groups"])
    return [{root: word, f"{root}s": _plural(word)} for word in _suite()["words"][root]]


def _dealt(rows: Sequence[Mapping[str, str]], rng: Random) -> Iterator[Mapping[str, str]]:
    """The rows in random order, over and over; by `random()` alone, which Python promises not to change."""
    while True:
        yield from sorted(rows, key=lambda row: rng.random())


def _plural(word: str) -> str:
    return word + ("es" if word.endswith(("o", "s", "x", "z", "ch", "sh")) else "s")


def _spell(template: str, words: Mapping[str, str]) -> tuple[str, str | None]:
    text = _SLOT.sub(lambda match: words[match[1]], template)
    text = _ARTICLE.sub(lambda match: match[1] + ("n" if match[2] else ""), text)
    text = _SENTENCE_START.sub(lambda match: match[0][:-1] + match[0][-1].upper(), text)
    about_group = any(slot in ("group", "member") for slot in _SLOT.findall(template))
    return text, words["group"] if about_group else None
