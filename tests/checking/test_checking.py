"""Check of a bundle, counted by hand on six cases: its labels, its decision and its graphs; and what is no bundle."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_bundles import make_manifest, tiny_bundle
from tiny_models import tiny_classifier, tiny_tokenizer

import foreshot
from cli_runs import SUITE_COLUMNS, write_csv
from foreshot.checking import check as checking
from foreshot.errors import BundleError, ConfigError, ModelError
from foreshot.models.classifiers import HubClassifier
from foreshot.progress import Silent
from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, MANIFEST_FILE, SUMS_FILE, sums_of
from foreshot.runtime.decisions import save_decision, scaled_probabilities
from foreshot.runtime.tokenization import TextTokenizer
from foreshot.settings.experiment import dump_experiment
from heard import Heard


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return tiny_bundle(tmp_path / "bundle")


def change_manifest(bundle: Path, **fields: object) -> None:
    manifest = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    (bundle / MANIFEST_FILE).write_text(json.dumps({**manifest, **fields}), encoding="utf-8")
    (bundle / SUMS_FILE).write_text(sums_of(bundle), encoding="ascii")


def test_a_bundle_on_a_suite_by_hand(bundle: Path, tiny_suite: Path) -> None:
    found = foreshot.check(bundle, str(tiny_suite))
    assert (found.suite.cases, found.suite.pairs, found.classes) == (6, 1, ["benign", "toxic"])
    assert (found.positive, found.decision.policy, found.announcements) == ("toxic", "argmax", [])
    assert found.model == str(bundle / FP32_GRAPH)
    assert found.result.accuracy.value == 4 / 6
    assert {name: share.value for name, share in found.result.by_label.items()} == {"benign": 2 / 3, "toxic": 2 / 3}
    assert {cell.name: cell.accuracy.value for cell in found.result.functionalities} == {
        **{"insult in a sentence": 1, "no insult": 1},
        **{"insult alone": 1 / 2, "banter": 0},
    }
    assert found.result.pairs_right.value == 1


def test_the_decision_is_the_manifests(bundle: Path, tiny_suite: Path) -> None:
    """A threshold of nearly 0 makes everything toxic, whatever the model says."""
    change_manifest(bundle, decision={"policy": "recall>=0.9", "threshold": 1e-9})
    found = foreshot.check(bundle, str(tiny_suite))
    assert found.decision.threshold == 1e-9
    assert {name: share.value for name, share in found.result.by_label.items()} == {"benign": 0, "toxic": 1}


def test_another_class_may_count_as_toxic(bundle: Path, tiny_suite: Path) -> None:
    change_manifest(bundle, decision={"policy": "recall>=0.9", "threshold": 1e-9})
    found = foreshot.check(bundle, str(tiny_suite), positive="benign")
    assert found.positive == "benign"
    assert {name: share.value for name, share in found.result.by_label.items()} == {"benign": 1, "toxic": 0}
    with pytest.raises(ConfigError, match=r"positive purple: is no class of .*; its classes are benign, toxic"):
        foreshot.check(bundle, str(tiny_suite), positive="purple")
    with pytest.raises(ConfigError, match="positive : is no class"):
        foreshot.check(bundle, str(tiny_suite), positive="")


def test_a_bundle_that_names_no_toxic_class_is_judged_by_its_labels(bundle: Path, tiny_suite: Path) -> None:
    change_manifest(bundle, positive=None)
    found = foreshot.check(bundle, str(tiny_suite))
    assert found.positive == "toxic"
    assert "guessed" in found.announcements[0]


def test_texts_are_not_normalised_twice(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite's entities are decoded as it is read: of what they spell none is left to decode."""
    kinds = [("you &amp;lt; me", "toxic", "kind", ""), ("you and me", "benign", "kind", "")]
    seen: list[str] = []
    tokenize = TextTokenizer.tokenize
    monkeypatch.setattr(TextTokenizer, "tokenize", lambda self, texts: seen.extend(texts) or tokenize(self, texts))
    foreshot.check(bundle, str(write_csv(tmp_path / "entities.csv", kinds, header=SUITE_COLUMNS)))
    assert seen == ["you &lt; me", "you and me"]


def test_progress_counts_every_case(bundle: Path, tiny_suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "WINDOW", 4)
    progress = Heard()
    found = foreshot.check(bundle, str(tiny_suite), progress=progress)
    assert progress.stages == [[f"scoring {bundle / FP32_GRAPH} on {tiny_suite}", 6, 6]]
    assert progress.open == 0
    monkeypatch.undo()
    assert foreshot.check(bundle, str(tiny_suite)) == found


