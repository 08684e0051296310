"""Scoring files and streams: empty ones, bad rows, answers at once, and nothing half-written."""

import io
import json
import os
import queue
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scored_files import EXPECTED, NEW, TEXTS, answer_of, names, read_output, write_input
from tiny_bundles import probabilities_of, tiny_bundle, with_token

from foreshot.errors import ConfigError, DataError
from foreshot.runtime.classifier import Classifier, load
from foreshot.runtime.scoring import score_file
from heard import Heard
from waiting import PATIENCE


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Classifier:
    return load(tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))


# ---- nothing to score ----


@pytest.mark.parametrize("out", ["out.csv", "out.parquet", "out.jsonl"])
@pytest.mark.parametrize(
    ("name", "content", "columns"),
    [
        ("in.csv", "a,text\n", ["a", "text"]),
        ("in.csv", "", ["text"]),
        ("in.tsv", "\n \n", ["text"]),
        ("in.jsonl", "", ["text"]),
        ("in.jsonl", "\n\n", ["text"]),
        ("in.txt", "", ["text"]),
    ],
)
def test_nothing_gives_columns_and_no_rows(tmp_path, classifier, name, content, columns, out):
    (tmp_path / name).write_text(content)
    heard = Heard()
    summary = score_file(classifier, tmp_path / name, tmp_path / out, progress=heard)
    assert (summary.rows, summary.labels, read_output(tmp_path / out)) == (0, {}, [])
    assert heard.ended == 1
    if out == "out.csv":
        assert (tmp_path / out).read_text() == ",".join([*columns, *NEW]) + "\n"
    if out == "out.parquet":
        assert pq.read_schema(tmp_path / out).names == [*columns, *NEW]


def test_nothing_has_the_column_that_was_named(tmp_path, classifier):
    (tmp_path / "in.jsonl").write_text("")
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.csv", text_column="body")
    assert (tmp_path / "out.csv").read_text() == ",".join(["body", *NEW]) + "\n"


def test_parquet_without_rows_keeps_its_types(tmp_path, classifier):
    schema = pa.schema([("text", pa.string()), ("n", pa.int8())])
    pq.write_table(schema.empty_table(), tmp_path / "in.parquet")
    score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").field("n").type == pa.int8()


# ---- bad rows ----

JSON_ROWS = b'{"text": "hi"}\n%s\n{"text": "you walnut"}\n'
BAD = [
    ("in.csv", b"n,text\n1,hi\n2\n3,you walnut\n", ", line 3: has 1 fields", "2"),
    ("in.csv", b"n,text\n1,hi\n2,\xe9\n3,you walnut\n", ", line 3: is not UTF-8", "2,\\xe9"),
    ("in.jsonl", JSON_ROWS % b'{"text": null}', ", line 2, column 'text': no text", '{"text": null}'),
    ("in.jsonl", JSON_ROWS % b'{"n": 1}', ", line 2, column 'text': no text", '{"n": 1}'),
    ("in.jsonl", JSON_ROWS % b'{"text": 7}', ", line 2, column 'text': a value of type int instead", '{"text": 7}'),
    ("in.jsonl", JSON_ROWS % b'{"text', ", line 2: is not JSON", '{"text'),
    ("in.txt", b"hi\n\xff\nyou walnut\n", ", line 2: is not UTF-8", "\\xff"),
]


@pytest.mark.parametrize(("name", "content", "words", "raw"), BAD)
def test_a_bad_row_stops_or_is_set_aside(tmp_path, classifier, name, content, words, raw):
    (tmp_path / name).write_bytes(content)
    (tmp_path / "out.jsonl").write_text("earlier")
    with pytest.raises(DataError, match="set such rows aside with bad_rows FILE") as caught:
        score_file(classifier, tmp_path / name, tmp_path / "out.jsonl")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out.jsonl").read_text() == "earlier"
    assert names(tmp_path) == {name, "out.jsonl"}

    summary = score_file(classifier, tmp_path / name, tmp_path / "out.jsonl", bad_rows=tmp_path / "bad.jsonl")
    assert [found["label"] for found in read_output(tmp_path / "out.jsonl")] == ["benign", "toxic"]
    assert (summary.rows, summary.bad_rows) == (2, 1)
    assert summary.lines()[-1] == "1 bad rows were left out and set aside"
    (bad,) = read_output(tmp_path / "bad.jsonl")
    assert f", line {bad['row']}" in words
    assert words.rpartition(": ")[2] in bad["complaint"]
    assert bad["raw"] == raw


