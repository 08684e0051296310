"""Perspective's own clients, their code untouched: Google's for Python, and perspective-api-client for Node."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google_client import google_client
from googleapiclient.errors import HttpError
from live_app import live_app
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle

from waiting import PATIENCE

NPM = Path(__file__).parents[1] / "serving" / "npm"
KEY = "a-key-of-the-tests"
RUDE, KIND = "you absolute walnut", "thank you kind day"
TOXIC = 1


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that wants a key, and knows two attributes."""
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
    keys = [{"name": "tests", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}]
    with live_app({"tiny": bundle}, keys=keys, attributes={"TOXICITY": {}, "KINDNESS": {"label": "benign"}}) as url:
        yield url


def approximately(value: float) -> Any:
    return pytest.approx(value, abs=1e-5)


# ---- google-api-python-client ----


def google_refusal(address: str, body: dict[str, Any], key: str = KEY) -> HttpError:
    with google_client(address, key) as client, pytest.raises(HttpError) as error:
        client.comments().analyze(body=body).execute()
    return error.value


def test_googles_client_gets_a_multi_label_models_attributes_without_any_settings(tmp_path):
    decisions = label_decisions("toxic", "insult", "identity_hate")
    bundle = tiny_bundle(tmp_path / "several", decisions=decisions)
    with live_app({"several": bundle}) as url, google_client(url, KEY) as client:
        attributes = ("TOXICITY", "INSULT", "IDENTITY_ATTACK")
        body = {"comment": {"text": RUDE}, "requestedAttributes": {name: {} for name in attributes}}
        answer = client.comments().analyze(body=body).execute()
    found = [answer["attributeScores"][name]["summaryScore"]["value"] for name in attributes]
    assert found == [approximately(value) for value in label_probabilities_of(RUDE, decisions)]


def test_googles_client_is_built_of_our_document_and_gets_scores(address):
    body = {
        "comment": {"text": f"{RUDE}\n{KIND}"},
        "requestedAttributes": {"TOXICITY": {"scoreThreshold": 0.1}, "KINDNESS": {}},
        "spanAnnotations": True,
        "languages": ["en"],
        "clientToken": "t-1",
    }
    with google_client(address, KEY) as client:
        answer = client.comments().analyze(body=body, fields="attributeScores", prettyPrint="false").execute()
    toxicity = answer["attributeScores"]["TOXICITY"]
    assert toxicity["summaryScore"]["value"] == approximately(probabilities_of(f"{RUDE} {KIND}")[TOXIC])
    assert [span["score"]["value"] for span in toxicity["spanScores"]] == [
        approximately(probabilities_of(RUDE)[TOXIC]),
        approximately(probabilities_of(KIND)[TOXIC]),
    ]
    kindness = answer["attributeScores"]["KINDNESS"]["summaryScore"]["value"]
    assert kindness == approximately(1 - toxicity["summaryScore"]["value"])
    assert (answer["languages"], answer["clientToken"]) == (["en"], "t-1")


def test_googles_client_suggests_scores_where_they_are_kept(tmp_path):
    decisions = label_decisions("toxic", "insult")
    bundle, file = tiny_bundle(tmp_path / "several", decisions=decisions), tmp_path / "feedback.jsonl"
    body = {
        "comment": {"text": RUDE, "type": "PLAIN_TEXT"},
        "context": {"entries": [{"text": "what was said before"}]},
        "attributeScores": {
            "TOXICITY": {"summaryScore": {"value": 0}},
            "INSULT": {"summaryScore": {"value": 0.75, "type": "PROBABILITY"}, "spanScores": [{"begin": 0, "end": 3}]},
        },
        "languages": ["en"],
        "communityId": "forum",
        "clientToken": "t-2",
    }
    with (
        live_app({"several": bundle}, feedback={"file": str(file)}) as url,
        google_client(url, KEY) as client,
    ):
        answer = client.comments().suggestscore(body=body).execute()
        batch = client.new_batch_http_request()
        batch.add(client.comments().suggestscore(body={**body, "languages": [], "clientToken": "t-3"}))
        batch.execute()
        with pytest.raises(HttpError) as refused:
            client.comments().suggestscore(body={**body, "attributeScores": {}}).execute()
    assert answer == {"requestedLanguages": ["en"], "detectedLanguages": ["en"], "clientToken": "t-2"}
    assert (refused.value.status_code, refused.value.reason) == (400, "Missing attribute_scores")
    kept = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [(line["text"], line["scores"], line["id"]) for line in kept] == [
        (RUDE, {"toxic": 0.0, "insult": 0.75}, token) for token in ("t-2", "t-3")
    ]
    assert {(line["model"], line["community"], line["source"]) for line in kept} == {
        ("several", "forum", "suggestscore")
    }


