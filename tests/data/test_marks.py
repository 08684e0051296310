"""Several label columns: which cells are marks, which columns are refused, and what the split makes of them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.split import split_tables, write_split
from foreshot.data.table import Table, read_table
from foreshot.errors import DataError

NAMES = ("toxic", "threat", "insult")


def csv_file(folder, *lines, name="a.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def complaint(path, **options):
    with pytest.raises(DataError) as refused:
        read_table(path, labels=("toxic", "threat"), **options)
    assert "\n" not in str(refused.value)
    return str(refused.value)


# ---- cells ----


def test_marks_are_read_however_they_are_written(tmp_path):
    path = csv_file(
        tmp_path, "text,threat,toxic", "a,0,1", "b,1.0,0.0", "c,true,FALSE", 'd," 1 ",0', "e,False,True", "f,0.,1"
    )
    table = read_table(path, labels=("toxic", "threat"))
    assert table.marks == [(1, 0), (0, 1), (0, 1), (0, 1), (1, 0), (1, 0)]
    assert (table.labels, table.label_names, table.label_column) == ([1, 0, 0, 0, 1, 1], ("toxic", "threat"), "toxic")
    assert table.texts == list("abcdef")


@pytest.mark.parametrize("values", [[0, 1], [0.0, 1.0], [False, True], ["0", "1"]])
def test_marks_of_every_type_of_a_parquet_file(tmp_path, values):
    pq.write_table(pa.table({"text": ["a", "b"], "toxic": values, "threat": values[::-1]}), tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", labels=("toxic", "threat")).marks == [(0, 1), (1, 0)]


@pytest.mark.parametrize("cell", ["2", "-1", "yes", "x", "", "00", "1 0"])
def test_another_value_stops_the_reading_and_can_be_skipped(tmp_path, cell):
    path = csv_file(tmp_path, "text,toxic,threat", "a,0,1", f"b,1,{cell}", "c,1,0")
    said = complaint(path)
    assert said.startswith(f"{path}, line 3, column 'threat'")
    assert "(bad rows: 1)" in said
    assert "skip_bad_rows" in said
    table = read_table(path, labels=("toxic", "threat"), skip_bad_rows=True)
    assert (table.texts, table.marks, table.rows, table.skipped_rows) == (["a", "c"], [(0, 1), (1, 0)], [2, 4], 1)


@pytest.mark.parametrize("cell", ["-1", "-1.0", "nan", "?", "None", "N/A"])
def test_rows_that_nobody_labelled_are_left_out_by_name(tmp_path, cell):
    path = csv_file(tmp_path, "text,toxic,threat", "a,0,1", f"b,1,{cell}", f"c,{cell},{cell}", "d,1,0")
    said = complaint(path)
    assert f"usually says that nobody labelled the row: leave_out={'' if cell != '?' else chr(39)}" in said
    table = read_table(path, labels=("toxic", "threat"), leave_out=[cell])
    assert (table.texts, table.rows, table.skipped_rows) == (["a", "d"], [2, 5], 0)
    assert table.announcements[-1].startswith(f"{path}: rows left out by --leave-out: 2 labelled ")


def test_a_missing_mark_stops_the_reading(tmp_path):
    path = tmp_path / "a.jsonl"
    records = [{"text": "a", "toxic": 0, "threat": 1}, {"text": "b", "toxic": None, "threat": 1}]
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    assert f"{path}, line 2, column 'toxic': no label (0 or 1)" in complaint(path)


def test_an_empty_text_is_a_bad_row_of_a_multi_label_table_too(tmp_path):
    path = csv_file(tmp_path, "text,toxic,threat", '" ",0,1', "b,1,0")
    assert "line 2, column 'text': an empty text" in complaint(path)


# ---- columns ----


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["0", "0.25", "1"], "scores"),
        (["0.0", "1e-3", "1"], "scores"),
        (["1", "3", "5"], "ratings or classes"),
        (["0", "1", "2", "3"], "ratings or classes"),
        (["1.0", "2.0", "3.0"], "ratings or classes"),
    ],
)
@pytest.mark.parametrize("skip_bad_rows", [False, True])
def test_scores_and_ratings_are_refused_even_where_bad_rows_are_skipped(tmp_path, cells, kind, skip_bad_rows):
    path = csv_file(tmp_path, "text,toxic,threat", *(f"t{number},1,{cell}" for number, cell in enumerate(cells)))
    said = complaint(path, skip_bad_rows=skip_bad_rows)
    assert f"holds {kind}" in said
    assert "column 'threat'" in said


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path):
    path = csv_file(tmp_path, "text,toxic,insult", "a,0,1")
    assert complaint(path) == f"{path}: has no column 'threat'; its columns are text, toxic, insult"
    path = csv_file(tmp_path, "text,tags", "a,toxic", "b,")
    assert complaint(path) == (
        f"{path}: has no column 'toxic'; its columns are text, tags; where one column holds all labels of a row, name "
        "it with label, too"
    )


def test_a_label_is_never_guessed_to_be_the_text(tmp_path):
    path = csv_file(tmp_path, "words,toxic,comment", "a,0,1", "b,1,0")
    with pytest.raises(DataError, match="name it with text"):
        read_table(path, labels=("toxic", "comment"))
    with pytest.raises(DataError, match="both the text and a label"):
        read_table(path, labels=("toxic", "comment"), text="comment")
    assert read_table(path, labels=("toxic", "comment"), text="words").texts == ["a", "b"]


# ---- the split ----


def table(marks, source="data.csv", texts=None):
    marks = list(marks)
    return Table(
        source=source,
        texts=texts or [f"{source} text {number}" for number in range(len(marks))],
        labels=[of_row[0] for of_row in marks],
        rows=list(range(2, 2 + len(marks))),
        text_column="text",
        label_column=NAMES[0],
        skipped_rows=0,
        announcements=(),
        label_names=NAMES,
        marks=marks,
    )


def split(data, validation=None, test=None, **options):
    defaults = {"positive": None, "validation_fraction": 0.2, "test_fraction": 0.2, "seed": 0, "max_train_rows": None}
    return split_tables(data, validation, test, **{**defaults, **options})


MARKS = [(number % 2, number % 3 == 0, (number // 2) % 2) for number in range(60)]
MARKS = [tuple(map(int, of_row)) for of_row in MARKS]


def test_every_row_keeps_its_marks_through_split_and_sample():
    data = table(MARKS)
    made = split(data, max_train_rows=20)
    of_text = dict(zip(data.texts, MARKS, strict=True))
    assert sorted(len(part) for part in made.parts.values()) == [12, 12, 20]
    for part in made.parts.values():
        assert part.marks == [of_text[text] for text in part.texts]
        assert part.labels == [of_row[0] for of_row in part.marks]


def test_the_classes_are_those_of_the_first_label():
    made = split(table(MARKS))
    assert made.label_names == NAMES
    assert (made.classes.names, made.classes.positive) == (("not toxic", "toxic"), 1)
    assert made.classes.of_two == {"toxic": "toxic", "benign": "not toxic"}


def test_copies_with_other_marks_conflict_although_the_judged_label_agrees():
    marks = [*MARKS, (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 1)]
    texts = [f"text {number}" for number in range(60)] + ["you walnut", "You  walnut", "same", "same"]
    made = split(table(marks, texts=texts))
    assert made.label_conflicts == 2
    assert made.duplicates_removed == {"repeated within train": 1}
    assert "you walnut" not in {text for part in made.parts.values() for text in part.texts}


@pytest.mark.parametrize(("value", "said"), [(0, "no row"), (1, "every row")])
def test_a_label_that_training_rows_do_not_tell_apart_is_refused(value, said):
    marks = [(toxic, value, insult) for toxic, _, insult in MARKS]
    with pytest.raises(DataError, match=f"^data.csv: {said} of the training part has the label 'threat'"):
        split(table(marks))


def test_a_label_that_only_the_sample_lacks_is_refused():
    marks = [(toxic, int(number == 59), insult) for number, (toxic, _, insult) in enumerate(MARKS)]
    others = {"validation": table(MARKS, "validation.csv"), "test": table(MARKS, "test.csv")}
    refused = []
    for seed in range(10):
        try:
            made = split(table(marks), **others, max_train_rows=20, seed=seed)
        except DataError as error:
            refused.append(str(error))
        else:
            assert any(threat for _, threat, _ in made.parts["train"].marks)
    assert 0 < len(refused) < 10
    assert all("no row of the training part has the label 'threat'" in said for said in refused)
    assert all("max_train_rows" in said for said in refused)


def test_a_label_without_rows_in_validation_or_test_is_announced():
    lacking = [(toxic, 0, insult) for toxic, _, insult in MARKS]
    made = split(table(MARKS), test=table(lacking, "test.csv"))
    assert made.announcements == (
        "data.csv: 30 rows labelled toxic, 20 rows labelled threat, 30 rows labelled insult, 10 with none of these "
        "labels",
        "test: no row has the label 'threat'; it has no AUROC there",
    )


def test_a_part_without_the_judged_label_is_refused():
    lacking = [(0, threat, insult) for _, threat, insult in MARKS]
    with pytest.raises(DataError, match=r"the test part has no row of class 'toxic'.*name another label first"):
        split(table(MARKS), test=table(lacking, "test.csv"))


def test_the_stored_split_has_every_label(tmp_path):
    made = split(table(MARKS))
    write_split(made, tmp_path)
    for name, part in made.parts.items():
        stored = pq.read_table(tmp_path / f"{name}.parquet")
        assert stored.column("marks").to_pylist() == [dict(zip(NAMES, marks, strict=True)) for marks in part.marks]
        assert stored.column("text").to_pylist() == part.texts
