"""A comparison that is killed, interrupted, or out of disk or memory, and started again, ends as one that never was."""

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from crashes import Killer, Undisturbed, assert_ended_alike, assert_killed, leftovers, place
from forked import Ended, Forks, KilledAtRename, is_running, kill_when, send

from cli_runs import process_environment, run_process
from foreshot.data.unlabelled import WINDOW
from foreshot.models.token_store import TOKENS_FILE

TEACHER, FIRST_STUDENT, SECOND_STUDENT = 2, 5, 7


def comparison(small: list[str], runs: Path) -> list[object]:
    return ["compare", *small, "--name", "run", "--runs", runs]


# ---- killed ----


def test_killed_at_random_moments_it_ends_as_if_it_never_was(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    killer = Killer(forks, undisturbed.durations, random.Random(7))
    run = place_for_runs / "run"
    kills = killer.kill_until_it_ends(run, comparison(small, place_for_runs), most=4)
    assert kills >= 1
    assert_ended_alike(run, undisturbed.run)


def test_a_training_goes_on_from_its_checkpoint(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    run = place_for_runs / "run"
    (first, *_) = [name for name in undisturbed.renames if "/checkpoints/" in name]
    fault = KilledAtRename(9, "after", to=Path(first).name)
    assert_killed(forks.run(*comparison(small, place_for_runs), fault=fault))
    assert (run / "checkpoints" / Path(first).name).is_dir()
    ended = forks.run(*comparison(small, place_for_runs), fault=KilledAtRename(1, "after", to="/teacher"))
    assert_killed(ended)
    assert "training teacher, seed 0: goes on at 64%" in ended.stdout  # 9 of 14 steps


def test_killed_at_one_rename_after_another_it_ends_as_if_it_never_was(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    for to, when in (
        ("experiment.yaml", "after"),
        ("/data", "before"),
        ("/teacher", "after"),
        ("/targets", "before"),
        ("/asked.safetensors", "after"),
        ("/results.json", "before"),
        ("report.html", "after"),
    ):
        assert_killed(forks.run(*comparison(small, place_for_runs), fault=KilledAtRename(1, when, to=to)))
    ended = forks.run(*comparison(small, place_for_runs))
    assert ended.exit_code == 0, ended.stderr
    assert_ended_alike(place_for_runs / "run", undisturbed.run)


def test_killed_while_texts_without_labels_are_tokenised_it_goes_on(
    forks: Forks, small: list[str], place_for_runs: Path
) -> None:
    """So many that they are read and written in several windows, some of which stand in the file by then."""
    texts = (f"the kind neighbour wrote letter {row} to the stupid mayor" for row in range(2 * WINDOW + 100))
    more = place_for_runs / "more.parquet"
    pq.write_table(pa.table({"text": list(texts)}), more)
    asked = [*small, "--recipes", "odd", "--unlabelled", str(more)]
    whole = forks.run(*comparison(asked, place_for_runs / "undisturbed"))
    assert whole.exit_code == 0, whole.stderr
    undisturbed, run = place_for_runs / "undisturbed" / "run", place_for_runs / "killed" / "run"
    header = 128

    def one_window_is_written() -> bool:
        return any(file.stat().st_size > header for file in run.glob(f".unlabelled.*/{TOKENS_FILE}"))

    assert_killed(forks.run(*comparison(asked, run.parent), meanwhile=kill_when(one_window_is_written)))
    assert not (run / "unlabelled").exists()
    assert not (run / "teacher").exists()
    ended = forks.run("compare", run)
    assert ended.exit_code == 0, ended.stderr
    assert_ended_alike(run, undisturbed)


# ---- in another process ----


def test_every_file_has_the_same_bits_however_python_hashes(
    small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    """The forks hash by the seed 0; by another one a set of two words has another order."""
    environment = {**process_environment(), "PYTHONHASHSEED": "1"}
    done = run_process(*comparison(small, place_for_runs), env=environment)
    assert done.returncode == 0, done.stderr
    assert_ended_alike(place_for_runs / "run", undisturbed.run)


# ---- asked to end ----


def test_signals_keep_what_is_finished_and_say_how_to_go_on(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    run = place_for_runs / "run"

    def stopped(at: int, number: int, *command: object) -> Ended:
        """The command with a signal once there is a checkpoint of the model that is trained at this place."""

        def wait_and_send(pid: int) -> None:
            there = run / "checkpoints"
            kill_when(lambda: place(run, pid) == at and any(there.glob("[!.]*")), number=number)(pid)

        return forks.run(*command, meanwhile=wait_and_send)

    terminated = stopped(FIRST_STUDENT, signal.SIGTERM, *comparison(small, place_for_runs))
    assert terminated.exit_code == 143
    kept = {stage: (run / stage / ".finished").stat().st_mtime_ns for stage in ("data", "teacher", "targets")}
    interrupted = stopped(SECOND_STUDENT, signal.SIGINT, "compare", run)
    assert interrupted.exit_code == 130
    for ended in (terminated, interrupted):
        assert ended.stderr == f"foreshot: stopped; what is finished is kept; go on with: foreshot compare {run}\n"
    assert leftovers(run) == ["checkpoints"]
    assert not (run / "results.json").exists()
    whole = forks.run("compare", run)
    assert whole.exit_code == 0, whole.stderr
    for name, ended in (("odd", interrupted), ("lora", whole)):
        assert re.search(rf"training {name}, seed 0: goes on at \d+%", ended.stdout)
        assert "teacher: already there" in ended.stdout
    assert "odd, seed 0: already there" in whole.stdout
    assert {stage: (run / stage / ".finished").stat().st_mtime_ns for stage in kept} == kept
    assert_ended_alike(run, undisturbed.run)


# ---- one process a run ----


def test_a_second_process_is_refused_with_the_pid_of_the_first_and_a_stale_lock_is_not_heeded(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    run = place_for_runs / "run"
    first: list[int] = []
    refused: list[Ended] = []

    def start_a_second(pid: int) -> None:
        first.append(pid)
        kill_when(lambda: place(run, pid) == TEACHER, number=signal.SIGSTOP)(pid)
        refused.append(forks.run(*comparison(small, place_for_runs)))
        send(pid, signal.SIGKILL)

    assert_killed(forks.run(*comparison(small, place_for_runs), meanwhile=start_a_second))
    assert refused[0].exit_code == 2
    assert refused[0].stderr == (
        f"foreshot: {run}: process {first[0]} is at work on it; wait for its end, or choose another --name\n"
    )
    assert (run / ".lock").read_text(encoding="ascii") == f"{first[0]}\n"  # which is gone
    checked: list[Ended] = []

    def read_while_it_is_locked(pid: int) -> None:
        kill_when(lambda: place(run, pid) == FIRST_STUDENT, number=signal.SIGSTOP)(pid)
        checked.append(forks.run("check", run / "teacher", "--suite", small[small.index("--suite") + 1]))
        send(pid, signal.SIGKILL)

    assert_killed(forks.run(*comparison(small, place_for_runs), meanwhile=read_while_it_is_locked))
    assert checked[0].exit_code == 0, checked[0].stderr


# ---- no room ----


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of this size on the folder; gives what makes it larger."""
    folder.mkdir()
    size = f"size={kilobytes}k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True, capture_output=True)
    try:

        def enlarge(kilobytes: int) -> None:
            subprocess.run(["mount", "-o", f"remount,size={kilobytes}k", folder], check=True)

        yield enlarge
    finally:
        subprocess.run(["umount", folder], check=True)


def require_mounts(folder: Path) -> None:
    """Skip where this process may not mount a file system."""
    try:
        with small_disk(folder / "try", 100):
            pass
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("may not mount a small disk; test_cli_stopping.py has the same errors injected")


def check_stopped_by_the_disk(ended: Ended, run: Path) -> None:
    """Exit code 2, one line, and nothing that is half-written."""
    assert ended.exit_code == 2, ended.stderr
    assert ended.stderr.startswith("foreshot: ")
    assert ended.stderr.count("\n") == 1
    assert "No space left on device" in ended.stderr
    assert "make room and start again" in ended.stderr
    assert str(run) in ended.stderr
    assert set(leftovers(run)) <= {"checkpoints"}
    assert not (run / "results.json").exists() or not (run / "report.html").exists()


def fill_step_by_step(
    forks: Forks, small: list[str], undisturbed: Undisturbed, folder: Path, sizes: list[int]
) -> list[str]:
    """Run on a disk that is too small, and start again on a larger one, until there is room; what each try said.

    It looks as if there was room when the run begins, as where others fill the disk meanwhile.
    """
    said = []
    run = folder / "disk" / "run"
    with small_disk(folder / "disk", sizes[0]) as enlarge:
        for size in sizes:
            enlarge(size)
            ended = forks.run(*comparison(small, folder / "disk"), patches=["crashes:see_room:"])
            if ended.exit_code == 0:
                break
            check_stopped_by_the_disk(ended, run)
            said.append(ended.stderr)
        assert ended.exit_code == 0, ended.stderr
        assert_ended_alike(run, undisturbed.run)
    return said


def test_a_full_disk_stops_in_one_line_and_the_same_command_goes_on(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    require_mounts(place_for_runs)
    said = fill_step_by_step(forks, small, undisturbed, place_for_runs, [4, 24, 120, 400, 900, 100_000])
    assert len(said) >= 3


# ---- no memory ----


def memory_cgroup() -> tuple[Path, str]:
    """Where the kernel's memory control groups are, and what the file with the limit is called; skips without them."""
    for folder, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
        probe = Path(folder) / f"foreshot-{os.getpid()}-try"
        try:
            probe.mkdir()
        except OSError:
            continue
        found = (probe / limit).exists() and os.access(probe / limit, os.W_OK)
        probe.rmdir()
        if found:
            return Path(folder), limit
    pytest.skip("may not make a memory control group")


def test_the_kernels_out_of_memory_kill_is_survived(
    forks: Forks, small: list[str], undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    parent, limit = memory_cgroup()
    group = parent / f"foreshot-{os.getpid()}"
    group.mkdir()
    run = place_for_runs / "run"
    try:

        def squeeze(pid: int) -> None:
            while place(run, pid) < TEACHER and is_running(pid):
                time.sleep(0.001)
            (group / limit).write_text(str(1 << 20))  # 1 MiB more than it has by now
            (group / "cgroup.procs").write_text(str(pid))

        ended = forks.run(*comparison(small, place_for_runs), meanwhile=squeeze)
    finally:
        group.rmdir()
    assert_killed(ended)  # by the kernel: nothing here sent a signal
    assert not (run / "teacher").exists()
    ended = forks.run(*comparison(small, place_for_runs))
    assert ended.exit_code == 0, ended.stderr
    assert_ended_alike(run, undisturbed.run)


# ---- export ----


def files_of(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in bundle.iterdir()}


def test_an_export_that_is_killed_leaves_the_old_bundle_or_the_new_one(
    forks: Forks, undisturbed: Undisturbed, place_for_runs: Path
) -> None:
    """Of two students, so that a mixture of both would be seen."""
    known, bundle = place_for_runs / "graphs", place_for_runs / "bundle"
    options = {"patches": [f"graphs:keep_in:{known}"]}
    old, new = (export_of(undisturbed, student, bundle) for student in ("odd", "lora"))
    made = {}
    for name, command in (("new", new), ("old", old)) * 2:  # once more, now that both graphs are known
        whole = forks.run(*command, **options)
        assert whole.exit_code == 0, whole.stderr
        made[name] = graph_of(bundle)
    assert made["old"] != made["new"]
    assert [Path(name).name for name in whole.renames] == ["foreshot.json", "README.md", "SHA256SUMS", "bundle"]
    for number, when in ((1, "after"), (4, "before"), (4, "after")):
        before = files_of(bundle)
        assert_killed(forks.run(*new, fault=KilledAtRename(number, when), **options))
        check_sums(bundle)
        assert graph_of(bundle) == made["new" if when == "after" and number == 4 else "old"]
        assert (files_of(bundle) == before) == (graph_of(bundle) == made["old"])
    assert forks.run(*old, **options).exit_code == 0
    assert {path.name for path in place_for_runs.iterdir()} == {"graphs", "bundle"}


def export_of(undisturbed: Undisturbed, student: str, bundle: Path) -> list[object]:
    return ["export", undisturbed.run / "students" / student / "seed-0", "--bits", "32", "--out", bundle]


def graph_of(bundle: Path) -> bytes:
    return (bundle / "model.onnx").read_bytes()


def check_sums(bundle: Path) -> None:
    """What coreutils say of a bundle."""
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=bundle, check=True)
