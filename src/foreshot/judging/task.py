"""The task: what is learnt and judged. Classes, of which a text has one, labels, of which it can have several, and
stored scores from 0 to 1 are three values of one interface, so that nobody asks which of them it is.

`answers` are what is known of rows: class numbers (rows,), the 0 and 1 of every label (rows, labels), or the scores
(rows, outputs), NaN for a gap. `decided` has their shape, and logits are (rows, outputs).
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score

from foreshot.data.labels import Classes
from foreshot.data.split import Part, Split
from foreshot.errors import DataError
from foreshot.judging import guards, multilabel
from foreshot.judging.evidence import Change, metric_name
from foreshot.judging.metrics import cross_entropy
from foreshot.judging.scores import score_comparisons, score_results
from foreshot.judging.statistics import PairedSample, macro_f1
from foreshot.judging.thresholds import fit_decision
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.results.models import LabelResult
from foreshot.results.scores import ScoreComparison, ScoreResult
from foreshot.runtime.decisions import at_score, decide, flagged_labels, label_logits, label_probabilities

Decisions = Decision | LabelDecisions
Decided = Mapping[str, np.ndarray]
"""For each model what it decides, (seeds, rows) or (seeds, rows, labels); the teacher comes first."""
Scored = Mapping[str, np.ndarray]
"""For each model its scores, (seeds, rows, outputs); the teacher comes first."""


@dataclass(frozen=True)
class ClassTask:
    """A text has one of several classes."""

    classes: Classes
    """What suites and probes judge."""
    multi_label = False
    """Whether a model's head gives each output a probability of its own (`models.encoders`)."""
    metric_name = metric_name(False)

    @property
    def names(self) -> list[str]:
        """What the logits are called."""
        return list(self.classes.names)

    @property
    def judged_output(self) -> int | None:
        """Which logit is that of the class, or of the label, that behaviour is judged by."""
        return self.classes.positive

    @property
    def described(self) -> str:
        """The outputs, for people."""
        return f"classes: {', '.join(self.names)}"

    def answers(self, part: Part) -> np.ndarray:
        """What is known of a part's rows."""
        return np.array(part.labels)

    targets = answers
    """The answers as the classification loss takes them."""

    def contrast_targets(self, toxic: np.ndarray, hateful: np.ndarray, meant: Mapping[str, str]) -> np.ndarray | None:
        """What contrast texts teach, as the classification loss takes it; None where the task can't learn from them.

        `toxic` and `hateful` (texts,) say what each text is. Of several outputs the judged one learns the first, and
        those that `meant` names what it says, "toxic" or "hateful"; the others learn nothing (NaN).
        """
        positive = self.classes.positive
        if positive is None or len(self.names) != 2:
            return None
        return np.where(toxic, positive, 1 - positive)

    def likeliest(self, logits: np.ndarray) -> np.ndarray:
        """What logits say without thresholds, in the shape of the answers."""
        return logits.argmax(axis=1)

    def cross_entropy(self, logits: np.ndarray, answers: np.ndarray) -> float:
        """In nats; of labels the mean over them all."""
        return cross_entropy(logits, answers)

    def macro_f1(self, decided: np.ndarray, answers: np.ndarray) -> float:
        """Over the classes; of labels the mean of each one's, so that none is lost unseen."""
        numbers = range(len(self.names))
        return float(f1_score(answers, decided, labels=numbers, average="macro", zero_division=0.0))

    def check_teacher(self, logits: np.ndarray, answers: np.ndarray, *, model: str = "teacher") -> None:
        """Raise GuardError when a teacher's logits on validation rows tell nothing."""
        guards.check_beats_majority(self.likeliest(logits), answers, model=model)

    def fit(self, policy: str, logits: np.ndarray, answers: np.ndarray) -> Decision:
        """How logits become decisions by a policy, from validation rows."""
        positive = self.classes.positive
        named = "" if positive is None else self.classes.names[positive]
        return fit_decision(policy, logits, answers, positive, positive_name=named)

    def decided(self, decisions: Decisions, logits: np.ndarray) -> np.ndarray:
        """What logits are decided to be."""
        return decide(decisions.of_judged, logits, self.classes.positive)

    def sample(self, decided: Decided, answers: np.ndarray) -> PairedSample:
        """What models are compared in on the same rows: the metric, with its resampling units."""
        return PairedSample.make(decided, answers, macro_f1, classes=len(self.names))

    def changes(self, decided: Decided, answers: np.ndarray) -> dict[str, list[Change]]:
        """Every student against the teacher, label by label; none of classes."""
        return {}

    def label_results(self, decisions: Decisions, logits: np.ndarray, answers: np.ndarray) -> list[LabelResult]:
        """How a model does on each label; none of classes."""
        return []

    def score_results(self, decisions: Decisions, logits: np.ndarray, part: Part) -> list[ScoreResult]:
        """How near a model's scores come to the stored ones; none where labels are judged."""
        return []

    def flagged(self, answers: np.ndarray) -> np.ndarray:
        """Answers as decisions: what stored scores flag; of labels they themselves."""
        return answers

    def score_comparisons(self, scores: Scored, answers: np.ndarray) -> list[ScoreComparison]:
        """Every model's distance from the stored scores, and the changes from the teacher; none of labels."""
        return []


