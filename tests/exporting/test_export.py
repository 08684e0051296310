"""Export: bundles of every kind of model against plain Transformers and ONNX Runtime; what is proved, and refused."""

import json
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from families import tiny_family
from tiny_models import tiny_classifier, tiny_model_folder, tiny_tokenizer
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import foreshot
from cli_runs import INSULTS, SUITE_COLUMNS, contents, make_comments, make_suite, write_csv
from foreshot.data.table import read_texts
from foreshot.errors import BundleError, ConfigError, ForeshotError, ModelError
from foreshot.exporting import export as exporting
from foreshot.exporting import parity as parity_gates
from foreshot.exporting import proving, subject
from foreshot.exporting.export import export
from foreshot.exporting.int8 import Int8Linear, quantised
from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, MANIFEST_FILE, Manifest
from foreshot.runtime.decisions import save_decision
from foreshot.runtime.verifying import verify
from heard import Heard

pytestmark = pytest.mark.usefixtures("graphs_exported_once")
FOLDERS = {"teacher": "teacher", "full": "students/odd/seed-0", "lora": "students/odd-lora/seed-0"}
TEXTS = [*(text for text, _ in make_comments(12, seed=5)), *INSULTS[:3], "", "🤡 Ça va? ", "the second map " * 30]


@pytest.fixture(scope="module")
def bundles(
    finished_run: Path, tmp_path_factory: pytest.TempPathFactory, graphs_exported_once: None
) -> dict[str, Path]:
    """A bundle of each model, with both graphs."""
    place = tmp_path_factory.mktemp("bundles")
    for name, folder in FOLDERS.items():
        export(finished_run / folder, place / name)
    return {name: place / name for name in FOLDERS}


@pytest.fixture
def alone(finished_run: Path, tmp_path: Path) -> Path:
    """A model's folder outside any run."""
    return Path(shutil.copytree(finished_run / "students/odd/seed-0", tmp_path / "alone"))


@pytest.fixture
def three_classes(tmp_path: Path) -> Path:
    model = tiny_classifier(layers=1, labels=3)
    model.config.id2label = {0: "calm", 1: "cross", 2: "rude"}
    model.save_pretrained(tmp_path / "three")
    tiny_tokenizer().save_pretrained(tmp_path / "three")
    return tmp_path / "three"


@pytest.fixture
def old_bundle(bundles: dict[str, Path], tmp_path: Path) -> Path:
    """A bundle of another model, where a new one is to stand."""
    return Path(shutil.copytree(bundles["lora"], tmp_path / "place" / "bundle"))


def give_graph_of(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph in 32 bits that a model has already, instead of exporting it again."""
    content = (bundle / FP32_GRAPH).read_bytes()
    monkeypatch.setattr(proving, "to_onnx", lambda model: content)


def manifest_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    return found


@torch.inference_mode()
def transformers_scores(folder: Path, max_length: int, temperature: float = 1.0) -> np.ndarray:
    """Probabilities (texts, classes) by Transformers alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    logits = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**inputs).logits
    return (logits / temperature).softmax(dim=1).numpy()


