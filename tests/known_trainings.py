"""Trainings whose outcome is known: most runs of the tests train the same teacher, and each training takes a second.

What a training does is tested in `training/`, and that a run's are the same again in `cli/test_cli.py`, without this.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from pydantic import BaseModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.comparison import making
from foreshot.files.arrays import ArrayFile
from foreshot.files.atomic import write_atomically
from foreshot.models.batches import EncodedRows
from foreshot.progress import Progress
from foreshot.training.checkpoints import Checkpointing
from foreshot.training.loop import History, train


class KnownTrainings:
    """Trainings kept in a folder: the same model, rows, settings and seed are trained once, in whichever worker."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.in_use = True

    @contextlib.contextmanager
    def replayed(self) -> Iterator[None]:
        """Within the block comparisons take what is known, while that is `in_use`."""
        with pytest.MonkeyPatch.context() as patched:
            if self.in_use:
                patched.setattr(making, "train", self._train)
            yield

    def _train(
        self,
        model: PreTrainedModel | PeftModel,
        *asked: Any,
        checkpointing: Checkpointing,
        progress: Progress,
        **options: Any,
    ) -> History:
        states = options["teaching"].states if options["teaching"] else None
        if checkpointing.every == 0 or checkpointing.file.exists() or states is not None:
            return train(model, *asked, checkpointing=checkpointing, progress=progress, **options)
        file = self._folder / f"{digest_of([model, asked, options])}.pt"
        if not file.exists():
            told = Told(progress)
            history = train(model, *asked, checkpointing=checkpointing, progress=told, **options)
            content = io.BytesIO()
            torch.save((model.state_dict(), history, told.steps, torch.get_rng_state()), content)
            write_atomically(file, content.getvalue())
            return history
        weights, history, steps, random_state = torch.load(file, weights_only=False)
        model.load_state_dict(weights)
        model.train()
        torch.set_rng_state(random_state)
        for step in steps:
            progress.advance(*step)
        return history


class Told:
    """Progress that remembers each step."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.steps: list[tuple[int, str]] = []

    def advance(self, units: int, state: str = "") -> None:
        self.steps.append((units, state))
        self._progress.advance(units, state)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._progress, name)


def digest_of(value: Any) -> str:
    """SHA-256 of all that a training begins with, in hex; raises TypeError for what isn't known to be told apart."""
    digest = hashlib.sha256()
    for part in _parts(value):
        digest.update(b"%d:" % len(part) + part)
    return digest.hexdigest()


def _parts(value: Any) -> Iterable[bytes]:
    yield type(value).__name__.encode()
    if value is None or isinstance(value, bool | int | float | str | np.number | torch.device):
        yield repr(value).encode()
    elif isinstance(value, torch.nn.Module):
        config = {name: one for name, one in value.config.to_dict().items() if name != "_name_or_path"}
        yield json.dumps(config, default=str).encode()
        yield repr(value).encode()
        yield repr([name for name, one in value.named_parameters() if one.requires_grad]).encode()
        yield from _parts(value.state_dict())
    elif isinstance(value, torch.Tensor):
        yield from _parts(value.numpy(force=True))
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, ArrayFile):
        yield from _parts(value[np.arange(len(value))])
    elif isinstance(value, EncodedRows):
        yield from _parts([np.asarray(value.ids[row]) for row in range(len(value))])
        yield from _parts(value.tokenizer)
    elif isinstance(value, PreTrainedTokenizerBase):
        yield repr((value.pad_token_id, value.padding_side, value.model_input_names)).encode()
    elif isinstance(value, BaseModel):
        yield value.model_dump_json().encode()
    elif dataclasses.is_dataclass(value):
        yield from _parts({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    elif isinstance(value, Mapping):
        yield from _parts(list(value.items()))
    elif isinstance(value, Sequence):
        yield str(len(value)).encode()
        for one in value:
            yield from _parts(one)
    else:
        raise TypeError(f"{type(value)}: isn't known to be told apart")
