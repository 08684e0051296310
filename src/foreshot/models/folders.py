"""Model folders that may come from a stranger: looked through before any library opens a file of them.

A model is data. No file outside of its folder is read, nothing that could be a program, and no more memory is taken
than its files have bytes.
"""

import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from foreshot.data.texts import excerpt
from foreshot.errors import ModelError
from foreshot.files.bounded import read_small

CONFIG_FILE, INDEX_FILE = "config.json", "model.safetensors.index.json"
ADAPTER_FILE = "adapter_config.json"
MOST_BYTES = 2**26
"""Of a file that isn't weights: tokenizers of a hundred languages take a quarter of it."""
READ_WHOLE = frozenset({".json", ".txt", ".model", ".jinja"})
MOST_LABELS, MOST_LAYERS = 10_000, 1_000
DEEPEST = 100
"""Levels of a JSON file."""
SPARE = 10_000_000
"""Parameters that a model may have beyond those of its file: a new classification head, a pooler."""


def refuse_unsafe(folder: Path, name: str) -> None:
    """Look through a model's folder; raises ModelError, which calls it `name`, for what no model needs.

    Links that leave the folder (but for those into the cache of the Hugging Face hub, which keeps a model's files
    beside it), pipes and devices, files that are far too large, deep JSON, shards elsewhere or of another kind than
    safetensors, adapters that fetch another model, numbers that would fill memory, and code to be fetched.
    """
    for path in sorted(folder.rglob("*")):
        if complaint := _why_no_file(path, folder) or _why_too_large(path):
            raise ModelError(f"{name}: {excerpt(path.name)} {complaint}")
    for path in sorted(folder.glob("*.json")):
        found = _read_json(path, name)
        if path.name == CONFIG_FILE and isinstance(found, Mapping):
            _check_config(found, name)
        elif path.name == INDEX_FILE and found is not None:
            _check_index(found, folder, name)
        elif path.name == ADAPTER_FILE and (folder / CONFIG_FILE).exists():
            raise ModelError(f"{name}: has {ADAPTER_FILE} beside {CONFIG_FILE}; move the adapter into another folder")


def shapes_in(folder: Path, name: str) -> dict[str, list[int]]:
    """The shapes of what a folder's safetensors hold, as their headers say; raises ModelError for a damaged one."""
    shapes: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                shapes |= {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118  # it is no dict
        except (SafetensorError, OSError, ValueError) as error:
            raise ModelError(
                f"{name}: can't be loaded as a text classifier ({excerpt(path.name)}: {excerpt(error, 80)})"
            ) from None
    return shapes


def _why_no_file(path: Path, folder: Path) -> str | None:
    if path.is_symlink():
        if not path.exists():
            return "is a link that leads nowhere; copy the model whole"
        cache = folder.resolve().parents[1] / "blobs" if folder.resolve().parent.name == "snapshots" else None
        homes = [folder.resolve(), *([cache] if cache else [])]
        if not any(path.resolve().is_relative_to(home) for home in homes):
            return "is a link that leads out of the folder; copy the file itself"
    mode = path.stat().st_mode
    return None if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "is a pipe or a device, which no model has"


def _why_too_large(path: Path) -> str | None:
    too_large = path.suffix in READ_WHOLE and path.stat().st_size > MOST_BYTES
    return f"is larger than {MOST_BYTES:,} bytes" if too_large else None


def _read_json(path: Path, name: str) -> Any:
    try:
        found = json.loads(read_small(path, MOST_BYTES))
    except RecursionError:
        raise ModelError(f"{name}: {path.name} has more than {DEEPEST} levels") from None
    except OSError as error:
        raise ModelError(f"{name}: {path.name} can't be read ({error.strerror})") from None
    except ValueError:
        return None  # no JSON: who needs the file says so
    if _deeper_than(found, DEEPEST):
        raise ModelError(f"{name}: {path.name} has more than {DEEPEST} levels")
    return found


def _deeper_than(value: Any, levels: int) -> bool:
    level = [value]
    for _ in range(levels):
        level = [part for one in level for part in _parts(one)]
        if not level:
            return False
    return True


def _parts(value: Any) -> Iterator[Any]:
    """What of a list's or an object's content has content of its own."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (part for part in inside if isinstance(part, dict | list))


def _check_config(config: Mapping[str, Any], name: str) -> None:
    for field, most in (("num_labels", MOST_LABELS), ("num_hidden_layers", MOST_LAYERS), ("n_layers", MOST_LAYERS)):
        if isinstance(found := config.get(field), int) and found > most:
            raise ModelError(f"{name}: {CONFIG_FILE} says {field} {excerpt(found)}; at most {most:,} are read")
    if "transformers_weights" in config:
        raise ModelError(f"{name}: {CONFIG_FILE} names other weights than model.safetensors; take them for its own")
    for field in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        if "/" in str(config.get(field, "")):
            raise ModelError(f"{name}: {CONFIG_FILE} wants {field} fetched as code; take the field out")
    if config.get("quantization_config") is not None:
        raise ModelError(f"{name}: its weights are quantised; give the model that it was made from")


def _check_index(index: Any, folder: Path, name: str) -> None:
    shards = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(shards, Mapping):
        raise ModelError(f"{name}: {INDEX_FILE} has no weight_map; save the model again")
    for shard in set(map(str, shards.values())):
        if Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise ModelError(f"{name}: {INDEX_FILE} names {excerpt(shard)}, which is no safetensors file of the folder")
        if not (folder / shard).is_file():
            raise ModelError(f"{name}: {INDEX_FILE} names {excerpt(shard)}, which isn't there")
