"""The tables: which rows and columns there are, and numbers worked out by hand from the factory's."""

import pytest
from results_factory import PROBES, make_results

from foreshot.reporting.behaviour import behaviours, probe_counts
from foreshot.reporting.judgement import notice, students_table
from foreshot.reporting.report import html_report, markdown_report
from foreshot.reporting.section import Shown
from foreshot.reporting.sections import training
from foreshot.reporting.sections.conclusions import cannot_say
from foreshot.reporting.sections.conditions import conditions_table, data_table
from foreshot.reporting.sections.cost import cost_table
from foreshot.reporting.sections.differences import range_table
from foreshot.reporting.sections.metrics import classes_table, confusion_tables, metrics_table
from foreshot.reporting.sections.models import layer_map_table, recipes_table
from foreshot.reporting.sections.probes import probe_grid
from foreshot.reporting.sections.reproduce import environment_table
from foreshot.reporting.sections.scores import calibration_table, thresholds_table
from foreshot.reporting.sections.side_by_side import main_table
from foreshot.reporting.sections.training import epochs_table, loss_curves, losses_table, rounds_table, steadiness_table
from foreshot.reporting.tables import (
    Table,
    big_count_text,
    bytes_text,
    count_text,
    factor_text,
    learning_rate_text,
    loss_text,
    metric_text,
    models_of,
    p_text,
    percent_text,
    points_text,
    range_text,
    seconds_text,
    spread_text,
)
from foreshot.results.behaviour import Probe
from foreshot.results.models import CurvePoint, Loss, Spread
from foreshot.results.results import Results


def titles(table: Table) -> list[str]:
    return [column.title for column in table.columns]


def row(table: Table, name: str) -> dict[str, str]:
    found = next(row for row in table.rows if row.cells[0].text == name)
    return dict(zip(titles(table), (cell.text for cell in found.cells), strict=True))


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (loss_text, 0.05614, "0.0561"),
        (loss_text, 0.00001, "<0.0001"),
        (loss_text, 0.0, "0.0000"),
        (metric_text, 0.97715, "0.977"),
        (count_text, 14.0, "14"),
        (count_text, 14.333, "14.3"),
        (count_text, 22713986, "22,713,986"),
        (big_count_text, 22713986, "22.7 M"),
        (big_count_text, 221570, "221.6 k"),
        (bytes_text, 90866120, "90.9 MB"),
        (bytes_text, 12300, "12.3 kB"),
        (seconds_text, 9.94, "9.9 s"),
        (seconds_text, 9.96, "10 s"),
        (seconds_text, 72.0, "1 min 12 s"),
        (percent_text, 0.614, "61%"),
        (percent_text, 0.998, ">99%"),
        (percent_text, 0.001, "<1%"),
        (percent_text, 1.0, "100%"),
        (percent_text, 0.0, "0%"),
        (points_text, -0.2412, "−24.1"),
        (points_text, 0.05, "+5.0"),
        (points_text, -0.0001, "0"),
        (p_text, 0.0304, "0.030"),
        (p_text, 0.0004, "<0.001"),
        (learning_rate_text, 5e-5, "5e-5"),
        (learning_rate_text, 2.5e-4, "2.5e-4"),
        (learning_rate_text, 1e-3, "0.001"),
        (factor_text, 10.0, "10×"),
        (factor_text, 1 / 3, "0.333×"),
        (factor_text, 0.003 / 0.0003, "10×"),
        (factor_text, 123456.0, "123,456×"),
    ],
)
def test_numbers_as_text(form, value, text):
    assert form(value) == text


def test_spreads_as_text():
    alone = Spread(mean=14.0, deviation=None, minimum=14.0, maximum=14.0)
    three = Spread(mean=43 / 3, deviation=0.577, minimum=14.0, maximum=15.0)
    assert spread_text(alone, count_text, of=18) == "14/18"
    assert spread_text(three, count_text, of=18) == "14.3/18 ± 0.6"
    assert spread_text(None, count_text) == "–"
    assert range_text(three, count_text) == "14 … 15"
    assert range_text(alone, count_text) == "14"


def suite_of(results: Results, model: str) -> list[str]:
    """Share right of the suite and of its toxic cases, in whole percent."""
    found = next(found for found in results.suite_results if found.model == model)
    return [f"{share.value * 100:.0f}%" for share in (found.accuracy, found.by_label["toxic"])]


