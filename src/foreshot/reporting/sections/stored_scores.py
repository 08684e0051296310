"""Stored scores: how near every model comes to them, what it flags at the thresholds in use, and where it differs."""

from foreshot.reporting.behaviour import LONGEST_NAME, behaviours
from foreshot.reporting.section import Prose, Section, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    count_text,
    heading,
    metric_text,
    model_cell,
    models_of,
    percent_text,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore
from foreshot.results.results import Results
from foreshot.results.scores import AtThreshold, ScoreDisagreement, ScoreResult

NOTICE = (
    "Stored scores are all that is known of these rows: what follows says how well the models stand in for the scores, "
    "never how right they are."
)
SHOWN_WORST = 5
"""Disagreements of a model that are shown, each way; results.json has more."""


def section(results: Results) -> Section | None:
    """The section: distances and correlations, what is flagged, and the worst disagreements."""
    if results.data.thresholds is None:
        return None
    return Section(
        "stored-scores",
        "Stored scores",
        "Beside the stored scores",
        blocks(
            Prose(NOTICE),
            shown(distances_table(results), titled=True),
            shown(thresholds_table(results), titled=True),
            shown(worst_table(results), "wordy", titled=True, folded="closed"),
        ),
    )


def distances_table(results: Results) -> Table:
    """How far every model's scores are from the stored ones, output by output."""
    beside = behaviours(results)
    columns = (
        Column("score and model", is_number=False),
        Column("mean absolute error", group="distance"),
        Column("from the teacher's", group="distance"),
        Column("shift", group="distance"),
        Column("calibration error", group="distance"),
        Column("Spearman", group="correlation"),
        Column("Pearson", group="correlation"),
        *(Column(found.title, group="behaviour") for found in beside),
    )
    rows: list[Row] = []
    compared = {found.name: found.models for found in results.score_comparisons}
    for name in results.data.label_names or []:
        known = [found for run in results.models for found in run.scores if found.name == name]
        if not known:
            continue
        rows.append(heading(f"{shortened(name, LONGEST_NAME)}: {count_text(known[0].rows)} test rows have it"))
        for model in models_of(results):
            runs = [found for run in model.runs for found in run.scores if found.name == name]
            error, shift = compared[name][model.name]
            rows.append(
                Row(
                    (
                        model_cell(model),
                        Cell(_with_interval(error.value)),
                        Cell(_change(error)),
                        Cell(_signed(shift.value.value)),
                        Cell(_mean([found.calibration_error for found in runs])),
                        Cell(_mean_known([found.agreement.spearman for found in runs])),
                        Cell(_mean_known([found.agreement.pearson for found in runs])),
                        *(Cell(found.text(model)) for found in beside),
                    )
                )
            )
    notes = (
        "Of scores from 0 to 1, on the test rows; means over the seeds, with 95 % intervals of a bootstrap over rows. "
        "Shift: new minus stored, in the mean. Calibration error: how far the mean stored score of each tenth of the "
        "model's scores is from their mean, weighted by rows.",
    )
    return Table("score-distances", "How far from the stored scores", columns, tuple(rows), notes)


def thresholds_table(results: Results) -> Table:
    """What every model flags at each threshold in use, against what the stored scores flag."""
    columns = (
        Column("threshold and model", is_number=False),
        Column("flagged"),
        Column("equal", group="at the same number"),
        Column("kappa", group="at the same number"),
        Column("newly", group="at the same number"),
        Column("no longer", group="at the same number"),
        Column("threshold", group="at the same rate"),
        Column("equal", group="at the same rate"),
    )
    rows: list[Row] = []
    for name, thresholds in (results.data.thresholds or {}).items():
        for threshold in sorted(set(thresholds)):
            first = True
            for model in models_of(results):
                found = [one for run in model.runs if (one := _at(run.scores, name, threshold)) is not None]
                if not found:
                    continue
                if first:
                    flagged = percent_text(found[0].flagged.value)
                    rows.append(heading(f"{shortened(name, LONGEST_NAME)} from {threshold:g}: {flagged} are flagged"))
                    first = False
                rows.append(Row((model_cell(model), *map(Cell, _at_numbers(found)))))
    notes = (
        "Shares of the test rows that have the score. Equal: both flag or neither does; kappa is that beyond chance. "
        "Newly and no longer: what only the model flags, or only the stored score did. At the same rate: the model's "
        "threshold that flags as many rows as the stored scores do; to keep today's workload, set it.",
    )
    return Table("score-thresholds", "At the thresholds in use", columns, tuple(rows), notes)


