"""How far scores can be read as probabilities, and what thresholds fitted on validation rows do on the test rows."""

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.figure import Figure

from foreshot.reporting.behaviour import behaviours, judged_label
from foreshot.reporting.drawing import BLUE, GRID, ORANGE, PAPER, Drawing, styled
from foreshot.reporting.section import Drawings, Heading, Legend, Section, Shown, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    known_spread,
    metric_text,
    models_of,
    percent_text,
    spread_text,
    table,
)
from foreshot.results.decisions import Calibration, Decision, PolicyResult, ReliabilityBin
from foreshot.results.models import ModelResult
from foreshot.results.results import Results


def section(results: Results) -> Section:
    """The section: whether scores are probabilities, and what thresholds give."""
    lines = (
        ("before temperature scaling", "divergence", 2.2, "8 4"),
        ("after it", "classification", 2.2, ""),
        ("where both agree", "rule", 2.2, ""),
    )
    return Section(
        "scores",
        "Scores and thresholds",
        "Scores and thresholds",
        blocks(
            Heading("Can the scores be read as probabilities?"),
            Legend(lines),
            Drawings(reliability_diagrams(results), "small"),
            Shown(calibration_table(results)),
            shown(thresholds_table(results), titled=True),
        ),
    )


def pooled_bins(calibrations: Sequence[Calibration]) -> list[ReliabilityBin]:
    """Bins over the seeds, every bin weighted by its rows; bins that no seed has rows in are left out."""
    pooled = []
    for same in zip(*(found.bins for found in calibrations), strict=True):
        rows = sum(one.rows for one in same)
        if rows:
            confidence = sum(one.rows * one.confidence for one in same) / rows
            accuracy = sum(one.rows * one.accuracy for one in same) / rows
            pooled.append(ReliabilityBin(rows=rows, confidence=confidence, accuracy=accuracy))
    return pooled


def reliability_diagrams(results: Results) -> list[Drawing]:
    """Confidence against accuracy for each model, before temperature scaling and after it."""
    drawings = []
    for number, model in enumerate(models_of(results)):
        before = pooled_bins([run.calibration for run in model.runs])
        after = pooled_bins([run.calibration_after_scaling for run in model.runs])
        errors = [_mean(model, _error_before), _mean(model, _error_after)]
        drawings.append(
            Drawing(
                title=model.name,
                remark=f"ECE {errors[0]} → {errors[1]}",
                description=f"Reliability of {model.name}. Before: {_described(before)}. After: {_described(after)}.",
                figure=partial(_reliability_figure, before, after),
                prefix=f"reliability{number}",
            )
        )
    return drawings


def calibration_table(results: Results) -> Table:
    """Calibration error and Brier score, before temperature scaling and after it."""
    beside = behaviours(results)
    columns = [
        Column("model", is_number=False),
        Column("temperature"),
        Column("before", group="calibration error (ECE)"),
        Column("after", group="calibration error (ECE)"),
        Column("before", group="Brier score"),
        Column("after", group="Brier score"),
        *(Column(found.title, group="behaviour") for found in beside),
    ]
    rows = [
        [
            Cell(model.name),
            spread_text(model.over_seeds(lambda run: run.decision.temperature), lambda value: f"{value:.2f}"),
            spread_text(model.over_seeds(_error_before), metric_text),
            spread_text(model.over_seeds(_error_after), metric_text),
            spread_text(model.over_seeds(lambda run: run.calibration.brier), metric_text),
            spread_text(model.over_seeds(lambda run: run.calibration_after_scaling.brier), metric_text),
            *(found.text(model) for found in beside),
        ]
        for model in models_of(results)
    ]
    note = (
        "Lower is better. The temperature is fitted on the validation rows alone, the errors are of the test rows. "
        "Scaling leaves every ranking of texts and every likeliest class as it was."
    )
    if (judged := judged_label(results)) is not None:
        note += f" This is {judged}, the judged label; the others stand under Labels."
    return table("calibration", "Calibration", columns, rows, note)


