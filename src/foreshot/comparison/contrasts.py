"""What mended models learn besides the rows: contrast texts, with the targets that follow from their templates."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from foreshot.data.identity_groups import identity_weights, mentions, read_identity_terms
from foreshot.data.split import Split, fold
from foreshot.errors import ConfigError
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.task import Task
from foreshot.models.batches import EncodedRows, encode
from foreshot.settings.dialect import FOUND, AskedDialect
from foreshot.settings.experiment import Experiment
from foreshot.suites.cases import Suite
from foreshot.suites.lessons import LANGUAGE, contrast_texts
from foreshot.suites.perturbations import MENDED_WITH, RULES
from foreshot.training.mending import MOST_CONTRASTS, contrast_seed

ENGLISH = re.compile(r"\b(the|and|you|that|this|with|are|your|they|what|have|was|not|for|but)\b", re.IGNORECASE)
WORDS, LOOKED_AT, FEWEST = 5, 2000, 0.4
"""Of so many texts of at least so many words such a share has a word of `ENGLISH` where English is written."""
HATE = frozenset({"hate", "hateful", "hate_speech", "identity_hate", "identity_attack"})
"""What outputs are called that learn from contrast texts whether these attack a group, where settings don't say."""


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What models are mended by: contrast texts, `targets` of them as the classification loss takes them, (texts,) or
    (texts, outputs), the kinds of disguise, and what training rows weigh, (rows,), None: all alike.
    """

    texts: tuple[str, ...]
    rows: EncodedRows
    targets: np.ndarray
    disguises: tuple[str, ...]
    weights: np.ndarray | None
    fingerprint: str


def find_mended(
    experiment: Experiment,
    split: Split,
    task: Task,
    tokenizer: PreTrainedTokenizerBase,
    dialect: AskedDialect = FOUND,
    *,
    judged_by: Sequence[str] = (),
) -> tuple[Mended, list[str]]:
    """What recipes with `mend` learn besides, and what is to be said about it.

    Contrast texts that the data hold, or that are in `judged_by`, the suite's and the probes', are left out. Where the
    task can't learn from any, or the data are in another language, there are disguises alone. Raises ConfigError for
    settings that fit no data.
    """
    settings, said = experiment.mend, []
    kinds = MENDED_WITH if settings.disguise_kinds is None else settings.disguise_kinds
    if unknown := [kind for kind in kinds if kind not in RULES]:
        raise ConfigError(f"mend.disguise_kinds: {unknown[0]!r} is none of {', '.join(RULES)}")
    if settings.lessons and not task.multi_label:
        raise ConfigError("mend.lessons: are for several outputs; of classes the toxic one learns what is toxic")
    if unknown := [name for name in settings.lessons if name not in task.names]:
        raise ConfigError(f"mend.lessons: {unknown[0]!r} is none of the outputs ({', '.join(task.names)})")
    train = split.parts["train"].texts
    wanted = min(MOST_CONTRASTS, round(settings.contrasts * len(train) * experiment.training.epochs))
    if wanted and not _is_english(train):
        said.append(f"mend: the data don't look {LANGUAGE}, which contrast texts are: mended by disguises alone")
        wanted = 0
    drawn = contrast_texts(wanted, contrast_seed(experiment.first_seed)) if wanted else []
    known = {fold(text) for texts in (*(part.texts for part in split.parts.values()), judged_by) for text in texts}
    drawn = [contrast for contrast in drawn if fold(contrast.text) not in known]
    toxic = np.array([contrast.label == "toxic" for contrast in drawn], dtype=bool)
    hateful = np.array([contrast.attacks_group for contrast in drawn], dtype=bool)
    meant = {name: "hateful" for name in task.names[1:] if name.lower() in HATE} | settings.lessons
    targets = task.contrast_targets(toxic, hateful, meant)
    if targets is None:
        said.append("mend: the classes aren't benign and toxic, so contrast texts have none: mended by disguises alone")
        drawn, targets = [], np.zeros(0, dtype=np.int64)
    texts = tuple(contrast.text for contrast in drawn)
    weights = _identity_weights(experiment, split, dialect) if settings.identities else None
    share = settings.contrasts if texts else 0.0
    made_from = ["mended", list(texts), targets.tolist(), share, list(kinds), settings.disguises]
    mended = Mended(
        texts=texts,
        rows=encode(texts, tokenizer, experiment.training.max_length),
        targets=targets,
        disguises=tuple(kinds) if settings.disguises else (),
        weights=weights,
        fingerprint=fingerprint(made_from if weights is None else [*made_from, weights.tolist()]),
    )
    return mended, said


def _identity_weights(experiment: Experiment, split: Split, dialect: AskedDialect) -> np.ndarray:
    """What each training row weighs; raises ConfigError where nothing says which rows mention a group."""
    train, positive = split.parts["train"], split.classes.positive
    found: Mapping[str, Sequence[bool]] = train.identities
    if experiment.identity_terms is not None:
        found = mentions(train.texts, read_identity_terms(experiment.identity_terms, dialect))
    if not found:
        raise ConfigError(
            "mend.identities: nothing says which training rows mention a group; give ⟨identity_terms⟩, or "
            "⟨identity_columns⟩ that they have, too"
        )
    labels = np.array(train.labels)
    return identity_weights(found, np.where(labels < 0, -1, labels == positive))


def check_rounds(experiment: Experiment) -> None:
    """Raise ConfigError for rounds that would find nothing, or that nothing would learn from."""
    if not experiment.mend.rounds or any(experiment.rounds_of(recipe) for recipe in experiment.recipes):
        return
    if experiment.unlabelled is None:
        raise ConfigError(
            "mend.rounds: look for unlabelled texts that the teacher and a student disagree on, and there are none; "
            "name some with ⟨unlabelled⟩, or set it to 0"
        )
    raise ConfigError(
        "mend.rounds: are for recipes that are mended and learn from the teacher on unlabelled texts, and none is one; "
        "mend one with objective distil and distillation.unlabelled_share above 0, or set it to 0"
    )


def check_mending(experiment: Experiment, suite: Suite | None) -> None:
    """Raise ConfigError where nothing could judge what is mended, or a loss compares tokens that a disguise changes."""
    if suite is None or not any(case.sealed for case in suite.cases):
        raise ConfigError(
            "mend: what is mended is judged by cases that nothing was mended with, and there are none; give a suite "
            "with ⟨suite⟩"
        )
    for recipe in experiment.recipes:
        distillation = recipe.distillation or experiment.distillation
        compared = [name for name in ("hidden", "relations") if distillation.weights.ever(name)]
        if recipe.mend and recipe.objective == "distil" and experiment.mend.disguises and compared:
            raise ConfigError(
                f"{recipe.name}: distillation.weights.{compared[0]} compares a text's tokens with the teacher's, and a "
                "disguised text has others; set mend.disguises to 0, or leave the weight out"
            )


def _is_english(texts: Sequence[str]) -> bool:
    """Whether most of the first texts that are long enough have an English function word; yes where none is."""
    long_ones = [text for text in texts[:LOOKED_AT] if len(text.split()) >= WORDS]
    return not long_ones or sum(bool(ENGLISH.search(text)) for text in long_ones) / len(long_ones) >= FEWEST
