"""ONNX graphs of every architecture against the model in PyTorch, at sizes and paddings that were not traced."""

import contextlib
from collections import Counter
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from tiny_models import CONFIGS, USUAL, VOCABULARY, tiny_classifier
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
)

from foreshot.errors import ModelError
from foreshot.exporting import onnx as export
from foreshot.exporting.int8 import linear_layers, quantised
from foreshot.exporting.onnx import OPSET, to_onnx
from foreshot.models.encoders import LAYER_STACK_FIELD
from foreshot.models.students import keep_layers

pytestmark = pytest.mark.usefixtures("torchlib_read_once")
SHAPES = [(1, 1), (1, 30), (5, 7), (2, 33)]


def some_rows(rows: int, tokens: int, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ids and mask; each row but the first is shorter than the one before."""
    generator = torch.Generator().manual_seed(tokens)
    ids = torch.randint(4, VOCABULARY, (rows, tokens), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(1, rows):
        mask[row, max(1, tokens - 2 * row) :] = 0
    return torch.where(mask == 1, ids, pad), mask


@cache
def exported(architecture: str) -> tuple[PreTrainedModel, bytes]:
    """A model of three classes, and its graph. An export takes seconds for each layer, so many have one alone.

    ModernBERT's and DeBERTa's first layers are unlike the others.
    """
    layers = 2 if architecture in {"bert", "deberta-v2", "modernbert"} else 1
    model = tiny_classifier(architecture, layers=layers, labels=3)
    return model, to_onnx(model)


@cache
def exported_in_8_bits(architecture: str) -> tuple[PreTrainedModel, bytes]:
    """A model of two classes, and its graph in 8 bits; the linear layers of an architecture are all alike."""
    model = tiny_classifier(architecture, layers=2 if architecture == "bert" else 1)
    return model, to_onnx(quantised(model))


def run(content: bytes, ids: torch.Tensor, mask: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})[0]


@pytest.mark.parametrize("architecture", CONFIGS)
def test_a_graph_gives_the_logits_of_the_model(architecture):
    model, content = exported(architecture)
    for shape in SHAPES:
        ids, mask = some_rows(*shape, pad=model.config.pad_token_id or 0)
        with torch.inference_mode():
            expected = model(input_ids=ids, attention_mask=mask).logits.numpy()
        assert run(content, ids, mask) == pytest.approx(expected, abs=1e-5), shape


@pytest.mark.slow  # the fast tests have a twin of one of them
@pytest.mark.parametrize(
    ("architecture", "fields"),
    [
        *(("nomic_bert", {}), ("eurobert", {}), ("gte", {}), ("jina_embeddings_v3", {})),
        *(("roformer", {"embedding_size": 16}), ("esm", {"position_embedding_type": "rotary"})),
        *(("qwen2", {"num_key_value_heads": 1}), ("gpt2", {"n_embd": 16, "n_head": 2, "n_layer": 2})),
    ],
)
def test_positions_that_turn_and_decoders_are_exported_as_transformers_computes_them(architecture, fields):
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        architecture, **{**USUAL, "num_hidden_layers": 2, "pad_token_id": 0, "num_labels": 3, **fields}
    )
    model = AutoModelForSequenceClassification.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    content = to_onnx(model)
    for shape in SHAPES:
        ids, mask = some_rows(*shape, pad=0)
        with torch.inference_mode():
            expected = model(input_ids=ids, attention_mask=mask).logits.numpy()
        assert run(content, ids, mask) == pytest.approx(expected, abs=1e-5), shape


def test_a_student_of_an_unknown_architecture_is_exported_too():
    torch.manual_seed(0)
    config = SqueezeBertConfig(**USUAL, embedding_size=16, num_hidden_layers=3)
    model = SqueezeBertForSequenceClassification(config).eval()
    setattr(model.config, LAYER_STACK_FIELD, "encoder.layers")
    student = keep_layers(model, (3, 1))
    content = to_onnx(student)
    ids, mask = some_rows(5, 7, pad=0)
    with torch.inference_mode():
        expected = student(input_ids=ids, attention_mask=mask).logits.numpy()
    assert run(content, ids, mask) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "architecture",
    [name if name in {"bert", "modernbert"} else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS],
)
def test_a_graph_in_8_bits_is_near_the_model_and_does_not_depend_on_the_batch(architecture):
    model, small = exported_in_8_bits(architecture)
    ids, mask = some_rows(6, 20, pad=model.config.pad_token_id or 0)
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits.numpy()
    together = run(small, ids, mask)
    size = float(np.abs(expected).max())
    assert np.abs(together - expected).max() < 0.1 * size
    assert (together != expected).any()
    for row in range(len(ids)):
        length = int(mask[row].sum())
        alone = run(small, ids[row : row + 1, :length], mask[row : row + 1, :length])
        assert alone[0] == pytest.approx(together[row], abs=0.02 * size)


def test_a_graph_in_8_bits_multiplies_integers():
    model, content = exported_in_8_bits("bert")
    graph = onnx.load_from_string(content).graph
    products = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == len(linear_layers(model)) == 13  # 2 layers of 6, and the pooler
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in products:
        weight = onnx.numpy_helper.to_array(constants[node.input[1]])
        assert weight.dtype == np.int8
        pairs = weight.astype(int).reshape(-1, 2, weight.shape[1])  # of which CPUs add the products in 16 bits
        assert 255 * np.maximum(pairs, 0).sum(axis=1).max() < 2**15
        assert 255 * np.minimum(pairs, 0).sum(axis=1).min() >= -(2**15)
        assert np.abs(weight).max() > 100


def test_a_graph_is_one_valid_file_that_tells_nothing_of_this_machine():
    _, content = exported("bert")
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    assert b"site-packages" not in content
    assert b".py" not in content


@pytest.mark.parametrize("architecture", sorted(set(CONFIGS) - {"deberta-v2"}))  # whose attention is another
def test_attention_is_one_operator(architecture):
    model, content = exported(architecture)
    operators = Counter(node.op_type for node in onnx.load_from_string(content).graph.node)
    assert operators["Attention"] == model.config.num_hidden_layers
    assert operators["Transpose"] <= 1  # MPNet's table of positions; the operator takes the heads apart itself


def test_token_types_that_nobody_gives_are_one_row():
    model, content = exported("bert")
    assert model.get_input_embeddings().num_embeddings == VOCABULARY
    operators = Counter(node.op_type for node in onnx.load_from_string(content).graph.node)
    assert operators["Gather"] <= 3  # of words, of positions, and the first token's state
    assert isinstance(model.bert.embeddings.token_type_embeddings, torch.nn.Embedding)  # the model itself stays


def test_a_decoder_is_exported_as_transformers_computes_it():
    """Its tokens see those before them alone, which no layer of ours knows."""
    model = tiny_classifier("bert", layers=1, labels=3)
    model.config.is_decoder = True
    content = to_onnx(model)
    ids, mask = some_rows(2, 9, model.config.pad_token_id)
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask).logits
    np.testing.assert_allclose(run(content, ids, mask), expected, rtol=0, atol=1e-5)


def test_a_model_too_large_for_a_file_is_refused(monkeypatch):
    monkeypatch.setattr(export, "MOST_BYTES", 1000)
    with pytest.raises(ModelError, match=r"^bert: its weights are .* GiB, and an ONNX file holds at most 2 GiB$"):
        to_onnx(tiny_classifier(layers=1))


def test_what_cannot_be_exported_is_told_in_one_line(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        try:
            raise ValueError("no such operator\nand a long trace")
        except ValueError as error:
            raise RuntimeError("Failed to export. This is step 1/3 of exporting") from error

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ModelError, match=r"^bert: can't be exported to ONNX \(no such operator\)$"):
        to_onnx(tiny_classifier(layers=1))


def test_the_last_layer_of_the_graph_is_computed_for_the_first_token_alone(monkeypatch):
    """The same graph but for that says the same, from more arithmetic: its second layer has all 17 tokens' states."""
    model, content = exported("bert")
    graphs = {"first": content}
    monkeypatch.setattr("foreshot.exporting.onnx.as_in_a_graph", lambda model: contextlib.nullcontext())
    graphs["all"] = to_onnx(model)
    ids = np.random.default_rng(0).integers(4, 50, (3, 17))
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    found, sizes = {}, {}
    for name, content in graphs.items():
        graph = onnx.load_from_string(content)
        last = [node for node in graph.graph.node if node.op_type == "LayerNormalization"][-1].output[0]
        graph.graph.output.append(onnx.ValueInfoProto(name=last))
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        found[name], states = session.run(["logits", last], inputs)
        sizes[name] = states.shape[1]
    assert sizes == {"first": 1, "all": 17}
    np.testing.assert_allclose(found["first"], found["all"], rtol=0, atol=1e-5)