def worst_table(results: Results) -> Table | None:
    """The test rows on which a model and the stored score differ most, of the judged score and each first seed."""
    rows: list[Row] = []
    for model in models_of(results):
        found = model.first.scores[:1]
        shown_rows = [one for result in found for one in (*result.higher[:SHOWN_WORST], *result.lower[:SHOWN_WORST])]
        if shown_rows:
            rows.append(heading(model.name))
            rows += [_worst_row(one) for one in shown_rows if abs(one.new - one.stored) > 0]
    if not any(not row.is_heading for row in rows):
        return None
    columns = (Column("text", is_number=False), Column("stored"), Column("model"), Column("row"))
    note = f"Of each model's first seed the {SHOWN_WORST} rows that it scores most above what is stored, then below."
    return Table("score-worst", "Worst disagreements", columns, tuple(rows), (note,))


def summary_table(results: Results) -> Table | None:
    """The judged score in a line for each model, for the terminal; None where labels are judged."""
    if results.data.thresholds is None:
        return None
    name, thresholds = next(iter(results.data.thresholds.items()))
    columns = [Column("model", is_number=False), Column("mean absolute error", short="MAE"), Column("Spearman")]
    columns += [Column(f"equal at {threshold:g}") for threshold in sorted(set(thresholds))]
    compared = {found.name: found.models for found in results.score_comparisons}
    rows = [
        [
            model.name,
            f"{compared[name][model.name][0].value.value:.3f}",
            _mean_known([run.scores[0].agreement.spearman for run in model.runs if run.scores]),
            *(_equal(model, name, threshold) for threshold in sorted(set(thresholds))),
        ]
        for model in models_of(results)
    ]
    return table("score-summary", f"{shortened(name, LONGEST_NAME)}: beside the stored scores", columns, rows)


def _equal(model: ModelRuns, name: str, threshold: float) -> str:
    found = [one.same.equal.value for run in model.runs if (one := _at(run.scores, name, threshold)) is not None]
    return percent_text(sum(found) / len(found)) if found else NOTHING


def _at(scores: list[ScoreResult], name: str, threshold: float) -> AtThreshold | None:
    of_name = (found for found in scores if found.name == name)
    return next((one for found in of_name for one in found.agreement.thresholds if one.threshold == threshold), None)


def _at_numbers(found: list[AtThreshold]) -> tuple[str, ...]:
    kappas = [one.same.kappa for one in found]
    kept = [one.kept for one in found if one.kept is not None]
    cuts = [one.kept_threshold.value for one in found if one.kept_threshold is not None]
    return (
        _percent([one.same.flagged.value for one in found]),
        _percent([one.same.equal.value for one in found]),
        _mean_known(kappas),
        _percent([one.same.newly_flagged.value for one in found]),
        _percent([one.same.no_longer_flagged.value for one in found]),
        _mean(cuts) if cuts else NOTHING,
        _percent([one.equal.value for one in kept]) if kept else NOTHING,
    )


def _worst_row(one: ScoreDisagreement) -> Row:
    cells = (one.text, f"{one.stored:.2f}", f"{one.new:.2f}", count_text(one.row))
    return Row((Cell(shortened(cells[0])), *map(Cell, cells[1:])))


def _with_interval(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _change(score: ComparedScore) -> str:
    change = score.minus_teacher
    return NOTHING if change is None else f"{_signed(change.value)} ({_signed(change.low)} to {_signed(change.high)})"


def _signed(value: float) -> str:
    """A difference with a true minus, and no sign where it is shown as 0."""
    return "0.000" if float(shown := f"{value:+.3f}") == 0 else shown.replace("-", "−")


def _mean(values: list[float]) -> str:
    return metric_text(sum(values) / len(values)) if values else NOTHING


def _mean_known(values: list[Estimate | None]) -> str:
    known = [value.value for value in values if value is not None]
    return _mean(known) if len(known) == len(values) else NOTHING


def _percent(values: list[float]) -> str:
    return f"{100 * sum(values) / len(values):.1f}%" if values else NOTHING
