"""How fast Foreshot trains, against the loop that the origin experiment used, side by side in one run.

    python benchmarks/training.py --data FILE --text COLUMN --label COLUMN [--positive A,B] [--quality]

Three arms train the same students (odd, even, lora) on the same rows:
(a) the origin's loop: teacher inside the student's step, rows in random order, padded to the batch's longest;
(b) the same, padded to 128 tokens, as older examples do;
(c) Foreshot: the teacher's outputs from the cache, batches grouped by length, fused AdamW.
Each arm has a process of its own, since (c) also sets up the C library's allocator, and they take turns: a ratio
is of one turn, and printed are medians with the smallest and largest. The share of peak is of the machine's own
float32 matrix multiplication, measured before each turn.
With --quality, (a) and (c) also train over three seeds and their test macro-F1 is compared.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from transformers import get_linear_schedule_with_warmup

from foreshot.config import RECIPES, Experiment, Training
from foreshot.data.batches import EncodedRows, collate, length_grouped_batches
from foreshot.loss_settings import Distillation
from foreshot.models.encoders import find_model, load_classifier, load_encoder
from foreshot.models.outputs import Outputs, forward, model_outputs
from foreshot.models.students import add_lora, keep_layers
from foreshot.plan import Plan
from foreshot.planning import make_plan
from foreshot.progress import Silent
from foreshot.trained import save_classifier
from foreshot.training.loop import Teaching, train
from foreshot.training.losses import BatchOutputs, distillation_losses, label_losses
from foreshot.training.seeding import derived_seed, generator, seed_torch

STUDENTS = ("odd", "even", "lora")
OLD_PADDING = 128


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all arms share: the rows, their labels, the teacher and how long to train."""

    plan: Plan
    teacher: nn.Module
    rows: EncodedRows
    labels: list[int]
    training: Training


def untrained(setting: Setting, student: str, seed: int) -> nn.Module:
    """A fresh student, the same one for every arm."""
    recipe = RECIPES[student]
    if recipe.init == "teacher":
        return keep_layers(setting.teacher, setting.plan.layer_maps[student])
    encoder = load_encoder(setting.plan.origin, setting.plan.class_names, seed=derived_seed(seed, "head"))
    return add_lora(encoder, setting.plan.experiment.lora, seed=derived_seed(seed, "lora"), base_name="")


