"""The run's folder: what is finished, what it was made from, and files that are written whole or not at all."""

import contextlib
import ctypes
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel

from foreshot.config import Experiment, dump_experiment, load_experiment
from foreshot.errors import RunFolderError
from foreshot.locks import HeldError, NotALockError, holding, is_held, locked
from foreshot.small_files import read_small

EXPERIMENT_FILE = "experiment.yaml"
ENVIRONMENT_FILE = "environment.json"
RESULTS_FILE = "results.json"
MARKER = ".finished"
LOCK_FILE = ".lock"
TEACHER_FOLDER = "teacher"
CHECKPOINTS_FOLDER = "checkpoints"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
UNFINISHED, SET_ASIDE = ".tmp", ".old"
"""How the names end of what is being made, and of what is being replaced."""
UNFINISHED_FILE = re.compile(rf"\.(.+)\.\d+{re.escape(UNFINISHED)}")
UNFINISHED_FOLDER = re.compile(rf"\.(.+)\.[a-z0-9_]{{8}}({re.escape(UNFINISHED)}|{re.escape(SET_ASIDE)})")
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # fcntl.h and linux/fs.h; see renameat2(2)

Record = TypeVar("Record", bound=BaseModel)

MAY_CHANGE = frozenset(
    {"name", "recipes", "seeds", "probes", "suite", "suite_labels", "decision", "policy", "tune_learning_rates"}
    | {"matched", "identity_columns", "identity_terms", "explanations", "checkpoint_seconds", "device"}
)
"""Settings that a run's folder may be taken up with anew: what is finished stays, what is missing is added."""
MAY_CHANGE_OF_TRAINING = frozenset({"accumulate", "gradient_checkpointing"})
"""Of the group `training`, likewise: a run that ran out of memory goes on with less."""


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


def fingerprint(value: Any) -> str:
    """16 hex digits (64 bits of SHA-256) of a JSON value: equal values have equal fingerprints."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_finished(stage: Path, made_from: str) -> bool:
    """Whether a stage's folder was finished, and made from what has this fingerprint."""
    try:
        return read_small(stage / MARKER).decode("ascii").strip() == made_from
    except (OSError, UnicodeDecodeError):
        return False


def read_record(path: Path, kind: type[Record]) -> Record:
    """What a stage wrote about what it made; raises RunFolderError for a file that is not that."""
    try:
        return kind.model_validate_json(read_small(path))
    except (OSError, ValueError):
        raise RunFolderError(f"{path}: is damaged; remove {path.parent}, which is then made again") from None


@contextlib.contextmanager
def building(stage: Path, made_from: str) -> Iterator[Path]:
    """A folder to build a stage in, as `replacing_folder` gives it; a marker tells what it was made from."""
    with replacing_folder(stage) as workplace:
        yield workplace
        write_atomically(workplace / MARKER, made_from + "\n")


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
        _remove_dead(path.parent.glob(f".{name}.*{ending}"))


def _remove_dead(found: Iterable[Path]) -> None:
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


@contextlib.contextmanager
def at_work(folder: Path, experiment: Experiment) -> Iterator[None]:
    """The run's folder, opened for this process alone and rid of what a killed one left.

    Raises RunFolderError as `open_run` does, while another process is at work on it, and where it holds what would have
    something else written or waited for.
    """
    _check_run(folder, experiment)
    _make_folder(folder)
    with _alone(folder):
        _refuse_no_files(folder)
        open_run(folder, experiment)
        for ending in (SET_ASIDE, UNFINISHED):
            _remove_dead(folder.rglob(f".*{ending}"))
        yield


def _refuse_no_files(folder: Path) -> None:
    """A run holds plain files and folders; a stranger's may hold links to another run, which would be written to."""
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            what = "a link" if stat.S_ISLNK(mode) else "a pipe or a device"
            raise RunFolderError(f"{path}: is {what}, which no run holds; remove it, or copy the file itself")


def check_free(folder: Path) -> None:
    """Raise RunFolderError while another process is at work on the run's folder."""
    if (folder / LOCK_FILE).exists():
        with _alone(folder):
            pass


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with locked(folder / LOCK_FILE):
            yield
    except HeldError as error:
        who = f"process {error.pid}" if error.pid else "another process"
        raise RunFolderError(f"{folder}: {who} is at work on it; wait for its end, or choose another --name") from None
    except NotALockError:
        raise RunFolderError(f"{folder / LOCK_FILE}: is no lock of Foreshot's; remove it") from None


def open_run(folder: Path, experiment: Experiment) -> None:
    """Make the run's folder, or take up the one that is there, and record what was asked.

    Until its teacher is finished a folder holds nothing worth keeping, and any setting may change. Raises
    RunFolderError when the folder was made by another experiment, or isn't a run's folder.
    """
    _check_run(folder, experiment)
    _make_folder(folder)
    write_atomically(folder / EXPERIMENT_FILE, dump_experiment(experiment))


def _check_run(folder: Path, experiment: Experiment) -> None:
    recorded = folder / EXPERIMENT_FILE
    if recorded.exists() and not (folder / TEACHER_FOLDER / MARKER).exists():
        read_run(folder)
    elif recorded.exists():
        earlier = read_run(folder)
        kept = _kept_settings(earlier)
        for field, value in _kept_settings(experiment).items():
            if kept[field] != value:
                raise RunFolderError(
                    f"{folder}: was made by another experiment ({field}: {_brief(kept[field])} there, "
                    f"{_brief(value)} now); choose another --name or remove the folder"
                )
        if earlier.first_seed != experiment.first_seed:
            raise RunFolderError(
                f"{folder}: was made with first seed {earlier.first_seed}, which split the data and trained the "
                f"teacher; {experiment.first_seed} was asked for; choose another --name"
            )
    elif folder.exists() and (not folder.is_dir() or any(not _is_unfinished_record(path) for path in folder.iterdir())):
        raise RunFolderError(
            f"{folder}: exists and is not a run's folder (it has no {EXPERIMENT_FILE}); choose another --name"
        )


def _kept_settings(experiment: Experiment) -> dict[str, Any]:
    """What a run's folder is made by, once its teacher is finished."""
    settings = experiment.model_dump(mode="json", exclude=set(MAY_CHANGE))
    for name in MAY_CHANGE_OF_TRAINING:
        del settings["training"][name]
    return settings


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: can't be made ({error.strerror}); choose another folder with --runs") from None


def read_run(folder: Path) -> Experiment:
    """The experiment that made a run's folder; raises RunFolderError when it isn't one."""
    if not (folder / EXPERIMENT_FILE).is_file():
        raise RunFolderError(f"{folder}: is not a run's folder (it has no {EXPERIMENT_FILE})")
    return load_experiment(folder / EXPERIMENT_FILE)


def _is_unfinished_record(path: Path) -> bool:
    """Whether this is what a process left that was killed while it first wrote what was asked."""
    return path.name == LOCK_FILE or path.name.startswith(f".{EXPERIMENT_FILE}.")


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else text[:57] + "..."


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    _sync_file(path)
