"""Perspective's wire format, as bytes on a socket. What the tiny models must say is worked out by their formula."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from live_app import get, live_app, post
from prometheus_client.parser import text_string_to_metric_families
from tiny_bundles import label_decisions, label_probabilities_of, probabilities_of, tiny_bundle

from foreshot.errors import ConfigError
from foreshot.perspective.routes import served_attributes
from foreshot.perspective.schemas import AnalyzeCommentRequest, AnalyzeCommentResponse, request_schema
from foreshot.serving.catalogue import load_catalogue
from foreshot.serving.observing import Metrics
from foreshot.serving.settings import Limits, ServeSettings

ATTRIBUTES = {
    "TOXICITY": {},
    "KINDNESS": {"label": "benign"},
    "OTHER": {"model": "topics", "label": "other"},
}
RUDE, KIND = "you absolute walnut", "thank you kind day"
TOXIC, BENIGN = 1, 0


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "tiny": tiny_bundle(folder / "tiny"),
        "topics": tiny_bundle(folder / "topics", labels=["benign", "toxic", "other"]),
    }


@pytest.fixture(scope="module")
def address(folders: dict[str, Path]) -> Iterator[str]:
    with live_app(folders, attributes=ATTRIBUTES, languages=["en", "de"], limits={"text_length": 500}) as url:
        yield url


Analyze = Callable[..., tuple[int, Any]]


@pytest.fixture
def analyze(address: str) -> Analyze:
    """Asks about a text; TOXICITY unless other fields are given, None takes one out."""

    def ask(text: str | None = RUDE, **fields: Any) -> tuple[int, Any]:
        body = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, **fields}
        kept = {name: value for name, value in body.items() if value is not None}
        return post(f"{address}/v1alpha1/comments:analyze", kept)

    return ask


def score(value: float) -> dict[str, Any]:
    return {"value": pytest.approx(value, abs=1e-5), "type": "PROBABILITY"}


def toxicity(text: str) -> dict[str, Any]:
    return score(probabilities_of(text)[TOXIC])


# ---- answers ----


def test_a_comment_gets_the_probability_of_the_positive_label(analyze):
    assert analyze(RUDE) == (
        200,
        {
            "attributeScores": {
                "TOXICITY": {
                    "spanScores": [{"begin": 0, "end": len(RUDE), "score": toxicity(RUDE)}],
                    "summaryScore": toxicity(RUDE),
                }
            },
            "languages": ["en"],
            "detectedLanguages": ["en"],
        },
    )


def test_attributes_are_labels_of_the_models_that_the_settings_name(analyze):
    _, answer = analyze(RUDE, requestedAttributes={"OTHER": {}, "TOXICITY": {}, "KINDNESS": {}})
    found = {name: scores["summaryScore"] for name, scores in answer["attributeScores"].items()}
    assert found == {
        "OTHER": score(probabilities_of(RUDE, 3)[2]),
        "TOXICITY": score(probabilities_of(RUDE)[TOXIC]),
        "KINDNESS": score(probabilities_of(RUDE)[BENIGN]),
    }


def test_span_annotations_score_each_sentence_by_itself(analyze):
    text = f"  {RUDE}\n{KIND}"
    _, answer = analyze(text, spanAnnotations=True)
    scores = answer["attributeScores"]["TOXICITY"]
    assert scores["summaryScore"] == toxicity(text)
    assert scores["spanScores"] == [
        {"begin": 2, "end": 21, "score": toxicity(RUDE)},
        {"begin": 22, "end": 40, "score": toxicity(KIND)},
    ]


def test_offsets_count_utf16_units_as_the_public_discovery_document_says(analyze):
    text = "🙂🙂 hello\nhello 🙂"
    _, answer = analyze(text, spanAnnotations=True)
    spans = [(span["begin"], span["end"]) for span in answer["attributeScores"]["TOXICITY"]["spanScores"]]
    assert spans == [(0, 10), (11, 19)]
    _, answer = analyze(text)
    assert answer["attributeScores"]["TOXICITY"]["spanScores"][0]["end"] == 19


@pytest.mark.parametrize("text", [" ", "\n", "\u00a0", "\x00", "\u200b", "!?!?", "🙂" * 500, "\U000e0041", "x" * 500])
def test_odd_texts_are_scored_whole_and_by_sentence(analyze, text):
    for asked in (False, True):
        status, answer = analyze(text, spanAnnotations=asked)
        assert status == 200
        (span,) = answer["attributeScores"]["TOXICITY"]["spanScores"]
        assert (span["begin"], span["end"]) == (0, len(text.encode("utf-16-le")) // 2)


def test_scores_below_the_threshold_are_left_out_each_by_itself(analyze):
    text = f"{RUDE}\n{KIND}"
    values = {part: probabilities_of(part)[TOXIC] for part in (RUDE, KIND, text)}
    assert values[KIND] < values[text] < values[RUDE]

    def found(threshold: float) -> tuple[int, bool]:
        wanted = {"TOXICITY": {"scoreThreshold": threshold}}
        status, answer = analyze(text, spanAnnotations=True, requestedAttributes=wanted)
        assert status == 200
        scores = answer["attributeScores"]["TOXICITY"]
        return len(scores.get("spanScores", [])), "summaryScore" in scores

    assert found(0) == (2, True)
    assert found((values[KIND] + values[text]) / 2) == (1, True)
    assert found((values[text] + values[RUDE]) / 2) == (1, False)
    assert found(1) == (0, False)
    assert found(-7) == (2, True)


def test_what_comes_back_of_a_request_is_its_token_and_its_languages(analyze):
    status, answer = analyze(clientToken="t-1 \n🙂", languages=["de", "en-GB", "EN"])
    assert status == 200
    assert answer["clientToken"] == "t-1 \n🙂"
    assert answer["languages"] == answer["detectedLanguages"] == ["de", "en-GB", "EN"]


def test_what_says_nothing_here_is_taken(analyze):
    entry = {"text": "hello", "type": "HTML"}
    plain = analyze()
    more = {"doNotStore": True, "sessionId": "s", "communityId": "c", "languages": []}
    assert analyze(context={"entries": [entry, {}]}, **more) == plain
    assert analyze(context={"articleAndParentComment": {"article": entry, "parentComment": {}}}, **more) == plain


@pytest.mark.parametrize(
    "body",
    [
        {"comment": {"text": RUDE, "type": "PLAIN_TEXT"}, "requestedAttributes": {"TOXICITY": {}}},
        {"comment": {"text": RUDE, "type": "TEXT_TYPE_UNSPECIFIED"}, "requestedAttributes": {"TOXICITY": {}}},
        {"comment": {"text": RUDE}, "requestedAttributes": {"TOXICITY": {"scoreType": "PROBABILITY"}}},
        {"comment": {"text": RUDE}, "requested_attributes": {"TOXICITY": {"score_type": "PROBABILITY"}}},
        {"comment": {"text": RUDE, "type": None}, "requestedAttributes": {"TOXICITY": {"scoreThreshold": None}}},
        {"comment": {"text": RUDE}, "requestedAttributes": {"TOXICITY": {}}, "span_annotations": None, "context": None},
    ],
)
def test_a_request_may_be_spelt_as_googles_services_allow(address, analyze, body):
    assert post(f"{address}/v1alpha1/comments:analyze", body) == analyze()


def test_a_script_that_names_no_media_type_is_answered(address, analyze):
    body = json.dumps({"comment": {"text": RUDE}, "requestedAttributes": {"TOXICITY": {}}}).encode()
    assert post(f"{address}/v1alpha1/comments:analyze", body, content_type=None) == analyze()


def test_a_text_that_was_cut_within_a_character_is_scored(address, analyze):
    body = b'{"comment": {"text": "%s \\ud83d"}, "requestedAttributes": {"TOXICITY": {}}}' % RUDE.encode()
    assert post(f"{address}/v1alpha1/comments:analyze", body) == analyze(f"{RUDE} \ufffd")


def test_each_model_is_asked_once_and_the_comment_alone_counts_as_decided(folders):
    with live_app(folders, attributes=ATTRIBUTES) as url:
        body = {"comment": {"text": f"{RUDE}\n{KIND}"}, "spanAnnotations": True}
        wanted = {"TOXICITY": {}, "KINDNESS": {}, "OTHER": {}}
        assert post(f"{url}/v1alpha1/comments:analyze", {**body, "requestedAttributes": wanted})[0] == 200
        with urllib.request.urlopen(f"{url}/metrics") as response:
            families = text_string_to_metric_families(response.read().decode())
            samples = [sample for family in families for sample in family.samples]
    totals = {
        (name, model): sum(s.value for s in samples if s.name == name and s.labels.get("model") == model)
        for name in ("foreshot_batch_texts_sum", "foreshot_decisions_total")
        for model in folders
    }
    assert totals == {
        ("foreshot_batch_texts_sum", "tiny"): 3,
        ("foreshot_batch_texts_sum", "topics"): 3,
        ("foreshot_decisions_total", "tiny"): 1,
        ("foreshot_decisions_total", "topics"): 1,
    }


# ---- refusals ----


@pytest.mark.parametrize(
    ("fields", "message", "error_type"),
    [
        ({"comment": {"text": ""}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": None}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {"text": "x" * 501}}, "Comment text too long.", "COMMENT_TOO_LONG"),
        ({"requestedAttributes": None}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
        ({"requestedAttributes": {}}, "Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES"),
        ({"requestedAttributes": {"TOXICITY": {}, "SPAM": {}}}, "Unknown requested attribute: SPAM", "INVALID_REQUEST"),
        (
            {"requestedAttributes": {"TOXICITY": {"scoreType": "RAW"}}},
            "Requested score type RAW is not supported by attribute TOXICITY",
            "INVALID_REQUEST",
        ),
        (
            {"comment": {"text": "<b>", "type": "HTML"}},
            "Currently, only 'PLAIN_TEXT' comments are supported",
            "INVALID_REQUEST",
        ),
        ({"comment": {"text": "x", "type": "PDF"}}, "Unknown text type", "INVALID_REQUEST"),
        (
            {"context": {"entries": [], "articleAndParentComment": {}}},
            "Context can have either entries or article_and_parent_comment, but both fields were populated.",
            "INVALID_REQUEST",
        ),
        (
            {"languages": ["en", "ja"]},
            "Attribute TOXICITY does not support request languages: ja",
            "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        ),
    ],
)
def test_what_perspective_refused_is_refused_in_its_words(analyze, fields, message, error_type):
    status, answer = analyze(**fields)
    assert status == 400
    (detail,) = answer["error"].pop("details")
    assert answer == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": message,
        "error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"},
    }
    assert detail["@type"] == "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
    assert detail["errorType"] == error_type


def test_a_language_that_is_not_spoken_is_named_where_clients_look_for_it(analyze):
    _, answer = analyze(languages=["en", "ja"])
    assert answer["error"]["details"][0]["languageNotSupportedByAttributeError"] == {
        "attribute": "TOXICITY",
        "requestedLanguages": ["en", "ja"],
    }


def test_attributes_without_the_language_are_dropped_where_that_is_asked_for(analyze):
    assert analyze(languages=["ja"], dropUnsupportedAttributes=True) == (
        200,
        {"attributeScores": {}, "languages": ["ja"], "detectedLanguages": ["ja"]},
    )
    assert analyze(languages=["en"], dropUnsupportedAttributes=True) == analyze(languages=["en"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"text": "x"}, 'Invalid JSON payload received. Unknown name "text": Cannot find field.'),
        (
            {"comment": {"txt": "x"}},
            "Invalid JSON payload received. Unknown name \"txt\" at 'comment': Cannot find field.",
        ),
        ({"comment": {"text": 5}}, "Invalid value at 'comment.text': Input should be a valid string"),
        ({"comment": "x"}, "Invalid value at 'comment': Input should be an object"),
        ({"languages": "en"}, "Invalid value at 'languages': Input should be a valid array"),
        ({"doNotStore": "true"}, "Invalid value at 'doNotStore': Input should be a valid boolean"),
        (
            {"requestedAttributes": {"TOXICITY": {"scoreThreshold": "0.5"}}},
            "Invalid value at 'requestedAttributes.TOXICITY.scoreThreshold': Input should be a valid number",
        ),
        ({"requestedAttributes": ["TOXICITY"]}, "Invalid value at 'requestedAttributes': Input should be an object"),
        ([], "Invalid value at 'the body': Input should be an object"),
        (b"", "Invalid JSON payload received. The body can't be parsed."),
        (b"{", "Invalid JSON payload received. The body can't be parsed."),
        (b'{"clientToken": "\xff"}', "Invalid JSON payload received. The body can't be parsed."),
        (b"[" * 100_000, "Invalid JSON payload received. The body can't be parsed."),
        (b"9" * 10_000, "Invalid JSON payload received. The body can't be parsed."),
        ('{"comment": {}}'.encode("utf-16"), "Invalid JSON payload received. The body can't be parsed."),
    ],
)
def test_a_body_of_another_shape_is_refused(address, body, message):
    status, answer = post(f"{address}/v1alpha1/comments:analyze", body)
    assert (status, answer["error"]["code"], answer["error"]["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert answer["error"]["message"] == answer["detail"] == message


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
def test_a_threshold_is_a_number(address, number):
    body = b'{"comment": {"text": "x"}, "requestedAttributes": {"TOXICITY": {"scoreThreshold": %s}}}' % number
    status, answer = post(f"{address}/v1alpha1/comments:analyze", body)
    assert status == 400
    assert "scoreThreshold" in answer["error"]["message"]


def test_no_text_comes_back_with_an_error(analyze):
    secret = "wombat"
    for fields in ({"comment": {"text": [secret]}}, {"languages": ["ja"]}, {"comment": {"text": secret * 100}}):
        status, answer = analyze(secret, **fields)
        assert status == 400
        assert secret not in json.dumps(answer)


def test_names_from_a_stranger_are_cut_short_and_cleaned(analyze):
    _, answer = analyze(requestedAttributes={"\x1b[31m" + "A" * 5_000: {}})
    message = answer["error"]["message"]
    assert len(message) < 100
    assert message.isprintable()


def test_another_media_type_is_refused(address):
    status, answer = post(f"{address}/v1alpha1/comments:analyze", b"{}", content_type="text/xml")
    assert (status, answer["error"]["code"]) == (415, 415)


@pytest.mark.parametrize(("path", "status"), [("comments:analyze", 405), ("comments:nothing", 404)])
def test_what_is_not_there_is_told_in_googles_shape(address, path, status):
    found, answer = get(f"{address}/v1alpha1/{path}")
    assert (found, answer["status"], answer["error"]["code"]) == (status, status, status)


def test_suggested_scores_are_not_taken(address):
    status, answer = post(f"{address}/v1alpha1/comments:suggestscore", {"comment": {"text": "x"}})
    assert (status, answer["error"]["status"]) == (501, "UNIMPLEMENTED")


def test_more_than_the_queue_ever_holds_is_told_in_googles_shape(folders):
    with live_app(folders, limits={"queue": 2}) as url:
        body = {"comment": {"text": "a\nb\nc"}, "requestedAttributes": {"TOXICITY": {}}, "spanAnnotations": True}
        status, answer = post(f"{url}/v1alpha1/comments:analyze", body)
    assert (status, answer["error"]["status"]) == (413, "INVALID_ARGUMENT")


# ---- settings ----


@pytest.mark.parametrize(
    ("attributes", "complaint"),
    [
        ({"SPAM": {"model": "spam"}}, "attributes: SPAM: no model is called spam; there are tiny, topics, plain"),
        ({"SPAM": {"label": "spam"}}, "attributes: SPAM: tiny has no label spam; it has benign, toxic"),
        (
            {"CATS": {"model": "plain"}},
            "attributes: CATS: plain has no positive label; name one of cats, dogs",
        ),
    ],
)
def test_an_attribute_that_stands_for_nothing_is_refused_at_the_start(folders, tmp_path, attributes, complaint):
    plain = tiny_bundle(tmp_path / "plain", labels=["cats", "dogs"])
    with pytest.raises(ConfigError) as error, live_app({**folders, "plain": plain}, attributes=attributes):
        pass
    assert str(error.value) == complaint


JIGSAW = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")


def test_labels_of_a_multi_label_model_are_the_attributes_that_their_names_say(tmp_path):
    decisions = label_decisions(*JIGSAW)
    expected = dict(zip(JIGSAW, label_probabilities_of(RUDE, decisions), strict=True))
    names = {
        **{"TOXICITY": "toxic", "SEVERE_TOXICITY": "severe_toxic", "PROFANITY": "obscene", "THREAT": "threat"},
        **{"INSULT": "insult", "IDENTITY_ATTACK": "identity_hate"},
    }
    with live_app({"jigsaw": tiny_bundle(tmp_path / "jigsaw", decisions=decisions)}) as url:
        body = {"comment": {"text": RUDE}, "requestedAttributes": {name: {} for name in names}}
        status, answer = post(f"{url}/v1alpha1/comments:analyze", body)
        assert status == 200
        found = {name: scores["summaryScore"] for name, scores in answer["attributeScores"].items()}
        assert found == {name: score(expected[label]) for name, label in names.items()}
        _, document = get(f"{url}/$discovery/rest?version=v1alpha1")
        described = document["schemas"]["AnalyzeCommentRequest"]["properties"]["requestedAttributes"]["description"]
        assert described == f"Of these: {', '.join(names)}."


@pytest.mark.parametrize(
    ("labels", "judged", "expected"),
    [
        (("insult", "spam"), "spam", {"TOXICITY": "spam", "INSULT": "insult"}),
        (("Toxic", "identity_hate"), "Toxic", {"TOXICITY": "Toxic", "IDENTITY_ATTACK": "identity_hate"}),
        (("profanity", "obscene"), "obscene", {"TOXICITY": "obscene", "PROFANITY": "profanity"}),
        (
            ("ATTACK_ON_AUTHOR", "SEXUALLY_EXPLICIT"),
            "ATTACK_ON_AUTHOR",
            {label: label for label in ("ATTACK_ON_AUTHOR", "SEXUALLY_EXPLICIT")} | {"TOXICITY": "ATTACK_ON_AUTHOR"},
        ),
        (("toxicity", "hate"), "toxicity", {"TOXICITY": "toxicity", "IDENTITY_ATTACK": "hate"}),
        (("severe_toxicity", "toxicity"), "toxicity", {"TOXICITY": "toxicity", "SEVERE_TOXICITY": "severe_toxicity"}),
    ],
)
def test_toxicity_is_the_label_of_that_name_else_the_judged_one(tmp_path, labels, judged, expected):
    decisions = label_decisions(*labels, judged=judged)
    catalogue = load_catalogue({"m": tiny_bundle(tmp_path / "m", decisions=decisions)}, Limits(), Metrics())
    found = served_attributes(catalogue, ServeSettings())
    assert {name: attribute.label for name, attribute in found.items()} == expected
    table = ServeSettings.model_validate({"attributes": {"SPAM": {"label": labels[0]}, "TOXICITY": {}}})
    named = served_attributes(catalogue, table)
    assert {name: attribute.label for name, attribute in named.items()} == {"SPAM": labels[0], "TOXICITY": judged}


def test_a_model_without_a_positive_label_is_served_without_perspectives_paths(tmp_path):
    plain = tiny_bundle(tmp_path / "plain", labels=["cats", "dogs"])
    with live_app({"plain": plain}) as url:
        assert post(f"{url}/v1alpha1/comments:analyze", {})[0] == 404
        assert get(f"{url}/$discovery/rest?version=v1alpha1")[0] == 404
        assert get(f"{url}/healthz")[0] == 200
    with live_app({"plain": plain}, attributes={"CATS": {"label": "cats"}}) as url:
        body = {"comment": {"text": KIND}, "requestedAttributes": {"CATS": {}}}
        _, answer = post(f"{url}/v1alpha1/comments:analyze", body)
    assert answer["attributeScores"]["CATS"]["summaryScore"] == score(probabilities_of(KIND)[0])


# ---- discovery ----

STRING, BOOLEAN = "string", "boolean"
PUBLIC = {
    "AnalyzeCommentRequest": {
        "comment": "TextEntry", "context": "Context", "requestedAttributes": {"*": "AttributeParameters"},
        "spanAnnotations": BOOLEAN, "languages": [STRING], "doNotStore": BOOLEAN,
        "dropUnsupportedAttributes": BOOLEAN, "clientToken": STRING, "sessionId": STRING, "communityId": STRING,
    },
    "AnalyzeCommentResponse": {
        "attributeScores": {"*": "AttributeScores"}, "languages": [STRING], "detectedLanguages": [STRING],
        "clientToken": STRING,
    },
    "ArticleAndParentComment": {"article": "TextEntry", "parentComment": "TextEntry"},
    "AttributeParameters": {"scoreType": STRING, "scoreThreshold": "number"},
    "AttributeScores": {"spanScores": ["SpanScore"], "summaryScore": "Score"},
    "Context": {"entries": ["TextEntry"], "articleAndParentComment": "ArticleAndParentComment"},
    "Score": {"value": "number", "type": STRING},
    "SpanScore": {"begin": "integer", "end": "integer", "score": "Score"},
    "TextEntry": {"text": STRING, "type": STRING},
}  # fmt: skip
"""Fields and types of Perspective's public discovery document, read from it by hand."""


