"""Layers computed in less: the last one for the first token alone, and attention as one operator of a graph.

Head, cosine loss and scores look at the last state of the first token. Of the last layer its keys and values are
needed of every token; its query, output projection, feed-forward part and norms of one. The result is the same to
rounding.
"""

import contextlib
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from typing import Any, cast

import torch
import torch.nn.functional as F
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from foreshot.models.encoders import layer_stack
from foreshot.models.states import NOTHING, Look

FIRST, ALL = slice(0, 1), slice(None)
"""The tokens that a layer is computed for."""


@contextlib.contextmanager
def first_token_only(model: nn.Module, look: Look = NOTHING) -> Iterator[None]:
    """Within the block the model's last layer gives the first token's state alone, (batch, 1, hidden).

    Does nothing where a loss looks at that layer, where the head looks at more than the first token, and for
    architectures that aren't known. The model's modules and weights stay what they are.
    """
    plain = cast(PreTrainedModel, model.get_base_model() if isinstance(model, PeftModel) else model)
    forward = _forward(plain)
    if forward is None or not _only_first_token_counts(plain, look):
        yield
        return
    with _computed_by({layer_stack(plain)[1][-1]: partial(forward, rows=FIRST)}):
        yield


@contextlib.contextmanager
def as_in_a_graph(model: PreTrainedModel) -> Iterator[None]:
    """Within the block, in which the model is exported, each layer's attention is ONNX's operator of that name.

    As `first_token_only` otherwise, and altogether for DeBERTa, whose attention is none that ONNX has an operator for.
    """
    forward = _forward(model)
    if forward is None or forward is _deberta:
        with first_token_only(model):
            yield
        return
    *others, last = layer_stack(model)[1]
    of_last = FIRST if _only_first_token_counts(model, NOTHING) else ALL
    with _computed_by({**dict.fromkeys(others, partial(forward, rows=ALL)), last: partial(forward, rows=of_last)}):
        yield


def _forward(model: PreTrainedModel) -> Callable[..., Any] | None:
    """What computes a layer of the model; None of an architecture that isn't known, and of a decoder."""
    return None if getattr(model.config, "is_decoder", False) else FORWARDS.get(model.config.model_type)


@contextlib.contextmanager
def _computed_by(forwards: dict[Any, Callable[..., Any]]) -> Iterator[None]:
    for layer, forward in forwards.items():
        layer.forward = partial(forward, layer)
    try:
        yield
    finally:
        for layer in forwards:
            del layer.forward  # the class has its own


def _only_first_token_counts(model: PreTrainedModel, look: Look) -> bool:
    depth = len(layer_stack(model)[1])
    looked_at = depth in look.layers or look.projections_of == depth
    pools_all = getattr(model.config, "classifier_pooling", "cls") != "cls"  # ModernBERT may take the mean
    convolves = depth == 1 and getattr(model.config, "conv_kernel_size", 0) > 0  # DeBERTa, over all tokens of layer 1
    return not (looked_at or pools_all or convolves)


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    *,
    heads: int,
    dropout: nn.Dropout,
) -> torch.Tensor:
    """What some tokens take from all: (batch, queries, hidden) and twice (batch, tokens, hidden) → the first's shape.

    `mask`, (batch or 1, heads or 1, queries, tokens), is True for keys that are seen, or a number added to a score.
    """
    if torch.compiler.is_exporting():
        attended: torch.Tensor = torch.onnx.ops.attention(
            query, key, value, mask, q_num_heads=heads, kv_num_heads=heads
        )[0]
        return attended
    query, key, value = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    probability = dropout.p if dropout.training else 0.0
    context = F.scaled_dot_product_attention(query, key, value, mask, dropout_p=probability)
    return context.transpose(1, 2).flatten(2)


def _of(rows: slice, mask: torch.Tensor | None) -> torch.Tensor | None:
    """Of a mask (batch, heads, queries, keys) what belongs to some queries."""
    return None if mask is None else mask[:, :, rows]


def _bert(
    layer: Any, states: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, rows: slice, **__: Any
) -> Any:
    attention, asking = layer.attention.self, states[:, rows]
    context = _attend(
        attention.query(asking),
        attention.key(states),
        attention.value(states),
        _of(rows, attention_mask),
        heads=attention.num_attention_heads,
        dropout=attention.dropout,
    )
    return layer.feed_forward_chunk(layer.attention.output(context, asking))


def _distilbert(
    layer: Any, states: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, rows: slice, **__: Any
) -> Any:
    attention, asking = layer.attention, states[:, rows]
    context = _attend(
        attention.q_lin(asking),
        attention.k_lin(states),
        attention.v_lin(states),
        _of(rows, attention_mask),
        heads=attention.n_heads,
        dropout=attention.dropout,
    )
    attended = layer.sa_layer_norm(attention.out_lin(context) + asking)
    return layer.output_layer_norm(layer.ffn(attended) + attended)


