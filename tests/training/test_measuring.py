"""What a piece of work takes: its own memory, not that of the work before it."""

import numpy as np

from foreshot.training.allocator import keep_freed_memory
from foreshot.training.measuring import measured

BLOCK = 300  # MiB


def block_of_memory(mebibytes: int) -> np.ndarray:
    return np.ones(mebibytes * 2**20, dtype=np.uint8)


def test_peak_memory_counts_a_block_that_was_freed_within_the_work() -> None:
    with measured() as idle:
        pass
    with measured() as busy:
        block_of_memory(BLOCK)
    assert idle.peak_memory is not None
    assert busy.peak_memory is not None
    assert busy.peak_memory - idle.peak_memory > BLOCK * 0.9


def test_peak_memory_forgets_the_work_before_even_when_freed_memory_is_kept() -> None:
    keep_freed_memory()
    with measured() as before:
        block_of_memory(BLOCK)
    with measured() as after:
        pass
    assert before.peak_memory is not None
    assert after.peak_memory is not None
    assert before.peak_memory - after.peak_memory > BLOCK * 0.9


def test_processor_seconds_are_counted() -> None:
    with measured() as took:
        for _ in range(20):
            np.linalg.svd(np.ones((120, 120)))
    assert took.cpu_seconds > 0
    assert took.seconds > 0
