"""Batches: whose texts are computed together, in which order, and what becomes of those that wait."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from tiny_bundles import probabilities_of, tiny_bundle, with_token

import foreshot
from foreshot.runtime.classifier import Prediction
from foreshot.serving.batching import SHARE, Batcher, Observer
from foreshot.serving.problems import Problem
from foreshot.serving.settings import Limits
from waiting import PATIENCE

AT_ONCE = {"batch_wait_seconds": 0}


def echo(texts: Sequence[str]) -> list[Prediction]:
    """Predictions that tell which text each is of."""
    return [
        Prediction(label=text, labels=(text,), scores={}, decision=None, truncated=False, logits=()) for text in texts
    ]


class Gate:
    """A scorer that remembers its batches, and holds each until it is let go."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.batches: list[list[str]] = []
        self._open = threading.Event()
        if is_open:
            self._open.set()

    def __call__(self, texts: Sequence[str]) -> list[Prediction]:
        self.batches.append(list(texts))
        assert self._open.wait(timeout=PATIENCE)
        return echo(texts)

    def open(self) -> None:
        self._open.set()

    async def holds(self, batches: int) -> None:
        """Wait until so many batches have come."""
        async with asyncio.timeout(PATIENCE):
            while len(self.batches) < batches:
                await asyncio.sleep(0.001)


def with_batcher(
    scorer: Callable[[Sequence[str]], list[Prediction]],
    work: Callable[[Batcher], Awaitable[Any]],
    *,
    observer: Observer | None = None,
    **limits: Any,
) -> Any:
    """What some work with a batcher gives, in an event loop of its own."""

    async def run() -> Any:
        batcher = Batcher(scorer, Limits(**{**AT_ONCE, **limits}), observer)
        batcher.start()
        try:
            async with asyncio.timeout(PATIENCE):
                return await work(batcher)
        finally:
            await batcher.stop()

    return asyncio.run(run())


def named(letter: str, texts: int) -> list[str]:
    return [f"{letter}{number}" for number in range(texts)]


def labels(predictions: Sequence[Prediction]) -> list[str]:
    return [prediction.label for prediction in predictions]


async def soon(batcher: Batcher, *requests: Sequence[str]) -> list["asyncio.Task[list[Prediction]]"]:
    """Requests that have joined the queue, one after the other."""
    tasks = []
    for texts in requests:
        tasks.append(asyncio.create_task(batcher.score(texts)))
        await asyncio.sleep(0)
    return tasks


# ---- order and size ----


def test_every_request_gets_its_own_texts_back_in_their_order() -> None:
    requests = [named(letter, texts) for letter, texts in zip("abcdefg", (1, 50, 3, 9, 100, 8, 2), strict=True)]

    async def work(batcher: Batcher) -> list[list[Prediction]]:
        return await asyncio.gather(*(batcher.score(texts) for texts in requests))

    assert [labels(found) for found in with_batcher(echo, work, batch=16)] == requests


def test_no_batch_is_larger_than_its_limit_and_every_text_is_computed_once() -> None:
    gate = Gate(is_open=True)

    async def work(batcher: Batcher) -> None:
        await asyncio.gather(*(batcher.score(named(letter, 23)) for letter in "abcd"))

    with_batcher(gate, work, batch=10)
    assert max(map(len, gate.batches)) == 10
    assert sorted(text for batch in gate.batches for text in batch) == sorted(
        text for letter in "abcd" for text in named(letter, 23)
    )


def test_no_texts_are_no_batch() -> None:
    gate = Gate()
    assert with_batcher(gate, lambda batcher: batcher.score([])) == []
    assert gate.batches == []


def test_a_short_request_shares_a_batch_with_a_long_one_before_it() -> None:
    gate = Gate()

    async def work(batcher: Batcher) -> None:
        (first,) = await soon(batcher, ["first"])
        await gate.holds(1)
        long, short = await soon(batcher, named("l", 100), ["s"])
        gate.open()
        await short
        assert not long.done()
        await asyncio.gather(first, long)

    with_batcher(gate, work, batch=16)
    long = named("l", 100)
    assert gate.batches[1] == [*long[:SHARE], "s", *long[SHARE:15]]


def test_while_others_wait_each_has_a_share_of_a_batch_in_turn() -> None:
    gate = Gate()

    async def work(batcher: Batcher) -> None:
        (first,) = await soon(batcher, ["first"])
        await gate.holds(1)
        others = await soon(batcher, named("a", 20), named("b", 3), named("c", 20))
        gate.open()
        await asyncio.gather(first, *others)

    with_batcher(gate, work, batch=24)
    a, c = named("a", 20), named("c", 20)
    assert SHARE == 8
    assert gate.batches[1] == [*a[:8], *named("b", 3), *c[:8], *a[8:13]]
    assert gate.batches[2] == [*c[8:16], *a[13:20], *c[16:20]]


