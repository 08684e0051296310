"""The built-in behavioural suite: what a classifier of abuse must get right, kind by kind, in English.

`builtin.yaml` was written for this project; nothing is copied from a published suite. It is blunt, since
real moderation meets real abuse: everyday insults, and abuse of groups in ordinary words. It spells out no
racial, ethnic, religious or homophobic slur; to test those, load a published suite such as HateCheck.

It has two parts. The lessons that a model is mended with (`foreshot.suites.lessons`) may aim at what the open part
tests, in other words. Nothing aims at the sealed part: the functionalities of `UNTAUGHT`, the disguises that nothing
is trained with, and in each other functionality the templates whose number leaves 2 or 4 when divided by 5.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import cycle, islice
from typing import Any

import yaml

from foreshot.data.split import fold
from foreshot.results.behaviour import Case
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.perturbations import PERTURBATIONS, UNTRAINED, perturb
from foreshot.suites.templates import SLOT, Decks, Row, plural, rows, sides, spelt

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


@cache
def _lists() -> Mapping[str, Sequence[Row]]:
    words = {name: rows(name, listed) for name, listed in _suite()["words"].items()}
    return {**words, "group": _suite()["groups"]}


def _listed(slots: Sequence[str]) -> frozenset[str]:
    lists = _suite()["words"]
    plurals = {plural(word) for slot in slots if slot in _COUNTABLE for word in lists[slot]}
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


def _fill(template: str, decks: Decks) -> list[tuple[str, str | None]]:
    """The text of a template and the group in it; the toxic and the benign text where there are two."""
    words = decks.words_for(template)
    filled = []
    for side in sides(template):
        about_group = any(slot in ("group", "member") for slot in SLOT.findall(side))
        filled.append((spelt(side, words), words["group"] if about_group else None))
    return filled


def _write_block(block: Mapping[str, Any], collected: _Collected) -> None:
    kinds = [block["of"]] if isinstance(block["of"], str) else block["of"]
    decks = Decks(_lists(), f"builtin/{kinds[0]}")
    for number, template in enumerate(block["templates"], 1):
        wanted = block.get("each", EACH) if SLOT.search(template) else 1
        for _ in range(_TRIES):
            cases = [
                _case(text, kind, group, f"{number}", sealed=kind in UNTAUGHT or _is_sealed(number))
                for kind, (text, group) in zip(kinds, _fill(template, decks), strict=True)
            ]
            wanted -= collected.add(cases)
            if not wanted:
                break
        else:
            raise ValueError(f"no new text from {template!r}")


def evasion_of(disguise: str) -> str:
    """The functionality whose cases are disguised in this way."""
    return f"evasion: {disguise}"


def _write_evasion(name: str, collected: _Collected) -> None:
    """Toxic texts disguised in one way, and benign texts written in that way as their twins."""
    plan = _suite()["evasions"]
    twin = plan["twins"].get(name, {"of": "", "cases": 0})
    decks = Decks(_lists(), f"builtin/evasion/{name}")
    templates = plan["emoji_templates" if name == "emoji" else "templates"]
    made, untrained = 0, name in UNTRAINED
    for number, template in islice(cycle(enumerate(templates, 1)), _TRIES * len(templates)):
        texts = _fill(template, decks)
        kinds = [(evasion_of(name), f"{number}", derogatory_words())]
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
