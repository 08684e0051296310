"""Verify: a bundle that is whole and scores as at its export, and those that aren't or don't."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from tiny_bundles import make_manifest, make_tokenizer, tiny_bundle, with_token
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from foreshot.errors import BundleError
from foreshot.runtime.bundle import (
    FP32_GRAPH,
    INT8_GRAPH,
    MANIFEST_FILE,
    SUMS_FILE,
    TOKENIZER_FILE,
    SelfTest,
    sums_of,
)
from foreshot.runtime.classifier import load
from foreshot.runtime.verifying import TOLERANCES, verify


@pytest.fixture
def two_graphs(tmp_path: Path) -> Path:
    graph = make_manifest().graphs[0]
    return tiny_bundle(tmp_path / "two", graphs=[graph.model_copy(update={"file": INT8_GRAPH}), graph])


def mend_sums(bundle: Path) -> None:
    (bundle / SUMS_FILE).write_text(sums_of(bundle), encoding="ascii")


def scale_weights(bundle: Path, file: str, factor: float) -> None:
    """Replace a graph's last weights, and mend the sums as whoever did so would."""
    model = onnx.load_from_string((bundle / file).read_bytes())
    (head,) = [constant for constant in model.graph.initializer if constant.name == "head"]
    head.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(head) * np.float32(factor), "head"))
    (bundle / file).write_bytes(model.SerializeToString())
    mend_sums(bundle)


