"""The training loop: one for the teacher and every student; what differs between recipes is passed in."""

import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np
import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel, get_linear_schedule_with_warmup

from foreshot.files.arrays import ArrayFile
from foreshot.models.batches import (
    EncodedRows,
    Rounds,
    collate,
    length_grouped_batches,
    mixed_batches,
    mixed_epoch,
    moved,
    rows_without_label,
)
from foreshot.models.first_token import first_token_only
from foreshot.models.outputs import Outputs, forward
from foreshot.models.states import NOTHING, Look, Seen, looking
from foreshot.progress import Progress
from foreshot.settings.losses import Classification, Distillation
from foreshot.settings.training import Training
from foreshot.training.allocator import keep_freed_memory
from foreshot.training.checkpoints import Checkpointing, Checkpoints, Underway
from foreshot.training.device import CPU, same_bits, standing_on, wait_for
from foreshot.training.dropout import quick_dropout
from foreshot.training.loss_log import LossLog
from foreshot.training.losses import BatchOutputs, Losses, balanced_weights, distillation_losses, label_losses
from foreshot.training.measuring import Measured, Meter
from foreshot.training.mending import MendedEpochs, MixedRounds
from foreshot.training.projection import PROJECTION, projection_of
from foreshot.training.seeding import generator, seed_torch
from foreshot.training.teacher_states import TeacherStates
from foreshot.training.updates import MicroBatch, Updates, computed_again, micro_batches
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
    layers are compared with the teacher's `states`. Of several teachers `outputs` are their mean's, `of_each` their
    logits (rows, teachers, outputs), and `teacher_weights` (teachers,) what each counts for. `row_weights`, (rows,) or
    (rows, labels), say what the word on a row weighs; None: all alike. Logits that are NaN teach nothing.
    """

    settings: Distillation
    outputs: Outputs
    of_each: np.ndarray | ArrayFile | None = None
    teacher_weights: np.ndarray | None = None
    row_weights: np.ndarray | None = None
    unlabelled: EncodedRows | None = None
    look: Look = NOTHING
    states: TeacherStates | None = None


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a model is trained by: rows, of which the first ones have `labels`, and perhaps what a teacher says of all.

    `class_weights` and `projection` stand on the device that the model is trained on. `row_weights` (labelled rows,)
    is what each label weighs, and `taught` what the teacher's word on each row does, 0 where there is none; None: all
    alike.
    """

    rows: EncodedRows
    labels: torch.Tensor
    classification: Classification
    class_weights: torch.Tensor | None
    teaching: Teaching | None
    row_weights: torch.Tensor | None = None
    taught: np.ndarray | None = None
    projection: nn.Linear | None = None


