"""A comparison that is over in two seconds, and processes to run it in."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from crashes import Timeline, Undisturbed
from forked import Forks, forking

from cli_runs import DID, SHOUTED_AT, SUITE_COLUMNS, make_suite, write_csv

MEMORY_DISK = Path("/dev/shm")  # a run that keeps a checkpoint at every step syncs a hundred files


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with forking() as found:
        yield found


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is such a disk, or else on the usual one."""
    if not MEMORY_DISK.is_dir():
        yield tmp_path_factory.mktemp("disk")
        return
    folder = Path(tempfile.mkdtemp(prefix="foreshot-crash-", dir=MEMORY_DISK))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place_for_runs(disk: Path) -> Path:
    """An empty folder of the test's own."""
    return Path(tempfile.mkdtemp(dir=disk))


@pytest.fixture(scope="module")
def small(disk: Path) -> list[str]:
    """The options of a comparison of 80 comments and two students, with a checkpoint after every step."""
    import torch
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    rows = [
        (" ".join([("stupid" if rude else "kind")] * 6 + [SHOUTED_AT[number % 10], DID[number // 10]]), str(int(rude)))
        for number in range(80)
        for rude in [number % 5 < 2]
    ]
    inputs = disk / "inputs"
    encoder = inputs / "tiny-bert"
    encoder.mkdir(parents=True)
    words = BertWordPieceTokenizer()
    words.train_from_iterator([text for text, *_ in [*rows, *make_suite()]], vocab_size=400, min_frequency=1)
    words.save_model(str(encoder))
    BertTokenizerFast.from_pretrained(encoder, model_max_length=64).save_pretrained(encoder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_hidden_layers": 2}
    config = BertConfig(vocab_size=words.get_vocab_size(), max_position_embeddings=64, initializer_range=0.2, **sizes)
    BertModel(config).save_pretrained(encoder)
    return [
        *("--data", str(write_csv(inputs / "comments.csv", rows)), "--text", "comment", "--label", "toxic"),
        *("--positive", "1", "--suite", str(write_csv(inputs / "suite.csv", make_suite()[:9], header=SUITE_COLUMNS))),
        *("--encoder", str(encoder), "--recipes", "odd,lora", "--set", "checkpoint_seconds=0"),
        *("--epochs", "2", "--learning-rate", "0.01", "--batch-size", "8", "--max-length", "24"),
    ]


@pytest.fixture(scope="module")
def undisturbed(forks: Forks, small: list[str], disk: Path) -> Undisturbed:
    timeline = Timeline(disk / "undisturbed" / "run")
    ended = forks.run("compare", *small, "--name", "run", "--runs", disk / "undisturbed", meanwhile=timeline)
    assert ended.exit_code == 0, ended.stderr
    return Undisturbed(timeline.run, timeline.durations(), ended.renames)