def _mpnet(
    layer: Any,
    states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_bias: torch.Tensor | None = None,
    *,
    rows: slice,
    **_: Any,
) -> Any:
    attention, asking = layer.attention.attn, states[:, rows]
    parts = [_of(rows, part) for part in (attention_mask, position_bias) if part is not None]
    context = _attend(
        attention.q(asking),
        attention.k(states),
        attention.v(states),
        cast(torch.Tensor, sum(parts)) if parts else None,
        heads=attention.num_attention_heads,
        dropout=attention.dropout,
    )
    attended = layer.attention.LayerNorm(layer.attention.dropout(attention.o(context)) + asking)
    return (layer.output(layer.intermediate(attended), attended),)


def _modernbert(
    layer: Any,
    states: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
    *,
    rows: slice,
    **_: Any,
) -> Any:
    attention, asking = layer.attn, states[:, rows]
    assert position_embeddings is not None  # the encoder gives them to each layer
    # One product makes all three, so the queries of the other tokens are made too.
    query, key, value = attention.Wqkv(layer.attn_norm(states)).chunk(3, dim=-1)
    cosines, sines = position_embeddings
    context = _attend(
        _rotated(query[:, rows], cosines[:, rows], sines[:, rows]),
        _rotated(key, cosines, sines),
        value,
        _of(rows, attention_mask),
        heads=layer.config.num_attention_heads,
        dropout=nn.Dropout(attention.attention_dropout).train(layer.training),
    )
    attended = asking + attention.out_drop(attention.Wo(context))
    return attended + layer.mlp(layer.mlp_norm(attended))


def _rotated(states: torch.Tensor, cosines: torch.Tensor, sines: torch.Tensor) -> torch.Tensor:
    """Rotary positions (Su et al. 2021, eq. 34): of states (batch, tokens, hidden), angles (1, tokens, head width)."""
    heads = states.unflatten(-1, (-1, cosines.shape[-1]))
    left, right = heads.chunk(2, dim=-1)
    turned = torch.cat((-right, left), dim=-1)
    return (heads * cosines[:, :, None] + turned * sines[:, :, None]).flatten(2)


def _deberta(
    layer: Any,
    states: torch.Tensor,
    attention_mask: torch.Tensor,
    query_states: torch.Tensor | None = None,
    relative_pos: torch.Tensor | None = None,
    rel_embeddings: torch.Tensor | None = None,
    *,
    rows: slice,
    **_: Any,
) -> Any:
    attention, first = copy(layer.attention.self), states[:, rows]  # a copy of its own: several threads may be here
    attention.disentangled_attention_bias = partial(_disentangled_bias, attention)
    context, _none = attention(
        states,
        _of(rows, attention_mask),
        query_states=first,
        relative_pos=relative_pos,
        rel_embeddings=rel_embeddings,
    )
    attended = layer.attention.output(context, first)
    return layer.output(layer.intermediate(attended), attended), None


def _disentangled_bias(
    attention: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    relative_pos: torch.Tensor,
    rel_embeddings: torch.Tensor,
    scale_factor: int,
) -> torch.Tensor:
    """What positions add to the first query's scores, (batch · heads, 1, tokens): He et al. 2021, eq. 4, for i = 0.

    Transformers' own takes as many queries as keys.
    """
    span, heads = attention.pos_ebd_size, attention.num_attention_heads
    positions = rel_embeddings[None, : 2 * span]
    scale = (key.shape[-1] * scale_factor) ** 0.5
    # (1, 1, tokens, tokens), from query to key; of the first query, and back to it
    to_keys, from_keys = relative_pos[..., 0, :].view(1, 1, -1), relative_pos[..., :, 0].view(1, -1, 1)

    def of_all_rows(projection: nn.Module) -> torch.Tensor:
        vectors = attention.transpose_for_scores(projection(positions), heads)
        return vectors.repeat(key.size(0) // heads, 1, 1)

    bias = torch.zeros((), dtype=query.dtype, device=query.device)
    if "c2p" in attention.pos_att_type:
        vectors = of_all_rows(attention.key_proj if attention.share_att_key else attention.pos_key_proj)
        scores = query @ vectors.transpose(1, 2)
        bias = bias + scores.gather(2, (to_keys + span).clamp(0, 2 * span - 1).expand(key.size(0), -1, -1)) / scale
    if "p2c" in attention.pos_att_type:
        vectors = of_all_rows(attention.query_proj if attention.share_att_key else attention.pos_query_proj)
        scores = key @ vectors.transpose(1, 2)
        places = (span - from_keys).clamp(0, 2 * span - 1).expand(key.size(0), -1, -1)
        bias = bias + scores.gather(2, places).transpose(1, 2) / scale
    return bias


FORWARDS: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), _bert),
    "distilbert": _distilbert,
    "mpnet": _mpnet,
    "modernbert": _modernbert,
    "deberta-v2": _deberta,
}
"""By architecture, what stands for a layer's own forward, for the queries of some `rows`; DeBERTa's for FIRST alone."""