def test_a_parquet_row_is_set_aside_with_its_cells(tmp_path, classifier):
    write_input(tmp_path / "in.parquet", ["hi", None, "yo"])
    with pytest.raises(DataError, match=r"in\.parquet, row 2, column 'text': no text"):
        score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet")
    score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet", bad_rows=tmp_path / "bad")
    bad = json.loads((tmp_path / "bad").read_text())
    assert json.loads(bad["raw"]) == {"n": 1, "text": None}


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet"])
def test_a_row_that_the_model_fails_on_is_a_bad_row(tmp_path, name):
    """Its tokenizer knows a token that the graph has no row for; two of the rows have it."""
    classifier = load(with_token(tiny_bundle(tmp_path / "bundle"), "<who>"))
    texts = ["hi", "you <who>", *(["thank you"] * 9), "<who>", "you walnut"]
    write_input(tmp_path / name, texts)
    place = {"in.csv": "line 3", "in.jsonl": "line 2", "in.parquet": "row 2"}[name]
    with pytest.raises(DataError, match=rf"{name}, {place}, column 'text': .*model\.onnx: fails on a text") as caught:
        score_file(classifier, tmp_path / name, tmp_path / "out.jsonl")
    assert "\n" not in str(caught.value)
    summary = score_file(classifier, tmp_path / name, tmp_path / "out.jsonl", bad_rows=tmp_path / "bad.jsonl")
    assert (summary.rows, summary.bad_rows) == (11, 2)
    scored = read_output(tmp_path / "out.jsonl")
    assert [row["text"] for row in scored] == ["hi", *(["thank you"] * 9), "you walnut"]
    assert [row["score_toxic"] for row in scored] == pytest.approx(
        [probabilities_of(row["text"])[1] for row in scored], abs=1e-6
    )
    assert [bad["row"] - int(place.split()[1]) for bad in read_output(tmp_path / "bad.jsonl")] == [0, 10]


def test_nothing_but_bad_rows(tmp_path, classifier):
    (tmp_path / "in.jsonl").write_text("one\ntwo\n")
    summary = score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.csv", bad_rows=tmp_path / "bad.jsonl")
    assert (summary.rows, summary.bad_rows) == (0, 2)
    assert (tmp_path / "out.csv").read_text() == ",".join(["text", *NEW]) + "\n"


