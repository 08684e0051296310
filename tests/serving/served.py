"""An application in this process, asked by Starlette's client, and the bundles that its tests serve."""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from tiny_bundles import tiny_bundle

from foreshot.perspective.routes import perspective_router
from foreshot.results.decisions import Decision
from foreshot.runtime.bundle import SUMS_FILE, sums_of
from foreshot.serving.app import make_app
from foreshot.serving.catalogue import Catalogue, load_catalogue
from foreshot.serving.observing import Metrics
from foreshot.serving.settings import ServeSettings

THRESHOLD = 0.62


def make_bundles(folder: Path) -> dict[str, Path]:
    """`odd` blocks from 0.62 on, `careful` has a band for review, `pets` has no positive class."""
    review = Decision(policy="review:recall>=0.95,fpr<=0.02", threshold=0.9, review_threshold=0.3)
    return {
        "odd": tiny_bundle(folder / "odd", decision=Decision(policy="best-f1", threshold=THRESHOLD)),
        "careful": tiny_bundle(folder / "careful", decision=review),
        "pets": tiny_bundle(folder / "pets", labels=["cat", "dog"]),
    }


def damaged(folder: Path) -> Path:
    """A bundle with one bit changed in its graph."""
    graph = folder / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    return folder


def newer(folder: Path) -> Path:
    """A bundle of a format that is not known yet, whole otherwise."""
    manifest = folder / "foreshot.json"
    manifest.write_text(re.sub(r'"format_version": \d+', '"format_version": 99', manifest.read_text()))
    (folder / SUMS_FILE).write_text(sums_of(folder))
    return folder


@contextlib.contextmanager
def served(
    bundles: Mapping[str, Path], *, faked: Callable[[Catalogue], Catalogue] = lambda known: known, **settings: Any
) -> Iterator[TestClient]:
    """A client of an application with these settings; `faked` may replace what answers."""
    asked = ServeSettings.model_validate(settings)
    metrics = Metrics()
    catalogue = faked(load_catalogue(bundles, asked.limits, metrics, threads=1))
    with TestClient(
        make_app(catalogue, asked, metrics, more=[perspective_router]), raise_server_exceptions=False
    ) as client:
        yield client


def check_problem(response: Any, status: int, *words: str) -> dict[str, Any]:
    """That an answer is a problem of RFC 9457 with this status, and all of these words in its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert set(problem) - {"errors"} == {"type", "title", "status", "detail"}
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"]
    assert "\n" not in problem["detail"]
    for error in problem.get("errors", []):
        assert set(error) == {"where", "problem"}
    for word in words:
        assert word in problem["detail"]
    return problem
