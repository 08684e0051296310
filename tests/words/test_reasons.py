import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from foreshot.runtime.words import words_of
from foreshot.words.explained import ExplainedTexts
from foreshot.words.reasons import RANDOM, WORD_LIST, notes, reasons
from foreshot.words.word_scores import WordScores

TEXTS = ["you utter fool go home", "what a fool and liar", "go home you big liar"]
MARKED = [["fool"], ["fool", "liar"], ["liar"]]
WORDS = [words_of(text) for text in TEXTS]


def explained(*, with_marks: bool = True) -> ExplainedTexts:
    marks = [np.array([word.word in marked for word in words]) for words, marked in zip(WORDS, MARKED, strict=True)]
    return ExplainedTexts(source="rationales.csv", texts=TEXTS, words=WORDS, marked=marks if with_marks else None)


def scores_for(*strong: str) -> list[np.ndarray]:
    """The later a word stands among the strong ones, the lower its score; the others have less than nothing."""
    rank = {word: 1 - 0.1 * place for place, word in enumerate(strong)}
    return [np.array([rank.get(word.word, -0.01 * (place + 1)) for place, word in enumerate(words)]) for words in WORDS]


def model(*strong: str, decided: Sequence[bool] = (True, True, True), comprehensiveness: float = 0.5) -> WordScores:
    return WordScores(
        scores=scores_for(*strong),
        log_odds=[4 * scores for scores in scores_for(*strong)],
        decided=np.array(decided),
        probabilities=np.where(decided, 0.9, 0.2),
        comprehensiveness=np.full(3, comprehensiveness),
        sufficiency=np.full(3, 0.1),
    )


def found(by_model: dict[str, list[WordScores]], *, with_marks: bool = True):
    return reasons(
        explained(with_marks=with_marks),
        by_model,
        teacher="teacher",
        class_names=("benign", "toxic"),
        method="leave-one-out",
        settings={},
        derogatory=frozenset({"fool"}),
        seed=0,
    )


BOTH = {"teacher": [model("fool", "liar")], "odd": [model("home", "you"), model("fool", "liar")]}


def test_plausibility_by_hand() -> None:
    of = {one.model: one.numbers for one in found(BOTH).models}
    # The teacher's words are the marked ones, with both over half of the strongest.
    assert {name: score.value.value for name, score in of["teacher"].items()} == pytest.approx(
        {"token_f1_best": 1, "token_f1": 1, "iou_f1": 1, "auprc": 1, "comprehensiveness": 0.5, "sufficiency": 0.1}
    )
    # The word list finds "fool" alone: F1 1, 2/3 and 0; spans: precision of 1, 1, 0 and recall of 1, 1/2, 0.
    listed = of[WORD_LIST]
    assert listed["token_f1"].value.value == pytest.approx((1 + 2 / 3 + 0) / 3)
    precision, recall = 2 / 3, 1.5 / 3
    assert listed["iou_f1"].value.value == pytest.approx(2 * precision * recall / (precision + recall))
    assert "comprehensiveness" not in listed
    assert 0 < of[RANDOM]["auprc"].value.value < 1


def test_a_model_of_several_seeds_has_their_mean_and_is_set_against_the_teacher() -> None:
    of = {one.model: one.numbers for one in found(BOTH).models}
    token_f1 = of["odd"]["token_f1"]
    assert token_f1.value.value == pytest.approx(0.5)  # 0 with one seed, 1 with the other
    assert token_f1.minus_teacher is not None
    assert token_f1.minus_teacher.value == pytest.approx(-0.5)
    assert of["teacher"]["token_f1"].minus_teacher is None


def test_likeness_to_the_teacher_and_texts_with_other_reasons() -> None:
    other = {"teacher": [model("fool", "liar")], "even": [model("home", "you", decided=(True, False, True))]}
    (even,) = found(other).students
    assert even.overlap.value == 0  # a fifth of five words is one
    assert even.same_decisions == 2
    assert even.other_reasons == 2
    assert {(one.text, one.decided) for one in even.listed} == {(TEXTS[0], "toxic"), (TEXTS[2], "toxic")}
    first = next(one for one in even.listed if one.text == TEXTS[0])
    assert first.teacher_words == ["fool"]
    assert first.student_words == ["home"]
    same = found({"teacher": [model("fool", "liar")], "copy": [model("fool", "liar")]}).students[0]
    assert same.rank_correlation.value == pytest.approx(1)
    assert same.overlap.value == 1
    assert same.other_reasons == 0


