"""Where a run is computed and how precisely: said, recorded, and what a run that goes on may change."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from cli_runs import UNJUDGED

Foreshot = Callable[..., Any]


@pytest.fixture(scope="module")
def in_parts(foreshot: Foreshot, asked: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run whose batches are computed in two parts, in the precision that "auto" stands for; and what it said."""
    runs = tmp_path_factory.mktemp("in-parts")
    given = ["--set", "training.accumulate=2", "--set", "training.precision=auto", "--recipes", "odd"]
    given += ["--epochs", "1", *UNJUDGED]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("foreshot.training.device.fastest_precision", lambda _: "bf16")
        done = foreshot("compare", *asked, *given, "--device", "cpu", "--name", "parts", "--runs", runs)
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "parts", done.stdout


def conditions(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))["conditions"]
    return found


def test_what_was_taken_is_said_and_recorded(in_parts: tuple[Path, str]) -> None:
    run, said = in_parts
    assert "computed on cpu, trained in bf16" in said
    environment = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert environment["computing"].items() >= {"device": "cpu", "precision": "bf16"}.items()
    settings = yaml.safe_load((run / "experiment.yaml").read_text(encoding="utf-8"))
    assert settings["device"] == "cpu"
    assert settings["training"]["precision"] == "bf16"  # no longer auto, which may be another elsewhere
    assert (conditions(run)["devices"], conditions(run)["precision"]) == (["cpu"], "bf16")
    report = (run / "report.md").read_text(encoding="utf-8")
    assert "| trained on | cpu, in bf16 |" in report
    assert "| batch size | 8, each computed in 2 parts |" in report


def test_a_run_goes_on_in_more_parts_with_what_is_finished(
    foreshot: Foreshot, in_parts: tuple[Path, str], tmp_path: Path
) -> None:
    run = Path(shutil.copytree(in_parts[0], tmp_path / "parts"))
    done = foreshot("compare", run, "--seeds", "0,1", "--set", "training.accumulate=4", "--device", "auto")
    assert done.exit_code == 0, done.stderr
    assert "teacher: already there" in done.stdout
    assert "odd, seed 0: already there" in done.stdout
    assert conditions(run)["accumulate"] == [2, 4]
    assert "each computed in 2 or 4 parts" in (run / "report.md").read_text(encoding="utf-8")
    refused = foreshot("compare", run, "--set", "training.precision=float32")
    assert refused.exit_code == 2
    assert "was made by another experiment (training: " in refused.stderr


def test_a_device_that_is_full_ends_in_one_line_and_what_is_finished_is_kept(
    foreshot: Foreshot,
    in_parts: tuple[Path, str],
    tmp_path: Path,
    trained_anew: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Path(shutil.copytree(in_parts[0], tmp_path / "parts"))
    finished = {path: path.stat().st_mtime_ns for path in run.glob("students/*/seed-0/model.safetensors")}

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has a total …")

    monkeypatch.setattr("foreshot.training.loop.collate", full)
    stopped = foreshot("compare", run, "--seeds", "0,1")
    assert stopped.exit_code == 2, stopped.exception
    assert stopped.stderr == (
        "foreshot: cpu: not enough memory; what is finished is kept; raise training.accumulate (now 2, of a batch of "
        "8), set training.gradient_checkpointing: true, or lower training.batch_size or training.max_length (now 24)\n"
    )
    assert finished
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not (run / "students" / "odd" / "seed-1").exists()
