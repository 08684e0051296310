"""Room on the disk: what a run will write, against what is free, before anything is trained."""

import shutil
from collections import Counter

from foreshot.comparison.arms import Arm, arms_of
from foreshot.comparison.asked_teachers import AskedClassifier
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import (
    Job,
    compares_representations,
    jobs_of_each,
    looked_at,
    states_fingerprint,
    student_jobs,
    targets_fingerprint,
    teacher_job,
)
from foreshot.errors import RunFolderError
from foreshot.files.stages import is_finished
from foreshot.models.encoders import parameter_count
from foreshot.models.layers import layer_map
from foreshot.models.students import config_of_layers
from foreshot.settings.recipes import Recipe

FLOAT = 4  # bytes


def check_room(inputs: Inputs, run: RunFolder) -> None:
    """Raise RunFolderError where the disk has less room than the models and what the teacher says take.

    Without checkpoints, which are left out where there is no room; and what is finished already is there.
    """
    parts: Counter[str] = Counter()
    for number, arm in enumerate(arms_of(inputs, run)):
        of_arm = _parts(arm)
        if number and arm.run.teacher == run.teacher:
            del of_arm["the teacher"]  # it is the other arm's, too
        parts.update(of_arm)
    needed = sum(parts.values())
    place = next(folder for folder in (run.path.absolute(), *run.path.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    if needed > free:
        what = ", ".join(f"{_megabytes(size)} for {part}" for part, size in parts.items() if size)
        live = ", set distillation.teacher_states: live" if parts["its states"] else ""
        raise RunFolderError(
            f"{run.path}: the run takes {_megabytes(needed)} ({what}), and {_megabytes(free)} are free; make room, "
            f"choose another folder with ⟨runs⟩{live}, or ask for fewer students"
        )


def _parts(arm: Arm) -> dict[str, int]:
    """Bytes of what an arm will write, by what it is."""
    inputs, run = arm.inputs, arm.run
    students = {recipe.name: _students(inputs, recipe) for recipe in arm.recipes}
    jobs = [job for of_recipe in students.values() for job in of_recipe]
    return {
        "the teacher": _asked_copies(inputs, run)
        if inputs.asked_teachers
        else _weights([teacher_job(inputs)], inputs, run),
        "students": sum(_weights(of_recipe, inputs, run) for of_recipe in students.values()),
        "what the teacher says": _outputs(inputs, run) if any(job.distillation for job in jobs) else 0,
        "its states": _states(jobs, inputs, run),
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _students(inputs: Inputs, recipe: Recipe) -> list[Job]:
    """A recipe's students, with as many layers as they will have: which ones may have to be measured first."""
    depth = inputs.origin_of(recipe).depth
    return student_jobs(inputs, recipe, layer_map(recipe.layers, depth, ranking=range(1, depth + 1)))


def _weights(jobs: list[Job], inputs: Inputs, run: RunFolder) -> int:
    """Bytes of the weights of models that differ by their seed alone, and of what cut ones' LoRA adapters stand on."""
    models = sum(not is_finished(run.path / job.folder, job.made_from) for job in jobs)
    first = jobs[0]
    source = inputs.origin if first.recipe is None else inputs.origin_of(first.recipe)
    config = config_of_layers(source.config, first.layers)
    config.num_labels = len(inputs.task.names)
    if models and first.recipe and first.recipe.tuning == "lora" and len(first.layers) != source.depth:
        models += 1
    return models * FLOAT * parameter_count(config)


def _asked_copies(inputs: Inputs, run: RunFolder) -> int:
    """Bytes of the copies of classifiers that are only asked."""
    jobs = jobs_of_each(inputs) or [teacher_job(inputs)]
    return sum(
        job.asked.cost.size_on_disk
        for job in jobs
        if isinstance(job.asked, AskedClassifier) and not is_finished(run.path / job.folder, job.made_from)
    )


def _outputs(inputs: Inputs, run: RunFolder) -> int:
    """Bytes of the teacher's logits, or of each one's and what they differ by, and of its representations."""
    if is_finished(run.targets, targets_fingerprint(inputs)):
        return 0
    arrays = len(inputs.asked_teachers) + 2 if len(inputs.asked_teachers) > 1 else 1
    asked, scored = inputs.taught_counts
    states = inputs.teacher_width if compares_representations(inputs) else 0
    return FLOAT * ((asked + scored) * arrays * len(inputs.task.names) + asked * states)


def _states(jobs: list[Job], inputs: Inputs, run: RunFolder) -> int:
    """Bytes of the teacher's hidden states and relations, each that students look at once."""
    sizes = {}
    for job in jobs:
        facts = looked_at(inputs, job)
        if facts is None or job.distillation is None or job.distillation.teacher_states != "cached":
            continue
        folder = run.states(states_fingerprint(inputs, facts))
        if not is_finished(folder, folder.name):
            sizes[folder] = facts.size
    return sum(sizes.values())
