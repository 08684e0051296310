"""Mending in the report: what is sealed stands apart, and every number is that of the results."""

import json

import pytest
from mending_factory import HALF_SEALED, mended_results
from results_factory import make_results

from foreshot.judging.evidence import SEALED
from foreshot.reporting.behaviour import behaviours
from foreshot.reporting.judgement import cards
from foreshot.reporting.report import markdown_report
from foreshot.reporting.sections import mending
from foreshot.reporting.sections.differences import against_teacher
from foreshot.reporting.sections.evasion import evasion_table
from foreshot.reporting.sections.mending import functionalities_table, gains_table, introduction
from foreshot.reporting.sections.suite import functionality_map, suite_line
from foreshot.reporting.sections.why import margins_notes, question
from foreshot.reporting.tables import Table
from foreshot.results.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return mended_results()


def by_heading(table: Table) -> dict[str, dict[str, tuple]]:
    found, heading = {}, ""
    for row in table.rows:
        if row.is_heading:
            heading = row.cells[0].text
        else:
            found.setdefault(heading, {})[row.cells[0].text] = row.cells
    return found


def test_gains_stand_part_by_part_the_sealed_one_first(results):
    rows = by_heading(gains_table(results, results.mending))
    assert list(rows) == [
        "The test rows",
        "The suite's sealed part, which nothing was mended with: 60 cases",
        "Its open part, which lessons may aim at: 228 cases",
        "The whole suite: 288 cases",
        "What escapes once disguised: lower is better",
    ]
    cell = rows["The test rows"]["macro-F1"][1]
    assert (cell.text, cell.remark, cell.mark) == ("0.912 → 0.908", "−0.4 (−1.0 to +0.2)", "")
    sealed = rows["The suite's sealed part, which nothing was mended with: 60 cases"]
    assert list(sealed) == ["mean of the sides", "toxic cases right", "benign cases right"]
    cell = sealed["mean of the sides"][1]
    assert (cell.text, cell.remark, cell.mark) == ("52% → 68% ▲", "+16.0 (+14.0 to +18.0)", "good")


def test_a_suite_that_is_sealed_whole_stands_there_once(results):
    twins = [
        one.model_copy(update={"parts": {name: part for name, part in one.parts.items() if name != "open"}})
        for one in results.mending.twins
    ]
    rows = by_heading(gains_table(results, results.mending.model_copy(update={"twins": twins})))
    assert [heading for heading in rows if "cases" in heading] == [
        "The suite's sealed part, which nothing was mended with: 60 cases"
    ]


def test_fewer_escapes_are_better_and_untrained_disguises_come_first(results):
    rows = by_heading(gains_table(results, results.mending))["What escapes once disguised: lower is better"]
    assert list(rows) == ["by disguises that nothing was trained with", "by those of the training"]
    name, cell, _ = rows["by disguises that nothing was trained with"]
    assert name.remark == "dots, homoglyphs, no vowels"
    assert (cell.text, cell.mark) == ("44% → 20% ▲", "good")
    assert cell.remark == "−24.0 (−26.0 to −22.0); left 45% (40–52%); 118 rows"


def test_functionalities_stand_apart_by_what_is_sealed(results):
    rows = by_heading(functionalities_table(results, results.mending))
    assert list(rows) == ["toxic: sealed cases", "toxic: open cases", "benign: sealed cases"]
    assert rows["toxic: open cases"][HALF_SEALED][1].text == "50% → 90% ▲"
    cell = rows["toxic: sealed cases"][HALF_SEALED][1]
    assert (cell.text, cell.mark) == ("50% → 49%", "")
    assert rows["toxic: sealed cases"]["leet spelling"][1].text == "70% → 60% ▼"


def test_each_model_has_a_sentence(results):
    report = markdown_report(results)
    assert "## What mending brought, and what it cost" in report
    assert (
        "sealed part 52% → 68% (+16.0 points, +14.0 to +18.0) on the mean of its sides; escapes by untrained disguises "
        "44% → 20% (−24.0 points, −26.0 to −22.0); macro-F1 0.912 → 0.908 (−0.4 points, −1.0 to +0.2)."
    ) in report.replace("\\", "")


