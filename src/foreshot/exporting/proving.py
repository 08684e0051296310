"""Proving: graphs that are made, asked about the same texts as the model, and shipped only if they decide alike."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from transformers import PreTrainedModel

from foreshot.data.texts import excerpt
from foreshot.errors import BundleError, ModelError
from foreshot.exporting.int8 import int8_layers, linear_layers, noise, other_weights, quantised
from foreshot.exporting.onnx import OPSET, to_onnx
from foreshot.exporting.parity import flipped, fp32_complaint, int8_complaint, parity
from foreshot.exporting.subject import Subject
from foreshot.models.batches import collate, encode
from foreshot.progress import Progress, Silent
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, Attempt, GraphFacts, Parity
from foreshot.runtime.graph import Graph
from foreshot.suites.cases import Suite

ALONE, CROWDED = 64, 61  # rows that are asked one by one; the size of batches with much padding
CALIBRATION_ROWS, CALIBRATION_BATCH = 512, 16
NOISE_BATCHES = 8
KEPT_SHARES = (0.0, 1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Shares of the linear layers, the noisiest ones, that stay in 32 bits: what is tried in turn."""
MOST_SHOWN = 5  # flipped texts, of each setting that is refused


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Texts, the suite's last, and the model's logits on them; `source` says what the others are."""

    subject: Subject
    suite: Suite | None
    source: str
    texts: list[str]
    reference: np.ndarray

    @cached_property
    def ids(self) -> list[list[int]]:
        return self.subject.runtime_tokenizer.tokenize(self.texts).ids

    def logits(self, graph: Graph) -> np.ndarray:
        """A graph's logits on the texts: the first ones one by one, the next in crowded batches, then as deployed."""
        ids = self.ids
        parts = ((ids[:ALONE], 1), (ids[ALONE : 4 * ALONE], CROWDED), (ids[4 * ALONE :], None))
        return np.concatenate([graph.logits(rows, batch_size=size) for rows, size in parts])


@dataclass(frozen=True, kw_only=True)
class MadeGraph:
    """A graph that passed."""

    facts: GraphFacts
    content: bytes
    logits: np.ndarray


def fp32_graph(proof: Proof, progress: Progress) -> MadeGraph:
    """The graph in 32 bits; raises BundleError when it isn't the model."""
    progress.say(f"{FP32_GRAPH}: exporting …")
    content = to_onnx(proof.subject.model)
    made = _proved(proof, FP32_GRAPH, "as trained", content)
    if complaint := fp32_complaint(made.facts.parity):
        raise BundleError(f"{FP32_GRAPH}: is not the model that it was made from: {complaint}")
    _say(made, progress)
    return made


def int8_graph(proof: Proof, progress: Progress) -> tuple[MadeGraph | None, tuple[Attempt, ...]]:
    """The smallest graph in 8 bits that passes, None where none does, and what was refused before.

    An export takes long. The first setting, all layers in 8 bits, is exported at once; each one after it is asked in
    PyTorch first, which computes the same, and exported where it passes there.
    """
    subject = proof.subject
    refused: list[Attempt] = []
    for method, model in _int8_settings(proof, progress):
        if refused:
            progress.say(f"{INT8_GRAPH}: asking PyTorch, {method} …")
            logits = replace(subject, model=model).reference(proof.texts, Silent())
            if _refused(proof, method, logits, refused, progress):
                continue
        progress.say(f"{INT8_GRAPH}: exporting, {method} …")
        try:
            content = to_onnx(model)
        except ModelError as error:  # which no other layers in 32 bits would mend
            refused.append(Attempt(method=method, complaint=str(error)))
            progress.say(f"{INT8_GRAPH}: {error}")
            break
        made = _proved(proof, INT8_GRAPH, method, content)
        if not _refused(proof, method, made.logits, refused, progress):
            _say(made, progress)
            return made, tuple(refused)
    if not refused:
        refused.append(Attempt(method="8 bits", complaint=f"the model has no linear layers{_others(subject.model)}"))
    progress.say(f"{INT8_GRAPH}: no setting passes, so it is left out")
    return None, tuple(refused)


