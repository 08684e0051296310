"""The words that decisions stand on, model by model."""

from typing import Literal

from pydantic import Field

from foreshot.results.base import Estimate, Facts
from foreshot.results.identity import ComparedScore


class ModelReasons(Facts):
    """How a model's word scores agree with people, and how faithful they are (`words.plausibility`, `.faithfulness`).

    `numbers` are by name: "token_f1_best", "token_f1", "iou_f1" and "auprc" where people marked words,
    "comprehensiveness" and "sufficiency" of models (the word list and random scores are none).
    `best_threshold` is the share of a text's strongest score from which up a word was taken for "token_f1_best".
    """

    model: str
    numbers: dict[str, ComparedScore]
    best_threshold: float | None = None


class SameDecision(Facts):
    """A text on which a student decides as its teacher does, and goes by other words; the strongest words of each."""

    text: str
    decided: str
    rank_correlation: float | None
    teacher_words: list[str]
    student_words: list[str]


class StudentReasons(Facts):
    """How alike a student's word scores and its teacher's are (`words.likeness`).

    `other_reasons` counts the texts that both decide alike with none of their strongest words in common, of
    `same_decisions`; `listed` has some of them, those that are least alike first.
    """

    model: str
    rank_correlation: Estimate
    overlap: Estimate
    same_decisions: int
    other_reasons: int
    listed: list[SameDecision]


class ExplainedWord(Facts):
    """A word of an explained text, as code points `begin` up to `end`; `marked` by people, None where nobody did."""

    begin: int
    end: int
    marked: bool | None


class ModelView(Facts):
    """What a model made of an explained text: the decision, P(positive class), and what each word does to that class.

    `log_odds_differences` are in nats; of results that were made before there were any they are empty. `scores` are by
    leave-one-out differences of the probability, by gradients the same as `log_odds_differences`.
    """

    model: str
    decided: str
    probability: float
    scores: list[float]
    log_odds_differences: list[float] = Field(default_factory=list)


class ExplainedText(Facts):
    """A text that the report draws for all models, and why it was chosen."""

    text: str
    chosen_as: str
    words: list[ExplainedWord]
    models: list[ModelView]


class Reasons(Facts):
    """Why models decide as they do: word scores on the same texts, beside people's marks and the teacher's scores.

    `source` says where the texts are from; `rationales` whether people marked words of them. `left_out` counts the
    others by reason. Words push towards `label`. `models` has the teacher first, then the students, then the
    baselines "word list" and "random" where there are rationales.
    """

    source: str
    rationales: bool
    method: Literal["leave-one-out", "integrated-gradients"]
    settings: dict[str, str]
    label: str
    texts: int
    words: int
    marked_words: int
    left_out: dict[str, int]
    models: list[ModelReasons]
    students: list[StudentReasons]
    examples: list[ExplainedText]
