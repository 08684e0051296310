"""A run that is gone on with by a mended twin: it is judged by what is sealed, against the teacher that was mended."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli_runs import weights_times
from foreshot.suites.perturbations import PERTURBATIONS, UNTRAINED

Found = dict[str, Any]


def results_of(run: Path) -> Found:
    return json.loads((run / "results.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def mended_run(finished_run: Path, foreshot: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run with `odd` and its mended twin."""
    run = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("mended") / "whole"))
    done = foreshot("compare", run, "--recipes", "odd,odd-mended")
    assert done.exit_code == 0, done.stderr + done.stdout
    return run


def requirements(found: Found, model: str) -> set[str]:
    (student,) = [student for student in found["verdict"]["students"] if student["model"] == model]
    return {requirement["name"] for requirement in student["requirements"]}


def test_a_twin_is_added_and_what_is_finished_stays(mended_run: Path, finished_run: Path) -> None:
    before, after = weights_times(finished_run), weights_times(mended_run)
    added = {name for name in after if name not in before}
    assert {Path(name).parts[0] for name in added} >= {"teacher-mended", "students"}
    assert all(after[name] == time for name, time in before.items())


def test_each_student_is_judged_by_what_it_was_not_taught(mended_run: Path) -> None:
    found = results_of(mended_run)
    assert [student["model"] for student in found["verdict"]["students"]] == ["odd", "odd-mended"]
    judged = {"macro_f1", "sees", "functionalities", "seeds", "probes"}
    assert requirements(found, "odd") == judged | {"suite", "suite_positive"}
    assert requirements(found, "odd-mended") == judged | {"sealed", "sealed_positive", "mending", "mending_sealed"}
    sealed = {one["model"]: one["sealed"] for one in found["suite_results"]}
    assert {one["cases"] for one in sealed.values()} == {found["suite"]["cases"]}  # of a file, all of them
    changes = [cell["minus_teacher"] for cell in sealed["odd-mended"]["functionalities"]]
    assert None not in changes
    assert {cell["minus_teacher"] for cell in sealed["odd"]["functionalities"]} == {None}


def test_twins_stand_beside_each_other(mended_run: Path) -> None:
    found = results_of(mended_run)
    assert found["mending"]["references"] == {"teacher-mended": "teacher", "odd-mended": "teacher-mended"}
    pairs = [(twins["unmended"], twins["mended"]) for twins in found["mending"]["twins"]]
    assert pairs == [("teacher", "teacher-mended"), ("odd", "odd-mended")]
    macro_f1 = {one["model"]: one["spreads"]["macro_f1"]["mean"] for one in found["summaries"]}
    for twins in found["mending"]["twins"]:
        metric = twins["metric"]
        assert metric["before"] == pytest.approx(macro_f1[twins["unmended"]])
        assert metric["after"] == pytest.approx(macro_f1[twins["mended"]])
        assert metric["difference"]["value"] == pytest.approx(metric["after"] - metric["before"])


def test_disguises_stand_apart_by_what_was_trained(mended_run: Path) -> None:
    found = results_of(mended_run)
    for of_model in found["evasion"].values():
        assert {one["perturbation"]: one["trained"] for one in of_model} == {
            name: name not in UNTRAINED for name in PERTURBATIONS
        }
    untrained = [one for twins in found["mending"]["twins"] for one in twins["escapes"] if not one["trained"]]
    assert {tuple(one["disguises"]) for one in untrained} == {tuple(n for n in PERTURBATIONS if n in UNTRAINED)}
    assert "## What mending brought, and what it cost" in (mended_run / "report.md").read_text(encoding="utf-8")


def test_where_nothing_is_mended_nothing_is_said_of_it(finished_run: Path) -> None:
    found = results_of(finished_run)
    assert found["mending"] is None
    assert {one["measure"] for one in found["comparisons"]} & {"sealed", "sealed_positive"} == set()
    assert {one["trained"] for of_model in found["evasion"].values() for one in of_model} == {None}
