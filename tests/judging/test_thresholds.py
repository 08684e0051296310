"""Decisions: by hand on small cases, and against trying out every threshold on random rows with ties."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from foreshot.errors import ConfigError, DataError
from foreshot.judging import thresholds
from foreshot.judging.thresholds import (
    STANDARD_POLICIES,
    check_enough,
    fewest_rows,
    fit_decision,
    policy_result,
)
from foreshot.results.decisions import Decision
from foreshot.runtime.decisions import decide, parse_policy, route, scaled_probabilities


def scored(scores) -> np.ndarray:
    """Logits (rows, 2) whose softmax gives class 1 these scores."""
    scores = np.asarray(scores, dtype=float)
    return np.stack([np.log1p(-scores), np.log(scores)], axis=1)


def rows_of(toxic, benign) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels of toxic (1) and benign rows with these scores."""
    return scored([*toxic, *benign]), np.array([1] * len(toxic) + [0] * len(benign))


@pytest.fixture
def unscaled(monkeypatch):
    """Fits with temperature 1, so that scores are those written down."""
    monkeypatch.setattr(thresholds, "fit_temperature", lambda logits, labels: 1.0)


def fitted(policy, toxic, benign) -> Decision:
    return fit_decision(policy, *rows_of(toxic, benign), 1)


# ---- policies ----


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("argmax", (0, 0)),
        ("best-f1", (10, 10)),
        ("recall>=0.5", (10, 0)),
        ("recall>=0.9", (10, 0)),  # 1 / (1 - 0.9) is a little above 10 in floats
        ("recall>=0.95", (20, 0)),
        ("recall>=0.97", (34, 0)),
        ("fpr<=0.5", (0, 10)),
        ("fpr<=0.05", (0, 20)),
        ("fpr<=0.01", (0, 100)),
        ("fpr<=0.03", (0, 34)),
        ("review:recall>=0.95,fpr<=0.02", (20, 50)),
    ],
)
def test_how_many_rows_a_policy_needs(policy, expected):
    assert fewest_rows(parse_policy(policy)) == expected
    positives, negatives = expected
    enough = np.array([1] * positives + [0] * negatives)
    check_enough(policy, enough, 1, positive_name="toxic")
    for label, count in enumerate((negatives, positives)):
        if count:
            short = np.array([1 - label] * expected[label] + [label] * (count - 1))
            with pytest.raises(DataError):
                check_enough(policy, short, 1, positive_name="toxic")


@pytest.mark.parametrize(
    ("policy", "needed"),
    [
        ("recall>=0.9", "10 toxic rows"),
        ("fpr<=0.05", "20 other rows"),
        ("review:recall>=0.95,fpr<=0.02", "20 toxic rows and 50 other rows"),
    ],
)
def test_too_few_rows_are_told(policy, needed):
    labels = np.array([1] * 3 + [0] * 9)
    with pytest.raises(DataError) as caught:
        fit_decision(policy, np.zeros((12, 2)), labels, 1, positive_name="toxic")
    assert str(caught.value) == (
        f"validation: 12 rows, 3 of them toxic: too few for {policy!r} (needs at least {needed}); "
        "give more validation rows or use decision argmax"
    )


def test_rows_of_every_other_class_are_other_rows():
    check_enough("best-f1", np.array([2] * 10 + [0] * 5 + [1] * 5), 2, positive_name="toxic")


def test_a_threshold_needs_a_positive_class():
    with pytest.raises(ConfigError, match=r"decision 'best-f1' needs a positive class; name one with positive"):
        fit_decision("best-f1", np.zeros((40, 2)), np.array([0, 1] * 20), None)
    with pytest.raises(ConfigError, match="no positive class"):
        decide(Decision(policy="best-f1", threshold=0.5), np.zeros((4, 2)), None)


def test_a_bad_policy_is_refused_before_any_row_is_counted():
    with pytest.raises(ConfigError, match="is not one of"):
        fit_decision("recall>=2", np.zeros((0, 2)), np.array([], dtype=int), 1)


# ---- fits by hand ----


@pytest.mark.parametrize("labels", [[], [1], [0, 1, 1], [1] * 40])
def test_argmax_takes_any_rows(labels):
    found = fit_decision("argmax", np.zeros((len(labels), 2)), np.array(labels, dtype=int), None)
    assert found == Decision(policy="argmax")


def test_argmax_has_its_temperature():
    logits = np.array([[0.0, 2 * math.log(9)]] * 10)
    found = fit_decision("argmax", logits, np.array([0] + [1] * 9), 1)
    assert found.temperature == pytest.approx(2, rel=1e-4)
    assert (found.threshold, found.review_threshold, found.met) == (None, None, True)