def test_main_table_with_one_seed():
    results = make_results()
    table = main_table(results)
    assert titles(table) == [
        "model", "training loss", "training cross-entropy", "test cross-entropy", "accuracy", "macro-F1",
        "AUROC", "suite right", "suite's toxic cases right", "toxic probes flagged",
        "benign probes flagged", "layers", "trained parameters",
        "training time", "size on disk",
    ]  # fmt: skip
    # lora: 0.0561 · 0.8; 0.0561 + 0.1234; 0.9772 − 0.00561; 0.9481 − 0.00561
    assert list(row(table, "lora").values()) == [
        "lora", "0.0561", "0.0449", "0.1795", "0.972", "0.942", "0.987", *suite_of(results, "lora"), "1/3",
        "0/2", "6", "221.6 k",
        "1 min 12 s", "90.9 MB",
    ]  # fmt: skip
    assert row(table, "odd")["toxic probes flagged"] == "3/3"
    assert row(table, "odd")["benign probes flagged"] == "1/2"


def test_training_loss_says_how_many_losses_it_is():
    table = main_table(make_results())
    remarks = {row.cells[0].text: row.cells[1].remark for row in table.rows}
    assert remarks == {
        "teacher": "1 loss",
        "odd": "3 losses",
        "even": "3 losses",
        "lora": "1 loss",
        "odd-lora": "3 losses",
    }
    assert "can't be compared" in table.notes[0]
    assert "odd, even, odd-lora it combines 3 losses" in table.notes[0]


def test_losses_of_one_kind_need_no_warning():
    results = make_results(models=("teacher", "lora"))
    assert "can't be compared" not in " ".join(main_table(results).notes)
    assert not any("training losses across" in line for line in cannot_say(results))


def test_several_seeds_give_mean_deviation_and_range():
    results = make_results(seeds=(0, 1, 2))
    # 0.1592, 0.1612, 0.1632: mean 0.1612, deviation 0.0020
    assert row(main_table(results), "odd")["training loss"] == "0.1612 ± 0.0020"
    assert row(main_table(results), "teacher")["training loss"] == "0.1412"
    ranges = range_table(results)
    assert row(ranges, "odd")["training loss"] == "0.1592 … 0.1632"
    # Student's interval of three: 4.303 · 0.0020 / √3 = 0.0050 on either side of 0.1612
    assert next(line for line in ranges.rows if line.cells[0].text == "odd").cells[2].remark == "95 %: 0.1562 to 0.1662"
    assert "teacher" not in [row.cells[0].text for row in ranges.rows]
    # even flags moron (0.58, 0.53, 0.48) with two of three seeds, the other two with all
    assert row(main_table(results), "even")["toxic probes flagged"] == "2.7/3 ± 0.6"
    assert range_table(make_results()) is None


def test_a_learning_rate_of_its_own_is_marked():
    table = main_table(make_results(unmatched=("lora",)))
    # 2e-4, where the others were trained at 5e-5
    assert [row.cells[0].remark for row in table.rows] == ["", "", "", "not matched: 4×", ""]
    assert any("instead of 5e-5: lora (2e-4, 4×)." in note for note in table.notes)
    assert not any("--matched" in note for note in table.notes)  # a rate of its own is left out by whoever wrote it
    assert not any("Not matched" in note for note in main_table(make_results()).notes)


def test_a_factor_is_told_wherever_models_stand_side_by_side():
    results = with_factor(make_results(seeds=(0, 1, 2), unmatched=("lora",)), "lora")
    assert any("its named recipes take 10 times it; --matched" in note for note in main_table(results).notes)
    for made in (
        main_table(results),
        range_table(results),
        metrics_table(results),
        students_table(results),
        recipes_table(results),
        losses_table(results),
        steadiness_table(results),
    ):
        remarks = {line.cells[0].text: line.cells[0].remark for line in made.rows}
        assert {name for name, remark in remarks.items() if remark == "not matched: 4×"} == {"lora"}, made.title
    rate = next(line for line in conditions_table(results).rows if line.cells[0].text == "learning rate")
    assert rate.cells[1].text == "5e-5; of those that are not matched, their own"
    page, text = html_report(results), markdown_report(results)
    assert "<small>not matched: 4×</small>" in page.partition("</ul>")[0]  # on its card, above all tables
    assert "lora (not matched: 4×)" in text


def with_factor(results, model):
    """The same, of a recipe that takes a multiple of the experiment's learning rate."""
    models = [
        found.model_copy(update={"recipe": {**found.recipe, "learning_rate_factor": 4}})
        if found.model == model
        else found
        for found in results.models
    ]
    return results.model_copy(update={"models": models})


