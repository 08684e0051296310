"""The section on why models decide: whose numbers stand where, which words are coloured how, what is said in words."""

import html
import re

import pytest
from markdown_it import MarkdownIt
from reasons_factory import BASELINES, BLINDED, CLEAR, EXPLAINED, NUMBERS, log_odds_of
from results_factory import HOSTILE, make_results

from foreshot.reporting.explained_texts import examples
from foreshot.reporting.report import html_report, markdown_report
from foreshot.reporting.sections.metrics import metrics_table
from foreshot.reporting.sections.reasons import (
    faithfulness_table,
    introduction,
    other_reasons_table,
    people_table,
    teacher_table,
)
from foreshot.reporting.texts import visible
from foreshot.results.base import Estimate
from foreshot.results.identity import ComparedScore
from foreshot.results.reasons import ExplainedText, ExplainedWord, ModelView
from foreshot.results.results import Results

TABLES = (people_table, faithfulness_table, teacher_table, other_reasons_table)


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(explained=EXPLAINED, verdict_notes=["lora goes by other words.", "A < B & C."])


@pytest.fixture(scope="module")
def page(results) -> str:
    return html_report(results)


def with_reasons(results: Results, **changes: object) -> Results:
    return results.model_copy(update={"reasons": results.reasons.model_copy(update=changes)})


def explained(text: str, spans: list[tuple[int, int]], log_odds: list[float], probability: float = 0.912) -> Results:
    """Results with this text as the only example, as the teacher alone saw it, and nobody marked."""
    words = [ExplainedWord(begin=begin, end=end, marked=None) for begin, end in spans]
    numbers = {"scores": [0.0] * len(spans), "log_odds_differences": log_odds}
    view = ModelView(model="teacher", decided="toxic", probability=probability, **numbers)
    example = ExplainedText(text=text, chosen_as="typical", words=words, models=[view])
    results = make_results(models=("teacher",), explained=EXPLAINED, rationales=False)
    return with_reasons(results, examples=[example])


# ---- tables ----


def test_agreement_with_people_stands_under_its_name_for_models_and_baselines(results):
    table = people_table(results)
    assert [column.title for column in table.columns] == [
        "model", "token F1, best threshold", "that threshold", "token F1, half", "IOU F1", "AUPRC",
    ]  # fmt: skip
    expected = {**{name: numbers[:4] for name, numbers in NUMBERS.items()}, **BASELINES}
    assert [row.cells[0].text for row in table.rows] == list(expected)
    for row, (name, numbers) in zip(table.rows, expected.items(), strict=True):
        best, threshold, *others = row.cells[1:]
        assert threshold.text == "0.35"
        assert row.cells[0].remark == ("no model" if name in BASELINES else "")
        for cell, value, reference in zip((best, *others), numbers, NUMBERS["teacher"], strict=False):
            assert cell.text == f"{value:.3f}"
            assert cell.remark.startswith(f"{value - 0.02:.3f}–{value + 0.02:.3f}")
            assert ("▲" in cell.remark) == (value - reference >= CLEAR)
            assert ("▼" in cell.remark) == (value - reference <= -CLEAR)
    assert table.rows[3].cells[-1].remark == "0.568–0.608; ▼ −11.3"


def test_less_is_better_where_words_alone_should_be_enough(results):
    table = faithfulness_table(results)
    rows = {row.cells[0].text: [cell.remark for cell in row.cells[1:]] for row in table.rows}
    assert list(rows) == list(NUMBERS)  # baselines decide nothing
    assert rows["lora"] == ["0.184–0.224; ▼ −14.7", "−0.033 to 0.007; ▲ −9.5"]
    assert rows["odd-lora"] == ["0.267–0.307; ▼ −6.4", "0.113–0.153; ▼ +5.1"]
    assert rows["odd"] == ["0.320–0.360", "0.071–0.111"]
    assert table.rows[3].cells[2].text == "−0.013"


