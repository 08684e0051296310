"""Requests about a comment: read, and refused in the words of Google's services where they are wrong."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError
from starlette.requests import Request

from foreshot.data.texts import excerpt, listing, valid_unicode
from foreshot.perspective.schemas import TEXT_TYPES, CommentRequest, PerspectiveProblem
from foreshot.serving.bodies import MEDIA_TYPE
from foreshot.serving.catalogue import ServedModel
from foreshot.serving.problems import Problem, listed_errors

INVALID_REQUEST = "INVALID_REQUEST"
REFUSALS = {
    400: "The request is refused; `error` says why.",
    401: "An API key is needed, or isn't known.",
    408: "The body didn't come in time.",
    413: "The body is too big.",
    415: "The body isn't sent as JSON.",
    503: "No room or no time; ask again in a moment.",
}
Shape = TypeVar("Shape", bound=CommentRequest)


@dataclass(frozen=True, kw_only=True)
class ServedAttribute:
    """An attribute of Perspective's: the probability of a label by a model."""

    model: ServedModel
    label: str


def documented_refusals(refusals: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI says of error answers, by their status."""
    return {status: {"model": PerspectiveProblem, "description": text} for status, text in refusals.items()}


async def read_comment(request: Request, shape: type[Shape], *, typed: bool = False) -> Shape:
    """The request's body. Who names no media type is taken to send JSON, as many scripts do, unless it must be `typed`.

    Raises Problem.
    """
    unsaid = "" if typed else MEDIA_TYPE
    media_type = request.headers.get("content-type", unsaid).partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise Problem(415, f"send the body as JSON, with content-type: {MEDIA_TYPE}")
    body = await request.body()
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() > 1 or error.errors()[0]["type"] != "json_invalid":
            raise _malformed(error) from None
    try:
        # Clients that cut a text cut surrogate pairs in half, which pydantic takes for no JSON.
        repaired = valid_unicode(json.dumps(json.loads(body.decode("utf-8")), ensure_ascii=False))
        return shape.model_validate_json(repaired)
    except ValidationError as error:
        raise _malformed(error) from None
    except (ValueError, RecursionError):
        raise Problem(400, "Invalid JSON payload received. The body can't be parsed.") from None


def _malformed(error: ValidationError) -> Problem:
    """What is wrong with a body's shape, in the words of Google's services; never the value that was sent."""
    first = listed_errors(error, 400)[0]
    parent = ".".join(excerpt(part) for part in first["loc"][:-1])
    name = excerpt(first["loc"][-1]) if first["loc"] else ""
    if first["type"] == "extra_forbidden":
        where = f" at '{parent}'" if parent else ""
        return Problem(400, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')
    whole = f"{parent}.{name}".strip(".") or "the body"
    return Problem(400, f"Invalid value at '{whole}': {excerpt(first['msg'], 80)}")


def refused(message: str, error_type: str = INVALID_REQUEST, **more: Any) -> Problem:
    return Problem(400, message, google={"errorType": error_type, **more})


def checked_text(asked: CommentRequest, longest: int) -> str:
    text = asked.comment.text if asked.comment else None
    if not text:
        raise refused("Comment must be non-empty.", "COMMENT_EMPTY")
    if len(text) > longest:
        raise refused("Comment text too long.", "COMMENT_TOO_LONG")
    text_type = asked.comment.type if asked.comment else None
    if text_type == "HTML":
        raise refused("Currently, only 'PLAIN_TEXT' comments are supported")
    if text_type is not None and text_type not in TEXT_TYPES:
        raise refused("Unknown text type")
    if asked.context and {"entries", "article_and_parent_comment"} <= asked.context.model_fields_set:
        raise refused("Context can have either entries or article_and_parent_comment, but both fields were populated.")
    return text


def foreign(languages: Iterable[str], known: Iterable[str]) -> list[str]:
    """The languages that are none of those that are known; "en-GB" is "en", too."""
    spoken = {language.lower() for language in known}
    return [name for name in languages if spoken.isdisjoint({name.lower(), name.lower().partition("-")[0]})]


def check_languages(languages: Sequence[str], known: Sequence[str], *, attribute: str) -> None:
    """Refuse a request in a language that the settings don't name."""
    if not (unknown := foreign(languages, known)):
        return
    raise refused(
        f"Attribute {attribute} does not support request languages: {listing(unknown)}",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        languageNotSupportedByAttributeError={
            "requestedLanguages": [excerpt(language) for language in languages[:20]],
            "attribute": attribute,
        },
    )
