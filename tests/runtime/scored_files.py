"""What tests of scoring share: files of every kind to score, what they must say, and a progress that listens."""

import csv
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_bundles import probabilities_of

NEW = ["label", "score_benign", "score_toxic", "decision", "truncated"]
TEXTS = ["you walnut", "thank you", "", "hello " * 20]
ANSWERS = [
    ("toxic", probabilities_of("you walnut"), "block", False),
    ("benign", probabilities_of("thank you"), "allow", False),
    ("benign", [0.5, 0.5], "allow", False),
    ("benign", [1 / (1 + math.exp(-14 / 16)), 1 / (1 + math.exp(14 / 16))], "allow", True),  # 14 of its 20 words
]


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


def write_input(path, texts):
    """The texts as a file of the kind that its name tells, with a column `n` where it has columns."""
    rows = [{"n": number, "text": text} for number, text in enumerate(texts)]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix in {".csv", ".tsv"}:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["n", "text"], delimiter="," if path.suffix == ".csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    else:
        lines = texts if path.suffix == ".txt" else [json.dumps(row) for row in rows]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read_output(path) -> list[dict]:
    """The rows, by the csv and json modules and PyArrow."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        if path.suffix in {".csv", ".tsv"}:
            return list(csv.DictReader(file, delimiter="," if path.suffix == ".csv" else "\t", strict=True))
        return [json.loads(line) for line in file]


def answer_of(row, prefix="") -> tuple:
    """What a row says about its text, of whatever types its format has."""
    label, *scores, decision, truncated = (row[prefix + name] for name in NEW)
    return label, pytest.approx([float(score) for score in scores], abs=1e-6), decision, str(truncated).lower()


EXPECTED = [(label, scores, decision, str(cut).lower()) for label, scores, decision, cut in ANSWERS]
