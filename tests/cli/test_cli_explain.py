"""`foreshot explain` on the command line: texts, files and streams in; lines, JSON or a page out; what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_bundles import label_decisions, tiny_bundle
from tiny_models import tiny_model_folder

from foreshot.cli import explain as cli_explain
from foreshot.explaining.explain import explain

TEXTS = ["you absolute walnut", "thank you"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("explain") / "bundle")


def refused(done, *words: str) -> None:
    assert done.exit_code == 2, done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("foreshot: ")
    for word in words:
        assert word in line


def test_texts_are_explained_in_words(foreshot, bundle):
    done = foreshot("explain", bundle, *TEXTS)
    assert done.exit_code == 0, done.stderr
    first, second, _ = done.stdout.split("\n\n")
    assert first.splitlines()[:3] == ["decided: toxic (94.3%)", TEXTS[0], "  +3.30  walnut"]
    assert second.splitlines()[0] == "decided: benign (62.2%)"


def test_json_lines_are_what_the_library_gives(foreshot, bundle):
    done = foreshot("explain", bundle, *TEXTS, "--json", "--label", "benign", "--most-words", 2)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    expected = explain(bundle, TEXTS, label="benign", most_words=2)
    assert lines == [
        {"text": text, **found.model_dump(mode="json")} for text, found in zip(TEXTS, expected, strict=True)
    ]
    assert lines[0]["limited"]
    numbers = [(word["score"], word["log_odds_difference"]) for word in lines[0]["words"]]
    assert (
        numbers == [(pytest.approx(0.0343, abs=1e-4), pytest.approx(0.95, abs=1e-5))] * 2
    )  # 1/(1 + e^2.8) − 1/(1 + e^3.75)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt", "parquet"])
def test_every_row_of_a_file_has_its_line(foreshot, bundle, tmp_path, kind):
    path = tmp_path / f"comments.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table({"comment": TEXTS}), path)
    else:
        rows = {
            "csv": "id,comment\n1,you absolute walnut\n2,thank you\n",
            "jsonl": "".join(json.dumps({"comment": text}) + "\n" for text in TEXTS),
            "txt": "\n".join(TEXTS),
        }
        path.write_text(rows[kind])
    done = foreshot("explain", bundle, path, "--json")
    assert done.exit_code == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["text"] for line in lines] == TEXTS
    assert [line["decided"] for line in lines] == ["toxic", "benign"]
    assert kind == "txt" or "text column 'comment' (guessed; --text names another)" in done.stderr
    assert "done in" in done.stderr


def test_a_streams_rows_are_explained_as_they_come(bundle):
    """A real process: the answer to the first line is there before the second line is written."""
    command = [sys.executable, "-m", "foreshot", "explain", str(bundle), "-", "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        for text in TEXTS:
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.close()
        assert process.wait() == 0


def test_a_page_is_written(foreshot, bundle, tmp_path, monkeypatch):
    page = tmp_path / "why.html"
    done = foreshot("explain", bundle, *TEXTS, "--html", page)
    assert done.stdout == f"page: {page}\n"
    assert page.read_text().count("<article>") == 2
    assert "There were more texts" not in page.read_text()
    monkeypatch.setattr(cli_explain, "MOST_ON_PAGE", 1)
    foreshot("explain", bundle, *TEXTS, "--html", page)
    assert page.read_text().count("<article>") == 1
    assert "There were more texts; the first 1 are shown." in page.read_text()


def test_a_label_of_several_can_be_named(foreshot, tmp_path):
    several = tiny_bundle(tmp_path / "several", decisions=label_decisions("toxic", "insult"))
    done = foreshot("explain", several, "you fool", "--json", "--positive", "insult")
    assert json.loads(done.stdout)["decided"] == "insult"
    assert done.stderr == ""
    done = foreshot("explain", several, "you fool", "--json", "--label", "insult")
    found = json.loads(done.stdout)
    assert (found["decided"], found["label"]) == ("toxic", "insult")
    assert "of its labels, 'toxic' is judged" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "integrated-gradients"], ["is a bundle's, which has no gradients", "leave-one-out"]),
        (["--method", "lime"], ["--method lime", "leave-one-out, integrated-gradients"]),
        (["--baselines", "pad"], ["--baselines"]),
        (["--steps", "3"], ["--steps"]),
        (["--label", "rude"], ["--label rude", "benign, toxic"]),
        (["--most-words", "0"], ["--most-words 0"]),
        (["--file", "other.onnx"], ["other.onnx"]),
        (["--json", "--html", "x.html"], ["give one of them"]),
        (["--html", "."], ["--html .", "is a folder"]),
        (["--html", f"{__file__}/x.html"], [f"--html {__file__}/x.html: can't be written"]),
    ],
)
def test_what_makes_no_sense_is_one_line(foreshot, bundle, options, words):
    refused(foreshot("explain", bundle, "a text", *options), *words)


def test_files_and_models_that_are_no_good_are_one_line(foreshot, bundle, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "fine"}\n{"text": 5}\n')
    done = foreshot("explain", bundle, bad, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stdout)["text"] == "fine"
    assert f"foreshot: {bad}, line 2, column 'text': a value of type int" in done.stderr
    refused(foreshot("explain", bundle, "coments.csv"), "no such file", "foreshot explain … -")
    refused(foreshot("explain", tmp_path / "nothing", "a text"), "no such folder")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "experiment.yaml").write_text("name: run\n")
    refused(foreshot("explain", tmp_path / "run", "a text"), "is a run's folder; name one of its models")


def test_gradients_of_a_model_in_pytorch(foreshot, tmp_path):
    teacher = tiny_model_folder(tmp_path / "teacher")
    text = "w1 w2 w3"
    done = foreshot(
        *("explain", teacher, text, "--method", "integrated-gradients", "--json"),
        *("--baselines", "mask, zero", "--steps", 8),
    )
    found = json.loads(done.stdout)
    assert list(found["deltas"]) == ["mask", "zero"]
    assert [word["word"] for word in found["words"]] == text.split()
    added = sum(word["score"] for word in found["words"]) + found["rest"] + sum(found["deltas"].values()) / 2
    assert added == pytest.approx(found["log_odds"] - sum(found["baseline_log_odds"].values()) / 2, abs=1e-5)
    shown = foreshot("explain", teacher, text, "--method", "integrated-gradients", "--steps", 4)
    assert "against the baselines mask, pad, zero" in shown.stdout
    for options, words in (
        (["--baselines", "blur"], ["--baselines blur", "mask, pad, zero, mean"]),
        (["--steps", "0"], ["--steps 0"]),
    ):
        bad = foreshot("explain", teacher, text, "--method", "integrated-gradients", *options)
        assert bad.exit_code == 2
        assert all(word in bad.stderr.splitlines()[-1] for word in words)
