"""The ready model on the command line: which words mean it, and which are refused rather than scored as texts."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from served import served
from tiny_bundles import label_decisions, label_probabilities_of, tiny_bundle

from cli_runs import write_csv
from foreshot.serving.server import Plan

TEXTS = ["you absolute walnut", "thank you"]
TOLD = (
    "foreshot: the ready model answers: tiny-ready, made 2026-11-24, for English; a first pass for people to review, "
    "no judge\n"
)
SCORES = [label_probabilities_of(text, label_decisions("toxicity", "hate", judged="toxicity")) for text in TEXTS]


def check_refused(done: Any, complaint: str) -> None:
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"foreshot: {complaint}\n"


# ---- predict ----


@pytest.mark.parametrize("named", [[], ["ready"]])
def test_texts_without_a_bundle_are_scored_by_the_ready_model(foreshot, ready_model, named):
    done = foreshot("predict", *named, *TEXTS, "--json")
    assert (done.exit_code, done.stderr) == (0, TOLD)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines] == TEXTS
    assert [line["labels"] for line in lines] == [["toxicity", "hate"], []]
    assert [list(line["scores"].values()) for line in lines] == [pytest.approx(of, abs=1e-6) for of in SCORES]


@pytest.mark.parametrize("named", [[], ["ready"]])
def test_a_file_without_a_bundle_too(foreshot, ready_model, tmp_path, named):
    table = write_csv(tmp_path / "rows.csv", [(text,) for text in TEXTS], header=("comment",))
    done = foreshot("predict", *named, table, "--text", "comment", "--out", "scored.parquet")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith(TOLD)
    assert "2 rows scored" in done.stderr
    assert len(pq.read_table("scored.parquet")) == 2


@pytest.mark.parametrize("text", ["-1", "thank you / and you", "walnut", "x" * 10_000, "nul \0 in it"])
def test_any_other_first_word_is_a_text(foreshot, ready_model, text):
    done = foreshot("predict", text, "--json")
    assert (done.exit_code, done.stderr) == (0, TOLD)
    assert json.loads(done.stdout)["text"] == text


def test_a_folder_that_is_there_is_the_bundle(foreshot, ready_model, tmp_path):
    bundle = tiny_bundle(tmp_path / "walnut")
    done = foreshot("predict", bundle, TEXTS[0])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "P(toxic)" in done.stdout
    tiny_bundle(Path("ready"))
    of_that_name = foreshot("predict", "ready", TEXTS[0])
    assert (of_that_name.stdout, of_that_name.stderr) == (done.stdout, "")
    assert foreshot("predict", TEXTS[0]).stderr == TOLD


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["bundel/", "rows.csv"],
            "bundel/: no such folder; give a bundle's before rows.csv, or rows.csv alone for",
        ),
        (["bundel", "rows.csv"], "bundel: no such folder; give a bundle's before rows.csv, or rows.csv alone for"),
        (["bundel", "-"], "bundel: no such folder; give a bundle's before -, or - alone for the ready model"),
        (["a text", "rows.csv"], "a text: no such folder; give a bundle's before rows.csv, or rows.csv alone for"),
        (["bundel/"], "bundel/: no such folder; give a bundle's, or if it is a text for the ready model, ready before"),
        (["runs/bundel", "a text"], "runs/bundel: no such folder; give a bundle's, or if it is a text for the ready"),
        (
            ["ready"],
            "ready: names a bundle; give what to score after it: texts, a file, or -; if it is the very",
        ),
        (["."], ".: names a bundle; give what to score after it: texts, a file, or -"),
        (["rows.csv"], "rows.csv: no such file; if it is the very text, pipe it into: foreshot predict … -"),
        (["rows.csv", "more.csv"], "rows.csv: give one file or stream at a time, or texts alone"),
        (["ready", "rows.csv"], "rows.csv: no such file; if it is the very text, pipe it into: foreshot predict … -"),
    ],
)
def test_what_may_be_meant_otherwise_is_not_scored_as_a_text(foreshot, ready_model, words, complaint):
    done = foreshot("predict", *words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"foreshot: {complaint}")
    assert done.stderr.count("\n") == 1


def test_a_text_that_looks_like_a_folder_is_scored_after_the_name(foreshot, ready_model):
    for text in ("and/or", "ready"):
        done = foreshot("predict", "ready", text, "--json")
        assert (done.exit_code, done.stderr) == (0, TOLD)
        assert json.loads(done.stdout)["text"] == text


@pytest.mark.parametrize("command", [["predict", "a text"], ["verify", "ready"], ["check", "ready"], ["serve"]])
def test_a_broken_one_is_one_line(foreshot, ready_model, command):
    graph = ready_model / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    check_refused(
        foreshot(*command, *(["--port", 0] if command == ["serve"] else [])),
        f"the ready model can't be used: {graph}: is not what was exported (its SHA-256 differs from SHA256SUMS); "
        "install Foreshot anew: pip install --force-reinstall --no-deps foreshot",
    )


# ---- other commands ----


def test_its_name_stands_for_it_wherever_a_bundle_is_named(foreshot, ready_model, tiny_suite, tmp_path):
    assert "model.onnx: scores 3 texts as at export" in foreshot("verify", "ready").stdout
    checked = foreshot(
        "check", "ready", "--suite", tiny_suite, "--suite-label", "toxic=toxicity,benign=not toxicity", "--json"
    )
    assert checked.exit_code == 0, checked.stderr
    assert json.loads(checked.stdout)["positive"] == "toxicity"
    explained = foreshot("explain", "ready", TEXTS[0], "--json")
    assert json.loads(explained.stdout)["label"] == "toxicity"
    rows = [(f"{text} {number}", f"0.{number}") for number in range(10) for text in TEXTS]
    stored = write_csv(tmp_path / "stored.csv", rows, header=("text", "TOXICITY"))
    migrated = foreshot("migrate", stored, "--model", "ready", "--json")
    assert migrated.exit_code == 0, migrated.stderr
    assert json.loads(migrated.stdout)["model"] == "tiny-ready"


# ---- serve ----


@pytest.fixture
def plans(monkeypatch) -> list[Plan]:
    """What would be served."""
    found: list[Plan] = []
    monkeypatch.setattr("foreshot.serving.server.serve", lambda plan, ready: found.append(plan))
    return found


def test_it_is_served_where_no_bundle_is_named(foreshot, ready_model, plans):
    assert foreshot("serve").exit_code == 0
    (plan,) = plans
    assert plan.folders == {"ready": ready_model}
    with served(plan.folders) as client:
        asked = {"comment": {"text": TEXTS[0]}, "requestedAttributes": {"TOXICITY": {}, "IDENTITY_ATTACK": {}}}
        answer = client.post("/v1alpha1/comments:analyze", json=asked).json()
        found = {name: of["summaryScore"]["value"] for name, of in answer["attributeScores"].items()}
        assert list(found.values()) == pytest.approx(SCORES[0], abs=1e-6)
        page = client.get("/")
        assert page.status_code == 200
        assert "html" in page.headers["content-type"]
        (model,) = client.get("/v1/models").json()["models"]
        assert model["name"] == "ready"


def test_it_is_served_by_its_name_beside_another(foreshot, ready_model, plans, tmp_path):
    mine = tiny_bundle(tmp_path / "mine")
    assert foreshot("serve", f"mine={mine}", "ready=ready").exit_code == 0
    (plan,) = plans
    with served(plan.folders) as client:
        models = client.get("/v1/models").json()["models"]
        assert {model["name"]: model["labels"] for model in models} == {
            "mine": ["benign", "toxic"],
            "ready": ["toxicity", "hate"],
        }
