"""Bands: the probabilities between a model's thresholds, against what the classifier itself decides there."""

import numpy as np
import pytest
from tiny_bundles import label_decisions, make_manifest

from foreshot.results.decisions import Decision
from foreshot.runtime.decisions import route
from foreshot.serving.bands import band_of, bands_of

BEST_F1 = Decision(policy="best-f1", threshold=0.62, temperature=1.1)
REVIEW = Decision(policy="review:recall>=0.95,fpr<=0.02", threshold=0.8, review_threshold=0.3)
THREE = ["benign", "rude", "toxic"]


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (Decision(policy="argmax"), [("allow", 0.0, 0.5), ("block", 0.5, 1.0)]),
        (BEST_F1, [("allow", 0.0, 0.62), ("block", 0.62, 1.0)]),
        (REVIEW, [("allow", 0.0, 0.3), ("review", 0.3, 0.8), ("block", 0.8, 1.0)]),
        # nothing is left for review, or for being let through
        (REVIEW.model_copy(update={"review_threshold": 0.8}), [("allow", 0.0, 0.8), ("block", 0.8, 1.0)]),
        (REVIEW.model_copy(update={"review_threshold": 0.0}), [("review", 0.0, 0.8), ("block", 0.8, 1.0)]),
        (BEST_F1.model_copy(update={"threshold": 0.0}), [("block", 0.0, 1.0)]),
        (BEST_F1.model_copy(update={"threshold": 1.0}), [("allow", 0.0, 1.0), ("block", 1.0, 1.0)]),
    ],
)
def test_bands_lie_between_the_thresholds(decision: Decision, expected: list[tuple[str, float, float]]) -> None:
    bands = bands_of(make_manifest(decision=decision))
    assert [(band.decision, band.low, band.high) for band in bands] == expected


@pytest.mark.parametrize("decision", [Decision(policy="argmax"), BEST_F1, REVIEW])
def test_every_score_lies_in_the_band_of_its_decision(decision: Decision) -> None:
    scores = np.linspace(0.001, 0.999, 1_000)  # none of them a threshold
    logits = np.stack([np.zeros(1_000), np.log(scores / (1 - scores)) * decision.temperature], axis=1)
    bands = bands_of(make_manifest(decision=decision))
    for score, made in zip(scores, route(decision, logits, 1), strict=True):
        band = band_of(made, bands)
        assert band is not None
        assert band.low <= score < band.high


def test_a_threshold_makes_bands_of_several_classes() -> None:
    bands = bands_of(make_manifest(labels=THREE, decision=BEST_F1))
    assert [(band.decision, band.low, band.high) for band in bands] == [("allow", 0.0, 0.62), ("block", 0.62, 1.0)]


@pytest.mark.parametrize("labels", [["cat", "dog"], THREE])
def test_there_are_none_where_one_score_does_not_decide(labels: list[str]) -> None:
    bands = bands_of(make_manifest(labels=labels, decision=Decision(policy="argmax")))
    assert bands == []
    assert band_of("block", bands) is None
    assert band_of(None, bands) is None


def test_of_several_labels_the_judged_one_decides() -> None:
    decisions = label_decisions("toxic", "insult", "threat", judged="insult", insult=REVIEW, toxic=BEST_F1)
    bands = bands_of(make_manifest(decisions=decisions))
    assert [(band.decision, band.low) for band in bands] == [("allow", 0.0), ("review", 0.3), ("block", 0.8)]
    argmax = bands_of(make_manifest(decisions=label_decisions("toxic", "insult", "threat")))
    assert [(band.decision, band.low) for band in argmax] == [("allow", 0.0), ("block", 0.5)]
