"""The teacher: the encoder fine-tuned on the labels, a classifier that was given, or one or several that are asked."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from foreshot.comparison.asked_teachers import AskedClassifier
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, jobs_of_each, mean_job, teacher_job
from foreshot.comparison.making import (
    RELOAD_ROWS,
    checkpointing,
    new_classifier,
    save_and_check,
    train_into,
    validation_logits,
)
from foreshot.comparison.model_folder import TrainingRecord, save_classifier
from foreshot.comparison.scored import score_model
from foreshot.files.atomic import write_atomically
from foreshot.files.stages import building, is_finished
from foreshot.judging import guards
from foreshot.judging.teachers import fitted_weights, probabilities_of
from foreshot.models.encoders import find_model, head_modules, load_classifier, load_tokenizer
from foreshot.progress import Progress, Silent
from foreshot.results.run_folder import TEACHER_FOLDER
from foreshot.results.teachers import ASKED_FILE, MEAN, AskedFacts
from foreshot.training.device import CPU


def make_teachers(inputs: Inputs, run: RunFolder, progress: Progress) -> list[Job]:
    """Make the teacher, or each of several and their mean; the one that students are held against comes first."""
    each = jobs_of_each(inputs)
    if not each:
        teacher = teacher_job(inputs)
        make_teacher(teacher, inputs, run, progress)
        return [teacher]
    for job in each:
        make_teacher(job, inputs, run, progress)
    scored = [score_model(job, inputs, run, progress) for job in each]
    mean = mean_job(inputs, each, _weights([model.scores.logits["validation"] for model in scored], inputs))
    _make_mean(mean, inputs, run, progress)
    return [mean, *each]


def make_teacher(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Fine-tune the encoder, or take the given classifier; raises GuardError unless it knows more than nothing."""
    folder = run.path / job.folder
    if is_finished(folder, job.made_from):
        progress.say(f"{job.name}: already there")
        return
    if job.asked:
        _make_asked(job, inputs, folder, progress)
        return
    with building(folder, job.made_from) as workplace:
        if inputs.given_teacher:
            model = load_classifier(inputs.given_teacher, inputs.task.names, multi_label=inputs.task.multi_label)
            record = TrainingRecord()
        else:
            model = new_classifier(inputs, inputs.origin, job.seed)
            guards.check_head_trains(model, head_modules(model))
            record = train_into(workplace, job, model, inputs, run, progress)
        inputs.task.check_teacher(validation_logits(model, inputs), inputs.answers("validation"), model=job.name)
        save_and_check(model, inputs, workplace)
        record.save(workplace)
    checkpointing(job, inputs, run).remove()


def _make_asked(job: Job, inputs: Inputs, folder: Path, progress: Progress) -> None:
    """Ask a teacher about the validation rows, whether it knows anything, and keep it: a copy, or where it stands."""
    teacher, texts = job.asked, inputs.texts["validation"]
    assert teacher is not None
    progress.begin(f"asking {job.titled}, about the validation rows", len(texts))
    try:
        logits = teacher.logits(texts, progress)
    finally:
        progress.end()
    called = "teacher" if job.name == TEACHER_FOLDER else f"{job.name} ({teacher.name})"
    inputs.task.check_teacher(logits, inputs.answers("validation"), model=called)
    with building(folder, job.made_from) as workplace:
        if isinstance(teacher, AskedClassifier):
            save_asked(teacher, texts[:RELOAD_ROWS], workplace)
        else:
            write_atomically(workplace / ASKED_FILE, teacher.facts.model_dump_json(indent=1) + "\n")
        TrainingRecord().save(workplace)


def save_asked(teacher: AskedClassifier, texts: Sequence[str], folder: Path) -> None:
    """Save a classifier with its own tokenizer, and stop unless it says of these texts what it said before.

    Both are asked on the CPU: two devices differ by more than what is let through.
    """
    save_classifier(teacher.load(), load_tokenizer(teacher.source), folder)
    source = find_model(str(folder))
    before, saved = replace(teacher, device=CPU), replace(teacher, source=source, device=CPU)
    guards.check_reload(before.logits(texts, Silent()), saved.logits(texts, Silent()), folder=folder)


def _weights(logits: Sequence[np.ndarray], inputs: Inputs) -> list[float]:
    """What each teacher counts for, 1 in all, as the settings say; `logits` are theirs on the validation rows."""
    asked = inputs.experiment.teachers.weights
    if asked == "fitted":
        probabilities = np.stack([probabilities_of(of_one, several=inputs.task.multi_label) for of_one in logits])
        return [float(weight) for weight in fitted_weights(probabilities, inputs.answers("validation"))]
    given = [1.0] * len(logits) if isinstance(asked, str) else asked
    return [weight / sum(given) for weight in given]


def _make_mean(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Keep what the mean is of."""
    folder = run.path / job.folder
    named = ", ".join(
        f"{weight:.3g} of {one.asked.name}" for one, weight in zip(job.mean_of, job.weights, strict=True) if one.asked
    )
    progress.say(f"teacher: the mean of {len(job.mean_of)} teachers' probabilities: {named}")
    if is_finished(folder, job.made_from):
        return
    with building(folder, job.made_from) as workplace:
        facts = AskedFacts(
            kind=MEAN,
            name=named,
            places=[str(run.path / one.folder) for one in job.mean_of],
            fingerprint=job.made_from,
            weights=list(job.weights),
        )
        write_atomically(workplace / ASKED_FILE, facts.model_dump_json(indent=1) + "\n")
        TrainingRecord().save(workplace)
