"""Servers of one model and of two, for the tests of the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_app import live_app


@pytest.fixture(scope="module")
def page_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from page_browser import make_bundles

    return make_bundles(tmp_path_factory.mktemp("page-bundles"))


@pytest.fixture(scope="module")
def one_model(page_bundles: dict[str, Path]) -> Iterator[str]:
    with live_app({"odd": page_bundles["odd"]}) as address:
        yield address


@pytest.fixture(scope="module")
def two_models(page_bundles: dict[str, Path]) -> Iterator[str]:
    with live_app(page_bundles) as address:
        yield address
