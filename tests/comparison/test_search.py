"""The search for learning rates: what a rate is judged by on the validation rows."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from foreshot.comparison import search as tuning
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.search import _trial, search_learning_rates, tuned_recipes
from foreshot.data.marks import classes_of_mark
from foreshot.data.split import Part
from foreshot.judging.task import ClassTask, LabelTask
from foreshot.progress import Silent
from foreshot.results.models import Trial
from foreshot.settings.experiment import make_experiment
from foreshot.settings.recipes import Recipe

TWO = classes_of_mark("toxic")
LOGITS = np.array([[2.0, -1.0], [-0.5, 3.0], [1.5, -2.0], [-1.0, -3.0]])


def trial_on(labels: list[int], marks: list[tuple[int, ...]] | None, logits: np.ndarray = LOGITS):
    texts, rows = [f"text {number}" for number in range(4)], [2, 3, 4, 5]
    task = ClassTask(TWO) if marks is None else LabelTask(TWO, ("toxic", "rude"))
    answers = task.answers(Part("a.csv", texts, labels, rows, marks))
    job = SimpleNamespace(name="odd", learning_rate=1e-4)
    return _trial(job, SimpleNamespace(task=task, answers=lambda part: answers), logits)


def test_a_rate_is_judged_by_the_likeliest_class():
    labels = [0, 1, 1, 0]
    found = trial_on(labels, None)
    assert found.validation_macro_f1 == pytest.approx(f1_score(labels, LOGITS.argmax(axis=1), average="macro"))
    expected = torch.nn.functional.cross_entropy(torch.tensor(LOGITS), torch.tensor(labels))
    assert found.validation_cross_entropy == pytest.approx(expected.item())


def test_of_several_labels_a_rate_is_judged_by_the_mean_over_them():
    marks = [(1, 1), (0, 1), (0, 0), (0, 0)]
    found = trial_on([1, 0, 0, 0], marks)
    # First label: flagged in rows 1 and 3, there in 1: F1 2/3 and 4/5. Second: flagged in 2, there in 1 and 2: alike.
    assert found.validation_macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(LOGITS), torch.tensor(marks) * 1.0)
    assert found.validation_cross_entropy == pytest.approx(expected.item(), rel=1e-6)


def test_a_rate_at_which_training_blew_up_has_no_loss():
    assert trial_on([1, 0, 0, 0], [(1, 1), (0, 1), (0, 0), (0, 0)], LOGITS * np.nan).validation_cross_entropy is None


OWN = Recipe(name="own", layers="all", tuning="lora", objective="labels", init="encoder", learning_rate=4e-4)


@pytest.mark.parametrize(("matched", "lora"), [(False, 2e-4), (True, 2e-5)])
def test_what_is_tried_are_rates_and_the_one_that_a_recipe_has_is_there_already(monkeypatch, matched, lora):
    """Whatever made up a recipe's rate, it isn't trained at it twice."""
    experiment = make_experiment(
        {
            "name": "a",
            "data": "a.csv",
            "encoder": "some/encoder",
            "recipes": ["odd", "lora", *([] if matched else [OWN])],
            "training": {"learning_rate": 2e-5},
            "tune_learning_rates": [2e-4, 1e-3],
            "matched": matched,
        }
    )
    trained = []

    def judged(job, inputs, logits):
        rate = job.learning_rate
        return Trial(
            recipe=job.name, learning_rate=rate, validation_macro_f1=rate, validation_cross_entropy=1, best=False
        )

    def tried(job, inputs, run, progress):
        trained.append((job.name, job.learning_rate))
        return judged(job, inputs, None)

    def asked_for(inputs, recipe, seed, layers, folder):
        return SimpleNamespace(name=recipe.name, seed=seed, learning_rate=experiment.learning_rate_of(recipe))

    monkeypatch.setattr(tuning, "_trial", judged)
    monkeypatch.setattr(tuning, "_try", tried)
    monkeypatch.setattr(tuning, "student_job", asked_for)
    inputs, scores = SimpleNamespace(experiment=experiment), SimpleNamespace(logits={"validation": None})
    there_already = [asked_for(inputs, recipe, 0, (), folder="") for recipe in experiment.recipes]
    scored = [SimpleNamespace(name=job.name, job=job, scores=scores) for job in there_already]
    layers = {recipe.name: (1, 2) for recipe in experiment.recipes}
    trials = search_learning_rates(scored, layers, inputs, RunFolder(Path("run")), Silent())
    rates = {"odd": [2e-5, 2e-4, 1e-3], "lora": sorted({lora, 2e-4, 1e-3})}
    assert [(trial.recipe, trial.learning_rate) for trial in trials] == [
        (name, rate) for name, found in rates.items() for rate in found
    ]
    there = {"odd": 2e-5, "lora": lora}
    assert trained == [(name, rate) for name, found in rates.items() for rate in found if rate != there[name]]
    best = tuned_recipes(experiment, trials).values()
    assert [(recipe.name, experiment.learning_rate_of(recipe)) for recipe in best] == [
        ("odd-tuned", 1e-3),
        ("lora-tuned", 1e-3),
    ]
    assert all(Recipe.model_validate(recipe.model_dump()) == recipe for recipe in best)  # none with rate and factor


def test_a_recipe_whose_own_rate_is_its_best_is_not_trained_again():
    experiment = make_experiment(
        {"name": "a", "data": "a.csv", "encoder": "e", "recipes": ["lora"], "training": {"learning_rate": 3e-4}}
    )
    best = {"recipe": "lora", "validation_macro_f1": 0.9, "validation_cross_entropy": 1, "best": True}
    assert tuned_recipes(experiment, [Trial(learning_rate=3e-3, **best)]) == {}
    (again,) = tuned_recipes(experiment, [Trial(learning_rate=3e-4, **best)]).values()
    assert (again.name, experiment.learning_rate_of(again)) == ("lora-tuned", 3e-4)
