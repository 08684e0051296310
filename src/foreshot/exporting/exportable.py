"""Exportable: whether a model can be exported once it is trained, asked before it is."""

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel

from foreshot.data.texts import first_line
from foreshot.errors import BundleError, ModelError
from foreshot.exporting.onnx import to_onnx
from foreshot.models.encoders import ModelSource
from foreshot.models.first_token import FORWARDS
from foreshot.models.students import config_of_layers
from foreshot.runtime.graph import Graph

LAYERS, VOCABULARY = 2, 100
"""Of a twin. Its widths are the model's own: they hardly cost time, and narrower ones might not fit each other."""
ROWS: tuple[list[int], ...] = ([7], list(range(5, 28)), [9, 8, 7, 6, 5])
"""Token ids of texts of other lengths, and as many as no graph is traced with."""
NEARLY_EQUAL = 1e-4
"""How far two logits may lie apart, as a share of the largest difference between the texts'."""


def check_architecture(source: ModelSource) -> None:
    """Export a twin of a model, of few layers and random weights; raises ModelError where the graph is not the twin.

    It takes seconds, so of the architectures whose layers `models.first_token` knows it is left to the tests.
    """
    if source.config.model_type in FORWARDS:
        return
    try:
        twin, expected = _twin(source.config)
        graph = Graph(to_onnx(twin), classes=2, pad_token_id=twin.config.pad_token_id, where="its graph")
        alone, together = (graph.logits(ROWS, batch_size=size) for size in (1, len(ROWS)))
    except (BundleError, ModelError) as error:
        raise ModelError(f"{source.name}: {error}") from None
    close = NEARLY_EQUAL * float(np.ptp(expected, axis=0).max())
    for logits, how in ((alone, "as a graph"), (together, "in a batch")):
        if not np.abs(logits - expected).max() <= close:
            kind = twin.config.model_type
            raise ModelError(f"{source.name}: {kind}: can't be exported to ONNX ({how} it gives a text other scores)")


def _twin(config: PreTrainedConfig) -> tuple[PreTrainedModel, np.ndarray]:
    """The twin, and its logits of the rows, each asked alone."""
    try:
        small = config_of_layers(config, range(1, min(LAYERS, config.num_hidden_layers) + 1))
        small.vocab_size, small.num_labels = VOCABULARY, 2
        if small.pad_token_id is None or not 0 <= small.pad_token_id < VOCABULARY:
            small.pad_token_id = 0
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            twin = AutoModelForSequenceClassification.from_config(small, dtype=torch.float32).eval()
            return twin, np.concatenate([twin(torch.tensor([ids])).logits.numpy() for ids in ROWS])
    except Exception as error:  # each architecture has its own way not to allow this
        kind = config.model_type
        raise ModelError(f"{kind}: can't be made with few layers to try an export ({first_line(error)})") from None
