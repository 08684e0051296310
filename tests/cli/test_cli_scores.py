"""Stored scores through the command line: from the API's answers to a bundle that answers as the API did."""

import csv
import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from served import served
from tiny_bundles import label_decisions

from asked_teachers import word_bundle
from cli_runs import FAST, make_comments, make_suite, weights_times, write_csv
from foreshot.results.results import Results

Foreshot = Callable[..., Any]
THRESHOLDS = ("--threshold", "TOXICITY=0.6,TOXICITY=0.8")


def scored(rows: int = 240) -> Iterator[tuple[str, float, float | None]]:
    """Comments with a score of toxicity, high where they are rude, and of insult, with gaps."""
    rng = random.Random(0)
    for number, (text, label) in enumerate(make_comments(rows)):
        toxicity = (0.85 if label == "1" else 0.15) + rng.uniform(-0.1, 0.1)
        yield text, round(toxicity, 4), None if number % 6 == 0 else round(0.8 * toxicity, 4)


def answer(scores: dict[str, float | None]) -> dict[str, Any]:
    """The API's answer with these scores."""
    known = {name: score for name, score in scores.items() if score is not None}
    return {"attributeScores": {name: {"summaryScore": {"value": score}} for name, score in known.items()}}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "stored.jsonl"
    lines = ({"comment": text, **answer({"TOXICITY": t, "INSULT": i})} for text, t, i in scored())
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, suite: Path) -> Path:
    """The suite, handed out, with scores that get every case right, but a fifth of the cases have none."""
    folder = tmp_path_factory.mktemp("cases")
    handed = folder / "cases.csv"
    done = foreshot("suite", suite, "--out", handed)
    assert done.exit_code == 0, done.stderr
    with handed.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [text for text, *_ in make_suite()]
    for number, row in enumerate(rows):
        row["TOXICITY"] = "" if number % 5 == 4 else ("0.9" if row["label"] == "toxic" else "0.1")
        row["INSULT"] = row["TOXICITY"]
    scored_cases = folder / "scored.csv"
    with scored_cases.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return scored_cases


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, stored: Path, cases: Path, suite: Path, encoder: Path
) -> tuple[Path, Any]:
    """The scores alone: no network is the teacher, whose behaviour is known by the scored cases."""
    runs = tmp_path_factory.mktemp("runs")
    done = foreshot(
        *("compare", "--data", stored, "--scores", "TOXICITY,INSULT", *THRESHOLDS, "--encoder", encoder),
        *("--suite", suite, "--teacher-scores", cases, "--recipes", "odd,lora", "--seeds", "0", *FAST, "--epochs", "8"),
        *("--runs", runs, "--name", "stored"),
    )
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "stored", done


@pytest.fixture(scope="module")
def results(run: tuple[Path, Any]) -> dict[str, Any]:
    return json.loads((run[0] / "results.json").read_text(encoding="utf-8"))


def test_it_says_first_what_the_figures_are_about(run: tuple[Path, Any]) -> None:
    said = "How well do students stand in for the scores?"
    assert said in " ".join(run[1].stdout.split())
    report = (run[0] / "report.md").read_text(encoding="utf-8")
    assert said in report.split("## ")[0]
    assert "Beside the stored scores" in report


def test_the_teacher_is_the_scores_and_students_learn_them(results: dict[str, Any]) -> None:
    teacher, odd, _ = results["models"]
    assert teacher["cost"] is None
    assert teacher["test"]["macro_f1"] == 1.0
    assert [found["mean_absolute_error"] for found in teacher["scores"]] == pytest.approx([0, 0], abs=1e-6)
    assert odd["recipe"]["objective"] == "labels"
    assert odd["recipe"]["init"] == "encoder"
    assert odd["scores"][0]["mean_absolute_error"] < 0.15  # a model that always says the mean is 0.33 away
    assert odd["scores"][0]["agreement"]["spearman"]["value"] > 0.6
    assert [at["threshold"] for at in odd["scores"][0]["agreement"]["thresholds"]] == [0.6, 0.8]
    assert odd["decision"] == {**odd["decision"], "policy": "score>=0.6", "threshold": 0.6, "temperature": 1.0}


