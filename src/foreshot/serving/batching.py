"""Batching: texts of many requests computed together, since a batch costs little more than its longest text.

Requests wait in one queue for each model. A batch takes texts of all that wait in turn, so that a long request
doesn't keep a short one waiting; the classifier then groups its texts by length. It runs in a thread of its own
while the next batch gathers.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from foreshot.runtime.classifier import Prediction, answers
from foreshot.serving.problems import Problem, overloaded
from foreshot.serving.settings import Limits

SHARE = 8
"""Texts that a request may have in a batch while others wait."""
logger = logging.getLogger("foreshot.serving")

Scorer = Callable[[Sequence[str]], list[Prediction]]


@dataclass(eq=False)
class _Job:
    """One request's texts; the first `taken` of them are in a batch, done, or given up."""

    texts: Sequence[str]
    done: asyncio.Future[list[Prediction]]
    taken: int = 0
    predictions: dict[int, Prediction] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        return len(self.texts) - self.taken


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Who is told of a batch's size, and of how many texts more, or fewer, wait."""

    batch: Callable[[int], None] = lambda _: None
    queue: Callable[[int], None] = lambda _: None


class Batcher:
    """Gathers texts for one model. Use it in one event loop: `start`, then `score` as often as needed, then `stop`."""

    def __init__(self, scorer: Scorer, limits: Limits, observer: Observer | None = None) -> None:
        self._scorer = scorer
        self._limits = limits
        self._observer = observer or Observer()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="foreshot-batch")
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to compute; call it in the event loop that `score` is awaited in."""
        self._loop = asyncio.get_running_loop().create_task(self._compute())

    async def stop(self) -> None:
        """End, once the batch that is being computed is done."""
        if self._loop is not None:
            self._loop.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    @property
    def has_room(self) -> bool:
        """Whether a text more would find room in the queue."""
        return self._waiting < self._limits.queue

    @property
    def alive(self) -> bool:
        """Whether it computes what it is given."""
        return self._loop is not None and not self._loop.done()

    async def score(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions in the order of the texts; when cancelled, those not yet in a batch are given up.

        Raises Problem 503 when the texts find no room in the queue, 413 when they never could, and 500 when the scorer
        fails on one of them.
        """
        if not texts:
            return []
        if len(texts) > self._limits.queue:
            raise Problem(413, f"{len(texts)} texts are more than may wait here ({self._limits.queue}); ask for less")
        room = self._limits.queue - self._waiting
        if len(texts) > room:
            raise overloaded(f"too many texts wait ({len(texts)} asked for, room for {room}); ask again in a moment")
        job = _Job(texts, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._wait_more(len(texts))
        self._arrived.set()
        try:
            return await job.done
        finally:  # cancelled, or failed in an earlier batch: nobody waits for the rest
            if job.waiting:
                self._wait_more(-job.waiting)
                job.taken = len(texts)

    async def _compute(self) -> None:
        while True:
            if not self._jobs:
                self._arrived.clear()
                await self._arrived.wait()
                if self._limits.batch_wait_seconds and self._waiting < self._limits.batch:
                    await asyncio.sleep(self._limits.batch_wait_seconds)
            if batch := self._next_batch():
                await self._score(batch)

    def _next_batch(self) -> list[tuple[_Job, int]]:
        """Jobs and the numbers of their texts, a share of each job in turn."""
        batch: list[tuple[_Job, int]] = []
        while self._jobs and len(batch) < self._limits.batch:
            job = self._jobs.popleft()
            taken = min(job.waiting, SHARE, self._limits.batch - len(batch))
            batch += [(job, job.taken + number) for number in range(taken)]
            job.taken += taken
            if job.waiting:
                self._jobs.append(job)
        self._wait_more(-len(batch))
        return batch

    def _wait_more(self, texts: int) -> None:
        self._waiting += texts
        self._observer.queue(texts)

    async def _score(self, batch: list[tuple[_Job, int]]) -> None:
        texts = [job.texts[number] for job, number in batch]
        self._observer.batch(len(texts))
        found = await asyncio.get_running_loop().run_in_executor(self._thread, answers, self._scorer, texts, Exception)
        failures = [answer for answer in found if isinstance(answer, Exception)]
        if failures:
            logger.error("%d texts of %d failed: %s", len(failures), len(texts), type(failures[0]).__name__)
        for (job, number), answer in zip(batch, found, strict=True):
            if job.done.done():
                continue
            if isinstance(answer, Exception):  # whatever it is, who waits must hear of it
                job.done.set_exception(Problem(500, "the model fails on a text of this request; leave it out"))
                continue
            job.predictions[number] = answer
            if len(job.predictions) == len(job.texts):
                job.done.set_result([job.predictions[number] for number in range(len(job.texts))])
