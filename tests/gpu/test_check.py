"""The script of checks on a GPU says so where there is none, and leaves with success."""

import os
import subprocess
import sys
from pathlib import Path


def test_without_a_gpu_nothing_is_checked():
    script = Path(__file__).with_name("check.py")
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cuda: no GPU was found (PyTorch ")
    assert done.stdout.endswith("nothing was checked\n")
