"""Reasons: whether models decide by the words that people marked, by the words they hang on, and by the teacher's."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from foreshot.judging.statistics import SIGNIFICANCE, bootstrap_means, compared_scores
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
from foreshot.words.explained import ExplainedTexts
from foreshot.words.faithfulness import strongest
from foreshot.words.likeness import TOP, overlap, rank_correlation
from foreshot.words.plausibility import THRESHOLD, auprc, best_threshold, relative, span_matches, token_f1
from foreshot.words.word_scores import WordScores

PLAUSIBILITY = ("token_f1_best", "token_f1", "iou_f1", "auprc")
FAITHFULNESS = ("comprehensiveness", "sufficiency")
NOTED = {"auprc": "AUPRC", "token_f1": "token F1", "iou_f1": "IOU F1"}
"""What is told beside the verdict where it is clear, the first of them."""
WORD_LIST, RANDOM = "word list", "random"
RANDOM_DRAWS = 5
MOST_LISTED = 10
EXAMPLES = 3
EXAMPLE_WORDS = range(5, 31)

Scores = Sequence[Sequence[np.ndarray]]
"""A model's word scores: seeds of texts of words."""


def reasons(
    explained: ExplainedTexts,
    by_model: Mapping[str, Sequence[WordScores]],
    *,
    teacher: str,
    class_names: tuple[str, str],
    method: Literal["leave-one-out", "integrated-gradients"],
    settings: Mapping[str, str],
    derogatory: frozenset[str],
    seed: int,
) -> Reasons:
    """All that is found about why the models (each with one or more seeds) decide on the explained texts.

    `class_names` are the other class's and that of the positive one; `derogatory` has the words of the baseline that
    knows nothing else.
    """
    numbers: dict[str, dict[str, ComparedScore]] = {name: {} for name in by_model}
    thresholds: dict[str, float] = {}
    if explained.marked is not None:
        scored: dict[str, Scores] = {name: [of.scores for of in seeds] for name, seeds in by_model.items()}
        scored |= _baselines(explained, derogatory, seed)
        for name, (of_model, threshold) in _plausibility(scored, explained.marked, teacher).items():
            numbers[name] = of_model
            thresholds[name] = threshold
    for name, of_model in _faithfulness(by_model, teacher).items():
        numbers[name] |= of_model
    students = [name for name in by_model if name != teacher]
    return Reasons(
        source=explained.source,
        rationales=explained.marked is not None,
        method=method,
        settings=dict(settings),
        label=class_names[1],
        texts=len(explained.texts),
        words=int(explained.word_counts.sum()),
        marked_words=int(sum(marked.sum() for marked in explained.marked or [])),
        left_out=explained.left_out,
        models=[
            ModelReasons(model=name, numbers=of_model, best_threshold=thresholds.get(name))
            for name, of_model in numbers.items()
        ],
        students=[_student(explained, name, by_model[name], by_model[teacher][0], class_names) for name in students],
        examples=_examples(explained, by_model, teacher, class_names),
    )


def notes(found: Reasons) -> list[str]:
    """What is clear about how students agree with people beside their teacher, a sentence each; it decides nothing."""
    sentences = []
    for student in found.students:
        numbers = next(model.numbers for model in found.models if model.model == student.model)
        clear = [name for name in NOTED if name in numbers and _is_clear(numbers[name])]
        if not clear:
            continue
        change = numbers[clear[0]].minus_teacher
        assert change is not None
        more = "more" if change.value > 0 else "less"
        value, low, high = (
            f"{100 * number:+.1f}".replace("-", "−") for number in (change.value, change.low, change.high)
        )
        sentences.append(
            f"{student.model} goes {more} by the words that people marked than the teacher ({NOTED[clear[0]]} {value} "
            f"points, {low} to {high}); this is no part of the verdict."
        )
    return sentences


def _is_clear(score: ComparedScore) -> bool:
    return score.adjusted_p is not None and score.adjusted_p < SIGNIFICANCE


# ---- people ----


