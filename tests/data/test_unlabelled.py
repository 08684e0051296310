"""Texts without labels: read from all kinds of files, none twice, none that has a label already."""

import json
import tracemalloc

import datasets
import numpy as np
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


# ---- scores beside the texts ----


def scores_of(found) -> list[list[float]]:
    return [[round(score, 4) for score in row] for window in found.windows() for row in window.scores.tolist()]


def read_scored(path, rows, names=("TOXICITY",), known=(), columns=("text", "TOXICITY")):
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return read_unlabelled(str(path), text="text", known=known, scores=names)


def test_texts_without_a_score_are_left_out_and_the_others_keep_theirs(tmp_path):
    found = read_scored(
        tmp_path / "more.csv", ["one,0.25", "two,", ",0.5", "three,1", "Three,0", "known,0.1"], known=["KNOWN"]
    )
    assert list(found.texts()) == ["one", "three"]
    assert scores_of(found) == [[0.25], [1.0]]
    assert found.left_out == {"empty": 1, "also among the labelled rows": 1, "without a score": 1, "repeated": 1}


def test_of_a_repeated_text_the_first_one_with_a_score_is_kept(tmp_path):
    found = read_scored(tmp_path / "more.csv", ["one,", "ONE,0.5", "one,0.75"])
    assert (list(found.texts()), scores_of(found)) == (["ONE"], [[0.5]])
    assert found.left_out == {"without a score": 1, "repeated": 1}


def test_each_output_has_its_column_and_a_gap_where_there_is_none(tmp_path):
    path = tmp_path / "more.csv"
    found = read_scored(
        path, ["one,0.5,", "two,,0.25"], ("INSULT", "TOXICITY", "THREAT"), columns=("text", "TOXICITY", "INSULT")
    )
    assert np.array_equal(np.array(scores_of(found)), [[np.nan, 0.5, np.nan], [0.25, np.nan, np.nan]], equal_nan=True)
    assert next(found.windows()).scores.dtype == np.float32


def test_a_source_without_any_of_the_columns_has_no_scores(tmp_path):
    found = read_scored(tmp_path / "more.csv", ["one,0.5", "two,high"], ("INSULT",))
    assert found.scores == ()
    assert list(found.texts()) == ["one", "two"]
    assert next(found.windows()).scores is None


@pytest.mark.parametrize(
    ("rows", "scores"),
    [
        (["one,70", "two,0", "three,100"], [[0.7], [0.0], [1.0]]),
        (["one,70%", "two,5 %"], [[0.7], [0.05]]),
        (["one,0.7", "two,50%"], [[0.7], [0.5]]),
    ],
)
def test_percentages_are_told_by_all_rows(tmp_path, rows, scores):
    assert scores_of(read_scored(tmp_path / "more.csv", rows)) == scores


def test_percentages_are_announced(tmp_path):
    path = tmp_path / "more.csv"
    assert read_scored(path, ["one,70"]).announcements == (
        f"{path}: column 'TOXICITY' holds percentages: divided by 100",
    )


def test_scores_may_have_a_decimal_comma_where_commas_part_no_fields(tmp_path):
    (tmp_path / "more.csv").write_text("text;TOXICITY\none;0,25\ntwo;1\n")
    found = read_unlabelled(str(tmp_path / "more.csv"), text="text", known=(), scores=["TOXICITY"])
    assert scores_of(found) == [[0.25], [1.0]]


