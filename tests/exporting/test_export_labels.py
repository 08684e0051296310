"""Export of multi-label models against the sigmoid of plain Transformers; what is judged, proved and refused."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import onnxruntime
import pytest
import torch
from scipy.special import expit
from tiny_models import tiny_classifier, tiny_tokenizer
from tokenizers import Tokenizer
from transformers import PreTrainedModel, pipeline

import foreshot
from cli_runs import SUITE_COLUMNS, write_csv
from foreshot.errors import BundleError, ConfigError, ForeshotError, ModelError
from foreshot.exporting import proving
from foreshot.exporting.export import export
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, MANIFEST_FILE
from foreshot.runtime.decisions import save_decision
from foreshot.runtime.verifying import verify

pytestmark = pytest.mark.usefixtures("graphs_exported_once")
LABELS = ("toxic", "insult", "threat")
TEXTS = [f"w{row} w{2 * row % 41} w{7 * row % 43}" for row in range(40)]
THRESHOLDS = LabelDecisions(
    judged="insult",
    by_label={
        "toxic": Decision(policy="argmax", temperature=2.0),
        "insult": Decision(policy="recall>=0.9", temperature=0.5, threshold=0.3),
        "threat": Decision(policy="review:recall>=0.9,fpr<=0.05", threshold=0.7, review_threshold=0.55),
    },
)


def make_model(
    folder: Path,
    labels: tuple[str, ...] = LABELS,
    change: Callable[[PreTrainedModel], None] = lambda _: None,
    **config: Any,
) -> Path:
    """A multi-label model with random weights, as Transformers saves it; about half the `TEXTS` have each label."""
    model: PreTrainedModel = tiny_classifier(layers=1, labels=len(labels), seed=3)
    inputs = tiny_tokenizer()(TEXTS, padding=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.no_grad():
        spread = model(**inputs).logits.std(dim=0)
        model.classifier.weight.div_(spread[:, None])
        model.classifier.bias.sub_(model(**inputs).logits.median(dim=0).values + 0.01)
    model.config.problem_type = "multi_label_classification"
    model.config.id2label = dict(enumerate(labels))
    change(model)
    for name, value in config.items():
        setattr(model.config, name, value)
    model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "several")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_csv(tmp_path_factory.mktemp("rows") / "rows.csv", [(text, "x") for text in TEXTS]))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> str:
    kinds = [(text, "toxic" if row % 2 else "benign", "kind", "") for row, text in enumerate(TEXTS[:10])]
    return str(write_csv(tmp_path_factory.mktemp("suite") / "suite.csv", kinds, header=SUITE_COLUMNS))


@pytest.fixture(scope="module")
def bundle(
    model: Path, rows: str, cases: str, tmp_path_factory: pytest.TempPathFactory, graphs_exported_once: None
) -> Path:
    """With a graph in 8 bits, whatever it loses on so few texts, all near one half."""
    out = tmp_path_factory.mktemp("bundle") / "bundle"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proving, "int8_complaint", lambda _: None)
        export(model, out, rows=rows, text="comment", suite=cases)
    return out


@pytest.fixture
def ready_graph(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph in 32 bits of a model of `make_model`, instead of exporting it again."""
    content = (bundle / FP32_GRAPH).read_bytes()
    monkeypatch.setattr(proving, "to_onnx", lambda _: content)


def sigmoids(model: Path, texts: list[str]) -> list[dict[str, float]]:
    """Each label's probability, by Transformers' own pipeline."""
    found = pipeline("text-classification", model=str(model), top_k=None, function_to_apply="sigmoid")(texts)
    return [{one["label"]: one["score"] for one in of_text} for of_text in found]


def at_temperature(score: float, temperature: float) -> float:
    """The sigmoid of a logit, which is that of `score`, over a temperature."""
    return 1 / (1 + ((1 - score) / score) ** (1 / temperature))


def manifest_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    return found


# ---- the bundle is the model ----


def test_scores_are_the_sigmoids_of_plain_transformers(model: Path, bundle: Path) -> None:
    for prediction, scores in zip(foreshot.load(bundle, file=FP32_GRAPH)(TEXTS), sigmoids(model, TEXTS), strict=True):
        assert list(prediction.scores) == list(LABELS)
        assert prediction.scores == pytest.approx(scores, abs=1e-5)


