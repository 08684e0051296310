"""The inputs of a comparison: everything that is asked for, read and checked before anything is written or trained."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from typing import Final

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from foreshot.comparison.asked_teachers import (
    AskedBundle,
    AskedTeacher,
    find_baseline,
    width_of,
)
from foreshot.comparison.contrasts import Mended, check_mending, check_rounds, find_mended
from foreshot.comparison.found_models import (
    check_exportable,
    find_models,
    from_encoder,
    layer_maps,
    projections,
)
from foreshot.comparison.stored_teacher import judged_as_stored, judged_where_scored, scored_suite, stored_teacher
from foreshot.comparison.texts import (
    check_class_weights,
    check_decision,
    check_scores_found,
    check_taught,
    find_evasions,
    find_explained,
    find_probes,
    find_suite,
    find_unlabelled,
    read_split,
    with_corrections,
)
from foreshot.data.correcting import Corrected
from foreshot.data.identity_groups import with_identity_groups
from foreshot.data.split import Split
from foreshot.data.texts import NORMALISATION
from foreshot.data.unlabelled import Unlabelled
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.behaviour import Evasions
from foreshot.judging.guards import check_parts_apart
from foreshot.judging.task import Task, task_of
from foreshot.models.batches import EncodedRows, encode
from foreshot.models.encoders import (
    ModelSource,
)
from foreshot.results.behaviour import Probe
from foreshot.results.results import DataFacts, EncoderFacts, PartFacts
from foreshot.results.run_folder import MENDED_TEACHER_FOLDER, TEACHER_FOLDER
from foreshot.settings.dialect import asked_dialect
from foreshot.settings.experiment import (
    AUTO_SUITE,
    DEMO,
    MOST_ASKED_TRAINING_ROWS,
    Experiment,
)
from foreshot.settings.recipes import Recipe
from foreshot.suites.cases import Suite
from foreshot.training.device import find_device, find_precision
from foreshot.training.seeding import generator
from foreshot.words.explained import ExplainedTexts
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
class Inputs:
    """What a comparison is made of. `encoder` may be missing where a teacher was given.

    With `asked_teachers` there is no teacher whose layers could be taken; of several the mean teaches. `mended` is what
    recipes with `mend` learn besides; in their arm (`comparison.arms`) it belongs to the rows that are learnt from.
    `baseline` is only compared with.
    """

    experiment: Experiment
    split: Split
    task: Task
    encoder: ModelSource | None
    given_teacher: ModelSource | None
    asked_teachers: tuple[AskedTeacher, ...] = ()
    baseline: AskedBundle | None = None
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
    mended: Mended | None = None
    in_mended_arm: bool = False
    announcements: tuple[str, ...]  # about the models
    device: torch.device  # where models are trained and asked

    @property
    def origin(self) -> ModelSource:
        """The model that the teacher starts from, or is; of teachers that are only asked, what students start from."""
        origin = self.given_teacher or self.encoder
        assert origin is not None  # Experiment asks for one of them
        return origin

    @property
    def teacher_name(self) -> str:
        """What the teacher of this arm is called: one that was given, or is only asked, can't be mended."""
        trained = not self.given_teacher and not self.asked_teachers
        return MENDED_TEACHER_FOLDER if self.in_mended_arm and trained else TEACHER_FOLDER

    @property
    def contrasts(self) -> Mended | None:
        """The contrast texts that this arm learns from besides the training rows."""
        return self.mended if self.in_mended_arm else None

    @property
    def contrast_count(self) -> int:
        """How many of the labelled rows, the last ones, are contrast texts."""
        return len(self.contrasts.texts) if self.contrasts else 0

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
    def labelled_rows(self) -> EncodedRows:
        """The rows with targets: the training rows, then this arm's contrast texts."""
        rows = self.rows["train"]
        return rows.followed_by(self.contrasts.rows) if self.contrasts else rows

    @property
    def targets(self) -> np.ndarray:
        """What is learnt of the labelled rows, as the classification loss takes it."""
        targets = self.task.targets(self.split.parts["train"])
        return np.concatenate([targets, self.contrasts.targets]) if self.contrasts else targets

    @property
    def row_weights(self) -> np.ndarray | None:
        """What each labelled row weighs in training, float32 (rows,); None where all weigh alike."""
        right, of_groups = (
            self.split.parts["train"].corrected,
            None if self.contrasts is None else self.contrasts.weights,
        )
        if right is None and of_groups is None:
            return None
        weights = np.ones(len(self.rows["train"]), dtype=np.float32) if of_groups is None else of_groups
        if right is not None:
            weights = weights * np.where(right, np.float32(self.experiment.corrections.weight), np.float32(1))
        return np.concatenate([weights, np.ones(self.contrast_count, dtype=np.float32)])

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
        texts = chain(self.texts["train"], self.contrasts.texts if self.contrasts else (), others)
        while window := list(islice(texts, size)):
            yield window

    @cached_property
    def taught_rows(self) -> EncodedRows:
        """The rows that a teacher teaches: those with labels, then, once they are in the run's folder, the others."""
        rows = self.labelled_rows
        return rows.followed_by(self.unlabelled_rows) if self.unlabelled_rows else rows

    @property
    def asked_rows(self) -> EncodedRows:
        """Of them those that the teacher is asked about: all but unlabelled ones with scores."""
        return self.labelled_rows if self.unlabelled and self.unlabelled.scores else self.taught_rows

    @property
    def taught_counts(self) -> tuple[int, int]:
        """How many rows the teacher is asked about, and of how many the scores are known instead."""
        labelled, others = len(self.labelled_rows), len(self.unlabelled) if self.unlabelled else 0
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
    as_stored = read_split(experiment, dialect)
    dialect = replace(dialect, firm=False)  # what else is read may come from elsewhere
    split, corrections = with_corrections(experiment, as_stored, dialect)
    if experiment.identity_columns or experiment.identity_terms:
        split = with_identity_groups(split, experiment.identity_terms, dialect)
    task = task_of(split, experiment.thresholds_of)
    if split.labelled and split.has_scores:
        split = judged_where_scored(split)
    check_parts_apart(split)
    check_decision(experiment, split)
    check_class_weights(experiment, split)
    probes = find_probes(experiment, split, dialect)
    suite_scores, suite, told = scored_suite(experiment, find_suite(experiment, split, dialect), dialect)
    split = replace(split, announcements=(*split.announcements, *told))
    if suite is None and experiment.suite == AUTO_SUITE:
        split = replace(split, announcements=(*split.announcements, WITHOUT_SUITE))
    evasions = find_evasions(experiment, split)
    explained = find_explained(experiment, split, dialect)
    stored = None
    if split.has_scores and not experiment.teacher_from_scores and not experiment.given_teachers:
        stored = stored_teacher(experiment, as_stored, task, suite_scores)
        if not split.labelled:
            split = judged_as_stored(split, as_stored)
        explained = None  # nothing is known of what it would say without a word
        alone = not split.labelled and experiment.unlabelled is None  # or there are rows that a teacher alone knows
        experiment = from_encoder(experiment, by_labels=alone)
    models = find_models(experiment, task, device, stored)
    baseline = find_baseline(experiment, task)
    if models.asked_teachers:
        experiment = from_encoder(experiment)
    encoder, tokenizer, origin = models.encoder, models.tokenizer, models.origin
    max_length = experiment.training.max_length
    unlabelled = find_unlabelled(experiment, split, task, dialect)
    check_scores_found(experiment, split, unlabelled)
    if unlabelled:
        check_taught(unlabelled, experiment, task, teacher_is_there=stored is None)
    texts = _asked_texts(experiment, split, probes, suite, evasions, explained)
    rows = {name: encode(asked, tokenizer, max_length) for name, asked in texts.items()}
    if experiment.exportable:
        names = [name for name in ("validation", SUITE_ROWS) if name in rows]
        ids = {text: list(of_text) for name in names for text, of_text in zip(texts[name], rows[name].ids, strict=True)}
        check_exportable([origin, encoder or origin], tokenizer, max_length, dict(islice(ids.items(), MOST_TOKENISED)))
    about_texts = unlabelled.announcements if unlabelled else ()
    check_rounds(experiment)
    mended: Mended | None = None
    about_mending: list[str] = []
    if any(recipe.mend for recipe in experiment.recipes):
        check_mending(experiment, suite)
        mended, about_mending = find_mended(
            experiment,
            split,
            task,
            tokenizer,
            dialect,
            judged_by=[*texts.get(SUITE_ROWS, ()), *texts.get(PROBES_ROWS, ())],
        )
        suite = suite.mended_with(mended.disguises) if suite else None
    about_baseline = baseline.announcements if baseline else ()
    return Inputs(
        experiment=experiment,
        split=replace(split, announcements=tuple(dict.fromkeys((*said, *split.announcements)))),
        task=task,
        encoder=encoder,
        given_teacher=models.given_teacher,
        asked_teachers=models.asked_teachers,
        baseline=baseline,
        tokenizer=tokenizer,
        texts=texts,
        rows=rows,
        unlabelled=unlabelled,
        unlabelled_rows=None,
        layer_maps=layer_maps(experiment, models),
        probes=probes,
        suite=suite,
        evasions=evasions,
        explained=explained,
        data_fingerprint=_data_fingerprint(split),
        corrections=corrections,
        mended=mended,
        announcements=tuple(
            dict.fromkeys(
                (
                    *models.announcements,
                    *projections(experiment, models),
                    *about_texts,
                    *about_mending,
                    *about_baseline,
                )
            )
        ),
        device=device,
    )


def _asked_texts(
    experiment: Experiment,
    split: Split,
    probes: Sequence[Probe],
    suite: Suite | None,
    evasions: Evasions | None,
    explained: ExplainedTexts | None,
) -> dict[str, Sequence[str]]:
    """All texts that models are asked about, by name; none that is empty."""
    texts: dict[str, Sequence[str]] = {name: part.texts for name, part in split.parts.items()}
    texts[PROBES_ROWS] = [probe.text for probe in probes]
    texts[SUITE_ROWS] = [case.text for case in suite.cases] if suite else []
    texts[EVASIONS] = evasions.all_texts if evasions else []
    texts[EXPLAINED] = explained.texts if explained else []
    by_leaving_out = experiment.explanations.method == "leave-one-out"
    texts[LEFT_OUT] = texts_left_out(explained) if explained and by_leaving_out else []
    return {name: asked for name, asked in texts.items() if asked}


def _with_precision(experiment: Experiment, device: torch.device) -> Experiment:
    precision = find_precision(experiment.training.precision, device)
    training = experiment.training.model_copy(update={"precision": precision})
    return experiment.model_copy(update={"training": training})


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
