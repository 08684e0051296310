"""Saved Hugging Face datasets that may come from a stranger: looked through before `datasets` opens a file of them.

dataset_dict.json                            names the parts, each a folder, where there are several
dataset_info.json, state.json, data-*.arrow  one part; state.json names its Arrow files
"""

import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from foreshot.data.texts import excerpt
from foreshot.errors import DataError
from foreshot.files.bounded import read_small

PARTS_FILE, INFO_FILE, STATE_FILE = "dataset_dict.json", "dataset_info.json", "state.json"
MOST_BYTES = 2**24
"""Of a JSON file; dataset_info.json names every class of a label."""


def refuse_unsafe(folder: Path) -> None:
    """Raise DataError for a saved dataset with files elsewhere, by a link or by name, large JSON, pipes or devices."""
    for path in sorted(folder.rglob("*")):
        if not Path(os.path.realpath(path)).is_relative_to(folder.resolve()):
            raise DataError(
                f"{folder}: {excerpt(path.name)} is a link that leads out of the folder; copy the file itself"
            )
        if path.exists() and not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):
            raise DataError(f"{folder}: {excerpt(path.name)} is a pipe or a device, which no dataset has")
    parts = [folder]
    if (folder / PARTS_FILE).is_file():
        parts = [folder / name for name in _names(folder / PARTS_FILE, lambda found: found["splits"])]
    for part in parts:
        _read_json(part / INFO_FILE)
        _names(part / STATE_FILE, lambda found: [file["filename"] for file in found["_data_files"]])


def _names(path: Path, names_in: Any) -> list[str]:
    try:
        names = names_in(_read_json(path))
    except (KeyError, TypeError):
        raise DataError(f"{path}: names no files; save the dataset anew") from None
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or name == "..":
            raise DataError(f"{path}: names {excerpt(name)}, which is not in its folder; save the dataset anew")
    return list(names)


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(read_small(path, MOST_BYTES))
    except OSError as error:
        raise DataError(f"{path}: can't be read ({error.strerror}); copy the dataset whole") from None
    except (ValueError, RecursionError):
        raise DataError(f"{path}: is damaged; save the dataset anew") from None
    return found
