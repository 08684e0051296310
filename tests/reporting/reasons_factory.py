"""What judging finds about why models decide, made by hand: small, plausible, with figures that can be looked up."""

import re
from collections.abc import Sequence

from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore
from foreshot.results.reasons import (
    ExplainedText,
    ExplainedWord,
    ModelReasons,
    ModelView,
    Reasons,
    SameDecision,
    StudentReasons,
)

EXPLAINED = (
    "You absolute walnut, nobody asked for your stupid opinion.",
    "What a lovely idiot of a dog you have there!",
    "Go back under your bridge, you worthless troll.",
)
# token F1 at the best threshold, at half, IOU F1, AUPRC; comprehensiveness, sufficiency.
NUMBERS = {
    "teacher": (0.642, 0.581, 0.402, 0.701, 0.351, 0.082),
    "odd": (0.633, 0.574, 0.398, 0.694, 0.340, 0.091),
    "even": (0.618, 0.552, 0.377, 0.672, 0.322, 0.104),
    "lora": (0.541, 0.463, 0.295, 0.588, 0.204, -0.013),
    "odd-lora": (0.598, 0.521, 0.351, 0.643, 0.287, 0.133),
}
BASELINES = {"word list": (0.688, 0.688, 0.455, 0.731), "random": (0.301, 0.248, 0.102, 0.322)}
NAMES = ("token_f1_best", "token_f1", "iou_f1", "auprc", "comprehensiveness", "sufficiency")
HALF_WIDTH = 0.02
CLEAR = 0.05
"""A change of so much is called clear."""
# What a word does to the score of each model; the first that is found in the word.
LEXICON = {"walnut": 0.08, "stupid": 0.41, "idiot": 0.62, "worthless": 0.38, "troll": 0.29, "lovely": -0.33,
           "nobody": 0.05, "dog": -0.12, "script": 0.5}  # fmt: skip
MARKED = ("walnut", "stupid", "worthless", "troll")
"""What people marked."""
BLINDED = "lora"
"""Its scores are turned about: it goes by other words."""


def make_reasons(models: Sequence[str], texts: Sequence[str], label: str, other: str, rationales: bool) -> Reasons:
    """Reasons of these models, the first of them the teacher, with these texts as examples."""
    of_baselines = {name: (*numbers, None, None) for name, numbers in BASELINES.items()} if rationales else {}
    of_all = {**{model: NUMBERS.get(model, NUMBERS["even"]) for model in models}, **of_baselines}
    return Reasons(
        source=f"rationales.jsonl, {texts[0][:40]}" if rationales else "test rows of class toxic",
        rationales=rationales,
        method="leave-one-out",
        settings={},
        label=label,
        texts=412,
        words=9876,
        marked_words=1234 if rationales else 0,
        left_out={"nothing marked": 31, "repeated": 2},
        models=[_model(name, numbers, of_all[models[0]], rationales) for name, numbers in of_all.items()],
        students=[_student(model, texts, label) for model in models[1:]],
        examples=[_example(number, text, models, label, other, rationales) for number, text in enumerate(texts)],
    )


def words_of(text: str) -> list[tuple[int, int]]:
    """Where words begin and end: what stands between white space, without the punctuation that ends it."""
    return [(found.start(), found.end()) for found in re.finditer(r"[^\s,.!?]+", text)]


def score_of(model: str, word: str) -> float:
    """What a word does to a model's score."""
    score = next((score for known, score in LEXICON.items() if known in word.lower()), 0.0)
    return round(-0.5 * score, 3) if model == BLINDED else score


def log_odds_of(model: str, word: str) -> float:
    """What a word does to a model's log-odds: five times as much."""
    return round(5 * score_of(model, word), 3)


def _model(
    name: str, numbers: Sequence[float | None], teacher: Sequence[float | None], rationales: bool
) -> ModelReasons:
    found = {}
    for number, value, reference in zip(NAMES, numbers, teacher, strict=True):
        if value is None or (not rationales and number in NAMES[:4]):
            continue
        change = None if numbers is teacher else _estimate(value - reference)
        found[number] = ComparedScore(
            value=_estimate(value),
            minus_teacher=change,
            adjusted_p=None if change is None else 0.004 if abs(change.value) >= CLEAR else 0.4,
        )
    return ModelReasons(model=name, numbers=found, best_threshold=0.35 if rationales else None)


def _estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - HALF_WIDTH, high=value + HALF_WIDTH)


def _student(model: str, texts: Sequence[str], label: str) -> StudentReasons:
    listed = [
        SameDecision(
            text=text,
            decided=label,
            rank_correlation=None if number else -0.214,
            teacher_words=[text[begin:end] for begin, end in words_of(text)[:2]],
            student_words=[text[begin:end] for begin, end in words_of(text)[2:4]],
        )
        for number, text in enumerate(texts)
    ]
    return StudentReasons(
        model=model,
        rank_correlation=_estimate(0.31 if model == BLINDED else 0.82),
        overlap=_estimate(0.22 if model == BLINDED else 0.74),
        same_decisions=390,
        other_reasons=78 if model == BLINDED else 0,
        listed=listed if model == BLINDED else [],
    )


def _example(number: int, text: str, models: Sequence[str], label: str, other: str, rationales: bool) -> ExplainedText:
    spans = words_of(text)
    scores = {model: [score_of(model, text[begin:end]) for begin, end in spans] for model in models}
    chances = {model: min(0.97, max(0.03, 0.2 + sum(found))) for model, found in scores.items()}
    return ExplainedText(
        text=text,
        chosen_as="most alike" if number else f"least alike: {text[:20]}",
        words=[
            ExplainedWord(begin=begin, end=end, marked=text[begin:end].lower() in MARKED if rationales else None)
            for begin, end in spans
        ],
        models=[
            ModelView(
                model=model,
                decided=label if chances[model] >= 0.5 else other,
                probability=chances[model],
                scores=scores[model],
                log_odds_differences=[log_odds_of(model, text[begin:end]) for begin, end in spans],
            )
            for model in models
        ],
    )
