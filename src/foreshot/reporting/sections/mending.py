"""Mending: what it brought to each model on cases that nothing was mended with, and what it cost on the test rows."""

from collections.abc import Callable, Sequence

from foreshot.judging.evidence import METRIC
from foreshot.reporting.behaviour import LONGEST_NAME
from foreshot.reporting.judgement import measure_name
from foreshot.reporting.section import Bullets, Prose, Section, Shown, blocks, shown
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    Row,
    Table,
    count_text,
    heading,
    metric_text,
    percent_interval_text,
    percent_text,
    points_interval_text,
    points_text,
)
from foreshot.reporting.texts import shortened
from foreshot.results.mending import EscapeGain, Gain, KindGain, Mended, PartGain, SuitePart, Twins
from foreshot.results.results import Results

LONGEST_KIND = 80
PARTS: dict[SuitePart, str] = {
    "sealed": "The suite's sealed part, which nothing was mended with",
    "open": "Its open part, which lessons may aim at",
    "whole": "The whole suite",
}
Form = Callable[[float], str]


def section(results: Results) -> Section | None:
    """The section: every mended model beside its twin without mending."""
    found = results.mending
    if found is None:
        return None
    return Section(
        "mending",
        "Mending",
        "What mending brought, and what it cost",
        blocks(
            [Prose(paragraph) for paragraph in introduction(results, found)],
            Bullets([_sentence(results, one) for one in found.twins], leads=[one.mended for one in found.twins])
            if found.twins
            else None,
            Shown(gains_table(results, found), "wordy gains") if found.twins else None,
            shown(functionalities_table(results, found), "wordy", folded="closed"),
        ),
    )


def introduction(results: Results, found: Mended) -> list[str]:
    """How the judgement of what was mended stays honest, and what each mended student is held against."""
    teacher = results.models[0].model
    by_reference: dict[str, list[str]] = {}
    for model, reference in found.references.items():
        by_reference.setdefault(reference, []).append(shortened(model, LONGEST_NAME))
    mended_teachers = [name for name in by_reference if name != teacher]
    said = [
        "Some models were mended: beside the data they learnt from disguised texts and from contrast texts, which "
        "lessons make. Their verdict goes by what they were not mended with, the test rows and the suite's sealed "
        "cases; the open ones and the disguises that were trained with show what was learnt, and not what it is worth.",
    ]
    if mended_teachers:
        students = [name for one in mended_teachers for name in by_reference[one]]
        said.append(
            f"{', '.join(students)}: held against {', '.join(mended_teachers)}, which was mended as well and which "
            f"they learn from. Besides, on the test rows none of them may be below {teacher} by more than the margin."
        )
    return said


def gains_table(results: Results, found: Mended) -> Table:
    """Each pair of twins in the metric, in each part of the suite and by kinds of disguises, with intervals."""
    twins, labels = found.twins, _labels(results)
    rows = [
        heading("The test rows"),
        _row(measure_name(results, METRIC), "", [_gain_cell(one.metric, metric_text) for one in twins]),
    ]
    for part, title in PARTS.items():
        parts = [one.parts.get(part) for one in twins]
        cases = next((one.cases for one in parts if one), 0)
        if not cases or (part == "whole" and not any("open" in one.parts for one in twins)):
            continue  # a part that isn't there, or the sealed one again
        rows.append(heading(f"{title}: {count_text(cases)} cases"))
        rows.append(_row("mean of the sides", "", [_part_cell(one, lambda of: of.mean_of_sides) for one in parts]))
        rows += [
            _row(f"{shortened(label, LONGEST_NAME)} cases right", "", [_part_cell(one, _side(label)) for one in parts])
            for label in labels
            if any(one and label in one.by_label for one in parts)
        ]
    for trained, title in ((False, "by disguises that nothing was trained with"), (True, "by those of the training")):
        escapes = [next((of for of in one.escapes if of.trained == trained), None) for one in twins]
        if any(escapes):
            rows += [] if rows[-1].cells[0].remark else [heading("What escapes once disguised: lower is better")]
            names = next(", ".join(of.disguises) for of in escapes if of)
            rows.append(_row(title, names, [_escape_cell(one) for one in escapes]))
    notes = (
        "Before → after, means over the seeds; below, mended minus unmended in percentage points with the 95 % "
        "interval of a paired bootstrap over test rows, or templates. ▲ better, ▼ worse: the interval excludes 0.",
        "Escapes are counted on the disguised texts of toxic test rows that both twins flag undisguised, so that a "
        "model isn't better for flagging less; left is the share of the escapes that the mended one still has.",
    )
    columns = (Column("", is_number=False), *(Column(shortened(one.mended, LONGEST_NAME)) for one in twins))
    return Table("mending", "Before and after mending", columns, tuple(rows), notes)


