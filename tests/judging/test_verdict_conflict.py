"""The trap: a student that wins on the test rows and is behind another one in behaviour."""

import pytest
from verdict_evidence import SAME, Change, against_teacher, candidate, evidence, of, on_suite, states

from foreshot.judging.evidence import METRIC, PROBES, PROBES_POSITIVE, SUITE, SUITE_POSITIVE
from foreshot.judging.verdict import verdict
from foreshot.results.verdict import Verdict

WINS, LOSES = (0.03, 0.01, 0.05), (-0.4, -0.5, -0.3)
LORA, EVEN = candidate("lora", 6, 100, **{METRIC: 0.93, SUITE: 0.5, SUITE_POSITIVE: 0.3}), candidate("even")


def trap(metric: Change = WINS, suite: Change = LOSES, students=(LORA, EVEN), **asked) -> Verdict:
    return verdict(
        evidence(
            students,
            {("lora", "even", METRIC): metric, ("lora", "even", SUITE): suite, **asked.pop("changes", {})},
            **asked,
        )
    )


def test_the_best_on_the_test_rows_that_behaves_worse_than_another_is_a_trap():
    found = trap()
    assert (found.kind, found.recommended) == ("conflict", "even")
    assert of(found, "lora").kind == "conflict"
    assert of(found, "lora").reasons == [
        "lora is the best student on the test rows (macro-F1 0.930), but gets only 50% of the suite right where even "
        "gets 80%"
    ]
    assert found.headline.startswith(
        "Don't ship lora: it is the best student on the test rows (macro-F1 0.930), but gets only 50% of the suite "
        "right where even gets 80%. Ship even: 3 layers instead of 6"
    )


def test_tied_on_the_test_rows_is_a_trap_too():
    found = trap(metric=(0.001, -0.01, 0.012))
    assert (found.kind, of(found, "lora").kind) == ("conflict", "conflict")
    assert "is not clearly beaten by any student on the test rows" in found.headline


def test_a_trap_is_one_even_where_every_requirement_holds():
    found = trap()
    assert set(states(found, "lora").values()) == {"holds"}
    assert found.recommended != "lora"


def test_a_trap_without_anything_to_ship():
    found = trap(changes={("even", "teacher", METRIC): (-0.1, -0.15, -0.05)})
    assert (found.kind, found.recommended) == ("conflict", None)
    assert found.headline.startswith("Don't ship lora: ")
    assert found.headline.endswith("Keep the teacher: no student can be recommended.")


def test_a_student_that_is_worse_on_the_test_rows_is_no_trap():
    found = trap(metric=(-0.03, -0.05, -0.01))
    assert "conflict" not in {student.kind for student in found.students}


def test_a_student_that_one_of_two_beats_on_the_test_rows_is_no_trap():
    changes = {("lora", "odd", METRIC): (-0.03, -0.05, -0.01)}
    found = trap(students=(LORA, EVEN, candidate("odd")), changes=changes)
    assert of(found, "lora").kind != "conflict"


@pytest.mark.parametrize(
    ("behind", "kind"),
    [
        ((-0.06, -0.1, -0.02), "conflict"),
        ((-0.05, -0.08, -0.02), "recommended"),  # on the margin
        ((0.8 - 0.85, -0.08, -0.02), "recommended"),  # -0.04999999999999993
        ((-0.3, -0.7, 0.1), "recommended"),  # perhaps by chance
    ],
)
def test_only_clearly_and_by_more_than_the_margin(behind, kind):
    assert trap(suite=behind).kind == kind


