"""Parity by hand: what is counted, and what each gate just lets pass and just refuses."""

from math import log, nan

import numpy as np
import pytest

from foreshot.exporting.parity import flipped, fp32_complaint, int8_complaint, parity
from foreshot.results.behaviour import Case
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.bundle import Parity

ARGMAX = Decision(policy="argmax")
REVIEW = Decision(policy="review:recall>=0.95,fpr<=0.02", threshold=0.8, review_threshold=0.4)
NAMES = ("benign", "toxic")


def logits_for(*scores: float) -> np.ndarray:
    """Logits (rows, 2) whose softmax gives the second class these probabilities."""
    return np.array([[0.0, log(score / (1 - score))] for score in scores])


def cases_of(*kinds: tuple[str, str]) -> list[Case]:
    return [Case(text=f"text {row}", functionality=name, label=label) for row, (name, label) in enumerate(kinds)]


def proved(**fields: object) -> Parity:
    facts = {"rows": 1000, "source": "rows", "largest_difference": 0.0, "decisions_equal": 1.0}
    return Parity(**{**facts, **fields})


# ---- what is counted ----


def test_the_largest_difference_is_of_probabilities() -> None:
    model, graph = logits_for(0.2, 0.5, 0.9), logits_for(0.21, 0.47, 0.9)
    found = parity(model, graph, ARGMAX, 1, source="three rows")
    assert found.largest_difference == pytest.approx(0.03)
    assert (found.rows, found.source, found.suite_cases, found.worst_functionality) == (3, "three rows", None, None)


def test_probabilities_are_those_of_the_fitted_temperature() -> None:
    """At temperature 2 the logits of 0.9 and 0.5 are half as far apart: 1 / (1 + 1/3) = 0.75."""
    cool = Decision(policy="argmax", temperature=2.0)
    found = parity(logits_for(0.9), logits_for(0.5), cool, 1, source="")
    assert found.largest_difference == pytest.approx(0.25)


def test_decisions_without_a_threshold_are_the_likeliest_classes() -> None:
    model, graph = logits_for(0.2, 0.6, 0.6, 0.9), logits_for(0.4, 0.4, 0.7, 0.6)
    assert parity(model, graph, ARGMAX, 1, source="").decisions_equal == 0.75
    assert flipped(model, graph, ARGMAX, 1).tolist() == [1]
    assert flipped(model, graph, ARGMAX, None).tolist() == [1]


def test_decisions_with_a_threshold() -> None:
    strict = Decision(policy="fpr<=0.1", threshold=0.8)
    model, graph = logits_for(0.2, 0.6, 0.79, 0.9), logits_for(0.7, 0.79, 0.81, 0.7)
    assert flipped(model, graph, strict, 1).tolist() == [2, 3]
    assert parity(model, graph, strict, 1, source="").decisions_equal == 0.5


def test_a_row_that_moves_into_the_review_band_is_decided_otherwise() -> None:
    """From block to review as well, though both count as toxic in the metrics."""
    model, graph = logits_for(0.9, 0.5, 0.3, 0.5), logits_for(0.7, 0.9, 0.5, 0.6)
    assert flipped(model, graph, REVIEW, 1).tolist() == [0, 1, 2]
    assert parity(model, graph, REVIEW, 1, source="").decisions_equal == 0.25


def test_three_classes() -> None:
    model = np.array([[3.0, 1, 2], [1, 3, 2], [1, 2, 3]])
    graph = np.array([[3.0, 2, 1], [2, 1, 3], [1, 2, 3]])
    assert flipped(model, graph, ARGMAX, None).tolist() == [1]
    assert flipped(model, graph, ARGMAX, 2).tolist() == [1]
    assert flipped(model, graph, Decision(policy="recall>=0.9", threshold=0.6), 2).tolist() == [1]


def test_the_suite_is_the_last_rows() -> None:
    """Two rows of no suite, then six cases: the graph loses one of three insults, and gains the second kind word."""
    cases = cases_of(*[("insult", "toxic")] * 3, ("kind", "benign"), ("kind", "benign"), ("banter", "benign"))
    model = logits_for(0.9, 0.1, 0.9, 0.9, 0.9, 0.1, 0.9, 0.9)
    graph = logits_for(0.1, 0.9, 0.9, 0.1, 0.9, 0.1, 0.1, 0.9)
    found = parity(model, graph, ARGMAX, 1, source="", cases=cases, class_names=NAMES)
    assert found.suite_cases == 6
    assert found.suite_change == pytest.approx(4 / 6 - 4 / 6)
    name, change = found.worst_functionality
    assert name == "insult (toxic)"
    assert change == pytest.approx(-1 / 3)
    assert found.decisions_equal == 0.5


def test_a_functionality_is_told_apart_by_label() -> None:
    cases = cases_of(("words", "toxic"), ("words", "benign"), ("words", "benign"))
    model, graph = logits_for(0.9, 0.1, 0.1), logits_for(0.9, 0.1, 0.9)
    found = parity(model, graph, ARGMAX, 1, source="", cases=cases, class_names=NAMES)
    assert found.worst_functionality == ("words (benign)", -0.5)
    assert found.suite_change == pytest.approx(-1 / 3)


