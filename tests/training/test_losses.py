"""The three losses: against numbers worked out by hand, and against PyTorch's own functions."""

import math

import pytest
import torch
import torch.nn.functional as F

from foreshot.settings.losses import Distillation, LossWeights
from foreshot.training.losses import (
    BatchOutputs,
    classification_loss,
    cosine_loss,
    distillation_losses,
    divergence_loss,
    label_losses,
)

LN3 = math.log(3)


def random_logits(seed: int, rows: int = 5, classes: int = 3) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * 3


def test_classification_by_hand():
    # softmax([ln 3, 0]) = [3/4, 1/4]: the rows cost -ln 3/4 and -ln 1/4
    logits = torch.tensor([[LN3, 0.0], [LN3, 0.0]])
    loss = classification_loss(logits, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx((-math.log(0.75) - math.log(0.25)) / 2)


def test_classification_is_pytorchs_cross_entropy():
    logits, labels = random_logits(0), torch.tensor([0, 2, 1, 1, 0])
    assert torch.equal(classification_loss(logits, labels), F.cross_entropy(logits, labels))


def test_divergence_by_hand_at_temperature_2():
    # At T = 2 the teacher's [2 ln 3, 0] is [3/4, 1/4] and the student's [0, 0] is [1/2, 1/2]:
    # KL = 3/4 ln(3/2) + 1/4 ln(1/2), times T² = 4. The second row agrees and adds nothing to the mean.
    teacher = torch.tensor([[2 * LN3, 0.0], [1.0, -1.0]])
    student = torch.tensor([[0.0, 0.0], [1.0, -1.0]])
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    assert divergence_loss(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_divergence_goes_from_teacher_to_student():
    sharp, flat = torch.tensor([[2 * LN3, 0.0]]), torch.tensor([[0.0, 0.0]])
    reverse = 4 * (0.5 * math.log(0.5 / 0.75) + 0.5 * math.log(0.5 / 0.25))
    assert divergence_loss(sharp, flat, 2.0).item() == pytest.approx(reverse, rel=1e-5)
    assert reverse != pytest.approx(divergence_loss(flat, sharp, 2.0).item(), rel=1e-2)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 7.0])
def test_divergence_is_pytorchs_kl_div_of_probabilities(temperature):
    student, teacher = random_logits(1), random_logits(2)
    expected = F.kl_div((student / temperature).log_softmax(1), (teacher / temperature).softmax(1), reduction="sum") * (
        temperature**2 / len(student)
    )
    assert torch.allclose(divergence_loss(student, teacher, temperature), expected, rtol=1e-4)


def test_divergence_keeps_the_size_of_its_gradient_when_the_temperature_grows():
    # Hinton et al. 2015, equation 4: for large T the gradient is (student - teacher) / classes, logits of mean 0
    student = torch.tensor([[0.4, -0.4]], requires_grad=True)
    teacher = torch.tensor([[-0.2, 0.2]])
    divergence_loss(student, teacher, 1000.0).backward()
    assert torch.allclose(student.grad, (student.detach() - teacher) / 2, atol=1e-3)


def test_divergence_of_equals_is_nothing_and_pulls_nowhere():
    teacher = random_logits(3)
    student = (teacher + 5).requires_grad_()  # a shift of all logits changes no probability
    loss = divergence_loss(student, teacher, 2.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert torch.allclose(student.grad, torch.zeros_like(student), atol=1e-6)


def test_cosine_by_hand():
    vectors = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
    teacher = torch.tensor([[4.0, 3.0], [0.0, 2.0], [-1.0, 0.0], [0.1, 0.0]])
    # 1 - 24/25, 1 - 0, 1 + 1, 1 - 1
    assert cosine_loss(vectors, teacher).item() == pytest.approx((0.04 + 1 + 2 + 0) / 4, abs=1e-6)


def test_cosine_is_pytorchs_embedding_loss():
    vectors, teacher = random_logits(4, classes=8), random_logits(5, classes=8)
    expected = F.cosine_embedding_loss(vectors, teacher, torch.ones(5))
    assert torch.allclose(cosine_loss(vectors, teacher), expected, atol=1e-6)


@pytest.fixture
def batch():
    return {
        "student": BatchOutputs(logits=random_logits(6), representations=random_logits(7, classes=8)),
        "teacher": BatchOutputs(logits=random_logits(8), representations=random_logits(9, classes=8)),
        "labels": torch.tensor([0, 1, 2, 0, 1]),
        "mask": torch.ones(5, 4),
    }


def test_the_default_objective_is_the_plain_mean_of_three_losses(batch):
    losses = distillation_losses(**batch, settings=Distillation())
    student, teacher = batch["student"], batch["teacher"]
    cross_entropy = F.cross_entropy(student.logits, batch["labels"])
    divergence = divergence_loss(student.logits, teacher.logits, 2.0)
    cosine = cosine_loss(student.representations, teacher.representations)
    assert torch.allclose(losses.objective, torch.stack([cross_entropy, divergence, cosine]).mean())
    expected = {"objective": losses.objective, "classification": cross_entropy, "divergence": divergence}
    assert {name: loss.item() for name, loss in losses.named.items()} == {
        name: float(value) for name, value in {**expected, "cosine": cosine}.items()
    }


def test_weights_and_temperature_reach_the_objective(batch):
    settings = Distillation(weights=LossWeights(classification=0.5, divergence=2, cosine=0.25), temperature=3.0)
    losses = distillation_losses(**batch, settings=settings)
    parts = losses.parts
    assert torch.equal(parts["divergence"], divergence_loss(batch["student"].logits, batch["teacher"].logits, 3.0))
    expected = 0.5 * parts["classification"] + 2 * parts["divergence"] + 0.25 * parts["cosine"]
    assert torch.allclose(losses.objective, expected)


def test_cosine_on_logits(batch):
    losses = distillation_losses(**batch, settings=Distillation(cosine_on="logits"))
    cosine = 1 - F.cosine_similarity(batch["student"].logits, batch["teacher"].logits)
    assert torch.equal(losses.parts["cosine"], cosine.mean())


def test_labels_alone_have_one_part_beside_the_objective(batch):
    losses = label_losses(batch["student"].logits, batch["labels"])
    assert torch.equal(losses.objective, F.cross_entropy(batch["student"].logits, batch["labels"]))
    assert list(losses.named) == ["objective", "classification"]
