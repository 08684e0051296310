"""Decisions of a model by its thresholds, by hand; softmax against SciPy's; the file, whole and damaged."""

import json
import math

import numpy as np
import pytest
from scipy.special import expit, softmax

from foreshot.errors import ConfigError, ModelError
from foreshot.judging.thresholds import STANDARD_POLICIES
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.decisions import (
    DECISION_FILE,
    Policy,
    decide,
    flagged_labels,
    judged_view,
    judging,
    label_logits,
    label_probabilities,
    load_decision,
    parse_policy,
    route,
    save_decision,
    scaled_probabilities,
    scores_of,
    view_of,
)

# ---- policies ----


def test_policies_by_their_text():
    assert parse_policy("argmax") == Policy("argmax")
    assert parse_policy(" recall >= 0.90 ") == Policy("recall>=0.90", recall=0.9)
    assert parse_policy("fpr<=.05") == Policy("fpr<=.05", fpr=0.05)
    review = parse_policy("review:recall>=0.95,fpr<=0.01")
    assert (review.recall, review.fpr, review.has_review) == (0.95, 0.01, True)
    assert not parse_policy("recall>=0.9").has_review
    assert [parse_policy(text).text for text in STANDARD_POLICIES] == list(STANDARD_POLICIES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "f1",
        "Argmax",
        "recall>=0",
        "recall>=0.0",
        "recall>=1",
        "recall>=1.0",
        "recall>=90",
        "recall>=-0.9",
        "recall>=0.9.1",
        "recall>=0.99999999999999999999",  # 1 as a float
        "recall>=nan",
        "recall>0.9",
        "recall<=0.9",
        "fpr>=0.05",
        "fpr<=0",
        "fpr<=1",
        "recall>=0.9,fpr<=0.05",
        "review:recall>=0.9",
        "review:fpr<=0.05",
        "review:fpr<=0.05,recall>=0.9",
        "review:recall>=0.9,fpr<=1",
        "review:best-f1",
        "recall>=٠.٩",
        "two\nlines",
    ],
)
def test_what_is_no_policy_is_refused_in_one_line(text):
    with pytest.raises(ConfigError) as caught:
        parse_policy(text)
    message = str(caught.value)
    assert repr(text) in message
    assert "argmax, best-f1, flag-rate, score>=S, recall>=R, fpr<=F and review:recall>=R,fpr<=F" in message
    assert "between 0 and 1" in message
    assert "\n" not in message


# ---- what a decision does ----


def test_probabilities_are_the_softmax():
    logits = np.random.default_rng(0).normal(0, 20, (200, 3)).astype(np.float32)
    assert scaled_probabilities(logits, 1.7) == pytest.approx(
        softmax(logits.astype(np.float64) / 1.7, axis=1), abs=1e-15
    )
    extreme = np.array([[1e30, -1e30], [-800.0, 800.0]])
    assert scaled_probabilities(extreme, 0.05).tolist() == [[1, 0], [0, 1]]
    assert scaled_probabilities(np.zeros((0, 2)), 1.0).shape == (0, 2)


def test_routes_by_hand():
    # Temperature 2 takes the root of the odds: 9 -> 3 (0.75), 81 -> 9 (0.9), 1 -> 1 (0.5), 1/9 -> 1/3 (0.25).
    logits = np.array([[0, math.log(odds)] for odds in (9, 81, 1, 1 / 9)])
    both = Decision(policy="review:recall>=0.9,fpr<=0.05", temperature=2, threshold=0.8, review_threshold=0.4)
    assert route(both, logits, 1).tolist() == ["review", "block", "review", "allow"]
    assert decide(both, logits, 1).tolist() == [1, 1, 1, 0]
    alone = Decision(policy="best-f1", temperature=2, threshold=0.6)
    assert route(alone, logits, 1).tolist() == ["block", "block", "allow", "allow"]
    assert decide(alone, logits, 1).tolist() == [1, 1, 0, 0]
    assert route(Decision(policy="best-f1", threshold=0.89), logits, 1).tolist() == ["block", "block", "allow", "allow"]


