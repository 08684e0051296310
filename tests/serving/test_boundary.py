"""The boundary: who is let in, which headers every answer has, and who else's pages may ask."""

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from served import check_problem, make_bundles, served
from starlette.testclient import TestClient

KEY, OTHER = "open sesame", "ouvre-toi"
BODY = {"texts": ["you absolute walnut"]}
OPEN = ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/metrics", "/static/docs.js", "/docs/swagger-ui.css"]
CLOSED = ["/v1/models", "/v1/nope", "/nope", "/docsx", "/static", "//healthz", "/healthz/", "/metrics/x", "/HEALTHZ"]


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bundles(tmp_path_factory.mktemp("boundary"))


@pytest.fixture(scope="module")
def plain(bundles: dict[str, Path]) -> Iterator[TestClient]:
    with served(bundles) as client:
        yield client


@pytest.fixture(scope="module")
def locked(bundles: dict[str, Path]) -> Iterator[TestClient]:
    keys = [
        {"name": name, "sha256": hashlib.sha256(key.encode()).hexdigest()}
        for name, key in (("forum", KEY), ("app", OTHER))
    ]
    with served(bundles, keys=keys) as client:
        yield client


def classify(client: TestClient, query: str = "", **headers: str | bytes) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(f"/v1/classify{query}", json=BODY, headers=sent)


# ---- keys ----


def test_without_a_key_nobody_is_let_in(locked: TestClient) -> None:
    response = classify(locked)
    check_problem(response, 401, "an API key is needed", "X-API-Key")
    assert response.headers["www-authenticate"].startswith("Bearer ")
    check_problem(locked.get("/v1/models"), 401)


@pytest.mark.parametrize("key", [KEY, OTHER])
def test_a_key_is_taken_in_each_of_three_places(locked: TestClient, key: str) -> None:
    for response in (
        classify(locked, x_api_key=key),
        classify(locked, authorization=f"Bearer {key}"),
        classify(locked, authorization=f"bearer  {key}"),  # RFC 9110: a scheme's case doesn't matter
        locked.post("/v1/classify", json=BODY, params={"key": key}),
    ):
        assert response.status_code == 200, response.text
    models = locked.get("/v1/models", headers={"x-api-key": key})
    assert models.json()["keys"] is True


@pytest.mark.parametrize(
    "headers",
    [
        {"x_api_key": "open sesam"},
        {"x_api_key": KEY.upper()},
        {"x_api_key": hashlib.sha256(KEY.encode()).hexdigest()},  # what the settings hold opens nothing
        {"x_api_key": "schlüssel".encode()},
        {"x_api_key": b"\xff\xfe\x80"},
        {"x_api_key": "x" * 10_000},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": "Bearer é".encode()},
        {"query": "?key=%FF%ED%A0%80"},
        {"query": "?key=open+sesam"},
    ],
)
def test_a_wrong_key_is_refused_whatever_it_is_made_of(locked: TestClient, headers: dict[str, Any]) -> None:
    check_problem(classify(locked, **headers), 401, "not known")


@pytest.mark.parametrize("authorization", [f"Basic {KEY}", f"Bearer{KEY}", KEY, "Bearer", "Bearer "])
def test_what_is_no_bearer_token_is_no_key(locked: TestClient, authorization: str) -> None:
    check_problem(classify(locked, authorization=authorization), 401, "an API key is needed")


def test_open_paths_need_no_key(locked: TestClient) -> None:
    for path in OPEN:
        assert locked.get(path).status_code != 401, path


@pytest.mark.parametrize("path", CLOSED)
def test_all_other_paths_need_one(locked: TestClient, path: str) -> None:
    check_problem(locked.request("GET", f"http://testserver{path}", follow_redirects=False), 401)


def test_the_body_of_who_is_not_let_in_is_not_looked_at(locked: TestClient) -> None:
    check_problem(locked.post("/v1/classify", content=b"no JSON"), 401)


