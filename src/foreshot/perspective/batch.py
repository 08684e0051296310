"""Batch requests, as Google's client libraries send them: requests to this API, each a part of one body.

The body is multipart/mixed (RFC 2046) of application/http, and so is the answer. Each part is answered as if it had
come by itself, and at most as many at once as a request may have texts in a batch of a model's, so that others don't
wait for this one.
"""

import asyncio
import http.client
import io
import itertools
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.feedparser import BytesFeedParser
from email.message import Message
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from foreshot.data.texts import printable
from foreshot.serving.batching import SHARE
from foreshot.serving.boundary import HEADERS, name_of_key, replay
from foreshot.serving.google import API_PATH
from foreshot.serving.problems import Problem, problem_response
from foreshot.serving.settings import Limits, ServeSettings

MEDIA_TYPE = "multipart/mixed"
MOST_LINES = 100
"""Of a part, on average. Google's clients write about ten; a body of newlines alone would keep a core busy for long."""
CREDENTIALS = frozenset({b"authorization", b"x-api-key"})
"""Headers of the whole that count for a part without its own."""
INHERITED = ("type", "asgi", "http_version", "scheme", "root_path", "client", "server")
UNSAID = frozenset({b"connection", *(name.lower().encode() for name in HEADERS)})
"""Headers of an answer that are the whole's."""


@dataclass(frozen=True)
class Part:
    """A request within a batch, and what its answer is called by."""

    content_id: str
    scope: Scope
    body: bytes


async def answer_batch(request: Request, settings: ServeSettings) -> Response:
    """The answers to the parts of a batch, in their order.

    Raises Problem 400, 413 or 415 for a body that is none, and 401 for the whole where a part has no key that is known:
    Google's client for Python fails on a 401 within an answer.
    """
    parts = await asyncio.to_thread(parts_of, request.scope, await request.body(), settings.limits)
    if settings.keys:
        scopes = [part.scope for part in parts]
        names = {name_of_key(settings, Headers(scope=scope), scope["query_string"]) for scope in scopes}
        request.scope["foreshot.key"] = ",".join(sorted(names))
    room = asyncio.Semaphore(SHARE)

    async def answer(part: Part) -> bytes:
        async with room:
            return await _answer(request.app, part)

    boundary = f"batch_{secrets.token_hex(16)}"
    answers = await asyncio.gather(*map(answer, parts))
    body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), one) for one in answers)
    return Response(body + b"--%s--\r\n" % boundary.encode(), media_type=f"{MEDIA_TYPE}; boundary={boundary}")


def parts_of(scope: Scope, body: bytes, limits: Limits) -> list[Part]:
    """The parts of a batch's body; raises Problem for what isn't one, or has more parts than a request has texts."""
    media_type = Headers(scope=scope).get("content-type", "")
    head = Message()
    head["Content-Type"] = media_type
    if head.get_content_type() != MEDIA_TYPE:
        raise Problem(415, f"send a batch as {MEDIA_TYPE}, each part as application/http")
    boundary = head.get_boundary("").encode("utf-8", "replace")
    if not boundary:
        raise _malformed("its content type names no boundary")
    lines = max(body.count(b"\n"), body.count(b"\r"))
    if body.count(b"--" + boundary) > limits.texts + 1 or lines > MOST_LINES * limits.texts:
        raise Problem(413, f"a batch holds at most {limits.texts:,} requests; send fewer at a time")
    kinds: Iterator[type[Message]] = itertools.chain([Message], itertools.repeat(_Flat))
    parser: BytesFeedParser[Message] = BytesFeedParser(lambda: next(kinds)())
    parser.feed(b"Content-Type: %s\r\n\r\n" % media_type.encode("latin-1"))
    parser.feed(body)
    whole = parser.close()
    if not whole.is_multipart() or whole.defects:
        raise _malformed("its parts don't begin and end with the boundary")
    return [_part(number, part, scope) for number, part in enumerate(whole.get_payload(), start=1)]


class _Flat(Message):
    """A part whose content is left as it is, whatever it says to be.

    Of a part that is multipart itself the parser would look for the ends of both in each line, and so on.
    """

    def get_content_type(self) -> str:
        """What a part must be."""
        return "application/http"


def _part(number: int, part: Message, whole: Scope) -> Part:
    """A part, as a request that comes the way the whole came."""
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    line, _, rest = content.lstrip().partition(b"\n")
    stream = io.BytesIO(rest)
    try:
        method, target, *_ = line.decode("ascii").split()
        url = urlsplit(target)
        headers = http.client.parse_headers(stream)
    except (ValueError, http.client.HTTPException):
        raise _malformed(f"part {number} is no HTTP request") from None
    own = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in headers.items()}
    outer = {name: value for name, value in whole["headers"] if name in CREDENTIALS}
    query = url.query.encode()
    outer_key = parse_qs(whole["query_string"].decode("latin-1")).get("key")
    if outer_key and "key" not in parse_qs(url.query):
        query += b"&" + urlencode({"key": outer_key[0]}).encode()
    scope = {
        **{name: whole[name] for name in INHERITED},
        "method": method,
        "path": unquote(url.path),
        "raw_path": url.path.encode(),
        "query_string": query,
        "headers": list((outer | own).items()),
    }
    return Part(printable(str(part.get("Content-ID", ""))), scope, stream.read())


def _malformed(what: str) -> Problem:
    return Problem(400, f"The batch can't be parsed: {what}.")


async def _answer(app: ASGIApp, part: Part) -> bytes:
    """The answer to a part, as a part."""
    if not part.scope["path"].startswith(API_PATH):
        refused = problem_response(Problem(404, "a batch reaches the paths of Perspective's API alone"), API_PATH)
        return _written(part, refused.status_code, refused.raw_headers, bytes(refused.body))
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app(part.scope, replay(part.body), send)
    start, *rest = sent
    return _written(part, start["status"], start["headers"], b"".join(message.get("body", b"") for message in rest))


def _written(part: Part, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bytes:
    called = re.sub(r"^<?", r"\g<0>response-", part.content_id, count=1) if part.content_id else ""
    lines = [
        b"Content-Type: application/http",
        *([b"Content-ID: " + called.encode("utf-8", "replace")] if called else []),
        b"",
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}".encode(),
        *(b"%s: %s" % header for header in headers if header[0] not in UNSAID),
        b"",
        body,
    ]
    return b"\r\n".join(lines)
