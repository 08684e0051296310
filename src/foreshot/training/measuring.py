"""What a piece of work takes: seconds on the wall, seconds of the processor, and memory at its peak."""

import time
from dataclasses import dataclass
from pathlib import Path

from foreshot.training.allocator import release_freed_memory

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass
class Measured:
    """Seconds on the wall, seconds of the processor in all threads, and MiB of memory at the peak."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory: float | None = None


class Meter:
    """What a block of work takes; the peak is of the whole process, and None where the system doesn't tell it."""

    def __init__(self) -> None:
        release_freed_memory()
        self._resettable = _reset_peak()
        self._began, self._cpu_began = time.perf_counter(), time.process_time()
        self._earlier = Measured()

    def add(self, earlier: Measured) -> None:
        """Count in what a process took that was stopped in this block."""
        self._earlier = earlier

    def so_far(self) -> Measured:
        """What the block has taken until now."""
        peaks = [peak for peak in (self._earlier.peak_memory, _peak_memory() if self._resettable else None) if peak]
        return Measured(
            seconds=self._earlier.seconds + time.perf_counter() - self._began,
            cpu_seconds=self._earlier.cpu_seconds + time.process_time() - self._cpu_began,
            peak_memory=max(peaks, default=None),
        )


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