def thresholds_table(results: Results) -> Table | None:
    """Each policy for each model: its thresholds, and what they do on the test rows; None without a positive class."""
    policies = list(dict.fromkeys(found.decision.policy for run in results.models for found in run.policies))
    if not policies:
        return None
    beside = behaviours(results)
    used = results.models[0].decision.policy
    columns = (
        Column("policy", is_number=False),
        Column("threshold", group="score"),
        Column("review from", group="score"),
        Column("macro-F1", group="test rows"),
        Column("recall", group="test rows"),
        Column("precision", group="test rows"),
        Column("false positives", group="test rows"),
        Column("to review", group="test rows"),
        *(Column(found.title, group=f"behaviour by {used}") for found in beside),
    )
    rows: list[Row] = []
    for policy in policies:
        rows.append(Row((Cell(policy, remark="this run's own" if policy == used else ""),), is_heading=True))
        rows += [_policy_row(results, model, policy) for model in models_of(results)]
    notes = (
        "Thresholds were fitted on the validation rows alone; everything else is what they do on the test rows, where "
        "a promise may be missed by chance. Texts to review count as flagged. Means over the seeds.",
        "✗ not met: on the validation rows no threshold keeps the policy's promise; the nearest one was taken. A "
        "policy for which the validation rows are too few is left out.",
        *_judged_alone(results),
    )
    return Table("thresholds", "Thresholds by policy", columns, tuple(rows), notes)


def _judged_alone(results: Results) -> list[str]:
    judged = judged_label(results)
    return [] if judged is None else [f"All of {judged}, the judged label, macro-F1 too."]


def _policy_row(results: Results, model: ModelRuns, policy: str) -> Row:
    by_run = [{found.decision.policy: found for found in run.policies}.get(policy) for run in model.runs]
    found = [one for one in by_run if one is not None]
    beside = [Cell(behaviour.text(model)) for behaviour in behaviours(results)]
    if not found:
        return Row((Cell(model.name, remark="too few rows"), *(Cell(NOTHING) for _ in range(7)), *beside))
    unmet = sum(not one.decision.met for one in found)
    remark = "" if not unmet else "✗ not met" if unmet == len(found) else f"✗ not met, {unmet}/{len(found)} seeds"
    numbers = [
        _mean_of(found, "macro_f1", metric_text),
        *(_mean_of(found, name, percent_text) for name in ("recall", "precision", "false_positive_rate")),
        _mean_of(found, "review_share", percent_text),
    ]
    thresholds = (
        _threshold(found, lambda decision: decision.threshold),
        _threshold(found, lambda decision: decision.review_threshold),
    )
    return Row(
        (
            Cell(model.name, remark=remark, wrong=bool(unmet)),
            *(Cell(text) for text in (*thresholds, *numbers)),
            *beside,
        )
    )


def _threshold(found: Sequence[PolicyResult], of: Callable[[Decision], float | None]) -> str:
    return spread_text(known_spread([of(one.decision) for one in found]), metric_text)


def _mean_of(found: Sequence[PolicyResult], name: str, form: Callable[[float], str]) -> str:
    return form(sum(float(getattr(one, name)) for one in found) / len(found))


def _error_before(run: ModelResult) -> float:
    return run.calibration.expected_calibration_error


def _error_after(run: ModelResult) -> float:
    return run.calibration_after_scaling.expected_calibration_error


def _mean(model: ModelRuns, number: Callable[[ModelResult], float]) -> str:
    return metric_text(sum(number(run) for run in model.runs) / len(model.runs))


def _described(bins: Sequence[ReliabilityBin]) -> str:
    return ", ".join(f"{one.confidence:.2f} confident and {one.accuracy:.2f} right ({one.rows} rows)" for one in bins)


def _reliability_figure(before: Sequence[ReliabilityBin], after: Sequence[ReliabilityBin]) -> Figure:
    with styled():
        figure = Figure(figsize=(2.5, 2.3), layout="constrained")
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.2)
        for bins, colour, dashes, fill in ((before, ORANGE, "--", PAPER), (after, BLUE, "-", BLUE)):
            axes.plot(
                [one.confidence for one in bins], [one.accuracy for one in bins], color=colour, linestyle=dashes,
                marker="o", markersize=4.5, markerfacecolor=fill, linewidth=1.4,
            )  # fmt: skip
        least = min((one.confidence for one in (*before, *after)), default=0.5)
        lowest = min(0.5 if least >= 0.5 else 0.0, *(one.accuracy for one in (*before, *after)), 0.5)
        axes.set_xlim(0.48 if least >= 0.5 else 0, 1.02)
        axes.set_ylim(lowest - 0.03, 1.03)
        axes.set_xlabel("confidence")
        axes.set_ylabel("share right")
        axes.grid()
        axes.set_axisbelow(True)
    return figure
