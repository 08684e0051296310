"""The boundary: what every request meets before, and every answer after, the application.

A request's body is read here, whole and within its limits of size and time. While the application works the client is
watched: when it is gone, or the time is up, the work is cancelled, and with it what waits in a queue.
"""

import asyncio
import contextlib
import logging
import traceback
from collections.abc import Awaitable

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foreshot.serving.google import BATCH_PATHS
from foreshot.serving.problems import Problem, failed, overloaded, problem_response
from foreshot.serving.settings import ServeSettings

OPEN_PATHS = ("/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", *BATCH_PATHS)
"""Paths that need no key; a batch brings one in each of its parts."""
OPEN_FOLDERS = ("/static/", "/docs/", "/$discovery/")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
LINGER_SECONDS = 5
logger = logging.getLogger("foreshot.serving")


class Boundary:
    """Wraps an application. What goes wrong inside becomes an answer, and a line of log that holds no text."""

    def __init__(self, app: ASGIApp, settings: ServeSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Files are sent whole, as RFC 9110 allows: the answers to a wrong range would be no JSON.
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"range"]
        answer, incoming = _Answer(send), _Incoming(receive)
        try:
            async with asyncio.timeout(self._settings.limits.request_seconds):
                await self._answer(scope, incoming, answer)
        except TimeoutError:
            await answer.problem(overloaded("the answer took too long; ask for less, or again in a moment"), scope)
        except asyncio.CancelledError:
            await answer.problem(overloaded("the server is stopping"), scope)
        except Problem as problem:
            await answer.problem(problem, scope, incoming)
        except Exception as error:  # the last place that can answer it
            frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
            logger.error("%s in\n%s", type(error).__name__, "".join(frames))  # its message may hold a text
            await answer.problem(failed(), scope)

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = Headers(scope=scope)
        self._check_key(scope, headers)
        if scope["method"] not in {"POST", "PUT", "PATCH"}:
            await self._app(scope, receive, answer)
            return
        body = await self._read(headers, receive)
        if body is not None:
            await _while_connected(self._app(scope, replay(body), answer), receive)

    def _check_key(self, scope: Scope, headers: Headers) -> None:
        path = scope["path"]
        if self._settings.keys and path not in OPEN_PATHS and not path.startswith(OPEN_FOLDERS):
            scope["foreshot.key"] = name_of_key(self._settings, headers, scope["query_string"])

    async def _read(self, headers: Headers, receive: Receive) -> bytes | None:
        """The whole body, None where the client left before its end."""
        most = self._settings.limits.body_bytes
        too_big = Problem(413, f"the body is larger than {most:,} bytes; send fewer texts at a time")
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > most:
            raise too_big
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.limits.request_seconds / 2):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_big
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise Problem(408, "the body didn't come in time") from None


def name_of_key(settings: ServeSettings, headers: Headers, query: bytes) -> str:
    """Whose key a request brings; raises Problem 401 for none, or one that isn't known."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
    given = given or QueryParams(query).get("key", "")
    name = settings.key_named(given)
    if name is None:
        what = "this API key is not known" if given else "an API key is needed, as X-API-Key, a bearer token or key="
        raise Problem(401, what, headers={"WWW-Authenticate": 'Bearer realm="foreshot"'})
    return name


class _Incoming:
    """What a client sends, which knows whether that has come to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = False

    async def __call__(self) -> Message:
        self._ended = True  # for who is interrupted: what was awaited in vain is not awaited again
        message = await self._receive()
        self._ended = not message.get("more_body")
        return message

    async def drain(self) -> None:
        """Throw the rest away, for a while: who still sends when the connection is closed may not see its answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while not self._ended:
                    await self()


class _Answer:
    """Sends an answer with our headers, once: what comes after a disconnect or a second beginning is dropped."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = MutableHeaders(scope=message)
            del headers["Accept-Ranges"]
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)

    async def problem(self, problem: Problem, scope: Scope, incoming: _Incoming | None = None) -> None:
        """Answer with a problem, unless an answer has begun: then the connection can only be cut.

        It is closed afterwards, once the rest of what is `incoming` was thrown away.
        """
        if self._begun:
            return
        problem.headers["Connection"] = "close"
        response = problem_response(problem, scope["path"])
        await self({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await self({"type": "http.response.body", "body": response.body, "more_body": True})
        if incoming is not None:
            await incoming.drain()
        await self({"type": "http.response.body", "body": b""})


def replay(body: bytes) -> Receive:
    """A `receive` that gives a body that was read already."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


async def _while_connected(work: Awaitable[None], receive: Receive) -> None:
    """Await work; when the client goes first, cancel it."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        gone.cancel()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