def _baselines(explained: ExplainedTexts, derogatory: frozenset[str], seed: int) -> dict[str, Scores]:
    """Scores without a model: 1 for the words of a list, and some draws of random ones."""
    listed = [np.array([float(word.word.casefold() in derogatory) for word in words]) for words in explained.words]
    rng = np.random.default_rng(seed)
    drawn = [[rng.random(count) for count in explained.word_counts] for _ in range(RANDOM_DRAWS)]
    return {WORD_LIST: [listed], RANDOM: drawn}


def _plausibility(
    scored: Mapping[str, Scores], marks: Sequence[np.ndarray], teacher: str
) -> dict[str, tuple[dict[str, ComparedScore], float]]:
    """The PLAUSIBILITY of every model, and the mean over its seeds of the thresholds that are best for it."""
    columns, thresholds = {}, {}
    for name, seeds in scored.items():
        found = [_agreement_columns(of_seed, marks) for of_seed in seeds]
        columns[name] = np.stack([of_texts for of_texts, _ in found])
        thresholds[name] = round(float(np.mean([threshold for _, threshold in found])), 3)
    compared = compared_scores(columns, _agreement_numbers, teacher=teacher)
    names = [
        name for name in PLAUSIBILITY if name != "auprc" or any(0 < marked.sum() < len(marked) for marked in marks)
    ]
    return {
        model: (dict(zip(names, of_model[: len(names)], strict=True)), thresholds[model])
        for model, of_model in compared.items()
    }


def _agreement_columns(scores: Sequence[np.ndarray], marks: Sequence[np.ndarray]) -> tuple[np.ndarray, float]:
    """What `_agreement_numbers` takes means of, (texts, 6), and the best threshold."""
    shares = [relative(of_text) for of_text in scores]
    threshold = best_threshold(shares, marks)
    rows = []
    for of_text, share, marked in zip(scores, shares, marks, strict=True):
        chosen = share >= THRESHOLD
        both_kinds = bool(0 < marked.sum() < len(marked))
        rows.append(
            (
                token_f1(share >= threshold, marked),
                token_f1(chosen, marked),
                *span_matches(chosen, marked),
                auprc(of_text, marked) if both_kinds else 0.0,
                float(both_kinds),
            )
        )
    return np.array(rows), threshold


def _agreement_numbers(means: np.ndarray) -> np.ndarray:
    """PLAUSIBILITY (..., 4) from means over texts (..., 6); IOU F1 is of mean precision and recall, as in ERASER."""
    precision, recall = means[..., 2], means[..., 3]
    iou_f1 = _ratio(2 * precision * recall, precision + recall)
    return np.stack([means[..., 0], means[..., 1], iou_f1, _ratio(means[..., 4], means[..., 5])], axis=-1)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


# ---- the decision itself, and the teacher ----


def _faithfulness(by_model: Mapping[str, Sequence[WordScores]], teacher: str) -> dict[str, dict[str, ComparedScore]]:
    columns = {
        name: np.stack([np.column_stack([of.comprehensiveness, of.sufficiency]) for of in seeds])
        for name, seeds in by_model.items()
    }
    compared = compared_scores(columns, lambda means: means, teacher=teacher)
    return {name: dict(zip(FAITHFULNESS, of_model, strict=True)) for name, of_model in compared.items()}


def _student(
    explained: ExplainedTexts,
    name: str,
    seeds: Sequence[WordScores],
    teacher: WordScores,
    class_names: tuple[str, str],
) -> StudentReasons:
    """How alike a student's word scores and its teacher's are, over seeds and texts."""
    columns = np.stack(
        [
            [_likeness_columns(first, second) for first, second in zip(of_seed.log_odds, teacher.log_odds, strict=True)]
            for of_seed in seeds
        ]
    )
    correlation, common = bootstrap_means(columns, _likeness_numbers)
    same, others = _other_reasons(explained, seeds, teacher)
    listed = sorted(others, key=lambda found: float(np.nan_to_num(found[0])))[:MOST_LISTED]
    return StudentReasons(
        model=name,
        rank_correlation=correlation,
        overlap=common,
        same_decisions=same,
        other_reasons=len(others),
        listed=[
            SameDecision(
                text=explained.texts[index],
                decided=class_names[int(teacher.decided[index])],
                rank_correlation=None if np.isnan(correlation_of_text) else correlation_of_text,
                teacher_words=_strongest_words(explained, index, teacher.towards_decision(index)),
                student_words=_strongest_words(explained, index, mean),
            )
            for correlation_of_text, index, mean in listed
        ],
    )


