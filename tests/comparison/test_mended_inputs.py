"""What mended models learn besides the rows, and what of a run depends on it."""

from dataclasses import replace

import numpy as np
import pytest
from test_inputs import inputs_of, models, refused  # noqa: F401  # a fixture

from cli_runs import make_comments, write_csv
from foreshot.comparison.arms import arms_of
from foreshot.comparison.contrasts import Mended
from foreshot.comparison.folder import RunFolder
from foreshot.comparison.jobs import student_job, targets_fingerprint, teacher_fingerprint, teacher_job
from foreshot.comparison.mending import mended_epochs
from foreshot.comparison.targets import _weighed
from foreshot.errors import ConfigError
from foreshot.suites.perturbations import MENDED_WITH

WITH = {"encoder": "shallow", "suite": "builtin", "exportable": False}


def mended_inputs(models, recipes=("odd-labels", "odd-labels-mended"), **settings):  # noqa: F811
    given = {name: value for name, value in {**WITH, **settings}.items() if value is not None}
    return inputs_of(models, list(recipes), **given)


@pytest.fixture(scope="module")
def inputs(models):  # noqa: F811
    return mended_inputs(models, mend={"contrasts": 0.5, "disguises": 0.5})


def test_contrast_texts_come_with_the_labels_of_their_templates(inputs):
    mended = inputs.mended
    assert isinstance(mended, Mended)
    rows = len(inputs.rows["train"])
    wanted = round(0.5 * rows * inputs.experiment.training.epochs)
    assert wanted - 1 <= len(mended.texts) <= wanted  # twins stay together
    toxic = inputs.split.classes.positive
    assert set(mended.targets.tolist()) == {toxic, 1 - toxic}
    assert abs((mended.targets == toxic).mean() - 0.5) < 0.15  # nearly all of them are twins


def test_an_arm_has_its_own_teacher_rows_and_recipes_and_leaves_the_other_as_it_was(inputs, models, tmp_path):  # noqa: F811
    plain, mended = arms_of(inputs, RunFolder(tmp_path))
    alone = mended_inputs(models, ["odd-labels"])
    assert [recipe.name for recipe in plain.recipes] == ["odd-labels"]
    assert [recipe.name for recipe in mended.recipes] == ["odd-labels-mended"]
    assert teacher_fingerprint(plain.inputs) == teacher_fingerprint(alone)
    assert targets_fingerprint(plain.inputs) == targets_fingerprint(alone)
    assert teacher_fingerprint(mended.inputs) != teacher_fingerprint(alone)
    assert plain.run.teacher == tmp_path / "teacher"
    assert mended.run.teacher == tmp_path / "teacher-mended"
    teacher = teacher_job(mended.inputs)
    assert (teacher.name, teacher.mended, teacher.recipe) == ("teacher-mended", True, None)
    student = student_job(mended.inputs, mended.recipes[0], 0, (1,), folder="students/odd-labels-mended/seed-0")
    assert (student.mended, student.teacher) == (True, "teacher-mended")
    assert len(mended.inputs.labelled_rows) == len(inputs.rows["train"]) + len(inputs.mended.texts)
    assert len(mended.inputs.targets) == len(mended.inputs.labelled_rows)
    assert len(plain.inputs.labelled_rows) == len(inputs.rows["train"])
    (only,) = arms_of(alone, RunFolder(tmp_path))
    assert only.inputs is alone


@pytest.mark.parametrize("changed", [{"contrasts": 0.1}, {"disguises": 0.1}, {"disguise_kinds": ["leet"]}])
def test_other_settings_make_other_mended_models(models, inputs, changed, tmp_path):  # noqa: F811
    others = mended_inputs(models, mend={"contrasts": 0.5, "disguises": 0.5} | changed)
    (plain, mended), (same, other) = (arms_of(of, RunFolder(tmp_path)) for of in (inputs, others))
    assert teacher_fingerprint(plain.inputs) == teacher_fingerprint(same.inputs)
    assert teacher_fingerprint(mended.inputs) != teacher_fingerprint(other.inputs)


