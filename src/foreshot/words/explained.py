"""Explained texts: those that every model's decisions are explained on, word by word, and what people marked there."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from foreshot.data.rationales import Rationales
from foreshot.errors import DataError
from foreshot.runtime.words import Word, words_of

FEWEST_WORDS = 3
MOST_WORDS = 40  # of a test row: each of them is left out in turn, of a text that is as long
MOST_MARKED_WORDS = 100  # of a text in which people marked words


@dataclass(frozen=True, kw_only=True)
class ExplainedTexts:
    """Texts, normalised, their words, and where people marked some which of them: `marked[i]` (words of text i,)."""

    source: str
    texts: list[str]
    words: list[list[Word]]
    marked: list[np.ndarray] | None
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def word_counts(self) -> np.ndarray:
        """Words of each text, (texts,)."""
        return np.array([len(words) for words in self.words])


def from_rationales(rationales: Rationales, most: int, rng: np.random.Generator) -> ExplainedTexts:
    """Texts that people marked words of, at most `most` drawn by `rng`; a word is marked where half its letters are.

    Raises DataError where there is none.
    """
    texts, words_of_texts, marks = [], [], []
    left_out = {**rationales.left_out, "without a marked word": 0, f"longer than {MOST_MARKED_WORDS} words": 0}
    for text, letters in zip(rationales.texts, rationales.marks, strict=True):
        words = words_of(text)
        marked = np.array(
            [2 * letters[word.begin : word.end].sum() >= word.end - word.begin for word in words], dtype=bool
        )
        if len(words) > MOST_MARKED_WORDS:
            left_out[f"longer than {MOST_MARKED_WORDS} words"] += 1
        elif not marked.any():
            left_out["without a marked word"] += 1
        else:
            texts.append(text)
            words_of_texts.append(words)
            marks.append(marked)
    if not texts:
        raise DataError(f"{rationales.source}: no text is left of which people marked a word")
    chosen = _drawn(len(texts), most, rng)
    left_out["beyond the most that are explained"] = len(texts) - len(chosen)
    return ExplainedTexts(
        source=rationales.source,
        texts=[texts[index] for index in chosen],
        words=[words_of_texts[index] for index in chosen],
        marked=[marks[index] for index in chosen],
        left_out={reason: count for reason, count in left_out.items() if count},
    )


def from_rows(texts: Sequence[str], source: str, most: int, rng: np.random.Generator) -> ExplainedTexts:
    """Of some rows' texts those of FEWEST_WORDS to MOST_WORDS words, at most `most` drawn by `rng`."""
    words_of_texts = [words_of(text, MOST_WORDS + 1) for text in texts]
    fit = [index for index, words in enumerate(words_of_texts) if FEWEST_WORDS <= len(words) <= MOST_WORDS]
    chosen = [fit[index] for index in _drawn(len(fit), most, rng)]
    return ExplainedTexts(
        source=source,
        texts=[texts[index] for index in chosen],
        words=[words_of_texts[index] for index in chosen],
        marked=None,
    )


def _drawn(count: int, most: int, rng: np.random.Generator) -> list[int]:
    """At most `most` of so many numbers, rising."""
    if count <= most:
        return list(range(count))
    drawn: list[int] = np.sort(rng.choice(count, most, replace=False)).tolist()
    return drawn
