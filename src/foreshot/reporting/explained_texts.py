"""Explained texts: for each model a line with its words coloured by where they push, and how strongly."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.marked_words import NONE, Piece, pieces, signed, strongest
from foreshot.reporting.tables import Column, Table, table
from foreshot.reporting.texts import shortened, visible_characters
from foreshot.results.reasons import ExplainedText, ModelView, Reasons
from foreshot.results.results import Results
from foreshot.runtime.log_odds import is_saturated

MOST_NAMED = 5  # strongest words of a line
LONGEST_EXAMPLE = 600
LONGEST_SOURCE, LONGEST_WORD = 120, 60


@dataclass(frozen=True)
class Line:
    """What one model made of an example."""

    model: str
    decided: str
    probability: str
    saturated: bool
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
    lines = tuple(_line(found, view, shown) for view in found.models)
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


def _line(found: ExplainedText, view: ModelView, shown: Sequence[str]) -> Line:
    scores = view.log_odds_differences
    spans = [(word.begin, word.end) for word in found.words]
    parts = pieces(
        found.text,
        spans,
        scores,
        end=max([LONGEST_EXAMPLE, *(end for _, end in spans[:1])]),
        by_people=[word.marked for word in found.words],
    )
    saturated = is_saturated(view.probability)
    return Line(
        model=view.model,
        decided=shortened(view.decided, LONGEST_NAME),
        probability=f"{view.probability:.2f}{', saturated' if saturated else ''}",
        saturated=saturated,
        pieces=tuple(replace(piece, text=_cut(piece.text)) for piece in parts),
        strongest=tuple(
            (shortened(shown[at], LONGEST_WORD), signed(scores[at])) for at in strongest(scores, MOST_NAMED)
        ),
    )


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
            ", ".join(f"{word} {score}" for word, score in line.strongest) or NONE,
        ]
        for line in lines
    ]
    return table(f"example-{number}", f"Example {number}", columns, rows)
