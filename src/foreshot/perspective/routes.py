"""Perspective's wire format, /v1alpha1: its `comments:analyze`, answered by the models that are served.

Whoever used that service changes its address and nothing else. Shapes are those of its public discovery document,
messages those of its documentation; docs/perspective.md says what differs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from foreshot.data.texts import excerpt, listing, valid_unicode
from foreshot.errors import ConfigError
from foreshot.perspective.batch import answer_batch
from foreshot.perspective.discovery import VERSION, discovery_document
from foreshot.perspective.schemas import (
    SCORE_TYPES,
    TEXT_TYPES,
    AnalyzeCommentRequest,
    AnalyzeCommentResponse,
    AttributeParameters,
    PerspectiveProblem,
    request_schema,
)
from foreshot.perspective.sentences import sentence_spans, utf16_spans
from foreshot.runtime.bundle import Manifest
from foreshot.serving.bodies import MEDIA_TYPE
from foreshot.serving.catalogue import Catalogue, ServedModel
from foreshot.serving.google import BATCH_PATHS
from foreshot.serving.openapi import described
from foreshot.serving.problems import Problem, listed_errors
from foreshot.serving.settings import Attribute, ServeSettings

ATTRIBUTES_BY_LABEL = {
    "toxic": "TOXICITY",
    "toxicity": "TOXICITY",
    "severe_toxic": "SEVERE_TOXICITY",
    "severe_toxicity": "SEVERE_TOXICITY",
    "identity_hate": "IDENTITY_ATTACK",
    "identity_attack": "IDENTITY_ATTACK",
    "insult": "INSULT",
    "obscene": "PROFANITY",
    "profanity": "PROFANITY",
    "threat": "THREAT",
}
"""What the labels of public data sets of comments, and of models trained on them, are called in Perspective's API."""
MOST_SENTENCES = 100
INVALID_REQUEST = "INVALID_REQUEST"
REFUSALS = {
    400: "The request is refused; `error` says why.",
    401: "An API key is needed, or isn't known.",
    408: "The body didn't come in time.",
    413: "The body is too big.",
    415: "The body isn't sent as JSON.",
    503: "No room or no time; ask again in a moment.",
}

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class ServedAttribute:
    """An attribute of Perspective's: the probability of a label by a model."""

    model: ServedModel
    label: str


def perspective_router(catalogue: Catalogue, settings: ServeSettings) -> APIRouter:
    """The paths of Perspective's API; none where no label stands for an attribute.

    Raises ConfigError for an attribute whose model or label isn't there.
    """
    router = APIRouter(tags=["Perspective"])
    served = served_attributes(catalogue, settings)
    if not served:
        return router
    schema = request_schema(list(served), settings.languages, settings.limits.text_length)
    example = {"comment": {"text": "you absolute walnut"}, "requestedAttributes": {next(iter(served)): {}}}

    @router.post(
        "/v1alpha1/comments:analyze",
        summary="Score a comment, as Perspective did",
        response_model=AnalyzeCommentResponse,
        responses={status: {"model": PerspectiveProblem, "description": text} for status, text in REFUSALS.items()},
        openapi_extra=described(schema, example=example),
    )
    async def analyze(request: Request) -> Response:
        """Perspective's `comments:analyze`; docs/perspective.md says what differs."""
        asked = await _read(request)
        text = _checked_text(asked, settings.limits.text_length)
        wanted = _checked_attributes(asked, served)
        languages = asked.languages or [settings.languages[0]]
        wanted = _spoken(asked, wanted, languages, settings.languages)
        scores = await _score(text, wanted, served, sentences=bool(asked.span_annotations))
        answer = {"attributeScores": scores, "languages": languages, "detectedLanguages": languages}
        if asked.client_token is not None:
            answer["clientToken"] = asked.client_token
        return Response(json.dumps(answer), media_type=MEDIA_TYPE)

    @router.post("/v1alpha1/comments:suggestscore", include_in_schema=False)
    async def suggest_score() -> Response:
        raise Problem(501, "Foreshot keeps no comments, and so takes no suggested scores; train on corrected labels")

    async def batch(request: Request) -> Response:
        return await answer_batch(request, settings)

    for path in BATCH_PATHS:
        router.add_api_route(path, batch, methods=["POST"], include_in_schema=False)

    @router.get("/$discovery/rest", include_in_schema=False)
    async def discovery(request: Request, version: str = "") -> Response:
        if version != VERSION:
            raise Problem(404, f"the discovery document is of another version: ask for ?version={VERSION}")
        return Response(json.dumps(discovery_document(_address(request), list(served))), media_type=MEDIA_TYPE)

    return router


