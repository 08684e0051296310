"""Any bytes at all: as tables, as streams to be scored, as bodies that a server is sent; and what the worst files take.

Hypothesis makes them up: few in the usual run, very many with `-m slow`.
"""

import codecs
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bad_files import BAD_FILES, CSV, JSONL, WHOLE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from served import served
from starlette.testclient import TestClient
from tiny_bundles import tiny_bundle

from cli_runs import process_environment
from foreshot.data.identity_groups import read_identity_terms
from foreshot.data.labels import Classes
from foreshot.data.rationales import read_rationales
from foreshot.data.reading.files import open_sheet
from foreshot.errors import DataError
from foreshot.perspective.stored_scores import look_through
from foreshot.runtime.classifier import Classifier, load
from foreshot.runtime.scoring import score_file
from foreshot.suites.cases import read_suite
from foreshot.suites.probes import read_probes
from waiting import PATIENCE

Check = Callable[..., None]
PIECES = [
    b'"',
    b"\n",
    b"\r",
    b"\r\n",
    b",",
    b"\t",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"[",
    b'{"text": ',
    b"text",
]
PIECES += [b"label", b"1", b"NaN", b"\\", b"\\ud800", b"\xed\xa0\x80", b"=1", "é\u202e😀".encode(), b" ", b":", b"null"]
BYTES = st.binary(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return load(tiny_bundle(tmp_path_factory.mktemp("fuzzed") / "bundle"), threads=1)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with served({"tiny": tiny_bundle(tmp_path_factory.mktemp("served") / "bundle")}) as client:
        yield client


def often(check: Check, examples: int) -> None:
    """Run a Hypothesis test with so many examples."""
    settings(max_examples=examples, suppress_health_check=list(HealthCheck))(check)()


def changed(good: bytes) -> st.SearchStrategy[bytes]:
    """A good file with some of its bytes replaced, or cut."""
    places = st.lists(
        st.tuples(st.integers(0, len(good) - 1), st.sampled_from([0, 1, 10, 34, 44, 127, 128, 255])), max_size=4
    )

    def change(found: list[tuple[int, int]], end: int) -> bytes:
        content = bytearray(good)
        for place, value in found:
            content[place] = value
        return bytes(content[:end])

    return st.builds(change, places, st.integers(0, len(good)))


def check_tables(folder: Path, examples: int) -> None:
    @given(st.sampled_from(["csv", "tsv", "jsonl", "parquet"]), BYTES | changed(CSV.encode()) | changed(JSONL.encode()))
    @example("parquet", WHOLE)
    @example("tsv", b'"a"b\t1\n')
    def any_bytes(kind: str, content: bytes) -> None:
        path = folder / f"any.{kind}"
        path.write_bytes(content)
        read_or_refused(path)

    @given(changed(WHOLE))
    def nearly_parquet(content: bytes) -> None:
        path = folder / "any.parquet"
        path.write_bytes(content)
        read_or_refused(path)

    often(any_bytes, examples)
    often(nearly_parquet, examples // 2)


def read_or_refused(path: Path) -> None:
    try:
        sheet = open_sheet(path)
    except DataError as error:
        assert str(error).startswith(str(path))  # noqa: PT017  # either outcome is right
        assert str(error).isprintable()  # noqa: PT017
    else:
        assert {len(cells) for cells in sheet.columns.values()} <= {len(sheet.rows)}


def check_streams(classifier: Classifier, folder: Path, examples: int) -> None:
    @given(st.sampled_from(["lines", "csv", "tsv", "jsonl"]), BYTES)
    @example("lines", codecs.BOM_UTF8)
    @example("jsonl", codecs.BOM_UTF8)
    @example("jsonl", b"\x1c\n{}")
    def any_bytes(kind: str, content: bytes) -> None:
        out = io.StringIO()
        try:
            summary = score_file(classifier, io.BytesIO(content), out, kind=kind, text_column="text")
        except DataError as error:
            assert str(error).isprintable()  # noqa: PT017  # either outcome is right
            return
        assert summary.bad_rows == 0
        if kind in {"lines", "jsonl"}:
            written = content.removeprefix(codecs.BOM_UTF8) if kind == "jsonl" else content
            given_rows = [line for line in written.split(b"\n") if kind == "lines" or line.strip(b" \t\r\n")]
            expected = len(given_rows) - (kind == "lines" and written[-1:] in {b"\n", b""})
            assert summary.rows == expected
            assert len([json.loads(line) for line in out.getvalue().splitlines()]) == expected

    @given(BYTES)
    def none_is_lost(content: bytes) -> None:
        """Of lines set aside or scored, there are as many as there were."""
        aside = folder / "aside.jsonl"
        summary = score_file(classifier, io.BytesIO(content), io.StringIO(), bad_rows=aside)
        assert summary.rows + summary.bad_rows == len(io.BytesIO(content).readlines())
        assert len(aside.read_bytes().splitlines()) == summary.bad_rows

    often(any_bytes, examples)
    often(none_is_lost, examples)


def check_readers(folder: Path, examples: int) -> None:
    """Whatever else reads tables: suites, probes, identity terms, rationales, stored scores."""
    classes = Classes(names=("benign", "toxic"), positive=1, mapping={"0": "benign", "1": "toxic"}, announcements=())
    readers: dict[str, Callable[[Path], object]] = {
        "suite": lambda path: read_suite(str(path), classes),
        "probes": lambda path: read_probes(str(path), classes),
        "terms": lambda path: read_identity_terms(str(path)),
        "rationales": lambda path: read_rationales(str(path), text=None, known=()),
        "scores": lambda path: look_through(path, text=None, score=None, skip_bad_rows=True),
    }
    good = {
        "suite": "text,label,functionality,pair\nx fool,toxic,slur,1\nx dear,benign,slur,1\n",
        "probes": "text,label,note\nfool,1,a\n",
        "terms": "group,term\nwomen,a woman\n",
        "rationales": '{"text": "you fool", "spans": [4, 5, 6]}\n{"tokens": ["a", "b"], "rationale": [0, 1]}\n',
        "scores": "text,score\na,0.3\nb,0.9\n",
    }

    @given(
        st.sampled_from(sorted(readers)).flatmap(lambda name: st.tuples(st.just(name), changed(good[name].encode()))),
        st.sampled_from(["csv", "tsv", "jsonl"]),
    )
    def nearly_good(asked: tuple[str, bytes], kind: str) -> None:
        name, content = asked
        path = folder / f"any.{kind}"
        path.write_bytes(content.replace(b",", b"\t") if kind == "tsv" else content)
        try:
            readers[name](path)
        except DataError as error:
            assert str(error).startswith(str(path))  # noqa: PT017  # either outcome is right
            assert "\n" not in str(error)  # noqa: PT017

    often(nearly_good, examples)


def check_bodies(client: TestClient, examples: int) -> None:
    good = json.dumps({"texts": ["you absolute walnut"], "explain": True}).encode()
    kinds = st.sampled_from(["application/json", "text/plain", "application/json; charset=utf-16", ""])

    @given(st.sampled_from(["/v1/classify", "/v1alpha1/comments:analyze"]), BYTES | changed(good), kinds)
    def any_bytes(path: str, content: bytes, kind: str) -> None:
        answer = client.post(path, content=content, headers={"content-type": kind} if kind else {})
        assert answer.status_code in {200, 400, 413, 415, 422, 429}, answer.text
        assert answer.text.isascii()
        answer.json()

    often(any_bytes, examples)


def test_any_bytes_are_a_table_or_are_refused(tmp_path: Path) -> None:
    check_tables(tmp_path, 150)


def test_nearly_good_bytes_are_a_suite_or_the_like_or_are_refused(tmp_path: Path) -> None:
    check_readers(tmp_path, 200)


def test_any_bytes_are_scored_or_are_refused(classifier: Classifier, tmp_path: Path) -> None:
    check_streams(classifier, tmp_path, 100)


def test_any_bytes_are_answered(client: TestClient) -> None:
    check_bodies(client, 60)


@pytest.mark.slow
def test_very_many_bytes(classifier: Classifier, client: TestClient, tmp_path: Path) -> None:
    check_tables(tmp_path, 10_000)
    check_readers(tmp_path, 10_000)
    check_streams(classifier, tmp_path, 5_000)
    check_bodies(client, 3_000)


# ---- memory ----

WORST = [
    "ten million rows of nothing.parquet",
    "eleven million in one row.parquet",
    "pages in zstd.parquet",
    "a megabyte that rows share.parquet",
    "a megabyte that lists share.parquet",
    "a hundred thousand lines.csv",
    "very many columns.csv",
    "very many arrays.jsonl",
    "deep arrays.jsonl",
    "a gigabyte of NULs.csv",
    "a field of a gigabyte.csv",
    "a row of a gigabyte.jsonl",
    "eight terabytes.parquet",
    "zeros without end.csv",
    "sixty million cells.parquet",
    "sixty million cells.jsonl",
]
MOST_MEGABYTES = 500
READ_ALL = """
import sys
from pathlib import Path
from foreshot.data.reading.files import open_sheet
from foreshot.data.identity_groups import read_identity_terms
from foreshot.data.labels import Classes
from foreshot.data.rationales import read_rationales
from foreshot.perspective.stored_scores import look_through
from foreshot.errors import DataError
from foreshot.suites.probes import read_probes
from foreshot.suites.cases import read_suite
refused = 0
for path in sys.argv[1:]:
    try:
        open_sheet(path)
    except DataError:
        refused += 1
# Not getrusage's: that counts what the process was before it became this program, a copy of a large one.
(peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(refused, int(peak) // 1024)
"""


def test_the_worst_files_take_little_memory(tmp_path: Path) -> None:
    """In a process of its own, so that what the tests themselves took doesn't count."""
    paths = [tmp_path / name for name in WORST]
    for path in paths:
        BAD_FILES[path.name].make(path)
    done: Any = subprocess.run(
        [sys.executable, "-c", READ_ALL, *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
        env=process_environment(),
        timeout=PATIENCE,
    )
    for path in paths:
        path.unlink()
    refused, megabytes = map(int, done.stdout.split())
    assert refused == len(WORST)
    assert megabytes < MOST_MEGABYTES
