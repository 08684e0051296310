"""Migrating: scores that Perspective's API gave, compared with those that a bundle gives the same texts."""

import contextlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np

from foreshot.data.reading.records import Records, open_records
from foreshot.data.texts import excerpt, listing
from foreshot.errors import BundleError, ConfigError, DataError
from foreshot.files.atomic import writing_atomically
from foreshot.judging.agreement import score_agreement
from foreshot.perspective.stored_scores import StoredRow, StoredScores, look_through
from foreshot.progress import Progress, Silent
from foreshot.results.base import Facts
from foreshot.results.behaviour import SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision
from foreshot.results.scores import ScoreAgreement
from foreshot.runtime.bundle import Manifest
from foreshot.runtime.classifier import Classifier, Prediction, answers, load
from foreshot.runtime.outputs import refuse_as_output
from foreshot.runtime.windows import windows
from foreshot.runtime.writing import NewColumns, Output, kind_of_output, open_output
from foreshot.settings.dialect import AskedDialect, asked_dialect

THRESHOLDS = (0.5, 0.7, 0.9)
WINDOW = 1024  # rows that are scored together


class Disagreement(Facts):
    """A text whose two scores differ most; `row` is its line in the file, in Parquet its number."""

    row: int
    text: str
    stored: float
    new: float


class Migration(Facts):
    """What `migrate` found: how far a bundle's scores agree with stored ones, and what the bundle is known to do.

    `higher` and `lower` are the texts that the bundle scores most above and most below what is stored, each text once.
    `announcements` tell what was guessed.
    """

    stored: str
    text_column: str
    score_column: str
    bundle: str
    file: str
    model: str
    positive: str
    decision: Decision
    rows: int
    skipped_rows: int
    truncated: int
    agreement: ScoreAgreement
    higher: list[Disagreement]
    lower: list[Disagreement]
    suite: SuiteFacts | None
    suite_result: SuiteResult | None
    announcements: list[str]


def migrate(
    stored: str | Path,
    model: str | Path,
    *,
    text: str | None = None,
    score: str | None = None,
    label: str | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    skip_bad_rows: bool = False,
    worst: int = 10,
    out: str | Path | None = None,
    separator: str | None = None,
    quoting: str | None = None,
    progress: Progress | None = None,
) -> Migration:
    """Score the texts of a file of stored scores with the bundle `model`, and compare.

    `stored` is a CSV, TSV, JSONL or Parquet file; `text` and `score` name its columns (`a.b` a field in a field), which
    are guessed otherwise. `label` is the one of a multi-label bundle whose score is compared, else the judged one, that
    alone has a suite's result. `thresholds` are those in use with the stored scores. All rows are looked through before
    any is scored; the memory that scoring takes grows by 17 bytes a row. `out`, with all the columns and what `predict`
    adds, is written whole or not at all. `separator` and `quoting` are those of `stored` (`settings.dialect`), else
    found. Raises ForeshotError for a file, a bundle or an option that can't be used.
    """
    path, out = Path(stored), None if out is None else Path(out)
    progress = progress or Silent()
    dialect = asked_dialect(separator, quoting)
    _refuse_unfit(path, thresholds, worst, out)
    classifier = load(model)
    manifest = classifier.manifest
    positive, decision = _compared(manifest, label, str(model))
    looked = look_through(path, text=text, score=score, skip_bad_rows=skip_bad_rows, dialect=dialect)
    scored = _Scored(positive, worst)
    _score(classifier, path, dialect, looked, scored, out, progress)
    agreement = score_agreement(
        np.array(scored.stored),
        np.array(scored.new),
        np.array(scored.flagged, dtype=bool),
        own_threshold=decision.threshold if decision.review_threshold is None else decision.review_threshold,
        thresholds=tuple(sorted(set(thresholds))),
        progress=progress,
    )
    told = [*manifest.announcements, *looked.announcements, *_against_each_other(looked, positive, agreement)]
    told += _others(manifest, label)
    return Migration(
        stored=str(path),
        text_column=looked.text_column,
        score_column=looked.score_column,
        bundle=str(model),
        file=classifier.file,
        model=manifest.name,
        positive=positive,
        decision=decision,
        rows=len(scored.stored),
        skipped_rows=looked.skipped_rows,
        truncated=scored.truncated,
        agreement=agreement,
        higher=scored.higher.found,
        lower=scored.lower.found,
        suite=manifest.suite if positive == manifest.positive else None,
        suite_result=manifest.suite_result if positive == manifest.positive else None,
        announcements=told,
    )


