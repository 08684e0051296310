"""Bad input on the command line: one line that says what, where and what to do; exit code 2; nothing written."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_runs import FAST, contents, make_comments, process_environment, write_csv
from waiting import PATIENCE

Foreshot = Callable[..., Any]
ROWS = make_comments(40)
SHORT = ("--max-length", "24", "--recipes", "odd")
RELATIONS = ("--set", "distillation.weights.relations=1")


@dataclass(frozen=True)
class Place:
    """Where a case makes its files, and the good encoder that it may use."""

    folder: Path
    encoder: Path
    comments: Path

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def table(self, name: str, rows: Sequence[tuple[str, ...]], *header: str) -> Path:
        return write_csv(self.folder / name, rows, header or ("comment", "toxic"))

    def model(self, name: str, config: dict[str, Any], weights: str | None = "model.safetensors") -> Path:
        folder = self.folder / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        if weights:
            (folder / weights).write_bytes(b"\x80\x04N.")
        shutil.copy(self.encoder / "tokenizer.json", folder)
        return folder

    def with_data(self, data: Path, *more: object) -> list[object]:
        return ["--data", data, "--encoder", self.encoder, *more]

    def with_encoder(self, encoder: object, *more: object) -> list[object]:
        return ["--data", self.comments, "--encoder", encoder, *more]

    def with_options(self, *more: object) -> list[object]:
        return ["--data", self.comments, "--encoder", self.encoder, *more]

    def yaml(self, text: str) -> list[object]:
        return [self.file("asked.yaml", text)]


Case = tuple[Callable[[Place], list[object]], list[str]]


def latin(place: Place) -> list[object]:
    return place.with_data(place.file("latin.csv", "comment,toxic\nfine,0\ncaf\xe9,1\n".encode("latin-1")))


def parquet(place: Place, **columns: list[Any]) -> list[object]:
    path = place.folder / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return place.with_data(path)


def jsonl(place: Place, *records: dict[str, Any]) -> list[object]:
    return place.with_data(place.file("rows.jsonl", "\n".join(map(json.dumps, records))))


DATA: dict[str, Case] = {
    "no such file": (lambda p: p.with_data(p.folder / "gone.csv"), ["gone.csv", "no such file"]),
    "a folder": (lambda p: p.with_data(p.folder), ["is a folder without a saved Hugging Face dataset"]),
    "an unknown kind of file": (lambda p: p.with_data(p.file("a.xls", "x")), ["a.xls", "unknown kind of file", ".csv"]),
    "an empty file": (lambda p: p.with_data(p.file("empty.csv", "")), ["empty.csv", "is empty"]),
    "not UTF-8": (latin, ["latin.csv, line 3", "not UTF-8", "0xe9", "iconv"]),
    "UTF-16": (
        lambda p: p.with_data(p.file("wide.csv", "comment,toxic\nfine,0\n".encode("utf-16"))),
        ["wide.csv", "UTF-16"],
    ),
    "a text column that is missing": (
        lambda p: p.with_data(p.comments, "--text", "body"),
        ["comments.csv", "no column 'body'", "comment, toxic"],
    ),
    "a label column that is missing": (
        lambda p: p.with_data(p.comments, "--label", "rude"),
        ["comments.csv", "no column 'rude'", "comment, toxic"],
    ),
    "one column for both": (
        lambda p: p.with_data(p.comments, "--text", "toxic", "--label", "toxic"),
        ["comments.csv", "both the text and the label"],
    ),
    "a column named twice": (
        lambda p: p.with_data(p.table("twice.csv", [("a", "b", "1")], "comment", "comment", "toxic")),
        ["twice.csv, line 1", "'comment'", "named twice"],
    ),
    "columns that can't be guessed": (
        lambda p: p.with_data(p.table("odd.csv", ROWS, "alpha", "beta")),
        ["odd.csv", "--text", "alpha, beta"],
    ),
    "an empty text": (
        lambda p: p.with_data(p.table("hole.csv", [*ROWS, ("  ", "1")])),
        ["hole.csv, line 42", "'comment'", "an empty text", "--skip-bad-rows"],
    ),
    "an empty label": (
        lambda p: p.with_data(p.table("hole.csv", [*ROWS, ("fine", "")])),
        ["hole.csv, line 42", "'toxic'", "no label", "--skip-bad-rows"],
    ),
    "numbers in the text column of Parquet": (
        lambda p: parquet(p, comment=[1, 2, 3, 4], toxic=[0, 1, 0, 1]),
        ["table.parquet, row 1", "'comment'", "type int instead of a text"],
    ),
    "a list in the text column of JSONL": (
        lambda p: jsonl(p, {"text": "fine", "label": 0}, {"text": ["a"], "label": 1}),
        ["rows.jsonl, line 2", "'text'", "type list instead of a text"],
    ),
    "JSONL with a broken line": (
        lambda p: p.with_data(p.file("rows.jsonl", '{"text": "fine", "label": 0}\n{"text": \n')),
        ["rows.jsonl, line 2", "is not JSON"],
    ),
    "a Parquet file that isn't": (
        lambda p: p.with_data(p.file("bad.parquet", b"PAR1 nothing")),
        ["bad.parquet", "not a Parquet file"],
    ),
    "a quote that never ends": (
        lambda p: p.with_data(p.file("quote.csv", 'comment,toxic\nfine,0\n"never closed,1\n')),
        ["quote.csv, line 3", "quotes"],
    ),
    "a label that occurs once": (
        lambda p: p.with_data(p.table("once.csv", [*ROWS, ("a new one", "2")])),
        ["once.csv, line 42", "label '2'", "once", "--positive"],
    ),
    "a value that says that nobody labelled a row": (
        lambda p: p.with_data(p.table("gaps.csv", [*ROWS, ("hm", "-1"), ("well", "-1"), ("oh", "?")])),
        [
            "gaps.csv, line 42: label '-1' (2 rows)",
            "nobody labelled",
            "--leave-out='-1,?'",
            "--classes='-1,0,1,?'",
            "--label",
        ],
    ),
    "rows left out by name, and a class too many": (
        lambda p: p.with_data(
            p.table("gaps.csv", [*ROWS, ("hm", "-1"), ("well", "2")]), "--leave-out", "-1", "--classes", "0,1"
        ),
        ["gaps.csv, line 43: label '2' (1 row) is none of --classes", "--leave-out=2"],
    ),
    "a test file with rows that nobody labelled": (
        lambda p: p.with_options("--test", p.table("test.csv", [("fine", "0"), ("bad", "1"), ("hm", "-1")])),
        ["test.csv, line 4: label '-1' is none of those in the training data (0, 1)", "--leave-out=-1"],
    ),
    "a rating": (
        lambda p: p.with_data(p.table("stars.csv", [(text, str(n % 5 + 1)) for n, (text, _) in enumerate(ROWS)])),
        ["stars.csv", "1, 2, 3, 4, 5 look like a rating", "--positive=4,5", "--classes=1,2,3,4,5", "--label"],
    ),
    "several labels in one column": (
        lambda p: p.with_data(
            p.table("tags.csv", [(text, "|".join(["rude", "loud"][: n % 3])) for n, (text, _) in enumerate(ROWS)])
        ),
        ["tags.csv, line 4, column 'toxic': rude|loud", "--labels=rude,loud", "--label=toxic", "--classes"],
    ),
    "one class only": (
        lambda p: p.with_data(p.table("same.csv", [(text, "0") for text, _ in ROWS])),
        ["same.csv", "every row has the same label (0)"],
    ),
    "more classes than rows allow": (
        lambda p: p.with_data(p.table("many.csv", [(text, f"c{n}") for n, (text, _) in enumerate(ROWS)])),
        ["many.csv", "40 different labels in 40 rows", "--label"],
    ),
    "classes without a row for each part": (
        lambda p: p.with_data(p.table("few.csv", [(text, f"c{n % 20}") for n, (text, _) in enumerate(ROWS)])),
        ["few.csv", "2 times", "3 rows of each label are needed"],
    ),
    "too few rows": (
        lambda p: p.with_data(
            p.table("few.csv", [(text, f"c{n % 3}") for n, (text, _) in enumerate(ROWS[:9])]),
            *("--max-train-rows", "2"),
        ),
        ["few.csv", "--max-train-rows 2", "3 classes"],
    ),
    "scores as labels": (
        lambda p: p.with_data(p.table("score.csv", [(text, f"0.{n}") for n, (text, _) in enumerate(ROWS, 11)])),
        ["score.csv, line 2", "'toxic'", "0.11 is a score, not a class", "threshold"],
    ),
    "an unknown positive label": (
        lambda p: p.with_options("--positive", "rude"),
        ["comments.csv", "--positive", "'rude' isn't in the column", "0, 1"],
    ),
    "every label positive": (
        lambda p: p.with_options("--positive", "0,1"),
        ["comments.csv", "--positive names every label"],
    ),
    "a test file with an unknown label": (
        lambda p: p.with_options("--test", p.table("test.csv", [("fine", "0"), ("bad", "7")])),
        ["test.csv, line 3", "label '7'", "none of those in the training data"],
    ),
    "a test file without a class": (
        lambda p: p.with_options("--test", p.table("test.csv", [("fine", "0"), ("good", "0")])),
        ["test.csv", "the test part has no row of class 'toxic'"],
    ),
    "no such test file": (lambda p: p.with_options("--test", p.folder / "gone.csv"), ["gone.csv", "no such file"]),
}

MODELS: dict[str, Case] = {
    "an id that can't be loaded offline": (
        lambda p: p.with_encoder("nobody/no-such-model"),
        ["nobody/no-such-model", "not in the local cache", "HF_HUB_OFFLINE"],
    ),
    "a misspelt folder": (
        lambda p: p.with_encoder(p.encoder.with_name("tiny-brt")),
        ["tiny-brt", "no such folder"],
    ),
    "an empty folder": (
        lambda p: p.with_encoder(p.model("empty", {}, weights=None)),
        ["empty", "config.json"],
    ),
    "a config of no known architecture": (
        lambda p: p.with_encoder(p.model("strange", {"model_type": "strange"})),
        ["strange", "no config.json of a known architecture"],
    ),
    "a file instead of a folder": (
        lambda p: p.with_encoder(p.file("model.bin", "x")),
        ["model.bin", "no such folder"],
    ),
    "an encoder without a name": (
        lambda p: p.with_encoder(""),
        ["settings: encoder: String should have at least 1 character"],
    ),
    "an encoder-decoder": (
        lambda p: p.with_encoder(p.model("t5", {"model_type": "t5"})),
        ["t5", "encoder-decoder is not an encoder"],
    ),
    "a decoder": (
        lambda p: p.with_encoder(p.model("gpt", {"model_type": "gpt2", "n_layer": 2})),
        ["gpt"],
    ),
    "weights only as pickle": (
        lambda p: p.with_encoder(p.model("pickled", {"model_type": "bert"}, weights="pytorch_model.bin")),
        ["pickled", "only as pickle (pytorch_model.bin)", "model.safetensors"],
    ),
    "no weights": (
        lambda p: p.with_encoder(p.model("bare", {"model_type": "bert"}, weights=None)),
        ["bare", "weights are not there", "model.safetensors"],
    ),
    "damaged weights": (
        lambda p: p.with_encoder(p.model("damaged", {"model_type": "bert", "num_hidden_layers": 2})),
        ["damaged", "can't be loaded as a text classifier"],
    ),
    "an encoder for a teacher": (
        lambda p: ["--data", p.comments, "--teacher", p.encoder, "--recipes", "odd"],
        ["tiny-bert", "is no ready classifier"],
    ),
    "longer texts than the encoder has positions": (
        lambda p: p.with_options("--max-length", "65"),
        ["training.max_length: 65", "tiny-bert", "64 tokens only"],
    ),
}

OPTIONS: dict[str, Case] = {
    "no data": (lambda p: ["--encoder", p.encoder], ["nothing to compare on", "--data", "--demo"]),
    "labels of a teacher without a sign": (
        lambda p: p.with_options("--teacher", p.encoder, "--teacher-labels", "toxic"),
        ["--teacher-labels toxic: must be name=value"],
    ),
    "a label of a teacher twice": (
        lambda p: p.with_options("--teacher", p.encoder, "--teacher-labels", "toxic=LABEL_1,toxic=LABEL_0"),
        ["--teacher-labels", "names toxic twice"],
    ),
    "labels of no teacher": (
        lambda p: p.with_options("--teacher-labels", "toxic=LABEL_1"),
        ["teacher_labels: is about a ready classifier"],
    ),
    "no encoder": (lambda p: ["--data", p.comments], ["name an encoder", "ready teacher"]),
    "the demo with a file": (lambda p: ["--demo", p.file("a.yaml", "name: a")], ["--demo", "leave out the file"]),
    "an unknown recipe": (
        lambda p: p.with_options("--recipes", "odd,strange"),
        ["unknown recipe 'strange'", "even-labels"],
    ),
    "a recipe twice": (lambda p: p.with_options("--recipes", "odd,odd"), ["recipe 'odd' is given twice"]),
    "a layer beyond the encoder": (
        lambda p: p.with_options("--max-length", "24", "--layers", "1,9"),
        ["layers [1, 9]", "only 4 layers"],
    ),
    "more first layers than there are": (
        lambda p: p.with_options("--max-length", "24", "--layers", "first:13"),
        ["'first:13'", "only 4 layers"],
    ),
    "layer zero": (lambda p: p.with_options("--layers", "0,1"), ["layers", "count from 1"]),
    "more layers by influence than there are": (
        lambda p: p.with_options("--max-length", "24", "--layers", "influence:5"),
        ["'influence:5'", "only 4 layers"],
    ),
    "a recipe that keeps nothing": (
        lambda p: p.with_options("--layers", "greedy:0"),
        ["'greedy:0' keeps no layer", "at least 1"],
    ),
    "weights for another number of classes": (
        lambda p: p.with_options("--set", "training.classification.class_weights=[1, 2, 3]"),
        ["training.classification.class_weights: 3 weights", "2 classes", "benign, toxic"],
    ),
    "a weight of nothing for a class": (
        lambda p: p.with_options("--set", "training.classification.class_weights=[1, 0]"),
        ["training.classification.class_weights.1: Input should be greater than 0"],
    ),
    "losses that weigh nothing in the end": (
        lambda p: p.with_options(
            "--set", "distillation.weights={classification: {start: 1, end: 0}, divergence: 0, cosine: 0}"
        ),
        ["distillation.weights", "all weights are 0 at the end"],
    ),
    "a temperature that falls to nothing": (
        lambda p: p.with_options("--set", "distillation.temperature={start: 4, end: 0}"),
        ["distillation.temperature", "above 0 at the start and at the end"],
    ),
    "relation heads that don't fit": (
        lambda p: p.with_options(*SHORT, *RELATIONS),
        ["relations.heads: 12 don't divide the model's width, 32"],
    ),
    "a relation layer beyond the model": (
        lambda p: p.with_options(
            *SHORT, *RELATIONS, "--set", "distillation.relations.heads=2", "--set", "distillation.relations.layer=5"
        ),
        ["relations.layer: 5", "only 4 layers"],
    ),
    "projections that aren't there": (
        lambda p: p.with_options(
            *SHORT, *RELATIONS, "--set", "distillation.relations={heads: 2, projections: [wq, wk, wv]}"
        ),
        ["bert: no queries, keys and values called wq or wk or wv", "distillation.relations.projections"],
    ),
    "a path to no layers": (
        lambda p: p.with_options("--max-length", "24", "--set", "layer_stack=encoder.blocks"),
        ["bert: has no stack of its 4 layers at encoder.blocks", "it may be encoder.layer"],
    ),
    "an empty file of texts without labels": (
        lambda p: p.with_options(*SHORT, "--unlabelled", p.file("more.txt", "")),
        ["more.txt: holds no text"],
    ),
    "a missing file of texts without labels": (
        lambda p: p.with_options(*SHORT, "--unlabelled", p.folder / "gone.csv"),
        ["gone.csv: no such file"],
    ),
    "no text but those with labels": (
        lambda p: p.with_options(
            *SHORT, "--unlabelled", p.file("more.txt", "\n".join(text.upper() for text, _ in make_comments()))
        ),
        ["more.txt: holds no text but those of the labelled rows"],
    ),
    "texts without labels that nobody learns from": (
        lambda p: p.with_options(
            "--max-length", "24", "--recipes", "odd-labels,lora", "--unlabelled", p.file("more.txt", "a new one")
        ),
        ["unlabelled: no recipe learns from the teacher"],
    ),
    "a share of a batch that is no text": (
        lambda p: p.with_options(
            *SHORT, "--unlabelled", p.file("more.txt", "a new one"), "--set", "distillation.unlabelled_share=0.01"
        ),
        ["distillation.unlabelled_share: 0.01 of a batch of 32 is not one text"],
    ),
    "a setting without a value": (lambda p: p.with_options("--set", "layer_sample"), ["--set layer_sample", "value"]),
    "a misspelt layer": (lambda p: p.with_options("--layers", "1,x"), ["--layers 1,x", "first:3"]),
    "a misspelt strategy": (lambda p: p.with_options("--layers", "uneven"), ["'uneven'", "spaced:K"]),
    "seeds that are no numbers": (lambda p: p.with_options("--seeds", "0,x"), ["seeds.1", "integer"]),
    "a negative seed": (lambda p: p.with_options("--seeds", "-1"), ["seeds.0", "greater than or equal to 0"]),
    "a seed twice": (lambda p: p.with_options("--seeds", "4,4"), ["seed 4 is given twice"]),
    "an unknown device": (
        lambda p: p.with_options("--device", "gpu"),
        ["device: 'gpu'", "auto, cpu, cuda, cuda:N, mps"],
    ),
    "a device that isn't there": (lambda p: p.with_options("--device", "cuda:99"), ["device: cuda:99 isn't there"]),
    "a precision that the device can't do": (
        lambda p: p.with_options("--device", "cpu", "--set", "training.precision=fp16"),
        ["training.precision: the cpu can't train in fp16", "bf16"],
    ),
    "an unknown precision": (lambda p: p.with_options("--set", "training.precision=fp8"), ["training.precision"]),
    "parts that don't divide the batch": (
        lambda p: p.with_options("--batch-size", "8", "--set", "training.accumulate=3"),
        ["training: accumulate: 3 parts don't divide a batch of 8"],
    ),
    "no epochs": (lambda p: p.with_options("--epochs", "0"), ["training.epochs", "greater than or equal to 1"]),
    "no learning rate": (lambda p: p.with_options("--learning-rate", "nan"), ["training.learning_rate"]),
    "a name that leads elsewhere": (
        lambda p: p.with_options("--name", "../../elsewhere"),
        ["name", "must be letters, digits"],
    ),
    "a probe file that isn't there": (
        lambda p: p.with_options("--probes", p.folder / "gone.txt"),
        ["gone.txt", "no such file"],
    ),
    "a probe with an unknown label": (
        lambda p: p.with_options("--probes", p.table("p.csv", [("fine", "0"), ("hm", "maybe")], "text", "label")),
        ["p.csv, row 3", "'maybe'", "benign, toxic"],
    ),
    "probes without a text column": (
        lambda p: p.with_options("--probes", p.table("p.csv", [("fine", "0")], "words", "label")),
        ["p.csv", "column named text", "words, label"],
    ),
    "probes that are not UTF-8": (
        lambda p: p.with_options("--probes", p.file("p.txt", b"caf\xe9\n")),
        ["p.txt", "UTF-8"],
    ),
    "no probes in the file": (
        lambda p: p.with_options("--probes", p.file("p.txt", "\n\n")),
        ["p.txt", "holds no probes"],
    ),
    "no such YAML file": (lambda p: [p.folder / "gone.yaml"], ["gone.yaml", "no such file"]),
    "YAML that isn't": (lambda p: p.yaml("name: a\ndata: [1,\n"), ["asked.yaml, line 3", "is not YAML"]),
    "YAML that is a list": (lambda p: p.yaml("- a\n- b\n"), ["asked.yaml", "'name: value' lines"]),
    "YAML that is not UTF-8": (lambda p: [p.file("asked.yaml", b"name: caf\xe9\n")], ["asked.yaml", "UTF-8"]),
    "YAML that would build objects": (
        lambda p: p.yaml("name: !!python/object/apply:os.getcwd []\n"),
        ["asked.yaml", "is not YAML"],
    ),
    "an unknown setting in YAML": (
        lambda p: p.yaml("data: demo\nencoder: demo\nepoch: 3\n"),
        ["asked.yaml", "epoch", "no such setting; did you mean training.epochs?"],
    ),
    "a wrong type in YAML": (
        lambda p: p.yaml("data: demo\nencoder: demo\ntraining: {epochs: many}\n"),
        ["asked.yaml", "training.epochs", "integer"],
    ),
    "a group that is a number in YAML": (
        lambda p: [*p.yaml("data: demo\nencoder: demo\ntraining: 3\n")],
        ["asked.yaml", "training"],
    ),
    "a folder that is no run": (lambda p: [p.folder], ["is not a run's folder", "experiment.yaml"]),
}

CASES = {**DATA, **MODELS, **OPTIONS}
IN_A_PROCESS = ["an id that can't be loaded offline", "damaged weights"]


def check_line(stderr: str, words: Sequence[str]) -> None:
    """One line of printable text that begins with the program's name and says all these words."""
    assert stderr.startswith("foreshot: ")
    assert stderr.endswith("\n")
    assert stderr[:-1].isprintable()
    for word in words:
        assert word in stderr


