"""Bodies: the JSON that a request brings, as a validated model."""

from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from foreshot.serving.problems import Problem, listed_errors, problem_of

Shape = TypeVar("Shape", bound=BaseModel)
MEDIA_TYPE = "application/json"


async def read_body(request: Request, shape: type[Shape]) -> Shape:
    """The body of a request, parsed and validated at once; raises Problem 415, 400 or 422."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
        raise Problem(415, f"send the body as JSON, with content-type: {MEDIA_TYPE}")
    try:
        return shape.model_validate_json(await request.body())
    except ValidationError as error:
        raise problem_of(listed_errors(error)) from None
