"""Identity bias: AUCs as scikit-learn computes them on subsets, means by hand, intervals as a slow bootstrap's."""

from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from foreshot.judging import bootstrap
from foreshot.judging import identity_bias as module
from foreshot.judging.identity_bias import bias_aucs, identity_bias, power_mean

ROWS = 400
RNG = np.random.default_rng(5)
POSITIVE = RNG.random(ROWS) < 0.3
GROUPS = {"walnuts": RNG.random(ROWS) < 0.3, "hazelnuts": RNG.random(ROWS) < 0.15}  # some rows mention both
PLAIN = np.ones((ROWS, 1))


def scores_of(strength: float, *, seeds: int = 1, seed: int = 0, shift: float = 0.0) -> np.ndarray:
    """Scores in steps, so that many are tied; `shift` raises those of rows that mention walnuts."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(seeds, ROWS))
    return np.round(noise + strength * POSITIVE + shift * GROUPS["walnuts"], 1)


def by_scikit_learn(scores: np.ndarray, positive: np.ndarray, mentioned: np.ndarray) -> dict[str, float]:
    subsets = {
        "subgroup": mentioned,
        "bpsn": (~mentioned & positive) | (mentioned & ~positive),
        "bnsp": (~mentioned & ~positive) | (mentioned & positive),
    }
    return {auc: roc_auc_score(positive[rows], scores[rows]) for auc, rows in subsets.items()}


@pytest.fixture
def quick():
    with patch.object(bootstrap, "RESAMPLES", 999), patch.object(bootstrap, "RESAMPLES_PER_PAIR", 1):
        yield


# ---- the AUCs ----


def test_the_aucs_are_those_of_scikit_learn_on_the_subsets():
    scores = scores_of(1.2)[0]
    assert len(np.unique(scores)) < ROWS / 2  # there are ties to get right
    found = bias_aucs(scores, POSITIVE, np.array(list(GROUPS.values())), PLAIN)[:, 0]
    expected = [roc_auc_score(POSITIVE, scores)]
    for mentioned in GROUPS.values():
        expected += by_scikit_learn(scores, POSITIVE, mentioned).values()
    assert found == pytest.approx(expected, abs=1e-12)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.booleans(), st.integers(0, 3)), min_size=1, max_size=25))
def test_a_weight_is_a_row_that_stands_there_so_often(rows):
    scores, positive, mentioned, weights = (np.array(column) for column in zip(*rows, strict=True))
    found = bias_aucs(scores, positive, mentioned[None], weights[:, None].astype(float))[:, 0]
    repeated = [np.repeat(column, weights) for column in (scores, positive, mentioned)]
    above, below = repeated[1], ~repeated[1]
    sides = [
        (above, below),
        (above & repeated[2], below & repeated[2]),
        (above & ~repeated[2], below & repeated[2]),
        (above & repeated[2], below & ~repeated[2]),
    ]
    for auc, (over, under) in zip(found, sides, strict=True):
        differences = repeated[0][over][:, None] - repeated[0][under][None]
        if differences.size:
            assert auc == pytest.approx(np.mean((np.sign(differences) + 1) / 2))
        else:
            assert np.isnan(auc)


def test_background_is_all_rows_that_do_not_mention_the_group_whatever_else_they_mention():
    scores = np.array([0.9, 0.8, 0.4, 0.2])
    positive = np.array([True, False, True, False])
    one, other = np.array([True, True, False, False]), np.array([False, False, True, False])
    found = bias_aucs(scores, positive, np.array([one, other]), np.ones((4, 1)))[:, 0]
    # The only positive row without `one` mentions `other`; it scores below the benign row that mentions `one`.
    assert found[:4].tolist() == [0.75, 1.0, 0.0, 1.0]


# ---- the means ----


def test_the_power_mean_by_hand():
    assert power_mean(np.array([0.5, 1.0])) == pytest.approx(((32 + 1) / 2) ** -0.2)
    assert power_mean(np.array([0.8, 0.8, 0.8])) == pytest.approx(0.8)
    assert power_mean(np.array([0.5, 1.0]), power=1.0) == pytest.approx(0.75)
    assert power_mean(np.array([0.0, 1.0])) == 0.0


def test_means_and_final_are_of_each_seed_and_then_averaged(quick):
    scores = {"teacher": scores_of(1.5), "odd": scores_of(1.0, seeds=3, seed=1)}
    found = identity_bias(scores, POSITIVE, GROUPS, teacher="teacher", source="terms.csv").models[1]
    finals, overall, bpsn = [], [], []
    for of_seed in scores["odd"]:
        aucs = [by_scikit_learn(of_seed, POSITIVE, mentioned) for mentioned in GROUPS.values()]
        means = {auc: np.mean([of_group[auc] ** -5.0 for of_group in aucs]) ** -0.2 for auc in aucs[0]}
        overall.append(roc_auc_score(POSITIVE, of_seed))
        bpsn.append(means["bpsn"])
        finals.append(0.25 * overall[-1] + 0.25 * sum(means.values()))
    assert found.overall.value.value == pytest.approx(np.mean(overall))
    assert found.means["bpsn"].value.value == pytest.approx(np.mean(bpsn))
    assert found.final.value.value == pytest.approx(np.mean(finals))


# ---- intervals and differences ----


def test_intervals_are_those_of_a_slow_bootstrap(quick):
    scores = {"teacher": scores_of(1.5), "odd": scores_of(0.7, seed=1)}
    found = identity_bias(scores, POSITIVE, GROUPS, teacher="teacher", source="terms.csv")
    rng, drawn = np.random.default_rng(99), []
    judged = np.flatnonzero(GROUPS["walnuts"] != POSITIVE)  # background positive, subgroup negative
    for _ in range(600):
        drawn_rows = rng.integers(ROWS, size=ROWS)
        rows = drawn_rows[np.isin(drawn_rows, judged)]
        drawn.append([roc_auc_score(POSITIVE[rows], scores[model][0, rows]) for model in ("teacher", "odd")])
    teacher, odd = np.array(drawn).T
    for samples, estimate in (
        (teacher, found.models[0].groups["walnuts"]["bpsn"].value),
        (odd, found.models[1].groups["walnuts"]["bpsn"].value),
        (odd - teacher, found.models[1].groups["walnuts"]["bpsn"].minus_teacher),
    ):
        low, high = np.percentile(samples, [2.5, 97.5])
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.015)


def test_a_student_that_flags_a_group_is_clearly_worse_in_bpsn_and_another_is_not(quick):
    scores = {"teacher": scores_of(2.0), "blind": scores_of(2.0, shift=2.0), "twin": scores_of(2.0)}
    teacher, blind, twin = identity_bias(scores, POSITIVE, GROUPS, teacher="teacher", source="terms.csv").models
    assert all(score.minus_teacher is None for score in teacher.groups["walnuts"].values())
    assert blind.groups["walnuts"]["bpsn"].minus_teacher.high < -0.1
    assert blind.groups["walnuts"]["bpsn"].adjusted_p < 0.05
    assert blind.groups["walnuts"]["bnsp"].minus_teacher.value > 0  # the other side of the same shift
    assert blind.groups["walnuts"]["subgroup"].minus_teacher.value == 0.0  # within the group nothing has moved
    for score in (twin.overall, twin.final, *twin.means.values(), *twin.groups["walnuts"].values()):
        change = score.minus_teacher
        assert (change.value, change.low, change.high, score.adjusted_p) == (0.0, 0.0, 0.0, 1.0)


def test_the_seed_of_the_bootstrap_decides(quick):
    scores = {"teacher": scores_of(1.0), "odd": scores_of(0.9, seed=1)}
    first, again, other = (
        identity_bias(scores, POSITIVE, GROUPS, teacher="teacher", source="terms.csv", seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


# ---- too few rows ----


def test_an_auc_with_too_few_rows_is_not_known_and_says_why(quick):
    rare, empty = np.zeros(ROWS, dtype=bool), np.zeros(ROWS, dtype=bool)
    rare[np.flatnonzero(POSITIVE)[:12]] = True
    rare[np.flatnonzero(~POSITIVE)[:3]] = True
    scores = {"teacher": scores_of(1.0), "odd": scores_of(0.8, seed=1)}
    mentions = {**GROUPS, "rare": rare, "empty": empty, "all": ~empty}
    found = identity_bias(scores, POSITIVE, mentions, teacher="teacher", source="terms.csv")
    *_, few, none, everybody = found.groups
    assert (few.positive, few.negative) == (12, 3)
    assert set(few.too_few) == {"subgroup", "bpsn"}
    assert few.too_few["bpsn"] == ["3 negative mentioning it"]
    assert set(none.too_few) == {"subgroup", "bpsn", "bnsp"}
    assert everybody.too_few == {
        "bpsn": ["0 positive not mentioning it"],
        "bnsp": ["0 negative not mentioning it"],
    }
    odd = found.models[1]
    assert set(odd.groups["rare"]) == {"bnsp"}
    assert "empty" not in odd.groups
    expected = [by_scikit_learn(scores["odd"][0], POSITIVE, mentions[name])["bnsp"] for name in (*GROUPS, "rare")]
    assert odd.means["bnsp"].value.value == pytest.approx(np.mean(np.array(expected) ** -5.0) ** -0.2)


def test_without_any_group_to_judge_the_overall_auc_is_left(quick):
    found = identity_bias(
        {"teacher": scores_of(1.0)}, POSITIVE, {"empty": np.zeros(ROWS, dtype=bool)}, teacher="teacher", source="t.csv"
    )
    (teacher,) = found.models
    assert (teacher.groups, teacher.means, teacher.final) == ({}, {}, None)
    assert teacher.overall.value.value == pytest.approx(roc_auc_score(POSITIVE, scores_of(1.0)[0]))


def test_draws_without_a_groups_rows_do_not_count():
    """Ten of a thousand rows on a side: once in many draws none of them is drawn, and nothing may become NaN."""
    positive = np.arange(1000) < 500
    few = (np.arange(1000) % 50) == 0  # ten positive rows, ten negative ones
    scores = {"teacher": np.random.default_rng(1).random((1, 1000)), "odd": np.random.default_rng(2).random((1, 1000))}
    with patch.object(module, "_draws", lambda rows, resamples, seed: iter([draw_without(few, rows), draw(rows)])):
        found = identity_bias(scores, positive, {"few": few}, teacher="teacher", source="t.csv").models[1]
    for score in (found.groups["few"]["bpsn"], found.means["bpsn"], found.final):
        assert np.isfinite([score.value.low, score.value.high, score.minus_teacher.low, score.adjusted_p]).all()


def draw(rows: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, size=(rows, 50)).astype(float)


def draw_without(members: np.ndarray, rows: int) -> np.ndarray:
    return draw(rows) * ~members[:, None]
