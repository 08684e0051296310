"""What a teacher's word weighs on rows that were corrected: as they do where it learnt them, else nothing."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from foreshot.comparison.targets import _weighed

CORRECTED = [False, True, False, True]
OWN = np.array([1, 5, 1, 5], dtype=np.float32)


def inputs(*, corrected: bool = True, given: bool = False, asked: bool = False) -> Any:
    return SimpleNamespace(
        row_weights=OWN if corrected else None,
        given_teacher="a classifier" if given else None,
        asked_teachers=("a bundle",) if asked else (),
        split=SimpleNamespace(parts={"train": SimpleNamespace(corrected=CORRECTED)}),
        contrast_count=0,
        taught_rows=range(6),  # two of them without a label
    )


@pytest.mark.parametrize(
    ("given", "asked", "wanted"),
    [
        (False, False, [1, 5, 1, 5, 1, 1]),
        (True, False, [1, 0, 1, 0, 1, 1]),
        (False, True, [1, 0, 1, 0, 1, 1]),
    ],
)
def test_what_a_teachers_word_weighs(given, asked, wanted):
    found = _weighed(inputs(given=given, asked=asked), None)
    assert (found.tolist(), found.dtype) == (wanted, np.float32)
    of_rows = np.array([1, 1, 0.5, 0.5, 1, 0.5], dtype=np.float32)  # as teachers that disagree weigh them down
    assert _weighed(inputs(given=given, asked=asked), of_rows).tolist() == (of_rows * wanted).tolist()
    of_labels = np.stack([of_rows, 2 * of_rows], axis=1)
    assert _weighed(inputs(given=given, asked=asked), of_labels).tolist() == [
        [one * weight, 2 * one * weight] for one, weight in zip(of_rows.tolist(), wanted, strict=True)
    ]


def test_without_corrections_nothing_changes():
    weights = np.ones(6, dtype=np.float32)
    assert _weighed(inputs(corrected=False), None) is None
    assert _weighed(inputs(corrected=False), weights) is weights