@pytest.fixture
def place(tmp_path: Path, encoder: Path, comments: Path) -> Place:
    folder = tmp_path / "input"
    folder.mkdir()
    return Place(folder, encoder, comments)


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_and_leaves_nothing(foreshot: Foreshot, place: Place, tmp_path: Path, case: str) -> None:
    make, words = CASES[case]
    stopped = foreshot("compare", *make(place), "--runs", tmp_path / "runs")
    check_line(stopped.stderr, words)
    assert stopped.exit_code == 2
    assert "Traceback" not in stopped.output
    assert not (tmp_path / "runs").exists()


COMMANDS_IN_TURN = """
import json, sys
from foreshot.cli import main
for arguments in json.loads(sys.argv.pop()):
    sys.argv[1:] = arguments
    try:
        main()
    except SystemExit as stopped:
        print("exit code", stopped.code, file=sys.stderr)
"""


def test_bad_input_in_a_process_of_its_own(place: Place, tmp_path: Path) -> None:
    """Libraries that log behind the runner's back would show here, at their import or later."""
    commands = [["compare", *CASES[case][0](place), "--runs", tmp_path / "runs"] for case in IN_A_PROCESS]
    given = json.dumps(commands, default=str)
    stopped = subprocess.run(
        [sys.executable, "-c", COMMANDS_IN_TURN, given], capture_output=True, text=True, timeout=PATIENCE, check=False,
        env=process_environment(),
    )  # fmt: skip
    said = stopped.stderr.split("exit code 2\n")
    assert said.pop() == ""
    for line, case in zip(said, IN_A_PROCESS, strict=True):
        check_line(line, CASES[case][1])
    assert "Traceback" not in stopped.stdout
    assert not (tmp_path / "runs").exists()