def test_separated_rows_are_parted_midway():
    found = fitted("best-f1", [0.7] + [0.9] * 9, [0.2] * 9 + [0.4])
    assert found.temperature == 1
    assert found.threshold == pytest.approx(0.55)


def test_recall_takes_the_highest_threshold_that_keeps_it(unscaled):
    toxic, benign = [0.1, 0.3] + [0.8] * 8, [0.2] * 10
    assert fitted("recall>=0.8", toxic, benign).threshold == pytest.approx((0.3 + 0.8) / 2)
    assert fitted("recall>=0.9", toxic, benign).threshold == pytest.approx((0.2 + 0.3) / 2)
    assert fitted("recall>=0.89", toxic, benign).threshold == pytest.approx((0.2 + 0.3) / 2)


def test_recall_may_need_every_row_flagged(unscaled):
    found = fitted("recall>=0.9", [0.2] * 10, [0.2, 0.6])
    assert found.threshold == pytest.approx(0.1)
    assert found.met


def test_recall_needs_no_other_rows(unscaled):
    assert fitted("recall>=0.9", [0.2] + [0.6] * 9, []).threshold == pytest.approx(0.4)


def test_false_positive_rate_takes_the_lowest_threshold_that_keeps_it(unscaled):
    toxic, benign = [0.3, 0.5, 0.9], [0.1] * 17 + [0.4, 0.6, 0.8]
    assert fitted("fpr<=0.05", toxic, benign).threshold == pytest.approx((0.6 + 0.8) / 2)
    assert fitted("fpr<=0.1", toxic, benign).threshold == pytest.approx((0.4 + 0.5) / 2)
    assert fitted("fpr<=0.15", toxic, benign).threshold == pytest.approx((0.1 + 0.3) / 2)
    assert fitted("fpr<=0.99", toxic, benign).threshold == pytest.approx((0.1 + 0.3) / 2)


def test_false_positive_rate_may_flag_nothing(unscaled):
    found = fitted("fpr<=0.05", [0.7] * 5, [0.1] * 18 + [0.8, 0.8])  # 0.8 alone would be 10 %
    assert found.threshold == pytest.approx((0.8 + 1) / 2)
    assert found.met
    assert not decide(found, scored([0.8, 0.7]), 1).any()


def test_a_threshold_just_above_the_greatest_score(unscaled):
    logits = np.array([[0.0, 36.5]] * 2 + [[0.0, 0.0]] * 18)
    assert 1 - 1e-15 < scaled_probabilities(logits, 1.0)[0, 1] < 1
    found = fit_decision("fpr<=0.05", logits, np.zeros(20, dtype=int), 1)
    assert found.met
    assert found.threshold <= 1
    assert not decide(found, logits, 1).any()


def test_a_threshold_between_neighbouring_floats():
    logits, labels = np.array([[0.0, 4.5e-16]] * 10 + [[0.0, 0.0]] * 20), np.array([1] * 10 + [0] * 20)
    low, high = scaled_probabilities(logits, 1.0)[[-1, 0], 1]
    assert high == math.nextafter(low, 1)
    for policy in STANDARD_POLICIES[1:4]:
        found = fit_decision(policy, logits, labels, 1)
        assert found.threshold == high
        assert (decide(found, logits, 1) == labels).all()


@pytest.mark.parametrize("policy", ["fpr<=0.05", "review:recall>=0.9,fpr<=0.05"])
def test_what_no_threshold_meets_is_said_and_the_nearest_taken(policy):
    # Five benign rows of score 1 exactly, at any temperature that may be chosen.
    logits = np.array([[0.0, 2000.0]] * 5 + [[1.0, 0.0]] * 15 + [[0.0, 1.0]] * 10)
    labels = np.array([0] * 20 + [1] * 10)
    found = fit_decision(policy, logits, labels, 1)
    assert not found.met
    assert found.threshold == 1
    assert (route(found, logits, 1) == "block").tolist() == [True] * 5 + [False] * 25
    if found.review_threshold is not None:
        assert (route(found, logits, 1)[20:] == "review").all()


def test_best_f1_by_hand(unscaled):
    # Cut at 0.6: 9 of 10 toxic, 1 benign: F1 18/20. At 0.3: 10 and 5, 20/25. At 0.8: 8 and 0, 16/18.
    toxic, benign = [0.3, 0.6] + [0.8] * 8, [0.2] * 5 + [0.4] * 4 + [0.7]
    assert fitted("best-f1", toxic, benign).threshold == pytest.approx((0.4 + 0.6) / 2)


