"""Corrections through the command line: they overrule and weigh, are held out and judged, and close the circle."""

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from server_process import serving
from tiny_bundles import tiny_bundle

from cli_runs import FAST, INSULTS, PRAISE, UNJUDGED, comparable, contents, make_comments, weights_times, write_csv
from foreshot.data.split import fold

LABELS = ("benign", "toxic")
QUICK = ("--recipes", "odd-labels", "--epochs", "2", *UNJUDGED)


def new_texts(count: int = 40) -> list[tuple[str, str]]:
    """Texts that the data don't have, with what is right for them, one in four rude."""
    words = [(INSULTS if number % 4 == 0 else PRAISE)[number % 8] for number in range(count)]
    return [(f"so {word} said number {number}", str(int(word in INSULTS))) for number, word in enumerate(words)]


def table(path: Path, rows: Sequence[tuple[str, ...]], header: tuple[str, ...] = ("text", "label")) -> Path:
    return write_csv(path, rows, header=header)


def part(run: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(run / "data" / f"{name}.parquet").to_pylist()
    return rows


def results(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory, foreshot, asked) -> Path:
    """A run without corrections, whose split says which rows are whose."""
    runs = tmp_path_factory.mktemp("plain")
    done = foreshot("compare", *asked, "--name", "plain", "--runs", runs, *QUICK)
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "plain"


@pytest.fixture(scope="module")
def corrected(tmp_path_factory, foreshot, asked, plain) -> dict[str, Any]:
    """A run with corrections of rows of every part, and of texts that aren't in the data."""
    folder = tmp_path_factory.mktemp("corrected")
    of = {
        name: [row["text"] for row in part(plain, name)[:count]]
        for name, count in (("train", 20), ("test", 5), ("validation", 2))
    }
    was = {row["text"]: row["label"] for name in of for row in part(plain, name)}
    flipped = {text: 1 - was[text] for texts in of.values() for text in texts}
    rows = [(f"  {text.upper()} ", str(label)) for text, label in flipped.items()]
    file = table(folder / "corrections.csv", [*rows, *new_texts(), (new_texts()[0][0], "0")])
    done = foreshot("compare", *asked, "--corrections", file, "--name", "run", "--runs", folder, *QUICK)
    assert done.exit_code == 0, done.stderr + done.stdout
    return {"run": folder / "run", "file": file, "flipped": flipped, "of": of, "said": " ".join(done.stdout.split())}


def test_rows_are_put_right_where_they_stand_and_texts_are_added(plain, corrected):
    run, flipped = corrected["run"], corrected["flipped"]
    for name in ("train", "validation", "test"):
        before = {row["text"]: row["label"] for row in part(plain, name)}
        after = {row["text"]: row for row in part(run, name)}
        for text, label in before.items():
            if text in after:
                assert after[text]["label"] == flipped.get(text, label)
                assert after[text]["class"] == LABELS[after[text]["label"]]
                assert after[text]["corrected"] == (text in flipped)
        if name != "train":
            assert before.keys() == after.keys()
    held = {fold(row["text"]) for row in part(run, "corrections")}
    train = {fold(row["text"]) for row in part(run, "train")}
    assert not held & train
    assert {fold(text) for text, _ in new_texts()} <= held | train
    assert {fold(text) for text in corrected["of"]["test"]} <= held - train
    assert {fold(text) for text in corrected["of"]["validation"]}.isdisjoint(held | train)
    assert {fold(row["text"]) for row in part(plain, "train")} <= held | train


def test_a_fifth_of_each_class_is_held_out_besides_what_corrects_the_test(corrected):
    held = [
        row
        for row in part(corrected["run"], "corrections")
        if fold(row["text"]) not in set(map(fold, corrected["of"]["test"]))
    ]
    usable = {text: label for text, label in corrected["flipped"].items() if text in corrected["of"]["train"]}
    usable |= {text: int(label) for text, label in new_texts()} | {new_texts()[0][0]: 0}
    for label in (0, 1):
        count = sum(of == label for of in usable.values())
        assert sum(row["label"] == label for row in held) == round(0.2 * count)


def test_it_is_said_and_stands_in_the_results_and_the_report(corrected):
    facts = results(corrected["run"])["corrections"]
    held = facts["held_out"]
    assert facts | {"models": [], "before": None} == {
        "source": str(corrected["file"]), "read": 68, "texts": 67, "of_part": {"train": 20, "validation": 2, "test": 5},
        "added": 40, "overruled": 27, "learnt": 60 - held, "held_out": held, "contradicted": 1, "left_out": {},
        "weight": 5.0, "before": None, "models": [],
    }  # fmt: skip
    assert [model["model"] for model in facts["models"]] == ["teacher", "odd-labels"]
    for model in facts["models"]:
        assert model["all"]["rows"] == held + 5
        assert sum(share["rows"] for share in model["by_class"].values()) == held + 5
        assert 0 <= model["all"]["right"]["low"] <= model["all"]["right"]["value"] <= model["all"]["right"]["high"] <= 1
    for words in (
        "68 corrections of 67 texts: 20 of train rows, 2 of validation rows, 5 of test rows, 40 of texts that are not",
        "27 rows have another answer now; a row that was put right counts 5 times in training",
        "1 are contradicted by a later one, by their order in the file, which counts",
    ):
        assert words in corrected["said"]
    report = (corrected["run"] / "report.md").read_text(encoding="utf-8")
    assert "## What people corrected" in report
    assert f"each counts 5 times; {held} are held out. Those of test rows correct the test" in report


def test_a_correction_that_counts_more_is_learnt_where_it_contradicts_the_data(tmp_path, foreshot, asked):
    """Three of four texts with two rude words are called benign: whether the words are rude is up to the weight."""
    rude = [text for text, _ in make_comments() if INSULTS[0] in text or INSULTS[1] in text]
    file = table(tmp_path / "corrections.csv", [(text, "0") for number, text in enumerate(rude) if number % 4])
    shares = {}
    for weight in (0.001, 50):
        done = foreshot(
            "compare", *asked, "--corrections", file, "--name", f"w{weight}", "--runs", tmp_path, *QUICK,
            *("--set", f"corrections.weight={weight}", "--set", "corrections.held_out=0.3", "--epochs", 8),
            *("--batch-size", 16, "--learning-rate", 0.004),
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        facts = results(tmp_path / f"w{weight}")
        shares[weight] = [model["all"]["right"]["value"] for model in facts["corrections"]["models"]]
    assert shares[0.001] == [0.0, 0.0]  # of teacher and student
    assert min(shares[50]) > 0.5


def test_a_run_is_taken_up_with_corrections_in_a_folder_beside_it(tmp_path, foreshot, plain, corrected, comments):
    before = contents(plain)
    done = foreshot("compare", plain, "--corrections", corrected["file"])
    assert done.exit_code == 0, done.stderr
    beside = plain.parent / "plain-corrected"
    assert contents(plain) == before
    assert str(beside / "report.html") in done.stdout
    assert comparable(beside, "name") == comparable(corrected["run"], "name")
    made = weights_times(beside)

    def again(*options: object) -> set[str]:
        """What is made anew when the run is taken up once more."""
        done = foreshot("compare", beside, *options)
        assert done.exit_code == 0, done.stderr
        return {name for name, when in weights_times(beside).items() if made[name] != when}

    assert again() == set()
    assert again("--corrections", corrected["file"]) == set()
    refused = foreshot("compare", beside, "--set", "corrections.weight=3")
    assert refused.exit_code == 2
    assert "was made by another experiment (corrections:" in refused.stderr
    refused = foreshot("compare", plain, "--name", "plain", "--corrections", corrected["file"])
    assert refused.exit_code == 2
    assert "choose another --name" in refused.stderr
    assert contents(plain) == before
    grown = corrected["file"].read_text(encoding="utf-8") + "a new and lovely text,0\n"
    (tmp_path / "corrections.csv").write_text(grown, encoding="utf-8")


def test_a_file_that_grows_is_learnt_anew(tmp_path, foreshot, asked):
    file = table(tmp_path / "corrections.csv", new_texts(20))
    run = tmp_path / "grown"
    done = foreshot("compare", *asked, "--corrections", file, "--name", "grown", "--runs", tmp_path, *QUICK)
    assert done.exit_code == 0, done.stderr
    first, made = {row["text"] for row in part(run, "corrections")}, weights_times(run)
    table(file, new_texts(40))
    assert foreshot("compare", run).exit_code == 0
    second, learnt = ({row["text"] for row in part(run, name)} for name in ("corrections", "train"))
    assert first & second
    assert not second & learnt
    assert all(made[name] != when for name, when in weights_times(run).items())


def test_students_learn_corrections_beside_a_teacher_and_texts_without_labels(tmp_path, foreshot, asked, plain):
    """The run's own teacher has learnt them; one that was given has not, and teaches nothing on those rows."""
    flipped = [(row["text"], LABELS[1 - row["label"]]) for row in part(plain, "train")[:10]]
    file = table(tmp_path / "corrections.csv", [*flipped, *new_texts(20)])
    unlabelled = tmp_path / "more.txt"
    unlabelled.write_text("\n".join([*(text for text, _ in new_texts(40)), *(text for text, _ in flipped)]), "utf-8")
    options = ("--corrections", file, "--unlabelled", unlabelled, "--runs", tmp_path, *QUICK, "--recipes", "odd")
    for name, teacher in (("own", ()), ("given", ("--teacher", plain / "teacher"))):
        done = foreshot("compare", *asked, *options, *teacher, "--name", name)
        assert done.exit_code == 0, done.stderr
        assert "unlabelled: 20 texts" in done.stdout  # none of those that are corrected, held out or not
    own, given = (results(tmp_path / name) for name in ("own", "given"))
    assert own["corrections"]["models"][1]["all"]["rows"] == given["corrections"]["models"][1]["all"]["rows"]
    teachers = {name: found["models"][0] for name, found in (("own", own), ("given", given), ("plain", results(plain)))}
    assert teachers["given"]["test"] == teachers["plain"]["test"]
    trained = [found["models"][1]["training"]["rows"] for found in (own, given)]
    assert trained == [len(part(tmp_path / "own", "train"))] * 2


# ---- tables of several kinds ----


def test_what_a_server_keeps_is_read_with_the_older_files_beside_it(tmp_path, foreshot, asked):
    rows = [
        {"when": f"2026-11-{1 + number:02d}T12:00:00+00:00", "text": text, "label": LABELS[int(label)], "said": "toxic",
         "source": "feedback", "model": "odd", "checksum": "sha256:00"}
        for number, (text, label) in enumerate(new_texts(20))
    ]  # fmt: skip
    scored = {
        "when": "2026-12-01T12:00:00+00:00",
        "text": new_texts(40)[39][0],
        "scores": {"toxic": 0.2},
        "source": "suggestscore",
    }
    late = {**rows[0], "when": "2027-01-01T00:00:00Z", "label": "benign"}
    files = {"feedback.1.jsonl": [late, *rows[:8]], "feedback.2.jsonl": rows[8:], "feedback.jsonl": [scored]}
    for name, lines in files.items():
        (tmp_path / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    file = tmp_path / "feedback.jsonl"
    done = foreshot("compare", *asked, "--corrections", file, "--name", "run", "--runs", tmp_path, *QUICK)
    assert done.exit_code == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "feedback.jsonl: 2 older files beside it are read, too" in said
    assert "1 are contradicted by a later one, by their times, which counts" in said
    facts = results(tmp_path / "run")["corrections"]
    assert (facts["read"], facts["texts"]) == (22, 21)
    every = {row["text"]: row["label"] for name in ("train", "corrections") for row in part(tmp_path / "run", name)}
    assert every[rows[0]["text"]] == 0  # the later one, though it comes first in the file
    assert every[scored["text"]] == 0
    held = [row for row in part(tmp_path / "run", "corrections") if row["text"] != scored["text"]]
    assert facts["before"]["all"]["rows"] == len(held)
    assert facts["before"]["all"]["right"]["value"] == pytest.approx(sum(row["label"] for row in held) / len(held))
    assert "what was said then" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")


def test_what_people_tell_a_server_is_what_the_next_model_learns(tmp_path, foreshot, plain):
    """The whole circle, with a server in a process of its own."""
    file = tmp_path / "feedback.jsonl"
    told = {row["text"]: LABELS[1 - row["label"]] for row in part(plain, "train")[:6]}
    suggested = part(plain, "train")[6]
    with serving([tiny_bundle(tmp_path / "tiny")], "--feedback", file, "--workers", 2) as server:
        sent = {"corrections": [{"text": text, "label": label, "id": "c"} for text, label in told.items()]}
        assert server.ask("POST", "/v1/feedback", sent).status == 200
        scores = {"TOXICITY": {"summaryScore": {"value": 1 - suggested["label"]}}}
        body = {"comment": {"text": suggested["text"]}, "attributeScores": scores}
        assert server.ask("POST", "/v1alpha1/comments:suggestscore", body).status == 200
    taken_up = shutil.copytree(plain, tmp_path / "runs" / "plain")
    done = foreshot("compare", taken_up, "--corrections", file)
    assert done.exit_code == 0, done.stderr
    run = taken_up.with_name("plain-corrected")
    assert results(run)["corrections"]["overruled"] == 7
    after = {row["text"]: row["class"] for name in ("train", "corrections") for row in part(run, name)}
    assert told.items() <= after.items()
    assert after[suggested["text"]] == LABELS[1 - suggested["label"]]


def test_labels_of_several_are_corrected_one_by_one_or_all_at_once(tmp_path, foreshot, encoder):
    comments = [(text, label, str(int("soup" in text))) for text, label in make_comments()]
    data = write_csv(tmp_path / "comments.csv", comments, header=("comment", "toxic", "soup"))
    old, older = comments[3][0], comments[4][0]
    lines = [
        {"text": old, "labels": ["toxic", "soup"]},
        {"text": older, "scores": {"soup": 0.9}},
        {"text": "a new text of soup", "labels": ["soup"], "said": ["toxic"]},
        {"text": "another new text", "scores": {"soup": 0.9}},  # of which toxic isn't known
    ]
    file = tmp_path / "feedback.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    done = foreshot(
        "compare", "--data", data, "--text", "comment", "--labels", "toxic,soup", "--encoder", encoder, *FAST,
        *("--corrections", file, "--name", "run", "--runs", tmp_path, *QUICK),
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    assert "1 left out that speak of some labels alone, of new texts" in " ".join(done.stdout.split())
    every = {
        row["text"]: row["marks"]
        for name in ("train", "validation", "test")  # too few to hold any out
        for row in part(tmp_path / "run", name)
    }
    assert every[old] == {"toxic": 1, "soup": 1}
    assert every[older] == {"toxic": int(comments[4][1]), "soup": 1}
    assert every["a new text of soup"] == {"toxic": 0, "soup": 1}
    assert "another new text" not in every


def test_stored_scores_are_overruled_and_what_gave_them_is_judged_as_it_was(tmp_path, foreshot, encoder):
    scores = [(text, "0.9" if label == "1" else "0.1") for text, label in make_comments()]
    data = write_csv(tmp_path / "stored.csv", scores, header=("comment", "TOXICITY"))
    wrong = [text for text, score in scores if score == "0.9"][:40]
    file = table(tmp_path / "corrections.csv", [(text, "benign") for text in wrong])
    done = foreshot(
        "compare", "--data", data, "--text", "comment", "--scores", "TOXICITY", "--encoder", encoder, *FAST,
        *("--corrections", file, "--name", "run", "--runs", tmp_path, *QUICK),
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    every = {
        row["text"]: row["scores"]["TOXICITY"]
        for name in ("train", "validation", "test", "corrections")
        for row in part(tmp_path / "run", name)
    }
    assert {every[text] for text in wrong} == {0.0}
    assert {every[text] for text, _ in scores if text not in wrong} == {0.9, 0.1}
    teacher, student = results(tmp_path / "run")["corrections"]["models"]
    assert (teacher["model"], teacher["all"]["right"]["value"]) == ("teacher", 0.0)
    assert student["all"]["rows"] == teacher["all"]["rows"] > 8


# ---- bad input ----


@pytest.mark.parametrize(
    ("header", "rows", "words"),
    [
        (("text", "label"), [("a text", "rude")], ["line 2: label 'rude' is none of the data's", "--leave-out=rude"]),
        (("words", "label"), [("a text", "1")], ["no column has a name that tells it holds the text", "--text"]),
        (("text", "mood"), [("a text", "1")], ["no column says what is right", "text, mood"]),
        (("text", "label"), [], ["holds no rows"]),
        (
            ("text", "label"),
            [("a text", "1"), ("another", "")],
            ["line 3: nothing says what is right", "--skip-bad-rows"],
        ),
        (("text", "label"), [(" ", "1")], ["line 2: has no text", "--skip-bad-rows"]),
        (("text", "label", "when"), [("a text", "1", "lately")], ["line 2, column 'when': 'lately' is no time"]),
    ],
)
def test_bad_tables_stop_in_one_line_before_anything_is_written(tmp_path, foreshot, asked, header, rows, words):
    file = table(tmp_path / "corrections.csv", rows, header=header)
    done = foreshot("compare", *asked, "--corrections", file, "--name", "run", "--runs", tmp_path / "runs", *QUICK)
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert str(file) in done.stderr
    for word in words:
        assert word in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_file_is_refused(tmp_path, foreshot, asked, content):
    for name in ("corrections.jsonl", "corrections.csv"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        done = foreshot("compare", *asked, "--corrections", tmp_path / name, "--name", "run", "--runs", tmp_path)
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert "empty" in done.stderr or "no rows" in done.stderr
    done = foreshot("compare", *asked, "--corrections", tmp_path / "nowhere.csv", "--name", "run", "--runs", tmp_path)
    assert (done.exit_code, "no such file" in done.stderr) == (2, True)


def test_bad_rows_can_be_left_out_and_are_counted(tmp_path, foreshot, asked):
    rows = [*new_texts(8), ("a text", ""), ("", "1"), ("this one", "unsure")]
    file = table(tmp_path / "corrections.csv", rows)
    options = ("--skip-bad-rows", "--leave-out", "unsure")
    done = foreshot("compare", *asked, *options, "--corrections", file, "--name", "run", "--runs", tmp_path, *QUICK)
    assert done.exit_code == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert "2 left out that can't be read" in said
    assert "1 left out with a label that is left out" in said
    assert results(tmp_path / "run")["corrections"]["read"] == 8


def test_corrections_of_test_rows_alone_correct_the_test_and_teach_nothing(tmp_path, foreshot, asked, plain):
    flipped = {row["text"]: 1 - row["label"] for row in part(plain, "test")[:10]}
    file = table(tmp_path / "corrections.csv", [(text, LABELS[label]) for text, label in flipped.items()])
    options = ("--name", "run", "--runs", tmp_path, *QUICK, "--epochs", "4")
    done = foreshot("compare", *asked, "--corrections", file, *options)
    assert done.exit_code == 0, done.stderr
    assert "none of them is learnt from" in done.stdout
    assert [row["text"] for row in part(tmp_path / "run", "train")] == [row["text"] for row in part(plain, "train")]
    after = {row["text"]: row["label"] for row in part(tmp_path / "run", "test")}
    assert flipped.items() <= after.items()
    facts = results(tmp_path / "run")["corrections"]
    assert (facts["learnt"], facts["held_out"], facts["models"][0]["all"]["rows"]) == (0, 0, 10)
    assert facts["models"][0]["all"]["right"]["value"] < 0.5  # models go by the other rows


def test_other_tables_are_read_too(tmp_path, foreshot, asked):
    """Tabs, another name for the text, and Parquet, in which true stands where the data have 1."""
    import pyarrow as pa

    tsv = tmp_path / "corrections.tsv"
    with tsv.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows([("comment", "toxic"), *new_texts(10)])
    texts, labels = zip(*new_texts(10), strict=True)
    parquet = tmp_path / "corrections.parquet"
    pq.write_table(pa.table({"text": texts, "label": [label == "1" for label in labels]}), parquet)
    found = {}
    for file in (tsv, parquet):
        done = foreshot("compare", *asked, "--corrections", file, "--name", file.suffix[1:], "--runs", tmp_path, *QUICK)
        assert done.exit_code == 0, done.stderr
        found[file] = results(tmp_path / file.suffix[1:])["corrections"]
    assert found[tsv] | {"source": str(parquet)} == found[parquet]
