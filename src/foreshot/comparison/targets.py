"""Targets: what students learn from the teacher, computed once for all of them and kept on disk."""

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, looked_at, states_fingerprint, targets_fingerprint
from foreshot.comparison.making import open_model
from foreshot.files.stages import building, is_finished
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.models.states import NOTHING, Look
from foreshot.progress import Progress
from foreshot.training.loop import Teaching
from foreshot.training.teacher_states import (
    CacheFacts,
    TeacherStates,
    live_teacher,
    read_cache,
    write_cache,
)

OUTPUTS_FILE = "outputs.safetensors"


def compute_targets(inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Compute the teacher's outputs on the training rows."""
    made_from = targets_fingerprint(inputs)
    if is_finished(run.targets, made_from):
        return
    teacher, rows = open_model(inputs, run.teacher), inputs.taught_rows
    progress.begin("teacher's outputs on the training rows", len(rows))
    try:
        with building(run.targets, made_from) as workplace:
            model_outputs(teacher, rows, progress=progress).save(workplace / OUTPUTS_FILE)
    finally:
        progress.end()


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
    return Teaching(
        settings=job.distillation,
        outputs=Outputs.load(run.targets / OUTPUTS_FILE),
        unlabelled=inputs.unlabelled_rows,
        look=look,
        states=None if facts is None else _states(job, facts, inputs, run),
    )


def _states(job: Job, facts: CacheFacts, inputs: Inputs, run: RunFolder) -> TeacherStates:
    """The teacher's states: as they were kept, or from a teacher that runs along."""
    assert job.distillation is not None
    if job.distillation.teacher_states == "cached":
        return read_cache(facts, run.states(states_fingerprint(inputs, facts)))
    teacher = open_model(inputs, run.teacher)
    return live_teacher(teacher, inputs.taught_rows, facts.look, first_token=facts.first_token)