def change_self_test(bundle: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    manifest = json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))
    change(manifest["self_test"])
    (bundle / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    mend_sums(bundle)


def test_a_whole_bundle(two_graphs: Path, foreshot: Callable[..., Any]) -> None:
    verified = verify(two_graphs)
    assert verified.files == ["README.md", MANIFEST_FILE, INT8_GRAPH, FP32_GRAPH, "tokenizer.json"]
    assert verified.texts == 3
    assert verified.differences.keys() == {INT8_GRAPH, FP32_GRAPH}
    assert max(verified.differences.values()) < 1e-6
    done = foreshot("verify", two_graphs)
    assert done.exit_code == 0, done.stderr
    first, *others = done.stdout.splitlines()
    assert first == f"{two_graphs}: 5 files are as they were exported"
    assert [line.split(" (")[0] for line in others] == [
        f"{INT8_GRAPH}: scores 3 texts as at export",
        f"{FP32_GRAPH}: scores 3 texts as at export",
    ]


@pytest.mark.parametrize("file", [INT8_GRAPH, FP32_GRAPH])
def test_a_graph_that_scores_otherwise_is_found_out(two_graphs: Path, foreshot: Callable[..., Any], file: str) -> None:
    scale_weights(two_graphs, file, 0.5)
    with pytest.raises(BundleError, match=rf"{file}: scores the self-test otherwise than where it was exported"):
        verify(two_graphs)
    done = foreshot("verify", two_graphs)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_a_graph_that_gives_no_numbers_is_found_out(two_graphs: Path) -> None:
    scale_weights(two_graphs, FP32_GRAPH, np.nan)
    with pytest.raises(BundleError, match=r"model\.onnx: gives a text a score that is no number; export it again$"):
        verify(two_graphs)


@pytest.mark.parametrize(("file", "other"), [(FP32_GRAPH, INT8_GRAPH), (INT8_GRAPH, FP32_GRAPH)])
def test_how_far_scores_may_lie_off(two_graphs: Path, file: str, other: str) -> None:
    """The expected score is moved by a little less, then a little more, than what the graph is allowed."""

    def move(by: float) -> Callable[[list[dict[str, Any]]], None]:
        def change(tests: list[dict[str, Any]]) -> None:
            tests[-1]["scores"][file][0] = 0.5 + by

        return change

    change_self_test(two_graphs, move(0.99 * TOLERANCES[file]))
    assert verify(two_graphs).differences[file] == pytest.approx(0.99 * TOLERANCES[file], rel=1e-2)
    change_self_test(two_graphs, move(1.01 * TOLERANCES[file]))
    with pytest.raises(BundleError, match=rf"{file}: scores the self-test otherwise"):
        verify(two_graphs)


@pytest.mark.parametrize(
    "change",
    [
        lambda tests: tests.clear(),
        lambda tests: tests[1]["scores"].pop(INT8_GRAPH),
        lambda tests: tests[1]["scores"][INT8_GRAPH].pop(),
        lambda tests: tests[1]["scores"][INT8_GRAPH].append(0.0),
        lambda tests: [test["scores"].clear() for test in tests],
    ],
    ids=["no texts", "one text without", "a class too few", "a class too many", "none"],
)
def test_a_self_test_that_tests_nothing_is_refused(two_graphs: Path, change: Any) -> None:
    change_self_test(two_graphs, change)
    with pytest.raises(BundleError, match=r"its self-test lacks scores of model\.int8\.onnx; export the bundle again$"):
        verify(two_graphs)


# ---- texts that nobody asked about at the export ----


def known_words_alone(folder: Path, **overrides: Any) -> Path:
    """A bundle whose self-test holds one plain text, (2, 0) / 4."""
    scores = {FP32_GRAPH: [1 / (1 + np.exp(-0.5)), 1 / (1 + np.exp(0.5))]}
    return tiny_bundle(folder, self_test=[SelfTest(text="thank you", scores=scores)], **overrides)


def change_graph(bundle: Path, change: Callable[[onnx.GraphProto], object]) -> Path:
    model = onnx.load_from_string((bundle / FP32_GRAPH).read_bytes())
    change(model.graph)
    onnx.checker.check_model(model)
    (bundle / FP32_GRAPH).write_bytes(model.SerializeToString())
    mend_sums(bundle)
    return bundle


def change_tokenizer(bundle: Path, tokenizer: Tokenizer) -> Path:
    tokenizer.save(str(bundle / TOKENIZER_FILE))
    mend_sums(bundle)
    return bundle


def with_a_word_too_many(bundle: Path) -> Path:
    """A word that is no added token, and that no text of the questions has."""
    tokenizer = make_tokenizer()
    tokenizer.model = WordLevel({**tokenizer.get_vocab(), "spoon": len(tokenizer.get_vocab())}, unk_token="[UNK]")
    return change_tokenizer(bundle, tokenizer)


def without_an_unknown_token(bundle: Path) -> Path:
    tokenizer = make_tokenizer()
    tokenizer.model = WordLevel(tokenizer.get_vocab(), unk_token="[GONE]")
    return change_tokenizer(bundle, tokenizer)


def with_nothing_around_a_text(bundle: Path) -> Path:
    """No [CLS] and no [SEP]: an empty text has no tokens, and their mean is 0 / 0."""
    bare = json.loads((bundle / TOKENIZER_FILE).read_text(encoding="utf-8")) | {"post_processor": None}
    of_two_words = [0.7310586, 0.2689414]  # (2, 0) / 2
    change_self_test(bundle, lambda tests: tests[0]["scores"].update({FP32_GRAPH: of_two_words}))
    return change_tokenizer(bundle, Tokenizer.from_str(json.dumps(bare)))


def with_eight_positions(bundle: Path) -> Path:
    """A row of zeros is added to each token's vector by its place; there are eight places, and texts of 16 tokens."""

    def change(graph: onnx.GraphProto) -> None:
        graph.initializer.append(numpy_helper.from_array(np.zeros((9, 2), dtype=np.float32), "positions"))
        kept = next(node for node in graph.node if "kept" in node.output)
        at = list(graph.node).index(kept)
        graph.node.insert(at, helper.make_node("CumSum", ["attention_mask", "token_axis_0"], ["places"]))
        graph.initializer.append(numpy_helper.from_array(np.array(1), "token_axis_0"))
        graph.node.insert(at + 1, helper.make_node("Gather", ["positions", "places"], ["placed"]))
        graph.node.insert(at + 2, helper.make_node("Add", ["tokens", "placed"], ["placed_tokens"]))
        kept.input[0] = "placed_tokens"

    return change_graph(bundle, change)


def with_padding_that_counts(bundle: Path) -> Path:
    """The mask is 1 everywhere: a text's mean is over the padding too, so over as many tokens as its batch has."""

    def change(graph: onnx.GraphProto) -> None:
        mask = next(node for node in graph.node if "mask" in node.output)
        graph.node.insert(
            list(graph.node).index(mask), helper.make_node("Equal", ["input_ids", "input_ids"], ["everywhere"])
        )
        mask.input[0] = "everywhere"

    return change_graph(bundle, change)


FAILING = [
    (lambda bundle: with_token(bundle, "<who>"), "fails on '<who>', a token of its tokenizer"),
    (lambda bundle: with_token(bundle, "[E1]", special=True), r"fails on '\[E1\]', a token of its tokenizer"),
    (with_a_word_too_many, "fails on token 15, the last of its tokenizer's vocabulary"),
    (without_an_unknown_token, "fails on letters that its tokenizer doesn't know"),
    (with_nothing_around_a_text, "fails on an empty text"),
    (with_eight_positions, "fails on a text of the 16 tokens that it is cut to"),
    (with_padding_that_counts, "a text's scores depend on the texts beside it"),
]


@pytest.mark.parametrize(("break_it", "complaint"), FAILING)
def test_a_bundle_that_would_fail_on_a_text_is_found_out(
    tmp_path: Path, foreshot: Callable[..., Any], break_it: Callable[[Path], Path], complaint: str
) -> None:
    """Each passes the comparison with its export, and scores that text."""
    bundle = known_words_alone(tmp_path / "bundle")
    verify(bundle)
    break_it(bundle)
    assert load(bundle)("thank you")[0].label == "benign"
    with pytest.raises(BundleError, match=complaint):
        verify(bundle)
    done = foreshot("verify", bundle)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(f"foreshot: {bundle}/{FP32_GRAPH}: ")


def test_tokens_that_the_graph_has_rows_for_are_asked_and_pass(tmp_path: Path) -> None:
    bundle = with_token(known_words_alone(tmp_path / "bundle"), "<who>")

    def change(graph: onnx.GraphProto) -> None:
        (embedding,) = [constant for constant in graph.initializer if constant.name == "embedding"]
        rows = numpy_helper.to_array(embedding)
        embedding.CopyFrom(numpy_helper.from_array(np.concatenate([rows, rows[-1:]]), "embedding"))

    verify(change_graph(bundle, change))
    assert load(bundle)("<who>")[0].label == "benign"
