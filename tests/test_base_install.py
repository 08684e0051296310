"""The base install is enough for a deployed model: nothing of the train extra is there, and all of it works."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from packaging.utils import canonicalize_name
from tiny_bundles import tiny_bundle

import foreshot
from base_install import BaseInstall

TRAIN_EXTRA = [
    *("accelerate", "captum", "datasets", "matplotlib", "onnx", "onnxscript", "pandas", "peft", "psutil"),
    *("safetensors", "scipy", "sklearn", "torch", "transformers"),
]
TEXT = "you absolute walnut"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> BaseInstall:
    return BaseInstall(tmp_path_factory.mktemp("base") / "venv")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("base-bundle") / "bundle")


def check_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("foreshot: ")
    for word in words:
        assert word in done.stderr


# ---- what is there ----


def test_nothing_of_the_train_extra_is_there(base: BaseInstall) -> None:
    script = f"from importlib.util import find_spec; print([name for name in {TRAIN_EXTRA} if find_spec(name)])"
    assert base.run("-c", script).stdout.strip() == "[]"
    also = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert also.stdout.strip() == str(TRAIN_EXTRA)  # else this environment couldn't tell


def test_what_is_declared_is_there(base: BaseInstall) -> None:
    script = "from importlib.metadata import distributions; print(*(one.name for one in distributions()))"
    names = {canonicalize_name(name) for name in base.run("-c", script).stdout.split()}
    assert names == {"foreshot", *base.distributions}
    assert names >= {"numpy", "onnxruntime", "tokenizers", "pydantic", "markupsafe"}  # the last for jinja2


# ---- the ready model ----

WITHOUT_NETWORK = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        raise SystemExit(f"{event} {arguments}")

sys.addaudithook(refuse)
sys.argv = ["foreshot", *sys.argv[1:]]
from foreshot.cli import main
main()
"""
"""The command line, ended as soon as it asks another machine for anything."""


