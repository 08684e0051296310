"""Sentences: where they are, that nothing is lost between them, and that no text takes long."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreshot.perspective.sentences import sentence_spans, utf16_spans

LONG = 300_000


def sentences(text: str, most: int = 100) -> list[str]:
    return [text[begin:end] for begin, end in sentence_spans(text, most)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You walnut. Thank you!", ["You walnut.", "Thank you!"]),
        ("really?! you are kind... thank you", ["really?!", "you are kind...", "thank you"]),
        ('He said "you walnut!" to me. (And left.) So', ['He said "you walnut!"', "to me.", "(And left.)", "So"]),
        ("one line\nanother line\r\n\r\n  a third  ", ["one line", "another line", "a third"]),
        ("see example.org/a.b at 3.14 p.m.", ["see example.org/a.b at 3.14 p.m."]),
        ("こんにちは。ありがとう!それでは", ["こんにちは。", "ありがとう!それでは"]),
        ("「こんにちは。」ありがとう！", ["「こんにちは。」", "ありがとう！"]),
        ("क्या हाल है। धन्यवाद", ["क्या हाल है।", "धन्यवाद"]),
        ("  hello  ", ["hello"]),
        ("!!!", ["!!!"]),
        ("a\u00a0. b", ["a\u00a0.", "b"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_sentences_end_where_a_reader_would_say_so(text, expected):
    assert sentences(text) == expected


def test_the_last_sentence_holds_what_is_too_many():
    assert sentences("a. b. c. d.", most=2) == ["a.", "b. c. d."]
    assert sentences("a. b.", most=2) == ["a.", "b."]
    assert sentences("a. b.", most=1) == ["a. b."]
    assert len(sentences(". " * LONG)) == 100


LETTERS = "aB9 \t\n\r\x0b\x1c\x85\u2028\u00a0.!?…。！؟।\"')»」🙂é\u0301\u200d"


@given(text=st.text(alphabet=LETTERS, max_size=40), most=st.sampled_from([1, 2, 3, 100]))
def test_every_character_but_white_space_is_in_one_sentence(text, most):
    spans = sentence_spans(text, most)
    covered = [position for begin, end in spans for position in range(begin, end)]
    assert covered == sorted(set(covered)), "spans overlap, or don't rise"
    assert {number for number, letter in enumerate(text) if not letter.isspace()} <= set(covered)
    assert all(begin < end and text[begin:end] == text[begin:end].strip() for begin, end in spans)
    assert len(spans) <= most


@pytest.fixture
def half_a_minute() -> Iterator[None]:
    """Ends a test that would take minutes, as those of a quadratic rule do; a linear one takes a tenth of a second."""

    def end(*_: object) -> None:
        pytest.fail("the work grows faster than the text")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("unit", ["a", ".", ".a", "?)", "!)x", "…\"'", "。」", "🙂", "\n", " ", ". ", "a.\n", '."'])
@pytest.mark.usefixtures("half_a_minute")
def test_the_work_grows_with_the_length_and_no_faster(unit):
    text = unit * (LONG // len(unit)) + "x"
    spans = sentence_spans(text, LONG)
    assert "".join(text[begin:end] for begin, end in spans).split() == "".join(text.split()).split()


def test_utf16_spans_are_what_javascript_counts():
    text = "🙂 you. 𝒲alnut é! 🙂🙂"
    spans = sentence_spans(text, 100)
    units = text.encode("utf-16-le")
    for (begin, end), (first, last) in zip(spans, utf16_spans(text, spans), strict=True):
        assert units[2 * first : 2 * last].decode("utf-16-le") == text[begin:end]
    assert utf16_spans(text, spans) == [(0, 7), (8, 18), (19, 23)]


def test_utf16_spans_of_plain_text_are_the_same():
    assert utf16_spans("Hi there. You.", [(0, 9), (10, 14)]) == [(0, 9), (10, 14)]
