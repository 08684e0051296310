"""Texts that strangers wrote: nothing stays hidden, nothing acts."""

import itertools

import pytest
from markdown_it import MarkdownIt
from results_factory import HOSTILE

from foreshot.reporting.texts import fenced, markdown, shortened, visible, visible_characters


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("naïve café 你好 עברית", "naïve café 你好 עברית"),
        ("a\nb", "a ↵ b"),
        ("a\r\nb", "a ↵ b"),
        ("a\rb", "a[U+000D]b"),
        ("a\tb", "a ⇥ b"),
        ("a\u202eb", "a[U+202E]b"),
        ("\x1b[31m", "[U+001B][31m"),
        ("zero\u200bwidth", "zero[U+200B]width"),
        ("to\u200dxic", "to[U+200D]xic"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\ufdd0", "[U+FDD0]"),
        ("\U000e0041", "[U+E0041]"),
        ("  ", ""),
        ("a" + "\u0301" * 8, "a" + "\u0301" * 8),
        ("a" + "\u0301" * 10, "a" + "\u0301" * 8 + "[U+0301][U+0301]"),
    ],
)
def test_what_can_not_be_seen_is_shown(text, shown):
    assert visible(text) == shown


def test_characters_are_shown_one_by_one_as_the_whole_text_is():
    assert visible_characters("a\r\nb\u202e") == ["a", "", " ↵ ", "b", "[U+202E]"]
    assert visible_characters("\U0001f469\u200d\U0001f4bb")[1] == "\u200d"  # it joins, as in the whole text


def test_long_texts_are_cut():
    assert shortened("abcdef", 4) == "abc…"
    assert shortened("abcd", 4) == "abcd"


@pytest.mark.parametrize("text", [*HOSTILE, "# title", "- item", "1. one", "+ plus", "=====", "\\| \\\\|", "a  \nb"])
def test_markdown_shows_the_text_and_nothing_else(text):
    """An independent parser, with raw HTML switched on, must find one paragraph of the text itself."""
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(markdown(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    parts = tokens[1].children
    assert {part.type for part in parts} <= {"text", "text_special"}
    assert "".join(part.content for part in parts) == visible(text)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_markdown_table_cell_holds_the_text(text):
    source = f"| a | b |\n| --- | --- |\n| {markdown(text)} | end |\n"
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(source)
    cells = [token for before, token in itertools.pairwise(tokens) if before.type == "td_open"]
    assert ["".join(part.content for part in cell.children) for cell in cells] == [visible(text), "end"]


@pytest.mark.parametrize("text", ["https://evil.example", "HTTP://evil.example", "www.evil.example", "me@evil.example"])
def test_markdown_leaves_no_address_to_click(text):
    escaped = markdown(text)
    assert "://" not in escaped
    assert "www." not in escaped
    assert "@" not in escaped


def test_a_code_block_can_not_be_left():
    block = fenced("a ``` b\n```` c")
    tokens = MarkdownIt("commonmark").parse(block)
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content == "a ``` b ↵ ```` c\n"