def test_disguises_change_as_many_texts_as_asked_for_of_either_label_and_others_in_each_epoch(inputs, tmp_path):
    _, mended = arms_of(inputs, RunFolder(tmp_path))
    job = teacher_job(mended.inputs)
    epochs = mended_epochs(job, mended.inputs)
    assert len(epochs.disguised) == inputs.experiment.training.epochs
    rows = len(mended.inputs.labelled_rows)
    share = np.mean([len(of_epoch) / rows for of_epoch in epochs.disguised])
    assert 0.35 < share < 0.65  # a half, but for texts in which a disguise finds nothing
    assert epochs.disguised[0].keys() != epochs.disguised[1].keys()
    assert epochs == mended_epochs(job, mended.inputs)
    assert epochs != mended_epochs(replace(job, seed=job.seed + 1), mended.inputs)
    assert mended.inputs.contrasts.disguises == MENDED_WITH
    assert mended_epochs(job, inputs) is None


def test_a_teacher_that_was_given_stays_as_it_is_and_says_nothing_about_contrast_texts(models, tmp_path):  # noqa: F811
    given = mended_inputs(models, ["odd", "odd-mended"], encoder=None, teacher="teacher")
    plain, mended = arms_of(given, RunFolder(tmp_path))
    assert mended.run.teacher == plain.run.teacher
    assert teacher_fingerprint(mended.inputs) == teacher_fingerprint(plain.inputs)
    rows = len(given.rows["train"])
    assert _weighed(plain.inputs, None) is None
    weights = _weighed(mended.inputs, None)
    assert weights.tolist() == [1.0] * rows + [0.0] * len(given.mended.texts)


def test_data_in_another_language_are_mended_by_disguises_alone(models, tmp_path):  # noqa: F811
    # Words of no language, with the comments' own, so that the classes can still be told.
    rows = [
        (f"{text.split()[-1]} qua lum dor {index} vesti", label)
        for index, (text, label) in enumerate(make_comments(60))
    ]
    data = write_csv(tmp_path / "other.csv", rows)
    inputs = mended_inputs(models, data=str(data))
    assert inputs.mended.texts == ()
    assert inputs.mended.disguises == MENDED_WITH
    assert [said for said in inputs.announcements if said.startswith("mend:")] == [
        "mend: the data don't look en, which contrast texts are: mended by disguises alone"
    ]


def test_what_is_mended_needs_something_to_be_judged_by(models):  # noqa: F811
    assert refused(ConfigError, models, ["odd-labels-mended"], encoder="shallow").startswith(
        "mend: what is mended is judged by cases that nothing was mended with, and there are none"
    )
    assert "'upside down' is none of leet" in refused(
        ConfigError, models, ["odd-labels-mended"], **WITH, mend={"disguise_kinds": ["upside down"]}
    )
    with pytest.raises(ConfigError, match=r"disguises: 0\.6 is above 0\.5"):
        mended_inputs(models, mend={"disguises": 0.6})
    hidden = {"weights": {"hidden": 1}}
    assert refused(
        ConfigError, models, ["odd-mended"], encoder="teacher", suite="builtin", distillation=hidden
    ).startswith("odd-mended: distillation.weights.hidden compares a text's tokens with the teacher's")


def test_rows_that_mention_a_group_are_weighed_in_the_mended_arm_alone(models, tmp_path):  # noqa: F811
    terms = tmp_path / "terms.csv"
    terms.write_text("group,term\npainters,painter\n")
    inputs = mended_inputs(models, identity_terms=str(terms), mend={"identities": True})
    plain, mended = arms_of(inputs, RunFolder(tmp_path))
    assert plain.inputs.row_weights is None
    weights, train = mended.inputs.row_weights, inputs.split.parts["train"]
    assert len(weights) == len(mended.inputs.labelled_rows)
    mentioned = np.array(["painter" in text.split() for text in train.texts])
    assert 0 < mentioned.sum() < len(train)
    assert (weights[: len(train)][~mentioned] == 1).all()
    assert (weights[len(train) :] == 1).all()
    toxic = np.array(train.labels) == inputs.split.classes.positive
    of_group = weights[: len(train)][mentioned]
    assert of_group[toxic[mentioned]].sum() / of_group.sum() == pytest.approx(toxic.mean(), rel=1e-5)
    unweighed = mended_inputs(models, identity_terms=str(terms))
    assert unweighed.mended.fingerprint != inputs.mended.fingerprint
    assert refused(ConfigError, models, ["odd-labels-mended"], **WITH, mend={"identities": True}).startswith(
        "mend.identities: nothing says which training rows mention a group"
    )


