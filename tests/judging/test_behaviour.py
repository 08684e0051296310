"""Suite results and evasions, counted by hand on suites of a few cases."""

import numpy as np
import pytest
from scipy import stats
from small_suite import CASES, CLASSES, ODD, TEACHER, case, cells

from foreshot.judging.behaviour import Evasions, evasion_results, make_evasions, suite_results, template_units
from foreshot.judging.shares import suite_shares, wilson
from foreshot.judging.statistics import PairedSample, accuracy, differences
from foreshot.results.behaviour import SuiteResult
from foreshot.suites.perturbations import PERTURBATIONS

BENIGN, TOXIC = 0, 1


@pytest.fixture(scope="module")
def results() -> dict[str, SuiteResult]:
    predicted = {"teacher": np.array(TEACHER), "odd": np.array(ODD)}
    return {found.model: found for found in suite_results(CASES, predicted, CLASSES, teacher="teacher")}


def without_changes(found: SuiteResult) -> SuiteResult:
    unset = {"minus_teacher": None, "adjusted_p": None}
    cells_of = {"functionalities": found.functionalities, "groups": found.groups}
    return found.model_copy(
        update={kind: [cell.model_copy(update=unset) for cell in cells] for kind, cells in cells_of.items()}
    )


def test_every_model_has_its_shares(results):
    assert list(results) == ["teacher", "odd"]
    for model, decided in (("teacher", TEACHER), ("odd", ODD)):
        assert without_changes(results[model]) == suite_shares(model, CASES, np.array(decided), CLASSES)


def test_changes_from_the_teacher_by_hand(results):
    teacher, odd = (cells(results[model].functionalities) for model in ("teacher", "odd"))
    assert [one.minus_teacher for one in teacher.values()] == [None] * 3
    assert [one.minus_teacher.value for one in odd.values()] == pytest.approx([-1.5 / 4, -0.5 / 2, 1])
    assert cells(results["odd"].groups)["women", "benign"].minus_teacher.value == pytest.approx(-0.5)


def test_a_change_from_the_teacher_has_an_interval(results):
    change = cells(results["odd"].functionalities)["threat", "toxic"].minus_teacher
    # The four cases change by 0, -1, 0, -½: a mean of four draws is -1 with 1/256 and 0 with 16/256. Their variance is
    # 11/64, that of a mean of four 11/256. The seeds get 3/4 less 1/2 and 3/4 less 1/4: over two seeds 1/64.
    rows, seeds = 11 / 256, 1 / 64
    freedom = (rows + seeds) ** 2 / seeds**2
    stretch = stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975) * ((rows + seeds) / rows) ** 0.5
    assert change.low == pytest.approx(-0.375 - stretch * 0.375, abs=stretch * 0.13)
    assert change.high == pytest.approx(-0.375 + stretch * 0.375, abs=0.02)
    one_case = cells(results["odd"].functionalities)["names", "benign"].minus_teacher
    assert (one_case.low, one_case.high) == (-1, 1)


def test_a_teacher_without_students():
    (found,) = suite_results(CASES, {"teacher": np.array(TEACHER)}, CLASSES, teacher="teacher")
    assert found.accuracy == wilson(6, 7)
    assert found.functionalities[0].minus_teacher is None


def test_changes_are_corrected_for_being_so_many():
    """Holm by hand: of two kinds the smaller p is doubled, and the other is at least that."""
    rng = np.random.default_rng(7)
    cases = [case("toxic", name) for name in ("a", "b") for _ in range(60)]
    teacher = np.ones((1, 120), dtype=int)
    student = np.where(rng.random((1, 120)) < np.repeat([0.05, 0.5], 60), 0, 1)
    found = suite_results(cases, {"teacher": teacher, "odd": student}, ["benign", "toxic"], teacher="teacher")
    predicted, labels = {"teacher": teacher, "odd": student}, np.ones(120, dtype=int)
    task = PairedSample.make(predicted, labels, accuracy, classes=2, units=template_units(cases))
    raw = [differences(task.of_rows(np.arange(60) + start), [("odd", "teacher")])[0][1] for start in (0, 60)]
    assert raw[1] < raw[0]
    slightly, badly = found[1].functionalities
    assert badly.adjusted_p == pytest.approx(2 * raw[1])
    assert slightly.adjusted_p == pytest.approx(max(raw[0], 2 * raw[1]))
    assert found[0].functionalities[0].adjusted_p is None


def test_cases_of_one_template_are_one_unit():
    cases = [case("toxic", "a", template=template) for template in ("x", "y", "x", "2", "y")]
    cases += [case("toxic", "a"), case("toxic", "a")]
    units = template_units(cases).tolist()
    assert units[0] == units[2]
    assert units[1] == units[4]
    assert len(set(units)) == 5  # x, y, "2", and two that stand by themselves


