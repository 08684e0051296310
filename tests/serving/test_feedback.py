"""Corrections: taken where a server is asked to keep them, whole and by the models' own labels, and not otherwise."""

import json
import os
import re
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from served import check_problem, make_bundles, served
from server_process import config, serving
from tiny_bundles import label_decisions, tiny_bundle

from cli_runs import run_process
from foreshot.files.journal import Journal, rotated
from foreshot.runtime.bundle import read_bundle
from foreshot.serving.settings import new_key
from waiting import wait_until

TEXT = "you absolute walnut"


def kept_in(file: Path) -> list[dict[str, Any]]:
    """All that a server has kept, the oldest first."""
    paths = (*rotated(file).values(), file)
    return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


def correction(text: str = TEXT, label: str = "benign", **more: Any) -> dict[str, Any]:
    return {"text": text, "label": label, **more}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    several = tiny_bundle(folder / "several", decisions=label_decisions("toxic", "insult", "threat"))
    return {**make_bundles(folder), "several": several}


def test_without_the_option_there_is_no_such_path_and_nothing_is_kept(bundles, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with served(bundles) as client:
        check_problem(client.post("/v1/feedback", json={"corrections": [correction()]}), 404, "nothing at this path")
        assert client.get("/v1/models").json()["feedback"] is False
        assert "/v1/feedback" not in client.get("/openapi.json").json()["paths"]
    assert list(tmp_path.iterdir()) == []


def test_corrections_are_kept_as_they_were_sent(bundles, tmp_path):
    file = tmp_path / "feedback.jsonl"
    began = datetime.now(UTC).replace(microsecond=0)
    with served(bundles, feedback={"file": str(file)}) as client:
        assert client.get("/v1/models").json()["feedback"] is True
        hostile = "<script>\n\u2028 “𝟙” \x07 {{7*7}}\x85"
        sent = [correction(said="toxic", id="c-17"), correction(hostile, "toxic")]
        answer = client.post("/v1/feedback", json={"corrections": sent})
        assert (answer.status_code, answer.json()) == (200, {"kept": 2, "model": "odd"})
        others = {"model": "pets", "corrections": [correction("a bark", "dog")]}
        assert client.post("/v1/feedback", json=others).json() == {"kept": 1, "model": "pets"}
    checksums = {name: f"sha256:{read_bundle(bundles[name]).checksum}" for name in ("odd", "pets")}
    first, second, third = kept_in(file)
    for line in (first, second, third):
        assert began <= datetime.fromisoformat(line.pop("when")) <= datetime.now(UTC)
    odd = {"source": "feedback", "model": "odd", "checksum": checksums["odd"]}
    assert first == {"text": TEXT, "label": "benign", "said": "toxic", "id": "c-17", **odd}
    assert second == {"text": hostile, "label": "toxic", **odd}
    assert third["label"] == "dog"
    assert (third["model"], third["checksum"]) == ("pets", checksums["pets"])


def test_of_a_model_with_several_labels_all_of_them_are_told_or_scores_of_some(bundles, tmp_path):
    file = tmp_path / "feedback.jsonl"
    with served({"several": bundles["several"]}, feedback={"file": str(file)}) as client:

        def send(**answer: Any) -> Any:
            return client.post("/v1/feedback", json={"corrections": [{"text": TEXT, **answer}]})

        for answer in ({"labels": ["toxic", "threat"]}, {"labels": []}, {"scores": {"insult": 0.25, "toxic": 1}}):
            assert send(**answer).status_code == 200
            assert answer.items() <= kept_in(file)[-1].items()
        for wrong in ({}, {"labels": [], "scores": {"toxic": 1}}):
            check_problem(send(**wrong), 422, "give either labels")
        check_problem(send(label="toxic"), 422, "label")
        check_problem(send(labels=["rude"]), 422, "corrections[0].labels[0]", "'toxic', 'insult' or 'threat'")
        check_problem(send(scores={"toxic": 1.5}), 422, "corrections[0].scores.toxic", "less than or equal to 1")
        check_problem(send(scores={"rude": 1}), 422, "scores")
        check_problem(send(scores={}), 422, "scores")
        assert len(kept_in(file)) == 3


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"corrections": [correction(label="rude")]}, 422, ["corrections[0].label", "'benign' or 'toxic'"]),
        ({"corrections": [correction(), correction(label="cat")]}, 422, ["corrections[1].label"]),
        ({"corrections": []}, 422, ["corrections"]),
        ({"corrections": [correction()] * 4}, 422, ["corrections", "at most 3"]),
        ({"corrections": [{"text": TEXT}]}, 422, ["corrections[0].label", "required"]),
        ({"corrections": [{"label": "toxic"}]}, 422, ["corrections[0].text", "required"]),
        ({"corrections": [correction("x" * 101)]}, 422, ["corrections[0].text", "at most 100"]),
        ({"corrections": [correction(" \n\t ")]}, 422, ["corrections[0].text"]),
        ({"corrections": [correction("a\0b")]}, 422, ["corrections[0].text"]),
        ({"corrections": [correction(id="x" * 201)]}, 422, ["corrections[0].id"]),
        ({"corrections": [correction(mood="bad")]}, 422, ["corrections[0].mood"]),
        ({"corrections": [correction()], "model": "even"}, 404, ["no model is called even", "odd, careful"]),
        ({"corrections": [correction()], "model": "pets"}, 422, ["'cat' or 'dog'"]),
        ({"corrections": [correction()], "model": 7}, 422, ["model"]),
        ([correction()], 422, ["the body"]),
        (b"{", 400, ["not JSON"]),
        (b'{"corrections": [{"text": "\\ud83d", "label": "toxic"}]}', 400, ["not JSON"]),
    ],
)
def test_what_is_wrong_is_said_and_nothing_of_the_request_is_kept(bundles, tmp_path, body, status, words):
    file = tmp_path / "feedback.jsonl"
    limits = {"texts": 3, "text_length": 100}
    with served(bundles, feedback={"file": str(file)}, limits=limits) as client:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = client.post("/v1/feedback", content=content, headers={"Content-Type": "application/json"})
        check_problem(answer, status, *words)
        assert TEXT not in answer.text
        check_problem(client.post("/v1/feedback", content=b"{}", headers={"Content-Type": "text/plain"}), 415)
    assert not file.exists()


