"""Scores against stored ones: distances, calibration, disagreements by hand; the task's view of gaps and thresholds."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import f1_score

from foreshot.data.marks import classes_of_mark
from foreshot.data.split import Part
from foreshot.errors import GuardError
from foreshot.judging.scores import calibration_bins, disagreements, score_comparisons, score_results
from foreshot.judging.task import ScoreTask
from foreshot.results.decisions import LabelDecisions
from foreshot.runtime.decisions import at_score, parse_policy
from foreshot.training.losses import balanced_weights, classification_loss

NAN = float("nan")
TASK = ScoreTask(classes_of_mark("TOXICITY"), ("TOXICITY", "INSULT"), ((0.7,), (0.5, 0.9)))


def logit(share: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(share / (1 - share)))


def part_of(scores: list[tuple[float, ...]]) -> Part:
    count = len(scores)
    return Part("stored.csv", [f"text {row}" for row in range(count)], [0] * count, list(range(count)), scores=scores)


def test_distances_by_hand() -> None:
    new, stored = np.array([[0.2], [0.9], [0.6], [0.5]]), np.array([[0.1], [0.7], [NAN], [0.6]])
    (found,) = score_results(
        new,
        stored,
        new >= 0.5,
        decisions=LabelDecisions(judged="T", by_label={"T": at_score(0.5)}),
        thresholds=[(0.5,)],
        texts=["a", "b", "c", "d"],
        rows=[2, 3, 4, 5],
    )
    assert found.rows == 3
    assert found.mean_absolute_error == pytest.approx(0.4 / 3)
    assert found.shift == pytest.approx(0.2 / 3)
    assert found.calibration_error == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert [one.text for one in found.higher] == ["b", "a"]
    assert [one.row for one in found.lower] == [5]
    assert found.agreement.thresholds[0].same.equal.value == 1.0
    assert found.agreement.spearman is not None
    assert found.agreement.spearman.value == pytest.approx(stats.spearmanr([0.2, 0.9, 0.5], [0.1, 0.7, 0.6]).statistic)


def test_calibration_bins_hold_every_row_once_and_their_means() -> None:
    rng = np.random.default_rng(0)
    new, stored = rng.random(500), rng.random(500)
    bins = calibration_bins(new, stored)
    assert sum(one.rows for one in bins) == 500
    inside = (new > 0.3) & (new <= 0.4)
    assert bins[3].rows == inside.sum()
    assert bins[3].confidence == pytest.approx(new[inside].mean())
    assert bins[3].accuracy == pytest.approx(stored[inside].mean())


def test_equal_scores_are_no_disagreement() -> None:
    higher, lower = disagreements(np.array([0.5, 0.5]), np.array([0.5, 0.4]), ["a", "b"], [1, 2])
    assert [one.text for one in higher] == ["b"]
    assert lower == []


def test_a_comparison_is_paired_and_leaves_gaps_out() -> None:
    stored = np.array([[0.5], [NAN], [0.5], [0.5], [0.5]])
    teacher, student = np.full((1, 5, 1), 0.6), np.full((2, 5, 1), 0.7)
    teacher[:, 1] = 0.0
    (found,) = score_comparisons({"teacher": teacher, "odd": student}, stored, ["T"], teacher="teacher")
    error, shift = found.models["odd"]
    assert error.value.value == pytest.approx(0.2)
    assert error.minus_teacher is not None
    assert error.minus_teacher.value == pytest.approx(0.1)
    assert shift.value.value == pytest.approx(0.2)
    assert found.models["teacher"][0].value.value == pytest.approx(0.1)


# ---- the task ----


def test_a_model_that_gives_the_stored_scores_decides_as_they_do() -> None:
    stored = np.array([[0.7, 0.4], [0.69, 0.95], [0.9, NAN], [NAN, 0.5]])
    decisions = TASK.fit("argmax", np.zeros((4, 2)), stored)
    assert [decision.threshold for decision in decisions.by_label.values()] == [0.7, 0.5]
    assert [decision.temperature for decision in decisions.by_label.values()] == [1.0, 1.0]
    logits = logit(np.nan_to_num(np.clip(stored, 0.01, 0.99), nan=0.2))
    decided = TASK.decided(decisions, logits + 1e-9)
    assert decided.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert TASK.macro_f1(decided, stored) == 1.0


def test_macro_f1_is_of_the_known_scores_alone() -> None:
    rng = np.random.default_rng(1)
    stored = rng.random((300, 2))
    stored[:100, 1] = NAN
    decided = rng.integers(0, 2, (300, 2))
    by_hand = [
        f1_score(stored[:, 0] >= 0.7, decided[:, 0], average="macro"),
        f1_score(stored[100:, 1] >= 0.5, decided[100:, 1], average="macro"),
    ]
    assert TASK.macro_f1(decided, stored) == pytest.approx(np.mean(by_hand))
    found = TASK.label_results(TASK.fit("argmax", np.zeros((300, 2)), stored), logit(rng.random((300, 2))), stored)
    assert [one.name for one in found] == ["TOXICITY", "INSULT"]
    assert found[1].support == int((stored[100:, 1] >= 0.5).sum())


def test_a_flag_rate_is_kept_and_a_threshold_is_a_policy() -> None:
    rng = np.random.default_rng(2)
    stored = rng.random((200, 2))
    logits = rng.normal(size=(200, 2))
    decisions = TASK.fit("flag-rate", logits, stored)
    flagged = TASK.decided(decisions, logits).sum(axis=0)
    assert flagged.tolist() == [int((stored[:, 0] >= 0.7).sum()), int((stored[:, 1] >= 0.5).sum())]
    assert all(decision.temperature == 1.0 for decision in decisions.by_label.values())
    assert parse_policy("score >= 0.7").score == 0.7
    assert at_score(0.7).policy == "score>=0.7"
    assert parse_policy(at_score(1e-05).policy).score == 1e-05


def test_a_teacher_that_ranks_the_wrong_way_is_stopped() -> None:
    stored = np.random.default_rng(3).random((50, 2))
    TASK.check_teacher(logit(stored), stored)
    with pytest.raises(GuardError, match=r"Spearman's correlation with the stored scores is -1\.000"):
        TASK.check_teacher(-logit(stored), stored)


def test_results_of_every_output_with_its_thresholds() -> None:
    scores = [(row / 10, NAN if row % 2 else row / 10) for row in range(1, 10)]
    part = part_of(scores)
    found = TASK.score_results(TASK.fit("argmax", np.zeros((9, 2)), TASK.answers(part)), np.zeros((9, 2)), part)
    assert [one.rows for one in found] == [9, 4]
    assert [[at.threshold for at in one.agreement.thresholds] for one in found] == [[0.7], [0.5, 0.9]]


# ---- the loss ----


def test_binary_cross_entropy_of_scores_leaves_gaps_out() -> None:
    logits = torch.tensor([[0.3, -1.0], [2.0, 0.5]], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([[0.8, NAN], [0.25, 0.5]], dtype=torch.float64)
    loss = classification_loss(logits, targets)
    shares = torch.sigmoid(logits.detach()).numpy()
    known = [(0.8, shares[0, 0]), (0.25, shares[1, 0]), (0.5, shares[1, 1])]
    by_hand = [-(target * np.log(share) + (1 - target) * np.log(1 - share)) for target, share in known]
    assert loss.item() == pytest.approx(float(np.mean(by_hand)))
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] == 0
    assert logits.grad[0, 0].item() == pytest.approx((shares[0, 0] - 0.8) / 3)


def test_balanced_weights_of_scores_are_by_their_sums() -> None:
    weights = balanced_weights(torch.tensor([[0.25, NAN], [0.75, 0.2], [0.5, 0.3]]))
    assert weights.tolist() == pytest.approx([1.0, 3.0])
