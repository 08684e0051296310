"""Graphs in ONNX Runtime: logits by hand, in any batches; what a bundle's graph may not be or want."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_bundles import WORDS, make_graph

from foreshot.errors import BundleError
from foreshot.runtime.graph import BATCH_TOKENS, Graph
from waiting import PATIENCE

YOU, FOOL, DAY, CLS, SEP = (WORDS.index(word) for word in ("you", "fool", "day", "[CLS]", "[SEP]"))


def load(content: bytes, **options: Any) -> Graph:
    return Graph(content, **{"classes": 2, "pad_token_id": 0, "where": "bundle/model.onnx", **options})


def test_logits_by_hand() -> None:
    """A word brings (1, 0), a rude one (0, 16), and the sum is divided by all tokens."""
    ids = [[CLS, YOU, SEP], [CLS, YOU, FOOL, SEP], [CLS, SEP], [CLS, FOOL, FOOL, DAY, YOU, SEP]]
    expected = [[1 / 3, 0], [1 / 4, 16 / 4], [0, 0], [2 / 6, 32 / 6]]
    for batch_size in (1, 2, 3, 4, 100):
        found = load(make_graph()).logits(ids, batch_size=batch_size)
        assert found.dtype == np.float32
        assert found == pytest.approx(np.array(expected), abs=1e-6)


def test_no_text_and_a_text_of_no_tokens() -> None:
    graph = load(make_graph(3), classes=3)
    assert graph.logits([]).shape == (0, 3)
    assert graph.logits([[], [YOU]])[1].tolist() == [1, 0, 0]


class Recorded:
    """A session that notes down what it is given, and gives back the length of each row."""

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        assert outputs == ["logits"]
        self.given.append(inputs)
        lengths = inputs["attention_mask"].sum(axis=1, keepdims=True)
        return [np.hstack([lengths, lengths]).astype(np.float32)]


def test_texts_of_like_length_are_computed_together_and_padded_with_the_given_token() -> None:
    graph = load(make_graph(), pad_token_id=9, threads=1)
    graph._session = session = Recorded()
    found = graph.logits([[5], [5, 6, 7, 8], [5, 6], [5, 6, 7]], batch_size=2)
    assert found[:, 0].tolist() == [1, 4, 2, 3]
    assert [inputs["input_ids"].tolist() for inputs in session.given] == [
        [[5, 6, 7, 8], [5, 6, 7, 9]],
        [[5, 6], [5, 9]],
    ]
    assert session.given[1]["attention_mask"].tolist() == [[1, 1], [1, 0]]


def test_batches_hold_a_number_of_tokens_with_their_padding() -> None:
    graph = load(make_graph(), threads=1)
    graph._session = session = Recorded()
    lengths = [BATCH_TOKENS // 2, BATCH_TOKENS // 2 - 1, 2 * BATCH_TOKENS, *[1] * (BATCH_TOKENS + 1)]
    found = graph.logits([[YOU] * length for length in lengths])
    assert found[:, 0].tolist() == lengths
    shapes = [inputs["input_ids"].shape for inputs in session.given]
    assert shapes == [(1, 2 * BATCH_TOKENS), (2, BATCH_TOKENS // 2), (BATCH_TOKENS, 1), (1, 1)]


def test_batches_are_computed_side_by_side_and_each_text_gets_its_own() -> None:
    graph = load(make_graph(), threads=3)
    all_at_once = threading.Barrier(3)

    class Waiting(Recorded):
        def run(self, *asked: Any) -> list[np.ndarray]:
            all_at_once.wait(timeout=PATIENCE)  # raises, if less than three run
            return super().run(*asked)

    graph._session = Waiting()
    assert graph.logits([[YOU] * length for length in range(1, 10)], batch_size=1)[:, 0].tolist() == list(range(1, 10))


def test_what_fails_in_one_of_many_batches_is_told() -> None:
    graph = load(make_graph(), threads=2)
    with pytest.raises(BundleError, match="fails on a text"):
        graph.logits([[YOU]] * 7 + [[10_000]], batch_size=1)


def test_an_id_without_an_embedding_is_told_in_one_line() -> None:
    with pytest.raises(
        BundleError, match=r"^bundle/model\.onnx: fails on a text \(.*out of data bounds.*\); export it"
    ):
        load(make_graph()).logits([[CLS, 10**6, SEP]])


# ---- graphs that are not a bundle's ----


def graph_of(
    output: tuple[str, int, list[Any] | None],
    nodes: list[onnx.NodeProto],
    *,
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    kind: int = TensorProto.INT64,
) -> bytes:
    """A small graph; `axes` is the constant [1], `pairs` the shape [-1, 2]."""
    constants = {"axes": np.array([1]), "pairs": np.array([-1, 2])}
    graph = helper.make_graph(
        nodes,
        "other",
        inputs=[helper.make_tensor_value_info(name, kind, ["batch", "tokens"]) for name in inputs],
        outputs=[helper.make_tensor_value_info(*output)],
        initializer=[numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10).SerializeToString()


def cast(output: str, to: int) -> list[onnx.NodeProto]:
    return [helper.make_node("Cast", ["input_ids"], [output], to=to)]


FLOAT, SHAPE = TensorProto.FLOAT, ["batch", 2]
TYPES = "its inputs and outputs are not those of a bundle; export it again"
LOGITS = "its logits are not float32 of (batch, classes); export it again"
OTHERS = {
    "one input": (graph_of(("logits", FLOAT, SHAPE), cast("logits", FLOAT), inputs=("input_ids",)), TYPES),
    "three inputs": (
        graph_of(("logits", FLOAT, SHAPE), cast("logits", FLOAT), inputs=("input_ids", "attention_mask", "more")),
        TYPES,
    ),
    "another input": (graph_of(("logits", FLOAT, SHAPE), cast("logits", FLOAT), inputs=("input_ids", "mask")), TYPES),
    "int32 ids": (graph_of(("logits", FLOAT, SHAPE), cast("logits", FLOAT), kind=TensorProto.INT32), TYPES),
    "another output": (graph_of(("scores", FLOAT, SHAPE), cast("scores", FLOAT)), TYPES),
    "whole numbers": (graph_of(("logits", TensorProto.INT32, SHAPE), cast("logits", TensorProto.INT32)), LOGITS),
    "texts": (graph_of(("logits", TensorProto.STRING, SHAPE), cast("logits", TensorProto.STRING)), LOGITS),
    "half precision": (graph_of(("logits", TensorProto.FLOAT16, SHAPE), cast("logits", TensorProto.FLOAT16)), LOGITS),
    "one number": (
        graph_of(
            ("logits", FLOAT, []),
            [*cast("floats", FLOAT), helper.make_node("ReduceSum", ["floats"], ["logits"], keepdims=0)],
        ),
        LOGITS,
    ),
    "three axes": (
        graph_of(
            ("logits", FLOAT, ["batch", 1, 2]),
            [*cast("floats", FLOAT), helper.make_node("Unsqueeze", ["floats", "axes"], ["logits"])],
        ),
        LOGITS,
    ),
    "no number of classes": (
        graph_of(("logits", FLOAT, ["batch", "\x1b[31m"]), cast("logits", FLOAT)),
        "gives [31m logits for 2 labels; export it again",
    ),
    "another number of classes": (make_graph(5), "gives 5 logits for 2 labels; export it again"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_inputs_and_outputs_are_refused(kind: str) -> None:
    content, complaint = OTHERS[kind]
    with pytest.raises(BundleError) as error:
        load(content)
    assert str(error.value) == f"bundle/model.onnx: {complaint}"


def test_a_graph_that_lies_about_its_shape_is_told_in_one_line() -> None:
    """Two logits for each two tokens, not for each row."""
    reshaped = [*cast("floats", FLOAT), helper.make_node("Reshape", ["floats", "pairs"], ["logits"])]
    graph = load(graph_of(("logits", FLOAT, SHAPE), reshaped))
    assert graph.logits([[1, 2]]).tolist() == [[1, 2]]
    with pytest.raises(BundleError, match=r"^bundle/model\.onnx: gives logits of shape \(2, 2\) for 1 texts"):
        graph.logits([[1, 2, 3, 4]])


# ---- weights in other files ----


def with_weights_in(location: str, *, in_node: bool) -> bytes:
    """The tiny graph, whose embedding stands in a file: as an initializer, or in a Constant node."""
    model = onnx.load_from_string(make_graph())
    (embedding,) = [constant for constant in model.graph.initializer if constant.name == "embedding"]
    entries = {"location": location, "offset": "0", "length": str(len(embedding.raw_data))}
    embedding.ClearField("raw_data")
    embedding.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        embedding.external_data.add(key=key, value=value)
    if in_node:
        nodes = [helper.make_node("Constant", [], ["embedding"], value=embedding), *model.graph.node]
        model.graph.initializer.remove(embedding)
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return model.SerializeToString()


@pytest.mark.parametrize("in_node", [False, True], ids=["initializer", "constant"])
@pytest.mark.parametrize("place", ["absolute", "here", "folder", "above", "far above", "nowhere"])
def test_weights_in_another_file_are_refused_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, in_node: bool
) -> None:
    embedding = next(tensor for tensor in onnx.load_from_string(make_graph()).graph.initializer)
    inside = tmp_path / "bundle"
    inside.mkdir()
    for weights in (tmp_path / "w.bin", inside / "w.bin"):
        weights.write_bytes(embedding.raw_data)
    monkeypatch.chdir(inside)
    locations = {
        "absolute": str(tmp_path / "w.bin"),
        "here": "w.bin",
        "folder": "./w.bin",
        "above": "../w.bin",
        "far above": "../" * 20 + str(tmp_path / "w.bin")[1:],
        "nowhere": "../nowhere.bin",
    }
    content = with_weights_in(locations[place], in_node=in_node)
    with pytest.raises(BundleError) as error:
        load(content)
    assert str(error.value) == "bundle/model.onnx: wants weights from another file; a bundle's graph holds its own"


def test_weights_at_an_address_in_memory_are_refused() -> None:
    """How ONNX Runtime marks weights that it holds itself."""
    with pytest.raises(BundleError, match=r"^bundle/model\.onnx: can't be run \([^\n]*\)$"):
        load(with_weights_in("*/_ORT_MEM_ADDR_/*", in_node=False))
