"""The demo's corpus: synthetic English comments, toxic and benign, built from templates and word lists.

Nobody wrote these comments and none is copied: `sample_vocabulary.yaml` was written for this project. The
corpus shows that the machinery works; a score on it says nothing about real comments. It holds everyday
insults and mild profanity, and no slur for a protected group.

Training and test part share no template, no slot filler and no five words in a row.

    corpus = make_corpus(seed=0)
    corpus.train[0].text, corpus.train[0].label
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from random import Random
from typing import Any

import yaml

from foreshot.data.split import fold

LABEL_NOISE = 0.02  # share of the training rows whose label was flipped; the test part is clean
TOXIC_SHARE = 0.20  # before the noise
TRAIN_ROWS = 3600
TEST_ROWS = 1500
REGISTERS = ("forum", "game chat", "product talk", "wiki talk")
LONGEST = 60  # words

_AROUND = (38, 28, 19, 10, 5)  # per cent of comments with 0, 1, 2, 3, 4 neutral clauses around the core
_CAREFUL = {"forum": 0.6, "game chat": 0.25, "product talk": 0.65, "wiki talk": 0.8}  # share in full sentences

_SLOT = re.compile(r"\{([a-z]+)\}")
_ARTICLE = re.compile(r"\ba\(n\) (?=(\W*(?!use|uni)[aeiou])?)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Comment:
    """One synthetic comment.

    `label` is 1 for toxic and 0 for benign, as given, that is after the noise; `flipped` says that the noise
    turned it round. `register` is one of `REGISTERS`; `kind` names what the comment was built to be.
    """

    text: str
    label: int
    register: str
    kind: str
    flipped: bool


@dataclass(frozen=True)
class Corpus:
    """The synthetic corpus: `TRAIN_ROWS` comments to train on and `TEST_ROWS` to test on, all distinct."""

    train: tuple[Comment, ...]
    test: tuple[Comment, ...]


@dataclass(frozen=True)
class DemoProbe:
    """A fixed text, the label that it must get ("toxic" or "benign"), and why."""

    text: str
    label: str
    note: str


def make_corpus(seed: int) -> Corpus:
    """Build the synthetic corpus. The same seed gives the same corpus on every machine.

    No two comments are equal after `foreshot.data.split.fold`, not even when punctuation is left out, and no
    test comment shares five words in a row with a training comment.
    """
    train = _make_part("train", TRAIN_ROWS, seed, lambda words: True)
    seen = {run for comment in train for run in word_runs(comment.text, 5)}
    test = _make_part("test", TEST_ROWS, seed, lambda words: seen.isdisjoint(word_runs(words, 5)))
    return Corpus(train=_with_noise(train, Random(f"{seed}/noise")), test=test)


def make_probes() -> tuple[DemoProbe, ...]:
    """Return the demo's probes: derogatory words alone, inside sentences, and in harmless use."""
    return tuple(DemoProbe(*row) for row in vocabulary()["probes"])


@cache
def vocabulary() -> Mapping[str, Any]:
    """Return the word lists and templates of `sample_vocabulary.yaml`; read once, not to be changed."""
    source = resources.files("foreshot").joinpath("data/sample_vocabulary.yaml")
    loaded: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    return loaded


def word_runs(text: str, length: int) -> set[tuple[str, ...]]:
    """Return every run of `length` words of the folded text, punctuation left out."""
    words = _WORD.findall(fold(text))
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


def _make_part(name: str, rows: int, seed: int, admits: Callable[[str], bool]) -> tuple[Comment, ...]:
    rng = Random(f"{seed}/{name}")
    toxic = round(rows * TOXIC_SHARE)
    labels = [1] * toxic + [0] * (rows - toxic)
    rng.shuffle(labels)
    seen: set[str] = set()
    comments: list[Comment] = []
    while len(comments) < rows:
        comment = _compose(name, labels[len(comments)], rng)
        key = " ".join(_WORD.findall(fold(comment.text)))
        if key in seen or not 3 <= len(comment.text.split()) <= LONGEST or not admits(comment.text):
            continue
        seen.add(key)
        comments.append(comment)
    return tuple(comments)


