"""Texts to token ids, and rows to batches: the same batches, in the same order, for every model of a seed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from foreshot.models.token_store import JoinedTokens, ReplacedTokens, StoredTokens, Tokens

POOL = 50
"""Batches whose rows are sorted by length together: enough that padding is rare, few enough that order is random."""
TOKENISED_AT_ONCE = 4096
"""Texts."""


@dataclass(frozen=True, kw_only=True)
class EncodedRows:
    """Tokenised texts: `ids[i]` holds the token ids of row i, truncated and without padding."""

    ids: Tokens
    tokenizer: PreTrainedTokenizerBase

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, shape (rows,)."""
        if isinstance(self.ids, StoredTokens | JoinedTokens | ReplacedTokens):
            return self.ids.lengths
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    @cached_property
    def occurring(self) -> np.ndarray:
        """The token ids that occur in any row, ascending: (ids,)."""
        if isinstance(self.ids, StoredTokens | JoinedTokens | ReplacedTokens):
            return self.ids.occurring
        return np.array(sorted(set[int]().union(*self.ids)), dtype=np.int64)

    def between(self, begin: int, end: int) -> "EncodedRows":
        """The rows from `begin` to before `end`, in memory."""
        return EncodedRows(ids=[self.ids[row] for row in range(begin, min(end, len(self)))], tokenizer=self.tokenizer)

    def followed_by(self, others: "EncodedRows") -> "EncodedRows":
        """These rows, then others, tokenised alike; none of them is copied."""
        return EncodedRows(ids=JoinedTokens(self, others), tokenizer=self.tokenizer)


def encode(texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, max_length: int) -> EncodedRows:
    """Tokenise texts, each cut to at most `max_length` tokens; some at a time, since a tokenizer tells much of each."""
    ids: list[list[int]] = []
    for begin in range(0, len(texts), TOKENISED_AT_ONCE):
        encoding = tokenizer(
            list(texts[begin : begin + TOKENISED_AT_ONCE]),
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=False,
        )
        ids += encoding["input_ids"]
    return EncodedRows(ids=ids, tokenizer=tokenizer)


def length_grouped_batches(lengths: np.ndarray, batch_size: int, rng: np.random.Generator) -> list[np.ndarray]:
    """One epoch's batches of row numbers: shuffled rows, sorted by length within pools of `POOL` batches.

    Every row occurs once; the order of the batches is shuffled. `lengths` has shape (rows,); only the last
    rows of a pool can make a batch smaller than `batch_size`, and only in the last pool.
    """
    order = rng.permutation(len(lengths))
    pool = batch_size * POOL
    batches = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(lengths[rows], kind="stable")]
        batches += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [batches[index] for index in rng.permutation(len(batches))]


def mixed_batches(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator, *, labelled: int, unlabelled_share: float
) -> Iterator[list[np.ndarray]]:
    """Epochs of batches, without end, of which a share is rows that have no label.

    `lengths` (rows,) are those of the `labelled` rows, then of the others. Every batch has the same number of either
    (at least one labelled row), the labelled ones first; an epoch has as many batches as of the labelled rows alone.
    Rows come in shuffled rounds, so that none comes again before all others did; of neighbouring batches both kinds are
    sorted by length, as in `length_grouped_batches`.
    """
    without_label = rows_without_label(batch_size, unlabelled_share)
    kinds = (Rounds(0, labelled, rng), batch_size - without_label), (Rounds(labelled, len(lengths), rng), without_label)
    while True:
        yield mixed_epoch(lengths, kinds, -(-labelled // batch_size), rng)


def mixed_epoch(
    lengths: np.ndarray, kinds: Sequence[tuple["Taken", int]], steps: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """One epoch of `steps` batches, each with so many rows of each kind; see `mixed_batches`."""
    batches: list[np.ndarray] = []
    for start in range(0, steps, POOL):
        pool = min(POOL, steps - start)
        of_each = []
        for kind, count in kinds:
            rows = kind.take(pool * count)
            of_each.append(rows[np.argsort(lengths[rows], kind="stable")].reshape(pool, count))
        batches += list(np.concatenate(of_each, axis=1))
    return [batches[index] for index in rng.permutation(len(batches))]


def rows_without_label(batch_size: int, unlabelled_share: float) -> int:
    """How many rows of a batch have no label: all but one at most."""
    return min(round(batch_size * unlabelled_share), batch_size - 1)


class Taken(Protocol):
    """Row numbers, as many as are asked for."""

    def take(self, count: int) -> np.ndarray:
        """The next ones, (count,)."""


class Rounds:
    """Numbers from `first` to before `end`, shuffled anew in each round, which begins when its first one is taken.

    Those of `ahead` (numbers,), counted from `first`, come first in each round, in their order.
    """

    def __init__(self, first: int, end: int, rng: np.random.Generator, *, ahead: np.ndarray | None = None) -> None:
        self._first, self._count, self._rng, self._ahead = first, end - first, rng, ahead
        self._left = np.empty(0, dtype=np.int64)

    def take(self, count: int) -> np.ndarray:
        """The next ones, (count,)."""
        taken: list[np.ndarray] = [self._left[:0]]
        while count:
            if not len(self._left):
                self._left = self._begun()
            taken.append(self._left[:count] + self._first)
            self._left = self._left[count:]
            count -= len(taken[-1])
        return np.concatenate(taken)

    def _begun(self) -> np.ndarray:
        """All of a new round."""
        shuffled = self._rng.permutation(self._count)
        if self._ahead is None:
            return shuffled
        return np.concatenate([self._ahead, shuffled[~np.isin(shuffled, self._ahead)]])


def fixed_batches(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """Batches of row numbers for evaluation: all rows, longest first, so that a lack of memory shows at once."""
    order = np.argsort(-lengths, kind="stable")
    return [order[at : at + batch_size] for at in range(0, len(order), batch_size)]


def collate(encoded: EncodedRows, rows: np.ndarray) -> dict[str, torch.Tensor]:
    """The model's inputs for these rows, padded at their ends to the longest: int64 tensors of shape (batch, tokens).

    At their ends whatever the tokenizer's settings say: positions are counted from the first token.
    """
    ids = [torch.from_numpy(np.array(encoded.ids[row], dtype=np.int64)) for row in rows]
    padding = float(encoded.tokenizer.pad_token_id)
    return {
        "input_ids": pad_sequence(ids, batch_first=True, padding_value=padding),
        "attention_mask": pad_sequence([torch.ones_like(of_row) for of_row in ids], batch_first=True),
    }


def moved(tensors: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    """The same tensors on a device: all of a batch go there this way; those that are there already stay as they are.

    To a GPU they go through memory that is locked in place, beside what the GPU is computing meanwhile.
    """
    if device.type != "cuda":
        return {name: tensor.to(device) for name, tensor in tensors.items()}
    return {
        name: (tensor.pin_memory() if tensor.device.type == "cpu" else tensor).to(device, non_blocking=True)
        for name, tensor in tensors.items()
    }
