"""Int8: a classifier whose linear layers multiply 8-bit integers and whose word embeddings are kept as 8 bits.

Weights have a scale for each output channel and are rounded by what the layer's inputs are (`exporting.rounding`).
Activations are taken about their means, as a few channels are far from 0, and have a range for each token (Yao et al.
2022, ZeroQuant, section 4.1), found when the model runs: with one for the whole batch, as ONNX Runtime's own dynamic
quantisation has it, a text's score would depend on the texts beside it.
"""

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import deepcopy
from typing import Any, TypeGuard

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from foreshot.exporting.rounding import Inputs, rounded, scales_of
from foreshot.models.encoders import head_modules
from foreshot.models.first_token import first_token_only

LinearLayer = nn.Linear | Conv1D
"""W·x + b: PyTorch's, whose weight is (outputs, inputs), and GPT-2's, whose weight is (inputs, outputs)."""

ACTIVATION_TOP = 255
EMBEDDING_TOP = 127
SMALLEST = 1e-6  # of a range, against a division by zero
FEWEST_EMBEDDINGS = 1000
"""Smaller tables, such as those of positions, stay as they are."""


class Int8Linear(nn.Module):
    """A linear layer (..., inputs) → (..., outputs) on 8-bit integers.

    A token's activations x less their means m, from `low` to `low + range`, become whole numbers q of 0 to 255, and W·x
    is computed as range/255 · W·q + low · W·1 + W·m. Run in PyTorch it is the same in floating point; exported, W·q is
    ONNX Runtime's product of integers. The means, and what weights are rounded by, are those of the `inputs` seen.
    """

    centre: torch.Tensor  # (inputs,), the activations' means
    weight: torch.Tensor  # (inputs, outputs), int8
    scale: torch.Tensor  # (outputs,)
    shift: torch.Tensor  # (outputs,), what the means give, and the bias
    sums: torch.Tensor  # (outputs,), of each output's weights
    step: torch.Tensor  # of a token's activations, as a share of their range
    zero: torch.Tensor  # uint8
    zeros: torch.Tensor  # (outputs,), int8

    def __init__(self, linear: LinearLayer, inputs: Inputs | None = None) -> None:
        super().__init__()
        weight = linear.weight.detach()
        if isinstance(linear, Conv1D):
            weight = weight.T
        scale = scales_of(weight)
        whole = rounded(weight, scale, None if inputs is None else inputs.covariance)
        centre = torch.zeros(weight.shape[1]) if inputs is None else inputs.mean
        shift = weight @ centre
        self.register_buffer("centre", centre)
        self.register_buffer("weight", whole.T.contiguous())
        self.register_buffer("scale", scale)
        self.register_buffer("sums", whole.sum(dim=1) * scale)
        self.register_buffer("shift", shift if linear.bias is None else shift + linear.bias.detach())
        self.register_buffer("step", torch.tensor(1 / ACTIVATION_TOP))
        self.register_buffer("zero", torch.tensor(0, dtype=torch.uint8))
        self.register_buffer("zeros", torch.zeros(len(scale), dtype=torch.int8))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """See the class."""
        states = states - self.centre
        low = states.amin(-1, keepdim=True)
        extent = (states.amax(-1, keepdim=True) - low).clamp(min=SMALLEST)
        shares = (states - low) / extent
        product = self._integers(shares) if torch.compiler.is_exporting() else self._floats(shares)
        return product * extent + (low * self.sums + self.shift)

    def _floats(self, shares: torch.Tensor) -> torch.Tensor:
        rounded = torch.round(shares / self.step) * self.step
        return rounded @ (self.weight.to(torch.float32) * self.scale)

    def _integers(self, shares: torch.Tensor) -> torch.Tensor:
        quantised = torch.onnx.ops.symbolic(
            "QuantizeLinear", (shares, self.step, self.zero), dtype=torch.uint8, shape=shares.shape, version=21
        )
        return torch.onnx.ops.symbolic(
            "com.microsoft::MatMulIntegerToFloat",
            (quantised, self.weight, self.step, self.scale, self.zero, self.zeros),
            dtype=torch.float32,
            shape=[*shares.shape[:-1], self.weight.shape[1]],
            version=1,
        )


