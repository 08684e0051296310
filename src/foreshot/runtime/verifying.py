"""Verify: whether a bundle is what was exported, scores here as it did there, and takes whatever text may come."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from foreshot.data.texts import excerpt
from foreshot.errors import BundleError
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, read_bundle
from foreshot.runtime.classifier import Classifier, answers
from foreshot.runtime.decisions import scores_of
from foreshot.runtime.tokenization import Tokens

TOLERANCES = {FP32_GRAPH: 1e-4, INT8_GRAPH: 0.02}
"""How far a probability of the self-test may lie from the exporting machine's: CPUs round in different orders, and in
8 bits a rounding more may move an activation by a whole step."""
EMPTY, WORD, UNKNOWN = "", "so ", "\u13e9 \u0f3a \U00010480 \ue000 \U0001f9ff"
"""A text of nothing, a word to make long ones of, and letters that few tokenizers know."""
PADDED = 60
"""Words of the long text in a batch with short ones."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was verified: the files whose sums are right, and each graph's largest difference in the self-test."""

    files: list[str]
    texts: int
    differences: dict[str, float]  # of a probability, by graph


def verify(folder: str | Path, *, where: str | None = None) -> Verified:
    """Check every file's sum, then let every graph pass `self_test`; raises BundleError.

    `where` is what messages call the bundle, where its folder isn't its name.
    """
    bundle = read_bundle(folder)
    differences: dict[str, float] = {
        graph.file: self_test(Classifier(bundle, file=graph.file), where=where or str(bundle.folder))
        for graph in bundle.manifest.graphs
    }
    return Verified(files=sorted(bundle.sums), texts=len(bundle.manifest.self_test), differences=differences)


def self_test(classifier: Classifier, *, where: str) -> float:
    """The largest difference of a probability between this machine and the exporting one, on the bundle's texts.

    Raises BundleError where it is larger than rounding explains, and where a text that may come gets no scores, or
    others beside other texts; `where` names the bundle.
    """
    difference = _difference_from_export(classifier, where)
    _ask_what_may_come(classifier, where)
    _ask_together_and_alone(classifier, where)
    return difference


def _difference_from_export(classifier: Classifier, where: str) -> float:
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


def _ask_what_may_come(classifier: Classifier, where: str) -> None:
    """Raise BundleError unless every token that a text may hold, and texts of any length, get scores."""
    longest = WORD * classifier.max_length
    named = {
        EMPTY: "an empty text",
        UNKNOWN: "letters that its tokenizer doesn't know",
        longest: f"a text of the {classifier.max_length} tokens that it is cut to",
        **{token: f"{excerpt(token)!r}, a token of its tokenizer" for token in classifier.tokenizer.added_tokens},
    }
    for text, answer in zip(named, answers(classifier, list(named), BundleError), strict=True):
        if isinstance(answer, BundleError):
            raise _fails_on(named[text], classifier, where)
    last = classifier.tokenizer.largest_id
    try:
        classifier.logits(Tokens(ids=[[last]], truncated=np.zeros(1, dtype=bool)))
    except BundleError:
        raise _fails_on(f"token {last}, the last of its tokenizer's vocabulary", classifier, where) from None


def _fails_on(what: str, classifier: Classifier, where: str) -> BundleError:
    return BundleError(
        f"{where}/{classifier.file}: fails on {what}; mend the model (its embedding needs a row for every token of the "
        "tokenizer, and positions for the longest text) and export it again"
    )


def _ask_together_and_alone(classifier: Classifier, where: str) -> None:
    """Raise BundleError where texts of unequal lengths get other scores in one batch than one by one."""
    tokens = classifier.tokenize([EMPTY, UNKNOWN, WORD, WORD * PADDED])
    deciding = classifier.manifest.deciding
    together, alone = (scores_of(deciding, classifier.logits(tokens, batch_size=size)) for size in (len(tokens.ids), 1))
    difference = float(np.abs(together - alone).max())
    if difference > TOLERANCES[classifier.file]:
        raise BundleError(
            f"{where}/{classifier.file}: a text's scores depend on the texts beside it (a probability differs by "
            f"{difference:.2g}, {TOLERANCES[classifier.file]:.0e} may); export it again"
        )
