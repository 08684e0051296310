"""How often the verdict errs, in the small: comparisons whose truth is known, by the benchmark's own simulation."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from foreshot.judging import bootstrap
from foreshot.judging.evidence import METRIC, SUITE_POSITIVE
from foreshot.suites.builtin import builtin_cases

TRIES = 40
CASES = [case.model_copy(update={"pair": None}) for number, case in enumerate(builtin_cases()) if number % 4 == 0]


@pytest.fixture(scope="module")
def simulation():
    place = Path(__file__).parents[2] / "benchmarks" / "verdict.py"
    spec = importlib.util.spec_from_file_location("verdict_simulation", place)
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found  # dataclasses look their module up
    spec.loader.exec_module(found)
    yield found
    del sys.modules[spec.name]


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 399)
    monkeypatch.setattr(bootstrap, "RESAMPLES_PER_PAIR", 0)


def scenario(simulation, name: str):
    (found,) = [one for one in simulation.SCENARIOS if one.name == name]
    return replace(found, rows=1000)


def test_what_is_true_is_what_many_rows_show(simulation):
    """The long run worked out by formula against so many drawn rows and cases that chance is small."""
    found = replace(scenario(simulation, "recipe on the toxic side's margin"), spread=0.0)
    world, rng = simulation.World(found, CASES), np.random.default_rng(0)
    levels = world.levels(found.metric - 0.02, found.toxic, found.benign)
    truth = world.truth(levels)
    assert truth[METRIC] == pytest.approx(-0.02)
    assert truth[SUITE_POSITIVE] == pytest.approx(-0.05)
    labels, (decided,) = world.decided([levels[None]], 400_000, rng)
    counts = np.bincount(2 * labels + decided[0], minlength=4).reshape(2, 2)
    assert simulation.macro_f1(counts) - world.teacher_metric == pytest.approx(-0.02, abs=0.003)
    toxic = world.case_labels == 1
    right = np.mean([world.decided_cases([levels[None]], rng)[0][0, toxic].mean() for _ in range(200)])
    assert right - 0.65 == pytest.approx(-0.05, abs=0.01)


@pytest.mark.parametrize(
    ("name", "measure"),
    [("every file on the metric's margin", METRIC), ("every file on the toxic side's margin", SUITE_POSITIVE)],
)
def test_a_file_on_a_margin_is_hardly_ever_shipped(simulation, name, measure):
    found = simulation.simulate(scenario(simulation, name), TRIES, cases=CASES)
    assert found["ships"][0] <= 0.025 + 2 * (0.025 * 0.975 / TRIES) ** 0.5
    assert found["coverage"][f"file, {measure}"] >= 0.95 - 2 * (0.05 * 0.95 / TRIES) ** 0.5


def test_a_student_that_is_as_good_is_shipped_where_there_is_enough_to_tell(simulation):
    """Or never to ship would pass all that this file asks."""
    found = replace(scenario(simulation, "as good, seeds alike"), rows=5000)
    assert simulation.simulate(found, 8, cases=builtin_cases())["ships"][0] >= 0.5


@pytest.mark.parametrize("name", ["blind, better on the metric", "blind, beside one that sees", "flags too much"])
def test_a_blind_student_is_never_shipped(simulation, name):
    found = simulation.simulate(scenario(simulation, name), 10, cases=CASES)
    assert found["ships"][0] == 0
    assert found.get("inconclusive", 0) == 0 or name == "flags too much"
    assert ("conflict" in found) == ("beside" in name)
