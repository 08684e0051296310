"""Figures whose drawing is known: most pages of the tests show the same ones, and each takes a tenth of a second."""

import contextlib
import dataclasses
import math
import pickle
from collections.abc import Hashable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from markupsafe import Markup
from pydantic import BaseModel

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


KnownKinds = dict[Hashable, tuple[str, Markup]]


@contextlib.contextmanager
def drawing_each_kind_once(known: KnownKinds) -> Iterator[None]:
    """Within the block a figure is drawn once for all numbers of the same kinds: for pages that nobody looks at.

    What a figure can stumble over are gaps and numbers without end, and of these each mixture is drawn. What is `known`
    is not drawn, and what is drawn is known to the next block.
    """
    drawn = Drawing.svg.fget  # of the property that `drawing_once` makes of it

    def svg(drawing: Drawing) -> Markup:
        assert isinstance(drawing.figure, partial)
        kinds = drawing.figure.func, kinds_of(drawing.figure.args), kinds_of(drawing.figure.keywords)
        if kinds not in known:
            known[kinds] = drawing.prefix, drawn(drawing)
        prefix, found = known[kinds]
        return Markup(found.replace(f"{prefix}-", f"{drawing.prefix}-"))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Drawing, "svg", property(svg))
        yield


def kinds_of(value: Any) -> Hashable:
    """What kinds of values a value is made of, however many of each there are."""
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
        return type(value), tuple((name, kinds_of(one)) for name, one in vars(value).items())
    if isinstance(value, Mapping):
        return kinds_of(list(value.items()))
    if isinstance(value, list | tuple):
        return type(value), frozenset(kinds_of(one) for one in value)
    return type(value), isinstance(value, float) and not math.isfinite(value) and str(value)
