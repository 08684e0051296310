"""Figures whose drawing is known: most pages of the tests show the same ones, and each takes a tenth of a second."""

import contextlib
import pickle
from collections.abc import Iterator

import pytest
from markupsafe import Markup

from foreshot.reporting.drawing import Drawing


@contextlib.contextmanager
def drawing_once() -> Iterator[dict[bytes, Markup]]:
    """Within the block figures of the same numbers are drawn once; gives what is known, which may be emptied."""
    known: dict[bytes, Markup] = {}
    drawn = Drawing.svg.func

    def svg(drawing: Drawing) -> Markup:
        numbers = pickle.dumps((drawing.figure, drawing.prefix))
        if numbers not in known:
            known[numbers] = drawn(drawing)
        return known[numbers]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Drawing, "svg", property(svg))
        yield known
