"""Matched and at its best: two tables, each with the models that belong there."""

import pytest
from results_factory import SCORES, make_results, make_trials

from foreshot.reporting.rates import best_table, trials_table
from foreshot.reporting.report import html_report
from foreshot.reporting.sections.side_by_side import main_table
from foreshot.results.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(models=(*SCORES, "lora-tuned"), unmatched=("lora-tuned",), trials=make_trials())


def test_tuned_models_leave_the_matched_table(results):
    assert main_table(results).title == "At the same learning rate"
    assert [row.cells[0].text for row in main_table(results).rows] == list(SCORES)


def test_a_usual_rate_of_its_own_stays_in_the_first_table():
    """LoRA's factor makes it not matched; only what the search made has a table of its own."""
    results = make_results(models=(*SCORES, "lora-tuned"), unmatched=("lora", "lora-tuned"), trials=make_trials())
    assert main_table(results).title == "Each at its usual learning rate"
    rows = {row.cells[0].text: row.cells[0].remark for row in main_table(results).rows}
    assert list(rows) == list(SCORES)
    assert rows["lora"] == "not matched: 4×"


def test_a_recipe_whose_usual_rate_is_its_best_says_so():
    trials = [trial.model_copy(update={"best": trial.learning_rate == 2e-4}) for trial in make_trials()]
    results = make_results(unmatched=("lora",), trials=trials)
    remarks = {row.cells[0].text: row.cells[0].remark for row in best_table(results).rows}
    assert remarks["lora"] == "the usual rate is its best"


def test_each_recipe_is_shown_at_its_best(results):
    rows = {row.cells[0].text: row.cells for row in best_table(results).rows}
    assert set(rows) == {"odd", "lora"}
    # From the trials: lora's best is 5e-4 with 0.952, and it was trained anew; odd's is the common rate.
    assert [cell.text for cell in rows["lora"][1:3]] == ["5e-4", "0.952"]
    assert rows["lora"][0].remark == "lora-tuned"
    assert [cell.text for cell in rows["odd"][1:3]] == ["5e-5", "0.941"]
    assert rows["odd"][0].remark == "the common rate is its best"


def test_the_numbers_are_those_of_the_tuned_model(results):
    tuned = next(summary for summary in results.summaries if summary.model == "lora-tuned")
    lora = next(row.cells for row in best_table(results).rows if row.cells[0].text == "lora")
    assert lora[5].text == f"{tuned.spreads['macro_f1'].mean:.3f}"
    found = next(found for found in results.suite_results if found.model == "lora-tuned")
    assert lora[6].text == f"{found.accuracy.value * 100:.0f}%"


def test_all_trials_can_be_read(results):
    rows = [[cell.text for cell in row.cells] for row in trials_table(results).rows]
    assert rows[-1] == ["lora", "5e-4", "0.952", "0.0480", "✓ best"]
    assert len(rows) == 6


def test_without_a_search_there_is_one_table():
    results = make_results(unmatched=("lora",))
    assert best_table(results) is trials_table(results) is None
    assert "lora" in [row.cells[0].text for row in main_table(results).rows]
    assert "At the same learning rate" not in html_report(results)
