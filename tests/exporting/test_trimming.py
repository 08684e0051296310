"""Trimming: bundles without rare word pieces against the whole model by Transformers, and what is said of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
import torch
from families import tiny_family
from tiny_models import tiny_model_folder
from tiny_tokenizers import TEXTS, byte_pairs, likeliest_pieces, word_pieces
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

import foreshot
from cli_runs import contents, write_csv
from foreshot.data.table import read_texts
from foreshot.errors import BundleError, ConfigError, ModelError
from foreshot.exporting import proving
from foreshot.exporting.export import export
from foreshot.exporting.subject import find_subject
from foreshot.exporting.trimming import trim
from foreshot.progress import Silent
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, MANIFEST_FILE, ChangedTexts, Manifest, TrimmedVocabulary
from foreshot.runtime.verifying import verify
from heard import Heard

pytestmark = pytest.mark.usefixtures("graphs_exported_once")
SEEN, UNSEEN = TEXTS[:12], TEXTS[12:60]
FAMILIES = [
    *(("bert", word_pieces), ("roberta", byte_pairs), ("roberta", word_pieces), ("xlm-roberta", likeliest_pieces)),
    *(("deberta-v2", likeliest_pieces), ("albert", likeliest_pieces), ("modernbert", byte_pairs)),
]


def saved(folder: Path, family: str, make: Callable[[], Tokenizer]) -> Path:
    """A classifier of three classes with this tokenizer, in a folder."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=make(), **{"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "unk_token": "<unk>"}
    )
    named = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "cls", "sep")}
    positions = tokenizer.pad_token_id + 65
    model = tiny_family(
        *(family,), vocab_size=len(tokenizer), num_hidden_layers=1, num_labels=3, max_position_embeddings=positions,
        **named, id2label={0: "calm", 1: "cross", 2: "rude"},
    )  # fmt: skip
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@torch.inference_mode()
def transformers_probabilities(folder: Path, texts: list[str], max_length: int) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(texts, padding=True, truncation=True, max_length=max_length, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    return AutoModelForSequenceClassification.from_pretrained(folder).eval()(**inputs).logits.softmax(dim=1).numpy()


def probabilities(bundle: Path, texts: list[str]) -> np.ndarray:
    return np.array([list(found.scores.values()) for found in foreshot.load(bundle, file=FP32_GRAPH)(texts)])


def with_other_tokens(folder: Path, bundle: Path, texts: list[str], max_length: int) -> np.ndarray:
    """Which texts (texts,) the two folders' tokenizers write with other pieces, by their names."""
    pieces = []
    for place in (folder, bundle):
        tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_length)
        pieces.append([tokenizer.encode(text).tokens for text in texts])
    return np.array([old != new for old, new in zip(*pieces, strict=True)])


