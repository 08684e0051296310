"""How near a model's scores come to stored ones: correlation, distance, calibration, and what is flagged."""

from foreshot.results.base import Estimate, Facts
from foreshot.results.decisions import ReliabilityBin
from foreshot.results.identity import ComparedScore


class FlagAgreement(Facts):
    """What is flagged now against what was flagged before, on the same rows.

    `threshold` is the present one, None where the likeliest class decides. All others are shares of all rows, but for
    Cohen's `kappa` (Cohen 1960), which is None where both flag every row, or none.
    """

    threshold: float | None
    flagged: Estimate
    equal: Estimate
    newly_flagged: Estimate
    no_longer_flagged: Estimate
    kappa: Estimate | None


class AtThreshold(Facts):
    """What was flagged with the stored scores from `threshold` up, and what is with new ones.

    `own` is by the model's decision, `same` by the same number, `kept` by the number at which the share flagged comes
    nearest to what it was; `kept_threshold` is that number with its interval. Both are None where no row or every row
    was flagged: then there is no rate to keep.
    """

    threshold: float
    flagged: Estimate
    own: FlagAgreement
    same: FlagAgreement
    kept: FlagAgreement | None
    kept_threshold: Estimate | None


class ScoreAgreement(Facts):
    """Two scores of the same rows: their correlations, None where one of them is constant, and some thresholds."""

    spearman: Estimate | None
    pearson: Estimate | None
    thresholds: list[AtThreshold]


class ScoreDisagreement(Facts):
    """A test row whose two scores differ most; `row` is where it stands in its source."""

    row: int
    text: str
    stored: float
    new: float


class ScoreResult(Facts):
    """How near one output of a model comes to the stored scores, on the test rows that have one.

    `shift` is the mean of new minus stored. Of `calibration_bins`, tenths of the model's score, `confidence` is its
    mean and `accuracy` that of the stored scores; `calibration_error` is their mean distance, weighted by rows.
    `higher` and `lower` are the rows that the model scores most above and below what is stored.
    """

    name: str
    rows: int
    mean_absolute_error: float
    shift: float
    calibration_error: float
    calibration_bins: list[ReliabilityBin]
    agreement: ScoreAgreement
    higher: list[ScoreDisagreement]
    lower: list[ScoreDisagreement]


class ScoreComparison(Facts):
    """One output over the models: mean absolute error and shift, with intervals and changes from the teacher."""

    name: str
    models: dict[str, list[ComparedScore]]  # mean absolute error, then shift