class Int8Embedding(nn.Module):
    """An embedding table of 8-bit integers with a scale for each row; what comes out is float32."""

    weight: torch.Tensor  # (rows, hidden), int8
    scale: torch.Tensor  # (rows, 1)

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        weight = embedding.weight.detach()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=SMALLEST) / EMBEDDING_TOP
        self.register_buffer("weight", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch, tokens) → (batch, tokens, hidden)."""
        rows: torch.Tensor = self.weight[ids].to(torch.float32) * self.scale[ids]
        return rows


Batches = Collection[dict[str, torch.Tensor]]
"""A model's inputs, without padding: what a layer is given of it would count as well."""


def int8_layers(model: PreTrainedModel, batches: Batches = ()) -> dict[str, Int8Linear]:
    """The encoder's linear layers in 8 bits by name, made by what they are given of the batches.

    Without any they are rounded to nearest. The same bits come out however many threads PyTorch has.
    """
    layers = linear_layers(model)
    inputs: dict[str, Inputs] = {}

    def add(name: str, states: torch.Tensor, _: torch.Tensor) -> None:
        inputs.setdefault(name, Inputs()).add(states.flatten(end_dim=-2))

    with _one_thread():
        _watch(model, layers, batches, add)
        return {name: Int8Linear(linear, inputs.get(name)) for name, linear in layers.items()}


def quantised(
    model: PreTrainedModel, layers: Mapping[str, Int8Linear] | None = None, *, kept: Collection[str] = ()
) -> PreTrainedModel:
    """A copy of the model in 8 bits, but for the head and for the linear layers named in `kept`.

    `layers` are its linear layers in 8 bits; without them they are rounded to nearest.
    """
    copy = deepcopy(model)
    for name, small in (int8_layers(model) if layers is None else layers).items():
        if name not in kept:
            copy.set_submodule(name, small)
    for name, module in list(copy.named_modules()):
        if _computes_as(module, nn.Embedding) and module.num_embeddings >= FEWEST_EMBEDDINGS:
            copy.set_submodule(name, Int8Embedding(module))
    return copy


def linear_layers(model: PreTrainedModel) -> dict[str, LinearLayer]:
    """The encoder's linear layers by name; those of the head are few and stay in float32."""
    head = _head(model)
    return {
        name: module
        for name, module in model.named_modules()
        if _computes_as(module, nn.Linear, Conv1D) and not f"{name}.".startswith(head)
    }


def other_weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The encoder's matrices that belong to no linear layer and no table: convolutions and the like, by name."""
    known = tuple(
        f"{name}." for name, module in model.named_modules() if _computes_as(module, nn.Linear, Conv1D, nn.Embedding)
    )
    return {
        name: weight
        for name, weight in model.named_parameters()
        if weight.ndim > 1 and not name.startswith((*known, *_head(model)))
    }


def _computes_as(module: nn.Module, *kinds: type[nn.Module]) -> TypeGuard[Any]:
    """Whether a module computes what one of some kinds does: it is one, and has no forward of its own."""
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)


def _head(model: PreTrainedModel) -> tuple[str, ...]:
    return tuple(f"{name}." for name in head_modules(model))


def noise(model: PreTrainedModel, layers: Mapping[str, Int8Linear], batches: Batches) -> dict[str, float]:
    """For each linear layer, the power of what 8 bits change in its output over the power of that output.

    One pass over the batches: every layer gets the activations that it has in the unquantised model.
    """
    changed: dict[str, float] = {}
    whole: dict[str, float] = {}

    def compare(name: str, states: torch.Tensor, output: torch.Tensor) -> None:
        changed[name] = changed.get(name, 0.0) + float((layers[name](states) - output).square().sum())
        whole[name] = whole.get(name, 0.0) + float(output.square().sum())

    _watch(model, linear_layers(model), batches, compare)
    return {name: changed[name] / max(whole[name], 1e-30) for name in changed}


@torch.inference_mode()
def _watch(
    model: PreTrainedModel,
    layers: Mapping[str, LinearLayer],
    batches: Batches,
    see: Callable[[str, torch.Tensor, torch.Tensor], None],
) -> None:
    """Have `see(name, inputs, outputs)` called for each of the layers on each batch.

    The last layer is computed for the first token alone, as the graph does it: no other one's inputs count there.
    """
    handles = [
        linear.register_forward_hook(lambda _, inputs, output, name=name: see(name, inputs[0], output))
        for name, linear in layers.items()
    ]
    try:
        with first_token_only(model):
            for inputs in batches:
                model(**inputs)
    finally:
        for handle in handles:
            handle.remove()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Within the block PyTorch has one thread: how sums are split among several changes their last bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