@dataclass(frozen=True)
class LabelTask:
    """A text can have several labels; the first of them is judged, by `classes`: not to have it, and to have it."""

    classes: Classes
    label_names: tuple[str, ...]
    multi_label = True
    judged_output = 0
    metric_name = metric_name(True)

    @property
    def names(self) -> list[str]:
        return list(self.label_names)

    @property
    def described(self) -> str:
        judged, *others = self.names
        return f"labels: {', '.join([f'{judged} (judged by suite and probes)', *others])}"

    def answers(self, part: Part) -> np.ndarray:
        return np.array(part.marks)

    def targets(self, part: Part) -> np.ndarray:
        return np.array(part.marks, dtype=np.float32)

    def contrast_targets(self, toxic: np.ndarray, hateful: np.ndarray, meant: Mapping[str, str]) -> np.ndarray | None:
        return _contrast_targets(self.names, toxic, hateful, meant)

    def likeliest(self, logits: np.ndarray) -> np.ndarray:
        return (logits > 0).astype(int)

    def cross_entropy(self, logits: np.ndarray, answers: np.ndarray) -> float:
        return multilabel.binary_cross_entropy(logits, answers)

    def macro_f1(self, decided: np.ndarray, answers: np.ndarray) -> float:
        return multilabel.mean_macro_f1(decided, answers)

    def check_teacher(self, logits: np.ndarray, answers: np.ndarray, *, model: str = "teacher") -> None:
        guards.check_ranks_labels(logits, answers, model=model)

    def fit(self, policy: str, logits: np.ndarray, answers: np.ndarray) -> LabelDecisions:
        return multilabel.fit_label_decisions(policy, logits, answers, self.names)

    def decided(self, decisions: Decisions, logits: np.ndarray) -> np.ndarray:
        assert isinstance(decisions, LabelDecisions)
        return flagged_labels(logits, decisions).astype(int)

    def sample(self, decided: Decided, answers: np.ndarray) -> PairedSample:
        return multilabel.label_sample(decided, answers)

    def changes(self, decided: Decided, answers: np.ndarray) -> dict[str, list[Change]]:
        return multilabel.label_changes(decided, answers, self.names, teacher=next(iter(decided)))

    def label_results(self, decisions: Decisions, logits: np.ndarray, answers: np.ndarray) -> list[LabelResult]:
        assert isinstance(decisions, LabelDecisions)
        return multilabel.label_results(decisions, logits, answers)

    def score_results(self, decisions: Decisions, logits: np.ndarray, part: Part) -> list[ScoreResult]:
        return []

    def flagged(self, answers: np.ndarray) -> np.ndarray:
        return answers

    def score_comparisons(self, scores: Scored, answers: np.ndarray) -> list[ScoreComparison]:
        return []


