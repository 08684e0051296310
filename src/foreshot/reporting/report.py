"""The report: one HTML page that needs no network, and can be read without its one script; the same as Markdown."""

import base64
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foreshot.files.atomic import write_atomically
from foreshot.reporting import (
    comparison,
    evasion,
    explained_texts,
    figures,
    heatmap,
    identity_groups,
    intervals,
    judgement,
    labels,
    layer_measures,
    ledger,
    making,
    reasons,
    reliability,
    search,
    tradeoff,
    wording,
)
from foreshot.reporting.behaviour import probe_grid
from foreshot.reporting.tables import Cell, Column, Row, Table
from foreshot.reporting.texts import fenced, markdown, shortened, visible
from foreshot.results.results import Results

REPORT_FILES = ("report.md", "report.html")


class Verbatim(str):
    """Markdown that is made by us and must not be escaped again."""


def write_report(results: Results, folder: Path) -> None:
    """Write report.md and report.html into the run's folder; raises OSError when there is no room."""
    write_atomically(folder / "report.md", markdown_report(results))
    write_atomically(folder / "report.html", html_report(results))


def html_report(results: Results) -> str:
    """The report as one HTML page: every text escaped, nothing fetched, and no script runs but the ledger's filters."""
    environment = Environment(
        loader=PackageLoader("foreshot.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: value if isinstance(value, Markup) or not isinstance(value, str) else visible(value),
    )
    environment.filters["columngroups"] = column_groups
    environment.filters["rowgroups"] = row_groups
    script = resources.files("foreshot.reporting").joinpath("templates/ledger.js").read_text(encoding="utf-8")
    only_here = {
        "overview": figures.overview(results),
        "curves": figures.loss_curves(results),
        "loss_parts": figures.loss_parts(results),
        "measure_drawings": layer_measures.drawings(results),
        "tradeoffs": tradeoff.tradeoffs(results),
        "forests": intervals.forest_plots(results),
        "reliability": reliability.reliability_diagrams(results),
        "cards": judgement.cards(results),
        "ledger": ledger.lines(results),
        "ledger_choices": ledger.choices(results),
        "ledger_total": ledger.total(results),
        "script": Markup(script),  # noqa: S704  # nosec B704  # a file of ours; no text of the results is in it
        "script_digest": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return environment.get_template("report.html.j2").render(**_content(results), **only_here)


def markdown_report(results: Results) -> str:
    """The report as GitHub-flavoured Markdown: the tables and the text of the page."""
    environment = Environment(  # nosec B701
        loader=PackageLoader("foreshot.reporting"),
        autoescape=False,  # noqa: S701  # `finalize` escapes for Markdown what autoescape would for HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: markdown(value) if isinstance(value, str) and not isinstance(value, Verbatim) else value,
    )
    environment.filters["table"] = markdown_table
    environment.filters["fenced"] = lambda text: Verbatim(fenced(text))
    only_here = {"students": judgement.students_table(results), "ledger": ledger.ledger_table(results)}
    return environment.get_template("report.md.j2").render(**_content(results), **only_here)


def markdown_table(table: Table) -> Verbatim:
    """A table in GitHub-flavoured Markdown, with its notes below it."""
    several = [column.title for column in table.columns]
    titles = [
        f"{column.group}: {column.title}" if several.count(column.title) > 1 and column.group else column.title
        for column in table.columns
    ]
    lines = [
        _markdown_row([markdown(title) for title in titles]),
        _markdown_row(["---:" if column.is_number else "---" for column in table.columns]),
    ]
    for row in table.rows:
        cells = [_markdown_cell(cell) for cell in row.cells] + [""] * (len(table.columns) - len(row.cells))
        if row.is_heading:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append(_markdown_row(cells))
    notes = [f"\n{markdown(note)}" for note in table.notes]
    return Verbatim("\n".join([*lines, *notes]))


def column_groups(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    """Neighbouring columns of one group: its name and how many they are; empty when none has a group."""
    if not any(column.group for column in columns):
        return []
    groups: list[tuple[str, int]] = []
    for column in columns:
        if column.group and groups and groups[-1][0] == column.group:
            groups[-1] = (column.group, groups[-1][1] + 1)
        else:
            groups.append((column.group, 1))
    return groups


def row_groups(rows: tuple[Row, ...]) -> list[list[Row]]:
    """Rows in groups, each beginning with its heading where there are headings."""
    groups: list[list[Row]] = []
    for row in rows:
        if row.is_heading or not groups:
            groups.append([])
        groups[-1].append(row)
    return groups


def _content(results: Results) -> dict[str, Any]:
    return {
        "results": results,
        "announcements": [shortened(announcement) for announcement in results.data.announcements],
        "title": wording.title(results),
        "question": wording.question(results),
        "synthetic_notice": wording.synthetic_notice(results),
        "verdict_kind": results.verdict.kind,
        "verdict_sign": judgement.verdict_sign(results),
        "headline": judgement.headline(results),
        "verdict_notes": judgement.notes(results),
        "requirements": judgement.requirements_table(results),
        "has_ranges": any(len(summary.seeds) > 1 for summary in results.summaries),
        "same_conditions": wording.same_conditions(results),
        "can_say": wording.can_say(results),
        "cannot_say": wording.cannot_say(results),
        "main": comparison.main_table(results),
        "ranges": comparison.range_table(results),
        "label_means": labels.label_means_table(results),
        "labels": labels.labels_table(results),
        "best": search.best_table(results),
        "trials": search.trials_table(results),
        "suite_line": heatmap.suite_line(results),
        "losses_by_kind": heatmap.losses(results),
        "heat": heatmap.functionality_map(results),
        "heat_details": heatmap.functionality_details(results),
        "groups": heatmap.group_map(results),
        "probes": probe_grid(results),
        "pairs": intervals.pairs_table(results),
        "evasions": evasion.evasion_table(results),
        "identity": identity_groups.introduction(results),
        "identity_changes": identity_groups.changes(results),
        "identity_aucs": identity_groups.aucs_table(results),
        "identity_differences": identity_groups.differences_table(results),
        "reasons": reasons.introduction(results),
        "explained_label": reasons.explained_label(results),
        "people": reasons.people_table(results),
        "faithfulness": reasons.faithfulness_table(results),
        "like_teacher": reasons.teacher_table(results),
        "other_reasons": reasons.other_reasons_table(results),
        "no_word": explained_texts.NO_WORD,
        "examples": explained_texts.examples(results),
        "flip_counts": ledger.counts_table(results),
        "calibration": reliability.calibration_table(results),
        "thresholds": reliability.thresholds_table(results),
        "metrics": comparison.metrics_table(results),
        "classes": comparison.classes_table(results),
        "confusions": comparison.confusion_tables(results),
        "recipes": making.recipes_table(results),
        "layers": making.layer_map_table(results),
        "measures": layer_measures.measures_table(results),
        "losses": making.losses_table(results),
        "epochs": making.epochs_table(results),
        "steadiness": making.steadiness_table(results),
        "cost": making.cost_table(results),
        "conditions": making.conditions_table(results),
        "data": making.data_table(results),
        "folders": making.folders_table(results),
        "environment": making.environment_table(results),
    }


def _markdown_cell(cell: Cell) -> str:
    remark = f" ({markdown(cell.remark)})" if cell.remark else ""
    return markdown(cell.text) + remark


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