@pytest.mark.parametrize(("file", "tolerance"), [(FP32_GRAPH, 1e-5), (INT8_GRAPH, 2e-3)])
def test_scores_are_the_sigmoids_of_plain_onnx_runtime(bundle: Path, file: str, tolerance: float) -> None:
    """In 8 bits a last bit, which other optimisations of a graph change, can take an activation to its next step."""
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    session = onnxruntime.InferenceSession(bundle / file)
    for prediction, text in zip(foreshot.load(bundle, file=file)(TEXTS), TEXTS, strict=True):
        ids = np.array([tokenizer.encode(text).ids])
        (logits,) = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        assert list(prediction.scores.values()) == pytest.approx(expit(logits.astype(float)), abs=tolerance)


def test_a_text_has_every_label_above_one_half(model: Path, bundle: Path) -> None:
    expected = [tuple(name for name in LABELS if scores[name] > 0.5) for scores in sigmoids(model, TEXTS)]
    found = foreshot.load(bundle, file=FP32_GRAPH)(TEXTS)
    assert [prediction.labels for prediction in found] == expected
    assert len(set(expected)) > 2
    for prediction in found:
        toxic = "toxic" in prediction.labels
        assert (prediction.label, prediction.decision) == (("toxic", "block") if toxic else ("not toxic", "allow"))


def test_the_manifest_says_what_it_is(model: Path, bundle: Path) -> None:
    found = manifest_of(bundle)
    argmax = Decision(policy="argmax").model_dump()
    assert (found["labels"], found["positive"], found["decision"]) == (list(LABELS), "toxic", argmax)
    assert found["decisions"] == {"judged": "toxic", "by_label": dict.fromkeys(LABELS, argmax)}
    assert list(found["suite_result"]["by_label"]) == ["not toxic", "toxic"]
    assert [graph["parity"]["rows"] for graph in found["graphs"]] == [50, 50]
    exact = found["graphs"][-1]["parity"]
    assert (exact["decisions_equal"], exact["suite_change"]) == (1, 0)
    assert exact["largest_difference"] < 1e-5
    assert verify(bundle).differences == {
        INT8_GRAPH: pytest.approx(0, abs=1e-6),
        FP32_GRAPH: pytest.approx(0, abs=1e-6),
    }


def test_folder_and_bundle_get_the_same_shares(model: Path, bundle: Path, cases: str) -> None:
    of_folder, of_bundle = foreshot.check(model, cases), foreshot.check(bundle, cases, file=FP32_GRAPH)
    assert of_bundle.result.functionalities == of_folder.result.functionalities
    assert of_bundle.classes == of_folder.classes == ["not toxic", "toxic"]
    scores = [scores["toxic"] > 0.5 for scores in sigmoids(model, TEXTS[:10])]
    assert of_folder.result.accuracy.value == np.mean([found == bool(row % 2) for row, found in enumerate(scores)])
    assert "of its labels, 'toxic' is judged (--positive names another)" in of_folder.announcements[0]


@pytest.mark.usefixtures("ready_graph")
def test_another_label_is_judged_when_it_is_named(model: Path, bundle: Path, rows: str, cases: str, tmp_path: Path):
    of_folder, of_bundle = (foreshot.check(place, cases, positive="threat") for place in (model, bundle))
    assert of_folder.positive == of_bundle.positive == "threat"
    assert of_folder.announcements == of_bundle.announcements == []
    scores = [scores["threat"] > 0.5 for scores in sigmoids(model, TEXTS[:10])]
    assert of_folder.result.accuracy.value == np.mean([found == bool(row % 2) for row, found in enumerate(scores)])
    found = export(model, tmp_path / "bundle", bits=["32"], rows=rows, text="comment", suite=cases, positive="threat")
    assert found.decisions is not None
    assert (found.positive, found.decisions.judged) == ("threat", "threat")
    for place in (model, bundle):
        with pytest.raises(ConfigError, match=r"^positive purple: is no label of .*; its labels are toxic, insu"):
            foreshot.check(place, cases, positive="purple")


