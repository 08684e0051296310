"""Losses between hidden states, between attention relations, and between independent labels; and their schedules."""

import math

import pytest
import torch
import torch.nn.functional as F

from foreshot.settings.losses import Distillation, HiddenLoss, LossWeights, Ramp, RelationLoss
from foreshot.training.losses import (
    BatchOutputs,
    bernoulli_divergence_loss,
    classification_loss,
    cosine_loss,
    distillation_losses,
    divergence_loss,
    hidden_loss,
    relation_loss,
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# ---- independent labels ----


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_the_divergence_of_labels_is_that_of_their_two_outcomes(temperature):
    student, teacher = draw(5, 3) * 3, draw(5, 3, seed=1) * 3
    pairs = [
        (F.pad(one.reshape(-1, 1), (1, 0)), F.pad(other.reshape(-1, 1), (1, 0)))  # logits [0, z]
        for one, other in zip(student.T, teacher.T, strict=True)
    ]
    expected = torch.stack([divergence_loss(one, other, temperature) for one, other in pairs]).mean()
    assert bernoulli_divergence_loss(student, teacher, temperature).item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_divergence_of_certain_labels_is_finite():
    student = torch.tensor([[300.0, -300.0]], requires_grad=True)
    found = bernoulli_divergence_loss(student, torch.tensor([[-300.0, -300.0]]), 1.0)
    found.backward()
    assert found.item() == pytest.approx(300 / 2)
    assert torch.isfinite(student.grad).all()


# ---- hidden states ----

MASK = torch.tensor([[1, 1, 1], [1, 0, 0]])


def test_hidden_states_by_hand():
    # one layer, two tokens: an angle whose cosine is 24/25, and a right one
    states, teacher = torch.tensor([[[[3.0, 4.0], [1.0, 0.0]]]]), torch.tensor([[[[4.0, 3.0], [0.0, 2.0]]]])
    mask = torch.ones(1, 2)
    assert hidden_loss(states, teacher, mask).item() == pytest.approx((0.04 + 1) / 2)
    # differences (-1, 1) and (1, -2)
    assert hidden_loss(states, teacher, mask, "mse").item() == pytest.approx((1 + 1 + 1 + 4) / 4)


def test_hidden_mse_is_pytorchs_where_nothing_is_padded():
    states, teacher = draw(2, 4, 3, 8), draw(2, 4, 3, 8, seed=1)
    expected = F.mse_loss(states, teacher)
    assert torch.allclose(hidden_loss(states, teacher, torch.ones(2, 3), "mse"), expected)


def test_twice_the_cosine_distance_is_the_squared_distance_of_normalised_states():
    states, teacher = draw(2, 4, 3, 8), draw(2, 4, 3, 8, seed=1)
    normalised = (F.normalize(states, dim=-1) - F.normalize(teacher, dim=-1)).square().sum(dim=-1)
    real = MASK[:, None].expand(2, 4, 3) == 1
    assert (2 * hidden_loss(states, teacher, MASK)).item() == pytest.approx(normalised[real].mean().item(), rel=1e-5)


@pytest.mark.parametrize("distance", ["cosine", "mse"])
def test_padding_has_no_part_in_hidden_states(distance):
    states, teacher = draw(2, 4, 3, 8), draw(2, 4, 3, 8, seed=1)
    expected = hidden_loss(states, teacher, MASK, distance)
    states[1, :, 1:] = 1e3
    teacher[1, :, 1:] = 0  # as a cache gives them
    states.requires_grad_()
    found = hidden_loss(states, teacher, MASK, distance)
    found.backward()
    assert torch.equal(found, expected)
    assert not states.grad[1, :, 1:].any()
    assert states.grad[1, :, 0].any()


# ---- relations ----


def test_relations_of_two_tokens_by_hand():
    # One head of width 4, so the scores are halved. Teacher: the tokens' products are 2 ln 3, 0, 0 and 0, and its
    # relations [3/4, 1/4] and [1/2, 1/2]; the student's vectors are nothing, and its relations all [1/2, 1/2].
    teacher = torch.zeros(1, 3, 2, 4)
    teacher[0, :, 0, 0] = math.sqrt(2 * math.log(3))
    expected = (0.75 * math.log(1.5) + 0.25 * math.log(0.5)) / 2
    found = relation_loss(torch.zeros(1, 3, 2, 4), teacher, torch.ones(1, 2), heads=1)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    only_keys = teacher * torch.tensor([0.0, 1.0, 0.0])[None, :, None, None]
    found = relation_loss(torch.zeros(1, 3, 2, 4), only_keys, torch.ones(1, 2), heads=1)
    assert found.item() == pytest.approx(expected / 3, rel=1e-5)


def slow_relations(vectors: torch.Tensor, heads: int) -> list[list[torch.Tensor]]:
    """Relations (tokens, tokens) of one row without padding, by its three vectors and its heads, head by head."""
    width = vectors.shape[-1] // heads
    return [
        [
            torch.softmax(part @ part.T / math.sqrt(width), dim=1)
            for part in (one[:, head * width : (head + 1) * width] for head in range(heads))
        ]
        for one in vectors
    ]


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_relations_are_those_of_each_row_alone_and_widths_may_differ(heads):
    student, teacher = draw(2, 3, 3, 8), draw(2, 3, 3, 12, seed=1)
    divergences = []
    for row, length in enumerate(MASK.sum(dim=1)):
        pairs = zip(
            slow_relations(student[row, :, :length], heads),
            slow_relations(teacher[row, :, :length], heads),
            strict=True,
        )
        for ours, theirs in ((one, other) for some, others in pairs for one, other in zip(some, others, strict=True)):
            divergences += (theirs * (theirs / ours).log()).sum(dim=1).tolist()
    assert len(divergences) == 3 * heads * (3 + 1)
    found = relation_loss(student, teacher, MASK, heads)
    assert found.item() == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)


