"""The server: a socket, one or several processes that answer on it, and their end."""

import contextlib
import functools
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from foreshot.errors import ServeError
from foreshot.serving.app import make_app
from foreshot.serving.catalogue import load_catalogue
from foreshot.serving.observing import SHARED_FOLDER, Metrics
from foreshot.serving.protocol import PatientProtocol
from foreshot.serving.settings import ServeSettings

KEEP_ALIVE_SECONDS = 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
BACKLOG = 2_048
"""Connections that wait to be taken, of those who come while the models are loaded too."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to serve, where, and by how many processes. `threads` are those of each (None: the cores' share of it)."""

    folders: Mapping[str, Path]
    settings: ServeSettings = field(default_factory=ServeSettings)
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int = 1
    threads: int | None = None
    access_log: bool = True

    @property
    def is_open(self) -> bool:
        """Whether other machines may reach it, and ask without a key."""
        return self.host not in LOOPBACK and not self.settings.keys

    @property
    def threads_each(self) -> int:
        """Threads that each process computes on."""
        return self.threads or max(1, _cores() // self.workers)


def serve(plan: Plan, *, ready: Callable[[str], None]) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; `ready` is told the address when the models can answer.

    Then no new connection is taken, and requests that run have `shutdown_seconds` left. Raises ServeError for an
    address that can't be used, BundleError for a model that can't.
    """
    make = functools.partial(_make_app, plan)
    with _listen(plan.host, plan.port) as listening, _signals_end_it():
        address = _address(plan.host, listening)
        if plan.workers == 1:
            app = make()
            ready(address)
            Server(_config(lambda: app, plan)).run(sockets=[listening])
        else:
            make()  # what is wrong with a model is said once, here, and not by each process
            ready(address)
            with _shared_metrics():
                supervisor = Multiprocess(_config(make, plan), sockets=[listening])
                threading.Thread(target=_close_at, args=(supervisor.should_exit, listening), daemon=True).start()
                supervisor.run()


def _cores() -> int:
    """How many this process may use, where the system tells; else how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _make_app(plan: Plan) -> ASGIApp:
    _log(plan.access_log)
    metrics = Metrics()
    catalogue = load_catalogue(plan.folders, plan.settings.limits, metrics, threads=plan.threads_each)
    return make_app(catalogue, plan.settings, metrics)


def _config(make: Callable[[], ASGIApp], plan: Plan) -> Config:
    return Config(
        make,
        factory=True,
        workers=plan.workers,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=plan.settings.limits.shutdown_seconds,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ServeError(
            f"--host {host}: no such host; 127.0.0.1 is this machine alone, 0.0.0.0 all addresses"
        ) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # now, so that who is told the address, or that it's in use, is told the truth
    except OSError as error:
        listening.close()
        raise ServeError(
            f"{host}:{port}: can't be served on ({error.strerror}); choose another --port or --host"
        ) from None
    listening.set_inheritable(True)
    return listening


def _close_at(end: threading.Event, listening: socket.socket) -> None:
    """Close our own socket at the end, as each worker does: while one of them is open, connections are taken."""
    end.wait()
    listening.close()


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.contextmanager
def _signals_end_it() -> Iterator[None]:
    """SIGTERM and SIGINT are no failure, while models are loaded and when Uvicorn, having ended, raises them again."""

    def end(*_: object) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which several processes keep their metrics together."""
    folder = tempfile.mkdtemp(prefix="foreshot-metrics-")
    os.environ[SHARED_FOLDER] = folder
    try:
        yield
    finally:
        del os.environ[SHARED_FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


def _log(access_log: bool) -> None:
    """Lines on standard error: our own, and of Uvicorn's what is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    for name, level in (
        ("foreshot.serving", logging.INFO),
        ("foreshot.access", logging.INFO if access_log else logging.WARNING),
        ("uvicorn.error", logging.WARNING),
    ):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(level)
        log.propagate = False
