"""Scores and thresholds: bins pooled by their rows, errors before and after, promises that aren't kept."""

import pytest
from results_factory import make_results

from foreshot.reporting.sections.scores import (
    calibration_table,
    pooled_bins,
    reliability_diagrams,
    thresholds_table,
)
from foreshot.results.decisions import Calibration, ReliabilityBin
from foreshot.results.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results()


def bins(*found: tuple[int, float, float]) -> Calibration:
    made = [ReliabilityBin(rows=rows, confidence=confidence, accuracy=accuracy) for rows, confidence, accuracy in found]
    return Calibration(expected_calibration_error=0.1, brier=0.2, bins=made)


def test_seeds_are_pooled_by_rows():
    pooled = pooled_bins([bins((0, 0.55, 0.0), (10, 0.9, 0.8)), bins((0, 0.55, 0.0), (30, 0.94, 1.0))])
    # (10 · 0.9 + 30 · 0.94) / 40 = 0.93; (10 · 0.8 + 30 · 1.0) / 40 = 0.95
    assert len(pooled) == 1
    assert (pooled[0].rows, pooled[0].confidence, pooled[0].accuracy) == (40, pytest.approx(0.93), pytest.approx(0.95))


def test_errors_before_and_after_are_those_of_the_results(results):
    for row, run in zip(calibration_table(results).rows, results.models, strict=True):
        before, after = run.calibration, run.calibration_after_scaling
        assert [cell.text for cell in row.cells[:6]] == [
            run.model,
            f"{run.decision.temperature:.2f}",
            f"{before.expected_calibration_error:.3f}",
            f"{after.expected_calibration_error:.3f}",
            f"{before.brier:.3f}",
            f"{after.brier:.3f}",
        ]


def test_each_model_has_its_diagram(results):
    drawings = reliability_diagrams(results)
    assert [drawing.title for drawing in drawings] == [run.model for run in results.models]
    errors = results.models[0].calibration, results.models[0].calibration_after_scaling
    assert drawings[0].remark == "ECE {:.3f} → {:.3f}".format(*(one.expected_calibration_error for one in errors))


def test_empty_bins_give_an_empty_diagram(results):
    run = results.models[0].model_copy(
        update={"calibration": bins((0, 0.5, 0)), "calibration_after_scaling": bins((0, 0.5, 0))}
    )
    assert reliability_diagrams(results.model_copy(update={"models": [run], "summaries": results.summaries[:1]}))


def test_thresholds_are_those_of_the_results(results):
    rows = [[cell.text for cell in row.cells] for row in thresholds_table(results).rows]
    start = next(index for index, row in enumerate(rows) if row == ["recall>=0.9"])
    odd = next(row for row in rows[start:] if row[0] == "odd")
    run = next(run for run in results.models if run.model == "odd")
    found = next(found for found in run.policies if found.decision.policy == "recall>=0.9")
    shares = (found.recall, found.precision, found.false_positive_rate)
    assert odd[1:7] == [
        f"{found.decision.threshold:.3f}",
        "–",
        f"{found.macro_f1:.3f}",
        *(f"{share * 100:.0f}%" for share in shares),
    ]
    assert "fitted on the validation rows alone" in thresholds_table(results).notes[0]


def test_review_has_two_thresholds(results):
    rows = [[cell.text for cell in row.cells] for row in thresholds_table(results).rows]
    start = next(index for index, row in enumerate(rows) if row[0].startswith("review:"))
    threshold, review = map(float, rows[start + 1][1:3])
    assert review < threshold
    assert rows[start + 1][7] != "0%"


def test_a_promise_that_is_not_kept_is_marked(results):
    run = results.models[0]
    unmet = [
        found.model_copy(update={"decision": found.decision.model_copy(update={"met": False})})
        if found.decision.policy == "fpr<=0.05"
        else found
        for found in run.policies
    ]
    changed = results.model_copy(update={"models": [run.model_copy(update={"policies": unmet}), *results.models[1:]]})
    marked = [row.cells[0] for row in thresholds_table(changed).rows if "✗" in row.cells[0].remark]
    assert [(cell.text, cell.remark, cell.wrong) for cell in marked] == [("teacher", "✗ not met", True)]


def test_a_policy_that_a_model_lacks_is_left_open(results):
    run = results.models[1].model_copy(update={"policies": results.models[1].policies[:1]})
    table = thresholds_table(results.model_copy(update={"models": [results.models[0], run, *results.models[2:]]}))
    assert [row.cells[0].remark for row in table.rows].count("too few rows") == 4


def test_without_a_positive_class_there_are_no_thresholds():
    results = make_results(classes=("hate", "offensive", "neither"), positive=None)
    assert thresholds_table(results) is None
    assert len(calibration_table(results).rows) == 5
