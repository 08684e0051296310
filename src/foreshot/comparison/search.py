"""The search for each recipe's best learning rate: the same few rates for all, judged on validation rows.

A learning rate that suits full fine-tuning makes a straw man of LoRA, which wants a higher one.
"""

from collections.abc import Sequence

import numpy as np
from peft import PeftModel
from sklearn.metrics import f1_score
from transformers import PreTrainedModel

from foreshot.comparison.judge import Scored
from foreshot.comparison.plan import Plan
from foreshot.comparison.stages import checkpointing, logits_on_device, train_into, untrained_student
from foreshot.files.atomic import write_atomically
from foreshot.files.stages import building, is_finished, read_record
from foreshot.judging.metrics import cross_entropy
from foreshot.judging.multilabel import binary_cross_entropy, mean_macro_f1
from foreshot.models.students import add_lora
from foreshot.progress import Progress
from foreshot.results.models import Trial
from foreshot.settings.experiment import Experiment
from foreshot.settings.recipes import TUNED, Recipe
from foreshot.training.seeding import derived_seed

TRIAL_FILE = "trial.json"


def search_learning_rates(plan: Plan, scored: Sequence[Scored], progress: Progress) -> list[Trial]:
    """Try every learning rate for every recipe that hasn't one of its own, with the first seed; none if not asked.

    Tried is also the rate that the recipe is trained at anyhow, since that costs nothing.
    """
    experiment = plan.experiment
    trials = []
    for recipe in experiment.recipes if experiment.tune_learning_rates else ():
        if recipe.learning_rate is not None:
            continue
        tried, usual = [], experiment.learning_rate_of(recipe)
        for rate in sorted({*experiment.tune_learning_rates, usual}):
            if rate == usual:  # that student is there already
                same = (recipe.name, experiment.first_seed)
                trained = next(found for found in scored if (found.name, found.seed) == same)
                tried.append(_trial(plan, recipe, rate, trained.scores.logits["validation"]))
            else:
                tried.append(_try(plan, recipe, rate, progress))
        best = max(tried, key=_merit)
        trials += [trial.model_copy(update={"best": trial is best}) for trial in tried]
    return trials


def tuned_recipes(experiment: Experiment, trials: Sequence[Trial]) -> list[Recipe]:
    """Each recipe at its best learning rate, where that isn't the one which it was trained with anyhow."""
    best = {trial.recipe: trial.learning_rate for trial in trials if trial.best}
    return [
        recipe.at(best[recipe.name]).model_copy(update={"name": recipe.name + TUNED})
        for recipe in experiment.recipes
        if best.get(recipe.name, experiment.learning_rate_of(recipe)) != experiment.learning_rate_of(recipe)
    ]


def _merit(trial: Trial) -> tuple[float, float]:
    loss = trial.validation_cross_entropy
    return trial.validation_macro_f1, -np.inf if loss is None else -loss


def _try(plan: Plan, recipe: Recipe, rate: float, progress: Progress) -> Trial:
    """Train one student at a rate, note how it does on the validation rows, and keep that alone."""
    tried = recipe.at(rate)
    seed = plan.experiment.first_seed
    folder = plan.folder / "search" / recipe.name / f"{rate:g}"
    made_from = plan.student_fingerprint(tried, seed)
    if is_finished(folder, made_from):
        return read_record(folder / TRIAL_FILE, Trial)
    progress.say(f"{recipe.name}: trying learning rate {rate:g}")
    untrained = untrained_student(plan, tried, seed)
    model: PreTrainedModel | PeftModel = untrained
    if recipe.tuning == "lora":
        model = add_lora(untrained, plan.experiment.lora, seed=derived_seed(seed, "lora"), base_name="")
    with building(folder, made_from) as workplace:
        train_into(plan, model, tried, seed, workplace, progress)
        trial = _trial(plan, recipe, rate, logits_on_device(plan, model, "validation"))
        write_atomically(workplace / TRIAL_FILE, trial.model_dump_json(indent=1) + "\n")
    checkpointing(plan, made_from).remove()
    return trial


def _trial(plan: Plan, recipe: Recipe, rate: float, logits: np.ndarray) -> Trial:
    macro_f1, loss = _on_validation_rows(plan, logits)
    return Trial(
        recipe=recipe.name,
        learning_rate=rate,
        validation_macro_f1=macro_f1,
        validation_cross_entropy=loss if np.isfinite(loss) else None,  # a rate so high that training blew up
        best=False,
    )


def _on_validation_rows(plan: Plan, logits: np.ndarray) -> tuple[float, float]:
    """Macro-F1 of the likeliest classes, and cross-entropy; of a multi-label task the means over its labels."""
    part = plan.split.parts["validation"]
    if part.marks is not None:
        marks = np.array(part.marks)
        return mean_macro_f1((logits > 0).astype(int), marks), binary_cross_entropy(logits, marks)
    labels = np.array(part.labels)
    numbers = range(len(plan.class_names))
    macro_f1 = f1_score(labels, logits.argmax(axis=1), labels=numbers, average="macro", zero_division=0.0)
    return float(macro_f1), cross_entropy(logits, labels)
