"""The report of a multi-label task: every label's numbers, and which of them suite and probes judge."""

import pytest
from results_factory import HOSTILE, make_results

from foreshot.judging.evidence import METRIC
from foreshot.judging.summary import summarise
from foreshot.reporting.behaviour import judged_note
from foreshot.reporting.judgement import measure_name
from foreshot.reporting.report import html_report, markdown_report
from foreshot.reporting.sections.conditions import data_table
from foreshot.reporting.sections.labels import label_means_table, labels_table
from foreshot.reporting.sections.metrics import metrics_table
from foreshot.reporting.sections.scores import calibration_table, thresholds_table
from foreshot.reporting.sections.side_by_side import main_table, terminal_table
from foreshot.reporting.sections.why import margins_notes, question, requirement_name
from foreshot.results.decisions import Calibration, Decision
from foreshot.results.models import LabelResult
from foreshot.results.results import Results

NAMES = ("toxic", "threat")
AUROC = {"teacher": (0.9, 0.7), "odd": (0.8, 0.6)}


def label_result(name: str, auroc: float | None, seed: int, policy: str) -> LabelResult:
    def calibrated(error: float) -> Calibration:
        return Calibration(expected_calibration_error=error, brier=error / 2, bins=[])

    return LabelResult(
        name=name,
        support=31,
        auroc=None if auroc is None else auroc + 0.02 * seed,
        average_precision=None if auroc is None else auroc - 0.1,
        precision=0.51,
        recall=0.52,
        f1=0.53,
        macro_f1=0.54,
        decision=Decision(policy=policy, threshold=None if policy == "argmax" else 0.123),
        calibration=calibrated(0.2),
        calibration_after_scaling=calibrated(0.1),
    )


def of_labels(
    results: Results, names=NAMES, *, ranked: bool = True, policies: tuple[str, str] | None = None
) -> Results:
    """Results of two models with labels besides."""
    models = []
    for found in results.models:
        own = [
            label_result(
                name,
                AUROC[found.model][index] if ranked or index == 0 else None,
                found.seed,
                policies[index] if policies else found.decision.policy,
            )
            for index, name in enumerate(names)
        ]
        models.append(found.model_copy(update={"labels": own}))
    parts = {
        name: part.model_copy(update={"label_counts": {names[0]: 150, names[1]: 7}})
        for name, part in results.data.parts.items()
    }
    return results.model_copy(
        update={
            "models": models,
            "summaries": summarise(models, results.probes, results.data.positive),
            "data": results.data.model_copy(
                update={
                    "label_column": names[0],
                    "label_names": list(names),
                    "classes": [f"not {names[0]}", names[0]],
                    "positive": names[0],
                    "parts": parts,
                }
            ),
        }
    )


@pytest.fixture(scope="module")
def results() -> Results:
    return of_labels(make_results(models=("teacher", "odd"), seeds=(0, 1)))


def rows_of(table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def test_each_label_has_every_model_the_teacher_first(results):
    rows = rows_of(labels_table(results))
    assert [row[0] for row in rows] == [
        "toxic (judged): 31 of 250 test rows", "teacher", "odd", "threat: 31 of 250 test rows", "teacher", "odd"
    ]  # fmt: skip
    assert rows[1][1:3] == ["0.900", "0.800"]
    assert rows[5][1] == "0.610 ± 0.014"  # of 0.60 and 0.62


def test_means_over_labels_have_their_spread_over_seeds(results):
    columns = [column.title for column in label_means_table(results).columns]
    rows = rows_of(label_means_table(results))
    assert columns[:4] == ["model", "AUROC", "average precision", "macro-F1"]
    assert rows[0][1:3] == ["0.800", "0.700"]
    assert rows[1][1] == "0.710 ± 0.014"  # of (0.8 + 0.6) / 2 and (0.82 + 0.62) / 2


def test_a_label_without_rows_is_left_out_of_the_mean_and_named():
    results = of_labels(make_results(models=("teacher", "odd"), seeds=(0,)), ranked=False)
    table = label_means_table(results)
    assert rows_of(table)[0][1] == "0.900"
    assert table.notes == ("AUROC and average precision leave out threat: no test row has the label, or every one "
                           "has it.",)  # fmt: skip
    assert rows_of(labels_table(results))[4][1:3] == ["–", "–"]


def test_a_label_with_too_few_rows_for_the_policy_says_so():
    policies = (make_results(models=("teacher", "odd")).models[0].decision.policy, "fpr<=0.01")
    table = labels_table(of_labels(make_results(models=("teacher", "odd")), policies=policies))
    assert [row.cells[0].remark for row in table.rows] == ["", "", "", "", *["too few rows for the policy"] * 2]
    assert any("too few for" in note and "threat" in note and "toxic" not in note for note in table.notes)


def test_the_main_table_says_which_numbers_are_of_which_label(results):
    titles = [column.title for column in main_table(results).columns]
    assert {"macro-F1, mean over the labels", "AUROC, mean over the labels", "accuracy of toxic", "AUROC of toxic"} <= {
        *titles
    }
    assert judged_note(results) in main_table(results).notes
    assert "Suite and probes judge toxic, the first of them" in judged_note(results)
    assert "macro-F1 and CE are means over 2 labels; suite and probes judge toxic" in terminal_table(results).notes


@pytest.mark.parametrize("table_of", [metrics_table, calibration_table, thresholds_table])
def test_tables_of_the_judged_label_say_so(results, table_of):
    assert any("toxic" in note and "label" in note for note in table_of(results).notes)


def test_the_verdict_names_its_metric_honestly(results):
    assert requirement_name(results, METRIC) == "mean macro-F1 over the labels not worse"
    assert measure_name(results, METRIC) == "macro-F1, mean over the labels"
    assert "mean macro-F1 over the labels 2 points" in margins_notes(results)[0]


def test_the_data_are_counted_by_label(results):
    table = data_table(results)
    assert [column.title for column in table.columns][2:4] == ["toxic", "threat"]
    assert rows_of(table)[0][2:4] == ["150", "7"]
    assert "2 label columns" in table.notes[0]
    in_one = results.model_copy(update={"data": results.data.model_copy(update={"label_column": "tags"})})
    assert "2 labels in label column tags, of which a row can have several" in data_table(in_one).notes[0]
    assert "by 2 labels, toxic first of all" in question(results)[0]


def test_page_and_markdown_have_the_section(results):
    page, text = html_report(results), markdown_report(results)
    assert '<h2 id="labels">Labels</h2>' in page
    assert '<a href="#labels">' in page
    assert "## Labels" in text
    assert "0.610 ± 0.014" in text


def test_without_several_labels_there_is_no_such_section():
    results = make_results(models=("teacher", "odd"))
    assert (label_means_table(results), labels_table(results), judged_note(results)) == (None, None, "")
    assert "#labels" not in html_report(results)
    assert "## Labels" not in markdown_report(results)
    assert "macro-F1" in [column.title for column in main_table(results).columns]


@pytest.mark.parametrize("hostile", [HOSTILE[0], HOSTILE[1], HOSTILE[10]])
def test_names_of_labels_are_only_text(hostile):
    page = html_report(of_labels(make_results(models=("teacher", "odd")), (f"a {hostile}", hostile)))
    assert hostile not in page


def test_results_of_one_label_column_are_read_as_before():
    results = make_results(models=("teacher", "odd"))
    written = results.to_json()
    assert Results.model_validate_json(written) == results
    assert Results.model_validate_json(of_labels(results).to_json()).models[0].labels[1].name == "threat"
