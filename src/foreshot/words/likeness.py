"""Likeness: whether two models decide by the same words; scores are those of one text's words (words,)."""

import math

import numpy as np
from scipy import stats

from foreshot.words.faithfulness import strongest

TOP = 0.2
"""The share of a text's words that count as its strongest, rounded up."""


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation of two models' scores, ties averaged; NaN where one gives all words the same."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return math.nan
    return float(stats.spearmanr(first, second).statistic)


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """The share of the strongest words that two models have in common: 0 to 1."""
    one, other = set(strongest(first, TOP)), set(strongest(second, TOP))
    return len(one & other) / len(one)
