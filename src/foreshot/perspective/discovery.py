"""The discovery document, of which Google's client libraries make a client of Perspective's API."""

from collections.abc import Sequence
from typing import Any

VERSION = "v1alpha1"
STRING, BOOLEAN, UNITS = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "format": "int32"}
NUMBER = {"type": "number", "format": "float"}
SCORE_TYPE = {
    "type": "string",
    "description": "Every score is a probability.",
    "enum": ["SCORE_TYPE_UNSPECIFIED", "PROBABILITY", "STD_DEV_SCORE", "PERCENTILE", "RAW"],
    "enumDescriptions": ["Probabilities.", "Probabilities.", "Refused.", "Refused.", "Refused."],
}
QUERY = {
    "key": "An API key, where the server wants one.",
    "alt": "The answer's form: always JSON.",
    "fields": "Not looked at: the whole answer is sent.",
    "prettyPrint": "Not looked at.",
    "quotaUser": "Not looked at: there are no quotas.",
    "$.xgafv": "Not looked at.",
}


def discovery_document(address: str, attributes: Sequence[str]) -> dict[str, Any]:
    """Google's discovery document (its format v1) for a server at an address, which ends in "/".

    Names and types are those of the public one of Perspective, but for what isn't served: `suggestscore`, OAuth.
    """
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "id": f"commentanalyzer:{VERSION}",
        "name": "commentanalyzer",
        "canonicalName": "Comment Analyzer",
        "version": VERSION,
        "version_module": True,
        "title": "Foreshot, in Perspective's wire format",
        "description": "Scores of comments by the models that this server holds. No comment is kept.",
        "protocol": "rest",
        "rootUrl": address,
        "servicePath": "",
        "baseUrl": address,
        "basePath": "",
        "parameters": {
            name: {"type": "string", "location": "query", "description": text} for name, text in QUERY.items()
        },
        "resources": {"comments": {"methods": {"analyze": _analyze()}}},
        "schemas": {name: {"id": name, "type": "object", **shape} for name, shape in _schemas(attributes).items()},
    }


def _analyze() -> dict[str, Any]:
    path = f"{VERSION}/comments:analyze"
    return {
        "id": "commentanalyzer.comments.analyze",
        "httpMethod": "POST",
        "path": path,
        "flatPath": path,
        "parameters": {},
        "parameterOrder": [],
        "description": "Scores a comment.",
        "request": {"$ref": "AnalyzeCommentRequest"},
        "response": {"$ref": "AnalyzeCommentResponse"},
    }


def _schemas(attributes: Sequence[str]) -> dict[str, dict[str, Any]]:
    languages = {"type": "array", "items": STRING}
    return {
        "AnalyzeCommentRequest": _properties(
            comment=_reference("TextEntry", "The comment."),
            context=_reference("Context", "What was said before. Not looked at."),
            requestedAttributes=_by_name("AttributeParameters", f"Of these: {', '.join(attributes)}."),
            spanAnnotations={**BOOLEAN, "description": "Score each sentence, too."},
            languages={**languages, "description": "Of those that the server's settings name."},
            doNotStore={**BOOLEAN, "description": "Always so: nothing is stored."},
            dropUnsupportedAttributes={
                **BOOLEAN,
                "description": "Leave out the attributes that do not support the languages, instead of refusing.",
            },
            clientToken={**STRING, "description": "Comes back in the answer."},
            sessionId={**STRING, "description": "Not looked at."},
            communityId={**STRING, "description": "Not looked at."},
        ),
        "AnalyzeCommentResponse": _properties(
            attributeScores=_by_name("AttributeScores", "Scores by the attribute's name."),
            languages={**languages, "description": "Those of the request, or the first of the settings."},
            detectedLanguages={**languages, "description": "The same: no language is detected."},
            clientToken={**STRING, "description": "That of the request."},
        ),
        "ArticleAndParentComment": _properties(
            article=_reference("TextEntry", "What the comment is about."),
            parentComment=_reference("TextEntry", "What the comment answers."),
        ),
        "AttributeParameters": _properties(
            scoreType=SCORE_TYPE,
            scoreThreshold={**NUMBER, "description": "Scores below it are left out."},
        ),
        "AttributeScores": _properties(
            spanScores={
                "type": "array",
                "items": {"$ref": "SpanScore"},
                "description": "Scores of the sentences, or of the whole where they were not asked for.",
            },
            summaryScore=_reference("Score", "The score of the whole."),
        ),
        "Context": _properties(
            entries={"type": "array", "items": {"$ref": "TextEntry"}, "description": "This, or the other one."},
            articleAndParentComment=_reference("ArticleAndParentComment", "This, or the other one."),
        ),
        "Score": _properties(value={**NUMBER, "description": "From 0 to 1."}, type=SCORE_TYPE),
        "SpanScore": _properties(
            begin={**UNITS, "description": "The first UTF-16 unit."},
            end={**UNITS, "description": "The UTF-16 unit after the last."},
            score=_reference("Score", "The score of these."),
        ),
        "TextEntry": _properties(
            text={**STRING, "description": "The text."},
            type={
                "type": "string",
                "description": "The kind of text.",
                "enum": ["TEXT_TYPE_UNSPECIFIED", "PLAIN_TEXT", "HTML"],
                "enumDescriptions": ["Plain text.", "Plain text.", "Refused for the comment."],
            },
        ),
    }


def _properties(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"properties": properties}


def _reference(schema: str, description: str) -> dict[str, Any]:
    return {"$ref": schema, "description": description}


def _by_name(schema: str, description: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"$ref": schema}, "description": description}
