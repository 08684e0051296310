"""How fast Foreshot trains, against the loop that the origin experiment used, side by side in one run.

    python benchmarks/training.py --data FILE --text COLUMN --label COLUMN [--positive A,B] [--students odd,even]
        [--quality | --company [a|c]]

Three arms train the same students (by default odd, even, lora) on the same rows:
(a) the origin's loop: teacher inside the student's step, rows in random order, padded to the batch's longest;
(b) the same, padded to 128 tokens, as older examples do;
(c) Foreshot: the teacher's outputs from the cache, batches grouped by length, fused AdamW.
Each arm has a process of its own, since (c) also sets up the C library's allocator, and they take turns: a ratio
is of one turn, and printed are medians with the smallest and largest. The share of peak is of the machine's own
float32 matrix multiplication, measured before each turn. Batching is grouping the rows by length, padding them and
making tensors of them, timed by itself: so many per cent of the seconds that (c) takes.
With --quality, (a) and (c) also train over three seeds and their test macro-F1 is compared.
With --company nothing of this is measured, but (c) alone and then beside a second process of two threads that trains
the same students by (c), or by (a), without end. How threads wait for each other is told from outside, by
OMP_WAIT_POLICY and its like, to both.
"""

import argparse
import json
import os
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

from company import company
from foreshot.comparison.inputs import Inputs, read_inputs
from foreshot.comparison.model_folder import save_classifier
from foreshot.models.batches import EncodedRows, collate, length_grouped_batches
from foreshot.models.encoders import find_model, load_classifier, load_encoder
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.progress import Silent
from foreshot.settings.experiment import Experiment, Training
from foreshot.settings.losses import Distillation
from foreshot.settings.recipes import RECIPES
from foreshot.training.loop import Teaching, train
from foreshot.training.seeding import generator
from measures import matmul_peak, spread, thread_settings, timed
from origin import train_as_origin, untrained

STUDENTS = ("odd", "even", "lora")
OLD_PADDING = 128
COMPANY_THREADS = 2


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all arms share: the rows, their labels, the teacher and how long to train."""

    inputs: Inputs
    teacher: nn.Module
    rows: EncodedRows
    labels: list[int]
    training: Training


def fresh(setting: Setting, student: str, seed: int) -> nn.Module:
    """The student before its training, the same one for every arm."""
    return untrained(setting.inputs, RECIPES[student], seed, setting.teacher)


def origin_training(setting: Setting, model: nn.Module, student: str, seed: int, *, pad_to: int | None) -> None:
    """Arms (a) and (b): plain PyTorch, the teacher run inside every step of a student that distils."""
    distils = RECIPES[student].objective == "distil"
    train_as_origin(
        model,
        setting.rows,
        setting.labels,
        setting.training,
        seed=seed,
        teacher=setting.teacher if distils else None,
        pad_to=pad_to,
    )


def foreshot_training(setting: Setting, model: nn.Module, student: str, seed: int, targets: Outputs) -> None:
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
    inputs = inputs_of(options)
    teacher = load_classifier(find_model(str(teacher_folder)), inputs.class_names).eval()
    rows, labels = inputs.rows["train"], inputs.split.parts["train"].labels
    chosen = generator(0, "benchmark rows").permutation(len(rows))[: options.rows]
    sample = EncodedRows(ids=[rows.ids[row] for row in chosen], tokenizer=rows.tokenizer)
    picked = [labels[row] for row in chosen]
    long = Training(epochs=options.epochs, precision=options.precision)
    WORKER[:] = [
        Setting(
            inputs=inputs, teacher=teacher, rows=sample, labels=picked, training=long.model_copy(update={"epochs": 1})
        ),
        Setting(inputs=inputs, teacher=teacher, rows=rows, labels=labels, training=long),
    ]


def time_arm(arm: str, student: str, turn: int) -> float:
    """Seconds that an arm takes to train a student once over the timed rows; run in the arm's process."""
    setting = WORKER[0]
    model = fresh(setting, student, turn)
    if arm == "c":
        targets = model_outputs(setting.teacher, setting.rows)
        return timed(partial(foreshot_training, setting, model, student, turn, targets))
    return timed(partial(origin_training, setting, model, student, turn, pad_to=OLD_PADDING if arm == "b" else None))


