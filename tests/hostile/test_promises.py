"""docs/reliability.md names tests that are there, and counts what they count."""

import re
from pathlib import Path

from attacks import ATTACKS
from bad_files import BAD_FILES, FLIPPED
from test_hostile_datasets import BAD
from test_hostile_fuzz import WORST
from test_hostile_models import REFUSED
from test_hostile_settings import BAD_SETTINGS

TESTS = Path(__file__).resolve().parents[1]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_each_test_that_the_page_names_is_there() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    functions = re.findall(r"`(test_\w+)(…?)`", PAGE)
    assert len(functions) > 30
    for name, more in functions:
        assert re.search(rf"^def {name}{'' if more else '[(]'}", sources, re.MULTILINE), name
    files = re.findall(r"`(tests/[\w/.]+)`", PAGE)
    assert len(files) > 10
    for name in files:
        assert (TESTS.parent / name).exists(), name


def test_the_page_counts_what_the_tests_count() -> None:
    read = sum(not bad.said for name, bad in BAD_FILES.items() if name not in FLIPPED)
    refused = len(BAD_FILES) - len(FLIPPED) - read
    for counted in (
        f"| {len(BAD_FILES)} files |",
        f"Of the {len(BAD_FILES)} files {read} are to be read as they are, and {refused} to be refused",
        f"The other {len(FLIPPED)}\n",
        f"| {len(BAD_SETTINGS)}, each three ways |",
        f"Of the {len(WORST)} worst files",
        f"({len(REFUSED)} folders)",
        f"({len(BAD)} ways)",
        f"{len(ATTACKS)} texts attack",
    ):
        assert counted in PAGE, counted
