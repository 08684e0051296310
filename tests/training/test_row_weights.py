"""Rows that weigh more: a row of weight 2 counts as if it were there twice, in every loss that looks at rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_loop_teaching import ENCODED, LABELS, ROWS
from test_updates import MARKS, UNLABELLED, first_gradients, taught_by

from foreshot.settings.losses import Classification, Distillation
from foreshot.training.losses import BatchOutputs, classification_loss, distillation_losses

TIMES = [2, 1, 3, 1]
WEIGHTS = torch.tensor(TIMES, dtype=torch.float32)
LOGITS = torch.tensor([[0.2, 1.0, -0.4], [1.1, -0.3, 0.6], [-0.5, 0.4, 0.9], [0.7, 0.1, -1.2]])
CLASSES = torch.tensor([0, 2, 1, 0])
SEVERAL = torch.tensor([[1.0, 0.0, 0.3], [0.0, 1.0, 0.9], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
GAPS = torch.where(torch.tensor([[0, 0, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0]]).bool(), torch.nan, SEVERAL)


def repeated(rows: torch.Tensor) -> torch.Tensor:
    return rows.repeat_interleave(torch.tensor(TIMES), dim=0)


@pytest.mark.parametrize("labels", [CLASSES, SEVERAL, GAPS])
@pytest.mark.parametrize(
    ("settings", "class_weights"),
    [
        (Classification(), None),
        (Classification(label_smoothing=0.1), torch.tensor([1.0, 2.0, 5.0])),
        (Classification(focal_gamma=2.0), None),
        (Classification(focal_gamma=1.5, label_smoothing=0.2), torch.tensor([3.0, 1.0, 0.5])),
    ],
)
def test_a_weight_is_so_many_copies_of_a_row(labels, settings, class_weights):
    weighed = classification_loss(LOGITS, labels, settings, class_weights, WEIGHTS)
    copied = classification_loss(repeated(LOGITS), repeated(labels), settings, class_weights)
    assert weighed.item() == pytest.approx(copied.item(), rel=1e-6)
    assert weighed.item() != pytest.approx(
        classification_loss(LOGITS, labels, settings, class_weights).item(), rel=1e-3
    )


@pytest.mark.parametrize("labels", [CLASSES, SEVERAL])
def test_equal_weights_change_nothing(labels):
    plain = classification_loss(LOGITS, labels)
    assert classification_loss(LOGITS, labels, row_weights=torch.full((4,), 7.0)).item() == pytest.approx(plain.item())


@pytest.mark.parametrize("labels", [CLASSES, SEVERAL])
def test_a_teachers_word_weighs_alike(labels):
    vectors = torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0))
    own, taught = (
        BatchOutputs(logits=LOGITS, representations=vectors[0]),
        BatchOutputs(logits=LOGITS.flip(0), representations=vectors[1]),
    )

    def losses(times: bool) -> dict[str, float]:
        copy = repeated if times else (lambda rows: rows)
        found = distillation_losses(
            BatchOutputs(logits=copy(own.logits), representations=copy(own.representations)),
            BatchOutputs(
                logits=copy(taught.logits),
                representations=copy(taught.representations),
                row_weights=None if times else WEIGHTS,
            ),
            copy(labels),
            torch.ones(len(copy(labels)), 3),
            Distillation(),
            row_weights=None if times else WEIGHTS,
        )
        return {name: loss.item() for name, loss in found.named.items()}

    assert losses(False) == pytest.approx(losses(True), rel=1e-5)


# ---- parts of a batch ----

ROW_WEIGHTS = np.where(np.arange(ROWS) % 5 == 0, 5.0, 1.0).astype(np.float32)
WITH_GAPS = np.where(np.arange(ROWS)[:, None] % 3 == 0, [[np.nan, 1, 0]], MARKS).astype(np.float32)
TASKS = {
    "classes": {},
    "class weights": {"classification": Classification(class_weights=(1.0, 5.0), focal_gamma=1.0)},
    "several labels": {"labels": MARKS, "outputs": 3},
    "gaps": {
        "labels": np.where(np.arange(ROWS)[:, None] % 3 == 0, [[np.nan, 1, 0]], MARKS).astype(np.float32),
        "outputs": 3,
    },
    "taught": {"teaching": lambda: weighed(taught_by())},
    "unlabelled": {"teaching": lambda: weighed(taught_by(unlabelled=UNLABELLED, share=0.75))},
}


def weighed(teaching):
    rows = len(teaching.outputs.logits)
    weights = np.concatenate([ROW_WEIGHTS, np.ones(rows - ROWS, dtype=np.float32)])
    return replace(teaching, row_weights=weights)


@pytest.mark.parametrize("task", TASKS)
def test_weights_are_kept_where_a_batch_is_computed_in_parts(monkeypatch, task):
    def asked():
        settings = {name: value() if callable(value) else value for name, value in TASKS[task].items()}
        return {"row_weights": ROW_WEIGHTS, **settings}

    whole, losses = first_gradients(monkeypatch, 1, **asked())
    parts, in_parts = first_gradients(monkeypatch, 4, **asked())
    assert in_parts["objective"][0] == pytest.approx(losses["objective"][0], rel=1e-5)
    for name, gradient in whole.items():
        torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6)
    plain, _ = first_gradients(monkeypatch, 1, **{**asked(), "row_weights": None})
    assert any(not torch.allclose(plain[name], gradient, rtol=1e-3, atol=1e-7) for name, gradient in whole.items())


def test_a_row_that_counts_for_next_to_nothing_is_not_learnt_from(monkeypatch):
    wrong = np.array(LABELS)
    wrong[::5] = 1 - wrong[::5]
    light = np.where(np.arange(ROWS) % 5 == 0, 1e-6, 1.0).astype(np.float32)
    right, _ = first_gradients(monkeypatch, 1, row_weights=light)
    found, _ = first_gradients(monkeypatch, 1, labels=wrong, row_weights=light)
    assert len(ENCODED) == ROWS
    for name, gradient in right.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)
