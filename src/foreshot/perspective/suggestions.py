"""Suggested scores: Perspective's `comments:suggestscore`, kept as corrections where the server keeps any."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from foreshot.data.texts import excerpt
from foreshot.perspective.asked import (
    REFUSALS,
    ServedAttribute,
    check_languages,
    checked_text,
    documented_refusals,
    read_comment,
    refused,
)
from foreshot.perspective.schemas import (
    SCORE_TYPES,
    SuggestCommentScoreRequest,
    SuggestCommentScoreResponse,
    suggestion_schema,
)
from foreshot.serving.bodies import MEDIA_TYPE
from foreshot.serving.catalogue import ServedModel
from foreshot.serving.feedback import correction_of, keep
from foreshot.serving.openapi import described
from foreshot.serving.problems import Problem
from foreshot.serving.settings import ServeSettings

PATH = "/v1alpha1/comments:suggestscore"
NOT_KEPT = {**REFUSALS, 507: "There is no room to keep it."}


def add_suggestions(router: APIRouter, served: Mapping[str, ServedAttribute], settings: ServeSettings) -> None:
    """Add the path; it refuses all (501) where nothing is kept."""
    if settings.feedback.file is None:

        @router.post(PATH, include_in_schema=False)
        async def refuse() -> Response:
            raise Problem(
                501, "Foreshot keeps no comments, and so takes no suggested scores; train on corrected labels"
            )

        return
    schema = suggestion_schema(list(served), settings.languages, settings.limits.text_length)
    example = {
        "comment": {"text": "you absolute walnut"},
        "attributeScores": {next(iter(served)): {"summaryScore": {"value": 1}}},
    }

    @router.post(
        PATH,
        summary="Suggest a comment's scores, as to Perspective",
        response_model=SuggestCommentScoreResponse,
        responses=documented_refusals(NOT_KEPT),
        openapi_extra=described(schema, example=example),
    )
    async def suggest_score(request: Request) -> Response:
        """Perspective's `comments:suggestscore`: the comment and its scores are kept as a correction."""
        # Another site's page may send what names no type from a visitor's browser, who would never know.
        asked = await read_comment(request, SuggestCommentScoreRequest, typed=True)
        text = checked_text(asked, settings.limits.text_length)
        values = _checked_values(asked, served)
        languages = asked.languages or [settings.languages[0]]
        check_languages(languages, settings.languages, attribute=next(iter(values)))
        await keep(settings.feedback, request, _lines(text, values, served, asked))
        answer: dict[str, Any] = {"detectedLanguages": languages}
        answer |= {"requestedLanguages": asked.languages} if asked.languages else {}
        answer |= {} if asked.client_token is None else {"clientToken": asked.client_token}
        return Response(json.dumps(answer), media_type=MEDIA_TYPE)


def _checked_values(asked: SuggestCommentScoreRequest, served: Mapping[str, ServedAttribute]) -> dict[str, float]:
    """The suggested score of the whole text by each attribute."""
    if not asked.attribute_scores:
        raise refused("Missing attribute_scores")
    values = {}
    for name, scores in asked.attribute_scores.items():
        if name not in served:
            raise refused(f"Unknown attribute: {excerpt(name)}")
        score = scores.summary_score
        if score is not None and score.type is not None and score.type not in SCORE_TYPES:
            raise refused(f"Score type {excerpt(score.type)} is not supported by attribute {name}")
        if score is None or score.value is None or not 0 <= score.value <= 1:
            raise refused(f"The summary_score of attribute {name} must have a value from 0 to 1")
        values[name] = score.value
    return values


def _lines(
    text: str, values: Mapping[str, float], served: Mapping[str, ServedAttribute], asked: SuggestCommentScoreRequest
) -> list[dict[str, Any]]:
    """A correction of each model that the attributes are of."""
    models: dict[str, ServedModel] = {served[name].model.name: served[name].model for name in values}
    return [
        correction_of(
            model,
            text,
            {"scores": {served[name].label: value for name, value in values.items() if served[name].model is model}},
            id=asked.client_token,
            community=asked.community_id,
            source="suggestscore",
        )
        for model in models.values()
    ]