def plain_scores(bundle: Path, file: str) -> np.ndarray:
    """Probabilities (texts, classes) by tokenizers and ONNX Runtime alone, text by text."""
    facts = manifest_of(bundle)
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokenizer.enable_truncation(facts["max_length"])
    session = onnxruntime.InferenceSession(bundle / file)
    rows = []
    for text in TEXTS:
        ids = np.array([tokenizer.encode(text).ids])
        logits = session.run(["logits"], {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        powers = np.exp(logits / facts["decision"]["temperature"])
        rows.append((powers / powers.sum()).ravel())
    return np.array(rows)


def foreshot_scores(bundle: Path, file: str) -> np.ndarray:
    return np.array([list(found.scores.values()) for found in foreshot.load(bundle, file=file)(TEXTS)])


# ---- the bundle is the model ----


@pytest.mark.parametrize("name", FOLDERS)
def test_scores_are_those_of_plain_transformers_and_plain_onnx_runtime(
    finished_run: Path, bundles: dict[str, Path], name: str
) -> None:
    temperature = manifest_of(bundles[name])["decision"]["temperature"]
    expected = transformers_scores(finished_run / FOLDERS[name], 24, temperature)
    assert foreshot_scores(bundles[name], FP32_GRAPH) == pytest.approx(expected, abs=1e-4)
    assert plain_scores(bundles[name], FP32_GRAPH) == pytest.approx(expected, abs=1e-4)
    assert foreshot_scores(bundles[name], INT8_GRAPH) == pytest.approx(expected, abs=0.1)
    assert plain_scores(bundles[name], INT8_GRAPH) == pytest.approx(
        foreshot_scores(bundles[name], INT8_GRAPH), abs=0.02
    )


@pytest.mark.parametrize("name", FOLDERS)
def test_folder_and_bundle_get_the_same_shares(
    finished_run: Path, bundles: dict[str, Path], suite: Path, name: str
) -> None:
    of_folder = foreshot.check(finished_run / FOLDERS[name], str(suite), positive="toxic")
    of_bundle = foreshot.check(bundles[name], str(suite), file=FP32_GRAPH)
    assert of_bundle.shares == of_folder.shares
    assert of_bundle.result.functionalities == of_folder.result.functionalities
    assert (of_bundle.classes, of_bundle.decision) == (of_folder.classes, of_folder.decision)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_bundle_verifies_where_it_was_made(bundles: dict[str, Path], name: str) -> None:
    assert verify(bundles[name]).differences == {
        INT8_GRAPH: pytest.approx(0, abs=1e-6),
        FP32_GRAPH: pytest.approx(0, abs=1e-6),
    }
    assert sorted(path.name for path in bundles[name].iterdir()) == [
        *("README.md", "SHA256SUMS", MANIFEST_FILE, INT8_GRAPH, FP32_GRAPH, "tokenizer.json")
    ]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_manifest_tells_what_results_json_does(finished_run: Path, bundles: dict[str, Path], name: str) -> None:
    results = json.loads((finished_run / "results.json").read_text(encoding="utf-8"))
    (model,) = [model for model in results["models"] if model["folder"] == FOLDERS[name]]
    found = manifest_of(bundles[name])
    origin = found["origin"]
    assert origin["model"] == found["name"] == f"whole/{FOLDERS[name]}"
    assert (origin["recipe"], origin["layer_map"], origin["seed"]) == (
        model["recipe"],
        model["layer_map"],
        model["seed"],
    )
    assert (origin["layers"], origin["parameters"]) == (len(model["layer_map"]), model["cost"]["parameters"])
    assert origin["data_fingerprint"] == results["data"]["fingerprint"]
    assert found["metrics"] == {key: model["test"][key] for key in found["metrics"]}
    assert found["metrics_rows"] == sum(sum(row) for row in model["test"]["confusion_matrix"]) == 40
    assert found["decision"] == model["decision"]
    assert (found["labels"], found["positive"], found["max_length"]) == (["benign", "toxic"], "toxic", 24)
    assert found["suite"] == results["suite"]
    preferred = foreshot.check(bundles[name], results["suite"]["name"])
    assert found["suite_result"]["accuracy"] == preferred.result.accuracy.model_dump()


@pytest.mark.parametrize("name", FOLDERS)
def test_parity_is_proved_on_the_validation_rows_and_the_suite(bundles: dict[str, Path], name: str) -> None:
    graphs = {graph["file"]: graph for graph in manifest_of(bundles[name])["graphs"]}
    assert list(graphs) == [INT8_GRAPH, FP32_GRAPH]
    for graph in graphs.values():
        assert graph["parity"]["source"] == "the run's validation rows"
        assert (graph["parity"]["rows"], graph["parity"]["suite_cases"]) == (20 + 24, 24)
    exact = graphs[FP32_GRAPH]["parity"]
    assert exact["largest_difference"] < 1e-4
    assert (exact["decisions_equal"], exact["suite_change"]) == (1, 0)
    assert graphs[INT8_GRAPH]["parity"]["largest_difference"] > exact["largest_difference"]


def test_8_bits_are_smaller(bundles: dict[str, Path]) -> None:
    """Of a model of some kilobytes the graph itself is most of the file; its weights are a quarter."""
    for bundle in bundles.values():
        assert (bundle / INT8_GRAPH).stat().st_size < (bundle / FP32_GRAPH).stat().st_size


# ---- what may be exported ----


def test_a_run_is_exported_as_its_verdict_says(
    finished_run: Path, bundles: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_graph_of(bundles["teacher"], monkeypatch)
    said = Heard()
    found = export(finished_run, tmp_path / "bundle", bits=["32"], progress=said)
    assert said.said[0].startswith("no student is recommended, so the teacher is exported: ")
    assert said.open == 0
    assert (found.name, found.origin.recipe, found.origin.verdict) == ("whole/teacher", None, None)
    assert [graph.file for graph in found.graphs] == [FP32_GRAPH]
    assert not (tmp_path / "bundle" / INT8_GRAPH).exists()
    assert Manifest.model_validate(manifest_of(tmp_path / "bundle")) == found


def test_a_folder_outside_any_run(alone: Path, suite: Path, tmp_path: Path) -> None:
    (alone / "decision.json").unlink()
    found = export(alone, tmp_path / "bundle", bits=["32"], suite=str(suite))
    assert (found.name, found.origin.run, found.metrics, found.decision.policy) == ("alone", None, {}, "argmax")
    assert found.graphs[0].parity.source == "no rows besides the suite"
    assert found.max_length == 64  # as many positions as it has
    scores = transformers_scores(alone, 64)
    assert foreshot_scores(tmp_path / "bundle", FP32_GRAPH) == pytest.approx(scores, abs=1e-4)
    assert str(tmp_path) not in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")


def test_a_bundle_can_be_made_again_bit_by_bit(
    alone: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the date set both are the same, file by file; in 8 bits weights are rounded by what the model is asked."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    (tmp_path / "about.md").write_text("For *trials*.\n", encoding="utf-8")
    told = {"language": "en", "licence": "mit", "about": str(tmp_path / "about.md")}
    for name in ("first", "second"):
        made = export(alone, tmp_path / name, bits=["8"], suite=str(suite), **told)
    assert made.made_at == "2023-11-14T22:13:20+00:00"
    first, second = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("first", "second")
    )
    assert first == second
    assert b"\nlanguage: en\n" in first["README.md"]
    assert b"\nlicense: mit\n" in first["README.md"]
    assert b"For *trials*." in first["README.md"]


def test_three_classes_are_proved_on_rows_of_a_file(three_classes: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"three: nothing to prove it on; name texts with rows FILE$"):
        export(three_classes, tmp_path / "bundle", positive="rude")
    rows = write_csv(tmp_path / "rows.csv", [(f"w{row} w{row + 1}", "x") for row in range(30)])
    found = export(
        three_classes,
        tmp_path / "bundle",
        bits=["32"],
        rows=str(rows),
        text="comment",
        max_length=9,
        positive="rude",
    )
    assert (found.labels, found.positive, found.suite, found.max_length) == (["calm", "cross", "rude"], "rude", None, 9)
    assert (found.graphs[0].parity.rows, found.graphs[0].parity.suite_cases) == (30, None)
    (prediction,) = foreshot.load(tmp_path / "bundle")("w1 w2")
    assert prediction.decision == ("block" if prediction.label == "rude" else "allow")
    assert list(prediction.scores) == found.labels


def test_thresholds_come_along_and_decide(
    alone: Path, bundles: dict[str, Path], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_graph_of(bundles["full"], monkeypatch)
    decision = Decision(policy="recall>=0.9", temperature=2.0, threshold=0.25)
    save_decision(decision, alone)
    found = export(alone, tmp_path / "bundle", bits=["32"], suite=str(suite))
    assert found.decision == decision
    scores = transformers_scores(alone, 64, temperature=2.0)[:, 1]
    blocked = [prediction.decision == "block" for prediction in foreshot.load(tmp_path / "bundle")(TEXTS)]
    assert blocked == (scores >= 0.25).tolist()


# ---- what may not ----


def change_config(folder: Path, **fields: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, **fields}), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda folder: change_config(folder, problem_type="multi_label_classification"),
            "is not of the model's labels",
        ),
        (lambda folder: change_config(folder, problem_type="regression"), "its problem_type is regression: its logits"),
        (lambda folder: change_config(folder, id2label={"0": "a", "1": "a"}), "two of its labels have the same name"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "its weights are not there"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 99), "can't be loaded as a text classifier"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "has no vocabulary"),
        (lambda folder: add_token(folder, "@user"), "has none for (@user); add rows with resize_token_embeddings"),
        (lambda folder: (folder / "decision.json").write_text("{", encoding="utf-8"), "decision.json: is damaged"),
        (lambda folder: (folder / "config.json").rename(folder / "adapter_config.json"), "is a LoRA adapter alone"),
    ],
)
def test_models_that_can_not_be_exported(alone: Path, damage: Callable[[Path], Any], complaint: str) -> None:
    damage(alone)
    before = contents(alone.parent)
    with pytest.raises(ModelError) as error:
        export(alone, alone.parent / "bundle")
    assert complaint in str(error.value)
    assert str(error.value).isprintable()
    assert contents(alone.parent) == before