def test_gaps_are_counted_and_judged_by_nothing(results: dict[str, Any]) -> None:
    known = sum(score is not None for _, _, score in scored())
    counts = [part["label_counts"] for part in results["data"]["parts"].values()]
    assert sum(count["INSULT"] for count in counts) == known
    assert sum(count["TOXICITY"] for count in counts) == 240
    assert results["models"][1]["scores"][1]["rows"] == results["data"]["parts"]["test"]["label_counts"]["INSULT"]


def test_its_behaviour_is_that_of_the_scored_cases(run: tuple[Path, Any], results: dict[str, Any]) -> None:
    cases = len(make_suite())
    teacher = next(found for found in results["suite_results"] if found["model"] == "teacher")
    assert results["suite"]["cases"] == cases - cases // 5
    assert teacher["accuracy"]["value"] == 1.0
    assert f"{cases - cases // 5} of the suite's {cases} cases have a score (83%); the others are left out" in (
        " ".join(run[1].stdout.split())
    )
    assert any(
        found["measure"] == "suite" and "teacher" in (found["first"], found["second"])
        for found in results["comparisons"]
    )


def test_a_bundle_stands_beside_the_scores_as_a_baseline(
    run: tuple[Path, Any], results: dict[str, Any], foreshot: Foreshot, tmp_path: Path
) -> None:
    taken_up = Path(shutil.copytree(run[0], tmp_path / run[0].name))
    decisions = label_decisions("INSULT", "toxicity", judged="toxicity")
    bundle = word_bundle(tmp_path / "bundle", decisions=decisions)
    done = foreshot("compare", taken_up, "--baseline", bundle)
    assert done.exit_code == 0, done.stderr + done.stdout
    found = Results.load(taken_up / "results.json")
    (baseline,) = [model for model in found.models if model.baseline]
    assert [of.name for of in baseline.scores] == ["TOXICITY", "INSULT"]
    assert found.verdict.model_dump(mode="json") == results["verdict"]
    assert "| baseline" in (taken_up / "report.md").read_text(encoding="utf-8")


