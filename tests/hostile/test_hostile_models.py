"""Model folders from strangers: nothing in them is run, nothing outside is read, no memory taken for what isn't there.

Each is a whole small encoder but for one thing. What would run on opening writes a file, whose absence is asserted.
"""

import json
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from results_factory import make_results
from safetensors.torch import load_file, save_file

from foreshot.errors import ForeshotError, ModelError, RunFolderError
from foreshot.models.encoders import find_model, load_encoder, load_tokenizer
from foreshot.results.finished import to_ship
from foreshot.runtime.decisions import load_decision
from foreshot.settings.experiment import dump_experiment, make_experiment
from peak_memory import peak_memory

CLASSES = ["benign", "toxic"]


class Payload:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._mark),)


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """What a payload makes."""
    return tmp_path / "it-ran"


@pytest.fixture
def folder(encoder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder, tmp_path / "model"))


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def load_all(folder: Path) -> None:
    source = find_model(str(folder))
    load_encoder(source, CLASSES, seed=0)
    load_tokenizer(source)


def pickled(folder: Path, mark: Path, *names: str) -> None:
    for name in names:
        torch.save({"weights": Payload(mark)}, folder / name)
        (folder / f"plain-{name}").write_bytes(pickle.dumps(Payload(mark)))


def code(folder: Path, mark: Path) -> None:
    (folder / "modeling.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nclass Model: pass\nclass Config: pass\n")


