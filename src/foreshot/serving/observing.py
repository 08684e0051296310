"""Observing: Prometheus metrics and the access log. Neither ever holds a text or a key."""

import contextlib
import logging
import os
import time
from collections import Counter as Count
from collections.abc import Iterable, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foreshot.data.texts import excerpt
from foreshot.runtime.classifier import Prediction
from foreshot.serving.batching import Observer

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that tells several workers where they keep their metrics together."""
SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128)
access = logging.getLogger("foreshot.access")


class Metrics:
    """What /metrics tells, of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "foreshot_requests", "Answers by path, method and status.", ("path", "method", "status"),
            registry=self._registry,
        )  # fmt: skip
        self._latency = Histogram(
            "foreshot_request_seconds", "From a request's first byte to the end of its answer.", ("path",),
            buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._batches = Histogram(
            "foreshot_batch_texts", "Texts computed together.", ("model",), buckets=TEXTS, registry=self._registry
        )
        self._queue = Gauge(
            "foreshot_queue_texts", "Texts that wait to be computed.", ("model",), registry=self._registry,
            multiprocess_mode="livesum",
        )  # fmt: skip
        self._decisions = Counter(
            "foreshot_decisions", "Texts by what was decided; label where no class is toxic.", ("model", "decision"),
            registry=self._registry,
        )  # fmt: skip

    def observer(self, model: str) -> Observer:
        """Who is told of a model's batches; of an old and a new version, which answer at once for a while, together."""
        return Observer(batch=self._batches.labels(model).observe, queue=self._queue.labels(model).inc)

    def decided(self, model: str, predictions: Sequence[Prediction]) -> None:
        """Count what a model decided on texts that a client asked about."""
        for decision, texts in Count(found.decision or found.label for found in predictions).items():
            self._decisions.labels(model, decision).inc(texts)

    def answered(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count an answer; `path` is one of the application's own, since each makes a time series."""
        self._requests.labels(path, method, status).inc()
        self._latency.labels(path).observe(seconds)

    def exposition(self) -> bytes:
        """All metrics in Prometheus's text format; of all workers where there are several."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self._registry)
        folder = Path(os.environ[SHARED_FOLDER])
        _forget_dead(folder)
        together = CollectorRegistry()
        together.register(_OfAllWorkers(folder))
        return generate_latest(together)


class _OfAllWorkers(Collector):
    """What workers keep in a folder.

    A file that one of them has only just made is empty, which the library takes for damage.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        files = []
        for path in self._folder.glob("*.db"):
            with contextlib.suppress(FileNotFoundError):  # as of a worker that died, just now
                files += [str(path)] if path.stat().st_size else []
        found: Iterable[Metric] = MultiProcessCollector.merge(files, accumulate=True)
        return found


def _forget_dead(folder: Path) -> None:
    """Remove the gauges of workers that were killed: what waited for one of them waits no more."""
    for gauges in folder.glob("gauge_live*.db"):
        pid = gauges.stem.rpartition("_")[2]
        if not pid.isdecimal():  # of another program, in a folder that was given
            continue
        try:
            os.kill(int(pid), 0)  # no signal, but an error where there is no such process
        except ProcessLookupError:
            gauges.unlink(missing_ok=True)


class Observed:
    """Wraps an application: counts its answers, and writes a line of access log for each."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 499  # the client went before an answer; nginx's number
        began = time.perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            seconds = time.perf_counter() - began
            path = getattr(scope.get("route"), "path", "other")  # the application's own, so that there are few
            method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST", "OPTIONS"} else "other"
            self._metrics.answered(path, method, status, seconds)
            if access.isEnabledFor(logging.INFO):
                access.info(
                    "%s %s %s %s %d %.1fms",
                    scope["client"][0] if scope.get("client") else "-",
                    scope.get("foreshot.key", "-"),
                    excerpt(scope["method"]),
                    excerpt(scope["path"], 80),  # without its query, in which a key may stand
                    status,
                    1000 * seconds,
                )