def test_neither_key_nor_text_is_logged(locked: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="foreshot")
    assert locked.post("/v1/classify", json=BODY, params={"key": KEY}).status_code == 200
    classify(locked, x_api_key="open sesam")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("foreshot")]
    assert len(ours) == 2
    assert ours[0].startswith("testclient forum POST /v1/classify 200 ")
    assert ours[1].startswith("testclient - POST /v1/classify 401 ")
    assert all("sesam" not in line and "walnut" not in line for line in ours)


def test_a_path_in_the_log_is_one_short_line(plain: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="foreshot")
    plain.get("/a%0Ab%1B[31m%E2%80%AE" + "c" * 500)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "foreshot.access"]
    assert "/a b[31mccc" in line
    assert line.isprintable()
    assert len(line) < 200


# ---- headers ----


@pytest.mark.parametrize("path", ["/", "/docs", "/static/docs.js", "/v1/models", "/metrics", "/nope"])
def test_every_answer_forbids_what_a_page_here_never_needs(plain: TestClient, path: str) -> None:
    headers = plain.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_refusals_have_them_too(locked: TestClient) -> None:
    for response in (
        classify(locked),
        locked.post("/v1/classify", content=b"x" * 5_000_000, headers={"x-api-key": KEY}),
    ):
        assert response.status_code in {401, 413}
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert response.headers["connection"] == "close"


@pytest.mark.parametrize("path", ["/", "/docs", "/static/docs.js", "/docs/swagger-ui.css"])
@pytest.mark.parametrize("wanted", ["bytes=5-2", "bytes=99999999-", "bytes=0-4", "bytes=0-1,3-4", "lines=1-2", "x"])
def test_a_file_is_sent_whole_whatever_part_is_wanted(plain: TestClient, path: str, wanted: str) -> None:
    answer, whole = plain.get(path, headers={"range": wanted}), plain.get(path)
    assert (answer.status_code, answer.content) == (200, whole.content)
    assert "accept-ranges" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/models/", "/healthz/", "/static", "/docs/", "/openapi.json/"])
def test_nobody_is_sent_to_another_address(plain: TestClient, path: str) -> None:
    answer = plain.get(path, headers={"host": "evil.example"}, follow_redirects=False)
    check_problem(answer, 404)
    assert "evil" not in str(answer.headers)


# ---- origins ----


def preflight(client: TestClient, origin: str) -> Any:
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,x-api-key",
    }
    return client.options("/v1/classify", headers=headers)


def test_no_other_origin_may_ask_unless_it_is_named(plain: TestClient) -> None:
    answer = classify(plain, origin="https://forum.example")
    assert answer.status_code == 200
    for response in (answer, preflight(plain, "https://forum.example")):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_named_origins_may_ask_and_no_others(bundles: dict[str, Path]) -> None:
    with served(bundles, cors=["https://forum.example"]) as client:
        asked = preflight(client, "https://forum.example")
        assert asked.status_code == 200
        assert asked.headers["access-control-allow-origin"] == "https://forum.example"
        assert "x-api-key" in asked.headers["access-control-allow-headers"].lower()
        answer = classify(client, origin="https://forum.example")
        assert answer.headers["access-control-allow-origin"] == "https://forum.example"
        refusal = client.post("/v1/classify", content=b"", headers={"origin": "https://forum.example"})
        assert refusal.headers["access-control-allow-origin"] == "https://forum.example"  # a page may read why
        for response in (classify(client, origin="https://evil.example"), preflight(client, "https://evil.example")):
            assert "access-control-allow-origin" not in response.headers


def test_a_preflight_needs_no_key(bundles: dict[str, Path]) -> None:
    key = {"name": "forum", "sha256": hashlib.sha256(KEY.encode()).hexdigest()}
    with served(bundles, cors=["https://forum.example"], keys=[key]) as client:
        assert preflight(client, "https://forum.example").status_code == 200
        refused = classify(client, origin="https://forum.example")
        check_problem(refused, 401)
        assert refused.headers["access-control-allow-origin"] == "https://forum.example"
