"""Label sets: which columns hold several labels in a cell, how they are read, and what is said where nobody asked."""

import json

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foreshot.data.label_sets import LONGEST_LIST, in_use, label_sets
from foreshot.data.split import split_tables
from foreshot.data.table import read_table
from foreshot.errors import DataError

SETS = [("rude",), ("rude", "loud"), (), ("loud",), ("rude", "loud", "sly"), ()]


def joined(sign, nothing):
    return [sign.join(labels) or nothing for labels in SETS]


def as_lists(form, nothing="[]"):
    return [form(list(labels)) if labels else nothing for labels in SETS]


WRITTEN = {
    "pipes": joined("|", ""),
    "pipes with spaces": joined(" | ", "  "),
    "commas": joined(",", ""),
    "commas and a space": joined(", ", ""),
    "semicolons": joined(";", ""),
    "slashes": joined("/", ""),
    "plus signs": joined(" + ", ""),
    "Python's lists": as_lists(str),
    "JSON's lists": as_lists(json.dumps),
    "tuples": as_lists(lambda labels: str(tuple(labels)), "()"),
    "sets": ["{'rude'}", "{'rude', 'loud'}", "", "{'loud'}", "{'rude', 'loud', 'sly'}", ""],
    "NumPy's arrays": as_lists(lambda labels: str(np.array(labels))),
    "lists without quotes": as_lists(lambda labels: f"[{', '.join(labels)}]"),
    "lists and empty cells": as_lists(str, ""),
    "arrays of several lines": as_lists(lambda labels: str(np.array(labels)).replace(" ", "\n ")),
    "PostgreSQL's arrays": as_lists(lambda labels: f"{{{','.join(labels)}}}", "{}"),
    "lists": [list(labels) for labels in SETS],
    "lists and nothing": [list(labels) or None for labels in SETS],
    "lists in double quotes, with apostrophes": as_lists(lambda labels: str(labels).replace("'", '"')),
}


@pytest.mark.parametrize("cells", WRITTEN.values(), ids=WRITTEN)
def test_labels_in_one_cell_are_found_however_they_are_written(cells):
    assert label_sets(cells) == SETS
    assert in_use(SETS) == {"rude": 3, "loud": 3, "sly": 1}


@pytest.mark.parametrize(
    "cells",
    [
        ["rude", "civil", "rude"],
        ["hate, targeted", "civil"],
        ["hate/offensive", "normal"],
        ["not rude", "rude"],
        ["0,25", "0,5", "1,0", "0,25"],  # scores as they are written in Europe
        ["1/5", "2/5", "5/5"],
        ["1 star", "5 stars"],
        ["[deleted]", "rude", "civil"],
        ["{'rude': 1, 'loud': 0}", "{'rude': 0, 'loud': 0}"],
        [{"rude": 1}, {"rude": 0}],
        [["rude", ["loud"]], []],
        ["", None, float("nan")],
        [0, 1, 1.0, True],
        [],
    ],
)
def test_columns_that_hold_one_label_a_cell(cells):
    assert label_sets(cells) is None


def test_texts_are_no_labels():
    assert label_sets([f"the {number}; and {number + 1}; or, {number}" for number in range(60)]) is None


@pytest.mark.parametrize("sign", ["|", ";"])
def test_signs_that_stand_in_no_label_separate_labels_that_occur_once(sign):
    assert label_sets([f"rude{sign}loud", "civil"]) == [("rude", "loud"), ("civil",)]


def test_a_name_that_is_asked_for_tells_what_separates():
    assert label_sets(["rude,loud", ""]) is None
    assert label_sets(["rude,loud", ""], ["loud"]) == [("rude", "loud"), ()]


def test_words_for_nothing_are_no_label_in_use_and_the_toxic_ones_come_first():
    assert in_use([("loud",), ("none",), ("loud", "insult"), ("normal",), ("not toxic",)]) == {"insult": 1, "loud": 2}
    assert list(in_use([("loud",), ("none",), ("loud", "insult")])) == ["insult", "loud"]
    assert in_use([("0",), ("27", "0")]) == {"0": 2, "27": 1}


def test_a_list_that_is_too_long_is_one_label():
    assert label_sets([json.dumps(["x" * LONGEST_LIST])])[0][0].startswith('["xxx')
    assert label_sets(["[" * 5000 + "]" * 5000]) is not None  # deeper than Python's parsers go


LETTERS = st.text(alphabet="ab'\",[](){}|;:/ \\1", max_size=12)


@given(st.lists(st.one_of(LETTERS, st.none(), st.floats(), st.integers())))
@settings(max_examples=300)
def test_no_cell_makes_it_stop(cells):
    found = label_sets(cells)
    assert found is None or len(found) == len(cells)


# ---- tables ----


def csv_file(folder, cells, name="a.csv", header="text,tags"):
    lines = [header, *(f't{number},"{cell}"' for number, cell in enumerate(cells))]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def jsonl_file(folder, cells):
    records = [{"text": f"t{number}", "tags": cell} for number, cell in enumerate(cells)]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "a.jsonl"


def parquet_file(folder, cells):
    texts = [f"t{number}" for number in range(len(cells))]
    pq.write_table(pa.table({"text": texts, "tags": cells}), folder / "a.parquet")
    return folder / "a.parquet"


