"""Steps to curves and seeds to spreads, on numbers worked out by hand."""

import math

import numpy as np
import pytest

from foreshot.judging.summary import CURVE_POINTS, spread, summarise, training_facts
from foreshot.results.behaviour import Probe, ProbeAnswer
from foreshot.results.decisions import Calibration, Decision
from foreshot.results.models import Cost, Loss, ModelResult, TestMetrics


def facts_of(losses: dict[str, list[float]], epochs: int = 3):
    return training_facts(
        {name: np.array(values) for name, values in losses.items()},
        rows=48,
        epochs=epochs,
        batch_size=16,
        learning_rate=1e-3,
        matched=True,
        device="cpu",
        precision="float32",
        accumulate=1,
    )


def test_nine_steps_in_three_epochs():
    objective = [9.0, 8, 7, 6, 5, 4, 3, 2, 4]
    facts = facts_of({"objective": objective, "classification": [value * 2 for value in objective]})
    assert facts.steps == 9
    assert [mean.objective for mean in facts.epoch_means] == [8, 5, 3]
    assert [mean.classification for mean in facts.epoch_means] == [16, 10, 6]
    assert facts.final == Loss(objective=3, classification=6)
    # the last third is 3, 2, 4: its standard deviation (of all, not of a sample) is √(2/3)
    assert facts.steadiness.objective == pytest.approx(math.sqrt(2 / 3))
    assert facts.steadiness.classification == pytest.approx(2 * math.sqrt(2 / 3))
    assert facts.steadiness.divergence is None
    assert [point.step for point in facts.curve] == list(range(1, 10))
    assert [point.loss.objective for point in facts.curve] == objective
    assert (facts.rows, facts.epochs, facts.batch_size, facts.learning_rate, facts.matched) == (48, 3, 16, 1e-3, True)


def test_the_last_third_is_rounded_up():
    facts = facts_of({"objective": [5.0, 5, 1, 3], "classification": [0.0, 0, 0, 0]}, epochs=1)
    assert facts.steadiness.objective == 1  # of 1 and 3
    one = facts_of({"objective": [5.0], "classification": [5.0]}, epochs=1)
    assert one.steadiness.objective == 0


def test_every_part_is_summed_up():
    parts = {"objective": [1.0, 2, 3], "classification": [2.0, 3, 4], "divergence": [0.0, 1, 2], "cosine": [1.0, 2, 3]}
    assert facts_of(parts).final == Loss(objective=3, classification=4, divergence=2, cosine=3)


def test_a_long_curve_has_a_hundred_points_of_means():
    objective = [float(number) for number in range(1000)]
    facts = facts_of({"objective": objective, "classification": objective}, epochs=2)
    assert len(facts.curve) == CURVE_POINTS == 100
    assert [point.step for point in facts.curve] == list(range(10, 1001, 10))
    assert facts.curve[0].loss.objective == pytest.approx(4.5)
    assert facts.curve[-1].loss.objective == pytest.approx(994.5)


def test_spread_by_hand():
    found = spread([1, 2, 6])
    assert (found.mean, found.minimum, found.maximum) == (3, 1, 6)
    assert found.deviation == pytest.approx(math.sqrt((4 + 1 + 9) / 2))  # of a sample
    # mean 3, t of 2 degrees of freedom 4.302653
    half = 4.302653 * math.sqrt(7) / math.sqrt(3)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half))


def test_one_value_has_no_deviation_and_no_interval():
    found = spread([0.5])
    assert (found.mean, found.deviation, found.minimum, found.maximum) == (0.5, None, 0.5, 0.5)
    assert (found.low, found.high) == (None, None)


UNCALIBRATED = Calibration(expected_calibration_error=0, brier=0, bins=[])


def result(
    model: str, seed: int, macro_f1: float, *, auroc: float | None = 0.5, answers=("toxic", "benign"), losses=True
):
    return ModelResult(
        model=model,
        seed=seed,
        recipe=None,
        layer_map=[1],
        training=facts_of({"objective": [macro_f1], "classification": [1.0]}, epochs=1) if losses else None,
        train_cross_entropy=0.1 * seed,
        test=TestMetrics(
            cross_entropy=0.3,
            accuracy=0.9,
            macro_f1=macro_f1,
            mcc=0.7,
            auroc=auroc,
            average_precision=0.6,
            classes=[],
            confusion_matrix=[],
        ),
        cost=Cost(layers=1, parameters=1, trained_parameters=1, size_on_disk=1),
        probes=[ProbeAnswer(predicted=name, score=0.5) for name in answers],
        decision=Decision(policy="argmax"),
        calibration=UNCALIBRATED,
        calibration_after_scaling=UNCALIBRATED,
        policies=[],
        folder="students",
        fingerprint="0",
    )


PROBES = [Probe(text="one", label="toxic"), Probe(text="two", label="toxic")]


def test_models_are_summed_up_over_their_seeds_in_their_first_order():
    models = [result("odd", 1, 0.8), result("even", 1, 0.5), result("odd", 2, 0.6, answers=("toxic", "toxic"))]
    odd, even = summarise(models, PROBES, "toxic")
    assert (odd.model, odd.seeds) == ("odd", [1, 2])
    assert (even.model, even.seeds) == ("even", [1])
    assert odd.spreads["macro_f1"].mean == pytest.approx(0.7)
    assert odd.spreads["macro_f1"].deviation == pytest.approx(math.sqrt(0.02))
    assert odd.spreads["train_objective"].mean == pytest.approx(0.7)
    assert odd.spreads["train_cross_entropy"].mean == pytest.approx(0.15)
    assert odd.spreads["probes_right"].mean == odd.spreads["probes_flagged"].mean == 1.5
    assert odd.spreads["benign_probes_flagged"].maximum == 0
    assert even.spreads["macro_f1"].deviation is None
    assert (even.spreads["accuracy"].mean, even.spreads["mcc"].mean) == (0.9, 0.7)
    assert (even.spreads["auroc"].mean, even.spreads["average_precision"].mean) == (0.5, 0.6)
    assert even.spreads["test_cross_entropy"].mean == 0.3


def test_what_a_seed_has_not_is_not_summed_up():
    (summary,) = summarise([result("odd", 1, 0.8), result("odd", 2, 0.6, auroc=None, losses=False)], PROBES, "toxic")
    assert "auroc" not in summary.spreads
    assert "train_objective" not in summary.spreads
    assert "macro_f1" in summary.spreads
    (without_probes,) = summarise([result("odd", 1, 0.8, answers=())], [], "toxic")
    assert not [name for name in without_probes.spreads if "probes" in name]