def test_the_apis_own_answers_have_scores(tmp_path):
    answer = {"attributeScores": {"TOXICITY": {"summaryScore": {"value": 0.75, "type": "PROBABILITY"}}}}
    (tmp_path / "more.jsonl").write_text(json.dumps({"text": "one", "response": answer}) + "\n")
    found = read_unlabelled(str(tmp_path / "more.jsonl"), text="text", known=(), scores=["TOXICITY"])
    assert scores_of(found) == [[0.75]]


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        (["one,0.5", "two,1.2"], "line 3, column 'TOXICITY': 1.2 is outside 0 to 1"),
        (["one,0.5", "two,high"], "line 3, column 'TOXICITY': 'high' is no number"),
        (["one,-1"], "line 2, column 'TOXICITY': -1 usually says that there is no score"),
        (["one,-0.5"], "line 2, column 'TOXICITY': -0.5 is outside 0 to 1"),
        (["one,nan"], "line 2, column 'TOXICITY': 'nan' is no number"),
        (["one,50", "two,70", "three,120%"], "line 4, column 'TOXICITY': 120% is outside 0 to 100"),
    ],
)
def test_a_score_that_is_none_is_refused_by_file_and_row(tmp_path, rows, complaint):
    with pytest.raises(DataError) as caught:
        read_scored(tmp_path / "more.csv", rows)
    assert f"more.csv, {complaint}" in str(caught.value)


def test_a_score_in_the_middle_of_a_large_parquet_file_is_refused_by_its_row(tmp_path):
    scores = [0.5] * 5000
    scores[4321] = 1.5
    table = pa.table({"text": [f"text {row}" for row in range(5000)], "TOXICITY": scores})
    pq.write_table(table, tmp_path / "more.parquet", row_group_size=700)
    with pytest.raises(DataError, match=r"more\.parquet, row 4322, column 'TOXICITY': 1\.5 is outside 0 to 1"):
        read_unlabelled(str(tmp_path / "more.parquet"), text="text", known=(), scores=["TOXICITY"])


# ---- more than are held at once ----


def test_windows_are_all_texts_in_their_order_however_large_they_are(tmp_path):
    rows = [f"text {row % 70},{row % 70 / 100}" for row in range(100)]
    found = read_scored(tmp_path / "more.csv", rows, known=["text 3"])
    expected = [f"text {row}" for row in range(70) if row != 3]
    for size in (1, 7, 69, 1000):
        windows = list(found.windows(size))
        assert all(len(window.texts) == len(window.scores) == size for window in windows[:-1])
        assert [text for window in windows for text in window.texts] == expected
    assert scores_of(found) == [[round(row / 100, 4)] for row in range(70) if row != 3]
    assert found.left_out == {"also among the labelled rows": 2, "repeated": 29}


@pytest.mark.parametrize("change", ["another text", "a row more", "a row fewer", "another score"])
def test_a_source_that_changes_after_it_was_surveyed_is_refused(tmp_path, change):
    path, rows = tmp_path / "more.csv", ["one,0.5", "two,0.25"]
    found = read_scored(path, rows)
    rows = {
        "another text": ["one,0.5", "deux,0.25"],
        "a row more": [*rows, "three,0.5"],
        "a row fewer": rows[:1],
        "another score": ["one,0.5", "two,0.75"],
    }[change]
    path.write_text("\n".join(["text,TOXICITY", *rows]) + "\n")
    with pytest.raises(DataError, match=r"more\.csv: changed while it was read; start again"):
        list(found.windows(1))


def test_fingerprints_tell_what_is_learnt_from(tmp_path):
    path, rows = tmp_path / "more.csv", ["one,0.5", "two,0.25"]
    first = read_scored(path, rows).fingerprint
    assert read_scored(path, rows).fingerprint == first
    others = [
        read_scored(path, ["One,0.5", "two,0.25"]),
        read_scored(path, ["one,0.5", "two,0.3"]),
        read_scored(path, rows, known=["two"]),
        read_scored(path, rows, ("INSULT",)),
    ]
    assert len({first, *(found.fingerprint for found in others)}) == 5


def test_texts_are_not_held_in_memory(tmp_path):
    """Eight thousand texts of three thousand letters are 24 MB; a thousand of them are made Python's at once."""
    path, filling = tmp_path / "more.parquet", "again and " * 300
    texts = [f"the neighbour of number {row} did it {filling}" for row in range(8000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000)
    del texts
    tracemalloc.start()
    try:
        found = read_unlabelled(str(path), text="text", known=())
        counted = sum(len(window.texts) for window in found.windows(500))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counted == len(found) == 8000
    assert peak < 12e6
