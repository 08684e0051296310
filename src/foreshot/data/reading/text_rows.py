"""Text rows: the texts of a file or a stream, one after another, where every row must have one."""

from collections.abc import Iterator, Sequence

from foreshot.data.reading.lines import LINES_COLUMN, BadRecord, Record
from foreshot.data.reading.records import Records
from foreshot.data.table import choose_text_column, why_not_a_string
from foreshot.data.texts import excerpt
from foreshot.errors import DataError
from foreshot.progress import Progress


def text_column_of(records: Records, columns: Sequence[str], named: str | None) -> tuple[str, str | None]:
    """The text column, named or guessed, and a note where it was guessed; raises DataError where there is none."""
    if records.kind == "lines":
        named = named or LINES_COLUMN
    return choose_text_column(records.source, columns, named)


def text_rows(records: Records, named: str | None, progress: Progress) -> Iterator[tuple[str, Record]]:
    """Each row's text, and the row; of JSON Lines the first row tells the columns.

    `progress` is told of a guessed column, and of what was found about a table. Raises DataError at the first row that
    has no text or can't be read.
    """
    column: str | None = None
    for found in records.notes:
        progress.say(found)
    for record in records:
        if isinstance(record, BadRecord):
            raise DataError(f"{records.place(record.row)}: {record.complaint}")
        if column is None:
            column, note = text_column_of(records, records.columns or list(record.cells), named)
            if note:
                progress.say(note)
        text = record.cells.get(column)
        if complaint := why_not_a_string(text):
            raise DataError(f"{records.place(record.row)}, column {excerpt(column)!r}: {complaint}")
        yield str(text), record
    if spanning := records.spanning.note(records.source):
        progress.say(spanning)
