"""Runs that stop half way – a full disk, Ctrl-C, a killed process – and go on where they were."""

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from cli_runs import as_process, comparable, hear_ctrl_c, process_environment, weights_times

Foreshot = Callable[..., Any]


def wait_for(process: subprocess.Popen[str], condition: Callable[[], bool], seconds: float = 300) -> None:
    """Wait until a condition holds while the process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before it could be stopped: {process.communicate()}"
        assert time.monotonic() < end, "nothing to stop in time"
        time.sleep(0.01)


def in_training(run: Path, student: str) -> Callable[[], bool]:
    """Whether the teacher is finished and this student's folder is being built."""
    place = run / "students" / student
    return lambda: (run / "teacher" / ".finished").exists() and any(place.glob(".seed-*"))


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": process_environment()}
    return subprocess.Popen(as_process(*arguments), preexec_fn=hear_ctrl_c, **{**pipes, **options})


def unfinished(run: Path) -> list[Path]:
    """Stage folders without a marker, and whatever has a temporary name."""
    stages = [
        path for path in (run / "data", run / "teacher", run / "targets", *run.glob("students/*/*")) if path.is_dir()
    ]
    hidden = [path for path in run.rglob(".*") if path.name != ".finished"]
    return [stage for stage in stages if not (stage / ".finished").exists()] + hidden


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, asked: list[str]) -> Path:
    """The run that nobody stopped."""
    runs = tmp_path_factory.mktemp("unstopped")
    done = foreshot("compare", *asked, "--recipes", "odd,even", "--name", "stopped", "--runs", runs)
    assert done.exit_code == 0, done.stderr
    return runs / "stopped"


# ---- Ctrl-C and kill ----


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(
    foreshot: Foreshot, asked: list[str], whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "stopped"
    with start("compare", *asked, "--recipes", "odd,even", "--name", "stopped", "--runs", tmp_path) as process:
        wait_for(process, in_training(run, "even"))
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130
    assert stderr == f"foreshot: stopped; what is finished is kept; go on with: foreshot compare {run}\n"
    assert not unfinished(run)
    assert not (run / "results.json").exists()
    before = weights_times(run)
    assert before.keys() == {
        "teacher/model.safetensors",
        "targets/outputs.safetensors",
        "students/odd/seed-0/model.safetensors",
    }
    done = foreshot("compare", run)
    assert done.exit_code == 0, done.stderr
    assert "teacher: already there" in done.stdout
    assert "training even, seed 0 …" in done.stdout
    after = weights_times(run)
    assert {name: after[name] for name in before} == before
    assert comparable(run) == comparable(whole)


def test_ctrl_c_before_anything_is_written_says_so(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("foreshot.planning.find_model", interrupted)
    done = foreshot("compare", *asked, "--name", "never", "--runs", tmp_path / "runs")
    assert done.exit_code == 130
    assert done.stderr == "foreshot: stopped before anything was written\n"
    assert not (tmp_path / "runs").exists()


def test_a_killed_run_goes_on_with_the_same_command(
    foreshot: Foreshot, asked: list[str], whole: Path, tmp_path: Path
) -> None:
    run = tmp_path / "stopped"
    command = ["compare", *asked, "--recipes", "odd,even", "--name", "stopped", "--runs", tmp_path]
    with start(*command) as process:
        wait_for(process, in_training(run, "odd"))
        process.kill()
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert unfinished(run)  # what the killed process left
    before = weights_times(run)["teacher/model.safetensors"]
    done = foreshot(*command)
    assert done.exit_code == 0, done.stderr
    assert weights_times(run)["teacher/model.safetensors"] == before
    assert not unfinished(run)
    assert comparable(run) == comparable(whole)


# ---- a full disk ----


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A file system of this size on the folder; gives what makes it larger."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True, capture_output=True)
    try:

        def enlarge(larger: str) -> None:
            subprocess.run(["mount", "-o", f"remount,size={larger}", folder], check=True)

        yield enlarge
    finally:
        subprocess.run(["umount", folder], check=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a file system."""
    try:
        with small_disk(folder / "try", "100k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def check_stopped_by_the_disk(stopped: Any, run: Path) -> None:
    """Exit code 2, one line, and no stage that is half-written; `stopped` is a Result of the command line."""
    assert stopped.stderr.startswith("foreshot: ")
    assert stopped.stderr.count("\n") == 1
    assert "No space left on device" in stopped.stderr
    assert str(run) in stopped.stderr
    assert "make room and start again" in stopped.stderr
    assert "Traceback" not in stopped.stdout
    assert not unfinished(run)
    assert not (run / "results.json").exists()


def test_a_full_disk_stops_in_one_line_and_the_same_command_goes_on(
    foreshot: Foreshot, asked: list[str], whole: Path, tmp_path: Path
) -> None:
    if not can_mount(tmp_path):
        pytest.skip("may not mount a small disk; the tests below stand in")
    run = tmp_path / "disk" / "stopped"
    command = ["compare", *asked, "--recipes", "odd,even", "--name", "stopped", "--runs", str(tmp_path / "disk")]
    with small_disk(tmp_path / "disk", "40k") as enlarge:  # the teacher's weights don't fit
        stopped = foreshot(*command)
        assert stopped.exit_code == 2, stopped.exception
        check_stopped_by_the_disk(stopped, run)
        assert not weights_times(run)
        enlarge("500k")  # nor do those of the second student
        stopped = foreshot(*command)
        assert stopped.exit_code == 2, stopped.exception
        check_stopped_by_the_disk(stopped, run)
        before = weights_times(run)
        assert {str(Path(name).parent) for name in before} == {"teacher", "targets", "students/odd/seed-0"}
        enlarge("40m")
        done = foreshot(*command)
        assert done.exit_code == 0, done.stderr
        after = weights_times(run)
        assert {name: after[name] for name in before} == before
        assert comparable(run) == comparable(whole)


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("writer", "error"),
    [
        ("pyarrow.parquet.write_table", NO_SPACE),
        ("foreshot.trained.PreTrainedModel.save_pretrained", SafetensorError("I/O error: no space (os error 28)")),
        ("transformers.PreTrainedTokenizerFast.save_pretrained", Exception("No space left on device (os error 28)")),
        ("foreshot.models.outputs.save_file", SafetensorError("I/O error: no space (os error 28)")),
        ("peft.PeftModel.save_pretrained", SafetensorError("I/O error: no space (os error 28)")),
        ("foreshot.judging.scores.save", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "PLACE")),
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
                errno.ENOSPC, os.strerror(errno.ENOSPC), str(run / "teacher" / "scores" / "train.safetensors")
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
