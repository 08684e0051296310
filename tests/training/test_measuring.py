"""What a piece of work takes: its own memory, not that of the work before it."""

from collections.abc import Callable

import numpy as np

from foreshot.training.allocator import keep_freed_memory
from foreshot.training.measuring import Measured, Meter

BLOCK = 300  # MiB


def block_of_memory(mebibytes: int) -> np.ndarray:
    return np.ones(mebibytes * 2**20, dtype=np.uint8)


def taken_by(work: Callable[[], object]) -> Measured:
    meter = Meter()
    work()
    return meter.so_far()


def nothing() -> None:
    pass


def a_block() -> None:
    block_of_memory(BLOCK)


def test_peak_memory_counts_a_block_that_was_freed_within_the_work() -> None:
    idle, busy = taken_by(nothing), taken_by(a_block)
    assert idle.peak_memory is not None
    assert busy.peak_memory is not None
    assert busy.peak_memory - idle.peak_memory > BLOCK * 0.9


def test_peak_memory_forgets_the_work_before_even_when_freed_memory_is_kept() -> None:
    keep_freed_memory()
    before, after = taken_by(a_block), taken_by(nothing)
    assert before.peak_memory is not None
    assert after.peak_memory is not None
    assert before.peak_memory - after.peak_memory > BLOCK * 0.9


def test_processor_seconds_are_counted() -> None:
    took = taken_by(lambda: [np.linalg.svd(np.ones((120, 120))) for _ in range(20)])
    assert took.cpu_seconds > 0
    assert took.seconds > 0


def test_what_a_stopped_process_took_is_counted_in() -> None:
    meter = Meter()
    own = meter.so_far()
    meter.add(Measured(seconds=1000.0, cpu_seconds=2000.0, peak_memory=1e9))
    both = meter.so_far()
    assert 1000 + own.seconds <= both.seconds < 1001
    assert 2000 + own.cpu_seconds <= both.cpu_seconds < 2001
    assert both.peak_memory == 1e9  # the larger one
    meter.add(Measured(peak_memory=None))
    assert meter.so_far().peak_memory is not None