def test_best_f1_of_equals_is_the_nearest_to_a_half(unscaled):
    # 5 toxic above everything: F1 10/15. Then 10 benign between: worse. All: 20/30, the same.
    tied = fitted("best-f1", [0.9] * 5 + [0.2] * 5, [0.3] * 10)
    assert tied.threshold == pytest.approx((0.3 + 0.9) / 2)  # 0.6, not 0.1
    tied = fitted("best-f1", [0.98] * 5 + [0.9] * 5, [0.96] * 10)
    assert tied.threshold == pytest.approx(0.45)  # not 0.97


def test_a_review_band(unscaled):
    toxic, benign = [0.1] + [0.4] * 5 + [0.9] * 4, [0.2] * 18 + [0.5, 0.8]
    found = fitted("review:recall>=0.9,fpr<=0.05", toxic, benign)
    assert found.review_threshold == pytest.approx((0.2 + 0.4) / 2)
    assert found.threshold == pytest.approx((0.5 + 0.8) / 2)
    assert found.met


def test_no_band_where_blocking_alone_keeps_the_recall(unscaled):
    found = fitted("review:recall>=0.9,fpr<=0.05", [0.7] * 10, [0.2] * 18 + [0.3, 0.6])
    assert found.threshold == found.review_threshold == pytest.approx((0.3 + 0.6) / 2)  # recall alone: 0.65
    assert fitted("recall>=0.9", [0.7] * 10, [0.2] * 18 + [0.3, 0.6]).threshold == pytest.approx(0.65)


def test_constant_scores_part_nothing():
    logits, labels = np.zeros((40, 2)), np.array([0, 1] * 20)
    for policy, flagged in (("best-f1", True), ("recall>=0.9", True), ("fpr<=0.05", False)):
        assert (decide(fit_decision(policy, logits, labels, 1), logits, 1) == flagged).all()


def test_a_small_difference_flips_no_row():
    rng = np.random.default_rng(3)
    labels = np.arange(400) % 2
    differences = np.round(rng.normal(size=400) + labels, 2)  # whoever differs, differs by 0.01
    logits = np.stack([np.zeros(400), differences], axis=1).astype(np.float32)
    exported = logits + rng.uniform(-1e-3, 1e-3, size=(400, 2)).astype(np.float32)
    for policy in STANDARD_POLICIES[1:]:
        found = fit_decision(policy, logits, labels, 1)
        assert (route(found, logits, 1) == route(found, exported, 1)).all()


# ---- fits against every other threshold ----

SCORES = st.integers(-4, 4)
ROWS = st.tuples(st.lists(SCORES, min_size=10, max_size=30), st.lists(SCORES, min_size=10, max_size=30))


def margins(rows) -> tuple[np.ndarray, np.ndarray]:
    toxic, benign = rows
    logits = np.stack([np.zeros(len(toxic) + len(benign)), np.array([*toxic, *benign]) * 0.7], axis=1)
    return logits, np.array([1] * len(toxic) + [0] * len(benign))


def ways_to_part(scores) -> list[np.ndarray]:
    return [scores >= cut for cut in [*np.unique(scores), math.inf]]


def lies_midway(threshold, scores) -> bool:
    below, above = scores[scores < threshold], scores[scores >= threshold]
    middle = ((below.max() if len(below) else 0) + (above.min() if len(above) else 1)) / 2
    return bool(0 <= threshold <= 1 and threshold == pytest.approx(middle, rel=1e-9))


@settings(max_examples=80)
@given(ROWS, st.sampled_from(["0.5", "0.75", "0.8", "0.9"]))
def test_no_threshold_has_the_recall_and_flags_fewer(rows, share):
    logits, labels = margins(rows)
    found = fit_decision(f"recall>={share}", logits, labels, 1)
    scores = scaled_probabilities(logits, found.temperature)[:, 1]
    flagged = decide(found, logits, 1) == 1
    assert found.met
    assert sk.recall_score(labels, flagged) >= float(share)
    keeping = [other.sum() for other in ways_to_part(scores) if sk.recall_score(labels, other) >= float(share)]
    assert flagged.sum() == min(keeping)
    assert lies_midway(found.threshold, scores)


@settings(max_examples=80)
@given(ROWS, st.sampled_from(["0.1", "0.25", "0.3", "0.5"]))
def test_no_threshold_has_the_false_positive_rate_and_flags_more(rows, share):
    logits, labels = margins(rows)
    found = fit_decision(f"fpr<={share}", logits, labels, 1)
    scores = scaled_probabilities(logits, found.temperature)[:, 1]
    flagged = decide(found, logits, 1) == 1
    assert found.met
    assert flagged[labels == 0].mean() <= float(share)
    keeping = [other.sum() for other in ways_to_part(scores) if other[labels == 0].mean() <= float(share)]
    assert flagged.sum() == max(keeping)
    assert lies_midway(found.threshold, scores)