def test_padding_has_no_part_in_relations():
    student, teacher = draw(2, 3, 3, 8), draw(2, 3, 3, 8, seed=1)
    expected = relation_loss(student, teacher, MASK, 2)
    student[1, :, 1:], teacher[1, :, 1:] = 50.0, 0.0
    student.requires_grad_()
    found = relation_loss(student, teacher, MASK, 2)
    found.backward()
    assert torch.equal(found, expected)
    assert not student.grad[1, :, 1:].any()
    assert torch.isfinite(student.grad).all()


def test_equal_relations_cost_nothing():
    vectors = draw(2, 3, 3, 8)
    assert relation_loss(vectors, vectors.clone(), MASK, 2).item() == pytest.approx(0, abs=1e-7)


def test_relations_do_not_change_when_a_heads_vectors_are_turned():
    vectors = draw(2, 3, 3, 8)
    turn = torch.linalg.qr(draw(4, 4, seed=2)).Q
    turned = torch.cat([vectors[..., :4] @ turn, vectors[..., 4:]], dim=-1)
    assert not torch.allclose(vectors, turned, atol=0.1)
    assert relation_loss(turned, vectors, MASK, 2).item() == pytest.approx(0, abs=1e-6)
    # of heads of another width these are not the same vectors
    assert relation_loss(turned, vectors, MASK, 4).item() > 1e-3


# ---- all together ----


def some_batch(seed: int, hidden: int = 8) -> BatchOutputs:
    return BatchOutputs(
        logits=draw(2, 2, seed=seed),
        representations=draw(2, hidden, seed=seed + 1),
        states=draw(2, 4, 3, hidden, seed=seed + 2),
        projections=draw(2, 3, 3, hidden, seed=seed + 3),
    )


STUDENT, TEACHER = some_batch(0), some_batch(10)
LABELS = torch.tensor([1, 0])