def test_one_request_alone_fills_whole_batches() -> None:
    gate = Gate(is_open=True)
    with_batcher(gate, lambda batcher: batcher.score(named("a", 70)), batch=32)
    assert [len(batch) for batch in gate.batches] == [32, 32, 6]


# ---- gathering ----


def test_requests_that_come_together_are_computed_together() -> None:
    gate = Gate(is_open=True)

    async def work(batcher: Batcher) -> None:
        (first,) = await soon(batcher, ["a"])
        for _ in range(5):
            await asyncio.sleep(0)
        await asyncio.gather(first, batcher.score(["b", "c"]))

    with_batcher(gate, work, batch_wait_seconds=0.5)  # the wait itself is what is tested
    assert gate.batches == [["a", "b", "c"]]


def test_without_a_wait_the_first_is_computed_at_once() -> None:
    gate = Gate(is_open=True)

    async def work(batcher: Batcher) -> None:
        await batcher.score(["a"])
        await batcher.score(["b"])

    with_batcher(gate, work)
    assert gate.batches == [["a"], ["b"]]


def test_a_full_batch_does_not_wait_for_more() -> None:
    sizes: list[int] = []

    async def work(batcher: Batcher) -> None:
        (full,) = await soon(batcher, ["a", "b"])
        for _ in range(5):  # turns of the event loop, which take no time
            await asyncio.sleep(0)
        assert sizes == [2]
        await full

    with_batcher(echo, work, batch=2, batch_wait_seconds=1, observer=Observer(batch=sizes.append))


def test_what_comes_while_a_batch_is_computed_makes_the_next_one() -> None:
    gate = Gate()

    async def work(batcher: Batcher) -> None:
        (first,) = await soon(batcher, ["a"])
        await gate.holds(1)
        others = await soon(batcher, ["b"], ["c"], ["d"])
        gate.open()
        await asyncio.gather(first, *others)

    with_batcher(gate, work)
    assert gate.batches == [["a"], ["b", "c", "d"]]


def test_two_batchers_never_mix_their_texts() -> None:
    gates = Gate(is_open=True), Gate(is_open=True)

    async def run() -> list[list[Prediction]]:
        batchers = [Batcher(gate, Limits(batch=4)) for gate in gates]
        for batcher in batchers:
            batcher.start()
        both = await asyncio.gather(*(batchers[number % 2].score([f"{number % 2}:{number}"]) for number in range(20)))
        for batcher in batchers:
            await batcher.stop()
        return both

    found = asyncio.run(run())
    assert [label for one in found for label in labels(one)] == [f"{number % 2}:{number}" for number in range(20)]
    for number, gate in enumerate(gates):
        assert {text[0] for batch in gate.batches for text in batch} == {str(number)}


# ---- a full queue ----


def test_a_full_queue_refuses_and_says_when_to_ask_again() -> None:
    gate = Gate()

    async def work(batcher: Batcher) -> None:
        (running,) = await soon(batcher, ["first"])
        await gate.holds(1)
        (waiting,) = await soon(batcher, named("a", 4))
        assert batcher.has_room
        with pytest.raises(Problem, match=r"2 asked for, room for 1") as refused:
            await batcher.score(["x", "y"])
        assert (refused.value.status, refused.value.headers) == (503, {"Retry-After": "1"})
        (last,) = await soon(batcher, ["b"])
        assert not batcher.has_room
        gate.open()
        found = await asyncio.gather(running, waiting, last)
        assert [labels(one) for one in found] == [["first"], named("a", 4), ["b"]]
        assert batcher.has_room

    with_batcher(gate, work, queue=5)
    assert all("x" not in batch for batch in gate.batches)


def test_more_than_the_whole_queue_is_never_told_to_come_again() -> None:
    async def work(batcher: Batcher) -> None:
        with pytest.raises(Problem, match=r"6 texts are more than may wait here .5.; ask for less") as refused:
            await batcher.score(named("a", 6))
        assert (refused.value.status, refused.value.headers) == (413, {})
        assert labels(await batcher.score(named("b", 5))) == named("b", 5)

    with_batcher(echo, work, queue=5)


def test_who_gives_up_leaves_the_queue_and_gives_the_room_back() -> None:
    gate, changes = Gate(), []

    async def work(batcher: Batcher) -> None:
        (running,) = await soon(batcher, ["first"])
        await gate.holds(1)
        (left,) = await soon(batcher, named("a", 5))
        assert not batcher.has_room
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        (after,) = await soon(batcher, named("b", 5))
        gate.open()
        assert labels(await after) == named("b", 5)
        await running

    with_batcher(gate, work, queue=5, observer=Observer(queue=changes.append))
    assert gate.batches == [["first"], named("b", 5)]
    assert list(accumulate(changes)) == [1, 0, 5, 0, 5, 0]


