"""Suggested scores: kept as corrections where the server keeps any, refused in Google's words where they are wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_app import live_app, post
from tiny_bundles import label_decisions, tiny_bundle

TEXT = "you absolute walnut"
PATH = "/v1alpha1/comments:suggestscore"
ATTRIBUTES = {"TOXICITY": {}, "THREAT": {"label": "threat"}, "KINDNESS": {"model": "tiny", "label": "benign"}}


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server of two models that keeps corrections, and where."""
    folder = tmp_path_factory.mktemp("keeping")
    bundles = {
        "several": tiny_bundle(folder / "several", decisions=label_decisions("toxic", "insult", "threat")),
        "tiny": tiny_bundle(folder / "tiny"),
    }
    file = folder / "feedback.jsonl"
    limits = {"text_length": 100}
    with live_app(bundles, feedback={"file": str(file)}, attributes=ATTRIBUTES, limits=limits) as address:
        yield f"{address}{PATH}", file


def suggestion(text: str = TEXT, languages: Any = None, **scores: Any) -> dict[str, Any]:
    given = {name: {"summaryScore": {"value": value}} for name, value in (scores or {"TOXICITY": 1}).items()}
    return {"comment": {"text": text}, "attributeScores": given, "languages": languages}


def kept_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def test_scores_of_several_models_are_a_correction_of_each(keeping):
    address, file = keeping
    before = len(kept_in(file))
    status, answer = post(address, suggestion(TOXICITY=1, THREAT=0.25, KINDNESS=0))
    assert (status, answer) == (200, {"detectedLanguages": ["en"]})
    several, tiny = kept_in(file)[before:]
    assert (several["model"], several["scores"]) == ("several", {"toxic": 1.0, "threat": 0.25})
    assert (tiny["model"], tiny["scores"]) == ("tiny", {"benign": 0.0})
    assert "id" not in several


def test_what_clients_send_otherwise_is_taken_too(keeping):
    address, file = keeping
    snake = {
        "comment": {"text": "half \ud83d of a\0 smile"},
        "attribute_scores": {"TOXICITY": {"summary_score": {"value": 1, "type": "SCORE_TYPE_UNSPECIFIED"}}},
        "session_id": "s",
    }
    assert post(address, snake)[0] == 200
    assert kept_in(file)[-1]["text"] == "half \ufffd of a\0 smile"


@pytest.mark.parametrize(
    ("body", "message", "error_type"),
    [
        (suggestion(""), "Comment must be non-empty.", "COMMENT_EMPTY"),
        (suggestion("x" * 101), "Comment text too long.", "COMMENT_TOO_LONG"),
        (suggestion(languages=["ja"]), "Attribute TOXICITY does not support request languages: ja", None),
        (suggestion(SPAM=1), "Unknown attribute: SPAM", "INVALID_REQUEST"),
        (suggestion(TOXICITY=1.5), "The summary_score of attribute TOXICITY must have a value from 0 to 1", None),
        (suggestion(TOXICITY=None), "The summary_score of attribute TOXICITY must have a value from 0 to 1", None),
        ({"comment": {"text": TEXT}}, "Missing attribute_scores", "INVALID_REQUEST"),
        (
            {"comment": {"text": TEXT}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1, "type": "RAW"}}}},
            "Score type RAW is not supported by attribute TOXICITY",
            "INVALID_REQUEST",
        ),
        (
            {"comment": {"text": TEXT}, "attributeScores": {"TOXICITY": {"spanScores": []}}},
            "The summary_score of attribute TOXICITY must have a value from 0 to 1",
            "INVALID_REQUEST",
        ),
        (
            {**suggestion(), "doNotStore": True},
            'Invalid JSON payload received. Unknown name "doNotStore": Cannot find field.',
            None,
        ),
    ],
)
def test_what_is_wrong_is_said_in_googles_shape_and_not_kept(keeping, body, message, error_type):
    address, file = keeping
    before = kept_in(file)
    status, answer = post(address, body)
    assert (status, answer["error"]["message"], answer["error"]["status"]) == (400, message, "INVALID_ARGUMENT")
    if error_type:
        assert answer["error"]["details"][0]["errorType"] == error_type
    assert kept_in(file) == before


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_what_another_sites_page_could_send_unasked_is_refused(keeping, content_type):
    """A browser sends these types anywhere, without asking the server first; JSON it doesn't."""
    address, file = keeping
    before = kept_in(file)
    status, answer = post(address, suggestion(), content_type)
    assert (status, answer["error"]["code"]) == (415, 415)
    assert kept_in(file) == before


def test_a_full_file_is_an_exhausted_resource(tmp_path):
    bundle = tiny_bundle(tmp_path / "tiny")
    kept = {"file": str(tmp_path / "feedback.jsonl"), "file_bytes": 1_000, "files": 1}
    with live_app({"tiny": bundle}, feedback=kept) as address:
        answers = [post(f"{address}{PATH}", suggestion("x" * 600)) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 507]
    assert answers[1][1]["error"]["status"] == "RESOURCE_EXHAUSTED"
    assert len(kept_in(tmp_path / "feedback.jsonl")) == 1
