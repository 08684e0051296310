"""The script of checks on a GPU says so where there is none, and leaves with success."""

import runpy
import sys
from pathlib import Path

import pytest


def test_without_a_gpu_nothing_is_checked(monkeypatch, capsys):
    script = Path(__file__).with_name("check.py")
    monkeypatch.setattr(sys, "argv", [str(script)])
    with pytest.raises(SystemExit) as left:
        runpy.run_path(str(script), run_name="__main__")
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("cuda: no GPU was found (PyTorch ")
    assert said.endswith("nothing was checked\n")
