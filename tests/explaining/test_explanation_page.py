"""Explanations shown: words marked where they stand, by sign and strength, and no text that acts on its outlet."""

import json
import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from results_factory import HOSTILE
from rich.console import Console

from foreshot.cli.explain import explanation_json, print_explanation
from foreshot.explaining.explain import Explanation, WordScore
from foreshot.explaining.page import MOST_LISTED, SHOWN_AFTER, drivers, explanation_page, marked
from foreshot.reporting.marked_words import Piece

TEXT = "you &amp; (walnut) 😀!\nthanks"


def make_explanation(text: str = TEXT, scores: dict[str, float | None] | None = None, **fields) -> Explanation:
    """The words are looked for in the text; each occurs in it once, and does five times its score to the log-odds."""
    scores = {"you": -0.05, "&amp;": 0.004, "walnut": 0.49, "thanks": None} if scores is None else scores
    words = [
        WordScore(
            begin=text.index(word),
            end=text.index(word) + len(word),
            word=word,
            score=score,
            log_odds_difference=None if score is None else 5 * score,
        )
        for word, score in scores.items()
    ]
    values = {
        "model": "odd/model.onnx",
        "method": "leave-one-out",
        "decided": "toxic",
        "label": "toxic",
        "probability": 0.9427,
        "log_odds": 2.8,
        "saturated": False,
        "words": words,
        "words_total": len(words),
        "limited": False,
        "truncated": False,
    }
    return Explanation(**{**values, **fields})


# ---- what is marked ----


def test_words_are_marked_where_they_stand_and_nothing_of_the_text_is_lost():
    assert marked(TEXT, make_explanation()) == [
        Piece("you", -0.25, pytest.approx(0.25 / 2.45)),
        Piece(" "),
        Piece("&amp;", 0.02, pytest.approx(0.02 / 2.45)),
        Piece(" ("),
        Piece("walnut", 2.45, 1.0),
        Piece(") 😀! ↵ thanks"),  # the model doesn't see the last word
    ]


def test_what_follows_the_scored_words_is_cut_short():
    text = "walnut " + "x" * 5000
    shown = "".join(piece.text for piece in marked(text, make_explanation(text, {"walnut": 0.5})))
    assert shown == text[: len("walnut") + SHOWN_AFTER] + "…"
    assert marked("", make_explanation("", {})) == []


def test_the_strongest_words_come_first_and_are_few():
    scores = {f"w{number}w": (-1) ** number * number / 50 for number in range(25)}
    found = drivers(make_explanation(" ".join(scores), scores))
    assert [word.score for word in found] == pytest.approx(
        [(-1) ** number * number / 10 for number in range(24, 24 - MOST_LISTED, -1)]
    )


# ---- the terminal ----

STILL = WordScore(begin=0, end=3, word="you", score=0.03, log_odds_difference=0.099)


def printed(text: str, explanation: Explanation, **options) -> str:
    stream = StringIO()
    print_explanation(text, explanation, Console(file=stream, highlight=False, width=200, **options))
    return stream.getvalue()


def test_without_colours_the_strongest_words_are_listed_with_their_numbers():
    assert printed(TEXT, make_explanation()).splitlines() == [
        "decided: toxic (94.3%)",
        "you &amp; (walnut) 😀! ↵ thanks",
        "  +2.45  walnut",
        "  −0.25  you",
        "Leave-one-out: how much lower the label's log-odds are without the word; "
        "+1.0 multiplies the odds by 2.7, as from 0.50 to 0.73; −1.0 divides them by it.",
        "",
    ]
    terminal = {"force_terminal": True, "no_color": True}
    assert "\x1b[4" not in printed(TEXT, make_explanation(), **terminal)


