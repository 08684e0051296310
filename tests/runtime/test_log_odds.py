"""Log-odds worked out by hand, and still told where float64 has no digits left for the probability."""

from math import log

import numpy as np
import pytest
from tiny_bundles import label_decisions

from foreshot.results.decisions import Decision
from foreshot.runtime.decisions import scaled_probabilities
from foreshot.runtime.log_odds import Target, is_saturated, probabilities_of, target_of


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        # Of logits log 2, log 3 and log 5 the odds are 2 to 3 + 5, 3 to 2 + 5 and 5 to 2 + 3.
        (Target(index=0), log(2 / 8)),
        (Target(index=1), log(3 / 7)),
        (Target(index=2), 0.0),
        (Target(index=1, negated=True), log(7 / 3)),
        (Target(index=1, temperature=0.5), log(9 / (4 + 25))),  # the powers' squares
        (Target(index=2, multi_label=True), log(5)),
        (Target(index=2, multi_label=True, temperature=2.0, negated=True), -log(5) / 2),
    ],
)
def test_log_odds_by_hand(target: Target, expected: float) -> None:
    logits = np.log([[2.0, 3.0, 5.0], [4.0, 6.0, 10.0]])
    found = target.log_odds(logits)
    # What is added to every logit changes nothing of a softmax, and all of a sigmoid.
    added = (-1 if target.negated else 1) * log(2) / target.temperature if target.multi_label else 0
    assert found.tolist() == pytest.approx([expected, expected + added], abs=1e-12)


@pytest.mark.parametrize(("logits", "index", "expected"), [
    ([0.0, 50.0], 1, 50.0),
    ([0.0, 50.0], 0, -50.0),
    ([-900.0, 900.0], 1, 1800.0),
    ([0.0, 0.0, 60.0], 2, 60 - log(2)),
])  # fmt: skip
def test_where_the_probability_is_0_or_1_the_log_odds_are_exact(
    logits: list[float], index: int, expected: float
) -> None:
    row = np.array([logits], dtype=np.float32)
    found = Target(index=index).log_odds(row)
    assert found.dtype == np.float64
    assert found.tolist() == pytest.approx([expected], rel=1e-12)
    (probability,) = probabilities_of(found)
    assert probability == pytest.approx(scaled_probabilities(row, 1.0)[0, index], rel=1e-9)
    assert probability == 1.0 or probability < 1e-20  # of which no logarithm gives them back


def test_the_temperature_is_that_of_the_class_or_of_the_label() -> None:
    assert target_of(Decision(policy="argmax", temperature=2.0), 1) == Target(index=1, temperature=2.0)
    several = label_decisions("toxic", "insult", insult=Decision(policy="argmax", temperature=3.0))
    expected = Target(index=1, multi_label=True, negated=True, temperature=3.0)
    assert target_of(several, 1, negated=True) == expected
    assert expected.log_odds(np.array([[7.0, 6.0]])).tolist() == [-2.0]


def test_only_beyond_the_bounds_a_score_is_saturated() -> None:
    found = [is_saturated(probability) for probability in (0.0, 0.0009, 0.0011, 0.5, 0.9989, 0.9991, 1.0)]
    assert found == [True, True, False, False, False, True, True]