def test_models_are_alike_by_log_odds_where_no_probability_moves() -> None:
    still = [np.zeros(5)] * 3
    saturated = {name: [replace(model(*words), scores=still)] for name, words in (
        ("teacher", ("fool", "liar")), ("odd", ("fool", "liar")), ("even", ("home", "you")),
    )}  # fmt: skip
    odd, even = found(saturated).students
    assert (odd.rank_correlation.value, odd.overlap.value, odd.other_reasons) == (pytest.approx(1), 1, 0)
    assert even.overlap.value == 0
    assert next(one for one in even.listed if one.text == TEXTS[0]).student_words == ["home"]


def test_seeds_that_decide_otherwise_are_no_same_decision() -> None:
    by_seed = [model("home"), model("home", decided=(False, False, True))]
    assert found({"teacher": [model("fool")], "odd": by_seed}).students[0].same_decisions == 1


def test_without_rationales_there_is_no_agreement_with_people() -> None:
    bare = found(BOTH, with_marks=False)
    assert not bare.rationales
    assert bare.marked_words == 0
    assert [one.model for one in bare.models] == ["teacher", "odd"]
    assert all(set(one.numbers) == {"comprehensiveness", "sufficiency"} for one in bare.models)
    assert notes(bare) == []
    assert all(word.marked is None for example in bare.examples for word in example.words)


def test_examples_are_those_least_and_most_alike_for_every_model() -> None:
    examples = found(BOTH).examples
    assert [one.chosen_as for one in examples] == ["least alike", "in the middle", "most alike"]
    assert sorted(one.text for one in examples) == sorted(TEXTS)
    for one in examples:
        assert [one.text[word.begin : word.end] for word in one.words] == one.text.split()
        assert [view.model for view in one.models] == ["teacher", "odd"]
        assert all(len(view.scores) == len(one.words) for view in one.models)
    view = examples[0].models[0]
    assert view.decided == "toxic"
    assert view.probability == pytest.approx(0.9)
    (text,) = [index for index, text in enumerate(TEXTS) if text == examples[0].text]
    assert view.scores == pytest.approx(scores_for("fool", "liar")[text].tolist())
    assert view.log_odds_differences == pytest.approx((4 * scores_for("fool", "liar")[text]).tolist())


def test_one_text_is_enough() -> None:
    single = ExplainedTexts(source="here", texts=["fool"], words=[words_of("fool")], marked=[np.array([True])])
    one = WordScores(
        scores=[np.array([0.5])],
        log_odds=[np.array([2.5])],
        decided=np.array([True]),
        probabilities=np.array([0.9]),
        comprehensiveness=np.array([0.5]),
        sufficiency=np.array([0.0]),
    )
    result = reasons(
        single,
        {"teacher": [one], "odd": [one]},
        teacher="teacher",
        class_names=("benign", "toxic"),
        method="leave-one-out",
        settings={},
        derogatory=frozenset(),
        seed=0,
    )
    assert len(result.examples) == 1
    assert "auprc" not in result.models[0].numbers  # all of its words are marked


def test_what_is_clear_about_agreement_is_a_note_that_decides_nothing() -> None:
    texts = [f"word{number} you fool go home" for number in range(12)]
    words = [words_of(text) for text in texts]
    many = ExplainedTexts(
        source="here", texts=texts, words=words, marked=[np.array([False, False, True, False, False])] * 12
    )

    def of(order: Sequence[float]) -> WordScores:
        return WordScores(
            scores=[np.array(order)] * 12,
            log_odds=[np.array(order)] * 12,
            decided=np.ones(12, dtype=bool),
            probabilities=np.full(12, 0.9),
            comprehensiveness=np.linspace(0, 1, 12),
            sufficiency=np.zeros(12),
        )

    by_model = {"teacher": [of([0, 0, 1, 0, 0])], "odd": [of([0, 1, 0, 0, 0.5])], "even": [of([0, 0, 1, 0, 0])]}
    result = reasons(
        many,
        by_model,
        teacher="teacher",
        class_names=("benign", "toxic"),
        method="leave-one-out",
        settings={},
        derogatory=frozenset(),
        seed=0,
    )
    (note,) = notes(result)
    assert note.startswith("odd goes less by the words that people marked than the teacher (AUPRC −")
    assert note.endswith("this is no part of the verdict.")


@pytest.mark.parametrize("order", list(itertools.permutations(["teacher", "odd"])))
def test_models_stand_as_they_are_given(order: tuple[str, ...]) -> None:
    assert [one.model for one in found({name: BOTH[name] for name in order}).models[:2]] == list(order)
