"""Experiment and Recipe: what is asked for, as frozen, validated values that go to YAML and back."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from foreshot.settings.base import Settings
from foreshot.settings.dialect import separator_name
from foreshot.settings.losses import Distillation
from foreshot.settings.mending import Mending
from foreshot.settings.reading import load_settings, run_name, validated
from foreshot.settings.recipes import DEFAULT_RECIPES, FILE_NAME, RECIPES, Lora, Recipe, named_recipe
from foreshot.settings.scores import output_name
from foreshot.settings.teachers import Teachers
from foreshot.settings.training import LearningRate, Training

DEMO = "demo"
"""The value of `Experiment.data` and `Experiment.encoder` that stands for what the demo extra brings."""

AUTO_SUITE, BUILTIN_SUITE, NO_SUITE = "auto", "builtin", "none"

MOST_STEPS = 1000
"""Of integrated gradients; their weights take the cube of it in time."""

DEVICE = re.compile(r"(auto|cpu|mps|cuda(:\d{1,3})?)\Z")


Named = Annotated[str, Field(min_length=1)]
"""A file, a folder or an id."""
Rows = Annotated[int, Field(ge=1, le=10**9)]
Share = Annotated[float, Field(ge=1e-6, le=1 - 1e-6)]


BASELINE = "baseline"
"""What a run calls the bundle of that setting."""
EVEN = 0.5
"""The threshold of a score for which none is given."""
LEARNING_RATES = (2e-5, 5e-5, 1e-4, 3e-4, 1e-3, 3e-3)
"""What `--tune-lr` tries: from what suits full fine-tuning to what suits LoRA (Hu et al. 2021, appendix D)."""
EXPLAINED_TEXTS, EXPLAINED_WITH_RATIONALES = 40, 500
MOST_ASKED_TRAINING_ROWS = 500
"""Of the training rows every model is asked so many, drawn: enough for the cross-entropy of what was trained on."""


class Explanations(Settings):
    """Which texts every model's decisions are explained on, and how.

    `rationales` names a file in which people marked the words that count; without it test rows that count as toxic
    are taken. `texts` is how many at most (None: EXPLAINED_WITH_RATIONALES or EXPLAINED_TEXTS), 0 for none at all.
    `baselines` and `steps` are those of integrated gradients (`words.gradients`).
    """

    texts: Annotated[int, Field(ge=0, le=10**6)] | None = None
    rationales: Named | None = None
    method: Literal["leave-one-out", "integrated-gradients"] = "leave-one-out"
    baselines: Annotated[tuple[Literal["mask", "pad", "zero", "mean"], ...], Field(min_length=1)] = ("mask",)
    steps: Annotated[int, Field(ge=1, le=MOST_STEPS)] = 16

    @property
    def most_texts(self) -> int:
        """How many texts are explained at most."""
        if self.texts is not None:
            return self.texts
        return EXPLAINED_TEXTS if self.rationales is None else EXPLAINED_WITH_RATIONALES

    @property
    def method_settings(self) -> dict[str, str]:
        """What the method was told, by name."""
        if self.method == "leave-one-out":
            return {}
        return {"baselines": ", ".join(self.baselines), "steps": str(self.steps)}


class VerdictPolicy(Settings):
    """What the verdict asks of a student, in differences from the teacher (docs/verdict.md justifies the defaults)."""

    metric_margin: Annotated[float, Field(ge=0, le=1)] = 0.02
    suite_margin: Annotated[float, Field(ge=0, le=1)] = 0.05
    score_margin: Annotated[float, Field(ge=0, le=1)] = 0.10
    suite_floor: Annotated[float, Field(ge=0, le=1)] = 0.70
    functionality_margin: Annotated[float, Field(ge=0, le=1)] = 0.25
    label_margin: Annotated[float, Field(ge=0, le=1)] = 0.05
    min_seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    identity_margin: Annotated[float, Field(ge=0, le=1)] | None = None  # of subgroup AUCs; None: not asked


class CorrectionSettings(Settings):
    """What people said is right, and what it counts for.

    `file` is a table of texts and their labels, or what a server keeps; without it there are none. Each row that a
    correction is of counts `weight` times in training, and a share `held_out` of them isn't trained on.
    """

    file: Named | None = None
    weight: Annotated[float, Field(gt=0, le=1e6)] = 5.0
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.2


class Experiment(Settings):
    """All that one comparison needs to know.

    `data`, `validation`, `test` and `probes` name files, saved dataset folders or hub ids; `teacher` names a
    ready classifier or a bundle instead of one fine-tuned from `encoder`, or a list of several, whose mean teaches as
    `teachers` says. The first seed also splits the data and trains
    the teacher; every student is trained once for each seed. `suite` is a file, "builtin", "none", or "auto": the
    built-in one where a class counts as toxic. `disguised_rows` is how many toxic test rows each disguise is tried
    on, at most. `decision` is how logits become decisions (`judging.thresholds`). `tune_learning_rates` are tried
    for each recipe, which is then also trained at its best. `matched` gives every recipe the same learning rate:
    their factors count as 1, and rates of their own are refused.

    `labels` names columns of 0 and 1 instead of the one `label`, or beside it the labels that its cells hold
    ("toxic|rude", or lists): a text can have several of them, and the first one named is the one that suite, probes and
    decisions judge. Rows with a label that `leave_out` names are left out. `classes` names all labels that are classes,
    where some would be asked about: -1, "unknown", a rating. `unlabelled` names texts that only the teacher labels
    ("demo": those of the built-in corpus); where it has any of the columns that `scores` names, they teach.
    `scores` names columns of numbers from 0 to 1 (`data.scores`), the judged one first. Without `label` and `labels`
    they are what models learn and are held against, at the `thresholds` in use, by name (the first of each decides, 0.5
    where none is given), and teach unless a ready `teacher` does; beside labels they are the teacher. With
    `teacher_from_scores` the encoder is fine-tuned on them, and is the teacher. `teacher_scores` names a file with the
    same scores of the suite's cases, of which a share of `teacher_scores_share` must be in it.
    `separator` and `quoting` are those of the labelled rows' tables (`settings.dialect`); without them they are found.
    `identity_columns` (0 and 1) or `identity_terms` (a file) tell which test rows mention which group.
    `teacher_labels` leads from the data's classes to what a ready teacher calls them, and `problem_type` says what its
    config.json doesn't: whether a text has one of its labels or can have several.
    `baseline` names a bundle that all models are compared with and that is no student: a row to beat.
    `layer_stack` is the path of the layers in an encoder of unknown architecture; `layer_sample` is the number of
    training rows that layers are measured on. `checkpoint_seconds` lie between two checkpoints of a training, at least
    (0: one after every step). `device` is where models are trained and asked: "auto" takes a GPU where there is one.
    An encoder that can't be exported is refused before anything is trained, unless `exportable` is false.
    """

    name: str
    data: Named
    validation: Named | None = None
    test: Named | None = None
    text: str | None = None
    label: str | None = None
    labels: Annotated[tuple[Named, ...], Field(min_length=2)] | None = None
    scores: Annotated[tuple[Named, ...], Field(min_length=1)] | None = None
    thresholds: Annotated[dict[str, tuple[Share, ...]], Field(default_factory=dict)]
    teacher_from_scores: bool = False
    teacher_scores: Named | None = None
    teacher_scores_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    unlabelled: Named | None = None
    corrections: CorrectionSettings = CorrectionSettings()
    identity_columns: Annotated[tuple[Named, ...], Field(min_length=1)] | None = None
    identity_terms: Named | None = None
    positive: tuple[str, ...] | None = None
    separator: str | None = None
    quoting: Literal["csv", "none"] | None = None
    classes: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    leave_out: tuple[str, ...] = ()
    skip_bad_rows: bool = False
    max_train_rows: Rows | None = None
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.2
    encoder: Named | None = None
    teacher: Named | Annotated[tuple[Named, ...], Field(min_length=2)] | None = None
    teachers: Teachers = Teachers()
    teacher_labels: Annotated[dict[str, str], Field(default_factory=dict)]
    problem_type: Literal["single-label", "multi-label"] | None = None
    baseline: Named | None = None
    layer_stack: Named | None = None
    layer_sample: Rows = 256
    checkpoint_seconds: Annotated[float, Field(ge=0, le=1e9)] = 60.0
    device: str = "auto"
    exportable: bool = True
    recipes: Annotated[tuple[Recipe, ...], Field(min_length=1)] = tuple(RECIPES[name] for name in DEFAULT_RECIPES)
    matched: bool = False
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)] = (0,)
    training: Training = Training()
    distillation: Distillation = Distillation()
    lora: Lora = Lora()
    mend: Annotated[Mending, Field(default_factory=lambda: Mending.model_validate({}))]
    probes: Named | None = None
    disguised_rows: Rows = 150
    explanations: Explanations = Explanations()
    suite: Named = AUTO_SUITE
    suite_labels: Annotated[dict[str, str], Field(default_factory=dict)]
    decision: str = "argmax"
    policy: VerdictPolicy = VerdictPolicy()
    tune_learning_rates: tuple[LearningRate, ...] = ()

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not FILE_NAME.match(name):
            raise ValueError("must be letters, digits, '.', '_' or '-'")
        return name

    @field_validator("device")
    @classmethod
    def _names_a_device(cls, device: str) -> str:
        if not DEVICE.match(device):
            raise ValueError(f"{device!r} is none of auto, cpu, cuda, cuda:N, mps")
        return device

    @field_validator("separator")
    @classmethod
    def _names_a_separator(cls, separator: str | None) -> str | None:
        return None if separator is None else separator_name(separator)

    @field_validator("positive", "classes", "leave_out", mode="before")
    @classmethod
    def _labels_as_written(cls, labels: Any) -> Any:
        if isinstance(labels, str) or not isinstance(labels, Sequence):
            return labels
        return [str(label) for label in labels]  # YAML makes numbers of 0 and 1

    @field_validator("suite_labels", "teacher_labels", mode="before")
    @classmethod
    def _mapping_as_written(cls, labels: Any) -> Any:
        if not isinstance(labels, Mapping):
            return labels
        numbers = (bool, int, float)
        return {str(a): str(b) if isinstance(b, numbers) else b for a, b in labels.items()}

    @field_validator("teacher", mode="before")
    @classmethod
    def _one_by_its_name(cls, teacher: Any) -> Any:
        several = isinstance(teacher, Sequence) and not isinstance(teacher, str)
        return teacher[0] if several and len(teacher) == 1 else teacher

    @field_validator("recipes", mode="before")
    @classmethod
    def _look_up_names(cls, recipes: Any) -> Any:
        if isinstance(recipes, str) or not isinstance(recipes, Sequence):
            return recipes
        return [named_recipe(recipe) if isinstance(recipe, str) else recipe for recipe in recipes]

    @model_validator(mode="after")
    def _no_repeats(self) -> "Experiment":
        for what, values in (("seed", self.seeds), ("recipe", tuple(recipe.name for recipe in self.recipes))):
            repeated = [value for value, times in Counter(values).items() if times > 1]
            if repeated:
                raise ValueError(f"{what} {repeated[0]!r} is given twice")
        if self.baseline is not None and any(recipe.name == BASELINE for recipe in self.recipes):
            raise ValueError(f"recipe {BASELINE!r}: is what the baseline is called; choose another name")
        return self

    @model_validator(mode="after")
    def _starts_from_something(self) -> "Experiment":
        if self.encoder is None and self.teacher is None:
            raise ValueError("name an encoder to start from (a model id or a folder), or a ready teacher")
        if self.teacher is None and (self.teacher_labels or self.problem_type):
            setting = "teacher_labels" if self.teacher_labels else "problem_type"
            raise ValueError(f"{setting}: is about a ready classifier; name it as teacher")
        return self

    @field_validator("scores", mode="before")
    @classmethod
    def _one_name_alone(cls, scores: Any) -> Any:
        return (scores,) if isinstance(scores, str) else scores

    @field_validator("thresholds", mode="before")
    @classmethod
    def _one_threshold_alone(cls, thresholds: Any) -> Any:
        if not isinstance(thresholds, Mapping):
            return thresholds
        return {
            str(name): (value,) if isinstance(value, str | float | int) else value for name, value in thresholds.items()
        }

    @model_validator(mode="after")
    def _scores_are_there(self) -> "Experiment":
        about = {
            "thresholds": bool(self.thresholds),
            "teacher_from_scores": self.teacher_from_scores,
            "teacher_scores": self.teacher_scores is not None,
        }
        if self.scores is None:
            if given := [name for name, is_given in about.items() if is_given]:
                raise ValueError(f"{given[0]}: is about stored scores; name their columns with scores")
            return self
        names = [output_name(name) for name in self.scores]
        if len(set(names)) < len(names):
            raise ValueError("scores: one is named twice")
        if unknown := [name for name in self.thresholds if name not in names]:
            raise ValueError(f"thresholds: {unknown[0]!r} is none of the scores ({', '.join(names)})")
        if self.thresholds and not self.scores_alone:
            raise ValueError(
                "thresholds: are for scores alone; beside labels decision says how scores become decisions"
            )
        if self.scores_alone:
            for name in ("classes", "positive", "leave_out"):
                if getattr(self, name):
                    raise ValueError(f"{name}: is for labels, and scores are learnt here; name the labels with label")
        if self.teacher_from_scores and self.teacher_scores is not None:
            raise ValueError("teacher_scores: with teacher_from_scores the teacher is a model, which is asked itself")
        if self.teacher is not None and (self.teacher_from_scores or not self.scores_alone):
            raise ValueError("scores: are the teacher; leave out teacher, or the scores")
        if self.teacher_from_scores and not self.scores_alone:
            raise ValueError("teacher_from_scores: beside labels the teacher learns these; leave it out")
        if self.encoder is None and self.teacher is None:
            raise ValueError("scores: have no network to take layers from; name an encoder to start from")
        return self

    @model_validator(mode="after")
    def _teachers_that_differ(self) -> "Experiment":
        named, weights = self.given_teachers, self.teachers.weights
        if len(set(named)) < len(named):
            raise ValueError(f"teacher: {next(name for name in named if named.count(name) > 1)} is named twice")
        if len(named) > 1 and self.encoder is None:
            raise ValueError(
                f"teacher: {len(named)} are named, whose mean has no layers; name the encoder that students start from"
            )
        if not isinstance(weights, str) and len(weights) != len(named):
            raise ValueError(f"teachers.weights: {len(weights)} weights, but {len(named)} teachers are named")
        return self

    @model_validator(mode="after")
    def _one_kind_of_labels(self) -> "Experiment":
        if self.labels is not None:
            for name in ("classes", "positive"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"labels: are the labels of the task; {name} is for classes, of which a text has one"
                    )
            if len(set(self.labels)) < len(self.labels):
                raise ValueError("labels: one is named twice")
        if self.identity_columns is not None and self.identity_terms is not None:
            raise ValueError("give identity_columns or identity_terms, not both")
        if self.policy.identity_margin is not None and self.identity_columns is None and self.identity_terms is None:
            raise ValueError(
                "policy.identity_margin: asks about identity groups, and none are given; name them with "
                "identity_columns or identity_terms"
            )
        return self

    @model_validator(mode="after")
    def _one_rate_where_matched(self) -> "Experiment":
        for recipe in self.recipes if self.matched else ():
            if recipe.learning_rate is not None:
                raise ValueError(
                    f"matched: gives every recipe the same learning rate, and {recipe.name} has one of its own; "
                    "leave one of them out"
                )
        return self

    @property
    def given_teachers(self) -> tuple[str, ...]:
        """The ready classifiers and bundles that are named as teachers."""
        if self.teacher is None:
            return ()
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher

    def as_trained(self, recipe: Recipe) -> Recipe:
        """The recipe as it is carried out: without its factor where all have the same learning rate."""
        return recipe.model_copy(update={"learning_rate_factor": 1.0}) if self.matched else recipe

    def learning_rate_of(self, recipe: Recipe | None) -> float:
        """What a student of this recipe is trained at; without one, what the teacher is."""
        usual = self.training.learning_rate
        if recipe is None:
            return usual
        if recipe.learning_rate is not None:
            return recipe.learning_rate
        factor = self.as_trained(recipe).learning_rate_factor
        return usual if factor == 1 else float(f"{usual * factor:.12g}")  # 10 times 3e-4 is 3e-3, to the last bit

    def rounds_of(self, recipe: Recipe) -> int:
        """How many scouts come before a student of this recipe (`Mending.rounds`): it must be mended and taught."""
        share = (recipe.distillation or self.distillation).unlabelled_share if self.unlabelled is not None else 0.0
        return self.mend.rounds if recipe.mend and recipe.objective == "distil" and share else 0

    @property
    def scores_alone(self) -> bool:
        """Whether stored scores are all that is known of the rows."""
        return self.scores is not None and self.label is None and self.labels is None

    def thresholds_of(self, name: str) -> tuple[float, ...]:
        """The thresholds in use with a score, the one that decides first."""
        return self.thresholds.get(name) or (EVEN,)

    @property
    def first_seed(self) -> int:
        """The seed that splits the data and trains the teacher."""
        return self.seeds[0]


DEMO_SETTINGS: Mapping[str, Any] = {
    "name": DEMO,
    "data": DEMO,
    "unlabelled": DEMO,
    "encoder": DEMO,
    "recipes": list(DEFAULT_RECIPES),
    "seeds": [0, 1, 2],
    "max_train_rows": 900,
    "training": {"epochs": 2, "batch_size": 8, "learning_rate": 2e-4, "precision": "auto"},
    "disguised_rows": 50,
    "explanations": {"texts": 8},
}
"""`--demo`: three seeds, so that there can be a verdict, on few enough rows that it ends in minutes.

The corpus's other rows teach the students without their labels."""


def make_experiment(settings: Mapping[str, Any], *, source: str = "experiment") -> Experiment:
    """Settings, as YAML or the command line gives them, to an Experiment.

    Raises ConfigError that names the first field that is wrong; `source` is the file or command at fault.
    """
    return validated(Experiment, settings, source=source)


def load_experiment(path: Path) -> Experiment:
    """An experiment from a YAML file; raises ConfigError."""
    return make_experiment({"name": run_name(path), **load_settings(path)}, source=str(path))


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML, defaults filled in; `load_experiment` reads it back to an equal value."""
    return yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
