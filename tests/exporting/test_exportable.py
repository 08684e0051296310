"""What is found out before a training about the export after it: architectures by their twins."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from tiny_bundles import make_graph
from tiny_models import USUAL, tiny_config
from transformers import AutoConfig, PreTrainedConfig

from foreshot.errors import ModelError
from foreshot.exporting import exportable
from foreshot.exporting.exportable import check_architecture
from foreshot.models.encoders import ModelSource

PAST_ITS_END = 50_000  # an id that no twin has a row for


def source_of(kind: str, **fields: object) -> ModelSource:
    config = AutoConfig.for_model(kind, **{**USUAL, "num_hidden_layers": 4, **fields})
    return ModelSource(name="theirs", folder=Path("theirs"), config=config, fingerprint="")


def same_score_for_each_class() -> bytes:
    """A graph whose two logits are both the mean of the ids."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axis"], ["mean"]),
        helper.make_node("Concat", ["mean", "mean"], ["logits"], axis=1),
    ]
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    asked = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])]
    axis = [onnx.numpy_helper.from_array(np.array([1]), "axis")]
    graph = helper.make_graph(nodes, "mean", given, asked, initializer=axis)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


def refused(source: ModelSource) -> str:
    with pytest.raises(ModelError) as caught:
        check_architecture(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        "nomic_bert",
        pytest.param("eurobert", marks=pytest.mark.slow),
        pytest.param("gte", marks=pytest.mark.slow),
        pytest.param("squeezebert", marks=pytest.mark.slow),
    ],
)
def test_a_twin_of_an_architecture_that_is_not_known_is_exported(kind: str) -> None:
    before = torch.random.get_rng_state()
    check_architecture(source_of(kind, vocab_size=60_000, pad_token_id=PAST_ITS_END, embedding_size=16))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.slow
def test_texts_whose_scores_depend_on_their_batch_are_refused() -> None:
    """FNet mixes a text with its padding."""
    assert refused(source_of("fnet")) == (
        "theirs: fnet: can't be exported to ONNX (in a batch it gives a text other scores)"
    )


def test_known_architectures_cost_no_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exportable, "to_onnx", None)
    for kind in ("bert", "modernbert", "deberta-v2"):
        config: PreTrainedConfig = tiny_config(kind, 2)
        check_architecture(ModelSource(name="theirs", folder=Path(), config=config, fingerprint=""))


def test_a_graph_that_is_not_its_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of("ernie")
    monkeypatch.setattr(exportable, "to_onnx", lambda _: same_score_for_each_class())
    assert refused(source) == "theirs: ernie: can't be exported to ONNX (as a graph it gives a text other scores)"
    monkeypatch.setattr(exportable, "to_onnx", lambda _: make_graph())  # of a vocabulary of 15
    assert refused(source).startswith("theirs: its graph: fails on a text (")


def test_what_can_not_be_made_smaller_is_told() -> None:
    """Funnel counts its layers by blocks."""
    config = AutoConfig.for_model("funnel", vocab_size=50, d_model=16, n_head=2, d_head=8, block_sizes=[2, 2])
    source = ModelSource(name="theirs", folder=Path(), config=config, fingerprint="")
    assert refused(source).startswith("theirs: funnel: can't be made with few layers to try an export (")