def test_it_is_said_what_a_mended_student_is_held_against(results):
    (*_, said) = introduction(results, results.mending)
    assert said.startswith("odd-mended: held against teacher-mended, which was mended as well")
    alone = results.mending.model_copy(update={"references": {"odd-mended": "teacher"}})
    assert len(introduction(results, alone)) == 1


def test_nothing_is_said_where_nothing_was_mended():
    usual = make_results()
    assert mending.section(usual) is None
    report = markdown_report(usual)
    assert "sealed" not in report
    assert "mending" not in report.lower()


def test_results_of_a_version_that_mended_nothing_can_still_be_read():
    usual = make_results()
    written = json.loads(usual.to_json())
    del written["mending"]
    for one in written["suite_results"]:
        del one["sealed"]
    for of_model in written["evasion"].values():
        for one in of_model:
            del one["trained"]
    assert Results.model_validate(written) == usual


def test_what_was_mended_is_read_as_it_was_written(results):
    assert Results.model_validate_json(results.to_json()) == results


def test_cards_hold_what_the_verdict_of_a_mended_student_rests_on(results):
    found = {card.name: card for card in cards(results)}
    of_odd = next(one for one in results.suite_results if one.model == "odd-mended")
    numbers = dict(found["odd-mended"].numbers)
    assert list(numbers) == ["macro-F1", "suite", "toxic side", "sealed suite", "sealed toxic side", "layers"]
    assert numbers["sealed suite"] == f"{of_odd.sealed.accuracy.value:.0%}"
    assert numbers["sealed toxic side"] == f"{of_odd.sealed.by_label['toxic'].value:.0%}"
    assert found["odd-mended"].remark == "mended, held against teacher-mended"
    assert found["odd"].remark == ""
    references = [(card.name, card.remark) for card in cards(results) if card.kind == "reference"]
    assert references == [("teacher", ""), ("teacher-mended", "mended")]


def test_where_the_teacher_is_not_mended_there_is_one_reference(results):
    models = ("teacher", "odd", "odd-mended")
    twins = [one for one in results.mending.twins if one.unmended == "odd"]
    alone = results.mending.model_copy(update={"references": {"odd-mended": "teacher"}, "twins": twins})
    found = cards(mended_results(models=models).model_copy(update={"mending": alone}))
    assert [card.reason for card in found if card.kind == "reference"] == [
        "the teacher, which every student is held against, mended ones on what is sealed"
    ]
    assert next(card.remark for card in found if card.name == "odd-mended") == "mended"


def test_the_heat_map_tells_sealed_kinds(results):
    table = functionality_map(results)
    remarks = {row.cells[0].text: row.cells[0].remark for row in table.rows}
    assert remarks["leet spelling"] == "24 cases, sealed"
    assert remarks[HALF_SEALED] == "24 cases, 12 sealed"
    assert remarks["insult to a person"] == "24 cases"
    sealed = by_heading(table)["Its sealed part"]
    assert list(sealed) == ["all sealed cases", "sealed toxic cases", "sealed benign cases"]
    assert sealed["sealed toxic cases"][0].remark == "36 cases"
    assert suite_line(results).endswith("none was trained on, and 60 are sealed.")
    assert any(note.startswith("Sealed: ") for note in table.notes)


def test_disguises_stand_apart_by_what_was_trained(results):
    rows = by_heading(evasion_table(results))
    assert {heading: list(names) for heading, names in rows.items()} == {
        "Disguises that nothing was trained with": ["dots", "homoglyphs", "no vowels"],
        "Disguises that mended models were trained with": ["leet", "spaced"],
        "Undisguised": ["suite right"],
    }


def test_mended_students_are_drawn_against_their_reference(results):
    compared = [(one.first, one.second) for one in against_teacher(results, SEALED)]
    assert compared == [("teacher-mended", "teacher"), ("odd", "teacher"), ("odd-mended", "teacher-mended")]


def test_the_sealed_share_stands_beside_every_metric(results):
    assert "suite's sealed cases right" in [one.title for one in behaviours(results)]
    assert question(results)[1].startswith("One teacher, its mended twin and 2 cheaper students, trained on")
    assert any("held against the mended teacher" in note for note in margins_notes(results))
