"""The inputs of a comparison: everything that is asked for, read and checked before anything is written or trained."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.comparison.asked_teachers import (
    AskedTeacher,
    FoundBundle,
    check_asked,
    find_teachers,
    ready,
    told_of_projection,
    width_of,
)
from foreshot.comparison.stored_teacher import StoredTeacher, judged_where_scored, scored_suite, stored_teacher
from foreshot.data.correcting import Corrected, corrected, told
from foreshot.data.corrections import read_corrections
from foreshot.data.identity_groups import with_identity_groups
from foreshot.data.labels import BENIGN, TOXIC
from foreshot.data.rationales import read_rationales
from foreshot.data.sample import LABEL_NOISE, make_corpus
from foreshot.data.split import Split, split_tables
from foreshot.data.table import Table, read_table
from foreshot.data.texts import NORMALISATION, listing
from foreshot.data.unlabelled import Unlabelled, read_unlabelled, texts_apart_from
from foreshot.errors import BundleError, ConfigError, DataError, ModelError
from foreshot.exporting.exportable import check_architecture
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.behaviour import Evasions, make_evasions
from foreshot.judging.guards import check_parts_apart
from foreshot.judging.task import Task, task_of
from foreshot.judging.thresholds import check_enough
from foreshot.models.batches import EncodedRows, encode, rows_without_label
from foreshot.models.encoders import (
    ModelSource,
    carried_head,
    find_model,
    layer_stack,
    load_classifier,
    load_encoder,
    load_tokenizer,
    longest_input,
)
from foreshot.models.examination import examine
from foreshot.models.layers import layer_map
from foreshot.models.states import Look, check_look
from foreshot.models.students import add_lora, check_layers
from foreshot.models.tokenizer_json import check_tokenization, tokenizer_json
from foreshot.results.behaviour import Probe
from foreshot.results.results import DataFacts, EncoderFacts, PartFacts
from foreshot.runtime.tokenization import TextTokenizer
from foreshot.settings.dialect import AskedDialect, asked_dialect
from foreshot.settings.experiment import (
    AUTO_SUITE,
    BUILTIN_SUITE,
    DEMO,
    EVEN,
    MOST_ASKED_TRAINING_ROWS,
    NO_SUITE,
    Experiment,
)
from foreshot.settings.losses import Distillation
from foreshot.settings.recipes import TUNED, Recipe
from foreshot.settings.scores import output_name
from foreshot.suites.builtin import derogatory_words
from foreshot.suites.cases import Suite, read_suite
from foreshot.suites.probes import built_in_probes, read_probes
from foreshot.training.device import find_device, find_precision
from foreshot.training.projection import compares_representations
from foreshot.training.seeding import generator
from foreshot.words.explained import ExplainedTexts, from_rationales, from_rows
from foreshot.words.word_scores import texts_left_out

MOST_TOKENISED = 4000
"""Texts whose tokens are compared with those of the tokenizer alone."""
PROBES_ROWS: Final = "probes"
SUITE_ROWS: Final = "suite"
EVASIONS: Final = "evasions"
EXPLAINED: Final = "explained"
LEFT_OUT: Final = "explained-without-each-word"
REDUCED: Final = "explained-without-the-strongest"

WITHOUT_SUITE = (
    "no suite: no class is taken for toxic, so behaviour is not judged, neither are disguises tried nor decisions "
    "explained; name the labels that count as toxic with --positive, or a suite of these classes with --suite"
)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models that were found.

    `given_teacher` is a ready classifier, of which students may take layers, and `asked_teachers` those that are only
    asked. `encoder` may be missing where a teacher was given. `tokenizer` is the encoder's and the given teacher's.
    """

    encoder: ModelSource | None
    given_teacher: ModelSource | None
    asked_teachers: tuple[AskedTeacher, ...]
    tokenizer: PreTrainedTokenizerBase
    announcements: list[str]

    @property
    def origin(self) -> ModelSource:
        """The model that students take their layers from, unless a recipe says otherwise."""
        origin = self.given_teacher or self.encoder
        assert origin is not None  # Experiment asks for one of them
        return origin


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a comparison is made of. `encoder` may be missing where a teacher was given.

    With `asked_teachers` there is no teacher whose layers could be taken; of several the mean teaches.
    """

    experiment: Experiment
    split: Split
    task: Task
    encoder: ModelSource | None
    given_teacher: ModelSource | None
    asked_teachers: tuple[AskedTeacher, ...] = ()
    tokenizer: PreTrainedTokenizerBase
    texts: dict[str, Sequence[str]]  # by name: the parts, and what is named above
    rows: dict[str, EncodedRows]  # the same, tokenised for the encoder
    unlabelled: Unlabelled | None
    unlabelled_rows: EncodedRows | None  # once they stand in the run's folder
    layer_maps: dict[str, tuple[int, ...]]  # by recipe; without those of measured strategies
    probes: list[Probe]
    suite: Suite | None
    evasions: Evasions | None
    explained: ExplainedTexts | None
    data_fingerprint: str
    corrections: Corrected | None = None
    announcements: tuple[str, ...]  # about the models
    device: torch.device  # where models are trained and asked

    @property
    def origin(self) -> ModelSource:
        """The model that the teacher starts from, or is; of teachers that are only asked, what students start from."""
        origin = self.given_teacher or self.encoder
        assert origin is not None  # Experiment asks for one of them
        return origin

    @property
    def teacher_width(self) -> int:
        """How wide the teacher's sentence representations are; 0 where they aren't known."""
        return (width_of(self.asked_teachers) or 0) if self.asked_teachers else int(self.origin.config.hidden_size)

    def origin_of(self, recipe: Recipe) -> ModelSource:
        """The model whose layers a recipe's `layers` count."""
        return self.encoder if recipe.init == "encoder" and self.encoder else self.origin

    @property
    def teacher_is_reference(self) -> bool:
        """Whether the teacher is what all that is known of the rows came from: stored scores alone."""
        return not self.split.labelled and bool(self.asked_teachers)

    @property
    def class_names(self) -> list[str]:
        """The classes that behaviour is judged by."""
        return list(self.task.classes.names)

    @property
    def positive(self) -> int | None:
        """The number of the class that counts as toxic."""
        return self.task.classes.positive

    @property
    def positive_name(self) -> str | None:
        """The name of the class that counts as toxic."""
        return None if self.positive is None else self.class_names[self.positive]

    def answers(self, part: str) -> np.ndarray:
        """What is known of a part's rows, as `judging.task` has it."""
        return self.task.answers(self.split.parts[part])

    @property
    def row_weights(self) -> np.ndarray | None:
        """What each training row weighs in training, float32 (rows,); None where all weigh alike."""
        right = self.split.parts["train"].corrected
        weight = np.float32(self.experiment.corrections.weight)
        return None if right is None else np.where(right, weight, np.float32(1))

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
    def asked_texts(self) -> dict[str, Sequence[str]]:
        """The texts of `asked`."""
        train = self.texts["train"]
        return {**self.texts, "train": [train[row] for row in self.asked_training_rows]}

    def asked_windows(self, size: int) -> Iterator[list[str]]:
        """The texts of `asked_rows`, `size` at a time."""
        others = self.unlabelled.texts() if self.unlabelled and not self.unlabelled.scores else ()
        texts = chain(self.texts["train"], others)
        while window := list(islice(texts, size)):
            yield window

    @cached_property
    def taught_rows(self) -> EncodedRows:
        """The rows that a teacher teaches: those with labels, then, once they are in the run's folder, the others."""
        rows = self.rows["train"]
        return rows.followed_by(self.unlabelled_rows) if self.unlabelled_rows else rows

    @property
    def asked_rows(self) -> EncodedRows:
        """Of them those that the teacher is asked about: all but unlabelled ones with scores."""
        return self.rows["train"] if self.unlabelled and self.unlabelled.scores else self.taught_rows

    @property
    def taught_counts(self) -> tuple[int, int]:
        """How many rows the teacher is asked about, and of how many the scores are known instead."""
        labelled, others = len(self.rows["train"]), len(self.unlabelled) if self.unlabelled else 0
        return (labelled, others) if self.unlabelled and self.unlabelled.scores else (labelled + others, 0)

    def data_facts(self) -> DataFacts:
        """What `results.json` says about the data."""
        split = self.split
        return DataFacts(
            synthetic=self.experiment.data == DEMO,
            text_column=split.text_column,
            label_column=split.label_column,
            label_names=self.task.names if self.task.multi_label else None,
            thresholds={name: list(self.experiment.thresholds_of(name)) for name in split.score_names or ()}
            if not split.labelled
            else None,
            classes=self.class_names,
            positive=self.positive_name,
            normalisation=NORMALISATION,
            parts={
                name: PartFacts(
                    source=part.source,
                    rows=len(part),
                    class_counts={label: part.labels.count(index) for index, label in enumerate(self.class_names)},
                    label_counts=part.label_counts(split.counted_names),
                )
                for name, part in split.parts.items()
            },
            duplicates_removed=split.duplicates_removed,
            label_conflicts=split.label_conflicts,
            skipped_rows=split.skipped_rows,
            unlabelled_rows=len(self.unlabelled) if self.unlabelled else 0,
            announcements=[*split.announcements, *self.announcements],
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


def read_inputs(experiment: Experiment) -> Inputs:
    """Read and check every input of an experiment; nothing is written.

    The experiment that is given back names the precision that "auto" stands for on its device. Raises ConfigError,
    DataError, DeviceError, ModelError or GuardError.
    """
    device = find_device(experiment.device)
    experiment = _with_precision(experiment, device)
    said: list[str] = []  # about tables
    dialect = asked_dialect(experiment.separator, experiment.quoting, say=said.append)
    as_stored = _read_split(experiment, dialect)
    dialect = replace(dialect, firm=False)  # what else is read may come from elsewhere
    split, corrections = _with_corrections(experiment, as_stored, dialect)
    if experiment.identity_columns or experiment.identity_terms:
        split = with_identity_groups(split, experiment.identity_terms, dialect)
    task = task_of(split, experiment.thresholds_of)
    if split.labelled and split.has_scores:
        split = judged_where_scored(split)
    check_parts_apart(split)
    _check_decision(experiment, split)
    _check_class_weights(experiment, split)
    probes = _probes(experiment, split, dialect)
    suite_scores, suite, told = scored_suite(experiment, _suite(experiment, split, dialect), dialect)
    split = replace(split, announcements=(*split.announcements, *told))
    if suite is None and experiment.suite == AUTO_SUITE:
        split = replace(split, announcements=(*split.announcements, WITHOUT_SUITE))
    evasions = _evasions(experiment, split)
    explained = _explained(experiment, split, dialect)
    stored = None
    if split.has_scores and not experiment.teacher_from_scores:
        stored = stored_teacher(experiment, as_stored, task, suite_scores)
        explained = None  # nothing is known of what it would say without a word
        alone = not split.labelled and experiment.unlabelled is None  # or there are rows that a teacher alone knows
        experiment = _from_encoder(experiment, by_labels=alone)
    models = _find_models(experiment, task, device, stored)
    if models.asked_teachers:
        experiment = _from_encoder(experiment)
    encoder, tokenizer, origin = models.encoder, models.tokenizer, models.origin
    max_length = experiment.training.max_length
    texts: dict[str, Sequence[str]] = {name: part.texts for name, part in split.parts.items()}
    unlabelled = _unlabelled(experiment, split, task, dialect)
    if unlabelled:
        _check_taught(unlabelled, experiment, task, teacher_is_there=stored is None)
    texts[PROBES_ROWS] = [probe.text for probe in probes]
    texts[SUITE_ROWS] = [case.text for case in suite.cases] if suite else []
    texts[EVASIONS] = evasions.all_texts if evasions else []
    texts[EXPLAINED] = explained.texts if explained else []
    by_leaving_out = experiment.explanations.method == "leave-one-out"
    texts[LEFT_OUT] = texts_left_out(explained) if explained and by_leaving_out else []
    texts = {name: asked for name, asked in texts.items() if asked}
    rows = {name: encode(asked, tokenizer, max_length) for name, asked in texts.items()}
    if experiment.exportable:
        names = [name for name in ("validation", SUITE_ROWS) if name in rows]
        ids = {text: list(of_text) for name in names for text, of_text in zip(texts[name], rows[name].ids, strict=True)}
        _check_exportable([origin, encoder or origin], tokenizer, max_length, dict(islice(ids.items(), MOST_TOKENISED)))
    about_texts = unlabelled.announcements if unlabelled else ()
    return Inputs(
        experiment=experiment,
        split=replace(split, announcements=tuple(dict.fromkeys((*said, *split.announcements)))),
        task=task,
        encoder=encoder,
        given_teacher=models.given_teacher,
        asked_teachers=models.asked_teachers,
        tokenizer=tokenizer,
        texts=texts,
        rows=rows,
        unlabelled=unlabelled,
        unlabelled_rows=None,
        layer_maps=_layer_maps(experiment, models),
        probes=probes,
        suite=suite,
        evasions=evasions,
        explained=explained,
        data_fingerprint=_data_fingerprint(split),
        corrections=corrections,
        announcements=tuple(dict.fromkeys((*models.announcements, *_projections(experiment, models), *about_texts))),
        device=device,
    )


def _from_encoder(experiment: Experiment, *, by_labels: bool = False) -> Experiment:
    """The experiment with every student cut from the encoder: of teachers that are only asked there are no layers.

    With `by_labels` the teacher's scores are what is known of the rows, and students learn them as such.
    """
    change = {"init": "encoder", **({"objective": "labels"} if by_labels else {})}
    recipes = tuple(recipe.model_copy(update=change) for recipe in experiment.recipes)
    return experiment.model_copy(update={"recipes": recipes})


def _with_precision(experiment: Experiment, device: torch.device) -> Experiment:
    precision = find_precision(experiment.training.precision, device)
    training = experiment.training.model_copy(update={"precision": precision})
    return experiment.model_copy(update={"training": training})


def _read_split(experiment: Experiment, dialect: AskedDialect) -> Split:
    given: tuple[Table, Table | None, Table | None]
    if experiment.data == DEMO:
        if experiment.identity_columns:
            raise ConfigError("identity_columns: the built-in corpus has none; name a file with identity_terms")
        data, test = _demo_tables(experiment.first_seed)
        given = (data, None, test)
    else:
        given = (
            _read(experiment, experiment.data, "train", dialect),
            _read(experiment, experiment.validation, "validation", dialect) if experiment.validation else None,
            _read(experiment, experiment.test, "test", dialect) if experiment.test else None,
        )
    return split_tables(
        *given,
        positive=experiment.positive,
        named_classes=experiment.classes,
        validation_fraction=experiment.validation_fraction,
        test_fraction=experiment.test_fraction,
        seed=experiment.first_seed,
        max_train_rows=experiment.max_train_rows,
    )


def _with_corrections(experiment: Experiment, split: Split, dialect: AskedDialect) -> tuple[Split, Corrected | None]:
    """The split as corrections have it, where there are any, and what they did to it."""
    settings = experiment.corrections
    if settings.file is None:
        return split, None
    read = read_corrections(
        settings.file,
        split,
        text=experiment.text,
        label=experiment.label,
        leave_out=experiment.leave_out,
        skip_bad_rows=experiment.skip_bad_rows,
        dialect=dialect,
    )
    threshold = experiment.thresholds_of((split.score_names or ("",))[0])[0]
    split, found = corrected(split, read, share=settings.held_out, seed=experiment.first_seed, threshold=threshold)
    said = (*read.announcements, *told(found, settings.weight))
    return replace(split, announcements=(*split.announcements, *said)), found


def _read(experiment: Experiment, source: str, part: str, dialect: AskedDialect) -> Table:
    tested_on = "test" if experiment.test else "train"
    return read_table(
        source,
        text=experiment.text,
        label=experiment.label,
        labels=experiment.labels,
        scores=experiment.scores or (),
        threshold=experiment.thresholds_of(output_name(experiment.scores[0]))[0] if experiment.scores else EVEN,
        leave_out=experiment.leave_out,
        combined=experiment.classes is not None,
        skip_bad_rows=experiment.skip_bad_rows,
        part=part,
        identity_columns=(experiment.identity_columns or ()) if part == tested_on else (),
        dialect=dialect,
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


def _unlabelled(experiment: Experiment, split: Split, task: Task, dialect: AskedDialect) -> Unlabelled | None:
    if experiment.unlabelled is None:
        return None
    if not any(recipe.objective == "distil" for recipe in experiment.recipes):
        if experiment.unlabelled == DEMO:  # the demo's own setting, which asking for other recipes leaves as it is
            return None
        raise ConfigError("unlabelled: no recipe learns from the teacher, so nothing would learn from these texts")
    batch_size = experiment.training.batch_size
    for recipe in experiment.recipes:
        share = (recipe.distillation or experiment.distillation).unlabelled_share
        if recipe.objective == "distil" and share and not rows_without_label(batch_size, share):
            raise ConfigError(
                f"distillation.unlabelled_share: {share:g} of a batch of {batch_size} is not one text; raise it or "
                "training.batch_size"
            )
    known = (text for part in split.parts.values() for text in part.texts)
    if experiment.unlabelled == DEMO:
        corpus = make_corpus(experiment.first_seed)
        return texts_apart_from(known, [comment.text for comment in corpus.train], source="the built-in corpus")
    scores = experiment.scores or ()
    return read_unlabelled(experiment.unlabelled, text=experiment.text, known=known, scores=scores, dialect=dialect)


def _check_taught(unlabelled: Unlabelled, experiment: Experiment, task: Task, *, teacher_is_there: bool) -> None:
    """Raise ConfigError unless the texts have scores that tell the task's logits, or a teacher can be asked."""
    source, scores, outputs = unlabelled.source, len(unlabelled.scores), len(task.names)
    if not scores:
        if teacher_is_there:
            return
        raise ConfigError(
            f"{source}: has none of the scores ({listing(experiment.scores or ())}), and nobody is there to give them: "
            "the teacher is scores alone; name a file with scores, or fine-tune a teacher on them with "
            "⟨teacher_from_scores⟩"
        )
    if task.multi_label and scores != outputs:
        raise ConfigError(
            f"{source}: ⟨scores⟩ names {scores}, but there are {outputs} labels ({listing(task.names)}); name a score "
            "for each, in their order"
        )
    if not task.multi_label and (scores != 1 or outputs != 2 or task.classes.positive is None):
        raise ConfigError(
            f"{source}: one score tells of two classes, one of which counts as toxic; here are {scores} scores, and "
            f"the classes are {listing(task.names)}; name them with ⟨scores⟩, ⟨label⟩ and ⟨positive⟩"
        )


def _probes(experiment: Experiment, split: Split, dialect: AskedDialect) -> list[Probe]:
    if experiment.probes == DEMO or (experiment.probes is None and experiment.data == DEMO):
        return built_in_probes(split.classes)
    return read_probes(experiment.probes, split.classes, dialect) if experiment.probes else []


def _check_decision(experiment: Experiment, split: Split) -> None:
    """Too few validation rows for the policy must show before anything is trained."""
    positive = split.classes.positive
    check_enough(
        experiment.decision,
        np.array(split.parts["validation"].labels),
        positive,
        positive_name="" if positive is None else split.classes.names[positive],
    )


def _check_class_weights(experiment: Experiment, split: Split) -> None:
    weights, names = experiment.training.classification.class_weights, split.output_names
    if isinstance(weights, tuple) and len(weights) != len(names):
        raise ConfigError(
            f"training.classification.class_weights: {len(weights)} weights, but there are {len(names)} classes: "
            f"{listing(names)}"
        )


def _suite(experiment: Experiment, split: Split, dialect: AskedDialect) -> Suite | None:
    source = experiment.suite
    if source == AUTO_SUITE:
        source = BUILTIN_SUITE if split.classes.positive is not None else NO_SUITE
    if source == NO_SUITE:
        return None
    return read_suite(source, split.classes, experiment.suite_labels, dialect)


def _evasions(experiment: Experiment, split: Split) -> Evasions | None:
    if split.classes.positive is None:
        return None
    test = split.parts["test"]
    toxic = np.array(test.labels) == split.classes.positive
    if not toxic.any():
        return None
    words, most = derogatory_words(), experiment.disguised_rows
    return make_evasions(test.texts, toxic, words, most=most, seed=experiment.first_seed)


def _explained(experiment: Experiment, split: Split, dialect: AskedDialect) -> ExplainedTexts | None:
    """The texts that people marked words of, or else test rows that count as toxic; None for none."""
    settings, positive = experiment.explanations, split.classes.positive
    if not settings.most_texts:
        return None
    rng = generator(experiment.first_seed, "explained")
    if settings.rationales is not None:
        if positive is None:
            raise DataError(
                "rationales: they say why a text counts as toxic, and no class does here; name it with ⟨positive⟩"
            )
        known = split.parts["train"].texts
        read = read_rationales(settings.rationales, text=experiment.text, known=known, dialect=dialect)
        return from_rationales(read, settings.most_texts, rng)
    if positive is None:
        return None
    test = split.parts["test"]
    toxic = [text for text, label in zip(test.texts, test.labels, strict=True) if label == positive]
    rows = f"test rows of class {split.classes.names[positive]}"
    found = from_rows(toxic, rows, settings.most_texts, rng)
    return found if found.texts else None


def _find_models(
    experiment: Experiment, task: Task, device: torch.device, stored: StoredTeacher | None = None
) -> Models:
    """The encoder, and the teachers that were given: examined, and checked against what the recipes want of them."""
    names, multi_label, layers_at = task.names, task.multi_label, experiment.layer_stack
    encoder = find_model(experiment.encoder, layers_at=layers_at) if experiment.encoder else None
    found = find_teachers(experiment, task)
    teacher = _with_layers(found, encoder)
    asked: tuple[AskedTeacher, ...] = (stored,) if stored else ()
    if not teacher and not stored:
        asked = tuple(ready(one, experiment, task, device) for one in found)
    origin = teacher or encoder
    assert origin is not None
    tokenizer = load_tokenizer(origin)
    announcements = list(teacher.announcements) if teacher else []
    if asked and encoder:
        announcements += check_asked(experiment, asked, encoder)
        experiment = _from_encoder(experiment)
    if encoder:
        model = load_encoder(encoder, names, seed=0, multi_label=multi_label)
        _examine(encoder, model, load_tokenizer(encoder) if teacher else tokenizer, experiment)
        _check_inside(model, experiment, teaches=not found and not stored)
        if carried_head(encoder):
            announcements.append(
                f"{encoder.name}: carries a head of its own, which is not used; give it as --teacher to learn from it"
            )
    if teacher:
        model = load_classifier(teacher, names, multi_label=multi_label)
        _examine(teacher, model, tokenizer, experiment)
        _check_inside(model, experiment, teaches=True)
    if tokenizer.truncation_side != "right":
        tokenizer.truncation_side = "right"
        announcements.append(
            f"{origin.name}: its tokenizer cuts long texts at their start; here, as by a bundle, their end is cut"
        )
    return Models(
        encoder=encoder,
        given_teacher=teacher,
        asked_teachers=asked,
        tokenizer=tokenizer,
        announcements=announcements,
    )


def _with_layers(found: Sequence[ModelSource | FoundBundle], encoder: ModelSource | None) -> ModelSource | None:
    """The teacher, where students can take its layers: one ready classifier, with the encoder's vocabulary.

    None for teachers that can only be asked; raises ConfigError where there is no encoder then.
    """
    teacher = found[0] if len(found) == 1 else None
    if isinstance(teacher, FoundBundle) and encoder is None:
        raise ConfigError(f"{teacher.name}: a bundle has no layers to start from; give ⟨encoder⟩ beside ⟨teacher⟩")
    if not isinstance(teacher, ModelSource) or encoder is None:
        return teacher if isinstance(teacher, ModelSource) else None
    return teacher if load_tokenizer(encoder).get_vocab() == load_tokenizer(teacher).get_vocab() else None


def _examine(
    source: ModelSource, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, experiment: Experiment
) -> None:
    """What `examine` refuses, and what can be asked but not compared."""
    max_length, longest = experiment.training.max_length, longest_input(model)
    if max_length > longest:
        raise ConfigError(
            f"training.max_length: {max_length}, but {source.name} has positions for {longest} tokens only"
        )
    if examine(source, model, tokenizer, max_length).first_token_blind:
        raise ModelError(
            f"{source.name}: the first token of {model.config.model_type} doesn't see the others, and its state is "
            "what students learn; give an encoder such as BERT, RoBERTa or MPNet"
        )


def _check_inside(model: PreTrainedModel, experiment: Experiment, *, teaches: bool) -> None:
    """Layers, and queries, keys and values where a loss needs them, must be found before anything is trained."""
    _, layers = layer_stack(model)
    model.eval()
    if experiment.training.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise ModelError(
            f"{model.config.model_type}: its layers can't be computed again for the backward pass; leave out "
            "training.gradient_checkpointing"
        )
    for recipe in experiment.recipes:
        if _starts_from(recipe, experiment, teaches=teaches):
            check_layers(model, layer_map(recipe.layers, len(layers), ranking=range(1, len(layers) + 1)))
    if teaches and any(recipe.measured == "influence" for recipe in experiment.recipes):
        check_look(model, Look(layers=tuple(range(1, len(layers) + 1))))
    for recipe in experiment.recipes:
        settings = recipe.distillation or experiment.distillation
        if recipe.objective == "distil" and settings.weights.ever("hidden"):
            check_look(model, Look(layers=(len(layers),)))
        if recipe.objective == "distil" and settings.weights.ever("relations"):
            number = (settings.relations.layer if teaches else None) or len(layers)
            if number > len(layers):
                raise ConfigError(f"relations.layer: {number}, but the model has only {len(layers)} layers")
            if model.config.hidden_size % settings.relations.heads:
                raise ConfigError(
                    f"relations.heads: {settings.relations.heads} don't divide the model's width, "
                    f"{model.config.hidden_size}"
                )
            check_look(model, Look(projections_of=number, projections=settings.relations.projections))
    if "lora" in {recipe.tuning for recipe in experiment.recipes if _starts_from(recipe, experiment, teaches=teaches)}:
        add_lora(model, experiment.lora, seed=0, base_name="")  # the model is of no more use


def _starts_from(recipe: Recipe, experiment: Experiment, *, teaches: bool) -> bool:
    """Whether a recipe's students are cut from the model that teaches, or from the one that doesn't."""
    return experiment.teacher is None or (recipe.init == "teacher") == teaches


def _check_exportable(
    sources: Sequence[ModelSource], tokenizer: PreTrainedTokenizerBase, max_length: int, ids: Mapping[str, list[int]]
) -> None:
    """Raise ModelError where what is trained could be exported to no bundle; `ids` are those of some texts."""
    name = sources[0].name
    try:
        alone = TextTokenizer(tokenizer_json(name, tokenizer), max_length=max_length, where=name)
        check_tokenization(name, alone, list(ids), list(ids.values()))
        for source in {source.config.model_type: source for source in sources}.values():
            check_architecture(source)
    except (BundleError, ModelError) as error:
        raise ModelError(
            f"{error}; give another encoder, or compare without a bundle at the end (exportable: false)"
        ) from None


def _layer_maps(experiment: Experiment, models: Models) -> dict[str, tuple[int, ...]]:
    """The layers of every recipe, but of those that have to wait for a measure; all of them are checked."""
    maps = {recipe.name: _checked_layers(recipe, experiment, models) for recipe in experiment.recipes}
    if taken := sorted(maps.keys() & {name + TUNED for name in maps}) if experiment.tune_learning_rates else []:
        raise ConfigError(f"recipe {taken[0]}: the search for learning rates takes this name; choose another")
    return {recipe.name: maps[recipe.name] for recipe in experiment.recipes if not recipe.measured}


def _checked_layers(recipe: Recipe, experiment: Experiment, models: Models) -> tuple[int, ...]:
    if recipe.init == "encoder" and models.encoder is None:
        raise ConfigError(f"recipe {recipe.name}: starts from the encoder; give ⟨encoder⟩ beside ⟨teacher⟩")
    source = _source(recipe, models)
    if recipe.objective == "distil":
        _check_teacher_fits(recipe, recipe.distillation or experiment.distillation, source, models.origin)
    if recipe.measured and recipe.init == "encoder" and models.given_teacher is not None:
        raise ConfigError(
            f"recipe {recipe.name}: {recipe.layers} looks at the teacher's layers, which are not the encoder's; "
            "set init: teacher, or name layers"
        )
    return layer_map(recipe.layers, source.depth)


def _source(recipe: Recipe, models: Models) -> ModelSource:
    return models.encoder if recipe.init == "encoder" and models.encoder else models.origin


def _check_teacher_fits(recipe: Recipe, settings: Distillation, source: ModelSource, origin: ModelSource) -> None:
    """Losses between hidden states need students as wide, and for each layer one of the teacher's."""
    narrower = source.config.hidden_size != origin.config.hidden_size
    if settings.weights.ever("hidden") and (narrower or source.depth != origin.depth):
        raise ConfigError(
            f"recipe {recipe.name}: the encoder's layers are not those of the teacher; set weights.hidden: 0 "
            "(relations work between any two widths)"
        )


def _projections(experiment: Experiment, models: Models) -> list[str]:
    """What is announced of students that are not as wide as the given teacher."""
    width = int(models.origin.config.hidden_size)
    return [
        told_of_projection(width, source)
        for recipe in experiment.recipes
        if recipe.objective == "distil" and (source := _source(recipe, models)).config.hidden_size != width
        if compares_representations(recipe.distillation or experiment.distillation)
    ]


def _data_fingerprint(split: Split) -> str:
    digest = hashlib.sha256()
    for name, part in split.parts.items():
        for text, label in zip(part.texts, part.answers, strict=True):
            digest.update(f"{name}\0{label}\0{text}\0".encode("utf-8", "surrogatepass"))
        if part.scores is not None:
            digest.update(np.array(part.scores, dtype=np.float64).tobytes())
        if part.corrected is not None:
            digest.update(np.array(part.corrected).tobytes())
    return fingerprint([digest.hexdigest(), list(split.output_names)])
