"""How logits become decisions, and how well their probabilities are calibrated."""

from foreshot.results.base import Facts


class Decision(Facts):
    """How a model's logits become decisions, fitted on validation rows; it travels with the model.

    Logits are divided by `temperature` and made probabilities. `threshold` is the least probability of the
    positive class that counts as positive (None: the likeliest class is taken); from `review_threshold` up to it
    a person looks (None: nobody does). `met` is False where no threshold keeps the policy's promise on the
    validation rows; then the one that comes nearest is taken.
    """

    policy: str
    temperature: float = 1.0
    threshold: float | None = None
    review_threshold: float | None = None
    met: bool = True

    @property
    def of_judged(self) -> "Decision":
        """What behaviour is judged by: this."""
        return self


class LabelDecisions(Facts):
    """How a multi-label model decides: each label by itself, from the sigmoid of its own logit.

    `by_label` stands in the order of the logits. `judged` is the label that suites, probes and verdicts look at.
    """

    judged: str
    by_label: dict[str, Decision]

    @property
    def judged_index(self) -> int:
        """The number of the judged label's logit."""
        return list(self.by_label).index(self.judged)

    @property
    def of_judged(self) -> Decision:
        """What behaviour is judged by: the judged label's."""
        return self.by_label[self.judged]


class ReliabilityBin(Facts):
    """Rows whose confidence lies in one tenth: how many, their mean confidence and how often they were right."""

    rows: int
    confidence: float
    accuracy: float


class Calibration(Facts):
    """How far scores can be read as probabilities, on the test rows (`judging.calibration.calibration`)."""

    expected_calibration_error: float
    brier: float
    bins: list[ReliabilityBin]


class PolicyResult(Facts):
    """One policy's thresholds, fitted on validation rows, and what they do on the test rows (shares of 0 to 1)."""

    decision: Decision
    macro_f1: float
    precision: float
    recall: float
    false_positive_rate: float
    review_share: float
