"""Each recipe at its best: what the search for learning rates found, beside the comparison at one rate for all."""

from foreshot.reporting.behaviour import behaviours, measure_title
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Table,
    learning_rate_text,
    loss_text,
    metric_text,
    models_of,
    spread_text,
    table,
)
from foreshot.results.models import Trial
from foreshot.results.results import Results
from foreshot.settings.recipes import TUNED


def best_table(results: Results) -> Table | None:
    """Each recipe at its best learning rate, on test rows and in behaviour; None where none was searched for."""
    best = [trial for trial in results.trials if trial.best]
    if not best:
        return None
    beside = behaviours(results)
    macro_f1 = measure_title(results, "macro_f1", "macro-F1")
    columns = [
        Column("recipe", is_number=False),
        Column("best learning rate", group="validation rows"),
        Column(macro_f1, group="validation rows"),
        Column("cross-entropy", group="test rows"),
        Column(measure_title(results, "accuracy", "accuracy"), group="test rows"),
        Column(macro_f1, group="test rows"),
        *(Column(found.title, group="behaviour") for found in beside),
    ]
    rows = []
    for trial in best:
        model = _trained(results, trial)
        rows.append(
            [
                Cell(trial.recipe, remark=_remark(results, trial, model)),
                learning_rate_text(trial.learning_rate),
                metric_text(trial.validation_macro_f1),
                *(
                    NOTHING if model is None else spread_text(model.summary.spreads.get(name), form)
                    for name, form in (
                        ("test_cross_entropy", loss_text),
                        ("accuracy", metric_text),
                        ("macro_f1", metric_text),
                    )
                ),
                *(NOTHING if model is None else found.text(model) for found in beside),
            ]
        )
    note = (
        "Every recipe had the same few learning rates to choose from, and the one that it is trained with anyhow; "
        "judged by macro-F1 on the validation rows with the first seed. At the best one it was trained with every "
        "seed. These models differ from the others in their learning rate too, so they are compared among themselves."
    )
    return table("best", "Each recipe at its best", columns, rows, note)


def trials_table(results: Results) -> Table | None:
    """Every learning rate that was tried; None where none was searched for."""
    if not results.trials:
        return None
    columns = [
        Column("recipe", is_number=False),
        Column("learning rate"),
        Column(measure_title(results, "macro_f1", "macro-F1"), group="validation rows"),
        Column("cross-entropy", group="validation rows"),
        Column("", is_number=False),
    ]
    rows = [
        [
            Cell(trial.recipe),
            learning_rate_text(trial.learning_rate),
            metric_text(trial.validation_macro_f1),
            NOTHING if trial.validation_cross_entropy is None else loss_text(trial.validation_cross_entropy),
            Cell("✓ best", mark="good") if trial.best else Cell(""),
        ]
        for trial in results.trials
    ]
    return table("trials", "All learning rates that were tried", columns, rows)


def _trained(results: Results, trial: Trial) -> ModelRuns | None:
    """The model of the recipe at its best; the ordinary one where the common rate is the best."""
    models = {model.name: model for model in models_of(results)}
    return models.get(trial.recipe + TUNED) or models.get(trial.recipe)


def _remark(results: Results, trial: Trial, model: ModelRuns | None) -> str:
    if model is None:
        return ""
    if model.name != trial.recipe:
        return model.name
    return f"the {'common' if model.is_matched else 'usual'} rate is its best"
