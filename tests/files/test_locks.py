"""Locks: who holds what, told by processes of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foreshot.files import locks
from foreshot.files.locks import HeldError, holding, is_held, locked

AT_WORK = """
import sys
from pathlib import Path
from foreshot.files.locks import holding, locked
with {lock}(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""


def at_work(lock: str, path: Path) -> "subprocess.Popen[str]":
    """A process that holds something until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", AT_WORK.format(lock=lock), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def take(file: Path) -> None:
    with locked(file):
        assert file.read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_a_lock_is_refused_with_the_pid_until_its_process_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with at_work("locked", file) as process:
        with pytest.raises(HeldError) as caught:
            take(file)
        assert caught.value.pid == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert file.exists()  # what it left
    take(file)
    assert not file.exists()


def test_a_lock_is_refused_within_one_process_too(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locked(file):
        with pytest.raises(HeldError):
            take(file)
        assert file.exists()
    take(file)


def test_a_lock_that_is_removed_while_another_waits_to_hold_it_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its holder may end between another's opening and holding the file, which then has no name any more."""
    file = tmp_path / "lock"
    flock, tries = locks.fcntl.flock, []

    def flock_too_late(descriptor: int, operation: int) -> None:
        if not tries:
            file.unlink()
        tries.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", flock_too_late)
    with locked(file):
        assert len(tries) == 2
        assert file.exists()
        with pytest.raises(HeldError):
            take(file)


@pytest.mark.parametrize("number", sorted(locks.UNSUPPORTED))
def test_where_there_are_no_locks_nobody_is_kept_out(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)
    take(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()
    with holding(tmp_path):
        assert not is_held(tmp_path)


def test_a_lock_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        take(tmp_path / "missing" / "lock")


def test_what_a_process_holds_is_held_until_it_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    assert not is_held(folder)
    with at_work("holding", folder) as process:
        assert is_held(folder)
        folder.rename(tmp_path / "renamed")
        assert is_held(tmp_path / "renamed")
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not is_held(tmp_path / "renamed")
    assert not is_held(tmp_path / "missing")
