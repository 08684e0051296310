"""Export: a classifier as an ONNX graph of token ids and mask to logits, with dynamic batch and length."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

import torch
from torch import nn
from transformers import PreTrainedModel

from foreshot.data.texts import first_line
from foreshot.errors import ModelError
from foreshot.models.first_token import as_in_a_graph

OPSET = 23
"""The first that has attention as one operator, which ONNX Runtime computes as one."""
MOST_BYTES = 2**31 - 2**20  # of a file that holds its own weights, less some room for the graph
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "logits"
MASK_AS_GIVEN = ("bert", "camembert", "electra", "roberta", "xlm-roberta")
"""Architectures that take a mask (batch, 1, queries, keys) as it is; of one (batch, keys) Transformers makes such a
one, by a dozen operators."""


class _Logits(nn.Module):
    """The classifier as a function of two tensors (batch, tokens) to logits (batch, classes)."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        mask, config = attention_mask, self.model.config
        if config.model_type in MASK_AS_GIVEN and not config.is_decoder:
            mask = mask.bool()[:, None, None].expand(-1, -1, mask.shape[1], -1)
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=mask).logits
        return logits


class _FirstRow(nn.Module):
    """An embedding that gives its first row, (embedding,), whatever the ids."""

    row: torch.Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.register_buffer("row", embedding.weight[0].detach())

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return self.row


def to_onnx(model: PreTrainedModel) -> bytes:
    """The model, in evaluation mode, as an ONNX file's content.

    Raises ModelError when its weights are more than an ONNX file holds, or the architecture can't be exported.
    """
    from onnxscript.optimizer import optimize  # it takes seconds to import

    kind = model.config.model_type
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    if weights > MOST_BYTES:
        raise ModelError(f"{kind}: its weights are {weights / 2**30:.1f} GiB, and an ONNX file holds at most 2 GiB")
    input_ids = torch.full((3, 17), 7)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, 9:] = 0
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    try:
        with _quiet(), torch.inference_mode(), as_in_a_graph(model), _one_token_type(model):
            program = torch.onnx.export(
                _Logits(model.eval()),
                (input_ids, attention_mask),
                dynamo=True,
                opset_version=OPSET,
                input_names=INPUTS,
                output_names=[OUTPUT],
                dynamic_shapes=dict.fromkeys(INPUTS, shape),
                optimize=False,  # which also makes rotary positions an operator that wants one row alone
                verbose=False,
            )
            assert program is not None  # it is where no file was named
            program.model = optimize(program.model)
    except Exception as error:  # the exporter raises whatever its many parts do, wrapped in advice for programmers
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        raise ModelError(f"{kind}: can't be exported to ONNX ({first_line(cause)})") from None
    proto = program.model_proto
    for node in [*proto.graph.node, *(node for function in proto.functions for node in function.node)]:
        del node.metadata_props[:]  # stack traces, with the paths of the machine that exported
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


@contextlib.contextmanager
def _one_token_type(model: PreTrainedModel) -> Iterator[None]:
    """Within the block token types, which nobody gives and which are all 0 then, are a row that is added."""
    found = {
        name: module
        for name, module in model.named_modules()
        if name.endswith("token_type_embeddings") and isinstance(module, nn.Embedding)
    }
    for name, embedding in found.items():
        model.set_submodule(name, _FirstRow(embedding))
    try:
        yield
    finally:
        for name, embedding in found.items():
            model.set_submodule(name, embedding)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings: about the names of its axes, and about packages that nobody asked for."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        exporter.setLevel(level)