def test_the_good_case_beside_them_is_accepted(foreshot: Foreshot, place: Place, tmp_path: Path) -> None:
    good = place.with_options("--recipes", "odd", *FAST, "--epochs", "2", "--runs", tmp_path / "runs")
    assert foreshot("compare", *good).exit_code == 0


# ---- names from strangers ----

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202eevil\nline"


@pytest.mark.parametrize(
    "make",
    [
        lambda p: p.with_data(p.table("cols.csv", ROWS, f"a{HOSTILE}", "toxic")),
        lambda p: p.with_data(p.table("labels.csv", [(text, f"c{n}{HOSTILE}") for n, (text, _) in enumerate(ROWS)])),
        lambda p: p.with_data(p.folder / f"gone{HOSTILE}.csv"),
        lambda p: p.with_encoder(f"gone{HOSTILE}"),
        lambda p: p.with_options("--text", HOSTILE),
        lambda p: p.with_options("--positive", HOSTILE),
        lambda p: p.with_options("--recipes", HOSTILE),
        lambda p: p.with_options("--layers", f"1{HOSTILE}"),
        lambda p: p.with_options("--seeds", HOSTILE),
        lambda p: p.with_options("--name", HOSTILE),
        lambda p: p.with_options("--probes", p.table("p.csv", [("x", HOSTILE)], "text", "label")),
        lambda p: p.yaml(f"data: demo\nencoder: demo\n{json.dumps(HOSTILE)}: 1\n"),
    ],
    ids=["column", "label", "file", "encoder", "text", "positive", "recipe", "layers", "seed", "name", "probe", "yaml"],
)
def test_hostile_names_do_not_reach_the_terminal_raw(
    foreshot: Foreshot, place: Place, tmp_path: Path, make: Callable[[Place], list[object]]
) -> None:
    stopped = foreshot("compare", *make(place), "--runs", tmp_path / "runs")
    assert stopped.exit_code == 2
    check_line(stopped.stderr, [])
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", stopped.output)


