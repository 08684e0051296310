"""The flip ledger: the rows of the results, the most harmful first, and what the filters offer."""

from results_factory import make_results

from foreshot.reporting.report import markdown_report
from foreshot.reporting.sections.ledger import (
    FIRST_SHOWN,
    choices,
    counts_table,
    ledger_table,
    lines,
    notes,
    total,
)
from foreshot.results.behaviour import Flip


def flip(**changed) -> Flip:
    given = {
        "model": "odd", "kind": "newly missed", "part": "suite", "row": 7, "label": "toxic", "text": "a text",
        "teacher_score": 0.914, "student_score": 0.226, "seeds_flipped": 2, "seeds": 3,
    }  # fmt: skip
    return Flip(**(given | changed))


def test_a_line_is_a_flip():
    results = make_results().model_copy(update={"flips": [flip(), flip(kind="newly caught", label="", text="x" * 999)]})
    first, second = lines(results)
    assert (first.text, first.label, first.model, first.part, first.row) == ("a text", "toxic", "odd", "suite", 7)
    assert (first.scores, first.seeds, first.sign) == (("0.91", "0.23"), "2/3", "▼")
    assert (second.label, second.sign, len(second.text)) == ("no label", "▲", 300)


def test_counts_are_those_of_the_results():
    results = make_results()
    table = counts_table(results)
    for row in table.rows:
        counted = results.flip_counts[row.cells[0].text]
        shown = {column.title: int(cell.text) for column, cell in zip(table.columns[1:], row.cells[1:], strict=True)}
        assert {kind: count for kind, count in shown.items() if count} == counted
    assert total(results) == sum(sum(counted.values()) for counted in results.flip_counts.values())


def test_filters_offer_what_occurs():
    results = make_results().model_copy(update={"flips": [flip(kind="newly caught", part="test"), flip(model="lora")]})
    assert choices(results) == {
        "model": ["odd", "lora"],
        "kind": ["newly missed", "newly caught"],
        "part": ["test", "suite"],
    }


def test_markdown_holds_the_first_fifty():
    results = make_results(seeds=(0, 1, 2))
    table = ledger_table(results)
    assert len(table.rows) == FIRST_SHOWN == 50
    assert [row.cells[0].text for row in table.rows] == [flip.text for flip in results.flips[:50]]
    assert f"The 50 most harmful of {total(results):,}; flips.csv has all." in markdown_report(results)


def test_kinds_are_explained_in_the_words_of_the_data():
    assert "a toxic text that the teacher flags" in notes(make_results())[0]
    several = make_results(classes=("hate", "offensive", "neither"), positive=None)
    assert notes(several)[0].startswith("Newly wrong")


def test_nothing_flipped():
    results = make_results().model_copy(update={"flips": [], "flip_counts": {}})
    assert counts_table(results) is ledger_table(results) is None
