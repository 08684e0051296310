"""Sections as one HTML page: every text escaped, nothing fetched, and no script runs but a section's own."""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from foreshot.reporting.section import Section
from foreshot.reporting.tables import Column, Row
from foreshot.reporting.texts import visible


def html_page(sections: Sequence[Section], **head: Any) -> str:
    """The page; `head` is what its template says above the sections and below them."""
    script = "".join(_file(section.script) for section in sections if section.script)
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            sections=sections,
            script=Markup(script),  # noqa: S704  # nosec B704  # files of ours; no text of the results is in them
            script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            **head,
        )
    )


@cache
def _templates() -> Environment:
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
    environment.filters["kind"] = lambda block: type(block).__name__
    environment.filters["in_html"] = lambda blocks: [one for one in blocks if getattr(one, "only", "") != "markdown"]
    return environment


def _file(name: str) -> str:
    return resources.files("foreshot.reporting").joinpath(f"templates/{name}").read_text(encoding="utf-8")


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