def time_cache() -> float:
    """Seconds that the teacher's outputs on the timed rows take; run in an arm's process."""
    return timed(partial(model_outputs, WORKER[0].teacher, WORKER[0].rows))


def batches_of(setting: Setting, turn: int) -> list[np.ndarray]:
    """The row numbers of arm (c)'s batches in one turn."""
    return length_grouped_batches(setting.rows.lengths, setting.training.batch_size, generator(turn, "batches"))


def time_batching(turn: int) -> float:
    """Seconds that arm (c) takes for a turn's batches: grouped, padded, made tensors of; run in an arm's process."""
    setting = WORKER[0]
    return timed(lambda: [collate(setting.rows, numbers) for numbers in batches_of(setting, turn)])


def padding(turn: int) -> float:
    """The share of arm (c)'s tokens in one turn that are padding; run in an arm's process."""
    setting = WORKER[0]
    lengths = [setting.rows.lengths[numbers] for numbers in batches_of(setting, turn)]
    return 1 - sum(int(own.sum()) for own in lengths) / sum(len(own) * int(own.max()) for own in lengths)


def flops(student: str, turn: int) -> float:
    """Operations of arm (c) in one turn; run in an arm's process."""
    setting = WORKER[0]
    return training_flops(fresh(setting, student, turn), setting.rows, batches_of(setting, turn))


def macro_f1(arm: str, student: str, seed: int) -> float:
    """Test macro-F1 of a student that an arm trained on all rows; run in the arm's process."""
    setting = WORKER[1]
    model = fresh(setting, student, seed)
    if arm == "c":
        foreshot_training(setting, model, student, seed, model_outputs(setting.teacher, setting.rows))
    else:
        origin_training(setting, model, student, seed, pad_to=None)
    predicted = model_outputs(model, setting.inputs.rows["test"]).logits.argmax(axis=1)
    return float(f1_score(setting.inputs.split.parts["test"].labels, predicted, average="macro"))


def speed(
    workers: dict[str, ProcessPoolExecutor], students: tuple[str, ...], count: int, turns: int
) -> dict[str, object]:
    """Time the arms in turns; the ratios are of one turn each."""
    report: dict[str, object] = {
        "cache rows/s": spread([count / workers["c"].submit(time_cache).result() for _ in range(turns)])
    }
    for student in students:
        found: dict[str, list[float]] = {}
        for turn in range(turns):
            peak = matmul_peak()
            seconds = {arm: workers[arm].submit(time_arm, arm, student, turn).result() for arm in workers}
            batching = workers["c"].submit(time_batching, turn).result()
            share = workers["c"].submit(flops, student, turn).result() / seconds["c"] / peak
            for name, value in {
                **{f"rows/s ({arm})": count / taken for arm, taken in seconds.items()},
                "c / a": seconds["a"] / seconds["c"],
                "c / b": seconds["b"] / seconds["c"],
                "batching, % of a step (c)": 100 * batching / seconds["c"],
                "padding, % of the tokens (c)": 100 * workers["c"].submit(padding, turn).result(),
                "share of peak (c)": share,
                "peak GFLOP/s": peak / 1e9,
            }.items():
                found.setdefault(name, []).append(value)
        report[student] = {name: spread(values) for name, values in found.items()}
    return report


def quality(
    workers: dict[str, ProcessPoolExecutor], students: tuple[str, ...], seeds: tuple[int, ...]
) -> dict[str, object]:
    """Test macro-F1 of arms (a) and (c) over the seeds."""
    return {
        student: {
            arm: spread([workers[arm].submit(macro_f1, arm, student, seed).result() for seed in seeds]) for arm in "ac"
        }
        for student in students
    }


