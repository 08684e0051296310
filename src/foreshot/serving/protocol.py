"""The protocol: Uvicorn's, with limits for what comes before a request is whole and after its answer is written.

Uvicorn waits for a request's head, and for a client to take its answer, as long as the client likes.
"""

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from foreshot.serving.problems import MEDIA_TYPE

HEAD_SECONDS = 10
STALLED_SECONDS = 10
HEAD_BYTES = 32_768
MOST_PIPELINED = 64
"""Requests that may wait for the answers to those before them: Uvicorn goes on reading more, however many wait."""
REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class PatientProtocol(HttpToolsProtocol):
    """A connection that is closed when a head takes too long or too much room, or an answer isn't taken."""

    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes, as long as they are not too many for a head."""
        if self._head_timer is None and (
            self.cycle is None or self.cycle.response_complete or not self.cycle.more_body
        ):
            self._await_head()
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(431, "the request's head is too long")

    def on_headers_complete(self) -> None:
        """A head is whole: what follows has the application's own limits."""
        self._stop_waiting_for_head()
        super().on_headers_complete()
        if len(self.pipeline) > MOST_PIPELINED:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hold nothing of it."""
        self._stop_waiting_for_head()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client doesn't take its answer: give it a while."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes it again."""
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing more is asked: close, without waiting for a client that never took its last answer."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """What Uvicorn answers to what is no HTTP, in our own shape."""
        self._refuse(400, "this is not an HTTP request")

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(
            HEAD_SECONDS, self._refuse, 408, "the request's head didn't come in time"
        )

    def _stop_waiting_for_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse(self, status: int, detail: str) -> None:
        self._stop_waiting_for_head()
        if self.transport.is_closing():
            return
        running = self.cycle is not None and not self.cycle.response_complete
        if running and (self.cycle.response_started or not self.cycle.more_body):
            self.transport.close()  # it would be taken for the answer to a request before
            return
        body = json.dumps({"type": "about:blank", "title": REASONS[status], "status": status, "detail": detail})
        self.transport.write(
            f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            f"connection: close\r\n\r\n{body}".encode("ascii")
        )
        self.transport.close()