def train_as_origin(setting: Setting, model: nn.Module, student: str, seed: int, *, pad_to: int | None) -> None:
    """Arms (a) and (b): plain PyTorch, the teacher run inside every step of a student that distils."""
    distils = RECIPES[student].objective == "distil"
    order = generator(seed, "random order")
    seed_torch(seed, "dropout")
    labels = torch.tensor(setting.labels)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=setting.training.learning_rate, weight_decay=0.0)
    size, epochs = setting.training.batch_size, setting.training.epochs
    steps = -(-len(labels) // size) * epochs
    schedule = get_linear_schedule_with_warmup(optimizer, 0, steps)
    model.train()
    setting.teacher.eval()
    for _ in range(epochs):
        shuffled = order.permutation(len(labels))
        for at in range(0, len(shuffled), size):
            rows = shuffled[at : at + size]
            inputs = collate(setting.rows, rows) if pad_to is None else padded(setting.rows, rows, pad_to)
            logits, representations = forward(model, inputs)
            if distils:
                with torch.no_grad():
                    taught = outputs_of(forward(setting.teacher, inputs))
                own, mask = outputs_of((logits, representations)), inputs["attention_mask"]
                losses = distillation_losses(own, taught, labels[rows], mask, Distillation())
            else:
                losses = label_losses(logits, labels[rows])
            losses.objective.backward()
            nn.utils.clip_grad_norm_(trained, setting.training.max_grad_norm)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()


def outputs_of(found: tuple[torch.Tensor, torch.Tensor]) -> BatchOutputs:
    """Logits and sentence representations as the losses take them."""
    return BatchOutputs(logits=found[0], representations=found[1])


def padded(rows: EncodedRows, numbers: np.ndarray, length: int) -> dict[str, torch.Tensor]:
    """Model inputs padded to a fixed length."""
    return dict(
        rows.tokenizer.pad(
            {"input_ids": [rows.ids[row] for row in numbers]},
            padding="max_length",
            max_length=length,
            return_tensors="pt",
        )
    )


def train_as_foreshot(setting: Setting, model: nn.Module, student: str, seed: int, targets: Outputs) -> None:
    """Arm (c): the product's own loop."""
    distils = RECIPES[student].objective == "distil"
    train(
        model,
        setting.rows,
        setting.labels,
        settings=setting.training,
        learning_rate=setting.training.learning_rate,
        seed=seed,
        teaching=Teaching(settings=Distillation(), outputs=targets) if distils else None,
        progress=Silent(),
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def matmul_peak(size: int = 2048, repeats: int = 12) -> float:
    """The best float32 matrix multiplication rate seen, in FLOP/s."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = min(timed(lambda: torch.mm(a, b)) for _ in range(repeats))
    return 2 * size**3 / best


def training_flops(model: nn.Module, rows: EncodedRows, batches: list[np.ndarray]) -> float:
    """Floating-point operations of matrix products in one forward and backward pass over real tokens and padding.

    For each linear layer 2·in·out a token forward, as much again for the input's gradient, and as much again for
    the weight's gradient if it is trained; attention 4·hidden·tokens a token and layer forward, twice that backward.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config = base.config
    per_token = 0.0
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and ".layer." in name:
            passes = 3 if module.weight.requires_grad else 2
            per_token += passes * 2 * module.in_features * module.out_features
    total = 0.0
    for numbers in batches:
        longest = int(rows.lengths[numbers].max())
        attention = 3 * 4 * config.hidden_size * longest * config.num_hidden_layers
        total += len(numbers) * longest * (per_token + attention)
    return total


WORKER: list[Setting] = []  # the setting of an arm's process, put there when it starts


def start_worker(options: argparse.Namespace, teacher_folder: Path) -> None:
    """Read the rows and the teacher in an arm's process."""
    plan = planned(options)
    teacher = load_classifier(find_model(str(teacher_folder)), plan.class_names).eval()
    rows, labels = plan.rows["train"], plan.split.parts["train"].labels
    chosen = generator(0, "benchmark rows").permutation(len(rows))[: options.rows]
    sample = EncodedRows(ids=[rows.ids[row] for row in chosen], tokenizer=rows.tokenizer)
    picked = [labels[row] for row in chosen]
    long = Training(epochs=options.epochs)
    WORKER[:] = [
        Setting(plan=plan, teacher=teacher, rows=sample, labels=picked, training=Training(epochs=1)),
        Setting(plan=plan, teacher=teacher, rows=rows, labels=labels, training=long),
    ]


def time_arm(arm: str, student: str, turn: int) -> float:
    """Seconds that an arm takes to train a student once over the timed rows; run in the arm's process."""
    setting = WORKER[0]
    model = untrained(setting, student, turn)
    if arm == "c":
        targets = model_outputs(setting.teacher, setting.rows)
        return timed(partial(train_as_foreshot, setting, model, student, turn, targets))
    return timed(partial(train_as_origin, setting, model, student, turn, pad_to=OLD_PADDING if arm == "b" else None))


def time_cache() -> float:
    """Seconds that the teacher's outputs on the timed rows take; run in an arm's process."""
    return timed(partial(model_outputs, WORKER[0].teacher, WORKER[0].rows))


def flops(student: str, turn: int) -> float:
    """Operations of arm (c) in one turn; run in an arm's process."""
    setting = WORKER[0]
    order = generator(turn, "batches")
    batches = length_grouped_batches(setting.rows.lengths, setting.training.batch_size, order)
    return training_flops(untrained(setting, student, turn), setting.rows, batches)


def macro_f1(arm: str, student: str, seed: int) -> float:
    """Test macro-F1 of a student that an arm trained on all rows; run in the arm's process."""
    setting = WORKER[1]
    model = untrained(setting, student, seed)
    if arm == "c":
        train_as_foreshot(setting, model, student, seed, model_outputs(setting.teacher, setting.rows))
    else:
        train_as_origin(setting, model, student, seed, pad_to=None)
    predicted = model_outputs(model, setting.plan.rows["test"]).logits.argmax(axis=1)
    return float(f1_score(setting.plan.split.parts["test"].labels, predicted, average="macro"))


def speed(workers: dict[str, ProcessPoolExecutor], count: int, turns: int) -> dict[str, object]:
    """Time the arms in turns; the ratios are of one turn each."""
    report: dict[str, object] = {
        "cache rows/s": spread([count / workers["c"].submit(time_cache).result() for _ in range(turns)])
    }
    for student in STUDENTS:
        found: dict[str, list[float]] = {}
        for turn in range(turns):
            peak = matmul_peak()
            seconds = {arm: workers[arm].submit(time_arm, arm, student, turn).result() for arm in workers}
            share = workers["c"].submit(flops, student, turn).result() / seconds["c"] / peak
            for name, value in {
                **{f"rows/s ({arm})": count / taken for arm, taken in seconds.items()},
                "c / a": seconds["a"] / seconds["c"],
                "c / b": seconds["b"] / seconds["c"],
                "share of peak (c)": share,
                "peak GFLOP/s": peak / 1e9,
            }.items():
                found.setdefault(name, []).append(value)
        report[student] = {name: spread(values) for name, values in found.items()}
    return report


def quality(workers: dict[str, ProcessPoolExecutor], seeds: tuple[int, ...]) -> dict[str, object]:
    """Test macro-F1 of arms (a) and (c) over the seeds."""
    return {
        student: {
            arm: spread([workers[arm].submit(macro_f1, arm, student, seed).result() for seed in seeds]) for arm in "ac"
        }
        for student in STUDENTS
    }


def spread(values: list[float]) -> dict[str, float]:
    """Median, smallest and largest, to four figures."""
    return {
        "median": float(f"{statistics.median(values):.4g}"),
        "min": float(f"{min(values):.4g}"),
        "max": float(f"{max(values):.4g}"),
    }


def main() -> None:
    """Parse, measure, print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="demo")
    parser.add_argument("--text")
    parser.add_argument("--label")
    parser.add_argument("--positive", type=lambda value: value.split(","))
    parser.add_argument("--encoder", default="demo")
    parser.add_argument("--rows", type=int, default=1600, help="rows that each arm is timed on")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--train-rows", type=int, default=4000, help="rows of the teacher and of --quality")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the teacher and of --quality")
    parser.add_argument("--quality", action="store_true")
    options = parser.parse_args()
    plan = planned(options)
    teacher = load_encoder(plan.origin, plan.class_names, seed=0)
    long = Training(epochs=options.epochs)
    labels = plan.split.parts["train"].labels
    train(
        teacher, plan.rows["train"], labels, settings=long, learning_rate=long.learning_rate, seed=0, progress=Silent()
    )
    with TemporaryDirectory() as folder:
        save_classifier(teacher, plan.tokenizer, Path(folder))
        workers = {
            arm: ProcessPoolExecutor(1, get_context("spawn"), start_worker, (options, Path(folder))) for arm in "abc"
        }
        count = min(options.rows, len(labels))
        report = {"rows": count, "threads": torch.get_num_threads(), **speed(workers, count, options.turns)}
        print(json.dumps(report, indent=1), flush=True)
        if options.quality:
            print(json.dumps({"rows": len(labels), "test macro-F1": quality(workers, (0, 1, 2))}, indent=1))
        for worker in workers.values():
            worker.shutdown()


def planned(options: argparse.Namespace) -> Plan:
    """The rows and the encoder that the options name."""
    experiment = Experiment(
        name="benchmark",
        data=options.data,
        text=options.text,
        label=options.label,
        positive=options.positive,
        encoder=options.encoder,
        max_train_rows=options.train_rows,
        recipes=STUDENTS,
    )
    return make_plan(experiment, Path("benchmark"))


if __name__ == "__main__":
    main()
