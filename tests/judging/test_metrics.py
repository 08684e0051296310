"""Metrics: by hand on small cases, and against scikit-learn on random ones."""

import math

import numpy as np
import pytest
from sklearn import metrics as sk

from foreshot.judging.metrics import cross_entropy, probabilities, test_metrics


def sure_of(predicted, classes=2) -> np.ndarray:
    """Logits of a model that predicts these classes."""
    return np.eye(classes)[predicted] * 4


def metrics_of(logits, labels, names, positive):
    """The metrics where the likeliest class is taken."""
    return test_metrics(logits, logits.argmax(axis=1), labels, names, positive)


def test_probabilities_by_hand():
    logits = np.array([[math.log(3), 0.0], [1000.0, -1000.0]], dtype=np.float32)
    assert probabilities(logits) == pytest.approx(np.array([[0.75, 0.25], [1.0, 0.0]]))
    assert probabilities(logits).dtype == np.float64


def test_cross_entropy_by_hand():
    logits = np.array([[math.log(3), 0.0], [math.log(3), 0.0], [0.0, 0.0]])
    expected = -(math.log(0.75) + math.log(0.25) + math.log(0.5)) / 3
    assert cross_entropy(logits, np.array([0, 1, 1])) == pytest.approx(expected)


def test_cross_entropy_of_a_sure_error_is_finite():
    assert cross_entropy(np.array([[2000.0, 0.0]], dtype=np.float32), np.array([1])) == 2000


def test_binary_metrics_by_hand():
    labels = [0] * 6 + [1] * 4
    predicted = [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]  # 5 true negatives, 1 false positive, 3 true positives, 1 false negative
    found = metrics_of(sure_of(predicted), np.array(labels), ["benign", "toxic"], 1)
    assert found.confusion_matrix == [[5, 1], [1, 3]]
    assert found.accuracy == pytest.approx(0.8)
    benign, toxic = found.classes
    assert (benign.name, benign.support) == ("benign", 6)
    assert (benign.precision, benign.recall, benign.f1) == pytest.approx((5 / 6, 5 / 6, 5 / 6))
    assert (toxic.name, toxic.support) == ("toxic", 4)
    assert (toxic.precision, toxic.recall, toxic.f1) == pytest.approx((3 / 4, 3 / 4, 3 / 4))
    assert found.macro_f1 == pytest.approx((5 / 6 + 3 / 4) / 2)
    assert found.mcc == pytest.approx((3 * 5 - 1 * 1) / math.sqrt(4 * 4 * 6 * 6))


def test_the_confusion_matrix_has_true_classes_as_rows():
    found = metrics_of(sure_of([1, 1, 1, 0]), np.array([0, 0, 1, 0]), ["benign", "toxic"], 1)
    assert found.confusion_matrix == [[1, 2], [0, 1]]
    assert found.classes[0].recall == pytest.approx(1 / 3)
    assert found.classes[0].precision == 1


def test_auroc_and_average_precision_by_hand():
    # Toxic scores, high to low: 1 0 1 0. Of 4 pairs (toxic, benign) 3 are in order; precision 1 and 2/3 at the hits.
    logits = np.array([[0, 4.0], [0, 3.0], [0, 2.0], [0, 1.0]])
    found = metrics_of(logits, np.array([1, 0, 1, 0]), ["benign", "toxic"], 1)
    assert found.auroc == pytest.approx(3 / 4)
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)


def test_the_positive_class_may_be_the_first():
    logits = np.array([[4.0, 0], [3.0, 0], [2.0, 0], [1.0, 0]])
    found = metrics_of(logits, np.array([0, 1, 0, 1]), ["toxic", "benign"], 0)
    assert found.average_precision == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class_has_no_auroc(label):
    found = metrics_of(sure_of([0, 1, label]), np.array([label] * 3), ["benign", "toxic"], 1)
    assert found.auroc is None
    assert found.average_precision is None
    assert found.mcc == 0
    assert found.accuracy == pytest.approx(2 / 3)
    assert sum(map(sum, found.confusion_matrix)) == 3
    assert len(found.confusion_matrix) == 2


def test_a_class_that_is_never_predicted_has_precision_0():
    found = metrics_of(sure_of([0, 0, 0]), np.array([0, 0, 1]), ["benign", "toxic"], 1)
    assert found.classes[1].precision == found.classes[1].recall == found.classes[1].f1 == 0
    assert found.macro_f1 == pytest.approx((4 / 5) / 2)


@pytest.mark.parametrize(("classes", "positive"), [(2, 1), (2, None), (4, None)])
def test_against_scikit_learn(classes, positive):
    rng = np.random.default_rng(classes)
    labels = rng.permutation(np.arange(300) % classes)
    logits = (rng.normal(size=(300, classes)) + np.eye(classes)[labels]).astype(np.float32)
    names = [f"class {index}" for index in range(classes)]
    found = metrics_of(logits, labels, names, positive)
    exponentials = np.exp(logits.astype(np.float64))
    predicted, scores = logits.argmax(axis=1), exponentials / exponentials.sum(axis=1, keepdims=True)
    assert found.cross_entropy == pytest.approx(sk.log_loss(labels, scores), rel=1e-5)
    assert found.accuracy == sk.accuracy_score(labels, predicted)
    assert found.macro_f1 == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert found.mcc == pytest.approx(sk.matthews_corrcoef(labels, predicted))
    report = sk.classification_report(labels, predicted, target_names=names, output_dict=True)
    for one in found.classes:
        expected = report[one.name]
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
            (expected["precision"], expected["recall"], expected["f1-score"], expected["support"])
        )
    if positive is not None:
        auroc, average_precision = (
            sk.roc_auc_score(labels, scores[:, 1]),
            sk.average_precision_score(labels, scores[:, 1]),
        )
    else:
        truth = np.eye(classes)[labels]
        auroc = sk.roc_auc_score(truth, scores, average="macro")
        average_precision = sk.average_precision_score(truth, scores, average="macro")
    assert found.auroc == pytest.approx(auroc, abs=1e-6)
    assert found.average_precision == pytest.approx(average_precision, abs=1e-6)


def test_decisions_count_and_not_the_likeliest_class():
    # Scores of 0.3 and 0.4 are flagged, as by a threshold of 0.25; ranking and cross-entropy look at the scores.
    scores = np.array([0.1, 0.3, 0.4, 0.2])
    logits, labels = np.log(np.stack([1 - scores, scores], axis=1)), np.array([0, 0, 1, 1])
    found = test_metrics(logits, np.array([0, 1, 1, 0]), labels, ["benign", "toxic"], 1)
    assert found.confusion_matrix == [[1, 1], [1, 1]]
    assert (found.accuracy, found.macro_f1, found.mcc) == pytest.approx((0.5, 0.5, 0))
    assert [one.recall for one in found.classes] == [0.5, 0.5]
    assert found.auroc == pytest.approx(3 / 4)
    assert found.cross_entropy == pytest.approx(-(math.log(0.9 * 0.7 * 0.4 * 0.2)) / 4)


def test_a_class_that_does_not_occur_keeps_its_place():
    found = metrics_of(sure_of([0, 2, 2], 3), np.array([0, 2, 0]), ["a", "b", "c"], None)
    assert found.confusion_matrix == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert [one.support for one in found.classes] == [2, 0, 1]
    assert found.auroc is None
    assert found.macro_f1 == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)
