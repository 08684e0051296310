"""What the benchmarks measure with: seconds, the spread over turns, the machine's peak, and what threads were told."""

import os
import statistics
import time
from collections.abc import Callable, Sequence

THREAD_SETTINGS = (
    "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "MKL_NUM_THREADS",
)  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest, to four figures."""
    return {
        name: float(f"{pick(values):.4g}") for name, pick in (("median", statistics.median), ("min", min), ("max", max))
    }


def matmul_peak(size: int = 2048, repeats: int = 12) -> float:
    """The best float32 matrix multiplication rate seen, in FLOP/s."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(timed(lambda: torch.mm(a, b)) for _ in range(repeats))


def thread_settings() -> dict[str, str]:
    """What the environment tells the libraries about threads, where it does."""
    return {name: os.environ[name] for name in THREAD_SETTINGS if name in os.environ}
