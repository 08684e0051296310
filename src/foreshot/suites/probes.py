"""Probes: texts that every model is asked about, so that no metric is shown without the behaviour beside it."""

from pathlib import Path

import numpy as np

from foreshot.data.labels import Classes, canonical_label, word_for
from foreshot.data.reading.files import READERS, open_sheet
from foreshot.data.sample import make_probes
from foreshot.data.texts import listing, normalise
from foreshot.errors import ConfigError, DataError
from foreshot.files.bounded import read_small
from foreshot.results.behaviour import Probe, ProbeAnswer
from foreshot.settings.dialect import FOUND, AskedDialect

MOST_BYTES = 2**24


def read_probes(path: str, classes: Classes, dialect: AskedDialect = FOUND) -> list[Probe]:
    """Probes from a file: one text a line, or a table with columns text, label (may be empty) and note (optional).

    A label is a class of the data, as written there or by its name; in a binary task also 1 and 0.
    Raises DataError that names the file and the row.
    """
    if Path(path).suffix.lower() not in READERS:
        return [Probe(text=normalise(line), label=None) for line in _lines(path)]
    sheet = open_sheet(path, dialect=dialect)
    if "text" not in sheet.columns:
        raise DataError(f"{path}: probes need a column named text (columns: {listing(sheet.columns)})")
    nothing: list[None] = [None] * len(sheet.rows)
    probes = []
    for row, text, label, note in zip(
        sheet.rows,
        sheet.columns["text"],
        sheet.columns.get("label", nothing),
        sheet.columns.get("note", nothing),
        strict=True,
    ):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{path}, row {row}: the probe's text is empty; give a text or remove the row")
        named = _class_of(label, classes, source=path, row=row) if canonical_label(label) else None
        probes.append(Probe(text=normalise(text), label=named, note=str(note) if canonical_label(note) else None))
    if not probes:
        raise DataError(f"{path}: holds no probes; give one text a line")
    return probes


def built_in_probes(classes: Classes) -> list[Probe]:
    """The probes that the demo brings: derogatory words alone and in sentences, and their benign twins.

    Raises ConfigError in a task that isn't benign against toxic.
    """
    names = classes.of_two
    if not names:
        raise ConfigError("probes: the built-in ones are benign or toxic; the data's classes are others: name a file")
    return [Probe(text=probe.text, label=names[probe.label], note=probe.note) for probe in make_probes()]


def answer(probabilities: np.ndarray, decided: np.ndarray, classes: Classes) -> list[ProbeAnswer]:
    """A model's answers, from its probabilities (probes, classes) and the classes decided on (probes,)."""
    shown = decided if classes.positive is None else np.full(len(decided), classes.positive)
    return [
        ProbeAnswer(predicted=classes.names[int(index)], score=float(probabilities[row, shown[row]]))
        for row, index in enumerate(decided)
    ]


def counts(probes: list[Probe], answers: list[ProbeAnswer], positive: str | None) -> dict[str, int]:
    """How many labelled probes get their label, and how many of each kind are flagged where a class is positive."""
    labelled = [(probe.label, given.predicted) for probe, given in zip(probes, answers, strict=True) if probe.label]
    found = {"probes_right": sum(label == predicted for label, predicted in labelled)} if labelled else {}
    if positive is not None and labelled:
        flagged = [label for label, predicted in labelled if predicted == positive]
        found["probes_flagged"] = sum(label == positive for label in flagged)
        found["benign_probes_flagged"] = sum(label != positive for label in flagged)
    return found


def _class_of(label: object, classes: Classes, *, source: str, row: int) -> str:
    written = canonical_label(label)
    meant = classes.of_two.get(word_for(written))
    for candidate in (written, classes.mapping.get(written), meant):
        if candidate in classes.names:
            return str(candidate)
    raise DataError(
        f"{source}, row {row}: label {written[:40]!r} is none of the classes {', '.join(classes.names)}; where nobody "
        "knows, leave it empty"
    )


def _lines(path: str) -> list[str]:
    try:
        content = read_small(Path(path), MOST_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: can't be read as UTF-8 text ({error})") from None
    lines = [line.strip() for line in content.splitlines()]
    if not any(lines):
        raise DataError(f"{path}: holds no probes; give one text a line")
    return [line for line in lines if line]
