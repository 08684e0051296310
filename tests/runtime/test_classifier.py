"""The classifier of a bundle, on texts whose scores are worked out by hand; and what is no text."""

from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundles import label_decisions, label_probabilities_of, make_manifest, probabilities_of, tiny_bundle

import foreshot
from foreshot.errors import BundleError, ConfigError, ForeshotError, NotATextError
from foreshot.results.decisions import Decision
from foreshot.runtime.classifier import Classifier, load

TEXTS = ["you absolute walnut", "thank you", "", "fool fool fool", "hello kind day", "You are an IDIOT"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("classifier") / "bundle")


@pytest.fixture(scope="module")
def classifier(bundle: Path) -> Classifier:
    return foreshot.load(bundle)


def scores_of(predictions: list[Any]) -> list[list[float]]:
    return [list(prediction.scores.values()) for prediction in predictions]


# ---- what is scored ----


def test_one_text_many_and_none_have_one_shape(classifier: Classifier) -> None:
    alone = classifier("you fool")
    assert isinstance(alone, list)
    assert alone == classifier(["you fool"])
    assert (len(alone), alone[0].label) == (1, "toxic")
    assert classifier([]) == []


@pytest.mark.parametrize(
    "several", [tuple, iter, np.array, lambda texts: (text for text in texts), lambda texts: np.array(texts, object)]
)
def test_texts_may_come_in_any_row_of_strings(classifier: Classifier, several: Callable[[list[str]], Any]) -> None:
    assert classifier(several(TEXTS)) == classifier(TEXTS)


def test_a_string_of_numpys_is_one_text(classifier: Classifier) -> None:
    assert classifier(np.str_("you fool")) == classifier("you fool")


def test_scores_by_hand_in_the_order_of_the_texts(classifier: Classifier) -> None:
    found = classifier(TEXTS)
    for text, prediction in zip(TEXTS, found, strict=True):
        assert list(prediction.scores) == ["benign", "toxic"]
        assert list(prediction.scores.values()) == pytest.approx(probabilities_of(text), abs=1e-6)
        assert sum(prediction.scores.values()) == pytest.approx(1, abs=1e-12)
    assert [prediction.label for prediction in found] == ["toxic", "benign", "benign", "toxic", "benign", "toxic"]
    reversed_texts = classifier(TEXTS[::-1])[::-1]
    assert scores_of(reversed_texts) == [pytest.approx(scores, abs=1e-6) for scores in scores_of(found)]


def test_the_temperature_divides_the_logits(tmp_path: Path) -> None:
    """ "you fool" has the logits 1/4 and 16/4; at temperature 3 they are 1/12 and 16/12."""
    cool = load(tiny_bundle(tmp_path, decision=Decision(policy="argmax", temperature=3.0)))
    expected = exp(16 / 12) / (exp(1 / 12) + exp(16 / 12))
    assert cool("you fool")[0].scores["toxic"] == pytest.approx(expected, abs=1e-6)


def test_decisions_by_the_policy(tmp_path: Path) -> None:
    """P(toxic) is 1 / (1 + exp(a - b)) of the logits a and b: 3/6 and 16/6, 7/10 and 16/10, 3/5 and 0."""
    decision = Decision(policy="review:recall>=0.95,fpr<=0.02", threshold=0.8, review_threshold=0.6)
    texts = ["you are a fool", "you are you are you are you fool", "you are kind"]
    found = load(tiny_bundle(tmp_path, decision=decision))(texts)
    assert [round(prediction.scores["toxic"], 3) for prediction in found] == [0.897, 0.711, 0.354]
    assert [prediction.decision for prediction in found] == ["block", "review", "allow"]
    assert [prediction.label for prediction in found] == ["toxic", "toxic", "benign"]


def test_a_threshold_overrides_the_likeliest_class(tmp_path: Path) -> None:
    strict = load(tiny_bundle(tmp_path / "strict", decision=Decision(policy="recall>=0.9", threshold=0.3)))
    (kind,) = strict("you are kind")  # P(toxic) = 1 / (1 + exp(3/5)) = 0.354
    assert (kind.label, kind.decision) == ("toxic", "block")
    lenient = load(tiny_bundle(tmp_path / "lenient", decision=Decision(policy="fpr<=0.1", threshold=0.999)))
    (rude,) = lenient("you fool")
    assert (rude.label, rude.decision) == ("benign", "allow")


def test_without_a_positive_class_nothing_is_decided(tmp_path: Path) -> None:
    found = load(tiny_bundle(tmp_path, positive=None))(["you fool", "you"])
    assert [(prediction.label, prediction.decision) for prediction in found] == [("toxic", None), ("benign", None)]


def test_texts_are_normalised_before_they_are_tokenised(classifier: Classifier) -> None:
    found = classifier(["f\x00ool", "&#102;ool", "fo\x9dol"])
    assert scores_of(found) == [pytest.approx(probabilities_of("fool"), abs=1e-6)] * 3


def test_half_a_surrogate_pair_is_a_letter_like_another(classifier: Classifier) -> None:
    """It is an unknown word, which counts as any other; two halves are one emoji."""
    halves = classifier(["fool \ud800", "fool \udfff", "fool \ud83e\udd21"])
    assert scores_of(halves) == [pytest.approx(probabilities_of("fool you"), abs=1e-6)] * 3


def test_a_text_of_10_mb_is_cut_and_says_so(classifier: Classifier) -> None:
    (found,) = classifier("fool " * 2_000_000)
    assert found.truncated
    assert found.label == "toxic"
    assert list(found.scores.values()) == pytest.approx(probabilities_of("fool " * 14), abs=1e-6)


