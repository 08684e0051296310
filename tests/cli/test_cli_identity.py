"""Identity groups through the command line: what they say, that a run is asked about them anew, and bad input."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cli_runs import FAST, make_comments, weights_times, write_csv

Foreshot = Callable[..., Any]
TERMS = [
    ("cooks", "cook"),
    ("artists", "painter"),
    ("artists", "SINGER"),
    ("artists", "author"),
    ("bees", "bee keeper"),
]


def terms_file(folder: Path) -> Path:
    return write_csv(folder / "terms.csv", TERMS, header=("group", "term"))


def bias_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))["identity_bias"]


def test_terms_are_found_in_the_test_rows_and_judged_for_every_model(
    foreshot: Foreshot, asked: list[str], finished_run: Path, tmp_path: Path
) -> None:
    test = write_csv(tmp_path / "test.csv", make_comments(440)[200:])
    done = foreshot(
        *("compare", *asked, "--test", test, "--recipes", "odd", "--seeds", "0,1", "--epochs", "2", "--name", "groups"),
        *("--teacher", finished_run / "teacher", "--identity-terms", terms_file(tmp_path), "--runs", tmp_path),
    )
    assert done.exit_code == 0, done.stderr
    found = bias_of(tmp_path / "groups")
    comments = make_comments(440)[200:]
    expected = {
        group: [
            sum(any(f" {word} " in text for word in words) and label == wanted for text, label in comments)
            for wanted in ("1", "0")
        ]
        for group, words in {"cooks": ["cook"], "artists": ["painter", "singer", "author"], "bees": ["bee"]}.items()
    }
    assert {group["name"]: [group["positive"], group["negative"]] for group in found["groups"]} == expected
    assert expected["artists"][0] >= 10
    assert [model["model"] for model in found["models"]] == ["teacher", "odd"]
    assert set(found["models"][1]["groups"]["artists"]) == {"subgroup", "bpsn", "bnsp"}
    results = json.loads((tmp_path / "groups" / "results.json").read_text(encoding="utf-8"))
    (spread,) = [summary["spreads"]["auroc"] for summary in results["summaries"] if summary["model"] == "odd"]
    assert found["models"][1]["overall"]["value"]["value"] == pytest.approx(spread["mean"])
    assert "no test row mentions bees" in done.stdout
    assert f"cooks {sum(expected['cooks'])}, artists {sum(expected['artists'])}, bees 0" in done.stdout
    assert "## Identity groups" in (tmp_path / "groups" / "report.md").read_text(encoding="utf-8")


def test_columns_of_the_data_follow_the_rows_that_are_split_off(
    foreshot: Foreshot, finished_run: Path, tmp_path: Path
) -> None:
    rows = [(text, label, "1" if " cook " in text else "") for text, label in make_comments(300)]
    data = write_csv(tmp_path / "data.csv", rows, header=("comment", "toxic", "cooks"))
    done = foreshot(
        *("compare", "--data", data, "--teacher", finished_run / "teacher", "--recipes", "odd", "--name", "columns"),
        *("--identity-columns", "cooks", *FAST, "--epochs", "2", "--suite", "none", "--runs", tmp_path),
    )
    assert done.exit_code == 0, done.stderr
    test = pq.read_table(tmp_path / "columns" / "data" / "test.parquet").to_pydict()
    (group,) = bias_of(tmp_path / "columns")["groups"]
    mentioned = [label for text, label in zip(test["text"], test["label"], strict=True) if " cook " in text]
    assert mentioned
    assert (group["positive"], group["negative"]) == (sum(mentioned), len(mentioned) - sum(mentioned))


def test_of_several_labels_the_first_one_is_judged(foreshot: Foreshot, encoder: Path, tmp_path: Path) -> None:
    rows = [
        (text, label, str(int(" cook " in text)), str(int(" mayor " in text))) for text, label in make_comments(300)
    ]
    data = write_csv(tmp_path / "data.csv", rows, header=("comment", "rude", "about_cooks", "mayors"))
    done = foreshot(
        *("compare", "--data", data, "--labels", "rude,about_cooks", "--encoder", encoder, "--suite", "none"),
        *("--recipes", "odd", "--identity-columns", "mayors", *FAST, "--name", "labels", "--runs", tmp_path),
    )
    assert done.exit_code == 0, done.stderr
    test = pq.read_table(tmp_path / "labels" / "data" / "test.parquet").to_pydict()
    (group,) = bias_of(tmp_path / "labels")["groups"]
    rude = {text: int(label) for text, label, *_ in rows}
    mentioned = [rude[text] for text in test["text"] if " mayor " in text]
    assert 0 < sum(mentioned) < len(mentioned)
    assert (group["positive"], group["negative"]) == (sum(mentioned), len(mentioned) - sum(mentioned))


def test_a_run_is_asked_about_groups_anew_without_training(
    foreshot: Foreshot, finished_run: Path, tmp_path: Path
) -> None:
    run = tmp_path / "whole"
    shutil.copytree(finished_run, run)
    before = weights_times(run)
    assert json.loads((run / "results.json").read_text(encoding="utf-8"))["identity_bias"] is None
    asked = foreshot("compare", run, "--identity-terms", terms_file(tmp_path), "--policy", "identity=0.05")
    assert asked.exit_code == 0, asked.stderr
    assert [group["name"] for group in bias_of(run)["groups"]] == ["cooks", "artists", "bees"]
    assert weights_times(run) == before
    students = json.loads((run / "results.json").read_text(encoding="utf-8"))["verdict"]["students"]
    assert all("identity" in {found["name"] for found in student["requirements"]} for student in students)


# ---- bad input ----


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--identity-columns", "walnuts"], ["comments.csv", "no column 'walnuts'", "comment, toxic"]),
        (["--identity-columns", "comment"], ["comments.csv, line 2, column 'comment'", "0 or 1, true or false"]),
        (["--identity-columns", ""], ["settings: identity_columns.0", "at least 1 character"]),
        (["--identity-terms", "gone.csv"], ["gone.csv", "no such file"]),
        (["--identity-columns", "toxic", "--identity-terms", "terms.csv"], ["identity_columns or identity_terms"]),
    ],
)
def test_groups_that_cannot_be_told_are_one_line_and_leave_nothing(
    foreshot: Foreshot, comments: Path, encoder: Path, tmp_path: Path, options: list[str], words: list[str]
) -> None:
    stopped = foreshot("compare", "--data", comments, "--encoder", encoder, *options, "--runs", tmp_path / "runs")
    assert stopped.exit_code == 2
    assert stopped.stderr.startswith("foreshot: ")
    assert stopped.stderr.count("\n") == 1
    assert all(word in stopped.stderr for word in words), stopped.stderr
    assert not (tmp_path / "runs").exists()


def test_a_hostile_file_of_terms_does_not_reach_the_terminal_raw(
    foreshot: Foreshot, comments: Path, encoder: Path, tmp_path: Path
) -> None:
    hostile = "\x1b[2J\x07\u202eevil\nline"
    path = write_csv(tmp_path / "terms.csv", [(hostile, "cook"), (hostile, "-")], header=("group", "term"))
    stopped = foreshot(
        *("compare", "--data", comments, "--encoder", encoder, "--identity-terms", path, "--runs", tmp_path / "runs")
    )
    assert stopped.exit_code == 2
    assert "terms.csv, line " in stopped.stderr
    assert "has no term here" in stopped.stderr
    assert stopped.stderr[:-1].isprintable()


def test_the_built_in_corpus_has_no_columns_but_can_be_asked_with_terms(foreshot: Foreshot, tmp_path: Path) -> None:
    stopped = foreshot("compare", "--demo", "--identity-columns", "women", "--runs", tmp_path / "runs")
    assert stopped.exit_code == 2
    assert "identity_columns: the built-in corpus has none; name a file with identity_terms" in stopped.stderr


def test_three_classes_have_no_score_to_judge_by(foreshot: Foreshot, encoder: Path, tmp_path: Path) -> None:
    rows = [(text, "abc"[number % 3]) for number, (text, _) in enumerate(make_comments(90))]
    data = write_csv(tmp_path / "three.csv", rows)
    stopped = foreshot(
        *("compare", "--data", data, "--encoder", encoder, "--identity-terms", terms_file(tmp_path)),
        *("--runs", tmp_path / "runs"),
    )
    assert stopped.exit_code == 2
    assert "identity groups: they are judged by the scores of the class that counts as toxic" in stopped.stderr