def served_attributes(catalogue: Catalogue, settings: ServeSettings) -> dict[str, ServedAttribute]:
    """The attributes of the settings, with the model and the label that each stands for.

    Without a table TOXICITY is the default model's positive label, if it has one, and the labels of a multi-label model
    are the attributes that their names say (`ATTRIBUTES_BY_LABEL`).
    """
    attributes = settings.attributes
    if "attributes" not in settings.model_fields_set:
        attributes = default_attributes(catalogue.default.classifier.manifest)
    return {name: _served(name, attribute, catalogue) for name, attribute in attributes.items()}


def default_attributes(manifest: Manifest) -> dict[str, Attribute]:
    """The attributes of a model that no settings speak of; of labels that say the same attribute the first counts."""
    if manifest.positive is None:
        return {}
    attributes: dict[str, Attribute] = {}
    for label in manifest.labels if manifest.decisions else ():
        if name := ATTRIBUTES_BY_LABEL.get(label.casefold()):
            attributes.setdefault(name, Attribute(label=label))
    return {"TOXICITY": Attribute(), **attributes}


def _served(name: str, attribute: Attribute, catalogue: Catalogue) -> ServedAttribute:
    where = f"attributes: {excerpt(name)}"
    if attribute.model is not None and attribute.model not in catalogue:
        raise ConfigError(f"{where}: no model is called {excerpt(attribute.model)}; there are {listing(catalogue)}")
    model = catalogue.default if attribute.model is None else catalogue[attribute.model]
    manifest = model.classifier.manifest
    label = manifest.positive if attribute.label is None else attribute.label
    if label is None:
        raise ConfigError(f"{where}: {model.name} has no positive label; name one of {listing(manifest.labels)}")
    if label not in manifest.labels:
        raise ConfigError(f"{where}: {model.name} has no label {excerpt(label)}; it has {listing(manifest.labels)}")
    return ServedAttribute(model=model, label=label)


def _address(request: Request) -> str:
    """The server's own address, as this client sees it; a proxy that speaks TLS says so."""
    secure = request.headers.get("x-forwarded-proto") == "https"
    return f"{'https' if secure else request.url.scheme}://{request.headers.get('host', '')}/"


async def _read(request: Request) -> AnalyzeCommentRequest:
    """The request's body. Who names no media type is taken to send JSON, as many scripts do."""
    media_type = request.headers.get("content-type", MEDIA_TYPE).partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise Problem(415, f"send the body as JSON, with content-type: {MEDIA_TYPE}")
    body = await request.body()
    try:
        return AnalyzeCommentRequest.model_validate_json(body)
    except ValidationError as error:
        if error.error_count() > 1 or error.errors()[0]["type"] != "json_invalid":
            raise _malformed(error) from None
    try:
        # Clients that cut a text cut surrogate pairs in half, which pydantic takes for no JSON.
        repaired = valid_unicode(json.dumps(json.loads(body.decode("utf-8")), ensure_ascii=False))
        return AnalyzeCommentRequest.model_validate_json(repaired)
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


def _refused(message: str, error_type: str = INVALID_REQUEST, **more: Any) -> Problem:
    return Problem(400, message, google={"errorType": error_type, **more})