def test_a_given_teacher_has_no_training():
    results = make_results(given_teacher=True)
    teacher = row(main_table(results), "teacher")
    assert (teacher["training loss"], teacher["training time"], teacher["trained parameters"]) == (
        "–",
        "–",
        "none",
    )
    assert main_table(results).rows[0].cells[1].remark == "given ready"
    for table in (
        losses_table(results),
        steadiness_table(results),
        epochs_table(results),
    ):
        assert "teacher" not in [row.cells[0].text for row in table.rows]


def test_what_scouts_found_is_shown_round_by_round_where_there_were_rounds():
    results = make_results(seeds=(0, 1))
    assert rounds_table(results) is None
    counts = {0: [120, 30], 1: [100, 20]}
    models = [
        run.model_copy(update={"training": run.training.model_copy(update={"disagreements": counts[run.seed]})})
        if run.model == "odd" and run.training
        else run
        for run in results.models
    ]
    data = results.data.model_copy(update={"unlabelled_rows": 5000})
    mined = results.model_copy(update={"models": models, "data": data})
    found = rounds_table(mined)
    assert [[cell.text for cell in of.cells] for of in found.rows] == [["odd", "110 ± 14.1", "25 ± 7.1"]]
    assert found.notes[0].startswith("Of 5,000 unlabelled texts")
    assert found in [block.table for block in training.section(mined).blocks if isinstance(block, Shown)]


def test_a_missing_metric_takes_its_column_away():
    results = make_results(has_auroc=False)
    assert "AUROC" not in titles(main_table(results))
    assert "average precision" not in titles(metrics_table(results))


def test_without_suite_and_probes_nothing_is_said_about_behaviour_but_that():
    results = make_results(probes=(), kinds=())
    assert probe_grid(results) is None
    assert behaviours(results) == []
    assert not any("probe" in title or "suite" in title for title in titles(main_table(results)))
    assert any("no behaviour was looked at" in note for note in main_table(results).notes)
    assert any("no behaviour was looked at" in line for line in cannot_say(results))


def test_the_suite_alone_is_behaviour_too():
    results = make_results(probes=())
    assert [found.title for found in behaviours(results)] == ["suite right", "suite's toxic cases right"]
    assert any("builtin, 288 cases" in note for note in main_table(results).notes)


def test_without_a_positive_class_probes_are_right_or_wrong():
    classes = ("hate", "offensive", "neither")
    probes = [Probe(text=f"text {index}", label=classes[index % 2]) for index in range(4)]
    results = make_results(classes=classes, positive=None, probes=probes)
    # the factory predicts hate, offensive, neither, hate; the labels are hate, offensive, hate, offensive
    assert row(main_table(results), "odd")["probes right"] == "2/4"
    grid = probe_grid(results)
    assert row(grid, "text 0")["odd"] == "hate 0.83"
    assert row(grid, "text 2")["odd"] == "neither 0.79 ✗"


def test_probes_without_labels_are_counted_together():
    results = make_results(probes=[Probe(text=probe.text, label=None) for probe in PROBES])
    assert row(main_table(results), "odd")["probes flagged"] == "4/5"
    assert [line.cells[0].text for line in probe_grid(results).rows if line.is_heading] == ["without a label"]
    assert not any(cell.wrong for line in probe_grid(results).rows for cell in line.cells)


def test_a_positive_class_against_several_others():
    probes = [*PROBES[:3], Probe(text="so so", label="offensive"), Probe(text="hello", label="neither")]
    results = make_results(classes=("neither", "toxic", "offensive"), probes=probes)
    assert [count.title for count in probe_counts(results)] == [
        "toxic probes flagged",
        "other probes flagged",
    ]
    headings = [line.cells[0].text for line in probe_grid(results).rows if line.is_heading]
    assert headings == [
        "toxic: must be flagged",
        "neither: must not be flagged",
        "offensive: must not be flagged",
    ]


def test_probe_grid_marks_flags_and_errors_in_words_too():
    grid = probe_grid(make_results())
    lines = [line.cells[0].text for line in grid.rows]
    # toxic first; within a group, equal notes stand together
    assert lines[:4] == ["toxic: must be flagged", "idiot", "moron", PROBES[1].text]
    assert row(grid, "idiot") == {
        "probe": "idiot", "teacher": "● 0.91", "odd": "● 0.83", "even": "● 0.85", "lora": "0.22 ✗",
        "odd-lora": "● 0.57",
    }  # fmt: skip
    assert row(grid, PROBES[3].text)["odd"] == "● 0.64 ✗"
    assert row(grid, PROBES[4].text)["odd"] == "0.08"


