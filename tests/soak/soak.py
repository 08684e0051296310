"""A soak: a server near its top rate, among good and bad requests and rude clients, while a bundle is replaced.

    python tests/soak/soak.py BUNDLE [--minutes 30] [--workers 2]

prints its figures as tables and what they break, and leaves with 1 if they break anything. A short form is a test.
Traffic goes to 127.0.0.1 alone. The clients share the machine's cores with the server, so that "top rate" is what both
reach together.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml
from server_process import ServerProcess, all_answer, serving
from traffic import KEY, MODEL, RUDE, Request, mixed

from foreshot.runtime.bundle import CARD_FILE, SUMS_FILE, sums_of
from foreshot.serving.settings import hash_key
from waiting import PATIENCE, wait_until

SHARE_OF_TOP = 0.8
RUDE_PER_SECOND = 6
RUDE_SECONDS = 40
"""A client that says or takes nothing may be held so long, more than any limit of the server's."""
MOST_AT_ONCE = 512
"""Requests that are under way; those that would be more are held back, and counted."""
IDLE_SECONDS = 5
"""A connection that was kept longer is not used again: the server closes it at some time, as it may."""
MB_BOUND, HANDLES_BOUND, P99_BOUND = 20, 8, 2.0
"""By how much a worker may grow between warm-up and end, and p99 from the first third to the last."""


@dataclass(frozen=True)
class Answered:
    """A request that was answered: when it was due, seconds from the soak's beginning, and how long it took."""

    kind: str
    due: float
    took: float
    status: int


@dataclass(frozen=True)
class Held:
    """What a worker held at a time: megabytes resident, and open file handles."""

    at: float
    worker: int
    megabytes: float
    handles: int


@dataclass
class Soak:
    """What came of it. `wrong` has what no server may do, in words."""

    seconds: float
    top_rate: float
    answers: list[Answered] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    wrong: Counter[str] = field(default_factory=Counter)
    rude: int = 0
    held_back: int = 0
    swapped: float = 0.0
    after_swap: int = 0
    handles_at_rest: tuple[dict[int, int], dict[int, int]] = field(default_factory=lambda: ({}, {}))


class Clients:
    """Connections that are kept, and what their requests are answered."""

    def __init__(self, server: ServerProcess, soak: Soak, checksums: Sequence[str]) -> None:
        self.soak = soak
        self.checksums = set(checksums)
        self.began = time.perf_counter()
        self._address = server.address
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    @property
    def now(self) -> float:
        """Seconds from the beginning."""
        return time.perf_counter() - self.began

    async def ask(self, request: Request, due: float | None = None) -> None:
        """Ask and note what came back; `due` is when it should have been asked."""
        began = self.now
        known = set(self.checksums)
        try:
            async with asyncio.timeout(PATIENCE):
                status, body = await self._exchange(request)
        except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError) as error:
            self.soak.wrong[f"{request.kind}: lost ({type(error).__name__})"] += 1
            return
        due = began if due is None else due
        self.soak.answers.append(Answered(request.kind, due, self.now - due, status))
        if status != request.status:
            self.soak.wrong[f"{request.kind}: {status} instead of {request.status}"] += 1
        elif request.texts:
            results = json.loads(body)["results"]
            found = {result["checksum"] for result in results}
            if len(results) != request.texts or len(found) != 1 or not found <= known | self.checksums:
                self.soak.wrong[f"{request.kind}: not the answer to it, or of another model"] += 1

    async def _exchange(self, request: Request) -> tuple[int, bytes]:
        reader, writer = await self._connection()
        kept = False
        try:
            writer.write(request.content)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
            kept = b"connection: close" not in head.lower()
            return int(head.split(b" ", 2)[1]), body
        finally:
            if kept:
                self._idle.append((self.now, reader, writer))
            else:
                writer.close()

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if self.now - since < IDLE_SECONDS:
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self._address)

    def close(self) -> None:
        """Close what is kept."""
        for _, _, writer in self._idle:
            writer.close()
        self._idle.clear()


