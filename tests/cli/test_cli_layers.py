"""Whole runs with measured layers, layers out of order, losses between states, and texts without labels."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from cli_runs import DID, INSULTS, PRAISE, comparable, write_csv
from foreshot.comparison import layer_measures, targets
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs, read_inputs
from foreshot.comparison.jobs import all_layers, student_jobs
from foreshot.comparison.unlabelled import store_unlabelled
from foreshot.progress import Silent
from foreshot.settings.experiment import load_experiment
from foreshot.settings.recipes import Recipe

Foreshot = Callable[..., Any]

MORE_TEXTS = [f"the {word} neighbour {did} it again" for word in (*INSULTS, *PRAISE) for did in DID[:4]]
ENDS = '{name: ends-2, layers: "ends:2", tuning: full, objective: distil, init: teacher}'
LAYERS = ("influence:2", "greedy:3", "3,1,3")
STUDENTS = ("ends-2", "influence-2", "greedy-3", "layers-3-1-3")


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_csv(tmp_path_factory.mktemp("more") / "more.csv", [(text,) for text in MORE_TEXTS], header=("body",))


@pytest.fixture(scope="module")
def command(asked: list[str], finished_run: Path, texts: Path) -> list[str]:
    """Four recipes that learn from states, relations and more texts: for as long as that shows, of a ready teacher."""
    settings = (
        f"recipes=[{ENDS}]",
        "distillation.weights={hidden: {start: 1, end: 0.5}, relations: 0.5}",
        "distillation.relations.heads=2",
        "distillation.temperature={start: 4, end: 1}",
        "distillation.unlabelled_share=0.25",
        "training.classification.class_weights=balanced",
        "layer_sample=50",
    )
    return [
        *("compare", *asked, "--epochs", "2", "--suite", "none", "--unlabelled", str(texts)),
        *("--teacher", str(finished_run / "teacher")),
        *(part for layers in LAYERS for part in ("--layers", layers)),
        *(part for setting in settings for part in ("--set", setting)),
        *("--name", "layers", "--runs"),
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, foreshot: Foreshot, command: list[str]) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    done = foreshot(*command, runs)
    assert done.exit_code == 0, done.stderr + done.stdout
    (runs / "stdout").write_text(done.stdout)
    return runs / "layers"


def layer_maps(run: Path) -> dict[str, list[int]]:
    models = json.loads((run / "results.json").read_text())["models"]
    return {model["model"]: model["layer_map"] for model in models}


def measures(run: Path) -> dict[str, dict[str, Any]]:
    return {one["strategy"]: one for one in json.loads((run / "results.json").read_text())["layer_measures"]}


def made_by_stages(run: Path) -> dict[str, int]:
    """When what takes long was written."""
    kinds = ("*.safetensors", "*.npy", "measure.json")
    return {
        str(path.relative_to(run)): path.stat().st_mtime_ns
        for kind in kinds
        for path in run.rglob(kind)
        if path.parent.name != "scores"
    }


def test_each_student_has_the_layers_that_its_recipe_asks_for(run: Path) -> None:
    maps, measured = layer_maps(run), measures(run)
    assert maps["teacher"] == [1, 2, 3, 4]
    assert maps["ends-2"] == [1, 4]
    assert maps["layers-3-1-3"] == [3, 1, 3]
    assert maps["influence-2"] == sorted(measured["influence"]["ranking"][:2])
    assert maps["greedy-3"] == sorted(measured["greedy"]["ranking"][:3])
    for name in STUDENTS:
        model = AutoModelForSequenceClassification.from_pretrained(run / "students" / name / "seed-0")
        assert len(model.bert.encoder.layer) == len(maps[name]), name


def test_measures_are_of_the_sample_and_agree_with_their_rankings(run: Path) -> None:
    influence, greedy = measures(run)["influence"], measures(run)["greedy"]
    assert influence["rows"] == greedy["rows"] == 50
    by_value = sorted(influence["layers"], key=lambda number: -influence["values"][number - 1])
    assert influence["ranking"] == by_value
    assert greedy["ranking"][1:] == greedy["layers"][::-1]
    assert sorted(greedy["ranking"]) == [1, 2, 3, 4]
    assert greedy["whole"] > 0


def test_what_is_said_while_it_runs(run: Path) -> None:
    said = (run.parent / "stdout").read_text()
    assert f"unlabelled: {len(MORE_TEXTS)} texts that the teacher labels" in said
    assert "influence-2: layers influence:2, once the teacher's are measured, full, distil, from the teacher" in said
    maps = layer_maps(run)
    assert f"influence-2: layers {{{', '.join(map(str, maps['influence-2']))}}}, full, distil" in said
    assert "layers-3-1-3: layers {3, 1, 3} (as listed: one more than once)" in said


def test_every_loss_is_logged_and_the_texts_without_labels_are_counted(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    assert results["data"]["unlabelled_rows"] == len(MORE_TEXTS)
    parts = {"classification", "divergence", "cosine", "hidden", "relations"}
    steps = results["conditions"]["steps"]
    for name in STUDENTS:
        lines = (run / "students" / name / "seed-0" / "curves.jsonl").read_text().splitlines()
        assert len(lines) == steps, name
        assert json.loads(lines[0]).keys() == {"step", "objective", *parts}
        assert np.isfinite([list(json.loads(line).values()) for line in lines]).all()
    assert results["conditions"]["distillation"]["temperature"] == {"start": 4, "end": 1}
    report = (run / "report.html").read_text()
    for words in ("influence", "greedy", "hidden", "relations", "temperature 4 → 1"):
        assert words in report, words


def test_states_are_kept_once_for_recipes_that_look_at_the_same_layers(run: Path) -> None:
    looked_at = {tuple(layers) for name, layers in layer_maps(run).items() if name != "teacher"}
    caches = [path for path in (run / "states").iterdir() if path.is_dir()]
    assert len(caches) == len(looked_at)
    for cache in caches:
        assert {path.name for path in cache.iterdir()} == {".finished", "states.npy", "projections.npy"}


def test_a_second_run_makes_nothing_again(run: Path, foreshot: Foreshot, command: list[str]) -> None:
    before, found = made_by_stages(run), comparable(run)
    assert {path.split("/")[0] for path in before} == {
        "unlabelled",
        "teacher",
        "targets",
        "layers",
        "states",
        "students",
    }
    done = foreshot(*command, run.parent)
    assert done.exit_code == 0, done.stderr
    assert made_by_stages(run) == before
    assert comparable(run) == found


@pytest.mark.slow  # tests/crash kills runs at every such place
def test_a_run_that_is_stopped_again_and_again_goes_on(
    run: Path, foreshot: Foreshot, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in the second measure, and in the second cache of states."""
    made: dict[str, int] = {}
    for stage, place, number in ((layer_measures, "greedy_removal", 1), (targets, "write_cache", 2)):
        with monkeypatch.context() as patched:
            patched.setattr(stage, place, interrupted(getattr(stage, place), number))
            assert foreshot(*command, tmp_path).exit_code == 130
        before, made = made, made_by_stages(tmp_path / "layers")
        assert before.items() < made.items(), place
        assert not (tmp_path / "layers" / "results.json").exists()
    done = foreshot("compare", tmp_path / "layers")
    assert done.exit_code == 0, done.stderr
    assert made.items() < made_by_stages(tmp_path / "layers").items()
    assert comparable(tmp_path / "layers") == comparable(run)


