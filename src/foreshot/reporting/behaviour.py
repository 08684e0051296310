"""Behaviour: what the models do on the suite and the probes, beside every metric; and the grid of the probes."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

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
    percent_text,
    range_text,
    spread_text,
)
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.behaviour import Probe, ProbeAnswer, SuiteResult
from foreshot.results.models import Spread
from foreshot.results.results import Results

MOST_PROBES = 400
LONGEST_NAME = 24
LONGEST_BRIEF_NAME = 10
SCALED = "temperature-scaled on the validation rows"


@dataclass(frozen=True)
class Behaviour:
    """One number on what a model does, to stand beside its metrics: how it is called and where it is found.

    `of` is the number of probes that a count is of; None for a share of the suite.
    """

    title: str
    short: str
    find: Callable[[ModelRuns], Spread | None]
    form: Callable[[float], str]
    of: int | None = None

    def text(self, model: ModelRuns) -> str:
        """A model's number: "61%", "14/18", over several seeds "14.3/18 ± 0.6"."""
        return spread_text(self.find(model), self.form, of=self.of)

    def range(self, model: ModelRuns) -> str:
        """A model's least and greatest count over its seeds; of a share its interval."""
        return range_text(self.find(model), self.form)

    @property
    def limit(self) -> float:
        """The greatest value that it can have."""
        return 1.0 if self.of is None else float(self.of)


def behaviours(results: Results) -> list[Behaviour]:
    """What stands beside every metric: the suite's shares, then the counts of probes; none without either."""
    return [*suite_shares(results), *probe_counts(results)]


def suite_shares(results: Results) -> list[Behaviour]:
    """The share right of the suite and, where a class is positive, of its cases of that class."""
    if not results.suite_results:
        return []
    shares = [Behaviour("suite right", "suite right", _of_suite(results, lambda found: found.accuracy), percent_text)]
    positive = results.data.positive
    if positive is not None and any(positive in found.by_label for found in results.suite_results):
        called = shortened(positive, LONGEST_NAME)
        shares.append(
            Behaviour(
                f"suite's {called} cases right",
                f"suite {_brief(positive)} right",
                _of_suite(results, lambda found: found.by_label.get(positive)),
                percent_text,
            )
        )
    return shares


def probe_counts(results: Results) -> list[Behaviour]:
    """How many probes are flagged: none without probes, one or two numbers with them.

    Where a class is positive, how many probes are flagged that must be and that must not; without one, how
    many get their label. Probes without labels are counted as flagged or not, all together.
    """
    positive = results.data.positive
    labelled = [probe for probe in results.probes if probe.label is not None]
    if not labelled:
        if not results.probes or positive is None:
            return []
        return [_count("probes flagged", "probes flagged", len(results.probes), _flagged_of_all(positive))]
    if positive is None:
        return [_count("probes right", "probes right", len(labelled), _summed_up("probes_right"))]
    must = sum(probe.label == positive for probe in labelled)
    names = [name for name in results.data.classes if name != positive]
    other = shortened(names[0], LONGEST_NAME) if len(names) == 1 else "other"
    called = shortened(positive, LONGEST_NAME)
    counts = [
        _count(
            f"{called} probes flagged",
            f"{_brief(positive)} probes flagged",
            must,
            _summed_up("probes_flagged"),
        ),
        _count(
            f"{other} probes flagged",
            f"{_brief(other)} probes flagged",
            len(labelled) - must,
            _summed_up("benign_probes_flagged"),
        ),
    ]
    return [count for count in counts if count.of]


def behaviour_text(results: Results, model: ModelRuns) -> str:
    """A model's counts in one line, to stand beside its metrics; empty without probes."""
    found = behaviours(results)
    if not found:
        return "answers to the probes: above" if results.probes else ""
    return ", ".join(f"{behaviour.title} {behaviour.text(model)}" for behaviour in found)


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


def _count(title: str, short: str, of: int, find: Callable[[ModelRuns], Spread | None]) -> Behaviour:
    return Behaviour(title, short, find, count_text, of)


def _of_suite(results: Results, find: Callable[[SuiteResult], Estimate | None]) -> Callable[[ModelRuns], Spread | None]:
    by_model = {found.model: find(found) for found in results.suite_results}

    def spread(model: ModelRuns) -> Spread | None:
        found = by_model.get(model.name)
        return (
            None if found is None else Spread(mean=found.value, deviation=None, minimum=found.low, maximum=found.high)
        )

    return spread


def _brief(name: str) -> str:
    return shortened(name, LONGEST_BRIEF_NAME)


def _summed_up(name: str) -> Callable[[ModelRuns], Spread | None]:
    return lambda model: model.summary.spreads.get(name)


def _flagged_of_all(positive: str) -> Callable[[ModelRuns], Spread | None]:
    return lambda model: model.over_seeds(lambda run: float(sum(answer.predicted == positive for answer in run.probes)))
