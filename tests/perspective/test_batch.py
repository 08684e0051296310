"""Google's batch requests: many in one, by Google's own client and as bytes on a socket."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from email import message_from_bytes
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from google_client import google_client
from googleapiclient.errors import HttpError
from googleapiclient.http import BatchHttpRequest
from live_app import live_app
from prometheus_client.parser import text_string_to_metric_families
from tiny_bundles import probabilities_of, tiny_bundle

KEY, OTHER = "a-key-of-the-tests", "another-key"
RUDE, KIND = "you absolute walnut", "thank you kind day"
MOST_PARTS = 12
TOXIC = 1
PATHS = ["/batch", "/batch/commentanalyzer/v1alpha1"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def address(bundle: Path) -> Iterator[str]:
    """A server that anybody may ask."""
    with live_app({"tiny": bundle}, limits={"texts": MOST_PARTS, "body_bytes": 100_000}) as url:
        yield url


@pytest.fixture(scope="module")
def locked(bundle: Path) -> Iterator[str]:
    """A server that wants a key."""
    keys = [
        {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
        for name, key in (("forum", KEY), ("app", OTHER))
    ]
    with live_app({"tiny": bundle}, keys=keys) as url:
        yield url


def asked(text: str, **fields: Any) -> dict[str, Any]:
    return {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, **fields}


def toxicity(text: str) -> Any:
    return pytest.approx(probabilities_of(text)[TOXIC], abs=1e-5)


def toxicity_in(answer: Mapping[str, Any]) -> float:
    value: float = answer["attributeScores"]["TOXICITY"]["summaryScore"]["value"]
    return value


# ---- google-api-python-client ----


def by_google(
    address: str, bodies: Mapping[str, Any], key: str = KEY, path: str | None = None
) -> dict[str, tuple[Any, HttpError | None]]:
    """What Google's client hands over for each body of a batch, by the id of its request, in the order it does."""
    found: dict[str, tuple[Any, HttpError | None]] = {}

    def told(request_id: str, answer: Any, error: HttpError | None) -> None:
        found[request_id] = (answer, error)

    with google_client(address, key) as client:
        batch = client.new_batch_http_request(callback=told)
        if path:
            batch = BatchHttpRequest(callback=told, batch_uri=address + path)
        for request_id, body in bodies.items():
            batch.add(client.comments().analyze(body=body), request_id=request_id)
        batch.execute()
    return found


@pytest.mark.parametrize("path", [None, *PATHS])
def test_googles_client_gets_the_scores_of_a_batch(address: str, path: str | None) -> None:
    texts = {"first": RUDE, "2": KIND, "der dritte, ü": "hello\nday", "n" * 200: "ü fool"}
    found = by_google(address, {name: asked(text, clientToken=name) for name, text in texts.items()}, path=path)
    assert [*found] == [*texts]
    for name, (answer, error) in found.items():
        assert error is None
        assert toxicity_in(answer) == toxicity(texts[name])
        assert answer["clientToken"] == name


def test_what_is_wrong_with_one_part_is_said_of_that_part(address: str) -> None:
    found = by_google(
        address,
        {
            "good": asked(RUDE),
            "empty": asked(""),
            "unknown": asked(RUDE, requestedAttributes={"SPAM": {}}),
            "foreign": asked(RUDE, languages=["ja"]),
            "odd": {"text": RUDE},
            "as good": asked(KIND),
        },
    )
    assert toxicity_in(found["good"][0]) == toxicity(RUDE)
    assert toxicity_in(found["as good"][0]) == toxicity(KIND)
    errors = {name: error for name, (answer, error) in found.items() if answer is None}
    assert {name: (error.status_code, error.reason) for name, error in errors.items() if error} == {
        "empty": (400, "Comment must be non-empty."),
        "unknown": (400, "Unknown requested attribute: SPAM"),
        "foreign": (400, "Attribute TOXICITY does not support request languages: ja"),
        "odd": (400, 'Invalid JSON payload received. Unknown name "text": Cannot find field.'),
    }
    assert errors["empty"].error_details[0]["errorType"] == "COMMENT_EMPTY"


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_googles_client_brings_its_key_in_each_part(locked: str, key: str) -> None:
    (answer, error), *_ = by_google(locked, {"a": asked(RUDE), "b": asked(KIND)}, key).values()
    assert error is None
    assert toxicity_in(answer) == toxicity(RUDE)