@dataclass(frozen=True)
class ScoreTask:
    """Stored scores are stood in for, each by an output of its own; the first of them is judged.

    What a score says of a text is whether it reaches the threshold in use: `thresholds` has those of each output, the
    one that decides first. Where a model's own threshold is asked for, it is fitted to what the stored scores flag.
    """

    classes: Classes
    score_names: tuple[str, ...]
    thresholds: tuple[tuple[float, ...], ...]
    multi_label = True
    judged_output = 0
    metric_name = metric_name(True, of_scores=True)

    @property
    def names(self) -> list[str]:
        return list(self.score_names)

    @property
    def described(self) -> str:
        judged, *others = self.names
        return f"scores: {', '.join([f'{judged} (judged by suite and probes)', *others])}"

    def answers(self, part: Part) -> np.ndarray:
        return np.array(part.scores, dtype=np.float64).reshape(len(part), len(self.names))

    def targets(self, part: Part) -> np.ndarray:
        return self.answers(part).astype(np.float32)

    def contrast_targets(self, toxic: np.ndarray, hateful: np.ndarray, meant: Mapping[str, str]) -> np.ndarray | None:
        return _contrast_targets(self.names, toxic, hateful, meant)

    def likeliest(self, logits: np.ndarray) -> np.ndarray:
        return (logits > self._deciding_logits).astype(int)

    def cross_entropy(self, logits: np.ndarray, answers: np.ndarray) -> float:
        return multilabel.binary_cross_entropy(logits, answers)

    def macro_f1(self, decided: np.ndarray, answers: np.ndarray) -> float:
        sample = self.sample({"": decided[None]}, answers)
        return sample.mean("")

    def check_teacher(self, logits: np.ndarray, answers: np.ndarray, *, model: str = "teacher") -> None:
        guards.check_ranks_scores(logits, answers, model=model)

    def fit(self, policy: str, logits: np.ndarray, answers: np.ndarray) -> LabelDecisions:
        """The thresholds in use for "argmax"; scores stay as they are, since they were learnt as they are."""
        return LabelDecisions(
            judged=self.names[0],
            by_label={name: self._fit(policy, logits, answers, index) for index, name in enumerate(self.names)},
        )

    def _fit(self, policy: str, logits: np.ndarray, answers: np.ndarray, index: int) -> Decision:
        known, flagged = _known(answers)[:, index], self.flagged(answers)[:, index]
        if policy != "argmax":
            with contextlib.suppress(DataError):  # too few rows for the policy
                return fit_decision(policy, label_logits(logits, index)[known], flagged[known], 1, temperature=1.0)
        return at_score(self.thresholds[index][0])

    def decided(self, decisions: Decisions, logits: np.ndarray) -> np.ndarray:
        assert isinstance(decisions, LabelDecisions)
        return flagged_labels(logits, decisions).astype(int)

    def flagged(self, answers: np.ndarray) -> np.ndarray:
        """What the stored scores flag at the thresholds in use, 0 and 1; 0 for a gap."""
        deciding = np.array([first for first, *_ in self.thresholds])
        return np.asarray(answers >= deciding, dtype=int)

    def sample(self, decided: Decided, answers: np.ndarray) -> PairedSample:
        return multilabel.label_sample(decided, self.flagged(answers), _known(answers))

    def changes(self, decided: Decided, answers: np.ndarray) -> dict[str, list[Change]]:
        teacher = next(iter(decided))
        return multilabel.label_changes(
            decided, self.flagged(answers), self.names, teacher=teacher, known=_known(answers)
        )

    def label_results(self, decisions: Decisions, logits: np.ndarray, answers: np.ndarray) -> list[LabelResult]:
        """How a model does on what the stored scores flag, output by output."""
        assert isinstance(decisions, LabelDecisions)
        found, flagged = [], self.flagged(answers)
        for index, (name, decision) in enumerate(decisions.by_label.items()):
            known, alone = _known(answers)[:, index], LabelDecisions(judged=name, by_label={name: decision})
            found += multilabel.label_results(alone, logits[known][:, [index]], flagged[known][:, [index]])
        return found

    def score_results(self, decisions: Decisions, logits: np.ndarray, part: Part) -> list[ScoreResult]:
        assert isinstance(decisions, LabelDecisions)
        return score_results(
            label_probabilities(logits, decisions),
            self.answers(part),
            self.decided(decisions, logits),
            decisions=decisions,
            thresholds=self.thresholds,
            texts=part.texts,
            rows=part.rows,
        )

    def score_comparisons(self, scores: Scored, answers: np.ndarray) -> list[ScoreComparison]:
        return score_comparisons(scores, answers, self.names, teacher=next(iter(scores)))

    @property
    def _deciding_logits(self) -> np.ndarray:
        deciding = np.array([first for first, *_ in self.thresholds])
        return np.asarray(np.log(deciding / (1 - deciding)))


def _contrast_targets(names: list[str], toxic: np.ndarray, hateful: np.ndarray, meant: Mapping[str, str]) -> np.ndarray:
    """What contrast texts teach of several outputs, the first of which is judged: (texts, outputs) float32."""
    found = np.full((len(toxic), len(names)), np.nan, dtype=np.float32)
    for index, name in enumerate(names):
        learnt = meant.get(name, "toxic" if index == 0 else "")
        if learnt:
            found[:, index] = hateful if learnt == "hateful" else toxic
    return found


def _known(answers: np.ndarray) -> np.ndarray:
    return ~np.isnan(answers)


Task = ClassTask | LabelTask | ScoreTask
"""Every kind there is. Each has what ClassTask documents."""


def task_of(split: Split, thresholds_of: Callable[[str], tuple[float, ...]]) -> Task:
    """The task that the data ask for; `thresholds_of` has the thresholds in use with a score."""
    if not split.labelled and split.score_names is not None:
        return ScoreTask(split.classes, split.score_names, tuple(map(thresholds_of, split.score_names)))
    if split.label_names is None:
        return ClassTask(split.classes)
    return LabelTask(split.classes, split.label_names)
