"""Results: every number of the report, as `results.json` holds it.

All that depends on the clock or the machine's load stands in `Results.timing` and `Results.made`; the rest is
equal when the same experiment is run again on the same machine.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from foreshot.facts import (
    Calibration,
    Comparison,
    Decision,
    EvasionResult,
    Facts,
    Flip,
    IdentityBias,
    LayerMeasure,
    PolicyResult,
    Reasons,
    SuiteFacts,
    SuiteResult,
    Trial,
    Verdict,
)
from foreshot.loss_settings import Classification, Distillation
from foreshot.small_files import read_small

FORMAT_VERSION = 3
MOST_BYTES = 2**26
"""Of a results.json; a usual one has a fifth of a megabyte."""
LOSS_PARTS = ("objective", "classification", "divergence", "cosine", "hidden", "relations")


class PartFacts(Facts):
    """One part of the split: where it came from, how many rows, how many of each class."""

    source: str
    rows: int
    class_counts: dict[str, int]
    label_counts: dict[str, int] | None = None  # rows with each label of a multi-label task


class DataFacts(Facts):
    """What was trained and tested on, and what was left out of it.

    Of a multi-label task `label_names` are the labels in the order of the logits, `label_column` is the judged one,
    and `classes` are those of its view: not to have it, and to have it.
    """

    synthetic: bool
    text_column: str
    label_column: str
    label_names: list[str] | None = None
    classes: list[str]
    positive: str | None
    normalisation: str
    parts: dict[str, PartFacts]
    duplicates_removed: dict[str, int]
    label_conflicts: int
    skipped_rows: int
    unlabelled_rows: int = 0
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
    hidden: float | None = None
    relations: float | None = None


class CurvePoint(Facts):
    """Training losses averaged over the steps that end with `step` (counted from 1)."""

    step: int
    loss: Loss


class TrainingFacts(Facts):
    """How a model was trained, and how its losses went; `matched` is False when its learning rate was its own.

    `device` is the kind of device and, of a GPU, its name; in `accumulate` parts were batches computed.
    """

    rows: int
    epochs: int
    steps: int
    batch_size: int
    learning_rate: float
    matched: bool
    device: str = "cpu"
    precision: str = "float32"
    accumulate: int = 1
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
    """How a model does on the test rows. AUROC and average precision are None where the test can't give them.

    Of a multi-label task `cross_entropy` and `macro_f1` are means over the labels (`judging.multilabel`), all else is
    of the judged label.
    """

    __test__ = False  # not a pytest class

    cross_entropy: float
    accuracy: float
    macro_f1: float
    mcc: float
    auroc: float | None
    average_precision: float | None
    classes: list[ClassMetrics]
    confusion_matrix: list[list[int]]  # [true class][predicted class], rows


class LabelResult(Facts):
    """How a model does on one label of a multi-label task, on the test rows; `support` counts those that have it.

    `decision` was fitted for this label on the validation rows, by the experiment's policy, or by argmax where they
    are too few for it. AUROC and average precision are None where no test row has the label, or each.
    """

    name: str
    support: int
    auroc: float | None
    average_precision: float | None
    precision: float
    recall: float
    f1: float
    macro_f1: float  # of having the label, and of not having it
    decision: Decision
    calibration: Calibration
    calibration_after_scaling: Calibration


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


class ModelResult(Facts):
    """All that was found about one model and seed. `recipe` is None for the teacher."""

    model: str
    seed: int
    recipe: dict[str, Any] | None
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
    labels: list[LabelResult] = Field(default_factory=list)  # of a multi-label task, the judged one first
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


class Conditions(Facts):
    """What was the same for every model of the comparison.

    `devices` and `accumulate` may be several where a run went on elsewhere, or with less memory.
    """

    seeds: list[int]
    epochs: int
    batch_size: int
    max_length: int
    learning_rate: float
    steps: int
    optimizer: str
    classification: Classification
    distillation: Distillation  # but for recipes that have their own
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    devices: list[str] = Field(default_factory=lambda: ["cpu"])
    precision: str = "float32"
    accumulate: list[int] = Field(default_factory=lambda: [1])


class Made(Facts):
    """Where and when the results were made: versions and machine, as environment.json has them."""

    at: str
    seconds: float
    environment: dict[str, object]


class Results(Facts):
    """Every number of a finished run, with what is needed to make it again."""

    format_version: Literal[3] = FORMAT_VERSION  # type: ignore[assignment]
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
    identity_bias: IdentityBias | None = None  # None where no identity groups were asked about
    reasons: Reasons | None = None  # None where no text was explained
    comparisons: list[Comparison]
    flips: list[Flip]  # the most harmful; flips.csv has all
    flip_counts: dict[str, dict[str, int]]  # by student and kind
    layer_measures: tuple[LayerMeasure, ...] = ()
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
        return cls.model_validate_json(read_small(path, MOST_BYTES))
