"""Tokenisation by the tokenizers library alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from foreshot.errors import BundleError

LETTERS_PER_TOKEN = 32
"""Of a long text only so many letters for each token are tokenised, if these give more tokens than are kept."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokenised texts: `ids[i]` those of text i, cut to the most that are looked at; `truncated` (texts,)."""

    ids: list[list[int]]
    truncated: np.ndarray


class TextTokenizer:
    """A tokenizer.json's content, cutting texts to `max_length` tokens; raises BundleError when it can't be used."""

    def __init__(self, content: str, *, max_length: int, where: str) -> None:
        self._max_length = max_length
        try:
            self._tokenizer = Tokenizer.from_str(content)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_length=max_length)
        except Exception as error:  # the library raises bare Exceptions
            complaint = " ".join(str(error).split())[:160]
            raise BundleError(f"{where}: its tokenizer.json can't be used ({complaint})") from None

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Token ids of texts that are normalised already (`data.texts.normalise`), cut to `max_length` tokens."""
        starts = [self._start(text) for text in texts]
        encoded = self._tokenizer.encode_batch_fast(starts)
        for row, encoding in enumerate(encoded):
            if starts[row] is not texts[row] and not encoding.overflowing:
                encoded[row] = self._tokenizer.encode(texts[row])
        return Tokens(
            ids=[encoding.ids for encoding in encoded],
            truncated=np.array([bool(encoding.overflowing) for encoding in encoded], dtype=bool),
        )

    def _start(self, text: str) -> str:
        """As much of a very long text as surely has more tokens than are kept; all of any other text.

        No tokenizer looks across white space, so that a cut there changes no token before it.
        """
        most = self._max_length * LETTERS_PER_TOKEN
        if len(text) <= 2 * most:
            return text
        start = text[:most].rpartition(" ")[0]
        return start if len(start) > most // 2 else text