def losses(progress: float = 0.0, labels: torch.Tensor = LABELS, **settings):
    settings = {"relations": RelationLoss(heads=2), **settings}
    return distillation_losses(STUDENT, TEACHER, labels, MASK, Distillation(**settings), progress=progress)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.5, 0.5), (0.25, 0.25), (1.0, 1.0)])
def test_weights_and_temperature_go_in_a_straight_line(progress, share):
    weights = LossWeights(
        classification=Ramp(start=1, end=0),
        divergence=Ramp(start=0, end=2),
        cosine=0.5,
        hidden=Ramp(start=4, end=2),
        relations=Ramp(start=0, end=3),
    )
    found = losses(progress, weights=weights, temperature=Ramp(start=5, end=1))
    parts = {
        "classification": classification_loss(STUDENT.logits, LABELS),
        "divergence": divergence_loss(STUDENT.logits, TEACHER.logits, 5 - 4 * share),
        "cosine": cosine_loss(STUDENT.representations, TEACHER.representations),
        "hidden": hidden_loss(STUDENT.states, TEACHER.states, MASK),
        "relations": relation_loss(STUDENT.projections, TEACHER.projections, MASK, 2),
    }
    values = {name: part.item() for name, part in parts.items()}
    assert {name: part.item() for name, part in found.parts.items()} == pytest.approx(values, rel=1e-5)
    now = {"classification": 1 - share, "divergence": 2 * share, "cosine": 0.5, "hidden": 4 - 2 * share}
    now["relations"] = 3 * share
    expected = sum(now[name] * value for name, value in values.items())
    assert found.objective.item() == pytest.approx(expected, rel=1e-5)


def test_rows_without_labels_take_part_in_all_but_the_classification():
    found = losses(labels=LABELS[:1], weights=LossWeights(hidden=1))
    assert torch.equal(found.parts["classification"], classification_loss(STUDENT.logits[:1], LABELS[:1]))
    whole = losses(weights=LossWeights(hidden=1))
    for name in ("divergence", "cosine", "hidden"):
        assert torch.equal(found.parts[name], whole.parts[name])
    assert not torch.equal(found.parts["classification"], whole.parts["classification"])


def test_several_labels_are_learnt_as_independent_ones():
    labels = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    found = losses(labels=labels, temperature=3.0)
    expected = F.binary_cross_entropy_with_logits(STUDENT.logits, labels)
    assert torch.allclose(found.parts["classification"], expected)
    expected = bernoulli_divergence_loss(STUDENT.logits, TEACHER.logits, 3.0)
    assert torch.equal(found.parts["divergence"], expected)
    only_first = losses(labels=labels[:1])
    expected = F.binary_cross_entropy_with_logits(STUDENT.logits[:1], labels[:1])
    assert torch.allclose(only_first.parts["classification"], expected)


def test_settings_of_the_hidden_loss_reach_it():
    weights = LossWeights(hidden=1)
    found = losses(weights=weights, hidden=HiddenLoss(distance="mse")).parts["hidden"]
    assert torch.equal(found, hidden_loss(STUDENT.states, TEACHER.states, MASK, "mse"))
    first = BatchOutputs(
        logits=TEACHER.logits, representations=TEACHER.representations, states=TEACHER.states[:, :, :1]
    )
    found = distillation_losses(
        STUDENT, first, LABELS, MASK, Distillation(weights=weights, hidden=HiddenLoss(tokens="first"))
    ).parts["hidden"]
    expected = 1 - F.cosine_similarity(STUDENT.states[:, :, 0], TEACHER.states[:, :, 0], dim=-1)
    assert found.item() == pytest.approx(expected.mean().item(), rel=1e-6)


def test_settings_of_the_relations_reach_them():
    found = losses(relations=RelationLoss(heads=4)).parts["relations"]
    assert torch.equal(found, relation_loss(STUDENT.projections, TEACHER.projections, MASK, 4))
