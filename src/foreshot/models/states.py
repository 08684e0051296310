"""What happens inside a classifier: the output of each layer, and the queries, keys and values of one."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from foreshot.errors import ModelError
from foreshot.models.encoders import layer_stack

PROJECTIONS = (
    ("query", "key", "value"),  # BERT, RoBERTa, XLM-RoBERTa, CamemBERT, ELECTRA
    ("q", "k", "v"),  # MPNet
    ("q_lin", "k_lin", "v_lin"),  # DistilBERT
    ("query_proj", "key_proj", "value_proj"),  # DeBERTa-v2
    ("Wqkv",),  # ModernBERT: all three at once
)
"""What attention layers call the linear layers that make queries, keys and values."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What is looked at: the outputs of `layers`, and the queries, keys and values of one layer, or of none.

    Layers are numbered from 1. `projections` names the linear layers of an architecture that PROJECTIONS doesn't know.
    """

    layers: tuple[int, ...] = ()
    projections_of: int | None = None
    projections: tuple[str, ...] | None = None


NOTHING = Look()


@dataclass
class Seen:
    """What was seen in the last forward pass."""

    look: Look
    outputs: dict[int, torch.Tensor] = field(default_factory=dict)
    projected: dict[int, torch.Tensor] = field(default_factory=dict)  # by their place among queries, keys and values

    @property
    def states(self) -> torch.Tensor | None:
        """The layers' outputs (batch, layers, tokens, hidden), in the order that was asked for."""
        if not self.look.layers:
            return None
        return torch.stack([self.outputs[number] for number in self.look.layers], dim=1)

    @property
    def projections(self) -> torch.Tensor | None:
        """Queries, keys and values (batch, 3, tokens, hidden)."""
        if not self.projected:
            return None
        found = [tensor for _, tensor in sorted(self.projected.items())]
        return torch.stack(list(found[0].chunk(3, dim=-1)) if len(found) == 1 else found, dim=1)


@contextlib.contextmanager
def looking(model: PreTrainedModel | PeftModel, look: Look) -> Iterator[Seen]:
    """Look inside a model, adapted by LoRA or not, at every forward pass within the block.

    Raises ModelError where the attention layer's queries, keys and values aren't found.
    """
    plain = cast(PreTrainedModel, model.get_base_model()) if isinstance(model, PeftModel) else model
    _, layers = layer_stack(plain)
    seen = Seen(look)

    def remember(into: dict[int, torch.Tensor], key: int) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            into.setdefault(key, output[0] if isinstance(output, tuple) else output)

        return hook

    def forget(*_: Any) -> None:
        seen.outputs.clear()
        seen.projected.clear()

    # DeBERTa calls its projections again, on positions; it is the first call that gives queries, keys and values.
    hooks = [plain.base_model.register_forward_pre_hook(forget)]
    hooks += [layers[number - 1].register_forward_hook(remember(seen.outputs, number)) for number in set(look.layers)]
    if look.projections_of is not None:
        found = projection_modules(
            layers[look.projections_of - 1], look.projections, architecture=str(plain.config.model_type)
        )
        hooks += [
            module.register_forward_hook(remember(seen.projected, place)) for place, module in enumerate(found.values())
        ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@torch.inference_mode()
def check_look(model: PreTrainedModel, look: Look) -> None:
    """Raise ModelError where a forward pass doesn't show, of each token, what is looked at."""
    tokens = torch.zeros((1, 3), dtype=torch.int64, device=model.device)
    with looking(model, look) as seen:
        model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    missing = set(look.layers) - seen.outputs.keys()
    shapes = [tensor.shape[:2] for tensor in (*seen.outputs.values(), *seen.projected.values())]
    if missing or any(shape != tokens.shape for shape in shapes):
        raise ModelError(
            f"{model.config.model_type}: what goes on in its layers can't be looked at; leave out the losses hidden "
            "and relations, and the strategy influence"
        )


def projection_modules(layer: nn.Module, names: Sequence[str] | None, *, architecture: str) -> dict[str, nn.Module]:
    """The modules of one layer that make queries, keys and values, by name; raises ModelError where there are none."""
    by_name: dict[str, list[nn.Module]] = {}
    for path, module in layer.named_modules():
        by_name.setdefault(path.rpartition(".")[2], []).append(module)
    for known in (names,) if names else PROJECTIONS:
        if all(len(by_name.get(name, [])) == 1 for name in known):
            return {name: by_name[name][0] for name in known}
    raise ModelError(
        f"{architecture}: no queries, keys and values called {' or '.join(names) if names else 'as known'} in its "
        "attention layers; name the linear layers under distillation.relations.projections"
    )
