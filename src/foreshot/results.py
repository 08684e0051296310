"""Results: every number of the report, as `results.json` holds it.

All that depends on the clock or the machine's load stands in `Results.timing` and `Results.made`; the rest is
equal when the same experiment is run again on the same machine.
"""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

FORMAT_VERSION = 2
LOSS_PARTS = ("objective", "classification", "divergence", "cosine")


class Facts(BaseModel):
    """A frozen group of findings that refuses names it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PartFacts(Facts):
    """One part of the split: where it came from, how many rows, how many of each class."""

    source: str
    rows: int
    class_counts: dict[str, int]


class DataFacts(Facts):
    """What was trained and tested on, and what was left out of it."""

    synthetic: bool
    text_column: str
    label_column: str
    classes: list[str]
    positive: str | None
    normalisation: str
    parts: dict[str, PartFacts]
    duplicates_removed: dict[str, int]
    label_conflicts: int
    skipped_rows: int
    announcements: list[str]
    fingerprint: str


class EncoderFacts(Facts):
    """The encoder that the comparison starts from."""

    name: str
    architecture: str
    layers: int
    hidden_size: int
    fingerprint: str


class Loss(Facts):
    """A value for the objective as optimised and for each of its parts; None where the recipe has no such part."""

    objective: float
    classification: float
    divergence: float | None = None
    cosine: float | None = None


class CurvePoint(Facts):
    """Training losses averaged over the steps that end with `step` (counted from 1)."""

    step: int
    loss: Loss


class TrainingFacts(Facts):
    """How a model was trained, and how its losses went; `matched` is False when its learning rate was its own."""

    rows: int
    epochs: int
    steps: int
    batch_size: int
    learning_rate: float
    matched: bool
    final: Loss  # mean over the steps of the last epoch
    epoch_means: list[Loss]
    steadiness: Loss  # standard deviation over the last third of the steps
    curve: list[CurvePoint]


class ClassMetrics(Facts):
    """Precision, recall and F1 of one class on the test rows; `support` counts its rows."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class TestMetrics(Facts):
    """How a model does on the test rows. AUROC and average precision are None where the test can't give them."""

    __test__ = False  # not a pytest class

    cross_entropy: float
    accuracy: float
    macro_f1: float
    mcc: float
    auroc: float | None
    average_precision: float | None
    classes: list[ClassMetrics]
    confusion_matrix: list[list[int]]  # [true class][predicted class], rows


class Cost(Facts):
    """What a model takes to keep and to train; the size is of its weights as saved, adapters merged."""

    layers: int
    parameters: int
    trained_parameters: int
    size_on_disk: int  # bytes


class ProbeAnswer(Facts):
    """A model's answer to one probe: `score` is P(positive class), or of the predicted class where none is positive."""

    predicted: str
    score: float


class Estimate(Facts):
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


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


class ModelResult(Facts):
    """All that was found about one model and seed. `recipe` is None for the teacher."""

    model: str
    seed: int
    recipe: dict[str, str | list[int] | float | None] | None
    layer_map: list[int]  # the encoder's layers that the model keeps, counted from 1
    training: TrainingFacts | None  # None for a teacher that was given
    train_cross_entropy: float
    test: TestMetrics
    cost: Cost
    probes: list[ProbeAnswer]
    decision: Decision
    calibration: Calibration
    calibration_after_scaling: Calibration
    policies: list[PolicyResult]  # none where no class is positive
    folder: str  # inside the run's folder
    fingerprint: str


class Timing(Facts):
    """What the clock said while one model was trained and tested: seconds, rows a second, MiB."""

    model: str
    seed: int
    training_seconds: float | None
    training_cpu_seconds: float | None
    training_rows_per_second: float | None
    test_rows_per_second: float
    peak_memory: float | None


class Spread(Facts):
    """One number over the seeds of a model; for one seed `deviation` and the mean's interval are None.

    `deviation` is the sample standard deviation, `low` and `high` Student's 95 % interval of the mean.
    """

    mean: float
    deviation: float | None
    low: float | None = None
    high: float | None = None
    minimum: float
    maximum: float


class Summary(Facts):
    """One model over its seeds: for each name of `judging.summary.SUMMED_UP`, its spread."""

    model: str
    seeds: list[int]
    spreads: dict[str, Spread]


class Probe(Facts):
    """A text that every model is asked about; `label` is the class it must get, if it has one."""

    text: str
    label: str | None
    note: str | None = None


class Case(Facts):
    """A behavioural test case; `label` is the class that the text must get.

    `pair` names a toxic case and its benign twin; cases of one `template` differ by a slot's filler alone, so
    they are one unit where intervals are computed; `group` is whom the text is about.
    """

    text: str
    label: str
    functionality: str
    group: str | None = None
    pair: str | None = None
    template: str | None = None
    note: str | None = None


