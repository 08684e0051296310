"""Checkpoints: all that a training needs to go on after its process was killed, and to end with the same weights.

A checkpoint is one file of safetensors: the weights that are trained, AdamW's moments and steps, PyTorch's random
states and the losses so far; its metadata has the learning rate's schedule, what the training took until then, how it
is computed, the scale of its objective in fp16, and a digest of all that. The place in the batches is the number of
losses, since a seed gives the same batches again.
"""

import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from foreshot.files.atomic import NO_ROOM, replacing_folder, system_error
from foreshot.progress import Progress
from foreshot.training.device import put_random_states, random_states
from foreshot.training.loss_log import LossLog
from foreshot.training.measuring import Measured, Meter
from foreshot.training.updates import Updates

CHECKPOINT_FILE = "checkpoint.safetensors"
FORMAT = "foreshot-checkpoint-2"
MOST_OF_THE_TIME = 0.01
"""The share of the training's time that checkpoints may take; on a slow disk they come more seldom for it."""
WEIGHT, OPTIMIZER, LOSS, RANDOM = "weight.", "optimizer.", "loss.", "random."


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """Where a training's checkpoint goes, the fingerprint of the model, and the seconds between two, at least."""

    folder: Path
    made_from: str
    every: float

    @property
    def file(self) -> Path:
        """The checkpoint."""
        return self.folder / CHECKPOINT_FILE

    def remove(self) -> None:
        """Remove what the training needs no more."""
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Underway:
    """The parts of a training that change at every step; `weights` are those that are trained, by their names."""

    weights: dict[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    schedule: LRScheduler
    losses: LossLog
    meter: Meter
    updates: Updates


class Checkpoints:
    """Keeps a training's checkpoint up to date; without `settings` does nothing."""

    def __init__(
        self, settings: Checkpointing | None, training: Underway, progress: Progress, *, model_size: int
    ) -> None:
        self._settings, self._training, self._progress = settings, training, progress
        self._model_size = model_size
        self._due = perf_counter() + settings.every if settings else math.inf

    def take_up(self, steps: int) -> None:
        """Put the training where its last checkpoint was, at most at `steps`; one that can't be used is passed over."""
        if self._settings is None or not self._settings.file.exists():
            return
        try:
            found, tensors = _read(self._settings)
            _check(found, tensors, self._training, steps)
        except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
            reason = " ".join(str(error).split())[:100] or type(error).__name__
            self._progress.say(
                f"{self._settings.file}: can't be gone on from ({reason}); this training starts from its first step"
            )
            return
        _put_back(found, tensors, self._training)

    def step_done(self) -> None:
        """Write a checkpoint if one is due."""
        began = perf_counter()
        if self._settings is None or began < self._due:
            return
        try:
            _write(self._settings, self._training, room_to_leave=self._model_size)
        except (OSError, SafetensorError) as error:
            if system_error(error) not in NO_ROOM:
                raise
            self._progress.say(
                f"{self._settings.folder}: no room for a checkpoint; a training that is stopped will start anew"
            )
            self._due = math.inf
            return
        ended = perf_counter()
        every = self._settings.every
        self._due = ended + (max(every, (ended - began) / MOST_OF_THE_TIME) if every else 0.0)


def _tensors(training: Underway) -> dict[str, torch.Tensor]:
    """All on the CPU."""
    return {
        **{WEIGHT + name: weight.detach().cpu().contiguous() for name, weight in training.weights.items()},
        **{
            f"{OPTIMIZER}{number}.{name}": value.cpu().contiguous()
            for number, state in training.optimizer.state_dict()["state"].items()
            for name, value in state.items()
        },
        **{
            LOSS + name: torch.tensor(values, dtype=torch.float64) for name, values in training.losses.columns().items()
        },
        **{RANDOM + name: state for name, state in random_states(training.updates.device).items()},
    }


def _write(settings: Checkpointing, training: Underway, *, room_to_leave: int) -> None:
    """Write a checkpoint; OSError where the disk would have no room left for the model."""
    tensors = _tensors(training)
    facts = json.dumps(
        {
            "losses": list(training.losses.columns()),
            "schedule": training.schedule.state_dict(),
            "took": asdict(training.meter.so_far()),
            "computed": training.updates.computed,
            "scaler": training.updates.scaler.state_dict() if training.updates.scaler else None,
        }
    )
    metadata = {
        "format": FORMAT,
        "made_from": settings.made_from,
        "facts": facts,
        "digest": _digest(tensors, facts),
    }
    needed = room_to_leave + sum(tensor.nbytes for tensor in tensors.values())
    # A folder, since safetensors writes files under names of its own first.
    with replacing_folder(settings.folder) as workplace:
        if shutil.disk_usage(workplace).free < needed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        save_file(tensors, workplace / CHECKPOINT_FILE, metadata=metadata)


def _read(settings: Checkpointing) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """The facts and tensors of a checkpoint; raises ValueError or what safetensors raises where it is damaged."""
    with safe_open(settings.file, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError(f"is not of the format {FORMAT}")
        if metadata["made_from"] != settings.made_from:
            raise ValueError("is of another model")
        # Copies: the file's own memory is aligned otherwise, and may change.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    if _digest(tensors, metadata["facts"]) != metadata["digest"]:
        raise ValueError("is damaged")
    return json.loads(metadata["facts"]), tensors


def _check(found: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], training: Underway, steps: int) -> None:
    """Raise ValueError or LookupError unless a checkpoint fits the training: it is put back whole or not at all."""
    saved = {name.removeprefix(WEIGHT): tensor for name, tensor in tensors.items() if name.startswith(WEIGHT)}
    weights = list(training.weights.values())
    if _shapes(saved) != _shapes(training.weights):
        raise ValueError("has other weights")
    for name, tensor in tensors.items():
        if name.startswith(OPTIMIZER) and tensor.dim() and tensor.shape != weights[_number(name)].shape:
            raise ValueError("has the state of other weights")
    lengths = {len(tensors[LOSS + name]) for name in found["losses"]}
    if len(lengths) != 1 or not 0 < lengths.pop() <= steps:
        raise ValueError("has the losses of another training")
    if found["computed"] != training.updates.computed:
        raise ValueError("was computed on another device, in another precision or in other parts")
    states = random_states(training.updates.device)
    if (
        _shapes({name: tensors[RANDOM + name] for name in states}) != _shapes(states)
        or found["schedule"].keys() != training.schedule.state_dict().keys()
        or (training.updates.scaler and found["scaler"].keys() != training.updates.scaler.state_dict().keys())
    ):
        raise ValueError("was made by another version of PyTorch")
    Measured(**found["took"])


def _put_back(found: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], training: Underway) -> None:
    with torch.no_grad():
        for name, weight in training.weights.items():
            weight.copy_(tensors[WEIGHT + name])
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith(OPTIMIZER):
            state.setdefault(_number(name), {})[name.rpartition(".")[2]] = tensor
    optimizer, schedule = training.optimizer, training.schedule
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    schedule.load_state_dict(found["schedule"])
    for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
        group["lr"] = rate
    if training.updates.scaler:
        training.updates.scaler.load_state_dict(found["scaler"])
    training.losses.put_back({name: tensors[LOSS + name].tolist() for name in found["losses"]})
    training.meter.add(Measured(**found["took"]))
    put_random_states(
        {name: tensors[RANDOM + name] for name in random_states(training.updates.device)}, training.updates.device
    )


def _number(name: str) -> int:
    """The parameter's number in "optimizer.NUMBER.exp_avg"."""
    return int(name.removeprefix(OPTIMIZER).partition(".")[0])


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _digest(tensors: Mapping[str, torch.Tensor], facts: str) -> str:
    """SHA-256, in hex; safetensors doesn't notice a bit that is another."""
    digest = hashlib.sha256(facts.encode("utf-8"))
    for name in sorted(tensors):
        digest.update(name.encode("utf-8"))
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
