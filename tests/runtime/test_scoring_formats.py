"""Scoring files of every format into every other: what the rows had stays, and the new columns are right."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scored_files import EXPECTED, NEW, TEXTS, answer_of, names, read_output, write_input
from tiny_bundles import label_decisions, label_probabilities_of, tiny_bundle

from foreshot.data.reading.records import open_records
from foreshot.errors import DataError
from foreshot.results.decisions import Decision
from foreshot.runtime.classifier import Classifier, load
from foreshot.runtime.scoring import score_file
from heard import Heard

AWKWARD = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["=1+1", "a\r\nb", 'say "hi"', "\r", "a,b;c\td", " padded ", "nul\0", "\u2028", "-", "NULL", "1e5", "é😀"]
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory) -> Classifier:
    return load(tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny"))


@pytest.mark.parametrize("out", ["out.csv", "out.tsv", "out.jsonl", "out.ndjson", "out.parquet"])
@pytest.mark.parametrize("source", ["in.csv", "in.tsv", "in.jsonl", "in.txt", "in.parquet"])
@pytest.mark.parametrize("window", [1, 3, 1024])
def test_every_format_into_every_other(tmp_path, classifier, source, out, window):
    write_input(tmp_path / source, TEXTS)
    summary = score_file(classifier, tmp_path / source, tmp_path / out, window=window)
    rows = read_output(tmp_path / out)
    assert [list(row) for row in rows] == [[*(["n"] if source != "in.txt" else []), "text", *NEW]] * 4
    assert [row["text"] or "" for row in rows] == TEXTS
    assert [answer_of(row) for row in rows] == EXPECTED
    assert [str(row.get("n", number)) for number, row in enumerate(rows)] == ["0", "1", "2", "3"]
    assert (summary.rows, summary.bad_rows, summary.truncated) == (4, 0, 1)
    assert summary.labels == {"benign": 3, "toxic": 1}
    assert summary.decisions == {"allow": 3, "block": 1}
    assert names(tmp_path) == {source, out}


def test_new_columns_have_types(tmp_path, classifier):
    score_file(classifier, write_input(tmp_path / "in.csv", TEXTS), tmp_path / "out.parquet")
    score_file(classifier, write_input(tmp_path / "in.csv", TEXTS), tmp_path / "out.jsonl")
    types = dict(zip(NEW, [pa.string(), pa.float64(), pa.float64(), pa.string(), pa.bool_()], strict=True))
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert {name: schema.field(name).type for name in NEW} == types
    row = read_output(tmp_path / "out.jsonl")[0]
    assert [type(row[name]) for name in NEW] == [str, float, float, str, bool]


def test_without_a_class_that_counts_as_toxic_there_is_no_decision(tmp_path):
    classifier = load(tiny_bundle(tmp_path / "bundle", labels=["sport", "=news", "art;=1"]))
    write_input(tmp_path / "in.txt", ["walnut"])
    for out in ("out.jsonl", "out.csv", "out.parquet"):
        summary = score_file(classifier, tmp_path / "in.txt", tmp_path / out)
        (row,) = read_output(tmp_path / out)
        art = "score_art;'=1" if out == "out.csv" else "score_art;=1"  # safe in a spreadsheet, as the label is
        assert list(row) == ["text", "label", "score_sport", "score_=news", art, "decision", "truncated"]
        assert row["decision"] == ("" if out == "out.csv" else None)
        assert row["label"] == ("'=news" if out == "out.csv" else "=news")
        assert summary.decisions == {}


def test_review_is_counted(tmp_path):
    decision = Decision(policy="review:recall>=0.9,fpr<=0.1", threshold=0.9, review_threshold=0.4)
    classifier = load(tiny_bundle(tmp_path / "bundle", decision=decision))
    summary = score_file(classifier, write_input(tmp_path / "in.csv", TEXTS), tmp_path / "out.csv")
    assert summary.decisions == {"allow": 2, "block": 1, "review": 1}
    assert summary.lines()[1:] == [
        "labels: toxic 2, benign 2",
        "decisions: allow 2, block 1, review 1",
        "1 texts are longer than the model reads; their ends were not looked at",
    ]


# ---- what the rows had stays ----


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(AWKWARD, AWKWARD), max_size=5), st.sampled_from([".csv", ".tsv"]), AWKWARD)
def test_cells_of_a_csv_stay_as_they_are(tmp_path, classifier, rows, suffix, title):
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    delimiter = "," if suffix == ".csv" else "\t"
    with source.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows([(f"a{title}", "text"), *rows])
    score_file(classifier, source, out, text_column="text", separator=delimiter, quoting="csv")
    with out.open(newline="", encoding="utf-8") as file:
        header, *found = csv.reader(file, delimiter=delimiter, strict=True)
    assert header == [f"a{title}", "text", *NEW]
    assert [tuple(row[:2]) for row in found] == rows


@pytest.mark.parametrize(
    ("name", "rows", "sign"),
    [
        ("in.csv", ["id;text", "1;a, b", '2;"c;d"', '3; "e" ', '"4";"say ""f"""'], ";"),
        ("in.csv", ["sep=;", '"id";"text"', '1;"a, b"'], ";"),
        ("in.csv", ["id|text", '1|"a stray', '2|and its end"', "3|c"], "|"),
        ("in.csv", ["id\ttext", '1\t"good" they said'], "\t"),
        ("in.tsv", ["id\ttext", '1\t"a stray', '2\tand its end"', "3\tc"], "\t"),
        ("in.tsv", ["id\ttext", '"1"\t"say ""a"""', "2\tb"], "\t"),
        ("in.tsv", ["id,text", '1,"a, b"'], ","),
        ("in.csv", ["id,text", '1,"a"', "2,'b", '"3",c "d"'], ","),
    ],
)
def test_rows_of_any_dialect_stay_letter_by_letter(tmp_path, classifier, name, rows, sign):
    source, out = tmp_path / name, tmp_path / f"out{name[2:]}"
    source.write_text("\n".join(rows) + "\n", encoding="utf-8")
    summary = score_file(classifier, source, out)
    written = out.read_text(encoding="utf-8").splitlines()
    begins = [row if row.startswith("sep=") else row + sign for row in rows]
    assert [line[: len(begin)] for line, begin in zip(written, begins, strict=True)] == begins
    with open_records(source) as before, open_records(out) as after:
        assert [list(row.cells.values())[:2] for row in after] == [list(row.cells.values()) for row in before]
    assert summary.rows == len([row for row in rows if not row.startswith("sep=")]) - 1
    assert written[-1].endswith(sign + "false")


