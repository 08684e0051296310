"""Identity groups: which test rows mention which group, by columns of the table or by a file of terms."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from foreshot.data.reading.files import open_sheet
from foreshot.data.split import Split, fold
from foreshot.data.texts import excerpt, listing, normalise, place, printable
from foreshot.errors import DataError
from foreshot.settings.dialect import FOUND, AskedDialect

TERM_COLUMNS = ("group", "term")
MOST_TIMES = 5.0
"""No row weighs more than so many others, or less than their inverse."""

# Marks belong to the letter before them, and Python doesn't count them among a word's characters.
_BETWEEN_WORDS = re.compile(r"[^\w\s]|_")
_SPELT_ALIKE = str.maketrans({"\u2018": "'", "\u2019": "'", "\u02bc": "'", "\ufe0e": None, "\ufe0f": None})


def with_identity_groups(split: Split, terms: str | None, dialect: AskedDialect = FOUND) -> Split:
    """The split whose test part says which rows mention which group: by a file of terms, else as its columns said.

    How many rows each group has is announced. Raises DataError where no class counts as toxic, and for a file of
    terms that can't be used.
    """
    if split.classes.positive is None:
        raise DataError(
            "identity groups: they are judged by the scores of the class that counts as toxic, and none does here; "
            "name it with ⟨positive⟩"
        )
    test = split.parts["test"]
    if terms is not None:
        test = replace(test, identities=mentions(test.texts, read_identity_terms(terms, dialect)))
    rows = {excerpt(group): sum(mentioned) for group, mentioned in test.identities.items()}
    counts = ", ".join(f"{group} {count:,}" for group, count in rows.items())
    announcements = [f"identity groups, by test rows that mention them: {counts}"]
    if empty := [group for group, count in rows.items() if not count]:
        announcements.append(f"{terms or test.source}: no test row mentions {listing(empty)}")
    return replace(split, parts={**split.parts, "test": test}, announcements=(*split.announcements, *announcements))


def read_identity_terms(source: str, dialect: AskedDialect = FOUND) -> dict[str, list[str]]:
    """The terms of each group, from a table with the columns group and term: one term a row, of one or more words.

    Raises DataError that names the file and the row.
    """
    sheet = open_sheet(source, dialect=dialect)
    for column in TERM_COLUMNS:
        if column not in sheet.columns:
            raise DataError(
                f"{source}: identity terms need the columns group and term (its columns: {listing(sheet.columns)})"
            )
    terms: dict[str, list[str]] = {}
    for row, group, term in zip(sheet.rows, sheet.columns["group"], sheet.columns["term"], strict=True):
        named = printable(group) if isinstance(group, str) else ""
        if not named:
            raise DataError(f"{place(source, row)}: names no group; write it under group")
        if not isinstance(term, str) or not _words(normalise(term)):
            raise DataError(
                f"{place(source, row)}: group {excerpt(named)!r} has no term here; write a word, or remove the row"
            )
        terms.setdefault(named, []).append(term)
    return terms


def mentions(texts: Sequence[str], terms: Mapping[str, Sequence[str]]) -> dict[str, list[bool]]:
    """For each group which texts, normalised, hold one of its terms: whole words, without regard to case (see `fold`).

    Hyphens stand between words as spaces do; an apostrophe ends a word, so that "women's" mentions "women"; other
    signs, emoji among them, are words by themselves. Nothing is known of inflection, or of languages that write no
    spaces.
    """
    worded = [f" {_words(text)} " for text in texts]
    wanted = {group: [f" {_words(normalise(term))} " for term in of_group] for group, of_group in terms.items()}
    return {group: [any(term in text for term in of_group) for text in worded] for group, of_group in wanted.items()}


def identity_weights(identities: Mapping[str, Sequence[bool]], toxic: np.ndarray) -> np.ndarray:
    """What rows weigh so that a group's share of toxic rows is that of all rows: (rows,) float32, 1 without a group.

    `toxic` (rows,) is 1, 0, or -1 where it isn't known, and such a row weighs 1. A row that mentions group G and has
    label y weighs P(y) / P(y | G) (Kamiran and Calders 2012, section 5.3, "reweighing"), at most `MOST_TIMES` and at
    least its inverse; of several groups the geometric mean. Dixon et al. 2018 bring the rates together by adding benign
    mentions instead.
    """
    known = toxic >= 0
    logs, groups = np.zeros(len(toxic)), np.zeros(len(toxic))
    for mentioned in identities.values():
        of_group = np.asarray(mentioned, dtype=bool) & known
        for label in (0, 1):
            rows = of_group & (toxic == label)
            if rows.any():
                rate, own = (toxic[known] == label).mean(), (toxic[of_group] == label).mean()
                logs[rows] += np.clip(np.log(rate / own), -np.log(MOST_TIMES), np.log(MOST_TIMES))
        groups += of_group
    return np.exp(logs / np.maximum(groups, 1)).astype(np.float32)


def _words(text: str) -> str:
    """The words of a text, folded, with one space between them."""
    return " ".join(_BETWEEN_WORDS.sub(_set_apart, fold(text).translate(_SPELT_ALIKE)).split())


def _set_apart(found: re.Match[str]) -> str:
    category = unicodedata.category(found[0])
    if category.startswith("M"):
        return found[0]
    return " " if category == "Pd" else f" {found[0]} "
