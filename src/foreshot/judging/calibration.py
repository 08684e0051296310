"""Calibration: how far scores can be read as probabilities, and the temperature that mends them; arrays alone."""

import math

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.metrics import brier_score_loss

from foreshot.judging import metrics
from foreshot.results.decisions import Calibration, ReliabilityBin

FEWEST_ROWS = 10
"""Fewer validation rows of what is fitted say nothing about it."""

TEMPERATURES = (0.05, 20.0)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature in [0.05, 20] whose logits / temperature have the least cross-entropy (Guo et al. 2017, 4.2).

    Takes logits (rows, classes) and labels (rows,). It is 1 where the rows can't tell: fewer than 10, of one
    class alone, all classified right (the cross-entropy then falls towards temperature 0), or none better than 1.
    """
    if len(labels) < FEWEST_ROWS or len(np.unique(labels)) < 2 or np.array_equal(logits.argmax(axis=1), labels):
        return 1.0
    exact = logits.astype(np.float64)
    found = minimize_scalar(  # convex in 1 / T, so it has one minimum in log T
        lambda log_temperature: metrics.cross_entropy(exact / math.exp(log_temperature), labels),
        bounds=tuple(map(math.log, TEMPERATURES)),
        method="bounded",
    )
    return math.exp(found.x) if found.fun < metrics.cross_entropy(exact, labels) else 1.0


def calibration(probabilities: np.ndarray, labels: np.ndarray, bins: int = 10) -> Calibration:
    """How far probabilities (rows, classes) of labels (rows,) can be believed; at least one row.

    The expected calibration error (Guo et al. 2017, eq. 3) is of the likeliest class's probability, in bins of
    equal width ((m-1)/bins, m/bins]. Every bin is returned; one without rows has its middle as confidence and 0
    as accuracy. The Brier score is scikit-learn's: the mean squared difference for two classes (0 to 1), summed
    over the classes for more (0 to 2).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, bins + 1)
    number = np.digitize(confidence, edges[1:-1], right=True)
    rows = np.bincount(number, minlength=bins)
    mean_confidence, accuracy = (
        np.bincount(number, weights=values, minlength=bins) / np.maximum(rows, 1) for values in (confidence, right)
    )
    return Calibration(
        expected_calibration_error=float(np.sum(rows / len(labels) * np.abs(accuracy - mean_confidence))),
        brier=float(brier_score_loss(labels, probabilities, labels=list(range(probabilities.shape[1])))),
        bins=[
            ReliabilityBin(rows=int(count), confidence=float(mean if count else middle), accuracy=float(share))
            for count, mean, middle, share in zip(
                rows, mean_confidence, (edges[:-1] + edges[1:]) / 2, accuracy, strict=True
            )
        ],
    )
