"""Comments for small comparisons, and what the tests of the command line ask of a run."""

import csv
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from waiting import PATIENCE

SHOUTED_AT = ["referee", "driver", "painter", "singer", "cook", "mayor", "author", "goalie", "builder", "guide"]
DID = ["wrote", "played", "made", "fixed", "told", "drew", "sent", "read"]
THINGS = ["the second map", "that song", "our soup", "this page", "a long story", "the old bridge"]
PRAISE = ["brilliant", "kind", "careful", "lovely", "gentle", "helpful", "clever", "patient"]
INSULTS = ["stupid", "useless", "pathetic", "dumb", "worthless", "foolish", "awful", "idiotic"]
PROBES = [
    ("the stupid cook read this page", "1"),
    ("the lovely cook read this page", "0"),
    ("the pathetic mayor wrote a long story", "1"),
]

SUITE_COLUMNS = ("text", "label", "functionality", "pair")

FAST = ["--epochs", "4", "--learning-rate", "0.002", "--batch-size", "8", "--max-length", "24"]
"""Training that takes the small encoder to a (nearly) perfect test score in half a second, whatever the seed."""

UNJUDGED = ["--suite", "none", "--set", "explanations.texts=0"]
"""For runs of which neither the suite nor the reasons are looked at."""


def make_comments(rows: int = 200, *, seed: int = 0) -> list[tuple[str, str]]:
    """Different comments with their labels, two in five of them rude."""
    shapes = list(itertools.product(SHOUTED_AT, DID, THINGS))
    random.Random(seed).shuffle(shapes)
    comments = []
    for number, (who, did, what) in enumerate(shapes[:rows]):
        rude = number % 5 < 2
        word = (INSULTS if rude else PRAISE)[number % 8]
        comments.append((f"the {word} {who} {did} {what}", str(int(rude))))
    return comments


def make_suite() -> list[tuple[str, ...]]:
    """Cases of three kinds, in pairs of a rude and a kind one where they have a twin."""
    cases = []
    for number, (insult, praise) in enumerate(zip(INSULTS, PRAISE, strict=True)):
        who, did, what = SHOUTED_AT[number], DID[-number], THINGS[number % 6]
        cases += [
            (f"the {insult} {who} {did} {what}", "toxic", "insult in a sentence", f"pair {number}"),
            (f"the {praise} {who} {did} {what}", "benign", "praise in a sentence", f"pair {number}"),
            (insult, "toxic", "insult alone", ""),
        ]
    return cases


def write_csv(path: Path, rows: Iterable[tuple[str, ...]], header: tuple[str, ...] = ("comment", "toxic")) -> Path:
    """A CSV file with this header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def comparable(folder: Path, *also: str) -> dict[str, Any]:
    """A run's results without what depends on the clock or on how the command was spelt."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    for field in ("timing", "made", "command", *also):
        del results[field]
    return results


def weights_times(folder: Path) -> dict[str, int]:
    """When each weight file of a run was written, in nanoseconds."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*.safetensors")
        if path.parent.name != "scores"
    }


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder in a folder, hidden ones too; None stands for a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def as_process(*arguments: object) -> list[str]:
    """The command line of `foreshot`, for a process of its own."""
    return [sys.executable, "-m", "foreshot", *map(str, arguments)]


def process_environment() -> dict[str, str]:
    """Offline, one thread, and no colours."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}


def hear_ctrl_c() -> None:
    """For `preexec_fn`: a job in the background of a shell ignores Ctrl-C, and so would the tests' own processes."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run_process(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run `foreshot` in a process of its own."""
    options = {"capture_output": True, "text": True, "timeout": PATIENCE, "env": process_environment(), **options}
    return subprocess.run(as_process(*arguments), check=False, **options)
