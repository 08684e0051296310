"""Identity bias: how well scores rank texts that mention a group, alone and against texts that don't.

Borkan, Dixon, Sorensen, Thain and Vasserman 2019, "Nuanced Metrics for Measuring Unintended Bias with Real Data for
Text Classification", arXiv:1903.04561. An AUC is the chance that a positive row scores above a negative one, a tie
counting half. For a group, its *subgroup* is all rows that mention it and its *background* all rows that don't,
whatever else they mention (equations 1 to 3 of the paper):

- "subgroup": positive against negative rows of the subgroup;
- "bpsn": background positive, subgroup negative. Low: benign rows that mention the group score above toxic ones that
  don't, which become false positives;
- "bnsp": background negative, subgroup positive. Low: toxic rows that mention the group score below benign ones that
  don't, which become false negatives.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from foreshot.judging.bootstrap import draws, enough_resamples, interval, rounded, times_drawn
from foreshot.judging.statistics import holm, over_seeds
from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore, IdentityBias, IdentityGroup, ModelBias

AUCS = ("subgroup", "bpsn", "bnsp")
POWER = -5.0
"""Of the mean over groups: the worst group weighs most. This, and the final number, are those of the competition Jigsaw
Unintended Bias in Toxicity Classification (Kaggle 2019)."""
LEAST_ROWS = 10
"""Rows that each side of an AUC must have."""


def bias_aucs(scores: np.ndarray, positive: np.ndarray, mentions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The AUC of all rows, then the three AUCS of every group: (1 + 3 × groups, resamples); NaN where a side is empty.

    `scores` and `positive` have shape (rows,), `mentions` (groups, rows) and `weights` (rows, resamples): how often
    each row counts. By ranks (Mann and Whitney 1947), and exact for whole weights.
    """
    above, below = (_Side.of(chosen, scores, mentions, weights) for chosen in (positive, ~positive))
    group_over_all = above.members @ (above.weights * below.weight_under(above.scores))
    all_over_group = below.members @ (below.weights * above.weight_over(below.scores))
    within = np.stack([_wins(above.of_group(index), below.of_group(index)) for index in range(len(mentions))])
    all_above, all_below = above.weights.sum(axis=0), below.weights.sum(axis=0)
    group_above, group_below = above.members @ above.weights, below.members @ below.weights
    found = np.full((1 + len(AUCS) * len(mentions), weights.shape[1]), np.nan)
    for rows, wins, pairs in (
        (slice(0, 1), _wins(above, below)[None], (all_above * all_below)[None]),
        (slice(1, None, 3), within, group_above * group_below),
        (slice(2, None, 3), all_over_group - within, (all_above - group_above) * group_below),
        (slice(3, None, 3), group_over_all - within, group_above * (all_below - group_below)),
    ):
        np.divide(wins, pairs, out=found[rows], where=pairs > 0)
    return found


def power_mean(values: np.ndarray, power: float = POWER) -> np.ndarray:
    """The generalised mean over the last axis, (mean of values^power)^(1/power); of a 0 and a power below 0 it is 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.mean(values**power, axis=-1) ** (1 / power))


def identity_bias(
    scores: Mapping[str, np.ndarray],
    positive: np.ndarray,
    mentions: Mapping[str, np.ndarray],
    *,
    teacher: str,
    source: str,
    seed: int = 0,
) -> IdentityBias:
    """The AUCs of every model and group with 95 % intervals, their means, and every student minus the teacher.

    `scores[model]` has shape (seeds, rows), of the positive class; `positive` (rows,) and `mentions[group]` (rows,)
    are truth values. Each number is computed for each seed and then averaged. Intervals come from a paired percentile
    bootstrap over rows, drawn once for all models and seeds (Efron and Tibshirani 1993, chapters 13 and 16); changes
    know the chance of seeds, too (`statistics.over_seeds`). Draws that leave a side of an AUC empty don't count for it.
    AUCs with fewer than LEAST_ROWS rows on either side are not known.
    """
    groups = [_group(name, mentioned, positive) for name, mentioned in mentions.items()]
    numbers = _Numbers.of(groups)
    masks = np.array(list(mentions.values()))
    everything = np.ones((len(positive), 1))
    by_seed = {model: numbers.by_seed(found, positive, masks, everything)[:, 0] for model, found in scores.items()}
    observed = {model: of_seeds.mean(axis=0) for model, of_seeds in by_seed.items()}
    drawn: dict[str, list[np.ndarray]] = {model: [] for model in scores}
    resamples = enough_resamples(len(numbers.names))
    for weights in _draws(len(positive), resamples, seed):
        for model, found in scores.items():
            drawn[model].append(numbers.by_seed(found, positive, masks, weights).mean(axis=0))
    resampled = {model: np.concatenate(batches) for model, batches in drawn.items()}
    models = []
    for model in scores:
        values = [interval(*column) for column in zip(observed[model], resampled[model].T, strict=True)]
        changes: list[tuple[Estimate, float]] = []
        if model != teacher:
            differences = rounded(observed[model] - observed[teacher]), rounded(resampled[model] - resampled[teacher])
            changes = [
                over_seeds(
                    interval(value, of_number), of_number, [of[:, number] for of in (by_seed[model], by_seed[teacher])]
                )
                for number, (value, of_number) in enumerate(zip(differences[0], differences[1].T, strict=True))
            ]
        models.append(numbers.facts(model, values, changes))
    return IdentityBias(source=source, groups=groups, models=models)


@dataclass(frozen=True)
class _Numbers:
    """The numbers that are known of every model: the overall AUC, those of groups, means over groups, the final one.

    `names` are pairs of a group (None: over all of them) and an AUC; `columns` has the known ones of `bias_aucs`.
    """

    names: list[tuple[str | None, str]]
    columns: list[int]

    @classmethod
    def of(cls, groups: list[IdentityGroup]) -> "_Numbers":
        """All that enough rows are there for; the final one where each of the means is known."""
        all_names = [(None, "overall"), *((group.name, auc) for group in groups for auc in AUCS)]
        too_few = {(group.name, auc) for group in groups for auc in group.too_few}
        columns = [index for index, name in enumerate(all_names) if name not in too_few]
        names: list[tuple[str | None, str]] = [all_names[index] for index in columns]
        means = [auc for auc in AUCS if any(name[1] == auc for name in names)]
        final = ["final"] if len(means) == len(AUCS) else []
        return cls([*names, *((None, name) for name in (*means, *final))], columns)

    def by_seed(
        self, scores: np.ndarray, positive: np.ndarray, mentions: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        """The numbers (seeds, resamples, names) of one model's scores (seeds, rows)."""
        found = []
        for of_seed in scores:
            aucs = bias_aucs(of_seed, positive, mentions, weights).T[:, self.columns]
            known = self.names[: len(self.columns)]
            means = [
                power_mean(aucs[:, [index for index, name in enumerate(known) if name[0] and name[1] == auc]])
                for group, auc in self.names[len(self.columns) :]
                if auc in AUCS
            ]
            final = [(aucs[:, 0] + sum(means)) / (1 + len(AUCS))] if len(means) == len(AUCS) else []
            found.append(np.column_stack([aucs, *means, *final]))
        return np.stack(found)

    def facts(self, model: str, values: list[Estimate], changes: list[tuple[Estimate, float]]) -> ModelBias:
        """The model's numbers by name, with changes from the teacher where it isn't the teacher."""
        scores = {name: ComparedScore(value=value) for name, value in zip(self.names, values, strict=True)}
        if changes:
            adjusted = holm([p_value for _, p_value in changes])
            for (name, score), (change, _), p_value in zip(list(scores.items()), changes, adjusted, strict=True):
                scores[name] = score.model_copy(update={"minus_teacher": change, "adjusted_p": p_value})
        by_group: dict[str, dict[str, ComparedScore]] = {}
        for (group, auc), score in scores.items():
            if group is not None:
                by_group.setdefault(group, {})[auc] = score
        return ModelBias(
            model=model,
            overall=scores[None, "overall"],
            groups=by_group,
            means={auc: scores[None, auc] for auc in AUCS if (None, auc) in scores},
            final=scores.get((None, "final")),
        )