def test_a_table_of_one_column_gets_others_as_csv_has_them(tmp_path, classifier):
    (tmp_path / "in.csv").write_text('text\nyou fool, you\n"hi" he said\n')
    score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv", separator="none")
    assert [row["text"] for row in read_output(tmp_path / "out.csv")] == ["you fool, you", '"hi" he said']


def test_new_cells_hold_nothing_that_parts_cells_where_quotes_are_letters(tmp_path):
    classifier = load(tiny_bundle(tmp_path / "bundle", labels=["a\tb", "to xic"]))
    (tmp_path / "in.tsv").write_text('text\n"hi\n')
    score_file(classifier, tmp_path / "in.tsv", tmp_path / "out.tsv")
    header, row = (tmp_path / "out.tsv").read_text().splitlines()
    assert header.split("\t")[:3] == ["text", "label", "score_a b"]
    assert len(row.split("\t")) == len(header.split("\t"))


def test_what_was_found_about_a_table_is_told_and_in_the_summary(tmp_path, classifier):
    (tmp_path / "in.csv").write_text('id;text\n1;"a\nb"\n')
    heard = Heard()
    summary = score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv", progress=heard)
    assert list(summary.notes) == heard.said
    assert [
        words in said for words, said in zip(("separator semicolon", "'text'", "over 2 lines"), heard.said, strict=True)
    ]


def test_lines_are_a_table_where_a_separator_is_named(tmp_path, classifier):
    (tmp_path / "in.txt").write_text("id\ttext\n1\tyou fool\n")
    score_file(classifier, tmp_path / "in.txt", tmp_path / "out.txt", separator="tab")
    assert (tmp_path / "out.txt").read_text().startswith("id\ttext\tlabel\t")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | AWKWARD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(AWKWARD, inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(AWKWARD, JSON, max_size=3), max_size=5), AWKWARD)
def test_objects_of_json_lines_stay_as_they_are(tmp_path, classifier, rows, text):
    rows = [{**row, "text": text} for row in rows]
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    score_file(classifier, source, out, text_column="text")
    found = read_output(out)
    assert [dict(list(row.items())[: -len(NEW)]) for row in found] == rows
    for row in found:
        assert [name.removeprefix("predicted_") for name in list(row)[-len(NEW) :]] == NEW


def test_numbers_of_json_lines_are_spelt_as_they_were(tmp_path, classifier):
    numbers = '"a": 123456789012345678901234567890, "b": 1.10, "c": 1e400, "d": -0.0, "e": 0.1000000000000000055'
    (tmp_path / "in.jsonl").write_text(f' {{"text": "hi }}", {numbers} }} \n')
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text().startswith(f'{{"text": "hi }}", {numbers}, "label": "benign", ')