def _against_each_other(looked: StoredScores, positive: str, agreement: ScoreAgreement) -> list[str]:
    """That one score rises where the other falls, where that is sure: then one of them is about the other class."""
    if agreement.spearman is None or agreement.spearman.high >= 0:
        return []
    return [
        f"column {excerpt(looked.score_column)!r} is high where P({excerpt(positive)}) is low: is it the right column "
        f"(--score), and is {excerpt(positive)} what counts as toxic?"
    ]


def _others(manifest: Manifest, label: str | None) -> list[str]:
    """That other labels of a bundle are compared one at a time, where nobody chose one."""
    others = [name for name in manifest.labels if name != manifest.positive]
    if label is not None or manifest.decisions is None or not others or manifest.positive is None:
        return []
    first = excerpt(others[0])
    return [
        f"{manifest.name}: compared is {excerpt(manifest.positive)}; its others ({listing(others)}) one at a time: "
        f"--label {first} --score {first}, or whichever column holds it"
    ]


def _compared(manifest: Manifest, label: str | None, model: str) -> tuple[str, Decision]:
    """The label whose score is compared, and how it is decided on; raises ConfigError where there is none."""
    if manifest.positive is None:
        raise ConfigError(f"{model}: names no class that counts as toxic; export it again with ⟨positive⟩")
    if label is None or label == manifest.positive:
        return manifest.positive, manifest.decision
    if manifest.decisions is None:
        raise ConfigError(f"⟨label⟩ {excerpt(label)}: is for multi-label bundles; {model} gives a text one class")
    if label not in manifest.labels:
        raise ConfigError(
            f"⟨label⟩ {excerpt(label)}: is no label of {model}; its labels are {listing(manifest.labels)}"
        )
    return label, manifest.decisions.by_label[label]


def parse_thresholds(given: Sequence[str] | None) -> tuple[float, ...]:
    """The thresholds that --threshold lists, by comma or repeated; raises ConfigError for what is no number."""
    if not given:
        return THRESHOLDS
    parts = [part.strip() for text in given for part in text.split(",")]
    try:
        return tuple(float(part) for part in parts)
    except ValueError:
        raise ConfigError(
            f"⟨thresholds⟩ {excerpt(','.join(given))}: must be numbers by comma, such as 0.7,0.9"
        ) from None


def _refuse_unfit(path: Path, thresholds: Sequence[float], worst: int, out: Path | None) -> None:
    for threshold in thresholds:
        if not 0 <= threshold <= 1:
            raise ConfigError(f"⟨thresholds⟩ {threshold:g}: must be between 0 and 1, such as 0.7")
    if not thresholds:
        raise ConfigError("⟨thresholds⟩: give one or more, such as 0.7,0.9")
    if worst < 0:
        raise ConfigError(f"⟨worst⟩ {worst}: must be 0 or more")
    if not path.is_file():  # it is read twice, so it can't be a stream
        complaint = "is no plain file" if path.exists() else "no such file"
        raise DataError(f"{path}: {complaint}; give a CSV, TSV, JSONL or Parquet file of texts and scores")
    if out is not None:
        refuse_as_output("⟨out⟩", out, path)


# ---- scoring ----


