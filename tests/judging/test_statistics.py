"""Statistics: against SciPy, statsmodels, scikit-learn and a slow bootstrap written by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from foreshot.judging import bootstrap, statistics
from foreshot.judging.statistics import (
    PairedSample,
    accuracy,
    compare_all,
    differences,
    holm,
    macro_f1,
    over_seeds,
    seed_interval,
    turned,
)
from foreshot.results.base import Estimate

ROWS = 400


def counts_of(labels, predicted, classes) -> np.ndarray:
    return sk.confusion_matrix(labels, predicted, labels=range(classes))


def guesses(rng, labels, right, classes=2) -> np.ndarray:
    """Predictions that are right with this probability."""
    wrong = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(rng.random(len(labels)) < right, labels, wrong)


def sample_of(predicted, labels, metric=accuracy, classes=2, units=None) -> PairedSample:
    predicted = {model: np.atleast_2d(decided) for model, decided in predicted.items()}
    return PairedSample.make(predicted, np.asarray(labels), metric, classes=classes, units=units)


def difference(task: PairedSample, first: str, second: str, *, seed: int = 0):
    ((estimate, p_value),) = differences(task, [(first, second)], seed=seed)
    return estimate, p_value


@pytest.fixture
def three_models() -> PairedSample:
    rng = np.random.default_rng(7)
    labels = rng.integers(0, 2, ROWS)
    return sample_of(
        {name: guesses(rng, labels, right) for name, right in zip("abc", (0.9, 0.8, 0.8), strict=True)}, labels
    )


# ---- metrics from counts ----


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_from_counts_against_scikit_learn(classes, seed):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, classes, (2, 60))
    counts = counts_of(labels, predicted, classes)
    assert macro_f1(counts) == pytest.approx(sk.f1_score(labels, predicted, average="macro"))
    assert accuracy(counts) == pytest.approx(sk.accuracy_score(labels, predicted))


def test_counts_may_have_axes_in_front():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 20, (4, 3, 2, 2)).astype(float)
    assert macro_f1(counts).shape == accuracy(counts).shape == (4, 3)
    assert macro_f1(counts)[2, 1] == pytest.approx(float(macro_f1(counts[2, 1])))
    assert accuracy(counts)[3, 0] == pytest.approx(float(accuracy(counts[3, 0])))


def test_a_class_that_is_missing_has_an_f1_of_0():
    labels, predicted = [0, 0, 1, 1], [0, 1, 1, 1]
    expected = sk.f1_score(labels, predicted, average="macro", labels=[0, 1, 2], zero_division=0.0)
    assert macro_f1(counts_of(labels, predicted, 3)) == pytest.approx(expected)
    assert macro_f1(counts_of(labels, predicted, 3)) == pytest.approx((2 / 3 + 4 / 5) / 3)


# ---- intervals ----


@pytest.mark.parametrize("values", [[0.8, 0.9], [0.7, 0.72, 0.69], [1.0, 2.0, 3.0, 10.0, 5.0]])
def test_seed_interval_against_scipy(values):
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert seed_interval(values) == pytest.approx((expected.low, expected.high))


def test_seed_interval_by_hand():
    # mean 2, deviation 1, t of 2 degrees of freedom 4.302653: 2 ± 4.302653 / √3
    assert seed_interval([1, 2, 3]) == pytest.approx((2 - 4.302653 / math.sqrt(3), 2 + 4.302653 / math.sqrt(3)))


def test_seed_interval_of_one_seed_and_of_equal_ones():
    assert seed_interval([0.9]) is None
    assert seed_interval([]) is None
    assert seed_interval([0.7, 0.7, 0.7]) == pytest.approx((0.7, 0.7))
    assert seed_interval([0.0, 0.0]) == (0, 0)


# ---- the bootstrap ----


def slow_bootstrap(task: PairedSample, first: str, second: str, score, resamples=600, seed=1) -> np.ndarray:
    """Differences on resampled units, one after another, each model's number the mean over its seeds."""
    rng = np.random.default_rng(seed)
    names = np.unique(task.units)
    rows_of = [np.flatnonzero(task.units == name) for name in names]
    found = []
    for _ in range(resamples):
        rows = np.concatenate([rows_of[unit] for unit in rng.integers(0, len(names), len(names))])
        numbers = [
            np.mean([score(task.labels[rows], decided[rows]) for decided in task.predicted[model]])
            for model in (first, second)
        ]
        found.append(numbers[0] - numbers[1])
    return np.array(found)