def test_changes_are_drawn_by_template():
    # Two templates of ten cases, one of them lost: by case the interval would end at about -0.3, here it ends at 0.
    cases = [case("toxic", "a", template=str(number // 10)) for number in range(20)]
    predicted = {"teacher": np.ones((1, 20), dtype=int), "odd": np.array([[1] * 10 + [0] * 10])}
    change = suite_results(cases, predicted, CLASSES, teacher="teacher")[1].functionalities[0].minus_teacher
    assert (change.value, change.low, change.high) == (-0.5, -1, 0)


# ---- evasions ----

TEXTS = ["you are a moron", "what a lovely day", "MORON", "total morons, all of you", "hello there", "😀"]
WORDS = frozenset({"moron"})


def test_toxic_rows_alone_are_rewritten_by_every_perturbation():
    toxic = np.array([True, False, True, True, False, False])
    made = make_evasions(TEXTS, toxic, WORDS, most=100, seed=1)
    assert made.rows.tolist() == [0, 2, 3]
    assert tuple(made.texts) == PERTURBATIONS
    assert made.texts["upper case"] == ["YOU ARE A MORON", "MORON", "TOTAL MORONS, ALL OF YOU"]
    assert made.texts["dots"][:2] == ["you are a m.o.r.o.n", "M.O.R.O.N"]
    assert made.all_texts == [text for name in PERTURBATIONS for text in made.texts[name]]


def test_many_rows_are_sampled_by_the_seed():
    texts, toxic = [f"moron number {number}" for number in range(500)], np.arange(500) % 2 == 0
    made, again, other = (make_evasions(texts, toxic, WORDS, most=150, seed=seed) for seed in (1, 1, 2))
    assert len(made.rows) == len(set(made.rows.tolist())) == 150
    assert toxic[made.rows].all()
    assert made.rows.tolist() == sorted(made.rows.tolist())
    assert (made.rows == again.rows).all()
    assert made.texts == again.texts
    assert made.rows.tolist() != other.rows.tolist()


def test_no_more_rows_than_there_are():
    assert len(make_evasions(TEXTS, np.ones(6, dtype=bool), WORDS, most=100, seed=0).rows) == 6


def test_no_toxic_rows():
    made = make_evasions(TEXTS, np.zeros(6, dtype=bool), WORDS, most=100, seed=0)
    assert made.rows.tolist() == made.all_texts == []
    found = evasion_results(made, TEXTS, np.ones((1, 6), dtype=int), np.ones((1, 0), dtype=int), TOXIC)
    assert [one.rows for one in found] == [0] * len(PERTURBATIONS)


EVASIONS = Evasions(
    rows=np.array([0, 2, 3]),
    texts={"leet": ["y0u", "M0R0N", "t0tal"], "upper case": ["YOU", "MORON", "TOTAL"]},  # row 2 stays as it is
)


def test_the_share_that_escapes_by_hand():
    decided = np.array([[1, 0, 1, 0, 0, 0]])  # rows 0 and 2 are caught
    evading = np.array([[0, 1, 0, 0, 0, 1]])  # leet: row 0 escapes, row 2 not; upper case: 0 escapes
    leet, upper = evasion_results(EVASIONS, TEXTS, decided, evading, TOXIC)
    assert (leet.perturbation, leet.rows, leet.escaped) == ("leet", 2, wilson(1, 2))
    assert (upper.perturbation, upper.rows, upper.escaped) == ("upper case", 1, wilson(1, 1))


def test_the_positive_class_may_be_the_first():
    decided, evading = np.array([[0, 1, 0, 1, 1, 1]]), np.array([[1, 0, 1, 1, 1, 0]])
    leet, upper = evasion_results(EVASIONS, TEXTS, decided, evading, 0)
    assert (leet.rows, leet.escaped, upper.escaped) == (2, wilson(1, 2), wilson(1, 1))


def test_seeds_are_pooled_by_what_each_of_them_catches():
    decided = np.array([[1, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 0]])  # caught: 3 rows, and 1
    evading = np.array([[0, 0, 1, 1, 1, 1], [1, 0, 0, 1, 1, 1]])  # leet escapes: 2 of 3, and 0 of 1
    leet, upper = evasion_results(EVASIONS, TEXTS, decided, evading, TOXIC)
    assert leet.rows == 2  # the mean of 3 and 1
    assert leet.escaped.value == pytest.approx(2 / 4)
    assert leet.escaped == wilson(1, 2)  # two seeds are not twice the rows
    assert upper.escaped.value == 0


def test_a_model_that_catches_nothing_has_nothing_to_lose():
    nothing = np.zeros((2, 6), dtype=int)
    for found in evasion_results(EVASIONS, TEXTS, nothing, nothing, TOXIC):
        assert found.rows == 0
        assert (found.escaped.low, found.escaped.high) == (0, 1)


def test_a_row_that_one_of_three_seeds_catches_is_a_row():
    decided = np.zeros((3, 6), dtype=int)
    decided[1, 0] = 1
    leet, _ = evasion_results(EVASIONS, TEXTS, decided, np.zeros((3, 6), dtype=int), TOXIC)
    assert (leet.rows, leet.escaped.value) == (1, 1)
