"""A suite as a file, to have its cases scored by what is to be replaced, and the scores that come back."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foreshot.data.reading.files import Sheet, open_sheet
from foreshot.data.reading.spreadsheets import inert
from foreshot.data.scores import score_columns, why_not_a_score
from foreshot.data.split import fold
from foreshot.data.table import choose_text_column, is_empty
from foreshot.data.texts import listing, normalise, place
from foreshot.errors import ConfigError, DataError
from foreshot.files.atomic import write_atomically
from foreshot.runtime.outputs import refuse_as_output
from foreshot.settings.dialect import FOUND, AskedDialect
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.builtin import builtin_cases
from foreshot.suites.cases import COLUMNS, NEEDED

HANDED_OUT = ("text", "label", "functionality", "group", "pair", "template")
KINDS = (".csv", ".jsonl")


def write_suite(source: str, out: Path, *, dialect: AskedDialect = FOUND) -> int:
    """Write the cases of the suite "builtin", or of a file, as CSV or JSON Lines; how many there are.

    Labels stand as the suite has them. Raises ConfigError for another kind of file, DataError for a suite that can't
    be read or a file that can't be written.
    """
    refuse_as_output("⟨out⟩", out, *([] if source == BUILTIN_SUITE else [source]))
    if out.suffix.lower() not in KINDS:
        raise ConfigError(f"⟨out⟩ {out}: must end in {' or '.join(KINDS)}")
    rows = _builtin_rows() if source == BUILTIN_SUITE else _rows_of(open_sheet(source, part="test", dialect=dialect))
    used = [name for name in HANDED_OUT if name in NEEDED or any(row.get(name) for row in rows)]
    try:
        write_atomically(out, _as_csv(rows, used) if out.suffix.lower() == ".csv" else _as_json_lines(rows, used))
    except OSError as error:
        raise DataError(f"{out}: can't be written ({error.strerror})") from None
    return len(rows)


def _builtin_rows() -> list[dict[str, str]]:
    return [
        {name: value for name, value in case.model_dump().items() if name in HANDED_OUT and value is not None}
        for case in builtin_cases()
    ]


def _rows_of(sheet: Sheet) -> list[dict[str, str]]:
    """A file's cases under the names that a suite of ours has."""
    names = {
        kind: next(name for name in known if name in sheet.columns)
        for kind, known in COLUMNS.items()
        if kind in HANDED_OUT and not sheet.columns.keys().isdisjoint(known)
    }
    if missing := [kind for kind in NEEDED if kind not in names]:
        raise DataError(
            f"{sheet.source}: is no suite, since it has no column {listing(missing)}; its columns are "
            f"{listing(sheet.columns)}"
        )
    rows = []
    for index in range(len(sheet.rows)):
        cells = {kind: sheet.columns[name][index] for kind, name in names.items()}
        rows.append({kind: str(cell) for kind, cell in cells.items() if cell is not None})
    return rows


def _as_csv(rows: Sequence[dict[str, str]], names: Sequence[str]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, names, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: inert(normalise(row.get(name, ""))) for name in names} for row in rows)
    return file.getvalue()


def _as_json_lines(rows: Sequence[dict[str, str]], names: Sequence[str]) -> str:
    kept = ({name: row[name] for name in names if name in row} for row in rows)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)


@dataclass(frozen=True, kw_only=True)
class ScoredTexts:
    """Texts with the scores that their owner gave them: by `text_key` a number for each output, NaN for a gap."""

    source: str
    by_text: dict[str, tuple[float, ...]]
    announcements: tuple[str, ...] = ()

    def of(self, texts: Sequence[str], outputs: int) -> np.ndarray:
        """The scores of texts, (texts, outputs), NaN where there is none."""
        nothing = (np.nan,) * outputs
        found = [self.by_text.get(text_key(text), nothing) for text in texts]
        return np.array(found, dtype=np.float64).reshape(len(texts), outputs)


def text_key(text: str) -> str:
    """What a text and the same one that a spreadsheet was kept from obeying have in common."""
    return fold(inert(normalise(text)))


def read_scored_texts(source: str, scores: Sequence[str], *, dialect: AskedDialect = FOUND) -> ScoredTexts:
    """The texts of a file with their scores, named as those of the data are; rows without a text are left out.

    Raises DataError for a file that can't be read, for a column that isn't there, and for a bad score, with its row.
    """
    sheet = open_sheet(source, part="test", dialect=dialect)
    names = [name for name in COLUMNS["text"] if name in sheet.columns]
    text_column, announcement = choose_text_column(sheet.source, sheet.columns, names[0] if names else None)
    columns = score_columns(sheet, scores)
    by_text: dict[str, tuple[float, ...]] = {}
    for index, (row, text) in enumerate(zip(sheet.rows, sheet.columns[text_column], strict=True)):
        for column in columns:
            if complaint := why_not_a_score(column.cells[index], column.scale):
                raise DataError(f"{place(sheet.source, row)}, column {column.where!r}: {complaint}; repair the file")
        if not is_empty(text):
            by_text.setdefault(text_key(text), tuple(column.read(index) for column in columns))
    said = [announcement] if announcement else []
    return ScoredTexts(
        source=source,
        by_text=by_text,
        announcements=tuple(said + [text for column in columns for text in column.announcements]),
    )