def sklearn_macro_f1(labels, predicted) -> float:
    return sk.f1_score(labels, predicted, labels=[0, 1, 2], average="macro", zero_division=0.0)


def test_differences_against_a_slow_bootstrap_with_scikit_learn():
    rng = np.random.default_rng(3)
    labels = rng.choice(3, 120, p=[0.6, 0.3, 0.1])
    predicted = {
        "teacher": guesses(rng, labels, 0.85, 3),
        "student": np.stack([guesses(rng, labels, right, 3) for right in (0.7, 0.75, 0.8)]),
    }
    task = sample_of(predicted, labels, macro_f1, classes=3)
    means = {
        model: np.mean([sklearn_macro_f1(labels, decided) for decided in task.predicted[model]]) for model in predicted
    }
    assert task.mean("student") == pytest.approx(means["student"])
    estimate, p_value = difference(task, "student", "teacher")
    assert estimate.value == pytest.approx(means["student"] - means["teacher"], abs=1e-12)
    for one in range(3):
        single = sample_of(predicted | {"student": predicted["student"][[one]]}, labels, macro_f1, classes=3)
        drawn = slow_bootstrap(single, "student", "teacher", sklearn_macro_f1)
        estimate, p_value = difference(single, "student", "teacher")
        width = drawn.std()
        assert estimate.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.3 * width)
        assert estimate.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.3 * width)
        assert p_value == pytest.approx(2 * min((drawn <= 0).mean(), (drawn >= 0).mean()), abs=0.03)


# ---- seeds are a random factor ----


def found_over(value: float, drawn: np.ndarray) -> Estimate:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value=value, low=float(low), high=float(high))


def test_where_rows_tell_all_the_interval_of_two_models_seeds_is_welchs():
    odd, teacher = np.array([0.81, 0.86, 0.84]), np.array([0.88, 0.9, 0.89, 0.93])
    value = float(odd.mean() - teacher.mean())
    found, p_value = over_seeds(Estimate(value=value, low=value, high=value), np.full(99, value), [odd, teacher])
    welch = stats.ttest_ind(odd, teacher, equal_var=False)
    expected = welch.confidence_interval(0.95)
    assert (found.low, found.high, p_value) == pytest.approx((expected.low, expected.high, welch.pvalue))


def test_where_rows_tell_all_the_interval_against_one_file_is_students():
    odd = np.array([0.81, 0.86, 0.84])
    value = float(odd.mean() - 0.9)
    found, p_value = over_seeds(
        Estimate(value=value, low=value, high=value), np.full(99, value), [odd, np.array([0.9])]
    )
    student = stats.ttest_1samp(odd, 0.9)
    expected = student.confidence_interval(0.95)
    assert (found.low + 0.9, found.high + 0.9) == pytest.approx((expected.low, expected.high))
    assert p_value == pytest.approx(student.pvalue)


def test_rows_and_seeds_by_hand():
    """Variances 4 over rows and 3 · 3 / 3 = 3 over seeds: 7, with 49 / (9 / 2) degrees of freedom."""
    drawn = np.random.default_rng(0).normal(0, 1, 4999)
    drawn = 10 + 2 * (drawn - drawn.mean()) / drawn.std()
    found, p_value = over_seeds(Estimate(value=10, low=6, high=15), drawn, [np.array([7.0, 10.0, 13.0]), np.zeros(1)])
    reach = float(stats.t.ppf(0.975, 98 / 9)) * 7**0.5
    stretch = reach / (float(stats.norm.ppf(0.975)) * 2)
    assert (found.low, found.high) == pytest.approx((10 - 4 * stretch, 10 + 5 * stretch))
    assert p_value == pytest.approx(2 * stats.t.sf(10 / 7**0.5, 98 / 9))