def test_without_a_network_the_ready_model_scores_at_once(base: BaseInstall, tmp_path: Path) -> None:
    script = tmp_path / "without_network.py"
    script.write_text(WITHOUT_NETWORK, encoding="utf-8")
    texts = ["you are worth nothing", "thank you, that was kind of you"]
    done = base.run(script, "predict", *texts, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("foreshot: the ready model answers: ")
    assert done.stderr.count("\n") == 1
    rude, kind = (json.loads(line) for line in done.stdout.splitlines())
    assert rude["scores"]["toxicity"] > kind["scores"]["toxicity"]
    assert "hate" in rude["scores"]
    table = tmp_path / "comments.csv"
    table.write_text("text\n" + "\n".join(f'"{text}"' for text in texts) + "\n", encoding="utf-8")
    scored = base.run(script, "predict", "ready", table, "--out", tmp_path / "scored.csv", cwd=tmp_path)
    assert scored.returncode == 0, scored.stderr
    assert len((tmp_path / "scored.csv").read_text(encoding="utf-8").splitlines()) == 3
    verified = base.run(script, "verify", "ready", cwd=tmp_path)
    assert verified.returncode == 0, verified.stderr


# ---- from Python ----


def test_a_bundle_is_loaded_and_scores(base: BaseInstall, bundle: Path) -> None:
    script = (
        "import sys, json, foreshot; from dataclasses import asdict; "
        f"(found,) = foreshot.load(sys.argv[1])({TEXT!r}); print(json.dumps([foreshot.__version__, asdict(found)]))"
    )
    done = base.run("-c", script, bundle)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    version, found = json.loads(done.stdout)
    (here,) = foreshot.load(bundle)(TEXT)
    assert version == foreshot.__version__
    assert found["label"] == here.label
    assert found["scores"] == pytest.approx(here.scores, abs=1e-6)


# ---- check ----


def test_check_prints_a_table(base: BaseInstall, bundle: Path) -> None:
    done = base.foreshot("check", bundle, "--suite", "builtin")
    assert done.returncode == 0, done.stderr
    assert "2,150 cases" in done.stdout
    assert "contrast pairs, both right" in done.stdout
    assert "evasion: homoglyphs" in done.stdout


def test_check_finds_what_it_finds_with_the_train_extra(base: BaseInstall, bundle: Path, tiny_suite: Path) -> None:
    done = base.foreshot("check", bundle, "--suite", tiny_suite, "--json")
    assert done.returncode == 0, done.stderr
    expected = foreshot.check(bundle, str(tiny_suite))
    assert foreshot.Checked.model_validate_json(done.stdout) == expected
    assert expected.result.accuracy.value == 4 / 6


def test_check_is_a_gate(base: BaseInstall, bundle: Path, tiny_suite: Path, tmp_path: Path) -> None:
    passed = base.foreshot("check", bundle, "--suite", tiny_suite, "--fail-under", "0.66", "--json")
    assert passed.returncode == 0, passed.stderr
    failed = base.foreshot("check", bundle, "--suite", tiny_suite, "--fail-under", "0.67")
    assert failed.returncode == 1
    assert "all cases: 66.7% right, under 67.0%" in failed.stderr
    earlier = tmp_path / "earlier.json"
    earlier.write_text(passed.stdout, encoding="utf-8")
    assert base.foreshot("check", bundle, "--suite", tiny_suite, "--baseline", earlier).returncode == 0


def test_a_model_folder_needs_the_train_extra(base: BaseInstall, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    check_one_line(base.foreshot("check", tmp_path), str(tmp_path), "is no bundle", "pip install 'foreshot[train]'")


def test_compare_needs_the_train_extra(base: BaseInstall, tmp_path: Path) -> None:
    check_one_line(base.foreshot("compare", "--demo", "--runs", tmp_path / "runs"), "pip install 'foreshot[train]'")
    assert not (tmp_path / "runs").exists()


# ---- explain ----


def test_explain_finds_what_it_finds_with_the_train_extra(base: BaseInstall, bundle: Path, tmp_path: Path) -> None:
    done = base.foreshot("explain", bundle, TEXT, "--json")
    assert done.returncode == 0, done.stderr
    (expected,) = foreshot.explain(bundle, TEXT)
    assert json.loads(done.stdout) == {"text": TEXT, **expected.model_dump(mode="json")}
    page = tmp_path / "why.html"
    done = base.foreshot("explain", bundle, TEXT, "--html", page)
    assert done.returncode == 0, done.stderr
    assert "walnut</mark>" in page.read_text(encoding="utf-8")
    folder = tmp_path / "model"
    folder.mkdir()
    check_one_line(base.foreshot("explain", folder, TEXT), "is no bundle", "pip install 'foreshot[train]'")


# ---- predict and verify ----


def test_predict_scores_texts_files_and_streams(base: BaseInstall, bundle: Path, tmp_path: Path) -> None:
    assert "toxic" in base.foreshot("predict", bundle, TEXT).stdout
    table = tmp_path / "comments.csv"
    table.write_text(f"id,comment\n7,{TEXT}\n8,thank you\n", encoding="utf-8")
    scored = tmp_path / "scored.parquet"
    done = base.foreshot("predict", bundle, table, "--text", "comment", "--out", scored)
    assert done.returncode == 0, done.stderr
    found = pq.read_table(scored)
    assert found.column_names[:3] == ["id", "comment", "label"]
    here = foreshot.load(bundle)([TEXT, "thank you"])
    assert found["label"].to_pylist() == [prediction.label for prediction in here]
    assert found["decision"].to_pylist() == [prediction.decision for prediction in here]
    streamed = base.foreshot("predict", bundle, "-", input=f"{TEXT}\nthank you\n")
    lines = [json.loads(line) for line in streamed.stdout.splitlines()]
    assert [line["label"] for line in lines] == [prediction.label for prediction in here]


def test_verify_finds_a_whole_and_a_changed_bundle(base: BaseInstall, bundle: Path, tmp_path: Path) -> None:
    done = base.foreshot("verify", bundle)
    assert done.returncode == 0, done.stderr
    assert "model.onnx" in done.stdout
    changed = tmp_path / "changed"
    shutil.copytree(bundle, changed)
    graph = changed / "model.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    check_one_line(base.foreshot("verify", changed), "model.onnx", "SHA-256")
