"""A real `foreshot serve` in a process of its own, and the ways to talk to it: whole requests, and raw bytes."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml
from prometheus_client.parser import text_string_to_metric_families

from cli_runs import as_process, hear_ctrl_c, process_environment
from waiting import PATIENCE, wait_until

SLOW = {"texts": ["day " * 400] * 1_000}
"""With `ONE_BY_ONE`: thousand batches, which take seconds together and milliseconds each."""
ONE_BY_ONE = {
    **{"texts": 1_000, "batch": 1, "batch_wait_seconds": 0},
    **{"request_seconds": PATIENCE, "shutdown_seconds": PATIENCE},
}


@dataclass(frozen=True)
class ServerProcess:
    """A server that `said` a line once it had its address.

    Its standard error goes to a file, so that it never waits for a reader.
    """

    said: str
    process: subprocess.Popen[str]
    errors: Path

    @property
    def url(self) -> str:
        """Where it answers, as its first line tells."""
        found = re.search(r"http://[^ \n]+", self.said)
        assert found
        return found[0]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port, for a socket."""
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def stderr(self) -> str:
        """What it has written to standard error."""
        return self.errors.read_text(encoding="utf-8")

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> "Answer":
        """The answer to a request on a connection of its own; a body that isn't bytes goes as JSON."""
        return ask(self.address, method, path, body, **headers)

    def connection(self) -> HTTPConnection:
        """A connection that is open, and kept."""
        connection = HTTPConnection(*self.address, timeout=PATIENCE)
        connection.connect()
        return connection

    def workers(self) -> list[int]:
        """The processes that answer for it: children that multiprocessing has spawned, but for its resource tracker."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Tell it to stop, wait until it has, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=PATIENCE)


@dataclass(frozen=True)
class Answer:
    """A whole answer; header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """Its body, parsed."""
        return json.loads(self.content)


@contextlib.contextmanager
def serving(bundle_folders: Sequence[object], *options: object) -> Iterator[ServerProcess]:
    """Serve bundles on a free port, wait until they answer, and end the process, whatever state it is in."""
    with beginning(bundle_folders, *options) as server:
        wait_until(lambda: server.ask("GET", "/readyz").status == 200, "the server isn't ready")
        yield server


@contextlib.contextmanager
def beginning(bundle_folders: Sequence[object], *options: object) -> Iterator[ServerProcess]:
    """The same as soon as the address is told: with several workers, before they are started."""
    with TemporaryDirectory(prefix="foreshot-server-") as folder:
        errors = Path(folder) / "stderr"
        command = as_process("serve", *bundle_folders, "--port", "0", *options)
        with errors.open("w", encoding="utf-8") as stderr:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env=process_environment(),
                start_new_session=True,
                preexec_fn=hear_ctrl_c,
            )
        try:
            yield ServerProcess(_first_line(process, errors), process, errors)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the workers too
            process.wait()
            assert process.stdout
            process.stdout.close()


def ask(address: tuple[str, int], method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """The answer to a request on a connection of its own; a body that isn't bytes goes as JSON."""
    with contextlib.closing(HTTPConnection(*address, timeout=PATIENCE)) as connection:
        return ask_on(connection, method, path, body, **headers)


def ask_on(connection: HTTPConnection, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    """The answer to a request on a connection that is kept; a body that isn't bytes goes as JSON."""
    if body is not None and not isinstance(body, bytes):
        body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    names = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, names, response.read())


def config(folder: Path, **settings: Any) -> Path:
    """A file of settings in a folder."""
    path = folder / "serve.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def gauge(server: ServerProcess) -> float:
    """How many texts wait, as /metrics tells."""
    return samples(server, "foreshot_queue_texts")


def samples(server: ServerProcess, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    families = text_string_to_metric_families(server.ask("GET", "/metrics").content.decode())
    found = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in found if labels.items() <= sample.labels.items())


def all_answer_alone(server: ServerProcess) -> bool:
    """Whether each worker answers while the others can't."""
    for worker in server.workers():
        os.kill(worker, signal.SIGSTOP)
        try:
            server.ask("POST", "/v1/classify", {"texts": ["kind day"]})
        finally:
            os.kill(worker, signal.SIGCONT)
    return True


def all_answer(server: ServerProcess, workers: int) -> bool:
    """Whether so many workers have started, and each answers."""
    return len(server.workers()) == workers and all_answer_alone(server)


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """All that comes back for raw bytes until the server closes the connection."""
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(sent)
        return until_closed(connection)


def until_closed(connection: socket.socket) -> bytes:
    """All that a connection brings until its end."""
    parts = []
    while part := connection.recv(65_536):
        parts.append(part)
    return b"".join(parts)


def raw_request(method: str, path: str, body: Any = None, *, version: str = "1.1", **headers: str) -> bytes:
    """The bytes of a request; a body goes as JSON, with its length."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *(f"{name}: {value}" for name, value in headers.items())]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


def _first_line(process: subprocess.Popen[str], errors: Path) -> str:
    """The line that tells the address; fails with what is on standard error when none comes."""
    assert process.stdout
    readable, _, _ = select.select([process.stdout], [], [], PATIENCE)
    line = process.stdout.readline() if readable else ""
    assert "http://" in line, f"the server didn't start: {errors.read_text(encoding='utf-8')}"
    return line