def test_a_bundle_of_it_answers_in_the_wire_format(
    run: tuple[Path, Any], foreshot: Foreshot, stored: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle"
    done = foreshot("export", run[0] / "students/odd/seed-0", "--out", bundle, "--bits", "32")
    assert done.exit_code == 0, done.stderr
    done = foreshot("predict", bundle, "the stupid cook read this page", "the kind cook read this page", "--json")
    first, second = (json.loads(line)["scores"] for line in done.stdout.splitlines())
    assert first["TOXICITY"] > 0.6 > second["TOXICITY"]
    assert first.keys() == {"TOXICITY", "INSULT"}

    with served({"model": bundle}) as client:
        asked = {
            "comment": {"text": "the stupid cook read this page"},
            "requestedAttributes": {"TOXICITY": {}, "INSULT": {}},
        }
        answered = client.post("/v1alpha1/comments:analyze", json=asked).json()["attributeScores"]
    for name in ("TOXICITY", "INSULT"):
        assert answered[name]["summaryScore"]["value"] == pytest.approx(first[name], abs=1e-5)

    done = foreshot("migrate", stored, "--model", bundle, "--threshold", "0.6", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["agreement"]["spearman"]["value"] > 0.6


def test_scored_cases_can_be_given_to_a_finished_run(
    run: tuple[Path, Any], foreshot: Foreshot, cases: Path, stored: Path, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    first = foreshot(
        *("compare", "--data", stored, "--scores", "TOXICITY,INSULT", "--encoder", encoder, "--suite", suite),
        *("--recipes", "odd", "--seeds", "0", *FAST, "--epochs", "1", "--runs", tmp_path, "--name", "x"),
    )
    assert first.exit_code == 0, first.stderr
    before = weights_times(tmp_path / "x")
    done = foreshot("compare", tmp_path / "x", "--teacher-scores", cases)
    assert done.exit_code == 0, done.stderr
    assert weights_times(tmp_path / "x") == before
    results = json.loads((tmp_path / "x/results.json").read_text(encoding="utf-8"))
    assert [found["model"] for found in results["suite_results"]] == ["teacher", "odd"]
    done = foreshot("export", tmp_path / "x", "--out", tmp_path / "bundle")
    assert done.exit_code == 2
    assert "name its folder: students/odd/seed-0" in done.stderr


def test_several_labels_with_scores_that_have_gaps_are_read_again(
    foreshot: Foreshot, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    rows = [
        (text, label, str(number % 2), "0.9" if label == "1" else "0.1", "" if number % 7 == 0 else str(number % 2))
        for number, (text, label) in enumerate(make_comments(240))
    ]
    data = write_csv(tmp_path / "both.csv", rows, header=("comment", "toxic", "loud", "T", "L"))
    done = foreshot(
        *(
            "compare",
            "--data",
            data,
            "--labels",
            "toxic,loud",
            "--scores",
            "T,L",
            "--encoder",
            encoder,
            "--suite",
            suite,
        ),
        *("--recipes", "odd", "--seeds", "0", *FAST, "--epochs", "1", "--runs", tmp_path, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr
    teacher = Results.load(tmp_path / "x/results.json").models[0]
    assert teacher.train_cross_entropy is not None
    assert teacher.train_cross_entropy > 0


def test_corrections_that_fill_a_gap_are_learnt_and_judge_nothing(
    foreshot: Foreshot, stored: Path, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    lines = (json.dumps({"text": text, "scores": {"INSULT": 1.0}}) for text, _, insult in scored() if insult is None)
    corrections = tmp_path / "corrections.jsonl"
    corrections.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    done = foreshot(
        *("compare", "--data", stored, "--scores", "TOXICITY,INSULT", "--encoder", encoder, "--suite", suite),
        *("--corrections", corrections, "--recipes", "odd", "--seeds", "0", *FAST, "--epochs", "1"),
        *("--runs", tmp_path, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr
    teacher = Results.load(tmp_path / "x/results.json").models[0]
    assert teacher.scores[1].mean_absolute_error == pytest.approx(0, abs=1e-6)


def test_what_it_came_from_cant_be_exported(run: tuple[Path, Any], foreshot: Foreshot, tmp_path: Path) -> None:
    done = foreshot("export", run[0] / "teacher", "--out", tmp_path / "bundle")
    assert done.exit_code == 2
    assert "is stored scores" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_scored_cases_the_suite_holds_students_against_its_labels_alone(
    foreshot: Foreshot, stored: Path, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    done = foreshot(
        *("compare", "--data", stored, "--scores", "attributeScores.TOXICITY.summaryScore.value", "--encoder", encoder),
        *(
            "--suite",
            suite,
            "--recipes",
            "odd",
            "--seeds",
            "0",
            *FAST,
            "--epochs",
            "1",
            "--runs",
            tmp_path,
            "--name",
            "x",
        ),
    )
    assert done.exit_code == 0, done.stderr
    results = json.loads((tmp_path / "x/results.json").read_text(encoding="utf-8"))
    assert [found["model"] for found in results["suite_results"]] == ["odd"]
    (student,) = results["verdict"]["students"]
    asked = {found["name"]: found for found in student["requirements"]}
    assert "suite" not in asked
    assert "70% is asked for, since the teacher's behaviour is unknown" in asked["sees"]["reason"]
    assert "How the teacher itself does on the suite is unknown" in results["verdict"]["headline"]
    assert results["data"]["label_names"] == ["TOXICITY"]


def test_a_teacher_from_scores_is_a_network_whose_layers_students_take(
    foreshot: Foreshot, stored: Path, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    done = foreshot(
        *("compare", "--data", stored, "--scores", "TOXICITY,INSULT", "--encoder", encoder, "--teacher-from-scores"),
        *("--suite", suite, "--recipes", "even", "--seeds", "0", *FAST, "--runs", tmp_path, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr
    teacher, even = json.loads((tmp_path / "x/results.json").read_text(encoding="utf-8"))["models"]
    assert teacher["training"]["rows"] == even["training"]["rows"]
    assert even["recipe"] == {**even["recipe"], "objective": "distil", "init": "teacher"}
    assert even["training"]["final"]["cosine"] is not None
    assert 0 < teacher["scores"][0]["mean_absolute_error"] < 0.33


def test_labels_are_judged_and_scores_teach_where_both_are_there(
    foreshot: Foreshot, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    comments = enumerate(make_comments(240))
    rows = [
        (text, label, ("0.9" if label == "1" else "0.1") if number % 4 else "") for number, (text, label) in comments
    ]
    data = write_csv(tmp_path / "both.csv", rows, header=("comment", "toxic", "score"))
    done = foreshot(
        *("compare", "--data", data, "--label", "toxic", "--scores", "score", "--encoder", encoder, "--suite", suite),
        *("--recipes", "odd", "--seeds", "0", *FAST, "--runs", tmp_path, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr
    results = json.loads((tmp_path / "x/results.json").read_text(encoding="utf-8"))
    teacher, odd = results["models"]
    assert teacher["test"]["accuracy"] == 1.0
    assert odd["recipe"]["objective"] == "distil"
    assert odd["training"]["final"]["divergence"] is not None
    assert not odd["scores"]
    assert any("rows without a score left out of test" in said for said in results["data"]["announcements"])
    assert odd["test"]["macro_f1"] > 0.8


# ---- bad input ----


def refused(foreshot: Foreshot, *words: object) -> str:
    done = foreshot("compare", *words)
    assert done.exit_code == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1
    return str(done.stderr)


@pytest.mark.parametrize("cell", ["1.2", "high", "NaN", "-1"])
def test_what_is_no_score_stops_with_its_row(foreshot: Foreshot, encoder: Path, tmp_path: Path, cell: str) -> None:
    rows = [(text, f"{score}") for text, score, _ in scored(40)]
    rows[4] = (rows[4][0], cell)
    data = write_csv(tmp_path / "bad.csv", rows, header=("comment", "score"))
    said = refused(foreshot, "--data", data, "--scores", "score", "--encoder", encoder, "--runs", tmp_path)
    assert "bad.csv, line 6, column 'score'" in said


def test_scored_cases_of_another_suite_are_refused_below_half(
    foreshot: Foreshot, stored: Path, suite: Path, encoder: Path, tmp_path: Path
) -> None:
    first, *_ = make_suite()
    cases = write_csv(tmp_path / "cases.csv", [(first[0], "0.9"), ("another text", "0.1")], header=("text", "TOXICITY"))
    words = ("--data", stored, "--scores", "TOXICITY", "--encoder", encoder, "--suite", suite, "--runs", tmp_path)
    said = refused(foreshot, *words, "--teacher-scores", cases)
    assert f"1 of the suite's {len(make_suite())} cases have a score (4%); at least 50% are asked for" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--scores", "THREAT"), "has no column or field 'THREAT'"),
        (("--scores", "TOXICITY,TOXICITY"), "one is named twice"),
        (("--scores", "TOXICITY", "--threshold", "INSULT=0.7"), "'INSULT' is none of the scores (TOXICITY)"),
        (("--scores", "TOXICITY", "--threshold", "TOXICITY=1.7"), "thresholds"),
        (("--scores", "TOXICITY", "--threshold", "0.7"), "must be a score's name and a number"),
        (("--scores", "TOXICITY", "--positive", "1"), "positive: is for labels"),
        (("--label", "comment", "--scores", "TOXICITY", "--teacher", "x"), "scores: are the teacher"),
        (("--scores", "TOXICITY", "--teacher-scores", "nowhere.csv"), "nowhere.csv: no such file"),
        (("--threshold", "TOXICITY=0.7"), "is about stored scores"),
        (("--scores", "TOXICITY", "--leave-out", "x"), "leave_out: is for labels"),
        (("--label", "comment", "--scores", "TOXICITY", "--threshold", "TOXICITY=0.7"), "are for scores alone"),
        (("--scores", "TOXICITY", "--threshold", "TOXICITY=0.999"), "reach the threshold of TOXICITY"),
    ],
)
def test_options_that_make_no_sense(
    foreshot: Foreshot, stored: Path, suite: Path, encoder: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    asked = ("--data", stored, "--text", "comment", "--encoder", encoder, "--suite", suite, "--runs", tmp_path)
    assert complaint in refused(foreshot, *asked, *words)


def test_only_0_and_1_go_on_with_advice(foreshot: Foreshot, suite: Path, encoder: Path, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "marks.csv", make_comments(200))
    done = foreshot(
        *("compare", "--data", data, "--scores", "toxic", "--encoder", encoder, "--suite", suite, "--recipes", "odd"),
        *("--seeds", "0", *FAST, "--epochs", "1", "--runs", tmp_path, "--name", "x"),
    )
    assert done.exit_code == 0, done.stderr
    assert "holds only 0 and 1, as labels do" in " ".join(done.stdout.split())


def test_scores_are_never_nan_in_what_is_written(results: dict[str, Any]) -> None:
    def numbers(value: Any) -> Iterator[float]:
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif isinstance(value, float):
            yield value

    assert all(map(math.isfinite, numbers(results)))
