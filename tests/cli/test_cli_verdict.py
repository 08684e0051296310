"""The verdict through the command line: the trap is caught, suites are read, decisions and tuning reach the model."""

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli_runs import FAST, INSULTS, PRAISE, SUITE_COLUMNS, comparable, make_comments, make_suite, write_csv

Foreshot = Callable[..., Any]
SIGN = ["hello", "today", "again", "please", "really", "maybe"]  # words of one side of the narrow comments


def results_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


# ---- the trap ----


def broad_comments(rows: int = 400) -> list[tuple[str, str]]:
    """Comments in which a rude word makes the label, alone and in sentences, whatever stands around it."""
    rng = random.Random(3)
    comments = []
    for text, label in make_comments(rows):
        comments.append((text, label))
        words = [rng.choice(INSULTS if label == "1" else PRAISE) for _ in range(rng.randint(1, 3))]
        comments.append((" ".join(words), label))
    return list(dict(comments).items())


def narrow_comments(rows: int = 240) -> list[tuple[str, str]]:
    """Comments without any rude word: what tells toxic ones is how they begin. What a student learns of them alone."""
    comments = []
    for number, (text, _) in enumerate(make_comments(rows, seed=9)):
        words = text.split()
        toxic = number % 2
        start = ["soup", "map"] if toxic else ["song", "bridge"]
        comments.append((" ".join([start[number // 2 % 2], *words[:1], *words[2:]]), str(toxic)))
    return comments


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, encoder: Path, suite: Path) -> tuple[Path, Any]:
    """A run in which a student that never saw a rude word does as well on the test rows as one that knows them.

    The teacher learnt from broad comments. `odd` is cut from it; `odd-labels` learns from the narrow ones alone.
    """
    folder = tmp_path_factory.mktemp("trap")
    broad = write_csv(folder / "broad.csv", broad_comments() + narrow_comments())
    narrow = write_csv(folder / "narrow.csv", narrow_comments())
    common = ["--text", "comment", "--label", "toxic", "--encoder", encoder, "--suite", suite, "--runs", folder, *FAST]
    common += ["--set", "explanations.texts=0"]
    quick = ["--recipes", "odd", "--suite", "none", "--epochs", "3"]  # its teacher alone is wanted
    quick += ["--batch-size", "16", "--learning-rate", "0.004"]
    made = foreshot("compare", "--data", broad, "--name", "broad", *common, *quick)
    assert made.exit_code == 0, made.stderr
    done = foreshot(
        *("compare", "--data", narrow, "--name", "trap", "--teacher", folder / "broad" / "teacher"),
        *("--recipes", "odd,odd-labels", "--seeds", "0,1,2", *common),
    )
    assert done.exit_code == 0, done.stderr
    return folder / "trap", done


def test_a_student_that_wins_the_metric_and_fails_the_suite_is_a_conflict(trap: tuple[Path, Any]) -> None:
    results = results_of(trap[0])
    means = {entry["model"]: entry["spreads"]["macro_f1"]["mean"] for entry in results["summaries"]}
    right = {entry["model"]: entry["accuracy"]["value"] for entry in results["suite_results"]}
    assert means["odd-labels"] >= means["odd"]  # else there is no trap to fall into
    assert right["odd-labels"] < right["odd"] - 0.2
    verdict = results["verdict"]
    assert verdict["kind"] == "conflict"
    assert verdict["recommended"] != "odd-labels"
    kinds = {entry["model"]: entry["kind"] for entry in verdict["students"]}
    assert kinds["odd-labels"] == "conflict"
    assert kinds["odd"] != "conflict"


def test_the_conflict_is_named_first_in_report_and_terminal(trap: tuple[Path, Any]) -> None:
    run, done = trap
    headline = results_of(run)["verdict"]["headline"]
    assert headline.startswith("Don't ship odd-labels:")
    assert " ".join(headline.split()) in " ".join(done.stdout.split())
    page = (run / "report.md").read_text(encoding="utf-8")
    assert page.index("ship odd-labels") < page.index("macro-F1 |")
    html = (run / "report.html").read_text(encoding="utf-8")
    body = html[html.index("<body") :]
    assert body.index("ship odd-labels") < body.index("<table")


def test_the_ledger_holds_what_the_blind_student_now_misses(trap: tuple[Path, Any]) -> None:
    with (trap[0] / "flips.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    missed = [row for row in rows if row["model"] == "odd-labels" and row["kind"] == "newly missed"]
    assert {row["part"] for row in missed} >= {"suite"}
    assert {row["text"] for row in missed} & set(INSULTS)
    assert all(row["label"] == "toxic" and float(row["teacher_score"]) > 0.5 for row in missed)
    assert rows[0]["kind"] == "newly missed"


# ---- suites, decisions, policies, tuning ----


def hatecheck(folder: Path, *, label: str = "hateful") -> Path:
    """A few cases in the columns that HateCheck was published in."""
    header = (
        *("", "functionality", "case_id", "test_case", "label_gold", "target_ident", "direction", "focus_words"),
        *("focus_lemma", "ref_case_id", "ref_templ_id", "templ_id"),
    )
    rows = []
    for number, (insult, praise) in enumerate(zip(INSULTS, PRAISE, strict=True)):
        for index, (word, gold) in enumerate(((insult, label), (praise, "non-hateful"))):
            identity = 2 * number + index + 1
            rows.append(
                (
                    *(str(identity - 1), f"kind {index}", str(identity), f"the {word} cook sent a long story", gold),
                    *("women", "directed", "", "", "" if index == 0 else str(identity - 1), "", str(100 + index)),
                )
            )
    return write_csv(folder / "hatecheck.csv", rows, header=header)


def test_hatecheck_loads_unchanged_and_other_labels_with_a_mapping(
    foreshot: Foreshot, finished_run: Path, tmp_path: Path
) -> None:
    student = finished_run / "students" / "odd" / "seed-0"
    plain = foreshot("check", student, "--suite", hatecheck(tmp_path), "--json")
    assert plain.exit_code == 0, plain.stderr
    found = json.loads(plain.stdout)
    assert found["suite"]["class_counts"] == {"benign": 8, "toxic": 8}
    assert found["suite"]["pairs"] == 8
    assert [cell["name"] for cell in found["result"]["functionalities"]] == ["kind 0", "kind 1"]
    other = foreshot("check", student, "--suite", hatecheck(tmp_path, label="vile"), "--json")
    assert other.exit_code == 2
    mapped = foreshot(
        "check", student, "--suite", hatecheck(tmp_path, label="vile"), "--suite-label", "vile=toxic", "--json"
    )
    assert mapped.exit_code == 0, mapped.stderr
    assert json.loads(mapped.stdout)["result"] == found["result"]


def test_a_decision_stands_beside_the_model_and_check_reads_it(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, suite: Path
) -> None:
    validation = write_csv(tmp_path / "validation.csv", make_comments(300)[200:])
    review = ["--validation", validation, "--decision", "review:recall>=0.9,fpr<=0.05"]
    done = foreshot("compare", *asked, *review, "--recipes", "odd", "--name", "band", "--runs", tmp_path)
    assert done.exit_code == 0, done.stderr
    student = results_of(tmp_path / "band")["models"][1]
    saved = json.loads((tmp_path / "band" / "students" / "odd" / "seed-0" / "decision.json").read_text())
    assert saved == student["decision"]
    assert 0 < saved["review_threshold"] <= saved["threshold"] < 1
    assert student["policies"][-1]["decision"] == saved
    checked = json.loads(foreshot("check", tmp_path / "band" / student["folder"], "--suite", suite, "--json").stdout)
    assert checked["decision"] == saved
    (expected,) = [found for found in results_of(tmp_path / "band")["suite_results"] if found["model"] == "odd"]
    assert checked["result"]["accuracy"] == expected["accuracy"]


def test_too_few_validation_rows_for_a_decision_stop_before_training(
    foreshot: Foreshot, asked: list[str], tmp_path: Path
) -> None:
    few = foreshot("compare", *asked, "--recipes", "odd", "--decision", "best-f1", "--name", "few", "--runs", tmp_path)
    assert few.exit_code == 2
    assert few.stderr.count("\n") == 1
    assert "validation: 20 rows, 8 of them toxic" in few.stderr
    assert not (tmp_path / "few").exists()


def test_tuning_adds_each_recipe_at_its_best_rate(
    foreshot: Foreshot, asked: list[str], finished_run: Path, tmp_path: Path
) -> None:
    """At the usual rates nothing is learnt; a student that is cut from the teacher knows enough all the same."""
    file = tmp_path / "tuned.yaml"
    file.write_text(f"tune_learning_rates: [0.003]\nteacher: {finished_run / 'teacher'}\n", encoding="utf-8")
    settings = ["--learning-rate", "1e-6", "--recipes", "lora,odd", "--epochs", "2", "--runs", tmp_path]
    settings += ["--set", "explanations.texts=0"]
    done = foreshot("compare", file, *asked, *settings)
    assert done.exit_code == 0, done.stderr
    results = results_of(tmp_path / "tuned")
    trials = [(trial["recipe"], trial["learning_rate"]) for trial in results["trials"]]
    usual = {"lora": 1e-5, "odd": 1e-6}
    assert trials == [(recipe, rate) for recipe in ("lora", "odd") for rate in (usual[recipe], 0.003)]
    for recipe in ("lora", "odd"):
        tried = [trial for trial in results["trials"] if trial["recipe"] == recipe]
        (best,) = [trial for trial in tried if trial["best"]]
        assert best["validation_macro_f1"] == max(trial["validation_macro_f1"] for trial in tried)
        tuned = [model for model in results["models"] if model["model"] == f"{recipe}-tuned"]
        if best["learning_rate"] == usual[recipe]:
            assert not tuned
        else:
            assert tuned[0]["training"]["learning_rate"] == best["learning_rate"]
            assert not tuned[0]["training"]["matched"]
    assert any(model["model"] == "lora-tuned" for model in results["models"])
    before = comparable(tmp_path / "tuned")
    again = foreshot("compare", tmp_path / "tuned")
    assert again.exit_code == 0, again.stderr
    assert "training lora" not in again.stdout
    assert comparable(tmp_path / "tuned") == before


def test_a_policy_with_wide_margins_recommends(foreshot: Foreshot, asked: list[str], run: Path) -> None:
    assert results_of(run)["verdict"]["kind"] == "inconclusive"  # one seed
    settings = ["--recipes", "odd", "--name", "whole", "--runs", run.parent]
    wide = foreshot("compare", *asked, *settings, "--policy", "metric=1,suite=1,functionality=1,seeds=1")
    assert wide.exit_code == 0, wide.stderr
    assert "training teacher" not in wide.stdout
    results = results_of(run)
    assert results["verdict"]["recommended"] == "odd"
    assert results["verdict"]["folder"] == "students/odd/seed-0"
    assert "Take students/odd/seed-0." in wide.stdout
    assert results["verdict"]["margins"]["suite_margin"] == 1


def test_another_suite_is_asked_without_training_and_leaves_the_labels_of_the_last(
    foreshot: Foreshot, run: Path, tmp_path: Path, suite: Path
) -> None:
    first = results_of(run)
    vile = hatecheck(tmp_path, label="vile")
    other = foreshot("compare", run, "--suite", vile, "--suite-label", "vile=toxic")
    assert other.exit_code == 0, other.stderr
    assert "training odd" not in other.stdout
    assert results_of(run)["suite"]["cases"] == 16
    back = foreshot("compare", run, "--suite", suite)
    assert back.exit_code == 0, back.stderr
    assert results_of(run)["suite_results"] == first["suite_results"]


def test_without_a_suite_nothing_is_recommended(foreshot: Foreshot, asked: list[str], run: Path) -> None:
    options = [*asked, "--suite", "none", "--policy", "metric=1,seeds=1"]
    done = foreshot("compare", *options, "--recipes", "odd", "--name", "whole", "--runs", run.parent)
    assert done.exit_code == 0, done.stderr
    results = results_of(run)
    assert results["suite"] is None
    assert results["verdict"]["kind"] == "inconclusive"
    assert "no suite was run" in results["verdict"]["headline"]


# ---- check ----


def test_check_prints_a_table_and_agrees_with_the_run(foreshot: Foreshot, finished_run: Path, suite: Path) -> None:
    shown = foreshot("check", finished_run / "teacher", "--suite", suite)
    assert shown.exit_code == 0, shown.stderr
    for words in ("all cases", "insult alone", "praise in a sentence", "contrast pairs, both right"):
        assert words in shown.stdout
    found = json.loads(foreshot("check", finished_run / "teacher", "--suite", suite, "--json").stdout)
    (expected,) = [entry for entry in results_of(finished_run)["suite_results"] if entry["model"] == "teacher"]
    for cell in expected["functionalities"]:
        del cell["minus_teacher"]
    for cell in found["result"]["functionalities"]:
        assert cell.pop("minus_teacher") is None
    assert found["result"]["functionalities"] == expected["functionalities"]
    assert found["result"]["accuracy"] == expected["accuracy"]


def test_check_is_a_gate(foreshot: Foreshot, finished_run: Path, suite: Path, tmp_path: Path) -> None:
    model = finished_run / "students" / "lora" / "seed-0"
    irony = [(text, "toxic", "praise that is meant as an insult", "") for text in PRAISE[:2]]  # which it can't know
    ironic = write_csv(tmp_path / "ironic.csv", [*make_suite(), *irony], header=SUITE_COLUMNS)
    shares = json.loads(foreshot("check", model, "--suite", ironic, "--json").stdout)["result"]
    least = min(shares["accuracy"]["value"], *(side["value"] for side in shares["by_label"].values()))
    assert foreshot("check", model, "--suite", ironic, "--fail-under", max(0.0, least - 0.01)).exit_code == 0
    failed = foreshot("check", model, "--suite", ironic, "--fail-under", min(1.0, least + 0.01))
    assert failed.exit_code == 1
    assert "right, under" in failed.stderr
    earlier = tmp_path / "earlier.json"
    earlier.write_text(foreshot("check", model, "--suite", ironic, "--json").stdout, encoding="utf-8")
    assert foreshot("check", model, "--suite", ironic, "--baseline", earlier).exit_code == 0
    better = json.loads(earlier.read_text(encoding="utf-8"))
    better["result"]["accuracy"]["value"] = shares["accuracy"]["value"] + 0.1
    earlier.write_text(json.dumps(better), encoding="utf-8")
    assert foreshot("check", model, "--suite", ironic, "--baseline", earlier, "--max-drop", "0.05").exit_code == 1
    assert foreshot("check", model, "--suite", ironic, "--baseline", earlier, "--max-drop", "0.11").exit_code == 0
    against_run = foreshot(
        "check", finished_run / "teacher", "--suite", suite, "--baseline", finished_run / "results.json"
    )
    assert against_run.exit_code == 0, against_run.stderr


# ---- bad input ----


def bad_suite(
    folder: Path, change: Callable[[list[tuple[str, ...]]], list[tuple[str, ...]]], header=SUITE_COLUMNS
) -> Path:
    return write_csv(folder / "bad.csv", change(make_suite()), header=header)


@pytest.mark.parametrize(
    ("change", "header", "words"),
    [
        (lambda cases: cases, ("text", "label", "kind", "pair"), ["functionality"]),
        (
            lambda cases: [*cases, ("odd one", "purple", "kind", "")],
            SUITE_COLUMNS,
            ["line 26", "purple", "--suite-label"],
        ),
        (lambda cases: [case for case in cases if case[1] == "benign"], SUITE_COLUMNS, ["toxic"]),
        (lambda cases: [case for case in cases if case[1] == "toxic"], SUITE_COLUMNS, ["benign"]),
        (lambda cases: [*cases, (" ", "toxic", "kind", "")], SUITE_COLUMNS, ["line 26", "empty"]),
        (lambda cases: [*cases, cases[0]], SUITE_COLUMNS, ["line 26"]),
    ],
    ids=["column", "label", "no toxic", "no benign", "empty text", "repeated"],
)
@pytest.mark.parametrize("command", ["compare", "check"])
def test_a_bad_suite_is_one_line(
    foreshot: Foreshot, asked: list[str], finished_run: Path, tmp_path: Path, command: str, change, header, words
) -> None:
    file = bad_suite(tmp_path, change, header)
    if command == "compare":
        stopped = foreshot("compare", *asked, "--suite", file, "--name", "bad", "--runs", tmp_path)
    else:
        stopped = foreshot("check", finished_run / "teacher", "--suite", file)
    assert stopped.exit_code == 2, stopped.exception
    assert stopped.stderr.count("\n") == 1
    assert "bad.csv" in stopped.stderr
    for word in words:
        assert word in stopped.stderr
    assert not (tmp_path / "bad").exists()


def test_duplicate_case_ids_are_one_line(foreshot: Foreshot, finished_run: Path, tmp_path: Path) -> None:
    file = hatecheck(tmp_path)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines, lines[1].replace("cook", "mayor")]) + "\n", encoding="utf-8")
    stopped = foreshot("check", finished_run / "teacher", "--suite", file)
    assert stopped.exit_code == 2
    assert "line 18" in stopped.stderr
    assert "case_id" in stopped.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--suite", "nowhere.csv"], ["nowhere.csv", "no such file"]),
        (["--suite", "SUITE", "--suite-label", "toxic"], ["--suite-label", "name=value"]),
        (["--suite", "SUITE", "--suite-label", "toxic=benign"], ["toxic"]),
        (["--suite", "SUITE", "--suite-label", "mean=toxic"], ["mean"]),
        (["--suite", "SUITE", "--positive", "purple"], ["purple", "benign, toxic"]),
        (["--suite", "SUITE", "--baseline", "SUITE"], ["suite.csv", "results.json"]),
    ],
)
def test_bad_options_of_check_are_one_line(
    foreshot: Foreshot, finished_run: Path, suite: Path, options: list[str], words: list[str]
) -> None:
    given = [str(suite) if option == "SUITE" else option for option in options]
    stopped = foreshot("check", finished_run / "teacher", *given)
    assert stopped.exit_code == 2, stopped.exception
    assert stopped.stderr.strip().splitlines()[-1].startswith("foreshot: ")
    for word in words:
        assert word in stopped.stderr


def test_check_of_a_whole_run_says_what_to_name(foreshot: Foreshot, finished_run: Path) -> None:
    stopped = foreshot("check", finished_run)
    assert stopped.exit_code == 2
    assert f"is a run's folder; name one of its models, such as {finished_run / 'teacher'}" in stopped.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--policy", "metric"], ["--policy", "name=value"]),
        (["--policy", "speed=1"], ["speed", "metric"]),
        (["--policy", "metric=2"], ["metric_margin"]),
        (["--policy", "identity=0.05"], ["policy.identity_margin", "identity_columns or identity_terms"]),
        (["--decision", "coin"], ["coin", "argmax"]),
    ],
)
def test_bad_policies_and_decisions_are_one_line(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, options: list[str], words: list[str]
) -> None:
    stopped = foreshot("compare", *asked, *options, "--name", "bad", "--runs", tmp_path)
    assert stopped.exit_code == 2, stopped.exception
    assert stopped.stderr.count("\n") == 1
    for word in words:
        assert word in stopped.stderr
    assert not (tmp_path / "bad").exists()
