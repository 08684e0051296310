"""Verify: a bundle that is whole and scores as at its export, and those that aren't or don't."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tiny_bundles import make_manifest, tiny_bundle

from foreshot.errors import BundleError
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, MANIFEST_FILE, SUMS_FILE, sums_of
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
    with pytest.raises(
        BundleError, match=r"model\.onnx: scores the self-test otherwise .*a probability differs by nan"
    ):
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
