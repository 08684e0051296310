"""The shapes of /v1alpha1: Perspective's `comments:analyze`, as its discovery document has them.

JSON's names are in camelCase. The names of the protocol's own fields, in snake_case, are taken too, as Google's
services do, and null is as good as nothing.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.alias_generators import to_camel

from foreshot.serving.openapi import schema_of
from foreshot.serving.problems import ProblemDetails

ASKED = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, populate_by_name=True)
ANSWERED = ConfigDict(alias_generator=to_camel)
TEXT_TYPES = ("TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT")
SCORE_TYPES = ("SCORE_TYPE_UNSPECIFIED", "PROBABILITY")


class TextEntry(BaseModel):
    """A text."""

    model_config = ASKED

    text: str | None = None
    type: str | None = None


class ArticleAndParentComment(BaseModel):
    """What a comment is about, and what it answers."""

    model_config = ASKED

    article: TextEntry | None = None
    parent_comment: TextEntry | None = None


class Context(BaseModel):
    """What was said before a comment, in one of two shapes. It is not looked at."""

    model_config = ASKED | {"json_schema_extra": {"not": {"required": ["entries", "articleAndParentComment"]}}}

    entries: list[TextEntry] | None = None
    article_and_parent_comment: ArticleAndParentComment | None = None


class AttributeParameters(BaseModel):
    """How an attribute is wanted: scores below `scoreThreshold` are left out."""

    model_config = ASKED

    score_type: str | None = None
    score_threshold: Annotated[float | None, Field(allow_inf_nan=False)] = None


class CommentRequest(BaseModel):
    """What every request about a comment may hold."""

    model_config = ASKED

    comment: TextEntry | None = None
    context: Context | None = None
    languages: list[str] | None = None
    client_token: str | None = None
    session_id: str | None = None
    community_id: str | None = None


class AnalyzeCommentRequest(CommentRequest):
    """A comment to be scored."""

    requested_attributes: dict[str, AttributeParameters] | None = None
    span_annotations: bool | None = None
    do_not_store: bool | None = None
    drop_unsupported_attributes: bool | None = None


class SuggestedScore(BaseModel):
    """A score that somebody gives: of the text, or of a part of it."""

    model_config = ASKED

    value: Annotated[float | None, Field(allow_inf_nan=False)] = None
    type: str | None = None


class SuggestedSpanScore(BaseModel):
    """The score of a part of the comment. It is not looked at."""

    model_config = ASKED

    begin: int | None = None
    end: int | None = None
    score: SuggestedScore | None = None


class SuggestedScores(BaseModel):
    """The scores that a comment should have got for one attribute."""

    model_config = ASKED

    summary_score: SuggestedScore | None = None
    span_scores: list[SuggestedSpanScore] | None = None


class SuggestCommentScoreRequest(CommentRequest):
    """A comment, and the scores that it should have got."""

    attribute_scores: dict[str, SuggestedScores] | None = None


class SuggestCommentScoreResponse(BaseModel):
    """What is said of a suggestion that is kept."""

    model_config = ANSWERED

    detected_languages: list[str]
    requested_languages: list[str] | None = None
    client_token: str | None = None


class Score(BaseModel):
    """The probability of an attribute's label."""

    value: float
    type: Literal["PROBABILITY"]


class SpanScore(BaseModel):
    """The score of a part of the comment: its UTF-16 units from `begin` up to `end`."""

    begin: int
    end: int
    score: Score


class AttributeScores(BaseModel):
    """Scores for one attribute, but for those below its threshold."""

    model_config = ANSWERED

    span_scores: list[SpanScore] | None = None
    summary_score: Score | None = None


class AnalyzeCommentResponse(BaseModel):
    """The scores of a comment."""

    model_config = ANSWERED

    attribute_scores: dict[str, AttributeScores]
    languages: list[str]
    detected_languages: list[str]
    client_token: str | None = None


class GoogleError(BaseModel):
    """An error in Google's shape."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]] | None = None


class PerspectiveProblem(ProblemDetails):
    """An error: problem details (RFC 9457), and Google's shape beside them."""

    error: GoogleError


def request_schema(attributes: Sequence[str], languages: Sequence[str], text_length: int) -> dict[str, Any]:
    """The JSON schema of the requests that get scores; any other one is refused, in Google's words."""
    score_type = Literal[*SCORE_TYPES] | None  # type: ignore[valid-type]
    parameters = create_model("Parameters", __base__=AttributeParameters, score_type=(score_type, None))
    by_name = dict[Literal[*attributes], parameters]  # type: ignore[valid-type]
    shape = create_model(
        "AnalyzeComment",
        __base__=AnalyzeCommentRequest,
        comment=(_comment_shape(text_length), ...),
        requested_attributes=(Annotated[by_name, Field(min_length=1)], ...),
    )
    schema = schema_of(shape)
    spoken = {"properties": {"languages": {"items": {"enum": list(languages)}}}}
    dropped = {"properties": {"dropUnsupportedAttributes": {"const": True}}, "required": ["dropUnsupportedAttributes"]}
    return {**schema, "anyOf": [spoken, dropped]}


def suggestion_schema(attributes: Sequence[str], languages: Sequence[str], text_length: int) -> dict[str, Any]:
    """The JSON schema of the suggestions that are kept; any other one is refused, in Google's words."""
    score_type = Literal[*SCORE_TYPES] | None  # type: ignore[valid-type]
    value = Annotated[float, Field(ge=0, le=1)]
    score = create_model("SuggestedValue", __base__=SuggestedScore, value=(value, ...), type=(score_type, None))
    scores = create_model("SuggestedSummary", __base__=SuggestedScores, summary_score=(score, ...))
    by_name = dict[Literal[*attributes], scores]  # type: ignore[valid-type]
    spoken = list[Literal[*languages]] | None  # type: ignore[valid-type]
    shape = create_model(
        "SuggestCommentScore",
        __base__=SuggestCommentScoreRequest,
        comment=(_comment_shape(text_length), ...),
        attribute_scores=(Annotated[by_name, Field(min_length=1)], ...),
        languages=(spoken, None),
    )
    return schema_of(shape)


def _comment_shape(text_length: int) -> type[TextEntry]:
    text_type = Literal[*TEXT_TYPES] | None  # type: ignore[valid-type]
    text = Annotated[str, Field(min_length=1, max_length=text_length)]
    return create_model("Comment", __base__=TextEntry, text=(text, ...), type=(text_type, None))