def test_probe_grid_over_seeds_shows_disagreement():
    grid = probe_grid(make_results(seeds=(0, 1, 2)))
    # moron by even: 0.58, 0.53, 0.48; by lora: 0.18, 0.13, 0.08
    assert row(grid, "moron")["even"] == "◐ 0.53 2/3"
    assert row(grid, "moron")["lora"] == "0.13 ✗"
    assert row(grid, "moron")["teacher"] == "● 0.88"


def test_confusion_matrices_are_summed_over_the_seeds():
    tables = confusion_tables(make_results(seeds=(0, 1)))
    odd = next(table for table in tables if table.title == "odd")
    assert [[cell.text for cell in line.cells] for line in odd.rows] == [
        ["benign", "177", "20"],  # 90 + 87, 10 + 10
        ["toxic", "22", "177"],
    ]
    assert "summed over 2 seeds" in odd.notes[0]


def test_behaviour_stands_beside_every_metric():
    results = make_results()
    for table in (main_table(results), metrics_table(results), calibration_table(results), thresholds_table(results)):
        assert {"suite right", "suite's toxic cases right", "toxic probes flagged"} <= set(titles(table))
    headings = [line.cells[0] for line in classes_table(results).rows if line.is_heading]
    assert all("toxic probes flagged" in heading.remark for heading in headings)
    assert all("toxic probes flagged" in table.notes[0] for table in confusion_tables(results))


def test_layer_maps_are_counted_from_one():
    table = layer_map_table(make_results())
    assert titles(table) == ["model", "1", "2", "3", "4", "5", "6"]
    assert list(row(table, "even").values()) == ["even", "·", "1", "·", "2", "·", "3"]


def test_conditions_data_and_cost():
    results = make_results()
    conditions = {line.cells[0].text: line.cells[1].text for line in conditions_table(results).rows}
    assert conditions["learning rate"] == "5e-5"
    assert (conditions["batch size"], conditions["trained on"]) == ("32", "cpu, in float32")
    assert row(data_table(results), "train")["duplicates removed"] == "17"
    assert row(data_table(results), "train")["toxic"] == "150"
    assert row(cost_table(results), "odd")["parameters"] == "17,390,210"
    environment = {line.cells[0].text: line.cells[1].text for line in environment_table(results).rows}
    assert environment == {"python": "3.11.9", "torch": "2.6.0", "machine cores": "2"}


def test_a_run_that_went_on_elsewhere_says_so():
    results = make_results()
    elsewhere = {"devices": ["cpu", "cuda (Model X)"], "accumulate": [1, 4]}
    results = results.model_copy(update={"conditions": results.conditions.model_copy(update=elsewhere)})
    conditions = {line.cells[0].text: line.cells[1].text for line in conditions_table(results).rows}
    assert conditions["batch size"] == "32, each computed in 1 or 4 parts"
    assert conditions["trained on"] == (
        "cpu and cuda (Model X), in float32; the run went on on another device, so times can't be compared"
    )


def test_made_up_data_is_called_synthetic():
    assert notice(make_results()).startswith("Synthetic corpus")
    assert notice(make_results(synthetic=False)) == ""
    assert any("synthetic" in line for line in cannot_say(make_results()))


def test_models_hold_all_their_seeds():
    models = models_of(make_results(seeds=(0, 1, 2)))
    assert [(model.name, len(model.runs), len(model.timing)) for model in models[:2]] == [
        ("teacher", 1, 1),
        ("odd", 3, 3),
    ]


def test_a_model_that_predicts_one_class_alone_is_named():
    results = make_results(models=("teacher", "odd"))
    odd = results.models[1]
    constant = odd.test.model_copy(update={"confusion_matrix": [[100, 0], [20, 0]]})
    models = [results.models[0], odd.model_copy(update={"test": constant})]
    notes = " ".join(main_table(results.model_copy(update={"models": models})).notes)
    assert "odd predicts one and the same class" in notes
    assert "the same class" not in " ".join(main_table(results).notes)


def test_a_training_that_diverged_still_gets_its_report():
    results = make_results(models=("teacher", "odd"))
    odd = results.models[1]
    nothing = Loss(objective=float("nan"), classification=float("inf"), divergence=float("nan"), cosine=0.5)
    curve = [CurvePoint(step=1, loss=nothing)]
    training = odd.training.model_copy(update={"curve": curve, "final": nothing})
    results = results.model_copy(update={"models": [results.models[0], odd.model_copy(update={"training": training})]})
    assert row(losses_table(results), "odd")["classification"] == "inf"
    assert len(loss_curves(results)) == 2
