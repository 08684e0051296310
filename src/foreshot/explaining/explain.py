"""Explaining: what each word of a text does to what a model says about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

import numpy as np

from foreshot.checking.check import BundleGraph, classes_of, load_checkable
from foreshot.data.alignment import Aligned, align
from foreshot.data.marks import classes_of_mark
from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError
from foreshot.progress import Progress, Silent
from foreshot.results.base import Facts
from foreshot.results.decisions import LabelDecisions
from foreshot.runtime.classifier import text_list
from foreshot.runtime.decisions import decide, view_of
from foreshot.runtime.leave_one_out import left_out, word_scores
from foreshot.runtime.log_odds import Target, is_saturated, probabilities_of, target_of
from foreshot.runtime.tokenization import LONGEST_TEXT
from foreshot.runtime.words import Word, words_of

Method = Literal["leave-one-out", "integrated-gradients"]
LEAVE_ONE_OUT, INTEGRATED_GRADIENTS = METHODS = get_args(Method)
MOST_WORDS = 200


class WordScore(Facts):
    """A word and its score; `begin` and `end` count code points of the text as it was given.

    `word` is what the model reads there. Both numbers are None for a word that it doesn't: the text is cut before it.
    """

    begin: int
    end: int
    word: str
    score: float | None
    log_odds_difference: float | None


class Explanation(Facts):
    """Why a model says what it says about a text: positive scores push towards `label`, negative ones away from it.

    `decided` is what the model decides on; `label` is that too, unless another was asked for, and `probability` and
    `log_odds` its own; `saturated` says that the probability is too near 0 or 1 to tell words apart. By leave-one-out a
    word's `score` is the probability minus the one without it, and its `log_odds_difference` likewise. By integrated
    gradients both are the word's part, in nats, of the difference of `log_odds` from the mean of `baseline_log_odds`;
    `rest` is the part of what is no word here, and `deltas` what the steps leave over for each baseline. `limited` says
    that only the first words were scored of `words_total`, `truncated` that the end of the text was not looked at.
    """

    model: str
    method: Method
    decided: str
    label: str
    probability: float
    log_odds: float
    saturated: bool
    words: list[WordScore]
    words_total: int
    limited: bool
    truncated: bool
    baseline_log_odds: dict[str, float] | None = None
    rest: float | None = None
    deltas: dict[str, float] | None = None


def explain(
    model: str | Path,
    texts: str | Sequence[str],
    *,
    method: str | None = None,
    label: str | None = None,
    positive: str | None = None,
    baselines: Sequence[str] | None = None,
    steps: int | None = None,
    file: str | None = None,
    problem_type: str | None = None,
    most_words: int = MOST_WORDS,
    progress: Progress | None = None,
) -> list[Explanation]:
    """Explain what a classifier (a bundle, a model's folder or a hub id) says about texts, in their order.

    See `Explainer` for the settings and for what is raised.
    """
    explainer = Explainer(
        model,
        method=method,
        label=label,
        positive=positive,
        baselines=baselines,
        steps=steps,
        file=file,
        problem_type=problem_type,
        most_words=most_words,
        progress=progress,
    )
    given, progress = text_list(texts), progress or Silent()
    progress.begin(f"explaining by {method or LEAVE_ONE_OUT}", len(given))
    try:
        return explainer(given, progress)
    finally:
        progress.end()


class Explainer:
    """A classifier that explains what it says.

    `method` is "leave-one-out" (the default, which needs nothing but the model's answers) or "integrated-gradients",
    which needs a model in PyTorch; `baselines` and `steps` are for the latter (`words.gradients.attribute`).
    `label` is the class or label whose scores are wanted; "not X" is the other side of a multi-label model's X. By
    default it is what the model decides on for each text. `positive` names the class that counts as toxic, or the label
    to judge, where the model doesn't tell; `file` chooses one of a bundle's graphs; `problem_type` is as in `check`; of
    longer texts the first `most_words` words are scored. Raises ConfigError for what makes no sense, other
    ForeshotErrors for a model that can't be used.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        method: str | None = None,
        label: str | None = None,
        positive: str | None = None,
        baselines: Sequence[str] | None = None,
        steps: int | None = None,
        file: str | None = None,
        problem_type: str | None = None,
        most_words: int = MOST_WORDS,
        progress: Progress | None = None,
    ) -> None:
        if method not in (None, *METHODS):
            raise ConfigError(f"⟨method⟩ {excerpt(method)}: is none of {', '.join(METHODS)}")
        self._method = cast("Method", method or LEAVE_ONE_OUT)
        gradients = self._method == INTEGRATED_GRADIENTS
        for option, value in (("⟨baselines⟩", baselines), ("⟨steps⟩", steps)):
            if value is not None and not gradients:
                raise ConfigError(f"{option}: is for ⟨method⟩ {INTEGRATED_GRADIENTS} alone")
        if most_words < 1:
            raise ConfigError(f"⟨most_words⟩ {most_words}: must be at least 1")
        self._most_words = most_words
        self._model = load_checkable(model, file, positive, problem_type)
        options: dict[str, Any] = {"baselines": baselines, "steps": steps}
        self._gradient_options = {name: value for name, value in options.items() if value is not None}
        if gradients:
            self._check_gradients()
        classes = classes_of(self._model, positive)
        for announcement in classes.announcements:
            (progress or Silent()).say(announcement)
        self._names, self._positive = classes.names, classes.positive
        self._asked = None if label is None else self._view(label)

    def __call__(self, texts: str | Sequence[str], progress: Progress | None = None) -> list[Explanation]:
        """An explanation of each text, in their order; each that is done is reported. One text gives a list of one."""
        progress = progress or Silent()
        given = text_list(texts)
        if self._method == LEAVE_ONE_OUT:
            return [self._by_leave_one_out(text, progress) for text in given]
        return self._by_integrated_gradients(given, progress)

    def _by_leave_one_out(self, text: str, progress: Progress) -> Explanation:
        read = self._read(text)
        seen = [word for word in read.words if read.sees(word)]
        logits = self._model.logits([read.normalised, *left_out(read.normalised, seen)], Silent())
        decided, view = self._decided(logits[:1])
        of_texts = view.target.log_odds(logits)
        log_odds, *without = of_texts.tolist()
        probability, *without_each = probabilities_of(of_texts).tolist()
        differences = zip(word_scores(probability, without_each), word_scores(log_odds, without), strict=True)
        found = dict(zip(seen, differences, strict=True))
        progress.advance(1)
        numbers = [found.get(word, (None, None)) for word in read.words]
        return self._explanation(read, decided, view, probability, numbers, log_odds=log_odds)

    def _by_integrated_gradients(self, texts: Sequence[str], progress: Progress) -> list[Explanation]:
        from foreshot.words.gradients import attribute

        model = self._in_pytorch()
        if not texts:
            return []
        reads = [self._read(text) for text in texts]
        normalised = [read.normalised for read in reads]
        logits = model.logits(normalised, Silent())
        decisions = [self._decided(row[np.newaxis]) for row in logits]
        attributions = attribute(
            model.model,
            model.tokenizer,
            normalised,
            [read.words for read in reads],
            [view.target for _, view in decisions],
            max_length=model.max_length,
            progress=progress,
            **self._gradient_options,
        )
        found = []
        for read, row, (decided, view), one in zip(reads, logits, decisions, attributions, strict=True):
            (probability,) = probabilities_of(view.target.log_odds(row[np.newaxis])).tolist()
            parts = [None if np.isnan(part) else part for part in one.scores.tolist()]
            numbers = list(zip(parts, parts, strict=True))
            details = {name: getattr(one, name) for name in ("log_odds", "baseline_log_odds", "rest", "deltas")}
            found.append(self._explanation(read, decided, view, probability, numbers, **details))
        return found

    def _check_gradients(self) -> None:
        model = self._in_pytorch()
        from foreshot.words.gradients import check_attributable

        check_attributable(model.model, model.tokenizer, **self._gradient_options)

    def _in_pytorch(self) -> Any:
        """The `models.classifiers.HubClassifier`, whose module is not imported before a model needs PyTorch."""
        if isinstance(self._model, BundleGraph):
            raise ConfigError(
                f"⟨method⟩ {self._method}: {self._model.name} is a bundle's, which has no gradients; name the folder "
                f"of the model that it was exported from, or use {LEAVE_ONE_OUT}"
            )
        return self._model

    def _read(self, text: str) -> "_Read":
        aligned = align(text[:LONGEST_TEXT])
        words = words_of(aligned.normalised)
        looked_at = self._model.looked_at(aligned.normalised)
        if looked_at is None and len(text) > LONGEST_TEXT:
            looked_at = (0, len(aligned.normalised))
        return _Read(aligned=aligned, words=words[: self._most_words], words_total=len(words), looked_at=looked_at)

    def _decided(self, logits: np.ndarray) -> tuple[str, "_View"]:
        """What logits (1, labels) are decided to be, and the view that is explained."""
        decision, view, positive = view_of(self._model.decision, logits, self._positive)
        decided = self._names[int(decide(decision, view, positive)[0])]
        return decided, self._asked or self._view(decided)

    def _view(self, label: str) -> "_View":
        labels, decision = self._model.labels, self._model.decision
        if label in labels:
            return _View(label, target_of(decision, labels.index(label)))
        for index, name in enumerate(labels):
            if isinstance(decision, LabelDecisions) and label == classes_of_mark(name).names[0]:
                return _View(label, target_of(decision, index, negated=True))
        raise ConfigError(
            f"⟨label⟩ {excerpt(label)}: is no label of {self._model.name}; its labels are {listing(labels)}"
        )

    def _explanation(
        self,
        read: "_Read",
        decided: str,
        view: "_View",
        probability: float,
        numbers: Sequence[tuple[float | None, float | None]],
        **details: Any,
    ) -> Explanation:
        """`numbers` are each word's score and its difference in log-odds."""
        words = []
        for word, (score, difference) in zip(read.words, numbers, strict=True):
            begin, end = read.aligned.original_span(word.begin, word.end)
            words.append(WordScore(begin=begin, end=end, word=word.word, score=score, log_odds_difference=difference))
        return Explanation(
            model=self._model.name,
            method=self._method,
            decided=decided,
            label=view.label,
            probability=probability,
            saturated=is_saturated(probability),
            words=words,
            words_total=read.words_total,
            limited=read.words_total > len(words),
            truncated=read.looked_at is not None,
            **details,
        )


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A text as the model reads it, its first words, and where what is looked at begins and ends, if it is cut."""

    aligned: Aligned
    words: list[Word]
    words_total: int
    looked_at: tuple[int, int] | None

    @property
    def normalised(self) -> str:
        return self.aligned.normalised

    def sees(self, word: Word) -> bool:
        return self.looked_at is None or (word.begin < self.looked_at[1] and word.end > self.looked_at[0])


@dataclass(frozen=True)
class _View:
    """The label that is explained, and its log-odds."""

    label: str
    target: Target
