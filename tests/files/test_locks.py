"""Locks: who holds what, told by processes of their own."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from foreshot.files import locks
from foreshot.files.atomic import write_atomically
from foreshot.files.locks import HeldError, holding, is_held, locked

AT_WORK = """
import sys, time
from pathlib import Path
from foreshot.files.locks import holding, locked
with {lock}(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(60)
"""


def at_work(lock: str, path: Path) -> "subprocess.Popen[str]":
    """A process that holds something until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", AT_WORK.format(lock=lock), str(path)], stdout=subprocess.PIPE, text=True
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


@pytest.fixture(params=sorted(locks.UNSUPPORTED), ids=errno.errorcode.__getitem__)
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that knows no locks, and says so in one of several ways."""

    def unsupported(*_: object) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(locks.fcntl, "flock", unsupported)


@pytest.mark.usefixtures("no_locks")
def test_where_there_are_no_locks_the_file_itself_keeps_others_out(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with locked(file):
        with pytest.raises(HeldError) as caught:
            take(file)
        assert (caught.value.pid, caught.value.sure) == (os.getpid(), False)
        assert file.exists()
    take(file)
    assert not file.exists()


@pytest.mark.usefixtures("no_locks")
def test_where_there_are_no_locks_what_a_killed_process_left_is_not_taken_over(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    file.write_text("123\n")
    with pytest.raises(HeldError) as caught:
        take(file)
    assert (caught.value.pid, caught.value.sure) == (123, False)
    assert file.read_text() == "123\n"


@pytest.mark.usefixtures("no_locks")
def test_where_there_are_no_locks_what_may_be_at_work_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / ".a.csv.1.tmp"
    with holding(tmp_path):
        assert is_held(tmp_path)
        file.write_text("half")
        write_atomically(tmp_path / "a.csv", "whole")
    assert is_held(tmp_path)  # who knows?
    assert (file.read_text(), (tmp_path / "a.csv").read_text()) == ("half", "whole")
    assert not is_held(tmp_path / "missing")


def test_a_file_is_held_as_nfs_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a lock for one alone needs a descriptor that can write, and one for many a descriptor that can read."""
    flock = locks.fcntl.flock

    def of_nfs(descriptor: int, operation: int) -> None:
        can_write = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
        if operation & fcntl.LOCK_EX and not can_write:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flock(descriptor, operation)

    monkeypatch.setattr(locks.fcntl, "flock", of_nfs)
    file = tmp_path / "file"
    file.write_text("")
    with holding(file):
        assert is_held(file)
    assert not is_held(file)
    take(tmp_path / "lock")


def test_a_lock_that_fails_otherwise_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(locks.fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"), holding(tmp_path):
        pass
    with pytest.raises(OSError, match="Input/output"):
        take(tmp_path / "lock")


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