@pytest.mark.usefixtures("ready_graph")
def test_thresholds_and_temperatures_are_each_labels_own(rows: str, cases: str, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model")
    save_decision(THRESHOLDS, folder)
    found = export(folder, tmp_path / "bundle", bits=["32"], rows=rows, text="comment", suite=cases)
    assert (found.decisions, found.decision) == (THRESHOLDS, THRESHOLDS.by_label["insult"])
    assert found.positive == "insult"
    expected = sigmoids(folder, TEXTS)
    flagged = []
    for prediction, plain in zip(foreshot.load(tmp_path / "bundle")(TEXTS), expected, strict=True):
        scores = {
            "toxic": at_temperature(plain["toxic"], 2.0),
            "insult": at_temperature(plain["insult"], 0.5),
            "threat": plain["threat"],
        }
        assert prediction.scores == pytest.approx(scores, abs=1e-5)
        least = {"toxic": 0.5, "insult": 0.3, "threat": 0.55}  # what goes to review counts as flagged
        flagged.append(tuple(name for name in LABELS if scores[name] >= least[name]))
        assert prediction.labels == flagged[-1]
        assert prediction.decision == ("block" if scores["insult"] >= 0.3 else "allow")
    assert len(set(flagged)) > 2


def test_one_label_is_enough(rows: str, cases: str, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "one", ("hate",))
    found = export(folder, tmp_path / "bundle", bits=["32"], rows=rows, text="comment", suite=cases)
    assert (found.labels, found.positive) == (["hate"], "hate")
    for prediction, scores in zip(foreshot.load(tmp_path / "bundle")(TEXTS), sigmoids(folder, TEXTS), strict=True):
        assert prediction.scores == pytest.approx(scores, abs=1e-5)


# ---- proof ----


def reverse_threats(model: PreTrainedModel) -> None:
    """Turn the sign of the logit of a label that isn't judged."""
    with torch.no_grad():
        model.classifier.weight[2] *= -1
        model.classifier.bias[2] *= -1


@pytest.mark.usefixtures("ready_graph")
def test_a_graph_that_differs_in_a_label_that_is_not_judged_is_refused(
    rows: str, cases: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "KEPT_SHARES", (0.0,))
    folder, said = make_model(tmp_path / "model", change=reverse_threats), list[str]()
    told = SimpleNamespace(say=said.append, begin=Mock(), advance=Mock(), end=Mock())
    for bits, complaint in (("32", r"^model\.onnx: is not the model"), ("8", "no setting of 8 bits")):
        with pytest.raises(BundleError, match=complaint):
            export(folder, tmp_path / "bundle", bits=[bits], rows=rows, text="comment", suite=cases, progress=told)
    assert f"{INT8_GRAPH}: refused: 50 of 50 decisions differ, 100.00%; 0.5% may" in said


# ---- what can't be exported or checked ----


def test_where_no_label_says_that_it_is_toxic_one_must_be_named(cases: str, tmp_path: Path) -> None:
    folder = make_model(tmp_path / "model", ("red", "blue"))
    for act in (lambda: export(folder, tmp_path / "bundle"), lambda: foreshot.check(folder, cases)):
        with pytest.raises(ConfigError) as error:
            act()
        assert str(error.value) == (
            f"{folder}: none of its labels (red, blue) is taken for toxic; name one with positive"
        )
    assert foreshot.check(folder, cases, positive="blue").classes == ["not blue", "blue"]


def write_decision(content: object) -> Callable[[Path], None]:
    return lambda folder: (folder / "decision.json").write_text(json.dumps(content), encoding="utf-8")


ARGMAX = {"policy": "argmax"}


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (write_decision(ARGMAX), "decision.json: is not of the model's labels (toxic, insult, threat, in this order)"),
        (write_decision({"judged": "toxic", "by_label": {"toxic": ARGMAX}}), "decision.json: is not of the model's"),
        (
            write_decision({"judged": "toxic", "by_label": dict.fromkeys(reversed(LABELS), ARGMAX)}),
            "decision.json: is not of the model's labels",
        ),
        (write_decision({"judged": "x", "by_label": dict.fromkeys(LABELS, ARGMAX)}), "its judged label 'x' is none of"),
        (lambda folder: make_model(folder, ("toxic", "toxic", "threat")), "have the same name; rename them"),
    ],
)
def test_models_that_contradict_themselves(
    cases: str, tmp_path: Path, damage: Callable[[Path], object], complaint: str
) -> None:
    folder = make_model(tmp_path / "model")
    damage(folder)
    for act in (lambda: export(folder, tmp_path / "bundle"), lambda: foreshot.check(folder, cases)):
        with pytest.raises(ForeshotError) as error:
            act()
        assert complaint in str(error.value)
        assert str(error.value).isprintable()
    assert not (tmp_path / "bundle").exists()


def test_decisions_of_several_labels_for_a_model_of_classes(tmp_path: Path, cases: str) -> None:
    folder = make_model(tmp_path / "model", problem_type="single_label_classification")
    save_decision(THRESHOLDS, folder)
    with pytest.raises(ModelError, match=r"decision\.json: is of several labels, and config\.json doesn't say multi_l"):
        export(folder, tmp_path / "bundle")
