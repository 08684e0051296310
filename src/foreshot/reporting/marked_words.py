"""Marked words: a text cut into its words and what stands between them, each word with what it does, in log-odds."""

from collections.abc import Sequence
from dataclasses import dataclass

from foreshot.reporting.texts import visible_characters
from foreshot.runtime.log_odds import SATURATED_FROM

FAINTEST = 0.1
"""Log-odds, the odds times 1.1: a word that takes a score of 0.50 no further than 0.52 is noise to a reader."""
FULL_FROM, FULL_AT = 1.0, 3.0
"""Log-odds of a text's strongest word between which it has the full colour. Where all words do little, none has it;
where one does much more than e³ = 20 times the odds, it doesn't make the others pale."""
NONE = f"No single word moves it by {FAINTEST} or more in log-odds."
IN_ODDS = "+1.0 multiplies the odds by 2.7, as from 0.50 to 0.73; −1.0 divides them by it"
SATURATED = (
    f"saturated: above {SATURATED_FROM} or below {1 - SATURATED_FROM:.3f}, most words hardly change a score, and "
    "log-odds still tell them apart"
)


@dataclass(frozen=True)
class Piece:
    """A part of a text as it is shown: a word with its log-odds `score`, or what stands between words.

    `share` is how full its colour is, 0 to 1; `by_people`: people marked the word.
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
        return "" if self.score is None else signed(self.score)


def pieces(
    text: str,
    spans: Sequence[tuple[int, int]],
    scores: Sequence[float],
    *,
    end: int,
    by_people: Sequence[bool | None] = (),
) -> list[Piece]:
    """A text in order, up to code point `end`, each part of it visible as a whole; words stand at rising `spans`."""
    characters = visible_characters(text[:end])
    scale = min(max([FULL_FROM, *map(abs, scores)]), FULL_AT)
    marks = by_people or [False] * len(spans)
    found, at = [], 0
    for (begin, stop), score, mark in zip(spans, scores, marks, strict=True):
        if stop > end:
            break
        found.append(Piece("".join(characters[at:begin])))
        found.append(Piece("".join(characters[begin:stop]), score, min(abs(score) / scale, 1.0), bool(mark)))
        at = stop
    found.append(Piece("".join(characters[at:]) + ("…" if len(text) > end else "")))
    return [piece for piece in found if piece.text]


def strongest(scores: Sequence[float], most: int) -> list[int]:
    """The numbers of the words that do most, the strongest first, without the faintest."""
    order = sorted(range(len(scores)), key=lambda number: -abs(scores[number]))
    return [number for number in order[:most] if abs(scores[number]) >= FAINTEST]


def signed(score: float) -> str:
    """A score with its sign, to two places."""
    return f"{score:+.2f}".replace("-", "−")