def run_soak(bundle: Path, *, seconds: float, calibration: float, workers: int = 2) -> Soak:
    """Serve a copy of a bundle, find its top rate, and run at 80 % of it; half-way another bundle takes its place."""
    with tempfile.TemporaryDirectory(prefix="foreshot-soak-") as name:
        folder = Path(name)
        served = Path(shutil.copytree(bundle, folder / MODEL))
        newer = _with_another_card(Path(shutil.copytree(bundle, folder / "newer")))
        config = folder / "serve.yaml"
        config.write_text(yaml.safe_dump({"keys": [{"name": "soak", "sha256": hash_key(KEY)}]}), encoding="utf-8")
        with serving([served], "--workers", workers, "--config", config, "--no-access-log") as server:
            wait_until(lambda: workers == 1 or all_answer(server, workers), "the workers don't start")
            return asyncio.run(_soak(server, served, newer, seconds, calibration, workers))


async def _soak(
    server: ServerProcess, served: Path, newer: Path, seconds: float, calibration: float, workers: int
) -> Soak:
    old, new = _checksum(served), _checksum(newer)
    requests = mixed(seed=0)
    warm = Clients(server, Soak(0, 0), [old])
    await _closed_loop(warm, requests, 1)
    warm.close()
    await asyncio.sleep(0.5)
    at_rest = _handles(server)
    trial = Clients(server, Soak(0, 0), [old])
    top_rate = await _closed_loop(trial, requests, calibration)
    trial.close()
    soak = Soak(seconds=seconds, top_rate=top_rate)
    soak.wrong += warm.soak.wrong + trial.soak.wrong
    clients = Clients(server, soak, [old])
    rude = asyncio.create_task(_rude_clients(server.address, soak))
    watch = asyncio.create_task(_watch(server, clients))
    good = next(request for request in requests if request.texts)
    swap = asyncio.create_task(_swap(server, served, newer, clients, new, seconds / 2, workers, good))
    try:
        await _open_loop(clients, requests, SHARE_OF_TOP * top_rate, seconds)
        await swap
    finally:
        for task in (rude, watch):
            task.cancel()
        await asyncio.gather(rude, watch, return_exceptions=True)
        clients.close()
    soak.handles_at_rest = (at_rest, await _handles_once_at_rest(server, at_rest))
    if server.process.poll() is not None or "Traceback" in server.stderr():
        soak.wrong["the server ended, or logged a traceback"] += 1
    return soak


async def _closed_loop(clients: Clients, requests: Sequence[Request], seconds: float, connections: int = 16) -> float:
    """Answers/s of clients that ask again as soon as they are answered."""
    following = itertools.cycle(requests)
    end = clients.now + seconds

    async def ask_on() -> None:
        while clients.now < end:
            await clients.ask(next(following))

    began = clients.now
    await asyncio.gather(*(ask_on() for _ in range(connections)))
    return len(clients.soak.answers) / (clients.now - began)


