"""What a model says about rows: logits and sentence representations, in evaluation mode, in the rows' order."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

from foreshot.data.batches import EncodedRows, collate, fixed_batches, moved
from foreshot.models.first_token import first_token_only
from foreshot.progress import Progress, Silent


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """A model's outputs on rows: `logits` (rows, classes) and `representations` (rows, hidden), float32."""

    logits: np.ndarray
    representations: np.ndarray

    def save(self, path: Path) -> None:
        """Write both arrays as safetensors."""
        save_file({"logits": self.logits, "representations": self.representations}, path)

    @classmethod
    def load(cls, path: Path) -> "Outputs":
        """Read what `save` wrote."""
        arrays = load_file(path)
        return cls(logits=arrays["logits"], representations=arrays["representations"])


def sentence_representation(hidden_state: torch.Tensor) -> torch.Tensor:
    """The final state of the first token, (batch, tokens, hidden) → (batch, hidden): what the head looks at."""
    return hidden_state[:, 0]


def forward(model: nn.Module, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (batch, classes) and sentence representations (batch, hidden) of one batch."""
    output = model(**inputs, output_hidden_states=True)
    return output.logits, sentence_representation(output.hidden_states[-1])


@torch.inference_mode()
def model_outputs(
    model: nn.Module, encoded: EncodedRows, *, batch_size: int = 32, progress: Progress | None = None
) -> Outputs:
    """The model's outputs on all rows, in evaluation mode, computed where it stands; its mode is put back."""
    progress = progress or Silent()
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    logits: np.ndarray | None = None
    representations: np.ndarray | None = None
    with first_token_only(model):
        for rows in fixed_batches(encoded.lengths, batch_size):
            batch_logits, batch_representations = forward(model, moved(collate(encoded, rows), device))
            if logits is None or representations is None:
                logits = np.empty((len(encoded), batch_logits.shape[1]), dtype=np.float32)
                representations = np.empty((len(encoded), batch_representations.shape[1]), dtype=np.float32)
            logits[rows] = batch_logits.cpu().numpy()
            representations[rows] = batch_representations.cpu().numpy()
            progress.advance(len(rows))
    model.train(training)
    if logits is None or representations is None:
        raise ValueError("no rows")
    return Outputs(logits=logits, representations=representations)