@settings(max_examples=80)
@given(ROWS)
def test_no_threshold_has_a_larger_f1(rows):
    logits, labels = margins(rows)
    found = fit_decision("best-f1", logits, labels, 1)
    scores = scaled_probabilities(logits, found.temperature)[:, 1]
    best = max(sk.f1_score(labels, other, zero_division=0.0) for other in ways_to_part(scores))
    assert sk.f1_score(labels, decide(found, logits, 1)) == pytest.approx(best)
    assert lies_midway(found.threshold, scores)


@settings(max_examples=80)
@given(ROWS)
def test_a_review_band_keeps_both_promises(rows):
    logits, labels = margins(rows)
    found = fit_decision("review:recall>=0.9,fpr<=0.1", logits, labels, 1)
    ways = route(found, logits, 1)
    assert 0 <= found.review_threshold <= found.threshold <= 1
    assert (ways[labels == 1] != "allow").mean() >= 0.9
    assert (ways[labels == 0] == "block").mean() <= 0.1
    assert found.threshold == fit_decision("fpr<=0.1", logits, labels, 1).threshold
    assert found.review_threshold == min(found.threshold, fit_decision("recall>=0.9", logits, labels, 1).threshold)


@pytest.mark.parametrize("policy", STANDARD_POLICIES)
def test_decisions_do_not_depend_on_the_scale_or_the_order_of_the_classes(policy):
    rng = np.random.default_rng(11)
    labels = np.arange(200) % 2
    logits = rng.normal(size=(200, 2)) + np.eye(2)[labels]
    decided = decide(fit_decision(policy, logits, labels, 1), logits, 1)
    for other in (logits * 3, logits + 5):
        assert (decide(fit_decision(policy, other, labels, 1), other, 1) == decided).all()
    swapped = fit_decision(policy, logits[:, ::-1], 1 - labels, 0)
    assert (decide(swapped, logits[:, ::-1], 0) == 1 - decided).all()


def test_the_positive_class_of_several():
    rng = np.random.default_rng(2)
    labels = np.arange(300) % 3
    logits = rng.normal(size=(300, 3)) + np.eye(3)[labels]
    found = fit_decision("fpr<=0.05", logits, labels, 2)
    decided = decide(found, logits, 2)
    assert 0 < (decided[labels != 2] == 2).mean() <= 0.05
    scores = scaled_probabilities(logits, found.temperature)[:, 2]
    assert ((decided == 2) == (scores >= found.threshold)).all()
    assert (decided[decided != 2] == logits[decided != 2, :2].argmax(axis=1)).all()


# ---- what a decision does ----


def test_results_by_hand():
    decision = Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.8, review_threshold=0.4)
    logits, labels = rows_of([0.9, 0.5, 0.5, 0.2], [0.9, 0.6, 0.3, 0.3, 0.1, 0.1])
    found = policy_result(decision, logits, labels, 1)  # flagged: 3 of 4 toxic, 2 of 6 benign
    assert found.decision == decision
    assert found.precision == pytest.approx(3 / 5)
    assert found.recall == pytest.approx(3 / 4)
    assert found.false_positive_rate == pytest.approx(2 / 6)
    assert found.review_share == pytest.approx(3 / 10)
    assert found.macro_f1 == pytest.approx((2 * 3 / (5 + 4) + 2 * 4 / (5 + 6)) / 2)


def test_results_of_several_classes():
    logits = np.log(np.array([[0.2, 0.2, 0.6], [0.2, 0.6, 0.2], [0.6, 0.1, 0.3], [0.1, 0.4, 0.5]]))
    found = policy_result(Decision(policy="fpr<=0.05", threshold=0.55), logits, np.array([2, 1, 0, 2]), 2)
    assert (found.precision, found.recall, found.false_positive_rate, found.review_share) == (1, 0.5, 0, 0)
    assert found.macro_f1 == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_results_of_one_class_are_numbers(label, threshold):
    flagged = threshold == 0
    decision = Decision(policy="best-f1", threshold=threshold)
    found = policy_result(decision, np.zeros((3, 2)), np.array([label] * 3), 1)
    assert found.precision == (1 if flagged and label == 1 else 0)
    assert found.recall == (1 if flagged and label == 1 else 0)
    assert found.false_positive_rate == (1 if flagged and label == 0 else 0)
    assert found.macro_f1 == (0.5 if flagged == (label == 1) else 0)
