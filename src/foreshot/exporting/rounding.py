"""Rounding: a layer's weights to 8-bit whole numbers that change what it gives least, and that no CPU clips.

For inputs x (inputs,) with covariance H an output's rounded weights q are off by (w - q)ᵀ·H·(w - q) in the mean square,
what the inputs' means give being added apart. GPTQ (Frantar et al. 2022, arXiv:2210.17323, algorithm 1) rounds one
input after another and has those still to come make up for what each rounding changed.

CPUs without VNNI multiply unsigned bytes, the activations, with signed ones, the weights, by an instruction
(`vpmaddubsw`) that adds the products of two neighbouring inputs, 2k and 2k + 1, in 16 bits and clips what doesn't fit.
255 · 128 fits, so of such a pair the positive weights add up to 128 at most, the negative ones to -128 at least.
"""

import math

import torch

WEIGHT_TOP = 127
PAIR_TOP = 128
"""2**15 - 1 = 32,767 holds 255 · 128, and not 255 · 129."""
SMALLEST = 1e-6  # of a channel's largest weight, against a division by zero
DAMPING = 0.01
"""Added to H's diagonal, a share of the diagonal's mean: inputs that were hardly seen are rounded to nearest."""
BLOCK = 128
"""Inputs whose rounding is made up for within the block first, and in all others at once."""


def scales_of(weight: torch.Tensor) -> torch.Tensor:
    """The steps (outputs,) of weights (outputs, inputs): the finest with which no weight and no pair is too large."""
    up, down = weight.clamp(min=0), -weight.clamp(max=0)
    pairs = torch.stack([_pair_sums(up), _pair_sums(down)]).amax(dim=(0, 2))
    return torch.maximum(weight.abs().amax(dim=1) / WEIGHT_TOP, pairs / PAIR_TOP).clamp(min=SMALLEST / WEIGHT_TOP)


class Inputs:
    """What a layer is given: the mean (inputs,) and the covariance (inputs, inputs) of the rows (rows, inputs) added.

    Rows are counted from the mean of the first ones: squares of a channel that is far from 0 would use up float32.
    """

    def __init__(self) -> None:
        self._count = 0
        self._origin = self._sum = self._products = torch.empty(0)

    def add(self, rows: torch.Tensor) -> None:
        """Some rows more."""
        if not self._count:
            self._origin = rows.mean(dim=0)
            self._sum, self._products = torch.zeros_like(self._origin), torch.zeros(rows.shape[1], rows.shape[1])
        rows = rows - self._origin
        self._count += len(rows)
        self._sum = self._sum + rows.sum(dim=0)
        self._products = self._products + rows.T @ rows

    @property
    def mean(self) -> torch.Tensor:
        return self._origin + self._sum / self._count

    @property
    def covariance(self) -> torch.Tensor:
        mean = self._sum / self._count
        return self._products / self._count - torch.outer(mean, mean)


def rounded(weight: torch.Tensor, scale: torch.Tensor, covariance: torch.Tensor | None = None) -> torch.Tensor:
    """Whole numbers (outputs, inputs), int8, whose products with `scale` (outputs,) stand for the weights.

    Without the `covariance` (inputs, inputs) of the layer's inputs each weight is rounded to nearest, as it is where
    inputs have nothing to do with each other.
    """
    left = weight.to(torch.float64) / scale[:, None]
    if covariance is None or not 0 < float(covariance.trace()) < math.inf:
        whole = left.round()
        for at in range(1, whole.shape[1], 2):  # rounding may take both of a pair up
            low, high = _room(whole[:, at - 1])
            whole[:, at] = whole[:, at].clamp(low, high)
        return whole.to(torch.int8)
    whole = torch.zeros_like(left)
    shares = _shares(covariance.to(torch.float64))
    inputs = left.shape[1]
    for start in range(0, inputs, BLOCK):
        end = min(start + BLOCK, inputs)
        off = torch.zeros_like(left[:, start:end])
        for at in range(start, end):
            low, high = _room(whole[:, at - 1] if at % 2 else None)
            whole[:, at] = left[:, at].round().clamp(low, high)
            off[:, at - start] = (left[:, at] - whole[:, at]) / shares[at, at]
            left[:, at + 1 : end] -= torch.outer(off[:, at - start], shares[at, at + 1 : end])
        left[:, end:] -= off @ shares[start:end, end:]
    return whole.to(torch.int8)


def _pair_sums(weight: torch.Tensor) -> torch.Tensor:
    """Of neighbouring inputs, (outputs, inputs) → (outputs, pairs); the last of an odd number stands alone."""
    padded = torch.nn.functional.pad(weight, (0, weight.shape[1] % 2))
    return padded.unflatten(1, (-1, 2)).sum(dim=2)


def _room(neighbour: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """How low and how high a weight may be, beside its pair's first one (outputs,), which is a whole number."""
    if neighbour is None:
        return torch.tensor(-WEIGHT_TOP), torch.tensor(WEIGHT_TOP)
    low = (-PAIR_TOP - neighbour.clamp(max=0)).clamp(min=-WEIGHT_TOP)
    return low, (PAIR_TOP - neighbour.clamp(min=0)).clamp(max=WEIGHT_TOP)


def _shares(covariance: torch.Tensor) -> torch.Tensor:
    """The upper Cholesky factor of H⁻¹: its row i over its diagonal says how those after i make up for input i."""
    damped = covariance + torch.eye(len(covariance), dtype=covariance.dtype) * DAMPING * covariance.diagonal().mean()
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    return torch.linalg.cholesky(inverse, upper=True)