def test_rounds_need_unlabelled_texts_and_a_mended_student_that_learns_from_them(models, tmp_path):  # noqa: F811
    texts = tmp_path / "texts.txt"
    texts.write_text("one text\nanother one\n", encoding="utf-8")
    distilled = {**WITH, "encoder": "teacher", "mend": {"rounds": 1}}
    assert refused(ConfigError, models, ["odd-mended"], **distilled).startswith(
        "mend.rounds: look for unlabelled texts that the teacher and a student disagree on, and there are none"
    )
    with_texts = {**distilled, "unlabelled": str(texts)}
    for recipes, more in (
        (["odd", "odd-labels-mended"], {}),
        (["odd", "odd-mended"], {"distillation": {"unlabelled_share": 0}}),
    ):
        assert refused(ConfigError, models, recipes, **with_texts, **more).startswith(
            "mend.rounds: are for recipes that are mended and learn from the teacher on unlabelled texts, and none is"
        )
    with pytest.raises(ConfigError, match="rounds"):
        mended_inputs(models, mend={"rounds": 11})


def test_rounds_are_of_mended_students_alone_and_leave_all_else_as_it_was(models, tmp_path):  # noqa: F811
    texts = tmp_path / "texts.txt"
    texts.write_text("one text\nanother one\n", encoding="utf-8")

    def jobs(rounds):
        recipes = ["odd", "odd-mended", "odd-labels-mended"]
        made = mended_inputs(models, recipes, encoder="teacher", unlabelled=str(texts), mend={"rounds": rounds})
        return [
            job
            for arm in arms_of(made, RunFolder(tmp_path))
            for job in (
                teacher_job(arm.inputs),
                *(student_job(arm.inputs, recipe, 0, (1,), folder=recipe.name) for recipe in arm.recipes),
            )
        ]

    without, once, twice = jobs(0), jobs(1), jobs(2)
    changed = [one.name for one, other in zip(without, once, strict=True) if one != other]
    assert changed == ["odd-mended"]
    (before,), (one,), (two,) = ([job for job in of if job.name == "odd-mended"] for of in (without, once, twice))
    assert before.rounds == ()
    assert two.rounds[:1] == one.rounds  # what is found already is found
    assert len({before.made_from, one.made_from, two.made_from, *two.rounds}) == 5


def test_another_share_makes_another_fingerprint_though_the_texts_are_the_same(models, monkeypatch):  # noqa: F811
    monkeypatch.setattr("foreshot.comparison.contrasts.MOST_CONTRASTS", 8)
    some, more = (mended_inputs(models, mend={"contrasts": share}).mended for share in (0.2, 0.4))
    assert some.texts == more.texts
    assert some.fingerprint != more.fingerprint


def test_groups_are_weighed_without_contrast_texts_too(models, tmp_path):  # noqa: F811
    terms = tmp_path / "terms.csv"
    terms.write_text("group,term\npainters,painter\n")
    inputs = mended_inputs(models, identity_terms=str(terms), mend={"identities": True, "contrasts": 0})
    _, mended = arms_of(inputs, RunFolder(tmp_path))
    assert mended.inputs.contrasts.texts == ()
    assert len(set(mended.inputs.row_weights.tolist())) > 1


def test_what_models_are_judged_by_is_never_learnt_from(models, tmp_path):  # noqa: F811
    text = mended_inputs(models).mended.texts[0]
    cases = [(text, "toxic", "own"), ("a kind word", "benign", "own")]
    own = write_csv(tmp_path / "own.csv", cases, header=("text", "label", "functionality"))
    assert text not in mended_inputs(models, suite=str(own)).mended.texts
