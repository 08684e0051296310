"""The verdict: a table of numbers and what follows from them, worked out by hand from the rules."""

from dataclasses import replace

import pytest
from verdict_evidence import (
    against_teacher,
    candidate,
    cell,
    estimate,
    evidence,
    of,
    on_suite,
    reason,
    states,
)

from foreshot.judging.evidence import (
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
    Change,
    Evidence,
    metric_name,
)
from foreshot.judging.verdict import verdict

ODD = [candidate("odd")]
WITH_SUITE = {METRIC, SUITE, SUITE_POSITIVE, "sees", "functionalities", "seeds"}
CELL_LOST, CELL_UNSURE = cell("threats", (-0.3, -0.4, -0.2)), cell("threats", (-0.3, -0.6, 0.0))

# what is given, the student's kind, and the requirements that do not hold (the rest do)
TABLE = {
    "all the same": ({}, "recommended", {}),
    # the metric, with its margin of 0.02
    "better": ({"changes": against_teacher(METRIC, 0.03, 0.01, 0.05)}, "recommended", {}),
    "low on the margin": ({"changes": against_teacher(METRIC, 0.0, -0.02, 0.02)}, "recommended", {}),
    "low on the margin but for rounding": (
        {"changes": against_teacher(METRIC, -0.01, 0.9 - 0.92, 0.0)},  # -0.020000000000000018
        "recommended",
        {},
    ),
    "low just below the margin": (
        {"changes": against_teacher(METRIC, 0.0, -0.0201, 0.02)},
        "inconclusive",
        {METRIC: "can't tell"},
    ),
    "clearly worse, but within the margin": (
        {"changes": against_teacher(METRIC, -0.01, -0.018, -0.002)},
        "recommended",
        {},
    ),
    "clearly worse, perhaps beyond the margin": (
        {"changes": against_teacher(METRIC, -0.019, -0.03, -0.008)},
        "inconclusive",
        {METRIC: "can't tell"},
    ),
    "value on the margin": (
        {"changes": against_teacher(METRIC, -0.02, -0.03, -0.01)},
        "inconclusive",
        {METRIC: "can't tell"},
    ),
    "value beyond the margin, perhaps by chance": (
        {"changes": against_teacher(METRIC, -0.03, -0.06, 0.0)},
        "inconclusive",
        {METRIC: "can't tell"},
    ),
    "clearly worse and beyond the margin": (
        {"changes": against_teacher(METRIC, -0.03, -0.05, -0.01)},
        "not recommended",
        {METRIC: "fails"},
    ),
    "a wider margin": (
        {"changes": against_teacher(METRIC, -0.03, -0.05, -0.01), "metric_margin": 0.05},
        "recommended",
        {},
    ),
    # the suite, with its margin of 0.05
    "suite within": ({"changes": against_teacher(SUITE, -0.02, -0.05, 0.01)}, "recommended", {}),
    "suite open": ({"changes": against_teacher(SUITE, -0.02, -0.06, 0.02)}, "inconclusive", {SUITE: "can't tell"}),
    "suite lost": ({"changes": against_teacher(SUITE, -0.1, -0.15, -0.05)}, "not recommended", {SUITE: "fails"}),
    "toxic side lost": (
        {"changes": against_teacher(SUITE_POSITIVE, -0.1, -0.15, -0.05)},
        "not recommended",
        {SUITE_POSITIVE: "fails"},
    ),
    "toxic side lost, within a margin of 0.2": (
        {"changes": against_teacher(SUITE_POSITIVE, -0.1, -0.15, -0.05), "suite_margin": 0.2},
        "recommended",
        {},
    ),
    "metric lost, suite open": (
        {
            "changes": against_teacher(METRIC, -0.05, -0.06, -0.04) | against_teacher(SUITE, -0.02, -0.06, 0.02),
        },
        "not recommended",
        {METRIC: "fails", SUITE: "can't tell"},
    ),
    # agreement on few rows proves little: 3.69 / 184 > 0.02 > 3.69 / 185
    "the same on 185 rows": ({"changes": against_teacher(METRIC, 0, 0, 0), "sizes": {METRIC: 185}}, "recommended", {}),
    "the same on 184 rows": (
        {"changes": against_teacher(METRIC, 0, 0, 0), "sizes": {METRIC: 184}},
        "inconclusive",
        {METRIC: "can't tell"},
    ),
    # functionalities, with their margin of 0.25
    "a functionality lost": (
        {"suite": [on_suite("odd", cells=[CELL_LOST])]},
        "not recommended",
        {"functionalities": "fails"},
    ),
    "a functionality within its margin": (
        {"suite": [on_suite("odd", cells=[cell("threats", (-0.25, -0.4, -0.1))])]},
        "recommended",
        {},
    ),
    "a functionality perhaps lost": (
        {"suite": [on_suite("odd", cells=[CELL_UNSURE])]},
        "inconclusive",
        {"functionalities": "can't tell"},
    ),
    "a functionality of 5 cases": (
        {"suite": [on_suite("odd", cells=[cell("threats", (-1, -1, -1), cases=5)])]},
        "recommended",
        {},
    ),
    "a functionality of 6 cases": (
        {"suite": [on_suite("odd", cells=[cell("threats", (-1, -1, -1), cases=6)])]},
        "not recommended",
        {"functionalities": "fails"},
    ),
    "a functionality without a teacher": (
        {"suite": [on_suite("odd", cells=[cell("threats", None)])]},
        "recommended",
        {},
    ),
    # blindness: 50 % of the suite's two sides
    "flags everything": (
        {"suite": [on_suite("odd", (0, 0, 0.01), (1, 0.99, 1))]},
        "not recommended",
        {"sees": "fails"},
    ),
    "flags nothing": ({"suite": [on_suite("odd", (1, 0.99, 1), (0, 0, 0.01))]}, "not recommended", {"sees": "fails"}),
    "worse than blind": (
        {"suite": [on_suite("odd", (0.5, 0.4, 0.6), (0.2, 0.1, 0.3))]},
        "not recommended",
        {"sees": "fails"},
    ),
    "perhaps blind": (
        {"suite": [on_suite("odd", (0.6, 0.5, 0.7), (0.5, 0.4, 0.6))]},
        "inconclusive",
        {"sees": "can't tell"},
    ),
    "hardly not blind": ({"suite": [on_suite("odd", (0.7, 0.61, 0.8), (0.5, 0.4, 0.6))]}, "recommended", {}),
    # seeds
    "two seeds": ({"students": [candidate("odd", seeds=2)]}, "inconclusive", {"seeds": "can't tell"}),
    "one seed, and one is enough": ({"students": [candidate("odd", seeds=1)], "min_seeds": 1}, "recommended", {}),
    "one seed, but clearly worse": (
        {"students": [candidate("odd", seeds=1)], "changes": against_teacher(METRIC, -0.1, -0.2, -0.05)},
        "not recommended",
        {METRIC: "fails", "seeds": "can't tell"},
    ),
    # probes: few, so only what is clear or large counts
    "probes the same": ({"has_probes": True}, "recommended", {}),
    "probes somewhat worse": (
        {"has_probes": True, "changes": against_teacher(PROBES, -0.25, -0.5, 0.0)},
        "recommended",
        {},
    ),
    "probes perhaps much worse": (
        {"has_probes": True, "changes": against_teacher(PROBES, -0.3, -0.6, 0.0)},
        "inconclusive",
        {PROBES: "can't tell"},
    ),
    "probes clearly worse": (
        {"has_probes": True, "changes": against_teacher(PROBES, -0.1, -0.15, -0.05)},
        "not recommended",
        {PROBES: "fails"},
    ),
    "probes clearly worse, within the margin": (
        {"has_probes": True, "changes": against_teacher(PROBES, -0.05, -0.08, -0.01)},
        "recommended",
        {},
    ),
    "toxic probes clearly worse": (
        {"has_probes": True, "changes": against_teacher(PROBES_POSITIVE, -0.4, -0.6, -0.2)},
        "not recommended",
        {PROBES: "fails"},
    ),
    "all of 5 toxic probes lost": (
        {
            "has_probes": True,
            "changes": against_teacher(PROBES_POSITIVE, -1, -1, -1),
            "sizes": {PROBES: 9, PROBES_POSITIVE: 5},
        },
        "inconclusive",
        {PROBES: "can't tell"},
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_numbers_to_verdict(name):
    asked, kind, not_held = TABLE[name]
    found = verdict(evidence(asked.get("students", ODD), **{key: asked[key] for key in asked if key != "students"}))
    assert of(found, "odd").kind == found.kind == kind
    expected = dict.fromkeys([*WITH_SUITE, *([PROBES] if asked.get("has_probes") else [])], "holds") | not_held
    assert states(found) == expected
    assert found.recommended == ("odd" if kind == "recommended" else None)
    if kind != "recommended":
        wanted = "fails" if kind == "not recommended" else "can't tell"
        assert of(found, "odd").reasons == [one.reason for one in of(found, "odd").requirements if one.state == wanted]
        assert found.headline.startswith("Keep the teacher")
    else:
        assert found.headline.startswith("Ship odd: ")


def test_without_a_suite_behaviour_is_unknown():
    found = verdict(evidence(ODD, has_suite=False))
    assert states(found) == {METRIC: "holds", "behaviour": "can't tell", "seeds": "holds"}
    assert (found.kind, found.recommended) == ("inconclusive", None)
    assert "no suite was run" in found.headline


def test_without_a_suite_clear_losses_still_show():
    changes = against_teacher(PROBES, -0.3, -0.4, -0.2)
    found = verdict(evidence(ODD, changes, has_suite=False, has_probes=True))
    assert states(found) == {METRIC: "holds", "behaviour": "can't tell", PROBES: "fails", "seeds": "holds"}
    assert found.kind == "not recommended"


def test_without_a_positive_class_there_is_no_toxic_side():
    found = verdict(evidence(ODD, positive=None))
    assert states(found) == dict.fromkeys(WITH_SUITE - {SUITE_POSITIVE}, "holds")
    assert found.recommended == "odd"
    assert "80% of the suite right" in found.headline


def test_blind_among_three_classes_is_a_third():
    three = {
        name: estimate((value, value - 0.03, value + 0.03)) for name, value in zip("abc", (1, 0, 0.2), strict=True)
    }
    suite = [on_suite("odd").model_copy(update={"by_label": three})]  # 40 % on the mean, 37 % at least
    assert states(verdict(evidence(ODD, positive=None, suite=suite)))["sees"] == "holds"
    blind = {name: estimate((value, value, value)) for name, value in {"a": 1, "b": 0, "c": 0}.items()}
    suite = [on_suite("odd").model_copy(update={"by_label": blind})]
    assert states(verdict(evidence(ODD, positive=None, suite=suite)))["sees"] == "fails"


def test_a_suite_of_one_side_shows_no_sight():
    suite = [on_suite("odd").model_copy(update={"by_label": {"toxic": estimate((1, 0.99, 1))}})]
    assert states(verdict(evidence(ODD, suite=suite)))["sees"] == "can't tell"


def test_a_measure_that_is_missing_is_not_taken_to_be_fine():
    asked = evidence(ODD)
    kept = [found for found in asked.comparisons if found.measure != SUITE_POSITIVE]
    found = verdict(Evidence(**{**vars(asked), "comparisons": kept}))
    assert states(found)[SUITE_POSITIVE] == "can't tell"
    assert reason(found, SUITE_POSITIVE) == "accuracy on the suite's toxic cases was not measured"


def test_a_comparison_may_stand_the_other_way_round():
    there = verdict(evidence(ODD, {("teacher", "odd", METRIC): (0.03, 0.01, 0.05)}))
    assert states(there)[METRIC] == "fails"
    assert reason(there, METRIC) == reason(verdict(evidence(ODD, against_teacher(METRIC, -0.03, -0.05, -0.01))), METRIC)


# ---- how many rows would do ----

TOO_NEAR = "too near the margin of 2 points for 400 test rows, or any number of them, to tell"


@pytest.mark.parametrize(
    ("change", "rows", "expected"),
    [
        # half-width 0.04 and room 0.02: (0.04 / 0.02)² = 4 times 2,000
        ((0.0, -0.04, 0.04), 2000, "2,000 test rows are too few for a margin of 2 points; about 8,000 would do"),
        # half-width 0.03, room 0.01: 9 times 500
        ((-0.01, -0.04, 0.02), 500, "500 test rows are too few for a margin of 2 points; about 4,500 would do"),
        # half-width 0.035, room 0.03: 1.3611 times 300 is 408.3, upwards to two digits
        ((0.01, -0.025, 0.045), 300, "300 test rows are too few for a margin of 2 points; about 410 would do"),
        # never a flip in 30 rows: 3.69 / 0.02 = 184.4
        ((0.0, 0.0, 0.0), 30, "30 test rows are too few for a margin of 2 points; about 190 would do"),
        # beyond the margin: until the interval, 0.06 on its upper side, is below 0: (0.06 / 0.04)² = 2.25 times 400
        ((-0.04, -0.1, 0.02), 400, "400 test rows are too few for a margin of 2 points; about 900 would do"),
        # room 0.0001: 90,000 times 400
        (
            (-0.0199, -0.0499, 0.01),
            400,
            TOO_NEAR,
        ),
        (
            (-0.02, -0.03, -0.01),
            400,
            TOO_NEAR,
        ),
    ],
)
def test_how_many_rows_would_do(change, rows, expected):
    found = verdict(evidence(ODD, against_teacher(METRIC, *change), sizes={METRIC: rows}))
    assert states(found)[METRIC] == "can't tell"
    assert reason(found, METRIC).endswith(f"): {expected}")


def test_so_many_rows_do():
    # If the interval narrows as it should, 4 times the rows hold where 3.9 times don't.
    for factor, state in ((4, "holds"), (3.9, "can't tell")):
        half = 0.04 / factor**0.5
        changes = against_teacher(METRIC, 0, -half, half)
        assert states(verdict(evidence(ODD, changes, sizes={METRIC: int(2000 * factor)})))[METRIC] == state


def test_suites_have_cases_and_not_rows():
    found = verdict(evidence(ODD, against_teacher(SUITE, 0.0, -0.1, 0.1)))
    assert reason(found, SUITE) == (
        "suite accuracy 0.0 points against the teacher's (95 % interval −10.0 to +10.0): 1,500 cases are too few for a "
        "margin of 5 points; about 6,000 would do"
    )


def test_without_a_margin_equal_models_are_never_enough():
    found = verdict(evidence(ODD, against_teacher(METRIC, 0, 0, 0), metric_margin=0))
    assert states(found)[METRIC] == "can't tell"
    assert "any number of them" in reason(found, METRIC)
    assert states(verdict(evidence(ODD, against_teacher(METRIC, 0.03, 0.01, 0.05), metric_margin=0)))[METRIC] == "holds"


# ---- the words ----


def test_a_difference_is_in_points_with_a_true_minus():
    found = verdict(evidence(ODD, against_teacher(METRIC, -0.0004, -0.0104, 0.0096), metric_margin=0.01))
    assert reason(found, METRIC).startswith(
        "macro-F1 0.0 points against the teacher's (95 % interval −1.0 to +1.0): 2,000 test rows are too few for a "
        "margin of 1 point;"
    )


def test_functionalities_are_named_the_worst_first():
    cells = [cell(name, (-change, -change - 0.1, -change + 0.1)) for name, change in
             (("a", 0.3), ("b", 0.9), ("c", 0.1), ("d", 0.5), ("e", 0.4), ("f", 0.35))]  # fmt: skip
    found = verdict(evidence(ODD, suite=[on_suite("odd", cells=cells)]))
    assert reason(found, "functionalities") == ("loses b (−90.0 points); d (−50.0 points); e (−40.0 points) and 2 more")
    found = verdict(evidence(ODD, suite=[on_suite("odd", cells=[CELL_UNSURE])]))
    assert reason(found, "functionalities") == "seems to lose threats (−30.0 points on 50 cases): too few cases to tell"


@pytest.mark.parametrize(
    ("adjusted_p", "state"), [(None, "fails"), (0.049, "fails"), (0.05, "can't tell"), (1.0, "can't tell")]
)
def test_a_lost_functionality_must_stand_out_among_so_many(adjusted_p, state):
    lost = cell("threats", (-0.3, -0.5, -0.1)).model_copy(update={"adjusted_p": adjusted_p})
    found = verdict(evidence(ODD, suite=[on_suite("odd", cells=[lost])]))
    (requirement,) = [asked for asked in found.students[0].requirements if asked.name == "functionalities"]
    assert requirement.state == state


def test_seeds_are_asked_for():
    assert reason(verdict(evidence([candidate("odd", seeds=1)])), "seeds").startswith("one seed shows")
    assert reason(verdict(evidence([candidate("odd", seeds=2)], min_seeds=5)), "seeds") == (
        "2 seeds show little of what chance does; 5 would do"
    )


def test_the_headline_of_a_recommendation():
    student = candidate("odd", **{SUITE_POSITIVE: 0.734})
    assert verdict(evidence([student])).headline == (
        "Ship odd: 3 layers instead of 6, and within the margins of the teacher on the test rows and on the suite. "
        "It gets 73% of the suite's toxic cases right, the teacher 75%."
    )


def test_a_student_that_saves_nothing_is_said_to():
    headline = verdict(evidence([candidate("lora", 6, 100)])).headline
    assert headline.startswith("Ship lora: within the margins")
    assert headline.endswith("It takes as much to run as the teacher.")
    assert "as much to run" not in verdict(evidence([candidate("small", 6, 90)])).headline


def test_the_headline_without_a_recommendation_says_why():
    changes = against_teacher(SUITE, -0.1, -0.15, -0.05)
    assert verdict(evidence(ODD, changes)).headline == (
        "Keep the teacher: no student can be recommended. odd: suite accuracy −10.0 points against the teacher's "
        "(95 % interval −15.0 to −5.0): clearly worse, and beyond the margin of 5 points."
    )


def test_the_headline_of_an_open_case_names_the_closest_student_and_what_is_open():
    students = [candidate("odd", seeds=1), candidate("even")]
    changes = {("odd", "teacher", METRIC): (0, -0.04, 0.04), ("even", "teacher", METRIC): (0, -0.04, 0.04)}
    found = verdict(evidence(students, changes))
    assert found.kind == "inconclusive"
    assert found.headline.startswith(
        "Keep the teacher for now: it can't be told yet whether a student can replace it. even comes closest; what is "
        "open: macro-F1 0.0 points"
    )
    assert found.headline.endswith("about 8,000 would do.")


def test_a_blind_teacher_is_named():
    blind = on_suite("teacher", (0.6, 0.5, 0.7), (0.42, 0.32, 0.52))
    found = verdict(evidence(ODD, suite=[blind, on_suite("odd", (0.6, 0.5, 0.7), (0.42, 0.32, 0.52))]))
    assert (found.kind, found.recommended) == ("inconclusive", None)
    assert "The teacher itself is hardly better than blind on the suite (51% right" in found.headline
    seeing = verdict(evidence(ODD, suite=[blind]))  # the student is not: it may be shipped, with the warning
    assert seeing.recommended == "odd"
    assert "The teacher itself" in seeing.headline
    assert "The teacher itself" not in verdict(evidence(ODD)).headline


def test_only_a_few_students_are_explained():
    students = [candidate(f"s{number}") for number in range(9)]
    changes = {(student.model, "teacher", METRIC): (-0.1, -0.15, -0.05) for student in students}
    headline = verdict(evidence(students, changes)).headline
    assert [f"s{number}: " in headline for number in range(9)] == [True] * 3 + [False] * 6


def test_the_margins_are_told():
    found = verdict(evidence(ODD, metric_margin=0.03))
    assert found.margins == {
        "metric_margin": 0.03,
        "suite_margin": 0.05,
        "functionality_margin": 0.25,
        "label_margin": 0.05,
        "score_margin": 0.1,
        "suite_floor": 0.7,
        "min_seeds": 3,
    }


def test_no_students():
    found = verdict(evidence([]))
    assert (found.kind, found.recommended, found.students) == ("not recommended", None, [])
    assert found.headline == "Keep the teacher: no student can be recommended."


# ---- the cheapest ----


@pytest.mark.parametrize(
    ("students", "chosen"),
    [
        ([candidate("a", 4), candidate("b", 3), candidate("c", 6)], "b"),
        ([candidate("a", 3, 60), candidate("b", 3, 50)], "b"),
        ([candidate("a", 3, 60), candidate("b", 4, 10)], "a"),  # layers come first: they are what takes time
        ([candidate("a", **{SUITE: 0.7}), candidate("b", **{SUITE: 0.8})], "b"),
        ([candidate("a", **{METRIC: 0.8}), candidate("b", **{METRIC: 0.85})], "b"),
        ([candidate("a", 3, 50, **{SUITE: 0.7}), candidate("b", 3, 60, **{SUITE: 0.9})], "a"),
        ([candidate("a"), candidate("b")], "a"),  # a tie in everything: the first
        ([candidate("b"), candidate("a")], "b"),
    ],
)
def test_the_cheapest_student_that_holds_is_recommended(students, chosen):
    found = verdict(evidence(students))
    assert (found.kind, found.recommended) == ("recommended", chosen)
    kinds = {student.model: student.kind for student in found.students}
    assert kinds.pop(chosen) == "recommended"
    assert set(kinds.values()) == {"acceptable"}
    assert found.headline.startswith(f"Ship {chosen}: ")
    for model in kinds:
        assert of(found, model).reasons == [f"as good as asked for; {chosen} costs less, or as much and behaves better"]


def test_a_cheaper_student_that_does_not_hold_is_passed_over():
    students = [candidate("odd", 2), candidate("even", 3), candidate("lora", 6, seeds=1)]
    found = verdict(evidence(students, against_teacher(METRIC, -0.1, -0.12, -0.08)))
    assert found.recommended == "even"
    assert [student.kind for student in found.students] == ["not recommended", "recommended", "inconclusive"]
    assert found.kind == "recommended"


# ---- a pure function ----

TRAP = {("lora", "even", METRIC): (0.03, 0.01, 0.05), ("lora", "even", SUITE): (-0.4, -0.5, -0.3)}
LORA, EVEN = candidate("lora", 6, 100, **{SUITE: 0.5}), candidate("even")


def test_equal_numbers_give_equal_verdicts_and_nothing_is_changed():
    def asked() -> Evidence:
        return evidence([LORA, EVEN, *ODD], TRAP, suite=[on_suite("odd", cells=[CELL_LOST])])

    given = asked()
    assert verdict(given) == verdict(given) == verdict(asked())
    assert given == asked()


def test_the_order_of_the_comparisons_does_not_matter():
    asked = evidence([LORA, EVEN], TRAP)
    assert verdict(Evidence(**{**vars(asked), "comparisons": asked.comparisons[::-1]})) == verdict(asked)


def test_the_metric_of_several_labels_is_named_honestly():
    given = replace(evidence(ODD, against_teacher(METRIC, -0.05, -0.06, -0.04)), metric_name=metric_name(True))
    assert reason(verdict(given), METRIC).startswith("mean macro-F1 over the labels −5.0 points")
    plain = evidence(ODD, against_teacher(METRIC, -0.05, -0.06, -0.04))
    assert reason(verdict(plain), METRIC).startswith("macro-F1 −5.0 points")


@pytest.mark.parametrize(
    ("difference", "rows", "adjusted_p", "state", "reason"),
    [
        ((-0.2, -0.3, -0.1), 40, 0.01, "fails", "loses threat (−20.0 points)"),
        ((-0.2, -0.3, -0.1), 40, 0.2, "can't tell", "seems to lose threat (−20.0 points on 40 cases): too few cases"),
        ((-0.2, -0.4, 0.1), 40, 0.01, "can't tell", "seems to lose threat"),
        ((-0.05, -0.06, -0.04), 40, 0.01, "holds", "loses no label's macro-F1 by more than 5 points"),
        ((-0.2, -0.3, -0.1), 5, 0.01, "holds", "loses no label"),
    ],
)
def test_no_label_may_be_lost(difference, rows, adjusted_p, state, reason):
    """A mean over labels that is within its margin hides one that is lost."""
    change = Change(name="threat", rows=rows, difference=estimate(difference), adjusted_p=adjusted_p)
    given = replace(evidence(ODD), label_changes={"odd": [change]})
    (asked,) = [found for found in verdict(given).students[0].requirements if found.name == "labels"]
    assert asked.state == state
    assert asked.reason.startswith(reason)
    assert verdict(given).recommended == ("odd" if state == "holds" else None)
