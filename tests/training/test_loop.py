"""The training loop on a tiny random BERT: what it learns, what it logs, and what its seed decides."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.models.batches import EncodedRows, collate, length_grouped_batches
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Distillation, LossWeights
from foreshot.training.loop import Teaching, train
from foreshot.training.seeding import generator

CLS, SEP, TOXIC_WORD = 2, 3, 7
ROWS = 60


@dataclass
class Counting(Silent):
    rows: int = 0

    def advance(self, units: int, state: str = "") -> None:
        self.rows += units


def toy_task() -> tuple[EncodedRows, list[int]]:
    """Rows of some words; the label tells whether one certain word is among them."""
    rng = random.Random(5)
    labels = [row % 2 for row in range(ROWS)]
    ids = []
    for label in labels:
        words = [rng.randrange(10, 40) for _ in range(rng.randrange(2, 8))]
        if label:
            words[rng.randrange(len(words))] = TOXIC_WORD
        ids.append([CLS, *words, SEP])
    return EncodedRows(ids=ids, tokenizer=tiny_tokenizer()), labels


def trained(model=None, *, seed=0, learning_rate=3e-3, labels=None, targets=None, distillation=None, **settings):
    encoded, own_labels = toy_task()
    model = model or tiny_classifier("bert", 2)
    history = train(
        model,
        encoded,
        labels or own_labels,
        settings=Training(**{"batch_size": 16, "epochs": 2, **settings}),
        learning_rate=learning_rate,
        seed=seed,
        teaching=Teaching(settings=distillation or Distillation(), outputs=targets) if targets else None,
        progress=Silent(),
    )
    return model, history


def weights(model) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def equal(some, others) -> bool:
    return all(torch.equal(tensor, others[name]) for name, tensor in some.items())


def test_loss_falls_and_the_task_is_learnt():
    model, history = trained(epochs=25)
    losses = history.losses["objective"]
    assert losses[:4].mean() > 0.6
    assert losses[-4:].mean() < 0.1
    encoded, labels = toy_task()
    assert (model_outputs(model, encoded).logits.argmax(axis=1) == labels).mean() > 0.95


def test_the_seed_alone_decides_the_weights():
    one, one_history = trained(seed=1)
    torch.rand(17)  # what was drawn before has no say
    same, same_history = trained(seed=1)
    other, _ = trained(seed=2)
    assert equal(weights(one), weights(same))
    assert np.array_equal(one_history.losses["objective"], same_history.losses["objective"])
    assert not equal(weights(one), weights(other))


def test_dropout_follows_the_seed_too(monkeypatch):
    monkeypatch.setattr("foreshot.training.loop.generator", lambda seed, purpose: generator(1, purpose))
    one, same, other = (weights(trained(seed=seed)[0]) for seed in (1, 1, 2))  # all of them in the same batches
    assert equal(one, same)
    assert not equal(one, other)


def test_rows_are_taken_in_the_batches_of_the_seed(monkeypatch):
    seen = []
    encoded, _ = toy_task()
    monkeypatch.setattr("foreshot.training.loop.collate", lambda *given: seen.append(given[1]) or collate(*given))
    trained(seed=4)
    rng = generator(4, "batches")
    expected = [rows for _ in range(2) for rows in length_grouped_batches(encoded.lengths, 16, rng)]
    assert [rows.tolist() for rows in seen] == [rows.tolist() for rows in expected]


def test_frozen_weights_stay():
    model = tiny_classifier("bert", 2)
    model.bert.requires_grad_(False)
    before = weights(model)
    trained(model)
    after = weights(model)
    assert {name for name in before if not torch.equal(before[name], after[name])} == {
        "classifier.weight",
        "classifier.bias",
    }


def test_every_step_is_logged_and_every_row_is_reported():
    encoded, labels = toy_task()
    progress = Counting()
    history = train(
        tiny_classifier("bert", 1),
        encoded,
        labels,
        settings=Training(batch_size=16, epochs=3),
        learning_rate=1e-3,
        seed=0,
        progress=progress,
    )
    assert history.steps_per_epoch == 4  # 60 rows: 16, 16, 16, 12
    assert {name: values.shape for name, values in history.losses.items()} == {
        "objective": (12,),
        "classification": (12,),
    }
    assert np.array_equal(history.losses["objective"], history.losses["classification"])
    assert progress.rows == 3 * ROWS
    assert history.took.seconds > 0


def without_dropout(layers: int):
    model = tiny_classifier("bert", layers)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def test_the_weights_are_those_of_a_loop_written_by_hand():
    found, history = trained(without_dropout(2), weight_decay=0.1, max_grad_norm=0.5)
    model = without_dropout(2).train()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.1)
    encoded, labels = toy_task()
    rng, losses = generator(0, "batches"), []
    for _ in range(2):
        for rows in length_grouped_batches(encoded.lengths, 16, rng):
            optimizer.param_groups[0]["lr"] = 3e-3 * (8 - len(losses)) / 8
            optimizer.zero_grad()
            logits = model(**collate(encoded, rows)).logits
            loss = torch.nn.functional.cross_entropy(logits, torch.tensor(labels)[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            losses.append(loss.item())
    assert history.losses["objective"] == pytest.approx(np.array(losses), abs=1e-5)
    for name, tensor in weights(model).items():
        assert torch.allclose(weights(found)[name], tensor, atol=1e-4), name


def test_the_first_logged_loss_is_that_of_the_untrained_model():
    model = without_dropout(1)
    encoded, labels = toy_task()
    logits = torch.from_numpy(model_outputs(model, encoded).logits)
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor(labels))
    _, history = trained(model, batch_size=ROWS, epochs=1)
    assert history.losses["objective"][0] == pytest.approx(expected.item(), abs=1e-5)


def teacher_outputs() -> Outputs:
    return model_outputs(tiny_classifier("bert", 4, seed=9), toy_task()[0])


def test_the_objective_is_the_mean_of_its_three_parts_at_every_step():
    _, history = trained(targets=teacher_outputs(), distillation=Distillation())
    assert list(history.losses) == ["objective", "classification", "divergence", "cosine"]
    parts = np.stack([history.losses[name] for name in ("classification", "divergence", "cosine")])
    assert parts.shape == (3, 8)
    assert history.losses["objective"] == pytest.approx(parts.mean(axis=0), rel=1e-5)
    assert (parts > 0).all()


def test_without_a_signal_from_labels_a_student_still_comes_near_the_teacher():
    teacher = teacher_outputs()
    encoded, _ = toy_task()
    weightless = Distillation(weights=LossWeights(classification=0, divergence=0.5, cosine=0.5))

    def distances(model) -> tuple[float, float]:
        own = model_outputs(model, encoded)
        cosine = (own.representations * teacher.representations).sum(axis=1) / (
            np.linalg.norm(own.representations, axis=1) * np.linalg.norm(teacher.representations, axis=1)
        )
        return float(np.abs(own.logits - teacher.logits).mean()), float(1 - cosine.mean())

    student = tiny_classifier("bert", 2)
    before = distances(student)
    trained(student, targets=teacher, distillation=weightless, epochs=30, labels=[0] * ROWS)
    after = distances(student)
    assert after[0] < before[0] / 2
    assert after[1] < before[1] / 2


def test_each_row_gets_its_own_targets():
    """A teacher with one certain answer for each label is followed, so rows and targets are not mixed up."""
    encoded, labels = toy_task()
    certain = np.array([[4.0, -4.0] if label == 0 else [-4.0, 4.0] for label in labels], dtype=np.float32)
    targets = Outputs(logits=certain, representations=np.ones((ROWS, 16), dtype=np.float32))
    weightless = Distillation(weights=LossWeights(classification=0, divergence=1, cosine=0))
    model, _ = trained(targets=targets, distillation=weightless, epochs=25, labels=[0] * ROWS)
    assert (model_outputs(model, encoded).logits.argmax(axis=1) == labels).mean() > 0.95


def rates(monkeypatch, **settings) -> list[float]:
    """The learning rate of each step, seen at the optimizer."""
    seen = []
    step = torch.optim.AdamW.step

    def watched(self, *args, **kwargs):
        seen.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    trained(tiny_classifier("bert", 1), learning_rate=8e-3, **settings)
    return seen


def test_the_learning_rate_falls_in_a_line_towards_nothing(monkeypatch):
    assert rates(monkeypatch) == pytest.approx([8e-3 * left / 8 for left in range(8, 0, -1)])


def test_the_learning_rate_rises_first_where_a_warm_up_is_asked_for(monkeypatch):
    expected = [0, 4e-3, 8e-3, *(8e-3 * left / 6 for left in range(5, 0, -1))]
    assert rates(monkeypatch, warmup_fraction=0.25) == pytest.approx(expected)


def test_the_gradient_is_clipped(monkeypatch):
    norms = []
    clip = torch.nn.utils.clip_grad_norm_

    def watched(parameters, max_norm, **kwargs):
        parameters = list(parameters)
        result = clip(parameters, max_norm, **kwargs)
        norms.append(torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm().item())
        return result

    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", watched)
    trained(max_grad_norm=0.01)
    assert len(norms) == 8
    assert max(norms) <= 0.0101


def test_weight_decay_reaches_the_optimizer():
    plain, _ = trained(epochs=1)
    decayed, _ = trained(epochs=1, weight_decay=0.5)
    norm = {id(model): sum(p.norm() for p in model.parameters()) for model in (plain, decayed)}
    assert norm[id(decayed)] < norm[id(plain)]
