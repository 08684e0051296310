"""What is installed decides what can be served: the base install says what it lacks, the serve extra is enough."""

import json
import socket
import subprocess
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

from base_install import BaseInstall
from waiting import PATIENCE

NOT_THERE = ["torch", "transformers", "scipy", "sklearn", "pandas", "onnx", "matplotlib", "datasets"]

PERSPECTIVE = {"comment": {"text": "kind day"}, "requestedAttributes": {"TOXICITY": {}, "IDENTITY_ATTACK": {}}}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("install") / "odd")


def test_the_base_install_says_what_serving_needs(tmp_path: Path, bundle: Path) -> None:
    done = BaseInstall(tmp_path / "venv").foreshot("serve", bundle, "--port", 0)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("foreshot: ")
    assert done.stderr.endswith(" is not installed; this needs pip install 'foreshot[serve]'\n")
    assert done.stderr.count("\n") == 1


def test_the_serve_extra_is_enough_and_without_a_bundle_the_ready_model_answers(tmp_path: Path) -> None:
    install = BaseInstall(tmp_path / "venv", extras=["serve"])
    script = f"from importlib.util import find_spec; print([name for name in {NOT_THERE} if find_spec(name)])"
    assert install.run("-c", script).stdout.strip() == "[]"
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    command = [str(install.python), "-m", "foreshot", "serve", "--port", str(port)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=install.environment, **pipes) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith(f"ready at http://127.0.0.1:{port} ")
            connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            for method, path, body in (
                ("POST", "/v1/classify", {"texts": ["you absolute walnut"], "explain": True}),
                ("POST", "/v1alpha1/comments:analyze", PERSPECTIVE),
                *(("GET", path, None) for path in ("/", "/docs", "/docs/swagger-ui.css", "/openapi.json", "/metrics")),
            ):
                connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                assert response.status == 200, path
            connection.close()
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
