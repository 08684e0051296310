"""Several labels through the command line: from columns of 0 and 1 to models that Transformers reads."""

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import load_file
from sklearn.metrics import f1_score, roc_auc_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from cli_runs import DID, FAST, INSULTS, PRAISE, PROBES, SHOUTED_AT, THINGS, contents, write_csv

Foreshot = Callable[..., Any]
NAMES = ["toxic", "loud", "threat"]
HEADER = ("comment", "threat", "toxic", "loud")  # not in the order of --labels


def comments() -> list[tuple[str, ...]]:
    """Comments that are toxic by their word; some are loud besides, and some of the toxic ones are threats."""
    rng = random.Random(0)
    shapes = list(itertools.product(SHOUTED_AT, DID, THINGS))
    rng.shuffle(shapes)
    rows = []
    for number, (who, did, what) in enumerate(shapes[:240]):
        toxic, loud, threat = number % 5 < 2, number % 3 == 0, number % 5 == 0
        word = rng.choice(INSULTS if toxic else PRAISE)
        text = f"the {word} {who} {did} {what}" + (" our song" if loud else "") + (" you useless worthless" * threat)
        rows.append((text, *(str(int(mark)) for mark in (threat, toxic, loud))))
    return rows


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, encoder: Path, suite: Path, probes: Path) -> list[object]:
    data = write_csv(tmp_path_factory.mktemp("multi") / "comments.csv", comments(), header=HEADER)
    return [
        *("--data", data, "--text", "comment", "--labels", ",".join(NAMES), "--encoder", encoder),
        *("--suite", suite, "--probes", probes, "--decision", "best-f1", *FAST, "--epochs", "8"),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, asked: list[object]) -> tuple[Path, Any]:
    runs = tmp_path_factory.mktemp("runs")
    options = ("--runs", runs, "--name", "multi", "--recipes", "odd,lora", "--layers", "greedy:2", "--seeds", "0,1")
    done = foreshot("compare", *asked, *options)
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "multi", done


@pytest.fixture(scope="module")
def results(run: tuple[Path, Any]) -> dict[str, Any]:
    return json.loads((run[0] / "results.json").read_text(encoding="utf-8"))


