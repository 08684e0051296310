"""Several teachers: what each counts for, how far they differ on a row, and what that weighs; of arrays alone."""

import numpy as np
from scipy import optimize, special, stats

SMALLEST = 1e-12  # of a probability whose logarithm is taken
QUARTER = 0.25
"""The largest variance of numbers between 0 and 1."""


def probabilities_of(logits: np.ndarray, *, several: bool) -> np.ndarray:
    """Of logits (…, outputs), float64: the softmax over classes, or with `several` labels each one's sigmoid."""
    wide = np.asarray(logits, dtype=np.float64)
    return np.asarray(special.expit(wide) if several else special.softmax(wide, axis=-1))


def fitted_weights(probabilities: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """The weights (teachers,), at least 0 and 1 in all, whose mean of probabilities has the least cross-entropy.

    Of probabilities (teachers, rows, outputs) and answers: class numbers (rows,), or each label's 0 or 1, or share
    between, (rows, labels). The stacking of densities of Smyth and Wolpert 1999; the problem is convex, so that there
    is one least value. What a teacher says nothing about (NaN), and what has no answer, is left out.
    """
    sides, counts = _probabilities_of_the_truth(probabilities, answers)
    known = ~np.isnan(sides).any(axis=0) & (counts > 0)
    sides, counts = sides[:, known].clip(min=SMALLEST), counts[known] / max(counts[known].sum(), SMALLEST)

    def cross_entropy(weights: np.ndarray) -> tuple[float, np.ndarray]:
        mean = weights @ sides
        return float(-(counts * np.log(mean)).sum()), -(sides * (counts / mean)).sum(axis=1)

    teachers = len(sides)
    found = optimize.minimize(
        cross_entropy,
        np.full(teachers, 1 / teachers),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * teachers,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.where(found.x < 1e-6, 0.0, found.x)
    return np.asarray(weights / weights.sum())


def _probabilities_of_the_truth(probabilities: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each teacher's probabilities of what may be true (teachers, n), and how much each counts, (n,)."""
    if answers.ndim == 1:
        return probabilities[:, np.arange(len(answers)), answers], np.ones(len(answers))
    there = probabilities.reshape(len(probabilities), -1)
    counts = np.asarray(answers, dtype=np.float64).reshape(-1)
    return np.concatenate([there, 1 - there], axis=1), np.nan_to_num(np.concatenate([counts, 1 - counts]))


def variances(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The weighted variance over teachers of each output's probability, (rows, outputs), 0 to ¼.

    Of probabilities (teachers, rows, outputs) and weights (teachers,); teachers that say nothing (NaN) are left out.
    """
    counted = np.where(np.isnan(probabilities), 0.0, weights[:, None, None])
    counted = counted / np.maximum(counted.sum(axis=0), SMALLEST)
    known = np.nan_to_num(probabilities)
    mean = (counted * known).sum(axis=0)
    return np.asarray((counted * (known - mean) ** 2).sum(axis=0))


def disagreement(found: np.ndarray, *, several: bool, positive: int | None) -> np.ndarray:
    """How far teachers differ on each row, 0 to ¼: of `variances` (rows, outputs) those of all labels (rows, labels).

    Of classes, (rows, 1), that of the `positive` class, or where there is none half the sum over the classes, which for
    two of them is the variance of either.
    """
    if several:
        return found
    return found[:, [positive]] if positive is not None else found.sum(axis=1, keepdims=True) / 2


def row_weights(found: np.ndarray, strength: float) -> np.ndarray:
    """What the teachers' word weighs where they differ so far: exp(−strength · v / ¼), float32, 1 where they agree."""
    return np.exp(-strength * found / QUARTER).astype(np.float32)


def rank_correlation(found: np.ndarray, errors: np.ndarray) -> float | None:
    """Spearman's of disagreement (rows,) and error (rows,); None where either is the same on all rows."""
    if len(found) < 2 or np.ptp(found) == 0 or np.ptp(errors) == 0:
        return None
    return float(stats.spearmanr(found, errors).statistic)
