"""Connections at their worst: slow, endless, cut off, or no HTTP at all; the waits are made short for the tests."""

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from served import make_bundles
from server_process import exchange, raw_request, until_closed
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config, Server

from foreshot.serving import protocol
from foreshot.serving.app import make_app
from foreshot.serving.catalogue import load_catalogue
from foreshot.serving.observing import Metrics
from foreshot.serving.protocol import PatientProtocol
from foreshot.serving.settings import ServeSettings
from waiting import PATIENCE, wait_until

Address = tuple[str, int]
HEALTH = raw_request("GET", "/healthz")
SOON = 0.3
LATER = 1
"""For clients that must be in time, on a busy machine too."""
MEGABYTE = b"x" * 1_000_000


@contextlib.contextmanager
def listening(app: ASGIApp, lifespan: Literal["on", "off"] = "off") -> Iterator[Address]:
    """Serve an application on a socket, from a thread of the tests."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        server = Server(Config(app, http=PatientProtocol, ws="none", lifespan=lifespan, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [held]})
        thread.start()
        try:
            wait_until(lambda: server.started, "the server didn't start")
            yield held.getsockname()
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    settings = ServeSettings.model_validate({"limits": {"body_bytes": 100_000}})
    metrics = Metrics()
    bundles = {"odd": make_bundles(tmp_path_factory.mktemp("protocol"))["odd"]}
    app = make_app(load_catalogue(bundles, settings.limits, metrics, threads=1), settings, metrics)
    with listening(app, lifespan="on") as place:
        yield place


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For clients that are late however fast they are."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", SOON)
    monkeypatch.setattr(protocol, "STALLED_SECONDS", SOON)


def parsed(answer: bytes) -> tuple[int, dict[str, str], Any]:
    """Status, headers and JSON of the only answer in some bytes."""
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("ascii").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    assert len(body) == int(headers["content-length"])
    return int(first.split()[1]), headers, json.loads(body)


def check_closed_with(answer: bytes, status: int, word: str) -> None:
    found, headers, problem = parsed(answer)
    assert (found, problem["status"], problem["type"]) == (status, status, "about:blank"), problem
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert word in problem["detail"]


# ---- slow clients ----


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("sent", [b"", b"G", b"POST /v1/classify HTTP/1.1\r\nHost: te", HEALTH[:-1]])
def test_half_a_head_is_waited_for_a_while(address: Address, sent: bytes) -> None:
    check_closed_with(exchange(address, sent), 408, "head")


@pytest.mark.usefixtures("impatient")
def test_a_head_that_comes_byte_by_byte_has_no_more_time(address: Address) -> None:
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
                while not ended.wait(SOON / 10):
                    connection.sendall(b"x")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            check_closed_with(until_closed(connection), 408, "head")
        finally:
            ended.set()
            dripping.join()


def test_a_second_head_has_no_more_time_than_the_first(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(HEALTH)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(protocol, "HEAD_SECONDS", SOON)
        connection.sendall(HEALTH[:10])
        check_closed_with(until_closed(connection), 408, "head")


def test_who_waits_for_an_answer_is_not_hurried(address: Address, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", LATER)
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        for _ in range(2):
            body = raw_request("POST", "/v1/classify", {"texts": ["kind day"]})
            connection.sendall(body[:-5])  # its head is whole; its body has the application's time
            time.sleep(1.2 * LATER)
            connection.sendall(body[-5:])
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_slow_body_is_told_so(tmp_path: Path) -> None:
    settings = ServeSettings.model_validate({"limits": {"request_seconds": 2 * SOON}})
    catalogue = load_catalogue({"odd": make_bundles(tmp_path)["odd"]}, settings.limits, Metrics(), threads=1)
    with listening(make_app(catalogue, settings), lifespan="on") as place:
        answer = exchange(place, raw_request("POST", "/v1/classify", {"texts": ["kind day"]})[:-5])
    check_closed_with(answer, 408, "body")


class Endless:
    """Answers with 40 MB, which no socket's buffers hold, and tells when it is rid of them."""

    def __init__(self) -> None:
        self.rid = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(40):
            await send({"type": "http.response.body", "body": MEGABYTE, "more_body": number < 39})
        self.rid.set()


@pytest.mark.usefixtures("impatient")
def test_who_does_not_take_an_answer_is_cut_off() -> None:
    app = Endless()
    with listening(app) as place, socket.create_connection(place, timeout=PATIENCE) as connection:
        connection.sendall(HEALTH)
        assert app.rid.wait(PATIENCE)
        assert len(until_closed(connection)) < 40 * len(MEGABYTE)


def test_who_takes_it_slowly_gets_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", LATER)
    with listening(Endless()) as place, socket.create_connection(place, timeout=PATIENCE) as connection:
        connection.sendall(raw_request("GET", "/", version="1.0"))
        received = 0
        for _ in range(8):  # longer than the wait altogether, but never that long without taking some
            time.sleep(LATER / 6)
            received += len(connection.recv(2_000_000, socket.MSG_WAITALL))
        received += len(until_closed(connection))
    assert received > 40 * len(MEGABYTE)


