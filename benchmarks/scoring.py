"""How fast a bundle scores texts, against the pipeline of Transformers on its teacher, side by side in one run.

    python benchmarks/scoring.py TEACHER BUNDLE [--student DIR] [--texts FILE --text COLUMN] [--threads N] [--turns 5]

Arms, on the same texts, cut to the same number of tokens, on the same number of threads:
(teacher) transformers.pipeline("text-classification", batch_size=32, truncation=True) in PyTorch;
(int8), (fp32) the bundle's graphs through foreshot.load;
(student) with --student: the folder that the bundle was exported from, in the same pipeline as the teacher. So
student / teacher is what fewer layers bring, and int8 / student what the runtime brings.
Each arm has a process of its own and they take turns: a ratio is of one turn, and printed are medians with the
smallest and largest. Scoring includes tokenisation. A cold start is a process from nothing to its first answer.
The share of peak counts the matrix products of the encoder's layers for the tokens without padding, over the float32
peak measured in the same turn. 8-bit products are counted against the float32 peak too, which they may exceed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np

from foreshot.data.sample import make_corpus
from foreshot.data.table import read_texts
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, Manifest, read_bundle
from foreshot.runtime.tokenization import TextTokenizer
from measures import matmul_peak, spread, timed

AIMS = {"texts/s": 7.5, "latency": 8.0, "cold start": 4.0}  # how many times better int8 must be than the teacher
PIPELINE_BATCH = 32
SINGLE_TEXTS = 200  # timed one by one
WARM_UP = 64
COLD_TEXT = "you absolute walnut"
COLD_PIPELINE = """
from transformers import pipeline
print(pipeline("text-classification", model={model!r})({text!r}, truncation=True))
"""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")  # PyTorch, its products, tokenizers

Scorer = Callable[[Sequence[str]], object]


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What is timed: a model in Transformers' pipeline, or, with `graph`, a bundle's graph."""

    folder: str
    graph: str | None = None

    def cold_command(self, threads: int) -> list[str]:
        """A command that scores one text in a new process; a bundle takes its first graph."""
        if self.graph is None:
            return [sys.executable, "-c", COLD_PIPELINE.format(model=self.folder, text=COLD_TEXT)]
        return [sys.executable, "-m", "foreshot", "predict", self.folder, COLD_TEXT, "--threads", str(threads)]


def load_scorer(arm: Arm, threads: int, max_length: int) -> Scorer:
    """What scores texts in an arm."""
    if arm.graph is not None:
        from foreshot.runtime.classifier import load

        return load(arm.folder, file=arm.graph, threads=threads)
    import torch
    from transformers import pipeline
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(threads)
    model = pipeline("text-classification", model=arm.folder, device="cpu", batch_size=PIPELINE_BATCH)
    return lambda texts: model(list(texts), truncation=True, max_length=max_length)


WORKER: list[Scorer] = []  # the scorer of an arm's process, put there when it starts


def start_worker(arm: Arm, threads: int, max_length: int) -> None:
    """Load the arm's model in its process."""
    WORKER[:] = [load_scorer(arm, threads, max_length)]


def warm_up(texts: Sequence[str]) -> None:
    """Score some texts; run in the arm's process."""
    WORKER[0](texts[:WARM_UP])
    WORKER[0](texts[:1])


def seconds_for_all(texts: Sequence[str]) -> float:
    """Seconds that an arm takes for all texts; run in its process."""
    return timed(partial(WORKER[0], texts))


def seconds_for_one(texts: Sequence[str]) -> float:
    """The median of the seconds that an arm takes for a single text; run in its process."""
    return statistics.median(timed(partial(WORKER[0], [text])) for text in texts[:SINGLE_TEXTS])


def layer_operations(folder: str, lengths: np.ndarray) -> float:
    """Float operations of one encoder layer's matrix products over texts of these lengths in tokens.

    For each linear layer 2·in·out a token; in attention 4·hidden·tokens a token. Run in the teacher's process.
    """
    from torch import nn

    from foreshot.models.encoders import find_model, layer_stack, load_classifier

    source = find_model(folder)
    model = load_classifier(source, list(source.config.id2label.values()))
    linear = [module for module in layer_stack(model)[1][0].modules() if isinstance(module, nn.Linear)]
    per_token = sum(2 * module.in_features * module.out_features for module in linear)
    return float((lengths * per_token + 4 * model.config.hidden_size * lengths**2).sum())


def cold_start(arm: Arm, threads: int) -> float:
    """Seconds from starting a process to its end, after its first answer."""
    return timed(lambda: subprocess.run(arm.cold_command(threads), check=True, capture_output=True))


def one_turn(
    arms: dict[str, Arm],
    workers: dict[str, ProcessPoolExecutor],
    texts: list[str],
    work: dict[str, float],
    threads: int,
) -> dict[str, float]:
    """Every figure once, by name; `work` has the float operations that an arm's encoder needs for all texts."""
    peak = workers["teacher"].submit(matmul_peak).result()
    found = {"peak GFLOP/s": peak / 1e9}
    for name, worker in workers.items():
        seconds = worker.submit(seconds_for_all, texts).result()
        found[f"texts/s ({name})"] = len(texts) / seconds
        found[f"share of peak ({name})"] = work[name] / seconds / peak
    for name, worker in workers.items():
        found[f"latency, ms ({name})"] = 1e3 * worker.submit(seconds_for_one, texts).result()
    for name in cold_arms(arms):
        found[f"cold start, s ({name})"] = cold_start(arms[name], threads)
    return found | ratios(found, list(arms))


