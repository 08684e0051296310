"""Test metrics from arrays alone: no model and no file is known here."""

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    confusion_matrix,
    f1_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    roc_auc_score,
)

from foreshot.results.models import ClassMetrics, TestMetrics


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Softmax of logits (rows, classes), in float64."""
    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean cross-entropy in nats of logits (rows, classes) against labels (rows,)."""
    log_probabilities = log_softmax(logits.astype(np.float64), axis=1)
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def test_metrics(
    logits: np.ndarray, decided: np.ndarray, labels: np.ndarray, class_names: list[str], positive: int | None
) -> TestMetrics:
    """Metrics of logits (rows, classes) and the classes decided on (rows,) against labels (rows,), by scikit-learn.

    AUROC and average precision are those of the positive class; without one, the mean over the classes, one
    against the rest. Both are None when a class doesn't occur in `labels`.
    """
    numbers = list(range(len(class_names)))
    precision, recall, f1, support = precision_recall_fscore_support(labels, decided, labels=numbers, zero_division=0.0)
    auroc, average_precision = _ranking(probabilities(logits), labels, positive)
    return TestMetrics(
        cross_entropy=cross_entropy(logits, labels),
        accuracy=float(accuracy_score(labels, decided)),
        macro_f1=float(f1_score(labels, decided, labels=numbers, average="macro", zero_division=0.0)),
        mcc=float(matthews_corrcoef(labels, decided)),
        auroc=auroc,
        average_precision=average_precision,
        classes=[
            ClassMetrics(
                name=name,
                precision=float(precision[index]),
                recall=float(recall[index]),
                f1=float(f1[index]),
                support=int(support[index]),
            )
            for index, name in enumerate(class_names)
        ],
        confusion_matrix=confusion_matrix(labels, decided, labels=numbers).tolist(),
    )


test_metrics.__test__ = False  # type: ignore[attr-defined]  # not a pytest function


def _ranking(scores: np.ndarray, labels: np.ndarray, positive: int | None) -> tuple[float | None, float | None]:
    if len(np.unique(labels)) < scores.shape[1]:
        return None, None
    judged = [positive] if positive is not None else list(range(scores.shape[1]))
    return (
        float(np.mean([roc_auc_score(labels == index, scores[:, index]) for index in judged])),
        float(np.mean([average_precision_score(labels == index, scores[:, index]) for index in judged])),
    )
