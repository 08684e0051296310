"""Unlabelled texts with stored scores through the command line: these teach where the teacher would be asked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_runs import DID, INSULTS, PRAISE, make_comments, write_csv

Foreshot = Callable[..., Any]
TEXTS = [f"the {word} neighbour {did} it again" for word in (*INSULTS, *PRAISE) for did in DID]
SCORES = [round(0.95 - number / 200, 3) for number in range(len(TEXTS))]
EXTREME = {0: 1.0, 5: 0.0}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts with scores, of which one has none, one comes twice and one has a label, in several row groups."""
    scores: list[float | None] = [EXTREME.get(number, score) for number, score in enumerate(SCORES)]
    labelled, *_ = make_comments()[0]
    path = tmp_path_factory.mktemp("stored") / "stored.parquet"
    table = pa.table({"body": [*TEXTS, "no score", TEXTS[3].upper(), labelled], "TOXICITY": [*scores, None, 0.5, 0.5]})
    pq.write_table(table, path, row_group_size=50)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, asked: list[str], stored: Path) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    done = foreshot(
        *("compare", *asked, "--scores", "TOXICITY", "--unlabelled", stored, "--recipes", "odd", "--seeds", "0"),
        *("--runs", runs, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr + done.stdout
    (runs / "stdout").write_text(done.stdout)
    return runs / "x"


def test_what_is_learnt_from_is_said_and_counted(run: Path) -> None:
    said = " ".join((run.parent / "stdout").read_text().split())
    assert (
        f"unlabelled: {len(TEXTS)} texts that have scores, 1 also among the labelled rows left out, "
        "1 without a score left out, 1 repeated left out"
    ) in said
    results = json.loads((run / "results.json").read_text())
    assert results["data"]["unlabelled_rows"] == len(TEXTS)
    assert results["models"][1]["recipe"]["objective"] == "distil"
    assert results["models"][1]["training"]["final"]["cosine"] is not None


def test_the_scores_are_the_teachers_logits_of_these_rows_and_the_network_says_the_others(run: Path) -> None:
    """Of the two classes 0 and 1 the second counts as toxic: its log-odds are those of the score, cut at 1e-4."""
    parts = json.loads((run / "results.json").read_text())["data"]["parts"]
    labelled = parts["train"]["rows"]
    logits = np.load(run / "targets" / "logits.npy", allow_pickle=False)
    assert logits.shape == (labelled + len(TEXTS), 2)
    assert (logits[labelled:, 0] == 0).all()
    chances = 1 / (1 + np.exp(-logits[labelled:, 1].astype(np.float64)))
    expected = [np.clip(EXTREME.get(number, score), 1e-4, 1 - 1e-4) for number, score in enumerate(SCORES)]
    assert np.allclose(chances, expected, atol=1e-6)
    assert (logits[:labelled] != 0).all()
    assert len(np.load(run / "targets" / "representations.npy", allow_pickle=False)) == labelled


def test_a_second_run_reads_the_texts_and_writes_nothing_again(
    run: Path, foreshot: Foreshot, asked: list[str], stored: Path
) -> None:
    files = {path: path.stat().st_mtime_ns for path in run.rglob("*.npy")}
    assert len(files) == 5  # tokens, where rows begin, scores; logits and representations
    again = foreshot("compare", run)
    assert again.exit_code == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.npy")} == files


def test_scores_alone_are_learnt_from_the_file_that_is_streamed_too(
    foreshot: Foreshot, encoder: Path, suite: Path, stored: Path, tmp_path: Path
) -> None:
    rows = [(text, "0.9" if label == "1" else "0.1") for text, label in make_comments(120)]
    data = write_csv(tmp_path / "sample.csv", rows, header=("comment", "TOXICITY"))
    done = foreshot(
        *("compare", "--data", data, "--scores", "TOXICITY", "--unlabelled", stored, "--encoder", encoder),
        *("--suite", suite, "--recipes", "odd", "--seeds", "0", "--epochs", "1", "--max-length", "24"),
        *("--runs", tmp_path, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr
    results = json.loads((tmp_path / "x/results.json").read_text())
    (odd,) = (model for model in results["models"] if model["model"] == "odd")
    assert odd["recipe"]["objective"] == "distil"
    logits = np.load(tmp_path / "x/targets/logits.npy", allow_pickle=False)
    assert logits.shape == (results["data"]["parts"]["train"]["rows"] + results["data"]["unlabelled_rows"], 1)
    assert logits[-1, 0] == pytest.approx(np.log(SCORES[-1] / (1 - SCORES[-1])), abs=1e-5)


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [("1.2", "line 3, column 'TOXICITY': 1.2 is outside 0 to 1"), ("high", "line 3, column 'TOXICITY': 'high' is no")],
)
def test_a_bad_score_stops_before_anything_is_written(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, cell: str, complaint: str
) -> None:
    more = write_csv(tmp_path / "more.csv", [("a new one", "0.5"), ("another", cell)], header=("text", "TOXICITY"))
    words = ("--scores", "TOXICITY", "--unlabelled", more, "--runs", tmp_path / "runs")
    done = foreshot("compare", *asked, *words)
    assert done.exit_code == 2
    assert f"more.csv, {complaint}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_scores_of_one_class_cant_teach_three(foreshot: Foreshot, encoder: Path, stored: Path, tmp_path: Path) -> None:
    rows = [(text, label if number % 3 else "2") for number, (text, label) in enumerate(make_comments(120))]
    data = write_csv(tmp_path / "three.csv", rows)
    done = foreshot(
        *("compare", "--data", data, "--text", "comment", "--label", "toxic", "--classes", "0,1,2"),
        *("--encoder", encoder, "--suite", "none", "--scores", "TOXICITY", "--unlabelled", stored, "--runs", tmp_path),
        *("--max-length", "24"),
    )
    assert done.exit_code == 2
    assert "one score tells of two classes, one of which counts as toxic" in done.stderr


def test_where_scores_are_the_teacher_texts_without_any_are_taught_by_nobody(
    foreshot: Foreshot, encoder: Path, suite: Path, tmp_path: Path
) -> None:
    rows = [(text, "0.9" if label == "1" else "0.1") for text, label in make_comments(120)]
    data = write_csv(tmp_path / "sample.csv", rows, header=("comment", "TOXICITY"))
    (tmp_path / "more.txt").write_text("a new one\n")
    done = foreshot(
        *("compare", "--data", data, "--scores", "TOXICITY", "--unlabelled", tmp_path / "more.txt"),
        *("--encoder", encoder, "--suite", suite, "--runs", tmp_path, "--max-length", "24"),
    )
    assert done.exit_code == 2
    assert "more.txt: has none of the scores (TOXICITY), and nobody is there to give them" in done.stderr
