"""Probes: what every model says to each of them."""

from collections import Counter

from foreshot.reporting.behaviour import LONGEST_NAME, SCALED
from foreshot.reporting.section import Section, Shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    Mark,
    ModelRuns,
    Row,
    Table,
    count_text,
    models_of,
    spread_text,
)
from foreshot.reporting.texts import shortened
from foreshot.results.behaviour import Probe, ProbeAnswer
from foreshot.results.results import Results

MOST_PROBES = 400


def section(results: Results) -> Section | None:
    """The section: every probe with every model's answer."""
    grid = probe_grid(results)
    if grid is None:
        return None
    shown = Shown(grid, "probes", notes_first=True)
    return Section("probes", "Probes", "What the models say to the probes", [shown])


def probe_grid(results: Results) -> Table | None:
    """Every probe and what each model says to it, grouped by label; None without probes."""
    if not results.probes:
        return None
    models = models_of(results)
    shown = list(enumerate(results.probes))[:MOST_PROBES]
    rows: list[Row] = []
    for label in _labels(results, [probe for _, probe in shown]):
        rows.append(_group_heading(results, label, models))
        group = [(index, probe) for index, probe in shown if probe.label == label]
        order = list(dict.fromkeys(probe.note for _, probe in group))
        for index, probe in sorted(group, key=lambda numbered: order.index(numbered[1].note)):
            rows.append(_probe_row(results, index, probe, models))
    columns = [Column("probe", is_number=False), *(Column(model.name) for model in models)]
    return Table("probes", "Probes", tuple(columns), tuple(rows), tuple(_legend(results)))


def _labels(results: Results, probes: list[Probe]) -> list[str | None]:
    """The groups of the grid: the positive class first, then the others, then what has no label."""
    found = {probe.label for probe in probes}
    named = sorted((name for name in results.data.classes), key=lambda name: name != results.data.positive)
    strays = sorted(label for label in found if label is not None and label not in named)
    return [label for label in (*named, *strays, None) if label in found]


def _group_heading(results: Results, label: str | None, models: list[ModelRuns]) -> Row:
    positive = results.data.positive
    if label is None:
        return Row((Cell("without a label"), *(Cell("") for _ in models)), is_heading=True)
    called = shortened(label, LONGEST_NAME)
    if positive is None:
        return Row((Cell(called), *(Cell("") for _ in models)), is_heading=True)
    duty = "must be flagged" if label == positive else "must not be flagged"
    others = len([name for name in results.data.classes if name != positive])
    wanted = "probes_flagged" if label == positive else "benign_probes_flagged"
    of = sum(probe.label == label for probe in results.probes)
    if label != positive and others > 1:
        return Row((Cell(f"{called}: {duty}"), *(Cell("") for _ in models)), is_heading=True)
    counts = (
        Cell(spread_text(model.summary.spreads.get(wanted), count_text, of=of), remark="flagged") for model in models
    )
    return Row((Cell(f"{called}: {duty}"), *counts), is_heading=True)


def _probe_row(results: Results, index: int, probe: Probe, models: list[ModelRuns]) -> Row:
    name = Cell(shortened(probe.text), remark=shortened(probe.note or ""))
    answer = _flag_cell if results.data.positive is not None else _class_cell
    return Row((name, *(answer(results, probe, _answers(model, index)) for model in models)))


def _answers(model: ModelRuns, index: int) -> list[ProbeAnswer]:
    return [run.probes[index] for run in model.runs if index < len(run.probes)]


def _flag_cell(results: Results, probe: Probe, answers: list[ProbeAnswer]) -> Cell:
    if not answers:
        return Cell(NOTHING)
    positive = results.data.positive
    flagged = sum(answer.predicted == positive for answer in answers)
    score = f"{sum(answer.score for answer in answers) / len(answers):.2f}"
    mark: Mark = "flagged" if flagged == len(answers) else "mixed" if flagged else ""
    sign = {"flagged": "● ", "mixed": "◐ "}.get(mark, "")
    seeds = f" {flagged}/{len(answers)}" if mark == "mixed" else ""
    right = flagged if probe.label == positive else len(answers) - flagged
    wrong = probe.label is not None and right == 0
    return Cell(f"{sign}{score}{seeds}{' ✗' if wrong else ''}", mark=mark, wrong=wrong)


def _class_cell(results: Results, probe: Probe, answers: list[ProbeAnswer]) -> Cell:
    if not answers:
        return Cell(NOTHING)
    (predicted, times), *_ = Counter(answer.predicted for answer in answers).most_common()
    scores = [answer.score for answer in answers if answer.predicted == predicted]
    right = sum(answer.predicted == probe.label for answer in answers)
    wrong = probe.label is not None and right == 0
    mark: Mark = "flagged" if times == len(answers) else "mixed"
    seeds = f" {times}/{len(answers)}" if mark == "mixed" else ""
    sign = "" if mark == "flagged" else "◐ "
    text = f"{sign}{shortened(predicted, LONGEST_NAME)} {sum(scores) / len(scores):.2f}{seeds}"
    return Cell(f"{text}{' ✗' if wrong else ''}", mark="mixed" if mark == "mixed" else "", wrong=wrong)


def _legend(results: Results) -> list[str]:
    seeds = len(results.conditions.seeds)
    notes = []
    if results.data.positive is not None:
        positive = shortened(results.data.positive, LONGEST_NAME)
        mean = f", the mean over {seeds} seeds" if seeds > 1 else ""
        notes.append(
            f"Each number is the model's score for {positive}{mean}, {SCALED}. ● flagged: {positive} is what the "
            "model decides on"
            + (" with every seed; ◐ the seeds disagree, 2/3 means that two of three flag it." if seeds > 1 else ".")
        )
    else:
        notes.append(
            f"Each cell names the class that the model predicts and its score for it, {SCALED}."
            + (" ◐ the seeds disagree: the class that most of them predict, and how many." if seeds > 1 else "")
        )
    if any(probe.label is not None for probe in results.probes):
        notes.append("✗ wrong" + (" with every seed." if seeds > 1 else "."))
    if len(results.probes) > MOST_PROBES:
        notes.append(f"The first {MOST_PROBES} of {len(results.probes):,} probes; the others stand in results.json.")
    return notes
