"""Renewing: bundles that took the place of others are read and tested beside them, then answer instead of them.

All that depends on a bundle, down to the paths' shapes, is made anew as one version. A request stays with the version
that it began with; the old one ends with its last request.
"""

import asyncio
import ctypes
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from foreshot.data.texts import printable
from foreshot.errors import ForeshotError
from foreshot.serving.catalogue import Catalogue

logger = logging.getLogger("foreshot.serving")


@dataclass(eq=False, kw_only=True)
class Version:
    """What answers with the bundles as they were read at one time, and how many requests it still has."""

    app: ASGIApp
    catalogue: Catalogue
    requests: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever takes this version's place meanwhile."""
        self.requests += 1
        self.idle.clear()
        try:
            await self.app(scope, receive, send)
        finally:
            self.requests -= 1
            if not self.requests:
                self.idle.set()

    async def end(self) -> None:
        """Wait for the last request, which has limits of its own, stop computing, and let the models' memory go.

        FastAPI remembers the functions of every path for the life of the process, and with them all that they refer to.
        """
        if self.requests:
            await self.idle.wait()
        await self.catalogue.stop()
        for model in self.catalogue.values():
            model.classifier.close()


class Renewable:
    """An ASGI application whose bundles can be read again while it answers.

    `load` reads and tests them; it is called at once, and may raise, and later in a thread: what it raises then is
    logged in a line, and what answers goes on answering.
    """

    def __init__(self, load: Callable[[], Version]) -> None:
        self._load = load
        self._asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._current: Version | None = None

    def load(self) -> None:
        """Read the bundles for the first time."""
        self._current = self._load()

    def renew(self) -> None:
        """Have the bundles read again; may be called in a signal's handler, also before there is an event loop.

        While they are being read it is remembered: what is served in the end was read after the last call.
        """
        self._asked = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._begin)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._version.answer(scope, receive, send)

    @property
    def _version(self) -> Version:
        if self._current is None:
            raise RuntimeError("load comes first")
        return self._current

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        self._version.catalogue.start()
        self._loop = asyncio.get_running_loop()
        self._begin()
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        self._loop = None
        if self._renewing is not None:
            self._renewing.cancel()
        await self._version.catalogue.stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _begin(self) -> None:
        if self._asked and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        while self._asked:
            self._asked = False
            await self._replace()

    async def _replace(self) -> None:
        try:
            new = await asyncio.to_thread(self._load)
        except ForeshotError as error:
            logger.error("the models stay as they were: %s", printable(str(error)))
            return
        except Exception as error:  # a server that answers is not ended by what it can't read
            logger.error("the models stay as they were: reading them failed (%s)", type(error).__name__)
            return
        new.catalogue.start()
        old, self._current = self._version, new
        served = ", ".join(f"{name} {model.checksum}" for name, model in new.catalogue.items())
        logger.info("the models were read again: %s", served)
        await old.end()  # before the next is read: no more than two are ever held
        await asyncio.to_thread(_return_freed_memory)


def _return_freed_memory() -> None:
    """Give the system back what was freed; glibc would keep the pieces, and more of them after each version."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)
