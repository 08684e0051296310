"""Verify: whether a bundle is what was exported, and scores here as it did there."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foreshot.errors import BundleError
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, read_bundle
from foreshot.runtime.classifier import Classifier

TOLERANCES = {FP32_GRAPH: 1e-4, INT8_GRAPH: 0.02}
"""How far a probability of the self-test may lie from the exporting machine's: CPUs round in different orders, and in
8 bits a rounding more may move an activation by a whole step."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was verified: the files whose sums are right, and each graph's largest difference in the self-test."""

    files: list[str]
    texts: int
    differences: dict[str, float]  # of a probability, by graph


def verify(folder: str | Path) -> Verified:
    """Check every file's sum, then score the texts of the self-test with every graph; raises BundleError."""
    bundle = read_bundle(folder)
    differences: dict[str, float] = {
        graph.file: self_test(Classifier(bundle, file=graph.file), where=str(bundle.folder))
        for graph in bundle.manifest.graphs
    }
    return Verified(files=sorted(bundle.sums), texts=len(bundle.manifest.self_test), differences=differences)


def self_test(classifier: Classifier, *, where: str) -> float:
    """The largest difference of a probability between this machine and the exporting one, on the bundle's texts.

    Raises BundleError where it is larger than rounding explains; `where` names the bundle.
    """
    manifest, file = classifier.manifest, classifier.file
    found = [list(prediction.scores.values()) for prediction in classifier([test.text for test in manifest.self_test])]
    expected = [test.scores.get(file, []) for test in manifest.self_test]
    if not expected or any(len(scores) != len(manifest.labels) for scores in expected):
        raise BundleError(f"{where}: its self-test lacks scores of {file}; export the bundle again")
    difference = float(np.abs(np.subtract(found, expected)).max())
    if not difference <= TOLERANCES[file]:
        raise BundleError(
            f"{where}/{file}: scores the self-test otherwise than where it was exported (a probability differs by "
            f"{difference:.2g}, {TOLERANCES[file]:.0e} may); don't use it on this machine, and report its CPU"
        )
    return difference
