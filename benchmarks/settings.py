"""What each choice in the runtime brings: settings of ONNX Runtime, batches, threads, and another way to 8 bits.

    python benchmarks/settings.py BUNDLE [--texts FILE --text COLUMN] [--rows 1000] [--turns 5]

One choice is changed at a time, from what `foreshot.load` does on all cores; tokenisation is left out, since it is the
same for all. The settings take turns; a ratio is of one turn, and printed are medians with the smallest and largest.
For ONNX Runtime's own dynamic quantisation (`quantize_dynamic`: per channel, reduced range, one range of activations
for the whole batch) it also prints how many decisions differ from the graph in 32 bits, and how far a text's
probability moves when other texts stand beside it; the same for the bundle's own graph in 8 bits.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from onnxruntime.quantization import QuantType, quantize_dynamic

from foreshot.data.sample import make_corpus
from foreshot.data.table import read_texts
from foreshot.data.texts import normalise
from foreshot.runtime import graph
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, Bundle, read_bundle
from foreshot.runtime.decisions import decide, scaled_probabilities
from foreshot.runtime.graph import BATCH_TOKENS, Graph
from foreshot.runtime.tokenization import TextTokenizer

Ids = list[list[int]]
BATCH = 16
_of_this_process: list[Graph] = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--texts")
    parser.add_argument("--text")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    bundle = read_bundle(asked.bundle)
    texts = (
        read_texts(asked.texts, text=asked.text)
        if asked.texts
        else [normalise(row.text) for row in make_corpus(seed=0).test]
    )
    chosen = np.random.default_rng(0).permutation(len(texts))[: asked.rows]
    tokenizer = TextTokenizer(bundle.tokenizer, max_length=bundle.manifest.max_length, where=str(asked.bundle))
    ids = tokenizer.tokenize([texts[row] for row in chosen]).ids
    with tempfile.TemporaryDirectory() as folder:
        other = dynamic_quantisation(bundle, Path(folder))
    print(json.dumps({"rows": len(ids), "speed": speeds(bundle, other, ids, asked.turns)}, indent=1))
    print(json.dumps({"closeness": closeness(bundle, other, ids)}, indent=1))


def dynamic_quantisation(bundle: Bundle, folder: Path) -> bytes:
    """The bundle's graph in 32 bits, in 8 bits by ONNX Runtime's own tool."""
    (folder / "in.onnx").write_bytes(bundle.read_graph(FP32_GRAPH))
    quantize_dynamic(
        folder / "in.onnx",
        folder / "out.onnx",
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
    )
    return (folder / "out.onnx").read_bytes()


def open_graph(bundle: Bundle, content: bytes, *, threads: int | None = None, fused: bool = False) -> Graph:
    """A graph as the runtime opens it; `fused` leaves ONNX Runtime the fusion that the runtime forbids."""
    kept, graph.SLOWER = graph.SLOWER, () if fused else graph.SLOWER
    try:
        manifest = bundle.manifest
        return Graph(
            content,
            classes=len(manifest.labels),
            pad_token_id=manifest.pad_token_id,
            where="benchmark",
            threads=threads,
        )
    finally:
        graph.SLOWER = kept


def speeds(bundle: Bundle, other: bytes, ids: Ids, turns: int) -> dict[str, object]:
    """Texts a second of every setting, and the ratio to the first."""
    small, whole = bundle.read_graph(INT8_GRAPH), bundle.read_graph(FP32_GRAPH)
    int8, fp32 = open_graph(bundle, small), open_graph(bundle, whole)
    cores = os.cpu_count() or 1
    settings: dict[str, Callable[[], object]] = {
        f"int8, batches of {BATCH_TOKENS} tokens by length": partial(int8.logits, ids),
        "fp32": partial(fp32.logits, ids),
        "int8, skip and layer normalisation fused": partial(open_graph(bundle, small, fused=True).logits, ids),
        "fp32, skip and layer normalisation fused": partial(open_graph(bundle, whole, fused=True).logits, ids),
        "quantize_dynamic": partial(open_graph(bundle, other).logits, ids),
        "int8, in the texts' own order": partial(in_order, int8, ids),
        "int8, one thread": partial(open_graph(bundle, small, threads=1).logits, ids),
        **{f"int8, batches of {size}": partial(int8.logits, ids, batch_size=size) for size in (1, 4, 8, 16, 32, 64)},
    }
    with ProcessPoolExecutor(cores, get_context("spawn"), _open_here, (bundle, small)) as pool:
        settings[f"int8, {cores} processes of one thread"] = partial(in_processes, pool, ids, cores)
        for score in settings.values():
            score()
        seconds: dict[str, list[float]] = {name: [] for name in settings}
        for _ in range(turns):
            for name, score in settings.items():
                began = time.perf_counter()
                score()
                seconds[name].append(time.perf_counter() - began)
    (first, *_) = seconds
    return {
        name: {
            "texts/s": round(len(ids) / statistics.median(taken)),
            "times the first": spread([base / own for base, own in zip(seconds[first], taken, strict=True)]),
        }
        for name, taken in seconds.items()
    }


def in_order(scorer: Graph, ids: Ids) -> None:
    """Batches of BATCH texts as they come, one after another."""
    for start in range(0, len(ids), BATCH):
        scorer.logits(ids[start : start + BATCH])


def _open_here(bundle: Bundle, content: bytes) -> None:
    _of_this_process.append(open_graph(bundle, content, threads=1))


def _score_here(ids: Ids) -> np.ndarray:
    return _of_this_process[0].logits(ids)


def in_processes(pool: ProcessPoolExecutor, ids: Ids, processes: int) -> None:
    """Every process gets each so-manieth text, so that all have as much to do."""
    list(pool.map(_score_here, [ids[start::processes] for start in range(processes)]))


def spread(ratios: Sequence[float]) -> list[float]:
    """Median, smallest and largest."""
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def closeness(bundle: Bundle, other: bytes, ids: Ids) -> dict[str, object]:
    """How near both ways to 8 bits come to 32 bits, and how far a probability depends on the batch."""
    decision, positive = bundle.manifest.decision, bundle.manifest.positive_index
    reference = open_graph(bundle, bundle.read_graph(FP32_GRAPH)).logits(ids)
    found = {}
    for name, content in {"the bundle's int8": bundle.read_graph(INT8_GRAPH), "quantize_dynamic": other}.items():
        scorer = open_graph(bundle, content)
        together, alone = scorer.logits(ids), scorer.logits(ids, batch_size=1)
        probabilities, alone_too, expected = (
            scaled_probabilities(logits, decision.temperature) for logits in (together, alone, reference)
        )
        unequal = decide(decision, together, positive) != decide(decision, reference, positive)
        found[name] = {
            "decisions that differ": int(unequal.sum()),
            "mean difference of a probability": float(np.abs(probabilities - expected).mean().round(5)),
            "largest difference of a probability": float(np.abs(probabilities - expected).max().round(3)),
            "largest change by the batch": float(np.abs(probabilities - alone_too).max().round(5)),
            "decisions changed by the batch": int(
                (decide(decision, together, positive) != decide(decision, alone, positive)).sum()
            ),
            "megabytes": round(len(content) / 1e6, 1),
        }
    return found


if __name__ == "__main__":
    main()