# ---- several graphs ----


@pytest.fixture
def two_graphs(tmp_path: Path) -> Path:
    """A bundle that prefers the second of two graphs, which says the opposite of the first."""
    first = make_manifest().graphs[0]
    bundle = tiny_bundle(tmp_path / "two", graphs=[first.model_copy(update={"file": INT8_GRAPH}), first])
    opposite = onnx.load_from_string((bundle / INT8_GRAPH).read_bytes())
    (head,) = [constant for constant in opposite.graph.initializer if constant.name == "head"]
    head.CopyFrom(numpy_helper.from_array(np.eye(2, dtype=np.float32)[::-1].copy(), "head"))
    (bundle / INT8_GRAPH).write_bytes(opposite.SerializeToString())
    (bundle / SUMS_FILE).write_text(sums_of(bundle), encoding="ascii")
    return bundle


def test_the_preferred_graph_is_checked_unless_another_is_named(two_graphs: Path, tiny_suite: Path) -> None:
    preferred = foreshot.check(two_graphs, str(tiny_suite))
    named = foreshot.check(two_graphs, str(tiny_suite), file=FP32_GRAPH)
    assert (preferred.model, preferred.result.accuracy.value) == (str(two_graphs / INT8_GRAPH), 2 / 6)
    assert (named.model, named.result.accuracy.value) == (str(two_graphs / FP32_GRAPH), 4 / 6)
    assert preferred.fingerprint != named.fingerprint


def test_a_graph_that_is_not_there(bundle: Path, tiny_suite: Path) -> None:
    with pytest.raises(BundleError, match=r"has no model\.int8\.onnx; it has model\.onnx"):
        foreshot.check(bundle, str(tiny_suite), file=INT8_GRAPH)


def test_the_fingerprint_is_of_the_graph_the_tokenizer_and_the_manifest(bundle: Path, tiny_suite: Path) -> None:
    first = foreshot.check(bundle, str(tiny_suite)).fingerprint
    assert foreshot.check(bundle, str(tiny_suite)).fingerprint == first
    (bundle / "README.md").write_text("another card", encoding="utf-8")
    (bundle / SUMS_FILE).write_text(sums_of(bundle), encoding="ascii")
    assert foreshot.check(bundle, str(tiny_suite)).fingerprint == first
    change_manifest(bundle, max_length=5)
    assert foreshot.check(bundle, str(tiny_suite)).fingerprint != first


# ---- what is no bundle ----


def test_a_plain_model_has_no_graphs_to_choose_from(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file model.onnx: .* is no bundle"):
        foreshot.check(tmp_path, file=FP32_GRAPH)


def test_a_damaged_bundle_is_no_plain_model(bundle: Path) -> None:
    (bundle / MANIFEST_FILE).unlink()
    with pytest.raises(BundleError, match=r"foreshot\.json: is missing"):
        foreshot.check(bundle)


def test_a_plain_model_needs_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"is no bundle, .*: pip install 'foreshot\[train\]'"):
        foreshot.check(tmp_path)


# ---- a run's model ----


def test_a_runs_model_takes_texts_as_long_as_its_run_did(tmp_path: Path) -> None:
    """The two cases differ in their ninth word alone, and a threshold between their scores tells them apart."""
    run, model = tmp_path / "run", tmp_path / "run" / "students" / "odd" / "seed-0"
    tiny_classifier(layers=2).save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    texts = ["w1 w2 w3 w4 w5 w6 w7 w8 w9", "w1 w2 w3 w4 w5 w6 w7 w8 w20"]
    scores = scaled_probabilities(HubClassifier(str(model)).logits(texts, Silent()), 1.0)[:, 1]
    save_decision(Decision(policy="recall>=0.9", threshold=float(scores.mean())), model)
    labels = np.where(scores == scores.max(), "LABEL_1", "LABEL_0")
    cases = [(text, str(label), "kind", "") for text, label in zip(texts, labels, strict=True)]
    suite = str(write_csv(tmp_path / "long.csv", cases, header=SUITE_COLUMNS))
    assert foreshot.check(model, suite).result.accuracy.value == 1
    experiment = foreshot.Experiment(name="run", data="demo", encoder="demo", training={"max_length": 8})
    (run / "experiment.yaml").write_text(dump_experiment(experiment), encoding="utf-8")
    assert foreshot.check(model, suite).result.accuracy.value == 1 / 2