@pytest.mark.parametrize("odd", [np.array([0.8]), np.array([0.8, 0.8, 0.8])], ids=["one", "alike"])
def test_seeds_without_a_spread_leave_the_interval_of_the_rows(odd):
    drawn = np.linspace(-0.2, 0.1, 999)
    rows = found_over(-0.05, drawn)
    found, p_value = over_seeds(rows, drawn, [odd, np.array([0.85])])
    assert found == rows
    assert p_value == pytest.approx(2 * (1 + (drawn >= 0).sum()) / 1000)


def test_intervals_over_rows_and_seeds_cover_what_a_recipe_gives():
    """Crossed random factors, simulated: of 400 intervals that know rows alone far fewer than 95 % cover the truth."""
    rng = np.random.default_rng(11)
    rows, seeds, resamples, covered = 150, 3, 400, {"rows": 0, "rows and seeds": 0}
    for _ in range(400):
        changes = rng.normal(0, 0.04, (seeds, 1)) + rng.normal(0, 0.3, (1, rows)) + rng.normal(0, 0.2, (seeds, rows))
        weights = rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples) / rows
        drawn = weights @ changes.mean(axis=0)
        of_rows = found_over(float(changes.mean()), drawn)
        of_both, _ = over_seeds(of_rows, drawn, [changes.mean(axis=1), np.zeros(1)])
        covered["rows"] += of_rows.low <= 0 <= of_rows.high
        covered["rows and seeds"] += of_both.low <= 0 <= of_both.high
    assert covered["rows"] < 0.9 * 400
    assert covered["rows and seeds"] >= (0.95 - 2 * 0.011) * 400  # twice the error of 400 tries


def test_pairs_that_the_verdict_asks_about_are_corrected_by_themselves(three_models):
    """Holm by hand over each family: with "a" the teacher two pairs are asked about, and one is for interest."""
    plain = {frozenset((one.first, one.second)): one for one in compare_all("m", three_models)}
    found = compare_all("m", three_models, held_against={"b": "a", "c": "a"})
    assert [(one.first, one.second) for one in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [one.p_value for one in found] == [plain[frozenset((one.first, one.second))].p_value for one in found]
    smaller, larger = sorted([found[0].p_value, found[1].p_value])
    assert sorted([found[0].adjusted_p, found[1].adjusted_p]) == pytest.approx(
        sorted([min(1, 2 * smaller), min(1, max(larger, 2 * smaller))])
    )
    assert found[2].adjusted_p == pytest.approx(found[2].p_value)


def test_differences_in_accuracy_against_scipys_paired_bootstrap(three_models):
    first, second = (three_models.predicted[model][0] == three_models.labels for model in "ab")
    expected = stats.bootstrap(
        (first.astype(float), second.astype(float)),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=9999,
        rng=np.random.default_rng(5),
    ).confidence_interval
    estimate, _ = difference(three_models, "a", "b")
    assert estimate.value == pytest.approx(first.mean() - second.mean())
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), abs=0.0051)  # two rows


def test_the_p_value_against_a_normal_approximation(three_models):
    change = (three_models.predicted["b"][0] == three_models.labels).astype(float) - (
        three_models.predicted["c"][0] == three_models.labels
    )
    expected = stats.ttest_1samp(change, 0).pvalue
    assert difference(three_models, "b", "c")[1] == pytest.approx(expected, abs=0.08)
    assert difference(three_models, "a", "b")[1] < 0.01


@pytest.mark.parametrize("metric", [accuracy, macro_f1])
def test_equal_models_do_not_differ_however_many_seeds(metric):
    # The mean of 3 or of 7 equal numbers is not always that number to the last bit.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 97)
    decided = guesses(rng, labels, 0.9)
    task = sample_of({"one": decided, "three": [decided] * 3, "seven": [decided] * 7}, labels, metric)
    for compared in compare_all("suite", task):
        assert (compared.difference.value, compared.difference.low, compared.difference.high) == (0, 0, 0)
        assert compared.p_value == compared.adjusted_p == 1
        assert compared.outcome == "not distinguishable"


