"""Perspective's wire format, /v1alpha1: its `comments:analyze`, answered by the models that are served.

Whoever used that service changes its address and nothing else. Shapes are those of its public discovery document,
messages those of its documentation; docs/perspective.md says what differs.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError
from foreshot.perspective.asked import (
    REFUSALS,
    ServedAttribute,
    check_languages,
    checked_text,
    documented_refusals,
    foreign,
    read_comment,
    refused,
)
from foreshot.perspective.batch import answer_batch
from foreshot.perspective.discovery import VERSION, discovery_document
from foreshot.perspective.schemas import (
    SCORE_TYPES,
    AnalyzeCommentRequest,
    AnalyzeCommentResponse,
    AttributeParameters,
    request_schema,
)
from foreshot.perspective.sentences import sentence_spans, utf16_spans
from foreshot.perspective.suggestions import add_suggestions
from foreshot.runtime.bundle import Manifest
from foreshot.serving.bodies import MEDIA_TYPE
from foreshot.serving.catalogue import Catalogue
from foreshot.serving.google import BATCH_PATHS
from foreshot.serving.openapi import described
from foreshot.serving.problems import Problem
from foreshot.serving.settings import Attribute, ServeSettings

ATTRIBUTES_BY_LABEL = {
    "toxic": "TOXICITY",
    "toxicity": "TOXICITY",
    "severe_toxic": "SEVERE_TOXICITY",
    "severe_toxicity": "SEVERE_TOXICITY",
    "hate": "IDENTITY_ATTACK",
    "identity_hate": "IDENTITY_ATTACK",
    "identity_attack": "IDENTITY_ATTACK",
    "insult": "INSULT",
    "obscene": "PROFANITY",
    "profanity": "PROFANITY",
    "threat": "THREAT",
}
"""What the labels of public data sets of comments, and of models trained on them, are called in Perspective's API."""
ATTRIBUTE = re.compile(r"[A-Z][A-Z0-9_]+\Z")
"""A label that is an attribute's name, as the API writes them: what learnt stored scores is called as they are."""
MOST_SENTENCES = 100

Span = tuple[int, int]


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
    kept = settings.feedback.file is not None

    @router.post(
        "/v1alpha1/comments:analyze",
        summary="Score a comment, as Perspective did",
        response_model=AnalyzeCommentResponse,
        responses=documented_refusals(REFUSALS),
        openapi_extra=described(schema, example=example),
    )
    async def analyze(request: Request) -> Response:
        """Perspective's `comments:analyze`; docs/perspective.md says what differs."""
        asked = await read_comment(request, AnalyzeCommentRequest)
        text = checked_text(asked, settings.limits.text_length)
        wanted = _checked_attributes(asked, served)
        languages = asked.languages or [settings.languages[0]]
        wanted = _spoken(asked, wanted, languages, settings.languages)
        scores = await _score(text, wanted, served, sentences=bool(asked.span_annotations))
        answer = {"attributeScores": scores, "languages": languages, "detectedLanguages": languages}
        if asked.client_token is not None:
            answer["clientToken"] = asked.client_token
        return Response(json.dumps(answer), media_type=MEDIA_TYPE)

    add_suggestions(router, served, settings)

    async def batch(request: Request) -> Response:
        return await answer_batch(request, settings)

    for path in BATCH_PATHS:
        router.add_api_route(path, batch, methods=["POST"], include_in_schema=False)

    @router.get("/$discovery/rest", include_in_schema=False)
    async def discovery(request: Request, version: str = "") -> Response:
        if version != VERSION:
            raise Problem(404, f"the discovery document is of another version: ask for ?version={VERSION}")
        return Response(
            json.dumps(discovery_document(_address(request), list(served), suggestions=kept)), media_type=MEDIA_TYPE
        )

    return router


def served_attributes(catalogue: Catalogue, settings: ServeSettings) -> dict[str, ServedAttribute]:
    """The attributes of the settings, with the model and the label that each stands for.

    Without a table TOXICITY is the default model's positive label, if it has one, and the labels of a multi-label model
    are the attributes that their names say (`ATTRIBUTES_BY_LABEL`), or are.
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
        if name := ATTRIBUTES_BY_LABEL.get(label.casefold()) or (ATTRIBUTE.match(label) and label):
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


def _checked_attributes(
    asked: AnalyzeCommentRequest, served: Mapping[str, ServedAttribute]
) -> dict[str, AttributeParameters]:
    if not asked.requested_attributes:
        raise refused("Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES")
    for name, parameters in asked.requested_attributes.items():
        if name not in served:
            raise refused(f"Unknown requested attribute: {excerpt(name)}")
        if parameters.score_type is not None and parameters.score_type not in SCORE_TYPES:
            raise refused(f"Requested score type {excerpt(parameters.score_type)} is not supported by attribute {name}")
    return asked.requested_attributes


def _spoken(
    asked: AnalyzeCommentRequest, wanted: dict[str, AttributeParameters], languages: Sequence[str], known: Sequence[str]
) -> dict[str, AttributeParameters]:
    """The attributes that support the languages asked for: all of them, or none, since the settings are for all."""
    if asked.drop_unsupported_attributes and foreign(languages, known):
        return {}
    check_languages(languages, known, attribute=next(iter(wanted)))
    return wanted


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