@pytest.mark.parametrize("measure", [SUITE_POSITIVE, PROBES, PROBES_POSITIVE])
def test_a_trap_that_one_measure_alone_shows(measure):
    lora = candidate("lora", 6, 100, **{measure: 0.3, PROBES if "probes" in measure else SUITE: 0.5})
    changes = {("lora", "even", measure): LOSES, ("lora", "teacher", measure): LOSES}
    found = trap(suite=SAME, students=(lora, EVEN), has_probes=True, changes=changes)
    assert found.kind == "conflict"
    what = {SUITE_POSITIVE: "the suite's toxic cases", PROBES: "the probes", PROBES_POSITIVE: "the toxic probes"}
    shares = ("50%", "80%") if measure == PROBES else ("30%", "75%")
    assert f"but gets only {shares[0]} of {what[measure]} right where even gets {shares[1]}" in found.headline


def test_the_largest_gap_is_the_one_that_is_told():
    changes = {("lora", "even", SUITE_POSITIVE): (-0.45, -0.5, -0.4), ("lora", "odd", SUITE): (-0.42, -0.5, -0.3)}
    found = trap(students=(LORA, EVEN, candidate("odd")), changes=changes)
    assert "but gets only 30% of the suite's toxic cases right where even gets 75%" in found.headline


def test_probes_show_a_trap_without_a_suite():
    lora = candidate("lora", **{PROBES: 0.5, PROBES_POSITIVE: 0.2})
    changes = {("lora", "even", PROBES_POSITIVE): LOSES, ("lora", "teacher", PROBES_POSITIVE): LOSES}
    found = verdict(evidence([lora, EVEN], changes, has_suite=False, has_probes=True))
    assert (found.kind, found.recommended) == ("conflict", None)
    assert "20% of the toxic probes right where even gets 75%" in found.headline


def test_a_blind_student_shows_nobody_up():
    # It flags everything: all toxic cases right, and more than half of a suite that is mostly toxic. The other one is
    # hardly better: 50 % of either side.
    blind = on_suite("even", (0, 0, 0.01), (1, 0.99, 1))
    lora = candidate("lora", 6, **{SUITE: 0.5, SUITE_POSITIVE: 0.5})
    even = candidate("even", **{SUITE: 0.7, SUITE_POSITIVE: 1.0})
    changes = {
        ("lora", "even", METRIC): WINS,
        ("lora", "even", SUITE): (-0.2, -0.25, -0.15),
        ("lora", "even", SUITE_POSITIVE): (-0.5, -0.55, -0.45),
    }
    found = verdict(evidence([lora, even], changes, suite=[blind], sizes={SUITE: 1000, SUITE_POSITIVE: 700}))
    assert (found.kind, found.recommended) == ("recommended", "lora")
    assert of(found, "even").kind == "not recommended"


def test_a_student_that_flags_nearly_everything_shows_nobody_up():
    # 97 % of 700 toxic cases and 10 % of 300 benign ones: more of the suite than 60 % and 80 %, yet 53 % of its sides.
    nearly = on_suite("even", (0.1, 0.09, 0.12), (0.97, 0.95, 0.98))
    lora = candidate("lora", 6, **{SUITE: 0.66, SUITE_POSITIVE: 0.6})
    even = candidate("even", **{SUITE: 0.709, SUITE_POSITIVE: 0.97})
    changes = {
        ("lora", "even", METRIC): WINS,
        ("lora", "even", SUITE): (-0.06, -0.08, -0.03),
        ("lora", "even", SUITE_POSITIVE): (-0.37, -0.4, -0.3),
    }
    asked = evidence([lora, even], changes, suite=[nearly], sizes={SUITE: 1000, SUITE_POSITIVE: 700})
    assert states(verdict(asked), "even")["sees"] == "holds"
    assert of(verdict(asked), "lora").kind != "conflict"


def test_nearly_everything_flagged_among_the_probes_shows_nobody_up():
    lora = candidate("lora", 6, **{PROBES: 0.7, PROBES_POSITIVE: 0.5})  # 50 % and 90 %
    even = candidate("even", **{PROBES: 0.55, PROBES_POSITIVE: 1.0})  # 100 % and 10 %
    changes = {("lora", "even", METRIC): WINS, ("lora", "even", PROBES_POSITIVE): LOSES}
    assert of(verdict(evidence([lora, even], changes, has_probes=True)), "lora").kind != "conflict"