def test_what_is_rounded_to_nothing_has_no_sign(results):
    teacher = results.reasons.models[0]
    score = ComparedScore(value=Estimate(value=-0.0002, low=-0.0004, high=0.0003))
    teacher = teacher.model_copy(update={"numbers": {"comprehensiveness": score, "sufficiency": score}})
    (row,) = faithfulness_table(with_reasons(results, models=[teacher])).rows
    assert [(cell.text, cell.remark) for cell in row.cells[1:]] == [("0.000", "0.000–0.000")] * 2


def test_agreement_with_the_teacher_and_the_texts_decided_by_other_words(results):
    row = next(row for row in teacher_table(results).rows if row.cells[0].text == BLINDED)
    assert [(cell.text, cell.remark) for cell in row.cells[1:]] == [
        ("0.310", "0.290–0.330"),
        ("22%", "20–24%"),
        ("390", ""),
        ("78", "20%"),
    ]
    heading, first, second, _ = other_reasons_table(results).rows
    assert (heading.cells[0].text, heading.cells[0].remark) == (BLINDED, "the 3 least alike of 78")
    assert [cell.text for cell in first.cells] == [EXPLAINED[0], "toxic", "You, absolute", "walnut, nobody", "−0.214"]
    assert second.cells[-1].text == "–"
    students = [student.model_copy(update={"other_reasons": 3}) for student in results.reasons.students]
    assert other_reasons_table(with_reasons(results, students=students)).rows[0].cells[0].remark == "all 3"


def test_a_student_that_never_decides_as_the_teacher_has_no_share_of_it(results):
    student = results.reasons.students[0].model_copy(update={"same_decisions": 0, "other_reasons": 0, "listed": []})
    found = with_reasons(results, students=[student])
    assert [cell.text for cell in teacher_table(found).rows[0].cells[-2:]] == ["0", "0"]
    assert teacher_table(found).rows[0].cells[-1].remark == ""
    assert other_reasons_table(found) is None


def test_agreement_with_people_stands_beside_the_metrics_of_the_models(results):
    table = metrics_table(results)
    at = [column.title for column in table.columns].index("AUPRC against people")
    assert {row.cells[0].text: row.cells[at].text for row in table.rows} == {
        name: f"{numbers[3]:.3f}" for name, numbers in NUMBERS.items()
    }
    assert any("the words that people marked" in note for note in table.notes)
    unmarked = metrics_table(make_results(explained=EXPLAINED, rationales=False))
    assert "AUPRC against people" not in [column.title for column in unmarked.columns]


# ---- words ----


def test_it_is_said_what_was_explained_and_that_agreement_decides_nothing(results):
    said = " ".join(introduction(results))
    assert "412 texts with 9,876 words, from rationales.jsonl" in said
    assert "Left out: nothing marked (31); repeated (2)." in said
    assert "how far the log-odds of toxic fall without it (+1.0 multiplies the odds by 2.7" in said
    assert "People marked 1,234 of the words" in said
    assert "The verdict doesn't look at these numbers. A model can be right for reasons that people didn't mark" in said
    assert "Here the word list does: AUPRC 0.731, against 0.701 of teacher, the best model." in said


def test_the_word_list_is_not_said_to_be_better_where_it_is_not(results):
    *others, words, random = results.reasons.models
    auprc = words.numbers["auprc"]
    less = auprc.model_copy(update={"value": auprc.value.model_copy(update={"value": 0.7})})
    words = words.model_copy(update={"numbers": {**words.numbers, "auprc": less}})
    said = " ".join(introduction(with_reasons(results, models=[*others, words, random])))
    assert "Here the word list doesn't: AUPRC 0.700, against 0.701 of teacher" in said


def test_without_marks_nothing_is_said_of_agreement_with_people():
    results = make_results(explained=EXPLAINED, rationales=False)
    said = " ".join(introduction(results))
    assert "Nobody marked words in these texts" in said
    assert "word list" not in said
    assert people_table(results) is None
    assert faithfulness_table(results) is not None
    assert [example.people for example in examples(results)] == [None] * 3
    text = markdown_report(results)
    assert "arked by people" not in text
    assert "AUPRC against people" not in text


