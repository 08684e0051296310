"""Many numbers to few: a training's steps to its curve, a model's seeds to their spread."""

from collections.abc import Callable, Sequence

import numpy as np

from foreshot.judging.statistics import seed_interval
from foreshot.results.behaviour import Probe
from foreshot.results.models import LOSS_PARTS, CurvePoint, Loss, ModelResult, Spread, Summary, TrainingFacts
from foreshot.suites.probes import counts

CURVE_POINTS = 100


def training_facts(
    losses: dict[str, np.ndarray],
    *,
    rows: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    matched: bool,
    device: str,
    precision: str,
    accumulate: int,
    disagreements: Sequence[int] = (),
) -> TrainingFacts:
    """Sum up a training from the losses of its steps: `losses[name]` has shape (steps,)."""
    steps = len(losses["objective"])
    per_epoch = np.array_split(np.arange(steps), epochs)
    points = np.array_split(np.arange(steps), min(CURVE_POINTS, steps))
    last_third = np.arange(steps - -(-steps // 3), steps)
    epoch_means = [_loss(losses, epoch, np.mean) for epoch in per_epoch]
    return TrainingFacts(
        rows=rows,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        matched=matched,
        device=device,
        precision=precision,
        accumulate=accumulate,
        disagreements=list(disagreements),
        final=epoch_means[-1],
        epoch_means=epoch_means,
        steadiness=_loss(losses, last_third, np.std),
        curve=[CurvePoint(step=int(point[-1]) + 1, loss=_loss(losses, point, np.mean)) for point in points],
    )


def summarise(models: Sequence[ModelResult], probes: list[Probe], positive: str | None) -> list[Summary]:
    """The spread over seeds of each model's main numbers, models in their first order."""
    by_model: dict[str, list[ModelResult]] = {}
    for result in models:
        by_model.setdefault(result.model, []).append(result)
    summaries = []
    for model, results in by_model.items():
        rows = [_main_numbers(result, probes, positive) for result in results]
        names = [name for name in rows[0] if all(name in row for row in rows)]
        spreads = {name: spread([row[name] for row in rows]) for name in names}
        summaries.append(Summary(model=model, seeds=[result.seed for result in results], spreads=spreads))
    return summaries


def spread(values: Sequence[float]) -> Spread:
    """Mean, sample standard deviation and interval of the mean (None for one value), minimum and maximum."""
    low, high = seed_interval(values) or (None, None)
    return Spread(
        mean=float(np.mean(values)),
        deviation=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        low=low,
        high=high,
        minimum=float(min(values)),
        maximum=float(max(values)),
    )


def _main_numbers(result: ModelResult, probes: list[Probe], positive: str | None) -> dict[str, float]:
    numbers: dict[str, float | None] = {
        "train_objective": result.training.final.objective if result.training else None,
        "train_cross_entropy": result.train_cross_entropy,
        "test_cross_entropy": result.test.cross_entropy,
        "accuracy": result.test.accuracy,
        "macro_f1": result.test.macro_f1,
        "mcc": result.test.mcc,
        "auroc": result.test.auroc,
        "average_precision": result.test.average_precision,
        "mean_auroc": _mean_over_labels(result, "auroc"),
        "mean_average_precision": _mean_over_labels(result, "average_precision"),
        **counts(probes, result.probes, positive),
    }
    return {name: float(value) for name, value in numbers.items() if value is not None}


def _mean_over_labels(result: ModelResult, name: str) -> float | None:
    """The mean of a number over the labels that have it; None where none has it, as in a task with classes."""
    known = [number for found in result.labels if (number := getattr(found, name)) is not None]
    return float(np.mean(known)) if known else None


def _loss(losses: dict[str, np.ndarray], steps: np.ndarray, reduce: Callable[[np.ndarray], np.floating]) -> Loss:
    return Loss(**{name: float(reduce(losses[name][steps])) for name in LOSS_PARTS if name in losses})
