"""How much memory a piece of this process's work took at its peak, whatever the process took before."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Peak:
    """`megabytes` more than at the beginning, once the work is done."""

    megabytes: float = 0.0


@contextmanager
def peak_memory() -> Iterator[Peak]:
    """Measures the peak of resident memory; the kernel is told to forget the one so far (proc(5), clear_refs)."""
    peak = Peak()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    yield peak
    peak.megabytes = (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    """In KiB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (found,) = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found)