def test_googles_client_is_told_once_that_its_key_is_not_known(locked: str) -> None:
    with pytest.raises(HttpError) as error:
        by_google(locked, {"a": asked(RUDE), "b": asked(KIND)}, key="a wrong one")
    assert (error.value.status_code, error.value.reason) == (401, "this API key is not known")


def test_a_batch_of_more_requests_than_a_request_may_have_texts_is_refused(address: str) -> None:
    most = {str(number): asked(RUDE) for number in range(MOST_PARTS)}
    assert len(by_google(address, most)) == MOST_PARTS
    with pytest.raises(HttpError) as error:
        by_google(address, {**most, "one more": asked(RUDE)})
    assert error.value.status_code == 413
    assert error.value.reason == f"a batch holds at most {MOST_PARTS} requests; send fewer at a time"


# ---- as bytes ----

Answers = list[tuple[str | None, int, Any]]


def send(
    address: str, body: bytes, media_type: str = 'multipart/mixed; boundary="b"', path: str = "/batch", **headers: str
) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=30)
    try:
        connection.request("POST", path, body, {"Content-Type": media_type, **headers})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def answers_in(media_type: str, body: bytes) -> Answers:
    """Content-ID, status and JSON of each part of an answer, read by the standard library."""
    whole = message_from_bytes(b"Content-Type: " + media_type.encode() + b"\r\n\r\n" + body)
    assert not whole.defects
    found: Answers = []
    for part in whole.get_payload():
        assert part.get_content_type() == "application/http"
        line, _, rest = part.get_payload().partition("\r\n")
        inner = message_from_bytes(rest.encode())
        assert int(inner["Content-Length"]) == len(inner.get_payload())
        assert inner.get_content_type() == "application/json"
        found.append((part["Content-ID"], int(line.split()[1]), json.loads(inner.get_payload())))
    return found


def written(*requests: bytes, headers: bytes = b"", end: bytes = b"--b--\r\n") -> bytes:
    """A body with a part for each request."""
    return b"".join(b"--b\r\nContent-Type: application/http\r\n%s\r\n%s\r\n" % (headers, one) for one in requests) + end


def request(text: str = RUDE, target: str = "/v1alpha1/comments:analyze", method: str = "POST") -> bytes:
    body = json.dumps(asked(text))
    return f"{method} {target} HTTP/1.1\r\nContent-Type: application/json\r\n\r\n{body}".encode()


Send = Callable[..., Answers]


@pytest.fixture
def answers(address: str) -> Send:
    def ask(body: bytes, **more: str) -> Answers:
        status, media_type, answer = send(address, body, **more)
        assert status == 200, answer
        return answers_in(media_type, answer)

    return ask


def test_answers_are_called_by_their_requests_and_keep_their_order(answers: Send) -> None:
    parts = written(request(RUDE), headers=b"Content-ID: <a + 1>\r\n", end=b"")
    parts += written(request(KIND), headers=b"content-id:\r\n folded\r\n", end=b"")
    parts += written(request("fool"))
    first, second, third = answers(parts)
    assert [first[0], second[0], third[0]] == ["<response-a + 1>", "response-folded", None]
    assert [toxicity_in(one[2]) for one in (first, second, third)] == [toxicity(one) for one in (RUDE, KIND, "fool")]