class _Worst:
    """The texts whose new score exceeds (`sign` 1) or falls below (-1) the stored one most, each text once."""

    def __init__(self, sign: int, most: int) -> None:
        self._sign, self._most = sign, most
        self.found: list[Disagreement] = []

    def add(self, others: Iterable[Disagreement]) -> None:
        """Look at more rows, of equal ones at the first."""
        candidates = sorted((one for one in [*self.found, *others] if self._by(one) > 0), key=self._by, reverse=True)
        by_text: dict[str, Disagreement] = {}
        for one in candidates:
            if len(by_text) == self._most:
                break
            by_text.setdefault(one.text, one)
        self.found = list(by_text.values())

    def _by(self, one: Disagreement) -> float:
        return self._sign * (one.new - one.stored)


class _Scored:
    """Both scores of every row that was scored so far."""

    def __init__(self, positive: str, worst: int) -> None:
        self._positive = positive
        self.stored, self.new, self.flagged = array("d"), array("d"), array("b")
        self.truncated = 0
        self.higher, self.lower = _Worst(1, worst), _Worst(-1, worst)

    def add(self, rows: Sequence[StoredRow], predictions: Sequence[Prediction]) -> None:
        """Add rows with their predictions. What goes to review is flagged, as what is blocked is."""
        new = [prediction.scores[self._positive] for prediction in predictions]
        self.stored.extend(row.score for row in rows)
        self.new.extend(new)
        self.flagged.extend(self._positive in prediction.labels for prediction in predictions)
        self.truncated += sum(prediction.truncated for prediction in predictions)
        both = [
            Disagreement(row=row.record.row, text=row.text, stored=row.score, new=score)
            for row, score in zip(rows, new, strict=True)
        ]
        self.higher.add(both)
        self.lower.add(both)


def _score(
    classifier: Classifier,
    path: Path,
    dialect: AskedDialect,
    stored: StoredScores,
    scored: _Scored,
    out: Path | None,
    progress: Progress,
) -> None:
    """Score every row, add it to `scored`, and write it to `out`."""
    with ExitStack() as stack:
        records = stack.enter_context(open_records(path, dialect=dialect))
        read = stack.enter_context(contextlib.closing(windows(records, WINDOW)))
        output = None if out is None else _open_output(stack, records, stored, classifier, out)
        stack.callback(progress.end)
        units = records.units or 0
        progress.begin(f"scoring {records.source}", units)
        for window in read:
            rows = [row for row in stored.rows(records, window) if row is not None]
            predictions: list[Prediction] = []
            for row, answer in zip(rows, answers(classifier, [row.text for row in rows], BundleError), strict=True):
                if isinstance(answer, Exception):
                    raise DataError(f"{records.place(row.record.row)}: {answer}")
                predictions.append(answer)
            scored.add(rows, predictions)
            if output:
                output.write([row.record for row in rows], predictions)
            done = sum(record.size for record in window)
            units -= done
            progress.advance(done)
        if output:
            output.finish()
        progress.advance(max(0, units))  # a header and blank lines belong to no record


def _open_output(stack: ExitStack, records: Records, stored: StoredScores, classifier: Classifier, out: Path) -> Output:
    """Where rows go: all that they had and what `predict` adds, in the format that the file's name tells."""
    file = stack.enter_context(_writing(out))
    columns = list(records.columns or dict.fromkeys(name for record in stored.head for name in record.cells))
    new = NewColumns.of(classifier.manifest, [*columns, *(records.titles or [])])

    def write(text: str) -> None:
        file.write(text.encode("utf-8"))

    return open_output(
        kind_of_output(records, out),
        write,
        file=file,
        stack=stack,
        records=records,
        columns=columns,
        new=new,
        head=stored.head,
    )


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[BinaryIO]:
    try:
        with writing_atomically(path) as file:
            yield file
    except OSError as error:
        raise DataError(f"{error.filename or path}: can't be written ({error.strerror}); nothing was kept") from None
