"""Texts: as every model sees them, and as a message of one line shows them."""

import html
import itertools
import re
import unicodedata
from collections.abc import Iterable
from html.entities import html5
from pathlib import Path

NORMALISATION = (
    "HTML entities decoded once; control characters removed, but for tabs and line ends, and those that are "
    "white space made a space; Unicode NFC; case, emoji and joiners kept"
)
EXCERPT = 40
LONG = 1000  # letters of a text
BY_LINE = frozenset({".csv", ".tsv", ".jsonl", ".ndjson", ".txt"})

# Longer ones aren't entities, and int() refuses very long numbers.
ENTITY = re.compile(r"&(?:#[0-9]{1,8}|#[xX][0-9a-fA-F]{1,7}|[A-Za-z][A-Za-z0-9]{1,31});")
CONTROLS = {code: " " if chr(code).isspace() else None for code in (*range(32), *range(127, 160))}
CONTROLS = {code: spare for code, spare in CONTROLS.items() if chr(code) not in "\t\n\r"}


def normalise(text: str) -> str:
    """A text as every model sees it: see `NORMALISATION`.

    An entity needs its semicolon, so that the address "?a=1&copy=2" stays what it is. Entities are decoded
    once: "&amp;lt;" becomes "&lt;", which is what its writer meant to show.
    """
    return nfc(ENTITY.sub(decode_entity, text).translate(CONTROLS))


def is_visible(text: str) -> bool:
    """Whether a text has a letter that can be seen: neither white space nor a format character."""
    return any(not letter.isspace() and unicodedata.category(letter) != "Cf" for letter in text)


def nfc(text: str) -> str:
    """Unicode NFC. The standard library puts marks in order in quadratic time: of long texts they are sorted first."""
    if len(text) <= LONG or text.isascii():
        return unicodedata.normalize("NFC", text)
    letters = (part for letter in text for part in unicodedata.normalize("NFD", letter))
    runs = itertools.groupby(letters, key=lambda letter: unicodedata.combining(letter) > 0)
    ordered = (sorted(run, key=unicodedata.combining) if marks else run for marks, run in runs)
    return unicodedata.normalize("NFC", "".join(itertools.chain.from_iterable(ordered)))


def decode_entity(match: re.Match[str]) -> str:
    """What a match of `ENTITY` stands for; itself where no such entity is known."""
    known = match[0][1] == "#" or match[0][1:] in html5
    return html.unescape(match[0]) if known else match[0]


def escape_entities(text: str) -> str:
    """A text that `normalise` makes this normalised one of, which may show what looks like an entity."""
    return ENTITY.sub(lambda match: f"&amp;{match[0][1:]}", text)


def valid_unicode(text: str) -> str:
    """The text as UTF-8 can hold it: half a surrogate pair, which JSON can spell and UTF-8 can't, becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def excerpt(value: object, limit: int = EXCERPT) -> str:
    """The start of a value, which may come from a stranger, fit for a message of one line.

    ⟨ and ⟩ become ‹ and ›: in an error's message they stand around a setting's name (`errors`).
    """
    shown = printable(str(value)[: 4 * limit]).replace("⟨", "‹").replace("⟩", "›")
    return shown if len(shown) <= limit else shown[:limit] + "…"


def first_line(error: BaseException) -> str:
    """The first line of what a library's error says, fit for a message; its type where it says nothing."""
    return excerpt((str(error).strip().splitlines() or [type(error).__name__])[0], 200)


def printable(text: str) -> str:
    """A text on one line: control and format characters dropped, white space collapsed to single spaces."""
    kept = (letter if letter.isprintable() else " " for letter in text if letter.isprintable() or letter.isspace())
    return " ".join("".join(kept).split())


def listing(names: Iterable[object], most: int = 20) -> str:
    """Names for a message, each cut short, no more than `most` of them."""
    shown = [excerpt(name) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def place(source: str, row: int) -> str:
    """Where a row is, as a message says it: "comments.csv, line 12", or "row 12" where there are no lines."""
    return f"{source}, {'line' if Path(source).suffix.lower() in BY_LINE else 'row'} {row}"
