"""How much more memory a comparison takes with a million unlabelled rows that have scores than with ten thousand.

    python benchmarks/streaming.py [--rows 10000,1000000]

Each size is a whole `foreshot compare` in a process of its own: the rows are read from Parquet, those that come twice
left out, tokenised, written into the run's folder, and a student learns from them and from labelled comments. Texts are
made up, of some 15 words. Needs foreshot[demo].
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from foreshot.data.sample import make_corpus

AIM = 1.5e9
"""Bytes that the largest file may take more than the smallest."""
LABELLED, WORDS, VOCABULARY, AT_ONCE = 900, 14, 2_000, 50_000
REPEATED = 50
"""Every so many-th row is the text of the row before again."""


def main() -> None:
    """Measure every size, one after another, and print the figures as JSON."""
    asked = argparse.ArgumentParser(description="Memory by the number of unlabelled rows.")
    asked.add_argument("--rows", default="10000,1000000", help="sizes, by comma")
    sizes = [int(size) for size in asked.parse_args().rows.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        found = {rows: measured(rows, Path(folder)) for rows in sizes}
    peaks = [one["peak_bytes"] for one in found.values()]
    more = max(peaks) - min(peaks)
    print(json.dumps({"sizes": found, "more_bytes": more, "aim_bytes": AIM, "reached": more < AIM}, indent=1))


def measured(rows: int, folder: Path) -> dict[str, float]:
    """What a comparison with so many unlabelled rows takes."""
    stored, labelled, name = folder / f"{rows}.parquet", folder / "labelled.csv", f"rows-{rows}"
    write_scored(stored, rows)
    write_labelled(labelled)
    command = [
        *(sys.executable, "-m", "foreshot", "compare", "--data", labelled, "--text", "comment", "--label", "toxic"),
        *("--positive", "1", "--encoder", "demo", "--unlabelled", stored, "--set", "scores=[TOXICITY]"),
        *(
            "--recipes",
            "odd",
            "--epochs",
            "2",
            "--learning-rate",
            "2e-4",
            "--batch-size",
            "8",
            "--max-length",
            "64",
            "--suite",
            "none",
        ),
        *("--set", "explanations.texts=0", "--set", "disguised_rows=1", "--name", name, "--runs", folder),
    ]
    began = time.perf_counter()
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{rows:,} rows: the comparison ended with {process.returncode}")
    kept = [path for stage in ("unlabelled", "targets") for path in (folder / name / stage).iterdir()]
    return {
        "peak_bytes": usage.ru_maxrss * 1024,
        "seconds": round(time.perf_counter() - began, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "bytes_of_parquet": stored.stat().st_size,
        "bytes_in_the_run": sum(path.stat().st_size for path in kept),
    }


def write_scored(path: Path, rows: int) -> None:
    """Made-up texts with scores, in row groups of `AT_ONCE`."""
    rng = np.random.default_rng(0)
    words = np.array([f"{start}{end}" for start in ("ba", "do", "ki", "lu", "ne") for end in range(VOCABULARY // 5)])
    schema = pa.schema([("comment", pa.string()), ("TOXICITY", pa.float32())])
    with pq.ParquetWriter(path, schema) as file:
        for begin in range(0, rows, AT_ONCE):
            numbers = np.arange(begin, min(begin + AT_ONCE, rows))
            chosen = words[rng.integers(0, len(words), (len(numbers), WORDS))]
            texts = [f"{' '.join(of_row)} {number}" for number, of_row in zip(numbers, chosen, strict=True)]
            texts[REPEATED::REPEATED] = texts[REPEATED - 1 : -1 : REPEATED]
            scores = rng.random(len(numbers), dtype=np.float32)
            file.write_table(pa.table({"comment": texts, "TOXICITY": scores}, schema=schema))


def write_labelled(path: Path) -> None:
    """Comments of the built-in corpus with their labels."""
    comments = make_corpus(0).train[:LABELLED]
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [(comment.text, comment.label) for comment in comments]
        csv.writer(file).writerows([("comment", "toxic"), *rows])


if __name__ == "__main__":
    main()