class SuiteFacts(Facts):
    """The suite that every model answered."""

    name: str
    cases: int
    class_counts: dict[str, int]
    pairs: int
    fingerprint: str


class CellResult(Facts):
    """Cases of one kind, what share of them a model gets right (mean over seeds), and the change from the teacher.

    `name` is a functionality or a group; the interval of `accuracy` is Wilson's for this number of cases, that of
    `minus_teacher` a paired bootstrap's. `minus_teacher` is None for the teacher.
    """

    name: str
    label: str
    cases: int
    accuracy: Estimate
    minus_teacher: Estimate | None = None


class EvasionResult(Facts):
    """Toxic test rows that a model flags, rewritten by one perturbation: what share of them escapes (over seeds)."""

    perturbation: str
    rows: int
    escaped: Estimate


class SuiteResult(Facts):
    """What one model does on the suite, over its seeds. `by_label` has a class's accuracy under its name."""

    model: str
    accuracy: Estimate
    by_label: dict[str, Estimate]
    functionalities: list[CellResult]
    groups: list[CellResult]
    pairs_right: Estimate | None  # share of contrast pairs with both cases right


class Comparison(Facts):
    """`first` minus `second` in one measure, by a paired bootstrap; the outcome is `first`'s.

    `measure` is one of `judging.verdict.MEASURES`. `adjusted_p` is Holm's over all pairs of that measure.
    `mcnemar_p` is there for models of one seed.
    """

    first: str
    second: str
    measure: str
    difference: Estimate
    p_value: float
    adjusted_p: float
    outcome: Literal["better", "worse", "not distinguishable"]
    mcnemar_p: float | None = None


class Flip(Facts):
    """A text on which a student decides otherwise than the teacher; scores are P(positive class), else P(label).

    `harm` ranks kinds: "newly missed" (a toxic text), "newly flagged" (a benign one), then the changes for the
    better, "newly caught" and "newly cleared"; without a positive class "newly wrong", "newly right", "changed".
    """

    model: str
    kind: str
    part: Literal["test", "suite", "probes"]
    row: int
    label: str
    text: str
    teacher_score: float
    student_score: float  # mean over the seeds
    seeds_flipped: int
    seeds: int


class Requirement(Facts):
    """One thing that the verdict asks of a student: what, whether it holds, and why, in words."""

    name: str
    state: Literal["holds", "fails", "can't tell"]
    reason: str


class StudentVerdict(Facts):
    """What the comparison concludes about one student."""

    model: str
    kind: Literal["recommended", "acceptable", "not recommended", "conflict", "inconclusive"]
    reasons: list[str]
    requirements: list[Requirement]


class Verdict(Facts):
    """What the comparison concludes: the student to ship, if any, and every student's verdict."""

    kind: Literal["recommended", "not recommended", "conflict", "inconclusive"]
    headline: str
    recommended: str | None
    students: list[StudentVerdict]
    margins: dict[str, float]


class Trial(Facts):
    """One learning rate that was tried for a recipe, and the validation macro-F1 that it gave."""

    recipe: str
    learning_rate: float
    validation_macro_f1: float
    validation_cross_entropy: float | None  # None where training blew up
    best: bool


class Conditions(Facts):
    """What was the same for every model of the comparison."""

    seeds: list[int]
    epochs: int
    batch_size: int
    max_length: int
    learning_rate: float
    steps: int
    optimizer: str
    temperature: float
    loss_weights: dict[str, float]
    cosine_on: str
    lora_rank: int
    lora_alpha: int
    lora_dropout: float


class Made(Facts):
    """Where and when the results were made: versions and machine, as environment.json has them."""

    at: str
    seconds: float
    environment: dict[str, object]


class Results(Facts):
    """Every number of a finished run, with what is needed to make it again."""

    format_version: Literal[2] = FORMAT_VERSION  # type: ignore[assignment]
    name: str
    command: str
    conditions: Conditions
    data: DataFacts
    encoder: EncoderFacts
    models: list[ModelResult]
    summaries: list[Summary]
    probes: list[Probe]
    suite: SuiteFacts | None
    suite_results: list[SuiteResult]
    evasion: dict[str, list[EvasionResult]]  # by model
    comparisons: list[Comparison]
    flips: list[Flip]  # the most harmful; flips.csv has all
    flip_counts: dict[str, dict[str, int]]  # by student and kind
    trials: list[Trial]  # of the search for learning rates
    verdict: Verdict
    timing: list[Timing]
    made: Made

    def to_json(self) -> str:
        """The text of `results.json`."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> "Results":
        """Results from a `results.json`."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))