def _likeness_columns(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """The rank correlation, 0 where there is none; whether there is one; the overlap."""
    correlation = rank_correlation(first, second)
    known = not np.isnan(correlation)
    return correlation if known else 0.0, float(known), overlap(first, second)


def _likeness_numbers(means: np.ndarray) -> np.ndarray:
    return np.stack([_ratio(means[..., 0], means[..., 1]), means[..., 2]], axis=-1)


def _other_reasons(
    explained: ExplainedTexts, seeds: Sequence[WordScores], teacher: WordScores
) -> tuple[int, list[tuple[float, int, np.ndarray]]]:
    """The texts on which all seeds decide as the teacher does, counted, and those of them with other strongest words.

    Of these the rank correlation, the text's number, and the scores' mean over seeds, towards the decision.
    """
    same, others = 0, []
    for index in range(len(explained.texts)):
        if all(of_seed.decided[index] == teacher.decided[index] for of_seed in seeds):
            same += 1
            mean = np.mean([of_seed.towards_decision(index) for of_seed in seeds], axis=0)
            reference = teacher.towards_decision(index)
            if overlap(mean, reference) == 0:
                others.append((rank_correlation(mean, reference), index, mean))
    return same, others


def _strongest_words(explained: ExplainedTexts, index: int, scores: np.ndarray) -> list[str]:
    words = explained.words[index]
    return [words[number].word for number in strongest(scores, TOP)]


# ---- examples ----


def _examples(
    explained: ExplainedTexts,
    by_model: Mapping[str, Sequence[WordScores]],
    teacher: str,
    class_names: tuple[str, str],
) -> list[ExplainedText]:
    """The texts on which the students' scores are least, middling and most like the teacher's."""
    fit = [index for index, words in enumerate(explained.words) if len(words) in EXAMPLE_WORDS]
    if len(fit) < EXAMPLES:
        fit = list(range(len(explained.texts)))
    ranked = sorted(fit, key=lambda index: (_mean_likeness(index, by_model, teacher), index))
    places = {
        "least alike": 0, "in the middle": len(ranked) // 2, "most alike": len(ranked) - 1
    }  # fmt: skip
    chosen = {ranked[place]: why for why, place in places.items()}
    return [
        ExplainedText(
            text=explained.texts[index],
            chosen_as=why,
            words=[
                ExplainedWord(
                    begin=word.begin,
                    end=word.end,
                    marked=None if explained.marked is None else bool(explained.marked[index][number]),
                )
                for number, word in enumerate(explained.words[index])
            ],
            models=[_view(name, seeds, index, class_names) for name, seeds in by_model.items()],
        )
        for index, why in chosen.items()
    ]


def _mean_likeness(index: int, by_model: Mapping[str, Sequence[WordScores]], teacher: str) -> float:
    reference = by_model[teacher][0].log_odds[index]
    found = [
        rank_correlation(of_seed.log_odds[index], reference)
        for name, seeds in by_model.items()
        if name != teacher
        for of_seed in seeds
    ]
    return float(np.mean(np.nan_to_num(found))) if found else 0.0


def _view(name: str, seeds: Sequence[WordScores], index: int, class_names: tuple[str, str]) -> ModelView:
    """What a model made of a text, over its seeds: what most of them decide, and mean probability and scores."""
    votes = np.mean([of_seed.decided[index] for of_seed in seeds])
    return ModelView(
        model=name,
        decided=class_names[int(votes > 0.5)],
        probability=float(np.mean([of_seed.probabilities[index] for of_seed in seeds])),
        scores=np.mean([of_seed.scores[index] for of_seed in seeds], axis=0).tolist(),
        log_odds_differences=np.mean([of_seed.log_odds[index] for of_seed in seeds], axis=0).tolist(),
    )
