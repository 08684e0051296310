"""The application: every path, and what surrounds them. `make_app` takes what answers, so that tests can fake it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from fastapi.security import APIKeyHeader, APIKeyQuery, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from foreshot import __version__
from foreshot.serving.api import api_router
from foreshot.serving.boundary import Boundary
from foreshot.serving.catalogue import Catalogue
from foreshot.serving.feedback import feedback_router
from foreshot.serving.observing import Metrics, Observed
from foreshot.serving.openapi import documented
from foreshot.serving.problems import (
    Problem,
    answer_failure,
    answer_http_exception,
    answer_invalid_request,
    answer_problem,
    overloaded,
)
from foreshot.serving.schemas import Health
from foreshot.serving.settings import ServeSettings

STATIC = Path(__file__).parent / "static"
SWAGGER = Path(str(files("fastapi_offline"))) / "static"
KEYS = [
    Security(scheme)
    for scheme in (
        APIKeyHeader(name="X-API-Key", scheme_name="key", auto_error=False),
        HTTPBearer(scheme_name="bearer", auto_error=False),
        APIKeyQuery(name="key", scheme_name="query", auto_error=False),
    )
]
"""What OpenAPI says of keys. They are checked in the boundary, before a body is read."""

MakeRouter = Callable[[Catalogue, ServeSettings], APIRouter]
"""What makes paths that models answer on."""


def make_app(
    catalogue: Catalogue, settings: ServeSettings, metrics: Metrics | None = None, *, more: Sequence[MakeRouter] = ()
) -> ASGIApp:
    """The ASGI application that answers with a catalogue's models; `metrics` is what observes their batches.

    `more` makes paths besides Foreshot's own: those of another service's wire format.
    """
    metrics = metrics or Metrics()

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        catalogue.start()
        yield
        await catalogue.stop()

    app = FastAPI(
        title="Foreshot",
        version=__version__,
        summary="Text classifiers that were made small without being made blind.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would go to whatever host the request names
        exception_handlers={
            Problem: answer_problem,
            HTTPException: answer_http_exception,
            RequestValidationError: answer_invalid_request,
            Exception: answer_failure,
        },
    )
    for make_router in (api_router, feedback_router, *more):
        app.include_router(make_router(catalogue, settings), dependencies=KEYS if settings.keys else [])
    _add_pages(app)
    _add_health(app, catalogue, metrics)
    whole: ASGIApp = Boundary(app, settings)
    if settings.cors:
        whole = CORSMiddleware(
            whole,
            allow_origins=settings.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["content-type", "x-api-key", "authorization"],
        )
    return Observed(whole, metrics)


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(STATIC / "docs.html")

    # some installers link a package's files instead of copying them
    app.mount("/static", StaticFiles(directory=STATIC, follow_symlink=True))
    app.mount("/docs", StaticFiles(directory=SWAGGER, follow_symlink=True))


def _add_health(app: FastAPI, catalogue: Catalogue, metrics: Metrics) -> None:
    @app.get("/healthz", summary="Whether it lives", tags=["Watching"])
    async def healthz() -> Health:
        """Whether the process answers."""
        return Health(status="alive")

    @app.get("/readyz", summary="Whether it is ready", tags=["Watching"], responses=documented((503,)))
    async def readyz() -> Health:
        """Whether the models have passed their self-tests, compute, and have room in their queues."""
        for name, model in catalogue.items():
            if not model.batcher.alive:
                raise overloaded(f"{name} doesn't compute")
            if not model.batcher.has_room:
                raise overloaded(f"the queue of {name} is full")
        return Health(status="ready")

    @app.get(
        "/metrics",
        summary="Prometheus metrics",
        tags=["Watching"],
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    async def exposed() -> Response:
        """Requests, latency, batch sizes, queue lengths, decisions."""
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")
