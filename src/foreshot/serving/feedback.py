"""Feedback: corrections of what models said, kept in a file, with the texts. Only where a server is asked to."""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from foreshot.data.reading.records import KINDS
from foreshot.data.texts import printable
from foreshot.errors import ServeError
from foreshot.files.atomic import NO_ROOM
from foreshot.files.journal import FullError, Journal
from foreshot.serving.bodies import MEDIA_TYPE, read_body
from foreshot.serving.catalogue import Catalogue, ServedModel
from foreshot.serving.feedback_shapes import Addressed, FeedbackRequest, FeedbackResponse, make_feedback_request
from foreshot.serving.openapi import described, documented, schema_of
from foreshot.serving.problems import Problem
from foreshot.serving.settings import Feedback, ServeSettings

ENDINGS = tuple(ending for ending, kind in KINDS.items() if kind == "jsonl")
REFUSALS = (400, 401, 404, 408, 413, 415, 422, 503, 507)
logger = logging.getLogger("foreshot.serving")


def check_feedback(settings: Feedback) -> None:
    """Raise ServeError where corrections are to be kept, and can't be."""
    file = settings.file
    if file is None:
        return
    if file.suffix.lower() not in ENDINGS:
        raise ServeError(
            f"{printable(str(file))}: ⟨feedback⟩ is kept as JSON Lines; give it a name that ends in {ENDINGS[0]}"
        )
    try:
        journal_of(settings).check()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "is no name of a file"
        raise ServeError(
            f"{printable(str(file))}: ⟨feedback⟩ can't be kept there ({why}); name a file to write in"
        ) from None


def journal_of(settings: Feedback) -> Journal:
    """The file of corrections; a link stays one, and what it leads to is written."""
    assert settings.file is not None
    return Journal(file=settings.file.resolve(), file_bytes=settings.file_bytes, files=settings.files)


async def keep(settings: Feedback, request: Request, lines: Sequence[Mapping[str, Any]]) -> None:
    """Keep corrections of a request, all of them or none; raises Problem 507 for no room, 500 for a disk that fails.

    To each come when it was given and, where keys are asked for, by whose.
    """
    given = {"when": datetime.now(UTC).isoformat(timespec="milliseconds"), "by": request.scope.get("foreshot.key")}
    # In ASCII: some readers end a line at U+2028, and a terminal obeys what follows U+009B.
    written = [json.dumps(_said({**given, **line}), allow_nan=False) for line in lines]
    try:
        await asyncio.to_thread(journal_of(settings).append, written)
    except FullError:
        logger.error("%d corrections are not kept: all %d files are full", len(lines), settings.files)
        raise Problem(507, "no more corrections are kept: all files are full; tell who runs this server") from None
    except OSError as error:
        logger.error("%d corrections are not kept: %s", len(lines), error.strerror)
        if error.errno in NO_ROOM:
            raise Problem(507, "no correction of this request is kept: the disk is full") from None
        raise Problem(500, "no correction of this request is kept: the file can't be written") from None


def correction_of(model: ServedModel, text: str, answer: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A correction as it is kept: a text, what is right for it, and which model said otherwise."""
    return {"text": text, **answer, **more, "model": model.name, "checksum": model.checksum}


def feedback_router(catalogue: Catalogue, settings: ServeSettings) -> APIRouter:
    """The path of corrections; none where they aren't kept."""
    router = APIRouter(prefix="/v1", tags=["Foreshot"])
    if settings.feedback.file is None:
        return router
    shapes = {
        name: make_feedback_request(
            name, model.classifier.manifest, settings.limits, default=model is catalogue.default
        )
        for name, model in catalogue.items()
    }

    @router.post(
        "/feedback",
        summary="Correct what a model said",
        response_model=FeedbackResponse,
        responses=documented(REFUSALS),
        openapi_extra=described({"anyOf": [schema_of(shape) for shape in shapes.values()]}),
    )
    async def feedback(request: Request) -> Response:
        """Texts and what is right for them are kept on the server, for a better model to learn from."""
        model = catalogue.asked((await read_body(request, Addressed)).model)
        asked = await read_body(request, shapes[model.name])
        await keep(settings.feedback, request, _lines(model, asked))
        return Response(json.dumps({"kept": len(asked.corrections), "model": model.name}), media_type=MEDIA_TYPE)

    return router


def _lines(model: ServedModel, asked: FeedbackRequest) -> list[dict[str, Any]]:
    return [
        correction_of(model, one.text, one.answer, said=one.said, id=one.id, source="feedback")
        for one in asked.corrections
    ]


def _said(line: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if value is not None}
