"""Training only those word vectors that the training rows use.

A word that never occurs has no gradient, and AdamW without weight decay leaves a parameter that never had one as it
was. So its gradient, its two moments and its update need not be computed: the weights come out the same, and a step
is spared most of a matrix that can be larger than all layers together (Kingma and Ba 2015, algorithm 1).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from foreshot.models.batches import EncodedRows


class OccurringWords(nn.Module):
    """The rows of an embedding (words, hidden) for these token ids; any other id raises IndexError."""

    def __init__(self, embedding: nn.Embedding, token_ids: torch.Tensor) -> None:
        super().__init__()
        device = embedding.weight.device
        rows = torch.full((embedding.num_embeddings,), len(token_ids), dtype=torch.int64, device=device)
        rows[token_ids] = torch.arange(len(token_ids), device=device)
        padding = embedding.padding_idx
        self.register_buffer("rows", rows)
        self.embedding = nn.Embedding(
            len(token_ids),
            embedding.embedding_dim,
            padding_idx=None if padding is None else int(rows[padding]),
            _weight=embedding.weight.detach()[token_ids],
        )

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Vectors (batch, tokens, hidden) of token ids (batch, tokens)."""
        vectors: torch.Tensor = self.embedding(self.rows[input_ids])  # type: ignore[index]  # a buffer
        return vectors


@contextmanager
def occurring_words_only(model: nn.Module, encoded: EncodedRows) -> Iterator[None]:
    """Give `model` the word vectors of these rows alone; afterwards it has all of them again, the trained ones too.

    Does nothing for a model whose word vectors aren't trained.
    """
    whole = model.get_input_embeddings()  # type: ignore[operator]  # of Transformers and PEFT
    if not (isinstance(whole, nn.Embedding) and whole.weight.requires_grad):
        yield
        return
    padding = {encoded.tokenizer.pad_token_id, whole.padding_idx} - {None}
    token_ids = torch.from_numpy(np.union1d(encoded.occurring, sorted(padding))).to(whole.weight.device)
    part = OccurringWords(whole, token_ids)
    model.set_input_embeddings(part)  # type: ignore[operator]
    try:
        yield
    finally:
        with torch.no_grad():
            whole.weight[token_ids] = part.embedding.weight
        model.set_input_embeddings(whole)  # type: ignore[operator]
