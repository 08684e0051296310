"""The audit of the pinned packages: what pip-audit says, and above all what it doesn't say."""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ASKED: dict[str, Any] = {"name": "numpy", "version": "2.0", "vulns": []}
FAULTY = {"name": "old", "version": "1.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": []}]}
SKIPPED = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.9)"}


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", Path(__file__).resolve().parents[1] / ".ci" / "audit.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dependencies", "code", "words"),
    [
        ([ASKED], 0, "knows of no vulnerability in these 1 packages"),
        ([ASKED, FAULTY], 1, "old 1.0: PYSEC-1, mended in 1.1"),
        ([ASKED, SKIPPED], 3, "couldn't ask about 1 of 2 packages: torch"),
        ([FAULTY, SKIPPED], 1, "couldn't ask about 1 of 2"),
        ([], 3, "couldn't ask about 0 of 0"),
    ],
)
def test_nothing_is_called_sound_that_was_not_asked_about(
    audit: ModuleType, dependencies: list[dict[str, Any]], code: int, words: str
) -> None:
    found, lines = audit.judged(dependencies)
    assert found == code
    assert words in "\n".join(lines)
