"""What a comparison is judged by is written down before anything is trained, and what changed since is said."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.registration import changes, register, registration
from foreshot.errors import RunFolderError
from foreshot.files.stages import MARKER
from foreshot.settings.experiment import Experiment


def inputs(suite: str | None = "one", **settings: Any) -> Any:
    """All that registration looks at."""
    found = None if suite is None else SimpleNamespace(fingerprint=suite)
    return SimpleNamespace(experiment=Experiment(name="x", data="rows.csv", encoder="demo", **settings), suite=found)


def finish_teacher(run: Path) -> None:
    (run / "teacher").mkdir()
    (run / "teacher" / MARKER).touch()


def test_what_is_judged_by_is_written_down_once(tmp_path: Path):
    first = register(inputs(policy={"metric_margin": 0.03}, seeds=[4, 5]), RunFolder(tmp_path))
    written = (tmp_path / "registration.json").read_bytes()
    found = json.loads(written)
    assert (found["margins"]["metric_margin"], found["seeds"], found["suite"]) == (0.03, [4, 5], "one")
    assert (found["recipes"], found["after_training"]) == (["odd", "even", "lora", "odd-lora"], False)
    assert "identity_margin" not in found["margins"]
    finish_teacher(tmp_path)
    assert register(inputs(suite="another", seeds=[4]), RunFolder(tmp_path)) == first
    assert (tmp_path / "registration.json").read_bytes() == written


def test_a_run_whose_models_were_there_before_says_so(tmp_path: Path):
    finish_teacher(tmp_path)
    assert register(inputs(), RunFolder(tmp_path)).after_training


def test_until_the_teacher_is_finished_all_may_be_set_otherwise(tmp_path: Path):
    register(inputs(seeds=[0]), RunFolder(tmp_path))
    (tmp_path / "teacher").mkdir()
    again = register(inputs(seeds=[0, 1, 2]), RunFolder(tmp_path))
    assert (again.seeds, again.after_training) == ([0, 1, 2], False)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, []),
        ({"device": "cpu"}, []),
        ({"policy": {"metric_margin": 0.05}}, ["metric_margin 0.02, now 0.05"]),
        (
            {"policy": {"identity_margin": 0.1}, "identity_terms": "terms.csv"},
            ["identity_margin none, now 0.1"],
        ),
        ({"suite": "another"}, ["the suite"]),
        ({"decision": "fpr<=0.05"}, ["decision argmax, now fpr<=0.05"]),
        ({"recipes": ["odd"]}, ["recipes odd, even, lora, odd-lora, now odd"]),
        ({"seeds": [0, 1]}, ["seeds 0, now 0, 1"]),
        ({"explanations": {"texts": 3}, "training": {"accumulate": 4}, "baseline": "ready"}, []),
    ],
)
def test_what_changed_is_named(settings: dict[str, Any], said: list[str]):
    now = dict(settings)
    after = registration(inputs(suite=now.pop("suite", "one"), **now))
    assert changes(registration(inputs()), after) == said


@pytest.mark.parametrize("content", ["", "{}", "[1]"])
def test_a_registration_that_can_not_be_read_is_refused(tmp_path: Path, content: str):
    finish_teacher(tmp_path)
    (tmp_path / "registration.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        RunFolderError, match=r"registration\.json: can't be read, so what this run was to be judged by"
    ):
        register(inputs(), RunFolder(tmp_path))
