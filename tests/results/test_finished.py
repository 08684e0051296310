"""What a run knows about its models: every fact as results.json has it, and folders that are no model of a run."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli_runs import make_comments
from foreshot.errors import RunFolderError
from foreshot.results.finished import find_in_run, run_of, to_ship

LORA = "students/lora/seed-0"


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(finished_run, tmp_path / "runs" / "whole"))


def results_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "results.json").read_text(encoding="utf-8"))
    return found


def change_results(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    results = results_of(run)
    change(results)
    (run / "results.json").write_text(json.dumps(results), encoding="utf-8")


@pytest.mark.parametrize("folder", ["teacher", "students/odd/seed-0", LORA, "students/odd-lora/seed-0"])
def test_a_models_facts_are_those_of_results_json(finished_run: Path, folder: str) -> None:
    found = find_in_run(finished_run / folder)
    results = results_of(finished_run)
    (model,) = [model for model in results["models"] if model["folder"] == folder]
    origin = found.origin()
    assert {name: origin[name] for name in ("recipe", "layer_map", "seed")} == {
        name: model[name] for name in ("recipe", "layer_map", "seed")
    }
    assert found.metrics() == {
        name: model["test"][name] for name in ("accuracy", "macro_f1", "mcc", "auroc", "average_precision")
    }
    assert origin["run"] == "whole"
    assert origin["teacher"] == "whole/teacher"
    assert origin["encoder"] == results["encoder"]["name"]
    assert origin["data_fingerprint"] == results["data"]["fingerprint"]
    assert origin["training_rows"] == results["data"]["parts"]["train"]["rows"] == 140
    verdicts = {student["model"]: student for student in results["verdict"]["students"]}
    assert origin["verdict"] == (verdicts[model["model"]]["kind"] if folder != "teacher" else None)
    assert list(origin["verdict_reasons"]) == (verdicts[model["model"]]["reasons"] if folder != "teacher" else [])
    assert found.positive == results["data"]["positive"] == "toxic"


def test_a_mended_student_names_the_teacher_that_it_learnt_from(run: Path) -> None:
    change_results(run, lambda results: results.update(mending={"references": {"lora": "teacher-mended"}, "twins": []}))
    assert find_in_run(run / LORA).origin()["teacher"] == "whole/teacher-mended"
    assert find_in_run(run / "students/odd/seed-0").origin()["teacher"] == "whole/teacher"


def test_the_metrics_of_each_label_are_those_of_results_json(run: Path) -> None:
    calibration = {"expected_calibration_error": 0.1, "brier": 0.1, "bins": []}
    facts = {
        **{"support": 31, "auroc": None, "average_precision": 0.4, "precision": 0.5, "recall": 0.6, "f1": 0.7},
        **{"macro_f1": 0.8, "decision": {"policy": "argmax"}},
        **dict.fromkeys(("calibration", "calibration_after_scaling"), calibration),
    }
    assert find_in_run(run / LORA).label_metrics() is None

    def add_labels(results: dict[str, Any]) -> None:
        (model,) = [model for model in results["models"] if model["folder"] == LORA]
        model["labels"] = [{"name": "toxic", **facts, "auroc": 0.9}, {"name": "threat", **facts}]

    change_results(run, add_labels)
    others = {"average_precision": 0.4, "f1": 0.7, "precision": 0.5, "recall": 0.6}
    assert find_in_run(run / LORA).label_metrics() == {
        "toxic": {"auroc": 0.9, **others},
        "threat": {"auroc": None, **others},
    }


def test_layers_by_hand(finished_run: Path) -> None:
    """Of four layers, counted from 1, the odd ones are two."""
    maps = {name: find_in_run(finished_run / name).origin()["layer_map"] for name in ("students/odd/seed-0", LORA)}
    assert maps == {"students/odd/seed-0": [1, 3], LORA: [1, 2, 3, 4]}


def test_validation_texts_are_the_runs_own(finished_run: Path) -> None:
    texts = find_in_run(finished_run / "teacher").texts("validation")
    assert len(texts) == 20  # a tenth of 200
    assert set(texts) < {text for text, _ in make_comments()}
    assert not set(texts) & set(pq.read_table(finished_run / "data" / "train.parquet").column("text").to_pylist())


def test_the_suite_is_the_runs(finished_run: Path, run: Path, suite: Path) -> None:
    assert find_in_run(finished_run / "teacher").suite == str(suite)
    change_results(run, lambda results: results["suite"].update(name="builtin"))
    assert find_in_run(run / "teacher").suite == "builtin"
    change_results(run, lambda results: results.update(suite=None))
    assert find_in_run(run / "teacher").suite is None


def test_a_model_is_known_by_any_way_to_its_folder(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(finished_run / "students")
    assert find_in_run(Path("lora/seed-0")).model.folder == LORA
    assert find_in_run(Path("../teacher/../students/lora/seed-0/")).model.folder == LORA
    (tmp_path / "link").symlink_to(finished_run / LORA)
    assert find_in_run(tmp_path / "link").model.folder == LORA


def test_a_model_outside_any_run_has_none(finished_run: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(finished_run / "teacher", tmp_path / "alone"))
    assert run_of(alone) is None
    assert find_in_run(alone) is None
    assert run_of(tmp_path / "nowhere") is None


@pytest.mark.parametrize("folder", ["data", "targets", "students", "students/odd"])
def test_a_folder_of_a_run_that_is_no_model(finished_run: Path, folder: str) -> None:
    with pytest.raises(RunFolderError, match=rf"{folder}: is no model of the run .*/whole; they are teacher, students"):
        find_in_run(finished_run / folder)


# ---- what is shipped ----


def test_the_teacher_is_shipped_where_no_student_is_recommended(run: Path) -> None:
    """One seed is too few for a verdict."""
    folder, why = to_ship(run)
    assert folder == run / "teacher"
    assert why == f"no student is recommended, so the teacher is exported: {results_of(run)['verdict']['headline']}"


def test_the_recommended_student_is_shipped(run: Path) -> None:
    verdict = {"kind": "recommended", "recommended": "odd", "folder": "students/odd/seed-0", "headline": "ship odd"}
    change_results(run, lambda results: results["verdict"].update(verdict))
    assert to_ship(run) == (run / "students/odd/seed-0", "ship odd")


# ---- what is damaged ----


@pytest.mark.parametrize("ask", [to_ship, lambda run: find_in_run(run / "teacher")])
def test_a_run_that_is_not_finished(run: Path, ask: Callable[[Path], Any]) -> None:
    (run / "results.json").unlink()
    with pytest.raises(RunFolderError, match=r"whole: isn't finished; go on with: foreshot compare .*whole$"):
        ask(run)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"models": []}', b"\xff\xfe", b"[" * 50_000])
def test_results_that_can_not_be_read(run: Path, content: bytes) -> None:
    (run / "results.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"results\.json: can't be read by this version; run it again$"):
        to_ship(run)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b"PAR1"),
        lambda path: pq.write_table(pa.table({"comment": ["a"]}), path),
        lambda path: pq.write_table(pa.table({"text": pa.nulls(10_000_001, pa.string())}), path),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
    ids=["missing", "damaged", "other columns", "ten million rows", "a pipe"],
)
def test_validation_rows_that_can_not_be_read(run: Path, damage: Callable[[Path], Any]) -> None:
    damage(run / "data" / "validation.parquet")
    with pytest.raises(RunFolderError, match=r"validation\.parquet: [^\n]*; run it again$"):
        find_in_run(run / "teacher").texts("validation")
