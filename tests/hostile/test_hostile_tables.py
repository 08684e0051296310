"""Bad files as data, and as everything else that is read from a table: each is read or refused in one line."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_files import BAD_FILES, CSV, FLIPPED, NO_FILES
from tiny_bundles import tiny_bundle

from foreshot.data.unlabelled import read_unlabelled
from foreshot.errors import ForeshotError
from peak_memory import peak_memory

Foreshot = Callable[..., Any]
NOTHING = "no-such-encoder"
"""What a comparison ends at that could read all of its tables."""
SHORT = ("--encoder", NOTHING, "--suite", "none")
MOST_MEGABYTES = 500
"""That reading any of the files may take, at its peak."""
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Makes each file once."""
    folder = tmp_path_factory.mktemp("bad-files")
    known: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in known:
            known[name] = folder / name
            BAD_FILES[name].make(known[name])
        return known[name]

    yield make
    for path in folder.glob("*gigabyte*"):
        path.unlink()


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.csv"
    path.write_text(CSV)
    return path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


def line_of(result: Any, *, progress: bool = False) -> str:
    """The one line that a command ended with; no traceback, nothing that a terminal would obey, exit code 2.

    Lines of progress may come before it where a command has begun to work.
    """
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert not RAW.search(result.output)
    assert [line.startswith("foreshot: ") for line in lines] == [*([False] * (len(lines) - 1)), True]
    assert progress or len(lines) == 1, lines
    return str(lines[-1])


def named(path: Path, line: str) -> bool:
    """Whether a line names the file, as a line may."""
    return re.sub(r"[^\w.-]", "", path.name.split("\x1b")[0]) in re.sub(r"[^\w.-]", "", line)


def test_the_corpus_is_as_large_as_is_said() -> None:
    assert len(BAD_FILES) >= 200
    assert sum(not bad.said for bad in BAD_FILES.values()) < 70  # most of them can't be read


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_data_is_read_or_refused_in_one_line(foreshot: Foreshot, made: Any, tmp_path: Path, name: str) -> None:
    path = made(name)
    with peak_memory() as peak:
        line = line_of(foreshot("compare", "--data", path, "--name", "a", *SHORT, "--runs", tmp_path))
    assert peak.megabytes < MOST_MEGABYTES
    if name in FLIPPED:
        assert NOTHING in line or named(path, line)
    elif BAD_FILES[name].said:
        assert BAD_FILES[name].said in line
        assert named(path, line)
    else:
        assert NOTHING in line
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_may_not_be_read_is_told_so(foreshot: Foreshot, good: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read anything")
    (tmp_path / "mine.csv").write_text(CSV)
    (tmp_path / "mine.csv").chmod(0)
    assert "mine.csv: can't be read (Permission denied)" in line_of(
        foreshot("compare", "--data", tmp_path / "mine.csv", "--encoder", NOTHING)
    )


OTHERS = [
    name for number, name in enumerate(BAD_FILES) if (number % 9 == 0 and "million" not in name) or name in NO_FILES
]
"""For the other readers a part is enough, without those that take seconds to refuse: they read by the same code, and
differ in what they do with rows.
"""
READERS: dict[str, Callable[[Path, Path, Path], list[object]]] = {
    "suite": lambda bundle, good, bad: ["check", bundle, "--suite", bad],
    "probes": lambda bundle, good, bad: [
        *("compare", "--data", good, *SHORT, "--probes", bad),
    ],
    "terms": lambda bundle, good, bad: [
        *("compare", "--data", good, *SHORT, "--identity-terms", bad),
    ],
    "rationales": lambda bundle, good, bad: [
        *("compare", "--data", good, *SHORT, "--rationales", bad),
    ],
    "test rows": lambda bundle, good, bad: [
        *("compare", "--data", good, *SHORT, "--test", bad),
    ],
    "validation rows": lambda bundle, good, bad: [
        *("compare", "--data", good, *SHORT, "--validation", bad),
    ],
    "texts to explain": lambda bundle, good, bad: ["explain", bundle, bad, "--text", "text"],
    "stored scores": lambda bundle, good, bad: [
        "migrate",
        bad,
        "--model",
        bundle,
        "--text",
        "text",
        "--score",
        "label",
    ],
}


@pytest.mark.parametrize("reader", READERS)
def test_whatever_reads_a_bad_file_works_or_says_so_in_one_line(
    foreshot: Foreshot, made: Any, good: Path, bundle: Path, reader: str
) -> None:
    for name in OTHERS:
        path = made(name)
        result = foreshot(*READERS[reader](bundle, good, path))
        if result.exit_code:
            line = line_of(result, progress=reader == "texts to explain")
            assert NOTHING in line or named(path, line) or "good.csv" in line, (name, line)
        assert not RAW.search(result.output), name
        said = NO_FILES[name].said if name in NO_FILES else ""
        if said and not (reader == "texts to explain" and said in {"is empty", "holds no rows"}):  # none is explained
            assert result.exit_code == 2, name
            assert named(path, line), (name, line)


def test_bad_texts_without_labels_are_read_or_refused(made: Any) -> None:
    """As the library raises it, since a comparison reads them after its encoder."""
    refused = 0
    for name in OTHERS:
        try:
            read_unlabelled(str(made(name)), text="text", known=())
        except ForeshotError as error:
            refused += 1
            assert "\n" not in str(error).replace(str(made(name)), "")  # noqa: PT017  # either outcome is right
    assert refused > 20


def test_what_can_not_be_predicted_leaves_no_file(foreshot: Foreshot, made: Any, bundle: Path, tmp_path: Path) -> None:
    for name in OTHERS:
        out = tmp_path / "out.csv"
        result = foreshot("predict", bundle, made(name), "--out", out, "--text", "text")
        assert result.exit_code in {0, 2}, (name, result.exception)
        assert out.exists() == (result.exit_code == 0), name
        if result.exit_code:
            line_of(result, progress=True)
        out.unlink(missing_ok=True)
        assert list(tmp_path.iterdir()) == [], name
