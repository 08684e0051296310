"""Token ids of rows that may be more than memory holds: in files of the run's folder, read row by row."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

import numpy as np

from foreshot.files.arrays import ArrayFile, growing_array

TOKENS_FILE, STARTS_FILE = "tokens.npy", "starts.npy"
AT_ONCE = 2**20
"""Tokens that are looked at together."""

Ids = Sequence[int] | np.ndarray
"""The token ids of one row."""


class Tokens(Protocol):
    """The token ids of each row, by its number: a list, or one of the classes below."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Ids: ...

    def __iter__(self) -> Iterator[Ids]: ...


class KnownTokens(Protocol):
    """Rows of token ids about which the rest is known."""

    @property
    def ids(self) -> Tokens:
        """Of each row."""

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,)."""

    @property
    def occurring(self) -> np.ndarray:
        """The ids that occur, ascending."""


class JoinedTokens:
    """The token ids of some rows, then of others, neither of them copied."""

    def __init__(self, first: KnownTokens, others: KnownTokens) -> None:
        self._first, self._others, self._border = first, others, len(first.ids)

    def __len__(self) -> int:
        return self._border + len(self._others.ids)

    def __getitem__(self, row: int, /) -> Ids:
        return self._first.ids[row] if row < self._border else self._others.ids[row - self._border]

    def __iter__(self) -> Iterator[Ids]:
        return chain(self._first.ids, self._others.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,)."""
        return np.concatenate([self._first.lengths, self._others.lengths])

    @property
    def occurring(self) -> np.ndarray:
        """The ids that occur, ascending."""
        return np.union1d(self._first.occurring, self._others.occurring)


class ReplacedTokens:
    """The token ids of rows, some of them replaced, by the row's number; nothing is copied."""

    def __init__(self, rows: KnownTokens, replaced: Mapping[int, Ids]) -> None:
        self._rows, self._replaced = rows, replaced

    def __len__(self) -> int:
        return len(self._rows.ids)

    def __getitem__(self, row: int, /) -> Ids:
        found = self._replaced.get(int(row))
        return self._rows.ids[row] if found is None else found

    def __iter__(self) -> Iterator[Ids]:
        return (self[row] for row in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,)."""
        lengths = self._rows.lengths.copy()
        for row, ids in self._replaced.items():
            lengths[row] = len(ids)
        return lengths

    @property
    def occurring(self) -> np.ndarray:
        """The ids that occur, ascending; those of what was replaced among them."""
        return np.union1d(self._rows.occurring, np.unique(list(chain.from_iterable(self._replaced.values()))))


class StoredTokens:
    """The token ids that `write_tokens` wrote into a folder: in memory are 8 bytes a row, where it begins.

    Raises RunFolderError where a file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._tokens = ArrayFile(folder / TOKENS_FILE)
        starts = ArrayFile(folder / STARTS_FILE)
        self._starts = starts.span(0, len(starts))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, row: int, /) -> np.ndarray:
        return self._tokens.span(int(self._starts[row]), int(self._starts[row + 1]))

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, (rows,)."""
        return np.diff(self._starts)

    @property
    def occurring(self) -> np.ndarray:
        """The ids that occur, ascending."""
        found = np.zeros(0, dtype=bool)
        for tokens in self._tokens.windows(AT_ONCE):
            found = np.pad(found, (0, max(0, int(tokens.max()) + 1 - len(found))))
            found[tokens] = True
        return np.flatnonzero(found)


def write_tokens(windows: Iterable[Tokens], folder: Path, *, vocabulary: int) -> None:
    """Write the token ids of rows, which come in windows, as `StoredTokens` reads them; all are below `vocabulary`.

    Raises OSError where there is no room.
    """
    kind, end = np.min_scalar_type(vocabulary - 1), 0
    with (
        growing_array(folder / TOKENS_FILE, dtype=kind) as add_tokens,
        growing_array(folder / STARTS_FILE, dtype=np.int64) as add_starts,
    ):
        add_starts(np.array([0]))
        for rows in windows:
            ends = end + np.cumsum([len(ids) for ids in rows], dtype=np.int64)
            add_tokens(np.fromiter(chain.from_iterable(rows), dtype=kind))
            add_starts(ends)
            end = int(ends[-1])
