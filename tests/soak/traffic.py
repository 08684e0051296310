"""Traffic for a soak: good requests, bad ones with the answer that each must get, and clients that hang or vanish."""

import asyncio
import contextlib
import json
import random
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

KEY = "a key for the soak"
WORDS = (
    "you",
    "are",
    "an",
    "absolute",
    "walnut",
    "thank",
    "kind",
    "fool",
    "hello",
    "day",
    "lovely",
    "evening",
    "nobody",
)
MODEL = "served"


@dataclass(frozen=True, kw_only=True)
class Request:
    """Bytes to send, the status that must come back, and of a good request how many texts it asks about."""

    kind: str
    content: bytes
    status: int
    texts: int = 0


def good_requests(seed: int, count: int) -> list[Request]:
    """Of one text and of several, long and short, some with words, some in Perspective's format."""
    chance = random.Random(seed)
    return [_good(chance, number) for number in range(count)]


def bad_requests() -> list[Request]:
    """One of each kind."""
    many = {f"field {number}": 1 for number in range(5_000)}
    comment = {"comment": {"text": "hello"}, "requestedAttributes": {"TOXICITY": {}}}
    return [
        _classify("too long", 422, {"texts": ["a" * 20_481]}),
        _classify("too many", 422, {"texts": ["a"] * 129}),
        _classify("none", 422, {"texts": []}),
        _classify("broken JSON", 400, b'{"texts": ["you absolute'),
        _classify("a NUL", 422, {"texts": ["you\0absolute"]}),
        _classify("unknown fields", 422, {"texts": ["a"], **many}),
        _classify("unknown model", 404, {"texts": ["a"], "model": "nope"}),
        _classify("wrong type", 415, {"texts": ["a"]}, content_type="text/plain"),
        _classify("wrong key", 401, {"texts": ["a"]}, key="not the key"),
        _classify("no key", 401, {"texts": ["a"]}, key=None),
        Request(kind="too big", status=413, content=_head("POST", "/v1/classify", length=5_000_000) + b"{" * 1_000),
        Request(kind="wrong method", status=405, content=_head("GET", "/v1/classify")),
        Request(kind="unknown path", status=404, content=_head("GET", "/v2/classify")),
        Request(kind="no HTTP", status=400, content=b"hello\r\n\r\n"),
        _analyze("Perspective: empty", 400, {**comment, "comment": {"text": ""}}),
        _analyze("Perspective: unknown attribute", 400, {**comment, "requestedAttributes": {"FUN": {}}}),
        _analyze("Perspective: broken JSON", 400, b'{"comment": '),
    ]


def mixed(seed: int, count: int = 2_000, bad_share: float = 0.2) -> list[Request]:
    """Good and bad requests in a random order, the same for the same seed."""
    chance = random.Random(seed)
    good, bad = good_requests(seed, count), bad_requests()
    watching = [Request(kind="watching", status=200, content=_head("GET", path)) for path in ("/metrics", "/readyz")]
    watching.append(Request(kind="watching", status=200, content=_head("GET", "/v1/models")))
    chosen = [chance.choice(bad) if chance.random() < bad_share else request for request in good]
    return [chance.choice(watching) if chance.random() < 0.02 else request for request in chosen]


def _good(chance: random.Random, number: int) -> Request:
    texts = [
        " ".join(chance.choices(WORDS, k=chance.choice((3, 8, 20, 60)))) for _ in range(chance.choice((1, 1, 1, 4)))
    ]
    if number % 10 == 0:
        body = {"comment": {"text": texts[0]}, "requestedAttributes": {"TOXICITY": {}}, "spanAnnotations": True}
        return _analyze("good: Perspective", 200, body)
    if number % 20 == 1:
        return _classify("good: explained", 200, {"texts": [texts[0][:60]], "explain": True}, texts=1)
    return _classify("good", 200, {"texts": texts}, texts=len(texts))


def _classify(
    kind: str, status: int, body: Any, *, texts: int = 0, key: str | None = KEY, content_type: str = "application/json"
) -> Request:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = _head("POST", "/v1/classify", length=len(content), key=key, content_type=content_type)
    return Request(kind=kind, status=status, content=head + content, texts=texts)


def _analyze(kind: str, status: int, body: Any) -> Request:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    path = f"/v1alpha1/comments:analyze?key={KEY.replace(' ', '%20')}"
    return Request(kind=kind, status=status, content=_head("POST", path, length=len(content), key=None) + content)


def _head(
    method: str,
    path: str,
    *,
    length: int | None = None,
    key: str | None = KEY,
    content_type: str = "application/json",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: soak", *([f"X-API-Key: {key}"] if key else [])]
    lines += [] if length is None else [f"Content-Type: {content_type}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


# ---- clients without manners; each ends when it is told to, or when the server has had enough of it ----

Address = tuple[str, int]


async def half_a_head(address: Address) -> None:
    """Begins a request and says no more."""
    await _send_and_wait(address, b"POST /v1/classify HTTP/1.1\r\nHost: so")


async def half_a_body(address: Address) -> None:
    """Sends a tenth of what it promised."""
    await _send_and_wait(address, _head("POST", "/v1/classify", length=1_000) + b'{"texts": ["you' + b"a" * 85)


async def never_reads(address: Address) -> None:
    """Asks for much and takes none of it."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, address)
        await asyncio.get_running_loop().sock_sendall(connection, _head("GET", "/openapi.json") * 40)
        await asyncio.sleep(15)
    finally:
        connection.close()


async def vanishes_after_asking(address: Address) -> None:
    """Asks and resets the connection at once."""
    await _send_and_reset(address, good_requests(0, 5)[3].content)


async def vanishes_in_a_body(address: Address) -> None:
    """Resets the connection in the middle of a body."""
    await _send_and_reset(address, _head("POST", "/v1/classify", length=100_000) + b"a" * 50_000)


async def comes_and_goes(address: Address) -> None:
    """Connects and leaves."""
    await _send_and_reset(address, b"")


RUDE: Sequence[Callable[[Address], Any]] = (
    half_a_head,
    half_a_body,
    never_reads,
    vanishes_after_asking,
    vanishes_in_a_body,
    comes_and_goes,
)


async def _send_and_wait(address: Address, content: bytes) -> None:
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(content)
        await reader.read()  # until the server closes
    finally:
        writer.close()


async def _send_and_reset(address: Address, content: bytes) -> None:
    _, writer = await asyncio.open_connection(*address)
    try:
        writer.write(content)
        with contextlib.suppress(OSError):
            await writer.drain()
    finally:
        at_once = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()