async def _open_loop(clients: Clients, requests: Sequence[Request], rate: float, seconds: float) -> None:
    """Requests at a rate that is kept whether or not those before were answered."""
    running: set[asyncio.Task[None]] = set()
    began = clients.now
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0, due - clients.now))
        if len(running) >= MOST_AT_ONCE:
            clients.soak.held_back += 1
            continue
        task = asyncio.create_task(clients.ask(requests[number % len(requests)], due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)


async def _rude_clients(address: tuple[str, int], soak: Soak) -> None:
    running: set[asyncio.Task[None]] = set()
    try:
        for behave in itertools.cycle(RUDE):
            task = asyncio.create_task(_until_cut_off(behave, address, soak))
            running.add(task)
            task.add_done_callback(running.discard)
            soak.rude += 1
            await asyncio.sleep(1 / RUDE_PER_SECOND)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _until_cut_off(behave: Any, address: tuple[str, int], soak: Soak) -> None:
    with contextlib.suppress(OSError):
        try:
            async with asyncio.timeout(RUDE_SECONDS):
                await behave(address)
        except TimeoutError:
            soak.wrong[f"{behave.__name__}: a client without manners was still held after {RUDE_SECONDS} s"] += 1


async def _swap(
    server: ServerProcess,
    served: Path,
    newer: Path,
    clients: Clients,
    new: str,
    after: float,
    workers: int,
    asked: Request,
) -> None:
    """Put the newer bundle in the old one's place; once all workers say that they have it, only it may answer."""
    await asyncio.sleep(after)
    served.rename(served.with_name("older"))
    newer.rename(served)
    clients.checksums.add(new)
    server.process.send_signal(signal.SIGHUP)
    end = time.monotonic() + PATIENCE
    while server.stderr().count(f"read again: {MODEL} {new}") < workers:
        if time.monotonic() > end:
            clients.soak.wrong[f"not all workers read the new bundle; the log: {server.stderr()}"] += 1
            return
        await asyncio.sleep(0.05)
    clients.checksums = {new}
    clients.soak.swapped = clients.now
    await clients.ask(asked)  # or the soak may be over before the new one has answered alone


async def _watch(server: ServerProcess, clients: Clients) -> None:
    while True:
        for worker in server.workers() or [server.process.pid]:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                clients.soak.held.append(Held(clients.now, worker, _megabytes(worker), _handles_of(worker)))
        await asyncio.sleep(1)


def _megabytes(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) / 1024


def _handles_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def _handles(server: ServerProcess) -> dict[int, int]:
    return {pid: _handles_of(pid) for pid in server.workers() or [server.process.pid]}


async def _handles_once_at_rest(server: ServerProcess, before: dict[int, int]) -> dict[int, int]:
    """After the clients have gone: once they are as few as before, or 30 seconds later."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if all(count <= before.get(pid, 0) for pid, count in _handles(server).items()):
            break
        await asyncio.sleep(0.2)
    return _handles(server)


def _with_another_card(folder: Path) -> Path:
    with (folder / CARD_FILE).open("a", encoding="utf-8") as card:
        card.write("\nA newer one.\n")
    (folder / SUMS_FILE).write_text(sums_of(folder), encoding="ascii")
    return folder


def _checksum(folder: Path) -> str:
    return f"sha256:{sha256((folder / SUMS_FILE).read_bytes()).hexdigest()}"


# ---- what the figures say ----


def complaints(soak: Soak) -> list[str]:
    """What broke its promise, but for time and memory: those need more than seconds."""
    found = [f"{count} times {what}" for what, count in sorted(soak.wrong.items())]
    failed = Counter(answer.status for answer in soak.answers if answer.status >= 500)
    found += [f"{count} answers of status {status}" for status, count in sorted(failed.items())]
    before, after = soak.handles_at_rest
    if before.keys() != after.keys():
        found.append("a worker died")
    for worker, count in after.items():
        if count > before.get(worker, 0) + HANDLES_BOUND:
            found.append(f"worker {worker}: {count} handles at rest, {before.get(worker, 0)} before")
    if not soak.swapped or not any(answer.due > soak.swapped and answer.status == 200 for answer in soak.answers):
        found.append("the new bundle never answered alone")
    return found


def complaints_in_time(soak: Soak) -> list[str]:
    """What a long soak can tell: whether memory grows, and answers take longer."""
    found = []
    for worker, growth in growth_by_worker(soak).items():
        for stretch, megabytes in growth.items():
            if megabytes > MB_BOUND:
                found.append(f"worker {worker}: {megabytes:.0f} MB more {stretch}, {MB_BOUND} may be")
    if soak.held_back:
        found.append(f"{soak.held_back} requests were held back, as {MOST_AT_ONCE} others waited for their answers")
    first, last = p99_of_thirds(soak)
    if last > P99_BOUND * first:
        found.append(f"p99 rose from {1000 * first:.0f} to {1000 * last:.0f} ms")
    return found


def growth_by_worker(soak: Soak) -> dict[int, dict[str, float]]:
    """Megabytes that a worker grew by, from one window of the time to another (medians, each a tenth of it)."""
    windows = {"before the swap": (0.15, 0.4), "after the swap": (0.6, 0.9), "over the swap": (0.4, 0.9)}
    workers = sorted({held.worker for held in soak.held})
    return {
        worker: {
            stretch: _memory(soak, worker, end) - _memory(soak, worker, begin)
            for stretch, (begin, end) in windows.items()
        }
        for worker in workers
    }


def _memory(soak: Soak, worker: int, begin: float) -> float:
    times = begin * soak.seconds, (begin + 0.1) * soak.seconds
    found = [held.megabytes for held in soak.held if held.worker == worker and times[0] <= held.at < times[1]]
    return statistics.median(found) if found else 0.0


def p99_of_thirds(soak: Soak) -> tuple[float, float]:
    """Seconds, of good requests, in the first and the last third."""
    good = [answer for answer in soak.answers if answer.status == 200]
    third = soak.seconds / 3
    return (
        _quantile([answer.took for answer in good if answer.due < third], 99),
        _quantile([answer.took for answer in good if answer.due >= 2 * third], 99),
    )


def _quantile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1] if len(values) > 1 else 0.0


def tables(soak: Soak) -> str:
    """All figures, as Markdown."""
    lines = [
        f"{len(soak.answers):,} answers in {soak.seconds / 60:.1f} minutes at {SHARE_OF_TOP * soak.top_rate:.0f} "
        f"requests/s, {SHARE_OF_TOP:.0%} of the top rate; {soak.rude:,} rude clients; {soak.held_back:,} requests held "
        f"back; new bundle alone after {soak.swapped:.1f} s",
        "",
        "| minute | good requests | p50, ms | p99, ms | bad requests | MB of each worker | handles of each |",
        "|---|---|---|---|---|---|---|",
    ]
    for minute in range(max(1, round(soak.seconds / 60))):
        times = minute * 60, (minute + 1) * 60
        here = [answer for answer in soak.answers if times[0] <= answer.due < times[1]]
        took = [1000 * answer.took for answer in here if answer.status == 200]
        last = {held.worker: held for held in soak.held if held.at < times[1]}
        lines.append(
            f"| {minute + 1} | {len(took):,} | {_quantile(took, 50):.1f} | {_quantile(took, 99):.1f} "
            f"| {len(here) - len(took):,} | {', '.join(f'{held.megabytes:.0f}' for held in last.values())} "
            f"| {', '.join(str(held.handles) for held in last.values())} |"
        )
    lines += ["", "| request | answers | status |", "|---|---|---|"]
    for (kind, status), count in sorted(Counter((answer.kind, answer.status) for answer in soak.answers).items()):
        lines.append(f"| {kind} | {count:,} | {status} |")
    before, after = soak.handles_at_rest
    lines += ["", f"Handles at rest before and after, by worker: {[*before.values()]}, {[*after.values()]}."]
    for growth in growth_by_worker(soak).values() if soak.seconds >= 60 else ():  # in less there are too few samples
        lines.append(f"MB more: {', '.join(f'{stretch} {value:+.1f}' for stretch, value in growth.items())}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    soak = run_soak(asked.bundle, seconds=60 * asked.minutes, calibration=10, workers=asked.workers)
    print(tables(soak))
    print(f"Load of the machine before: {load:.1f}, after: {os.getloadavg()[0]:.1f}; {os.cpu_count()} cores.")
    found = complaints(soak) + complaints_in_time(soak)
    print("\n".join(["", "Broken:", *found]) if found else "\nNothing broke.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
