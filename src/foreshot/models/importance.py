"""How much each layer of a classifier matters, measured on rows: block influence, and greedy removal."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from foreshot.models.batches import EncodedRows, collate, fixed_batches, moved
from foreshot.models.encoders import layer_stack
from foreshot.models.outputs import forward, model_outputs
from foreshot.models.students import keep_layers

BATCH_SIZE = 32

LossOf = Callable[[np.ndarray], float]
"""From logits (rows, classes) on the measured rows to their mean loss."""


@torch.inference_mode()
def block_influence(model: PreTrainedModel, encoded: EncodedRows) -> np.ndarray:
    """Each layer's 1 − mean cosine similarity of its input and its output, over all real tokens of the rows: (layers,).

    Men et al. 2024 (ShortGPT, arXiv:2403.03853), eq. 1, in evaluation mode. A layer of small influence changes its
    input little.
    """
    model.eval()
    _, layers = layer_stack(model)
    mask = torch.empty(0)
    sums, tokens = np.zeros(len(layers)), 0

    def adding_to(index: int) -> Callable:
        def hook(_: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            before = args[0] if args else kwargs["hidden_states"]
            after = output[0] if isinstance(output, tuple) else output
            similarity = torch.nn.functional.cosine_similarity(before, after, dim=-1)
            sums[index] += float(((1 - similarity).cpu().double() * mask).sum())

        return hook

    hooks = [layer.register_forward_hook(adding_to(index), with_kwargs=True) for index, layer in enumerate(layers)]
    try:
        for rows in fixed_batches(encoded.lengths, BATCH_SIZE):
            inputs = collate(encoded, rows)
            mask = inputs["attention_mask"]
            tokens += int(mask.sum())
            forward(model, moved(inputs, model.device))
    finally:
        for hook in hooks:
            hook.remove()
    return sums / tokens


def ranked_by_influence(influence: np.ndarray, *, first_stays: bool) -> list[int]:
    """Layer numbers, the most influential first; of equals the lower one, and the first layer where it must stay."""
    order = sorted(range(len(influence)), key=lambda index: (-influence[index], index))
    return _first_layer_first([index + 1 for index in order], first_stays)


def greedy_removal(
    model: PreTrainedModel,
    encoded: EncodedRows,
    loss_of: LossOf,
    *,
    removed: Callable[[int, float], None] = lambda *_: None,
) -> list[tuple[int, float]]:
    """Layers in the order in which they are dropped, each with the loss without it and those before it.

    Each time that layer goes whose removal leaves the least loss on the rows, of equals the higher one; one layer
    stays. `removed` is told of each. A backward elimination of whole layers, without training between (as the
    layer-wise search in Peer et al. 2022, "Greedy-layer pruning", but by the loss).
    """
    kept = list(range(1, len(layer_stack(model)[1]) + 1))
    droppable = kept[1:] if first_layer_stays(model) else kept
    dropped: list[tuple[int, float]] = []
    while len(kept) > 1:
        losses = {
            number: loss_of(
                model_outputs(keep_layers(model, [other for other in kept if other != number]), encoded).logits
            )
            for number in reversed(kept)
            if number in droppable
        }
        least = min(losses, key=losses.__getitem__)
        kept.remove(least)
        dropped.append((least, losses[least]))
        removed(*dropped[-1])
    return dropped


def ranked_by_removal(dropped: Sequence[tuple[int, float]], depth: int) -> list[int]:
    """Layer numbers, the one that was never dropped first, then from the last one dropped to the first."""
    numbers = [number for number, _ in dropped]
    (last,) = set(range(1, depth + 1)) - set(numbers)
    return [last, *reversed(numbers)]


def first_layer_stays(model: PreTrainedModel) -> bool:
    """Whether no other layer can be the first: ModernBERT's first one has no norm before its attention."""
    _, layers = layer_stack(model)
    return any(set(layer.state_dict()) != set(layers[0].state_dict()) for layer in layers)


def _first_layer_first(order: list[int], first_stays: bool) -> list[int]:
    return [1, *(number for number in order if number != 1)] if first_stays else order
