"""Rounds before a mended student: a scripted teacher, who disagrees on known texts, and rounds that were stopped."""

import random
from dataclasses import replace

import numpy as np
import pytest
from test_inputs import models  # noqa: F401  # a fixture
from test_mended_inputs import mended_inputs

from cli_runs import write_csv
from foreshot.comparison import rounds
from foreshot.comparison.arms import arms_of
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.jobs import student_job
from foreshot.comparison.making import new_classifier
from foreshot.comparison.mending import FLIPPED_FILE
from foreshot.comparison.model_folder import TrainingRecord
from foreshot.comparison.rounds import carry_out_rounds
from foreshot.comparison.students import make_student
from foreshot.comparison.unlabelled import store_unlabelled
from foreshot.models.outputs import model_outputs
from foreshot.progress import Silent
from heard import Heard

RECIPE = {"name": "own", "layers": "all", "tuning": "full", "objective": "distil", "init": "encoder", "mend": True}
SETTINGS = {
    "recipes": [RECIPE],
    "distillation": {"cosine_on": "logits"},
    "training": {"max_length": 16, "batch_size": 8, "epochs": 2},
    "checkpoint_seconds": 0,
}
UNLABELLED = 60


class Stopped(BaseException):
    pass


class Stopping(Heard):
    """Stops where something is said, or where a stage with this in its name has advanced so often."""

    def __init__(self, at: str, after: int = 0) -> None:
        super().__init__()
        self._at, self._left = at, after

    def say(self, message: str) -> None:
        super().say(message)
        if not self._left and self._at in message:
            raise Stopped

    def advance(self, units: int, state: str = "") -> None:
        super().advance(units, state)
        if self._at in self.stages[-1][0]:
            self._left -= 1
            if not self._left:
                raise Stopped


@pytest.fixture(scope="module")
def inputs(models, tmp_path_factory):  # noqa: F811
    draw = random.Random(3)
    folder = tmp_path_factory.mktemp("texts")
    texts = list(dict.fromkeys(" ".join(f"w{draw.randrange(46)}" for _ in range(5)) for _ in range(60 + UNLABELLED)))
    data = write_csv(folder / "data.csv", [(text, str(number % 2)) for number, text in enumerate(texts[:60])])
    (folder / "unlabelled.txt").write_text("\n".join(texts[60:]) + "\n", encoding="utf-8")
    given = {**SETTINGS, "data": str(data), "unlabelled": str(folder / "unlabelled.txt"), "mend": {"rounds": 2}}
    return mended_inputs(models, **given)


def scripted(inputs, folder, logits: np.ndarray, learning_rate=3e-3, times=2):
    """The arm in a folder where a teacher said these logits of the unlabelled texts, its student's job, and its run."""
    settings = inputs.experiment
    inputs = replace(
        inputs,
        experiment=settings.model_copy(
            update={
                "training": settings.training.model_copy(update={"learning_rate": learning_rate}),
                "mend": settings.mend.model_copy(update={"rounds": times}),
            }
        ),
    )
    run = RunFolder(folder)
    arm = arms_of(store_unlabelled(inputs, run, Silent()), run)[-1]
    arm.run.targets.mkdir()
    of_labelled = np.where(arm.inputs.targets[:, None] == [0, 1], 3, -3)
    np.save(arm.run.targets / "logits.npy", np.concatenate([of_labelled, logits]).astype(np.float32))
    (recipe,) = arm.recipes
    job = student_job(arm.inputs, recipe, 0, arm.inputs.layer_maps["own"], folder="students/own/seed-0")
    return arm.inputs, job, arm.run


def found(job, run) -> list[list[int]]:
    return [np.load(run.round(job.folder, number) / FLIPPED_FILE).tolist() for number in (1, 2)]


def made(inputs, job, run, progress=None) -> bytes:
    carry_out_rounds(job, inputs, run, progress or Silent())
    make_student(job, inputs, run, progress or Silent())
    return (run.path / job.folder / "model.safetensors").read_bytes()


LOGITS = np.random.default_rng(1).normal(size=(UNLABELLED, 2)) * 3


@pytest.fixture(scope="module")
def whole(inputs, tmp_path_factory):
    """The weights of a student whose rounds nothing stopped, and what these found."""
    arm, job, run = scripted(inputs, tmp_path_factory.mktemp("whole") / "run", LOGITS)
    return made(arm, job, run), found(job, run)


def test_texts_that_the_teacher_disagrees_on_are_found_the_surest_first(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(rounds, "WINDOW", 7)
    run = RunFolder(tmp_path / "untrained")
    rows = store_unlabelled(inputs, run, Silent()).unlabelled_rows
    untrained = model_outputs(new_classifier(inputs, inputs.encoder, 0), rows).logits.argmax(axis=1)
    sureness = np.full(UNLABELLED, 1.0)
    sureness[[20, 3, 41, 59]] = [-3, -2, -5, -2]  # below 0: for the other class
    logits = np.where(np.arange(2) == untrained[:, None], sureness[:, None], 0)
    arm, job, run = scripted(inputs, tmp_path / "run", logits, learning_rate=1e-9)  # so that nothing is learnt
    heard = Heard()
    carry_out_rounds(job, arm, run, heard)
    assert found(job, run) == [[41, 20, 3, 59]] * 2
    assert [message for message in heard.said if "they disagree" in message] == [
        f"own, seed 0, round {number} of 2: they disagree on 4 of {UNLABELLED} unlabelled texts, which come first now"
        for number in (1, 2)
    ]
    assert heard.open == 0
    assert not list(run.path.glob("checkpoints/*"))


@pytest.mark.parametrize(
    ("at", "after", "stands"),
    [
        ("training own", 3, False),
        ("asking about", 1, False),
        ("round 2 of 2: a scout", 0, True),
        ("round 2 of 2: they disagree", 0, True),
    ],
    ids=["in a scout's training", "while it is asked", "between rounds", "before the student"],
)
def test_rounds_that_were_stopped_go_on_and_lead_to_the_same_student(inputs, whole, tmp_path, at, after, stands):
    arm, job, run = scripted(inputs, tmp_path / "stopped", LOGITS)
    with pytest.raises(Stopped):
        made(arm, job, run, Stopping(at, after))
    assert (run.round(job.folder, 1) / FLIPPED_FILE).exists() == stands
    heard = Heard()
    assert (made(arm, job, run, heard), found(job, run)) == whole
    assert any("round 1 of 2" in message for message in heard.said) != stands
    record = TrainingRecord.load(run.path / job.folder)
    assert record.facts.disagreements == [len(flipped) for flipped in found(job, run)]


def test_what_was_found_changes_what_is_learnt_and_without_rounds_nothing_is_looked_for(inputs, whole, tmp_path):
    arm, job, run = scripted(inputs, tmp_path / "without", LOGITS, times=0)
    assert made(arm, job, run) != whole[0]
    assert not (run.path / "rounds").exists()
    assert TrainingRecord.load(run.path / job.folder).facts.disagreements == []
