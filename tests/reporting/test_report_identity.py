"""The section on identity groups: whose numbers stand where, what is marked, and what is said in words."""

import html

import pytest
from bias_factory import BIASED, IDENTITIES, SKILLS
from results_factory import HOSTILE, make_results

from foreshot.judging.identity_bias import AUCS
from foreshot.reporting.report import html_report, markdown_report
from foreshot.reporting.sections.identity import aucs_table, changes, differences_table, introduction
from foreshot.reporting.sections.why import margins_notes

MODELS = tuple(SKILLS)


@pytest.fixture(scope="module")
def results():
    return make_results(seeds=(0, 1, 2), identities=IDENTITIES)


def rows_by_heading(table):
    found, heading = {}, None
    for row in table.rows:
        if row.is_heading:
            heading = row.cells[0].text
        else:
            found.setdefault(heading, {})[row.cells[0].text] = row.cells
    return found


def test_every_auc_stands_under_its_group_and_model(results):
    table = aucs_table(results)
    assert [column.title for column in table.columns] == ["group", *MODELS]
    of_groups = [rows for heading, rows in rows_by_heading(table).items() if heading != "Over all groups"]
    assert len(of_groups) == 3
    for auc, rows in zip(AUCS, of_groups, strict=True):
        assert list(rows) == list(IDENTITIES)
        for group, (_, *cells) in rows.items():
            for found, cell in zip(results.identity_bias.models, cells, strict=True):
                score = found.groups.get(group, {}).get(auc)
                assert cell.text == (f"{score.value.value:.3f}" if score else "–")
                assert cell.remark == (f"{score.value.low:.3f}–{score.value.high:.3f}" if score else "too few rows")
    name, *_ = of_groups[0]["women"]
    counts = results.identity_bias.groups[0]
    assert name.remark == f"{counts.positive} toxic, {counts.negative} benign"


def test_the_means_stand_last(results):
    rows = rows_by_heading(aucs_table(results))["Over all groups"]
    assert list(rows) == [
        "subgroup, power mean",
        "BPSN, power mean",
        "BNSP, power mean",
        "AUC of all test rows",
        "final",
    ]
    teacher = results.identity_bias.models[0]
    assert rows["BPSN, power mean"][1].text == f"{teacher.means['bpsn'].value.value:.3f}"
    assert rows["final"][1].text == f"{teacher.final.value.value:.3f}"


def test_a_group_with_too_few_rows_is_explained(results):
    (note,) = [note for note in aucs_table(results).notes if "not known" in note]
    assert "must have 10 test rows (walnut growers: 4 positive mentioning it, 0 negative mentioning it)" in note
    assert "walnut growers" not in results.identity_bias.models[0].groups


def test_clear_differences_are_marked_and_others_are_not(results):
    table = differences_table(results)
    assert [column.title for column in table.columns] == ["group", *MODELS[1:]]
    seen = set()
    for auc, (heading, rows) in zip(AUCS, rows_by_heading(table).items(), strict=False):
        for group, (_, *cells) in rows.items():
            for found, cell in zip(results.identity_bias.models[1:], cells, strict=True):
                score = found.groups.get(group, {}).get(auc)
                mark = ""
                if score is not None and score.adjusted_p < 0.05:
                    mark = "bad" if score.minus_teacher.value < 0 else "good"
                assert cell.mark == mark, (heading, group)
                assert ("▼ worse" in cell.text, "▲ better" in cell.text) == (mark == "bad", mark == "good")
                seen.add(mark)
    assert seen == {"", "bad", "good"}


def test_a_student_that_is_clearly_worse_for_a_group_is_named_with_both_numbers(results):
    teacher, by_name = results.identity_bias.models[0], {found.model: found for found in results.identity_bias.models}
    sentences = {change.model: change.sentence for change in changes(results)}
    assert list(sentences) == list(MODELS[1:])
    before, after = (found.groups["women"]["bpsn"].value.value for found in (teacher, by_name[BIASED]))
    assert after < before - 0.09
    assert f"ranks worse than the teacher for women (BPSN {after:.3f} against {before:.3f})" in sentences[BIASED]
    assert sentences["odd"] == "differs from the teacher beyond chance for no group."


def test_it_is_said_what_low_numbers_mean_and_that_the_verdict_does_not_look(results):
    said = " ".join(introduction(results))
    assert "benign texts that mention the group score above toxic ones that don't" in said
    assert "toxic texts that mention the group score below benign ones that don't" in said
    assert "The verdict doesn't look at these numbers." in said
    assert "terms.csv" in said


def test_it_is_said_where_the_verdict_does_look(results):
    margins = {**results.verdict.margins, "identity_margin": 0.05}
    asked = results.model_copy(update={"verdict": results.verdict.model_copy(update={"margins": margins})})
    said = " ".join(introduction(asked))
    assert "The verdict asks that no student's subgroup AUC is below its teacher's by more than 5 points." in said
    assert "doesn't look" not in said
    assert "a subgroup AUC 5 points" in margins_notes(asked)[0]


def test_page_and_markdown_hold_the_section_where_groups_were_asked_about_and_nothing_elsewhere(results, usual_page):
    page, text = html.unescape(html_report(results)), html.unescape(markdown_report(results))
    value = f"{results.identity_bias.models[-1].groups['Muslims']['bnsp'].value.value:.3f}"
    sentence = changes(results)[2].sentence
    assert 'id="identity"' in page
    assert "## Identity groups" in text
    assert all(value in report and sentence in report for report in (page, text))
    assert "Identity groups" not in usual_page + markdown_report(make_results())


def test_a_teacher_alone_has_its_aucs_and_no_differences():
    results = make_results(models=("teacher",), identities=IDENTITIES)
    assert aucs_table(results) is not None
    assert differences_table(results) is None
    assert changes(results) == []
    assert "Student minus teacher" not in markdown_report(results)


def test_hostile_names_of_groups_are_escaped(hostile_results, hostile_page):
    assert [group.name for group in hostile_results.identity_bias.groups] == list(dict.fromkeys(HOSTILE))
    section = hostile_page[hostile_page.index('<h2 id="identity">') :]
    section = section[: section.index("</section>")]
    text = markdown_report(hostile_results)
    of_text = text[text.index("## Identity groups") : text.index("## Why they decide so")]
    for shown in (section, of_text):
        assert "&lt;script&gt;alert(1)" in shown
        assert "<script" not in shown
        assert "<img" not in shown
        assert not set(shown) & set("\x1b\u202e\u200b")
