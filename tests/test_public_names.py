"""`foreshot.compare` is a function and also a module's name; both must work, whichever is met first."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import foreshot

COMPARE = """
def compare(experiment):
    return f"compared {experiment}"

def train_teacher():
    return "taught"
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The real `__init__.py` beside a compare.py that costs nothing to import."""
    (tmp_path / "foreshot").mkdir()
    shutil.copy(foreshot.__file__, tmp_path / "foreshot")
    (tmp_path / "foreshot" / "compare.py").write_text(COMPARE)
    return tmp_path


@pytest.mark.parametrize(
    "before",
    [
        "",
        "foreshot.compare",
        "import foreshot.compare",
        "import foreshot.compare as module",
        "from foreshot.compare import train_teacher",
        "from foreshot import compare",
        "import importlib; importlib.import_module('foreshot.compare')",
    ],
)
def test_compare_is_the_function_after_any_import(package, before):
    code = f"""
import foreshot
{before}
assert foreshot.compare("this") == "compared this"
from foreshot.compare import compare, train_teacher
assert train_teacher() == "taught"
assert compare is foreshot.compare
assert foreshot.compare("this") == "compared this"
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=package, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_resolves():
    for name in foreshot.__all__:
        assert getattr(foreshot, name) is not None
    assert set(foreshot.__all__) <= set(dir(foreshot))


def test_public_names_are_those_of_their_modules():
    from foreshot.config import Experiment
    from foreshot.errors import ForeshotError
    from foreshot.runtime.classifier import load

    assert foreshot.load is load
    assert foreshot.Experiment is Experiment
    assert foreshot.ForeshotError is ForeshotError
    assert foreshot.__version__ == importlib.metadata.version("foreshot")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'contrast'"):
        foreshot.contrast  # noqa: B018