def train(
    model: PreTrainedModel | PeftModel,
    encoded: EncodedRows,
    labels: np.ndarray | Sequence[int],
    *,
    settings: Training,
    learning_rate: float,
    seed: int,
    row_weights: np.ndarray | None = None,
    teaching: Teaching | None = None,
    mended: MendedEpochs | None = None,
    checkpointing: Checkpointing | None = None,
    device: torch.device = CPU,
    progress: Progress,
) -> History:
    """Train `model` in place on all rows: by labels alone, or by a teacher's outputs too.

    `labels` are class numbers (rows,), floats of 0 and 1 (rows, labels), or scores between, NaN for a gap, and
    `row_weights` (rows,) what each row's weighs in its batch; None: all alike. The order of batches and the draws of
    dropout depend on `seed` alone, so they are equal for every recipe that learns from the same rows. With `mended` the
    last rows are contrast texts, which an epoch has in place of others, and some rows are disguised. With
    `checkpointing` a training that was stopped goes on from its checkpoint, and ends with the same weights and losses.
    The model is on `device` meanwhile, and where it was before afterwards.
    """
    keep_freed_memory()
    contrasts = mended.contrasts if mended else 0
    steps_per_epoch = math.ceil((len(encoded) - contrasts) / settings.batch_size)
    steps = steps_per_epoch * settings.epochs
    lesson = lesson_of(encoded, torch.as_tensor(labels), settings, teaching, device, row_weights, contrasts)
    if teaching and (projection := projection_of(model, teaching.outputs, teaching.settings, seed)):
        lesson = replace(lesson, projection=projection.to(device))
    rng = generator(seed, "batches")
    rows_in = [mended.rows_of(epoch, lesson.rows) if mended else lesson.rows for epoch in range(settings.epochs)]
    if mended:
        epochs = mended_epochs(rows_in, len(encoded), settings, teaching, mended, rng)
    else:
        epochs = batch_epochs(lesson.rows, len(encoded), settings, teaching, rng)
    label_weights, likened = weights_of_rows(lesson), likened_rows(lesson)
    seed_torch(seed, "dropout")
    model.train()
    logged = LossLog(device)
    # With weight decay even words that never occur would change.
    occurring = mended.occurring(lesson.rows) if mended else lesson.rows
    words = occurring_words_only(model, occurring) if settings.weight_decay == 0 else nullcontext()
    meter = Meter()
    look = teaching.look if teaching else NOTHING
    with (
        standing_on(model, device),
        same_bits(device),
        computed_again(model, settings.gradient_checkpointing),
        words,
        first_token_only(model, look),
        quick_dropout(),
        looking(model, look) as seen,
    ):
        weights = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        if lesson.projection is not None:
            weights[PROJECTION] = next(lesson.projection.parameters())
        trained = list(weights.values())
        adamw = torch.optim.AdamW(trained, lr=learning_rate, weight_decay=settings.weight_decay, fused=True)
        schedule = get_linear_schedule_with_warmup(adamw, round(settings.warmup_fraction * steps), steps)
        updates = Updates(adamw, settings, device)
        underway = Underway(
            weights=weights, optimizer=adamw, schedule=schedule, losses=logged, meter=meter, updates=updates
        )
        size = sum(parameter.nbytes for parameter in model.parameters())
        checkpoints = Checkpoints(checkpointing, underway, progress, model_size=size)
        checkpoints.take_up(steps)
        batches = chain.from_iterable(islice(epochs, settings.epochs))
        if seen_rows := sum(len(rows) for rows in islice(batches, len(logged))):
            progress.skip(seen_rows)
        for rows in batches:
            of_epoch = replace(lesson, rows=rows_in[len(logged) // steps_per_epoch])
            parts = micro_batches(
                rows,
                settings.accumulate,
                weights=label_weights,
                lengths=of_epoch.rows.lengths,
                taught=lesson.taught,
                likened=likened,
            )
            for part in parts:
                losses = losses_of(model, part, of_epoch, seen, updates, progress=len(logged) / max(1, steps - 1))
                updates.add_gradients(losses.objective)
                logged.add(losses)
            updates.carry_out()
            schedule.step()
            logged.end_step()
            progress.advance(len(rows), logged.shown)
            checkpoints.step_done()
        wait_for(device)
        took = meter.so_far()
    return History(losses=logged.arrays(), steps_per_epoch=steps_per_epoch, took=took)


def losses_of(
    model: PreTrainedModel | PeftModel,
    part: MicroBatch,
    lesson: Lesson,
    seen: Seen,
    updates: Updates,
    *,
    progress: float,
) -> Losses:
    """The losses of a batch, or of a part of it, when a share `progress` of the updates is done."""
    labelled = part.rows[part.rows < len(lesson.labels)]
    given = {"labels": lesson.labels[labelled]}
    if lesson.row_weights is not None:
        given["row_weights"] = lesson.row_weights[labelled]
    inputs = moved({**collate(lesson.rows, part.rows), **given}, updates.device)
    labels, row_weights = inputs.pop("labels"), inputs.pop("row_weights", None)
    with updates.in_precision():
        logits, representations = forward(model, inputs)
    student = BatchOutputs(
        logits=logits, representations=representations, states=seen.states, projections=seen.projections
    ).in_float32()
    if lesson.projection is not None and student.representations is not None:
        student = replace(student, representations=lesson.projection(student.representations))
    if lesson.teaching is None:
        return label_losses(
            student.logits,
            labels,
            lesson.classification,
            lesson.class_weights,
            row_weights=row_weights,
            shares=part.shares,
        )
    return distillation_losses(
        student,
        teacher_batch(lesson.teaching, part.rows, updates.device, lesson.taught),
        labels,
        inputs["attention_mask"],
        lesson.teaching.settings,
        progress=progress,
        classification=lesson.classification,
        class_weights=lesson.class_weights,
        row_weights=row_weights,
        shares=part.shares,
    )


def lesson_of(
    encoded: EncodedRows,
    labels: torch.Tensor,
    settings: Training,
    teaching: Teaching | None,
    device: torch.device,
    row_weights: np.ndarray | None = None,
    contrasts: int = 0,
) -> Lesson:
    """What is learnt from labelled rows, and from a teacher; classes are weighed as without the contrast texts."""
    class_weights = weights_of_classes(settings.classification, labels[: len(labels) - contrasts])
    return Lesson(
        rows=encoded.followed_by(teaching.unlabelled) if teaching and teaching.unlabelled else encoded,
        labels=labels,
        classification=settings.classification,
        class_weights=None if class_weights is None else class_weights.to(device),
        teaching=teaching,
        row_weights=None if row_weights is None else torch.as_tensor(row_weights, dtype=torch.float32),
        taught=weights_of_teaching(teaching, several=labels.is_floating_point()) if teaching else None,
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


def mended_epochs(
    rows_in: Sequence[EncodedRows],
    labelled: int,
    settings: Training,
    teaching: Teaching | None,
    mended: MendedEpochs,
    rng: np.random.Generator,
) -> Iterator[list[np.ndarray]]:
    """The epochs of a mended training: as many batches of the same sizes as without, of rows and contrast texts.

    `rows_in` has all rows as they are in each epoch.
    """
    share = teaching.settings.unlabelled_share if teaching and teaching.unlabelled else 0.0
    size, count = settings.batch_size, labelled - mended.contrasts
    without_label = rows_without_label(size, share) if share else 0
    mixed = MixedRounds(labelled, mended, rng)
    others = Rounds(labelled, len(rows_in[0]), rng, ahead=mended.unlabelled_first)
    for lengths in (rows.lengths for rows in rows_in):
        if without_label:
            yield mixed_epoch(lengths, ((mixed, size - without_label), (others, without_label)), -(-count // size), rng)
        else:
            taken = mixed.take(count)
            yield [taken[batch] for batch in length_grouped_batches(lengths[taken], size, rng)]


def teacher_batch(
    teaching: Teaching, rows: np.ndarray, device: torch.device, taught: np.ndarray | None = None
) -> BatchOutputs:
    """The teacher's outputs on these rows, as tensors on a device; `taught` is what its word on all rows weighs.

    Representations are those of the first rows alone where no more are known.
    """
    states, projections = teaching.states(rows) if teaching.states else (None, None)
    arrays = {
        "logits": teaching.outputs.logits,
        "representations": teaching.outputs.representations,
        "of_each": teaching.of_each,
        "row_weights": taught,
    }
    found = {
        name: None if array is None else torch.from_numpy(array[rows[rows < len(array)]])
        for name, array in arrays.items()
    }
    found |= {"states": states, "projections": projections}
    if teaching.teacher_weights is not None:
        found["teacher_weights"] = torch.from_numpy(teaching.teacher_weights)
    there = moved({name: tensor for name, tensor in found.items() if tensor is not None}, device)
    return BatchOutputs(**{"representations": None, **there})  # type: ignore[arg-type]  # logits are there


def weights_of_teaching(teaching: Teaching, *, several: bool) -> np.ndarray | None:
    """What the teacher's word on each row weighs, float32 (rows,), or with `several` labels (rows, labels).

    0 where it says nothing; None where it says something of every row, and all weigh alike.
    """
    weights, silent = teaching.row_weights, np.isnan(teaching.outputs.logits)
    if not silent.any():
        return weights
    silent = silent if several else silent.any(axis=1)
    if weights is None:
        weights = np.ones(silent.shape, dtype=np.float32)
    weights = weights if weights.ndim == silent.ndim else np.repeat(weights[:, None], silent.shape[1], axis=1)
    return np.where(silent, np.float32(0), weights)


def likened_rows(lesson: Lesson) -> int:
    """How many rows, the first ones, have vectors of the teacher that the student's are to be like."""
    teaching = lesson.teaching
    if teaching is None or teaching.settings.cosine_on == "logits" or teaching.outputs.representations is None:
        return len(lesson.rows)
    return len(teaching.outputs.representations)


def weights_of_classes(settings: Classification, labels: torch.Tensor) -> torch.Tensor | None:
    """The weights that settings ask for, (classes,), from labels (rows,) or (rows, labels)."""
    if settings.class_weights == "balanced":
        return balanced_weights(labels)
    return None if settings.class_weights is None else torch.tensor(settings.class_weights)


def weights_of_rows(lesson: Lesson) -> np.ndarray:
    """What each row weighs in the mean over a batch that the classification loss is, (rows,): 0 without a label."""
    weights = np.zeros(len(lesson.rows))
    weights[: len(lesson.labels)] = 1.0
    if lesson.labels.is_floating_point() and lesson.labels.isnan().any():
        weights[: len(lesson.labels)] = (~lesson.labels.isnan()).float().mean(dim=1).cpu().numpy()
    if lesson.class_weights is not None and not lesson.labels.is_floating_point():
        weights[: len(lesson.labels)] = lesson.class_weights.cpu()[lesson.labels].numpy()
    if lesson.row_weights is not None:
        weights[: len(lesson.labels)] *= lesson.row_weights.numpy()
    return weights