def _with_noise(comments: Sequence[Comment], rng: Random) -> tuple[Comment, ...]:
    flipped = set(rng.sample(range(len(comments)), round(LABEL_NOISE * len(comments))))
    return tuple(
        replace(comment, label=1 - comment.label, flipped=True) if i in flipped else comment
        for i, comment in enumerate(comments)
    )


def _compose(part: str, label: int, rng: Random) -> Comment:
    parts, shares = vocabulary()[part], vocabulary()["shares"]["toxic" if label else "benign"]
    register = rng.choice(REGISTERS)
    kind = rng.choices(list(shares), weights=list(shares.values()))[0]
    cores = parts["toxic" if label else "benign"].get(kind) or _for_register(parts["fillers"], register)
    sentences = _surround(rng.choice(cores), parts, register, rng)
    words = {**parts["slots"]["any"], **parts["slots"][register]}
    words["topic"] = [rng.choice(words["topic"])]
    filled = [_fill(sentence, words, rng) for sentence in sentences]
    return Comment(_write(filled, register, rng), label, register, kind, flipped=False)


def _surround(core: str, part: Mapping[str, Any], register: str, rng: Random) -> list[str]:
    """Put neutral clauses around the core, drawn in the same way whatever the class."""
    fillers = _for_register(part["fillers"], register)
    around = rng.sample([f for f in fillers if f != core], rng.choices(range(5), _AROUND)[0])
    at = rng.randint(0, len(around))
    sentences = [*around[:at], core, *around[at:]]
    if rng.random() < 0.25:
        sentences[0] = f"{rng.choice(_for_register(part['openers'], register))} {sentences[0]}"
    if rng.random() < 0.2:
        sentences.append(rng.choice(_for_register(part["closers"], register)))
    return sentences


def _for_register(lists: Mapping[str, list[str]], register: str) -> list[str]:
    return [*lists["any"], *lists[register]]


def _fill(template: str, words: Mapping[str, list[str]], rng: Random) -> str:
    """Fill each slot; a slot that stands twice in a template gets the same filler twice."""
    chosen: dict[str, str] = {}
    for slot in _SLOT.findall(template):
        if slot not in chosen:
            chosen[slot] = rng.choice(words[slot])
    text = _SLOT.sub(lambda match: chosen[match[1]], template)
    return _ARTICLE.sub(lambda match: "an " if match[1] else "a ", text)


def _write(sentences: list[str], register: str, rng: Random) -> str:
    """Join the sentences as one writer would: with one habit of casing and stops, and a rare slip."""
    careful = rng.random() < _CAREFUL[register]
    if careful:
        text = " ".join(_stopped(s[:1].upper() + s[1:], ".") for s in sentences)
    else:
        text = _joined(sentences, rng.choice((". ", ", ", " - ", "... ", "\n", " ")), rng)
    if rng.random() < 0.25:
        text = _slip(text, rng)
    if rng.random() < 0.03:
        text = text.upper()
    return text


def _stopped(sentence: str, stop: str) -> str:
    return sentence if sentence.endswith(("?", "!")) else sentence + stop


def _joined(sentences: list[str], glue: str, rng: Random) -> str:
    lowered = rng.random() < 0.5
    text = glue.join(s.lower() if lowered else s for s in sentences).replace("?" + glue.rstrip(), "?")
    if rng.random() < 0.3:
        text = text.replace("'", "")
    return _stopped(text, rng.choice(("", "", "", ".", "!", "!!", "...")))


def _slip(text: str, rng: Random) -> str:
    """Mistype one longer word: two letters swapped, one lost, or one doubled."""
    places = [match.span() for match in re.finditer(r"[a-zA-Z]{5,}", text)]
    if not places:
        return text
    start, end = rng.choice(places)
    at = rng.randint(start + 1, end - 3)
    pair = rng.choice((text[at + 1] + text[at], text[at], text[at] * 2 + text[at + 1]))
    return text[:at] + pair + text[at + 2 :]
