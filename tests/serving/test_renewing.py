"""SIGHUP: bundles that take the place of others while requests flow, in a real process and in several."""

import asyncio
import contextlib
import ctypes
import os
import platform
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from served import damaged
from server_process import (
    ONE_BY_ONE,
    SLOW,
    Answer,
    ServerProcess,
    all_answer,
    ask_on,
    config,
    gauge,
    raw_request,
    samples,
    serving,
    until_closed,
)
from tiny_bundles import CARD_FILE, SUMS_FILE, sums_of, tiny_bundle

from foreshot.results.decisions import Decision
from foreshot.runtime.graph import Graph
from foreshot.serving.app import make_app
from foreshot.serving.catalogue import load_catalogue
from foreshot.serving.observing import Metrics
from foreshot.serving.renewing import Renewable, Version
from foreshot.serving.settings import Limits, ServeSettings
from waiting import PATIENCE, wait_until

RUDE = "you absolute walnut"
OLD = Decision(policy="best-f1", threshold=0.62)
NEW = Decision(policy="best-f1", threshold=0.97)
"""By which the text of `RUDE`, at 0.96, is not blocked."""


def checksum(folder: Path) -> str:
    return f"sha256:{sha256((folder / SUMS_FILE).read_bytes()).hexdigest()}"


def replace_by(new: Path, served: Path) -> str:
    """Put a bundle in the place of another, as an administrator does, and give its checksum."""
    served.rename(served.with_name(f"before-{new.name}"))
    new.rename(served)
    return checksum(served)


class Traffic:
    """Clients that keep their connections and ask on and on; what each was answered, by when it began to ask."""

    def __init__(self, server: ServerProcess, clients: int = 4) -> None:
        self.answers: list[tuple[float, Any]] = []
        self._server = server
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on) for _ in range(clients)]

    def _ask_on(self) -> None:
        body = {"texts": [RUDE], "explain": True}  # two batches, which must be of the same model
        with contextlib.closing(self._server.connection()) as connection:
            while not self._ended.is_set():
                began = time.monotonic()
                try:
                    answer: Any = ask_on(connection, "POST", "/v1/classify", body)
                except OSError as error:
                    answer = error
                self.answers.append((began, answer))

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        wait_until(lambda: len(self.answers) > 20, "nothing flows")
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, answers: int = 40) -> None:
        """Wait for so many more."""
        wanted = len(self.answers) + answers
        wait_until(lambda: len(self.answers) >= wanted, "nothing flows any more")


def logged(server: ServerProcess, what: str) -> int:
    return server.stderr().count(what)


@contextlib.contextmanager
def two_versions(tmp_path: Path, *options: object) -> Iterator[tuple[ServerProcess, Path, Path]]:
    """A server, the folder that it serves, and a newer bundle."""
    served = tiny_bundle(tmp_path / "odd", decision=OLD)
    newer = tiny_bundle(tmp_path / "newer", decision=NEW, name="newer")
    with serving([served], "--no-access-log", *options) as server:
        yield server, served, newer


@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_a_bundle_takes_the_place_of_another(tmp_path: Path, workers: int) -> None:
    with two_versions(tmp_path, "--workers", workers) as (server, served, newer):
        wait_until(lambda: workers == 1 or all_answer(server, workers), "the workers don't start")
        pids = server.workers()
        old = checksum(served)
        before = samples(server, "foreshot_decisions_total", model="odd")
        with Traffic(server) as traffic:
            new = replace_by(newer, served)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: logged(server, f"read again: odd {new}") == workers, "it isn't read again")
            taken = time.monotonic()
            traffic.go_on()
        assert [answer for _, answer in traffic.answers if not isinstance(answer, Answer) or answer.status != 200] == []
        results = [(began, answer.json()["results"][0]) for began, answer in traffic.answers]
        assert {(result["checksum"], result["decision"]) for _, result in results} == {(old, "block"), (new, "allow")}
        assert {result["checksum"] for began, result in results if began > taken} == {new}
        card = server.ask("GET", "/v1/models").json()["models"][0]
        assert (card["checksum"], card["title"], card["decision"]["threshold"]) == (new, "newer", 0.97)
        assert samples(server, "foreshot_decisions_total", model="odd") == before + len(results)  # one series goes on
        assert gauge(server) == 0
        assert server.workers() == pids
        assert server.stop() == 0
        assert "Traceback" not in server.stderr()


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_used_leaves_the_old_one_serving(tmp_path: Path, workers: int) -> None:
    with two_versions(tmp_path, "--workers", workers) as (server, served, newer):
        wait_until(lambda: workers == 1 or all_answer(server, workers), "the workers don't start")
        old = checksum(served)
        with Traffic(server) as traffic:
            replace_by(damaged(newer), served)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: logged(server, "the models stay as they were") == workers, "it isn't tried")
            traffic.go_on()
        assert {answer.json()["results"][0]["checksum"] for _, answer in traffic.answers} == {old}
        lines = server.stderr().splitlines()
        assert len(lines) == workers
        assert all("SHA-256 differs" in line and str(served) in line for line in lines)
        new = replace_by(tiny_bundle(tmp_path / "mended", decision=NEW), served)  # and then it is mended
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: logged(server, f"read again: odd {new}") == workers, "it isn't read again")


