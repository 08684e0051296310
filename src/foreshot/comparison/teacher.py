"""The teacher: the encoder fine-tuned on the labels, or the classifier that was given."""

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.comparison.making import (
    checkpointing,
    new_classifier,
    save_and_check,
    train_into,
    validation_logits,
)
from foreshot.comparison.model_folder import TrainingRecord
from foreshot.files.stages import building, is_finished
from foreshot.judging import guards
from foreshot.models.encoders import head_modules, load_classifier
from foreshot.progress import Progress


def make_teacher(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Fine-tune the encoder, or take the given classifier; raises GuardError unless it knows more than nothing."""
    folder = run.path / job.folder
    if is_finished(folder, job.made_from):
        progress.say("teacher: already there")
        return
    with building(folder, job.made_from) as workplace:
        if inputs.given_teacher:
            model = load_classifier(inputs.given_teacher, inputs.task.names, multi_label=inputs.task.multi_label)
            record = TrainingRecord()
        else:
            model = new_classifier(inputs, inputs.origin, job.seed)
            guards.check_head_trains(model, head_modules(model))
            record = train_into(workplace, job, model, inputs, run, progress)
        inputs.task.check_teacher(validation_logits(model, inputs), inputs.answers("validation"))
        save_and_check(model, inputs, workplace)
        record.save(workplace)
    checkpointing(job, inputs, run).remove()
