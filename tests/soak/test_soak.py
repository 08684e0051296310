"""The soak's short form: every answer is the one that it must be, nothing is lost at the swap, no handle is left."""

from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle
from traffic import RUDE, bad_requests, mixed

from soak import Answered, Soak, complaints, run_soak, tables


def test_a_short_soak_breaks_nothing(tmp_path: Path) -> None:
    soak = run_soak(tiny_bundle(tmp_path / "tiny"), seconds=6, calibration=1)
    print(tables(soak))
    assert complaints(soak) == []
    kinds = {answer.kind for answer in soak.answers}
    assert kinds >= {"good", "good: explained", "good: Perspective"}
    assert soak.rude >= len(RUDE)


def test_bad_requests_are_of_many_kinds_and_the_mix_is_the_same_again() -> None:
    assert {request.status for request in bad_requests()} == {400, 401, 404, 405, 413, 415, 422}
    assert mixed(seed=0) == mixed(seed=0) != mixed(seed=1)
    assert {request.kind for request in mixed(seed=0)} > {request.kind for request in bad_requests()}


@pytest.mark.parametrize(
    ("answer", "lost", "complaint"),
    [
        (Answered("good", 6.0, 0.1, 200), "", None),
        (Answered("good", 6.0, 0.1, 500), "", "1 answers of status 500"),
        (Answered("good", 1.0, 0.1, 200), "", "the new bundle never answered alone"),
        (Answered("good", 6.0, 0.1, 200), "good: lost (ConnectionResetError)", "1 times good: lost"),
    ],
)
def test_what_breaks_is_complained_of(answer: Answered, lost: str, complaint: str | None) -> None:
    soak = Soak(10, 100, answers=[answer, Answered("good", 6.0, 0.1, 200)] if answer.due > 5 else [answer], swapped=5)
    soak.handles_at_rest = ({1: 20}, {1: 28})
    if lost:
        soak.wrong[lost] += 1
    assert [found[: len(complaint or "")] for found in complaints(soak)] == ([complaint] if complaint else [])
    soak.handles_at_rest = ({1: 20}, {1: 29})
    assert any("29 handles at rest, 20 before" in found for found in complaints(soak))
