"""Locks: which process is at work on a file or a folder. The system takes them away when it ends, however it ends."""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.EINVAL})
"""What file systems answer that know no such locks; of EBADF see flock(2) on NFS."""


class HeldError(Exception):
    """Another process holds it; `pid` is None where that isn't known.

    It isn't `sure` where the file system has no locks: what is there may be what a killed process left.
    """

    def __init__(self, pid: int | None, *, sure: bool = True) -> None:
        super().__init__(f"held by process {pid}")
        self.pid, self.sure = pid, sure


class NotALockError(Exception):
    """Under a lock's name there is something else, which is left as it is."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold a file or a folder that this process makes, so that `is_held` tells others to leave it alone."""
    # NFS makes flock a lock that only who can write may have to himself.
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process is at work on this file or folder; False where it is gone.

    True where the file system has no locks to tell by: what may be another's work is left alone.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # waits for no pipe
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a lock file, which says whose it is and is removed afterwards; raises HeldError while another has it.

    Raises NotALockError for what is no plain file of this one name: writing to it would write elsewhere.
    What a killed process left is taken over; where the file system has no locks, that can't be told, and it is refused.
    """
    descriptor = _lock(file)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        file.unlink(missing_ok=True)  # while it is held, so that it can be nobody else's
        os.close(descriptor)


def _lock(file: Path) -> int:
    """A descriptor of the lock file, held."""
    while True:
        descriptor, new = _open(file)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            locks = error.errno not in UNSUPPORTED
            if not locks and new:
                return descriptor  # none else can have made it
            pid = _pid(descriptor)
            os.close(descriptor)
            if not locks or isinstance(error, BlockingIOError):
                raise HeldError(pid, sure=locks) from None
            raise
        # Whoever held it may have removed it since it was opened: then a lock on it keeps nobody out.
        if is_same_file(descriptor, file):
            return descriptor
        os.close(descriptor)


def _open(file: Path) -> tuple[int, bool]:
    """A descriptor of the lock file, and whether it is new."""
    flags, new = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, True
    try:
        try:
            descriptor = os.open(file, flags | os.O_EXCL, 0o644)
        except FileExistsError:
            descriptor, new = os.open(file, flags, 0o644), False
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise NotALockError from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise NotALockError
    return descriptor, new


def _pid(descriptor: int) -> int | None:
    written = os.pread(descriptor, 20, 0).strip()
    return int(written) if written.isdigit() else None


def is_same_file(descriptor: int, file: Path) -> bool:
    """Whether what a descriptor stands for still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
