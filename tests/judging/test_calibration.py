"""Calibration and temperature: by hand, against plain loops over the definition, and on rows made with a known one."""

import math

import numpy as np
import pytest
from scipy.special import log_softmax

from foreshot.judging.calibration import TEMPERATURES, calibration, fit_temperature
from foreshot.runtime.decisions import scaled_probabilities


def binary(positive) -> np.ndarray:
    """Probabilities (rows, 2) from those of class 1."""
    positive = np.asarray(positive, dtype=float)
    return np.stack([1 - positive, positive], axis=1)


def calibrated(rows, classes, seed=0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from their very probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=1.5, size=(rows, classes))
    probabilities = np.exp(log_softmax(logits, axis=1))
    return logits, (probabilities.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)


def test_error_by_hand_in_two_bins():
    # Confidences 0.6, 0.8, 0.7, 0.9, all above 1/2: mean 0.75, right 1 of 4.
    found = calibration(binary([0.6, 0.2, 0.7, 0.9]), np.array([0, 1, 0, 1]), bins=2)
    assert [one.rows for one in found.bins] == [0, 4]
    assert found.bins[1].confidence == pytest.approx(0.75)
    assert found.bins[1].accuracy == 0.25
    assert found.expected_calibration_error == pytest.approx(0.5)
    assert found.brier == pytest.approx((0.6**2 + 0.8**2 + 0.7**2 + 0.1**2) / 4)


def test_error_by_hand_over_several_bins():
    # Three classes. (0.3, 0.4]: 0.4 wrong. (0.4, 0.5]: 0.5 right, 0.45 wrong. (0.9, 1]: 1 right.
    probabilities = np.array([[0.4, 0.3, 0.3], [0.25, 0.5, 0.25], [0.25, 0.3, 0.45], [1.0, 0.0, 0.0]])
    found = calibration(probabilities, np.array([1, 1, 0, 0]))
    assert [one.rows for one in found.bins] == [0, 0, 0, 1, 2, 0, 0, 0, 0, 1]
    assert found.bins[4].confidence == pytest.approx(0.475)
    assert found.bins[4].accuracy == 0.5
    assert found.expected_calibration_error == pytest.approx(1 / 4 * 0.4 + 2 / 4 * 0.025 + 1 / 4 * 0)
    # Three classes: the sum over classes, not halved.
    squares = (0.4**2 + 0.7**2 + 0.3**2) + (2 * 0.25**2 + 0.5**2) + (0.75**2 + 0.3**2 + 0.45**2) + 0
    assert found.brier == pytest.approx(squares / 4)


def test_every_bin_is_there_and_empty_ones_have_their_middle():
    found = calibration(binary([1.0, 0.0]), np.array([1, 1]))
    assert [one.rows for one in found.bins] == [0] * 9 + [2]  # confidence 1 is in the last
    assert [one.confidence for one in found.bins[:9]] == pytest.approx([0.05 + index / 10 for index in range(9)])
    assert {one.accuracy for one in found.bins[:9]} == {0}
    assert (found.bins[9].confidence, found.bins[9].accuracy) == (1, 0.5)
    assert found.expected_calibration_error == 0.5
    assert found.brier == 0.5


@pytest.mark.parametrize(("confidence", "number"), [(0.5, 4), (0.6, 5), (0.7, 6), (0.8, 7), (0.9, 8), (0.90001, 9)])
def test_a_confidence_on_an_edge_is_in_the_lower_bin(confidence, number):
    found = calibration(binary([confidence]), np.array([1]))
    assert [one.rows for one in found.bins].index(1) == number


def test_labels_of_one_class():
    found = calibration(binary([0.3, 0.9]), np.array([0, 0]))
    assert found.brier == pytest.approx((0.3**2 + 0.9**2) / 2)
    assert found.expected_calibration_error == pytest.approx(0.5 * 0.3 + 0.5 * 0.9)


