"""Progress: what people see where output is no terminal, times in words, and no control characters."""

import io

import pytest
from rich.console import Console

from foreshot import progress
from foreshot.progress import Terminal, duration, printable


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (8.4, "8 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain – ünï ✓", "plain – ünï ✓"),
        ("two\nlines", "two lines"),
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\u202eb", "a\\u202eb"),
        ("tab\tand\rreturn", "tab\\u0009and\\u000dreturn"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def terminal(**settings) -> tuple[Terminal, io.StringIO]:
    written = io.StringIO()
    return Terminal(Console(file=written, width=60, **settings)), written


def test_where_there_is_no_terminal_lines_are_written_now_and_then_with_the_time_left(clock):
    shown, written = terminal()
    shown.begin("training odd", 100)
    clock.now += 10
    shown.advance(10)
    clock.now += 30
    shown.advance(10, "loss 0.500")  # 20 of 100 in 40 s: 160 s are left
    clock.now += 10
    shown.advance(40)
    clock.now += 20
    shown.advance(40)
    shown.end()
    assert written.getvalue().splitlines() == [
        "training odd …",
        "training odd: 20%, 2 min 40 s left  loss 0.500",
        "training odd: 100%, 0 s left",
        "training odd: done in 1 min 10 s",
    ]


def test_what_was_done_before_says_nothing_about_the_pace(clock):
    shown, written = terminal()
    shown.begin("training odd", 100)
    shown.skip(60)
    clock.now += 40
    shown.advance(10)  # 10 in 40 s: the 30 that are left take 120 s
    shown.begin("training even", 100)
    clock.now += 40
    shown.advance(50)
    assert written.getvalue().splitlines() == [
        "training odd …",
        "training odd: goes on at 60%",
        "training odd: 70%, 2 min 00 s left",
        "training even …",
        "training even: 50%, 40 s left",
    ]


def test_a_bar_is_moved_to_where_the_work_goes_on(clock):
    shown, written = terminal(force_terminal=True)
    shown.begin("training odd", 100)
    shown.skip(60)
    assert shown._bar.tasks[0].completed == 60
    shown.end()
    assert "training odd: goes on at 60%" in written.getvalue()


def test_a_stage_that_was_cut_short_does_not_say_done(clock):
    shown, written = terminal()
    shown.begin("training odd", 100)
    clock.now += 5
    shown.advance(99)
    shown.end()
    assert written.getvalue().splitlines()[-1] == "training odd: stopped after 5 s"


def test_a_stage_after_another_begins_anew(clock):
    shown, written = terminal()
    shown.begin("one", 10)
    shown.advance(10)
    shown.end()
    clock.now += 50
    shown.begin("two", 10)
    clock.now += 3
    shown.end()
    assert written.getvalue().splitlines()[-1] == "two: stopped after 3 s"


def test_lines_are_plain_text_and_are_not_broken():
    shown, written = terminal()
    shown.say("[bold]not bold[/bold] \x1b[31m " + "long " * 30)
    assert written.getvalue() == "[bold]not bold[/bold] \\u001b[31m " + "long " * 30 + "\n"


def test_a_terminal_gets_a_bar_and_keeps_one_line():
    shown, written = terminal(force_terminal=True)
    shown.begin("training [odd]", 4)
    shown.advance(2, "loss 0.5")
    shown.advance(2)
    shown.end()
    assert "training [odd]" in written.getvalue()
    assert written.getvalue().splitlines()[-1].endswith("training [odd]: done in 0 s")