def complaint(path, **options):
    with pytest.raises(DataError) as stopped:
        read_table(path, **options)
    assert "\n" not in str(stopped.value)
    return str(stopped.value)


@pytest.mark.parametrize(
    ("make", "cells"),
    [
        (csv_file, joined("|", "none")),
        (csv_file, joined(",", "")),
        (csv_file, as_lists(str)),
        (jsonl_file, [list(labels) for labels in SETS]),
        (parquet_file, [list(labels) or None for labels in SETS]),
    ],
)
def test_they_are_asked_about_and_read_when_asked_for(tmp_path, make, cells):
    path = make(tmp_path, cells)
    said = complaint(path, label="tags")
    assert f"row {5}" in said or f"line {6 if make is csv_file else 5}" in said
    assert "column 'tags'" in said
    assert "add labels=rude,loud,sly and label=tags (the first is judged" in said
    assert ("make a class of every combination" in said) == (make is csv_file)
    table = read_table(path, label="tags", labels=("loud", "rude"))
    assert table.marks == [(0, 1), (1, 1), (0, 0), (1, 0), (1, 1), (0, 0)]
    assert (table.labels, table.label_names, table.label_column) == ([0, 1, 0, 1, 1, 0], ("loud", "rude"), "tags")
    assert table.skipped_rows == 0
    assert table.announcements[-1] == (
        f"{path}: column 'tags': a row's labels are read from its cell; not asked for, by rows: sly 1"
    )


def test_a_column_of_one_label_a_cell_can_be_read_so_too(tmp_path):
    path = csv_file(tmp_path, ["Rude", "loud", "", "none", "rude"])
    assert read_table(path, label="tags", labels=("rude", "loud")).marks == [(1, 0), (0, 1), (0, 0), (0, 0), (1, 0)]


def test_a_label_that_no_cell_has_is_refused_in_the_rows_to_train_on_alone(tmp_path):
    path = csv_file(tmp_path, joined("|", ""))
    options = {"label": "tags", "labels": ("rude", "threat")}
    assert complaint(path, **options) == (
        f"{path}: no cell of column 'tags' has the label 'threat' of labels; its labels are rude, loud, sly"
    )
    assert {marks[1] for marks in read_table(path, part="test", **options).marks} == {0}


def test_cells_that_nobody_labelled_are_asked_about_or_left_out(tmp_path):
    path = csv_file(tmp_path, ["rude|loud", "?", "", "loud", "?"])
    options = {"label": "tags", "labels": ("rude", "loud")}
    said = complaint(path, **options)
    assert "line 3, column 'tags': '?' usually says that nobody labelled the row" in said
    assert "leave such rows out with leave_out='?', or empty the cell" in said
    table = read_table(path, leave_out=["?"], **options)
    assert (table.marks, table.rows) == ([(1, 1), (0, 0), (0, 1)], [2, 4, 5])
    assert "rows left out by --leave-out: 2 labelled ?" in table.announcements[1]


def test_the_text_is_no_label_column(tmp_path):
    path = csv_file(tmp_path, joined("|", ""))
    assert "both the text and a label" in complaint(path, text="tags", label="tags", labels=("rude", "loud"))


@pytest.mark.parametrize(
    ("cells", "labels"), [([["rude"], [], ["rude"]], ["rude", "none", "rude"]), ([[3], [7]], ["3", "7"])]
)
def test_lists_of_one_label_at_most_are_classes(tmp_path, cells, labels):
    path = jsonl_file(tmp_path, cells)
    table = read_table(path, label="tags")
    assert table.labels == labels
    assert table.announcements[-1] == f"{path}: column 'tags': each list has one label, or none: read as a class"


@pytest.mark.parametrize(
    "cells",
    [
        [[0, 1, 0], [1, 1, 0]],
        ["[0, 1, 0]", "[1 1 0]"],
        ["0,1,0", "1,1,0"],
        [{"rude": 1, "loud": 0}, {"rude": 0, "loud": 1}],
        ["{'rude': 1, 'loud': 0}", "{'rude': 0, 'loud': 1}"],
    ],
)
def test_marks_in_one_cell_need_columns(tmp_path, cells):
    said = complaint(jsonl_file(tmp_path, cells), label="tags")
    assert "holds the marks of several labels; write a column for each label and name them with labels" in said


def test_combinations_can_be_classes(tmp_path):
    cells = ["rude", "rude|loud", "none"] * 9
    table = read_table(csv_file(tmp_path, cells), label="tags", combined=True)
    options = {"validation_fraction": 0.2, "test_fraction": 0.2, "seed": 0, "max_train_rows": None}
    made = split_tables(table, None, None, positive=None, named_classes=["none", "rude", "rude|loud"], **options)
    assert made.classes.names == ("none", "rude", "rude|loud")


def test_names_of_a_datasets_lists_of_labels(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "tags": datasets.Sequence(datasets.ClassLabel(names=["rude", "loud"]))}
    )
    rows = {"text": ["a", "b", "c"], "tags": [[0, 1], [], [1]]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "saved")
    table = read_table(tmp_path / "saved", label="tags", labels=("rude", "loud"))
    assert table.marks == [(1, 1), (0, 0), (0, 1)]
