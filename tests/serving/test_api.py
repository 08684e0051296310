"""/v1: what is answered, against values worked out by hand with the tiny bundle's formula."""

from collections.abc import Iterator
from hashlib import sha256
from math import exp
from pathlib import Path
from typing import Any

import pytest
from served import THRESHOLD, check_problem, make_bundles, served
from starlette.testclient import TestClient
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle

from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult, SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import SUMS_FILE, Origin, SelfTest
from foreshot.runtime.tokenization import TextTokenizer, Tokens
from foreshot.settings.recipes import RECIPES

RUDE, KIND = "you absolute walnut", "thank you"
LABELS = ("toxic", "insult")
SEVERAL = label_decisions(*LABELS, insult=Decision(policy="best-f1", threshold=0.7))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bundles(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def client(bundles: dict[str, Path]) -> Iterator[TestClient]:
    with served(bundles) as client:
        yield client


def classify(client: TestClient, texts: list[str], **more: Any) -> list[dict[str, Any]]:
    response = client.post("/v1/classify", json={"texts": texts, **more})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    results: list[dict[str, Any]] = response.json()["results"]
    return results


# ---- classify ----


def test_a_result_says_all_of_it(client: TestClient, bundles: dict[str, Path]) -> None:
    (result,) = classify(client, [RUDE])
    benign, toxic = probabilities_of(RUDE)
    assert result == {
        "label": "toxic",
        "labels": ["toxic"],
        "scores": {"benign": pytest.approx(benign, abs=1e-6), "toxic": pytest.approx(toxic, abs=1e-6)},
        "decision": "block",
        "band": {"low": THRESHOLD, "high": 1.0},
        "truncated": False,
        "saturated": False,
        "words": None,
        "model": "odd",
        "checksum": f"sha256:{sha256((bundles['odd'] / SUMS_FILE).read_bytes()).hexdigest()}",
    }


def test_results_stand_in_the_order_of_the_texts(client: TestClient) -> None:
    texts = [RUDE, KIND, "", "fool " * 5, "hello kind day", "an IDIOT"] * 20
    found = classify(client, texts)
    assert len(found) == len(texts)
    for text, result in zip(texts, found, strict=True):
        assert list(result["scores"].values()) == pytest.approx(probabilities_of(text), abs=1e-6)


def test_what_was_cut_off_is_told(client: TestClient) -> None:
    results = classify(client, ["day " * 14, "day " * 15])  # 16 tokens with the two special ones, and 17
    assert [result["truncated"] for result in results] == [False, True]


def test_another_model_answers_when_it_is_named(client: TestClient) -> None:
    review = "you fool you are an idiot thank you hello kind day you"  # 2 rude of 12: softmax of (10, 32) / 14
    (found,) = classify(client, [review], model="careful")
    assert found["scores"]["toxic"] == pytest.approx(1 / (1 + exp(-22 / 14)), abs=1e-6)
    assert (found["decision"], found["band"]) == ("review", {"low": 0.3, "high": 0.9})
    assert (found["model"], found["label"]) == ("careful", "toxic")
    (found,) = classify(client, [KIND], model="careful")  # softmax of (2, 0) / 4
    assert found["scores"]["toxic"] == pytest.approx(1 / (1 + exp(2 / 4)), abs=1e-6)
    assert found["decision"] == "review"


def test_without_a_positive_class_nothing_is_decided(client: TestClient) -> None:
    cat, dog = classify(client, [KIND, RUDE], model="pets")
    assert (cat["label"], dog["label"]) == ("cat", "dog")
    assert cat["decision"] is cat["band"] is dog["decision"] is dog["band"] is None


def test_null_is_as_good_as_no_model(client: TestClient) -> None:
    assert classify(client, [KIND], model=None)[0]["model"] == "odd"


@pytest.mark.parametrize(
    "text", ["😀" * 20_480, "\u202e", "\u00ad\ufeff", "<script>alert(1)</script>", "\r\n\t", "a\ud7ff\ue000"]
)
def test_odd_texts_are_texts(client: TestClient, text: str) -> None:
    assert classify(client, [text])[0]["model"] == "odd"


def test_as_many_and_as_long_texts_as_the_limits_say(bundles: dict[str, Path]) -> None:
    with served(bundles, limits={"texts": 3, "text_length": 5}) as client:
        assert len(classify(client, ["12345", "😀😀😀😀😀", ""])) == 3  # code points, not bytes
        problem = check_problem(client.post("/v1/classify", json={"texts": ["", "123456"]}), 422, "texts[1]", "5")
        assert [error["where"] for error in problem["errors"]] == ["texts[1]"]
        check_problem(client.post("/v1/classify", json={"texts": [""] * 4}), 422, "texts", "3")


# ---- explain ----


def test_influences_by_hand(client: TestClient) -> None:
    (result,) = classify(client, [RUDE], explain=True)
    whole = probabilities_of(RUDE)[1]
    rests = ("absolute walnut", "you walnut", "you absolute")
    assert [(word["begin"], word["end"], word["word"]) for word in result["words"]] == [
        (0, 3, "you"), (4, 12, "absolute"), (13, 19, "walnut"),
    ]  # fmt: skip
    assert [word["influence"] for word in result["words"]] == pytest.approx(
        [whole - probabilities_of(rest)[1] for rest in rests], abs=1e-6
    )
    # (16 r − (n − r)) / (n + 2) of n words, r of them rude: 14 / 5, without a plain one 15 / 4, without "walnut" −1 / 2
    assert [word["log_odds_difference"] for word in result["words"]] == pytest.approx([-0.95, -0.95, 3.3], abs=1e-6)
    assert result["saturated"] is False


def test_words_of_a_saturated_score_differ_in_log_odds(tmp_path: Path) -> None:
    """At a temperature of 1/20 they are 20 times as much: 56, 75 without a plain word, −10 without "walnut"."""
    sharp = Decision(policy="argmax", temperature=0.05)
    even = SelfTest(text="", scores={"model.onnx": [0.5, 0.5]})
    with served({"sharp": tiny_bundle(tmp_path / "sharp", decision=sharp, self_test=[even])}) as client:
        (result,) = classify(client, [RUDE], explain=True)
    assert (result["scores"]["toxic"], result["saturated"]) == (1.0, True)
    numbers = [(word["influence"], word["log_odds_difference"]) for word in result["words"]]
    assert numbers[:2] == [(0.0, pytest.approx(-19, abs=1e-4))] * 2
    assert numbers[2] == (pytest.approx(1 - 1 / (1 + exp(10)), abs=1e-6), pytest.approx(66, abs=1e-4))


def test_offsets_count_code_points_of_the_text_as_it_was_sent(client: TestClient) -> None:
    text = "👩‍👧 &quot;w&#97;lnut!&quot; &amp;lt; 😀da\ty e\x07\u0301"
    (result,) = classify(client, [text], explain=True)
    found = [(text[word["begin"] : word["end"]], word["word"]) for word in result["words"]]
    assert found == [
        ("👩‍👧", "👩‍👧"), ("w&#97;lnut", "walnut"), ("&amp;lt", "&lt"),
        ("😀da", "😀da"), ("y", "y"), ("e\x07\u0301", "é"),
    ]  # fmt: skip
    by_word = {word["word"]: word["influence"] for word in result["words"]}
    assert max(by_word, key=lambda word: by_word[word]) == "walnut"


def test_what_is_left_is_read_as_in_the_whole_text(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    tokenize = TextTokenizer.tokenize

    def listening(self: TextTokenizer, texts: list[str]) -> Tokens:
        read.extend(texts)
        return tokenize(self, texts)

    monkeypatch.setattr(TextTokenizer, "tokenize", listening)
    classify(client, ["you (cafe\u0301) &amp;amp;"], explain=True)
    # entities are decoded once, however often a word is left out
    assert read == ["you (café) &amp;", " (café) &amp;", "you () &amp;", "you (café) ;"]


def test_without_a_positive_class_the_labels_own_probability_is_explained(client: TestClient) -> None:
    (result,) = classify(client, [KIND], explain=True, model="pets")
    expected = probabilities_of("thank you")[0] - probabilities_of("you")[0]
    assert [word["influence"] for word in result["words"]] == pytest.approx([expected, expected], abs=1e-6)
    # Logits of (2, 0) / 4, and of (1, 0) / 3 without either word.
    assert [word["log_odds_difference"] for word in result["words"]] == pytest.approx([2 / 4 - 1 / 3] * 2, abs=1e-6)


def test_the_words_of_all_texts_share_one_allowance(bundles: dict[str, Path]) -> None:
    with served(bundles, limits={"explained_words": 4}) as client:
        found = classify(client, ["a b", " ", "c d e f", "g"], explain=True)
    words = [result["words"] and [word["word"] for word in result["words"]] for result in found]
    assert words == [["a", "b"], [], ["c", "d"], None]


def test_without_explain_there_are_no_words(client: TestClient) -> None:
    assert classify(client, [RUDE], explain=False)[0]["words"] is None


# ---- models ----


def test_models_are_described(client: TestClient, bundles: dict[str, Path]) -> None:
    found = client.get("/v1/models").json()
    assert found["limits"] == {"texts": 128, "text_length": 20480, "body_bytes": 4_000_000, "explained_words": 200}
    assert found["keys"] is False
    assert [(model["name"], model["default"]) for model in found["models"]] == [
        ("odd", True), ("careful", False), ("pets", False),
    ]  # fmt: skip
    odd, careful, pets = found["models"]
    assert odd["checksum"] == f"sha256:{sha256((bundles['odd'] / SUMS_FILE).read_bytes()).hexdigest()}"
    assert odd["decision"] == {
        "policy": "best-f1", "threshold": THRESHOLD, "review_threshold": None, "temperature": 1.0,
    }  # fmt: skip
    assert odd["bands"] == [
        {"decision": "allow", "low": 0.0, "high": THRESHOLD}, {"decision": "block", "low": THRESHOLD, "high": 1.0},
    ]  # fmt: skip
    assert [band["decision"] for band in careful["bands"]] == ["allow", "review", "block"]
    assert (pets["labels"], pets["positive"], pets["bands"]) == (["cat", "dog"], None, [])
    assert (odd["file"], odd["title"], odd["max_length"], odd["metrics"]) == (
        "model.onnx",
        "tiny",
        16,
        {"macro_f1": 0.9},
    )
    assert odd["recipe"] is odd["layer_map"] is odd["teacher"] is odd["verdict"] is odd["suite_result"] is None


def test_a_student_of_a_run_says_where_it_came_from(tmp_path: Path) -> None:
    right = Estimate(value=0.8, low=0.7, high=0.9)
    origin = Origin(
        model="odd", architecture="bert", layers=3, parameters=17_000_000, fingerprint="0" * 16, layer_map=[1, 3, 5],
        recipe=RECIPES["odd"].model_dump(), teacher="a teacher", encoder="an encoder", verdict="recommended",
        verdict_reasons=("as good as its teacher",),
    )  # fmt: skip
    result = SuiteResult(
        model="odd",
        accuracy=right,
        by_label={"toxic": right},
        functionalities=[CellResult(name="negation", label="toxic", cases=20, accuracy=right)],
        groups=[],
        pairs_right=None,
    )
    counts = {"benign": 1000, "toxic": 1150}
    bundle = tiny_bundle(
        tmp_path / "odd",
        origin=origin,
        suite=SuiteFacts(name="builtin", cases=2150, class_counts=counts, pairs=400, fingerprint="0" * 16),
        suite_result=result,
        metrics={"macro_f1": 0.91, "nothing": None},
        metrics_rows=2457,
    )
    with served({"odd": bundle}) as client:
        (found,) = client.get("/v1/models").json()["models"]
    recipe = {"name": "odd", "layers": "odd", "tuning": "full", "objective": "distil", "init": "teacher"}
    assert recipe.items() <= found["recipe"].items()
    assert (found["layers"], found["layer_map"], found["parameters"]) == (3, [1, 3, 5], 17_000_000)
    assert (found["teacher"], found["encoder"]) == ("a teacher", "an encoder")
    assert (found["verdict"], found["verdict_reasons"]) == ("recommended", ["as good as its teacher"])
    assert (found["metrics"], found["metrics_rows"]) == ({"macro_f1": 0.91, "nothing": None}, 2457)
    assert (found["suite"]["name"], found["suite"]["cases"]) == ("builtin", 2150)
    estimate = {"value": 0.8, "low": 0.7, "high": 0.9}
    assert found["suite_result"]["accuracy"] == found["suite_result"]["by_label"]["toxic"] == estimate
    (functionality,) = found["suite_result"]["functionalities"]
    expected = {"name": "negation", "label": "toxic", "cases": 20, "accuracy": estimate}
    assert expected.items() <= functionality.items()


# ---- several labels ----


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    metrics = {"toxic": {"auroc": 0.9, "f1": 0.7}, "insult": {"auroc": None, "f1": 0.5}}
    bundle = tiny_bundle(tmp_path_factory.mktemp("several") / "several", decisions=SEVERAL, label_metrics=metrics)
    with served({"several": bundle}) as client:
        yield client


def test_a_text_may_have_several_labels(several: TestClient) -> None:
    rude, worse, kind = classify(several, [RUDE, "fool", KIND])
    scores = dict(zip(LABELS, label_probabilities_of(RUDE, SEVERAL), strict=True))
    assert rude["scores"] == pytest.approx(scores, abs=1e-6)
    assert (rude["label"], rude["labels"], rude["decision"]) == ("toxic", ["toxic"], "block")  # insult: 0.69 of 0.7
    assert rude["band"] == {"low": 0.5, "high": 1.0}
    assert (worse["label"], worse["labels"]) == ("toxic", list(LABELS))
    assert (kind["label"], kind["labels"], kind["decision"]) == ("not toxic", [], "allow")


def test_the_words_are_those_of_the_judged_label(several: TestClient) -> None:
    (result,) = classify(several, ["you fool"], explain=True)
    toxic = {text: label_probabilities_of(text, SEVERAL)[0] for text in ("you fool", "fool", "you")}
    expected = [toxic["you fool"] - toxic["fool"], toxic["you fool"] - toxic["you"]]
    assert [word["influence"] for word in result["words"]] == pytest.approx(expected, abs=1e-6)
    # Logits of the first label: (16 − 3) / 4, of "fool" 16 / 3, of "you" −3 / 3.
    assert [word["log_odds_difference"] for word in result["words"]] == pytest.approx(
        [13 / 4 - 16 / 3, 13 / 4 + 1], abs=1e-6
    )


def test_a_multi_label_model_is_described_label_by_label(several: TestClient, client: TestClient) -> None:
    (found,) = several.get("/v1/models").json()["models"]
    assert (found["labels"], found["positive"]) == (list(LABELS), "toxic")
    assert [band["low"] for band in found["bands"]] == [0.0, 0.5]
    plain = {"policy": "argmax", "threshold": None, "review_threshold": None, "temperature": 1.0}
    assert {name: {key: rule[key] for key in plain} for name, rule in found["by_label"].items()} == {
        "toxic": plain,
        "insult": {**plain, "policy": "best-f1", "threshold": 0.7},
    }
    assert [band["low"] for band in found["by_label"]["insult"]["bands"]] == [0.0, 0.7]
    assert found["label_metrics"] == {"toxic": {"auroc": 0.9, "f1": 0.7}, "insult": {"auroc": None, "f1": 0.5}}
    others = client.get("/v1/models").json()["models"]
    assert [(other["by_label"], other["label_metrics"]) for other in others] == [(None, None)] * 3
