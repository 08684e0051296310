"""Targets: what students learn from the teacher, computed once for all of them and kept on disk.

Rows may be more than memory holds: some of them at a time are asked about, and written.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from foreshot.comparison.asked_teachers import outputs_of
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, compares_representations, looked_at, states_fingerprint, targets_fingerprint
from foreshot.comparison.making import open_model
from foreshot.comparison.unlabelled import logits_of_scores, stored_scores
from foreshot.files.arrays import ArrayFile, growing_array
from foreshot.files.stages import building, is_finished
from foreshot.judging.teachers import disagreement, probabilities_of, row_weights, variances
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.models.states import NOTHING, Look
from foreshot.progress import Progress
from foreshot.settings.losses import Distillation
from foreshot.training.loop import Teaching
from foreshot.training.losses import mean_of_teachers
from foreshot.training.teacher_states import (
    CacheFacts,
    TeacherStates,
    live_teacher,
    read_cache,
    write_cache,
)

LOGITS_FILE, REPRESENTATIONS_FILE = "logits.npy", "representations.npy"
EACH_FILE, WEIGHTS_FILE, DISAGREEMENT_FILE = "each.npy", "weights.npy", "disagreement.npy"
"""The arrays of several teachers: (rows, teachers, outputs), (teachers,), and (rows, 1) or (rows, labels)."""
WINDOW = 2**16
"""Rows whose outputs are in memory at once."""


def compute_targets(teacher: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Compute the teacher's outputs on the training rows; of several each one's logits, and how far they differ.

    Of unlabelled rows with scores these are taken instead, of which there are no representations.
    """
    made_from, compared = targets_fingerprint(inputs), compares_representations(inputs)
    wanted = [EACH_FILE if teacher.mean_of else LOGITS_FILE, *([REPRESENTATIONS_FILE] if compared else [])]
    if is_finished(run.targets, made_from) and all((run.targets / name).exists() for name in wanted):
        return
    each = teacher.mean_of or (teacher,)
    what = f"asking {', '.join(job.name for job in each)}," if inputs.asked_teachers else "teacher's outputs"
    rows, _ = inputs.taught_counts
    progress.begin(f"{what} on the training rows", rows * len(each))
    try:
        with building(run.targets, made_from) as workplace:
            said = _said(each, inputs, run, progress)
            if teacher.mean_of:
                _write_several(said, teacher, inputs, workplace)
            else:
                _write_one(said, workplace, outputs=len(inputs.task.names), width=inputs.teacher_width * compared)
    finally:
        progress.end()


def _said(each: Sequence[Job], inputs: Inputs, run: RunFolder, progress: Progress) -> Iterator[list[Outputs]]:
    """What each teacher says about the taught rows, some of them at a time."""
    if inputs.asked_teachers:
        for texts in inputs.asked_windows(WINDOW):
            yield [outputs_of(job.asked, texts, progress) for job in each if job.asked]
    else:
        model, rows = open_model(inputs, run.teacher), inputs.asked_rows
        for begin in range(0, len(rows), WINDOW):
            yield [model_outputs(model, rows.between(begin, begin + WINDOW), progress=progress)]
    scores = stored_scores(inputs, run)
    for window in scores.windows(WINDOW) if scores else ():
        yield [Outputs(logits=logits_of_scores(window, inputs.task), representations=None)] * len(each)


def _write_one(said: Iterator[list[Outputs]], folder: Path, *, outputs: int, width: int) -> None:
    """Write a teacher's logits, and its representations where these have a width."""
    states = growing_array(folder / REPRESENTATIONS_FILE, width) if width else nullcontext()
    with growing_array(folder / LOGITS_FILE, outputs) as add_logits, states as add_states:
        for (found,) in said:
            add_logits(found.logits)
            if add_states and isinstance(found.representations, np.ndarray):
                add_states(found.representations)


def _write_several(said: Iterator[list[Outputs]], teacher: Job, inputs: Inputs, folder: Path) -> None:
    """Write each of several teachers' logits, what each counts for, and how far they differ on a row."""
    outputs, labels = len(inputs.task.names), len(inputs.task.names) if inputs.task.multi_label else 1
    np.save(folder / WEIGHTS_FILE, np.array(teacher.weights, dtype=np.float32))
    with (
        growing_array(folder / EACH_FILE, len(inputs.asked_teachers), outputs) as add_logits,
        growing_array(folder / DISAGREEMENT_FILE, labels) as add_disagreement,
    ):
        for of_each in said:
            logits = np.stack([found.logits for found in of_each], axis=1)
            add_logits(logits)
            add_disagreement(_disagreement(logits, teacher.weights, inputs))


def _disagreement(logits: np.ndarray, weights: Sequence[float], inputs: Inputs) -> np.ndarray:
    """How far several teachers' logits (rows, teachers, outputs) differ on each row, (rows, 1) or (rows, labels)."""
    task, several = inputs.task, inputs.task.multi_label
    probabilities = probabilities_of(logits.swapaxes(0, 1), several=several)
    found = variances(probabilities, np.array(weights))
    return disagreement(found, several=several, positive=task.judged_output)


