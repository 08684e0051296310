"""Plausibility: whether the words that scores name are the words that people marked.

DeYoung et al. 2020 (ERASER, arXiv:1911.03429, section 4) and Mathew et al. 2021 (HateXplain, arXiv:2012.10289). Scores
and marks are those of one text's words, in their order. Only scores above 0 speak for a word.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import auc, precision_recall_curve

THRESHOLD = 0.5
"""Of the strongest score of a text: words from there up are chosen."""
THRESHOLDS = np.round(np.linspace(0.05, 1.0, 20), 2)
"""Those that the best one is looked for among."""
LEAST_IOU = 0.5


def relative(scores: np.ndarray) -> np.ndarray:
    """Scores (words,) as shares of the strongest one, 0 for words that don't speak for it; all 0 where none does."""
    above = np.maximum(scores, 0.0)
    strongest = above.max(initial=0.0)
    return above / strongest if strongest > 0 else above


def token_f1(chosen: np.ndarray, marked: np.ndarray) -> float:
    """F1 of the chosen words (words,) against the marked ones, 0 where they share none."""
    both = int((chosen & marked).sum())
    return 2 * both / int(chosen.sum() + marked.sum()) if both else 0.0


def spans(chosen: np.ndarray) -> list[tuple[int, int]]:
    """Runs of neighbouring chosen words: the numbers of the first and of the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], chosen.astype(int), [0]])))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def span_matches(chosen: np.ndarray, marked: np.ndarray) -> tuple[float, float]:
    """Precision and recall of the chosen spans: one is right whose IOU with a marked span is at least LEAST_IOU.

    As ERASER counts it, recall is the number of right spans per marked span. Where nothing is chosen both are 0.
    """
    found, wanted = spans(chosen), spans(marked)
    right = sum(max((_iou(one, other) for other in wanted), default=0.0) >= LEAST_IOU for one in found)
    return right / len(found) if found else 0.0, right / len(wanted) if wanted else 0.0


def auprc(scores: np.ndarray, marked: np.ndarray) -> float:
    """The area under precision over recall as the threshold on scores falls, by trapezoids, as ERASER has it.

    `marked` must have words of both kinds.
    """
    precision, recall, _ = precision_recall_curve(marked, scores)
    return float(auc(recall, precision))


def best_threshold(shares: Sequence[np.ndarray], marks: Sequence[np.ndarray]) -> float:
    """The (lowest) one of THRESHOLDS on relative scores, texts of (words,), at which the mean token F1 is highest.

    Chosen on the very texts that it is judged on, so what it gives is a bound, not a promise.
    """
    means = [
        np.mean([token_f1(share >= threshold, marked) for share, marked in zip(shares, marks, strict=True)])
        for threshold in THRESHOLDS
    ]
    return float(THRESHOLDS[int(np.argmax(means))])


def _iou(one: tuple[int, int], other: tuple[int, int]) -> float:
    both = min(one[1], other[1]) - max(one[0], other[0])
    return both / (one[1] - one[0] + other[1] - other[0] - both) if both > 0 else 0.0
