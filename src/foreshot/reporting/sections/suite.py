"""The suite, kind by kind: a heat map of what each model gets right, its intervals, and what each student loses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.section import Bullets, Prose, Section, Shown, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    count_text,
    models_of,
    percent_interval_text,
    percent_text,
    points_interval_text,
    points_text,
)
from foreshot.reporting.texts import shortened
from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult, SuiteResult
from foreshot.results.results import Results

LONGEST_KIND = 80
MOST_NAMED = 3
FormCell = Callable[[Estimate | None, Estimate | None], Cell]
"""A share and its change from the teacher, as a cell."""


WITHOUT_TOXIC = (
    "No suite was run: none of the classes is taken for toxic, so nothing here says what any model flags or lets "
    "through. Name the labels that count as toxic with --positive, or give a suite of these classes with --suite."
)


def section(results: Results) -> Section | None:
    """The section: every model on the suite, kind by kind, as a map of heat; or why there is none, if not by choice."""
    heat, lost = functionality_map(results), losses(results)
    if heat is None and results.data.positive is None:
        return Section("suite", "Behaviour", "Behaviour: no suite", [Prose(WITHOUT_TOXIC)])
    if heat is None:
        return None
    return Section(
        "suite",
        "Behaviour",
        "Behaviour: the suite, kind by kind",
        blocks(
            Prose(suite_line(results)),
            Bullets([loss.sentence for loss in lost], leads=[loss.model for loss in lost]) if lost else None,
            Shown(heat, "heat compact"),
            shown(group_map(results), "heat compact", titled=True),
            shown(functionality_details(results), "heat-details", folded="closed"),
        ),
    )


@dataclass(frozen=True)
class Loss:
    """What a student loses most, in a sentence."""

    model: str
    sentence: str


def functionality_map(results: Results) -> Table | None:
    """Accuracy of every model in every functionality, the suite as a whole first; None without a suite."""
    if not results.suite_results:
        return None
    notes = [
        "Each number is the share of cases that the model gets right, the mean over its seeds. Blue: more than half; "
        "orange: less. The small number is a student's change from the teacher in percentage points, shown where its "
        "95 % interval excludes 0 (a paired bootstrap, not corrected for the number of kinds). Contrast pair: a case "
        "and its near twin with the other label, both right.",
        *_sealed_notes(results),
    ]
    rows = [*_overall(results, _heat_cell), *_by_label(results, lambda found: found.functionalities, _heat_cell)]
    return _table(results, "functionalities", "What each model gets right", "functionality", rows, notes)


def functionality_details(results: Results) -> Table | None:
    """The intervals of the heat map; None without a suite."""
    if not results.suite_results:
        return None
    notes = [
        "Share right with Wilson's 95 % interval for the number of cases; below it the change from the teacher in "
        "percentage points with its bootstrap interval."
    ]
    kinds = (lambda found: found.functionalities, lambda found: found.groups)
    rows = [*_overall(results, _interval_cell)]
    for kind in kinds:
        rows += _by_label(results, kind, _interval_cell)
    return _table(results, "intervals-of-kinds", "Intervals of every kind", "kind", rows, notes)


def group_map(results: Results) -> Table | None:
    """Likewise by whom the cases are about; None where no case says so."""
    if not any(found.groups for found in results.suite_results):
        return None
    rows = _by_label(results, lambda found: found.groups, _heat_cell)
    return _table(results, "groups", "Whom the cases are about", "group", rows, [])


def losses(results: Results) -> list[Loss]:
    """For each student the functionalities that it loses most against the teacher, beyond chance."""
    found = []
    for result in results.suite_results:
        changes = [(cell.minus_teacher, cell) for cell in result.functionalities if cell.minus_teacher]
        if not changes:
            continue
        lost = sorted(
            ((change.value, cell.name) for change, cell in changes if change.high < 0),
        )
        if not lost:
            found.append(Loss(result.model, "loses no functionality beyond chance."))
            continue
        named = ", ".join(f"{shortened(name, LONGEST_KIND)} ({points_text(value, 0)})" for value, name in lost[:3])
        more = f", and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
        found.append(Loss(result.model, f"loses most on {named}{more}."))
    return found


def suite_line(results: Results) -> str:
    """What the suite is, in a sentence; empty without one."""
    suite = results.suite
    if suite is None:
        return ""
    counts = ", ".join(f"{count:,} {shortened(name, LONGEST_NAME)}" for name, count in suite.class_counts.items())
    pairs = f", {suite.pairs:,} contrast pairs" if suite.pairs else ""
    kinds = len(results.suite_results[0].functionalities) if results.suite_results else 0
    sealed = sum(_sealed_cases(results).values())
    return (
        f"{shortened(suite.name, 80)}: {suite.cases:,} cases of {kinds} kinds ({counts}{pairs}); none was trained on"
        f"{f', and {sealed:,} are sealed' if sealed else ''}."
    )


def _table(results: Results, key: str, title: str, what: str, rows: Sequence[Row], notes: Sequence[str]) -> Table:
    columns = [Column(what, is_number=False), *(Column(name) for name in _models(results))]
    return Table(key, title, tuple(columns), tuple(rows), tuple(notes))


def _models(results: Results) -> list[str]:
    return [model.name for model in models_of(results)]


def _by_model(results: Results) -> list[SuiteResult | None]:
    found = {result.model: result for result in results.suite_results}
    return [found.get(name) for name in _models(results)]


def _sealed_notes(results: Results) -> list[str]:
    """How open cases, sealed ones and changes are to be read where models were mended."""
    if results.mending is None:
        return []
    return [
        "Sealed: no lesson aims at these cases, and no disguise of theirs was trained with, so that they say what "
        "mending is worth; what a mended model gets of the others it may have been taught. A mended student's change "
        "is from the teacher that it is held against, a mended teacher's from the one without mending."
    ]


def _sealed_cases(results: Results) -> dict[tuple[str, str], int]:
    """How many cases of each label and functionality are sealed; none where no model was mended."""
    if results.mending is None:
        return {}
    return {
        (cell.label, cell.name): cell.cases
        for found in results.suite_results
        for cell in (found.sealed.functionalities if found.sealed else [])
    }


def _overall(results: Results, form: FormCell) -> list[Row]:
    suite, found = results.suite, _by_model(results)
    rows = [Row((Cell("The whole suite"),), is_heading=True)]

    def add(name: str, remark: str, of: Callable[[SuiteResult], Estimate | None]) -> None:
        estimates = [None if result is None else of(result) for result in found]
        if any(estimates):
            rows.append(Row((Cell(name, remark=remark), *(form(estimate, None) for estimate in estimates))))

    add("all cases", _cases(suite.cases) if suite else "", lambda result: result.accuracy)
    for label in _labels(results):
        count = suite.class_counts.get(label, 0) if suite else 0
        add(f"{shortened(label, LONGEST_NAME)} cases", _cases(count), _side(label))
    add("contrast pairs", f"{suite.pairs:,} pairs" if suite else "", lambda result: result.pairs_right)
    sealed = _sealed_cases(results)
    if sealed:
        rows.append(Row((Cell("Its sealed part"),), is_heading=True))
        add("all sealed cases", _cases(sum(sealed.values())), _sealed_accuracy)
        for label in _labels(results):
            count = sum(cases for (of_label, _), cases in sealed.items() if of_label == label)
            add(f"sealed {shortened(label, LONGEST_NAME)} cases", _cases(count), _sealed_side(label))
    return rows


def _side(label: str) -> Callable[[SuiteResult], Estimate | None]:
    return lambda result: result.by_label.get(label)


def _sealed_accuracy(result: SuiteResult) -> Estimate | None:
    return result.sealed.accuracy if result.sealed else None


def _sealed_side(label: str) -> Callable[[SuiteResult], Estimate | None]:
    return lambda result: result.sealed.by_label.get(label) if result.sealed else None


def _by_label(results: Results, kinds_of: Callable[[SuiteResult], list[CellResult]], form: FormCell) -> list[Row]:
    """Kinds grouped by label, in the suite's order; a model that lacks one has a dash there."""
    by_model = [
        {(cell.label, cell.name): cell for cell in kinds_of(result)} if result else {} for result in _by_model(results)
    ]
    kinds = {(cell.label, cell.name): cell for result in results.suite_results for cell in kinds_of(result)}
    sealed = _sealed_cases(results)
    rows: list[Row] = []
    for label in _labels(results):
        of_label = [(key, cell) for key, cell in kinds.items() if key[0] == label]
        if not of_label:
            continue
        rows.append(Row((Cell(_duty(results, label)),), is_heading=True))
        for key, cell in of_label:
            found = [cells.get(key) for cells in by_model]
            name = Cell(shortened(cell.name, LONGEST_KIND), remark=_cases_told(cell.cases, sealed.get(key, 0)))
            answers = (form(one.accuracy, one.minus_teacher) if one else Cell(NOTHING) for one in found)
            rows.append(Row((name, *answers)))
    return rows


