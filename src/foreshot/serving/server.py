"""The server: a socket, one or several processes that answer on it, and their end."""

import contextlib
import functools
import logging
import multiprocessing
import os
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from foreshot.data.texts import printable
from foreshot.errors import ForeshotError, ServeError
from foreshot.files.locks import holding, is_held
from foreshot.serving.app import MakeRouter, make_app
from foreshot.serving.catalogue import load_catalogue
from foreshot.serving.feedback import check_feedback
from foreshot.serving.observing import SHARED_FOLDER, Metrics
from foreshot.serving.protocol import PatientProtocol
from foreshot.serving.renewing import Renewable, Version
from foreshot.serving.settings import ServeSettings
from foreshot.threads import cores

KEEP_ALIVE_SECONDS = 20
LOOPBACK = ("127.0.0.1", "::1", "localhost")
BACKLOG = 2_048
"""Connections that wait to be taken, of those who come while the models are loaded too."""
WORKER_SECONDS = 30
"""A worker that gives no sign for so long is taken to hang. Uvicorn's 5 are less than one takes to begin on a busy
machine, where it would be killed and started again for ever."""
HANG_UP = getattr(signal, "SIGHUP", None)
"""What has the models read again, on systems that have it."""
HELD = {signal.SIGINT} if HANG_UP is None else {signal.SIGINT, HANG_UP}
"""What a process can't be sent before it knows what to do: it would die of it, of Ctrl-C with a traceback."""
METRICS_PREFIX = ".foreshot-metrics-"
METRICS_FOLDER = re.compile(re.escape(METRICS_PREFIX) + r"[a-z0-9_]{8}")
"""What `mkdtemp` names the folder in which the workers of one server keep their metrics."""
logger = logging.getLogger("foreshot.serving")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to serve, where, and by how many processes. `threads` are those of each (None: the cores' share of it).

    `more` is what `make_app` takes: functions of a module each, so that workers can be told of them.
    """

    folders: Mapping[str, Path]
    settings: ServeSettings = field(default_factory=ServeSettings)
    more: Sequence[MakeRouter] = ()
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
        return self.threads or max(1, cores() // self.workers)


def serve(plan: Plan, *, ready: Callable[[str], None]) -> None:
    """Serve until told to stop by SIGTERM or SIGINT; `ready` is told the address when the models can answer.

    Then no new connection is taken, and requests that run have `shutdown_seconds` left. On SIGHUP the models are read
    again (`serving.renewing`). Raises ServeError for an address, a folder of metrics or a file of corrections that
    can't be used, BundleError for a model that can't.
    """
    _check_shared_metrics()
    check_feedback(plan.settings.feedback)
    with _listen(plan.host, plan.port) as listening, _own_signals():
        address = _address(plan.host, listening)
        app = _make_app(plan)  # with several workers too: what is wrong with a model is said once, here
        if plan.workers == 1:
            ready(address)
            Server(_config(lambda: app, plan)).run(sockets=[listening])
        else:
            del app
            ready(address)
            with _shared_metrics():
                supervisor = _Supervisor(_config(functools.partial(_make_worker, plan), plan), sockets=[listening])
                threading.Thread(target=_close_at, args=(supervisor.should_exit, listening), daemon=True).start()
                supervisor.run()


class _Supervisor(Multiprocess):
    """Uvicorn's, but for two things.

    At SIGHUP it would replace the processes, and cut connections that a client keeps. And a process that ends while it
    is asked for a sign would be waited for until WORKER_SECONDS are over, Ctrl-C or not.
    """

    def init_processes(self) -> None:
        """Start the processes."""
        resource_tracker.ensure_running()  # its own start would let Ctrl-C through
        with _signals_held():
            super().init_processes()
        self._leave_their_ends()

    def keep_subprocess_alive(self) -> None:
        """Start those again that died."""
        with _signals_held():
            super().keep_subprocess_alive()
        self._leave_their_ends()

    def _leave_their_ends(self) -> None:
        """Close our copies of the processes' ends of their pipes, so that a pipe ends with its process."""
        for process in self.processes:
            process.child_conn.close()

    def handle_hup(self) -> None:
        """Tell each process."""
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, signal.SIGHUP)


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Hold SIGHUP and SIGINT back, here and in processes that are started, until those let them through themselves."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        _let_signals_through()


def _let_signals_through() -> None:
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def _make_app(plan: Plan) -> ASGIApp:
    _log(plan.access_log)
    metrics = Metrics()

    def load() -> Version:
        catalogue = load_catalogue(plan.folders, plan.settings.limits, metrics, threads=plan.threads_each)
        return Version(app=make_app(catalogue, plan.settings, metrics, more=plan.more), catalogue=catalogue)

    app = Renewable(load)
    if HANG_UP is not None:
        signal.signal(HANG_UP, lambda *_: app.renew())  # before they are read: none that comes later is missed
    _let_signals_through()  # SIGINT is Uvicorn's in a worker by now
    app.load()
    return app


def _make_worker(plan: Plan) -> ASGIApp:
    """The application of one of several processes, which ends when the one that started it is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    try:
        return _make_app(plan)
    except ForeshotError as error:  # the models could be used when the server was started
        logger.error("a worker can't start, and is started again: %s", printable(str(error)))
        raise SystemExit(error.exit_code) from None


def _end_after(parent: BaseProcess) -> None:
    """End as if told to, once a process is gone: nobody else would ever tell."""
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


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
        timeout_worker_healthcheck=WORKER_SECONDS,
        timeout_graceful_shutdown=plan.settings.limits.shutdown_seconds,
    )


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError):
        raise ServeError(
            f"⟨host⟩ {host}: no such host; 127.0.0.1 is this machine alone, 0.0.0.0 all addresses"
        ) from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(BACKLOG)  # now, so that who is told the address, or that it's in use, is told the truth
    except OSError as error:
        listening.close()
        raise ServeError(
            f"{host}:{port}: can't be served on ({error.strerror}); choose another ⟨port⟩ or ⟨host⟩"
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
def _own_signals() -> Iterator[None]:
    """SIGTERM and SIGINT are no failure, while models are loaded and when Uvicorn, having ended, raises them again.

    Their handlers, and that of SIGHUP, are put back at the end.
    """

    def end(*_: object) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    if HANG_UP is not None:
        before[HANG_UP] = signal.getsignal(HANG_UP)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_shared_metrics() -> None:
    folder = os.environ.get(SHARED_FOLDER)
    if folder is not None and not (os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)):
        raise ServeError(f"{SHARED_FOLDER}={folder}: is no folder to write in; make it, or unset the variable")


@contextlib.contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which several processes keep their metrics together, unless one is given."""
    if SHARED_FOLDER in os.environ:
        yield
        return
    try:
        _remove_metrics_of_the_killed()
        folder = Path(tempfile.mkdtemp(prefix=METRICS_PREFIX))
    except OSError as error:
        raise ServeError(f"{error.strerror}; make room there, or set TMPDIR to a folder to write in") from None
    os.environ[SHARED_FOLDER] = str(folder)
    try:
        with holding(folder):
            yield
    finally:
        del os.environ[SHARED_FOLDER]
        shutil.rmtree(folder, ignore_errors=True)


def _remove_metrics_of_the_killed() -> None:
    """Remove what servers left among the temporary files when they were killed, and nothing of any other name."""
    for left in Path(tempfile.gettempdir()).glob(f"{METRICS_PREFIX}*"):
        if METRICS_FOLDER.fullmatch(left.name) and not is_held(left):
            shutil.rmtree(left, ignore_errors=True)


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
