"""Sections: what a report is made of, as plain values. HTML and Markdown are two renderers of the same ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from foreshot.reporting.drawing import Drawing
from foreshot.reporting.tables import Table

Only = Literal["", "html", "markdown"]
"""Which format alone shows a block; drawings and their legends are only in HTML anyhow."""


@dataclass(frozen=True)
class Prose:
    """A paragraph; `style` is a class of the style sheet."""

    text: str
    style: str = ""
    only: Only = ""


@dataclass(frozen=True)
class Heading:
    """A heading below the section's own."""

    text: str
    only: Only = ""


@dataclass(frozen=True)
class Bullets:
    """A list; with `leads` each item begins with a model's name."""

    items: Sequence[str]
    leads: Sequence[str] = ()


@dataclass(frozen=True)
class Shown:
    """A table, with its title as a heading if it is `titled`.

    `folded` puts it under its title, "open" or "closed"; Markdown has it under a heading then. `style` names classes
    of the style sheet.
    """

    table: Table
    style: str = ""
    titled: bool = False
    folded: Literal["", "open", "closed"] = ""
    notes_first: bool = False
    caption: bool = False
    summary: str = ""  # what it is folded under instead of its title, where a heading has that already


@dataclass(frozen=True)
class Drawings:
    """Drawings side by side."""

    drawings: Sequence[Drawing]
    size: Literal["", "small", "large"] = ""


@dataclass(frozen=True)
class Legend:
    """What the lines of drawings are: a name, a colour of the page, a width, and a dash pattern or none."""

    lines: Sequence[tuple[str, str, float, str]]


@dataclass(frozen=True)
class Columns:
    """Blocks beside each other; one after another in Markdown."""

    columns: "Sequence[Sequence[Block]]"
    style: str


@dataclass(frozen=True)
class Code:
    """A text that is shown letter by letter."""

    text: str


@dataclass(frozen=True)
class Quote:
    """A text that somebody wrote."""

    text: str


@dataclass(frozen=True)
class Own:
    """What a template of its own draws in HTML; Markdown has the blocks of `instead`."""

    template: str
    given: Mapping[str, Any]
    instead: "Sequence[Block]" = ()


Block = Prose | Heading | Bullets | Shown | Drawings | Legend | Columns | Code | Quote | Own


@dataclass(frozen=True)
class Section:
    """A part of the report; `short` stands in the list of sections."""

    anchor: str
    short: str
    title: str
    blocks: Sequence[Block]
    script: str = field(default="", kw_only=True)  # a file among the templates, that the page runs at its end


def blocks(*given: Block | Sequence[Block] | None) -> list[Block]:
    """Blocks one after another; what isn't there is left out."""
    found: list[Block] = []
    for one in given:
        if isinstance(one, Sequence):
            found += one
        elif one is not None:
            found.append(one)
    return found


def shown(table: Table | None, style: str = "", **how: Any) -> Shown | None:
    """A table as a block, where there is one."""
    return None if table is None else Shown(table, style, **how)