def test_equal_models_that_flag_everything_do_not_differ():
    # Their mean over three seeds is off by a bit on every resample, and always to the same side.
    labels = np.array([1] * 41 + [0] * 8)
    ones = np.ones(49, dtype=int)
    for compared in compare_all("macro_f1", sample_of({"one": ones, "many": [ones] * 6}, labels, macro_f1)):
        assert compared.outcome == "not distinguishable"
        assert compared.p_value == 1


def test_seeds_are_pooled_on_the_same_rows():
    # Three equal seeds tell as much as one of them, and not more.
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, ROWS)
    one, other = guesses(rng, labels, 0.9), guesses(rng, labels, 0.85)
    alone, _ = difference(sample_of({"a": one, "b": other}, labels), "a", "b")
    pooled, _ = difference(sample_of({"a": [one] * 3, "b": other}, labels), "a", "b")
    assert (pooled.value, pooled.low, pooled.high) == pytest.approx((alone.value, alone.low, alone.high))


def test_the_number_of_a_model_is_the_mean_over_its_seeds():
    labels = np.array([0, 0, 1, 1])
    task = sample_of({"a": [[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]], "b": [1, 1, 1, 1]}, labels)
    assert task.mean("a") == pytest.approx((1 + 0.5 + 0.75) / 3)
    assert difference(task, "a", "b")[0].value == pytest.approx(0.75 - 0.5)


def test_cases_of_one_template_are_drawn_together():
    # 20 templates of 10 cases that stand or fall together: as 20 rows, not as 200.
    rng = np.random.default_rng(4)
    of_template = guesses(rng, np.ones(20, dtype=int), 0.6)
    labels, units = np.ones(200, dtype=int), np.repeat(np.arange(20), 10)
    predicted = {"a": np.repeat(of_template, 10), "b": np.ones(200, dtype=int)}
    apart, _ = difference(sample_of(predicted, labels), "a", "b")
    task = sample_of(predicted, labels, units=units)
    together, _ = difference(task, "a", "b")
    assert together.value == apart.value
    assert together.high - together.low > 2.5 * (apart.high - apart.low)  # √10 in theory
    drawn = slow_bootstrap(task, "a", "b", sk.accuracy_score)
    assert (together.low, together.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.051)
    as_twenty, _ = difference(sample_of({"a": of_template, "b": np.ones(20, dtype=int)}, labels[:20]), "a", "b")
    assert (together.low, together.high) == pytest.approx((as_twenty.low, as_twenty.high))


def test_units_may_have_any_numbers_in_any_order():
    rng = np.random.default_rng(6)
    labels = rng.integers(0, 2, 60)
    units = rng.permutation(np.repeat(np.arange(12), 5))
    predicted = {"a": guesses(rng, labels, 0.9), "b": guesses(rng, labels, 0.7)}
    assert differences(sample_of(predicted, labels, units=units), [("a", "b")]) == differences(
        sample_of(predicted, labels, units=units * 17 - 4), [("a", "b")]
    )


def test_the_same_seed_gives_the_same_numbers_and_another_one_others(three_models):
    pairs = [("a", "b"), ("a", "c")]
    assert differences(three_models, pairs, seed=1) == differences(three_models, pairs, seed=1)
    assert differences(three_models, pairs, seed=1) != differences(three_models, pairs, seed=2)


def test_a_pair_turned_round_has_the_same_interval_with_other_signs(three_models):
    (there, p_there), (back, p_back) = differences(three_models, [("a", "b"), ("b", "a")])
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))
    assert p_there == p_back


def test_the_interval_covers_the_truth_about_as_often_as_it_says(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 399)
    rng, covered, trials = np.random.default_rng(11), 0, 200
    for _ in range(trials):
        labels = rng.integers(0, 2, 150)
        task = sample_of({"a": guesses(rng, labels, 0.9), "b": guesses(rng, labels, 0.8)}, labels)
        estimate, _ = difference(task, "a", "b")
        covered += estimate.low <= 0.1 <= estimate.high
    assert 0.9 <= covered / trials <= 0.985