def _labels(results: Results) -> list[str]:
    """The class to flag first."""
    return sorted(results.data.classes, key=lambda name: name != results.data.positive)


def _duty(results: Results, label: str) -> str:
    called = shortened(label, LONGEST_NAME)
    if results.data.positive is None:
        return called
    return f"{called}: {'must be flagged' if label == results.data.positive else 'must not be flagged'}"


def _heat_cell(found: Estimate | None, change: Estimate | None) -> Cell:
    if found is None:
        return Cell(NOTHING)
    hint = f"95 % interval {percent_interval_text(found)}"
    remark = ""
    if change is not None:
        hint += f"; minus teacher {points_text(change.value)} ({points_interval_text(change)})"
        if change.high < 0 or change.low > 0:
            remark = points_text(change.value, 0)
    return Cell(percent_text(found.value), remark=remark, share=found.value, hint=hint)


def _interval_cell(found: Estimate | None, change: Estimate | None) -> Cell:
    if found is None:
        return Cell(NOTHING)
    remark = f"{points_text(change.value)} ({points_interval_text(change)})" if change is not None else ""
    return Cell(f"{percent_text(found.value)} ({percent_interval_text(found)})", remark=remark)


def _cases_told(count: int, sealed: int) -> str:
    """How many cases there are, and how many of them are sealed, if any."""
    return _cases(count) + ("" if not sealed else ", sealed" if sealed == count else f", {sealed:,} sealed")


def _cases(count: int) -> str:
    return f"{count_text(count)} case{'' if count == 1 else 's'}"
