"""Texts without labels: read from all kinds of files, none twice, none that has a label already."""

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.unlabelled import read_unlabelled
from foreshot.errors import DataError


def read(path, content: str | bytes, known=(), text=None):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_unlabelled(str(path), text=text, known=known)


def refused(path, content: str | bytes, **options) -> str:
    with pytest.raises(DataError) as caught:
        read(path, content, **options)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_plain_file_has_a_text_on_each_line(tmp_path):
    found = read(tmp_path / "more.txt", "you absolute walnut\r\nhave a lovely day\n\nthe last one")
    assert list(found.texts()) == ["you absolute walnut", "have a lovely day", "the last one"]
    assert found.left_out == {"empty": 1}
    assert found.announcements == ()
    assert found.source == str(tmp_path / "more.txt")


def test_texts_are_normalised(tmp_path):
    assert list(read(tmp_path / "more.txt", "fish &amp; chips\ncafe\u0301 a\x07b\n").texts()) == [
        "fish & chips",
        "caf\xe9 ab",
    ]


def test_a_text_comes_once_and_not_if_it_has_a_label(tmp_path):
    known = ["Have a lovely day", "unseen"]
    lines = ["HAVE A  lovely day", "new", "New", "\u200bnew ", "have\u00a0a lovely day", " ", "\u200b", "other"]
    found = read(tmp_path / "more.txt", "\n".join(lines), known)
    assert list(found.texts()) == ["new", "other"]
    assert found.left_out == {"empty": 2, "also among the labelled rows": 2, "repeated": 2}
    assert sum(found.left_out.values()) + len(found) == len(lines)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("more.csv", "id,comment\n1,one\n2,\n3,two\n"),
        ("more.tsv", "id\tcomment\n1\tone\n2\t\n3\ttwo\n"),
        ("more.jsonl", '{"id": 1, "comment": "one"}\n{"id": 2, "comment": null}\n{"id": 3, "comment": "two"}\n'),
    ],
)
def test_tables_are_read_as_labelled_ones_are(tmp_path, name, content):
    guessed = read(tmp_path / name, content)
    assert list(guessed.texts()) == ["one", "two"]
    assert guessed.left_out == {"empty": 1}
    assert guessed.announcements == (f"{tmp_path / name}: text column 'comment' (guessed; --text names another)",)
    named = read(tmp_path / name, content, text="comment")
    assert list(named.texts()) == ["one", "two"]
    assert named.announcements == ()


def test_parquet_and_what_is_no_text_in_it(tmp_path):
    pq.write_table(pa.table({"text": ["one", None, "two"], "n": [1, 2, 3]}), tmp_path / "more.parquet")
    assert list(read_unlabelled(str(tmp_path / "more.parquet"), text=None, known=()).texts()) == ["one", "two"]
    with pytest.raises(DataError, match=r"more\.parquet"):
        read_unlabelled(str(tmp_path / "more.parquet"), text="n", known=())


def test_a_saved_dataset(tmp_path):
    datasets.Dataset.from_dict({"text": ["one", "two"]}).save_to_disk(str(tmp_path / "saved"))
    assert list(read_unlabelled(str(tmp_path / "saved"), text=None, known=["two"]).texts()) == ["one"]


def test_the_column_of_the_labelled_rows_may_be_called_otherwise_here(tmp_path):
    """`--text` names the column of the data; this file may have another."""
    assert list(read(tmp_path / "more.csv", "comment,n\none,1\n", text="tweet").texts()) == ["one"]


def test_of_two_columns_that_may_be_it_the_named_one_is_read(tmp_path):
    content = "comment,text\nfirst,second\n"
    assert list(read(tmp_path / "more.csv", content, text="text").texts()) == ["second"]
    assert "the text column may be comment, text; name it with text" in refused(tmp_path / "more.csv", content)


@pytest.mark.parametrize("content", ["one\n", "ONE\n\n one \n"])
def test_a_file_without_a_new_text_is_refused(tmp_path, content):
    message = refused(tmp_path / "more.txt", content, known=["one"])
    assert "holds no text but those of the labelled rows" in message


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("more.txt", b"", "holds no text; nothing is left to learn from"),
        ("more.txt", b"\n\n", "holds no text; nothing is left to learn from"),
        ("more.csv", b"", "is empty"),
        ("more.csv", b"comment\n", "holds no rows of data"),
        ("more.txt", b"fine\ncaf\xe9\n", "more.txt, line 2: is not UTF-8"),
        ("more.csv", b"comment,n\nfine,1\ncaf\xe9,2\n", "more.csv, line 3: is not UTF-8"),
        ("more.csv", b"alpha,beta\n1,2\n", "no column has a name that tells it holds the text; name it with text"),
        ("more.xls", b"x", "unknown kind of file"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(tmp_path, name, content, complaint):
    assert complaint in refused(tmp_path / name, content)


@pytest.mark.parametrize("name", ["gone.txt", "gone.csv"])
def test_a_file_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=rf"{name}: no such file"):
        read_unlabelled(str(tmp_path / name), text=None, known=())
