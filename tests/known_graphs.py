"""Exports of models whose graph is known: for tests of what is done with graphs, as each export takes seconds.

What an export itself does is tested in `models/test_export.py`, without this.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedModel

from foreshot.exporting.onnx import to_onnx
from foreshot.files.atomic import write_atomically


def exporting_once(folder: Path) -> Callable[[PreTrainedModel], bytes]:
    """`to_onnx`, with graphs kept in a folder: two models of the same layers and weights are exported once."""

    def graph_of(model: PreTrainedModel) -> bytes:
        file = folder / f"{_digest(model)}.onnx"
        if not file.exists():
            write_atomically(file, to_onnx(model))
        return file.read_bytes()

    return graph_of


def _digest(model: PreTrainedModel) -> str:
    config = {name: value for name, value in model.config.to_dict().items() if name != "_name_or_path"}
    digest = hashlib.sha256(json.dumps([config, repr(model)], default=str).encode())
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode() + tensor.numpy(force=True).tobytes())
    return digest.hexdigest()
