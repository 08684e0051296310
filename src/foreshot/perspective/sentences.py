"""Sentences: where each begins and ends in a text, by a rule for comments, which have few capitals and many faults."""

import re

# A run of marks is tried at its beginning alone and never given back, so that no text takes more than linear time.
_CLOSERS = "[\"'”’»)\\]}」』）]"
_END = re.compile(
    rf"(?<![.!?…؟۔।])[.!?…؟۔।]++{_CLOSERS}*+(?=\s)"  # as in "No. 5" and "so... what" too: too many ends do no harm
    rf"|[。！？｡]++{_CLOSERS}*+"  # scripts without spaces between words
    r"|[\n\r\v\f\x85\u2028\u2029]++"
)


def sentence_spans(text: str, most: int) -> list[tuple[int, int]]:
    """Begin and end, in code points, of each sentence of a text, without the white space around it.

    A sentence ends at a full stop or the like before white space, and where a line does. Together they hold all that
    is not white space. No more than `most` are told apart: the last holds the rest.
    """
    spans: list[tuple[int, int]] = []
    begin = 0
    for end in _END.finditer(text):
        if len(spans) == most - 1:
            break
        _add(spans, text, begin, end.end())
        begin = end.end()
    _add(spans, text, begin, len(text))
    return spans


def utf16_spans(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in code points as spans in UTF-16 units, in which JavaScript, Java and Perspective count.

    `spans` rise and don't overlap.
    """
    if text.isascii():
        return spans
    found, units, reached = [], 0, 0
    for begin, end in spans:
        first = units + _utf16_length(text[reached:begin])
        units = first + _utf16_length(text[begin:end])
        reached = end
        found.append((first, units))
    return found


def _add(spans: list[tuple[int, int]], text: str, begin: int, end: int) -> None:
    whole = text[begin:end]
    bare = whole.lstrip()
    if bare:
        spans.append((end - len(bare), end - len(bare) + len(bare.rstrip())))


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2