def own_logits(folder: Path, texts: list[str]) -> np.ndarray:
    """What plain Transformers gives for a saved model's folder."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(texts, padding=True, truncation=True, max_length=24)
    with torch.inference_mode():
        return model(**{name: torch.tensor(value) for name, value in inputs.items()}).logits.numpy()


def test_labels_are_announced_with_the_one_that_is_judged(run):
    assert "labels: toxic (judged by suite and probes), loud, threat" in run[1].stdout


def test_transformers_reads_a_model_of_several_labels(run, results):
    for model in results["models"]:
        config = json.loads((run[0] / model["folder"] / "config.json").read_text())
        assert config["problem_type"] == "multi_label_classification"
        assert config["id2label"] == {"0": "toxic", "1": "loud", "2": "threat"}


def test_sigmoids_of_what_transformers_gives_are_our_scores(run, results):
    texts = [text for text, _ in PROBES]
    for model in results["models"]:
        folder = run[0] / model["folder"]
        logits = own_logits(folder, texts)
        assert load_file(folder / "scores" / "asked.safetensors")["probes"] == pytest.approx(logits, abs=1e-4)
        decisions = json.loads((folder / "decision.json").read_text())
        assert (decisions["judged"], list(decisions["by_label"])) == ("toxic", NAMES)
        judged = decisions["by_label"]["toxic"]
        scores = 1 / (1 + np.exp(-logits[:, 0] / judged["temperature"]))
        assert [answer["score"] for answer in model["probes"]] == pytest.approx(scores.tolist(), abs=1e-4)
        flagged = ["toxic" if score >= judged["threshold"] else "not toxic" for score in scores]
        assert [answer["predicted"] for answer in model["probes"]] == flagged
        assert model["decision"] == judged


def test_every_label_is_judged_on_the_test_rows(run, results):
    test = pq.read_table(run[0] / "data" / "test.parquet")
    marks = np.array([[row[name] for name in NAMES] for row in test.column("marks").to_pylist()])
    for model in results["models"]:
        folder = run[0] / model["folder"]
        logits = own_logits(folder, test.column("text").to_pylist()).astype(float)
        decisions = json.loads((folder / "decision.json").read_text())["by_label"]
        macro_f1s = []
        for index, (found, decision) in enumerate(zip(model["labels"], decisions.values(), strict=True)):
            truth, score = marks[:, index], 1 / (1 + np.exp(-logits[:, index] / decision["temperature"]))
            assert (found["name"], found["support"]) == (NAMES[index], truth.sum())
            assert found["auroc"] == pytest.approx(roc_auc_score(truth, logits[:, index]), abs=1e-3)
            flagged = score >= (decision["threshold"] or 0.5)
            assert found["f1"] == pytest.approx(f1_score(truth, flagged, zero_division=0.0))
            macro_f1s.append(f1_score(truth, flagged, average="macro", zero_division=0.0))
        assert model["test"]["macro_f1"] == pytest.approx(np.mean(macro_f1s))
        expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(logits), torch.tensor(marks * 1.0))
        assert model["test"]["cross_entropy"] == pytest.approx(expected.item(), abs=1e-4)


def test_the_verdict_looks_at_the_mean_over_the_labels(results):
    teacher, *students = results["summaries"]
    for student in students:
        measured = next(
            found
            for found in results["comparisons"]
            if found["measure"] == "macro_f1" and {found["first"], found["second"]} == {"teacher", student["model"]}
        )
        difference = teacher["spreads"]["macro_f1"]["mean"] - student["spreads"]["macro_f1"]["mean"]
        assert measured["difference"]["value"] == pytest.approx(difference)
    reasons = [
        requirement["reason"]
        for student in results["verdict"]["students"]
        for requirement in student["requirements"]
        if requirement["name"] == "macro_f1"
    ]
    assert all(reason.startswith("mean macro-F1 over the labels ") for reason in reasons)


def test_training_learns_every_label(results):
    teacher = results["models"][0]
    assert min(found["auroc"] for found in teacher["labels"]) > 0.8


def test_a_finished_run_is_not_made_again(run, foreshot):
    before = (run[0] / "teacher" / "model.safetensors").stat().st_mtime_ns
    done = foreshot("compare", run[0])
    assert done.exit_code == 0, done.stderr
    assert "training" not in done.stdout.replace("training losses", "")
    assert (run[0] / "teacher" / "model.safetensors").stat().st_mtime_ns == before


def test_a_ready_teacher_of_several_labels_is_taken(run, foreshot, asked, tmp_path):
    given = [*asked, "--teacher", run[0] / "teacher", "--recipes", "odd", "--runs", tmp_path, "--name", "given"]
    done = foreshot("compare", *given)
    assert done.exit_code == 0, done.stderr
    made = json.loads((tmp_path / "given" / "results.json").read_text())
    assert made["models"][0]["training"] is None
    first = json.loads((run[0] / "results.json").read_text())["models"][0]
    assert [found["auroc"] for found in made["models"][0]["labels"]] == [found["auroc"] for found in first["labels"]]


# ---- bad input ----


def refused(foreshot: Foreshot, folder: Path, rows: list[tuple[str, ...]], *options: object) -> str:
    data = write_csv(folder / "comments.csv", rows, header=HEADER)
    before = contents(folder)
    done = foreshot("compare", "--data", data, "--text", "comment", "--runs", folder / "runs", *options)
    assert done.exit_code == 2, done.stdout
    assert contents(folder) == before
    assert done.stderr.count("\n") == 1
    return done.stderr


LABELS = ("--labels", "toxic,loud,threat")


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        (
            {"toxic": "maybe"},
            LABELS,
            ["comments.csv, line 6, column 'toxic': 'maybe' is neither 0 nor 1", "--skip-bad"],
        ),
        ({"loud": ""}, LABELS, ["comments.csv, line 6, column 'loud': no label (0 or 1)"]),
        ({"loud": "0.5"}, (*LABELS, "--skip-bad-rows"), ["line 6, column 'loud': 0.5", "holds scores"]),
        ({}, ("--labels", "toxic,rude"), ["has no column 'rude'", "comment, threat, toxic, loud"]),
        ({}, ("--labels", "toxic,loud,toxic"), ["labels: one is named twice"]),
        ({}, (*LABELS, "--label", "toxic"), ["no cell of column 'toxic' has the label 'toxic' of --labels"]),
        ({}, (*LABELS, "--positive", "1"), ["labels:", "positive is for classes, of which a text has one"]),
        ({}, (*LABELS, "--classes", "0,1"), ["labels:", "classes is for classes, of which a text has one"]),
        ({"loud": "-1"}, LABELS, ["column 'loud': '-1' is neither 0 nor 1", "nobody labelled", "--leave-out=-1"]),
        ({}, ("--labels", "toxic"), ["labels:", "at least 2"]),
        ({}, ("--labels", "toxic,comment"), ["both the text and a label"]),
    ],
)
def test_bad_labels_are_refused_in_one_line(foreshot, encoder, tmp_path, change, options, said):
    rows = comments()
    rows[4] = tuple(change.get(name, cell) for name, cell in zip(HEADER, rows[4], strict=True))
    complaint = refused(foreshot, tmp_path, rows, "--encoder", encoder, *options)
    assert [part for part in said if part not in complaint] == []


def test_a_label_that_no_training_row_has_is_refused(foreshot, encoder, tmp_path):
    rows = [(text, "0", toxic, loud) for text, _, toxic, loud in comments()]
    complaint = refused(foreshot, tmp_path, rows, "--encoder", encoder, *LABELS)
    assert "no row of the training part has the label 'threat'" in complaint


def test_ratings_are_refused(foreshot, encoder, tmp_path):
    rows = [(text, str(number % 5 + 1), toxic, loud) for number, (text, _, toxic, loud) in enumerate(comments())]
    complaint = refused(foreshot, tmp_path, rows, "--encoder", encoder, *LABELS)
    assert "column 'threat'" in complaint
    assert "ratings" in complaint


def test_a_teacher_of_classes_is_refused_for_several_labels(run, foreshot, tmp_path):
    folder = tmp_path / "of-classes"
    model = AutoModelForSequenceClassification.from_pretrained(run[0] / "teacher")
    model.config.problem_type = "single_label_classification"
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(run[0] / "teacher").save_pretrained(folder)
    complaint = refused(foreshot, tmp_path, comments(), "--teacher", folder, *LABELS)
    assert "gives a text one of its labels (toxic, " in complaint


def test_skipped_rows_are_counted(foreshot, encoder, tmp_path):
    rows = comments()
    rows[4] = (rows[4][0], "-1", "-1", "-1")
    data = write_csv(tmp_path / "comments.csv", rows, header=HEADER)
    done = foreshot(
        *("compare", "--data", data, "--text", "comment", *LABELS, "--encoder", encoder, "--recipes", "odd"),
        *("--skip-bad-rows", "--runs", tmp_path, "--name", "skipped", "--suite", "none", *FAST),
    )
    assert done.exit_code == 0, done.stderr
    made = json.loads((tmp_path / "skipped" / "results.json").read_text())
    assert made["data"]["skipped_rows"] == 1
    assert sum(part["rows"] for part in made["data"]["parts"].values()) == 239
