"""Texts without labels, perhaps with scores, which the teacher labels: gone through one after another, never held.

They are read twice: once to find out which of them are learnt from, and once more for their tokens.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from foreshot.data.reading.again import Rows, rows_in, rows_of
from foreshot.data.reading.lines import LINES_COLUMN, Record
from foreshot.data.score_fields import ScoreField, ScoreSurvey
from foreshot.data.scores import GAP, LONGEST_NAME
from foreshot.data.split import fold
from foreshot.data.table import choose_text_column
from foreshot.data.texts import excerpt, is_visible, normalise
from foreshot.errors import DataError
from foreshot.files.fingerprints import fingerprint
from foreshot.settings.dialect import FOUND, AskedDialect

WINDOW = 2**13
"""Texts that are held at once."""
DIGEST = 8
"""Bytes of a text's digest: of ten million texts two differing ones have the same once in 400,000 such files."""
NOT_DECODED = "surrogatepass"


@dataclass(frozen=True, kw_only=True)
class Window:
    """Some texts, normalised, and their scores (texts, outputs) in float32, NaN where there is none; None without."""

    texts: list[str]
    scores: np.ndarray | None


@dataclass(frozen=True, kw_only=True)
class Unlabelled:
    """Texts that are learnt from, none of them twice; `left_out` counts the rest by reason.

    `kept` (rows of the source,) says which rows they are. `scores` tells where their scores are, one of each output,
    None for an output without; it is empty where the source has none. `digest` is of all that was read.
    """

    rows: Rows
    text_column: str
    scores: tuple[ScoreField | None, ...]
    kept: np.ndarray
    left_out: dict[str, int]
    announcements: tuple[str, ...]
    digest: str
    fingerprint: str

    @property
    def source(self) -> str:
        """What the user named."""
        return self.rows.source

    def __len__(self) -> int:
        return self._count

    @cached_property
    def _count(self) -> int:
        return int(self.kept.sum())

    def texts(self) -> Iterator[str]:
        """The texts, one after another."""
        return (text for window in self.windows() for text in window.texts)

    def windows(self, size: int = WINDOW) -> Iterator[Window]:
        """The texts and their scores, `size` at a time; raises DataError where the source isn't what it was."""
        reading, number = _Reading(self.rows, self.text_column, self.scores), -1
        texts: list[str] = []
        scores: list[list[float]] = []
        for number, (text, cells) in enumerate(reading):
            if text is None or number >= len(self.kept) or not self.kept[number]:
                continue
            texts.append(text)
            scores.append([field.score(cell) if field else GAP for field, cell in zip(self.scores, cells, strict=True)])
            if len(texts) == size:
                yield self._window(texts, scores)
                texts, scores = [], []
        if number + 1 != len(self.kept) or reading.digest.hexdigest() != self.digest:
            raise DataError(f"{self.source}: changed while it was read; start again")
        if texts:
            yield self._window(texts, scores)

    def _window(self, texts: list[str], scores: list[list[float]]) -> Window:
        return Window(texts=texts, scores=np.array(scores, dtype=np.float32) if self.scores else None)


def read_unlabelled(
    source: str,
    *,
    text: str | None,
    known: Iterable[str],
    scores: Sequence[str] = (),
    dialect: AskedDialect = FOUND,
) -> Unlabelled:
    """The texts of a plain file (a line each), a table or a dataset, without those that are empty, repeated or `known`.

    `text` names the column, where the source has it; else it is guessed. Where it has any column of `scores`, texts
    without any score are left out too. Raises DataError for a source that can't be read, for a score that is none,
    and where no text is left.
    """
    rows = rows_of(source, dialect)
    if rows.plain:
        return apart_from(known, rows)
    columns = rows.head.columns
    column, announcement = choose_text_column(rows.source, columns, text if text in columns else None)
    said = () if announcement is None else (announcement,)
    return apart_from(known, rows, text_column=column, scores=scores, announcements=said)


def texts_apart_from(known: Iterable[str], texts: Sequence[str], *, source: str) -> Unlabelled:
    """These texts, as `apart_from` has them."""
    return apart_from(known, rows_in(texts, source=source))


