"""Bad input: each kind gets its own status in the one shape of an error, and neither answer nor log holds a text."""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from served import check_problem, make_bundles, served
from starlette.testclient import TestClient

from foreshot.serving.catalogue import Catalogue
from foreshot.serving.problems import MOST_ERRORS, MOST_LISTED

SECRET = "you absolute walnut"
DEEP = 100_000


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bundles(tmp_path_factory.mktemp("problems"))


@pytest.fixture(scope="module")
def client(bundles: dict[str, Path]) -> Iterator[TestClient]:
    with served(bundles) as client:
        yield client


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All that is logged in a test, in which no text may stand, whatever goes wrong."""
    caplog.set_level(logging.DEBUG)
    yield caplog
    assert "walnut" not in caplog.text
    assert "\\ud8" not in caplog.text


def send(client: TestClient, body: bytes | str, content_type: str = "application/json", **headers: str) -> Any:
    return client.post("/v1/classify", content=body, headers={"content-type": content_type, **headers})


# ---- what is no JSON ----


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"   ", id="white space"),
        pytest.param(SECRET, id="a text"),
        pytest.param(f"texts={SECRET}", id="a form"),
        pytest.param(f'{{"texts": ["{SECRET}"]', id="cut off"),
        pytest.param(f'{{"texts": ["{SECRET}"],}}', id="a comma too many"),
        pytest.param(f"{{'texts': ['{SECRET}']}}", id="single quotes"),
        pytest.param(f'{{"texts": ["{SECRET}"]}} {{}}', id="two values"),
        pytest.param(f'{{"texts": ["{SECRET}\n"]}}', id="a raw line end"),
        pytest.param(f'{{"texts": ["{SECRET}\x00"]}}', id="a raw NUL"),
        pytest.param(f'{{"texts": ["{SECRET}"]}}'.encode("utf-16"), id="UTF-16"),
        pytest.param(f'\ufeff{{"texts": ["{SECRET}"]}}', id="a byte order mark"),
        pytest.param(b'{"texts": ["walnut \xff"]}', id="invalid UTF-8"),
        pytest.param(b'{"texts": ["walnut \xed\xa0\x80"]}', id="a surrogate in UTF-8"),
        pytest.param(b'{"texts": ["walnut \xc0\x80"]}', id="an overlong NUL"),
        pytest.param(r'{"texts": ["walnut \ud83d"]}', id="half a surrogate pair"),
        pytest.param(r'{"texts": ["walnut \ude00\ud83d"]}', id="a surrogate pair in reverse"),
        pytest.param("[" * DEEP, id="brackets"),
        pytest.param("[" * DEEP + "]" * DEEP, id="brackets that close"),
        pytest.param('{"texts":' * DEEP, id="objects"),
        pytest.param('{"texts": [' + "[" * DEEP + "]" * DEEP + "]}", id="brackets inside"),
    ],
)
def test_what_is_no_json_is_400(client: TestClient, body: bytes | str) -> None:
    problem = check_problem(send(client, body), 400, "the body is not JSON")
    assert "walnut" not in json.dumps(problem)


# ---- what has another shape ----


@pytest.mark.parametrize(
    ("body", "where", "what"),
    [
        ([SECRET], "the body", "object"),
        (SECRET, "the body", "object"),
        (None, "the body", "object"),
        ({}, "texts", "required"),
        ({"texts": None}, "texts", "array"),
        ({"texts": SECRET}, "texts", "array"),
        ({"texts": {"0": SECRET}}, "texts", "array"),
        ({"texts": []}, "texts", "at least 1"),
        ({"texts": [SECRET] * 10_001}, "texts", "at most 128"),
        ({"texts": [SECRET, 3]}, "texts[1]", "string"),
        ({"texts": [SECRET, None]}, "texts[1]", "string"),
        ({"texts": [[SECRET]]}, "texts[0]", "string"),
        ({"texts": [True]}, "texts[0]", "string"),
        ({"texts": ["a" * 20_481]}, "texts[0]", "at most 20480"),
        ({"texts": [f"{SECRET}\x00"]}, "texts[0]", "NUL"),
        ({"texts": [f"\x00{SECRET}"]}, "texts[0]", "NUL"),
        ({"texts": ["\n\x00"]}, "texts[0]", "NUL"),
        ({"texts": [SECRET], "model": 3}, "model", "string"),
        ({"texts": [SECRET], "model": [SECRET]}, "model", "string"),
        ({"texts": [SECRET], "explain": "yes"}, "explain", "bool"),
        ({"texts": [SECRET], "explain": 1}, "explain", "bool"),
        ({"texts": [SECRET], "explain": None}, "explain", "bool"),
        ({"texts": [SECRET], "explian": True}, "explian", "not permitted"),
        ({"texts": [SECRET], "a\nb\u202e\x1b[31m" + "c" * 100: 1}, "a b[31m" + "c" * 33 + "…", "not permitted"),
    ],
)
def test_what_has_another_shape_is_422_and_told_where(client: TestClient, body: Any, where: str, what: str) -> None:
    problem = check_problem(send(client, json.dumps(body)), 422, where, what)
    assert problem["errors"][0]["where"] == where
    assert what in problem["errors"][0]["problem"]
    assert "walnut" not in json.dumps(problem)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-0", "9" * 4_000])
def test_numbers_are_no_texts(client: TestClient, number: str) -> None:
    problem = check_problem(send(client, f'{{"texts": [{number}]}}'), 422)
    assert number not in problem["detail"]


def test_of_many_errors_the_first_are_told_and_the_rest_counted(client: TestClient) -> None:
    problem = check_problem(client.post("/v1/classify", json={"texts": [3] * 100}), 422, "(and 99 more)")
    assert [error["where"] for error in problem["errors"]] == [f"texts[{number}]" for number in range(MOST_ERRORS)]


def test_a_name_given_twice_counts_as_it_was_given_last(client: TestClient) -> None:
    check_problem(send(client, f'{{"texts": ["{SECRET}"], "texts": []}}'), 422, "at least 1")


# ---- models, paths, methods, types, sizes ----


@pytest.mark.parametrize("name", ["nope", "", "ODD", "../odd", "odd\n", "x" * 5_000])
def test_an_unknown_model_is_404_and_told_who_is_there(client: TestClient, name: str) -> None:
    response = client.post("/v1/classify", json={"texts": [SECRET], "model": name})
    problem = check_problem(response, 404, "there are odd, careful, pets")
    assert len(problem["detail"]) < 200


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/", "/v1/nope", "/static/nope.js", "/static/../app.py", "/docs/x"]
)
def test_an_unknown_path_is_404(client: TestClient, path: str) -> None:
    check_problem(client.get(path), 404, "there is nothing at this path")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, "/v1/classify", "POST") for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")),
        *((method, path, "GET") for method in ("POST", "DELETE") for path in ("/v1/models", "/healthz", "/", "/docs")),
        ("POST", "/static/docs.js", "GET, HEAD"),
    ],
)
def test_another_method_is_405_and_told_which_are_taken(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    response = client.request(method, path)
    check_problem(response, 405, method)
    assert response.headers["allow"] == allowed


@pytest.mark.parametrize(
    "content_type", ["text/plain", "", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"]
)
def test_another_content_type_is_415(client: TestClient, content_type: str) -> None:
    problem = check_problem(send(client, json.dumps({"texts": [SECRET]}), content_type), 415, "application/json")
    assert "walnut" not in json.dumps(problem)


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON", "application/json; charset=utf-8"])
def test_json_may_be_spelt_as_it_may(client: TestClient, content_type: str) -> None:
    assert send(client, json.dumps({"texts": [SECRET]}), content_type).status_code == 200


def test_a_body_that_says_it_is_too_big_is_413(client: TestClient) -> None:
    check_problem(send(client, b"[" + b" " * 20_000_000), 413, "4,000,000 bytes")


def test_a_body_that_is_too_big_without_saying_so_is_413(client: TestClient) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(60):
            yield b" " * 100_000

    check_problem(client.post("/v1/classify", content=parts(), headers={"content-type": "application/json"}), 413)


def test_the_largest_body_is_taken(bundles: dict[str, Path]) -> None:
    body = json.dumps({"texts": [SECRET]}).encode()
    with served(bundles, limits={"body_bytes": len(body)}) as client:
        assert send(client, body).status_code == 200
        check_problem(send(client, body + b" "), 413)


@pytest.mark.parametrize("length", ["²", "-1", "1e9", "0x10", ""])
def test_a_length_that_is_no_number_breaks_nothing(client: TestClient, length: str) -> None:
    headers = {"content-length": length.encode("latin-1")}
    response = client.post("/v1/classify", content=iter([b'{"texts": ["x"]}']), headers=headers)
    assert response.status_code in {200, 400, 415}


# ---- faults of ours ----


def failing(client_catalogue: Catalogue) -> Catalogue:
    """The first model counts by a function that fails, and tells a text while it does."""

    def decided(_: object) -> NoReturn:
        raise ValueError(f"could not count {SECRET}")

    return Catalogue([replace(client_catalogue.default, decided=decided)])


def test_a_fault_of_ours_is_500_and_its_log_names_the_place_and_no_text(
    bundles: dict[str, Path], log: pytest.LogCaptureFixture
) -> None:
    with served(bundles, faked=failing) as client:
        response = client.post("/v1/classify", json={"texts": [SECRET]})
        assert client.get("/healthz").json() == {"status": "alive"}
    problem = check_problem(response, 500, "the server's log")
    assert "walnut" not in json.dumps(problem)
    assert "Value" not in problem["detail"]
    (record,) = [record for record in log.records if record.levelno >= logging.ERROR]
    assert record.getMessage().startswith("ValueError in\n")
    assert 'test_problems.py"' in record.getMessage()
    assert record.exc_info is None


def test_a_model_that_fails_is_500_and_the_next_request_is_answered(
    bundles: dict[str, Path], log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(bundles) as client, monkeypatch.context() as patched:

        def tokenize(_: object, texts: list[str]) -> NoReturn:
            raise ValueError(f"can't split {texts}")

        patched.setattr("foreshot.runtime.classifier.Classifier.tokenize", tokenize)
        check_problem(
            client.post("/v1/classify", json={"texts": [SECRET]}), 500, "the model fails on a text of this request"
        )
        patched.undo()
        assert client.post("/v1/classify", json={"texts": [SECRET]}).status_code == 200
    assert "ValueError" in log.text


# ---- no room, no time ----


def test_more_texts_than_there_ever_is_room_for_are_413(bundles: dict[str, Path]) -> None:
    with served(bundles, limits={"queue": 2}) as client:
        response = client.post("/v1/classify", json={"texts": [SECRET] * 3})
        check_problem(response, 413, "3 texts", "ask for less")
        assert "retry-after" not in response.headers
        assert client.post("/v1/classify", json={"texts": [SECRET] * 2}).status_code == 200
        check_problem(client.post("/v1/classify", json={"texts": [SECRET], "explain": True}), 413)  # three words


def test_what_takes_too_long_is_503_and_may_be_asked_again(bundles: dict[str, Path]) -> None:
    with served(bundles, limits={"request_seconds": 0.05, "batch_wait_seconds": 1}) as client:
        response = client.post("/v1/classify", json={"texts": [SECRET]})
        check_problem(response, 503, "took too long")
        assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(("path", "status"), [("/v1/classify", 422), ("/v1alpha1/comments:analyze", 400)])
def test_errors_too_many_to_list_are_counted_alone(client: TestClient, path: str, status: int) -> None:
    body = {f"{SECRET} {number}": 1 for number in range(MOST_LISTED + 1)}
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert re.match(r"the body has 1,00\d faults; /docs shows", answer.json()["detail"])
    assert "errors" not in answer.json()
