"""Students: layers copied from a model, LoRA adapters put on and merged again."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from foreshot.errors import ModelError
from foreshot.models.encoders import head_modules, layer_stack
from foreshot.settings.recipes import Lora

LORA_TARGETS = {
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "xlm-roberta": ("query", "value"),
    "camembert": ("query", "value"),
    "electra": ("query", "value"),
    "deberta-v2": ("query_proj", "value_proj"),
    "mpnet": ("attn.q", "attn.v"),
    "distilbert": ("q_lin", "v_lin"),
    "modernbert": ("Wqkv",),
}
"""The projections that LoRA adapts by default: query and value, as in Hu et al. 2021, section 7.1."""


def keep_layers(model: PreTrainedModel, layer_map: Sequence[int]) -> PreTrainedModel:
    """A copy of `model` with only these layers (numbers from 1), in this order, a layer twice if it is named twice.

    The model stays as it is; the copy stands on the same device.

    Settings that the config gives for each layer are cut the same way. Raises ModelError when the
    architecture's layers differ so that one can't stand in another's place.
    """
    path, _ = layer_stack(model)
    config = deepcopy(model.config)
    config.num_hidden_layers = len(layer_map)
    for field in ("layer_types", "mlp_layer_types"):
        if getattr(config, field, None):
            setattr(config, field, [getattr(config, field)[number - 1] for number in layer_map])
    with torch.random.fork_rng(devices=[]):
        student = AutoModelForSequenceClassification.from_config(config)
    try:
        student.load_state_dict(_kept_weights(model.state_dict(), path, layer_map), strict=True)
    except RuntimeError:
        raise ModelError(
            f"{config.model_type}: its layers are not alike, and {list(layer_map)} puts one where another was; "
            "give layers that begin with 1, and have it once"
        ) from None
    student.tie_weights()
    return student.to(model.device).train(model.training)


def _kept_weights(weights: dict[str, torch.Tensor], path: str, layer_map: Sequence[int]) -> dict[str, torch.Tensor]:
    places: dict[int, list[int]] = {}
    for index, kept_layer in enumerate(layer_map):
        places.setdefault(kept_layer - 1, []).append(index)
    kept = {}
    for name, tensor in weights.items():
        if not name.startswith(f"{path}."):
            kept[name] = tensor
            continue
        number, rest = name.removeprefix(f"{path}.").split(".", 1)
        for index in places.get(int(number), []):
            kept[f"{path}.{index}.{rest}"] = tensor
    return kept


def lora_targets(architecture: str, lora: Lora) -> list[str]:
    """The linear layers to adapt: those asked for, or the architecture's; raises ModelError when there are none."""
    targets = lora.target_modules or LORA_TARGETS.get(architecture)
    if not targets:
        raise ModelError(f"{architecture}: no default LoRA targets; name linear layers under lora.target_modules")
    return list(targets)


def add_lora(model: PreTrainedModel, lora: Lora, *, seed: int, base_name: str) -> PeftModel:
    """Put LoRA adapters on a classifier (changed in place); adapters and the head are what trains.

    `base_name` is recorded in the adapter as the model that it belongs on. Raises ModelError
    when the architecture has no default targets or the given ones match nothing.
    """
    targets = lora_targets(model.config.model_type, lora)
    settings = LoraConfig(
        task_type=TaskType.SEQ_CLS,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
        modules_to_save=head_modules(model),
    )
    with torch.random.fork_rng(devices=[]), _without_warnings_of_peft():
        torch.manual_seed(seed)
        try:
            adapted = get_peft_model(model, settings)
        except ValueError as error:
            raise ModelError(f"{model.config.model_type}: LoRA can't be put on {targets} ({error})") from None
    settings.base_model_name_or_path = base_name  # PEFT put the folder that the weights were read from
    settings.target_modules = sorted(targets)  # and a set here, of another order in each process
    return adapted


def load_adapter(base: PreTrainedModel, folder: Path) -> PeftModel:
    """A saved adapter put on the model that it belongs on (changed in place)."""
    with _without_warnings_of_peft():
        return PeftModel.from_pretrained(base, folder)


@contextlib.contextmanager
def _without_warnings_of_peft() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
        yield


def merge(model: PeftModel) -> PreTrainedModel:
    """A copy of the model with its adapters added into its weights: an ordinary classifier."""
    merged: PreTrainedModel = deepcopy(model).merge_and_unload()
    return merged


def parameters(model: nn.Module) -> tuple[int, int]:
    """How many numbers the model holds, and how many of them are trained."""
    return (
        sum(parameter.numel() for parameter in model.parameters()),
        sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
    )
