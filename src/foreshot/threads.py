"""How many threads there may be, and how those of a matrix product wait for each other: asleep, since another process
may want the core."""

import os

WAITING = "OMP_WAIT_POLICY"
"""Read by every OpenMP runtime when it is loaded (OpenMP 5.2, section 21.3): PyTorch brings one."""


def wait_asleep() -> None:
    """Have OpenMP's threads sleep while they wait, unless the environment says how; to be called before PyTorch loads.

    By default they turn in circles for a while, and beside another process of as many threads each is waited for
    by one that turns in circles on its core.
    """
    os.environ.setdefault(WAITING, "passive")


def cores() -> int:
    """How many cores this process may use, where the system tells; else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
