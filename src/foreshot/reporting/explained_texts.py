"""Explained texts: for each model a line with its words coloured by where they push, and how strongly."""

from collections.abc import Sequence
from dataclasses import dataclass

from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.tables import Column, Table, table
from foreshot.reporting.texts import shortened, visible_characters
from foreshot.results.reasons import ExplainedText, ModelView, Reasons
from foreshot.results.results import Results

MOST_NAMED = 5  # strongest words of a line
LONGEST_EXAMPLE = 600
LONGEST_SOURCE, LONGEST_WORD = 120, 60
FAINTEST = 0.01
"""A word that moves the score by less is not coloured."""
NO_WORD = f"no word moves it by {FAINTEST}"
PALEST_SCALE = 0.1
"""The least score that has the full colour: a text whose words all do little isn't painted as if they did much."""


@dataclass(frozen=True)
class Piece:
    """A part of an explained text: a word, or what stands between words, as it is shown.

    `share` is the word's strength beside the strongest of its line, 0 to 1; `by_people`: people marked the word.
    """

    text: str
    score: float | None = None
    share: float = 0.0
    by_people: bool = False

    @property
    def direction(self) -> str:
        """Where the word pushes; empty where it hardly does, and between words."""
        if self.score is None or abs(self.score) < FAINTEST:
            return ""
        return "towards" if self.score > 0 else "away"

    @property
    def number(self) -> str:
        """The score with its sign; empty between words."""
        return "" if self.score is None else _signed(self.score)


@dataclass(frozen=True)
class Line:
    """What one model made of an example."""

    model: str
    decided: str
    probability: str
    pieces: tuple[Piece, ...]
    strongest: tuple[tuple[str, str], ...]  # words and their scores; none where all are weaker than FAINTEST


@dataclass(frozen=True)
class Example:
    """A text with a line for each model; `people` has the words that people marked, None where nobody did."""

    number: int
    chosen_as: str
    text: str
    people: tuple[str, ...] | None
    lines: tuple[Line, ...]
    table: Table


def examples(results: Results) -> list[Example]:
    """The example texts, each with a line for every model."""
    found = results.reasons
    return [] if found is None else [_example(number, one, found) for number, one in enumerate(found.examples, 1)]


def _example(number: int, found: ExplainedText, reasons: Reasons) -> Example:
    characters = visible_characters(found.text)
    shown = ["".join(characters[word.begin : word.end]) for word in found.words]
    lines = tuple(_line(found, view, characters, shown) for view in found.models)
    marked = [word.marked for word in found.words if word.marked is not None]
    return Example(
        number=number,
        chosen_as=shortened(found.chosen_as, LONGEST_SOURCE),
        text=shortened(found.text),
        people=tuple(shortened(word, LONGEST_WORD) for word, by in zip(shown, found.words, strict=True) if by.marked)
        if marked
        else None,
        lines=lines,
        table=_lines_table(number, lines, shortened(reasons.label, LONGEST_NAME)),
    )


def _line(found: ExplainedText, view: ModelView, characters: Sequence[str], shown: Sequence[str]) -> Line:
    order = sorted(range(len(shown)), key=lambda at: -abs(view.scores[at]))
    strongest = [at for at in order[:MOST_NAMED] if abs(view.scores[at]) >= FAINTEST]
    return Line(
        model=view.model,
        decided=shortened(view.decided, LONGEST_NAME),
        probability=f"{view.probability:.2f}",
        pieces=_pieces(found, view, characters, shown),
        strongest=tuple((shortened(shown[at], LONGEST_WORD), _signed(view.scores[at])) for at in strongest),
    )


def _pieces(
    found: ExplainedText, view: ModelView, characters: Sequence[str], shown: Sequence[str]
) -> tuple[Piece, ...]:
    """The text in order, word by word; what lies beyond LONGEST_EXAMPLE code points is left out."""
    scale = max([PALEST_SCALE, *map(abs, view.scores)])
    pieces: list[Piece] = []
    at = 0
    for word, score, text in zip(found.words, view.scores, shown, strict=True):
        if word.end > LONGEST_EXAMPLE and pieces:
            break
        pieces.append(Piece(_cut("".join(characters[at : word.begin]))))
        pieces.append(Piece(_cut(text), score, abs(score) / scale, bool(word.marked)))
        at = word.end
    rest = "".join(characters[at:LONGEST_EXAMPLE])
    pieces.append(Piece(f"{rest}…" if len(characters) > LONGEST_EXAMPLE else rest))
    return tuple(piece for piece in pieces if piece.text)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_WORD else f"{text[: LONGEST_WORD - 1]}…"


def _lines_table(number: int, lines: Sequence[Line], label: str) -> Table:
    columns = [
        Column("model", is_number=False),
        Column("decides", is_number=False),
        Column(f"probability of {label}"),
        Column("strongest words", is_number=False),
    ]
    rows = [
        [
            line.model,
            line.decided,
            line.probability,
            ", ".join(f"{word} {score}" for word, score in line.strongest) or NO_WORD,
        ]
        for line in lines
    ]
    return table(f"example-{number}", f"Example {number}", columns, rows)


def _signed(score: float) -> str:
    return f"{score:+.2f}".replace("-", "−")
