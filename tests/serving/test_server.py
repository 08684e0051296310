"""`foreshot serve` as a process: how it starts, refuses to start, answers under load, and ends."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from served import damaged, newer
from server_process import (
    ONE_BY_ONE,
    SLOW,
    ServerProcess,
    all_answer,
    beginning,
    config,
    exchange,
    gauge,
    raw_request,
    samples,
    serving,
)
from tiny_bundles import probabilities_of, tiny_bundle
from uvicorn import Config
from uvicorn.supervisors.multiprocess import SIGNALS

from cli_runs import run_process
from foreshot.serving import server as server_module
from foreshot.serving.observing import SHARED_FOLDER
from foreshot.serving.server import Plan, _Supervisor, serve
from waiting import PATIENCE, wait_until

RUDE = "you absolute walnut"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("served") / "odd")


@contextlib.contextmanager
def asked_in_threads(server: ServerProcess, bodies: list[Any]) -> Iterator[list["Future[Any]"]]:
    """Requests that run while the test goes on, once the first of their texts wait."""
    with ThreadPoolExecutor(len(bodies)) as pool:
        yield [pool.submit(server.ask, "POST", "/v1/classify", body) for body in bodies]


# ---- starting ----


def test_the_first_line_tells_the_address_which_answers_at_once(bundle: Path, tmp_path: Path) -> None:
    other = tiny_bundle(tmp_path / "pets", labels=["cat", "dog"])
    with serving([bundle, f"second={other}"]) as server:
        assert server.url.startswith("http://127.0.0.1:")
        answer = server.ask("POST", "/v1/classify", {"texts": [RUDE]})
        assert answer.json()["results"][0]["scores"]["toxic"] == pytest.approx(probabilities_of(RUDE)[1], abs=1e-6)
        names = [model["name"] for model in server.ask("GET", "/v1/models").json()["models"]]
        assert names == ["odd", "second"]
        assert "server" not in answer.headers
        assert b"application/problem+json" in exchange(server.address, b"hello\r\n\r\n")  # of our own protocol
        assert server.stop() == 0
        assert server.process.stdout
        assert server.process.stdout.read() == ""
        assert RUDE not in server.stderr()
        assert " 127.0.0.1 - POST /v1/classify 200 " in server.stderr()


def test_the_access_log_can_be_left_out(bundle: Path) -> None:
    with serving([bundle], "--no-access-log") as server:
        server.ask("POST", "/v1/classify", {"texts": [RUDE]})
        assert server.stop() == 0
        assert server.stderr() == ""


@pytest.mark.parametrize(("host", "open_to_all"), [("0.0.0.0", True), ("127.0.0.1", False)])
def test_who_lets_other_machines_ask_without_a_key_is_told_so(bundle: Path, host: str, open_to_all: bool) -> None:
    with serving([bundle], "--host", host) as server:
        assert ("foreshot new-key" in server.stderr()) == open_to_all


def test_a_config_file_is_kept_to(bundle: Path, tmp_path: Path) -> None:
    with serving([bundle], "--config", config(tmp_path, limits={"texts": 2})) as server:
        assert server.ask("POST", "/v1/classify", {"texts": [RUDE] * 2}).status == 200
        assert server.ask("POST", "/v1/classify", {"texts": [RUDE] * 3}).status == 422


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_it_listens_where_it_is_told_to(bundle: Path, host: str) -> None:
    with serving([bundle], "--host", host) as server:
        assert server.url.startswith("http://[::1]:" if host == "::1" else "http://localhost:")
        assert server.ask("GET", "/healthz").status == 200


def check_refused(*arguments: object, words: list[str]) -> None:
    done = run_process("serve", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("foreshot: ")
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_port_in_use_is_one_line(bundle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        check_refused(bundle, "--port", port, words=[f"127.0.0.1:{port}", "Address already in use", "--port"])


def test_a_port_that_was_just_given_up_can_be_used(bundle: Path) -> None:
    with serving([bundle]) as server:
        port = server.address[1]
        with socket.create_connection(server.address):  # the server's end is closed first, and waits for stragglers
            server.stop()
    with serving([bundle], "--port", port) as again:
        assert again.ask("GET", "/healthz").status == 200


@pytest.mark.parametrize(
    ("broken", "workers", "word"), [(damaged, 1, "SHA-256 differs"), (newer, 2, "upgrade Foreshot")]
)
def test_a_bundle_that_cannot_be_served_is_one_line(
    tmp_path: Path, broken: Callable[[Path], Path], workers: int, word: str
) -> None:
    folder = broken(tiny_bundle(tmp_path / "odd"))
    check_refused(folder, "--port", 0, "--workers", workers, words=[str(folder), word])


def test_what_else_cannot_be_started_is_one_line(bundle: Path, tmp_path: Path) -> None:
    check_refused(tmp_path / "nowhere", "--port", 0, words=["nowhere: no such folder"])
    check_refused(bundle, "--port", 0, "--host", "no.such.host.invalid", words=["no.such.host.invalid", "no such host"])
    check_refused(bundle, "--port", 0, "--host", "203.0.113.7", words=["203.0.113.7", "can't be served on"])
    check_refused(bundle, "--port", 0, "--config", config(tmp_path, limits={"texts": 0}), words=["limits.texts"])


def test_a_folder_of_metrics_that_is_none_is_one_line(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path / "nowhere"))
    check_refused(bundle, "--port", 0, words=[SHARED_FOLDER, "nowhere", "unset"])
    monkeypatch.setenv(SHARED_FOLDER, str(tmp_path))
    with serving([bundle]) as server:
        assert samples(server, "foreshot_queue_texts") == 0
        assert list(tmp_path.glob("counter_*.db"))


def test_metrics_that_a_killed_server_left_are_removed_by_the_next_one(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    of_the_user = {tmp_path / "foreshot-metrics-standard", tmp_path / ".foreshot-metrics-of-mine"}
    for folder in of_the_user:
        folder.mkdir()

    def made() -> set[Path]:
        return set(tmp_path.glob("*foreshot-metrics-*")) - of_the_user

    with serving([bundle], "--workers", 2) as killed:
        killed.stop(signal.SIGKILL)
    left = made()
    assert len(left) == 1
    with serving([bundle], "--workers", 2) as first:
        in_use = made()
        assert len(in_use) == 1
        assert not in_use & left
        with serving([bundle], "--workers", 2) as second:
            assert made() > in_use
            assert samples(first, "foreshot_queue_texts") == 0
            assert second.stop() == 0
        assert first.stop() == 0
    assert made() == set()
    assert all(folder.exists() for folder in of_the_user)


def test_a_signal_ends_it_while_models_are_loaded(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGINT):
        monkeypatch.setattr(
            server_module, "load_catalogue", lambda *_, number=number, **__: signal.raise_signal(number)
        )
        with pytest.raises(SystemExit) as ended:
            serve(Plan(folders={"odd": bundle}, port=0), ready=lambda _: pytest.fail("it isn't ready"))
        assert ended.value.code == 0
    assert signal.getsignal(signal.SIGTERM) is before


# ---- ending ----


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_told_to_stop_it_answers_what_runs_and_takes_no_more(
    bundle: Path, tmp_path: Path, number: int, workers: int
) -> None:
    limits = {**ONE_BY_ONE, "queue": 8_000}  # all of them, should one worker get them all
    with serving([bundle], "--config", config(tmp_path, limits=limits), "--workers", workers) as server:
        idle = socket.create_connection(server.address)
        with asked_in_threads(server, [SLOW] * 2 * workers) as running:
            wait_until(lambda: gauge(server) > 0, "nothing waits")
            server.process.send_signal(number)
            wait_until(lambda: not takes_connections(server), "it still takes connections")
            assert server.process.poll() is None
            assert not all(request.done() for request in running)
            answers = [request.result() for request in running]
        assert [(answer.status, len(answer.json()["results"])) for answer in answers] == [(200, 1_000)] * 2 * workers
        assert server.process.wait(timeout=PATIENCE) == 0
        assert idle.recv(1) == b""
        idle.close()
        assert "Traceback" not in server.stderr()


@pytest.mark.parametrize(
    "seconds", [0, 0.3, 1, *(pytest.param(moment, marks=pytest.mark.slow) for moment in (0.1, 0.6, 2))]
)
def test_ctrl_c_while_workers_start_ends_them_without_a_word(bundle: Path, seconds: float) -> None:
    """In a terminal each process gets it: those too that have only begun to load what they need."""
    with beginning([bundle], "--workers", 2) as server:
        wait_until(lambda: len(server.workers()) == 2, "there are no two workers")
        time.sleep(seconds)  # the moment is what is tested, whichever it is on this machine
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(timeout=PATIENCE) == 0
        assert server.stderr() == ""


def test_ctrl_c_ends_workers_that_answer(bundle: Path) -> None:
    with serving([bundle], "--workers", 2, "--no-access-log") as server:
        wait_until(lambda: all_answer(server, 2), "not both answer")
        alone, other = server.workers()
        os.kill(alone, signal.SIGINT)  # which it hears by itself
        wait_until(lambda: alone not in server.workers(), "it doesn't end")
        os.killpg(server.process.pid, signal.SIGINT)
        assert server.process.wait(timeout=PATIENCE) == 0
        assert not Path(f"/proc/{other}").exists()
        assert server.stderr() == ""


def takes_connections(server: ServerProcess) -> bool:
    try:
        with socket.create_connection(server.address, timeout=PATIENCE):
            return True
    except ConnectionRefusedError:
        return False


def test_what_does_not_end_in_time_is_told_so(bundle: Path, tmp_path: Path) -> None:
    limits = {**ONE_BY_ONE, "shutdown_seconds": 1, "body_bytes": 20_000_000, "text_length": 100_000}
    with serving([bundle], "--config", config(tmp_path, limits=limits)) as server:
        endless = {"texts": ["day " * 2_500] * 1_000}
        with asked_in_threads(server, [endless]) as running:
            wait_until(lambda: gauge(server) > 0, "nothing waits")
            server.process.send_signal(signal.SIGTERM)
            answer = running[0].result()
        assert answer.status == 503
        assert answer.json()["detail"] == "the server is stopping"
        assert server.process.wait(timeout=PATIENCE) == 0
        assert "Traceback" not in server.stderr()


# ---- clients that go, and too many of them ----


def test_the_work_of_a_client_that_is_gone_is_given_up(bundle: Path, tmp_path: Path) -> None:
    with serving([bundle], "--config", config(tmp_path, limits=ONE_BY_ONE)) as server:
        for _ in range(3):
            with socket.create_connection(server.address) as leaving:
                leaving.sendall(raw_request("POST", "/v1/classify", SLOW))
                wait_until(lambda: gauge(server) > 500, "nothing waits")
        wait_until(lambda: gauge(server) == 0, "it still computes for who is gone")
        answer = server.ask("POST", "/v1/classify", {"texts": [RUDE], "explain": True})
        assert answer.status == 200
        assert samples(server, "foreshot_batch_texts_sum") < 3_000
        assert samples(server, "foreshot_requests_total", path="/v1/classify", status="499") == 3


def test_a_full_queue_says_when_to_ask_again(bundle: Path, tmp_path: Path) -> None:
    options = ("--config", config(tmp_path, limits={**ONE_BY_ONE, "queue": 1_000}))
    with serving([bundle], *options) as server, asked_in_threads(server, [SLOW]) as running:
        wait_until(lambda: gauge(server) > 500, "nothing waits")
        answer = server.ask("POST", "/v1/classify", {"texts": [RUDE] * 600})
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert server.ask("POST", "/v1/classify", {"texts": [RUDE]}).status == 200  # a short one finds room
        assert running[0].result().status == 200


def test_many_clients_at_once_each_get_their_own_answer(bundle: Path) -> None:
    texts = [f"{'you ' * (number % 7)}{'fool ' * (number % 3)}" for number in range(120)]
    with serving([bundle]) as server, ThreadPoolExecutor(12) as pool:
        answers = pool.map(lambda text: server.ask("POST", "/v1/classify", {"texts": [text]}), texts)
        for text, answer in zip(texts, answers, strict=True):
            found = answer.json()["results"][0]["scores"]["toxic"]
            assert found == pytest.approx(probabilities_of(text)[1], abs=1e-6)


# ---- several workers ----


def test_workers_answer_together_count_together_and_are_replaced(bundle: Path, tmp_path: Path) -> None:
    options = ("--workers", 2, "--config", config(tmp_path, limits=ONE_BY_ONE))
    with serving([bundle], *options) as server:
        wait_until(lambda: all_answer(server, 2), "not both answer")
        before = samples(server, "foreshot_decisions_total")
        for _ in range(20):
            assert server.ask("POST", "/v1/classify", {"texts": [RUDE, "kind day"]}).status == 200
        assert samples(server, "foreshot_decisions_total") == before + 40
        killed, kept = server.workers()
        os.kill(kept, signal.SIGSTOP)  # so that the other one takes all of these
        with asked_in_threads(server, [SLOW] * 2) as running:
            wait_until(lambda: gauge(server) > 1_000, "nothing waits")
            os.kill(killed, signal.SIGKILL)
            os.kill(kept, signal.SIGCONT)
        assert all(isinstance(request.exception(), ConnectionError) for request in running)
        wait_until(lambda: len(server.workers()) == 2 and killed not in server.workers(), "it isn't replaced")
        assert kept in server.workers()
        assert gauge(server) == 0  # what waited for the one that was killed waits no more
        assert samples(server, "foreshot_decisions_total", decision="block") >= 20  # what it counted still counts
        assert server.stop() == 0
        assert not Path(f"/proc/{kept}").exists()
        assert "Traceback" not in server.stderr()


def test_a_worker_that_ends_while_it_is_asked_for_a_sign_is_not_waited_for() -> None:
    """Its pipe ends with it: nobody else holds its end open, which would have Ctrl-C wait for 30 seconds."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        supervisor = _Supervisor(Config("no.such:app", workers=2), sockets=[])
        supervisor.init_processes()
        for process in supervisor.processes:
            process.process.kill()
            process.join()
        assert all(process.parent_conn.poll(0) for process in supervisor.processes)
        assert not any(process.ping(timeout=0) for process in supervisor.processes)
        killed = list(supervisor.processes)
        supervisor.keep_subprocess_alive()
        assert not set(killed) & set(supervisor.processes)
        supervisor.terminate_all()
        supervisor.join_all()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
