"""Differences between models: the right sign, the right words, every pair."""

import re

import pytest
from results_factory import make_results

from foreshot.reporting.sections.differences import against_teacher, forest_plots, pairs_table
from foreshot.results.base import Estimate
from foreshot.results.results import Results
from foreshot.results.verdict import Comparison


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(seeds=(0, 1, 2))


def compared(first, second, value, outcome, measure="macro_f1"):
    return Comparison(
        first=first,
        second=second,
        measure=measure,
        difference=Estimate(value=value, low=value - 0.01, high=value + 0.02),
        p_value=0.001,
        adjusted_p=0.0123,
        outcome=outcome,
    )


def test_students_are_held_against_the_teacher_whatever_the_order(results):
    pairs = [compared("teacher", "odd", 0.03, "better"), compared("even", "teacher", 0.01, "better")]
    found = against_teacher(results.model_copy(update={"comparisons": pairs}), "macro_f1")
    assert [(one.first, one.outcome) for one in found] == [("odd", "worse"), ("even", "better")]
    difference = found[0].difference
    assert (difference.value, difference.low, difference.high) == pytest.approx((-0.03, -0.05, -0.02))


def test_the_forest_is_described_with_the_numbers_of_the_results(results):
    drawings = forest_plots(results)
    assert [drawing.title for drawing in drawings] == ["macro-F1", "suite right", "suite's toxic cases right"]
    assert [drawing.remark for drawing in drawings] == ["margin 2 points", "margin 5 points", "margin 5 points"]
    lora = next(one for one in against_teacher(results, "suite") if one.first == "lora")
    text = f"lora {lora.difference.value * 100:+.1f} ({lora.difference.low * 100:+.1f} to".replace("-", "−")
    assert text in drawings[1].description


def test_a_student_within_the_margin_is_drawn_filled(results):
    pairs = [compared("odd", "teacher", -0.005, "not distinguishable"), compared("even", "teacher", -0.015, "worse")]
    svg = forest_plots(results.model_copy(update={"comparisons": pairs}))[0].svg
    assert len(re.findall(r"fill: var\(--classification\)", svg)) == 1  # −1.5 to 1.5 lies above −2, −2.5 to 0.5 doesn't
    assert len(re.findall(r"fill: var\(--paper\)", svg)) == 1


def test_every_pair_has_a_row_with_its_numbers(results):
    rows = pairs_table(results).rows
    plain = [[cell.text for cell in row.cells] for row in rows if not row.is_heading]
    assert len(plain) == len(results.comparisons) == 3 * 10
    found = results.comparisons[0]
    first = plain[0]
    assert first[0] == f"{found.first} − {found.second}"
    assert first[1] == f"{found.difference.value * 100:+.1f}".replace("-", "−")
    assert first[4].endswith(found.outcome)
    words = {row[4] for row in plain}
    assert words == {"▲ better", "▼ worse", "= not distinguishable"}


def test_holm_and_mcnemar_are_shown_where_they_are():
    table = pairs_table(make_results())
    titles = [column.title for column in table.columns]
    assert titles[-1] == "McNemar p"
    assert "McNemar" in table.notes[1]
    several = pairs_table(make_results(seeds=(0, 1, 2)))
    assert "McNemar p" not in [column.title for column in several.columns]
    alone = make_results().model_copy(update={"comparisons": [compared("odd", "teacher", -0.03, "worse")]})
    assert [cell.text for cell in pairs_table(alone).rows[1].cells] == [
        "odd − teacher", "−3.0", "−4.0 to −1.0", "0.012", "▼ worse",
    ]  # fmt: skip


def test_one_model_has_no_pairs():
    results = make_results(models=("teacher",))
    assert pairs_table(results) is None
    assert forest_plots(results) == []
