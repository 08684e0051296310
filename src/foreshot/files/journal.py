"""Journals: files to which several processes append whole lines, which are rotated, and which never grow past a limit.

A batch of lines is there whole and synced when `append` comes back, or not at all. A file that is full takes a number
(`feedback.jsonl` becomes `feedback.1.jsonl`, the next one `feedback.2.jsonl`); none is ever removed.
"""

import contextlib
import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foreshot.files.locks import UNSUPPORTED, is_same_file

OWNERS_ALONE = 0o600
"""The mode of a journal: what people wrote is read by those alone whom its owner lets."""
TAIL = 65_536


class FullError(Exception):
    """A journal has as many files as it may have, and the last one is full."""


@dataclass(frozen=True, kw_only=True)
class Journal:
    """Where lines go: to `file`, of about `file_bytes`, beside at most `files` - 1 older ones."""

    file: Path
    file_bytes: int
    files: int

    def check(self) -> None:
        """Make the file where there is none; raises OSError where nothing could be appended, or set aside."""
        with self._held():
            if self.files > 1 and not os.access(self.file.parent, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.file.parent))

    def append(self, lines: Sequence[str]) -> None:
        """Append lines, without their line ends, and sync them.

        Raises FullError where there is no room left by the limits, OSError (no room on the disk, no permission) where
        they can't be written; what was there before is then as it was.
        """
        content = "".join(f"{line}\n" for line in lines).encode("utf-8")
        while True:
            with self._held() as descriptor:
                size = os.fstat(descriptor).st_size
                if not size or size + len(content) <= self.file_bytes:
                    _write(descriptor, size, content)
                    return
                self._set_aside()

    def _set_aside(self) -> None:
        """Give the file, which is full and held, its number; a new one is made by who writes next."""
        older = rotated(self.file)
        if len(older) + 1 >= self.files:
            raise FullError
        number = 1 + max(older, default=0)
        self.file.rename(_numbered(self.file, number))
        _sync(self.file.parent)

    @contextlib.contextmanager
    def _held(self) -> Iterator[int]:
        """A descriptor of the file, which no other process or thread writes to meanwhile, at the end of a line."""
        while True:
            descriptor, new = _open(self.file)
            try:
                _lock(descriptor)
                # Whoever held it may have set it aside since it was opened.
                if is_same_file(descriptor, self.file):
                    if new:
                        _sync(self.file.parent)
                    _drop_half_a_line(descriptor)
                    yield descriptor
                    return
            finally:
                os.close(descriptor)


def rotated(file: Path) -> dict[int, Path]:
    """The older files of a journal by their numbers, the oldest first."""
    pattern = re.compile(rf"{re.escape(file.stem)}\.([1-9][0-9]{{0,8}}){re.escape(file.suffix)}")
    matches = {path: pattern.fullmatch(path.name) for path in file.parent.iterdir()}
    return dict(sorted((int(found[1]), path) for path, found in matches.items() if found))


def _numbered(file: Path, number: int) -> Path:
    return file.with_name(f"{file.stem}.{number}{file.suffix}")


def _open(file: Path) -> tuple[int, bool]:
    """A descriptor, and whether the file is new; raises OSError for what is no plain file."""
    flags = os.O_RDWR | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor, new = os.open(file, flags), False
    except FileNotFoundError:
        descriptor, new = os.open(file, flags | os.O_CREAT, OWNERS_ALONE), True
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is a pipe or a device, not a file", str(file))
    return descriptor, new


def _lock(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise


def _write(descriptor: int, size: int, content: bytes) -> None:
    """Append to a file of this size, and sync it; after an error it has this size again."""
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def _drop_half_a_line(descriptor: int) -> None:
    """Cut off what a process left that was killed, or lost its power, while it wrote: nobody was told it was kept.

    A last line that is whole, as a file that was written by hand may have it, is ended instead.
    """
    end = os.fstat(descriptor).st_size
    while end:
        begin = max(0, end - TAIL)
        tail = os.pread(descriptor, end - begin, begin)
        if tail.endswith(b"\n"):
            break
        end = begin + tail.rfind(b"\n") + 1
    size = os.fstat(descriptor).st_size
    if end == size:
        return
    if _is_whole(os.pread(descriptor, size - end, end)):
        _write(descriptor, size, b"\n")
    else:
        os.ftruncate(descriptor, end)


def _is_whole(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
