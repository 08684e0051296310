"""Explanations for people: words marked in their text, in parts for whatever shows them, and as a page."""

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foreshot.data.texts import valid_unicode
from foreshot.explaining.explain import INTEGRATED_GRADIENTS, Explanation, WordScore
from foreshot.reporting.texts import shortened, visible

FAINTEST = 0.01
"""Smaller scores are noise to a reader, and aren't marked."""
PALEST_SCALE = 0.1
"""The least that counts as strong, so that a text whose words all do little isn't painted as if they did much."""
MOST_LISTED = 10
SHOWN_AFTER = 300
"""Characters that are shown after the last word that has a score."""
LONGEST_NAME = 60
LEVELS = 10


@dataclass(frozen=True)
class Piece:
    """A part of a text that is shown; `way` is "towards" or "away" for a marked word, else "".

    `share` is how strong it is among the text's words, 0 to 1.
    """

    text: str
    way: str = ""
    share: float = 0.0
    number: str = ""


def pieces(text: str, explanation: Explanation) -> list[Piece]:
    """A text in parts, each of them visible as a whole; what follows the scored words is cut short."""
    scored = [word for word in explanation.words if word.score is not None]
    scale = max([PALEST_SCALE, *(abs(word.score or 0) for word in scored)])
    found, at = [], 0
    for word in scored:
        score = word.score or 0.0
        if abs(score) < FAINTEST:
            continue
        found.append(Piece(_shown(text[at : word.begin])))
        found.append(Piece(_shown(text[word.begin : word.end]), _way(score), abs(score) / scale, signed(score)))
        at = word.end
    end = max([at, *(word.end for word in scored)]) + SHOWN_AFTER
    found.append(Piece(_shown(text[at:end]) + ("…" if len(text) > end else "")))
    return [piece for piece in found if piece.text]


def strongest(explanation: Explanation) -> list[WordScore]:
    """The words that do most, the strongest first."""
    scored = [word for word in explanation.words if abs(word.score or 0) >= FAINTEST]
    return sorted(scored, key=lambda word: -abs(word.score or 0))[:MOST_LISTED]


def signed(score: float) -> str:
    """A score with its sign, to two places."""
    return f"{'−' if score < 0 else '+'}{abs(score):.2f}"


def headline(explanation: Explanation) -> str:
    """What was decided, and how sure the model is of the label that is explained."""
    decided, label = (shortened(name, LONGEST_NAME) for name in (explanation.decided, explanation.label))
    if explanation.decided == explanation.label:
        return f"decided: {decided} ({explanation.probability:.1%})"
    return f"decided: {decided}; explained: {label} ({explanation.probability:.1%})"


def meaning(explanation: Explanation) -> str:
    """What a score is, in a sentence."""
    if explanation.method == INTEGRATED_GRADIENTS:
        names = ", ".join(explanation.baseline_log_odds or {})
        return f"Integrated gradients: a word's part of the label's log-odds, in nats, against the baselines {names}."
    return "Leave-one-out: how much lower the label's probability is without the word."


def remarks(explanation: Explanation) -> Iterator[str]:
    """What a reader must know about one text's scores."""
    if not explanation.words:
        yield "It has no word to score."
    elif not strongest(explanation):
        yield f"No single word's score is {FAINTEST} or more."
    if explanation.limited:
        yield f"Only the first {len(explanation.words):,} of {explanation.words_total:,} words were scored."
    if explanation.truncated:
        unread = sum(word.score is None for word in explanation.words)
        words = f": {unread:,} of these words have no score" if unread else ""
        yield f"The text is longer than the model reads; its end was not looked at{words}."
    if explanation.deltas is not None and explanation.rest is not None:
        left = ", ".join(f"{name} {signed(delta)}" for name, delta in explanation.deltas.items())
        yield f"Punctuation and other words: {signed(explanation.rest)}. Left over by the steps: {left}."


def explanation_page(explained: Sequence[tuple[str, Explanation]], *, more: bool = False) -> str:
    """Texts and their explanations as one HTML page: every text escaped, nothing fetched, no script.

    `more` tells that there were more texts than are shown.
    """
    environment = Environment(
        loader=PackageLoader("foreshot.explaining"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = resources.files("foreshot.explaining").joinpath("templates/explanation.css").read_text(encoding="utf-8")
    texts = [
        {
            "headline": headline(explanation),
            "pieces": pieces(text, explanation),
            "strongest": [
                (shortened(word.word, LONGEST_NAME), signed(word.score or 0), _way(word.score or 0))
                for word in strongest(explanation)
            ],
            "remarks": list(remarks(explanation)),
        }
        for text, explanation in explained
    ]
    return environment.get_template("explanation.html.j2").render(
        texts=texts,
        more=more,
        model=visible(explained[0][1].model) if explained else "",
        meaning=meaning(explained[0][1]) if explained else "There was no text to explain.",
        level=lambda piece: math.ceil(piece.share * LEVELS),
        style=Markup(style),  # noqa: S704  # nosec B704  # a file of ours; no text is in it
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def _way(score: float) -> str:
    return "towards" if score > 0 else "away"


def _shown(part: str) -> str:
    """A part of a text as `visible` shows it, with the white space at its ends."""
    return visible(f"|{valid_unicode(part)}|")[1:-1]