def _group(name: str, mentioned: np.ndarray, positive: np.ndarray) -> IdentityGroup:
    counts = {
        (is_mentioned, is_positive): int(((mentioned == is_mentioned) & (positive == is_positive)).sum())
        for is_mentioned in (True, False)
        for is_positive in (True, False)
    }
    sides = {
        "subgroup": ((True, True), (True, False)),
        "bpsn": ((False, True), (True, False)),
        "bnsp": ((False, False), (True, True)),
    }
    too_few = {}
    for auc, needed in sides.items():
        lacking = [side for side in needed if counts[side] < LEAST_ROWS]
        if lacking:
            too_few[auc] = [
                f"{counts[is_mentioned, is_positive]} {'positive' if is_positive else 'negative'} "
                f"{'mentioning it' if is_mentioned else 'not mentioning it'}"
                for is_mentioned, is_positive in lacking
            ]
    return IdentityGroup(name=name, positive=counts[True, True], negative=counts[True, False], too_few=too_few)


def _draws(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row is drawn, (rows, resamples of a batch), batch by batch."""
    for drawn in draws(rows, resamples, seed):
        yield times_drawn(drawn.reshape(rows, -1).T).T  # dealt row by row


@dataclass(frozen=True)
class _Side:
    """One side of an AUC's pairs: scores (rows,), rising, weights (rows, resamples), members (groups, rows) 0 and 1."""

    scores: np.ndarray
    weights: np.ndarray
    members: np.ndarray

    @classmethod
    def of(cls, chosen: np.ndarray, scores: np.ndarray, mentions: np.ndarray, weights: np.ndarray) -> "_Side":
        """The chosen rows (rows,) in the order of their scores."""
        order = np.flatnonzero(chosen)
        order = order[np.argsort(scores[order])]
        return cls(scores[order], weights[order], mentions[:, order].astype(float))

    def of_group(self, index: int) -> "_Side":
        """The rows that mention a group."""
        rows = np.flatnonzero(self.members[index])
        return _Side(self.scores[rows], self.weights[rows], self.members[:, rows])

    def weight_under(self, scores: np.ndarray) -> np.ndarray:
        """What weighs less than each of these scores, ties half: (scores, resamples)."""
        summed = np.zeros((len(self.weights) + 1, self.weights.shape[1]))
        np.cumsum(self.weights, axis=0, out=summed[1:])
        first, last = (np.searchsorted(self.scores, scores, side=side) for side in ("left", "right"))
        if np.array_equal(first, last):
            return summed[first]
        return (summed[first] + summed[last]) / 2

    def weight_over(self, scores: np.ndarray) -> np.ndarray:
        """What weighs more than each of these scores, ties half: (scores, resamples)."""
        return np.asarray(self.weights.sum(axis=0) - self.weight_under(scores))


def _wins(above: _Side, below: _Side) -> np.ndarray:
    """The weight of the pairs in which the row above has the higher score, ties half: (resamples,)."""
    return np.einsum("ij,ij->j", above.weights, below.weight_under(above.scores))
