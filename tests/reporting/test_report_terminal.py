"""The terminal's table: whole numbers at every width, plain text whatever the names hold."""

import io

import pytest
from results_factory import make_results
from rich.cells import cell_len
from rich.console import Console

from foreshot.reporting.terminal import print_table


def printed(results, width=100, **options) -> str:
    file = io.StringIO()
    print_table(results, Console(file=file, width=width, highlight=False, **options))
    return file.getvalue()


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
@pytest.mark.parametrize("width", [80, 100, 140])
def test_the_table_fits_and_its_numbers_are_whole(width, seeds):
    lines = printed(make_results(seeds=seeds, unmatched=("lora",)), width).splitlines()
    assert max(map(len, lines)) <= width
    odd = next(line for line in lines if line.startswith("odd "))
    expected = ["3", "0.1274", "0.2826", "0.932"] if seeds == (0,) else ["3", "0.1295", "0.2847", "0.930"]
    assert odd.split()[1:5] == expected
    assert any(line.startswith("lora *") for line in lines)


def test_a_narrow_screen_gets_whole_numbers_on_longer_lines():
    text = printed(make_results(), 30)
    for number in ("0.1274", "0.2826", "0.932", "3/3", "1/2"):
        assert number in text


def test_long_names_and_deviations_fit_80_columns():
    results = make_results(seeds=(0, 1, 2))
    longer = {"odd-lora": "lora-distil"}
    renamed = results.model_copy(
        update={
            name: [
                item.model_copy(update={"model": longer.get(item.model, item.model)}) for item in getattr(results, name)
            ]
            for name in ("models", "summaries", "timing")
        }
    )
    lines = printed(renamed, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("lora-distil ") and "0.1635" in line for line in lines)
    assert any("±.0021" in line for line in lines)


def test_headings_at_100_columns():
    text = printed(make_results())
    for word in ("model", "layers", "train CE", "test CE", "macro-F1", "suite", "flagged", "time"):
        assert word in text
    assert "synthetic corpus" in text
    assert "CE: cross-entropy" in text


def test_without_suite_and_probes_it_says_so():
    text = printed(make_results(probes=(), kinds=()))
    assert "flagged" not in text
    assert "no behaviour was looked at" in " ".join(text.split())


def test_the_verdict_stands_below_the_table_with_every_reason():
    results = make_results(seeds=(0, 1, 2))
    text = " ".join(printed(results, 80).split())
    table, verdict = text.split(f"Verdict: {results.verdict.kind}")
    assert "layers" in table
    assert results.verdict.headline in verdict
    for student in results.verdict.students:
        said = verdict.partition(f"{student.model} {student.kind}: ")[2]
        assert said.startswith("; ".join(student.reasons))


def test_what_decides_nothing_stands_last_and_dim():
    results = make_results(verdict_notes=["lora goes by [bold]other[/bold] words", "a second one"])
    lines = printed(results, 120, force_terminal=True, color_system="standard").splitlines()
    assert lines[-2:] == [
        "\x1b[2mnote: lora goes by [bold]other[/bold] words\x1b[0m",
        "\x1b[2mnote: a second one\x1b[0m",
    ]
    assert "note:" not in printed(make_results())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_the_verdict_fits_the_screen(width, hostile_results):
    for results in (make_results(models=("teacher", "odd")), hostile_results):
        lines = printed(results, width).splitlines()
        start = next(index for index, line in enumerate(lines) if "Verdict:" in line)
        assert max(cell_len(line) for line in lines[start:]) <= width


def test_the_verdict_has_its_colour():
    text = printed(make_results(seeds=(0, 1, 2)), force_terminal=True, color_system="standard")
    assert "\x1b[1;31m⚠ Verdict: conflict" in text


def test_control_sequences_and_markup_have_no_effect(hostile_results):
    text = printed(hostile_results, force_terminal=True, color_system=None)
    assert "\x1b[31m" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[U+001B][31mred" in text


def test_a_file_gets_no_escape_sequences():
    assert "\x1b" not in printed(make_results())
