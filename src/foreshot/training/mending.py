"""Mending as the training loop sees it: which labelled rows an epoch has, and which of them are disguised in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from foreshot.models.batches import EncodedRows, Rounds
from foreshot.models.token_store import Ids, ReplacedTokens
from foreshot.training.seeding import derived_seed

MOST_CONTRASTS = 20_000
"""Contrast texts that a comparison draws at most; with more rows than these ask for they come again."""


def contrast_seed(first_seed: int) -> int:
    """The seed by which an experiment draws contrast texts; when it draws fewer, these are the first of more."""
    return derived_seed(first_seed, "contrasts")


@dataclass(frozen=True, kw_only=True)
class MendedEpochs:
    """What mending changes in the epochs of a training.

    The last `contrasts` of the labelled rows are contrast texts, of which each epoch has a `share` in place of other
    rows. `disguised` has for each epoch the token ids of the rows that are disguised in it, by the row's number.
    `unlabelled_first` (rows,) are the unlabelled rows, counted from 0, that come before the others in each round.
    """

    contrasts: int
    share: float
    disguised: Sequence[Mapping[int, Ids]]
    unlabelled_first: np.ndarray | None = None

    def rows_of(self, epoch: int, rows: EncodedRows) -> EncodedRows:
        """The rows as they are in an epoch, which is counted from 0."""
        if not self.disguised or not self.disguised[epoch]:
            return rows
        return EncodedRows(ids=ReplacedTokens(rows, self.disguised[epoch]), tokenizer=rows.tokenizer)

    def occurring(self, rows: EncodedRows) -> EncodedRows:
        """All rows, as they are and as they are disguised: every word that occurs in any epoch."""
        disguised = [ids for of_epoch in self.disguised for ids in of_epoch.values()]
        return rows.followed_by(EncodedRows(ids=disguised, tokenizer=rows.tokenizer)) if disguised else rows


class MixedRounds:
    """Numbers of labelled rows, the share of contrast texts among them: either in shuffled rounds, without end."""

    def __init__(self, labelled: int, mended: MendedEpochs, rng: np.random.Generator) -> None:
        border = labelled - mended.contrasts
        self._rows, self._contrasts = Rounds(0, border, rng), Rounds(border, labelled, rng)
        self._share, self._owed, self._rng = mended.share if mended.contrasts else 0.0, 0.0, rng

    def take(self, count: int) -> np.ndarray:
        """The next ones, (count,), shuffled."""
        self._owed += count * self._share
        contrasts = int(self._owed)
        self._owed -= contrasts
        taken = [self._rows.take(count - contrasts), self._contrasts.take(contrasts)]
        return self._rng.permutation(np.concatenate(taken))
