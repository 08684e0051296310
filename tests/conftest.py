"""A small encoder with random weights, a small table of comments, and the command line to run them through.

Everything is written by the tests themselves, so that they need neither a network nor a cached model.
"""

import gc
import logging
import os
import shutil
import string
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cli_runs import FAST, INSULTS, PRAISE, PROBES, SUITE_COLUMNS, make_comments, make_suite, write_csv

settings.register_profile("however busy the machine is", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("however busy the machine is")
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what a GPU does is for gpu/check.py to see

TINY_SUITE = [
    ("you absolute walnut", "toxic", "insult in a sentence", "1"),
    ("you absolute day", "benign", "no insult", "1"),
    ("fool", "toxic", "insult alone", ""),
    ("moron", "toxic", "insult alone", ""),
    ("thank you kind idiot", "benign", "banter", ""),
    ("hello", "benign", "no insult", ""),
]


def leave_out_of_collections() -> None:
    """Have the garbage collector pass over what is there by now.

    The tests import everything that there is, and a full collection, which each training run asks for, would look at
    all of it for a third of a second.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect() -> None:
    """What the files before left behind – an export leaves 200,000 objects in torch's caches – is passed over too."""
    leave_out_of_collections()


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A server that a test starts in this process sets up logging for good: what it set is taken back."""
    loggers = [logging.getLogger(name) for name in ("foreshot.serving", "foreshot.access", "uvicorn.error")]
    before = [(log.handlers, log.level, log.propagate) for log in loggers]
    yield
    for log, (log.handlers, level, log.propagate) in zip(loggers, before, strict=True):
        log.setLevel(level)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for one file: Playwright holds the thread's event loop, which other files need."""
    from browser import chromium

    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("data") / "comments.csv", make_comments())


@pytest.fixture(scope="session")
def probes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("probes") / "probes.csv", PROBES, header=("text", "label"))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("suite") / "suite.csv", make_suite(), header=SUITE_COLUMNS)


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six cases, of which a tiny bundle gets four right: it doesn't know "moron", and takes banter for an insult."""
    return write_csv(tmp_path_factory.mktemp("tiny-suite") / "suite.csv", TINY_SUITE, header=SUITE_COLUMNS)


@pytest.fixture
def ready_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny bundle in the place of the one that comes with Foreshot: of two labels, toxicity first and judged."""
    from tiny_bundles import label_decisions, tiny_bundle

    decisions = label_decisions("toxicity", "hate", judged="toxicity")
    folder = tiny_bundle(tmp_path / "package" / "bundle", decisions=decisions, name="tiny-ready")
    monkeypatch.setattr("foreshot.runtime.ready.ready_folder", lambda: folder)
    working = tmp_path / "working-folder"
    working.mkdir()
    monkeypatch.chdir(working)
    return folder


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of four layers with random weights, and a WordPiece tokenizer of letters and the comments' own words.

    Its vectors of rude and of kind words lie apart, as a pretrained encoder's do, so that few steps teach it the
    task. Its vocabulary is written out, as one that is trained has another order in each process, and so other scores.
    """
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder") / "tiny-bert"
    folder.mkdir()
    words = sorted({word for text, _ in make_comments() for word in text.split() if len(word) > 1})
    letters = [start + letter for start in ("", "##") for letter in string.ascii_lowercase]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *words]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast.from_pretrained(folder, model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.1,
    )
    model = BertModel(config)
    with torch.no_grad():
        apart = 0.3 * torch.randn(config.hidden_size)
        for side, words_of_it in ((1, INSULTS), (-1, PRAISE)):
            numbers = [vocabulary.index(word) for word in words_of_it]
            model.embeddings.word_embeddings.weight[numbers] += side * apart
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def known_drawings() -> Iterator[dict[bytes, str]]:
    """Figures of the same numbers are drawn once from here on; `known_drawings.py` says why."""
    from known_drawings import drawing_once

    with drawing_once() as known:
        yield known


def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The temporary folder of the session, which its workers share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def known_trainings(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `foreshot` trains twice alike is trained once; `known_trainings.py` says more."""
    from known_trainings import KnownTrainings

    return KnownTrainings(of_all_workers(tmp_path_factory) / "known-trainings")


@pytest.fixture
def trained_anew(known_trainings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of what happens while a run trains: nothing that it trains is known."""
    monkeypatch.setattr(known_trainings, "in_use", False)


@pytest.fixture(scope="session")
def foreshot(known_drawings: dict[bytes, str], known_trainings: Any) -> Callable[..., Any]:
    """Runs the command line in this process: `foreshot("compare", …)` gives exit_code, stdout and stderr."""
    from typer.testing import CliRunner

    import foreshot.comparison.compare  # noqa: F401  # so that no library binds the runner's stderr, which is closed afterwards
    from foreshot.cli import app

    leave_out_of_collections()
    runner = CliRunner(env={"NO_COLOR": "1", "COLUMNS": "200"})

    def run(*arguments: object) -> Any:
        with known_trainings.replayed():
            return runner.invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture(scope="session")
def asked(comments: Path, encoder: Path, probes: Path, suite: Path) -> list[str]:
    """The options of a small comparison: the data, the encoder, the probes, a small suite, and quick training."""
    return [
        *("--data", str(comments), "--text", "comment", "--label", "toxic"),
        *("--encoder", str(encoder), "--probes", str(probes), "--suite", str(suite), *FAST),
    ]


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory, foreshot: Callable[..., Any], asked: list[str]) -> Path:
    """A run with every kind of student; tests that change it take `run`."""
    runs = tmp_path_factory.mktemp("finished")
    done = foreshot("compare", *asked, "--name", "whole", "--runs", runs, "--recipes", "odd,lora,odd-lora,odd-labels")
    assert done.exit_code == 0, done.stderr + done.stdout
    return runs / "whole"


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, which a test may change."""
    return Path(shutil.copytree(finished_run, tmp_path / "runs" / finished_run.name))


@pytest.fixture(scope="session")
def torchlib_read_once() -> Iterator[None]:
    """For each graph the exporter reads the sources of 500 functions, which takes as long as a layer's export."""
    from torch.onnx._internal.exporter._registration import onnxscript_apis

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(onnxscript_apis, "get_torchlib_ops", cache(onnxscript_apis.get_torchlib_ops))
        yield


@pytest.fixture(scope="module")
def graphs_exported_once(tmp_path_factory: pytest.TempPathFactory, torchlib_read_once: None) -> Iterator[None]:
    """Models that are the same are exported to ONNX once, in whichever worker; `known_graphs` says what for."""
    from foreshot.exporting import proving
    from known_graphs import exporting_once

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(proving, "to_onnx", exporting_once(of_all_workers(tmp_path_factory) / "known-graphs"))
        yield
