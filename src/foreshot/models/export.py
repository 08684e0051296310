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
from foreshot.models.first_token import first_token_only

OPSET = 23
"""The first that has attention as one operator, which ONNX Runtime computes as one."""
OLDER_OPSETS = {"modernbert": 22}  # opset 23's rotary embedding fails in ONNX Runtime 1.32 for more than one row
MOST_BYTES = 2**31 - 2**20  # of a file that holds its own weights, less some room for the graph
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "logits"


class _Logits(nn.Module):
    """The classifier as a function of two tensors (batch, tokens) to logits (batch, classes)."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return logits


def opset(model: PreTrainedModel) -> int:
    """The version of ONNX's operators that a model is exported with."""
    return OLDER_OPSETS.get(model.config.model_type, OPSET)


def to_onnx(model: PreTrainedModel) -> bytes:
    """The model, in evaluation mode, as an ONNX file's content.

    Raises ModelError when its weights are more than an ONNX file holds, or the architecture can't be exported.
    """
    kind = model.config.model_type
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    if weights > MOST_BYTES:
        raise ModelError(f"{kind}: its weights are {weights / 2**30:.1f} GiB, and an ONNX file holds at most 2 GiB")
    input_ids = torch.full((3, 17), 7)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, 9:] = 0
    shape = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length")}
    try:
        with _quiet(), torch.inference_mode(), first_token_only(model):
            program = torch.onnx.export(
                _Logits(model.eval()),
                (input_ids, attention_mask),
                dynamo=True,
                opset_version=opset(model),
                input_names=INPUTS,
                output_names=[OUTPUT],
                dynamic_shapes=dict.fromkeys(INPUTS, shape),
                verbose=False,
            )
    except Exception as error:  # the exporter raises whatever its many parts do
        raise ModelError(f"{kind}: can't be exported to ONNX ({first_line(error)})") from None
    assert program is not None  # it is where no file was named
    proto = program.model_proto
    for node in [*proto.graph.node, *(node for function in proto.functions for node in function.node)]:
        del node.metadata_props[:]  # stack traces, with the paths of the machine that exported
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


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
