"""Scoring files and streams: every row as it was, and what a classifier says about its text."""

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TextIO

from foreshot.data.reading.lines import LINES_COLUMN, BadRecord, Record
from foreshot.data.reading.records import Records, open_records
from foreshot.data.reading.text_rows import text_column_of
from foreshot.data.table import why_not_a_string
from foreshot.data.texts import excerpt
from foreshot.errors import BundleError, ConfigError, DataError
from foreshot.files.atomic import writing_atomically
from foreshot.progress import Progress, Silent, duration, printable
from foreshot.runtime.classifier import Classifier, Prediction, answers
from foreshot.runtime.outputs import refuse_as_output
from foreshot.runtime.windows import windows
from foreshot.runtime.writing import PREFIX, NewColumns, Output, as_json, kind_of_output, open_output
from foreshot.settings.dialect import asked_dialect

WINDOW = 1024
"""Most rows that are scored together; within them the classifier puts texts of like length side by side."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was scored: rows written, bad rows left out, texts whose end was not looked at, and what was decided.

    Of a multi-label model `labels` counts each text once for each label that it has.
    `notes` are what the progress was told already: a column that was guessed, columns that were renamed.
    """

    rows: int
    bad_rows: int
    truncated: int
    labels: dict[str, int]
    decisions: dict[str, int]
    seconds: float
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The summary for people, without the notes."""
        pace = f" ({self.rows / self.seconds:,.0f} rows/s)" if self.seconds > 0 else ""
        shown = [f"{self.rows:,} rows scored in {duration(self.seconds)}{pace}"]
        for what, counts in (("labels", self.labels), ("decisions", self.decisions)):
            if counts:
                shown.append(f"{what}: {', '.join(f'{name} {count:,}' for name, count in counts.items())}")
        if self.truncated:
            shown.append(f"{self.truncated:,} texts are longer than the model reads; their ends were not looked at")
        if self.bad_rows:
            shown.append(f"{self.bad_rows:,} bad rows were left out and set aside")
        return shown


def score_file(
    classifier: Classifier,
    source: str | Path | BinaryIO,
    out: str | Path | TextIO | None = None,
    *,
    kind: str = "lines",
    text_column: str | None = None,
    bad_rows: str | Path | None = None,
    separator: str | None = None,
    quoting: str | None = None,
    progress: Progress | None = None,
    window: int = WINDOW,
) -> Summary:
    """Score every row of a file, the standard input ("-") or an open stream, which holds what `kind` says.

    A file `out` is written whole or not at all, in the format that its name tells, else in that of the input; None is
    the standard output, where rows appear as soon as they are scored. The text column is guessed unless it is named.
    `separator` and `quoting` are those of a delimited table (`settings.dialect`), else found; its rows are written as
    they stood there. The first row without a text, or that can't be read, raises DataError; with `bad_rows` such rows
    are left out and written to that file, as JSON lines. Raises DataError and ConfigError.
    """
    began = time.monotonic()
    progress = progress or Silent()
    dialect = asked_dialect(separator, quoting)
    _refuse_unfit(source, out, bad_rows)
    with ExitStack() as stack:
        records = stack.enter_context(open_records(source, kind=kind, dialect=dialect))
        read = stack.enter_context(contextlib.closing(windows(records, window)))
        bad = _BadRows(records, stack.enter_context(_writing(bad_rows)) if bad_rows is not None else None)
        file: BinaryIO | None = None
        if isinstance(out, str | Path):
            file = stack.enter_context(_writing(out))
            write = _into_file(file)
        else:
            write = _into_stream(out or sys.stdout)
        head, ahead = _head(read, records, bad, 1 if file is None else window)
        columns = records.columns or list(dict.fromkeys(name for row in head for name in row.cells))
        text_column, guessed = _text_column(records, columns, text_column)
        notes = [*records.notes, *guessed]
        columns = columns or [text_column]
        new = NewColumns.of(classifier.manifest, [*columns, *(records.titles or [])])
        written, note = _output_kind(records, file, out)
        notes += [note] if note else []
        if new.names[0].startswith(PREFIX):
            notes.append(f"{records.source}: has a column of the same name as a new one; new ones begin with {PREFIX}")
        for said in notes:
            progress.say(said)
        output = open_output(
            written, write, file=file, stack=stack, records=records, columns=columns, new=new, head=head
        )
        tally = _Tally(progress, records, began)
        stack.callback(tally.end)
        _score(classifier, ahead, output, text_column, bad, tally)
        if note := records.spanning.note(records.source):
            notes.append(note)
            progress.say(note)
    return tally.summary(bad.count, notes)


def _score(
    classifier: Classifier,
    ahead: Iterator[list[Record | BadRecord]],
    output: Output,
    text_column: str,
    bad: "_BadRows",
    tally: "_Tally",
) -> None:
    for records in ahead:
        rows = []
        for record in records:
            if isinstance(record, BadRecord):
                bad.add(record.row, record.complaint, record.raw)
            elif complaint := why_not_a_string(record.cells.get(text_column)):
                bad.add(record.row, f"column {excerpt(text_column)!r}: {complaint}", _raw(record))
            else:
                rows.append(record)
        scored: list[Record] = []
        predictions: list[Prediction] = []
        found = answers(classifier, [row.cells[text_column] for row in rows], BundleError)
        for record, answer in zip(rows, found, strict=True):
            if isinstance(answer, Exception):
                bad.add(record.row, f"column {excerpt(text_column)!r}: {answer}", _raw(record))
            else:
                scored.append(record)
                predictions.append(answer)
        output.write(scored, predictions)
        tally.add(predictions, sum(record.size for record in records))
    output.finish()
    tally.complete()


def _raw(record: Record) -> str:
    return record.raw or as_json(dict(record.cells))


class _BadRows:
    """Rows that can't be scored: set aside in a file, or, without one, the first stops everything."""

    def __init__(self, records: Records, file: BinaryIO | None) -> None:
        self._records, self.file = records, file
        self.count = 0

    def add(self, row: int, complaint: str, raw: str) -> None:
        """Set a row aside; raises DataError without a file."""
        if self.file is None:
            where = self._records.place(row)
            joint = ", " if complaint.startswith("column") else ": "
            raise DataError(f"{where}{joint}{complaint}; or set such rows aside with ⟨bad_rows⟩ FILE")
        self.count += 1
        self.file.write(
            (as_json({"row": row, "complaint": str(DataError(complaint)), "raw": raw}) + "\n").encode("utf-8")
        )


