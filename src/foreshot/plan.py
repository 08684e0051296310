"""What a comparison will do: every input read and checked before anything is written or trained."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.config import AUTO_SUITE, DEMO, NO_SUITE, TUNED, Experiment, Recipe
from foreshot.data.batches import EncodedRows, encode
from foreshot.data.identity_groups import with_identity_groups
from foreshot.data.labels import BENIGN, TOXIC
from foreshot.data.sample import LABEL_NOISE, make_corpus
from foreshot.data.split import Split, split_tables
from foreshot.data.table import Table, read_table
from foreshot.data.texts import NORMALISATION
from foreshot.data.unlabelled import Unlabelled, read_unlabelled
from foreshot.errors import ConfigError
from foreshot.facts import LayerMeasure
from foreshot.judging.behaviour import Evasions, make_evasions
from foreshot.judging.builtin_suite import NAME as BUILTIN
from foreshot.judging.builtin_suite import derogatory_words
from foreshot.judging.guards import check_parts_apart
from foreshot.judging.probes import built_in_probes, read_probes
from foreshot.judging.suites import Suite, read_suite
from foreshot.judging.thresholds import check_enough
from foreshot.loss_settings import Distillation
from foreshot.models.encoders import (
    ModelSource,
    find_model,
    layer_stack,
    load_classifier,
    load_encoder,
    load_tokenizer,
    longest_input,
)
from foreshot.models.layers import layer_map
from foreshot.models.states import Look, projection_modules
from foreshot.models.students import lora_targets
from foreshot.results import DataFacts, EncoderFacts, PartFacts, Probe
from foreshot.rundir import TEACHER_FOLDER, fingerprint
from foreshot.training.teacher_states import CacheFacts

PROBES_ROWS: Final = "probes"
SUITE_ROWS: Final = "suite"
EVASIONS: Final = "evasions"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The inputs of a comparison and where its parts go. `encoder` may be missing where a teacher was given."""

    experiment: Experiment
    folder: Path
    split: Split
    encoder: ModelSource | None
    given_teacher: ModelSource | None
    tokenizer: PreTrainedTokenizerBase
    rows: dict[str, EncodedRows]  # all that the models are asked: train, validation, test, probes, suite, evasions
    unlabelled: Unlabelled | None
    unlabelled_rows: EncodedRows | None
    layer_maps: dict[str, tuple[int, ...]]  # by recipe; of measured strategies once they are measured
    probes: list[Probe]
    suite: Suite | None
    evasions: Evasions | None
    data_fingerprint: str

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
                self.experiment.training.model_dump(),
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
        learns_from_teacher = recipe.objective == "distil"
        layers = [self.measure_fingerprint(recipe.measured)] if recipe.measured else []
        return fingerprint(
            [
                *layers,
                recipe.model_dump(mode="json", exclude={"name", "distillation"}),
                seed,
                self.data_fingerprint,
                self.experiment.training.model_dump(),
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
        return replace(self, layer_maps={**self.layer_maps, **_with_tuned(maps, self.experiment)})

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


def make_plan(experiment: Experiment, folder: Path) -> Plan:
    """Read and check every input of an experiment whose run goes into `folder`; nothing is written.

    Raises ConfigError, DataError, ModelError or GuardError.
    """
    split = _read_split(experiment)
    if experiment.identity_columns or experiment.identity_terms:
        split = with_identity_groups(split, experiment.identity_terms)
    check_parts_apart(split)
    _check_decision(experiment, split)
    probes = _probes(experiment, split)
    suite = _suite(experiment, split)
    evasions = _evasions(experiment, split)
    encoder, teacher = _find_models(experiment, split)
    origin = teacher or encoder
    assert origin is not None
    tokenizer = load_tokenizer(origin)
    if encoder and teacher and load_tokenizer(encoder).get_vocab() != tokenizer.get_vocab():
        raise ConfigError(f"encoder {encoder.name}: has another vocabulary than the teacher {teacher.name}")
    max_length = experiment.training.max_length
    if max_length > longest_input(origin):
        longest = longest_input(origin)
        raise ConfigError(
            f"training.max_length: {max_length}, but {origin.name} has positions for {longest} tokens only"
        )
    texts = {name: part.texts for name, part in split.parts.items()}
    unlabelled = _unlabelled(experiment, split)
    texts[PROBES_ROWS] = [probe.text for probe in probes]
    texts[SUITE_ROWS] = [case.text for case in suite.cases] if suite else []
    texts[EVASIONS] = evasions.all_texts if evasions else []
    return Plan(
        experiment=experiment,
        folder=folder,
        split=split,
        encoder=encoder,
        given_teacher=teacher,
        tokenizer=tokenizer,
        rows={name: encode(asked, tokenizer, max_length) for name, asked in texts.items() if asked},
        unlabelled=unlabelled,
        unlabelled_rows=encode(unlabelled.texts, tokenizer, max_length) if unlabelled else None,
        layer_maps=_layer_maps(experiment, encoder, origin),
        probes=probes,
        suite=suite,
        evasions=evasions,
        data_fingerprint=_data_fingerprint(split),
    )


def _read_split(experiment: Experiment) -> Split:
    given: tuple[Table, Table | None, Table | None]
    if experiment.data == DEMO:
        if experiment.identity_columns:
            raise ConfigError("identity_columns: the built-in corpus has none; name a file with identity_terms")
        data, test = _demo_tables(experiment.first_seed)
        given = (data, None, test)
    else:
        given = (
            _read(experiment, experiment.data, "train"),
            _read(experiment, experiment.validation, "validation") if experiment.validation else None,
            _read(experiment, experiment.test, "test") if experiment.test else None,
        )
    return split_tables(
        *given,
        positive=experiment.positive,
        validation_fraction=experiment.validation_fraction,
        test_fraction=experiment.test_fraction,
        seed=experiment.first_seed,
        max_train_rows=experiment.max_train_rows,
    )


def _read(experiment: Experiment, source: str, part: str) -> Table:
    tested_on = "test" if experiment.test else "train"
    return read_table(
        source,
        text=experiment.text,
        label=experiment.label,
        labels=experiment.labels,
        skip_bad_rows=experiment.skip_bad_rows,
        part=part,
        identity_columns=(experiment.identity_columns or ()) if part == tested_on else (),
    )


def _demo_tables(seed: int) -> tuple[Table, Table]:
    corpus = make_corpus(seed)
    names = [BENIGN, TOXIC]
    train, test = (
        Table(
            source=f"built-in synthetic corpus, {part} part",
            texts=[comment.text for comment in comments],
            labels=[names[comment.label] for comment in comments],
            rows=list(range(1, len(comments) + 1)),
            text_column="text",
            label_column="label",
            skipped_rows=0,
            announcements=announcements,
        )
        for part, comments, announcements in (
            (
                "training",
                corpus.train,
                (f"synthetic data: {LABEL_NOISE:.0%} of the training labels are flipped on purpose",),
            ),
            ("test", corpus.test, ()),
        )
    )
    return train, test


def _unlabelled(experiment: Experiment, split: Split) -> Unlabelled | None:
    if experiment.unlabelled is None:
        return None
    if not any(recipe.objective == "distil" for recipe in experiment.recipes):
        raise ConfigError("unlabelled: no recipe learns from the teacher, so nothing would learn from these texts")
    known = (text for part in split.parts.values() for text in part.texts)
    return read_unlabelled(experiment.unlabelled, text=experiment.text, known=known)


def _probes(experiment: Experiment, split: Split) -> list[Probe]:
    if experiment.probes == DEMO or (experiment.probes is None and experiment.data == DEMO):
        return built_in_probes(split.classes)
    return read_probes(experiment.probes, split.classes) if experiment.probes else []


def _check_decision(experiment: Experiment, split: Split) -> None:
    """Too few validation rows for the policy must show before anything is trained."""
    positive = split.classes.positive
    check_enough(
        experiment.decision,
        np.array(split.parts["validation"].labels),
        positive,
        positive_name="" if positive is None else split.classes.names[positive],
    )


def _suite(experiment: Experiment, split: Split) -> Suite | None:
    source = experiment.suite
    if source == AUTO_SUITE:
        source = BUILTIN if split.classes.positive is not None else NO_SUITE
    if source == NO_SUITE:
        return None
    return read_suite(source, split.classes, experiment.suite_labels)


def _evasions(experiment: Experiment, split: Split) -> Evasions | None:
    if split.classes.positive is None:
        return None
    test = split.parts["test"]
    toxic = np.array(test.labels) == split.classes.positive
    if not toxic.any():
        return None
    return make_evasions(test.texts, toxic, derogatory_words(), seed=experiment.first_seed)


def _find_models(experiment: Experiment, split: Split) -> tuple[ModelSource | None, ModelSource | None]:
    names, multi_label, layers_at = split.output_names, split.label_names is not None, experiment.layer_stack
    encoder = find_model(experiment.encoder, layers_at=layers_at) if experiment.encoder else None
    teacher = find_model(experiment.teacher, layers_at=layers_at) if experiment.teacher else None
    if encoder:
        _check_inside(load_encoder(encoder, names, seed=0, multi_label=multi_label), experiment)
    if teacher:
        _check_inside(load_classifier(teacher, names, multi_label=multi_label), experiment)
    return encoder, teacher


def _check_inside(model: PreTrainedModel, experiment: Experiment) -> None:
    """Layers, and queries, keys and values where a loss needs them, must be found before anything is trained."""
    _, layers = layer_stack(model)
    for recipe in experiment.recipes:
        settings = recipe.distillation or experiment.distillation
        if recipe.objective == "distil" and settings.weights.ever("relations"):
            number = settings.relations.layer or len(layers)
            if number > len(layers):
                raise ConfigError(f"relations.layer: {number}, but the model has only {len(layers)} layers")
            if model.config.hidden_size % settings.relations.heads:
                raise ConfigError(
                    f"relations.heads: {settings.relations.heads} don't divide the model's width, "
                    f"{model.config.hidden_size}"
                )
            names, architecture = settings.relations.projections, str(model.config.model_type)
            projection_modules(layers[number - 1], names, architecture=architecture)


def _layer_maps(experiment: Experiment, encoder: ModelSource | None, origin: ModelSource) -> dict[str, tuple[int, ...]]:
    """The layers of every recipe, and of the same at its best learning rate."""
    maps = {recipe.name: _checked_layers(recipe, experiment, encoder, origin) for recipe in experiment.recipes}
    if taken := sorted(maps.keys() & {name + TUNED for name in maps}) if experiment.tune_learning_rates else []:
        raise ConfigError(f"recipe {taken[0]}: the search for learning rates takes this name; choose another")
    measured = {recipe.name for recipe in experiment.recipes if recipe.measured}
    return _with_tuned({name: layers for name, layers in maps.items() if name not in measured}, experiment)


def _with_tuned(maps: dict[str, tuple[int, ...]], experiment: Experiment) -> dict[str, tuple[int, ...]]:
    """The layers of recipes, and the same under the names that these have at their best learning rate."""
    tuned = {name + TUNED: layers for name, layers in maps.items()} if experiment.tune_learning_rates else {}
    return {**maps, **tuned}


def _checked_layers(
    recipe: Recipe, experiment: Experiment, encoder: ModelSource | None, origin: ModelSource
) -> tuple[int, ...]:
    if recipe.init == "encoder" and encoder is None:
        raise ConfigError(f"recipe {recipe.name}: starts from the encoder; give --encoder beside --teacher")
    source = encoder if recipe.init == "encoder" and encoder else origin
    if recipe.objective == "distil":
        _check_teacher_fits(recipe, recipe.distillation or experiment.distillation, source, origin)
    if recipe.measured and recipe.init == "encoder" and experiment.teacher is not None:
        raise ConfigError(
            f"recipe {recipe.name}: {recipe.layers} looks at the teacher's layers, which are not the encoder's; "
            "set init: teacher, or name layers"
        )
    if recipe.tuning == "lora":
        lora_targets(source.config.model_type, experiment.lora)
    return layer_map(recipe.layers, source.depth)


def _check_teacher_fits(recipe: Recipe, settings: Distillation, source: ModelSource, origin: ModelSource) -> None:
    """Losses between states need students as wide, and for each layer one of the teacher's."""
    narrower = source.config.hidden_size != origin.config.hidden_size
    if narrower and settings.cosine_on == "representation":
        raise ConfigError(
            f"recipe {recipe.name}: the encoder is not as wide as the teacher; set distillation.cosine_on: logits"
        )
    if settings.weights.ever("hidden") and (narrower or source.depth != origin.depth):
        raise ConfigError(
            f"recipe {recipe.name}: the encoder's layers are not those of the teacher; set weights.hidden: 0 "
            "(relations work between any two widths)"
        )


def _data_fingerprint(split: Split) -> str:
    digest = hashlib.sha256()
    for name, part in split.parts.items():
        for text, label in zip(part.texts, part.answers, strict=True):
            digest.update(f"{name}\0{label}\0{text}\0".encode("utf-8", "surrogatepass"))
    return fingerprint([digest.hexdigest(), list(split.output_names)])