def test_with_colours_each_word_is_marked_by_sign_and_strength():
    shown = printed(TEXT, make_explanation(), force_terminal=True, color_system="truecolor", _environ={})
    assert re.search(r"\x1b\[1;30;48;2;255;176;87mwalnut\x1b\[0m", shown)  # black on orange
    assert re.search(r"\x1b\[3myou\x1b\[0m", shown)  # faint: in italics alone
    assert "\x1b[0m &amp; (" in shown or " &amp; (" in shown


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({"label": "benign"}, ["decided: toxic; explained: benign (94.3%)"]),
        ({"words": []}, ["It has no word to score."]),
        ({"words": [STILL]}, ["No single word moves it by 0.1 or more in log-odds."]),
        (
            {"probability": 0.99991, "log_odds": 9.3157, "saturated": True},
            [
                "The score is saturated: above 0.999 or below 0.001, most words hardly change a score, "
                "and log-odds still tell them apart. The text's are +9.32."
            ],
        ),
        ({"limited": True, "words_total": 12_000}, ["Only the first 4 of 12,000 words were scored."]),
        (
            {"truncated": True},
            ["The text is longer than the model reads; its end was not looked at: 1 of these words have no score."],
        ),
        (
            {
                "method": "integrated-gradients",
                "rest": -0.25,
                "log_odds": 2.0,
                "baseline_log_odds": {"mask": -1.0, "zero": 0.5},
                "deltas": {"mask": 0.001, "zero": -0.03},
            },
            [
                "Integrated gradients: a word's part of the label's log-odds, in nats, "
                "against the baselines mask, zero; "
                "+1.0 multiplies the odds by 2.7, as from 0.50 to 0.73; −1.0 divides them by it.",
                "Punctuation and other words: −0.25. Left over by the steps: mask +0.00, zero −0.03.",
            ],
        ),
    ],
)
def test_what_a_reader_must_know_is_said(fields, lines):
    explanation = make_explanation(**fields)
    assert set(lines) <= set(printed(TEXT, explanation).splitlines())
    page = explanation_page([(TEXT, explanation)])
    assert all(line.replace("'", "&#39;") in page for line in lines)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_acts_on_the_terminal(text):
    explanation = make_explanation(text, {text: 0.5}, model=text, decided=text, label=text)
    for options in ({}, {"force_terminal": True, "color_system": "truecolor", "_environ": {}}):
        shown = re.sub(r"\x1b\[[0-9;]*m", "", printed(text, explanation, **options))
        assert not {"\x1b", "\u202e", "\x07", "\r", "\u2028"} & set(shown)
        assert "[red]" in shown or "[red]" not in text


def test_json_lines_are_one_line_of_ascii_each():
    text = "ça \u202e \x1b \ud800\n"
    line = explanation_json(text, make_explanation(text, {"ça": 0.1}))
    assert line.isascii()
    assert "\n" not in line
    found = json.loads(line)
    assert found["text"] == text
    assert found["words"] == [{"begin": 0, "end": 2, "word": "ça", "score": 0.1, "log_odds_difference": 0.5}]


# ---- the page ----


class Reader(HTMLParser):
    """Tags, attributes and texts of a page, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.marks: list[tuple[str, str]] = []
        self.open: str = ""
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open = tag

    def handle_endtag(self, tag):
        self.open = ""

    def handle_data(self, data):
        self.texts.append(data)
        if self.open == "mark":
            self.marks.append((self.tags[-1][1]["class"], data))


def test_the_page_marks_words_and_lists_the_strongest():
    reader = Reader(explanation_page([(TEXT, make_explanation())]))
    assert reader.marks[2:] == [("away level-2", "you"), ("towards level-10", "walnut")]  # after the legend's two
    shown = "".join(reader.texts)
    assert "you &amp; (walnut) 😀! ↵ thanks" in shown
    assert re.search(r"walnut \+2\.45\s+you −0\.25", shown)
    assert "There were more texts" not in shown
    assert "more texts; the first 1 are shown" in explanation_page([(TEXT, make_explanation())], more=True)
    assert "There was no text to explain." in explanation_page([])


def test_no_text_acts_on_the_page():
    explained = [
        (text, make_explanation(text, {text: 0.5}, model=text, decided=text, label=text, method="leave-one-out"))
        for text in HOSTILE
    ]
    page = explanation_page(explained)
    reader = Reader(page)
    assert {tag for tag, _ in reader.tags} == {
        *("html", "head", "meta", "title", "style", "body", "header", "p", "h1", "bdi", "mark", "main", "article"),
        *("h2", "ol", "li", "span"),
    }
    assert all(set(attributes) <= {"class", "dir", "title"} for tag, attributes in reader.tags if tag in {"mark", "p"})
    assert page.count("<style>") == 1
    assert not {"\x1b", "\u202e", "\x07", "\r", "\u2028"} & set(page)
    policy = next(attributes["content"] for tag, attributes in reader.tags if "http-equiv" in attributes)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
