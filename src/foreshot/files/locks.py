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

    It is `certain` but where the file system has no locks: there a killed process may have left the file.
    """

    def __init__(self, pid: int | None, *, certain: bool) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid
        self.certain = certain


class NotALockError(Exception):
    """Under a lock's name there is something else, which is left as it is."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold a file or a folder that this process makes, so that `is_held` tells others to leave it alone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # where there are no locks, `is_held` says so of everything
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a process is at work on this file or folder; False where it is gone.

    True where the file system has no locks: what may be at work is left alone.
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
    What a killed process left is taken over; not where the file system has no locks, since nobody knows there whether
    it was killed.
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
        try:
            descriptor, is_new = _open(file, os.O_CREAT | os.O_EXCL), True
        except FileExistsError:
            try:
                descriptor, is_new = _open(file), False
            except FileNotFoundError:
                continue  # its holder has just removed it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            without_locks = error.errno in UNSUPPORTED
            if without_locks and is_new:  # making it is what keeps others out
                return descriptor
            pid = _pid(descriptor)
            os.close(descriptor)
            if without_locks or isinstance(error, BlockingIOError):
                raise HeldError(pid, certain=not without_locks) from None
            raise
        # Whoever held it may have removed it since it was opened: then a lock on it keeps nobody out.
        if _is_same_file(descriptor, file):
            return descriptor
        os.close(descriptor)


def _open(file: Path, flags: int = 0) -> int:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o644)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR, errno.ENXIO}:
            raise NotALockError from None
        raise
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(descriptor)
        raise NotALockError
    return descriptor


def _pid(descriptor: int) -> int | None:
    written = os.pread(descriptor, 20, 0).strip()
    return int(written) if written.isdigit() else None


def _is_same_file(descriptor: int, file: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), file.stat())
    except FileNotFoundError:
        return False
