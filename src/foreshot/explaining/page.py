"""Explanations for people: words marked in their text, in parts for whatever shows them, and as a page."""

import base64
import hashlib
import math
from collections.abc import Iterator, Sequence
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foreshot.explaining.explain import INTEGRATED_GRADIENTS, Explanation, WordScore
from foreshot.reporting.marked_words import IN_ODDS, NONE, SATURATED, Piece, pieces, signed, strongest
from foreshot.reporting.texts import shortened, visible

MOST_LISTED = 10
SHOWN_AFTER = 300
"""Characters that are shown after the last word that has a score."""
LONGEST_NAME = 60
LEVELS = 10


def marked(text: str, explanation: Explanation) -> list[Piece]:
    """A text in parts; what follows the scored words is cut short."""
    scored = _scored(explanation)
    spans = [(word.begin, word.end) for word in scored]
    end = max((end for _, end in spans), default=0) + SHOWN_AFTER
    return pieces(text, spans, [word.log_odds_difference or 0.0 for word in scored], end=end)


def drivers(explanation: Explanation) -> list[Piece]:
    """The words that do most, the strongest first, as a list shows them."""
    scored = _scored(explanation)
    scores = [word.log_odds_difference or 0.0 for word in scored]
    return [Piece(shortened(scored[at].word, LONGEST_NAME), scores[at]) for at in strongest(scores, MOST_LISTED)]


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
        return (
            f"Integrated gradients: a word's part of the label's log-odds, in nats, against the baselines {names}; "
            f"{IN_ODDS}."
        )
    return f"Leave-one-out: how much lower the label's log-odds are without the word; {IN_ODDS}."


def remarks(explanation: Explanation) -> Iterator[str]:
    """What a reader must know about one text's scores."""
    if not explanation.words:
        yield "It has no word to score."
    elif not drivers(explanation):
        yield NONE
    if explanation.saturated:
        yield f"The score is {SATURATED}. The text's are {signed(explanation.log_odds)}."
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
            "pieces": marked(text, explanation),
            "strongest": drivers(explanation),
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


def _scored(explanation: Explanation) -> list[WordScore]:
    return [word for word in explanation.words if word.log_odds_difference is not None]
