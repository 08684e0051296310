"""The run's folder: what is finished, what it was made from, and files that are written whole or not at all."""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from foreshot.config import Experiment, dump_experiment, load_experiment
from foreshot.errors import RunFolderError

EXPERIMENT_FILE = "experiment.yaml"
ENVIRONMENT_FILE = "environment.json"
RESULTS_FILE = "results.json"
MARKER = ".finished"
TEACHER_FOLDER = "teacher"
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

MAY_CHANGE = frozenset(
    {"name", "recipes", "seeds", "probes", "suite", "suite_labels", "decision", "policy", "tune_learning_rates"}
    | {"identity_columns", "identity_terms", "explanations"}
)
"""Settings that a run's folder may be taken up with anew: what is finished stays, what is missing is added."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file as `writing_atomically` does."""
    with writing_atomically(path) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)


@contextlib.contextmanager
def writing_atomically(path: Path) -> Iterator[BinaryIO]:
    """A file to write under a temporary name; it is synced and renamed when the block ends without error.

    So readers see all of it or the old one. Raises OSError (no room, no permission) and then, as after any
    error, leaves nothing behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
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
        return (stage / MARKER).read_text(encoding="ascii").strip() == made_from
    except (OSError, UnicodeDecodeError):
        return False


@contextlib.contextmanager
def building(stage: Path, made_from: str) -> Iterator[Path]:
    """A folder to build a stage in, as `replacing_folder` gives it; a marker tells what it was made from."""
    with replacing_folder(stage) as workplace:
        yield workplace
        write_atomically(workplace / MARKER, made_from + "\n")


@contextlib.contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A folder to build another in; it takes the other's name when the block ends without error.

    A folder that has this name already is replaced. Whatever error a library makes of a full disk becomes an
    OSError that names the folder.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    workplace = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    workplace.chmod(0o755)
    try:
        yield workplace
        for inside, _, files in os.walk(workplace):
            for name in files:
                _sync_file(Path(inside) / name)
            _sync_folder(Path(inside))
        if folder.exists():
            shutil.rmtree(folder)
        workplace.rename(folder)
        _sync_folder(folder.parent)
    except BaseException as error:
        shutil.rmtree(workplace, ignore_errors=True)
        if (code := _system_error(error)) in NO_ROOM:
            raise OSError(code, os.strerror(code), str(folder)) from None
        raise


def _system_error(error: BaseException) -> int | None:
    """The errno behind an error; libraries in Rust (tokenizers, safetensors) give it only in their message."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found else None


def remove_leftovers(stage: Path) -> None:
    """Remove what a killed process left of earlier tries at this stage."""
    for leftover in stage.parent.glob(f".{glob.escape(stage.name)}.*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)


def open_run(folder: Path, experiment: Experiment) -> None:
    """Make the run's folder, or take up the one that is there, and record what was asked.

    Until its teacher is finished a folder holds nothing worth keeping, and any setting may change. Raises
    RunFolderError when the folder was made by another experiment, or isn't a run's folder.
    """
    recorded = folder / EXPERIMENT_FILE
    if recorded.exists() and not (folder / TEACHER_FOLDER / MARKER).exists():
        read_run(folder)
    elif recorded.exists():
        earlier = read_run(folder).model_dump(mode="json")
        for field, value in experiment.model_dump(mode="json").items():
            if field not in MAY_CHANGE and earlier[field] != value:
                raise RunFolderError(
                    f"{folder}: was made by another experiment ({field}: {_brief(earlier[field])} there, "
                    f"{_brief(value)} now); choose another --name or remove the folder"
                )
        if earlier["seeds"][0] != experiment.first_seed:
            raise RunFolderError(
                f"{folder}: was made with first seed {earlier['seeds'][0]}, which split the data and trained the "
                f"teacher; {experiment.first_seed} was asked for; choose another --name"
            )
    elif folder.exists() and (not folder.is_dir() or any(not _is_unfinished_record(path) for path in folder.iterdir())):
        raise RunFolderError(
            f"{folder}: exists and is not a run's folder (it has no {EXPERIMENT_FILE}); choose another --name"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: can't be made ({error.strerror}); choose another folder with --runs") from None
    write_atomically(recorded, dump_experiment(experiment))


def read_run(folder: Path) -> Experiment:
    """The experiment that made a run's folder; raises RunFolderError when it isn't one."""
    if not (folder / EXPERIMENT_FILE).is_file():
        raise RunFolderError(f"{folder}: is not a run's folder (it has no {EXPERIMENT_FILE})")
    return load_experiment(folder / EXPERIMENT_FILE)


def _is_unfinished_record(path: Path) -> bool:
    """Whether this is what a process left that was killed while it first wrote what was asked."""
    return path.name.startswith(f".{EXPERIMENT_FILE}.")


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