@pytest.mark.parametrize(
    "body",
    [
        request(),
        request().replace(b"\r\n", b"\n"),
        request().replace(b" HTTP/1.1", b""),
        b"\r\n\n" + request(),
        request(target="/v1alpha1/comments:analyze?alt=json&key=x#y"),
        request(target="https://commentanalyzer.googleapis.com/v1alpha1/comments:analyze"),
        request(target="/v1alpha1/comments%3Aanalyze"),
        request().replace(b"Content-Type", b"content-type"),
        request().replace(b"Content-Type: application/json\r\n", b""),  # which a script may leave out elsewhere, too
        request() + b"\r\n\r\n",
        request().replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\nX: " + b"x" * 10_000 + b"\r\n\r\n"),
        request("\\u00e4").replace(b"\\\\u00e4", b"\xc3\xa4"),
    ],
)  # fmt: skip
def test_a_part_may_be_spelt_as_clients_spell_it(answers: Send, body: bytes) -> None:
    ((_, status, answer),) = answers(written(body))
    assert status == 200
    assert toxicity_in(answer) == toxicity("ä" if b"\xc3" in body else RUDE)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (request(target="/v1alpha1/comments:nothing"), 404),
        (request(target="/v1alpha1/comments:suggestscore"), 501),
        (request(method="GET"), 405),
        (request().replace(b"application/json", b"text/xml"), 415),
        (request().replace(b"application/json", b"multipart/mixed; boundary=c") + b"\r\n--c\r\n\r\n--c--", 415),
        *(
            (request(target=target), 404)
            for target in ("/", "/v1/classify", "/batch", "/metrics", "/healthz", "/../v1/classify", "*", "//v1alpha1/")
        ),
    ],
)
def test_what_a_part_cant_have_is_refused_in_that_part_in_googles_shape(
    answers: Send, body: bytes, status: int
) -> None:
    (_, found, answer), (_, after, _) = answers(written(body, request()))
    assert (found, answer["error"]["code"], after) == (status, status, 200)