def ratios(found: dict[str, float], arms: list[str]) -> dict[str, float]:
    """How many times better an arm is than the teacher, and the bundle's graphs than the student in PyTorch."""
    made = {}
    for better, worse in [(arm, base) for base in ("teacher", "student") for arm in arms]:
        if worse not in arms or better in ("teacher", worse):
            continue
        for measure, figure in (("texts/s", "texts/s"), ("latency", "latency, ms"), ("cold start", "cold start, s")):
            values = [found.get(f"{figure} ({arm})") for arm in (better, worse)]
            if None not in values:
                made[f"{measure}: {better} / {worse}"] = (
                    values[0] / values[1] if measure == "texts/s" else values[1] / values[0]
                )
    return made


def cold_arms(arms: dict[str, Arm]) -> list[str]:
    """The arms whose cold start is timed: of a bundle's graphs the one that its `predict` takes."""
    in_bundle = [name for name, arm in arms.items() if arm.graph is not None]
    return [name for name in arms if name not in in_bundle[1:]]


def named_arms(options: argparse.Namespace, manifest: Manifest) -> dict[str, Arm]:
    """The arms by name; a bundle's graphs stand in its order of preference."""
    arms = {"teacher": Arm(folder=options.teacher)}
    if options.student:
        arms["student"] = Arm(folder=options.student)
    names = {INT8_GRAPH: "int8", FP32_GRAPH: "fp32"}
    return arms | {names[graph.file]: Arm(folder=options.bundle, graph=graph.file) for graph in manifest.graphs}


def megabytes(arm: Arm) -> float:
    """The size on disk of an arm's weights, in MB (10^6 bytes)."""
    files = [Path(arm.folder) / arm.graph] if arm.graph else Path(arm.folder).glob("*.safetensors")
    return round(sum(file.stat().st_size for file in files) / 1e6, 2)


def reached(figures: dict[str, dict[str, float]]) -> dict[str, dict[str, float | bool]]:
    """Each aim with what was measured."""
    medians = {measure: figures.get(f"{measure}: int8 / teacher", {}).get("median") for measure in AIMS}
    return {
        measure: {"aim": aim, "measured": medians[measure], "reached": medians[measure] >= aim}
        for measure, aim in AIMS.items()
        if medians[measure] is not None
    }


def main() -> None:
    """Parse, measure, print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teacher", help="a Hugging Face model folder")
    parser.add_argument("bundle", help="a folder that foreshot export made")
    parser.add_argument("--student", help="the model folder that the bundle was exported from")
    parser.add_argument("--texts", help="a file of texts; by default the built-in corpus' test part")
    parser.add_argument("--text", help="the file's column")
    parser.add_argument("--rows", type=int, default=1000, help="the most texts that are scored")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, str(options.threads)))  # for the processes that are started
    bundle = read_bundle(options.bundle)
    manifest, arms = bundle.manifest, named_arms(options, bundle.manifest)
    texts = read_texts(options.texts, text=options.text) if options.texts else corpus_texts()
    texts = texts[: options.rows]
    tokenizer = TextTokenizer(bundle.tokenizer, max_length=manifest.max_length, where=options.bundle)
    lengths = np.array([len(ids) for ids in tokenizer.tokenize(texts).ids])
    workers = {
        name: ProcessPoolExecutor(1, get_context("spawn"), start_worker, (arm, options.threads, manifest.max_length))
        for name, arm in arms.items()
    }
    for worker in workers.values():
        worker.submit(warm_up, texts).result()
    work = operations(arms, workers, manifest, lengths)
    turns = [one_turn(arms, workers, texts, work, options.threads) for _ in range(options.turns)]
    for worker in workers.values():
        worker.shutdown()
    figures = {name: spread([turn[name] for turn in turns]) for name in turns[0]}
    report = {
        "texts": len(texts),
        "tokens": int(lengths.sum()),
        "tokens of the median text": int(np.median(lengths)),
        "max_length": manifest.max_length,
        "threads": options.threads,
        "turns": options.turns,
        "MB on disk": {name: megabytes(arm) for name, arm in arms.items()},
        **figures,
        "aims": reached(figures),
    }
    print(json.dumps(report, indent=1))


def corpus_texts() -> list[str]:
    """The built-in corpus' test part."""
    return [comment.text for comment in make_corpus(seed=0).test]


def operations(
    arms: dict[str, Arm], workers: dict[str, ProcessPoolExecutor], manifest: Manifest, lengths: np.ndarray
) -> dict[str, float]:
    """Float operations that each arm's encoder needs for all texts; a bundle's layers are as wide as the teacher's."""
    per_layer = workers["teacher"].submit(layer_operations, arms["teacher"].folder, lengths).result()
    depth = json.loads((Path(arms["teacher"].folder) / "config.json").read_text())["num_hidden_layers"]
    return {name: per_layer * (depth if name == "teacher" else manifest.origin.layers) for name in arms}


if __name__ == "__main__":
    main()
