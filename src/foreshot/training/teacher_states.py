"""The teacher's hidden states and relations: computed once and kept on disk, or anew from a teacher that runs along."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from foreshot.errors import ForeshotError
from foreshot.models.batches import EncodedRows, collate, fixed_batches, moved
from foreshot.models.outputs import forward
from foreshot.models.states import Look, looking
from foreshot.progress import Progress

STATES_FILE, PROJECTIONS_FILE = "states.npy", "projections.npy"
BATCH_SIZE = 32

States = tuple[torch.Tensor | None, torch.Tensor | None]
"""Hidden states (batch, layers, tokens, hidden) and queries, keys and values (batch, 3, tokens, hidden), in float32."""
TeacherStates = Callable[[np.ndarray], States]
"""The teacher's states on rows, by their numbers, padded to the longest of them."""


@dataclass(frozen=True, kw_only=True)
class CacheFacts:
    """What a cache holds: what is looked at (states of the first token alone?), on which rows, and how precisely."""

    look: Look
    first_token: bool
    lengths: np.ndarray  # (rows,), tokens
    hidden_size: int
    precision: str

    @property
    def state_lengths(self) -> np.ndarray:
        """How many tokens' states are kept of each row."""
        return np.ones_like(self.lengths) if self.first_token else self.lengths

    @property
    def shapes(self) -> dict[str, tuple[int, int, int]]:
        """The arrays by file: (tokens of all rows, layers or 3, hidden)."""
        found = {}
        if self.look.layers:
            found[STATES_FILE] = (int(self.state_lengths.sum()), len(self.look.layers), self.hidden_size)
        if self.look.projections_of is not None:
            found[PROJECTIONS_FILE] = (int(self.lengths.sum()), 3, self.hidden_size)
        return found

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(math.prod(shape) for shape in self.shapes.values()) * np.dtype(self.precision).itemsize


@torch.inference_mode()
def write_cache(
    teacher: PreTrainedModel, encoded: EncodedRows, facts: CacheFacts, folder: Path, progress: Progress
) -> None:
    """Compute the teacher's states on all rows, in evaluation mode, and write them into a folder as NumPy arrays."""
    arrays = {
        file: np.lib.format.open_memmap(folder / file, mode="w+", dtype=facts.precision, shape=shape)
        for file, shape in facts.shapes.items()
    }
    places = {STATES_FILE: _offsets(facts.state_lengths), PROJECTIONS_FILE: _offsets(facts.lengths)}
    teacher.eval()
    with looking(teacher, facts.look) as seen:
        for rows in fixed_batches(encoded.lengths, BATCH_SIZE):
            forward(teacher, moved(collate(encoded, rows), teacher.device))
            for file, tensor in ((STATES_FILE, seen.states), (PROJECTIONS_FILE, seen.projections)):
                if tensor is None:
                    continue
                if not (tensor.abs() <= np.finfo(facts.precision).max).all():
                    raise ForeshotError(
                        f"the teacher's states are too large for {facts.precision}; set distillation.cache_precision: "
                        "float32, or distillation.teacher_states: live"
                    )
                values, starts = tensor.cpu().numpy(), places[file]
                for index, row in enumerate(rows):
                    begin, end = starts[row], starts[row + 1]
                    arrays[file][begin:end] = values[index, :, : end - begin].swapaxes(0, 1)
            progress.advance(len(rows))
    for array in arrays.values():
        array.flush()


def read_cache(facts: CacheFacts, folder: Path) -> TeacherStates:
    """The states that `write_cache` wrote, memory-mapped."""
    arrays = {file: np.load(folder / file, mmap_mode="r", allow_pickle=False) for file in facts.shapes}
    places = {STATES_FILE: _offsets(facts.state_lengths), PROJECTIONS_FILE: _offsets(facts.lengths)}

    def read(rows: np.ndarray) -> States:
        found: list[torch.Tensor | None] = []
        for file in (STATES_FILE, PROJECTIONS_FILE):
            if file not in arrays:
                found.append(None)
                continue
            array, starts = arrays[file], places[file]
            longest = int((starts[rows + 1] - starts[rows]).max())
            batch = np.zeros((len(rows), array.shape[1], longest, array.shape[2]), dtype=np.float32)
            for index, row in enumerate(rows):
                begin, end = starts[row], starts[row + 1]
                batch[index, :, : end - begin] = array[begin:end].swapaxes(0, 1)
            found.append(torch.from_numpy(batch))
        return found[0], found[1]

    return read


def live_teacher(teacher: PreTrainedModel, encoded: EncodedRows, look: Look, *, first_token: bool) -> TeacherStates:
    """States from a teacher that is asked at every step, in evaluation mode; it is not trained."""
    teacher.eval()

    @torch.no_grad()
    def ask(rows: np.ndarray) -> States:
        with looking(teacher, look) as seen:
            forward(teacher, moved(collate(encoded, rows), teacher.device))
            states = seen.states
        return states[:, :, :1] if states is not None and first_token else states, seen.projections

    return ask


def _offsets(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each row begins among all rows' tokens, and the end: (rows + 1,)."""
    return np.concatenate([[0], np.cumsum(lengths)])
