"""Tokenisation by the tokenizers library alone."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from foreshot.data.texts import excerpt
from foreshot.errors import BundleError, ConfigError

LONGEST_TEXT = 100_000
"""Letters that are tokenised, however few tokens they make. Without a bound 10 MB take seconds and gigabytes."""
GROUP = 16
"""Texts tokenised together, side by side on the cores; few, since long ones take megabytes each meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Tokenised texts: `ids[i]` those of text i, cut to the most that are looked at; `truncated` (texts,)."""

    ids: list[list[int]]
    truncated: np.ndarray


class TextTokenizer:
    """A tokenizer.json's content, cutting texts to `max_length` tokens.

    Raises BundleError when it can't be used, ConfigError when so few tokens hold no text.
    """

    def __init__(self, content: str, *, max_length: int, where: str) -> None:
        self._where = where
        try:
            self._tokenizer = Tokenizer.from_str(content)
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_length=max_length)
        except Exception as error:  # the library raises bare Exceptions
            raise BundleError(f"{where}: its tokenizer.json can't be used ({excerpt(error, 160)})") from None
        least = self._tokenizer.num_special_tokens_to_add(False) + 1
        if max_length < least:  # the library would then cut nothing at all
            raise ConfigError(f"{where}: can't cut texts to {max_length} tokens; {least} is the least")

    @property
    def added_tokens(self) -> list[str]:
        """The tokens that are found in a text as they are: special ones, and those added to the vocabulary."""
        return [token.content for token in self._tokenizer.get_added_tokens_decoder().values()]

    @property
    def largest_id(self) -> int:
        """The largest id that it may give a token."""
        return max(self._tokenizer.get_vocab().values())

    def tokenize(self, texts: Sequence[str]) -> Tokens:
        """Token ids of texts that are normalised already (`data.texts.normalise`), cut to `max_length` tokens.

        They are those of the whole text, for texts of up to `LONGEST_TEXT` letters; longer ones count as truncated.
        """
        ids: list[list[int]] = []
        truncated: list[bool] = []
        for start in range(0, len(texts), GROUP):
            group = texts[start : start + GROUP]
            with self._refusing():
                encoded = self._tokenizer.encode_batch_fast([text[:LONGEST_TEXT] for text in group])
            ids += [encoding.ids for encoding in encoded]
            truncated += [
                bool(encoding.overflowing) or len(text) > LONGEST_TEXT
                for encoding, text in zip(encoded, group, strict=True)
            ]
        return Tokens(ids=ids, truncated=np.array(truncated, dtype=bool))

    def looked_at(self, text: str) -> tuple[int, int] | None:
        """Begin and end of what is looked at of a normalised text that is cut; None of one that is looked at whole."""
        with self._refusing():
            encoding = self._tokenizer.encode(text[:LONGEST_TEXT])
        if not encoding.overflowing and len(text) <= LONGEST_TEXT:
            return None
        return span_of(encoding.offsets)

    @contextlib.contextmanager
    def _refusing(self) -> Iterator[None]:
        """What only a text brings to light, such as no token for unknown words, is a BundleError too."""
        try:
            yield
        except BaseException as error:  # the library raises bare Exceptions, and where Rust panics what is none
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise BundleError(f"{self._where}: its tokenizer.json can't be used ({excerpt(error, 160)})") from None


def span_of(offsets: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """From where the first of a text's tokens begins to where the last ends; special tokens stand nowhere: (0, 0)."""
    real = [(begin, end) for begin, end in offsets if begin < end]
    return min((begin for begin, _ in real), default=0), max((end for _, end in real), default=0)