def test_a_tokenizer_that_cuts_at_the_start_is_refused(alone: Path, tmp_path: Path) -> None:
    settings = json.loads((alone / "tokenizer_config.json").read_text(encoding="utf-8"))
    (alone / "tokenizer_config.json").write_text(json.dumps({**settings, "truncation_side": "left"}), encoding="utf-8")
    with pytest.raises(ModelError, match="alone: its tokenizer cuts long texts at their start"):
        export(alone, tmp_path / "bundle")


def test_a_tokenizer_that_gives_other_tokens_without_transformers_is_refused(
    alone: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven tokens of each text are all that Transformers gives here; of 24 texts, 16 have more."""
    encode = subject.encode
    monkeypatch.setattr(subject, "encode", lambda texts, tokenizer, _: encode(texts, tokenizer, 7))
    with pytest.raises(
        ModelError, match=r"tokenizer\.json alone gives other tokens for 16 of 24 texts, such as 'the stu"
    ):
        export(alone, tmp_path / "bundle", suite=str(suite))


def test_the_sigmoid_of_one_logit_is_a_bundles_score(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "one", labels=("toxic",))
    suite = write_csv(tmp_path / "suite.csv", [("w1", "1", "f", ""), ("w2", "0", "f", "")], header=SUITE_COLUMNS)
    manifest = export(folder, tmp_path / "bundle", suite=str(suite), bits=["32"])
    assert (manifest.labels, manifest.positive) == (["not toxic", "toxic"], "toxic")
    expected = [answer["score"] for answer in pipeline("text-classification", str(folder))(["w1 w2", "w7", "w3"])]
    found = foreshot.load(tmp_path / "bundle")(["w1 w2", "w7", "w3"])
    assert [prediction.scores["toxic"] for prediction in found] == pytest.approx(expected, abs=1e-5)


def add_token(folder: Path, token: str) -> None:
    """Add a token to a model's tokenizer alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens([token])
    tokenizer.save_pretrained(folder)


def test_a_model_whose_scores_depend_on_the_batch_is_refused(tmp_path: Path) -> None:
    """A server would give a text one score or another, by what comes at the same time."""
    tiny_family("convbert").save_pretrained(tmp_path / "model")
    tiny_tokenizer().save_pretrained(tmp_path / "model")
    with pytest.raises(ModelError, match="model: convbert looks at the padding of a batch"):
        export(tmp_path / "model", tmp_path / "bundle")


def test_adapters_and_unknown_models(finished_run: Path, tmp_path: Path) -> None:
    adapter = finished_run / "students/lora/seed-0/adapter"
    with pytest.raises(ModelError, match=r"adapter: is a LoRA adapter alone; name the folder of the model that it was"):
        export(adapter, tmp_path / "bundle")
    with pytest.raises(ModelError, match=r"^some-org/some-model: no such folder, not in the local cache, and"):
        export("some-org/some-model", tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"bits": []}, r"^bits : must be 32, 8, or both by comma$"),
        ({"bits": ["16"]}, r"^bits 16: must be"),
        ({"bits": ["32", "eight"]}, r"^bits 32,eight: must be"),
        ({"max_length": 7}, r"^max_length 7: must be at least 8$"),
        ({"max_length": -1}, r"^max_length -1: must be at least 8$"),
        ({"positive": "purple"}, r"^positive purple: is no class of"),
        ({"positive": ""}, r"^positive : is no class of"),
        ({"rows": "nowhere.csv"}, r"nowhere\.csv"),
        ({"suite": "nowhere.csv"}, r"nowhere\.csv"),
        ({"about": "nowhere.md"}, r"^about nowhere\.md: can't be read"),
        ({"language": "a b"}, r"^language 'a b': must be a name that the hub knows"),
    ],
)
def test_settings_that_make_no_sense(finished_run: Path, tmp_path: Path, settings: Any, complaint: str) -> None:
    with pytest.raises(ForeshotError, match=complaint):
        export(finished_run / "teacher", tmp_path / "bundle", **settings)
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_not_there(finished_run: Path, comments: Path, tmp_path: Path) -> None:
    with pytest.raises(ForeshotError, match=r"comments\.csv: has no column 'words'; its columns are comment, toxic"):
        export(finished_run / "teacher", tmp_path / "bundle", rows=str(comments), text="words")


