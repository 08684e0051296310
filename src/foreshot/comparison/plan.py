"""The plan of a comparison: its inputs, where its parts go, and what each part is made from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from foreshot.data.split import Split
from foreshot.data.texts import NORMALISATION
from foreshot.data.unlabelled import Unlabelled
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.behaviour import Evasions
from foreshot.models.batches import EncodedRows
from foreshot.models.encoders import ModelSource
from foreshot.models.layers import layer_map
from foreshot.models.states import Look
from foreshot.results.behaviour import Probe
from foreshot.results.models import LayerMeasure
from foreshot.results.results import DataFacts, EncoderFacts, PartFacts
from foreshot.results.run_folder import TEACHER_FOLDER
from foreshot.settings.experiment import DEMO, MOST_ASKED_TRAINING_ROWS, Experiment
from foreshot.settings.losses import Distillation
from foreshot.settings.recipes import TUNED, Recipe
from foreshot.suites.cases import Suite
from foreshot.training.seeding import generator
from foreshot.training.teacher_states import CacheFacts
from foreshot.words.explained import ExplainedTexts

PROBES_ROWS: Final = "probes"
SUITE_ROWS: Final = "suite"
EVASIONS: Final = "evasions"
EXPLAINED: Final = "explained"
LEFT_OUT: Final = "explained-without-each-word"
REDUCED: Final = "explained-without-the-strongest"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The inputs of a comparison and where its parts go. `encoder` may be missing where a teacher was given."""

    experiment: Experiment
    folder: Path
    split: Split
    encoder: ModelSource | None
    given_teacher: ModelSource | None
    tokenizer: PreTrainedTokenizerBase
    rows: dict[str, EncodedRows]  # by name: the parts, and what is named above
    unlabelled: Unlabelled | None
    unlabelled_rows: EncodedRows | None
    layer_maps: dict[str, tuple[int, ...]]  # by recipe; of measured strategies once they are measured
    probes: list[Probe]
    suite: Suite | None
    evasions: Evasions | None
    explained: ExplainedTexts | None
    data_fingerprint: str
    device: torch.device  # where models are trained and asked

    @property
    def origin(self) -> ModelSource:
        """The model that the teacher starts from, or is."""
        origin = self.given_teacher or self.encoder
        assert origin is not None  # Experiment asks for one of them
        return origin

    @property
    def class_names(self) -> list[str]:
        """The classes, in the order of the logits; of a multi-label task, of the judged label's view of them."""
        return list(self.split.classes.names)

    @property
    def output_names(self) -> list[str]:
        """What the models' logits are called: the classes, or the labels of a multi-label task."""
        return list(self.split.output_names)

    @property
    def is_multi_label(self) -> bool:
        """Whether a text can have several labels, each of which has a logit of its own."""
        return self.split.label_names is not None

    @property
    def positive(self) -> str | None:
        """The name of the class that counts as toxic, in a binary task."""
        index = self.split.classes.positive
        return None if index is None else self.split.classes.names[index]

    @property
    def data_folder(self) -> Path:
        """Where the split goes."""
        return self.folder / "data"

    @property
    def teacher_folder(self) -> Path:
        """Where the teacher goes."""
        return self.folder / TEACHER_FOLDER

    @property
    def targets_folder(self) -> Path:
        """Where the teacher's outputs on the training rows go."""
        return self.folder / "targets"

    @property
    def measures_folder(self) -> Path:
        """Where it goes what layers were found to do."""
        return self.folder / "layers"

    def states_folder(self, recipe: Recipe) -> Path:
        """Where the teacher's hidden states go that this recipe looks at; other recipes may look at the same."""
        return self.folder / "states" / self.states_fingerprint(recipe)

    def student_folder(self, recipe: Recipe, seed: int) -> Path:
        """Where a student goes."""
        return self.folder / "students" / recipe.name / f"seed-{seed}"

    def teacher_fingerprint(self) -> str:
        """What the teacher is made from."""
        if self.given_teacher:
            return fingerprint([self.given_teacher.fingerprint, self.output_names])
        return fingerprint(
            [
                self.data_fingerprint,
                self.origin.fingerprint,
                self.experiment.training.decisive(),
                self.experiment.first_seed,
            ]
        )

    def targets_fingerprint(self) -> str:
        """What the teacher's outputs are made from: the teacher, the rows and their tokenisation."""
        made_from = [self.teacher_fingerprint(), self.data_fingerprint, self.experiment.training.max_length]
        return fingerprint([*made_from, fingerprint(self.unlabelled.texts)] if self.unlabelled else made_from)

    def measure_fingerprint(self, strategy: str) -> str:
        """What a measure of layers is made from: the teacher, the rows and how many of them."""
        return fingerprint([strategy, self.teacher_fingerprint(), self.data_fingerprint, self.experiment.layer_sample])

    def states_fingerprint(self, recipe: Recipe) -> str:
        """What a recipe's cache of teacher states is made from."""
        facts = self.cache_facts(recipe)
        return fingerprint([self.targets_fingerprint(), asdict(facts.look), facts.first_token, facts.precision])

    def student_fingerprint(self, recipe: Recipe, seed: int) -> str:
        """What a student is made from: only what its recipe looks at."""
        rate, usual = self.experiment.learning_rate_of(recipe), self.experiment.training.learning_rate
        learns_from_teacher = recipe.objective == "distil"
        layers = [self.measure_fingerprint(recipe.measured)] if recipe.measured else []
        return fingerprint(
            [
                *layers,
                {
                    **recipe.model_dump(mode="json", include={"layers", "tuning", "objective", "init"}),
                    "learning_rate": None if rate == usual else rate,
                },
                seed,
                self.data_fingerprint,
                self.experiment.training.decisive(),
                self.teacher_fingerprint() if recipe.init == "teacher" else self.origin_of(recipe).fingerprint,
                self.targets_fingerprint() if learns_from_teacher else None,
                self.distillation_of(recipe).model_dump() if learns_from_teacher else None,
                self.experiment.lora.model_dump() if recipe.tuning == "lora" else None,
            ]
        )

    def origin_of(self, recipe: Recipe) -> ModelSource:
        """The model whose layers a recipe's `layers` count."""
        return self.encoder if recipe.init == "encoder" and self.encoder else self.origin

    def distillation_of(self, recipe: Recipe) -> Distillation:
        """The recipe's own distillation objective, or the experiment's."""
        return recipe.distillation or self.experiment.distillation

    @property
    def asked_training_rows(self) -> np.ndarray:
        """The numbers of the training rows that every model is asked, a sample where there are many: (rows,)."""
        count = len(self.rows["train"])
        drawn = generator(self.experiment.first_seed, "asked training rows").permutation(count)
        return np.sort(drawn[:MOST_ASKED_TRAINING_ROWS])

    @property
    def asked(self) -> dict[str, EncodedRows]:
        """All that every model is asked, by name."""
        train = self.rows["train"]
        sample = EncodedRows(ids=[train.ids[row] for row in self.asked_training_rows], tokenizer=train.tokenizer)
        return {**self.rows, "train": sample}

    @property
    def taught_rows(self) -> EncodedRows:
        """The rows that the teacher labels: those with labels, then those without."""
        rows = self.rows["train"]
        return rows.followed_by(self.unlabelled_rows) if self.unlabelled_rows else rows

    def cache_facts(self, recipe: Recipe) -> CacheFacts:
        """What a recipe's losses look at in the teacher; at nothing, where they look at its outputs alone."""
        settings = self.distillation_of(recipe)
        relations = settings.weights.ever("relations")
        return CacheFacts(
            look=Look(
                layers=self.layer_maps[recipe.name] if settings.weights.ever("hidden") else (),
                projections_of=(settings.relations.layer or self.origin.depth) if relations else None,
                projections=settings.relations.projections if relations else None,
            ),
            first_token=settings.hidden.tokens == "first",
            lengths=self.taught_rows.lengths,
            hidden_size=int(self.origin.config.hidden_size),
            precision=settings.cache_precision,
        )

    def with_measured_layers(self, measures: Sequence[LayerMeasure]) -> "Plan":
        """The plan with the layers of those recipes that had to wait for a measure."""
        rankings: dict[str, list[int]] = {measure.strategy: measure.ranking for measure in measures}
        maps = {
            recipe.name: layer_map(recipe.layers, self.origin.depth, ranking=rankings[recipe.measured])
            for recipe in self.experiment.recipes
            if recipe.measured
        }
        return replace(self, layer_maps={**self.layer_maps, **with_tuned(maps, self.experiment)})

    def data_facts(self) -> DataFacts:
        """What `results.json` says about the data."""
        split = self.split
        return DataFacts(
            synthetic=self.experiment.data == DEMO,
            text_column=split.text_column,
            label_column=split.label_column,
            label_names=None if split.label_names is None else list(split.label_names),
            classes=self.class_names,
            positive=self.positive,
            normalisation=NORMALISATION,
            parts={
                name: PartFacts(
                    source=part.source,
                    rows=len(part),
                    class_counts={label: part.labels.count(index) for index, label in enumerate(self.class_names)},
                    label_counts=part.label_counts(split.label_names),
                )
                for name, part in split.parts.items()
            },
            duplicates_removed=split.duplicates_removed,
            label_conflicts=split.label_conflicts,
            skipped_rows=split.skipped_rows,
            unlabelled_rows=len(self.unlabelled.texts) if self.unlabelled else 0,
            announcements=list(split.announcements),
            fingerprint=self.data_fingerprint,
        )

    def encoder_facts(self) -> EncoderFacts:
        """What `results.json` says about the encoder."""
        config = self.origin.config
        return EncoderFacts(
            name=self.origin.name,
            architecture=str(config.model_type),
            layers=self.origin.depth,
            hidden_size=int(config.hidden_size),
            fingerprint=self.origin.fingerprint,
        )


def with_tuned(maps: dict[str, tuple[int, ...]], experiment: Experiment) -> dict[str, tuple[int, ...]]:
    """The layers of recipes, and the same under the names that these have at their best learning rate."""
    tuned = {name + TUNED: layers for name, layers in maps.items()} if experiment.tune_learning_rates else {}
    return {**maps, **tuned}
