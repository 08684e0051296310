"""What a model says about rows: logits and sentence representations, in evaluation mode, in the rows' order."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from foreshot.files.arrays import ArrayFile
from foreshot.models.batches import EncodedRows, collate, fixed_batches, moved
from foreshot.models.first_token import first_token_only
from foreshot.progress import Progress, Silent

Answer = TypeVar("Answer")


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """A model's outputs on rows: `logits` (rows, classes) and `representations` (rows, hidden), float32.

    Of a teacher the representations may stay in a file, be of the first rows alone, or be missing.
    """

    logits: np.ndarray
    representations: np.ndarray | ArrayFile | None


def sentence_representation(hidden_state: torch.Tensor) -> torch.Tensor:
    """The final state of the first token, (batch, tokens, hidden) → (batch, hidden): what the head looks at."""
    return hidden_state[:, 0]


def forward(model: nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (batch, classes) and sentence representations (batch, hidden) of one batch."""
    output = model(**inputs, output_hidden_states=True)
    return output.logits, sentence_representation(output.hidden_states[-1])


def model_outputs(
    model: nn.Module, encoded: EncodedRows, *, batch_size: int = 32, progress: Progress | None = None
) -> Outputs:
    """The model's outputs on all rows, in evaluation mode, computed where it stands; its mode is put back.

    On a CPU each batch is computed by one thread, and as many side by side as PyTorch has threads: they needn't wait
    for each other within a batch, and the outputs are the same bits however many there are.
    """
    progress = progress or Silent()
    training = model.training
    model.eval()
    device = next(model.parameters()).device

    @torch.inference_mode()
    def ask(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        logits, representations = forward(model, moved(collate(encoded, rows), device))
        return rows, logits.cpu().numpy(), representations.cpu().numpy()

    found: tuple[np.ndarray, np.ndarray] | None = None
    try:
        with first_token_only(model), _side_by_side(ask, fixed_batches(encoded.lengths, batch_size), device) as answers:
            for rows, logits, representations in answers:
                if found is None:
                    found = (
                        np.empty((len(encoded), logits.shape[1]), dtype=np.float32),
                        np.empty((len(encoded), representations.shape[1]), dtype=np.float32),
                    )
                found[0][rows], found[1][rows] = logits, representations
                progress.advance(len(rows))
    finally:
        model.train(training)
    if found is None:
        raise ValueError("no rows")
    return Outputs(logits=found[0], representations=found[1])


@contextlib.contextmanager
def _side_by_side(
    ask: Callable[[np.ndarray], Answer], batches: Iterable[np.ndarray], device: torch.device
) -> Iterator[Iterator[Answer]]:
    """What each batch is answered, in their order; those not begun when the block ends are left."""
    if device.type != "cpu":
        yield map(ask, batches)
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield pool.map(ask, batches)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # which new threads ask for
