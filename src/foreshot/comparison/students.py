"""Students: each trained by its job and saved, merged; LoRA adapters are kept beside it."""

from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, student_fingerprint
from foreshot.comparison.making import (
    check_same_logits,
    checkpointing,
    load_model,
    new_classifier,
    save_and_check,
    train_into,
)
from foreshot.comparison.model_folder import ADAPTER_FOLDER, save_classifier
from foreshot.comparison.targets import cache_states, teaching_of
from foreshot.files.fingerprints import fingerprint
from foreshot.files.stages import building, is_finished
from foreshot.judging import guards
from foreshot.models.encoders import head_modules
from foreshot.models.students import add_lora, keep_layers, load_adapter, merge
from foreshot.progress import Progress
from foreshot.training.seeding import derived_seed


def make_student(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Train one student and save it."""
    folder = run.path / job.folder
    if is_finished(folder, job.made_from):
        progress.say(f"{job.titled}: already there")
        return
    untrained = untrained_student(job, inputs, run)
    head = head_modules(untrained)
    cache_states(job, inputs, run, progress)
    with building(folder, job.made_from) as workplace:
        base_name = keep_base(job, untrained, inputs, run) if _has_adapters(job) else ""
        model = adapted(job, untrained, inputs, base_name=base_name)
        guards.check_head_trains(model, head)
        record = train_into(workplace, job, model, inputs, run, progress, teaching=teaching_of(job, inputs, run))
        if isinstance(model, PeftModel):
            model.save_pretrained(str(workplace / ADAPTER_FOLDER), save_embedding_layers=False)
            check_adapter(job, model, inputs, run, workplace)
            model = merge(model)
        save_and_check(model, inputs, workplace)
        record.save(workplace)
    checkpointing(job, inputs, run).remove()


def untrained_student(job: Job, inputs: Inputs, run: RunFolder) -> PreTrainedModel:
    """The model that a job starts training: the kept layers of the teacher or of the encoder with a new head."""
    origin = new_classifier(inputs, job.source, job.seed) if job.source else load_model(inputs, run.teacher)
    student = keep_layers(origin, job.layers)
    guards.check_layers_equal(student, origin, job.layers)
    return student


def adapted(
    job: Job, untrained: PreTrainedModel, inputs: Inputs, *, base_name: str = ""
) -> PreTrainedModel | PeftModel:
    """The model with what its job trains of it: every weight, or LoRA adapters and the head."""
    if not _has_adapters(job):
        return untrained
    seed = derived_seed(job.seed, "lora")
    return add_lora(untrained, inputs.experiment.lora, seed=seed, base_name=base_name)


def _has_adapters(job: Job) -> bool:
    return job.recipe is not None and job.recipe.tuning == "lora"


def check_adapter(job: Job, trained: PeftModel, inputs: Inputs, run: RunFolder, folder: Path) -> None:
    """Put the saved adapter on a new base, and stop unless it gives the logits that were trained."""
    saved = load_adapter(untrained_student(job, inputs, run), folder / ADAPTER_FOLDER)
    check_same_logits(trained, saved, inputs, folder / ADAPTER_FOLDER)


def keep_base(job: Job, untrained: PreTrainedModel, inputs: Inputs, run: RunFolder) -> str:
    """Where a LoRA adapter's base model stands: what it was cut from, or saved here when layers were left out.

    An id of the hub, or an absolute path: PEFT takes any other for an id, but in the folder that it was typed in.
    """
    depth = (job.source or inputs.origin).depth
    if job.layers == tuple(range(1, depth + 1)):
        if job.source is None:
            return str(run.teacher.absolute())
        named = job.source.name
        is_id = "/" in named and not Path(named).is_dir()
        return named if is_id else str(job.source.folder.absolute())
    assert job.recipe is not None
    folder = run.base(job.name)
    made_from = fingerprint([student_fingerprint(inputs, job.recipe, inputs.experiment.first_seed), "base"])
    if not is_finished(folder, made_from):
        with building(folder, made_from) as workplace:
            save_classifier(untrained, inputs.tokenizer, workplace)
    return str(folder.absolute())
