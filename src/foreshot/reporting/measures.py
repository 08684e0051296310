"""The measures that stand side by side in several tables, and how their numbers are told over the seeds."""

from collections.abc import Callable

from foreshot.reporting.behaviour import measure_title
from foreshot.reporting.tables import Cell, ModelRuns, loss_text, metric_text, range_text, spread_text
from foreshot.results.models import Spread
from foreshot.results.results import Results

MEASURES: tuple[tuple[str, str, str, Callable[[float], str]], ...] = (
    ("train_objective", "training loss", "training", loss_text),
    ("train_cross_entropy", "training cross-entropy", "training", loss_text),
    ("test_cross_entropy", "test cross-entropy", "test", loss_text),
    ("accuracy", "accuracy", "test", metric_text),
    ("macro_f1", "macro-F1", "test", metric_text),
    ("auroc", "AUROC", "test", metric_text),
    ("mean_auroc", "AUROC", "test", metric_text),
)


def known_measures(results: Results, models: list[ModelRuns]) -> list[tuple[str, str, str, Callable[[float], str]]]:
    return [
        (name, measure_title(results, name, title), group, form)
        for name, title, group, form in MEASURES
        if any(name in model.summary.spreads for model in models)
    ]


def measure_cell(model: ModelRuns, name: str, form: Callable[[float], str]) -> Cell:
    text = spread_text(model.summary.spreads.get(name), form)
    if name != "train_objective":
        return Cell(text)
    remarks = {0: "given ready", 1: "1 loss"}
    return Cell(text, remark=remarks.get(model.loss_count, f"{model.loss_count} losses"))


def range_cell(found: Spread | None, form: Callable[[float], str]) -> Cell:
    if found is None or found.low is None or found.high is None:
        return Cell(range_text(found, form))
    return Cell(range_text(found, form), remark=f"95 %: {form(found.low)} to {form(found.high)}")
