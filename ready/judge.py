"""Judge a bundle on what nobody trained it on: dev files, the sealed part of the suite, identity terms, and its speed.

    python ready/judge.py BUNDLE DATA GATHERED

DATA holds the dev files beside those that ready/SOURCES.md names, GATHERED what ready/gather.py wrote. Prints JSON.
"""

import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from foreshot.runtime.classifier import Classifier, load
from foreshot.settings.experiment import BUILTIN_SUITE, load_experiment
from foreshot.suites.builtin import builtin_cases
from foreshot.suites.cases import Suite

FEWEST = 20
"""Phrases of either label that an identity term must be in."""
NO_IDENTITIES = frozenset(["a", "is", "you", "are", "being", "i", "programmer", "designer", "middle", "eastern"])
SPEED_TEXTS = 2000
MENDED_WITH_TOO = load_experiment(Path(__file__).with_name("experiment.yaml")).mend.disguise_kinds or ()
"""What the ready model is mended with; cases of it aren't sealed."""


def rows_of(path: Path) -> list[dict[str, str]]:
    """A table's rows."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def scores(classifier: Classifier, texts: Sequence[str], name: str) -> np.ndarray:
    """The scores (texts,) of one output."""
    return np.array([found.scores[name] for found in classifier(list(texts))])


def auc(classifier: Classifier, texts: Sequence[str], toxic: Sequence[bool], name: str) -> float:
    """Area under the ROC curve of one output."""
    return float(roc_auc_score(toxic, scores(classifier, texts, name)))


def macro_f1(classifier: Classifier, texts: Sequence[str], true: Sequence[bool], name: str) -> float:
    """Macro-F1 of what the bundle flags with one output, at its own threshold."""
    flagged = [name in found.labels for found in classifier(list(texts))]
    return float(f1_score(true, flagged, average="macro"))


def suite_sides(classifier: Classifier, sealed: bool) -> dict[str, float]:
    """The shares right of the built-in suite's two sides, of its open or its sealed part."""
    suite = Suite(name=BUILTIN_SUITE, cases=builtin_cases()).mended_with(MENDED_WITH_TOO)
    cases = [case for case in suite.cases if case.sealed == sealed]
    flagged = np.array(["toxicity" in found.labels for found in classifier([case.text for case in cases])])
    toxic = np.array([case.label == "toxic" for case in cases])
    sides = {"toxic": float(flagged[toxic].mean()), "benign": float(1 - flagged[~toxic].mean())}
    return {**sides, "mean": sum(sides.values()) / 2, "cases": len(cases)}


def identity_aucs(classifier: Classifier, rows: Sequence[dict[str, str]], name: str) -> dict[str, float]:
    """By identity term the AUC on the phrases that hold it (Dixon et al. 2018's templates)."""
    found = scores(classifier, [row["phrase"] for row in rows], name)
    toxic = np.array([row["toxicity"] == "toxic" for row in rows])
    words = [frozenset(row["phrase"].lower().split()) for row in rows]
    aucs = {}
    for term in sorted(set().union(*words) - NO_IDENTITIES):
        having = np.array([term in of_row for of_row in words])
        if min((having & toxic).sum(), (having & ~toxic).sum()) >= FEWEST:
            aucs[term] = float(roc_auc_score(toxic[having], found[having]))
    return aucs


def speed(bundle: Path, texts: Sequence[str]) -> float:
    """Texts a second on one thread, tokenisation included."""
    classifier = load(bundle, threads=1)
    classifier(list(texts[:100]))
    began = perf_counter()
    classifier(list(texts))
    return len(texts) / (perf_counter() - began)


def main(bundle: Path, data: Path, gathered: Path) -> None:
    """Print all figures as JSON."""
    csv.field_size_limit(2**24)
    classifier, found = load(bundle), {}
    jigsaw = rows_of(data / "jigsaw6_dev.csv")
    found["Jigsaw dev, AUC of toxicity"] = auc(
        classifier, [row["comment_text"] for row in jigsaw], [row["toxic"] == "1" for row in jigsaw], "toxicity"
    )
    edos = rows_of(data / "edos_dev.csv")
    found["EDOS dev, AUC of hate"] = auc(
        classifier, [row["text"] for row in edos], [row["label_sexist"] == "sexist" for row in edos], "hate"
    )
    hatexplain = rows_of(data / "hatexplain_dev_rationales.csv")
    found["HateXplain dev, AUC of hate"] = auc(
        classifier,
        [" ".join(json.loads(row["tokens"])) for row in hatexplain],
        [row["label"] == "hatespeech" for row in hatexplain],
        "hate",
    )
    test = rows_of(gathered / "test.csv")
    for source in sorted({row["source"] for row in test}):
        for name in ("toxicity", "hate"):
            known = [row for row in test if row["source"] == source and row[name]]
            true = [row[name] == "1" for row in known]
            if len(set(true)) == 2:
                texts = [row["text"] for row in known]
                found[f"{source} test, {name}"] = {
                    "rows": len(known),
                    "macro-F1": macro_f1(classifier, texts, true, name),
                    "AUC": auc(classifier, texts, true, name),
                }
    found["suite, sealed part"] = suite_sides(classifier, True)
    found["suite, open part"] = suite_sides(classifier, False)
    for name in ("toxicity", "hate"):
        aucs = identity_aucs(classifier, rows_of(data / "madlibs_sample.csv"), name)
        worst = min(aucs, key=lambda term: aucs[term])
        found[f"madlibs, AUC of {name} by identity term"] = {
            "terms": len(aucs),
            "mean": float(np.mean(list(aucs.values()))),
            "worst": [worst, aucs[worst]],
        }
    texts = [row["text"] for row in test][:SPEED_TEXTS]
    found["texts a second on one core"] = {"texts": len(texts), "rate": speed(bundle, texts)}
    found["bytes"] = sum(file.stat().st_size for file in bundle.iterdir())
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*map(Path, sys.argv[1:]))
