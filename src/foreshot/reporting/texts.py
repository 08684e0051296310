"""Texts that strangers wrote, made safe to show: nothing hidden, nothing that Markdown would act on."""

import re
import unicodedata

LONGEST_TEXT = 300
JOINERS = "\u200c\u200d"  # part of ordinary Persian, Hindi and emoji
FIRST_MARK, MOST_MARKS = "\u0300", 8  # no script puts more on a letter; a tower covers the lines around it
SEEN = {"\n": " ↵ ", "\r": "[U+000D]", "\t": " ⇥ ", "\u2028": " ↵ ", "\u2029": " ↵ "}

_MARKDOWN = {ord(char): f"\\{char}" for char in "\\*_[]~$"} | {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord("|"): "&#124;",
    ord("`"): "&#96;",
    ord("@"): "&#64;",
}
_LINK = re.compile(r"(?<=:)//|(?<=\bwww)\.", re.IGNORECASE)
_BLOCK = re.compile(r"[#=-]|\+(?=\s|$)|\d+[.)](?=\s|$)")


def visible(text: str) -> str:
    """The text on one line; what can't be seen or reorders its surroundings is shown by its number.

    Escape sequences, bidi overrides and zero-width characters become "[U+202E]", line ends become "↵".
    Joiners stay where they join: between two characters beyond ASCII. Of a tower of combining marks the first stay.
    """
    if text.isascii() and text.isprintable():
        return text.strip()
    return "".join(visible_characters(text)).strip()


def visible_characters(text: str) -> list[str]:
    """Each code point of the text as `visible` shows it, so that parts of a text can be shown one by one."""
    shown = []
    marks = 0  # on the letter before
    for index, char in enumerate(text):
        marks = marks + 1 if char >= FIRST_MARK and unicodedata.category(char)[0] == "M" else 0
        if char == "\r" and text[index + 1 : index + 2] == "\n":
            shown.append("")
        elif char in SEEN:
            shown.append(SEEN[char])
        elif marks > MOST_MARKS or (_is_hidden(char) and not (char in JOINERS and _joins(text, index))):
            shown.append(f"[U+{ord(char):04X}]")
        else:
            shown.append(char)
    return shown


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """The visible text, cut after `longest` characters with an ellipsis."""
    text = visible(text)
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def markdown(text: str) -> str:
    """The visible text as GitHub-flavoured Markdown shows it: no markup, no HTML, no links, no table bars."""
    escaped = visible(text).translate(_MARKDOWN)
    escaped = _LINK.sub(lambda link: "".join(f"&#{ord(char)};" for char in link[0]), escaped)
    block = _BLOCK.match(escaped)
    return f"{escaped[: block.end() - 1]}\\{escaped[block.end() - 1 :]}" if block else escaped


def fenced(text: str) -> str:
    """The visible text as a Markdown code block, with a fence longer than any in it."""
    text = visible(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _is_hidden(char: str) -> bool:
    category = unicodedata.category(char)
    if category == "Cn":  # unassigned: newer than this Python, unless it is a noncharacter
        return ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF
    return category[0] == "C"


def _joins(text: str, index: int) -> bool:
    return 0 < index < len(text) - 1 and ord(text[index - 1]) > 127 and ord(text[index + 1]) > 127
