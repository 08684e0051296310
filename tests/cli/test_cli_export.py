"""`foreshot export` and `foreshot verify` as commands: what they print, leave behind and refuse, in one line each."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli_runs import contents
from foreshot.exporting import export as exporting
from foreshot.exporting import proving, subject
from foreshot.runtime.bundle import FP32_GRAPH, INT8_GRAPH, MANIFEST_FILE

Foreshot = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("graphs_exported_once")
LORA = "students/odd-lora/seed-0"


@pytest.fixture(scope="module")
def exported(
    finished_run: Path, foreshot: Foreshot, tmp_path_factory: pytest.TempPathFactory, graphs_exported_once: None
) -> tuple[Path, Any]:
    """The bundle of a run, and what the command said."""
    bundle = tmp_path_factory.mktemp("cli-export") / "deep" / "bundle"
    return bundle, foreshot("export", finished_run, "--out", bundle)


@pytest.fixture
def ready_graph(exported: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The teacher's graph in 32 bits, instead of exporting it again."""
    content = (exported[0] / FP32_GRAPH).read_bytes()
    monkeypatch.setattr(proving, "to_onnx", lambda model: content)


def check_refused(done: Any, *complaints: str, code: int = 2) -> None:
    assert done.exit_code == code, done.stdout + done.stderr
    assert done.stderr.startswith("foreshot: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr[:-1].isprintable()
    for complaint in complaints:
        assert complaint in done.stderr


def test_a_run_becomes_a_bundle(exported: tuple[Path, Any], finished_run: Path) -> None:
    bundle, done = exported
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("no student is recommended, so the teacher is exported: ")
    assert lines[1] == f"asking {finished_run / 'teacher'} about 44 texts …"
    assert [line for line in lines if "decisions equal, largest difference of a probability" in line] == [
        line for line in lines if line.startswith((f"{FP32_GRAPH}: 0.", f"{INT8_GRAPH}: 0."))
    ]
    assert lines[-1] == f"bundle: {bundle} ({INT8_GRAPH} and {FP32_GRAPH})"
    assert json.loads((bundle / MANIFEST_FILE).read_text(encoding="utf-8"))["name"] == "whole/teacher"
    assert [path.name for path in bundle.parent.iterdir()] == ["bundle"]


def test_what_was_exported_verifies_and_predicts(exported: tuple[Path, Any], foreshot: Foreshot) -> None:
    bundle, _ = exported
    verified = foreshot("verify", bundle)
    assert verified.exit_code == 0, verified.stderr
    assert verified.stdout.splitlines()[0] == f"{bundle}: 5 files are as they were exported"
    assert verified.stdout.count("as at export (largest difference ") == 2
    predicted = foreshot(
        "predict", bundle, "--json", "the stupid cook read this page", "the lovely cook read this page"
    )
    assert predicted.exit_code == 0, predicted.stderr
    assert [json.loads(line)["label"] for line in predicted.stdout.splitlines()] == ["toxic", "benign"]


@pytest.mark.usefixtures("ready_graph")
@pytest.mark.parametrize(
    ("bits", "graphs"), [("32", [FP32_GRAPH]), ("8", [INT8_GRAPH]), (" 8 ,32", [INT8_GRAPH, FP32_GRAPH])]
)
def test_the_graphs_that_are_asked_for(
    finished_run: Path, foreshot: Foreshot, tmp_path: Path, bits: str, graphs: list[str]
) -> None:
    done = foreshot("export", finished_run / "teacher", "--out", tmp_path / "bundle", "--bits", bits)
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "bundle").glob("*.onnx")) == sorted(graphs)
    assert done.stdout.splitlines()[-1] == f"bundle: {tmp_path / 'bundle'} ({' and '.join(graphs)})"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--bits", "4"], "--bits 4: must be 32, 8, or both by comma"),
        (["--bits", ""], "--bits : must be 32, 8, or both by comma"),
        (["--bits", "32,\x1b[31m"], "--bits 32,\\u001b[31m: must be"),
        (["--positive", "purple"], "--positive purple: is no class of"),
        (["--suite-label", "toxic"], "--suite-label toxic: must be name=value"),
        (["--suite", "nowhere.csv"], "nowhere.csv"),
        (["--rows", "nowhere.csv"], "nowhere.csv"),
        (["--least-rows", "5"], "--least-rows: says what --trim-vocabulary leaves; ask for that, too"),
        (["--trim-vocabulary", "--keep-words", "nowhere.txt"], "nowhere.txt"),
        (["--about", "nowhere.md"], "--about nowhere.md: can't be read"),
        (["--licence", "[mit]"], "--licence '[mit]': must be a name that the hub knows, such as en or cc-by-4.0"),
    ],
)
def test_settings_that_make_no_sense(
    finished_run: Path, foreshot: Foreshot, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    check_refused(foreshot("export", finished_run / "teacher", "--out", tmp_path / "b", *arguments), complaint)
    assert not list(tmp_path.iterdir())


def test_models_that_are_none(finished_run: Path, foreshot: Foreshot, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "bundle"]
    check_refused(foreshot("export", finished_run / LORA / "adapter", *out), "is a LoRA adapter alone; name the folder")
    check_refused(foreshot("export", finished_run / "data", *out), "is no model of the run", "they are teacher, ")
    check_refused(foreshot("export", "some-org/some-model", *out), "some-org/some-model: no such folder, not in the lo")
    check_refused(
        foreshot("export", "no/such/\x1b[31m\u202efolder", *out), "no/such/\\u001b[31m\\u202efolder: no such "
    )
    check_refused(foreshot("export", tmp_path, *out), "has no config.json")
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_not_finished(finished_run: Path, foreshot: Foreshot, tmp_path: Path) -> None:
    run = shutil.copytree(finished_run, tmp_path / "half")
    (run / "results.json").unlink()
    for model in (run, run / "teacher"):
        done = foreshot("export", model, "--out", tmp_path / "bundle")
        check_refused(done, f"{run}: isn't finished; go on with: foreshot compare {run}")
    assert not (tmp_path / "bundle").exists()


def test_a_place_that_is_taken(finished_run: Path, foreshot: Foreshot, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "SHA256SUMS").write_text("mine", encoding="utf-8")
    before = contents(tmp_path)
    check_refused(
        foreshot("export", finished_run, "--out", tmp_path / "mine"), "exists and is not a bundle (it has no "
    )
    check_refused(foreshot("export", finished_run, "--out", tmp_path / "mine" / "SHA256SUMS"), "can't hold a bundle")
    check_refused(foreshot("export", finished_run, "--out", finished_run), "holds data, which is no part of a bundle")
    assert contents(tmp_path) == before


# ---- what stops half way ----


@pytest.mark.usefixtures("ready_graph")
def test_ctrl_c_leaves_the_old_bundle(
    exported: tuple[Path, Any], finished_run: Path, foreshot: Foreshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    shutil.copytree(exported[0], tmp_path / "bundle")
    before = contents(tmp_path)
    for place, step in ((exporting, "card"), (subject, "model_outputs")):
        monkeypatch.setattr(place, step, interrupted)
        done = foreshot("export", finished_run / "teacher", "--out", tmp_path / "bundle", "--bits", "32")
        check_refused(done, "foreshot: stopped before anything was written", code=130)
        assert contents(tmp_path) == before


@pytest.mark.usefixtures("ready_graph")
@pytest.mark.parametrize("file", [FP32_GRAPH, "tokenizer.json", MANIFEST_FILE, "README.md", "SHA256SUMS"])
def test_a_full_disk_leaves_the_old_bundle(
    exported: tuple[Path, Any],
    finished_run: Path,
    foreshot: Foreshot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file: str,
) -> None:
    """The disk may turn out to be full only when a file is synced."""
    sync = os.fsync

    def full(descriptor: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.lstrip(".").startswith(file):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    bundle = tmp_path / "bundle"
    shutil.copytree(exported[0], bundle)
    before = contents(tmp_path)
    monkeypatch.setattr("os.fsync", full)
    done = foreshot("export", finished_run / "teacher", "--out", bundle, "--bits", "32")
    check_refused(done, f"{bundle}: No space left on device")
    assert contents(tmp_path) == before
