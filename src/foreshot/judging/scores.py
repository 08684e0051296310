"""Scores of a model against stored ones, from arrays alone: how far apart, how well calibrated, what is flagged."""

from collections.abc import Mapping, Sequence

import numpy as np

from foreshot.judging.agreement import score_agreement
from foreshot.judging.statistics import compared_scores
from foreshot.results.decisions import Decision, LabelDecisions, ReliabilityBin
from foreshot.results.scores import ScoreComparison, ScoreDisagreement, ScoreResult

BINS = 10
WORST = 10
"""Disagreements that are kept, each way."""


def score_results(
    new: np.ndarray,
    stored: np.ndarray,
    flagged: np.ndarray,
    *,
    decisions: LabelDecisions,
    thresholds: Sequence[tuple[float, ...]],
    texts: Sequence[str],
    rows: Sequence[int],
) -> list[ScoreResult]:
    """One result for each output. `new`, `stored` and `flagged`, what the model decides, are (rows, outputs).

    A gap in `stored` is NaN; `thresholds` are those in use with each output.
    """
    found = []
    for index, (name, decision) in enumerate(decisions.by_label.items()):
        known = np.flatnonzero(~np.isnan(stored[:, index]))
        if not len(known):
            continue
        model, reference = new[known, index], stored[known, index]
        bins = calibration_bins(model, reference)
        chosen = known.tolist()
        higher, lower = disagreements(model, reference, [texts[row] for row in chosen], [rows[row] for row in chosen])
        found.append(
            ScoreResult(
                name=name,
                rows=len(known),
                mean_absolute_error=float(np.abs(model - reference).mean()),
                shift=float((model - reference).mean()),
                calibration_error=sum(one.rows * abs(one.confidence - one.accuracy) for one in bins) / len(known),
                calibration_bins=bins,
                agreement=score_agreement(
                    reference,
                    model,
                    flagged[known, index].astype(bool),
                    own_threshold=_lowest(decision),
                    thresholds=tuple(sorted(set(thresholds[index]))),
                ),
                higher=higher,
                lower=lower,
            )
        )
    return found


def calibration_bins(new: np.ndarray, stored: np.ndarray) -> list[ReliabilityBin]:
    """Tenths of the new score (rows,): how many rows, and the means of new and stored scores in each.

    A tenth without rows has its middle as mean of the new score, and 0 as that of the stored ones.
    """
    edges = np.linspace(0, 1, BINS + 1)
    number = np.digitize(new, edges[1:-1], right=True)
    rows = np.bincount(number, minlength=BINS)
    sums = (np.bincount(number, weights=values, minlength=BINS) for values in (new, stored))
    means_new, means_stored = (total / np.maximum(rows, 1) for total in sums)
    return [
        ReliabilityBin(rows=int(count), confidence=float(mean if count else middle), accuracy=float(of_stored))
        for count, mean, middle, of_stored in zip(
            rows, means_new, (edges[:-1] + edges[1:]) / 2, means_stored, strict=True
        )
    ]


def disagreements(
    new: np.ndarray, stored: np.ndarray, texts: Sequence[str], rows: Sequence[int]
) -> tuple[list[ScoreDisagreement], list[ScoreDisagreement]]:
    """The rows that are scored most above what is stored, and most below; scores (rows,)."""
    difference = new - stored

    def listed(order: np.ndarray) -> list[ScoreDisagreement]:
        return [
            ScoreDisagreement(row=rows[at], text=texts[at], stored=float(stored[at]), new=float(new[at]))
            for at in order[:WORST].tolist()
        ]

    rising = np.argsort(difference, kind="stable")
    return listed(rising[::-1][: int((difference > 0).sum())]), listed(rising[: int((difference < 0).sum())])


def score_comparisons(
    new: Mapping[str, np.ndarray], stored: np.ndarray, names: Sequence[str], *, teacher: str
) -> list[ScoreComparison]:
    """Every model's mean absolute error and shift, output by output, and how they differ from the teacher's.

    `new[model]` has shape (seeds, rows, outputs), `stored` (rows, outputs), NaN for a gap. A paired
    bootstrap over rows.
    """
    found = []
    for index, name in enumerate(names):
        known = ~np.isnan(stored[:, index])
        columns = {}
        for model, of_model in new.items():
            difference = of_model[:, known, index] - stored[known, index]
            columns[model] = np.stack([np.abs(difference), difference], axis=-1)
        if known.any():
            models = compared_scores(columns, lambda means: means, teacher=teacher)
            found.append(ScoreComparison(name=name, models=models))
    return found


def _lowest(decision: Decision) -> float | None:
    return decision.threshold if decision.review_threshold is None else decision.review_threshold