def test_hostile_names_in_what_is_announced(foreshot: Foreshot, place: Place, tmp_path: Path) -> None:
    data = place.table(f"cols{HOSTILE[:-5]}.csv", make_comments(), "comment", "toxic")
    asked = place.with_data(data, *FAST, "--epochs", "2", "--suite", "none", "--recipes", "odd", "--name", "plain")
    done = foreshot("compare", *asked, "--runs", tmp_path / "runs")
    assert done.exit_code == 0
    assert "owned" in done.stdout
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.output)


# ---- folders of others ----


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--epochs", "7"], ["training", "another experiment"]),
        (["--max-train-rows", "90"], ["max_train_rows", "another experiment"]),
        (["--temperature", "5"], ["distillation", "another experiment"]),
        (["--seeds", "1"], ["first seed 0", "1 was asked for"]),
    ],
)
def test_a_run_of_another_experiment_is_left_as_it_is(
    foreshot: Foreshot, asked: list[str], finished_run: Path, change: list[str], words: list[str]
) -> None:
    before = contents(finished_run)
    stopped = foreshot("compare", *asked, "--name", "whole", "--runs", finished_run.parent, *change)
    check_line(stopped.stderr, [str(finished_run), *words, "another --name"])
    assert stopped.exit_code == 2
    assert contents(finished_run) == before


