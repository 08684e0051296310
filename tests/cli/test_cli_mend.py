"""Mending through the command line: twins beside their recipes, a teacher of their own, and a run that is taken up."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli_runs import weights_times
from foreshot.suites.perturbations import PERTURBATIONS, UNTRAINED

QUICK = ("--recipes", "odd", "--set", "explanations.texts=0")


@pytest.fixture(scope="module")
def plain(tmp_path_factory, foreshot, asked) -> Path:
    """A run without mending."""
    runs = tmp_path_factory.mktemp("mended")
    done = foreshot("compare", *asked, "--name", "run", "--runs", runs, *QUICK)
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "run"


@pytest.fixture(scope="module")
def before(plain) -> dict[str, Any]:
    return {"times": weights_times(plain), "results": json.loads((plain / "results.json").read_text())}


@pytest.fixture(scope="module")
def mended(plain, before, foreshot):
    """The same run, taken up with mending."""
    done = foreshot("compare", plain, "--mend")
    assert done.exit_code == 0, done.stderr + done.stdout
    return done


@pytest.fixture(scope="module")
def found(plain, mended) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((plain / "results.json").read_text())
    return results


def test_twins_and_their_teacher_come_beside_what_was_there_which_stays(plain, before, mended, found):
    assert [model["model"] for model in found["models"]] == ["teacher", "teacher-mended", "odd", "odd-mended"]
    assert {path: time for path, time in weights_times(plain).items() if "mended" not in path} == before["times"]
    assert (plain / "teacher-mended" / "model.safetensors").exists()
    assert "teacher: already there" in mended.stdout
    assert "odd-mended: layers {1, 3}, full, distil, from the teacher, mended" in mended.stdout


def test_what_was_not_mended_is_judged_as_it_was(before, found):
    for kept in ("test", "decision"):
        of = [{model["model"]: model[kept] for model in run["models"]} for run in (before["results"], found)]
        assert of[0] == {name: of[1][name] for name in of[0]}


def test_twins_are_trained_with_as_many_updates_of_the_same_rate(found):
    training = {model["model"]: model["training"] for model in found["models"]}
    for plain, mended in (("teacher", "teacher-mended"), ("odd", "odd-mended")):
        same = ("steps", "learning_rate", "batch_size", "epochs", "rows")
        assert {name: training[plain].get(name) for name in same} == {name: training[mended].get(name) for name in same}


def test_a_mended_student_is_held_against_the_mended_teacher_on_what_is_sealed(plain, found):
    assert found["mending"]["references"]["odd-mended"] == "teacher-mended"
    assert [(twins["unmended"], twins["mended"]) for twins in found["mending"]["twins"]] == [
        ("teacher", "teacher-mended"),
        ("odd", "odd-mended"),
    ]
    asked = {
        student["model"]: {requirement["name"] for requirement in student["requirements"]}
        for student in found["verdict"]["students"]
    }
    judged = {"macro_f1", "sees", "functionalities", "seeds", "probes"}
    assert asked == {
        "odd": judged | {"suite", "suite_positive"},
        "odd-mended": judged | {"sealed", "sealed_positive", "mending", "mending_sealed"},
    }
    sealed = {one["model"]: one["sealed"] for one in found["suite_results"]}
    assert {one["cases"] for one in sealed.values()} == {found["suite"]["cases"]}  # of a file, all of them
    assert all(cell["minus_teacher"] for cell in sealed["odd-mended"]["functionalities"])
    assert not any(cell["minus_teacher"] for cell in sealed["odd"]["functionalities"])
    assert 'id="mending"' in (plain / "report.html").read_text()


def test_what_mending_brought_is_the_difference_of_the_twins(found):
    macro_f1 = {one["model"]: one["spreads"]["macro_f1"]["mean"] for one in found["summaries"]}
    for twins in found["mending"]["twins"]:
        metric = twins["metric"]
        assert metric["before"] == pytest.approx(macro_f1[twins["unmended"]])
        assert metric["after"] == pytest.approx(macro_f1[twins["mended"]])
        assert metric["difference"]["value"] == pytest.approx(metric["after"] - metric["before"])


def test_disguises_stand_apart_by_what_was_trained(before, found):
    for of_model in found["evasion"].values():
        assert [(one["perturbation"], one["trained"]) for one in of_model] == [
            (name, name not in UNTRAINED) for name in PERTURBATIONS
        ]
    untrained = {tuple(one["disguises"]) for twins in found["mending"]["twins"] for one in twins["escapes"][1:]}
    assert untrained == {tuple(name for name in PERTURBATIONS if name in UNTRAINED)}
    assert {one["trained"] for of_model in before["results"]["evasion"].values() for one in of_model} == {None}


def test_without_mending_nothing_is_said_of_it(before):
    assert before["results"]["mending"] is None
    assert not {one["measure"] for one in before["results"]["comparisons"]} & {"sealed", "sealed_positive"}


def test_a_finished_run_is_taken_up_without_training(plain, mended, foreshot):
    times = weights_times(plain)
    again = foreshot("compare", plain)
    assert again.exit_code == 0, again.stderr
    assert weights_times(plain) == times
    assert "odd-mended, seed 0: already there" in again.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mend", "--suite", "none"), "mend: what is mended is judged by cases that nothing was mended with"),
        (("--mend", "--set", "mend.contrasts=0.6"), "contrasts: 0.6 is above 0.5"),
        (
            (
                "--recipes",
                "odd-mended-mended",
            ),
            "unknown recipe 'odd-mended-mended'",
        ),
        (
            ("--mend", "--set", "mend.identities=true"),
            "mend.identities: nothing says which training rows mention a group",
        ),
    ],
)
def test_what_cannot_be_mended_is_one_line(tmp_path, foreshot, asked, options, said):
    runs = tmp_path / "runs"
    done = foreshot("compare", *asked, "--name", "bad", "--runs", runs, *QUICK, *options)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.stderr
    assert said in done.stderr
    assert not (runs / "bad" / "teacher").exists()
