"""Tables: which columns are taken, how texts are normalised, and which cells stop the reading."""

import json
import unicodedata

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreshot.data.reading.files import open_sheet
from foreshot.data.table import read_table
from foreshot.data.texts import normalise
from foreshot.errors import DataError
from foreshot.settings.dialect import asked_dialect


def csv_file(folder, content, name="a.csv"):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def jsonl_file(folder, *records):
    return csv_file(folder, "\n".join(json.dumps(record) for record in records), "a.jsonl")


# ---- normalisation ----


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("fish &amp; chips &lt;3 &#39;ok&#39; &#x1F600;", "fish & chips <3 'ok' 😀"),
        ("&amp;lt;", "&lt;"),  # once
        ("cafe\u0301", "caf\xe9"),
        ("e&#769;", "\xe9"),  # entities before Unicode
        ("a\0b\x07c\x7f", "abc"),
        ("a\x0bb\x85c", "a b c"),
        ("a\tb\r\nc", "a\tb\r\nc"),
        ("LOUD 👩\u200d🚀 ❤\ufe0f", "LOUD 👩\u200d🚀 ❤\ufe0f"),
        ("ﬁ ① Ａ", "ﬁ ① Ａ"),  # compatibility forms are left to the tokenizer
        ("?a=1&copy=2 &not", "?a=1&copy=2 &not"),
        ("&notit; &bogus; AT&T;", "&notit; &bogus; AT&T;"),
        ("&#" + "9" * 5000 + ";", "&#" + "9" * 5000 + ";"),
        ("&#xD800;&#0;", "\ufffd\ufffd"),
    ],
)
def test_normalise(written, seen):
    assert normalise(written) == seen


@given(st.text())
def test_normalise_leaves_nfc_without_controls(text):
    seen = normalise(text)
    assert unicodedata.is_normalized("NFC", seen)
    assert not {letter for letter in seen if unicodedata.category(letter) == "Cc"} - set("\t\n\r")


@given(st.text().map(lambda text: text.replace("&", "")))
def test_normalise_twice_is_normalise_once_where_there_are_no_entities(text):
    assert normalise(normalise(text)) == normalise(text)


# ---- columns ----


@pytest.mark.parametrize(
    ("header", "options", "found"),
    [
        ("id,comment_text,toxic,severe_toxic", {}, ("comment_text", "toxic")),
        ("count,hate_speech,neither,class,tweet", {}, ("tweet", "class")),
        ("Text,LABEL,x,y", {}, ("Text", "LABEL")),
        ("text,comment,label,x", {"text": "comment"}, ("comment", "label")),
        ("text,toxic,label,x", {"label": "toxic"}, ("text", "toxic")),
        ("text,label,a,b", {"text": "a", "label": "b"}, ("a", "b")),
        ("text,sentence,label,x", {"label": "text"}, ("sentence", "text")),
    ],
)
def test_columns_are_named_or_guessed(tmp_path, header, options, found):
    fields = ",".join(f"w{n}" for n in range(header.count(",") + 1))
    table = read_table(csv_file(tmp_path, f"{header}\n{fields}\n"), **options)
    assert (table.text_column, table.label_column) == found
    assert table.texts == [f"w{header.split(',').index(found[0])}"]
    assert table.labels == [f"w{header.split(',').index(found[1])}"]
    assert len(table.announcements) == 2 - len(options)


def test_a_guess_is_announced(tmp_path):
    path = csv_file(tmp_path, "tweet,toxic\na,0\n")
    assert read_table(path, label="toxic").announcements == (
        f"{path}: text column 'tweet' (guessed; --text names another)",
    )


@pytest.mark.parametrize(
    ("header", "options", "words"),
    [
        ("a,b", {}, ["no column", "text", "with text", "(columns: a, b)"]),
        ("text,b", {}, ["no column", "label", "with label", "(columns: text, b)"]),
        ("text,comment", {"label": "text2"}, ["no column 'text2'", "its columns are text, comment"]),
        ("text,label", {"text": "txt"}, ["no column 'txt'", "its columns are text, label"]),
        ("text,comment", {}, ["may be text, comment", "text"]),
        ("text,label,toxic", {}, ["may be label, toxic", "label"]),
        ("text,label", {"text": "label", "label": "label"}, ["'label' can't be both"]),
        ("text;label", {}, ["seems to be parted by semicolon", "with separator"]),
    ],
)
def test_columns_that_cant_be_told(tmp_path, header, options, words):
    path = csv_file(tmp_path, f"{header}\n{','.join('x' * (header.count(',') + 1))}\n")
    with pytest.raises(DataError) as caught:
        read_table(path, **options)
    for word in [f"{path}: ", *words]:
        assert word in str(caught.value)


# ---- tables of other dialects ----


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_numbers_with_a_decimal_comma_are_scores_and_no_classes(tmp_path, sign):
    rows = [f"walnut {number}, they said{sign}0,{number}" for number in range(1, 9)]
    path = csv_file(tmp_path, "\n".join([f"text{sign}toxicity", *rows]))
    with pytest.raises(DataError, match=r"line 2, column 'toxicity': 0\.1 is a score"):
        read_table(path)


def test_numbers_of_several_columns_and_texts_keep_what_they_are(tmp_path):
    path = csv_file(tmp_path, "text;label;share\n1,5 walnuts;1;\n2,5;0;0,25\nsome;1;1\n")
    sheet = open_sheet(path)
    assert sheet.columns == {
        "text": ["1,5 walnuts", "2,5", "some"],
        "label": ["1", "0", "1"],
        "share": ["", "0.25", "1"],
    }


