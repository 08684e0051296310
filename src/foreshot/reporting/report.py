"""The report: the verdict, and a list of sections. The page needs no network, and can be read without its one script;
Markdown has the same.
"""

from collections.abc import Callable
from pathlib import Path

from foreshot.files.atomic import write_atomically
from foreshot.reporting import judgement
from foreshot.reporting.render_html import html_page
from foreshot.reporting.render_markdown import markdown_sections, markdown_table
from foreshot.reporting.section import Section
from foreshot.reporting.sections import (
    conclusions,
    conditions,
    corrections,
    cost,
    differences,
    evasion,
    identity,
    labels,
    ledger,
    mending,
    metrics,
    models,
    probes,
    reasons,
    reproduce,
    scores,
    side_by_side,
    stored_scores,
    suite,
    teachers,
    training,
    why,
)
from foreshot.reporting.texts import markdown
from foreshot.results.results import Results

SECTIONS: tuple[Callable[[Results], Section | None], ...] = (
    why.section,
    side_by_side.section,
    stored_scores.section,
    labels.section,
    suite.section,
    mending.section,
    probes.section,
    corrections.section,
    differences.section,
    evasion.section,
    identity.section,
    reasons.section,
    ledger.section,
    scores.section,
    conclusions.section,
    models.section,
    teachers.section,
    training.section,
    metrics.section,
    cost.section,
    conditions.section,
    reproduce.section,
)
"""In the order of the report; one that has nothing to say is None."""


def write_report(results: Results, folder: Path) -> None:
    """Write report.md and report.html into the run's folder; raises OSError when there is no room."""
    write_atomically(folder / "report.md", markdown_report(results))
    write_atomically(folder / "report.html", html_report(results))


def sections_of(results: Results) -> list[Section]:
    """What the report says below the verdict."""
    return [section for make in SECTIONS if (section := make(results)) is not None]


def html_report(results: Results) -> str:
    """The report as one HTML page."""
    return html_page(
        sections_of(results),
        name=results.name,
        title=judgement.title(results),
        notice=judgement.notice(results),
        verdict_kind=results.verdict.kind,
        verdict_sign=judgement.verdict_sign(results),
        headline=judgement.headline(results),
        verdict_notes=judgement.notes(results),
        cards=judgement.cards(results),
        made_at=results.made.at,
    )


def markdown_report(results: Results) -> str:
    """The report as GitHub-flavoured Markdown: the tables and the text of the page."""
    notice, sign = judgement.notice(results), judgement.verdict_sign(results)
    headline = [
        f"**{sign} {markdown(sentence)}**" if is_order else markdown(sentence)
        for sentence, is_order in judgement.headline(results)
    ]
    parts = [
        f"# {markdown(judgement.title(results))}",
        *([f"> **Notice:** {markdown(notice)}"] if notice else []),
        f"## Verdict: {results.verdict.kind}",
        *headline,
        markdown_table(judgement.students_table(results)),
        *(f"Note: {markdown(note)}" for note in judgement.notes(results)),
        markdown_sections(sections_of(results)),
    ]
    return "\n\n".join(parts).rstrip("\n") + "\n"
