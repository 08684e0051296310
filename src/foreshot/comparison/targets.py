"""Targets: what students learn from the teacher, computed once for all of them and kept on disk."""

from collections.abc import Sequence

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from foreshot.comparison.asked_teachers import outputs_of
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, looked_at, states_fingerprint, targets_fingerprint
from foreshot.comparison.making import open_model
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

OUTPUTS_FILE = "outputs.safetensors"
SEVERAL_FILE = "several.safetensors"
LOGITS, WEIGHTS, DISAGREEMENT = "logits", "weights", "disagreement"
"""The arrays of several teachers: (rows, teachers, outputs), (teachers,), and (rows, 1) or (rows, labels)."""


def compute_targets(teacher: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Compute the teacher's outputs on the training rows; of several each one's logits, and how far they differ."""
    made_from = targets_fingerprint(inputs)
    if is_finished(run.targets, made_from):
        return
    if inputs.asked_teachers:
        _ask_for_targets(teacher, made_from, inputs, run, progress)
        return
    model, rows = open_model(inputs, run.teacher), inputs.taught_rows
    progress.begin("teacher's outputs on the training rows", len(rows))
    try:
        with building(run.targets, made_from) as workplace:
            model_outputs(model, rows, progress=progress).save(workplace / OUTPUTS_FILE)
    finally:
        progress.end()


def _ask_for_targets(teacher: Job, made_from: str, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Ask the teacher, or each of several, about the training rows."""
    texts, each = inputs.taught_texts, teacher.mean_of or (teacher,)
    outputs = []
    with building(run.targets, made_from) as workplace:
        for job in each:
            assert job.asked is not None
            progress.begin(f"asking {job.name}, about the training rows", len(texts))
            try:
                outputs.append(outputs_of(job.asked, texts, progress))
            finally:
                progress.end()
        if not teacher.mean_of:
            outputs[0].save(workplace / OUTPUTS_FILE)
            return
        logits = np.stack([of_one.logits for of_one in outputs], axis=1)
        arrays = {LOGITS: logits, DISAGREEMENT: _disagreement(logits, teacher.weights, inputs)}
        save_file(arrays | {WEIGHTS: np.array(teacher.weights, dtype=np.float32)}, workplace / SEVERAL_FILE)


def _disagreement(logits: np.ndarray, weights: Sequence[float], inputs: Inputs) -> np.ndarray:
    """How far several teachers' logits (rows, teachers, outputs) differ on each row, (rows, 1) or (rows, labels)."""
    task, several = inputs.task, inputs.task.multi_label
    probabilities = probabilities_of(logits.swapaxes(0, 1), several=several)
    found = variances(probabilities, np.array(weights))
    return disagreement(found, several=several, positive=task.judged_output).astype(np.float32)


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
        outputs=Outputs.load(run.targets / OUTPUTS_FILE),
        row_weights=_weighed(inputs, None),
        unlabelled=inputs.unlabelled_rows,
        look=look,
        states=None if facts is None else _states(job, facts, inputs, run),
    )


def _taught_by_several(settings: Distillation, inputs: Inputs, run: RunFolder) -> Teaching:
    """What is learnt from several teachers: their mean, rows on which they differ weighed down where that is asked."""
    arrays = load_file(run.targets / SEVERAL_FILE)
    logits, weights, several = arrays[LOGITS], arrays[WEIGHTS], inputs.task.multi_label
    mean = mean_of_teachers(torch.from_numpy(logits), torch.from_numpy(weights), several=several).numpy()
    strength, weighed = inputs.experiment.teachers.disagreement, None
    if strength:
        weighed = row_weights(arrays[DISAGREEMENT], strength)
        weighed = weighed if several else weighed[:, 0]
    return Teaching(
        settings=settings,
        outputs=Outputs(logits=mean, representations=None),
        of_each=logits,
        teacher_weights=weights,
        row_weights=_weighed(inputs, weighed),
        unlabelled=inputs.unlabelled_rows,
    )


def _weighed(inputs: Inputs, weights: np.ndarray | None) -> np.ndarray | None:
    """What a teacher's word on each taught row weighs, float32, in the shape of `weights`, which say it without
    corrections: (rows,) or (rows, labels), None for all alike.

    The run's own teacher learnt the corrections, and its word on them weighs as they do; another one's counts for
    nothing there, where people know better.
    """
    own = inputs.row_weights
    if own is None:
        return weights
    if inputs.given_teacher or inputs.asked_teachers:
        own = np.where(inputs.split.parts["train"].corrected or (), np.float32(0), np.float32(1))
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
