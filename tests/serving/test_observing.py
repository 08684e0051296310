"""/metrics: what a server counts, read by Prometheus's own parser, against requests counted by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families
from served import make_bundles, served
from starlette.testclient import TestClient

from foreshot.serving.observing import SHARED_FOLDER


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_bundles(tmp_path_factory.mktemp("observing"))


@pytest.fixture
def client(bundles: dict[str, Path]) -> Iterator[TestClient]:
    with served(bundles, limits={"batch": 4}) as client:
        yield client


def samples(client: TestClient, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name by the values of their labels, sorted by the labels' names."""
    text = client.get("/metrics").text
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_the_format_is_prometheus_text(client: TestClient) -> None:
    response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    names = {family.name for family in text_string_to_metric_families(response.text)}
    assert names >= {
        "foreshot_requests", "foreshot_request_seconds", "foreshot_batch_texts", "foreshot_queue_texts",
        "foreshot_decisions",
    }  # fmt: skip


def test_answers_are_counted_by_path_method_and_status(client: TestClient) -> None:
    for texts in (["kind day"], ["kind day"], []):
        client.post("/v1/classify", json={"texts": texts})
    client.post("/v1/classify", json={"texts": [""], "model": "nope"})
    client.get("/v1/classify")
    client.get("/v1/models")
    client.get("/")
    assert samples(client, "foreshot_requests_total") == {
        ("POST", "/v1/classify", "200"): 2,
        ("POST", "/v1/classify", "422"): 1,
        ("POST", "/v1/classify", "404"): 1,
        ("GET", "/v1/classify", "405"): 1,
        ("GET", "/v1/models", "200"): 1,
        ("GET", "/", "200"): 1,
    }
    assert samples(client, "foreshot_request_seconds_count")["/v1/classify",] == 5


def test_paths_and_methods_of_strangers_make_no_series_of_their_own(client: TestClient) -> None:
    for number in range(20):
        client.get(f"/stranger/{number}")
        client.request(f"BREW{number}", "/")
        client.get(f"/static/{number}.js")
    found = samples(client, "foreshot_requests_total")
    assert len(found) <= 4, found
    assert sum(found.values()) == 60


def test_decisions_are_counted_by_model(client: TestClient) -> None:
    client.post("/v1/classify", json={"texts": ["you fool", "kind day", "thank you"]})
    client.post("/v1/classify", json={"texts": ["you fool", "kind day"], "model": "pets"})
    assert samples(client, "foreshot_decisions_total") == {
        ("block", "odd"): 1, ("allow", "odd"): 2, ("dog", "pets"): 1, ("cat", "pets"): 1,
    }  # fmt: skip


def test_texts_that_lack_a_word_are_computed_and_are_no_decisions(client: TestClient) -> None:
    client.post("/v1/classify", json={"texts": ["you absolute walnut"], "explain": True})
    assert samples(client, "foreshot_decisions_total") == {("block", "odd"): 1}
    assert samples(client, "foreshot_batch_texts_sum")["odd",] == 1 + 3
    assert samples(client, "foreshot_batch_texts_count")["odd",] == 2


def test_batches_and_their_sizes_are_counted(client: TestClient) -> None:
    client.post("/v1/classify", json={"texts": ["a"] * 10})  # in batches of 4, 4 and 2
    assert samples(client, "foreshot_batch_texts_sum") == {("odd",): 10, ("careful",): 0, ("pets",): 0}
    assert samples(client, "foreshot_batch_texts_bucket")["2.0", "odd"] == 1
    assert samples(client, "foreshot_batch_texts_bucket")["4.0", "odd"] == 3


def test_nothing_waits_when_all_is_answered(client: TestClient) -> None:
    client.post("/v1/classify", json={"texts": ["a"] * 10})
    assert samples(client, "foreshot_queue_texts") == {("odd",): 0, ("careful",): 0, ("pets",): 0}


def test_two_applications_count_apart(bundles: dict[str, Path]) -> None:
    with served(bundles) as first, served(bundles) as second:
        first.get("/v1/models")
        assert samples(second, "foreshot_requests_total") == {}


def test_files_of_workers_that_begin_or_of_other_programs_are_no_failure(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "counter_1.db").touch()  # made, and not yet written to
    (tmp_path / "gauge_livesum_other.db").touch()
    written = MmapedDict(str(tmp_path / "counter_2.db"))
    written.write_value(mmap_key("seen_total", "seen_total", [], [], "Seen."), 3.0, 0.0)
    written.close()
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path))
    assert samples(client, "seen_total") == {(): 3.0}


# ---- health ----


def test_a_server_says_that_it_lives_and_is_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_a_server_whose_models_do_not_compute_is_not_ready(bundles: dict[str, Path]) -> None:
    with served(bundles) as running:
        asleep = TestClient(running.app)  # not entered: nothing was started in its event loop
        assert running.get("/readyz").status_code == 200
    response = asleep.get("/readyz")
    assert response.status_code == 503
    assert response.json()["detail"] == "odd doesn't compute"
    assert asleep.get("/healthz").status_code == 200