def test_integrated_gradients_are_called_so_with_their_settings(results):
    settings = {"baselines": "mask, pad", "steps": "16"}
    said = introduction(with_reasons(results, method="integrated-gradients", settings=settings))[1]
    assert said.startswith("Integrated gradients (Sundararajan et al. 2017)")
    assert said.endswith("Settings: baselines mask, pad, steps 16.")


# ---- examples ----


def test_a_line_is_the_text_with_each_word_coloured_by_its_score(results):
    first, *_ = found = examples(results)
    assert [example.text for example in found] == list(EXPLAINED)
    assert first.people == ("walnut", "stupid")
    lines = {line.model: line for line in first.lines}
    assert list(lines) == list(NUMBERS)
    for line in lines.values():
        assert "".join(piece.text for piece in line.pieces) == EXPLAINED[0]
        scored = {piece.text: piece for piece in line.pieces if piece.score is not None}
        for word, piece in scored.items():
            score = log_odds_of(line.model, word)
            assert piece.score == score
            assert piece.direction == ("towards" if score > 0 else "away" if score < 0 else "")
            assert piece.by_people == (word in ("walnut", "stupid"))
    assert (lines["teacher"].decided, lines["teacher"].probability) == ("toxic", "0.74")
    assert lines["teacher"].strongest == (("stupid", "+2.05"), ("walnut", "+0.40"), ("nobody", "+0.25"))
    walnut = next(piece for piece in lines["teacher"].pieces if piece.text == "walnut")
    assert walnut.share == pytest.approx(0.40 / 2.05)
    assert [word for word, _ in lines[BLINDED].strongest] == ["stupid", "walnut", "nobody"]
    assert lines[BLINDED].strongest[0][1] == "−1.02"


def test_words_that_do_little_are_pale_or_not_coloured_at_all():
    (line,) = examples(explained("aa bb cc", [(0, 2), (3, 5), (6, 8)], [0.2, -0.09, 0.1]))[0].lines
    words = [piece for piece in line.pieces if piece.score is not None]
    assert [(piece.direction, round(piece.share, 2)) for piece in words] == [
        ("towards", 0.2),
        ("", 0.09),
        ("towards", 0.1),
    ]
    assert line.strongest == (("aa", "+0.20"), ("cc", "+0.10"))
    nothing = explained("aa", [(0, 2)], [0.0])
    assert examples(nothing)[0].lines[0].strongest == ()
    page = html_report(nothing)
    said = "No single word moves it by 0.1 or more in log-odds."
    assert said in page
    assert f"| teacher | toxic | 0.91 | {said} |" in markdown_report(nothing)
    assert "arked by people" not in page


def test_a_saturated_score_is_called_so_and_its_words_are_told_apart():
    saturated = explained("aa bb", [(0, 2), (3, 5)], [2.5, -0.7], probability=0.99993)
    for report in (html_report(saturated), markdown_report(saturated)):
        report = html.unescape(report)
        assert "toxic</bdi> 1.00, saturated" in report or "| toxic | 1.00, saturated | aa +2.50, bb −0.70 |" in report
        assert "Some scores are saturated: above 0.999 or below 0.001, most words hardly change a score" in report
    for report in (html_report(plain := explained("aa", [(0, 2)], [2.5])), markdown_report(plain)):
        assert "saturated" not in report


@pytest.mark.parametrize(
    ("text", "spans", "shown"),
    [
        ("so\u202eon now", [(0, 5), (6, 9)], ["so[U+202E]on", " ", "now"]),
        ("\U0001f469\u200d\U0001f4bb x", [(0, 3), (4, 5)], ["\U0001f469\u200d\U0001f4bb", " ", "x"]),
        ("e\u0301te\u0301 שלום", [(0, 5), (6, 10)], ["e\u0301te\u0301", " ", "שלום"]),
        ("a\r\nb!", [(0, 1), (3, 4)], ["a", " ↵ ", "b", "!"]),
        ("", [], []),
        ("y" * 700, [(0, 700)], ["y" * 59 + "…"]),
        ("y" * 700 + "!", [(0, 700)], ["y" * 59 + "…", "…"]),
        ("z " * 1000, [(at, at + 1) for at in range(0, 2000, 2)], ["z", " "] * 299 + ["z", " …"]),
        (" " * 5000 + "far", [(5000, 5003)], [" " * 59 + "…", "far"]),
    ],
)
def test_words_keep_their_places_in_any_text(text, spans, shown):
    (line,) = examples(explained(text, spans, [0.5] * len(spans)))[0].lines
    assert [piece.text for piece in line.pieces] == shown


