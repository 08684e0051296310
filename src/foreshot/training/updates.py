"""Updates: how a batch's objective changes the weights, in which precision, and in how many parts; by Accelerate."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from peft import PeftModel
from transformers import PreTrainedModel

from foreshot.settings.training import Training
from foreshot.training.device import Precision, find_precision
from foreshot.training.losses import WHOLE, Shares

MIXED_PRECISION = {"float32": "no", "bf16": "bf16", "fp16": "fp16"}
"""What Accelerate calls a precision."""
DEVICE_VARIABLE = "ACCELERATE_TORCH_DEVICE"
"""Where Accelerate is told of one GPU among several."""


class Updates:
    """Updates of the weights that an optimizer holds, all on `device`.

    Matrix products are in the precision that the settings ask for; weights, gradients and moments in float32. In fp16
    the objective is scaled so that small gradients aren't lost, and an update whose gradients overflow leaves the
    weights as they are. Raises DeviceError for a precision that the device can't do.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, settings: Training, device: torch.device) -> None:
        self.device, self._settings = device, settings
        self._weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        self._accelerator = _accelerator(device, find_precision(settings.precision, device))
        # For scaled gradients alone: at each step Accelerate's wrapper looks twice for a package that isn't there.
        self._optimizer = self._accelerator.prepare(optimizer) if self._accelerator.scaler else optimizer

    @property
    def computed(self) -> dict[str, Any]:
        """What must be the same for the same bits: the kind of device, the precision, and in how many parts."""
        settings, precision = self._settings, self._accelerator.mixed_precision
        return {"device": self.device.type, "precision": precision, "accumulate": settings.accumulate}

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales the objective in fp16; None otherwise."""
        scaler: torch.amp.GradScaler | None = self._accelerator.scaler
        return scaler

    def in_precision(self) -> AbstractContextManager[None]:
        """Compute a forward pass in the precision; what comes out may have it too."""
        context: AbstractContextManager[None] = self._accelerator.autocast()
        return context

    def add_gradients(self, objective: torch.Tensor) -> None:
        """Add the gradients of an objective to those that are there."""
        self._accelerator.backward(objective)

    def carry_out(self) -> None:
        """Change the weights by the gradients, and forget these."""
        self._accelerator.clip_grad_norm_(self._weights, self._settings.max_grad_norm)
        self._optimizer.step()
        self._optimizer.zero_grad()


def _accelerator(device: torch.device, precision: Precision) -> Accelerator:
    """A new Accelerator of this device and precision, whichever the training before had: its state is the process's."""
    AcceleratorState._reset_state(reset_partial_state=True)
    before = os.environ.get(DEVICE_VARIABLE)
    os.environ[DEVICE_VARIABLE] = str(device)
    try:
        return Accelerator(cpu=device.type == "cpu", mixed_precision=MIXED_PRECISION[precision])
    finally:
        if before is None:
            del os.environ[DEVICE_VARIABLE]
        else:
            os.environ[DEVICE_VARIABLE] = before


@contextmanager
def computed_again(model: PreTrainedModel | PeftModel, asked: bool) -> Iterator[None]:
    """Where `asked`, keep no layer's inner tensors for the backward pass, but compute them again there."""
    if not asked:
        yield
        return
    plain: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    newer = hasattr(plain, "activation_checkpointing_enable")  # the name in later releases of Transformers
    caches = getattr(plain.config, "use_cache", None)
    plain.config.use_cache = False  # or a warning is printed, though no encoder has such a cache
    (plain.activation_checkpointing_enable if newer else plain.gradient_checkpointing_enable)(
        **{f"{'activation' if newer else 'gradient'}_checkpointing_kwargs": {"use_reentrant": False}}
    )
    plain.disable_input_require_grads()  # a hook on the word vectors, needed by the other way of doing it alone
    try:
        yield
    finally:
        (plain.activation_checkpointing_disable if newer else plain.gradient_checkpointing_disable)()
        plain.config.use_cache = caches


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """Rows of a batch that are computed together, and which shares of the batch's means they make up."""

    rows: np.ndarray
    shares: Shares


def micro_batches(
    rows: np.ndarray,
    accumulate: int,
    *,
    weights: np.ndarray,
    lengths: np.ndarray,
    taught: np.ndarray | None = None,
    likened: int | None = None,
) -> list[MicroBatch]:
    """A batch in at most `accumulate` parts, so that the sum of their losses, each by its share, is the batch's loss.

    `weights` and `lengths` are all rows' weights in the classification loss, 0 for those without a label, and tokens;
    `taught`, (rows,) or (rows, labels), what the teacher's word on them weighs, None: all alike. Of the first `likened`
    rows (None: of all) the teacher's vectors are known.
    Each part takes every so many-th row: labelled rows come first in it too, and parts are of like lengths.
    """
    if accumulate == 1:
        return [MicroBatch(rows=rows, shares=WHOLE)]
    parts = [rows[first::accumulate] for first in range(min(accumulate, len(rows)))]
    return [
        MicroBatch(
            rows=part,
            shares=Shares(
                labelled=float(weights[part].sum() / weights[rows].sum()),
                rows=len(part) / len(rows),
                tokens=float(lengths[part].sum() / lengths[rows].sum()),
                **_shares_of_teaching(part, rows, taught, len(lengths) if likened is None else likened),
            ),
        )
        for part in parts
    ]


def _shares_of_teaching(
    part: np.ndarray, rows: np.ndarray, taught: np.ndarray | None, likened: int
) -> dict[str, float]:
    """The part's share of what the teacher's logits weigh, and of what its vectors do: a row's as its least label.

    It has vectors of the first `likened` rows.
    """
    if taught is None:
        known = float((part < likened).sum() / max((rows < likened).sum(), 1))
        return {"taught": len(part) / len(rows), "likened": known}
    least = taught if taught.ndim == 1 else taught.min(axis=1)
    with_vectors = part[part < likened], rows[rows < likened]
    return {"taught": _share(taught, part, rows), "likened": _share(least, *with_vectors)}


def _share(weights: np.ndarray, part: np.ndarray, rows: np.ndarray) -> float:
    return float(weights[part].sum() / max(weights[rows].sum(), np.finfo(np.float64).tiny))
