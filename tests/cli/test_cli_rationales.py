"""Agreement with people through the command line: a finished run is asked about it anew, by either method."""

import json
from collections.abc import Callable
from math import exp, log
from pathlib import Path
from typing import Any

import pytest

from cli_runs import INSULTS, make_comments, weights_times

Foreshot = Callable[..., Any]


def rationales_file(folder: Path) -> Path:
    """Rude comments that no run was trained on; people marked the insult, and once nothing."""
    lines = []
    for text, label in make_comments(300)[200:220]:
        word = text.split()[1]
        spans = list(range(4, 4 + len(word))) if label == "1" else []
        lines.append({"text": text.upper() if len(lines) == 2 else text, "spans": spans})
    path = folder / "rationales.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def reasons_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text(encoding="utf-8"))["reasons"]


def test_a_run_is_asked_about_peoples_marks_without_training(foreshot: Foreshot, run: Path, tmp_path: Path) -> None:
    assert reasons_of(run)["source"] == "test rows of class toxic"
    assert not reasons_of(run)["rationales"]
    before = weights_times(run)
    done = foreshot("compare", run, "--rationales", rationales_file(tmp_path))
    assert done.exit_code == 0, done.stderr
    assert weights_times(run) == before
    found = reasons_of(run)
    assert found["rationales"]
    assert (found["texts"], found["marked_words"]) == (8, 8)
    assert found["left_out"] == {"nothing marked": 12}
    assert [model["model"] for model in found["models"]] == [
        *("teacher", "odd", "lora", "odd-lora", "odd-labels"),
        *("word list", "random"),
    ]
    for model in found["models"][:5]:
        assert set(model["numbers"]) == {
            *("token_f1_best", "token_f1", "iou_f1", "auprc"),
            *("comprehensiveness", "sufficiency"),
        }
    teacher = found["models"][0]["numbers"]
    # A perfect classifier of comments that differ by the one word goes by it.
    assert teacher["auprc"]["value"]["value"] > 0.8
    assert teacher["comprehensiveness"]["value"]["value"] > 0.1
    assert [student["model"] for student in found["students"]] == ["odd", "lora", "odd-lora", "odd-labels"]
    for example in found["examples"]:
        marked = [example["text"][word["begin"] : word["end"]] for word in example["words"] if word["marked"]]
        assert len(marked) == 1
        assert marked[0].lower() in INSULTS
        for view in example["models"]:
            # log-odds give the probability without each word: p − score, by way of p / (1 − p)
            whole = log(view["probability"] / (1 - view["probability"]))
            without = [1 / (1 + exp(difference - whole)) for difference in view["log_odds_differences"]]
            assert without == pytest.approx([view["probability"] - score for score in view["scores"]], abs=1e-9)
            assert any(view["log_odds_differences"])

    by_gradients = foreshot("compare", run, "--set", "explanations.method=integrated-gradients")
    assert by_gradients.exit_code == 0, by_gradients.stderr
    again = reasons_of(run)
    assert again["method"] == "integrated-gradients"
    assert again["settings"] == {"baselines": "mask", "steps": "16"}
    assert again["texts"] == 8
    assert again["models"][0]["numbers"]["auprc"]["value"]["value"] > 0.8
    assert again["students"][0]["rank_correlation"] != found["students"][0]["rank_correlation"]
    assert weights_times(run) == before
    for view in (view for example in again["examples"] for view in example["models"]):
        assert view["log_odds_differences"] == view["scores"]


def test_no_text_need_be_explained(foreshot: Foreshot, run: Path) -> None:
    done = foreshot("compare", run, "--set", "explanations.texts=0")
    assert done.exit_code == 0, done.stderr
    assert reasons_of(run) is None
    assert "Why they decide" not in (run / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"text": "ab", "spans": [5]}', "line 1, column 'spans': the offset 5 lies outside the text"),
        ('{"text": "ab", "marks": [5]}', "rationales need the column spans, or tokens and rationale"),
        ('{"text": "ab", "spans": []}', "no text is left in which people marked something"),
        ('{"text": "a, b", "spans": [1]}', "no text is left of which people marked a word"),
        ("", "is empty"),
    ],
)
def test_bad_rationales_are_one_line(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, line: str, complaint: str
) -> None:
    path = tmp_path / "marks.jsonl"
    path.write_text(line, encoding="utf-8")
    done = foreshot("compare", *asked, "--rationales", path, "--runs", tmp_path / "runs")
    assert done.exit_code == 2
    assert str(path) in done.stderr
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("explanations.method=shap", "explanations.method: Input should be 'leave-one-out' or 'integrated-gradients'"),
        ("explanations.steps=0", "explanations.steps: Input should be greater than or equal to 1"),
        ("explanations.baselines=[blur]", "explanations.baselines"),
        ("explanations.texts=-1", "explanations.texts: Input should be greater than or equal to 0"),
    ],
)
def test_bad_settings_are_one_line(foreshot: Foreshot, asked: list[str], setting: str, complaint: str) -> None:
    done = foreshot("compare", *asked, "--set", setting)
    assert done.exit_code == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1
