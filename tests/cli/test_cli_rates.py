"""The rate that each student is trained at: seen at the optimizer, in what is recorded, and in what people read."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli_runs import UNJUDGED, weights_times

Foreshot = Callable[..., Any]
RATE = 0.002  # of the teacher, and of all that is matched
OWN = {"name": "own-lora", "layers": "last:1", "tuning": "lora", "objective": "labels", "init": "encoder"}
SMALL = ["--epochs", "1", *UNJUDGED]


@pytest.fixture
def optimised(trained_anew: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    """Of each training, as it begins: how many tensors the optimizer was given, and the rate of its first step."""
    import torch

    seen: list[tuple[int, float]] = []
    step = torch.optim.AdamW.step

    def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.state:
            group = self.param_groups[0]
            seen.append((len(group["params"]), group["lr"]))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    return seen


def results_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "results.json").read_text(encoding="utf-8"))


def rates_of(run: Path) -> dict[str, tuple[float, bool]]:
    return {
        model["model"]: (model["training"]["learning_rate"], model["training"]["matched"])
        for model in results_of(run)["models"]
    }


def test_named_lora_recipes_take_ten_times_the_rate_unless_all_are_matched(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, optimised: list[tuple[int, float]]
) -> None:
    run, recorded = tmp_path / "rates", tmp_path / "rates" / "experiment.yaml"
    command = ["compare", *asked, *SMALL, "--name", "rates", "--runs", tmp_path]
    done = foreshot(*command, "--recipes", "odd,lora,odd-lora")
    assert done.exit_code == 0, done.stderr
    assert [rate for _, rate in optimised] == [RATE, RATE, 10 * RATE, 10 * RATE]  # the teacher first
    assert rates_of(run) == {
        "teacher": (RATE, True), "odd": (RATE, True), "lora": (0.02, False), "odd-lora": (0.02, False),
    }  # fmt: skip
    assert "lora: layers {1, 2, 3, 4}, lora, labels, from the encoder, learning rate 0.02 (not matched: 10×)" in (
        done.stdout
    )
    assert re.search(r"\* not matched: .* instead of 0\.002: lora \(0\.02, 10×\), odd-lora \(0\.02, 10×\)", done.stdout)
    report = (run / "report.md").read_text(encoding="utf-8")
    assert "| lora (not matched: 10×) |" in report
    assert "| odd |" in report
    for page in ("report.html", "report.md"):
        assert "not matched: 10×" in (run / page).read_text(encoding="utf-8")

    optimised.clear()
    before = weights_times(run)
    done = foreshot("compare", run, "--matched")
    assert done.exit_code == 0, done.stderr
    assert [rate for _, rate in optimised] == [RATE, RATE]  # of lora and odd-lora alone
    changed = {name for name, time in weights_times(run).items() if before[name] != time}
    assert {name.split("/")[1] for name in changed} == {"lora", "odd-lora"}
    assert set(rates_of(run).values()) == {(RATE, True)}
    assert {model["recipe"]["learning_rate_factor"] for model in results_of(run)["models"][1:]} == {1}
    assert "not matched" not in done.stdout
    assert "not matched:" not in (run / "report.md").read_text(encoding="utf-8")
    settings = yaml.safe_load(recorded.read_text(encoding="utf-8"))
    assert settings["matched"] is True
    assert [recipe["learning_rate_factor"] for recipe in settings["recipes"]] == [1, 10, 10]

    # As a run of a version wrote it that knew no factors: all its recipes written out, trained at the one rate.
    del settings["matched"]
    for recipe in settings["recipes"]:
        del recipe["learning_rate_factor"]
    recorded.write_text(yaml.safe_dump(settings), encoding="utf-8")
    optimised.clear()
    done = foreshot("compare", run)
    assert done.exit_code == 0, done.stderr
    assert optimised == []
    assert set(rates_of(run).values()) == {(RATE, True)}


def test_a_recipe_that_is_written_out_is_trained_as_written(
    foreshot: Foreshot, asked: list[str], tmp_path: Path, optimised: list[tuple[int, float]]
) -> None:
    recipes = [
        OWN,
        {**OWN, "name": "thrice", "learning_rate_factor": 3},
        {**OWN, "name": "fixed", "learning_rate": 0.0005},
        {**OWN, "name": "same", "learning_rate": RATE},
    ]
    file = tmp_path / "written.yaml"
    file.write_text(yaml.safe_dump({"recipes": recipes}), encoding="utf-8")
    done = foreshot("compare", file, *asked, *SMALL, "--runs", tmp_path)
    assert done.exit_code == 0, done.stderr
    assert [rate for _, rate in optimised] == pytest.approx([RATE, RATE, 3 * RATE, 0.0005, RATE], rel=1e-12)
    report = (tmp_path / "written" / "report.md").read_text(encoding="utf-8")
    for name in ("own-lora", "thrice (not matched: 3×)", "fixed (not matched: 0.25×)", "same"):
        assert f"| {name} |" in report
    refused = foreshot("compare", tmp_path / "written", "--matched")
    assert refused.exit_code == 2
    assert refused.stderr.count("\n") == 1
    assert "matched: gives every recipe the same learning rate, and fixed has one of its own" in refused.stderr
