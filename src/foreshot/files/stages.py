"""Stages: folders that count as finished once their marker stands, which says what they were made from."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from foreshot.errors import RunFolderError
from foreshot.files.atomic import replacing_folder, write_atomically
from foreshot.files.bounded import read_small

MARKER = ".finished"
Record = TypeVar("Record", bound=BaseModel)


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
