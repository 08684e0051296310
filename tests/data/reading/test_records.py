"""Records: every format one by one, bad rows that reading goes on after, and files that can't be read at all."""

import csv
import io
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.data.reading import delimited, lines
from foreshot.data.reading.lines import BadRecord, Record
from foreshot.data.reading.records import open_records
from foreshot.errors import DataError

BOM = b"\xef\xbb\xbf"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def read(content: bytes, kind: str, **settings) -> list[Record | BadRecord]:
    with open_records(io.BytesIO(content), kind=kind, **settings) as records:
        return list(records)


def cells(content: bytes, kind: str) -> list[tuple[int, dict]]:
    return [(record.row, dict(record.cells)) for record in read(content, kind)]


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("lines", b"a\n\n b\r\nc", [(1, "a"), (2, ""), (3, " b"), (4, "c")]),
        ("lines", BOM + "ü\u2028\x85x\rz\0\n".encode(), [(1, "ü\u2028\x85x\rz\0")]),
        ("lines", b'"quoted, text\n', [(1, '"quoted, text')]),
        ("csv", b"text\na\n", [(2, "a")]),
        ("csv", BOM + b'text\r\n"a\r\nb, ""c"""\r\nd\0e\r\n', [(2, 'a\r\nb, "c"'), (4, "d\0e")]),
        ("csv", b"text\ra\rb\r", [(2, "a"), (3, "b")]),
        ("csv", b'\n \ntext\n\n""\n', [(5, "")]),
        ("tsv", b"text\na, b\n", [(2, "a, b")]),
        ("jsonl", b'{"text": "a"}\n \n{"text": "b\\n\\u0000"}', [(1, "a"), (3, "b\n\0")]),
        ("jsonl", BOM + b'{"text": "a \\ud83d b \\ud83d\\ude00"}\r\n', [(1, "a \ufffd b 😀")]),
    ],
)
def test_texts_of_a_stream(kind, content, expected):
    assert [(row, found["text"]) for row, found in cells(content, kind)] == expected


def test_columns_and_titles():
    with open_records(io.BytesIO(b" a ,,b\n1,2,3\n"), kind="csv") as records:
        assert (records.columns, records.titles) == (["a", "column 2", "b"], [" a ", "", "b"])
        assert [dict(record.cells) for record in records] == [{"a": "1", "column 2": "2", "b": "3"}]
    with open_records(io.BytesIO(b"hi"), kind="lines") as records:
        assert records.columns == ["text"]
    for kind in ("csv", "tsv", "jsonl", "lines"):
        with open_records(io.BytesIO(b""), kind=kind) as records:
            assert (records.columns, list(records)) == (None, [])


def test_an_open_stream_stays_open():
    stream = io.BytesIO(b"a\nb\n")
    with open_records(stream) as records:
        next(iter(records))
    assert not stream.closed


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.ndjson", "a.txt"])
def test_sizes_add_up_to_the_file(tmp_path, name):
    content = {"a.jsonl": '{"text": "ü"}\n{"text": "\\u00e9"}\n', "a.ndjson": '{"text": 1}\n'}
    path = tmp_path / name
    path.write_text(content.get(name, 'text\nü\n"x"\n'), encoding="utf-8")
    with open_records(path) as records:
        sizes = sum(record.size for record in records)
    header = len("text\n") if name in {"a.csv", "a.tsv"} else 0
    assert records.units == sizes + header == path.stat().st_size


# ---- bad rows ----


@pytest.mark.parametrize(
    ("kind", "content", "row", "words", "raw"),
    [
        ("lines", b"a\ncaf\xe9 \xc3\xa9\nb\n", 2, "is not UTF-8 (byte 0xe9 at offset 5)", "caf\\xe9 é"),
        ("csv", b"text\na\ncaf\xe9\nb\n", 3, "is not UTF-8 (byte 0xe9 at offset 10)", "caf\\xe9"),
        ("csv", BOM + b'text\na\n"x\n\xe9"\nb\n', 4, "is not UTF-8 (byte 0xe9 at offset 13)", '"x\n\\xe9"'),
        ("csv", b"text\na\nx,y\r\nb\n", 3, "has 2 fields where the header has 1", "x,y"),
        ("csv", b'text\na\n"x" y\nb\n', 3, "the quotes don't match", '"x" y'),
        ("csv", b'text\na\n"never closed\nb\n', 3, "the quotes don't match", '"never closed'),
        ("jsonl", b'{"text": "a"}\n{"text": \n{"text": "b"}\n', 2, "is not JSON", '{"text": '),
        ("jsonl", b'{"text": "a"}\n[1]\n{"text": "b"}\n', 2, "is not a JSON object", "[1]"),
        ("jsonl", b'{"text": "a"}\n{"x": {"y": 1, "y": 2}}\n{"text": "b"}', 2, "'y' is named twice", None),
        ("jsonl", b'{"text": "a"}\n{"x": ' + b"[" * 100_000 + b'\n{"text": "b"}', 2, "too large", None),
        ("jsonl", b'{"text": "a"}\n{"x": "\0"}\n{"text": "b"}', 2, "is not JSON", None),
    ],
)
def test_reading_goes_on_after_a_bad_row(kind, content, row, words, raw):
    first, bad, last = read(content, kind)
    assert (first.cells["text"], last.cells["text"]) == ("a", "b")
    assert isinstance(bad, BadRecord)
    assert bad.row == row
    assert words in bad.complaint
    assert raw is None or bad.raw == raw


def test_a_quote_that_is_never_closed_costs_one_row_and_not_the_rest():
    rows = read(b"n,text\n1,a\n2,b\n" + b'3,"open\n' + b"4,c\n" * 50 + b'5,"q,""r"\n', "csv")
    assert [type(row) for row in rows].count(BadRecord) == 1
    assert [row.cells["n"] for row in rows if isinstance(row, Record)] == ["1", "2", *["4"] * 50, "5"]


