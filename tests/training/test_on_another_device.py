"""Whatever is trained or asked on a device that is not the CPU is there with all that it needs, and gives the same."""

import subprocess
import sys
from pathlib import Path


def without(*plugins: str) -> list[str]:
    return [word for plugin in plugins for word in ("-p", f"no:{plugin}")]


def test_a_device_that_is_not_the_cpu():
    """Where there is no other one, one is simulated, which a process can't get rid of again; see its own file."""
    inner = Path(__file__).with_name("on_simulated_device.py")
    command = [sys.executable, "-m", "pytest", "-q", *without("cacheprovider", "xdist", "schemathesis"), str(inner)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