def test_no_bad_rows_give_an_empty_file(tmp_path, classifier):
    (tmp_path / "bad").write_text("of yesterday")
    score_file(classifier, write_input(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv", bad_rows=tmp_path / "bad")
    assert (tmp_path / "bad").read_text() == ""


# ---- files ----


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet"])
def test_a_file_can_replace_itself(tmp_path, classifier, name):
    write_input(tmp_path / name, TEXTS)
    score_file(classifier, tmp_path / name, tmp_path / name)
    assert [answer_of(row) for row in read_output(tmp_path / name)] == EXPECTED
    assert names(tmp_path) == {name}


def test_outputs_that_would_destroy_something_are_refused(tmp_path, classifier):
    source = write_input(tmp_path / "in.csv", TEXTS)
    (tmp_path / "folder.csv").mkdir()
    same = tmp_path / "folder.csv" / ".." / "out.csv"
    for out, bad_rows, words in (
        (tmp_path / "out.csv", same, "is the same file as out"),
        (tmp_path / "out.csv", source, "is the file that is read"),
        (tmp_path / "folder.csv", None, "is a folder or a device"),
        ("/dev/null", None, "is a folder or a device"),
        (None, tmp_path / "folder.csv", "is a folder or a device"),
    ):
        with pytest.raises(ConfigError, match=words):
            score_file(classifier, source, out, bad_rows=bad_rows)
    assert names(tmp_path) == {"in.csv", "folder.csv"}


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path, classifier, monkeypatch):
    def fail(descriptor):
        raise OSError(28, "No space left on device")

    source = write_input(tmp_path / "in.csv", TEXTS)
    monkeypatch.setattr(os, "fsync", fail)
    for out in ("out.csv", "out.parquet"):
        with pytest.raises(DataError, match=rf"{out}: can't be written \(No space left on device\)"):
            score_file(classifier, source, tmp_path / out)
    assert names(tmp_path) == {"in.csv"}


@pytest.mark.parametrize("out", ["out.csv", "out.jsonl", "out.parquet"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_whatever_stops_it_nothing_half_written_is_left(tmp_path, classifier, out, error):
    calls = []

    def stopped(texts):
        calls.append(texts)
        if len(calls) == 2:
            raise error
        return classifier(texts)

    stopped.manifest = classifier.manifest
    source = write_input(tmp_path / "in.csv", TEXTS)
    (tmp_path / out).write_text("earlier")
    heard = Heard()
    with pytest.raises(error):
        score_file(stopped, source, tmp_path / out, bad_rows=tmp_path / "bad", window=1, progress=heard)
    assert (tmp_path / out).read_text() == "earlier"
    assert names(tmp_path) == {"in.csv", out}
    assert heard.ended == 1
    assert "foreshot-reader" not in {thread.name for thread in threading.enumerate()}


# ---- progress ----


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.txt", "in.parquet"])
def test_progress_reaches_its_end(tmp_path, classifier, name):
    source = write_input(tmp_path / name, [*TEXTS, "ünï"])
    heard = Heard()
    score_file(classifier, source, tmp_path / "out.csv", progress=heard, window=2)
    units = 5 if name == "in.parquet" else source.stat().st_size
    assert heard.stages == [[f"scoring {source}", units, units]]
    assert (heard.open, heard.ended) == (0, 1)
    assert all(state.endswith("rows/s") for state in heard.states)


# ---- streams ----


class Pipe(io.RawIOBase):
    """A stream whose reader waits for what the test gives it."""

    def __init__(self):
        self.given: queue.Queue[bytes] = queue.Queue()

    def readable(self):
        return True

    def readinto(self, buffer):
        content = self.given.get(timeout=PATIENCE)
        buffer[: len(content)] = content
        return len(content)


class Shown(io.StringIO):
    """A text stream that hands on whatever is flushed."""

    def __init__(self):
        super().__init__()
        self.flushed: queue.Queue[str] = queue.Queue()

    def flush(self):
        self.flushed.put(self.getvalue())
        self.seek(0)
        self.truncate()


@pytest.mark.parametrize(
    ("kind", "head", "line", "row"),
    [
        ("lines", b"", b"you walnut\n", {"text": "you walnut"}),
        ("jsonl", b"", b'{"text": "you walnut", "n": 1}\n', {"text": "you walnut", "n": 1}),
        ("csv", b"n,text\n", b"1,you walnut\n", "1,you walnut,toxic,"),
        ("tsv", b"n\ttext\n", b"1\tyou walnut\n", "1\tyou walnut\ttoxic\t"),
    ],
)
def test_each_line_of_a_slow_stream_is_answered_at_once(classifier, kind, head, line, row):
    pipe, shown = Pipe(), Shown()
    done = []
    stream = io.BufferedReader(pipe)
    thread = threading.Thread(target=lambda: done.append(score_file(classifier, stream, shown, kind=kind)))
    thread.start()
    if head:
        pipe.given.put(head)
        assert shown.flushed.get(timeout=PATIENCE).startswith(head.decode().strip())
    for _ in range(3):
        pipe.given.put(line)
        answer = shown.flushed.get(timeout=PATIENCE)
        if isinstance(row, str):
            assert answer.startswith(row)
        else:
            found = json.loads(answer)
            assert {name: found[name] for name in row} == row
            assert answer_of(found) == EXPECTED[0]
    pipe.given.put(b"")
    thread.join()
    assert done[0].rows == 3


def test_a_stream_has_no_bar_and_parquet_is_shown_as_json(tmp_path, classifier):
    heard, shown = Heard(), io.StringIO()
    score_file(classifier, io.BytesIO(b"hi\n"), shown, progress=heard)
    assert (heard.stages, heard.ended) == ([], 0)
    source = write_input(tmp_path / "in.parquet", TEXTS)
    shown = io.StringIO()
    summary = score_file(classifier, source, shown, text_column="text")
    assert [json.loads(line)["text"] for line in shown.getvalue().splitlines()] == TEXTS
    assert "goes to a file only (--out); rows are written as JSON lines" in summary.notes[0]


def test_standard_input_and_output(classifier, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("ünï walnut\n".encode())))
    monkeypatch.setattr("sys.stdout", shown)
    score_file(classifier, "-")
    assert json.loads(shown.getvalue())["text"] == "ünï walnut"


def test_a_terminal_is_never_told_what_to_do(classifier):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    hostile = "\x1b[31mred \u202eback\x9b2J"
    for kind, content in (("lines", hostile), ("csv", f'text\n"{hostile}"\n'), ("tsv", f"text\tn\n{hostile}\t1\n")):
        screen = Screen()
        score_file(classifier, io.BytesIO(content.encode()), screen, kind=kind)
        assert "red" in screen.getvalue()
        assert not {"\x1b", "\u202e", "\x9b"} & set(screen.getvalue())
        assert ("\t" in screen.getvalue()) == (kind == "tsv")
        plain = io.StringIO()
        score_file(classifier, io.BytesIO(content.encode()), plain, kind=kind)
        assert "\u202e" in plain.getvalue()