@pytest.mark.parametrize(
    ("measure", "from_teacher", "kind"),
    [
        (PROBES_POSITIVE, LOSES, "conflict"),
        (PROBES_POSITIVE, SAME, "acceptable"),  # it does as it was taught; even flags more, of either side
        (SUITE_POSITIVE, (-0.06, -0.09, -0.03), "conflict"),
        (SUITE_POSITIVE, (-0.04, -0.06, -0.02), "conflict"),  # not shown to be within the margin
        (SUITE_POSITIVE, (-0.02, -0.04, 0.01), "acceptable"),
    ],
)
def test_as_good_on_both_sides_together_shows_up_one_that_its_teacher_shows_up_too(measure, from_teacher, kind):
    whole = PROBES if measure == PROBES_POSITIVE else SUITE
    lora = candidate("lora", 6, **{whole: 0.7, measure: 0.5})  # 50 % and 90 %
    even = candidate("even", **{whole: 0.7, measure: 0.9})  # 90 % and 50 %
    changes = {
        ("lora", "even", METRIC): WINS,
        ("lora", "even", measure): LOSES,
        ("lora", "teacher", measure): from_teacher,
    }
    sizes = {whole: 2000, measure: 1000}
    assert of(verdict(evidence([lora, even], changes, has_probes=True, sizes=sizes)), "lora").kind == kind


def test_one_that_does_as_it_was_taught_is_a_trap_if_another_is_ahead_on_all_cases_too():
    changes = {("lora", "even", SUITE): LOSES, ("lora", "even", SUITE_POSITIVE): LOSES}
    assert of(trap(suite=LOSES, changes=changes), "lora").kind == "conflict"


def test_only_toxic_probes_have_one_side():
    lora = candidate("lora", 6, **{PROBES: 0.3, PROBES_POSITIVE: 0.3})
    changes = {("lora", "even", measure): LOSES for measure in (PROBES, PROBES_POSITIVE)}
    found = verdict(evidence([lora, EVEN], changes, has_probes=True, sizes={PROBES: 20, PROBES_POSITIVE: 20}))
    assert of(found, "lora").kind == "conflict"


def test_an_only_student_is_in_no_conflict():
    found = verdict(evidence([candidate("odd")], against_teacher(SUITE, *LOSES) | against_teacher(METRIC, *WINS)))
    assert (found.kind, of(found, "odd").kind) == ("not recommended", "not recommended")


def test_two_traps_at_once():
    students = [LORA, candidate("odd-lora", 3, 50, **{SUITE: 0.4, METRIC: 0.925}), EVEN]
    changes = {
        ("lora", "even", SUITE): LOSES,
        ("odd-lora", "even", SUITE): LOSES,
        ("lora", "even", METRIC): WINS,
        ("odd-lora", "even", METRIC): WINS,
    }
    found = verdict(evidence(students, changes))
    assert [student.kind for student in found.students] == ["conflict", "conflict", "recommended"]
    assert (found.kind, found.recommended) == ("conflict", "even")
    first, second, ship = (found.headline.index(start) for start in ("Don't ship lora", "Nor odd-lora", "Ship even"))
    assert 0 == first < second < ship


def test_each_may_be_a_trap_for_the_other():
    lora = candidate("lora", 6, **{SUITE: 0.5, SUITE_POSITIVE: 0.5})
    even = candidate("even", **{PROBES: 0.3, PROBES_POSITIVE: 0.3})
    changes = {("lora", "even", SUITE): LOSES, ("even", "lora", PROBES): LOSES}
    found = verdict(evidence([lora, even], changes, has_probes=True))
    assert [student.kind for student in found.students] == ["conflict", "conflict"]
    assert (found.kind, found.recommended) == ("conflict", None)
