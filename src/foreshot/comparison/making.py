"""Making models: what the teacher and every student have in common, up to a folder that is checked."""

from pathlib import Path

import numpy as np
from peft import PeftModel
from transformers import PreTrainedModel

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.comparison.mending import flipped_in_rounds, mended_epochs
from foreshot.comparison.model_folder import TrainingRecord, save_classifier, save_curves
from foreshot.judging import guards
from foreshot.judging.summary import training_facts
from foreshot.models.encoders import ModelSource, find_model, load_classifier, load_encoder
from foreshot.models.outputs import model_outputs
from foreshot.models.students import parameters
from foreshot.progress import Progress
from foreshot.training.checkpoints import Checkpointing
from foreshot.training.device import device_name, standing_on
from foreshot.training.loop import Teaching, train
from foreshot.training.seeding import derived_seed

RELOAD_ROWS = 64
"""Validation rows on which a saved model is compared with the trained one."""


def new_classifier(inputs: Inputs, source: ModelSource, seed: int) -> PreTrainedModel:
    """An encoder with a new head for the task, as `seed` draws it."""
    task = inputs.task
    return load_encoder(source, task.names, seed=derived_seed(seed, "head"), multi_label=task.multi_label)


def train_into(
    folder: Path,
    job: Job,
    model: PreTrainedModel | PeftModel,
    inputs: Inputs,
    run: RunFolder,
    progress: Progress,
    *,
    teaching: Teaching | None = None,
) -> TrainingRecord:
    """Train a job's model on the training rows, by labels or with `teaching` too, and keep its losses in `folder`."""
    settings, rows = inputs.experiment.training, inputs.rows["train"]
    flipped = flipped_in_rounds(job, run)
    mended = mended_epochs(job, inputs, unlabelled_first=flipped[-1] if flipped else None)
    progress.begin(f"training {job.titled}", len(rows) * settings.epochs)
    try:
        history = train(
            model,
            inputs.labelled_rows,
            inputs.targets,
            settings=settings,
            learning_rate=job.learning_rate,
            seed=job.seed,
            row_weights=inputs.row_weights,
            teaching=teaching,
            mended=mended,
            checkpointing=checkpointing(job, inputs, run),
            device=inputs.device,
            progress=progress,
        )
    finally:
        progress.end()
    save_curves(history, folder)
    return TrainingRecord(
        facts=training_facts(
            history.losses,
            rows=len(rows),
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=job.learning_rate,
            matched=job.learning_rate == settings.learning_rate,
            device=device_name(inputs.device),
            precision=settings.precision,
            accumulate=settings.accumulate,
            disagreements=[len(rows) for rows in flipped],
        ),
        trained_parameters=parameters(model)[1],
        seconds=history.took.seconds,
        cpu_seconds=history.took.cpu_seconds,
        peak_memory=history.took.peak_memory,
    )


def checkpointing(job: Job, inputs: Inputs, run: RunFolder) -> Checkpointing:
    """Where the training of a job's model keeps what it needs to go on; removed with its end."""
    return Checkpointing(
        folder=run.checkpoints(job.made_from), made_from=job.made_from, every=inputs.experiment.checkpoint_seconds
    )


def save_and_check(model: PreTrainedModel, inputs: Inputs, folder: Path) -> None:
    """Save a trained classifier, load it again, and stop unless head and logits are what was trained."""
    save_classifier(model, inputs.tokenizer, folder)
    saved = load_model(inputs, folder)
    guards.check_head_kept(saved, model)
    check_same_logits(model, saved, inputs, folder)


def check_same_logits(
    trained: PreTrainedModel | PeftModel, saved: PreTrainedModel | PeftModel, inputs: Inputs, folder: Path
) -> None:
    """The guard on reloading, on some validation rows."""
    rows = inputs.rows["validation"].between(0, RELOAD_ROWS)
    guards.check_reload(model_outputs(trained, rows).logits, model_outputs(saved, rows).logits, folder=folder)


def validation_logits(model: PreTrainedModel | PeftModel, inputs: Inputs) -> np.ndarray:
    """What a model that stands on the CPU says about the validation rows, computed on the run's device."""
    with standing_on(model, inputs.device):
        return model_outputs(model, inputs.rows["validation"]).logits


def open_model(inputs: Inputs, folder: Path) -> PreTrainedModel:
    """A saved classifier of this run, in evaluation mode, on the run's device: to be asked."""
    model = load_model(inputs, folder)
    model.to(inputs.device)  # type: ignore[arg-type]  # Transformers wraps it oddly
    return model


def load_model(inputs: Inputs, folder: Path) -> PreTrainedModel:
    """A saved classifier of this run, in evaluation mode, on the CPU: to be copied, trained or compared."""
    task = inputs.task
    return load_classifier(find_model(str(folder)), task.names, multi_label=task.multi_label).eval()
