"""Dropout whose mask costs less than the layer that it thins out.

PyTorch draws a Bernoulli number for each element, which on a CPU takes longer than many a layer's arithmetic. Here its
generator fills 64 bits at once, and 16 of them decide on an element: a probability is met to 1/65,536.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

LEVELS = 2**16
"""What 16 bits tell apart."""


class QuickDropout(TorchFunctionMode):
    """Within its block dropout of tensors on the CPU, that of attention too, is `dropout`'s.

    Draws from PyTorch's generator, as its own dropout does, so the same seed gives the same masks.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """What a function of PyTorch gives."""
        kwargs = kwargs or {}
        if func is F.dropout and args[0].device.type == "cpu":
            return _as_module_calls_it(*args, **kwargs)
        if func is F.scaled_dot_product_attention and kwargs.get("dropout_p") and args[0].device.type == "cpu":
            return attention(*args, **kwargs)
        return func(*args, **kwargs)


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


def _as_module_calls_it(
    input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> torch.Tensor:
    return dropout(input, p) if training else input