def test_equal_models_are_rarely_called_different(monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 399)
    rng, different = np.random.default_rng(12), 0
    for _ in range(200):
        labels = rng.integers(0, 2, 150)
        task = sample_of({"a": guesses(rng, labels, 0.85), "b": guesses(rng, labels, 0.85)}, labels, macro_f1)
        different += difference(task, "a", "b")[1] < statistics.SIGNIFICANCE
    assert different <= 20


@pytest.mark.parametrize("most_drawn", [1, 3 * ROWS])
def test_smaller_batches_change_nothing(three_models, monkeypatch, most_drawn):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 199)
    expected = differences(three_models, [("a", "b")])
    monkeypatch.setattr(bootstrap, "MOST_DRAWN", most_drawn)
    assert differences(three_models, [("a", "b")]) == expected


# ---- edge cases ----


def test_no_pairs_and_one_model(three_models):
    assert differences(three_models, []) == []
    assert compare_all("suite", sample_of({"a": [0, 1]}, [0, 1])) == []


@pytest.mark.parametrize("units", [None, np.array([3])])
def test_one_row_tells_nothing(units):
    task = sample_of({"a": [1], "b": [0]}, [1], units=units)
    estimate, p_value = difference(task, "a", "b")
    assert (estimate.value, estimate.low, estimate.high, p_value) == (1, -1, 1, 1)
    assert compare_all("suite", task)[0].outcome == "not distinguishable"


def test_one_unit_of_many_rows_tells_nothing():
    task = sample_of({"a": [1] * 9, "b": [0] * 9}, [1] * 9, units=np.zeros(9, dtype=int))
    estimate, p_value = difference(task, "a", "b")
    assert (estimate.value, estimate.low, estimate.high, p_value) == (1, -1, 1, 1)


def test_some_rows_alone():
    labels, units = np.array([0, 1, 1, 0]), np.array([5, 5, 6, 7])
    task = sample_of({"a": [[0, 1, 0, 0], [0, 0, 1, 0]]}, labels, units=units)
    for chosen in (labels == 1, np.array([1, 2])):
        some = task.of_rows(chosen)
        assert some.labels.tolist() == [1, 1]
        assert some.units.tolist() == [5, 6]
        assert some.predicted["a"].tolist() == [[1, 0], [0, 1]]
        assert some.mean("a") == 0.5


def test_a_class_may_be_missing_from_the_rows():
    task = sample_of({"a": [0, 0, 2, 0], "b": [0, 0, 0, 0]}, [0, 0, 0, 0], macro_f1, classes=3)
    assert task.mean("a") == pytest.approx((6 / 7) / 3)
    assert task.mean("b") == pytest.approx(1 / 3)
    estimate, _ = difference(task, "a", "b")
    assert estimate.value == pytest.approx((6 / 7 - 1) / 3)
    assert estimate.low <= estimate.value <= estimate.high <= 0


# ---- every pair ----


def test_a_clearly_better_model_is_better_and_its_rival_worse(three_models):
    ab, ac, bc = compare_all("macro_f1", three_models)
    assert [(found.first, found.second) for found in (ab, ac, bc)] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [found.outcome for found in (ab, ac, bc)] == ["better", "better", "not distinguishable"]
    assert {found.measure for found in (ab, ac, bc)} == {"macro_f1"}
    back = turned(ab)
    assert (back.first, back.second, back.outcome) == ("b", "a", "worse")
    assert (back.difference.value, back.difference.low, back.difference.high) == (
        -ab.difference.value,
        -ab.difference.high,
        -ab.difference.low,
    )
    assert (back.p_value, back.adjusted_p, back.mcnemar_p) == (ab.p_value, ab.adjusted_p, ab.mcnemar_p)
    assert turned(back) == ab
    assert turned(bc).outcome == "not distinguishable"
    (ba,) = compare_all(
        "macro_f1", sample_of({name: three_models.predicted[name] for name in "ba"}, three_models.labels)
    )
    assert ba.outcome == back.outcome
    assert ba.difference.value == back.difference.value


