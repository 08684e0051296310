"""Predictions of single texts, for the terminal and as JSON lines."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from foreshot.progress import printable
from foreshot.runtime.classifier import Prediction

LONGEST_TEXT = 100  # letters that are shown


def prediction_table(texts: Sequence[str], predictions: Sequence[Prediction], positive: str | None) -> Iterator[str]:
    """A heading and a line for each text: decision, labels, score of the positive class (else of the label), text."""
    rows = [("decision", "label", f"P({printable(positive)})" if positive else "P(label)", "text")]
    for text, found in zip(texts, predictions, strict=True):
        shown = printable(text)
        shown = shown if len(shown) <= LONGEST_TEXT else shown[:LONGEST_TEXT] + "…"
        score = found.scores[positive or found.label]
        cut = "  (its end was not looked at: it is longer than the bundle reads)" if found.truncated else ""
        labels = printable(", ".join(found.labels)) or "–"
        rows.append((found.decision or "–", labels, f"{score:.1%}", shown + cut))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        yield f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]}"


def prediction_lines(texts: Sequence[str], predictions: Sequence[Prediction]) -> Iterator[str]:
    """A JSON object for each text; other letters than ASCII are escaped, so that no terminal obeys them."""
    for text, found in zip(texts, predictions, strict=True):
        yield json.dumps({"text": text, **asdict(found)})