# ---- graphs that fail their proof ----


def turned_round(model: Any, **_: Any) -> Any:
    """A copy that takes each class for the other."""
    other = deepcopy(model)
    with torch.no_grad():
        other.classifier.weight.copy_(other.classifier.weight.flip(0))
        other.classifier.bias.copy_(other.classifier.bias.flip(0))
    return other


def test_a_graph_in_32_bits_that_is_another_model_is_refused(
    alone: Path, suite: Path, old_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(old_bundle.parent)
    to_onnx = proving.to_onnx
    monkeypatch.setattr(proving, "to_onnx", lambda model: to_onnx(turned_round(model)))
    with pytest.raises(
        BundleError, match=r"^model\.onnx: is not the model that it was made from: a probability differs"
    ):
        export(alone, old_bundle, suite=str(suite))
    assert contents(old_bundle.parent) == before


def test_the_next_setting_is_tried_and_flipped_texts_are_told(
    alone: Path, suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try takes each class for the other; the second is right."""
    tries: list[list[str]] = []

    def sabotaged(model: Any, layers: Any, *, kept: list[str]) -> Any:
        tries.append(kept)
        return quantised(model, layers, kept=kept) if len(tries) > 1 else turned_round(model)

    monkeypatch.setattr(proving, "quantised", sabotaged)
    said = Heard()
    found = export(alone, tmp_path / "bundle", suite=str(suite), progress=said)
    assert [graph.file for graph in found.graphs] == [INT8_GRAPH, FP32_GRAPH]
    assert tries[0] == []
    assert len(tries[1]) == round(13 / 16) == 1  # of two layers' 6 each, and the pooler
    assert "but for the 1 noisiest" in found.graphs[0].method
    (refused,) = found.refused
    assert refused.complaint.startswith("24 of 24 decisions differ, 100.00%")
    assert f"{INT8_GRAPH}: refused: {refused.complaint}" in said.said
    flips = [line for line in said.said if line.startswith("  decided otherwise: ")]
    assert len(flips) == 5
    assert flips[2] == "  decided otherwise: 'stupid'"
    assert "  and 19 more" in said.said
    assert foreshot.check(tmp_path / "bundle", str(suite)).shares == foreshot.check(alone, str(suite)).shares


def test_where_no_setting_passes_32_bits_are_shipped_alone(
    alone: Path, bundles: dict[str, Path], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but the first setting in 8 bits are refused by what PyTorch says of them: none of these is exported."""
    give_graph_of(bundles["full"], monkeypatch)
    monkeypatch.setattr(parity_gates, "INT8_DECISIONS_EQUAL", 1.1)
    said = Heard()
    found = export(alone, tmp_path / "bundle", suite=str(suite), progress=said)
    exports = [line for line in said.said if ": exporting" in line]
    assert [line.split(":")[0] for line in exports] == [FP32_GRAPH, INT8_GRAPH]
    assert [graph.file for graph in found.graphs] == [FP32_GRAPH]
    assert [attempt.method.split(" in int8")[0] for attempt in found.refused] == [
        "all 13 linear layers",
        *(f"all 13 linear layers but for the {count} noisiest" for count in (1, 2, 3, 6)),
    ]
    assert f"{INT8_GRAPH}: no setting passes, so it is left out" in said.said
    assert not (tmp_path / "bundle" / INT8_GRAPH).exists()
    assert found.refused[0].complaint in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")
    assert verify(tmp_path / "bundle").differences.keys() == {FP32_GRAPH}


def test_weights_are_rounded_by_texts_that_nothing_is_proved_on(
    finished_run: Path,
    alone: Path,
    bundles: dict[str, Path],
    suite: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the run's training rows; outside a run there are none but those that are proved on."""
    seen: list[list[str]] = []

    def no_batches(_: Any, texts: list[str]) -> Any:
        seen.append(texts)
        return iter(())

    give_graph_of(bundles["full"], monkeypatch)
    monkeypatch.setattr(proving, "_calibration_batches", no_batches)
    monkeypatch.setattr(proving, "CALIBRATION_ROWS", 10)
    for model in (finished_run / FOLDERS["full"], alone):
        export(model, tmp_path / f"bundle of {model.name}", suite=str(suite))
    of_run, of_folder = seen
    training = read_texts(finished_run / "data" / "train.parquet", text="text")
    assert 5 < len(of_run) <= 10
    assert of_run == training[:: len(training) // len(of_run)][: len(of_run)]
    assert 5 < len(of_folder) <= 10
    assert set(of_folder) <= {text for text, *_ in make_suite()}


def test_where_8_bits_alone_are_wanted_and_fail_nothing_is_written(
    alone: Path, suite: Path, old_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_graph_of(old_bundle, monkeypatch)
    monkeypatch.setattr(parity_gates, "INT8_DECISIONS_EQUAL", 1.1)
    before = contents(old_bundle.parent)
    with pytest.raises(BundleError, match=r"no setting of 8 bits decides as the model does; export it with bits 32,8$"):
        export(alone, old_bundle, bits=["8"], suite=str(suite))
    assert contents(old_bundle.parent) == before


def test_where_8_bits_know_nothing_of_a_model_that_is_said(
    alone: Path, bundles: dict[str, Path], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_graph_of(bundles["full"], monkeypatch)
    monkeypatch.setattr(proving, "linear_layers", lambda _: {})
    said = Heard()
    found = export(alone, tmp_path / "bundle", suite=str(suite), progress=said)
    assert [graph.file for graph in found.graphs] == [FP32_GRAPH]
    assert [attempt.complaint for attempt in found.refused] == ["the model has no linear layers"]
    assert f"{INT8_GRAPH}: no setting passes, so it is left out" in said.said


def test_weights_that_stay_in_32_bits_are_said(
    alone: Path, bundles: dict[str, Path], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many numbers as in all linear layers: half of what is multiplied by."""
    give_graph_of(bundles["full"], monkeypatch)
    convolution = torch.zeros(2 * (4 * 32 + 2 * 64) + 32, 32)
    monkeypatch.setattr(proving, "other_weights", lambda _: {"conv.weight": convolution})
    found = export(alone, tmp_path / "bundle", suite=str(suite))
    method = found.graphs[0].method
    assert method.startswith("all 13 linear layers in int8, ")
    assert method.endswith("; 1 weights that are of no linear layer (50%, such as conv.weight) in float32")
    assert "conv.weight" in (tmp_path / "bundle" / "README.md").read_text(encoding="utf-8")


def test_where_8_bits_can_not_be_exported_32_are_shipped_alone(
    alone: Path, bundles: dict[str, Path], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = (bundles["full"] / FP32_GRAPH).read_bytes()

    def to_onnx(model: Any) -> bytes:
        if any(isinstance(module, Int8Linear) for module in model.modules()):
            raise ModelError("bert: can't be exported to ONNX (no such operator)")
        return content

    monkeypatch.setattr(proving, "to_onnx", to_onnx)
    found = export(alone, tmp_path / "bundle", suite=str(suite))
    assert [graph.file for graph in found.graphs] == [FP32_GRAPH]
    assert [attempt.complaint for attempt in found.refused] == ["bert: can't be exported to ONNX (no such operator)"]


def test_no_bundle_is_written_that_would_fail_on_a_text(
    alone: Path, bundles: dict[str, Path], suite: Path, old_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokenizer has a token more than its embedding has rows: what the examination would refuse before."""
    monkeypatch.setattr(subject, "examine", lambda *_: None)
    tokenizer = AutoTokenizer.from_pretrained(alone)
    tokenizer.add_tokens(["<who>"])
    tokenizer.save_pretrained(alone)
    give_graph_of(bundles["full"], monkeypatch)
    before = contents(old_bundle.parent)
    with pytest.raises(BundleError, match=r"bundle/model\.onnx: fails on '<who>', a token of its tokenizer; mend"):
        export(alone, old_bundle, bits=["32"], suite=str(suite))
    assert contents(old_bundle.parent) == before


# ---- the folder that is written ----


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize(("place", "step"), [(proving, "to_onnx"), (exporting, "card"), (exporting, "sums_of")])
def test_whatever_fails_the_old_bundle_stays(
    finished_run: Path, old_bundle: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, place: Any, step: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    if step != "to_onnx":
        give_graph_of(old_bundle, monkeypatch)
    monkeypatch.setattr(place, step, fail)
    before = contents(old_bundle.parent)
    with pytest.raises(type(error)):
        export(finished_run / FOLDERS["lora"], old_bundle, bits=["32"])
    assert contents(old_bundle.parent) == before


def test_a_bundle_is_replaced_whole(finished_run: Path, old_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_graph_of(old_bundle, monkeypatch)
    export(finished_run / FOLDERS["lora"], old_bundle, bits=["32"])
    assert sorted(path.name for path in old_bundle.iterdir()) == [
        *("README.md", "SHA256SUMS", MANIFEST_FILE, FP32_GRAPH, "tokenizer.json")
    ]
    assert [path.name for path in old_bundle.parent.iterdir()] == ["bundle"]


def test_a_link_to_a_bundle_leads_to_the_new_one(
    finished_run: Path, old_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_graph_of(old_bundle, monkeypatch)
    link = old_bundle.parent / "current"
    link.symlink_to("bundle")
    export(finished_run / FOLDERS["lora"], link, bits=["32"])
    assert link.is_symlink()
    assert not (old_bundle / INT8_GRAPH).exists()
    assert sorted(path.name for path in old_bundle.parent.iterdir()) == ["bundle", "current"]


@pytest.mark.parametrize("name", ["SHA256SUMS", "notes.txt"])
def test_a_folder_of_something_else_is_refused_and_untouched(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Before anything is loaded."""
    monkeypatch.setattr(subject, "find_classifier", None)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("mine", encoding="utf-8")
    (tmp_path / "mine" / "thesis.tex").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    with pytest.raises(
        BundleError, match=r"mine: holds (notes\.txt|thesis\.tex), which is no part of a bundle; choose"
    ):
        export(finished_run / "teacher", tmp_path / "mine")
    with pytest.raises(BundleError, match=r"thesis\.tex: can't hold a bundle"):
        export(finished_run / "teacher", tmp_path / "mine" / "thesis.tex")
    assert contents(tmp_path) == before
