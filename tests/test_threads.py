"""How threads wait, as the OpenMP runtime that PyTorch brings says itself."""

import os
import subprocess
import sys

import pytest

SHOWN = """
from foreshot.cli import main
import sys
sys.argv = ["foreshot", "--help"]
try:
    main()
except SystemExit:
    import torch
"""


@pytest.mark.parametrize(("given", "shown"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_environment_says_how(given, shown):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {"OMP_DISPLAY_ENV": "true", **given}
    ran = subprocess.run([sys.executable, "-c", SHOWN], capture_output=True, text=True, env=environment, check=True)
    assert f"OMP_WAIT_POLICY = '{shown}'" in ran.stderr
