"""Explaining: scores by the tiny bundle's formula, signs, offsets into the text as given, and what isn't scored."""

from math import exp, log
from pathlib import Path

import numpy as np
import pytest
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle
from tiny_models import tiny_model_folder

import foreshot
from foreshot.errors import ConfigError, NotATextError
from foreshot.explaining.explain import Explainer, Explanation, explain
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.bundle import GraphFacts, Parity
from foreshot.runtime.decisions import save_decision

GRADIENTS = "integrated-gradients"
RUDE = "you absolute walnut"
SEVERAL = label_decisions("toxic", "insult", insult=Decision(policy="argmax", temperature=2.0))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("explaining") / "bundle")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("explaining") / "several", decisions=SEVERAL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model in PyTorch that knows the words w0, w1, …; its scores mean nothing, but they are many."""
    return tiny_model_folder(tmp_path_factory.mktemp("explaining") / "model")


def scores(explanation: Explanation) -> dict[str, float | None]:
    return {word.word: word.score for word in explanation.words}


def differences(explanation: Explanation) -> dict[str, float | None]:
    return {word.word: word.log_odds_difference for word in explanation.words}


# ---- leave-one-out ----


def test_scores_are_what_the_decided_label_loses_without_the_word(bundle: Path) -> None:
    (rude, kind) = explain(bundle, [RUDE, "thank you"])
    assert (rude.decided, rude.label, kind.decided, kind.label) == ("toxic", "toxic", "benign", "benign")
    whole = probabilities_of(RUDE)[1]
    rests = {"you": "absolute walnut", "absolute": "you walnut", "walnut": "you absolute"}
    assert rude.probability == pytest.approx(whole, abs=1e-6)
    assert scores(rude) == pytest.approx(
        {word: whole - probabilities_of(rest)[1] for word, rest in rests.items()}, abs=1e-6
    )
    # both words of the benign text push towards "benign"
    expected = probabilities_of("thank you")[0] - probabilities_of("you")[0]
    assert scores(kind) == pytest.approx({"thank": expected, "you": expected}, abs=1e-6)
    assert expected > 0
    assert rude.model == str(bundle / "model.onnx")
    assert (rude.rest, rude.deltas, rude.baseline_log_odds) == (None, None, None)


def test_log_odds_by_hand(bundle: Path) -> None:
    """Of n words, r of them rude, they are (16 r − (n − r)) / (n + 2)."""
    (rude,) = explain(bundle, RUDE)
    assert rude.log_odds == pytest.approx(14 / 5, abs=1e-6)
    # Without a plain word 15 / 4, without the rude one −2 / 4.
    assert differences(rude) == pytest.approx({"you": -0.95, "absolute": -0.95, "walnut": 3.3}, abs=1e-6)
    (benign,) = explain(bundle, RUDE, label="benign")
    assert benign.log_odds == pytest.approx(-14 / 5, abs=1e-6)
    assert differences(benign) == pytest.approx({"you": 0.95, "absolute": 0.95, "walnut": -3.3}, abs=1e-6)
    assert not rude.saturated


def test_of_three_classes_the_odds_are_those_against_the_other_two_together(tmp_path: Path) -> None:
    (found,) = explain(tiny_bundle(tmp_path / "three", labels=["sport", "food", "weather"]), "you walnut")
    # Logits of (1, 16, 0) / 4; without "walnut" (1, 0, 0) / 3, without "you" (0, 16, 0) / 3.
    whole, without_walnut, without_you = 4 - log(exp(1 / 4) + 1), -log(exp(1 / 3) + 1), 16 / 3 - log(2)
    assert (found.label, found.log_odds) == ("food", pytest.approx(whole, abs=1e-6))
    assert differences(found) == pytest.approx({"you": whole - without_you, "walnut": whole - without_walnut}, abs=1e-6)


@pytest.mark.parametrize("several_labels", [False, True])
def test_where_no_probability_moves_the_log_odds_still_tell_words_apart(tmp_path: Path, several_labels: bool) -> None:
    """A temperature of 1/20 makes of 14/5 and 15/4 log-odds of 56 and 75: both probabilities are 1 to the last bit."""
    sharp = Decision(policy="argmax", temperature=0.05)
    options = {"decisions": label_decisions("toxic", "insult", toxic=sharp)} if several_labels else {"decision": sharp}
    (found,) = explain(tiny_bundle(tmp_path / "sharp", **options, self_test=[]), "you fool walnut")
    assert (found.decided, found.probability, found.saturated) == ("toxic", 1.0, True)
    assert list(scores(found).values()) == [0.0, 0.0, 0.0]
    # Of two rude words and a plain one (32 − k) / 5, without a rude one (16 − k) / 4, without the plain one 32 / 4,
    # all times 20; a plain word counts k = 1 as a class against another, 3 as the first of several labels.
    plain = 3 if several_labels else 1
    whole, without_rude = (32 - plain) / 5, (16 - plain) / 4
    rude = 20 * (whole - without_rude)
    expected = {"you": 20 * (whole - 32 / 4), "fool": rude, "walnut": rude}
    assert found.log_odds == pytest.approx(20 * whole, abs=1e-4)
    assert differences(found) == pytest.approx(expected, abs=1e-4)


def test_another_label_can_be_asked_for(bundle: Path) -> None:
    (toxic,) = explain(bundle, RUDE)
    (benign,) = explain(bundle, RUDE, label="benign")
    assert (benign.decided, benign.label) == ("toxic", "benign")
    assert benign.probability == pytest.approx(1 - toxic.probability)
    assert list(scores(benign).values()) == pytest.approx([-score for score in scores(toxic).values()])


@pytest.mark.parametrize(
    ("text", "label", "explained", "index", "negated"),
    [
        ("you fool", None, "toxic", 0, False),
        ("thank you", None, "not toxic", 0, True),
        ("you fool", "insult", "insult", 1, False),
        ("you fool", "not insult", "not insult", 1, True),
    ],
)
def test_of_several_labels_the_judged_one_is_explained_unless_one_is_named(
    several: Path, text: str, label: str | None, explained: str, index: int, negated: bool
) -> None:
    (found,) = explain(several, text, label=label)
    assert (found.decided, found.label) == ("toxic" if "fool" in text else "not toxic", explained)

    def probability(words: str) -> float:
        own = label_probabilities_of(words, SEVERAL)[index]
        return 1 - own if negated else own

    first, second = text.split()
    assert found.probability == pytest.approx(probability(text), abs=1e-6)
    expected = {first: probability(text) - probability(second), second: probability(text) - probability(first)}
    assert scores(found) == pytest.approx(expected, abs=1e-6)
    odds = {words: log(probability(words) / (1 - probability(words))) for words in (text, first, second)}
    assert found.log_odds == pytest.approx(odds[text], abs=1e-5)
    assert differences(found) == pytest.approx(
        {first: odds[text] - odds[second], second: odds[text] - odds[first]}, abs=1e-5
    )


def test_decisions_follow_the_models_threshold(tmp_path: Path) -> None:
    strict = Decision(policy="best-f1", threshold=0.99)
    (found,) = explain(tiny_bundle(tmp_path / "strict", decision=strict), RUDE)
    assert (found.decided, found.probability) == ("benign", pytest.approx(probabilities_of(RUDE)[0], abs=1e-6))


def test_offsets_are_those_of_the_text_as_it_was_given(bundle: Path) -> None:
    text = "👩\u200d👧 (w&#97;lnut)! &amp; cafe\u0301\x07s שלום\u200f da\x00y"
    (found,) = explain(bundle, text)
    assert [(text[word.begin : word.end], word.word) for word in found.words] == [
        ("👩\u200d👧", "👩\u200d👧"), ("w&#97;lnut", "walnut"), ("&amp;", "&"),
        ("cafe\u0301\x07s", "cafés"), ("שלום", "שלום"), ("da\x00y", "day"),
    ]  # fmt: skip
    assert max(scores(found).items(), key=lambda item: item[1] or 0)[0] == "walnut"


@pytest.mark.parametrize("text", ["", " \n", "?!", "\u200b", "\x00"])
def test_without_words_there_are_no_scores(bundle: Path, folder: Path, text: str) -> None:
    for model, method in ((bundle, None), (folder, GRADIENTS)):
        (found,) = explain(model, text, method=method)
        assert (found.words, found.words_total, found.limited, found.truncated) == ([], 0, False, False)


def test_of_one_word_all_that_is_known_is_lost(bundle: Path) -> None:
    (found,) = explain(bundle, "walnut")
    assert scores(found) == {"walnut": pytest.approx(probabilities_of("walnut")[1] - 0.5, abs=1e-6)}


def test_of_ten_thousand_words_the_first_are_scored_and_it_says_so(bundle: Path, folder: Path) -> None:
    for model, method in ((bundle, None), (folder, None), (folder, GRADIENTS)):
        (found,) = explain(model, "w1 " * 10_000, method=method, most_words=20)
        assert (len(found.words), found.words_total, found.limited, found.truncated) == (20, 10_000, True, True)
    (few,) = explain(bundle, RUDE, most_words=3)
    assert (few.words_total, few.limited) == (3, False)


def test_words_that_the_model_never_sees_have_no_score(bundle: Path, folder: Path) -> None:
    """The bundle reads 16 tokens, of which two are special; the model in PyTorch 40."""
    for model, method, read in ((bundle, None, 14), (folder, None, 38), (folder, GRADIENTS, 38)):
        for words in (read, read + 1, read + 5):
            (found,) = explain(model, " ".join(f"w{number % 8}" for number in range(words)), method=method)
            unscored = [number for number, word in enumerate(found.words) if word.score is None]
            assert unscored == [number for number, word in enumerate(found.words) if word.log_odds_difference is None]
            assert unscored == list(range(read, words)), (model.name, method, words)
            assert found.truncated == (words > read)


def test_a_text_longer_than_any_tokenizer_is_given_is_cut_and_it_says_so(bundle: Path) -> None:
    (found,) = explain(bundle, "you" + "\n" * 100_000 + "walnut")
    assert scores(found) == {"you": pytest.approx(probabilities_of("you")[0] - 0.5, abs=1e-6)}
    assert found.truncated


def test_a_model_in_pytorch_is_explained_as_its_answers_say(folder: Path) -> None:
    from foreshot.models.classifiers import HubClassifier
    from foreshot.progress import Silent

    (found,) = explain(folder, "w1 (w2) w3!", label="toxic")
    logits = HubClassifier(str(folder)).logits(["w1 (w2) w3!", " (w2) w3!", "w1 () w3!", "w1 (w2) !"], Silent())
    shares = np.exp(logits.astype(float)) / np.exp(logits.astype(float)).sum(axis=1, keepdims=True)
    assert found.probability == pytest.approx(shares[0, 1])
    assert list(scores(found).values()) == pytest.approx((shares[0, 1] - shares[1:, 1]).tolist(), abs=1e-9)
    odds = logits[:, 1].astype(float) - logits[:, 0]
    assert list(differences(found).values()) == pytest.approx((odds[0] - odds[1:]).tolist(), abs=1e-9)


# ---- integrated gradients ----


def check_completeness(found: Explanation) -> None:
    assert found.rest is not None
    assert found.log_odds is not None
    added = sum(word.score or 0 for word in found.words) + found.rest + np.mean(list((found.deltas or {}).values()))
    assert added == pytest.approx(found.log_odds - np.mean(list((found.baseline_log_odds or {}).values())), abs=1e-6)
    assert found.log_odds == pytest.approx(np.log(found.probability) - np.log1p(-found.probability), abs=1e-5)


def test_gradients_add_up_to_the_log_odds_of_the_probability_that_is_told(folder: Path) -> None:
    texts = ["w1 (w2) w3!", "w4", "w5 w5 w6"]
    for found in explain(folder, texts, method=GRADIENTS):
        assert found.label == found.decided
        assert list(found.deltas or {}) == ["mask", "pad", "zero"]
        check_completeness(found)
    (other,) = explain(folder, texts[0], method=GRADIENTS, label="benign", baselines=["mean"], steps=4)
    assert list(other.deltas or {}) == ["mean"]
    check_completeness(other)


def test_gradients_of_a_temperature_and_of_several_labels(tmp_path: Path) -> None:
    model = tiny_model_folder(tmp_path / "several", labels=("toxic", "insult"), multi_label=True)
    save_decision(SEVERAL, model)
    for label in (None, "toxic", "insult", "not insult"):
        (found,) = explain(model, "w1 w2 w3", method=GRADIENTS, label=label)
        assert found.label == (label or found.decided)
        check_completeness(found)
    (with_it,), (without,) = (
        explain(model, "w1 w2", method=GRADIENTS, label=label) for label in ("insult", "not insult")
    )
    assert list(scores(with_it).values()) == pytest.approx([-score for score in scores(without).values()], abs=1e-6)


def test_the_first_words_are_those_that_are_listed(folder: Path) -> None:
    (all_words,) = explain(folder, "w1 w2 w3 w4", method=GRADIENTS)
    (first,) = explain(folder, "w1 w2 w3 w4", method=GRADIENTS, most_words=2)
    assert list(scores(first).values()) == pytest.approx(list(scores(all_words).values())[:2], abs=1e-6)
    check_completeness(first)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": GRADIENTS}, f"method {GRADIENTS}: .* is a bundle's, which has no gradients; name the folder"),
        ({"method": "guess"}, f"method guess: is none of leave-one-out, {GRADIENTS}"),
        ({"baselines": ["pad"]}, f"baselines: is for method {GRADIENTS} alone"),
        ({"steps": 5}, f"steps: is for method {GRADIENTS} alone"),
        ({"label": "rude"}, "label rude: is no label of .*; its labels are benign, toxic"),
        ({"label": "not toxic"}, "label not toxic: is no label of "),
        ({"positive": "rude"}, "positive rude: is no class of "),
        ({"most_words": 0}, "most_words 0: must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused_before_any_text_is_read(bundle: Path, options: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{message}"):
        Explainer(bundle, **options)


def test_gradients_refuse_unknown_baselines_and_steps(folder: Path) -> None:
    for options, message in (({"baselines": ["blur"]}, "blur: is none of mask"), ({"steps": 0}, "must be 1 to 1000")):
        with pytest.raises(ConfigError, match=message):
            Explainer(folder, method=GRADIENTS, **options)


def test_a_head_of_one_logit_is_explained_on_either_side(tmp_path: Path) -> None:
    """The two sides of a sigmoid add up to 1, so a word's scores for them are opposites."""
    explain = Explainer(tiny_model_folder(tmp_path / "one", labels=("toxic",)), label="toxic")
    (for_it,) = explain("w1 w2")
    (against_it,) = Explainer(tmp_path / "one", label="not toxic")("w1 w2")
    assert against_it.probability == pytest.approx(1 - for_it.probability)
    assert [word.score for word in against_it.words] == pytest.approx([-(word.score or 0) for word in for_it.words])


def test_a_runs_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "experiment.yaml").write_text("name: x\n")
    with pytest.raises(ConfigError, match=r"is a run's folder; name one of its models, such as .*teacher"):
        Explainer(tmp_path)


def test_anything_but_texts_is_refused(bundle: Path) -> None:
    with pytest.raises(NotATextError, match=r"texts\[1\] is of type int"):
        explain(bundle, ["a", 1])  # type: ignore[list-item]


def test_of_several_graphs_the_one_that_is_asked_for_is_explained(tmp_path: Path) -> None:
    parity = Parity(rows=1, source="made up", largest_difference=0, decisions_equal=1.0)
    files = ("model.onnx", "model.int8.onnx")
    graphs = [GraphFacts(file=file, opset=17, method="by hand", parity=parity) for file in files]
    folder = tiny_bundle(tmp_path / "both", graphs=graphs)
    for file in files:
        assert explain(folder, RUDE, file=file)[0].model == str(folder / file)


def test_it_is_one_of_the_public_names() -> None:
    assert foreshot.explain is explain
    assert foreshot.Explanation is Explanation
    assert isinstance(SEVERAL, LabelDecisions)