def _checked_text(asked: AnalyzeCommentRequest, longest: int) -> str:
    text = asked.comment.text if asked.comment else None
    if not text:
        raise _refused("Comment must be non-empty.", "COMMENT_EMPTY")
    if len(text) > longest:
        raise _refused("Comment text too long.", "COMMENT_TOO_LONG")
    text_type = asked.comment.type if asked.comment else None
    if text_type == "HTML":
        raise _refused("Currently, only 'PLAIN_TEXT' comments are supported")
    if text_type is not None and text_type not in TEXT_TYPES:
        raise _refused("Unknown text type")
    if asked.context and {"entries", "article_and_parent_comment"} <= asked.context.model_fields_set:
        raise _refused("Context can have either entries or article_and_parent_comment, but both fields were populated.")
    return text


def _checked_attributes(
    asked: AnalyzeCommentRequest, served: Mapping[str, ServedAttribute]
) -> dict[str, AttributeParameters]:
    if not asked.requested_attributes:
        raise _refused("Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES")
    for name, parameters in asked.requested_attributes.items():
        if name not in served:
            raise _refused(f"Unknown requested attribute: {excerpt(name)}")
        if parameters.score_type is not None and parameters.score_type not in SCORE_TYPES:
            raise _refused(
                f"Requested score type {excerpt(parameters.score_type)} is not supported by attribute {name}"
            )
    return asked.requested_attributes


def _spoken(
    asked: AnalyzeCommentRequest,
    wanted: dict[str, AttributeParameters],
    languages: Sequence[str],
    known: Sequence[str],
) -> dict[str, AttributeParameters]:
    """The attributes that support the languages asked for: all of them, or none, since the settings are for all.

    "en-GB" is "en", too.
    """
    spoken = {language.lower() for language in known}
    foreign = [name for name in languages if spoken.isdisjoint({name.lower(), name.lower().partition("-")[0]})]
    if not foreign:
        return wanted
    if asked.drop_unsupported_attributes:
        return {}
    name = next(iter(wanted))
    raise _refused(
        f"Attribute {name} does not support request languages: {listing(foreign)}",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        languageNotSupportedByAttributeError={
            "requestedLanguages": [excerpt(language) for language in languages[:20]],
            "attribute": name,
        },
    )


async def _score(
    text: str, wanted: Mapping[str, AttributeParameters], served: Mapping[str, ServedAttribute], *, sentences: bool
) -> dict[str, Any]:
    """An `AttributeScores` for each attribute; each model is asked once, about the text and its sentences."""
    spans = sentence_spans(text, MOST_SENTENCES) if sentences else []
    texts = [text, *(text[begin:end] for begin, end in spans)]
    models = {served[name].model.name: served[name].model for name in wanted}
    predictions = {}
    for name, model in models.items():
        predictions[name] = await model.batcher.score(texts)
        model.decided(predictions[name][:1])  # the client asked about the text, not about each sentence
    shown = utf16_spans(text, spans or [(0, len(text))])
    scores = {}
    for name, parameters in wanted.items():
        attribute = served[name]
        values = [prediction.scores[attribute.label] for prediction in predictions[attribute.model.name]]
        scores[name] = _attribute_scores(values[0], values[1:] or values, shown, parameters.score_threshold or 0)
    return scores


def _attribute_scores(whole: float, parts: Sequence[float], spans: Sequence[Span], threshold: float) -> dict[str, Any]:
    scores: dict[str, Any] = {}
    of_spans = [
        {"begin": begin, "end": end, "score": _score_of(value)}
        for (begin, end), value in zip(spans, parts, strict=True)
        if value >= threshold
    ]
    if of_spans:
        scores["spanScores"] = of_spans
    if whole >= threshold:
        scores["summaryScore"] = _score_of(whole)
    return scores


def _score_of(value: float) -> dict[str, Any]:
    return {"value": value, "type": "PROBABILITY"}