@pytest.mark.parametrize(("kind", "content"), [("csv", b"text\na\0\n"), ("lines", b"a\0"), ("tsv", b"text\n\0")])
def test_nul_is_kept_or_refused(kind, content):
    assert "\0" in read(content, kind)[0].cells["text"]
    assert "NUL" in read(content, kind, refuse_nul=True)[0].complaint


def test_a_record_without_end_is_refused_before_it_fills_the_memory(monkeypatch):
    for module in (lines, delimited):
        monkeypatch.setattr(module, "LONGEST_RECORD", 100)
    with pytest.raises(DataError, match="line 3: a row of more than 100 letters starts here"):
        read(b'text\nhi\n"never closed\n' + b"more\n" * 100, "csv")
    for kind in ("lines", "jsonl"):
        with pytest.raises(DataError, match="line 2: is longer than 100 letters"):
            read(b"{}\n" + b"x" * 200, kind)
    assert len(read(b'text\n"' + b"x" * 90 + b'"\n', "csv")) == 1


@pytest.mark.parametrize(
    ("kind", "content", "words"),
    [
        ("lines", "hi\n".encode("utf-16"), "is UTF-16"),
        ("csv", b"a,b,a\n", "line 1: column 'a' is named twice"),
        ("csv", b"caf\xe9\n", "line 1: is not UTF-8"),
        ("parquet", b"", "a stream of parquet can't be read"),
    ],
)
def test_a_stream_that_cant_be_read(kind, content, words):
    with pytest.raises(DataError, match=words):
        read(content, kind)


def test_files_that_cant_be_read(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for name, words in (
        ("none.csv", "no such file"),
        ("none.parquet", "no such file"),
        ("folder.csv", "can't be read"),
        ("a.docx", r"unknown kind of file; the name must end in one of \.csv"),
        ("a.parquet", "is not a Parquet file"),
    ):
        with pytest.raises(DataError, match=words):
            open_records(tmp_path / name)


# ---- Parquet ----


def test_parquet_by_row(tmp_path):
    nanoseconds = pa.array([1, None], pa.timestamp("ns"))
    pq.write_table(pa.table({"text": ["a", None], "when": nanoseconds}), tmp_path / "a.parquet", row_group_size=1)
    with open_records(tmp_path / "a.parquet") as records:
        assert (records.columns, records.units) == (["text", "when"], 2)
        first, second = records
    assert (first.row, first.size, first.cells["text"]) == (1, 1, "a")
    assert "00:00:00.000000001" in str(first.cells["when"])
    assert dict(second.cells) == {"text": None, "when": None}
    assert records.place(2).endswith("a.parquet, row 2")


def test_parquet_strings_that_are_no_utf_8_are_told(tmp_path):
    spoilt = pa.array([b"\xff"]).view(pa.string())
    pq.write_table(pa.table({"text": spoilt}), tmp_path / "a.parquet")
    with open_records(tmp_path / "a.parquet") as records:
        (record,) = records
        with pytest.raises(DataError, match=r"column 'text' can't be read .*utf-8"):
            record.cells["text"]


def test_times_finer_than_pythons_are_read_without_pandas(tmp_path):
    times = pa.array([1, None], pa.timestamp("ns"))
    pq.write_table(
        pa.table({"when": times, "nested": pa.array([[1], []], pa.list_(times.type))}), tmp_path / "a.parquet"
    )
    code = (
        "import sys\n"
        "class WithoutPandas:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'pandas': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, WithoutPandas())\n"
        "from foreshot.data.reading.records import open_records\n"
        "first, second = open_records(sys.argv[1])\n"
        "print(first.cells['when'], second.cells['when'])\n"
        "first.cells['nested']"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.parquet")], capture_output=True, text=True)
    assert done.stdout == "1970-01-01 00:00:00.000000001 None\n", done.stderr
    assert "DataError" in done.stderr.splitlines()[-1]
    assert "column 'nested' can't be read" in done.stderr.splitlines()[-1]


def test_text_is_read_without_pyarrow(tmp_path):
    (tmp_path / "a.csv").write_text("text\nhi\n")
    code = (
        "import sys; from foreshot.data.reading.records import open_records; import foreshot.data.table\n"
        "print(len(list(open_records(sys.argv[1]))), 'pyarrow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.csv")], capture_output=True, text=True)
    assert done.stdout == "1 False\n", done.stderr


# ---- as others read it ----


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1), st.sampled_from([",", "\t"]), st.booleans())
def test_csv_is_read_as_the_csv_module_writes_it(rows, delimiter, quoted):
    written = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    writer = csv.writer(written, delimiter=delimiter, quoting=quoting)
    writer.writerows([("a", "b"), *rows])
    found = cells(written.getvalue().encode(), "csv" if delimiter == "," else "tsv")
    assert [tuple(cell.values()) for _, cell in found] == rows


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(TEXTS, JSON, max_size=3)), st.booleans())
def test_json_lines_are_read_as_the_json_module_writes_them(rows, escaped):
    written = "".join(json.dumps(row, ensure_ascii=escaped) + "\n" for row in rows)
    assert [found for _, found in cells(written.encode(), "jsonl")] == rows


@given(st.binary(max_size=200), st.sampled_from(["lines", "csv", "tsv", "jsonl"]))
def test_any_bytes_give_records_or_one_error(content, kind):
    complaint, found = "", []
    try:
        found = read(content, kind)
    except DataError as error:
        complaint = str(error)
    assert "\n" not in complaint
    for record in found:
        record.raw.encode("utf-8")
        assert record.size > 0