def test_a_score_at_the_threshold_is_flagged():
    logits = np.zeros((1, 2))
    assert route(Decision(policy="best-f1", threshold=0.5), logits, 1).tolist() == ["block"]
    band = Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.9, review_threshold=0.5)
    assert route(band, logits, 1).tolist() == ["review"]
    assert decide(Decision(policy="recall>=0.9", threshold=0.0), np.array([[9000.0, 0.0]]), 1).tolist() == [1]


def test_without_a_threshold_the_likeliest_class_is_taken():
    logits = np.array([[1.0, 2.0, 3.0], [4.0, 2.0, 3.0], [1.0, 2.0, 0.0]], dtype=np.float32)
    plain = Decision(policy="argmax", temperature=7.0)
    assert decide(plain, logits, None).tolist() == [2, 0, 1]
    assert decide(plain, logits, 2).tolist() == [2, 0, 1]
    assert route(plain, logits, 2).tolist() == ["block", "allow", "allow"]


def test_below_the_threshold_the_likeliest_other_class_is_taken():
    logits = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 9.0]])
    kept = logits.copy()
    assert decide(Decision(policy="fpr<=0.05", threshold=0.9), logits, 2).tolist() == [1, 2]
    assert (logits == kept).all()


def test_no_rows_are_no_decisions():
    for decision in (Decision(policy="argmax"), Decision(policy="best-f1", threshold=0.5)):
        assert decide(decision, np.zeros((0, 2)), 1).shape == (0,)
        assert route(decision, np.zeros((0, 2)), 1).shape == (0,)


# ---- several labels ----

ARGMAX = Decision(policy="argmax")
SEVERAL = LabelDecisions(
    judged="insult",
    by_label={
        "toxic": ARGMAX.model_copy(update={"temperature": 2.0}),
        "insult": Decision(policy="best-f1", temperature=0.5, threshold=0.8),
        "threat": Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.9, review_threshold=0.25),
    },
)


def test_a_labels_probability_is_the_sigmoid_of_its_logit_by_its_temperature():
    logits = np.random.default_rng(0).normal(0, 20, (200, 3)).astype(np.float32)
    exact = logits.astype(np.float64)
    found = label_probabilities(logits, SEVERAL)
    assert found == pytest.approx(expit(exact / [2.0, 0.5, 1.0]), abs=1e-15)
    assert (scores_of(SEVERAL, logits) == found).all()
    assert (scores_of(ARGMAX, logits) == scaled_probabilities(logits, 1.0)).all()
    assert label_probabilities(np.zeros((0, 3)), SEVERAL).shape == (0, 3)


def test_a_view_is_what_a_model_of_two_classes_gives():
    logits = np.array([[1.0, -2.0, 3.0], [0.5, 0.0, -1.0]], dtype=np.float32)
    assert label_logits(logits, 1).tolist() == [[0, -2], [0, 0]]
    assert label_logits(logits, 1).dtype == np.float32
    decision, view = judged_view(logits, SEVERAL)
    assert decision == SEVERAL.by_label["insult"]
    assert view.tolist() == [[0, -2], [0, 0]]
    decision, view, positive = view_of(SEVERAL, logits, None)
    assert (decision.threshold, view.tolist(), positive) == (0.8, [[0, -2], [0, 0]], 1)
    assert view_of(ARGMAX, logits, 2) == (ARGMAX, logits, 2)


def test_labels_are_flagged_each_by_its_own_threshold():
    """Odds of 9, 1 and 1/9; temperature 1/2 squares them: 81 (0.99), 1 (0.5), 1/81. From review on counts."""
    logits = np.log([[9.0, 9, 9], [1, 1, 1], [1 / 9, 1 / 9, 1 / 9], [9, 1, 1 / 2]])
    expected = [[True, True, True], [False, False, True], [False, False, False], [True, False, True]]
    assert flagged_labels(logits, SEVERAL).tolist() == expected


def test_another_label_may_be_judged():
    assert judging(SEVERAL, None, source="m") == SEVERAL
    other = judging(SEVERAL, "threat", source="m")
    assert (other.judged, other.by_label, SEVERAL.judged) == ("threat", SEVERAL.by_label, "insult")
    with pytest.raises(ConfigError, match=r"^positive x: is no label of m; its labels are toxic, insult, threat$"):
        judging(SEVERAL, "\x1bx", source="m")


# ---- the file ----


