"""Bundles as baseline and as teacher: which of their labels stands for what the data call it, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families import tiny_family
from tiny_bundles import label_decisions, label_probabilities_of, tiny_bundle
from tiny_models import tiny_tokenizer

from cli_runs import make_comments, write_csv
from foreshot.comparison.inputs import Inputs, read_inputs
from foreshot.errors import BundleError, ConfigError
from foreshot.progress import Silent
from foreshot.settings.experiment import Experiment, make_experiment

DECISIONS = label_decisions("toxicity", "hate", judged="toxicity")
TEXTS = ["you absolute walnut", "thank you"]
LOG_ODDS = [np.log(np.divide(of, np.subtract(1, of))) for of in (label_probabilities_of(t, DECISIONS) for t in TEXTS)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder")
    tiny_family("bert", hidden_size=16, num_hidden_layers=2).base_model.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    return folder


def experiment_of(folder: Path, encoder: Path, **settings: Any) -> Experiment:
    """A comparison of two classes, or of what `settings` say."""
    rows = [(text, toxic, str(number % 3), toxic) for number, (text, toxic) in enumerate(make_comments(60))]
    data = write_csv(folder / "comments.csv", rows, header=("comment", "toxic", "third", "hate"))
    asked = {"name": "own", "data": str(data), "text": "comment", "suite": "none", "recipes": ["odd"]}
    if not {"labels", "scores"} & settings.keys():
        asked["label"] = "toxic"
    return make_experiment({**asked, "encoder": str(encoder), "training": {"max_length": 16}, **settings})


def inputs_of(folder: Path, encoder: Path, **settings: Any) -> Inputs:
    return read_inputs(experiment_of(folder, encoder, **settings))


def test_the_ready_models_toxicity_is_the_class_that_counts_as_toxic(ready_model, encoder, tmp_path):
    inputs = inputs_of(tmp_path, encoder, teacher="ready")
    (teacher,) = inputs.asked_teachers
    assert teacher.name == "ready"
    expected = [(0, log_odds[0]) for log_odds in LOG_ODDS]
    np.testing.assert_allclose(teacher.logits(TEXTS, Silent()), expected, atol=1e-5)
    told = "ready: its label 'toxicity' is taken for 'toxic' (--teacher-labels says otherwise)"
    assert told in inputs.announcements
    by_hate = inputs_of(tmp_path, encoder, teacher="ready", teacher_labels={"toxic": "hate"})
    np.testing.assert_allclose(
        by_hate.asked_teachers[0].logits(TEXTS, Silent())[:, 1], [of[1] for of in LOG_ODDS], atol=1e-5
    )
    assert told not in by_hate.announcements


@pytest.mark.parametrize("asked", ["teacher", "baseline"])
def test_labels_of_its_names_are_found_by_them(ready_model, encoder, tmp_path, asked):
    rows = [(text, toxic, toxic) for text, toxic in make_comments(60)]
    data = write_csv(tmp_path / "labels.csv", rows, header=("comment", "Hate", "toxicity"))
    inputs = inputs_of(tmp_path, encoder, data=str(data), labels=["Hate", "toxicity"], **{asked: "ready"})
    (found,) = inputs.asked_teachers if asked == "teacher" else [inputs.baseline]
    np.testing.assert_allclose(found.logits(TEXTS, Silent()), [of[::-1] for of in LOG_ODDS], atol=1e-5)


def test_stored_scores_have_a_baseline_of_their_names(ready_model, encoder, tmp_path):
    rows = [(text, f"0.{1 + 8 * int(toxic)}{number % 10}") for number, (text, toxic) in enumerate(make_comments(60))]
    data = write_csv(tmp_path / "scores.csv", rows, header=("comment", "TOXICITY"))
    inputs = inputs_of(tmp_path, encoder, data=str(data), scores=["TOXICITY"], baseline="ready")
    assert inputs.baseline is not None
    expected = [[log_odds[0]] for log_odds in LOG_ODDS]
    np.testing.assert_allclose(inputs.baseline.logits(TEXTS, Silent()), expected, atol=1e-5)


def test_what_a_baseline_is_asked_by_is_said(ready_model, encoder, tmp_path):
    inputs = inputs_of(tmp_path, encoder, baseline="ready")
    assert inputs.asked_teachers == ()
    assert inputs.announcements[-1] == (
        "baseline ready: asked by its own labels ('toxicity' for 'toxic'), compared with all models, and no part of "
        "the verdict"
    )


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"label": "third"},
            r"^baseline ready: its labels \(toxicity, hate\) don't say the data's \(0, 1, 2\); a bundle can be one "
            "where the data have two classes, or outputs of its own labels' names; leave it out$",
        ),
        ({"labels": ["toxic", "hate"]}, r"its labels \(toxicity, hate\) don't say the data's \(toxic, hate\)"),
    ],
)
def test_labels_that_say_nothing_of_the_datas_are_refused(ready_model, encoder, tmp_path, settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        inputs_of(tmp_path, encoder, baseline="ready", **settings)
    with pytest.raises(ConfigError, match="teacher_labels"):
        inputs_of(tmp_path, encoder, teacher="ready", **settings)


def test_a_bundle_with_the_same_classes_is_asked_by_them(encoder, tmp_path):
    bundle = tiny_bundle(tmp_path / "bundle", labels=["toxic", "benign"])  # the other way round
    inputs = inputs_of(tmp_path, encoder, baseline=str(bundle))
    assert inputs.baseline is not None
    assert inputs.baseline.rows == (1, 0)


def test_a_baseline_that_is_no_bundle_is_refused(encoder, tmp_path):
    with pytest.raises(BundleError, match="nowhere: no such folder"):
        inputs_of(tmp_path, encoder, baseline=str(tmp_path / "nowhere"))
    with pytest.raises(BundleError, match="is not a bundle"):
        inputs_of(tmp_path, encoder, baseline=str(encoder))


def test_a_recipe_of_its_name_is_refused_beside_it(encoder, tmp_path):
    recipe = {"name": "baseline", "layers": "odd", "tuning": "full", "objective": "distil", "init": "teacher"}
    with pytest.raises(ConfigError, match="recipe 'baseline': is what the baseline is called"):
        experiment_of(tmp_path, encoder, baseline="ready", recipes=[recipe])
    assert experiment_of(tmp_path, encoder, recipes=[recipe]).baseline is None
