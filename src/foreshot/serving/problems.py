"""Errors as an answer: RFC 9457 problem details, with Google's own member on the paths of Perspective's API."""

import http
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from foreshot.data.texts import excerpt
from foreshot.serving.google import API_PATH, BATCH_PATHS, google_error

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
MOST_LISTED = 1_000
"""Errors that pydantic is asked to list, which it does all at once: 100,000 of them keep all others waiting."""
RETRY_SECONDS = 1
MESSAGES = {"string_pattern_mismatch": "has a NUL character; take it out"}  # the only pattern that a text must match


class FieldError(BaseModel):
    """One thing that is wrong with a request: where, and what."""

    where: str
    problem: str


class ProblemDetails(BaseModel):
    """Every error's body (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class Problem(Exception):
    """What becomes an error's answer: `detail` says in a sentence what is wrong and what to do.

    `google` has what Google's own error type says besides, for Perspective's clients.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        google: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.google = google


def overloaded(detail: str) -> Problem:
    """A problem that passes: the client may ask again after a moment."""
    return Problem(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def failed() -> Problem:
    """A fault of ours."""
    return Problem(500, "something failed here; the server's log says what")


def problem_response(problem: Problem, path: str) -> Response:
    """A problem as the answer to a request of a path."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": http.HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = [dict(error) for error in problem.errors]
    media_type = MEDIA_TYPE
    if path.startswith(API_PATH) or path in BATCH_PATHS:
        body["error"] = google_error(problem.status, problem.detail, problem.google)
        media_type = "application/json"  # Google's clients read no error of another type
    return Response(json.dumps(body), status_code=problem.status, headers=problem.headers, media_type=media_type)


async def answer_problem(request: Request, problem: Exception) -> Response:
    """The handler of `Problem`."""
    assert isinstance(problem, Problem)
    return problem_response(problem, request.url.path)


async def answer_failure(request: Request, error: Exception) -> Response:
    """The handler of what nobody foresaw. The boundary gets it too, and logs it without its message."""
    return problem_response(failed(), request.url.path)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """The handler of what the framework itself refuses: unknown paths and methods."""
    assert isinstance(error, HTTPException)
    details = {
        404: "there is nothing at this path; /docs lists what there is",
        405: f"{request.method} is not what this path takes; the Allow header says what is",
        400: "the body can't be read",
    }
    detail = details.get(error.status_code, str(error.detail))
    return problem_response(Problem(error.status_code, detail, headers=error.headers), request.url.path)


async def answer_invalid_request(request: Request, error: Exception) -> Response:
    """The handler of bodies that are no JSON (400), or not of the shape that is asked for (422)."""
    assert isinstance(error, RequestValidationError)
    return problem_response(problem_of(error.errors()), request.url.path)


def listed_errors(error: ValidationError, status: int = 422) -> list[Any]:
    """What pydantic found wrong with a body; raises Problem of this status, which names none, for too many to list."""
    if error.error_count() > MOST_LISTED:
        raise Problem(status, f"the body has {error.error_count():,} faults; /docs shows what it may hold")
    return error.errors(include_url=False, include_input=False)


def problem_of(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """What pydantic found wrong, as a problem; never what the client sent, which may be long or hostile."""
    first = errors[0]
    if first["type"] == "json_invalid":
        return Problem(400, f"the body is not JSON: {excerpt(first.get('ctx', {}).get('error', 'syntax'), 80)}")
    shown = [
        {
            "where": _where(error["loc"]),
            "problem": MESSAGES.get(error["type"], excerpt(_lower_first(error["msg"]), 160)),
        }
        for error in errors[:MOST_ERRORS]
    ]
    detail = f"{shown[0]['where']}: {shown[0]['problem']}"
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return Problem(422, detail, errors=shown)


def _where(location: Sequence[int | str]) -> str:
    """`("body", "texts", 3)` as "texts[3]"."""
    parts = location[1:] if location and location[0] in {"body", "query", "path"} else location
    joined = "".join(f"[{part}]" if isinstance(part, int) else f".{excerpt(part)}" for part in parts)
    return joined.lstrip(".") or "the body"


def _lower_first(message: str) -> str:
    return re.sub(r"^(Value error, )?([A-Z])", lambda match: match[2].lower(), message)