def test_who_gives_up_half_way_gives_back_only_what_was_not_computed() -> None:
    gate, changes = Gate(), []

    async def work(batcher: Batcher) -> None:
        (long,) = await soon(batcher, named("a", 10))
        await gate.holds(1)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        gate.open()
        assert labels(await batcher.score(["b"])) == ["b"]

    with_batcher(gate, work, batch=4, observer=Observer(queue=changes.append))
    assert gate.batches == [named("a", 4), ["b"]]
    assert list(accumulate(changes)) == [10, 6, 0, 1, 0]


# ---- faults ----


def test_a_text_that_the_scorer_fails_on_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    sizes: list[int] = []

    def scorer(texts: Sequence[str]) -> list[Prediction]:
        sizes.append(len(texts))
        if "walnut" in texts:
            raise ValueError(f"can't take {texts}")
        return echo(texts)

    async def work(batcher: Batcher) -> None:
        requests = [named("a", 5), ["b", "walnut", "c"], ["kind"], named("d", 7)]
        first, failed, *others = await asyncio.gather(*map(batcher.score, requests), return_exceptions=True)
        assert [labels(found) for found in (first, *others)] == [requests[0], *requests[2:]]
        assert isinstance(failed, Problem)
        assert (failed.status, failed.detail) == (500, "the model fails on a text of this request; leave it out")
        assert labels(await batcher.score(["kind"])) == ["kind"]
        assert batcher.alive

    with_batcher(scorer, work, batch_wait_seconds=0.1)
    assert sizes[0] == 16  # one batch of all; then halves, one of which holds it
    assert len(sizes) <= 10
    assert "1 texts of 16 failed: ValueError" in caplog.text
    assert "walnut" not in caplog.text


def test_a_text_that_a_bundle_fails_on_takes_no_scores_from_others(tmp_path: Path) -> None:
    classifier = foreshot.load(with_token(tiny_bundle(tmp_path / "bundle"), "<who>"), threads=1)

    async def work(batcher: Batcher) -> list[Any]:
        requests = (["you absolute walnut", "thank you"], ["you <who>"], ["kind day", ""])
        return await asyncio.gather(*map(batcher.score, requests), return_exceptions=True)

    first, failed, last = with_batcher(classifier, work, batch_wait_seconds=0.1)
    assert [found.scores["toxic"] for found in (*first, *last)] == pytest.approx(
        [probabilities_of(text)[1] for text in ("you absolute walnut", "thank you", "kind day", "")], abs=1e-6
    )
    assert isinstance(failed, Problem)


def test_of_a_request_that_failed_no_more_is_computed() -> None:
    gate, changes = Gate(is_open=True), []

    def scorer(texts: Sequence[str]) -> list[Prediction]:
        gate(texts)
        if "a0" in texts:
            raise RuntimeError
        return echo(texts)

    async def work(batcher: Batcher) -> None:
        with pytest.raises(Problem) as failed:
            await batcher.score(named("a", 100))
        assert failed.value.status == 500
        assert labels(await batcher.score(["b"])) == ["b"]

    with_batcher(scorer, work, batch=8, observer=Observer(queue=changes.append))
    computed = {text for batch in gate.batches for text in batch}
    assert computed <= {*named("a", 16), "b"}  # the second batch may have begun before the first was heard of
    assert gate.batches[-1] == ["b"]
    assert sum(changes) == 0


def test_it_is_alive_from_its_start_to_its_end() -> None:
    async def run() -> list[bool]:
        batcher = Batcher(echo, Limits())
        states = [batcher.alive]
        batcher.start()
        states.append(batcher.alive)
        await batcher.stop()
        async with asyncio.timeout(PATIENCE):
            while batcher.alive:
                await asyncio.sleep(0)
        return states

    assert asyncio.run(run()) == [False, True]


def test_batches_are_observed() -> None:
    sizes: list[int] = []
    with_batcher(echo, lambda batcher: batcher.score(named("a", 10)), batch=4, observer=Observer(batch=sizes.append))
    assert sizes == [4, 4, 2]


# ---- a real classifier ----


def test_batched_results_are_those_of_the_classifier_one_by_one(tmp_path: Path) -> None:
    classifier = foreshot.load(tiny_bundle(tmp_path / "bundle"), threads=1)
    texts = ["you absolute walnut", "thank you", "", "fool " * 30, "kind day", "hello", "an idiot are you"] * 5

    async def work(batcher: Batcher) -> list[list[Prediction]]:
        return await asyncio.gather(*(batcher.score([text, text[::-1]]) for text in texts))

    found = [prediction for both in with_batcher(classifier, work, batch=6) for prediction in both]
    alone = [classifier(one)[0] for text in texts for one in (text, text[::-1])]
    assert [(one.label, one.decision, one.truncated) for one in found] == [
        (one.label, one.decision, one.truncated) for one in alone
    ]
    for one, other in zip(found, alone, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-6)
