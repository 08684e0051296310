"""The tiny bundle that other tests use: it is whole, and scores as its formula says."""

import pytest
from tiny_bundles import SELF_TEST, make_manifest, probabilities_of, tiny_bundle

from foreshot.runtime.bundle import GraphFacts
from foreshot.runtime.classifier import load


def test_it_scores_as_its_formula_says(tmp_path):
    texts = [*SELF_TEST, "Hello you fool", "thank you kind idiot fool day", " ".join(["day"] * 13 + ["walnut"])]
    classifier = load(tiny_bundle(tmp_path / "tiny"))
    for text, found in zip(texts, classifier(texts), strict=True):
        assert list(found.scores.values()) == pytest.approx(probabilities_of(text), abs=1e-6)
        assert found.label == ("toxic" if {"walnut", "fool", "idiot"} & set(text.split()) else "benign")
        assert not found.truncated
    assert classifier("you " * 15)[0].truncated


def test_more_labels_and_another_graph(tmp_path):
    graph = make_manifest().graphs[0].model_dump()
    graphs = [GraphFacts(**graph), GraphFacts(**{**graph, "file": "model.int8.onnx"})]
    folder = tiny_bundle(tmp_path, labels=["a", "b", "c"], graphs=graphs)
    for file in ("model.onnx", "model.int8.onnx"):
        (found,) = load(folder, file=file)("you walnut")
        assert (found.label, found.decision) == ("b", None)
        assert list(found.scores.values()) == pytest.approx(probabilities_of("you walnut", 3), abs=1e-6)
