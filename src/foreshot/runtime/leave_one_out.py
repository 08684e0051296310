"""Leave-one-out: what each word does to an answer, by leaving it out (Li et al. 2016, arXiv:1612.08220)."""

from collections.abc import Sequence

from foreshot.runtime.words import Word


def left_out(text: str, words: Sequence[Word]) -> list[str]:
    """The text once for each word, without it."""
    return [without(text, [word]) for word in words]


def without(text: str, words: Sequence[Word]) -> str:
    """The text without some of its words; white space and the punctuation around them stay."""
    dropped = _in_order(words)
    begins = [0, *(word.end for word in dropped)]
    ends = [*(word.begin for word in dropped), len(text)]
    return "".join(text[begin:end] for begin, end in zip(begins, ends, strict=True))


def kept_only(words: Sequence[Word]) -> str:
    """A text of some of its words alone, in their order, a space between them."""
    return " ".join(word.word for word in _in_order(words))


def word_scores(whole: float, without_each: Sequence[float]) -> list[float]:
    """What each word adds to a probability or to log-odds: those of the whole text minus those without the word."""
    return [whole - rest for rest in without_each]


def _in_order(words: Sequence[Word]) -> list[Word]:
    return sorted(words, key=lambda word: word.begin)
