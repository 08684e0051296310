"""Sections as GitHub-flavoured Markdown; every text is escaped."""

from collections.abc import Iterator, Sequence

from foreshot.reporting.section import Block, Bullets, Code, Columns, Heading, Own, Prose, Quote, Section, Shown
from foreshot.reporting.tables import Cell, Table
from foreshot.reporting.texts import fenced, markdown


def markdown_sections(sections: Sequence[Section]) -> str:
    """Every section under its title."""
    return "".join(
        f"{part}\n\n" for section in sections for part in (f"## {markdown(section.title)}", *_parts(section.blocks))
    )


def _parts(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case Prose(only="html") | Heading(only="html"):
                pass
            case Prose(text=text):
                yield markdown(text)
            case Heading(text=text):
                yield f"### {markdown(text)}"
            case Bullets(items=items, leads=leads):
                names = [f"**{markdown(lead)}** " for lead in leads] or [""] * len(items)
                yield "\n".join(f"- {name}{markdown(item)}" for name, item in zip(names, items, strict=True))
            case Shown(table=table):
                if block.caption:
                    yield f"#### {markdown(table.title)}"
                elif block.titled or (block.folded and not block.summary):
                    yield f"### {markdown(table.title)}"
                yield markdown_table(table)
            case Columns(columns=columns):
                for column in columns:
                    yield from _parts(column)
            case Code(text=text):
                yield fenced(text)
            case Quote(text=text):
                yield f"> {markdown(text)}"
            case Own(instead=instead):
                yield from _parts(instead)


def markdown_table(table: Table) -> str:
    """A table with its notes below it."""
    several = [column.title for column in table.columns]
    titles = [
        f"{column.group}: {column.title}" if several.count(column.title) > 1 and column.group else column.title
        for column in table.columns
    ]
    lines = [
        _row([markdown(title) for title in titles]),
        _row(["---:" if column.is_number else "---" for column in table.columns]),
    ]
    for row in table.rows:
        cells = [_cell(cell) for cell in row.cells] + [""] * (len(table.columns) - len(row.cells))
        if row.is_heading:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append(_row(cells))
    return "\n".join([*lines, *(f"\n{markdown(note)}" for note in table.notes)])


def _cell(cell: Cell) -> str:
    remark = f" ({markdown(cell.remark)})" if cell.remark else ""
    return markdown(cell.text) + remark


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