def test_decisions_of_labels_are_read_back_as_they_were(tmp_path):
    save_decision(SEVERAL, tmp_path)
    found = load_decision(tmp_path)
    assert found == SEVERAL
    assert list(found.by_label) == ["toxic", "insult", "threat"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ({"judged": "a"}, "by_label Field required"),
        ({"by_label": {}}, "judged Field required"),
        ({"judged": "a", "by_label": {}}, "its judged label 'a' is none of its labels"),
        ({"judged": "a", "by_label": []}, "by_label Input should be"),
        ({"judged": "b", "by_label": {"a": {"policy": "argmax"}}}, "its judged label 'b' is none of its labels"),
        ({"judged": "a", "by_label": {"a": {"policy": "guess"}}}, "label 'a': decision 'guess' is not one of"),
        ({"judged": "a", "by_label": {"a": {"policy": "best-f1"}}}, "label 'a': its thresholds are not those of"),
        ({"judged": "a", "by_label": {"a": {}}}, "by_label a policy Field required"),
        ({"judged": "a", "by_label": {"a\x1b[31m\n": {}}}, "by_label a[31m policy Field required"),
        ({"judged": "a", "by_label": {"a": {"policy": "argmax"}}, "more": 1}, "more"),
        ({"judged": "a", "by_label": {"a": {"policy": "argmax"}}, "policy": "argmax"}, "policy"),
    ],
)
def test_damaged_decisions_of_labels_are_told(content, complaint, tmp_path):
    (tmp_path / DECISION_FILE).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        load_decision(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / DECISION_FILE}: is damaged ({complaint}")
    assert str(caught.value).isprintable()


def test_a_file_nested_too_deeply_is_told(tmp_path):
    (tmp_path / DECISION_FILE).write_text('{"by_label":' * 20_000, encoding="utf-8")
    with pytest.raises(ModelError, match=r"is damaged \("):
        load_decision(tmp_path)


@pytest.mark.parametrize(
    "decision",
    [
        Decision(policy="argmax", temperature=1.7),
        Decision(policy="fpr<=0.05", temperature=0.1 + 0.2, threshold=math.nextafter(1, 0), met=False),
        Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.7, review_threshold=0.1),
    ],
)
def test_a_decision_is_read_back_as_it_was(decision, tmp_path):
    save_decision(Decision(policy="best-f1", threshold=0.5), tmp_path)
    save_decision(decision, tmp_path)
    assert load_decision(tmp_path) == decision
    assert [path.name for path in tmp_path.iterdir()] == [DECISION_FILE] == ["decision.json"]


def test_no_file_is_no_decision(tmp_path):
    assert load_decision(tmp_path) is None
    assert load_decision(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "Invalid JSON"),
        (b'{"policy": "arg', "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"[]", "object"),
        (b"{}", "policy"),
        (b'{"policy": "argmax", "temperature": "hot"}', "temperature"),
        (b'{"policy": "argmax", "more": 1}', "more"),
        (b'{"policy": "guess"}', "guess"),
        (b'{"policy": "argmax", "temperature": 0}', "its temperature is 0"),
        (b'{"policy": "argmax", "temperature": NaN}', ""),
        (b'{"policy": "argmax", "threshold": 0.5}', "not those of 'argmax'"),
        (b'{"policy": "best-f1"}', "not those of 'best-f1'"),
        (b'{"policy": "best-f1", "threshold": 0.5, "review_threshold": 0.2}', "not those of 'best-f1'"),
        (b'{"policy": "best-f1", "threshold": 1.5}', "must rise between 0 and 1"),
        (b'{"policy": "best-f1", "threshold": -0.5}', "must rise between 0 and 1"),
        (
            b'{"policy": "review:recall>=0.9,fpr<=0.05", "threshold": 0.5, "review_threshold": 0.6}',
            "must rise between 0 and 1",
        ),
    ],
)
def test_a_damaged_file_is_told(content, complaint, tmp_path):
    (tmp_path / DECISION_FILE).write_bytes(content)
    with pytest.raises(ModelError) as caught:
        load_decision(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / DECISION_FILE}: is damaged (")
    assert complaint in message
    assert "\n" not in message


def test_a_file_that_is_a_folder_is_told(tmp_path):
    (tmp_path / DECISION_FILE).mkdir()
    with pytest.raises(ModelError, match=r"decision\.json: can't be read"):
        load_decision(tmp_path)