def sharded(folder: Path, shard: str, content: bytes | None = None) -> None:
    """The weights in a shard of this name, by an index."""
    whole = folder / "model.safetensors"
    names = list(load_file(whole))
    target = folder / shard
    target.write_bytes(content if content is not None else whole.read_bytes())
    whole.unlink()
    (folder / "other.safetensors").write_bytes(target.read_bytes())
    index = {"metadata": {}, "weight_map": dict.fromkeys(names, shard)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def header(folder: Path, length: int, text: str = "{}") -> None:
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", length) + text.encode())


def tensor(shape: list[int], end: int) -> str:
    return json.dumps({"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}})


def linked(folder: Path, name: str, target: str | Path) -> None:
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)


def outside(folder: Path, name: str) -> Path:
    """A file of the model moved out of its folder."""
    return Path(shutil.move(folder / name, folder.parent / name))


REFUSED: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a shard above": (lambda f, m: sharded(f, "../shard.safetensors"), "names ../shard.safetensors, which is no"),
    "a shard elsewhere": (lambda f, m: sharded(f, str(f.parent / "x.safetensors")), "which is no safetensors file of"),
    "a pickle for a shard": (lambda f, m: sharded(f, "shard.bin", pickle.dumps(Payload(m))), "names shard.bin, which"),
    "a shard of torch.save": (
        lambda f, m: (torch.save(Payload(m), f / "x.pt"), sharded(f, "shard.pt", (f / "x.pt").read_bytes())),
        "names shard.pt, which is no safetensors file",
    ),
    "a shard that isn't there": (
        lambda f, m: (sharded(f, "a.safetensors"), (f / "a.safetensors").unlink()),
        "names a.safetensors, which isn't there",
    ),
    "an index of nothing": (
        lambda f, m: (sharded(f, "a.safetensors"), (f / "model.safetensors.index.json").write_text("[]")),
        "model.safetensors.index.json has no weight_map",
    ),
    "a pickle for safetensors": (
        lambda f, m: (f / "model.safetensors").write_bytes(pickle.dumps(Payload(m))),
        "can't be loaded as a text classifier (model.safetensors: ",
    ),
    "pickles alone": (
        lambda f, m: ((f / "model.safetensors").unlink(), pickled(f, m, "pytorch_model.bin")),
        "its weights are only as pickle",
    ),
    "code for its configuration": (
        lambda f, m: (
            code(f, m),
            change(f / "config.json", model_type="evil", auto_map={"AutoConfig": "modeling.Config"}),
        ),
        "has no config.json of a known architecture",
    ),
    "code of another's": (
        lambda f, m: change(f / "config.json", model_type="evil", auto_map={"AutoConfig": "owner/repo--x.Config"}),
        "has no config.json of a known architecture",
    ),
    "other weights": (
        lambda f, m: change(f / "config.json", transformers_weights="../../elsewhere.safetensors"),
        "config.json names other weights than model.safetensors",
    ),
    "attention from the hub": (
        lambda f, m: change(f / "config.json", attn_implementation="owner/kernel"),
        "config.json wants attn_implementation fetched as code",
    ),
    "quantised": (lambda f, m: change(f / "config.json", quantization_config={"quant_method": "awq"}), "are quantised"),
    "an adapter of another model": (
        lambda f, m: (f / "adapter_config.json").write_text('{"base_model_name_or_path": "/etc"}'),
        "has adapter_config.json beside config.json",
    ),
    "a link to a secret": (lambda f, m: linked(f, "vocab.txt", "/etc/passwd"), "vocab.txt is a link that leads out"),
    "a link above": (lambda f, m: linked(f, "vocab.txt", outside(f, "vocab.txt")), "is a link that leads out"),
    "a relative link": (
        lambda f, m: (outside(f, "config.json"), linked(f, "config.json", "../config.json")),
        "config.json is a link that leads out of the folder",
    ),
    "linked weights": (
        lambda f, m: linked(f, "model.safetensors", outside(f, "model.safetensors")),
        "model.safetensors is a link that leads out",
    ),
    "a linked folder": (lambda f, m: linked(f, "additional_chat_templates", "/etc"), "is a link that leads out"),
    "a link to nothing": (lambda f, m: linked(f, "added_tokens.json", "nothing"), "is a link that leads nowhere"),
    "zeros without end": (lambda f, m: linked(f, "vocab.txt", "/dev/zero"), "vocab.txt is a link that leads out"),
    "a pipe": (lambda f, m: os.mkfifo(f / "added_tokens.json"), "added_tokens.json is a pipe or a device"),
    "a pipe below": (
        lambda f, m: ((f / "additional_chat_templates").mkdir(), os.mkfifo(f / "additional_chat_templates/a.jinja")),
        "a.jinja is a pipe or a device",
    ),
    "a dtype that is no text": (
        lambda f, m: change(f / "config.json", dtype="\ud800\x1b[2J"),
        "has no config.json of a known architecture (module 'torch' has no attribute '[2J')",
    ),
    "a config of a gigabyte": (lambda f, m: os.truncate(f / "config.json", 2**30), "config.json is larger than 67,108"),
    "a vocabulary of a gigabyte": (lambda f, m: os.truncate(f / "vocab.txt", 2**30), "vocab.txt is larger than"),
    "a tokenizer of a gigabyte": (lambda f, m: os.truncate(f / "tokenizer.json", 2**30), "tokenizer.json is larger"),
    "a deep config": (lambda f, m: (f / "config.json").write_text("[" * 100_000), "config.json has more than 100"),
    "a deep tokenizer": (
        lambda f, m: change(f / "tokenizer_config.json", x=json.loads("[" * 200 + "]" * 200)),
        "tokenizer_config.json has more than 100 levels",
    ),
    "very many labels": (lambda f, m: change(f / "config.json", num_labels=10**9), "says num_labels 1000000000"),
    "very many layers": (lambda f, m: change(f / "config.json", num_hidden_layers=10**9), "says num_hidden_layers 100"),
    "a vocabulary that isn't there": (
        lambda f, m: change(f / "config.json", vocab_size=10**9),
        "config.json asks for 32,0",
    ),
    "a width that isn't there": (lambda f, m: change(f / "config.json", hidden_size=10**5), "its weights hold"),
    "positions that aren't there": (
        lambda f, m: change(f / "config.json", max_position_embeddings=10**9),
        "it is damaged",
    ),
    "a header of 2^60 bytes": (lambda f, m: header(f, 2**60), "can't be loaded as a text classifier"),
    "a header of all": (lambda f, m: header(f, 2**64 - 1), "can't be loaded as a text classifier"),
    "a tensor of 2^60 numbers": (lambda f, m: header(f, 80, tensor([2**60], 2**62).ljust(80)), "can't be loaded"),
    "a tensor beyond the file": (lambda f, m: header(f, 80, tensor([4], 16).ljust(80)), "can't be loaded"),
    "a shape that overflows": (lambda f, m: header(f, 90, tensor([2**40, 2**40], 16).ljust(90)), "can't be loaded"),
    "no weights of this model": (
        lambda f, m: save_file({"a": torch.zeros(3)}, f / "model.safetensors"),
        "lack",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_model_needs_is_refused_in_one_line(folder: Path, mark: Path, kind: str) -> None:
    make, said = REFUSED[kind]
    make(folder, mark)
    with peak_memory() as peak, pytest.raises(ModelError) as error:
        load_all(folder)
    message = str(error.value)
    assert message.startswith(f"{folder}: ")
    assert said in message
    assert "\n" not in message
    assert not mark.exists()
    assert peak.megabytes < 200


IGNORED: dict[str, Callable[[Path, Path], object]] = {
    "pickles beside the weights": lambda f, m: pickled(f, m, "pytorch_model.bin", "model.pt", "optimizer.pt"),
    "code beside the weights": lambda f, m: (
        code(f, m),
        change(
            f / "config.json",
            auto_map={"AutoConfig": "modeling.Config", "AutoModelForSequenceClassification": "modeling.Model"},
        ),
    ),
    "code for its tokenizer": lambda f, m: (
        code(f, m),
        change(f / "tokenizer_config.json", auto_map={"AutoTokenizer": ["modeling.Model", "modeling.Model"]}),
    ),
    "a vocabulary elsewhere": lambda f, m: change(
        f / "tokenizer_config.json", vocab_file="/etc/passwd", tokenizer_file="/etc/passwd"
    ),
    "a template": lambda f, m: change(f / "tokenizer_config.json", chat_template="{{ 7*7 }}{{ ''.__class__ }}"),
    "a link within": lambda f, m: (shutil.move(f / "vocab.txt", f / "v.txt"), linked(f, "vocab.txt", "v.txt")),
}


@pytest.mark.parametrize("kind", IGNORED)
def test_what_is_not_needed_is_not_run_and_not_read(folder: Path, encoder: Path, mark: Path, kind: str) -> None:
    vocabulary = load_tokenizer(find_model(str(encoder))).get_vocab()
    IGNORED[kind](folder, mark)
    load_all(folder)
    assert not mark.exists()
    assert load_tokenizer(find_model(str(folder))).get_vocab() == vocabulary


def test_the_payload_would_run(mark: Path) -> None:
    """Otherwise its absence would show nothing."""
    pickle.loads(pickle.dumps(Payload(mark)))
    assert mark.exists()


def test_the_layout_of_the_hubs_cache_is_known(encoder: Path, tmp_path: Path) -> None:
    """There a snapshot is links to blobs beside it."""
    cached = tmp_path / "models--owner--name"
    snapshot = cached / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (cached / "blobs").mkdir()
    for number, path in enumerate(sorted(encoder.iterdir())):
        shutil.copy(path, cached / "blobs" / str(number))
        (snapshot / path.name).symlink_to(f"../../blobs/{number}")
    load_all(snapshot)
    (snapshot / "vocab.txt").unlink()
    (snapshot / "vocab.txt").symlink_to("../../../secret.txt")
    (tmp_path / "secret.txt").write_text("a\n")
    with pytest.raises(ModelError, match=r"vocab\.txt is a link that leads out"):
        load_all(snapshot)


# ---- runs ----


@pytest.fixture
def made_up_run(tmp_path: Path) -> Path:
    """A run's folder as far as its papers go."""
    run = tmp_path / "runs" / "made-up"
    (run / "students/odd/seed-0").mkdir(parents=True)
    experiment = make_experiment({"name": "made-up", "data": "demo", "encoder": "demo"})
    (run / "experiment.yaml").write_text(dump_experiment(experiment))
    (run / "results.json").write_text(make_results(seeds=(0, 1, 2)).to_json())
    return run


def send_to(run: Path, verdict: str, model: str | None = None) -> None:
    """Have the verdict of a run name this folder, and perhaps one of its models too."""
    results = json.loads((run / "results.json").read_text())
    results["verdict"]["folder"] = verdict
    results["models"][1]["folder"] = model or results["models"][1]["folder"]
    (run / "results.json").write_text(json.dumps(results))


def test_a_verdict_names_a_folder_of_the_run(made_up_run: Path) -> None:
    folder = json.loads((made_up_run / "results.json").read_text())["models"][1]["folder"]
    send_to(made_up_run, folder)
    assert to_ship(made_up_run)[0] == made_up_run / folder


@pytest.mark.parametrize("named", ["/etc", "../../elsewhere", "students/odd/../../../../elsewhere", "students/none"])
def test_a_verdict_can_not_send_one_elsewhere(made_up_run: Path, named: str) -> None:
    send_to(made_up_run, named)
    with pytest.raises(RunFolderError, match=r"results\.json: its verdict names no folder of the run"):
        to_ship(made_up_run)


@pytest.mark.parametrize("named", ["/etc", "../../elsewhere", "students/../../elsewhere"])
def test_a_verdict_and_its_model_can_not_send_one_elsewhere(made_up_run: Path, named: str) -> None:
    send_to(made_up_run, named, named)
    with pytest.raises(RunFolderError, match="its verdict names no folder of the run"):
        to_ship(made_up_run)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("results.json", "[" * 100_000),
        ("results.json", '{"verdict": ' * 5000),
        ("results.json", "{}"),
        ("experiment.yaml", "a: " + "[" * 100_000),
        ("experiment.yaml", "&a [*a]"),
    ],
    ids=["deep", "deep objects", "empty", "deep settings", "an alias"],
)
def test_a_run_that_was_made_up_is_refused_in_one_line(
    made_up_run: Path, foreshot: Callable[..., Any], tmp_path: Path, file: str, content: str
) -> None:
    (made_up_run / file).write_text(content)
    result = foreshot("export", made_up_run / "students/odd/seed-0", "--out", tmp_path / "bundle")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert f"{made_up_run / file}" in result.stderr
    assert not (tmp_path / "bundle").exists()


def test_results_of_a_gigabyte_are_not_read(made_up_run: Path) -> None:
    os.truncate(made_up_run / "results.json", 2**30)
    with peak_memory() as peak, pytest.raises(RunFolderError, match=r"results\.json: can't be read"):
        to_ship(made_up_run)
    assert peak.megabytes < 100


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"policy": ' + "[" * 500, "[]", "7", "", '{"policy": "argmax", "threshold": 1e999}'],
    ids=["deep", "deep policy", "list", "number", "nothing", "endless"],
)
def test_a_decision_that_was_made_up_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "decision.json").write_text(content)
    with pytest.raises(ForeshotError, match=r"decision\.json: [^\n]*$"):
        load_decision(tmp_path)