def test_googles_client_offers_what_is_served_and_nothing_else(address):
    with google_client(address, KEY) as client:
        assert not hasattr(client.comments(), "suggestscore")


@pytest.mark.parametrize(
    ("body", "reason", "error_type"),
    [
        (
            {"comment": {"text": "x"}, "requestedAttributes": {"SPAM": {}}},
            "Unknown requested attribute: SPAM",
            "INVALID_REQUEST",
        ),
        (
            {"comment": {"text": "x" * 20_481}, "requestedAttributes": {"TOXICITY": {}}},
            "Comment text too long.",
            "COMMENT_TOO_LONG",
        ),
    ],
)
def test_googles_client_raises_what_it_raised_with_perspective(address, body, reason, error_type):
    error = google_refusal(address, body)
    assert (error.status_code, error.reason) == (400, reason)
    assert error.error_details[0]["errorType"] == error_type


def test_googles_client_is_told_that_its_key_is_not_known(address):
    error = google_refusal(address, {}, key="another")
    assert error.status_code == 401
    assert "key" in error.reason


# ---- perspective-api-client ----


Calls = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def node_client(address: str) -> Calls:
    """Makes calls, each `(text, options)`, by the npm package; gives an answer or an error for each."""
    for what, there in (("Node.js", shutil.which("node")), ("tests/serving/npm", (NPM / "node_modules").is_dir())):
        if not there:
            assert not os.environ.get("CI"), f"{what} must be installed here"
            pytest.skip(f"{what} isn't installed: make test does that where npm is there")

    def ask(*calls: tuple[Any, dict[str, Any]], key: str = KEY) -> list[dict[str, Any]]:
        asked = json.dumps({"address": address, "apiKey": key, "calls": calls})
        done = subprocess.run(
            ["node", "analyze.cjs"], cwd=NPM, input=asked, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    return ask


def test_the_npm_client_gets_scores(node_client):
    plain, several, whole = node_client(
        (f"<p>{RUDE}</p>", {}),
        (RUDE, {"attributes": ["toxicity", "kindness"], "doNotStore": False}),
        ({"comment": {"text": "🙂 hello\nday"}, "languages": ["en"], "spanAnnotations": True, "clientToken": "t"}, {}),
    )
    scores = plain["answer"]["attributeScores"]
    assert scores.keys() == {"TOXICITY"}
    assert scores["TOXICITY"]["summaryScore"]["value"] == approximately(probabilities_of(RUDE)[TOXIC])
    assert several["answer"]["attributeScores"].keys() == {"TOXICITY", "KINDNESS"}
    spans = whole["answer"]["attributeScores"]["TOXICITY"]["spanScores"]
    assert [(span["begin"], span["end"]) for span in spans] == [(0, 8), (9, 12)]
    assert whole["answer"]["clientToken"] == "t"


def test_the_npm_client_raises_what_it_raised_with_perspective(node_client):
    too_long, unknown, empty, foreign = node_client(
        ("x" * 20_481, {"validate": False}),
        (RUDE, {"attributes": ["spam"]}),
        ("", {"validate": False}),
        ({"comment": {"text": RUDE}, "languages": ["ja"]}, {}),
    )
    assert [found["error"]["name"] for found in (too_long, unknown, empty, foreign)] == ["ResponseError"] * 4
    assert [(found["error"]["message"], found["error"]["status"]) for found in (too_long, unknown, empty, foreign)] == [
        ("Comment text too long.", 400),
        ("Unknown requested attribute: SPAM", 400),
        ("Comment must be non-empty.", 400),
        ("Attribute TOXICITY does not support request languages: ja", 400),
    ]
    details = [found["error"]["body"]["error"]["details"][0]["errorType"] for found in (too_long, unknown, empty)]
    assert details == ["COMMENT_TOO_LONG", "INVALID_REQUEST", "COMMENT_EMPTY"]


def test_a_text_that_the_npm_client_cut_within_an_emoji_is_scored(node_client):
    (cut,) = node_client(("x" * 20_479 + "🙂", {"truncate": True}))
    (span,) = cut["answer"]["attributeScores"]["TOXICITY"]["spanScores"]
    assert (span["begin"], span["end"]) == (0, 20_480)


def test_the_npm_client_is_told_that_its_key_is_not_known(node_client):
    (refused,) = node_client((RUDE, {}), key="another")
    assert (refused["error"]["status"], refused["error"]["message"]) == (401, "this API key is not known")
