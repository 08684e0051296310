"""Label sets: several labels in one cell, as "toxic|insult", as a list in text, or as a list of JSON or Parquet."""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from foreshot.data.labels import BENIGN, MOST_CLASSES, TOXIC, canonical_label, not_labelled, word_for

LONGEST_LIST = 10_000
"""Letters of a cell that is read as a list."""
ALWAYS, PERHAPS = ("|", ";"), (",", "/", "+", "&", " ")
"""Separators: those that no label holds, and those that one may."""

_LIST = re.compile(r"[\[(].*[\])]\Z|\{[^:]*\}\Z")
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_NUMBER = re.compile(r"[01],[0-9]+\Z|[0-9]+ ?/ ?[0-9]+\Z")  # 0,25 as it is written in Europe, and 3/5

LabelSet = tuple[str, ...]
"""The canonical labels of one cell."""


def label_sets(cells: Sequence[Any], names: Collection[str] = ()) -> list[LabelSet] | None:
    """The labels of each cell, where a column holds several in one; None where it doesn't.

    Lists are taken as such. Text is parted at a separator if that gives a label that other cells have, too, or one of
    `names`; no label has "|" or ";" in it. An empty cell has no label.
    """
    if any(isinstance(cell, list | tuple) for cell in cells):
        lists = [_listed(cell) for cell in cells]
        return None if any(not _is_scalar(value) for values in lists for value in values) else [*map(_clean, lists)]
    if not all(_is_scalar(cell) and not is_object(cell) for cell in cells):
        return None
    written = set(map(canonical_label, cells)) - {""}
    others = [label for label in written if not _LIST.match(label)]
    if len(others) < len(written) and all(word_for(label) == BENIGN or not_labelled([label]) for label in others):
        return [_clean(_listed(cell)) for cell in cells]
    separator = next((sign for sign in (*ALWAYS, *PERHAPS) if _separates(sign, written, names)), None)
    if separator is None:
        return None
    return [_clean(canonical_label(cell).split(separator)) for cell in cells]


def is_object(cell: Any) -> bool:
    """Whether a cell has a value for each of several names: {"toxic": 1, "insult": 0}, or text that shows as much."""
    if not isinstance(cell, str):
        return isinstance(cell, dict)
    text = cell.strip()
    return text.startswith("{") and text.endswith("}") and ":" in text


def in_use(sets: Iterable[LabelSet]) -> dict[str, int]:
    """How many cells have each label, but for words that say that there is none; the toxic and frequent ones first."""
    counts = Counter(label for labels in sets for label in labels if word_for(label) != BENIGN or label == "0")
    return dict(sorted(counts.items(), key=lambda one: (word_for(one[0]) != TOXIC, -one[1])))


def _separates(separator: str, written: Collection[str], names: Collection[str]) -> bool:
    """Whether a sign stands between labels, and not in one."""
    if any(label.count(separator) > MOST_CLASSES for label in written):
        return False
    parts = {label: _clean(label.split(separator)) for label in written}
    joined = [found for found in parts.values() if len(found) > 1]
    times = Counter(part for found in parts.values() for part in found)
    if not joined or len(times) > MOST_CLASSES:  # so many are a text's parts
        return False
    if separator in ALWAYS:
        return True
    if all(_NUMBER.match(label) for label, found in parts.items() if len(found) > 1):
        return False
    if separator == " ":  # "not toxic" is one label, beside "toxic"
        return all(part in written or part in names for found in joined for part in found)
    return any(times[part] > 1 or part in names for found in joined for part in found)


def _listed(cell: Any) -> Sequence[Any]:
    """The values of a list, which a text may show as Python, JSON or NumPy does; of another cell, itself."""
    if isinstance(cell, list | tuple):
        return cell
    text = canonical_label(cell) if isinstance(cell, str) else ""
    if len(text) > LONGEST_LIST or not _LIST.match(text):
        return (cell,)
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, list):
        return read
    quoted = [single or double for single, double in _QUOTED.findall(text)]
    inside = text[1:-1]
    return quoted or inside.split("," if "," in inside else None)


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _clean(values: Iterable[Any]) -> LabelSet:
    return tuple(dict.fromkeys(label for value in values if (label := canonical_label(value))))
