"""Scores: a saved model's logits on everything that it is asked, computed once and kept in its folder."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from transformers import PreTrainedModel

from foreshot.files.atomic import write_atomically
from foreshot.files.fingerprints import fingerprint
from foreshot.models.batches import EncodedRows
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress

SCORES_FOLDER = "scores"
ASKED = "asked"
"""The file of what is asked of every model at once."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An array in a model's folder, the fingerprint of what it was made from, and the seconds that it took."""

    array: np.ndarray
    made_from: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Logits (rows, classes) and the seconds that they took, by the name of the rows.

    Rows that were asked in one pass share its seconds by their tokens.
    """

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
    file: str = ASKED,
) -> Scores:
    """The logits of the model in `folder` on all that is asked; what is there already is not computed again.

    `made_from` is the model's fingerprint. The model is opened only when something is missing, and asked each text
    once. All that one pass gives is kept in one `file` at once: which texts share a batch changes the last bits, and a
    run that was stopped between two files would share them otherwise than one that nobody stopped.
    """

    def ask(names: Sequence[str]) -> tuple[list[np.ndarray], float]:
        once, places = distinct([asked[name] for name in names])
        progress.begin(what, len(once))
        model = open_model()
        began = perf_counter()
        logits = model_outputs(model, once, progress=progress).logits
        return [logits[where] for where in places], perf_counter() - began

    digests = {name: digest(rows) for name, rows in asked.items()}
    sizes = {name: int(rows.lengths.sum()) for name, rows in asked.items()}
    return _completed(folder, file, made_from, digests, sizes, ask, progress)


def score_texts(
    folder: Path,
    made_from: str,
    asked: Mapping[str, Sequence[str]],
    logits_of: Callable[[Sequence[str], Progress], np.ndarray],
    progress: Progress,
    *,
    what: str,
    file: str = ASKED,
) -> Scores:
    """`score` of a teacher that is asked for the logits of texts, whatever it makes of them, and is told each once.

    Texts that were asked in one pass share its seconds by their letters; these hold what loading the teacher takes.
    """

    def ask(names: Sequence[str]) -> tuple[list[np.ndarray], float]:
        numbers: dict[str, int] = {}
        places = [[numbers.setdefault(text, len(numbers)) for text in asked[name]] for name in names]
        progress.begin(what, len(numbers))
        began = perf_counter()
        logits = logits_of(list(numbers), progress)
        return [logits[where] for where in places], perf_counter() - began

    digests = {name: fingerprint(list(texts)) for name, texts in asked.items()}
    sizes = {name: sum(len(text) + 1 for text in texts) for name, texts in asked.items()}
    return _completed(folder, file, made_from, digests, sizes, ask, progress)


def _completed(
    folder: Path,
    file: str,
    made_from: str,
    digests: Mapping[str, str],
    sizes: Mapping[str, int],
    ask: Callable[[Sequence[str]], tuple[list[np.ndarray], float]],
    progress: Progress,
) -> Scores:
    """The scores that are kept in a folder's `file`, with what is missing of them asked for and kept too.

    `digests` tell what is asked, and `sizes` how much of it there is, by name; `ask` gives logits and seconds.
    """
    fingerprints = {name: fingerprint([made_from, of_texts]) for name, of_texts in digests.items()}
    kept = read_kept(folder, file)
    found = {name: kept[name] for name in digests if name in kept and kept[name].made_from == fingerprints[name]}
    if missing := [name for name in digests if name not in found]:
        try:
            answers, seconds = ask(missing)
        finally:
            progress.end()
        for name, logits in zip(missing, answers, strict=True):
            share = sizes[name] / sum(sizes[one] for one in missing)
            found[name] = Kept(array=logits, made_from=fingerprints[name], seconds=seconds * share)
        write_kept(folder, file, {**kept, **found})
    return Scores(
        logits={name: found[name].array for name in digests},
        seconds={name: found[name].seconds for name in digests},
    )


def distinct(parts: Sequence[EncodedRows]) -> tuple[EncodedRows, list[np.ndarray]]:
    """The rows of all parts, each once, and where those of each part, (rows,), stand among them."""
    numbers: dict[tuple[int, ...], int] = {}
    places = [
        np.array([numbers.setdefault(tuple(ids), len(numbers)) for ids in part.ids], dtype=np.int64) for part in parts
    ]
    return EncodedRows(ids=[list(ids) for ids in numbers], tokenizer=parts[0].tokenizer), places


def digest(rows: EncodedRows) -> str:
    """What tells these rows, by their tokens, from others."""
    found = hashlib.sha256()
    for ids in rows.ids:
        found.update(np.array([len(ids), *ids], dtype=np.int64).tobytes())
    return found.hexdigest()


def read_kept(folder: Path, file: str) -> dict[str, Kept]:
    """What `write_kept` wrote, by name; nothing where there is no such file or it is damaged."""
    try:
        with safe_open(_path(folder, file), framework="numpy") as tensors:
            facts = {name: json.loads(fact) for name, fact in (tensors.metadata() or {}).items()}
            return {
                name: Kept(
                    array=tensors.get_tensor(name), made_from=str(fact["made_from"]), seconds=float(fact["seconds"])
                )
                for name, fact in facts.items()
            }
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return {}


def write_kept(folder: Path, file: str, kept: Mapping[str, Kept]) -> None:
    """Keep arrays in one file of a model's folder, in place of what it held."""
    facts = {name: json.dumps({"made_from": one.made_from, "seconds": one.seconds}) for name, one in kept.items()}
    arrays = {name: np.ascontiguousarray(one.array) for name, one in kept.items()}
    write_atomically(_path(folder, file), save(arrays, metadata=facts))


def _path(folder: Path, file: str) -> Path:
    return folder / SCORES_FOLDER / f"{file}.safetensors"
