"""Seeds: the same on every machine, and a stream of its own for each purpose."""

import hashlib

import numpy as np
import pytest
import torch

from foreshot.training.seeding import derived_seed, generator, seed_torch


@pytest.mark.parametrize(
    ("seed", "purpose", "value"),
    [  # printf '0:batches' | sha256sum | cut -c1-16, as a number without its lowest bit
        (0, "batches", 6183591060282165047),
        (0, "dropout", 1758914533207658875),
        (7, "head", 500296633615461102),
        (4294967295, "lora", 3300122965433331240),
    ],
)
def test_derived_seeds_stay_what_they_are(seed, purpose, value):
    assert derived_seed(seed, purpose) == value
    assert int(hashlib.sha256(f"{seed}:{purpose}".encode()).hexdigest()[:16], 16) // 2 == value


def test_derived_seeds_fit_a_signed_number_and_differ():
    seeds = [derived_seed(seed, purpose) for seed in range(50) for purpose in ("batches", "dropout", "head", "lora")]
    assert len(set(seeds)) == 200
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derived_seed(1, "1:x") != derived_seed(11, ":x")


def test_numpy_streams():
    def draws(seed: int, purpose: str) -> list[int]:
        return generator(seed, purpose).integers(0, 2**31, 5).tolist()

    assert draws(1, "batches") == draws(1, "batches")
    assert draws(1, "batches") != draws(2, "batches")
    assert draws(1, "batches") != draws(1, "head")
    assert draws(1, "batches") == np.random.default_rng(derived_seed(1, "batches")).integers(0, 2**31, 5).tolist()


def test_torch_streams():
    def draws(seed: int, purpose: str) -> list[float]:
        seed_torch(seed, purpose)
        return torch.rand(5).tolist()

    assert draws(1, "dropout") == draws(1, "dropout")
    assert draws(1, "dropout") != draws(2, "dropout")
    assert draws(1, "dropout") != draws(1, "head")
