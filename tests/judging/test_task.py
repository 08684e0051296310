"""Tasks: both kinds have one interface, and what they compute is what scikit-learn and PyTorch compute."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from foreshot.data.marks import classes_of_mark
from foreshot.data.split import Part
from foreshot.errors import GuardError
from foreshot.judging.statistics import compare_all
from foreshot.judging.task import ClassTask, LabelTask
from foreshot.results.decisions import Decision, LabelDecisions

MARKS = [(1, 1), (0, 1), (0, 0), (0, 0), (1, 0), (0, 0)]
PART = Part("a.csv", [f"text {number}" for number in range(6)], [mark[0] for mark in MARKS], list(range(6)), MARKS)
LOGITS = np.array([[2.0, -1.0], [-0.5, 3.0], [1.5, -2.0], [-1.0, -3.0], [0.2, 0.1], [-2.0, 0.4]])
CLASSES = ClassTask(classes_of_mark("toxic"))
LABELS = LabelTask(classes_of_mark("toxic"), ("toxic", "rude"))


def test_both_kinds_have_all_that_one_has() -> None:
    public = {name for name in dir(CLASSES) if not name.startswith("_")}
    assert public <= set(dir(LABELS))
    assert {name for name in dir(LABELS) if not name.startswith("_")} - public == {"label_names"}


def test_answers_losses_and_scores_of_classes() -> None:
    answers = CLASSES.answers(PART)
    assert answers.tolist() == CLASSES.targets(PART).tolist() == [1, 0, 0, 0, 1, 0]
    expected = torch.nn.functional.cross_entropy(torch.tensor(LOGITS), torch.tensor(answers)).item()
    assert CLASSES.cross_entropy(LOGITS, answers) == pytest.approx(expected)
    likeliest = CLASSES.likeliest(LOGITS)
    assert likeliest.tolist() == [0, 1, 0, 0, 0, 1]
    assert CLASSES.macro_f1(likeliest, answers) == pytest.approx(f1_score(answers, likeliest, average="macro"))
    assert (CLASSES.names, CLASSES.judged_output, CLASSES.multi_label) == (["not toxic", "toxic"], 1, False)
    assert CLASSES.label_results(Decision(policy="argmax"), LOGITS, answers) == []


def test_answers_losses_and_scores_of_labels() -> None:
    answers = LABELS.answers(PART)
    assert answers.tolist() == [list(mark) for mark in MARKS]
    targets = torch.tensor(LABELS.targets(PART))
    assert targets.dtype == torch.float32  # as the loss takes them
    expected = torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(LOGITS), targets.double()).item()
    assert LABELS.cross_entropy(LOGITS, answers) == pytest.approx(expected)
    likeliest = LABELS.likeliest(LOGITS)
    assert likeliest.tolist() == (LOGITS > 0).astype(int).tolist()
    by_label = [f1_score(answers[:, index], likeliest[:, index], average="macro") for index in (0, 1)]
    assert LABELS.macro_f1(likeliest, answers) == pytest.approx(np.mean(by_label))
    assert (LABELS.names, LABELS.judged_output, LABELS.multi_label) == (["toxic", "rude"], 0, True)


@pytest.mark.parametrize("task", [CLASSES, LABELS])
def test_fitted_decisions_decide_in_the_shape_of_the_answers_and_are_compared(task: ClassTask | LabelTask) -> None:
    answers = task.answers(PART)
    decisions = task.fit("argmax", LOGITS, answers)
    assert isinstance(decisions, LabelDecisions if task.multi_label else Decision)
    assert decisions.of_judged.policy == "argmax"
    decided = task.decided(decisions, LOGITS)
    assert decided.tolist() == task.likeliest(LOGITS).tolist()
    sample = task.sample({"teacher": answers[None], "odd": decided[None]}, answers)
    assert sample.mean("teacher") == pytest.approx(1.0)
    assert sample.mean("odd") == pytest.approx(task.macro_f1(decided, answers))
    (found,) = compare_all("macro_f1", sample)
    assert found.difference.value == pytest.approx(1 - task.macro_f1(decided, answers))


@pytest.mark.parametrize("task", [CLASSES, LABELS])
def test_a_teacher_that_tells_nothing_is_stopped(task: ClassTask | LabelTask) -> None:
    answers = task.answers(PART)
    right = np.where(np.stack([1 - answers, answers], axis=1) if answers.ndim == 1 else answers, 1.0, -1.0)
    task.check_teacher(right, answers)
    with pytest.raises(GuardError, match="teacher"):
        task.check_teacher(-right, answers)
