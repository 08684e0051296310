"""What stops a run half way ends in one line and leaves nothing half-written; `crash/` starts real ones again."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

Foreshot = Callable[..., Any]


def unfinished(run: Path) -> list[Path]:
    """Stage folders without a marker, and whatever has a temporary name."""
    stages = [
        path for path in (run / "data", run / "teacher", run / "targets", *run.glob("students/*/*")) if path.is_dir()
    ]
    hidden = [path for path in run.rglob(".*") if path.name != ".finished"]
    return [stage for stage in stages if not (stage / ".finished").exists()] + hidden


# ---- Ctrl-C ----


def test_ctrl_c_before_anything_is_written_says_so(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("foreshot.comparison.found_models.find_model", interrupted)
    done = foreshot("compare", *asked, "--name", "never", "--runs", tmp_path / "runs")
    assert done.exit_code == 130
    assert done.stderr == "foreshot: stopped before anything was written\n"
    assert not (tmp_path / "runs").exists()


# ---- a full disk ----


def check_stopped_by_the_disk(stopped: Any, run: Path) -> None:
    """Exit code 2, one line, and no stage that is half-written; `stopped` is a CompletedProcess or a Result."""
    assert stopped.stderr.startswith("foreshot: ")
    assert stopped.stderr.count("\n") == 1
    assert "No space left on device" in stopped.stderr
    assert str(run) in stopped.stderr
    assert "make room and start again" in stopped.stderr
    assert "Traceback" not in stopped.stdout
    assert not unfinished(run)
    assert not (run / "results.json").exists()


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("writer", "error"),
    [
        ("pyarrow.parquet.write_table", NO_SPACE),
        (
            "foreshot.comparison.model_folder.PreTrainedModel.save_pretrained",
            SafetensorError("I/O error: no space (os error 28)"),
        ),
        ("transformers.PreTrainedTokenizerFast.save_pretrained", Exception("No space left on device (os error 28)")),
        ("foreshot.comparison.targets.growing_array", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "PLACE")),
        ("peft.PeftModel.save_pretrained", SafetensorError("I/O error: no space (os error 28)")),
        ("foreshot.comparison.scores.save", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "PLACE")),
    ],
    ids=["split", "model", "tokenizer", "targets", "adapter", "scores"],
)
def test_no_writer_makes_a_traceback_of_a_full_disk(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, error: Exception
) -> None:
    """Each library reports a full disk in its own way, and which of them meets it is a matter of luck."""
    run = tmp_path / "full"

    def full(*arguments: object, **options: object) -> None:
        if getattr(error, "filename", None):
            raise OSError(
                errno.ENOSPC, os.strerror(errno.ENOSPC), str(run / "teacher" / "scores" / "asked.safetensors")
            )
        raise error

    monkeypatch.setattr(writer, full)
    stopped = foreshot("compare", *asked, "--recipes", "lora-distil", "--name", "full", "--runs", tmp_path)
    assert stopped.exit_code == 2, stopped.exception
    check_stopped_by_the_disk(stopped, run)


def fill_at_sync(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The disk may turn out to be full only when a file is synced: here, one of this name."""
    sync = os.fsync

    def full(descriptor: int) -> None:
        if f".{name}." in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr("os.fsync", full)


def check_not_left_half_written(stopped: Any, run: Path, name: str) -> None:
    assert stopped.exit_code == 2, stopped.exception
    assert not list(run.rglob(f"*{name}*"))
    assert stopped.stderr.count("\n") == 1
    assert "No space left on device" in stopped.stderr
    assert str(run) in stopped.stderr
    assert not unfinished(run)


@pytest.mark.parametrize("name", ["experiment.yaml", "environment.json", "training.json"])
def test_a_file_that_can_not_be_synced_is_not_left_half_written(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill_at_sync(monkeypatch, name)
    stopped = foreshot("compare", *asked, "--recipes", "odd", "--name", "full", "--runs", tmp_path)
    check_not_left_half_written(stopped, tmp_path / "full", name)


@pytest.mark.parametrize("name", ["results.json", "report.html"])
def test_what_is_written_at_the_end_is_not_left_half_written(
    foreshot: Foreshot, run: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (run / name).unlink()
    fill_at_sync(monkeypatch, name)
    check_not_left_half_written(foreshot("compare", run), run, name)


# ---- no memory ----


@pytest.mark.parametrize(
    "take_too_much",
    [lambda *_: torch.empty(1 << 60, dtype=torch.uint8), lambda *_: np.empty(1 << 60, dtype=np.uint8)],
    ids=["PyTorch", "NumPy"],
)
def test_memory_that_the_system_refuses_ends_in_one_line(
    foreshot: Foreshot,
    asked: list[str],
    tmp_path: Path,
    trained_anew: None,
    monkeypatch: pytest.MonkeyPatch,
    take_too_much: Callable[..., object],
) -> None:
    monkeypatch.setattr("foreshot.training.loop.collate", take_too_much)
    stopped = foreshot("compare", *asked, "--recipes", "odd", "--name", "large", "--runs", tmp_path)
    assert stopped.exit_code == 2, stopped.exception
    assert stopped.stderr == (
        "foreshot: not enough memory; what is finished is kept; free some, or ask for a smaller batch, and start "
        "again\n"
    )
    assert not unfinished(tmp_path / "large")
