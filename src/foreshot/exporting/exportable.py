"""Exportable: whether a model can be exported once it is trained, asked before it is."""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from foreshot.data.texts import excerpt, first_line
from foreshot.errors import BundleError, ModelError
from foreshot.exporting.onnx import to_onnx
from foreshot.models.encoders import ModelSource
from foreshot.models.first_token import FORWARDS
from foreshot.models.students import config_of_layers
from foreshot.runtime.graph import Graph
from foreshot.runtime.tokenization import TextTokenizer

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


def tokenizer_content(source: ModelSource, tokenizer: PreTrainedTokenizerBase) -> str:
    """What goes into tokenizer.json, without padding and truncation, which the runtime sets by itself.

    Raises ModelError where there is no such file, or no bundle cuts texts as it does.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError(f"{source.name}: its tokenizer has no tokenizer.json; it can't run without Transformers")
    if tokenizer.truncation_side != "right":
        raise ModelError(f"{source.name}: its tokenizer cuts long texts at their start, which no bundle does")
    backend.no_padding()
    backend.no_truncation()
    content: str = backend.to_str(pretty=False)
    return content


def check_tokenization(
    source: ModelSource, tokenizer: TextTokenizer, texts: Sequence[str], expected: Sequence[Sequence[int]]
) -> None:
    """Raise ModelError unless the tokenizers library alone gives the token ids that Transformers gives, `expected`."""
    found = tokenizer.tokenize(texts).ids
    other = [text for text, ids, expected_ids in zip(texts, found, expected, strict=True) if ids != expected_ids]
    if other:
        raise ModelError(
            f"{source.name}: its tokenizer.json alone gives other tokens for {len(other):,} of {len(texts):,} "
            f"texts, such as {excerpt(other[0])!r}; it can't run without Transformers"
        )
