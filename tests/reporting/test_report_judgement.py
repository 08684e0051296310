"""The verdict in the report: every student's kind, numbers and reasons are those of the results."""

import pytest
from results_factory import make_hostile_results, make_results

from foreshot.judging.statistics import turned
from foreshot.reporting.judgement import SIGNS, cards, headline, notes, students_table, what_is_judged
from foreshot.reporting.report import html_report, markdown_report
from foreshot.reporting.sections.differences import against_teacher
from foreshot.reporting.sections.why import requirements_table
from foreshot.results.registration import Registration
from foreshot.results.results import Results
from foreshot.results.verdict import StudentVerdict, Verdict


def judged_as(kind: str, **student_kinds: str) -> Results:
    """The usual results with these verdicts instead of their own."""
    results = make_results()
    students = [
        StudentVerdict(model=model, kind=of_student, reasons=[f"reason of {model}"], requirements=[])
        for model, of_student in student_kinds.items()
    ]
    verdict = Verdict(
        kind=kind,
        headline=f"Ship something. The kind is {kind}.",
        recommended=None,
        students=students,
        margins=results.verdict.margins,
    )
    return results.model_copy(update={"verdict": verdict})


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(seeds=(0, 1, 2))


def test_a_card_holds_what_the_verdict_rests_on(results):
    lora = next(card for card in cards(results) if card.name == "lora")
    found = next(found for found in results.suite_results if found.model == "lora")
    summary = next(summary for summary in results.summaries if summary.model == "lora")
    assert dict(lora.numbers) == {
        "macro-F1": f"{summary.spreads['macro_f1'].mean:.3f}",
        "suite": f"{found.accuracy.value * 100:.0f}%",
        "toxic side": f"{found.by_label['toxic'].value * 100:.0f}%",
        "layers": "6",
    }
    student = next(student for student in results.verdict.students if student.model == "lora")
    assert (lora.kind, lora.reason) == ("conflict", student.reasons[0])


def test_what_must_be_known_first_stands_first():
    results = judged_as(
        "conflict", odd="not recommended", even="inconclusive", lora="conflict", **{"odd-lora": "recommended"}
    )
    assert [(card.name, card.kind) for card in cards(results)] == [
        ("odd-lora", "recommended"),
        ("lora", "conflict"),
        ("even", "inconclusive"),
        ("odd", "not recommended"),
        ("teacher", "reference"),
    ]


def test_without_a_suite_the_probes_stand_in():
    numbers = dict(cards(make_results(kinds=()))[0].numbers)
    assert list(numbers) == ["macro-F1", "toxic probes flagged", "benign probes flagged", "layers"]


def test_several_classes_have_no_side():
    results = make_results(classes=("hate", "offensive", "neither"), positive=None, probes=())
    assert all([name for name, _ in card.numbers] == ["macro-F1", "suite", "layers"] for card in cards(results))


@pytest.mark.parametrize("kind", ["recommended", "conflict", "not recommended", "inconclusive"])
def test_the_kind_is_said_in_a_word_and_a_sign(kind):
    results = judged_as(kind, odd="acceptable")
    page, source = html_report(results), markdown_report(results)
    assert f'<span aria-hidden="true">{SIGNS[kind]}</span> Verdict: {kind}' in page
    assert f'class="verdict {kind.replace(" ", "-")}"' in page
    assert f"## Verdict: {kind}" in source
    assert f"**{SIGNS[kind]} Ship something.**\n\nThe kind is {kind}." in source


def test_the_headline_is_whole_and_says_big_what_to_do(results):
    found = headline(results)
    *sentences, last = [sentence for sentence, _ in found]
    assert " ".join(sentences) == results.verdict.headline
    assert last.startswith("This verdict is about files, of each student the seed that is best on the validation rows")
    orders = [sentence for sentence, is_order in found if is_order]
    assert orders[0].startswith("Don't ship lora")
    assert "17%" in orders[0]


def test_a_headline_of_other_words_is_big_from_its_start(results):
    verdict = results.verdict.model_copy(update={"headline": "Nothing known. Nothing more."})
    assert headline(results.model_copy(update={"verdict": verdict}))[:2] == [
        ("Nothing known.", True),
        ("Nothing more.", False),
    ]


