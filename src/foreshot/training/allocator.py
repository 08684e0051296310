"""The C library's allocator, told not to hand large blocks back to the system between steps.

glibc maps each block of some MiB anew and unmaps it when it is freed, so a step that frees and takes the
gradient of a vocabulary of 30,000 words pays for thousands of page faults. On other C libraries nothing is done.
"""

import ctypes
import gc

# malloc.h of glibc; see mallopt(3)
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4
LARGEST = 2**31 - 1


def keep_freed_memory() -> None:
    """Have freed memory kept for the next step, however large the block."""
    if mallopt := _function("mallopt"):
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST)


def release_freed_memory() -> None:
    """Give back to the system what is free by now."""
    gc.collect()
    if malloc_trim := _function("malloc_trim"):
        malloc_trim(0)


def _function(name: str) -> "ctypes._FuncPointer | None":
    try:
        found: ctypes._FuncPointer | None = getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # no C library to be opened by no name, as on Windows
        return None
    return found