def apart_from(
    known: Iterable[str],
    rows: Rows,
    *,
    text_column: str = LINES_COLUMN,
    scores: Sequence[str] = (),
    announcements: tuple[str, ...] = (),
) -> Unlabelled:
    """The rows whose texts are neither empty, repeated nor `known`; raises DataError where none is left.

    In memory are 10 bytes a row meanwhile, not their texts.
    """
    survey = ScoreSurvey(rows, scores)
    reading = _Reading(rows, text_column, survey.fields)
    digests, readable, scored = bytearray(), bytearray(), bytearray()
    for text, cells in reading:
        digests += bytes(DIGEST) if text is None else _digest(text)
        readable.append(text is not None)
        scored.append(survey.see(reading.row, cells))
    fields = survey.surveyed()
    labelled = np.unique(_as_numbers(b"".join(map(_digest, known))))
    kept, left_out = _told_apart(_as_numbers(digests), labelled, *(_as_marks(marks) for marks in (readable, scored)))
    if not kept.any():
        but = " but those of the labelled rows" if left_out["also among the labelled rows"] else ""
        raise DataError(f"{rows.source}: holds no text{but}; nothing is left to learn from")
    digest = reading.digest.hexdigest()
    return Unlabelled(
        rows=rows,
        text_column=text_column,
        scores=fields,
        kept=kept,
        left_out={reason: count for reason, count in left_out.items() if count},
        announcements=(*announcements, *_said(rows.source, fields)),
        digest=digest,
        fingerprint=fingerprint(
            [digest, hashlib.sha256(labelled.tobytes()).hexdigest(), [field and field.where for field in fields]]
        ),
    )


def _told_apart(
    digests: np.ndarray, labelled: np.ndarray, readable: np.ndarray, scored: np.ndarray
) -> tuple[np.ndarray, dict[str, int]]:
    """Which rows are kept, (rows,), and how many are not, by reason."""
    places = np.minimum(np.searchsorted(labelled, digests), max(len(labelled) - 1, 0))
    known = readable & (labelled[places] == digests) if len(labelled) else np.zeros_like(readable)
    fit = np.flatnonzero(readable & ~known & scored)
    kept = np.zeros_like(readable)
    kept[fit[np.unique(digests[fit], return_index=True)[1]]] = True
    return kept, {
        "empty": int((~readable).sum()),
        "also among the labelled rows": int(known.sum()),
        "without a score": int((readable & ~known & ~scored).sum()),
        "repeated": len(fit) - int(kept.sum()),
    }


def _said(source: str, fields: Iterable[ScoreField | None]) -> Iterator[str]:
    for field in fields:
        if field and field.scale != 1:
            where = excerpt(field.where, LONGEST_NAME)
            yield f"{source}: column {where!r} holds percentages: divided by {field.scale:g}"


class _Reading:
    """One way through the rows: the text of each, normalised, None for an empty one, and the cells of its scores.

    `row` is where the one that came last stands, `digest` that of all so far.
    """

    def __init__(self, rows: Rows, text_column: str, fields: Sequence[ScoreField | None]) -> None:
        self._rows, self._column, self._fields = rows, text_column, fields
        self.row, self.digest = 0, hashlib.sha256()

    def __iter__(self) -> Iterator[tuple[str | None, list[Any]]]:
        for record in self._rows:
            self.row = record.row
            text, cells = self._text(record), [field and field.cell(record.cells) for field in self._fields]
            self.digest.update(f"{text}\0{cells}\0".encode("utf-8", NOT_DECODED))
            yield text, cells

    def _text(self, record: Record) -> str | None:
        cell = record.cells.get(self._column)
        if not isinstance(cell, str):
            return None
        text = normalise(cell)
        return text if is_visible(text) else None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(fold(text).encode("utf-8", NOT_DECODED), digest_size=DIGEST).digest()


def _as_numbers(digests: bytes | bytearray) -> np.ndarray:
    return np.frombuffer(digests, dtype=np.uint64)


def _as_marks(marks: bytearray) -> np.ndarray:
    return np.frombuffer(marks, dtype=bool)
