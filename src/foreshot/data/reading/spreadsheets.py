"""Cells that are safe to open in a spreadsheet, whatever a stranger wrote into them."""

import re
import unicodedata

FORMULA_STARTS = frozenset("=+-@")
NEW_CELL = re.compile(
    r"""
    (?<= [;\t\r\n\v\f\x85\u2028\u2029])
    (?= (?: [^\S\r\n] | [\u200b-\u200f\u2060\ufeff"] )* (?: [=+@＝＋－＠] | -(?!\)) ) )  # the smiley ;-) is none
    """,
    re.VERBOSE,
)
"""Where inside of a text a spreadsheet that parts cells by semicolons or tabs sees a formula's cell begin."""


def inert(text: str) -> str:
    """The text with an apostrophe in front of whatever a spreadsheet would take for a formula (OWASP)."""
    inside = NEW_CELL.sub("'", text)
    return f"'{inside}" if _starts_a_formula(text) else inside


def _starts_a_formula(text: str) -> bool:
    """Whether its first visible character does, in any width; or its first one is a tab or starts a line."""
    if text.startswith(("\t", "\r", "\n")):
        return True
    for char in text:
        if unicodedata.category(char)[0] not in "ZC" and char != '"':
            return unicodedata.normalize("NFKC", char) in FORMULA_STARTS
    return False
