"""Reading ahead: order, windows of what is there, errors in their place, and no thread that stays behind."""

import queue
import threading

import pytest

from foreshot.data.reading.lines import Record
from foreshot.runtime import windows as module
from foreshot.runtime.windows import windows


def record(row: int, size: int = 1) -> Record:
    return Record(row, {"text": str(row)}, size, str(row))


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "foreshot-reader"]


def test_everything_comes_in_order_and_no_window_is_too_long():
    found = list(windows(map(record, range(1000)), 7))
    assert [item.row for window in found for item in window] == list(range(1000))
    assert all(1 <= len(window) <= 7 for window in found)
    assert list(windows([], 7)) == []
    assert readers() == []


def test_a_slow_stream_is_answered_line_by_line():
    lines: queue.Queue[Record | None] = queue.Queue()
    answered = windows(iter(lines.get, None), 100)
    for row in range(3):
        lines.put(record(row))
        assert [item.row for item in next(answered)] == [row]  # would wait for ever, were a window to be filled
    lines.put(None)
    assert list(answered) == []


def test_an_error_comes_after_what_was_read_before_it():
    def failing():
        yield from map(record, range(5))
        raise ValueError("line 6")

    seen = []
    with pytest.raises(ValueError, match="line 6"):
        seen.extend(item.row for window in windows(failing(), 2) for item in window)
    assert readers() == []


def test_the_thread_ends_when_its_caller_stops():
    read = []

    def endless():
        while True:
            read.append(None)
            yield record(len(read))

    ahead = windows(endless(), 3)
    next(ahead)
    ahead.close()
    assert readers() == []
    assert len(read) <= 3 + 2 * 3 + 1


def test_few_long_records_are_held(monkeypatch):
    monkeypatch.setattr(module, "HELD_BYTES", 10)
    read = []

    def long():
        for row in range(100):
            read.append(row)
            yield record(row, size=10)

    taken = 0
    for window in windows(long(), 50):
        assert len(window) == 1
        taken += 1
        assert len(read) <= taken + 2  # one is held, one waits for room
    assert taken == 100


def test_a_thread_that_waits_for_a_line_is_left_behind():
    gate = threading.Event()

    def waiting():
        yield record(1)
        gate.wait()

    ahead = windows(waiting(), 1)
    next(ahead)
    ahead.close()
    (thread,) = readers()
    assert thread.daemon
    gate.set()
    thread.join()
