"""Quality against cost: who is on the frontier, and labels that can be told apart."""

from itertools import combinations

import pytest
from results_factory import make_results

from foreshot.reporting.tradeoff import Box, Point, frontier, placed_labels, tradeoffs

ROOM = (270.0, 176.0)


def points(*found: tuple[str, float, float]) -> list[Point]:
    return [Point(name, cost, value, value, value) for name, cost, value in found]


def test_the_frontier_holds_what_nothing_beats():
    found = frontier(points(("dear", 9, 0.7), ("cheap", 1, 0.5), ("worse", 2, 0.4), ("good", 3, 0.8), ("same", 3, 0.6)))
    assert [point.name for point in found] == ["cheap", "good"]


def test_of_equals_one_is_on_the_frontier():
    assert len(frontier(points(("a", 1, 0.5), ("b", 1, 0.5), ("c", 2, 0.5)))) == 1


@pytest.mark.parametrize("count", [2, 5, 11])
def test_labels_do_not_overlap(count):
    where = [(200.0 if index % 2 else 60.0, 90.0 + index // 3) for index in range(count)]
    boxes = placed_labels(where, [f"student-{index}" for index in range(count)], ROOM, [Box(58, 40, 4, 90)])
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    for box in boxes:
        assert box.left >= 0
        assert box.left + box.width <= ROOM[0]
        assert box.bottom >= 0
        assert box.bottom + box.height <= ROOM[1]
        assert not any(box.overlaps(Box(x - 4, y - 4, 8, 8)) for x, y in where)


def test_boxes_overlap_by_area():
    assert Box(0, 0, 10, 10).overlaps(Box(9, 9, 10, 10))
    assert not Box(0, 0, 10, 10).overlaps(Box(10, 0, 10, 10))


def test_both_panels_hold_the_numbers_of_the_results():
    results = make_results(seeds=(0, 1, 2))
    metric, suite = tradeoffs(results)
    assert metric.title == "macro-F1"
    for summary in results.summaries:
        assert f"{summary.model} " in metric.description
        assert f"{summary.spreads['macro_f1'].mean:.3f}" in metric.description
        found = next(found for found in results.suite_results if found.model == summary.model)
        sides = [side.value for side in found.by_label.values()]
        assert f"{sum(sides) / len(sides) * 100:.0f}%" in suite.description
    for name in ("teacher", "odd", "even", "lora", "odd-lora"):
        assert f">{name}<" in suite.svg


def test_without_a_suite_there_is_one_panel():
    assert [drawing.title for drawing in tradeoffs(make_results(kinds=()))] == ["macro-F1"]


def test_without_a_positive_class_the_suite_is_taken_whole():
    results = make_results(classes=("hate", "offensive", "neither"), positive=None)
    assert tradeoffs(results)[1].title == "suite right"
