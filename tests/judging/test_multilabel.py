"""Several labels: every number against one worked out by hand, or scikit-learn's for the label alone."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score, roc_auc_score

from foreshot.errors import GuardError
from foreshot.judging.calibration import calibration
from foreshot.judging.guards import check_ranks_labels
from foreshot.judging.multilabel import (
    binary_cross_entropy,
    fit_label_decisions,
    label_aurocs,
    label_changes,
    label_macro_f1s,
    label_results,
    label_sample,
    mean_macro_f1,
)
from foreshot.judging.statistics import compare_all
from foreshot.judging.thresholds import fit_decision
from foreshot.results.decisions import Decision, LabelDecisions

NAMES = ("toxic", "threat", "insult")
ARGMAX = LabelDecisions(judged="toxic", by_label={name: Decision(policy="argmax") for name in NAMES})


def some_rows(rows=200, seed=0):
    """Logits that know something of marks; a quarter of the rows has the first label, few have the second."""
    rng = np.random.default_rng(seed)
    marks = (rng.random((rows, 3)) < (0.25, 0.05, 0.5)).astype(int)
    logits = rng.normal(size=(rows, 3)) * 2 + 3 * marks - 1.5
    return logits.astype(np.float32), marks


# ---- cross-entropy ----


def test_binary_cross_entropy_by_hand():
    # sigmoid(0) = 1/2 costs ln 2 either way; sigmoid(ln 3) = 3/4 costs ln(4/3) where the mark is 1, ln 4 where it is 0.
    logits = np.array([[0.0, math.log(3)], [0.0, math.log(3)]])
    marks = np.array([[1, 1], [0, 0]])
    by_hand = (math.log(2) + math.log(2) + math.log(4 / 3) + math.log(4)) / 4
    assert binary_cross_entropy(logits, marks) == pytest.approx(by_hand)


def test_binary_cross_entropy_is_that_of_pytorch_and_survives_huge_logits():
    logits, marks = some_rows()
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.from_numpy(logits).double(), torch.from_numpy(marks).double()
    )
    assert binary_cross_entropy(logits, marks) == pytest.approx(expected.item(), rel=1e-12)
    assert binary_cross_entropy(np.array([[-2000.0], [2000.0]]), np.array([[0], [0]])) == pytest.approx(1000)


# ---- each label ----


def test_auroc_of_each_label_and_none_where_all_rows_agree():
    logits = np.array([[1.0, 5.0, 0.0], [2.0, 1.0, 0.0], [3.0, 2.0, 0.0], [4.0, 0.0, 1.0]])
    marks = np.array([[0, 0, 1], [1, 0, 1], [0, 0, 1], [1, 0, 1]])
    # Of 4 pairs of a row with the first label and one without, it ranks 3 right.
    assert label_aurocs(logits, marks) == [0.75, None, None]


def test_results_of_a_label_are_those_of_a_binary_task():
    logits, marks = some_rows()
    decisions = LabelDecisions(
        judged="toxic",
        by_label={
            "toxic": Decision(policy="best-f1", temperature=2.0, threshold=0.3),
            "threat": Decision(policy="argmax", temperature=0.5),
            "insult": Decision(policy="recall>=0.9", temperature=1.0, threshold=0.7),
        },
    )
    for index, (found, decision) in enumerate(
        zip(label_results(decisions, logits, marks), decisions.by_label.values(), strict=True)
    ):
        truth = marks[:, index]
        raw = torch.sigmoid(torch.from_numpy(logits[:, index]).double()).numpy()
        scaled = torch.sigmoid(torch.from_numpy(logits[:, index]).double() / decision.temperature).numpy()
        flagged = (scaled >= (0.5 if decision.threshold is None else decision.threshold)).astype(int)
        assert (found.name, found.support, found.decision) == (NAMES[index], truth.sum(), decision)
        assert found.auroc == pytest.approx(roc_auc_score(truth, raw))
        assert found.average_precision == pytest.approx(average_precision_score(truth, raw))
        assert found.precision == pytest.approx(precision_score(truth, flagged))
        assert found.recall == pytest.approx(recall_score(truth, flagged))
        assert found.f1 == pytest.approx(f1_score(truth, flagged))
        assert found.macro_f1 == pytest.approx(f1_score(truth, flagged, average="macro"))
        assert found.calibration.brier == pytest.approx(np.mean((raw - truth) ** 2))
        assert found.calibration_after_scaling.brier == pytest.approx(np.mean((scaled - truth) ** 2))
        by_two = calibration(np.stack([1 - scaled, scaled], axis=1), truth)
        assert found.calibration_after_scaling.expected_calibration_error == pytest.approx(
            by_two.expected_calibration_error
        )


def test_a_label_that_no_test_row_has_is_counted_and_not_ranked():
    logits, marks = some_rows()
    marks[:, 1] = 0
    found = label_results(ARGMAX, logits, marks)[1]
    assert (found.support, found.auroc, found.average_precision, found.recall, found.f1) == (0, None, None, 0.0, 0.0)


# ---- decisions ----


def test_every_label_is_fitted_on_its_own_view():
    logits, marks = some_rows(600)
    fitted = fit_label_decisions("best-f1", logits, marks, NAMES)
    assert (fitted.judged, list(fitted.by_label)) == ("toxic", list(NAMES))
    for index, decision in enumerate(fitted.by_label.values()):
        view = np.stack([np.zeros(600), logits[:, index]], axis=1)
        assert decision == fit_decision("best-f1", view, marks[:, index], 1)
        best = max(
            f1_score(marks[:, index], view[:, 1] / decision.temperature >= cut) for cut in np.linspace(-6, 6, 601)
        )
        probabilities = 1 / (1 + np.exp(-view[:, 1] / decision.temperature))
        assert f1_score(marks[:, index], probabilities >= decision.threshold) >= best


def test_a_label_with_too_few_validation_rows_gets_argmax():
    logits, marks = some_rows()
    marks[:, 1] = 0
    marks[:9, 1] = 1
    fitted = fit_label_decisions("best-f1", logits, marks, NAMES)
    assert [decision.policy for decision in fitted.by_label.values()] == ["best-f1", "argmax", "best-f1"]
    assert fitted.by_label["threat"].threshold is None


# ---- the metric of the verdict ----


def test_mean_macro_f1_by_hand():
    marks = np.array([[1, 0], [1, 0], [0, 1], [0, 0]])
    flagged = np.array([[1, 0], [0, 0], [0, 0], [0, 0]])
    # First label: F1 2/3 of having it, 4/5 of not; second: 0, and 6/7.
    assert label_macro_f1s(flagged, marks) == pytest.approx([(2 / 3 + 4 / 5) / 2, (0 + 6 / 7) / 2])
    assert mean_macro_f1(flagged, marks) == pytest.approx(((2 / 3 + 4 / 5) / 2 + 3 / 7) / 2)


def flags(seed, rows=150, flip=0.1):
    rng = np.random.default_rng(seed)
    _, marks = some_rows(rows)
    return np.stack([np.where(rng.random(marks.shape) < flip, 1 - marks, marks) for _ in range(2)]), marks


def test_the_task_is_the_mean_over_labels_and_seeds():
    flagged, marks = flags(1)
    task = label_sample({"teacher": flagged}, marks)
    by_label = [f1_score(marks[:, k], of_seed[:, k], average="macro") for of_seed in flagged for k in range(3)]
    assert task.mean("teacher") == pytest.approx(np.mean(by_label))


def test_rows_are_drawn_whole():
    flagged, marks = flags(1)
    task = label_sample({"teacher": flagged}, marks)
    drawn = np.random.default_rng(0).integers(150, size=150)
    counts = task.counts("teacher")[:, drawn].sum(axis=1)
    again = label_sample({"teacher": flagged[:, drawn]}, marks[drawn])
    assert task.metric(counts).mean() == pytest.approx(again.mean("teacher"))
    assert task.counts("teacher").shape == (2, 150, 6, 2)


def test_a_student_that_loses_a_rare_label_alone_is_clearly_worse():
    _, marks = some_rows(400)
    blind = marks.copy()
    blind[:, 1] = 0
    task = label_sample({"teacher": marks[np.newaxis], "student": blind[np.newaxis]}, marks)
    (compared,) = compare_all("macro_f1", task)
    # The teacher is always right. Without its rare label the student has F1 0 there, and 2 (n − k) / (2 n − k) of not.
    rows, positives = 400, int(marks[:, 1].sum())
    loss = (2 - 2 * (rows - positives) / (2 * rows - positives)) / 2 / 3
    assert compared.difference.value == pytest.approx(loss)
    assert compared.outcome == "better"
    assert compared.mcnemar_p is None


def test_each_label_is_held_against_the_teachers_by_itself():
    _, marks = some_rows(400)
    blind = marks.copy()
    blind[:, 1] = 0
    flagged = {"teacher": marks[np.newaxis], "blind": blind[np.newaxis], "same": marks[np.newaxis]}
    changes = label_changes(flagged, marks, NAMES, teacher="teacher")
    assert list(changes) == ["blind", "same"]
    threat = changes["blind"][1]
    assert (threat.name, threat.rows) == ("threat", int(marks[:, 1].sum()))
    assert threat.difference.value == pytest.approx(f1_score(marks[:, 1], blind[:, 1], average="macro") - 1)
    assert threat.difference.high < 0
    assert threat.adjusted_p == pytest.approx(3 * 2 / 5000)  # none of 4,999 draws beside it; of three labels
    others = [changes["blind"][0], changes["blind"][2], *changes["same"]]
    assert [(change.difference.value, change.adjusted_p) for change in others] == [(0.0, 1.0)] * 5


# ---- the guard ----


def test_a_teacher_that_ranks_no_better_than_chance_is_stopped():
    logits, marks = some_rows()
    check_ranks_labels(logits, marks, model="teacher")
    with pytest.raises(GuardError, match=r"teacher: its mean AUROC over 3 labels is 0\.\d+ on the 200 validation rows"):
        check_ranks_labels(-logits, marks, model="teacher")
    with pytest.raises(GuardError, match=r"is 0\.500"):
        check_ranks_labels(np.zeros_like(logits), marks, model="teacher")


def test_the_guard_looks_only_at_labels_that_rows_differ_in():
    logits, marks = some_rows()
    marks[:, 1] = 0
    with pytest.raises(GuardError, match="over 2 labels"):
        check_ranks_labels(np.zeros_like(logits), marks, model="teacher")


def test_a_teacher_that_blew_up_is_stopped():
    logits, marks = some_rows()
    with pytest.raises(GuardError, match="over 3 labels"):
        check_ranks_labels(np.full_like(logits, np.nan), marks, model="teacher")