class _Tally:
    """What was scored so far, as the progress shows it and the summary tells it."""

    def __init__(self, progress: Progress, records: Records, began: float) -> None:
        self._progress, self._units, self._began = progress, records.units, began
        self._rows = self._truncated = self._done = 0
        self._labels: Counter[str] = Counter()
        self._decisions: Counter[str] = Counter()
        if self._units is not None:
            progress.begin(f"scoring {records.source}", self._units)

    def add(self, predictions: Sequence[Prediction], units: int) -> None:
        """Count a window; `units` is the size of its records."""
        self._rows += len(predictions)
        self._truncated += sum(found.truncated for found in predictions)
        self._labels.update(label for found in predictions for label in found.labels)
        self._decisions.update(found.decision for found in predictions if found.decision)
        self._advance(units)

    def complete(self) -> None:
        """Count what belongs to no record: a header, blank lines."""
        if self._units is not None:
            self._advance(max(0, self._units - self._done))

    def end(self) -> None:
        """Take the bar away."""
        if self._units is not None:
            self._progress.end()

    def _advance(self, units: int) -> None:
        self._done += units
        if self._units is not None:
            pace = self._rows / max(time.monotonic() - self._began, 1e-9)
            self._progress.advance(units, f"{pace:,.0f} rows/s")

    def summary(self, bad_rows: int, notes: Sequence[str]) -> Summary:
        """The summary of everything that was counted."""
        return Summary(
            rows=self._rows,
            bad_rows=bad_rows,
            truncated=self._truncated,
            labels=dict(self._labels.most_common()),
            decisions=dict(self._decisions.most_common()),
            seconds=time.monotonic() - self._began,
            notes=tuple(notes),
        )


# ---- what is read ----


def _head(
    ahead: Iterator[list[Record | BadRecord]], records: Records, bad: _BadRows, most: int
) -> tuple[list[Record], Iterator[list[Record | BadRecord]]]:
    """The first rows, which tell JSON's columns, and the windows from the start; no rows where these are known."""
    read: list[list[Record | BadRecord]] = []
    head: list[Record] = []
    if records.kind == "jsonl":
        for window in ahead:
            read.append(window)
            for record in window:
                if isinstance(record, Record):
                    head.append(record)
                elif bad.file is None:
                    bad.add(record.row, record.complaint, record.raw)
            if len(head) >= most:
                break
    return head[:most], chain(read, ahead)


def _text_column(records: Records, columns: Sequence[str], named: str | None) -> tuple[str, list[str]]:
    """The text column and, where it was guessed, a note; of nothing at all, the one that was named, or "text"."""
    if not columns:
        return named or LINES_COLUMN, []
    column, note = text_column_of(records, columns, named)
    return column, [note] if note else []


# ---- where it goes ----


def _output_kind(records: Records, file: BinaryIO | None, out: object) -> tuple[str, str | None]:
    """The format to write, and a note where it is another than expected."""
    asked = kind_of_output(records, Path(str(out)) if file else None)
    if asked == "parquet" and file is None:
        return "jsonl", f"{records.source}: Parquet goes to a file only (--out); rows are written as JSON lines"
    return asked, None


def _refuse_unfit(source: object, out: object, bad_rows: str | Path | None) -> None:
    """Refuse, before any work, outputs that would replace what they mustn't."""
    files = {"⟨out⟩": out, "⟨bad_rows⟩": bad_rows}
    paths = {option: Path(path) for option, path in files.items() if isinstance(path, str | Path)}
    for option, path in paths.items():
        # A table may be replaced by itself with more columns; never by its bad rows.
        read = [source] if option == "⟨bad_rows⟩" and isinstance(source, str | Path) else []
        refuse_as_output(option, path, *read)
    aside = paths.get("⟨bad_rows⟩")
    if aside and "⟨out⟩" in paths and aside.resolve() == paths["⟨out⟩"].resolve():
        raise ConfigError(f"⟨bad_rows⟩ {aside}: is the same file as ⟨out⟩; name another")


@contextlib.contextmanager
def _writing(path: str | Path) -> Iterator[BinaryIO]:
    """A file written whole or not at all; raises DataError when it can't be."""
    try:
        with writing_atomically(Path(path)) as file:
            yield file
    except BrokenPipeError:
        raise  # of the standard output
    except OSError as error:
        raise DataError(f"{error.filename or path}: can't be written ({error.strerror}); nothing was kept") from None


def _into_file(file: BinaryIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        file.write(text.encode("utf-8"))

    return write


def _into_stream(stream: TextIO) -> Callable[[str], None]:
    """Text appears at once; on a terminal, which would obey them, control characters are made visible."""

    def write(text: str) -> None:
        if stream.isatty():
            text = "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))
        stream.write(text)
        stream.flush()

    return write
