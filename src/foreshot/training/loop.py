"""The training loop: one for the teacher and every student; what differs between recipes is passed in."""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
import torch
from accelerate import Accelerator
from peft import PeftModel
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from foreshot.config import Training
from foreshot.data.batches import EncodedRows, collate, length_grouped_batches, mixed_batches
from foreshot.loss_settings import Classification, Distillation
from foreshot.models.first_token import first_token_only
from foreshot.models.outputs import Outputs, forward
from foreshot.models.states import NOTHING, Look, looking
from foreshot.progress import Progress
from foreshot.training.allocator import keep_freed_memory
from foreshot.training.checkpoints import Checkpointing, Checkpoints, Underway
from foreshot.training.dropout import QuickDropout
from foreshot.training.losses import BatchOutputs, balanced_weights, distillation_losses, label_losses
from foreshot.training.measuring import Measured, Meter
from foreshot.training.seeding import generator, seed_torch
from foreshot.training.teacher_states import TeacherStates
from foreshot.training.vocabulary import occurring_words_only

OPTIMIZER = "AdamW (fused, betas 0.9 and 0.999, eps 1e-8), linear decay"


@dataclass(frozen=True, kw_only=True)
class History:
    """What a training left behind: `losses[name]` has one value for each step; and what it took."""

    losses: dict[str, np.ndarray]
    steps_per_epoch: int
    took: Measured


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """What a student learns from besides labels.

    `outputs` are the teacher's on the labelled rows, then on the `unlabelled` ones; `look` says which of the student's
    layers are compared with the teacher's `states`.
    """

    settings: Distillation
    outputs: Outputs
    unlabelled: EncodedRows | None = None
    look: Look = NOTHING
    states: TeacherStates | None = None


def train(
    model: PreTrainedModel | PeftModel,
    encoded: EncodedRows,
    labels: np.ndarray | Sequence[int],
    *,
    settings: Training,
    learning_rate: float,
    seed: int,
    teaching: Teaching | None = None,
    checkpointing: Checkpointing | None = None,
    progress: Progress,
) -> History:
    """Train `model` in place on all rows: by labels alone, or by a teacher's outputs too.

    `labels` are class numbers (rows,), or floats of 0 and 1 (rows, labels). The order of batches and the draws of
    dropout depend on `seed` alone, so they are equal for every recipe that learns from the same rows. With
    `checkpointing` a training that was stopped goes on from its checkpoint, and ends with the same weights and losses.
    """
    keep_freed_memory()
    accelerator = Accelerator(cpu=True)
    steps_per_epoch = math.ceil(len(encoded) / settings.batch_size)
    steps = steps_per_epoch * settings.epochs
    label_tensor = torch.as_tensor(labels)
    class_weights = weights_of_classes(settings.classification, label_tensor)
    rows_of = encoded.followed_by(teaching.unlabelled) if teaching and teaching.unlabelled else encoded
    epochs = batch_epochs(rows_of, len(encoded), settings, teaching, generator(seed, "batches"))
    seed_torch(seed, "dropout")
    model.train()
    logged: list[dict[str, float]] = []
    # With weight decay even words that never occur would change.
    words = occurring_words_only(model, rows_of) if settings.weight_decay == 0 else nullcontext()
    meter = Meter()
    look = teaching.look if teaching else NOTHING
    with words, first_token_only(model, look), QuickDropout(), looking(model, look) as seen:
        weights = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        trained = list(weights.values())
        adamw = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=settings.weight_decay, fused=True)
        schedule = get_linear_schedule_with_warmup(adamw, round(settings.warmup_fraction * steps), steps)
        prepared, optimizer = accelerator.prepare(model, adamw)
        underway = Underway(weights=weights, optimizer=adamw, schedule=schedule, losses=logged, meter=meter)
        size = sum(parameter.nbytes for parameter in model.parameters())
        checkpoints = Checkpoints(checkpointing, underway, progress, model_size=size)
        checkpoints.take_up(steps)
        batches = chain.from_iterable(islice(epochs, settings.epochs))
        if seen_rows := sum(len(rows) for rows in islice(batches, len(logged))):
            progress.skip(seen_rows)
        for rows in batches:
            inputs = collate(rows_of, rows)
            logits, representations = forward(prepared, inputs)
            row_labels = label_tensor[rows[rows < len(encoded)]]
            if teaching is None:
                losses = label_losses(logits, row_labels, settings.classification, class_weights)
            else:
                losses = distillation_losses(
                    BatchOutputs(
                        logits=logits,
                        representations=representations,
                        states=seen.states,
                        projections=seen.projections,
                    ),
                    teacher_batch(teaching, rows),
                    row_labels,
                    inputs["attention_mask"],
                    teaching.settings,
                    progress=len(logged) / max(1, steps - 1),
                    classification=settings.classification,
                    class_weights=class_weights,
                )
            accelerator.backward(losses.objective)
            accelerator.clip_grad_norm_(trained, settings.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            logged.append(losses.values())
            progress.advance(len(rows), f"loss {logged[-1]['objective']:.3f}")
            checkpoints.step_done()
        took = meter.so_far()
    return History(
        losses={name: np.array([values[name] for values in logged]) for name in logged[0]},
        steps_per_epoch=steps_per_epoch,
        took=took,
    )


def batch_epochs(
    rows: EncodedRows, labelled: int, settings: Training, teaching: Teaching | None, rng: np.random.Generator
) -> Iterator[list[np.ndarray]]:
    """Epochs of batches of row numbers, without end; some rows of each have no label where there are such."""
    share = teaching.settings.unlabelled_share if teaching and teaching.unlabelled else 0.0
    if share:
        yield from mixed_batches(rows.lengths, settings.batch_size, rng, labelled=labelled, unlabelled_share=share)
    while True:
        yield length_grouped_batches(rows.lengths[:labelled], settings.batch_size, rng)


def teacher_batch(teaching: Teaching, rows: np.ndarray) -> BatchOutputs:
    """The teacher's outputs on these rows, as tensors."""
    states, projections = teaching.states(rows) if teaching.states else (None, None)
    return BatchOutputs(
        logits=torch.from_numpy(teaching.outputs.logits[rows]),
        representations=torch.from_numpy(teaching.outputs.representations[rows]),
        states=states,
        projections=projections,
    )


def weights_of_classes(settings: Classification, labels: torch.Tensor) -> torch.Tensor | None:
    """The weights that settings ask for, (classes,), from labels (rows,) or (rows, labels)."""
    if settings.class_weights == "balanced":
        return balanced_weights(labels)
    return None if settings.class_weights is None else torch.tensor(settings.class_weights)