def test_half_a_surrogate_pair_becomes_a_replacement_character(tmp_path, classifier):
    (tmp_path / "in.jsonl").write_text(r'{"text": "a\ud83d", "n": ["\udc00"]}')
    for out in ("out.jsonl", "out.csv", "out.parquet"):
        score_file(classifier, tmp_path / "in.jsonl", tmp_path / out)
        (row,) = read_output(tmp_path / out)
        assert row["text"] == "a\ufffd"
        assert row["n"] == (["\ufffd"] if out == "out.jsonl" else '["\ufffd"]')


def test_parquet_keeps_every_type_of_rows_that_are_kept(tmp_path, classifier):
    table = pa.table(
        {
            "text": pa.array(["you fool", None, "hi", "day"], pa.large_string()),
            "time": pa.array([1, 2, None, 4], pa.timestamp("ns", tz="Europe/Berlin")),
            "kind": pa.array(["a", "b", "a", "c"]).cast(pa.dictionary(pa.int8(), pa.string())),
            "price": pa.array([1, 2, 3, 4], pa.decimal128(5, 2)),
            "bytes": pa.array([b"\xff", b"", None, b"x"]),
            "nested": pa.array([[{"x": 1}], [], None, [{"x": None}]]),
            "small": pa.array([1, 2, 3, 4], pa.uint8()),
        }
    ).replace_schema_metadata({"made by": "a test"})
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=3)
    score_file(classifier, tmp_path / "in.parquet", tmp_path / "out.parquet", bad_rows=tmp_path / "bad", window=2)
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.schema.metadata[b"made by"] == b"a test"
    kept = pq.read_table(tmp_path / "in.parquet").take([0, 2, 3])
    assert found.select(table.column_names).schema.equals(kept.schema)
    assert found.select(table.column_names).equals(kept)
    assert found.column("label").to_pylist() == ["toxic", "benign", "benign"]


def test_a_table_made_from_another_format_is_safe_in_a_spreadsheet(tmp_path, classifier):
    rows = [{"=field": "=1+1", "text": "@you", "n": -1, "f": -0.5, "nested": {"a": "=2"}, "none": None, "b": True}]
    (tmp_path / "in.jsonl").write_text(json.dumps(rows[0]))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    for source in ("in.jsonl", "in.parquet"):
        score_file(classifier, tmp_path / source, tmp_path / "out.csv")
        (row,) = read_output(tmp_path / "out.csv")
        assert {name: row[name] for name in row if name not in NEW} == {
            "'=field": "'=1+1",
            "text": "'@you",
            "n": "-1",
            "f": "-0.5",
            "nested": '{"a": "=2"}',
            "none": "",
            "b": "true",
        }


def test_json_into_parquet_takes_simple_types_and_json_for_the_rest(tmp_path, classifier):
    lines = [
        '{"text": "hi", "i": 1, "f": 1, "mixed": 1, "big": 99999999999999999999, "list": [1], "none": null}',
        '{"text": "yo", "i": 2, "f": 2.5, "mixed": "a", "b": true}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.parquet")
    first, second = read_output(tmp_path / "out.parquet")
    columns = ["i", "f", "mixed", "big", "list", "none", "b"]
    assert [first[name] for name in columns] == [1, 1.0, "1", "99999999999999999999", "[1]", None, None]
    assert [second[name] for name in columns] == [2, 2.5, "a", None, None, None, True]


@pytest.mark.parametrize("out", ["out.csv", "out.tsv", "out.parquet"])
def test_a_field_that_the_first_rows_have_not_is_refused_in_a_table(tmp_path, classifier, out):
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n' * 3 + '{"text": "b", "new": 1}\n')
    with pytest.raises(DataError, match=r"in\.jsonl, line 4: field 'new' is in none of the first rows.*\.jsonl"):
        score_file(classifier, tmp_path / "in.jsonl", tmp_path / out, window=3)
    assert names(tmp_path) == {"in.jsonl"}
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / out, window=4)
    assert str(read_output(tmp_path / out)[3]["new"]) == "1"


def test_a_type_that_the_first_rows_have_not_is_refused_in_parquet(tmp_path, classifier):
    (tmp_path / "in.jsonl").write_text('{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n')
    with pytest.raises(DataError, match=r"line 2 or after it: column 'n' holds something other than int64"):
        score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.parquet", window=1)
    assert names(tmp_path) == {"in.jsonl"}


