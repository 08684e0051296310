"""Files and folders that are written whole or not at all."""

import contextlib
import ctypes
import errno
import glob
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from foreshot.files.locks import holding, is_held

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
UNFINISHED, SET_ASIDE = ".tmp", ".old"
"""How the names end of what is being made, and of what is being replaced."""
UNFINISHED_FILE = re.compile(rf"\.(.+)\.\d+{re.escape(UNFINISHED)}")
UNFINISHED_FOLDER = re.compile(rf"\.(.+)\.[a-z0-9_]{{8}}({re.escape(UNFINISHED)}|{re.escape(SET_ASIDE)})")
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # fcntl.h and linux/fs.h; see renameat2(2)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file as `writing_atomically` does."""
    with writing_atomically(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write under a temporary name; it is synced and renamed when the block ends without error.

    So readers see all of it or the old one. Raises OSError (no room, no permission) and then, as after any
    error, leaves nothing behind; what a killed process left is removed at the next try. A link stays one, to the new
    file; a file's mode stays what it is.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with temporary.open("wb") as file, holding(temporary):
            if path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename in {None, str(temporary)}:
            error.filename = str(path)  # a write that fails doesn't say where
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON that people can read, atomically."""
    write_atomically(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A folder to build another in; it takes the other's name when the block ends without error.

    A folder that has this name already is replaced, and the name is never missing. Whatever error a library makes of a
    full disk becomes an OSError that names the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    workplace = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=UNFINISHED, dir=folder.parent))
    workplace.chmod(0o755)
    with holding(workplace):
        try:
            yield workplace
            for inside, _, files in os.walk(workplace):
                for name in files:
                    _sync_file(Path(inside) / name)
                _sync_folder(Path(inside))
            _put_in_place(workplace, folder)
            _sync_folder(folder.parent)
        except BaseException as error:
            shutil.rmtree(workplace, ignore_errors=True)
            if (code := system_error(error)) in NO_ROOM:
                raise OSError(code, os.strerror(code), str(folder)) from None
            raise


def _put_in_place(workplace: Path, folder: Path) -> None:
    """Give a finished folder its name, and remove the one that had it."""
    if not folder.exists():
        workplace.rename(folder)
        return
    try:
        _exchange(workplace, folder)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP}:
            raise
        _put_in_place_by_steps(workplace, folder)
        return
    shutil.rmtree(workplace, ignore_errors=True)


def _put_in_place_by_steps(workplace: Path, folder: Path) -> None:
    """The same on a file system that can't exchange two names; `remove_leftovers` mends what is killed half way."""
    aside = folder.with_name(workplace.name.removesuffix(UNFINISHED) + SET_ASIDE)
    with holding(folder):
        folder.rename(aside)
        try:
            workplace.rename(folder)
        except BaseException:
            aside.rename(folder)
            raise
        shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> None:
    """Exchange the names of two folders at once; raises OSError, ENOSYS where the C library has no such call."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


def system_error(error: BaseException) -> int | None:
    """The errno behind an error; libraries in Rust (tokenizers, safetensors) give it only in their message."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def remove_leftovers(path: Path) -> None:
    """Remove what killed processes left of earlier tries at this file or folder; what a running one holds stays."""
    name = glob.escape(path.name)
    for ending in (SET_ASIDE, UNFINISHED):
        remove_dead(path.parent.glob(f".{name}.*{ending}"))


def remove_dead(found: Iterable[Path]) -> None:
    for leftover in list(found):
        folder = leftover.is_dir() and not leftover.is_symlink()
        ours = (UNFINISHED_FOLDER if folder else UNFINISHED_FILE).fullmatch(leftover.name)
        if not ours or is_held(leftover):
            continue
        if not folder:
            leftover.unlink(missing_ok=True)
        elif ours[2] == SET_ASIDE and not (named := leftover.with_name(ours[1])).exists():
            leftover.rename(named)  # it was to be replaced, and its successor never came
        else:
            shutil.rmtree(leftover, ignore_errors=True)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    _sync_file(path)
