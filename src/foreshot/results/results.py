"""Results: every number of the report, as `results.json` holds it.

All that depends on the clock or the machine's load stands in `Results.timing` and `Results.made`; the rest is
equal when the same experiment is run again on the same machine.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from foreshot.files.bounded import read_small
from foreshot.results.base import Facts
from foreshot.results.behaviour import EvasionResult, Flip, Probe, SuiteFacts, SuiteResult
from foreshot.results.corrections import Corrections
from foreshot.results.identity import IdentityBias
from foreshot.results.mending import Mended
from foreshot.results.models import LayerMeasure, ModelResult, Summary, Timing, Trial
from foreshot.results.reasons import Reasons
from foreshot.results.registration import Registration
from foreshot.results.scores import ScoreComparison
from foreshot.results.teachers import AskedTeachers
from foreshot.results.verdict import Comparison, Verdict
from foreshot.settings.losses import Classification, Distillation

FORMAT_VERSION = 3
MOST_BYTES = 2**26
"""Of a results.json; a usual one has a fifth of a megabyte."""


class PartFacts(Facts):
    """One part of the split: where it came from, how many rows, how many of each class."""

    source: str
    rows: int
    class_counts: dict[str, int]
    label_counts: dict[str, int] | None = None  # rows with each label of a multi-label task


class DataFacts(Facts):
    """What was trained and tested on, and what was left out of it.

    Of a multi-label task `label_names` are the labels in the order of the logits, `label_column` is the judged one, or
    the one that holds them all, and `classes` are those of its view: not to have it, and to have it. Where stored
    scores are all that is known, they are the labels, and `thresholds` has those in use with each.
    """

    synthetic: bool
    text_column: str
    label_column: str
    label_names: list[str] | None = None
    thresholds: dict[str, list[float]] | None = None
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
    """Where and when the results were made: versions and machine, as environment.json has them.

    `registered` is what they were to be judged by, written down before training, and `changed` what they are judged by
    otherwise, in a few words each.
    """

    at: str
    seconds: float
    environment: dict[str, object]
    registered: Registration | None = None
    changed: list[str] = Field(default_factory=list)


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
    mending: Mended | None = None  # None where no model was mended
    identity_bias: IdentityBias | None = None  # None where no identity groups were asked about
    corrections: Corrections | None = None  # None where there are none
    asked_teachers: AskedTeachers | None = None  # None where the teacher is a model of the run's own
    reasons: Reasons | None = None  # None where no text was explained
    comparisons: list[Comparison]
    file_comparisons: list[Comparison] = Field(default_factory=list)
    """Of the files that the verdict is about, one seed of each model; empty where no model has several seeds."""
    score_comparisons: list[ScoreComparison] = Field(default_factory=list)  # where stored scores are stood in for
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