@pytest.mark.parametrize(("classes", "bins"), [(2, 10), (2, 1), (5, 7)])
def test_against_the_definition(classes, bins):
    logits, _ = calibrated(200, classes, seed=classes)
    probabilities = scaled_probabilities(logits, 1.0)
    labels = np.random.default_rng(1).integers(classes, size=200)
    found = calibration(probabilities, labels, bins=bins)
    error = 0.0
    for number in range(bins):
        chosen = [
            (row.max(), row.argmax() == label)
            for row, label in zip(probabilities, labels, strict=True)
            if number / bins < row.max() <= (number + 1) / bins
        ]
        assert found.bins[number].rows == len(chosen)
        if chosen:
            confidence, accuracy = np.mean(chosen, axis=0)
            assert (found.bins[number].confidence, found.bins[number].accuracy) == pytest.approx((confidence, accuracy))
            error += len(chosen) / 200 * abs(confidence - accuracy)
    assert found.expected_calibration_error == pytest.approx(error)
    squares = ((probabilities - np.eye(classes)[labels]) ** 2).sum(axis=1).mean()
    assert found.brier == pytest.approx(squares / 2 if classes == 2 else squares)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("factor", [1 / 3, 1.0, 3.0])
def test_the_temperature_undoes_a_factor(classes, factor):
    logits, labels = calibrated(20_000, classes)
    assert fit_temperature(logits * factor, labels) == pytest.approx(factor, rel=0.05)


def test_no_temperature_on_a_grid_is_better():
    logits, labels = calibrated(300, 3, seed=5)
    logits = (logits * 2.5).astype(np.float32)

    def loss(temperature):
        return -log_softmax(logits.astype(float) / temperature, axis=1)[np.arange(300), labels].mean()

    found = fit_temperature(logits, labels)
    assert loss(found) <= min(loss(one) for one in np.geomspace(*TEMPERATURES, 2000)) + 1e-9
    before, after = (calibration(scaled_probabilities(logits, one), labels) for one in (1.0, found))
    assert after.expected_calibration_error < before.expected_calibration_error
    assert after.brier < before.brier


def test_the_temperature_in_closed_form():
    # Margin 2 log 9 on every row, right on 9 of 10: best where the score is 0.9, so at half the margin.
    logits = np.array([[0.0, 2 * math.log(9)]] * 20)
    labels = np.array([1] * 18 + [0] * 2)
    assert fit_temperature(logits, labels) == pytest.approx(2, rel=1e-4)


def test_the_temperature_keeps_to_its_bounds():
    logits, labels = calibrated(500, 2)
    hot = fit_temperature(-100 * logits, labels)  # worse than chance: as flat as may be
    cold = fit_temperature(logits * 1e-4, labels)
    assert hot == pytest.approx(20, rel=1e-3)
    assert hot <= 20
    assert cold == pytest.approx(0.05, rel=1e-3)
    assert cold >= 0.05


@pytest.mark.parametrize(
    ("logits", "labels"),
    [
        pytest.param(np.array([[0.0, 8.0]] * 9), np.array([1, 0, 1, 0, 1, 0, 1, 0, 1]), id="9 rows"),
        pytest.param(np.array([[0.0, 8.0], [8.0, 0.0]] * 10), np.array([1] * 20), id="one class"),
        pytest.param(np.array([[0.0, 8.0], [8.0, 0.0]] * 10), np.array([1, 0] * 10), id="separated"),
        pytest.param(np.zeros((20, 2)), np.array([1, 0] * 10), id="constant"),
        pytest.param(np.zeros((0, 2)), np.array([], dtype=int), id="no rows"),
    ],
)
def test_the_temperature_is_1_where_rows_cannot_tell(logits, labels):
    assert fit_temperature(logits, labels) == 1


def test_ten_rows_of_two_classes_are_enough():
    assert fit_temperature(np.array([[0.0, 8.0]] * 10), np.array([0] + [1] * 9)) == pytest.approx(8 / math.log(9), 1e-4)


def test_scaled_probabilities_by_hand():
    logits = np.array([[0.0, 4 * math.log(3)]], dtype=np.float32)
    assert scaled_probabilities(logits, 4.0) == pytest.approx(np.array([[0.25, 0.75]]))
    assert scaled_probabilities(logits, 4.0).dtype == np.float64
    third = scaled_probabilities(np.array([[0.0, 1.0]], dtype=np.float32), 3.0)
    assert third[0, 1] == pytest.approx(1 / (1 + math.exp(-1 / 3)), rel=1e-14)
