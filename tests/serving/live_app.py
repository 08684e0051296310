"""An application on a real socket, in a thread of the tests: what clients of any language can be pointed at."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from uvicorn import Config, Server

from foreshot.perspective.routes import perspective_router
from foreshot.serving.app import make_app
from foreshot.serving.catalogue import Catalogue, load_catalogue
from foreshot.serving.observing import Metrics
from foreshot.serving.settings import ServeSettings
from waiting import PATIENCE, wait_until


@contextlib.contextmanager
def live_app(
    folders: Mapping[str, Path], *, faked: Callable[[Catalogue], Catalogue] = lambda known: known, **settings: Any
) -> Iterator[str]:
    """Serve bundles by name, with settings; gives the address, without "/" at its end.

    `faked` may replace what answers.
    """
    asked = ServeSettings.model_validate(settings)
    metrics = Metrics()
    app = make_app(
        faked(load_catalogue(folders, asked.limits, metrics, threads=1)), asked, metrics, more=[perspective_router]
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = Server(Config(app, lifespan="on", log_config=None, proxy_headers=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive(), "the server doesn't start")
            assert server.started
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def post(address: str, body: Any, content_type: str | None = "application/json") -> tuple[int, Any]:
    """Status and JSON of the answer to a body, which is sent as JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _ask("POST", address, content, {"Content-Type": content_type} if content_type else {})


def get(address: str, **headers: str) -> tuple[int, Any]:
    """Status and JSON of the answer to a GET."""
    return _ask("GET", address, None, headers)


def _ask(method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, Any]:
    """By http.client, which adds no header of its own but the body's length and, where none is given, the host."""
    url = urlsplit(address)
    with contextlib.closing(HTTPConnection(url.netloc, timeout=PATIENCE)) as connection:
        connection.request(method, address.removeprefix(f"http://{url.netloc}"), body, dict(headers))
        response = connection.getresponse()
        return response.status, json.load(response)