def cache_states(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Compute the teacher's hidden states or relations on the training rows, where a job looks at them."""
    facts = looked_at(inputs, job)
    if facts is None or job.distillation is None or job.distillation.teacher_states != "cached":
        return
    made_from = states_fingerprint(inputs, facts)
    folder = run.states(made_from)
    if is_finished(folder, made_from):
        return
    rows = inputs.taught_rows
    progress.say(f"{job.name}: the teacher's states take {facts.size / 1e6:,.0f} MB in {folder}")
    progress.begin("teacher's states on the training rows", len(rows))
    try:
        with building(folder, made_from) as workplace:
            write_cache(open_model(inputs, run.teacher), rows, facts, workplace, progress)
    finally:
        progress.end()


def teaching_of(job: Job, inputs: Inputs, run: RunFolder) -> Teaching | None:
    """What a job's student learns from besides labels; None for nothing."""
    if job.distillation is None:
        return None
    facts, depth = looked_at(inputs, job), len(job.layers)
    look = NOTHING
    if facts is not None:
        look = Look(
            layers=tuple(range(1, depth + 1)) if facts.look.layers else (),
            projections_of=depth if facts.look.projections_of is not None else None,
            projections=facts.look.projections,
        )
    if len(inputs.asked_teachers) > 1:
        return _taught_by_several(job.distillation, inputs, run)
    return Teaching(
        settings=job.distillation,
        outputs=_outputs(job.distillation, inputs, run),
        row_weights=_weighed(inputs, None),
        unlabelled=inputs.unlabelled_rows,
        look=look,
        states=None if facts is None else _states(job, facts, inputs, run),
    )


def _taught_by_several(settings: Distillation, inputs: Inputs, run: RunFolder) -> Teaching:
    """What is learnt from several teachers: their mean, rows on which they differ weighed down where that is asked."""
    each, several = ArrayFile(run.targets / EACH_FILE), inputs.task.multi_label
    weights = np.load(run.targets / WEIGHTS_FILE, allow_pickle=False)
    mean = [
        mean_of_teachers(torch.from_numpy(logits), torch.from_numpy(weights), several=several).numpy()
        for logits in each.windows(WINDOW)
    ]
    strength, weighed = inputs.experiment.teachers.disagreement, None
    if strength:
        weighed = row_weights(_whole(run.targets / DISAGREEMENT_FILE), strength)
        weighed = weighed if several else weighed[:, 0]
    return Teaching(
        settings=settings,
        outputs=Outputs(logits=np.concatenate(mean), representations=None),
        of_each=each,
        teacher_weights=weights,
        row_weights=_weighed(inputs, weighed),
        unlabelled=inputs.unlabelled_rows,
    )


def _outputs(settings: Distillation, inputs: Inputs, run: RunFolder) -> Outputs:
    """The teacher's outputs, as far as they are looked at: logits are few, representations stay on disk."""
    compared = settings.compares_representations and inputs.teacher_width
    return Outputs(
        logits=_whole(run.targets / LOGITS_FILE),
        representations=ArrayFile(run.targets / REPRESENTATIONS_FILE) if compared else None,
    )


def _whole(path: Path) -> np.ndarray:
    array = ArrayFile(path)
    return array.span(0, len(array))


def _weighed(inputs: Inputs, weights: np.ndarray | None) -> np.ndarray | None:
    """What a teacher's word on each taught row weighs, float32, in the shape of `weights`, which say it without
    corrections: (rows,) or (rows, labels), None for all alike.

    The run's own teacher learnt the corrections and contrast texts, and its word on them weighs as they do; another
    one's counts for nothing there, where people, or the templates, know better.
    """
    own, contrasts = inputs.row_weights, inputs.contrast_count
    given = bool(inputs.given_teacher or inputs.asked_teachers)
    if own is None and not (given and contrasts):
        return weights
    if own is None or given:
        corrected = inputs.split.parts["train"].corrected or [False] * len(inputs.rows["train"])
        own = np.where([*corrected, *[True] * contrasts], np.float32(0), np.float32(1))
    rows = np.concatenate([own, np.ones(len(inputs.taught_rows) - len(own), dtype=np.float32)])
    if weights is None:
        return rows
    return weights * (rows if weights.ndim == 1 else rows[:, None])


def _states(job: Job, facts: CacheFacts, inputs: Inputs, run: RunFolder) -> TeacherStates:
    """The teacher's states: as they were kept, or from a teacher that runs along."""
    assert job.distillation is not None
    if job.distillation.teacher_states == "cached":
        return read_cache(facts, run.states(states_fingerprint(inputs, facts)))
    teacher = open_model(inputs, run.teacher)
    return live_teacher(teacher, inputs.taught_rows, facts.look, first_token=facts.first_token)