def train_as_company(arm: str, students: tuple[str, ...], options: argparse.Namespace, teacher_folder: Path) -> None:
    """Train each student once, on threads of its own number; run in the process that keeps the measured one company."""
    if not WORKER:
        torch.set_num_threads(COMPANY_THREADS)
        start_worker(options, teacher_folder)
    for student in students:
        time_arm(arm, student, turn=0)


def speed_in_company(
    worker: ProcessPoolExecutor, options: argparse.Namespace, teacher_folder: Path, count: int
) -> dict[str, object]:
    """Rows/s of arm (c) alone and beside a second process, in turns."""
    arm, students = options.company, options.students
    turns = []
    for turn in range(options.turns):
        alone = {name: worker.submit(time_arm, "c", name, turn).result() for name in students}
        with company(train_as_company, arm, students, options, teacher_folder):
            beside = {name: worker.submit(time_arm, "c", name, turn).result() for name in students}
        turns.append((alone, beside))
    report: dict[str, object] = {"company": f"({arm}), {COMPANY_THREADS} threads"}
    for name in students:
        report[name] = {
            "rows/s alone (c)": spread([count / alone[name] for alone, _ in turns]),
            "rows/s in company (c)": spread([count / beside[name] for _, beside in turns]),
            "in company / alone": spread([alone[name] / beside[name] for alone, beside in turns]),
        }
    return report


def main() -> None:
    """Parse, measure, print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="demo")
    parser.add_argument("--text")
    parser.add_argument("--label")
    parser.add_argument("--positive", type=lambda value: value.split(","))
    parser.add_argument("--encoder", default="demo")
    parser.add_argument("--rows", type=int, default=1600, help="rows that each arm is timed on")
    parser.add_argument("--precision", default="float32", help="of arm (c)")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--train-rows", type=int, default=4000, help="rows of the teacher and of --quality")
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the teacher and of --quality")
    parser.add_argument(
        "--students", type=lambda value: tuple(value.split(",")), default=STUDENTS, help="named recipes, by comma"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--quality", action="store_true")
    what.add_argument("--company", nargs="?", choices=["a", "c"], const="c", help="the arm of the second process")
    options = parser.parse_args()
    inputs = inputs_of(options)
    teacher = load_encoder(inputs.origin, inputs.class_names, seed=0)
    long = Training(epochs=options.epochs)
    labels = inputs.split.parts["train"].labels
    train(
        teacher,
        inputs.rows["train"],
        labels,
        settings=long,
        learning_rate=long.learning_rate,
        seed=0,
        progress=Silent(),
    )
    with TemporaryDirectory() as folder:
        save_classifier(teacher, inputs.tokenizer, Path(folder))
        workers = {
            arm: ProcessPoolExecutor(1, get_context("spawn"), start_worker, (options, Path(folder)))
            for arm in ("c" if options.company else "abc")
        }
        count = min(options.rows, len(labels))
        measured = (
            speed_in_company(workers["c"], options, Path(folder), count)
            if options.company
            else speed(workers, options.students, count, options.turns)
        )
        threads = {"threads": torch.get_num_threads(), "thread settings": thread_settings()}
        print(json.dumps({"rows": count, **threads, **measured}, indent=1), flush=True)
        if options.quality:
            found = quality(workers, options.students, (0, 1, 2))
            print(json.dumps({"rows": len(labels), "test macro-F1": found}, indent=1))
        for worker in workers.values():
            worker.shutdown()


def inputs_of(options: argparse.Namespace) -> Inputs:
    """The rows and the encoder that the options name."""
    experiment = Experiment(
        name="benchmark",
        data=options.data,
        text=options.text,
        label=options.label,
        positive=options.positive,
        encoder=options.encoder,
        max_train_rows=options.train_rows,
        recipes=options.students,
    )
    return read_inputs(experiment)


if __name__ == "__main__":
    main()
