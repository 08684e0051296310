"""Faithfulness: whether the words that scores name are those that the decision hangs on.

DeYoung et al. 2020 (ERASER, arXiv:1911.03429, section 4.2). For shares of a text's words: *comprehensiveness* is how
far the probability of the decision falls once the strongest words are gone, *sufficiency* how far it falls with these
alone; both are means over SHARES (the area over the perturbation curve, Samek et al. 2017).
"""

import math
from collections.abc import Sequence

import numpy as np

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


def strongest(scores: np.ndarray, share: float) -> list[int]:
    """The numbers of the words with the highest scores (words,): a share of them, rounded up, in the text's order."""
    count = math.ceil(share * len(scores))
    return sorted(np.argsort(-scores, kind="stable")[:count].tolist())


def chosen_words(scores: np.ndarray) -> list[list[int]]:
    """`strongest` for each of SHARES."""
    return [strongest(scores, share) for share in SHARES]


def mean_fall(whole: float, changed: Sequence[float]) -> float:
    """How far a probability falls, the mean over changed texts: -1 to 1."""
    return float(whole - np.mean(changed))
