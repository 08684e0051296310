"""What leaving out each word of a comment costs, against predictions of such comments, side by side in one run.

    python benchmarks/explaining.py BUNDLE [--file GRAPH] [--texts FILE --text COLUMN] [--words 30] [--turns 9]

Comments of exactly so many words are cut from the texts. Arms, in turns, on the same threads:
(explain) `foreshot explain` by leave-one-out, loaded once: alignment, words, and words + 1 predictions of each comment;
(batch) as many different comments, words + 1, predicted in one call;
(one) a comment by itself.
Tokenisation is included everywhere. A ratio is of one turn; printed are medians with the smallest and largest, and the
machine's load before and after.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

from foreshot.data.sample import make_corpus
from foreshot.data.table import read_texts
from foreshot.data.texts import normalise
from foreshot.explaining.explain import Explainer
from foreshot.runtime.classifier import load
from foreshot.runtime.words import words_of

AIM = 4.0  # times a batch of as many predictions
COMMENTS = 8  # explained, and predicted by themselves, in each turn


def main() -> None:
    """Parse, measure, print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="a folder that foreshot export made")
    parser.add_argument("--file", help="which of its graphs; else the one that it prefers")
    parser.add_argument("--texts", help="a file of texts; by default the built-in corpus' test part")
    parser.add_argument("--text", help="the file's column")
    parser.add_argument("--words", type=int, default=30)
    parser.add_argument("--turns", type=int, default=9)
    options = parser.parse_args()
    texts = (
        read_texts(options.texts, text=options.text)
        if options.texts
        else [normalise(row.text) for row in make_corpus(seed=0).test]
    )
    comments = comments_of(texts, options.words)[: options.words + 1]
    classifier = load(options.bundle, file=options.file)
    explainer = Explainer(options.bundle, file=options.file)
    arms: dict[str, Callable[[], float]] = {
        "explain": partial(median_seconds, explainer, comments[:COMMENTS]),
        "batch": partial(median_seconds, classifier, [comments] * COMMENTS),
        "one": partial(median_seconds, classifier, comments[:COMMENTS]),
    }
    for measure in arms.values():
        measure()
    load_before = os.getloadavg()[0]
    turns = [{name: measure() for name, measure in arms.items()} for _ in range(options.turns)]
    milliseconds = {name: spread([1e3 * turn[name] for turn in turns]) for name in arms}
    to_batch = spread([turn["explain"] / turn["batch"] for turn in turns])
    report = {
        "graph": classifier.file,
        "words": options.words,
        "tokens of the median comment": statistics.median(map(len, classifier.tokenize(comments).ids)),
        "turns": options.turns,
        "cores": len(os.sched_getaffinity(0)),
        "load before and after": [load_before, os.getloadavg()[0]],
        "milliseconds": milliseconds,
        f"explain / batch of {options.words + 1}": to_batch,
        "explain / one": spread([turn["explain"] / turn["one"] for turn in turns]),
        "aim": {"at most": AIM, "measured": to_batch["median"], "reached": to_batch["median"] <= AIM},
    }
    print(json.dumps(report, indent=1))


def comments_of(texts: Sequence[str], words: int) -> list[str]:
    """The texts end to end, cut into comments of so many words."""
    joined = " ".join(texts)
    found = words_of(joined)
    starts = range(0, len(found) - words, words)
    return [joined[found[start].begin : found[start + words - 1].end] for start in starts]


def median_seconds(work: Callable[..., object], inputs: Sequence[object]) -> float:
    """The median of the seconds that the work takes on each of the inputs."""
    taken = []
    for one in inputs:
        began = time.perf_counter()
        work(one)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest, to three figures."""
    return {
        name: float(f"{pick(values):.3g}") for name, pick in (("median", statistics.median), ("min", min), ("max", max))
    }


if __name__ == "__main__":
    main()