# ---- too much ----


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 40_000,
        b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"X-Many: a\r\n" * 4_000,
    ],
)
def test_a_head_without_end_is_refused(address: Address, sent: bytes) -> None:
    check_closed_with(exchange(address, sent), 431, "too long")


def test_a_long_body_is_no_long_head(address: Address) -> None:
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        for _ in range(3):
            connection.sendall(raw_request("POST", "/v1/classify", {"texts": ["day " * 5_000] * 4}))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_a_head_without_end_behind_a_request_that_runs_is_cut_off() -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        await asyncio.to_thread(go_on.wait, PATIENCE)

    with listening(waiting) as place, socket.create_connection(place, timeout=PATIENCE) as connection:
        try:
            connection.sendall(HEALTH)
            assert begun.wait(PATIENCE)
            sent = 0
            with contextlib.suppress(ConnectionError):
                for _ in range(100):
                    sent += connection.send(b"X" * 100_000 if sent else b"GET /" + b"a" * 100_000)
                assert until_closed(connection) == b""
            assert sent < 10_000_000
        finally:
            go_on.set()


def test_a_flood_of_requests_on_one_connection_is_cut_off_and_hurts_nobody(address: Address) -> None:
    flood = HEALTH * 20_000
    answered = b""
    with contextlib.suppress(ConnectionError), socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(flood)
        answered = until_closed(connection)
    assert answered.count(b"HTTP/1.1 200 ") < 20_000
    assert exchange(address, raw_request("GET", "/healthz", version="1.0")).startswith(b"HTTP/1.1 200 ")


def test_a_refusal_reaches_who_still_sends(address: Address) -> None:
    head = b"POST /v1/classify HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
    body = b" " * 20_000_000
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        check_closed_with(until_closed(connection), 413, "larger than")


# ---- what is no HTTP, or another one ----


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # TLS
        b"hello\r\n\r\n",
        b"\x00" * 100,
        b"GET /\xff\xfe HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET /é HTTP/1.1\r\nHost: test\r\n\r\n".encode(),
        b"GET  HTTP/1.1\r\n\r\n",
        b"CONNECT example:443 HTTP/1.1\r\nHost: test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: te\x00st\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{}  ",
        b"POST /v1/classify HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/classify HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nwalnut\r\n",
    ],
)
def test_what_is_no_http_is_400(address: Address, sent: bytes) -> None:
    check_closed_with(exchange(address, sent), 400, "not an HTTP request")


def test_an_answer_is_never_taken_for_that_to_another_request(address: Address) -> None:
    sent = raw_request("POST", "/v1/classify", {"texts": ["day " * 5_000] * 4}) + b"no HTTP\r\n\r\n"
    assert b"not an HTTP request" not in exchange(address, sent)


def test_http_1_0_is_answered_and_closed(address: Address) -> None:
    answer = exchange(address, b"GET /healthz HTTP/1.0\r\n\r\n")
    assert parsed(answer)[::2] == (200, {"status": "alive"})


@pytest.mark.parametrize(
    "path", [b"/%FF%FE", b"/%00", b"/%2e%2e/%2e%2e/etc/passwd", b"/static/%2e%2e/app.py", b"/?%FF"]
)
def test_odd_bytes_in_a_path_are_a_path(address: Address, path: bytes) -> None:
    answer = exchange(address, b"GET " + path + b" HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 " if path[:2] == b"/?" else b"HTTP/1.1 404 ")
    assert b"Traceback" not in answer


def test_requests_that_do_not_wait_are_answered_in_their_order(address: Address) -> None:
    texts = ["kind day", "fool", "you fool you", "hello"]
    sent = b"".join(raw_request("POST", "/v1/classify", {"texts": [text]}) for text in texts)
    answer = exchange(address, sent + raw_request("GET", "/nope", Connection="close"))
    decoder = json.JSONDecoder()
    bodies = [decoder.raw_decode(part)[0] for part in answer.decode().split("\r\n\r\n")[1:]]
    found = [body["results"][0]["scores"]["toxic"] for body in bodies[:-1]]
    alone = []
    for text in texts:
        request = raw_request("POST", "/v1/classify", {"texts": [text]}, Connection="close")
        alone.append(parsed(exchange(address, request))[2]["results"][0]["scores"]["toxic"])
    assert len(set(alone)) == 4
    assert found == pytest.approx(alone, abs=1e-6)
    assert answer.count(b"HTTP/1.1 200 ") == 4
    assert answer.index(b"HTTP/1.1 404 ") > answer.rindex(b"HTTP/1.1 200 ")


def test_who_asks_first_is_told_to_go_on_or_refused_before_the_body(address: Address) -> None:
    head, body = raw_request("POST", "/v1/classify", {"texts": ["kind day"]}, Expect="100-continue").split(b"\r\n\r\n")
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(
            head.replace(f"Content-Length: {len(body)}".encode(), b"Content-Length: 99999999") + b"\r\n\r\n"
        )
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_a_wish_for_another_protocol_is_passed_over(address: Address) -> None:
    sent = raw_request("GET", "/healthz", Connection="close, Upgrade", Upgrade="websocket")
    assert parsed(exchange(address, sent))[0] == 200