def interrupted(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """A function that works until its call of this number, which somebody stops."""
    calls = itertools.count(1)

    def until_stopped(*arguments: Any, **options: Any) -> Any:
        if next(calls) == number:
            raise KeyboardInterrupt
        return function(*arguments, **options)

    return until_stopped


def states_on(rows: np.ndarray, recipe: Recipe, inputs: Inputs, run: Path) -> Any:
    measures = layer_measures.measure_layers(inputs, RunFolder(run), Silent())
    job, *_ = student_jobs(inputs, recipe, all_layers(inputs, measures)[recipe.name])
    return targets.teaching_of(job, inputs, RunFolder(run)).states(rows)


def test_a_live_teacher_shows_what_the_cache_holds(run: Path) -> None:
    cached = load_experiment(run / "experiment.yaml")
    live = cached.model_copy(update={"distillation": cached.distillation.model_copy(update={"teacher_states": "live"})})
    rows = np.array([3, 170, 0])  # of which the second has no label
    for recipe in (cached.recipes[0], cached.recipes[-1]):
        kept, said = (
            states_on(rows, recipe, store_unlabelled(read_inputs(asked), RunFolder(run), Silent()), run)
            for asked in (cached, live)
        )
        for one, other in zip(kept, said, strict=True):
            assert one.shape == other.shape
            real = one.abs().sum(dim=-1, keepdim=True) > 0
            assert 0 < real.float().mean() < 1  # padded
            assert torch.allclose(one, other * real, rtol=1e-3, atol=1e-3)
            assert not torch.equal(one, other * real)  # the cache is rounded
