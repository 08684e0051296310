"""Text rows: every row's text in its order, the column guessed or named, and the first bad row told by its place."""

import pytest

from foreshot.data.reading.records import open_records
from foreshot.data.reading.text_rows import text_rows
from foreshot.errors import DataError
from foreshot.progress import Silent
from heard import Heard


def read(path, content, named=None, progress=None):
    path.write_text(content, encoding="utf-8")
    with open_records(path) as records:
        return [(text, record.row) for text, record in text_rows(records, named, progress or Silent())]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", "one\n\ntwo\n", [("one", 1), ("", 2), ("two", 3)]),
        ("a.csv", "id,comment\n1,one\n2,\n", [("one", 2), ("", 3)]),
        ("a.tsv", "comment\tid\none\t1\n", [("one", 2)]),
        ("a.jsonl", '{"comment": "one"}\n{"comment": "", "more": 1}\n', [("one", 1), ("", 2)]),
        ("a.txt", "", []),
    ],
)
def test_each_row_has_its_text(tmp_path, name, content, expected):
    assert read(tmp_path / name, content) == expected


def test_a_guessed_column_is_told_once_and_a_named_one_is_not(tmp_path):
    listening = Heard()
    rows = "id,comment\n1,one\n2,two\n"
    read(tmp_path / "a.csv", rows, progress=listening)
    assert listening.said == [f"{tmp_path / 'a.csv'}: text column 'comment' (guessed; --text names another)"]
    assert read(tmp_path / "a.csv", rows, "id", progress=listening) == [("1", 2), ("2", 3)]
    assert len(listening.said) == 1


@pytest.mark.parametrize(
    ("name", "content", "named", "message"),
    [
        ("a.csv", "id,comment\n1,one\n2\n", None, "a.csv, line 3: "),
        ("a.jsonl", '{"text": "one"}\n{"text": 5}\n', None, "a.jsonl, line 2, column 'text': a value of type int"),
        ("a.jsonl", '{"text": "one"}\n{"other": "x"}\n', None, "a.jsonl, line 2, column 'text': no text"),
        ("a.jsonl", '{"text": "one"}\nno JSON\n', None, "a.jsonl, line 2: is not JSON"),
        ("a.csv", "id,comment\n1,one\n", "nothing", "a.csv: has no column 'nothing'"),
    ],
)
def test_the_first_bad_row_is_told_by_its_place(tmp_path, name, content, named, message):
    with pytest.raises(DataError) as caught:
        read(tmp_path / name, content, named)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
