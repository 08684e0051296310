"""Dropout whose mask costs less than the layer that it thins out.

PyTorch draws a Bernoulli number for each element, which on a CPU takes longer than many a layer's arithmetic. Here its
generator fills 64 bits at once, and 16 of them decide on an element: a probability is met to 1/65,536.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F

LEVELS = 2**16
"""What 16 bits tell apart."""


OWN_DROPOUT, OWN_ATTENTION = F.dropout, F.scaled_dot_product_attention


@contextlib.contextmanager
def quick_dropout() -> Iterator[None]:
    """Within the block dropout of tensors on the CPU, that of attention too, is `dropout`'s, whoever asks for it.

    Draws from PyTorch's generator, as its own dropout does, so the same seed gives the same masks. The functions
    themselves are replaced, since layers that are computed again for the backward pass would not see a mode of
    PyTorch's.
    """
    F.dropout, F.scaled_dot_product_attention = _dropout, _attention
    try:
        yield
    finally:
        F.dropout, F.scaled_dot_product_attention = OWN_DROPOUT, OWN_ATTENTION


def _dropout(input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
    if input.device.type != "cpu":
        return OWN_DROPOUT(input, p, training, inplace)
    return dropout(input, p) if training else input


def _attention(*args: Any, **kwargs: Any) -> torch.Tensor:
    """As attention layers call it: by name all but the first four."""
    if kwargs.get("dropout_p") and args[0].device.type == "cpu":
        return attention(*args, **kwargs)
    found: torch.Tensor = OWN_ATTENTION(*args, **kwargs)
    return found


def dropout(values: torch.Tensor, probability: float) -> torch.Tensor:
    """Values with each set to 0 with a probability, the others scaled so that the mean stays.

    Srivastava et al. 2014, section 4, scaled while training.
    """
    dropped = round(probability * LEVELS)
    if not dropped:
        return values
    words = torch.empty(-(-values.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    draws = words.view(torch.int16)[: values.numel()].view(values.shape)
    scales = (draws > dropped - LEVELS // 2 - 1).to(values.dtype).mul_(LEVELS / max(1, LEVELS - dropped))
    return values * scales


def attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    **_: Any,
) -> torch.Tensor:
    """Attention with dropout on its probabilities (Vaswani et al. 2017, eq. 1), as PyTorch's own function has it.

    Of queries (..., queries, width), keys and values (..., keys, width); of a boolean `attn_mask` True is seen, another
    is added to the scores.
    """
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return dropout(scores.softmax(dim=-1), dropout_p) @ value
