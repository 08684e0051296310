"""OpenAPI: how bodies and errors are described there, by schemas that need nothing outside themselves."""

import http
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from foreshot.serving.problems import MEDIA_TYPE, ProblemDetails

JSON = "application/json"


def described(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What OpenAPI says of a JSON body, as a route's `openapi_extra`; `more` stands beside its schema."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema, **more}}}}


def documented(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """The error answers of a path."""
    content = {MEDIA_TYPE: {"schema": schema_of(ProblemDetails)}}
    return {status: {"description": http.HTTPStatus(status).phrase, "content": content} for status in statuses}


def schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    """A model's JSON schema without references: within an OpenAPI document they would point outside."""
    schema = shape.model_json_schema()
    shared = schema.pop("$defs", {})

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return replaced(shared[node["$ref"].rpartition("/")[2]])
            return {name: replaced(value) for name, value in node.items()}
        return [replaced(value) for value in node] if isinstance(node, list) else node

    inlined: dict[str, Any] = replaced(schema)
    return inlined
