"""The texts of a comparison: rows, suite, probes, disguises and explained texts, read and checked."""

from dataclasses import replace

import numpy as np

from foreshot.data.correcting import Corrected, corrected, told
from foreshot.data.corrections import read_corrections
from foreshot.data.labels import BENIGN, TOXIC
from foreshot.data.rationales import read_rationales
from foreshot.data.sample import LABEL_NOISE, make_corpus
from foreshot.data.split import Split, split_tables
from foreshot.data.table import Table, read_table
from foreshot.data.texts import listing
from foreshot.data.unlabelled import Unlabelled, read_unlabelled, texts_apart_from
from foreshot.errors import ConfigError, DataError
from foreshot.judging.behaviour import Evasions, make_evasions
from foreshot.judging.task import Task
from foreshot.judging.thresholds import check_enough
from foreshot.models.batches import rows_without_label
from foreshot.results.behaviour import Probe
from foreshot.settings.dialect import AskedDialect
from foreshot.settings.experiment import (
    AUTO_SUITE,
    BUILTIN_SUITE,
    DEMO,
    EVEN,
    NO_SUITE,
    Experiment,
)
from foreshot.settings.scores import output_name
from foreshot.suites.builtin import derogatory_words
from foreshot.suites.cases import Suite, read_suite
from foreshot.suites.probes import built_in_probes, read_probes
from foreshot.training.seeding import generator
from foreshot.words.explained import ExplainedTexts, from_rationales, from_rows


def read_split(experiment: Experiment, dialect: AskedDialect) -> Split:
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


def with_corrections(experiment: Experiment, split: Split, dialect: AskedDialect) -> tuple[Split, Corrected | None]:
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


def find_unlabelled(experiment: Experiment, split: Split, task: Task, dialect: AskedDialect) -> Unlabelled | None:
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


def check_scores_found(experiment: Experiment, split: Split, unlabelled: Unlabelled | None) -> None:
    """Stop where no row has a score that was asked for; beside labels a file may have none, but not all of them."""
    if experiment.scores is None or not split.labelled or split.has_scores or (unlabelled and unlabelled.scores):
        return
    raise DataError(
        f"{experiment.data}: no row has a score {listing(experiment.scores)}; name the columns that hold them with "
        "⟨scores⟩, or leave it out"
    )


def check_taught(unlabelled: Unlabelled, experiment: Experiment, task: Task, *, teacher_is_there: bool) -> None:
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


def find_probes(experiment: Experiment, split: Split, dialect: AskedDialect) -> list[Probe]:
    if experiment.probes == DEMO or (experiment.probes is None and experiment.data == DEMO):
        return built_in_probes(split.classes)
    return read_probes(experiment.probes, split.classes, dialect) if experiment.probes else []


def check_decision(experiment: Experiment, split: Split) -> None:
    """Too few validation rows for the policy must show before anything is trained."""
    positive = split.classes.positive
    check_enough(
        experiment.decision,
        np.array(split.parts["validation"].labels),
        positive,
        positive_name="" if positive is None else split.classes.names[positive],
    )


def check_class_weights(experiment: Experiment, split: Split) -> None:
    weights, names = experiment.training.classification.class_weights, split.output_names
    if isinstance(weights, tuple) and len(weights) != len(names):
        raise ConfigError(
            f"training.classification.class_weights: {len(weights)} weights, but there are {len(names)} classes: "
            f"{listing(names)}"
        )


def find_suite(experiment: Experiment, split: Split, dialect: AskedDialect) -> Suite | None:
    source = experiment.suite
    if source == AUTO_SUITE:
        source = BUILTIN_SUITE if split.classes.positive is not None else NO_SUITE
    if source == NO_SUITE:
        return None
    return read_suite(source, split.classes, experiment.suite_labels, dialect)


def find_evasions(experiment: Experiment, split: Split) -> Evasions | None:
    if split.classes.positive is None:
        return None
    test = split.parts["test"]
    toxic = np.array(test.labels) == split.classes.positive
    if not toxic.any():
        return None
    words, most = derogatory_words(), experiment.disguised_rows
    return make_evasions(test.texts, toxic, words, most=most, seed=experiment.first_seed)


def find_explained(experiment: Experiment, split: Split, dialect: AskedDialect) -> ExplainedTexts | None:
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
