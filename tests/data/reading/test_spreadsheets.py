"""Cells for spreadsheets: what would be a formula is none, and every other text stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.data.reading.spreadsheets import inert


@pytest.mark.parametrize(
    "text", ["", "plain", "1-2=3", "me@example.com", "a = b; c", "hello ;-)", "tab\there", "−2 with a true minus"]
)
def test_harmless_texts_stay_as_they_are(text):
    assert inert(text) == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "﹢", "﹣", "﹦", "﹫"])
@pytest.mark.parametrize("before", ["", " ", "  ", "\u00a0", "\u200b", "\ufeff", "\u2003", "\u200e", "\x1f", '"', ' "'])
def test_formulas_are_made_inert(start, before):
    text = f"{before}{start}HYPERLINK(1)"
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["\t=1", " \t =1", "\r=1", " \n=1", "\x0b=1", "\tword", "\rword", "\nword", "=", "-", "@", " @you"]
)
def test_other_dangerous_starts(text):
    assert inert(text).startswith("'")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hi;=cmd|'/C calc'!A0", "hi;'=cmd|'/C calc'!A0"),  # Excel parts cells by semicolons in many countries
        ("hi; =1", "hi;' =1"),
        ("hi;\u200b=1", "hi;'\u200b=1"),
        ("hi\t=1", "hi\t'=1"),
        ("hi\n=1", "hi\n'=1"),
        ("hi\r\n@SUM(1)", "hi\r\n'@SUM(1)"),
        ("a;+1;-1", "a;'+1;'-1"),
        ('a;"=1"', 'a;\'"=1"'),
        ("a;＝1", "a;'＝1"),
        ("ha ;-(1)", "ha ;'-(1)"),
    ],
)
def test_cells_that_another_separator_makes_are_inert(text, expected):
    assert inert(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_but_for_apostrophes(text):
    found = inert(text)
    assert found.replace("'", "") == text.replace("'", "")
    assert not found.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    for separator in (";", "\t", "\n", "\r"):
        assert not any(part.startswith(("=", "+", "@")) for part in found.split(separator))
