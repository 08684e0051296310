"""Learning from several teachers, from one that is silent on some rows, and through a projection, by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_loop_teaching import ENCODED, LABELS, ROWS
from tiny_models import tiny_classifier
from torch import nn

from foreshot.models.outputs import Outputs, model_outputs
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Distillation, LossWeights, Ramp
from foreshot.training.device import CPU
from foreshot.training.loop import Teaching, lesson_of, teacher_batch, train, weights_of_teaching
from foreshot.training.losses import (
    BatchOutputs,
    bernoulli_divergence_loss,
    cosine_loss,
    distillation_losses,
    divergence_loss,
    mean_of_teachers,
)
from foreshot.training.projection import projection_of
from foreshot.training.updates import micro_batches

LN3 = math.log(3)
NAN = math.nan


def probabilities(logits: torch.Tensor, temperature: float) -> list[float]:
    return (logits / temperature).softmax(dim=-1)[0].tolist()


# ---- the mean at the temperature ----


def test_the_mean_of_classes_at_temperature_2_by_hand():
    # At T = 2 the teachers' [2 ln 3, 0] and [0, 0] are [3/4, 1/4] and [1/2, 1/2]; weighed 1 to 3: [9/16, 7/16].
    logits = torch.tensor([[[2 * LN3, 0.0], [0.0, 0.0]]])
    mean = mean_of_teachers(logits, torch.tensor([0.25, 0.75]), 2.0, several=False)
    assert probabilities(mean, 2.0) == pytest.approx([9 / 16, 7 / 16])
    # The mean at temperature 1, softened, is another one: [9/10, 1/10] and [1/2, 1/2] give [0.6, 0.4] there.
    first = mean_of_teachers(logits, torch.tensor([0.25, 0.75]), several=False)
    assert probabilities(first, 1.0) == pytest.approx([0.6, 0.4])
    assert probabilities(first, 2.0) != pytest.approx([9 / 16, 7 / 16], abs=1e-2)


def test_the_mean_of_labels_at_temperature_2_by_hand():
    # sigmoid(2 ln 3 / 2) = 3/4 and sigmoid(0) = 1/2: of equal weight 5/8; the second label 1/4 and 3/4: 1/2.
    logits = torch.tensor([[[2 * LN3, -2 * LN3], [0.0, 2 * LN3]]])
    mean = mean_of_teachers(logits, torch.tensor([1.0, 1.0]), 2.0, several=True)
    assert (mean / 2).sigmoid()[0].tolist() == pytest.approx([5 / 8, 1 / 2])


@pytest.mark.parametrize("several", [False, True])
def test_the_mean_of_one_teacher_is_that_teacher(several):
    logits = torch.randn(4, 1, 3, generator=torch.Generator().manual_seed(0)) * 3
    mean = mean_of_teachers(logits, torch.tensor([0.3]), 5.0, several=several)
    squash = torch.sigmoid if several else (lambda values: values.softmax(dim=-1))
    assert torch.allclose(squash(mean / 5), squash(logits[:, 0] / 5), atol=1e-6)


def test_a_silent_teacher_is_left_out_of_the_rows_mean():
    logits = torch.tensor([[[LN3, 0.0], [NAN, NAN]], [[NAN, NAN], [NAN, NAN]]])
    mean = mean_of_teachers(logits, torch.tensor([0.1, 0.9]), several=False)
    assert probabilities(mean, 1.0) == pytest.approx([3 / 4, 1 / 4])
    assert mean[1].isnan().all()
    of_labels = mean_of_teachers(torch.tensor([[[LN3, 0.0], [NAN, LN3]]]), torch.tensor([0.5, 0.5]), several=True)
    assert of_labels.sigmoid()[0].tolist() == pytest.approx([3 / 4, 5 / 8])


def test_certain_teachers_have_a_finite_mean():
    logits = torch.tensor([[[500.0, -500.0], [-500.0, 500.0]]])
    for several in (False, True):
        mean = mean_of_teachers(logits, torch.tensor([0.5, 0.5]), several=several)
        assert mean.isfinite().all()
        assert mean[0].diff().abs().item() < 1e-3


def test_a_teacher_of_weight_0_has_no_say():
    logits = torch.tensor([[[LN3, 0.0], [50.0, -50.0]]])
    assert probabilities(mean_of_teachers(logits, torch.tensor([1.0, 0.0]), several=False), 1.0) == pytest.approx(
        [3 / 4, 1 / 4]
    )


def test_the_loss_takes_the_mean_at_the_temperature_of_its_step():
    of_each = torch.tensor([[[2 * LN3, 0.0], [0.0, 0.0]]])
    weights = torch.tensor([0.25, 0.75])
    teacher = BatchOutputs(
        logits=mean_of_teachers(of_each, weights, several=False),
        representations=None,
        of_each=of_each,
        teacher_weights=weights,
    )
    student = BatchOutputs(logits=torch.tensor([[0.0, 0.0]]), representations=torch.ones(1, 8))
    settings = Distillation(temperature=Ramp(start=2, end=1))
    for progress, temperature, right in ((0.0, 2.0, 9 / 16), (1.0, 1.0, 0.6)):
        found = distillation_losses(
            student, teacher, torch.tensor([0]), torch.ones(1, 4), settings, progress=progress
        ).parts
        expected = right * math.log(2 * right) + (1 - right) * math.log(2 * (1 - right))
        assert found["divergence"].item() == pytest.approx(temperature**2 * expected, rel=1e-5)
        assert "cosine" not in found  # there are no representations


# ---- rows that weigh less ----


def test_weighted_losses_by_hand():
    student, teacher = torch.zeros(3, 2), torch.tensor([[LN3, 0.0], [0.0, 0.0], [NAN, NAN]])
    of_first = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    weights = torch.tensor([1.0, 3.0, 0.0])
    assert divergence_loss(student, teacher, 1.0, weights).item() == pytest.approx(of_first / 4)
    vectors, others = torch.tensor([[3.0, 4.0], [1.0, 0.0]]), torch.tensor([[4.0, 3.0], [0.0, 2.0]])
    assert cosine_loss(vectors, others, torch.tensor([3.0, 1.0])).item() == pytest.approx((3 * 0.04 + 1) / 4)


def test_of_labels_each_entry_has_its_weight():
    student, teacher = torch.zeros(2, 2), torch.tensor([[LN3, 0.0], [NAN, LN3]])
    of_one = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    entries = torch.tensor([[1.0, 1.0], [0.0, 2.0]])
    assert bernoulli_divergence_loss(student, teacher, 1.0, entries).item() == pytest.approx(3 * of_one / 4)
    rows = torch.tensor([1.0, 0.0])
    assert bernoulli_divergence_loss(student, teacher, 1.0, rows).item() == pytest.approx(of_one / 2)


@pytest.mark.parametrize("loss", [divergence_loss, bernoulli_divergence_loss])
def test_equal_weights_give_the_plain_mean(loss):
    student, teacher = (torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.allclose(loss(student, teacher, 2.0, torch.full((5,), 0.3)), loss(student, teacher, 2.0))


def test_a_batch_of_which_nothing_is_known_teaches_nothing():
    student = torch.zeros(2, 2, requires_grad=True)
    loss = divergence_loss(student, torch.full((2, 2), NAN), 2.0, torch.zeros(2))
    loss.backward()
    assert loss.item() == 0
    assert torch.equal(student.grad, torch.zeros(2, 2))


def test_gaps_are_found_in_the_logits():
    logits = np.array([[1.0, 2.0], [NAN, 1.0], [NAN, NAN]], dtype=np.float32)
    teaching = Teaching(settings=Distillation(), outputs=Outputs(logits=logits, representations=None))
    assert weights_of_teaching(teaching, several=False).tolist() == [1, 0, 0]
    assert weights_of_teaching(teaching, several=True).tolist() == [[1, 1], [0, 1], [0, 0]]
    weighed = Teaching(
        settings=Distillation(),
        outputs=Outputs(logits=logits, representations=None),
        row_weights=np.array([0.5, 0.5, 0.5], dtype=np.float32),
    )
    assert weights_of_teaching(weighed, several=False).tolist() == [0.5, 0, 0]
    assert weights_of_teaching(weighed, several=True).tolist() == [[0.5, 0.5], [0, 0.5], [0, 0]]
    whole = Teaching(settings=Distillation(), outputs=Outputs(logits=logits[:1], representations=None))
    assert weights_of_teaching(whole, several=False) is None


@pytest.mark.parametrize("several", [False, True])
def test_the_parts_of_a_batch_add_up_to_it(several):
    rng = np.random.default_rng(0)
    outputs, rows = 3, 10
    weights = rng.uniform(0.1, 1, (rows, outputs) if several else rows).astype(np.float32)
    logits = rng.normal(size=(rows, outputs)).astype(np.float32)
    logits[2] = NAN
    teaching = Teaching(
        settings=Distillation(weights=LossWeights(classification=0), cosine_on="logits"),
        outputs=Outputs(logits=logits, representations=None),
        row_weights=weights,
    )
    labels = torch.zeros(rows, outputs) if several else torch.zeros(rows, dtype=torch.int64)
    taught = weights_of_teaching(teaching, several=several)
    student = torch.from_numpy(rng.normal(size=(rows, outputs)).astype(np.float32))
    everything = np.arange(rows)

    def losses(parts) -> dict[str, float]:
        found: dict[str, float] = {}
        for part in parts:
            of_part = distillation_losses(
                BatchOutputs(logits=student[part.rows], representations=None),
                teacher_batch(teaching, part.rows, CPU, taught),
                labels[part.rows],
                torch.ones(len(part.rows), 4),
                teaching.settings,
                shares=part.shares,
            )
            for name, loss in of_part.named.items():
                found[name] = found.get(name, 0.0) + loss.item()
        return found

    at_once, apart = (
        losses(micro_batches(everything, count, weights=np.ones(rows), lengths=np.ones(rows), taught=taught))
        for count in (1, 4)
    )
    assert at_once == pytest.approx(apart, rel=1e-5)


# ---- the projection ----


def wider(seed: int = 9, width: int = 24) -> Outputs:
    """A teacher's outputs, whose representations are wider than the student's 16."""
    outputs = model_outputs(tiny_classifier("bert", 4, seed=seed), ENCODED)
    assert outputs.representations is not None
    matrix = np.random.default_rng(0).normal(size=(16, width)).astype(np.float32)
    return Outputs(logits=outputs.logits, representations=outputs.representations @ matrix)


def taught_through_a_projection(seed: int = 3, epochs: int = 2, weights: LossWeights | None = None):
    model = tiny_classifier("bert", 2, seed=1)
    history = train(
        model,
        ENCODED,
        LABELS,
        settings=Training(batch_size=8, epochs=epochs),
        learning_rate=3e-3,
        seed=seed,
        teaching=Teaching(settings=Distillation(weights=weights or LossWeights()), outputs=wider()),
        progress=Silent(),
    )
    return model, history


def test_a_student_comes_nearer_to_a_wider_representation():
    only = LossWeights(classification=0, divergence=0, cosine=1)
    model, history = taught_through_a_projection(epochs=15, weights=only)
    cosine = history.losses["cosine"]
    assert cosine[-3:].mean() < cosine[:3].mean() / 3
    assert {parameter.shape for parameter in model.parameters() if 24 in parameter.shape} == {(24, 16), (16, 24), (24,)}
    assert not [name for name in model.state_dict() if "projection" in name]


def test_the_first_loss_is_that_of_the_seeds_projection():
    """Worked out without the loop, from the untrained student on the first batch without dropout."""
    teacher, settings = wider(), Distillation()
    model = tiny_classifier("bert", 2, seed=1)
    projection = projection_of(model, teacher, settings, 3)
    assert isinstance(projection, nn.Linear)
    assert projection.bias is None
    assert projection.weight.shape == (24, 16)
    same, other = (projection_of(model, teacher, settings, seed) for seed in (3, 4))
    assert torch.equal(projection.weight, same.weight)
    assert not torch.equal(projection.weight, other.weight)
    states = model_outputs(model, ENCODED).representations
    expected = 1 - F.cosine_similarity(projection(torch.from_numpy(states)), torch.from_numpy(teacher.representations))
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    history = train(
        model,
        ENCODED,
        LABELS,
        settings=Training(batch_size=ROWS, epochs=1),
        learning_rate=3e-3,
        seed=3,
        teaching=Teaching(settings=settings, outputs=teacher),
        progress=Silent(),
    )
    assert history.losses["cosine"][0] == pytest.approx(expected.mean().item(), abs=1e-4)


def test_there_is_a_projection_only_where_it_is_of_use():
    model = tiny_classifier("bert", 2, seed=1)
    same_width = model_outputs(tiny_classifier("bert", 4, seed=9), ENCODED)
    without = LossWeights(cosine=0)
    for outputs, settings in (
        (same_width, Distillation()),
        (wider(), Distillation(weights=without)),
        (wider(), Distillation(cosine_on="logits")),
        (Outputs(logits=same_width.logits, representations=None), Distillation()),
    ):
        assert projection_of(model, outputs, settings, 0) is None


def test_a_lesson_without_gaps_weighs_nothing():
    teaching = Teaching(settings=Distillation(), outputs=wider())
    lesson = lesson_of(ENCODED, torch.tensor(LABELS), Training(), teaching, CPU)
    assert lesson.taught is None
