"""The training loop: one for the teacher and every student; what differs between recipes is passed in."""

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from transformers import get_linear_schedule_with_warmup

from foreshot.config import Training
from foreshot.data.batches import EncodedRows, collate, length_grouped_batches
from foreshot.loss_settings import Distillation
from foreshot.models.outputs import Outputs, forward
from foreshot.progress import Progress
from foreshot.results import LOSS_PARTS
from foreshot.training.allocator import keep_freed_memory
from foreshot.training.losses import TargetBatch, distillation_losses, label_losses
from foreshot.training.measuring import Measured, measured
from foreshot.training.seeding import generator, seed_torch
from foreshot.training.vocabulary import occurring_words_only

OPTIMIZER = "AdamW (fused, betas 0.9 and 0.999, eps 1e-8), linear decay"


@dataclass(frozen=True, kw_only=True)
class History:
    """What a training left behind: `losses[name]` has one value for each step; and what it took."""

    losses: dict[str, np.ndarray]
    steps_per_epoch: int
    took: Measured


def train(
    model: nn.Module,
    encoded: EncodedRows,
    labels: Sequence[int],
    *,
    settings: Training,
    learning_rate: float,
    seed: int,
    targets: Outputs | None = None,
    distillation: Distillation | None = None,
    progress: Progress,
) -> History:
    """Train `model` in place on all rows: by labels alone, or with the teacher's cached outputs as `targets`.

    The order of batches and the draws of dropout depend on `seed` alone, so they are equal for every recipe.
    """
    keep_freed_memory()
    accelerator = Accelerator(cpu=True)
    steps_per_epoch = math.ceil(len(encoded) / settings.batch_size)
    steps = steps_per_epoch * settings.epochs
    label_tensor = torch.tensor(labels)
    batch_order = generator(seed, "batches")
    seed_torch(seed, "dropout")
    model.train()
    logged: list[list[float]] = []
    # With weight decay even words that never occur would change.
    words = occurring_words_only(model, encoded) if settings.weight_decay == 0 else nullcontext()
    with measured() as took, words:
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=settings.weight_decay, fused=True)
        schedule = get_linear_schedule_with_warmup(optimizer, round(settings.warmup_fraction * steps), steps)
        prepared, optimizer = accelerator.prepare(model, optimizer)
        for _ in range(settings.epochs):
            for rows in length_grouped_batches(encoded.lengths, settings.batch_size, batch_order):
                logits, representations = forward(prepared, collate(encoded, rows))
                if targets is not None and distillation is not None:
                    losses = distillation_losses(
                        logits, representations, label_tensor[rows], target_batch(targets, rows), distillation
                    )
                else:
                    losses = label_losses(logits, label_tensor[rows])
                accelerator.backward(losses.objective)
                accelerator.clip_grad_norm_(trained, settings.max_grad_norm)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                logged.append([part.item() for part in losses.parts()])
                progress.advance(len(rows), f"loss {logged[-1][0]:.3f}")
    columns = zip(LOSS_PARTS, np.array(logged).T, strict=False)  # labels alone give the first two
    return History(losses=dict(columns), steps_per_epoch=steps_per_epoch, took=took)


def target_batch(targets: Outputs, rows: np.ndarray) -> TargetBatch:
    """The teacher's cached outputs on these rows, as tensors."""
    return TargetBatch(
        logits=torch.from_numpy(targets.logits[rows]),
        representations=torch.from_numpy(targets.representations[rows]),
    )
