"""The search for learning rates: what a rate is judged by on the validation rows."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from foreshot.config import RECIPES
from foreshot.data.split import Part
from foreshot.tuning import _trial

LOGITS = np.array([[2.0, -1.0], [-0.5, 3.0], [1.5, -2.0], [-1.0, -3.0]])


def trial_on(labels: list[int], marks: list[tuple[int, ...]] | None, logits: np.ndarray = LOGITS):
    texts, rows = [f"text {number}" for number in range(4)], [2, 3, 4, 5]
    split = SimpleNamespace(parts={"validation": Part("a.csv", texts, labels, rows, marks)})
    return _trial(SimpleNamespace(split=split, class_names=["not toxic", "toxic"]), RECIPES["odd"], 1e-4, logits)


def test_a_rate_is_judged_by_the_likeliest_class():
    labels = [0, 1, 1, 0]
    found = trial_on(labels, None)
    assert found.validation_macro_f1 == pytest.approx(f1_score(labels, LOGITS.argmax(axis=1), average="macro"))
    expected = torch.nn.functional.cross_entropy(torch.tensor(LOGITS), torch.tensor(labels))
    assert found.validation_cross_entropy == pytest.approx(expected.item())


def test_of_several_labels_a_rate_is_judged_by_the_mean_over_them():
    marks = [(1, 1), (0, 1), (0, 0), (0, 0)]
    found = trial_on([1, 0, 0, 0], marks)
    # First label: flagged in rows 1 and 3, there in 1: F1 2/3 and 4/5. Second: flagged in 2, there in 1 and 2: alike.
    assert found.validation_macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(LOGITS), torch.tensor(marks) * 1.0)
    assert found.validation_cross_entropy == pytest.approx(expected.item(), rel=1e-6)


def test_a_rate_at_which_training_blew_up_has_no_loss():
    assert trial_on([1, 0, 0, 0], [(1, 1), (0, 1), (0, 0), (0, 0)], LOGITS * np.nan).validation_cross_entropy is None
