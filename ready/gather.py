"""Gather the ready model's rows: openly licensed files to one table with two outputs and gaps.

    python ready/gather.py DATA OUT

DATA holds the files that `ready/SOURCES.md` names; each is refused unless its SHA-256 is the one that stands there. OUT
gets train.csv, validation.csv and test.csv, with the columns text, toxicity, hate and source; an empty cell says that
the source doesn't tell. A text's part depends on the text alone, so that copies never stand in two parts.
"""

import ast
import csv
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

Row = Mapping[str, str]
GAP = ""
VALIDATION, TEST = 3, 6
"""Per cent of the texts."""
SOURCE_LINE = re.compile(r"^\| `([\w/.-]+)` \|.*\| `([0-9a-f]{64})` \|$", re.MULTILINE)


def jigsaw(row: Row) -> tuple[str, str]:
    """Toxic as its annotators had it; hate where they saw an attack on an identity."""
    return row["toxic"], row["identity_hate"]


def davidson(row: Row) -> tuple[str, str]:
    """Class 0 is hate, 2 neither; 1, "offensive", is mostly rude words thrown at nobody, of which a third is enough."""
    if row["class"] == "1" and number_of(row["tweet"]) % 3:
        return GAP, GAP
    return {"0": ("1", "1"), "1": (GAP, "0"), "2": ("0", "0")}[row["class"]]


def hatexplain(row: Row) -> tuple[str, str]:
    """What it calls offensive is toxic; whether it is hate its annotators didn't agree on."""
    return {"hatespeech": ("1", "1"), "offensive": ("1", GAP), "normal": ("0", "0")}[row["label"]]


def edos(row: Row) -> tuple[str, str]:
    """Sexism is hate. Whether a post is toxic otherwise isn't asked."""
    return GAP, "1" if row["label_sexist"] == "sexist" else "0"


def hate(row: Row) -> tuple[str, str]:
    """What attacks people for what they are is toxic, and what doesn't may be toxic otherwise: were the first half
    learnt from alone, to speak of a group would be toxic."""
    return GAP, row["label"]


def spans(row: Row) -> tuple[str, str]:
    """Posts that were reported; where nobody marked a span it isn't known whether they are toxic."""
    return ("1" if ast.literal_eval(row["spans"]) else GAP), GAP


def toxic(row: Row) -> tuple[str, str]:
    """Offensive by its source's rule, which doesn't ask whether a group is meant."""
    return row["label"], GAP


def surge(row: Row) -> tuple[str, str]:
    """Toxic or not."""
    return {"Toxic": "1", "Not Toxic": "0"}[row["is_toxic"]], GAP


FILES = {
    "jigsaw6_train.csv": ("comment_text", jigsaw, "jigsaw"),
    "jigsaw6_train_extra_positive.csv": ("comment_text", jigsaw, "jigsaw"),
    "davidson.csv": ("tweet", davidson, "davidson"),
    "hatexplain_train_labels.csv": ("text", hatexplain, "hatexplain"),
    "edos_train.csv": ("text", edos, "edos"),
    "toxic_spans_train.csv": ("text", spans, "toxic_spans"),
    "surge_toxicity.csv": ("text", surge, "surge"),
    "ready/hate.csv": ("text", hate, ""),
    "ready/toxic.csv": ("text", toxic, ""),
}
"""For each file its column of texts, what its labels mean as (toxicity, hate), and the source ("": its own column)."""


def known_sums() -> dict[str, str]:
    """The SHA-256 of each file, as ready/SOURCES.md has it."""
    return dict(SOURCE_LINE.findall(Path(__file__).with_name("SOURCES.md").read_text(encoding="utf-8")))


def read(path: Path, digest: str) -> Iterator[Row]:
    """The rows of a file; ends the program where it is another one than was gathered from."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        sys.exit(f"{path}: is not the file that ready/SOURCES.md names (its SHA-256 is another)")
    return csv.DictReader(content.decode("utf-8").splitlines(keepends=True))


def number_of(text: str) -> int:
    """A number that a text gets, whatever its case and spacing."""
    return int.from_bytes(hashlib.sha256(" ".join(text.lower().split()).encode()).digest()[:4], "big")


def part_of(text: str) -> str:
    """The part that a text goes to."""
    number = number_of(text) // 3 % 100
    return "validation" if number < VALIDATION else "test" if number < VALIDATION + TEST else "train"


def main(data: Path, out: Path) -> None:
    """Write the three parts, and say how many rows of each source there are."""
    csv.field_size_limit(2**24)
    sums, parts = known_sums(), {"train": [], "validation": [], "test": []}
    for name, (column, meant, source) in FILES.items():
        for row in read(data / name, sums[name]):
            toxicity, is_hate = meant(row)
            if (toxicity, is_hate) != (GAP, GAP):
                parts[part_of(row[column])].append((row[column], toxicity, is_hate, source or row["source"]))
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        with (out / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "toxicity", "hate", "source"))
            writer.writerows(rows)
        counts = ", ".join(f"{source} {count:,}" for source, count in Counter(row[3] for row in rows).items())
        print(f"{name}: {len(rows):,} rows ({counts})")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
