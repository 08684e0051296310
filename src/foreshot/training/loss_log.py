"""The losses of every step so far, as numbers; from a device they are fetched many at once."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from foreshot.training.losses import Losses

FETCH_EVERY = 20
"""Steps whose losses are fetched together: each fetch waits until the device has done all that it was told to."""


class LossLog:
    """Each step's losses by name; those of the parts of a batch are added up."""

    def __init__(self, device: torch.device) -> None:
        self._fetch_every = 1 if device.type == "cpu" else FETCH_EVERY
        self._columns: dict[str, list[float]] = {}
        self._steps = 0
        self._this_step: dict[str, torch.Tensor] = {}
        self._not_fetched: list[dict[str, torch.Tensor]] = []

    def __len__(self) -> int:
        """How many steps are done."""
        return self._steps

    def add(self, losses: Losses) -> None:
        """Add the losses of a batch, or of a part of it."""
        step = self._this_step
        self._this_step = {name: step[name] + loss if step else loss for name, loss in losses.named.items()}

    def end_step(self) -> None:
        """Count what was added as one step."""
        self._not_fetched.append(self._this_step)
        self._this_step = {}
        self._steps += 1
        if len(self._not_fetched) >= self._fetch_every:
            self._fetch()

    @property
    def shown(self) -> str:
        """The objective of the last step that was fetched, in words for people."""
        return f"loss {self._columns['objective'][-1]:.3f}" if self._columns else ""

    def columns(self) -> dict[str, list[float]]:
        """The losses of all steps by name."""
        self._fetch()
        return self._columns

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as arrays (steps,)."""
        return {name: np.array(values) for name, values in self.columns().items()}

    def put_back(self, columns: Mapping[str, Sequence[float]]) -> None:
        """Take these for the losses so far."""
        self._columns = {name: list(values) for name, values in columns.items()}
        self._not_fetched = []
        self._steps = len(self._columns["objective"])

    def _fetch(self) -> None:
        if not self._not_fetched:
            return
        names = list(self._not_fetched[0])
        values = torch.stack([step[name] for step in self._not_fetched for name in names]).cpu().tolist()
        for place, name in enumerate(names):
            self._columns.setdefault(name, []).extend(values[place :: len(names)])
        self._not_fetched = []