def test_a_request_ends_with_the_model_that_it_began_with(tmp_path: Path) -> None:
    with two_versions(tmp_path, "--config", config(tmp_path, limits=ONE_BY_ONE)) as (server, served, newer):
        old = checksum(served)
        with contextlib.closing(server.connection()) as connection:
            connection.sock.sendall(raw_request("POST", "/v1/classify", SLOW, Connection="close"))
            wait_until(lambda: gauge(server) > 500, "nothing waits")
            new = replace_by(newer, served)
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: logged(server, f"read again: odd {new}") == 1, "it isn't read again")
            answer = server.ask("POST", "/v1/classify", {"texts": [RUDE]})
            assert answer.json()["results"][0]["checksum"] == new
            assert gauge(server) > 0, "the long request was done before the new model answered"
            server.process.send_signal(signal.SIGHUP)  # is remembered until the old model has ended
            content = until_closed(connection.sock)
        assert content.startswith(b"HTTP/1.1 200 ")
        assert content.count(old.encode()) == 1_000
        wait_until(lambda: logged(server, "read again") == 2, "it isn't read a second time")
        assert gauge(server) == 0


def test_attributes_and_shapes_follow_the_bundle(tmp_path: Path) -> None:
    with two_versions(tmp_path) as (server, served, _):
        comment = {"comment": {"text": RUDE}, "requestedAttributes": {"TOXICITY": {}}}
        assert server.ask("POST", "/v1alpha1/comments:analyze", comment).status == 200
        replace_by(tiny_bundle(tmp_path / "pets", labels=["cat", "dog"]), served)  # no label is toxic
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: logged(server, "read again") == 1, "it isn't read again")
        assert server.ask("POST", "/v1alpha1/comments:analyze", comment).status == 404
        assert set(server.ask("POST", "/v1/classify", {"texts": [RUDE]}).json()["results"][0]["scores"]) == {
            "cat", "dog",
        }  # fmt: skip


def test_workers_end_when_the_process_that_started_them_is_killed(tmp_path: Path) -> None:
    with serving([tiny_bundle(tmp_path / "odd")], "--workers", 2) as server:
        wait_until(lambda: len(server.workers()) == 2, "the workers don't start")
        workers = server.workers()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        wait_until(lambda: not any(runs(pid) for pid in workers), "a worker is left over")


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which a parent that doesn't wait for its children leaves."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_renewal_that_is_asked_for_while_bundles_are_read_is_not_lost(tmp_path: Path) -> None:
    folder = tiny_bundle(tmp_path / "odd")
    read: list[str] = []

    def load() -> Version:
        catalogue = load_catalogue({"odd": folder}, Limits(), Metrics(), threads=1)
        read.append(catalogue.default.checksum)
        if len(read) == 2:  # what was read is old by now
            (folder / CARD_FILE).write_text("# A newer one\n", encoding="utf-8")
            (folder / SUMS_FILE).write_text(sums_of(folder), encoding="ascii")
            app.renew()
        return Version(app=make_app(catalogue, ServeSettings()), catalogue=catalogue)

    app = Renewable(load)
    asyncio.run(renew(app, 1, lambda _: len(read) == 3))
    assert read == [read[0], read[0], checksum(folder)]
    assert read[2] != read[0]


async def renew(app: Renewable, times: int, done: Callable[[int], bool]) -> None:
    """Run an application in its lifespan, and renew it, each time until it is `done`."""
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    told: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    app.load()
    life = asyncio.create_task(app({"type": "lifespan"}, said.get, told.put))
    await said.put({"type": "lifespan.startup"})
    await told.get()
    for number in range(1, times + 1):
        app.renew()
        async with asyncio.timeout(PATIENCE):
            while not done(number):
                await asyncio.sleep(0.01)
    await said.put({"type": "lifespan.shutdown"})
    await told.get()
    await life


def test_what_was_replaced_is_no_longer_in_memory(tmp_path: Path) -> None:
    """FastAPI's own caches hold every application that ever was: of its models nothing may be left."""
    folder = tiny_bundle(tmp_path / "odd")
    graphs: list[weakref.ref[Graph]] = []

    def load() -> Version:
        catalogue = load_catalogue({"odd": folder}, Limits(), Metrics(), threads=1)
        graphs.append(weakref.ref(catalogue.default.classifier._graph))
        return Version(app=make_app(catalogue, ServeSettings()), catalogue=catalogue)

    asyncio.run(renew(Renewable(load), 3, lambda number: len(graphs) > number and graphs[number - 1]() is None))
    assert [graph() is not None for graph in graphs] == [False, False, False, True]


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library keeps other pieces")
def test_memory_that_a_version_freed_goes_back_to_the_system(tmp_path: Path) -> None:
    """Freed pieces between others that are still held: glibc would keep them."""
    folder = tiny_bundle(tmp_path / "odd")
    held, most = [], []

    def load() -> Version:
        pieces = [np.ones(60_000, dtype=np.uint8) for _ in range(4_000)]
        held.append(pieces[::20])
        del pieces
        most.append(resident_megabytes())
        catalogue = load_catalogue({"odd": folder}, Limits(), Metrics(), threads=1)
        return Version(app=make_app(catalogue, ServeSettings()), catalogue=catalogue)

    ctypes.CDLL(None).malloc_trim(0)  # of what other tests freed, the pieces would be made
    before = resident_megabytes()
    asyncio.run(renew(Renewable(load), 1, lambda _: len(most) == 2 and resident_megabytes() < before + 60))
    assert most[0] > before + 80  # 240 MB taken, 228 freed; some of it what the tests before had freed
    assert len(held) == 2


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