def test_when_all_files_are_full_or_the_disk_is_a_problem_says_so_and_what_was_kept_stays(
    bundles, tmp_path, monkeypatch, caplog
):
    file = tmp_path / "feedback.jsonl"
    body = {"corrections": [correction("x" * 500)] * 2}
    with served(bundles, feedback={"file": str(file), "file_bytes": 1_000, "files": 2}) as client:
        for _ in range(2):
            assert client.post("/v1/feedback", json=body).status_code == 200
        before = [path.read_bytes() for path in (file, *rotated(file).values())]
        check_problem(client.post("/v1/feedback", json=body), 507, "all files are full")
        assert [path.read_bytes() for path in (file, *rotated(file).values())] == before
        for number, status, words in ((28, 507, "the disk is full"), (5, 500, "the file can't be written")):

            def fail(_: Journal, lines: list[str], number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            monkeypatch.setattr(Journal, "append", fail)
            check_problem(client.post("/v1/feedback", json=body), status, words)
    assert "xxx" not in caplog.text


# ---- real processes ----


@pytest.fixture
def odd(bundles: dict[str, Path]) -> Path:
    return bundles["odd"]


def test_several_workers_keep_whole_lines_and_a_new_model_goes_on_in_the_same_file(odd, tmp_path):
    file = tmp_path / "kept" / "feedback.jsonl"
    file.parent.mkdir()
    key, lines = new_key("forum")
    digest = re.search("[0-9a-f]{64}", lines)
    assert digest
    settings = config(
        tmp_path, keys=[{"name": "forum", "sha256": digest[0]}], feedback={"file_bytes": 3_000, "files": 500}
    )
    clients, requests = 6, 25
    with serving([odd], "--config", settings, "--feedback", file, "--workers", 2) as server:
        wait_until(lambda: len(server.workers()) == 2, "the workers don't start")
        assert server.ask("POST", "/v1/feedback", {"corrections": [correction()]}).status == 401

        def send(who: int) -> None:
            for number in range(requests):
                body = {"corrections": [correction(f"{who}/{number}/{half} {'x' * 200}") for half in (0, 1)]}
                answer = server.ask("POST", "/v1/feedback", body, **{"X-API-Key": key})
                assert answer.status == 200, answer.content
                if (who, number) == (0, requests // 2):
                    os.kill(server.process.pid, signal.SIGHUP)

        threads = [threading.Thread(target=send, args=(who,)) for who in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: server.stderr().count("were read again") == 2, "the models aren't read again")
        assert f"corrections are kept with their texts: {file}" in server.stderr()
        assert "at most 500 files of 0.003 MB" in server.stderr()
        assert "xxx" not in server.stderr()  # no text in the log
    found = kept_in(file)
    places = [line["text"].split()[0] for line in found]
    assert sorted(places) == sorted(
        f"{a}/{b}/{half}" for a in range(clients) for b in range(requests) for half in (0, 1)
    )
    assert all(one[:-1] == other[:-1] for one, other in zip(places[::2], places[1::2], strict=True))
    assert {line["by"] for line in found} == {"forum"}
    assert len(rotated(file)) > 10


def test_what_is_kept_outlives_a_server_that_is_killed(odd, tmp_path):
    file = tmp_path / "feedback.jsonl"
    for number in range(2):
        with serving([odd], "--feedback", file) as server:
            assert server.ask("POST", "/v1/feedback", {"corrections": [correction(f"text {number}")]}).status == 200
            server.stop(signal.SIGKILL)
    assert [line["text"] for line in kept_in(file)] == ["text 0", "text 1"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("feedback.csv", "a name that ends in .jsonl"),
        ("nowhere/feedback.jsonl", "No such file or directory"),
        ("folder.jsonl", "Is a directory"),
        ("pipe.jsonl", "is a pipe or a device"),
    ],
)
def test_a_file_that_can_not_be_written_stops_the_server_at_its_start(odd, tmp_path, name, words):
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    done = run_process("serve", odd, "--port", "0", "--feedback", tmp_path / name)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert f"{tmp_path / name}: --feedback" in done.stderr
    assert words in done.stderr


def test_the_first_line_says_that_texts_are_kept(odd, tmp_path):
    with serving([odd]) as server:
        assert "kept" not in server.said + server.stderr()
    with serving([odd], "--feedback", tmp_path / "feedback.jsonl") as server:
        assert server.said == f"odd at {server.url} (texts that are corrected are kept; Ctrl-C stops it)\n"