def shape_of(schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return schema["$ref"]
    if "additionalProperties" in schema:
        return {"*": shape_of(schema["additionalProperties"])}
    if schema["type"] == "array":
        return [shape_of(schema["items"])]
    if "properties" in schema:
        return {name: shape_of(field) for name, field in schema["properties"].items()}
    return schema["type"]


def test_the_discovery_document_has_the_fields_of_the_public_one(address):
    status, document = get(f"{address}/$discovery/rest?version=v1alpha1")
    assert status == 200
    assert {name: shape_of(schema) for name, schema in document["schemas"].items()} == PUBLIC
    assert document["rootUrl"] == f"{address}/"
    (method,) = document["resources"]["comments"]["methods"].values()
    assert (method["httpMethod"], method["path"]) == ("POST", "v1alpha1/comments:analyze")


def test_the_discovery_document_and_what_is_parsed_agree():
    for shape in (AnalyzeCommentRequest, AnalyzeCommentResponse):
        assert shape.model_json_schema()["properties"].keys() == PUBLIC[shape.__name__].keys()


@pytest.mark.parametrize("query", ["", "?version=v2", "?version="])
def test_another_version_is_not_found(address, query):
    status, answer = get(f"{address}/$discovery/rest{query}")
    assert (status, answer["status"]) == (404, 404)


@pytest.mark.parametrize(
    ("headers", "root"),
    [
        ({"Host": "scores.example.org", "X-Forwarded-Proto": "https"}, "https://scores.example.org/"),
        ({"Host": "scores.example.org:8443"}, "http://scores.example.org:8443/"),
        ({"Host": "scores.example.org", "X-Forwarded-Proto": "javascript"}, "http://scores.example.org/"),
        ({"Host": '[x"</script>'}, 'http://[x"</script>/'),
    ],
)
def test_the_discovery_document_names_the_address_that_the_client_used(address, headers, root):
    status, document = get(f"{address}/$discovery/rest?version=v1alpha1", **headers)
    assert (status, document["rootUrl"]) == (200, root)


# ---- OpenAPI ----


def test_openapi_describes_what_gets_scores_and_points_nowhere_outside():
    schema = request_schema(["TOXICITY", "SPAM"], ["en"], 10)
    assert "$ref" not in json.dumps(schema)
    assert sorted(schema["required"]) == ["comment", "requestedAttributes"]
    assert schema["properties"]["comment"]["properties"]["text"]["maxLength"] == 10
    assert schema["properties"]["requestedAttributes"]["propertyNames"] == {"enum": ["TOXICITY", "SPAM"]}


def test_openapi_documents_the_errors_in_googles_shape(address):
    _, document = get(f"{address}/openapi.json")
    answers = document["paths"]["/v1alpha1/comments:analyze"]["post"]["responses"]
    assert answers.keys() == {"200", "400", "401", "408", "413", "415", "503"}
    refusal = answers["400"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][refusal]["properties"].keys() >= {"type", "title", "status", "error"}
