"""The suite in the report: numbers of the results, marked where they differ from the teacher beyond chance."""

import pytest
from judged_factory import KINDS
from results_factory import HOSTILE, make_results

from foreshot.reporting.report import html_report, markdown_report
from foreshot.reporting.sections.evasion import evasion_table
from foreshot.reporting.sections.suite import (
    functionality_details,
    functionality_map,
    group_map,
    losses,
    suite_line,
)
from foreshot.results.base import Estimate
from foreshot.results.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(seeds=(0, 1, 2))


def result_of(results, model):
    return next(found for found in results.suite_results if found.model == model)


def cell_of(table, name, model):
    row = next(row for row in table.rows if row.cells[0].text == name and not row.is_heading)
    return row.cells[[column.title for column in table.columns].index(model)]


@pytest.mark.parametrize("model", ["teacher", "odd", "lora"])
def test_every_cell_is_the_share_of_the_results(results, model):
    table = functionality_map(results)
    for found in result_of(results, model).functionalities:
        cell = cell_of(table, found.name, model)
        assert cell.text == f"{found.accuracy.value * 100:.0f}%"
        assert cell.share == found.accuracy.value
        assert f"{found.accuracy.low * 100:.0f}–{found.accuracy.high * 100:.0f}%" in cell.hint
        change = found.minus_teacher
        is_sure = change is not None and (change.high < 0 or change.low > 0)
        expected = f"{change.value * 100:+.0f}".replace("-", "−") if is_sure else ""
        assert cell.remark == expected


def test_some_changes_are_marked_and_some_are_not(results):
    remarks = [cell.remark for row in functionality_map(results).rows for cell in row.cells[2:]]
    assert any(remark.startswith("−") for remark in remarks)
    assert remarks.count("") > 3


def test_the_whole_suite_comes_first(results):
    table = functionality_map(results)
    assert [row.cells[0].text for row in table.rows[:6]] == [
        "The whole suite", "all cases", "toxic cases", "benign cases", "contrast pairs", "toxic: must be flagged",
    ]  # fmt: skip
    lora = result_of(results, "lora")
    assert cell_of(table, "all cases", "lora").text == f"{lora.accuracy.value * 100:.0f}%"
    assert cell_of(table, "benign cases", "lora").text == f"{lora.by_label['benign'].value * 100:.0f}%"
    assert cell_of(table, "contrast pairs", "lora").text == f"{lora.pairs_right.value * 100:.0f}%"


def test_kinds_are_grouped_by_label(results):
    rows = functionality_map(results).rows
    headings = [index for index, row in enumerate(rows) if row.is_heading]
    groups = [
        [row.cells[0].text for row in rows[start + 1 : end]]
        for start, end in zip(headings, [*headings[1:], None], strict=True)
    ]
    assert groups[1] == [name for name, is_toxic in KINDS if is_toxic]
    assert groups[2] == [name for name, is_toxic in KINDS if not is_toxic]


def test_details_hold_both_intervals(results):
    found = next(cell for cell in result_of(results, "lora").functionalities if cell.name == "veiled threat")
    cell = cell_of(functionality_details(results), "veiled threat", "lora")
    low, high = found.accuracy.low * 100, found.accuracy.high * 100
    assert cell.text == f"{found.accuracy.value * 100:.0f}% ({low:.0f}–{high:.0f}%)"
    bounds = [f"{value * 100:+.1f}".replace("-", "−") for value in (found.minus_teacher.low, found.minus_teacher.high)]
    assert cell.remark.endswith(f"({bounds[0]} to {bounds[1]})")


def test_groups_have_a_table_of_their_own(results):
    table = group_map(results)
    assert [row.cells[0].text for row in table.rows if not row.is_heading][:3] == [
        "Muslims",
        "disabled people",
        "women",
    ]
    assert group_map(make_results(kinds=[("insult", 1), ("praise", 0)])) is None


def test_what_a_student_loses_is_said(results):
    by_model = {loss.model: loss.sentence for loss in losses(results)}
    assert "teacher" not in by_model
    lost = sorted(
        (cell.minus_teacher.value, cell.name)
        for cell in result_of(results, "lora").functionalities
        if cell.minus_teacher.high < 0
    )
    value, name = lost[0]
    assert by_model["lora"].startswith(f"loses most on {name} ({value * 100:.0f})".replace("-", "−"))
    assert by_model["lora"].endswith(f"and {len(lost) - 3} more.")


def test_a_student_that_loses_nothing_is_told_so(results):
    odd = result_of(results, "odd")
    same = [
        cell.model_copy(update={"minus_teacher": Estimate(value=-0.1, low=-0.2, high=0.0)})
        for cell in odd.functionalities
    ]
    results = results.model_copy(update={"suite_results": [odd.model_copy(update={"functionalities": same})]})
    assert losses(results)[0].sentence == "loses no functionality beyond chance."


def test_without_a_suite_there_is_no_map():
    results = make_results(kinds=())
    assert functionality_map(results) is functionality_details(results) is group_map(results) is None
    assert losses(results) == []
    assert suite_line(results) == ""
    assert 'id="suite"' not in html_report(results)


def test_a_suite_of_a_hundred_kinds_and_six_models():
    models = ("teacher", *(f"student-{number}" for number in range(5)))
    results = make_results(models=models, kinds=[(f"kind {number}", number % 2) for number in range(100)])
    table = functionality_map(results)
    assert len([row for row in table.rows if not row.is_heading]) == 103  # no pairs in it
    assert all(len(row.cells) == 7 for row in table.rows if not row.is_heading)
    assert "kind 99" in html_report(results)
    assert "kind 99" in markdown_report(results)


def test_hostile_kinds_and_groups_are_text(hostile_page):
    assert "&lt;script&gt;alert(1)&lt;/script&gt; group" in hostile_page
    assert HOSTILE[0] not in hostile_page
    assert HOSTILE[1] not in hostile_page


def test_evasion_shows_share_interval_and_rows(results):
    table = evasion_table(results)
    for model, found in results.evasion.items():
        for one in found:
            cell = cell_of(table, one.perturbation, model)
            assert cell.text == f"{one.escaped.value * 100:.0f}%"
            assert (cell.share < 0.5) == (one.escaped.value > 0.5)  # orange: more than half escapes
            assert cell.remark == f"{one.escaped.low * 100:.0f}–{one.escaped.high * 100:.0f}% of {one.rows}"


def test_evasion_of_a_model_that_catches_nothing(results):
    nothing = [
        found.model_copy(update={"rows": 0, "escaped": Estimate(value=0, low=0, high=1)})
        for found in results.evasion["lora"]
    ]
    table = evasion_table(results.model_copy(update={"evasion": results.evasion | {"lora": nothing}}))
    assert (cell_of(table, "leet", "lora").text, cell_of(table, "leet", "lora").remark) == ("–", "no rows")
    assert evasion_table(results.model_copy(update={"evasion": {}})) is None
