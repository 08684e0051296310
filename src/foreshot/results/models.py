"""What is found about each model by itself: its training, its metrics, its cost."""

from typing import Any, Literal

from pydantic import Field

from foreshot.results.base import Facts
from foreshot.results.behaviour import ProbeAnswer
from foreshot.results.decisions import Calibration, Decision, PolicyResult
from foreshot.results.scores import ScoreResult


class LayerMeasure(Facts):
    """What the teacher's layers were found to do, on a sample of its training rows.

    Of "influence" `values` are the block influences of `layers`; of "greedy" the losses, in nats, once each of `layers`
    was dropped in this order, and `whole` is that with all of them. `ranking` has the layer to keep first first.
    `teacher` is whose layers they are.
    """

    strategy: Literal["influence", "greedy"]
    rows: int
    layers: list[int]
    values: list[float]
    whole: float | None = None
    ranking: list[int]
    teacher: str = "teacher"


class Trial(Facts):
    """One learning rate that was tried for a recipe, and the validation macro-F1 that it gave."""

    recipe: str
    learning_rate: float
    validation_macro_f1: float
    validation_cross_entropy: float | None  # None where training blew up
    best: bool


LOSS_PARTS = ("objective", "classification", "divergence", "cosine", "hidden", "relations")


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

    `device` is the kind of device and, of a GPU, its name; in `accumulate` parts were batches computed. On as many
    unlabelled texts as `disagreements` says the teacher and the scout of each round before it disagreed.
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
    disagreements: list[int] = Field(default_factory=list)
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


class ModelResult(Facts):
    """All that was found about one model and seed. `recipe` is None for the teacher.

    `baseline` is the name of a bundle that is only compared with, and is neither teacher nor student; else None.
    """

    model: str
    seed: int
    recipe: dict[str, Any] | None
    layer_map: list[int]  # the encoder's layers that the model keeps, counted from 1
    training: TrainingFacts | None  # None for a teacher that was given
    train_cross_entropy: float | None  # None of a teacher that says nothing about these rows
    test: TestMetrics
    cost: Cost | None  # None of a teacher of which scores alone are known
    probes: list[ProbeAnswer]
    decision: Decision
    calibration: Calibration
    calibration_after_scaling: Calibration
    policies: list[PolicyResult]  # none where no class is positive
    labels: list[LabelResult] = Field(default_factory=list)  # of a multi-label task, the judged one first
    scores: list[ScoreResult] = Field(default_factory=list)  # where stored scores are stood in for
    folder: str  # inside the run's folder
    fingerprint: str
    baseline: str | None = None


class Timing(Facts):
    """What the clock said while one model was trained and tested: seconds, rows a second, MiB."""

    model: str
    seed: int
    training_seconds: float | None
    training_cpu_seconds: float | None
    training_rows_per_second: float | None
    test_rows_per_second: float | None
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