def _refused(proof: Proof, method: str, logits: np.ndarray, refused: list[Attempt], progress: Progress) -> bool:
    """Whether logits of 8 bits don't pass; what they fail on is told and noted then."""
    complaint = int8_complaint(_parity(proof, logits))
    if complaint is None:
        return False
    refused.append(Attempt(method=method, complaint=complaint))
    progress.say(f"{INT8_GRAPH}: refused: {complaint}")
    changed = flipped(proof.reference, logits, proof.subject.decision, proof.subject.classes.positive)
    for row in changed[:MOST_SHOWN]:
        progress.say(f"  decided otherwise: {excerpt(proof.texts[row], 80)!r}")
    if len(changed) > MOST_SHOWN:
        progress.say(f"  and {len(changed) - MOST_SHOWN} more")
    return True


def _int8_settings(proof: Proof, progress: Progress) -> Iterator[tuple[str, PreTrainedModel]]:
    """What is tried, by name: the model in 8 bits but for some layers; which ones is found out when it is asked."""
    model, noisiest = proof.subject.model, list[str]()
    if not linear_layers(model):
        return
    texts = _calibration_texts(proof)
    progress.say(f"{INT8_GRAPH}: rounding the weights by the layers' inputs on {len(texts)} texts …")
    batches = list(_calibration_batches(proof.subject, texts))
    layers, others = int8_layers(model, batches), _others(model)
    for share in KEPT_SHARES:
        count = round(share * len(layers))
        if count and not noisiest:
            by_layer = noise(model, layers, batches[:: -(-len(batches) // NOISE_BATCHES)])
            noisiest = sorted(by_layer, key=by_layer.__getitem__, reverse=True)
        but = f" but for the {count} noisiest" if count else ""
        how = "in int8, a scale a channel and a range a token"
        yield (
            f"all {len(layers)} linear layers{but} {how}{others}",
            quantised(model, layers, kept=noisiest[:count]),
        )


def _calibration_texts(proof: Proof) -> list[str]:
    """Some texts that weights are rounded by: of the run's training rows, so that no text that is proved on is known.

    Outside a run there are none but those that are proved on. Their labels are never looked at.
    """
    run = proof.subject.run
    texts = proof.texts if run is None else run.texts("train")
    return texts[:: -(-len(texts) // CALIBRATION_ROWS)]


def _others(model: PreTrainedModel) -> str:
    """What is said of the weights that 8 bits don't know, which stay in 32."""
    others = other_weights(model)
    if not others:
        return ""
    in_layers = sum(layer.weight.numel() for layer in linear_layers(model).values())
    count = sum(weight.numel() for weight in others.values())
    share = count / (count + in_layers)
    return f"; {len(others)} weights that are of no linear layer ({share:.0%}, such as {next(iter(others))}) in float32"


def _calibration_batches(subject: Subject, texts: list[str]) -> Iterator[dict[str, torch.Tensor]]:
    """Texts of the same number of tokens each: there is no padding."""
    rows = encode(texts, subject.tokenizer, subject.max_length)
    for length in np.unique(rows.lengths):
        alike = np.flatnonzero(rows.lengths == length)
        for start in range(0, len(alike), CALIBRATION_BATCH):
            yield collate(rows, alike[start : start + CALIBRATION_BATCH])


def _proved(proof: Proof, file: str, method: str, content: bytes) -> MadeGraph:
    """A graph with what its parity is, whether it passes or not."""
    logits = proof.logits(proof.subject.graph(content, file))
    facts = GraphFacts(file=file, opset=OPSET, method=method, parity=_parity(proof, logits))
    return MadeGraph(facts=facts, content=content, logits=logits)


def _parity(proof: Proof, logits: np.ndarray) -> Parity:
    subject = proof.subject
    return parity(
        proof.reference,
        logits,
        subject.decision,
        subject.classes.positive,
        source=proof.source,
        cases=proof.suite.cases if proof.suite else (),
        class_names=subject.classes.names,
    )


def _say(made: MadeGraph, progress: Progress) -> None:
    facts, found = made.facts, made.facts.parity
    progress.say(
        f"{facts.file}: {len(made.content) / 1e6:.1f} MB; {found.decisions_equal:.2%} of {found.rows:,} decisions "
        f"equal, largest difference of a probability {found.largest_difference:.1e}"
    )
