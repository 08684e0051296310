"""Correcting: a split whose rows say what corrections say, with those beside it that models are to be tried on.

What is tried must not have been learnt: a correction of a test row corrects the test, and of the others a share is held
out. Which ones depends on the seed and the texts alone, so that in a file that grows most stay what they were.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from foreshot.data.answers import Values
from foreshot.data.corrections import Correction, Corrections, merged
from foreshot.data.marks import check_trainable
from foreshot.data.split import Part, Split, check_every_class, fold
from foreshot.data.texts import listing

HELD_OUT = "corrections"
"""The part of a split that has the corrections which nothing learns from."""
TRAIN, VALIDATION, TEST = "train", "validation", "test"
Place = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """What corrections did to a split: how many were of rows of which part, how many texts were `added` for training.

    `held_out` were drawn; with those of test rows they are the rows of the part `HELD_OUT`, and `said` has what a model
    had said of each of these, where that is known. `overruled` counts the rows that had another answer.
    """

    corrections: Corrections
    of_part: dict[str, int]
    overruled: int
    added: int
    held_out: int
    left_out: dict[str, int]
    said: tuple[Values | None, ...]

    @property
    def learnt(self) -> int:
        """How many training rows were put right, or added."""
        return self.of_part[TRAIN] + self.added - self.held_out


def corrected(
    split: Split, corrections: Corrections, *, share: float, seed: int, threshold: float
) -> tuple[Split, Corrected]:
    """The split with rows put right, texts added to its training part, and a `share` of the corrections held out.

    The share is of each class of those that are not of validation or test rows. `threshold` is the one from which up
    the first stored score counts as toxic, where scores are what is learnt. Raises DataError where a part is left
    without a class.
    """
    places = {fold(text): (name, index) for name, part in split.parts.items() for index, text in enumerate(part.texts)}
    by_text = {fold(one.text): one for one in corrections.found}
    new = [one for text, one in by_text.items() if text not in places]
    usable = [one for one in new if _is_whole(one, split)]
    parts = {**split.parts, TRAIN: _with_texts(split.parts[TRAIN], usable)}
    places |= {fold(one.text): (TRAIN, len(split.parts[TRAIN]) + index) for index, one in enumerate(usable)}
    rows = _rows_by_part(by_text, places)
    right = {name: overruled(part, rows[name], split, threshold) for name, part in parts.items()}
    drawn = _drawn(right[TRAIN], rows[TRAIN], share, seed)
    kept = sorted(set(range(len(right[TRAIN]))) - drawn)
    held = [right[TRAIN].choose(drawn), right[TEST].choose(rows[TEST])]
    result = {**right, TRAIN: right[TRAIN].choose(kept)}
    check_every_class(result, split.classes)
    if split.label_names is not None:
        check_trainable(result[TRAIN].marks or [], split.label_names, source=result[TRAIN].source)
    tried = _joined(held, corrections.source)
    return (
        replace(split, parts={**result, **({HELD_OUT: tried} if len(tried) else {})}),
        Corrected(
            corrections=corrections,
            of_part={name: len(rows[name]) - (len(usable) if name == TRAIN else 0) for name in split.parts},
            overruled=_overruled(split, right),
            added=len(usable),
            held_out=len(drawn),
            left_out=dict(+Counter({"that speak of some labels alone, of new texts": len(new) - len(usable)})),
            said=tuple(by_text[fold(text)].said for text in tried.texts),
        ),
    )


def told(found: Corrected, weight: float) -> list[str]:
    """What there is to say about corrections, in sentences."""
    read, source = found.corrections, found.corrections.source
    of_part = [f"{count:,} of {name} rows" for name, count in found.of_part.items() if count]
    where = listing([*of_part, *([f"{found.added:,} of texts that are not in the data"] if found.added else [])])
    sentences = [f"{source}: {read.read:,} corrections of {len(read.found):,} texts: {where or 'none can be used'}"]
    sentences.append(
        f"{source}: {found.overruled:,} rows have another answer now; a row that was put right counts {weight:g} times "
        f"in training, and {found.held_out:,} corrections are held out to try models on"
    )
    if read.contradicted:
        order = "by their times" if read.by_time else "by their order in the file"
        sentences.append(f"{source}: {read.contradicted:,} are contradicted by a later one, {order}, which counts")
    for reason, count in {**read.left_out, **found.left_out}.items():
        sentences.append(f"{source}: {count:,} left out {reason}")
    if not found.learnt:
        sentences.append(f"{source}: none of them is learnt from")
    return sentences


def overruled(part: Part, by_row: Mapping[int, Correction], split: Split, threshold: float) -> Part:
    """The part whose rows, by their numbers, have the answers of corrections; what these say nothing of stays."""
    labels, marks, scores = list(part.labels), part.marks, part.scores
    if split.labelled and marks is None:
        for row, one in by_row.items():
            labels[row] = int(one.values[0])
    elif split.labelled and marks is not None:
        told = {row: tuple(map(int, merged(marks[row], one.values))) for row, one in by_row.items()}
        marks = [told.get(row, of) for row, of in enumerate(marks)]
        labels = [first for first, *_ in marks]
    elif scores is not None:
        scores = [merged(of, by_row[row].values) if row in by_row else of for row, of in enumerate(scores)]
        labels = [-1 if math.isnan(first) else int(first >= threshold) for first, *_ in scores]
    return replace(
        part,
        labels=labels,
        marks=marks,
        scores=scores,
        repeats={row: again for row, again in part.repeats.items() if row not in by_row},
        corrected=[row in by_row for row in range(len(part))],
    )


def _is_whole(one: Correction, split: Split) -> bool:
    """Whether a correction says all that must be known of a text that is not in the data."""
    return not split.labelled or not any(map(math.isnan, one.values))


def _with_texts(part: Part, corrections: Sequence[Correction]) -> Part:
    """The part with new texts at its end, of which nothing is known yet."""
    count = len(corrections)
    blank_scores = [(math.nan,) * len(part.scores[0])] * count if part.scores else []
    return replace(
        part,
        texts=[*part.texts, *(one.text for one in corrections)],
        labels=[*part.labels, *[-1] * count],
        rows=[*part.rows, *(one.row for one in corrections)],
        marks=None if part.marks is None else [*part.marks, *[(0,) * len(part.marks[0])] * count],
        identities={group: [*of, *[False] * count] for group, of in part.identities.items()},
        scores=None if part.scores is None else [*part.scores, *blank_scores],
    )


def _rows_by_part(by_text: Mapping[str, Correction], places: Mapping[str, Place]) -> dict[str, dict[int, Correction]]:
    rows: dict[str, dict[int, Correction]] = {TRAIN: {}, VALIDATION: {}, TEST: {}}
    for text, one in by_text.items():
        if text in places:
            name, index = places[text]
            rows[name][index] = one
    return rows


def _drawn(part: Part, by_row: Mapping[int, Correction], share: float, seed: int) -> set[int]:
    """The rows that are held out: of each class this share of those with a correction, rounded."""

    def order(row: int) -> bytes:
        return hashlib.sha256(f"{seed}\0{fold(part.texts[row])}".encode("utf-8", "surrogatepass")).digest()

    drawn: set[int] = set()
    for label in sorted({part.labels[row] for row in by_row} - {-1}):
        of_class = sorted((row for row in by_row if part.labels[row] == label), key=order)
        drawn |= set(of_class[: round(share * len(of_class))])
    return drawn


def _joined(parts: Sequence[Part], source: str) -> Part:
    """Rows of several parts as one."""
    return Part(
        source=source,
        texts=list(chain.from_iterable(part.texts for part in parts)),
        labels=list(chain.from_iterable(part.labels for part in parts)),
        rows=list(chain.from_iterable(part.rows for part in parts)),
        marks=None if parts[0].marks is None else list(chain.from_iterable(part.marks or () for part in parts)),
        scores=None if parts[0].scores is None else list(chain.from_iterable(part.scores or () for part in parts)),
        corrected=[True] * sum(map(len, parts)),
    )


def _overruled(split: Split, right: Mapping[str, Part]) -> int:
    """How many rows of the split have another answer now."""
    return sum(
        before != after
        for name, part in split.parts.items()
        for before, after in zip(_answers(part), _answers(right[name]), strict=False)  # those that were added follow
    )


def _answers(part: Part) -> Sequence[object]:
    """What is known of each row, so that two can be told apart: a gap is like a gap."""
    if part.marks is not None or part.scores is None:
        return part.answers
    return [tuple(map(str, scores)) for scores in part.scores]
