"""Room on the disk: what a run is said to take, against what it writes, and the refusal."""

import re
from collections import namedtuple
from pathlib import Path

import pytest
from tiny_models import tiny_classifier, tiny_tokenizer

from cli_runs import make_comments, write_csv
from foreshot.comparison.compare import compare
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import read_inputs
from foreshot.comparison.room import check_room
from foreshot.errors import RunFolderError
from foreshot.results.run_folder import read_run
from foreshot.settings.experiment import Experiment, make_experiment

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Of an encoder of 4 layers, four students: two seeds of three layers, and two of LoRA on two layers."""
    folder = tmp_path_factory.mktemp("room")
    tiny_classifier("bert", 4).base_model.save_pretrained(folder / "encoder")
    tiny_tokenizer().save_pretrained(folder / "encoder")
    usual = {"tuning": "full", "objective": "distil", "init": "teacher"}
    return make_experiment(
        {
            **{"name": "own", "data": str(write_csv(folder / "comments.csv", make_comments(60))), "suite": "none"},
            **{"text": "comment", "label": "toxic", "encoder": str(folder / "encoder"), "seeds": [0, 1]},
            "recipes": [
                {"name": "three", "layers": [1, 2, 3], **usual},
                {"name": "two", "layers": [1, 4], **usual, "tuning": "lora"},
            ],
            "training": {"epochs": 1, "max_length": 16},
            "distillation": {"weights": {"hidden": 1}},
        }
    )


def needed(inputs, run: Path, monkeypatch: pytest.MonkeyPatch, *, free: int = -1) -> str | None:
    """What is said where so much is free; None where it is enough."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, free))
    try:
        check_room(inputs, RunFolder(run))
    except RunFolderError as error:
        return str(error)
    return None


def weights(layers: int) -> int:
    """Bytes of a classifier of so many layers."""
    return sum(4 * parameter.numel() for parameter in tiny_classifier("bert", layers).parameters())


def test_a_run_that_the_disk_has_no_room_for_is_refused_with_both_figures(experiment, tmp_path, monkeypatch):
    inputs = read_inputs(experiment)
    rows = len(inputs.rows["train"])
    states = int(inputs.rows["train"].lengths.sum()) * (3 + 2) * 16 * 2  # of layers {1, 2, 3} and {1, 4}, in 16 bits
    teacher, students, says = weights(4), 2 * weights(3) + 3 * weights(2), rows * (2 + 16) * 4
    total = teacher + students + says + states
    run = tmp_path / "not" / "there"
    assert needed(inputs, run, monkeypatch, free=total) is None
    assert needed(inputs, run, monkeypatch, free=total - 1) == (
        f"{run}: the run takes {total / 1e6:.1f} MB ({teacher / 1e6:.1f} MB for the teacher, {students / 1e6:.1f} MB "
        f"for students, {says / 1e6:.1f} MB for what the teacher says, {states / 1e6:.1f} MB for its states), and "
        f"{(total - 1) / 1e6:.1f} MB are free; make room, choose another folder with runs, set "
        "distillation.teacher_states: live, or ask for fewer students"
    )
    assert not run.parent.exists()


def test_it_takes_what_a_run_wrote_and_nothing_more_once_it_is_there(finished_run, tmp_path, monkeypatch):
    inputs = read_inputs(read_run(finished_run))
    written = sum(
        file.stat().st_size
        for part in ("teacher", "students", "targets")
        for file in (finished_run / part).rglob("*")
        if file.suffix in {".safetensors", ".npy"} and file.parent.name not in {"scores", "adapter"}
    )
    said = needed(inputs, tmp_path / "new", monkeypatch)
    assert float(re.search(r"takes ([\d.]+) MB", said)[1]) == pytest.approx(written / 1e6, rel=0.05, abs=0.06)
    assert needed(inputs, finished_run, monkeypatch, free=0) is None


def test_a_comparison_stops_before_it_writes_anything(experiment, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(0, 0, 0))
    with pytest.raises(RunFolderError, match="MB are free"):
        compare(experiment, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
