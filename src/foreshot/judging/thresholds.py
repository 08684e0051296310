"""Decisions: how scores become decisions, fitted on validation rows, from arrays alone.

A score is the softmax probability of the positive class after the logits were divided by a temperature. A policy
says what the thresholds on it must keep to, as text: "argmax", "best-f1", "flag-rate", "score>=0.7", "recall>=0.9",
"fpr<=0.05" or "review:recall>=0.95,fpr<=0.02".
"""

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from sklearn.metrics import (
    confusion_matrix,
    confusion_matrix_at_thresholds,
    f1_score,
    precision_score,
    recall_score,
)

from foreshot.errors import ConfigError, DataError
from foreshot.judging.calibration import FEWEST_ROWS, fit_temperature
from foreshot.results.decisions import Decision, PolicyResult
from foreshot.runtime.decisions import Policy, at_score, decide, parse_policy, route, scaled_probabilities

STANDARD_POLICIES = ("argmax", "best-f1", "recall>=0.9", "fpr<=0.05", "review:recall>=0.95,fpr<=0.02")
"""The policies that the report shows side by side, where the validation rows are enough for them."""


def fewest_rows(policy: Policy) -> tuple[int, int]:
    """How many rows of the positive class and of the others a fit needs.

    A promise of one in N can't be told from "never" on fewer than N rows; N is exact, from the decimals.
    """
    if policy.text == "argmax" or policy.score is not None:
        return 0, 0
    if policy.text in {"best-f1", "flag-rate"}:
        return FEWEST_ROWS, FEWEST_ROWS
    return (
        0 if policy.recall is None else max(FEWEST_ROWS, math.ceil(1 / (1 - Fraction(str(policy.recall))))),
        0 if policy.fpr is None else max(FEWEST_ROWS, math.ceil(1 / Fraction(str(policy.fpr)))),
    )


def check_enough(policy: str, labels: np.ndarray, positive: int | None, *, positive_name: str) -> None:
    """Stop when validation labels (rows,) are too few for a policy, or have no positive class where it needs one.

    Raises DataError and ConfigError; `positive_name` is what the message calls the positive class.
    """
    parsed = parse_policy(policy)
    if parsed.text == "argmax":
        return
    if positive is None:
        raise ConfigError(f"decision {parsed.text!r} needs a positive class; name one with ⟨positive⟩, or take argmax")
    positives = int(np.count_nonzero(labels == positive))
    negatives = len(labels) - positives
    least_positives, least_negatives = fewest_rows(parsed)
    missing = [f"{least_positives} {positive_name} rows"] if positives < least_positives else []
    missing += [f"{least_negatives} other rows"] if negatives < least_negatives else []
    if missing:
        raise DataError(
            f"validation: {len(labels)} rows, {positives} of them {positive_name}: too few for {parsed.text!r} "
            f"(needs at least {' and '.join(missing)}); give more validation rows or use ⟨decision⟩ argmax"
        )


def fit_decision(
    policy: str,
    logits: np.ndarray,
    labels: np.ndarray,
    positive: int | None,
    *,
    positive_name: str = "positive",
    temperature: float | None = None,
) -> Decision:
    """Fit the temperature, then the policy's thresholds, on validation logits (rows, classes) and labels (rows,).

    The temperature is taken as it is where it is given.

    A threshold lies midway between the neighbouring scores that it parts: on a score, the rounding of an exported
    model would flip that row. `recall>=R` takes the highest one that keeps its promise, `fpr<=F` the lowest,
    `best-f1` that of the largest F1, of equals the nearest to 0.5; `flag-rate` flags as many rows as are positive, or
    as near as can be. `score>=S` is S, of the score as it is. In `review:` the promised recall sets the review
    threshold, at most as high as the other, which the false positive rate sets. Where too many other rows score 1,
    no threshold keeps their rate: it is then 1, and `met` False.

    Raises ConfigError for a bad policy or a missing positive class, DataError for too few rows.
    """
    parsed = parse_policy(policy)
    check_enough(policy, labels, positive, positive_name=positive_name)
    if parsed.score is not None:
        return at_score(parsed.score)
    if temperature is None:
        temperature = fit_temperature(logits, labels)
    if parsed.text == "argmax":
        return Decision(policy=parsed.text, temperature=temperature)
    cuts = _Cuts.of(scaled_probabilities(logits, temperature)[:, positive], labels == positive)
    review_threshold, met = None, True
    if parsed.fpr is not None:
        threshold, met = cuts.of_false_positive_rate(parsed.fpr)
        if parsed.recall is not None:
            review_threshold = min(cuts.of_recall(parsed.recall), threshold)
    elif parsed.recall is not None:
        threshold = cuts.of_recall(parsed.recall)
    elif parsed.text == "flag-rate":
        threshold = cuts.of_flag_rate()
    else:
        threshold = cuts.of_best_f1()
    return Decision(
        policy=parsed.text, temperature=temperature, threshold=threshold, review_threshold=review_threshold, met=met
    )


