"""The classification loss with all that can change it: by hand, and against PyTorch's and scikit-learn's functions."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.utils.class_weight import compute_class_weight

from foreshot.settings.experiment import Training
from foreshot.settings.losses import Classification
from foreshot.training.loop import weights_of_classes
from foreshot.training.losses import balanced_weights, classification_loss

LN3 = math.log(3)
LOGITS = torch.tensor([[LN3, 0.0], [LN3, 0.0]])  # softmax: 3/4 and 1/4
LABELS = torch.tensor([0, 1])
RIGHT, WRONG = -math.log(3 / 4), -math.log(1 / 4)
"""What the two rows cost."""


def random_logits(seed: int, rows: int = 6, classes: int = 3) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * 2


MANY = random_logits(0), torch.tensor([0, 2, 1, 1, 0, 2])


def loss(logits, labels, weights=None, **settings) -> float:
    weights = None if weights is None else torch.tensor(weights)
    return classification_loss(logits, labels, Classification(**settings), weights).item()


# ---- one label of several classes ----


def test_label_smoothing_by_hand():
    # ε = 0.2: the target of the truth is 0.9, of the other class 0.1
    first, second = 0.9 * RIGHT + 0.1 * WRONG, 0.9 * WRONG + 0.1 * RIGHT
    assert loss(LOGITS, LABELS, label_smoothing=0.2) == pytest.approx((first + second) / 2)


def test_class_weights_by_hand():
    assert loss(LOGITS, LABELS, [1.0, 3.0]) == pytest.approx((RIGHT + 3 * WRONG) / 4)


def test_focal_by_hand():
    # (1 - p)²: a sixteenth of the row that is nearly right, nine sixteenths of the other
    assert loss(LOGITS, LABELS, focal_gamma=2) == pytest.approx((RIGHT / 16 + WRONG * 9 / 16) / 2)


def test_focal_with_class_weights_and_smoothing_by_hand():
    first = (0.9 * RIGHT + 0.1 * 3 * WRONG) / 4  # the smoothed part of a class has that class's weight
    second = (0.9 * 3 * WRONG + 0.1 * RIGHT) * 3 / 4
    found = loss(LOGITS, LABELS, [1.0, 3.0], focal_gamma=1, label_smoothing=0.2)
    assert found == pytest.approx((first + second) / 4)


@pytest.mark.parametrize("weights", [None, [0.5, 2.0, 1.5]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_without_focus_it_is_pytorchs_and_a_small_focus_changes_little(weights, smoothing):
    given = None if weights is None else torch.tensor(weights)
    expected = F.cross_entropy(*MANY, weight=given, label_smoothing=smoothing).item()
    assert loss(*MANY, weights, label_smoothing=smoothing) == pytest.approx(expected)
    assert loss(*MANY, weights, label_smoothing=smoothing, focal_gamma=1e-6) == pytest.approx(expected, rel=1e-4)


def test_a_greater_focus_leaves_less_to_the_rows_that_are_right():
    shares = []
    for gamma in (0.0, 1.0, 5.0):
        logits = LOGITS.clone().requires_grad_()
        classification_loss(logits, LABELS, Classification(focal_gamma=gamma)).backward()
        shares.append((logits.grad[0].abs().sum() / logits.grad[1].abs().sum()).item())
    assert shares == sorted(shares, reverse=True)
    assert shares[2] < shares[0] / 20


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_row_that_is_quite_certain_has_a_gradient(several, gamma):
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    labels = torch.tensor([[1.0, 0.0]]) if several else torch.tensor([0])
    classification_loss(logits, labels, Classification(focal_gamma=gamma)).backward()
    assert torch.isfinite(logits.grad).all()


# ---- several labels ----


def test_binary_cross_entropy_by_hand():
    # sigmoid(ln 3) = 3/4
    logits = torch.tensor([[LN3, LN3], [-LN3, 0.0]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert loss(logits, labels) == pytest.approx((RIGHT + WRONG + RIGHT + math.log(2)) / 4)


def test_several_labels_are_as_many_tasks_of_their_own():
    logits, labels = random_logits(1), (random_logits(2) > 0).float()
    alone = [F.binary_cross_entropy_with_logits(logits[:, n], labels[:, n]).item() for n in range(3)]
    assert loss(logits, labels) == pytest.approx(np.mean(alone))


def test_a_label_is_a_task_of_two_classes():
    """Sigmoid and softmax, so all that changes either loss changes both alike."""
    logits, truth = random_logits(3, classes=1), torch.tensor([1, 0, 0, 1, 1, 0])
    pair = torch.cat([torch.zeros_like(logits), logits], dim=1)
    for settings in ({}, {"label_smoothing": 0.3}, {"focal_gamma": 2.0}, {"label_smoothing": 0.3, "focal_gamma": 0.5}):
        found = loss(logits, truth[:, None].float(), **settings)
        assert found == pytest.approx(loss(pair, truth, **settings), rel=1e-5), settings


def test_weights_of_labels_weigh_the_rows_that_have_them():
    # of the label with weight 3, a row that has it and one that hasn't
    logits, labels = torch.tensor([[0.0, LN3], [0.0, LN3]]), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    assert loss(logits, labels, [5.0, 3.0]) == pytest.approx((2 * math.log(2) + 3 * RIGHT + WRONG) / 4)


def test_focal_for_labels_by_hand():
    logits, labels = torch.tensor([[LN3, LN3]]), torch.tensor([[1.0, 0.0]])
    assert loss(logits, labels, focal_gamma=2) == pytest.approx((RIGHT / 16 + WRONG * 9 / 16) / 2)


# ---- weights that make classes count alike ----


@pytest.mark.parametrize("labels", [[0, 1, 1, 1], [0, 0, 2, 1, 2, 2, 2], [1, 0]])
def test_balanced_weights_are_scikit_learns(labels):
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert balanced_weights(torch.tensor(labels)).numpy() == pytest.approx(expected)


def test_balanced_weights_of_labels_by_hand():
    labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    assert balanced_weights(labels).tolist() == pytest.approx([1 / 3, 3])


def test_balanced_weights_make_rows_with_and_without_a_label_weigh_alike():
    labels = (torch.arange(20) % 5 == 0).float()[:, None]
    logits = torch.zeros(20, 1, requires_grad=True)
    classification_loss(logits, labels, None, balanced_weights(labels)).backward()
    assert logits.grad.sum().item() == pytest.approx(0, abs=1e-6)


def test_settings_say_which_weights_there_are():
    labels = torch.tensor([0, 1, 1, 1])
    assert weights_of_classes(Training().classification, labels) is None
    assert weights_of_classes(Classification(class_weights="balanced"), labels).tolist() == pytest.approx([2, 2 / 3])
    assert weights_of_classes(Classification(class_weights=(1, 4)), labels).tolist() == [1, 4]