# ---- columns ----


@pytest.mark.parametrize("taken", ["label", "score_toxic", "truncated", " decision "])
def test_where_a_name_is_taken_all_new_ones_get_a_prefix(tmp_path, classifier, taken):
    (tmp_path / "in.csv").write_text(f"{taken},text\nmine,you walnut\n")
    heard = Heard()
    summary = score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv", progress=heard)
    (row,) = read_output(tmp_path / "out.csv")
    assert list(row) == [taken, "text", *(f"predicted_{name}" for name in NEW)]
    assert (row[taken], answer_of(row, "predicted_")) == ("mine", EXPECTED[0])
    assert list(summary.notes) == heard.said
    assert "new ones begin with predicted_" in summary.notes[1]


def test_a_name_that_is_taken_only_later_is_refused(tmp_path, classifier):
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n{"text": "b", "label": 1}\n')
    with pytest.raises(DataError, match="line 2: field 'label' is one that is added"):
        score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl", window=1)
    score_file(classifier, tmp_path / "in.jsonl", tmp_path / "out.jsonl", window=2)
    assert read_output(tmp_path / "out.jsonl")[1]["label"] == 1


def test_the_text_column_is_guessed_and_told_or_named(tmp_path, classifier):
    (tmp_path / "in.csv").write_text("tweet,other\nyou walnut,hi\n")
    heard = Heard()
    score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv", progress=heard)
    assert read_output(tmp_path / "out.csv")[0]["label"] == "toxic"
    assert heard.said == [f"{tmp_path / 'in.csv'}: text column 'tweet' (guessed; --text names another)"]
    assert score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv", text_column="other").notes == ()
    assert read_output(tmp_path / "out.csv")[0]["label"] == "benign"


@pytest.mark.parametrize("name", ["in.csv", "in.jsonl", "in.parquet", "in.txt"])
def test_a_missing_column_lists_those_there_are(tmp_path, classifier, name):
    columns = "text" if name == "in.txt" else "n, text"
    with pytest.raises(DataError, match=f"has no column 'body'; its columns are {columns}$"):
        score_file(classifier, write_input(tmp_path / name, TEXTS), tmp_path / "out.csv", text_column="body")
    assert names(tmp_path) == {name}


# ---- several labels ----


@pytest.mark.parametrize("out", ["out.csv", "out.tsv", "out.jsonl", "out.parquet"])
def test_a_texts_labels_are_a_list_in_every_format(tmp_path, out):
    decisions = label_decisions("toxic", "=insult", 'a,"b')
    classifier = load(tiny_bundle(tmp_path / "bundle", decisions=decisions))
    texts = ["you absolute walnut", "fool", "thank you"]
    summary = score_file(classifier, write_input(tmp_path / "in.csv", texts), tmp_path / out)
    rows = read_output(tmp_path / out)
    scores = ["score_toxic", "score_=insult", 'score_a,"b']
    assert list(rows[0]) == ["n", "text", "labels", *scores, "decision", "truncated"]
    labels = [json.loads(row["labels"]) if out.endswith("sv") else row["labels"] for row in rows]
    assert labels == [["toxic", "=insult"], ["toxic", "=insult", 'a,"b'], []]
    for row, text in zip(rows, texts, strict=True):
        found = [float(row[name]) for name in scores]
        assert found == pytest.approx(label_probabilities_of(text, decisions), abs=1e-6)
    assert [row["decision"] for row in rows] == ["block", "block", "allow"]
    assert summary.labels == {"toxic": 2, "=insult": 2, 'a,"b': 1}
    assert summary.decisions == {"block": 2, "allow": 1}


def test_lists_of_labels_have_a_type_even_where_all_are_empty(tmp_path):
    classifier = load(tiny_bundle(tmp_path / "bundle", decisions=label_decisions("toxic", "insult")))
    score_file(classifier, write_input(tmp_path / "in.txt", ["thank you"]), tmp_path / "out.parquet")
    assert pq.read_schema(tmp_path / "out.parquet").field("labels").type == pa.list_(pa.string())


def test_a_column_of_labels_that_is_there_already_stays(tmp_path):
    classifier = load(tiny_bundle(tmp_path / "bundle", decisions=label_decisions("toxic", "insult")))
    (tmp_path / "in.csv").write_text("text,labels,label\nfool,mine,too\n")
    score_file(classifier, tmp_path / "in.csv", tmp_path / "out.csv")
    (row,) = read_output(tmp_path / "out.csv")
    assert (row["labels"], row["label"], row["predicted_labels"]) == ("mine", "too", '["toxic", "insult"]')