@pytest.mark.parametrize(
    ("body", "media_type", "status"),
    [
        (written(request()), "application/json", 415),
        (written(request()), "multipart/form-data; boundary=b", 415),
        (written(request()), "", 415),
        (written(request()), "multipart/mixed", 400),
        (written(request()), "multipart/mixed; boundary=c", 400),
        (written(request()), 'multipart/mixed; boundary=""', 400),
        (written(request()), "multipart/mixed; boundary*=utf-8''%C3%A4", 400),
        (written(request(), end=b""), "multipart/mixed; boundary=b", 400),
        (b"", "multipart/mixed; boundary=b", 400),
        (b"--b--\r\n", "multipart/mixed; boundary=b", 400),
        (b"--b\r\n\r\n--b--\r\n", "multipart/mixed; boundary=b", 400),
        (json.dumps(asked(RUDE)).encode(), "multipart/mixed; boundary=b", 400),
        (written(b"hello"), "multipart/mixed; boundary=b", 400),
        (written(b"\xff\xfe / HTTP/1.1\r\n\r\n"), "multipart/mixed; boundary=b", 400),
        (written(b"GET http://[x/ HTTP/1.1\r\n\r\n"), "multipart/mixed; boundary=b", 400),
        (written(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 500), "multipart/mixed; boundary=b", 400),
        (written(request(), b"hello"), "multipart/mixed; boundary=b", 400),
        (b"--b\r\n" * 50 + b"--b--\r\n", "multipart/mixed; boundary=b", 413),
        (b"--b\r\n\r\n" + b"\n" * 90_000 + b"--b--\r\n", "multipart/mixed; boundary=b", 413),
        (b"--b\r\n\r\n" + b"\r" * 90_000 + b"\r\n--b--\r\n", "multipart/mixed; boundary=b", 413),
        (written(request("x" * 100_000)), "multipart/mixed; boundary=b", 413),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", PATHS)
def test_what_is_no_batch_is_refused_whole_in_googles_shape(
    address: str, body: bytes, media_type: str, status: int, path: str
) -> None:
    found, _, answer = send(address, body, media_type, path)
    told = json.loads(answer)
    assert (found, told["status"], told["error"]["code"]) == (status, status, status)
    assert told["error"]["message"]
    assert RUDE not in answer.decode()


def test_parts_within_parts_are_looked_for_nowhere(answers: Send) -> None:
    """Else the ends of all would be looked for in each line. So what they say is part of a body, which is no JSON."""
    nested = b"Content-Type: multipart/mixed; boundary=c\r\n"
    (_, inner, answer), (_, plain, _) = answers(
        written(request() + b"\r\n--c\r\n\r\nx\r\n--c--", request(), headers=nested)
    )
    assert (inner, answer["error"]["code"], plain) == (400, 400, 200)


def test_nothing_that_a_part_says_gets_into_the_answers_head(address: str) -> None:
    hostile = b"Content-ID: <a\r\n \x1b[2J\xc3\xa4\xff\r\n\tSet-Cookie: x=y>\r\n"
    status, media_type, answer = send(address, written(request(), headers=hostile))
    assert status == 200
    ((content_id, _, _),) = answers_in(media_type, answer)
    assert content_id is not None
    assert b"\nSet-Cookie" not in answer
    assert b"\x1b" not in answer


# ---- keys ----


@pytest.mark.parametrize(
    ("parts", "outer", "query", "status"),
    [
        ([f"?key={KEY}", f"?key={OTHER}"], {}, "", 200),
        (["", ""], {"X-API-Key": KEY}, "", 200),
        (["", ""], {"Authorization": f"Bearer {KEY}"}, "", 200),
        (["", ""], {}, f"?key={KEY}", 200),
        (["", f"?key={OTHER}"], {}, f"?key={KEY}", 200),
        ([f"?key={KEY}", ""], {}, "", 401),
        (["", ""], {}, "", 401),
        ([f"?key={KEY}", "?key=wrong"], {}, "", 401),
        (["", "?key=wrong"], {}, f"?key={KEY}", 401),
        (["", ""], {}, "?key=wrong", 401),
        (["", ""], {"X-API-Key": "wrong"}, "", 401),
    ],
)
def test_a_key_stands_in_each_part_or_in_the_whole(
    locked: str, parts: list[str], outer: dict[str, str], query: str, status: int
) -> None:
    body = written(*(request(target=f"/v1alpha1/comments:analyze{one}") for one in parts))
    found, _, answer = send(locked, body, path=f"/batch{query}", **outer)
    assert found == status, answer
    if status == 401:
        assert json.loads(answer)["error"]["status"] == "UNAUTHENTICATED"


def test_a_key_may_be_a_header_of_a_part(locked: str) -> None:
    body = written(request().replace(b"Content-Type", f"X-API-Key: {KEY}\r\nContent-Type".encode()))
    assert send(locked, body)[0] == 200


# ---- limits ----


def test_a_part_that_finds_no_room_is_told_so_and_no_more_texts_wait_than_may(bundle: Path) -> None:
    """A text and its three sentences are more than the queue ever holds; a short one finds room."""
    with live_app({"tiny": bundle}, limits={"queue": 3}) as url:
        long = json.dumps(asked("a\nb\nc", spanAnnotations=True)).encode()
        head = request().partition(b"\r\n\r\n")[0]
        _, media_type, answer = send(url, written(request(), head + b"\r\n\r\n" + long, request(KIND)))
        statuses = [(status, told.get("error", {}).get("status")) for _, status, told in answers_in(media_type, answer)]
    assert statuses == [(200, None), (413, "INVALID_ARGUMENT"), (200, None)]


def test_no_more_of_a_batch_is_computed_at_once_than_of_one_request(bundle: Path) -> None:
    """Of 100 parts eight texts at a time, though 64 would find room."""
    with live_app({"tiny": bundle}, limits={"batch_wait_seconds": 0.01}) as url:
        body = written(*[request()] * 100)
        _, media_type, answer = send(url, body)
        assert {status for _, status, _ in answers_in(media_type, answer)} == {200}
        connection = HTTPConnection(urlsplit(url).netloc, timeout=30)
        connection.request("GET", "/metrics")
        families = text_string_to_metric_families(connection.getresponse().read().decode())
        connection.close()
    samples = [sample for family in families for sample in family.samples]
    within = {float(one.labels["le"]): one.value for one in samples if one.name == "foreshot_batch_texts_bucket"}
    assert within[8] == within[float("inf")] > 0
    (texts,) = (one.value for one in samples if one.name == "foreshot_batch_texts_sum")
    assert texts == 100
    answered = {one.labels["path"]: one.value for one in samples if one.name == "foreshot_requests_total"}
    assert answered["/batch"] == 1