@dataclass(frozen=True)
class _Cuts:
    """All ways to part rows by their score, from the cut that flags the fewest rows to the one that flags all."""

    thresholds: np.ndarray  # (cuts,), falling
    true_positives: np.ndarray  # (cuts,), rows that are flagged at each
    false_positives: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, is_positive: np.ndarray) -> "_Cuts":
        """The cuts of scores (rows,). The first flags no row, unless a score is 1: no threshold is above that."""
        _, false_positives, _, true_positives, distinct = confusion_matrix_at_thresholds(
            is_positive.astype(int), scores, pos_label=1
        )
        if distinct[0] < 1:
            distinct = np.concatenate([[1.0], distinct])
            false_positives, true_positives = (
                np.concatenate([[0.0], counts]) for counts in (false_positives, true_positives)
            )
        below = np.append(distinct[1:], 0.0)
        midway = (distinct + below) / 2
        thresholds = np.where(midway > below, midway, distinct)  # between neighbouring floats there is no middle
        return cls(thresholds, true_positives, false_positives)

    def of_best_f1(self) -> float:
        # From counts, so that equals are equal: 2 TP / (2 TP + FP + FN).
        f1 = 2 * self.true_positives / (self.true_positives + self.false_positives + self.true_positives[-1])
        best = self.thresholds[f1 == f1.max()]
        return float(best[np.abs(best - 0.5).argmin()])

    def of_flag_rate(self) -> float:
        flagged = self.true_positives + self.false_positives
        nearest = np.abs(flagged - self.true_positives[-1])
        return float(self.thresholds[nearest.argmin()])

    def of_recall(self, recall: float) -> float:
        keeps = self.true_positives / self.true_positives[-1] >= recall
        return float(self.thresholds[keeps.argmax()])  # the last one, which flags all rows, keeps any promise

    def of_false_positive_rate(self, fpr: float) -> tuple[float, bool]:
        keeps = np.flatnonzero(self.false_positives / self.false_positives[-1] <= fpr)
        return (float(self.thresholds[keeps[-1]]), True) if len(keeps) else (1.0, False)


def policy_result(decision: Decision, logits: np.ndarray, labels: np.ndarray, positive: int) -> PolicyResult:
    """What a decision does on test logits (rows, classes) with labels (rows,); `decide` says what counts as flagged.

    Precision, recall and false positive rate are the positive class's against all others, and 0 where there is
    nothing to divide by. `review_share` is the share of all rows that a person looks at.
    """
    decided = decide(decision, logits, positive)
    truth, flagged = labels == positive, decided == positive
    (true_negatives, false_positives), _ = confusion_matrix(truth, flagged, labels=[False, True]).tolist()
    return PolicyResult(
        decision=decision,
        macro_f1=float(
            f1_score(labels, decided, labels=list(range(logits.shape[1])), average="macro", zero_division=0.0)
        ),
        precision=float(precision_score(truth, flagged, zero_division=0.0)),
        recall=float(recall_score(truth, flagged, zero_division=0.0)),
        false_positive_rate=false_positives / max(1, true_negatives + false_positives),
        review_share=float((route(decision, logits, positive) == "review").mean()),
    )