def test_texts_whose_tokens_stay_get_the_whole_models_scores(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model", "roberta", byte_pairs)
    before = contents(folder)
    rows = write_csv(tmp_path / "rows.csv", [(text, "x") for text in SEEN])
    asked = {"rows": str(rows), "text": "comment", "positive": "rude", "bits": ["32"], "trim_vocabulary": True}
    manifest = export(folder, tmp_path / "bundle", **asked)
    assert contents(folder) == before
    changed = with_other_tokens(folder, tmp_path / "bundle", UNSEEN, manifest.max_length)
    assert 0 < changed.sum() < len(UNSEEN)
    difference = np.abs(
        transformers_probabilities(folder, UNSEEN, manifest.max_length) - probabilities(tmp_path / "bundle", UNSEEN)
    ).max(axis=1)
    assert difference[~changed].max() < 1e-4 < difference[changed].max()
    assert manifest.vocabulary == TrimmedVocabulary(
        pieces=Tokenizer.from_file(str(tmp_path / "bundle" / "tokenizer.json")).get_vocab_size(),
        pieces_before=len(AutoTokenizer.from_pretrained(folder)),
        least_rows=1,
        source=str(rows),
        changed=(ChangedTexts(source=str(rows), texts=12, other_tokens=0, other_decisions=0),),
    )
    assert manifest.vocabulary.pieces < manifest.vocabulary.pieces_before
    assert verify(tmp_path / "bundle").differences[FP32_GRAPH] < 1e-6


@pytest.mark.parametrize(("family", "make"), FAMILIES)
def test_ids_that_a_model_knows_by_itself_are_its_own(
    family: str, make: Callable[[], Tokenizer], tmp_path: Path
) -> None:
    """RoBERTa's positions begin after the number of its padding token, and there may be words before that."""
    found = find_subject(str(saved(tmp_path / "model", family, make)), None, "rude", None, Silent())
    trimming = trim(found, SEEN, [], source="texts", least_rows=1, progress=Silent())
    assert trimming.facts.pieces < trimming.facts.pieces_before
    of_whole, of_trimmed = (subject.reference(SEEN, Silent()) for subject in (found, trimming.trimmed))
    assert of_trimmed == pytest.approx(of_whole, abs=1e-6)
    config = trimming.trimmed.model.config
    assert trimming.kept[config.pad_token_id] == found.tokenizer.pad_token_id
    assert trimming.trimmed.tokenizer.pad_token_id == config.pad_token_id
    tables = [subject.model.get_input_embeddings().weight for subject in (found, trimming.trimmed)]
    assert [len(table) for table in tables] == [found.model.config.vocab_size, config.vocab_size]
    assert torch.equal(tables[0][trimming.kept], tables[1])


# ---- of a run ----


@pytest.fixture(scope="module")
def bundle(finished_run: Path, tmp_path_factory: pytest.TempPathFactory, graphs_exported_once: None) -> Path:
    """A student without the pieces that fewer than 40 of the training rows have."""
    place = tmp_path_factory.mktemp("trimmed") / "bundle"
    export(finished_run / "students/odd/seed-0", place, trim_vocabulary=True, least_rows=40)
    return place


def part(finished_run: Path, name: str) -> list[str]:
    found: list[str] = pq.read_table(finished_run / "data" / f"{name}.parquet")["text"].to_pylist()
    return found


def manifest_of(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    return found


def test_pieces_of_enough_training_rows_stay_and_those_of_the_suite(
    finished_run: Path, bundle: Path, suite: Path
) -> None:
    whole = Tokenizer.from_file(str(finished_run / "students/odd/seed-0/tokenizer.json"))
    rows = [set(whole.encode(text).tokens) for text in part(finished_run, "train")]
    of_suite = {token for text in read_texts(suite, text="text") for token in whole.encode(text).tokens}
    wanted = {
        piece
        for piece in whole.get_vocab()
        if sum(piece in of_row for of_row in rows) >= 40 or piece in of_suite or len(piece.removeprefix("##")) == 1
    }
    staying = Tokenizer.from_file(str(bundle / "tokenizer.json")).get_vocab()
    assert set(staying) == wanted | {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    assert sorted(staying.values()) == list(range(len(staying)))
    facts = manifest_of(bundle)["vocabulary"]
    assert (facts["pieces"], facts["pieces_before"]) == (len(staying), whole.get_vocab_size())


def test_what_trimming_changes_is_counted_apart(finished_run: Path, bundle: Path) -> None:
    """Against both models asked anew: the whole one by Transformers, the trimmed one as it is deployed."""
    folder, manifest = finished_run / "students/odd/seed-0", Manifest.model_validate(manifest_of(bundle))
    assert manifest.vocabulary is not None
    found = {texts.source: texts for texts in manifest.vocabulary.changed}
    assert list(found) == ["the run's validation rows", "the suite's cases", "the run's test rows"]
    assert (found["the suite's cases"].texts, found["the suite's cases"].other_tokens) == (24, 0)
    for name in ("validation", "test"):
        texts = part(finished_run, name)
        changed = with_other_tokens(folder, bundle, texts, 24)
        labels = transformers_probabilities(folder, texts, 24).argmax(axis=1)
        decided_otherwise = labels != probabilities(bundle, texts).argmax(axis=1)
        assert 0 < changed.sum() < len(texts)
        assert found[f"the run's {name} rows"] == ChangedTexts(
            source=f"the run's {name} rows",
            texts=len(texts),
            other_tokens=int(changed.sum()),
            other_decisions=int(decided_otherwise.sum()),
        )


def test_both_graphs_are_proved_and_told_of(finished_run: Path, bundle: Path) -> None:
    manifest = manifest_of(bundle)
    assert [graph["file"] for graph in manifest["graphs"]] == [INT8_GRAPH, FP32_GRAPH]
    assert [graph["parity"]["rows"] for graph in manifest["graphs"]] == [20 + 24, 20 + 24]
    assert manifest["graphs"][1]["parity"]["largest_difference"] < 1e-4
    results = json.loads((finished_run / "results.json").read_text(encoding="utf-8"))
    (model,) = [model for model in results["models"] if model["folder"] == "students/odd/seed-0"]
    assert manifest["origin"]["parameters"] == model["cost"]["parameters"]  # of the model that it was made from
    card = (bundle / "README.md").read_text(encoding="utf-8")
    kept, before = manifest["vocabulary"]["pieces"], manifest["vocabulary"]["pieces_before"]
    assert f"Its tokenizer keeps {kept} of {before} word pieces: those that go are in fewer than 40 of" in card
    test = manifest["vocabulary"]["changed"][2]
    assert f"| the run's test rows | 40 | {test['other_tokens']} (" in card


def test_a_graph_that_is_not_the_model_is_refused(
    finished_run: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows in another order are the vectors of other words."""
    proto = onnx.load(bundle / FP32_GRAPH)
    shape = [manifest_of(bundle)["vocabulary"]["pieces"], 32]
    (table,) = (weights for weights in proto.graph.initializer if list(weights.dims) == shape)
    table.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(table)[::-1].copy(), table.name))
    content = proto.SerializeToString()
    monkeypatch.setattr(proving, "to_onnx", lambda model: content)
    with pytest.raises(
        BundleError, match=r"^model\.onnx: is not the model that it was made from: a probability differs"
    ):
        export(
            finished_run / "students/odd/seed-0", tmp_path / "other", bits=["32"], trim_vocabulary=True, least_rows=99
        )
    assert not list(tmp_path.iterdir())


def test_words_of_a_list_stay(finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the comments' words "builder" and "guide" alone are in fewer than 40 training rows and in no case."""
    folder = finished_run / "students/odd/seed-0"
    whole = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    (tmp_path / "words.txt").write_text("guide", encoding="utf-8")
    sizes = []

    def stop(model: PreTrainedModel) -> bytes:
        sizes.append(model.config.vocab_size)
        raise ModelError("enough")

    monkeypatch.setattr(proving, "to_onnx", stop)
    asked: dict[str, Any] = {"trim_vocabulary": True, "least_rows": 40, "keep_words": str(tmp_path / "words.txt")}
    with pytest.raises(ModelError, match="enough"):
        export(folder, tmp_path / "bundle", **asked)
    assert sizes == [whole - 1]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"least_rows": 2}, r"^least_rows: says what trim_vocabulary leaves; ask for that, too$"),
        ({"keep_words": "words.txt"}, r"^keep_words: says what trim_vocabulary leaves; ask for that, too$"),
        ({"least_rows": 0, "trim_vocabulary": True}, r"^least_rows 0: must be at least 1$"),
        (
            {"trim_vocabulary": True},
            r"model: is of no run, so nobody knows .*; name texts .* with rows FILE$",
        ),
    ],
)
def test_what_can_not_be_asked(asked: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    tiny_model_folder(tmp_path / "model")
    before = contents(tmp_path)
    with pytest.raises(ConfigError, match=complaint):
        export(tmp_path / "model", tmp_path / "bundle", **asked)
    assert contents(tmp_path) == before


def test_a_tokenizer_of_whole_words_is_refused_before_the_model_is_asked(tmp_path: Path) -> None:
    folder = tiny_model_folder(tmp_path / "model")
    rows = write_csv(tmp_path / "rows.csv", [("w1 w2", "x"), ("w3", "y")])
    said = Heard()
    with pytest.raises(ModelError, match="its tokenizer, a WordLevel, can't do with fewer pieces"):
        export(folder, tmp_path / "bundle", rows=str(rows), text="comment", trim_vocabulary=True, progress=said)
    assert said.stages == []
