"""`foreshot predict` on the command line: what counts as a text, a file or a stream, and what is printed or refused."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tiny_bundles import label_decisions, label_probabilities_of, tiny_bundle

import foreshot as library
from foreshot.cli.options import source_among
from foreshot.errors import ConfigError
from waiting import PATIENCE

TEXTS = ["you absolute walnut", "thank you"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("predict") / "bundle")


# ---- texts, files, streams ----


def test_texts_are_no_files(tmp_path):
    assert source_among(["you fool"]) is None
    assert source_among(["you", "fool"]) is None
    assert source_among(["I lost report.csv and data.csv"]) is None
    assert source_among(["what a .csv"]) is None
    assert source_among(["x" * 10_000]) is None
    assert source_among(["nul \0 in it"]) is None
    assert source_among([""]) is None


def test_files_and_streams_are_found(tmp_path):
    table, other = tmp_path / "some comments.csv", tmp_path / "comments.xlsx"
    table.touch()
    other.touch()
    assert source_among([str(table)]) == str(table)
    assert source_among([str(other)]) == str(other)  # refused by its reader, rather than scored as a text
    assert source_among(["-"]) == "-"


@pytest.mark.parametrize("inputs", [["a.csv", "b.csv"], ["a text", "a.csv"], ["-", "-"], ["-", "a text"]])
def test_one_file_at_a_time(inputs):
    with pytest.raises(ConfigError, match="one file or stream at a time"):
        source_among(inputs)


def test_a_file_that_is_not_there_is_no_text():
    with pytest.raises(ConfigError, match=r"^coments\.csv: no such file"):
        source_among(["coments.csv"])


# ---- what is printed ----


def test_texts_give_a_table(foreshot, bundle):
    done = foreshot("predict", bundle, *TEXTS)
    assert done.exit_code == 0, done.stderr
    heading, *lines = done.stdout.splitlines()
    assert heading.split() == ["decision", "label", "P(toxic)", "text"]
    for line, text, found in zip(lines, TEXTS, library.load(bundle)(TEXTS), strict=True):
        assert line.split()[:3] == [found.decision, found.label, f"{found.scores['toxic']:.1%}"]
        assert line.endswith(text)


def test_texts_give_json_lines(foreshot, bundle):
    done = foreshot("predict", bundle, *TEXTS, "ça \u202e", "--json")
    assert done.stdout.isascii()
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines] == [*TEXTS, "ça \u202e"]
    here = library.load(bundle)(TEXTS)
    assert [line["scores"] for line in lines[:2]] == [pytest.approx(found.scores) for found in here]


def test_a_hostile_text_does_nothing_to_the_terminal(foreshot, bundle):
    done = foreshot("predict", bundle, "red \x1b[31m \u202e \x07 \r end", "two\nlines")
    assert done.stdout.count("\n") == 3
    assert not {"\x1b", "\u202e", "\x07", "\r"} & set(done.stdout)


def test_a_cut_text_is_told(foreshot, bundle):
    done = foreshot("predict", bundle, "walnut " * 500)
    assert "its end was not looked at" in done.stdout
    assert len(done.stdout.splitlines()[1]) < 250


def test_a_file_is_scored(foreshot, bundle, tmp_path):
    table, scored = tmp_path / "comments.csv", tmp_path / "scored.parquet"
    table.write_text(f"id,comment\n7,{TEXTS[0]}\n8,{TEXTS[1]}\n", encoding="utf-8")
    done = foreshot("predict", bundle, table, "--text", "comment", "--out", scored, "--threads", 1, "--batch-size", 1)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert "2 rows scored" in done.stderr
    found = pq.read_table(scored).to_pydict()
    assert found["id"] == ["7", "8"]
    assert found["label"] == [prediction.label for prediction in library.load(bundle)(TEXTS)]


def test_bad_rows_stop_or_are_set_aside(foreshot, bundle, tmp_path):
    table, scored, aside = tmp_path / "c.jsonl", tmp_path / "s.jsonl", tmp_path / "bad.jsonl"
    table.write_text('{"text": "thank you"}\n{"text": 3}\n', encoding="utf-8")
    done = foreshot("predict", bundle, table, "--out", scored)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(f"foreshot: {table}, line 2, column 'text'")
    assert not scored.exists()
    done = foreshot("predict", bundle, table, "--out", scored, "--bad-rows", aside)
    assert done.exit_code == 0, done.stderr
    assert len(scored.read_text(encoding="utf-8").splitlines()) == 1
    assert json.loads(aside.read_text(encoding="utf-8"))["row"] == 2


def test_a_reader_that_has_enough_ends_it_quietly(bundle):
    program = shlex.join([sys.executable, "-m", "foreshot", "predict", str(bundle), "-"])
    shell = f"yes 'thank you' | {program} | head -n 1"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert json.loads(done.stdout)["text"] == "thank you"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-length", "100000"], "the bundle's most"),
        (["--file", "other.onnx"], "has no other.onnx"),
    ],
)
def test_settings_that_do_not_fit_are_told(foreshot, bundle, arguments, words):
    done = foreshot("predict", bundle, "a text", *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_stream_of_another_kind_is_told(foreshot, bundle):
    done = foreshot("predict", bundle, "-", "--stream", "xml")
    assert done.exit_code == 2
    assert "lines, csv, tsv, jsonl" in done.stderr


def test_all_labels_of_a_multi_label_bundle_are_told(foreshot, tmp_path):
    decisions = label_decisions("toxic", "insult", "threat")
    bundle = tiny_bundle(tmp_path / "bundle", decisions=decisions)
    texts = ["you absolute walnut", "thank you"]
    done = foreshot("predict", bundle, *texts)
    assert done.exit_code == 0, done.stderr
    rude, kind = done.stdout.splitlines()[1:]
    scores = [f"{label_probabilities_of(text, decisions)[0]:.1%}" for text in texts]
    assert rude.split()[:4] == ["block", "toxic,", "insult", scores[0]]
    assert kind.split()[:3] == ["allow", "–", scores[1]]
    lines = [json.loads(line) for line in foreshot("predict", bundle, *texts, "--json").stdout.splitlines()]
    assert [(line["label"], line["labels"], line["decision"]) for line in lines] == [
        ("toxic", ["toxic", "insult"], "block"),
        ("not toxic", [], "allow"),
    ]
    assert list(lines[0]["scores"].values()) == pytest.approx(label_probabilities_of(texts[0], decisions), abs=1e-6)


@pytest.mark.parametrize("command", [("predict", "hi"), ("serve", "--port", 0)])
@pytest.mark.parametrize("threads", [1025, 99_999_999_999, 10**30])
def test_more_threads_than_there_can_be_are_refused(foreshot, tmp_path, command, threads):
    name, *options = command
    done = foreshot(name, tiny_bundle(tmp_path / "tiny"), *options, "--threads", threads)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr == f"foreshot: --threads {threads}: must be 1 to 1024\n"