def test_a_case_that_goes_to_review_is_still_right() -> None:
    """As in the metrics: a person sees it."""
    found = parity(
        logits_for(0.9), logits_for(0.5), REVIEW, 1, source="", cases=cases_of(("a", "toxic")), class_names=NAMES
    )
    assert (found.suite_change, found.decisions_equal) == (0, 0)


# ---- several labels ----

SEVERAL = LabelDecisions(judged="insult", by_label={"toxic": ARGMAX, "insult": ARGMAX, "threat": REVIEW})


def several(*rows: tuple[float, ...]) -> np.ndarray:
    """Logits (rows, labels) whose sigmoids are these probabilities."""
    scores = np.array(rows)
    return np.log(scores / (1 - scores))


def test_a_row_is_equal_when_all_its_labels_are() -> None:
    model = several((0.9, 0.2, 0.3), (0.9, 0.2, 0.3), (0.9, 0.2, 0.5), (0.4, 0.4, 0.9))
    graph = several((0.8, 0.3, 0.2), (0.9, 0.6, 0.3), (0.9, 0.2, 0.9), (0.6, 0.6, 0.3))
    found = parity(model, graph, SEVERAL, 1, source="")
    assert flipped(model, graph, SEVERAL, 1).tolist() == [1, 2, 3]  # row 2: from review to block
    assert (found.rows, found.decisions_equal) == (4, 0.25)
    assert found.largest_difference == pytest.approx(0.6)  # of a label that isn't judged


def test_temperatures_are_each_labels_own() -> None:
    """Odds of 9 become 3 at temperature 2: from 0.75 to 0.5."""
    cool = ARGMAX.model_copy(update={"temperature": 2.0})
    decisions = LabelDecisions(judged="a", by_label={"a": ARGMAX, "b": cool})
    found = parity(several((0.5, 0.9)), several((0.5, 0.5)), decisions, 1, source="")
    assert found.largest_difference == pytest.approx(0.25)


def test_the_suite_is_judged_by_the_judged_label() -> None:
    """The insult is the second label: two of three cases are right before, one after; what others do doesn't count."""
    cases = cases_of(("a", "insult"), ("a", "insult"), ("b", "not insult"))
    model = several((0.1, 0.9, 0.1), (0.1, 0.1, 0.1), (0.9, 0.1, 0.9))
    graph = several((0.9, 0.1, 0.9), (0.1, 0.1, 0.1), (0.1, 0.1, 0.1))
    found = parity(model, graph, SEVERAL, 1, source="", cases=cases, class_names=("not insult", "insult"))
    assert found.suite_change == pytest.approx(-1 / 3)
    assert found.worst_functionality == ("a (insult)", -0.5)


# ---- the gates ----


def test_32_bits_may_differ_by_one_in_ten_thousand() -> None:
    assert fp32_complaint(proved(largest_difference=1e-4)) is None
    refused = fp32_complaint(proved(largest_difference=1.01e-4))
    assert refused == "a probability differs by 1.0e-04, more than 1e-04"


def test_no_decision_of_32_bits_may_differ() -> None:
    assert fp32_complaint(proved(rows=100_000, decisions_equal=99_999 / 100_000)) == (
        "1 of 100,000 decisions differ, and none may"
    )


def test_a_tiny_difference_across_the_threshold_is_refused() -> None:
    close = Decision(policy="recall>=0.9", threshold=0.5)
    found = parity(logits_for(0.500001), logits_for(0.499999), close, 1, source="")
    assert found.largest_difference < 1e-5
    assert fp32_complaint(found) == "1 of 1 decisions differ, and none may"


def test_five_in_a_thousand_decisions_of_8_bits_may_differ() -> None:
    for flips, complaint in ((5, None), (6, "6 of 1,000 decisions differ, 0.60%; 0.5% may")):
        model, graph = logits_for(*[0.6] * 1000), logits_for(*[0.6] * 1000)
        graph[:flips] = logits_for(0.4)
        assert int8_complaint(parity(model, graph, ARGMAX, 1, source="")) == complaint


@pytest.mark.parametrize("change", [-0.005, 2 / 3 - 2.015 / 3, 0.0, 0.3, None])
def test_the_suite_may_lose_half_a_point_in_8_bits(change: float | None) -> None:
    assert int8_complaint(proved(suite_change=change)) is None


def test_the_suite_may_not_lose_more_in_8_bits() -> None:
    assert int8_complaint(proved(suite_change=-0.0051)) == "the suite's share right falls by 0.5%; 0.5% may"
    assert int8_complaint(proved(suite_change=-0.02)) == "the suite's share right falls by 2.0%; 0.5% may"


def test_a_functionality_may_lose_five_points_in_8_bits() -> None:
    assert int8_complaint(proved(worst_functionality=("threats (toxic)", 19 / 20 - 1))) is None
    assert int8_complaint(proved(worst_functionality=("threats (toxic)", 18 / 19 - 1))) == (
        "the share right of threats (toxic) falls by 5.3%; 5% may"
    )


def test_8_bits_may_be_off_in_probability() -> None:
    assert int8_complaint(proved(largest_difference=0.2)) is None


def test_what_is_no_number_passes_nowhere() -> None:
    """Not even where the decisions happen to be equal."""
    model = np.array([[1.0, 0.0]])
    found = parity(model, np.array([[nan, nan]]), ARGMAX, 1, source="")
    assert found.decisions_equal == 1
    assert fp32_complaint(found) == int8_complaint(found) == "a probability is no number"
