"""Bands: the probabilities of the positive class between a model's thresholds, and what each leads to."""

from collections.abc import Sequence

from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import Manifest
from foreshot.serving.schemas import Band, DecisionBand


def bands_of(manifest: Manifest) -> list[DecisionBand]:
    """A model's bands, rising from 0 to 1; none where its decisions don't go by one probability."""
    several = manifest.decisions is None and len(manifest.labels) > 2
    if manifest.positive is None or (manifest.decision.threshold is None and several):
        return []
    return bands_between(manifest.decision)


def bands_between(decision: Decision) -> list[DecisionBand]:
    """The bands that a decision makes of the positive class's probability.

    Without a threshold the likeliest class is taken: of two classes that is a threshold of one half.
    """
    block = 0.5 if decision.threshold is None else decision.threshold
    review = block if decision.review_threshold is None else min(decision.review_threshold, block)
    bands = [
        DecisionBand(decision="allow", low=0.0, high=review),
        DecisionBand(decision="review", low=review, high=block),
        DecisionBand(decision="block", low=block, high=1.0),
    ]
    return [band for band in bands if band.low < band.high or band.decision == "block"]


def band_of(decision: str | None, bands: Sequence[DecisionBand]) -> Band | None:
    """The band of a decision, None where there is none."""
    return next((Band(low=band.low, high=band.high) for band in bands if band.decision == decision), None)
