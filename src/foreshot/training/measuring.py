"""What a piece of work takes: seconds on the wall, seconds of the processor, and memory at its peak."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from foreshot.training.allocator import release_freed_memory

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass
class Measured:
    """Filled in when the block ends: seconds, processor seconds of all threads, and MiB of memory at the peak."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: float | None = None


@contextlib.contextmanager
def measured() -> Iterator[Measured]:
    """Measure a block of work; the peak is of the whole process, and None where the system doesn't tell it."""
    result = Measured()
    release_freed_memory()
    resettable = _reset_peak()
    began, cpu_began = time.perf_counter(), time.process_time()
    yield result
    result.seconds = time.perf_counter() - began
    result.cpu_seconds = time.process_time() - cpu_began
    result.peak_memory = _peak_memory() if resettable else None


def _reset_peak() -> bool:
    try:
        CLEAR_REFS.write_text("5", encoding="ascii")  # Linux: proc(5), "reset the peak resident set size"
    except OSError:
        return False
    return True


def _peak_memory() -> float | None:
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None
