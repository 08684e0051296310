"""How the tests wait: for what must come, until it comes; for a time to pass only where that is what they test."""

import time
from collections.abc import Callable

PATIENCE = 300
"""Seconds after which what is waited for won't come any more, on however slow and busy a machine.

What has no limit of its own has that of the whole suite, which `make test` sets.
"""


def wait_until(condition: Callable[[], bool], complaint: str) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, complaint
        time.sleep(0.01)
