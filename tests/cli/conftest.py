"""Reports of the small comparisons, whose figures nobody looks at: `reporting` and a browser look at others."""

from collections.abc import Iterator

import pytest

from known_drawings import KnownKinds, drawing_each_kind_once


@pytest.fixture(scope="session")
def known_kinds() -> KnownKinds:
    return {}


@pytest.fixture(scope="module", autouse=True)
def figures_of_a_kind_drawn_once(known_drawings: dict[bytes, str], known_kinds: KnownKinds) -> Iterator[None]:
    with drawing_each_kind_once(known_kinds):
        yield