def test_a_plain_table_reads_as_it_did_and_says_nothing(tmp_path):
    said = []
    path = csv_file(tmp_path, 'text,label\n"a; b, c",1\n"0,5",0\n')
    assert read_table(path, dialect=asked_dialect(None, None, say=said.append)).texts == ["a; b, c", "0,5"]
    assert said == []


@pytest.mark.parametrize("name", ["a.txt", "a.TXT"])
def test_plain_lines_are_a_table_where_their_separator_is_named(tmp_path, name):
    path = csv_file(tmp_path, "text\tlabel\na\t1\nb\t0\n", name)
    with pytest.raises(DataError, match="is read as plain lines; where it is a table, name what parts its fields: sep"):
        read_table(path)
    assert read_table(path, dialect=asked_dialect("tab", None)).labels == ["1", "0"]


# ---- cells ----


def test_texts_are_normalised_and_labels_kept(tmp_path):
    path = jsonl_file(
        tmp_path,
        {"text": "a &amp; b", "label": True},
        {"text": "c", "label": 1.0},
        {"text": "d", "label": "x"},
    )
    table = read_table(path)
    assert table.texts == ["a & b", "c", "d"]
    assert table.labels == [True, 1, "x"]
    assert [type(label) for label in table.labels] == [bool, int, str]
    assert table.rows == [1, 2, 3]
    assert table.skipped_rows == 0


def test_whole_numbers_in_a_float_column_are_labels(tmp_path):
    # This is how a column of 0 and 1 with a gap comes out of pandas.
    pq.write_table(pa.table({"text": ["a", "b", "c"], "label": [0.0, 1.0, None]}), tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", skip_bad_rows=True)
    assert (table.labels, table.skipped_rows) == ([0, 1], 1)


def test_the_part_of_a_saved_dataset_is_passed_on(tmp_path):
    parts = {name: datasets.Dataset.from_dict({"text": [name], "label": [1]}) for name in ("train", "test")}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    assert read_table(tmp_path / "saved", part="test").texts == ["test"]
    assert read_table(tmp_path / "saved").texts == ["train"]


GOOD = {"text": "fine", "label": 0}
BAD_CELLS = [
    ({"text": "", "label": 0}, "'text': an empty text"),
    ({"text": " \n\u200b&nbsp;", "label": 0}, "'text': an empty text"),
    ({"text": None, "label": 0}, "'text': no text"),
    ({"label": 0}, "'text': no text"),
    ({"text": 7, "label": 0}, "'text': a value of type int instead of a text"),
    ({"text": ["a"], "label": 0}, "'text': a value of type list"),
    ({"text": "a", "label": None}, "'label': no label"),
    ({"text": "a"}, "'label': no label"),
    ({"text": "a", "label": "  "}, "'label': no label"),
    ({"text": "a", "label": float("nan")}, "'label': no label"),
]


@pytest.mark.parametrize(("record", "complaint"), BAD_CELLS)
def test_a_bad_row_stops_the_reading_or_is_skipped_and_counted(tmp_path, record, complaint):
    path = jsonl_file(tmp_path, GOOD, record, GOOD, record)
    with pytest.raises(DataError) as caught:
        read_table(path)
    for word in (f"{path}, line 2, ", complaint, "bad rows: 2", "skip_bad_rows"):
        assert word in str(caught.value)
    table = read_table(path, skip_bad_rows=True)
    assert (table.skipped_rows, table.rows, table.texts) == (2, [1, 3], ["fine", "fine"])


def test_the_first_bad_row_is_named_by_its_line(tmp_path):
    with pytest.raises(DataError, match=r"a.csv, line 4, column 'text': an empty text \(bad rows: 2\)"):
        read_table(csv_file(tmp_path, 'text,label\n"a\nb",0\n,1\nc,\n'))


def test_nothing_left_is_an_error(tmp_path):
    with pytest.raises(DataError, match="nothing is left"):
        read_table(csv_file(tmp_path, "text,label\n,0\na,\n"), skip_bad_rows=True)


@pytest.mark.parametrize("score", [0.25, "0.25", float("inf")])
def test_scores_are_refused_even_when_bad_rows_are_skipped(tmp_path, score):
    path = jsonl_file(tmp_path, GOOD, {"text": "a", "label": score})
    with pytest.raises(DataError, match=r"line 2, column 'label': .* is a score, not a class; choose a threshold"):
        read_table(path, skip_bad_rows=True)


def test_a_label_that_is_a_list_of_lists_is_refused(tmp_path):
    with pytest.raises(DataError, match="line 1, column 'label': a value of type list"):
        read_table(jsonl_file(tmp_path, {"text": "a", "label": [[1]]}))


def test_hostile_names_are_cut_in_messages(tmp_path):
    nasty = "\x1b[2J\u202e" + "x" * 500
    with pytest.raises(DataError) as caught:
        read_table(csv_file(tmp_path, f'text,"{nasty}"\na,b\n'))
    assert "\x1b" not in str(caught.value)
    assert "x" * 41 not in str(caught.value)


MARKS = "ab \u0301\u0316\u0327\u0f73\u0344\u1e69\uac00\u1100\u1161\u11a8\u212b\u05b0\u0345\u03b1\u0340\U0001d15e\ufb1d"


@given(st.text(alphabet=MARKS, min_size=1, max_size=40), st.sampled_from([1, 60, 1001]))
@settings(max_examples=300)
def test_long_texts_are_brought_into_nfc_as_short_ones(text, times):
    assert normalise(text * times) == unicodedata.normalize("NFC", text * times)


def test_marks_without_end_are_put_in_order():
    assert normalise("x" + "\u0301\u0316" * 200_000) == "x" + "\u0316" * 200_000 + "\u0301" * 200_000
