"""A small encoder with random weights, a small table of comments, and the command line to run them through.

Everything is written by the tests themselves, so that they need neither a network nor a cached model.
"""

import csv
import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

SHOUTED_AT = ["referee", "driver", "painter", "singer", "cook", "mayor", "author", "goalie", "builder", "guide"]
DID = ["wrote", "played", "made", "fixed", "told", "drew", "sent", "read"]
THINGS = ["the second map", "that song", "our soup", "this page", "a long story", "the old bridge"]
PRAISE = ["brilliant", "kind", "careful", "lovely", "gentle", "helpful", "clever", "patient"]
INSULTS = ["stupid", "useless", "pathetic", "dumb", "worthless", "foolish", "awful", "idiotic"]
PROBES = [
    ("the stupid cook read this page", "1"),
    ("the lovely cook read this page", "0"),
    ("the pathetic mayor wrote a long story", "1"),
]

FAST = ["--epochs", "6", "--learning-rate", "0.003", "--batch-size", "8", "--max-length", "24"]
"""Training that takes the small encoder to a perfect test score in about a second."""


def make_comments(rows: int = 200, *, seed: int = 0) -> list[tuple[str, str]]:
    """Different comments with their labels, two in five of them rude."""
    shapes = list(itertools.product(SHOUTED_AT, DID, THINGS))
    random.Random(seed).shuffle(shapes)
    comments = []
    for number, (who, did, what) in enumerate(shapes[:rows]):
        rude = number % 5 < 2
        word = (INSULTS if rude else PRAISE)[number % 8]
        comments.append((f"the {word} {who} {did} {what}", str(int(rude))))
    return comments


def write_csv(path: Path, rows: Iterable[tuple[str, ...]], header: tuple[str, ...] = ("comment", "toxic")) -> Path:
    """A CSV file with this header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def comparable(folder: Path, *also: str) -> dict[str, Any]:
    """A run's results without what depends on the clock or on how the command was spelt."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for field in ("timing", "made", "command", *also):
        del results[field]
    return results


def weights_times(folder: Path) -> dict[str, int]:
    """When each weight file of a run was written, in nanoseconds."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder in a folder, hidden ones too; None stands for a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def as_process(*arguments: object) -> list[str]:
    """The command line of `foreshot`, for a process of its own."""
    return [sys.executable, "-m", "foreshot", *map(str, arguments)]


def process_environment() -> dict[str, str]:
    """Offline, one thread, and no colours."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}


def run_process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `foreshot` in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": 120, "env": process_environment(), **options}
    return subprocess.run(as_process(*arguments), check=False, **options)


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "comments.csv", make_comments())


@pytest.fixture(scope="session")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("probes") / "probes.csv", PROBES, header=("text", "label"))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of four layers with random weights, and a WordPiece tokenizer of the comments' own words."""
    import torch
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder") / "tiny-bert"
    folder.mkdir()
    words = BertWordPieceTokenizer()
    words.train_from_iterator([text for text, _ in make_comments()], vocab_size=400, min_frequency=1)
    words.save_model(str(folder))
    BertTokenizerFast.from_pretrained(folder, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=words.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def foreshot() -> Callable[..., Any]:
    """Runs the command line in this process: `foreshot("compare", …)` gives exit_code, stdout and stderr."""
    from typer.testing import CliRunner

    import foreshot.compare  # noqa: F401  # so that no library binds the runner's stderr, which is closed afterwards
    from foreshot.cli import app

    runner = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "200"})
    return lambda *arguments: runner.invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="session")
def asked(comments: Path, encoder: Path, probes: Path) -> list[str]:
    """The options of a small comparison: the data, the encoder, the probes, and quick training."""
    return [
        *("--data", str(comments), "--text", "comment", "--label", "toxic"),
        *("--encoder", str(encoder), "--probes", str(probes), *FAST),
    ]


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, foreshot: Callable[..., Any], asked: list[str]) -> Path:
    """A run with every kind of student; tests that change it copy it first."""
    runs = tmp_path_factory.mktemp("finished")
    done = foreshot("compare", *asked, "--name", "whole", "--runs", runs, "--recipes", "odd,lora,odd-lora,odd-labels")
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "whole"
