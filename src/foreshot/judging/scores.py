"""Scores: a saved model's logits on everything that it is asked, computed once and kept in its folder."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from transformers import PreTrainedModel

from foreshot.data.batches import EncodedRows
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress
from foreshot.rundir import fingerprint, write_atomically

SCORES_FOLDER = "scores"


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Logits (rows, classes) and the seconds that they took, by the name of the rows."""

    logits: dict[str, np.ndarray]
    seconds: dict[str, float]


def score(
    folder: Path,
    made_from: str,
    asked: Mapping[str, EncodedRows],
    open_model: Callable[[], PreTrainedModel],
    progress: Progress,
    *,
    what: str,
) -> Scores:
    """The logits of the model in `folder` on all that is asked; what is there already is not computed again.

    `made_from` is the model's fingerprint. The model is opened only when something is missing.
    """
    fingerprints = {name: fingerprint([made_from, digest(rows)]) for name, rows in asked.items()}
    found = {name: find_kept(folder, name, made) for name, made in fingerprints.items()}
    missing = [name for name in asked if found[name] is None]
    if missing:
        progress.begin(what, sum(len(asked[name]) for name in missing))
        try:
            model = open_model()
            for name in missing:
                began = perf_counter()
                logits = model_outputs(model, asked[name], progress=progress).logits
                seconds = perf_counter() - began
                keep(folder, name, fingerprints[name], logits, seconds)
                found[name] = logits, seconds
        finally:
            progress.end()
    complete = {name: pair for name, pair in found.items() if pair is not None}
    return Scores(
        logits={name: logits for name, (logits, _) in complete.items()},
        seconds={name: seconds for name, (_, seconds) in complete.items()},
    )


def digest(rows: EncodedRows) -> str:
    """What tells these rows, by their tokens, from others."""
    found = hashlib.sha256()
    for ids in rows.ids:
        found.update(np.array([len(ids), *ids], dtype=np.int64).tobytes())
    return found.hexdigest()


def _path(folder: Path, name: str) -> Path:
    return folder / SCORES_FOLDER / f"{name}.safetensors"


def find_kept(folder: Path, name: str, made_from: str) -> tuple[np.ndarray, float] | None:
    """What `keep` wrote under this name, if it was made from the same; else None."""
    try:
        with safe_open(_path(folder, name), framework="numpy") as file:
            facts = file.metadata() or {}
            if facts.get("made_from") != made_from:
                return None
            return file.get_tensor("logits"), float(facts["seconds"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None


def keep(folder: Path, name: str, made_from: str, logits: np.ndarray, seconds: float) -> None:
    """Keep an array in a model's folder, with what it was made from and how long it took."""
    facts = {"made_from": made_from, "seconds": repr(seconds)}
    write_atomically(_path(folder, name), save({"logits": logits}, metadata=facts))