def test_a_run_on_other_data_is_left_as_it_is(
    foreshot: Foreshot, asked: list[str], finished_run: Path, place: Place
) -> None:
    before = contents(finished_run)
    other = place.table("other.csv", make_comments(seed=1))
    stopped = foreshot("compare", *asked, "--data", other, "--name", "whole", "--runs", finished_run.parent)
    check_line(stopped.stderr, [str(finished_run), "another experiment", "data"])
    assert stopped.exit_code == 2
    assert contents(finished_run) == before


def test_data_that_changed_under_the_same_name_is_noticed(foreshot: Foreshot, place: Place, tmp_path: Path) -> None:
    """The file's name is the same, so only its content can tell; what was made from it is made anew."""
    data = place.table("data.csv", make_comments())
    asked = place.with_data(data, *FAST, "--epochs", "2", "--suite", "none", "--recipes", "odd", "--name", "changed")
    asked += ["--runs", tmp_path / "runs"]
    assert foreshot("compare", *asked).exit_code == 0
    place.table("data.csv", make_comments(seed=2))
    done = foreshot("compare", *asked)
    assert done.exit_code == 0, done.stderr
    assert "training teacher" in done.stdout
    assert "already there" not in done.stdout


def test_a_folder_that_is_no_run_is_left_as_it_is(foreshot: Foreshot, place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("precious")
    stopped = foreshot("compare", *place.with_options(*FAST, "--name", "mine", "--runs", tmp_path / "runs"))
    check_line(stopped.stderr, [str(folder), "not a run's folder", "another --name"])
    assert stopped.exit_code == 2
    assert contents(folder) == {"thesis.txt": b"precious"}


def test_a_file_where_the_run_would_go(foreshot: Foreshot, place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mine").write_text("precious")
    stopped = foreshot("compare", *place.with_options(*FAST, "--name", "mine", "--runs", tmp_path / "runs"))
    check_line(stopped.stderr, ["mine", "not a run's folder"])
    assert stopped.exit_code == 2
    assert (tmp_path / "runs" / "mine").read_text() == "precious"


def test_a_file_where_the_runs_would_go(foreshot: Foreshot, place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("precious")
    stopped = foreshot("compare", *place.with_options(*FAST, "--runs", tmp_path / "runs"))
    check_line(stopped.stderr, [str(tmp_path / "runs"), "can't be made", "--runs"])
    assert stopped.exit_code == 2
    assert (tmp_path / "runs").read_text() == "precious"


def test_a_run_folder_with_a_damaged_experiment(foreshot: Foreshot, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "broken"
    folder.mkdir(parents=True)
    (folder / "experiment.yaml").write_text("name: [\n")
    stopped = foreshot("compare", folder)
    check_line(stopped.stderr, ["experiment.yaml", "is not YAML"])
    assert stopped.exit_code == 2
