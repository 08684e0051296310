"""The terminal's table: whole numbers at every width, plain text whatever the names hold."""

import io

import pytest
from results_factory import make_results
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
    expected = ["3", "0.1592", "0.1274", "0.2826"] if seeds == (0,) else ["3", "0.1612", "0.1295", "0.2847"]
    assert odd.split()[1:5] == expected
    assert any(line.startswith("lora *") for line in lines)


def test_a_narrow_screen_gets_whole_numbers_on_longer_lines():
    text = printed(make_results(), 30)
    for number in ("0.1592", "0.1274", "0.2826", "0.961", "0.932", "3/3", "1/2"):
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
    assert any(line.startswith("lora-distil ") and "0.2037" in line for line in lines)
    assert any("±.0020" in line for line in lines)


def test_headings_at_100_columns():
    text = printed(make_results())
    for word in ("model", "layers", "train CE", "test CE", "accuracy", "macro-F1", "flagged", "time"):
        assert word in text
    assert "synthetic corpus" in text
    assert "compare train CE" in text


def test_without_probes_it_says_so():
    text = printed(make_results(probes=()))
    assert "flagged" not in text
    assert "no behaviour was looked at" in " ".join(text.split())


def test_control_sequences_and_markup_have_no_effect(hostile_results):
    text = printed(hostile_results, force_terminal=True, color_system=None)
    assert "\x1b[31m" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "[U+001B][31mred" in text


def test_a_file_gets_no_escape_sequences():
    assert "\x1b" not in printed(make_results())
