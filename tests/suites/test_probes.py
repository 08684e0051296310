"""Probes: read from a file of lines or a table, answered, and counted."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from foreshot.data.labels import Classes, find_classes
from foreshot.errors import ConfigError, DataError
from foreshot.results.behaviour import Probe, ProbeAnswer
from foreshot.suites.probes import answer, built_in_probes, counts, read_probes

NUMBERED = find_classes([0, 1], None, source="a.csv")  # written 0 and 1, named benign and toxic
NAMED = find_classes(["civil", "rude"], None, source="a.csv")
THREE = find_classes(["a", "b", "c"] * 2, None, source="a.csv")


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes) -> str:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return str(tmp_path / name)

    return write


def test_a_text_file_has_one_probe_a_line(write):
    path = write("probes.txt", '\ufeffyou fool\n\n  what a day, "he" said  \r\nAT&amp;T\n')
    assert read_probes(path, NUMBERED) == [
        Probe(text="you fool", label=None),
        Probe(text='what a day, "he" said', label=None),
        Probe(text="AT&T", label=None),  # as the texts of the data
    ]


def test_a_table_has_texts_labels_and_notes(write):
    path = write("probes.csv", 'text,label,note\n"you, fool",1,plain\nnice,0,\nwhat?,,none\nbad,toxic,by name\n')
    assert read_probes(path, NUMBERED) == [
        Probe(text="you, fool", label="toxic", note="plain"),
        Probe(text="nice", label="benign"),
        Probe(text="what?", label=None, note="none"),
        Probe(text="bad", label="toxic", note="by name"),
    ]


def test_a_label_may_be_missing_however_the_format_says_it(tmp_path):
    # This is how a table with gaps comes out of pandas.
    columns = {"text": ["a", "b", "c"], "label": [1.0, float("nan"), None], "note": ["why", None, float("nan")]}
    columns["note"] = [note if isinstance(note, str) else None for note in columns["note"]]
    pq.write_table(pa.table(columns), tmp_path / "probes.parquet")
    (tmp_path / "probes.jsonl").write_text('{"text": "a", "label": NaN, "note": NaN}', encoding="utf-8")
    assert [probe.label for probe in read_probes(str(tmp_path / "probes.parquet"), NUMBERED)] == ["toxic", None, None]
    assert read_probes(str(tmp_path / "probes.jsonl"), NUMBERED) == [Probe(text="a", label=None)]


def test_a_table_may_have_texts_alone(write):
    path = write("probes.csv", "text\nyou fool\nnice\n")
    assert read_probes(path, NUMBERED) == [Probe(text="you fool", label=None), Probe(text="nice", label=None)]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("rude", "rude"),
        ("civil", "civil"),
        ("1", "rude"),
        ("0", "civil"),
        ("yes", "rude"),
        ("toxic", "rude"),
        ("hate", "rude"),
        ("not hateful", "civil"),
    ],
)
def test_labels_of_a_task_with_names_of_its_own(write, written, name):
    assert read_probes(write("probes.csv", f"text,label\nhello,{written}\n"), NAMED)[0].label == name


def test_labels_as_the_data_writes_them_before_positive_merged_them(write):
    davidson = find_classes([0, 1, 2] * 3, ["0", "1"], source="a.csv")
    path = write("probes.csv", "text,label\none,0\ntwo,1\nthree,2\nfour,benign\n")
    assert [probe.label for probe in read_probes(path, davidson)] == ["toxic", "toxic", "benign", "benign"]


def test_a_task_of_many_classes(write):
    assert read_probes(write("probes.csv", "text,label\nhello,b\n"), THREE)[0].label == "b"
    with pytest.raises(DataError, match="label '1' is none of the classes a, b, c"):
        read_probes(write("probes.csv", "text,label\nhello,1\n"), THREE)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "p.csv",
            "text,label\nfine,0\nbad,maybe\n",
            r"p\.csv, row 3: label 'maybe' is none of the classes benign",
        ),
        (
            "p.csv",
            "text,label\nfine,0\nbad,nan\n",
            r"p\.csv, row 3: label 'nan' is none of the classes benign, toxic; where nobody knows, leave it empty",
        ),
        ("p.csv", "text,label\nfine,0\n   ,1\n", r"p\.csv, row 3: the probe's text is empty"),
        ("p.csv", "comment,label\nfine,0\n", r"p\.csv: probes need a column named text \(columns: comment, label\)"),
        ("p.csv", "", r"p\.csv"),
        ("p.csv", "text,label\n", r"p\.csv"),
        ("p.txt", "", r"p\.txt: holds no probes; give one text a line"),
        ("p.txt", "\n  \n", r"p\.txt: holds no probes"),
        ("p.txt", b"caf\xe9\n", r"p\.txt: can't be read as UTF-8 text"),
        ("p.csv", b"text\ncaf\xe9\n", r"p\.csv"),
    ],
)
def test_bad_probes_are_refused(write, name, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read_probes(write(name, content), NUMBERED)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.txt", "missing.csv"])
def test_a_file_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=f"{name}: no such file"):
        read_probes(str(tmp_path / name), NUMBERED)


def test_built_in_probes_take_the_names_of_the_data():
    probes = built_in_probes(NUMBERED)
    assert {probe.label for probe in probes} == {"benign", "toxic"}
    assert [probe.text for probe in built_in_probes(NAMED)] == [probe.text for probe in probes]
    meaning = {"benign": "civil", "toxic": "rude"}
    assert [probe.label for probe in built_in_probes(NAMED)] == [meaning[probe.label] for probe in probes]


def test_built_in_probes_are_refused_in_a_task_of_other_classes():
    with pytest.raises(ConfigError, match="probes: the built-in ones are benign or toxic"):
        built_in_probes(THREE)


PROBABILITIES, DECIDED = np.array([[0.75, 0.25], [0.1, 0.9]]), np.array([0, 1])


def test_a_score_is_that_of_the_positive_class():
    answers = answer(PROBABILITIES, DECIDED, NUMBERED)
    assert [given.predicted for given in answers] == ["benign", "toxic"]
    assert [given.score for given in answers] == pytest.approx([0.25, 0.9])
    first = Classes(("toxic", "benign"), 0, {}, ())
    assert [given.score for given in answer(PROBABILITIES, DECIDED, first)] == pytest.approx([0.75, 0.1])


def test_an_answer_is_what_was_decided_and_not_the_likeliest_class():
    # As by a threshold of 0.2 on P(toxic): both are flagged.
    answers = answer(PROBABILITIES, np.array([1, 1]), NUMBERED)
    assert [given.predicted for given in answers] == ["toxic", "toxic"]
    assert [given.score for given in answers] == pytest.approx([0.25, 0.9])


def test_a_score_without_a_positive_class_is_that_of_the_answer():
    answers = answer(PROBABILITIES, DECIDED, Classes(("a", "b"), None, {}, ()))
    assert [given.predicted for given in answers] == ["a", "b"]
    assert [given.score for given in answers] == pytest.approx([0.75, 0.9])


def given(*predicted: str) -> list[ProbeAnswer]:
    return [ProbeAnswer(predicted=name, score=0.5) for name in predicted]


def test_counts_by_hand():
    probes = [
        Probe(text=str(number), label=label) for number, label in enumerate(["toxic"] * 3 + ["benign"] * 2 + [None])
    ]
    answers = given("toxic", "toxic", "benign", "toxic", "benign", "toxic")
    assert counts(probes, answers, "toxic") == {
        "probes_right": 3,
        "probes_flagged": 2,
        "benign_probes_flagged": 1,
    }
    assert counts(probes, answers, None) == {"probes_right": 3}


def test_nothing_is_counted_without_labels():
    assert counts([Probe(text="a", label=None)], given("toxic"), "toxic") == {}
    assert counts([], [], "toxic") == {}


def test_an_answer_to_each_probe_is_needed():
    with pytest.raises(ValueError, match="zip"):
        counts([Probe(text="a", label="toxic")], [], "toxic")