def test_what_is_cut_is_marked_text_by_text(classifier: Classifier) -> None:
    """16 tokens hold 14 words: the rude word after them is not seen."""
    found = classifier(["you " * 14, "you " * 14 + "fool", "you"])
    assert [prediction.truncated for prediction in found] == [False, True, False]
    assert [prediction.label for prediction in found] == ["benign"] * 3


# ---- what is no text ----


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (None, "a value of type NoneType was given to be scored; give a string or several"),
        (7, "a value of type int was"),
        (b"fool", "a value of type bytes was"),
        (bytearray(b"fool"), "a value of type bytearray was"),
        ({"text": "fool"}, "a value of type dict was"),
        (["you", None], "texts[1] is of type NoneType; give strings"),
        (["you", "you", 3.5], "texts[2] is of type float; give strings"),
        ([b"fool"], "texts[0] is of type bytes; give strings"),
        ([["you"]], "texts[0] is of type list; give strings"),
        (memoryview(b"fool"), "texts[0] is of type int; give strings"),
        (np.array([1.0]), "texts[0] is of type float64; give strings"),
        (np.array(["you", None], dtype=object), "texts[1] is of type NoneType; give strings"),
    ],
)
def test_what_is_no_text_is_refused_by_its_place(classifier: Classifier, given: Any, complaint: str) -> None:
    with pytest.raises(NotATextError) as error:
        classifier(given)
    assert str(error.value).startswith(complaint)
    assert isinstance(error.value, TypeError)
    assert isinstance(error.value, ForeshotError)


# ---- settings ----


@pytest.mark.parametrize("settings", [{"threads": 1}, {"threads": 2}, {"batch_size": 1}, {"batch_size": 5}])
def test_settings_of_speed_change_nothing_but_rounding(bundle: Path, classifier: Classifier, settings: Any) -> None:
    found, expected = load(bundle, **settings)(TEXTS), classifier(TEXTS)
    assert [prediction.label for prediction in found] == [prediction.label for prediction in expected]
    assert scores_of(found) == [pytest.approx(scores, abs=1e-6) for scores in scores_of(expected)]


def test_texts_may_be_cut_shorter_than_the_bundle_does(bundle: Path) -> None:
    (found,) = load(bundle, max_length=4)("you are a fool")
    assert found.truncated
    assert list(found.scores.values()) == pytest.approx(probabilities_of("you are"), abs=1e-6)
    assert load(bundle, max_length=16)("you fool") == load(bundle)("you fool")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"max_length": 17}, r"^max_length 17: must be 1 to 16, the bundle's most$"),
        ({"max_length": 0}, r"^max_length 0: must be at least 1$"),
        ({"max_length": -1}, r"^max_length -1: must be at least 1$"),
        ({"max_length": 2}, r"can't cut texts to 2 tokens; 3 is the least$"),
        ({"max_length": 1}, r"can't cut texts to 1 tokens; 3 is the least$"),
        ({"batch_size": 0}, r"^batch_size 0: must be at least 1$"),
        ({"batch_size": -1}, r"^batch_size -1: must be at least 1$"),
        ({"threads": 0}, r"^threads 0: must be at least 1$"),
        ({"threads": -3}, r"^threads -3: must be at least 1$"),
        ({"threads": 1025}, r"^threads 1025: must be 1 to 1024$"),
        ({"threads": 10**30}, rf"^threads {10**30}: must be 1 to 1024$"),
    ],
)
def test_settings_that_make_no_sense_are_refused(bundle: Path, settings: Any, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load(bundle, **settings)


def test_the_graph_is_the_first_unless_another_is_named(tmp_path: Path) -> None:
    graph = make_manifest().graphs[0]
    two = tiny_bundle(tmp_path, graphs=[graph.model_copy(update={"file": "model.int8.onnx"}), graph])
    assert load(two).file == "model.int8.onnx"
    assert load(two, file="model.onnx").file == "model.onnx"
    with pytest.raises(BundleError, match=r"has no other\.onnx; it has model\.int8\.onnx, model\.onnx$"):
        load(two, file="other.onnx")


# ---- several labels ----


def test_a_text_has_each_label_by_its_own_score(tmp_path: Path) -> None:
    """Logits (16 r - 3 i k) / (n + 2): of 2, 0.8 and -0.4, of -1.5, -3 and -4.5, of 16/3 each, and of 0."""
    decisions = label_decisions(
        *("toxic", "insult", "threat"),
        judged="insult",
        insult=Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.95, review_threshold=0.6, temperature=2.0),
    )
    texts = ["you absolute walnut", "thank you", "fool", ""]
    found = load(tiny_bundle(tmp_path / "bundle", decisions=decisions))(texts)
    expected = [
        ("not insult", ("toxic",), "allow"),  # insult: 0.8 / 2 is 0.599
        ("not insult", (), "allow"),
        ("insult", ("toxic", "insult", "threat"), "review"),  # 8/3 is 0.935
        ("not insult", (), "allow"),
    ]
    assert [(one.label, one.labels, one.decision) for one in found] == expected
    for prediction, text in zip(found, texts, strict=True):
        assert list(prediction.scores.values()) == pytest.approx(label_probabilities_of(text, decisions), abs=1e-6)
    assert sum(found[2].scores.values()) > 2


def test_a_model_of_classes_gives_one_label(classifier: Classifier) -> None:
    assert {prediction.labels == (prediction.label,) for prediction in classifier(TEXTS)} == {True}
