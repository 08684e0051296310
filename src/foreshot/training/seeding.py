"""The one place that random choices come from: each purpose has a stream of its own, made from the seed."""

import hashlib

import numpy as np
import torch


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose ("batches", "dropout", "head"), the same on every machine."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A NumPy generator for one purpose."""
    return np.random.default_rng(derived_seed(seed, purpose))


def seed_torch(seed: int, purpose: str) -> None:
    """Set PyTorch's global generator, which dropout draws from."""
    torch.manual_seed(derived_seed(seed, purpose))
