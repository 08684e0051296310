"""What the verdict is about: one file of each student, its rows and cases, and not the mean of its seeds."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from foreshot.data.labels import Classes
from foreshot.judging.evidence import METRIC, SEALED, SUITE, SUITE_POSITIVE, Candidate
from foreshot.judging.samples import Answered, Asked, comparisons, evidence, on_suite, samples
from foreshot.judging.task import ClassTask
from foreshot.judging.verdict import verdict
from foreshot.results.behaviour import Case
from foreshot.settings.experiment import VerdictPolicy

CLASSES = Classes(names=("benign", "toxic"), positive=1, mapping={}, announcements=())
ROWS, CASES = 4000, 1200


def wrong(right: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Decisions that differ from what is right on a share of the rows."""
    return np.where(rng.random(len(right)) < share, 1 - right, right)


@pytest.fixture(scope="module")
def asked() -> Asked:
    rng = np.random.default_rng(5)
    labels = rng.integers(2, size=CASES)
    cases = [
        Case(text=f"text {row}", label=CLASSES.names[label], functionality=f"kind {row % 4}", sealed=row % 5 == 0)
        for row, label in enumerate(labels)
    ]
    return Asked(
        task=ClassTask(CLASSES),
        answers=(rng.random(ROWS) < 0.3).astype(int),
        class_names=CLASSES.names,
        positive=1,
        cases=cases,
        has_sealed=True,
    )


@pytest.fixture(scope="module")
def answered(asked) -> Answered:
    """Of the student's three seeds the second keeps the teacher, the others are blind to half of the toxic cases."""
    rng = np.random.default_rng(6)
    teacher = wrong(asked.answers, 0.05, rng), wrong(asked.case_labels, 0.2, rng)
    blind = np.where((asked.case_labels == 1) & (rng.random(CASES) < 0.5), 0, teacher[1])
    return Answered(
        test={"teacher": teacher[0][None], "odd": np.stack([wrong(teacher[0], 0.002, rng) for _ in range(3)])},
        suite={"teacher": teacher[1][None], "odd": np.stack([blind, wrong(teacher[1], 0.01, rng), blind])},
    )


CANDIDATES = (
    Candidate(model="teacher", layers=6, parameters=100, seeds=1, is_teacher=True),
    Candidate(model="odd", layers=3, parameters=60, seeds=3),
)


def test_a_file_is_judged_by_what_it_decides_itself(asked, answered):
    for place, expected in ((0, "not recommended"), (1, "recommended"), (2, "not recommended")):
        file = answered.of_files({"teacher": 0, "odd": place})
        found = evidence(asked, file, CANDIDATES, VerdictPolicy())
        assert found.candidates[1].means[METRIC] == pytest.approx(
            f1_score(asked.answers, answered.test["odd"][place], average="macro")
        )
        right = answered.suite["odd"][place] == asked.case_labels
        assert found.candidates[1].means[SUITE] == pytest.approx(right.mean())
        assert found.candidates[1].means[SUITE_POSITIVE] == pytest.approx(right[asked.case_labels == 1].mean())
        assert verdict(found).kind == expected


def test_what_is_compared_over_seeds_is_their_mean_and_is_less_sure(asked, answered):
    over_seeds = comparisons(samples(asked, answered), CANDIDATES)
    of_file = comparisons(samples(asked, answered.of_files({"teacher": 0, "odd": 1})), CANDIDATES)
    recipe, file = ({one.measure: one.difference for one in found} for found in (over_seeds, of_file))
    right = (answered.suite["odd"] == asked.case_labels).mean(axis=1)
    teacher = (answered.suite["teacher"] == asked.case_labels).mean()
    assert recipe[SUITE].value == pytest.approx(teacher - right.mean())
    assert recipe[SUITE].high - recipe[SUITE].low > 5 * (file[SUITE].high - file[SUITE].low)
    assert recipe[SUITE].low < 0 < recipe[SUITE].high  # seeds differ so much that the recipe can't be told


def test_sealed_cases_are_a_measure_where_models_were_mended(asked, answered):
    sealed = [row for row, case in enumerate(asked.cases) if case.sealed]
    found = samples(asked, answered)[SEALED]
    assert found.mean("teacher") == pytest.approx(
        (answered.suite["teacher"][0, sealed] == asked.case_labels[sealed]).mean()
    )
    assert SEALED not in samples(replace(asked, has_sealed=False), answered)


def test_a_model_that_is_no_candidate_is_on_the_suite_without_changes(asked, answered):
    baseline = replace(answered, suite={**answered.suite, "ready": answered.suite["teacher"]})
    *others, last = on_suite(asked, baseline, CANDIDATES)
    assert [one.model for one in others] == ["teacher", "odd"]
    assert last.model == "ready"
    assert all(cell.minus_teacher is None for cell in last.functionalities)
    assert all(cell.minus_teacher is not None for cell in others[1].functionalities)
    assert on_suite(replace(asked, cases=()), baseline, CANDIDATES) == []
