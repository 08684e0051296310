"""The search for each recipe's best learning rate: the same few rates for all, judged on validation rows.

A learning rate that suits full fine-tuning makes a straw man of LoRA, which wants a higher one.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, student_job
from foreshot.comparison.making import checkpointing, train_into, validation_logits
from foreshot.comparison.rounds import carry_out_rounds
from foreshot.comparison.scored import Scored
from foreshot.comparison.students import adapted, untrained_student
from foreshot.comparison.targets import teaching_of
from foreshot.files.atomic import write_atomically
from foreshot.files.stages import building, is_finished, read_record
from foreshot.progress import Progress
from foreshot.results.models import Trial
from foreshot.settings.experiment import Experiment
from foreshot.settings.recipes import TUNED, Recipe

TRIAL_FILE = "trial.json"


def search_learning_rates(
    scored: Sequence[Scored],
    layers: Mapping[str, tuple[int, ...]],
    inputs: Inputs,
    run: RunFolder,
    progress: Progress,
) -> list[Trial]:
    """Try every learning rate for every recipe that hasn't one of its own, with the first seed; none if not asked.

    Tried is also the rate that the recipe is trained at anyhow, since that costs nothing. `layers` are those of each
    recipe.
    """
    experiment, trials = inputs.experiment, []
    seed = experiment.first_seed
    for recipe in experiment.recipes if experiment.tune_learning_rates else ():
        if recipe.learning_rate is not None:
            continue
        tried, usual = [], experiment.learning_rate_of(recipe)
        for rate in sorted({*experiment.tune_learning_rates, usual}):
            if rate == usual:  # that student is there already
                trained = next(found for found in scored if (found.name, found.job.seed) == (recipe.name, seed))
                tried.append(_trial(trained.job, inputs, trained.scores.logits["validation"]))
            else:
                folder = f"search/{recipe.name}/{rate:g}"
                job = student_job(inputs, recipe.at(rate), seed, layers[recipe.name], folder=folder)
                tried.append(_try(job, inputs, run, progress))
        best = max(tried, key=_merit)
        trials += [trial.model_copy(update={"best": trial is best}) for trial in tried]
    return trials


def tuned_recipes(experiment: Experiment, trials: Sequence[Trial]) -> dict[str, Recipe]:
    """By the name of a recipe the same at its best learning rate, where that isn't what it was trained with anyhow."""
    best = {trial.recipe: trial.learning_rate for trial in trials if trial.best}
    return {
        recipe.name: recipe.at(best[recipe.name]).model_copy(update={"name": recipe.name + TUNED})
        for recipe in experiment.recipes
        if best.get(recipe.name, experiment.learning_rate_of(recipe)) != experiment.learning_rate_of(recipe)
    }


def _merit(trial: Trial) -> tuple[float, float]:
    loss = trial.validation_cross_entropy
    return trial.validation_macro_f1, -np.inf if loss is None else -loss


def _try(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> Trial:
    """Train one student at a rate, note how it does on the validation rows, and keep that alone."""
    folder = run.path / job.folder
    if is_finished(folder, job.made_from):
        return read_record(folder / TRIAL_FILE, Trial)
    progress.say(f"{job.name}: trying learning rate {job.learning_rate:g}")
    carry_out_rounds(job, inputs, run, progress)
    model = adapted(job, untrained_student(job, inputs, run), inputs)
    with building(folder, job.made_from) as workplace:
        train_into(workplace, job, model, inputs, run, progress, teaching=teaching_of(job, inputs, run))
        trial = _trial(job, inputs, validation_logits(model, inputs))
        write_atomically(workplace / TRIAL_FILE, trial.model_dump_json(indent=1) + "\n")
    checkpointing(job, inputs, run).remove()
    return trial


def _trial(job: Job, inputs: Inputs, logits: np.ndarray) -> Trial:
    """What a job's student says about the validation rows, by the likeliest classes or labels, without thresholds."""
    task, answers = inputs.task, inputs.answers("validation")
    loss = task.cross_entropy(logits, answers)
    return Trial(
        recipe=job.name,
        learning_rate=job.learning_rate,
        validation_macro_f1=task.macro_f1(task.likeliest(logits), answers),
        validation_cross_entropy=loss if np.isfinite(loss) else None,  # a rate so high that training blew up
        best=False,
    )