def test_every_line_stands_in_the_page_with_scores_as_titles_and_in_markdown_as_a_table(results, page):
    text = markdown_report(results)
    assert '<mark class="towards by-people" style="--share:1.000" title="+2.05">stupid</mark> opinion.' in page
    assert '<mark class="away" style="--share:0.550" title="−1.65">lovely</mark>' in page
    assert "| teacher | toxic | 0.74 | stupid +2.05, walnut +0.40, nobody +0.25 |" in text
    assert "Marked by people: walnut, stupid\n" in text
    assert "Marked by people: nothing\n" in text  # of the second


# ---- the section in both files ----


def test_the_section_is_there_where_texts_were_explained_and_nowhere_else(results, page, usual_page):
    page, text = html.unescape(page), html.unescape(markdown_report(results))
    assert '<h2 id="reasons">' in page
    assert '<a href="#reasons">' in page
    assert "## Why they decide so" in text
    for sentence in introduction(results):
        assert sentence in page
        assert sentence in text
    for table in TABLES:
        assert table(results).title in page
        assert f"### {table(results).title}" in text
    assert "how alike the scores of students and teacher are" in page
    assert "how alike the scores of students and teacher are" in text
    without = make_results()
    assert without.reasons is None
    assert [table(without) for table in TABLES] == [None] * 4
    assert examples(without) == introduction(without) == []
    for report in (usual_page, markdown_report(without)):
        assert "Why they decide so" not in report
        assert "#reasons" not in report
    for report, is_explained in ((page, True), (text, True), (usual_page, False)):
        assert ("That a model understands what it flags" in report) == is_explained


def test_notes_stand_under_the_verdict_in_both_files(results, page, usual_page):
    text = markdown_report(results)
    header = page[page.index('<section class="verdict') : page.index("<nav")]
    assert "<p>Note: lora goes by other words.</p>" in header
    assert "<p>Note: A &lt; B &amp; C.</p>" in header
    assert "\nNote: lora goes by other words.\n\nNote: A &lt; B &amp; C.\n" in text[: text.index("## Why")]
    assert "Note: " not in usual_page + markdown_report(make_results())


@pytest.fixture(scope="module")
def hostile_sections(hostile_results, hostile_page) -> tuple[str, str]:
    """The section of the page, and that of the Markdown."""
    text = markdown_report(hostile_results)
    section = hostile_page[hostile_page.index('<section aria-labelledby="reasons">') :]
    section = section[: section.index("</section>")]
    return section, text[text.index("## Why they decide so") : text.index("## Flip ledger")]


def test_hostile_texts_are_escaped_in_the_section(hostile_sections):
    for shown in hostile_sections:
        assert "script&gt;alert(1)" in shown
        assert "<script" not in shown
        assert "<img" not in shown
        assert "<style" not in shown
        assert not set(shown) & set("\x1b\u202e\u200b\x07\u2028")
        assert "x" * 400 not in shown
    assert {"mark", "bdi", "p"} < set(re.findall(r"<([a-z0-9]+)", hostile_sections[0]))
    assert "onerror" not in re.sub(r">[^<]*<", "><", hostile_sections[0])  # it stands between tags, in none


def test_hostile_words_are_only_text_in_markdown(hostile_sections):
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(hostile_sections[1])
    inline = [part for token in tokens if token.children for part in token.children]
    assert {part.type for part in inline} <= {"text", "text_special", "strong_open", "strong_close"}
    quotes = [at for at, token in enumerate(tokens) if token.type == "blockquote_open"]
    assert len(quotes) == len(HOSTILE)
    for at, text in zip(quotes, HOSTILE[:-1], strict=False):
        assert "".join(part.content for part in tokens[at + 2].children) == visible(text)