def test_holms_correction_by_hand(monkeypatch):
    # Sorted 0.01, 0.02, 0.03, times 3, 2, 1: 0.03, 0.04, 0.03, and none below the one before it: 0.03, 0.04, 0.04.
    p_values = iter([0.03, 0.01, 0.02])
    monkeypatch.setattr(
        statistics,
        "differences",
        lambda task, pairs: [(statistics.Estimate(value=-0.1, low=-0.2, high=0), next(p_values)) for _ in pairs],
    )
    found = compare_all("suite", sample_of({name: [0, 1] for name in "abc"}, [0, 1]))
    assert [one.p_value for one in found] == [0.03, 0.01, 0.02]
    assert [one.adjusted_p for one in found] == pytest.approx([0.04, 0.03, 0.04])
    assert [one.outcome for one in found] == ["worse"] * 3


@pytest.mark.parametrize("count", [0, 1, 2, 7, 60])
def test_holms_correction_against_statsmodels(count):
    p_values = np.random.default_rng(count).beta(0.3, 2, count).round(3).tolist()  # with ties
    expected = multipletests(p_values, method="holm")[1] if p_values else []
    assert holm(p_values) == pytest.approx(list(expected))


def test_holms_correction_turns_a_chance_find_down(monkeypatch):
    p_values = iter([0.04, 0.5, 0.9])
    monkeypatch.setattr(
        statistics,
        "differences",
        lambda task, pairs: [(statistics.Estimate(value=0.1, low=0, high=0.2), next(p_values)) for _ in pairs],
    )
    found = compare_all("suite", sample_of({name: [0, 1] for name in "abc"}, [0, 1]))
    assert [one.adjusted_p for one in found] == pytest.approx([0.12, 1, 1])
    assert {one.outcome for one in found} == {"not distinguishable"}


def test_the_smallest_p_value_outlives_holms_correction_over_many_pairs():
    # 20 models are 190 pairs: of 4,999 resamples the smallest p-value would be 190 · 2 / 5,000 = 0.076.
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    models = {f"m{number}": guesses(rng, labels, 0.9) for number in range(19)} | {"bad": 1 - labels}
    found = [one for one in compare_all("suite", sample_of(models, labels)) if one.second == "bad"]
    assert {one.outcome for one in found} == {"better"}
    assert min(one.p_value for one in found) < 2 / (1 + bootstrap.RESAMPLES)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (6, 1), (10, 10), (40, 12)])
def test_mcnemar_against_statsmodels(only_first, only_second):
    # rows that both get right, the first alone, the second alone, and neither
    first = [1] * 5 + [1] * only_first + [0] * only_second + [0] * 3
    second = [1] * 5 + [0] * only_first + [1] * only_second + [0] * 3
    (found,) = compare_all("macro_f1", sample_of({"a": first, "b": second}, [1] * len(first)))
    table = [[5, only_first], [only_second, 3]]
    assert found.mcnemar_p == pytest.approx(float(mcnemar(table, exact=True).pvalue))


def test_mcnemar_is_for_one_seed_and_for_rows_that_stand_by_themselves():
    labels = np.array([0, 1, 0, 1])
    several = sample_of({"a": [[0, 1, 0, 1]] * 2, "b": [0, 0, 0, 0]}, labels)
    assert compare_all("suite", several)[0].mcnemar_p is None
    together = sample_of({"a": [0, 1, 0, 1], "b": [0, 0, 0, 0]}, labels, units=np.array([0, 1, 2, 2]))
    assert compare_all("suite", together)[0].mcnemar_p is None


def test_nothing_that_was_given_is_changed(three_models):
    before = {model: decided.copy() for model, decided in three_models.predicted.items()}
    compare_all("macro_f1", three_models)
    assert all((three_models.predicted[model] == before[model]).all() for model in before)