def functionalities_table(results: Results, found: Mended) -> Table | None:
    """Each functionality before and after, its sealed cases and its open ones apart; None without a suite."""
    by_twins = [{(of.label, of.sealed, of.name): of for of in one.functionalities} for one in found.twins]
    kinds = {key: of for of_twins in by_twins for key, of in of_twins.items()}
    if not kinds:
        return None
    rows: list[Row] = []
    for label in _labels(results):
        for sealed in (True, False):
            of_kind = {key: of for key, of in kinds.items() if key[:2] == (label, sealed)}
            if of_kind:
                rows.append(heading(f"{shortened(label, LONGEST_NAME)}: {'sealed' if sealed else 'open'} cases"))
            for key, of in of_kind.items():
                cells = [_kind_cell(of_twins.get(key)) for of_twins in by_twins]
                rows.append(_row(shortened(of.name, LONGEST_KIND), f"{count_text(of.cases)} cases", cells))
    columns = (Column("functionality", is_number=False), *(Column(shortened(one.mended)) for one in found.twins))
    notes = (
        "Share right before → after; below, the difference in percentage points with its 95 % interval, not corrected "
        "for the number of functionalities. Cases of one template are drawn together.",
    )
    return Table("mended-functionalities", "Each functionality before and after", columns, tuple(rows), notes)


def _sentence(results: Results, twins: Twins) -> str:
    """What mending did to one model, in a line."""
    said = []
    if part := twins.parts.get("sealed"):
        said.append(f"sealed part {_told(part.mean_of_sides, percent_text)} on the mean of its sides")
    for one in twins.escapes:
        if not one.trained:
            said.append(f"escapes by untrained disguises {_told(one.escaped, percent_text)}")
    said.append(f"{measure_name(results, METRIC)} {_told(twins.metric, metric_text)}")
    return f"{'; '.join(said)}."


def _told(gain: Gain, form: Form) -> str:
    change = f"{points_text(gain.difference.value)} points, {points_interval_text(gain.difference)}"
    return f"{form(gain.before)} → {form(gain.after)} ({change})"


def _row(name: str, remark: str, cells: Sequence[Cell]) -> Row:
    return Row((Cell(name, remark=remark), *cells))


def _side(label: str) -> Callable[[PartGain], Gain | None]:
    return lambda part: part.by_label.get(label)


def _part_cell(part: PartGain | None, find: Callable[[PartGain], Gain | None]) -> Cell:
    gain = find(part) if part else None
    return _gain_cell(gain, percent_text)


def _kind_cell(found: KindGain | None) -> Cell:
    return _gain_cell(found.right if found else None, percent_text)


def _escape_cell(found: EscapeGain | None) -> Cell:
    if found is None:
        return Cell(NOTHING)
    left = f"; left {percent_text(found.left.value)} ({percent_interval_text(found.left)})" if found.left else ""
    return _gain_cell(found.escaped, percent_text, less_is_better=True, more=f"{left}; {found.rows:,} rows")


def _gain_cell(gain: Gain | None, form: Form, *, less_is_better: bool = False, more: str = "") -> Cell:
    if gain is None:
        return Cell(NOTHING)
    change, text = gain.difference, f"{form(gain.before)} → {form(gain.after)}"
    remark = f"{points_text(change.value)} ({points_interval_text(change)}){more}"
    if change.low <= 0 <= change.high:
        return Cell(text, remark=remark)
    is_better = (change.value > 0) != less_is_better
    return Cell(f"{text} {'▲' if is_better else '▼'}", remark=remark, mark="good" if is_better else "bad")


def _labels(results: Results) -> list[str]:
    """The class to flag first."""
    return sorted(results.data.classes, key=lambda name: name != results.data.positive)