def test_the_first_lines_say_what_the_verdict_is_about(results):
    one_seed = results.model_copy(update={"conditions": results.conditions.model_copy(update={"seeds": [7]})})
    assert what_is_judged(one_seed) in markdown_report(one_seed).split("## Why")[0]
    assert "of one seed; what the recipes would give with others isn't known" in what_is_judged(one_seed)
    assert "which recipe is better stands under Differences" in markdown_report(results).split("## Why")[0]


def test_forests_and_requirements_are_of_the_files_that_are_judged(results):
    """With file comparisons the forest shows these; the table of pairs keeps the recipes'."""
    (metric, *_) = [one for one in results.comparisons if one.measure == "macro_f1"]
    file = metric.model_copy(update={"difference": metric.difference.model_copy(update={"value": 0.0123})})
    both = results.model_copy(update={"file_comparisons": [file]})
    assert against_teacher(both, "macro_f1") in ([file], [turned(file)])
    assert against_teacher(both, "suite") == []
    assert len(against_teacher(results, "macro_f1")) > 1


def test_the_verdict_comes_before_all_else_in_both_files(results):
    page, source = html_report(results), markdown_report(results)
    body = page[page.index("<body>") :]
    assert body.index("Don&#39;t ship lora") < body.index('class="cards"') < body.index("<nav") < body.index("<table")
    assert source.index("Don't ship lora") < source.index("| model |") < source.index("## Why")


def test_every_requirement_is_there_with_its_state_and_reason(results):
    rows = [tuple(cell.text for cell in row.cells) for row in requirements_table(results).rows]
    for student in results.verdict.students:
        start = next(index for index, row in enumerate(rows) if row[0].startswith(f"{student.model}: "))
        trap = len(student.reasons) if student.kind == "conflict" else 0
        shown = rows[start + 1 + trap : start + 1 + trap + len(student.requirements)]
        assert [row[2] for row in shown] == [found.reason for found in student.requirements]
        assert [row[1].partition(" ")[2] for row in shown] == [found.state for found in student.requirements]
    assert len(rows) == sum(len(student.requirements) + 1 for student in results.verdict.students) + 1


def test_the_margins_are_stated(results):
    assert results.verdict.margins["metric_margin"] == 0.02
    note = requirements_table(results).notes[0]
    assert "macro-F1 2 points" in note
    assert "the suite and its sides 5 points" in note
    assert "one functionality 25 points" in note
    assert "at least 3 seeds" in note


def test_the_students_stand_in_a_markdown_table(results):
    table = students_table(results)
    assert [column.title for column in table.columns] == [
        "model", "verdict", "macro-F1", "suite", "toxic side", "layers", "why",
    ]  # fmt: skip
    assert table.rows[0].cells[1].text == "⚠ conflict"


def test_hostile_reasons_are_text():
    results = make_hostile_results()
    reason = "<script>alert(5)</script> **bold** \u202e"
    student = results.verdict.students[0].model_copy(update={"reasons": [reason], "kind": "conflict"})
    verdict = results.verdict.model_copy(update={"students": [student], "headline": reason, "kind": "conflict"})
    results = results.model_copy(update={"verdict": verdict})
    page = html_report(results)
    assert "<script>alert(5)" not in page
    assert "&lt;script&gt;alert(5)" in page
    assert "\u202e" not in page
    assert "**bold**" not in markdown_report(results)


def test_what_is_judged_otherwise_than_was_written_down_is_said_first(results):
    known = Registration(
        at="2026-03-01T10:00:00+00:00", after_training=False, experiment="e", suite=None, margins={}, decision="argmax",
        recipes=["odd"], seeds=[0],
    )  # fmt: skip
    as_written = results.model_copy(update={"made": results.made.model_copy(update={"registered": known})})
    assert notes(as_written) == notes(results)
    assert "were written down on 2026-03-01, before training (registration.json). Nothing of it changed" in (
        markdown_report(as_written)
    )
    made = as_written.made.model_copy(update={"changed": ["metric_margin 0.02, now 0.05", "the suite"]})
    page = markdown_report(results.model_copy(update={"made": made})).split("## Why")[0]
    assert "Judged otherwise than was written down on 2026-03-01, before training" in page
    assert "now 0.05; the suite" in page
