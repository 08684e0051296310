"""Mended students: judged by what they were not mended with, and against the teacher that was mended as they were."""

from dataclasses import replace

import pytest
from verdict_evidence import Change, candidate, cell, estimate, evidence, of, on_sealed, on_suite, reason, states

from foreshot.judging.evidence import METRIC, PROBES, SEALED, SEALED_POSITIVE, SUITE, SUITE_POSITIVE, Candidate
from foreshot.judging.evidence import Change as GroupChange
from foreshot.judging.verdict import verdict
from foreshot.results.verdict import Verdict

WINS, LOSES = (0.2, 0.15, 0.25), (-0.2, -0.25, -0.15)


def mended(model: str, layers: int = 3, *, reference: str = "teacher-mended", seeds: int = 3, **means) -> Candidate:
    return replace(candidate(model, layers, 60, seeds, **means), mended=True, reference=reference)


TEACHER = replace(candidate("teacher-mended", 6, 100, 1), mended=True, is_teacher=True)
STUDENT = mended("odd-mended")
REQUIREMENTS = {METRIC, "mending", "mending_sealed", SEALED, SEALED_POSITIVE, "sees", "functionalities", "seeds"}


def judged(changes: dict[tuple[str, str, str], Change] | None = None, students=(TEACHER, STUDENT), **asked) -> Verdict:
    return verdict(evidence(students, changes, **{"has_sealed": True, **asked}))


def against(teacher: str, measure: str, change: Change) -> dict[tuple[str, str, str], Change]:
    return {("odd-mended", teacher, measure): change}


def test_a_mended_student_is_asked_about_the_sealed_part_and_what_mending_cost():
    found = judged()
    assert states(found, "odd-mended") == dict.fromkeys(REQUIREMENTS, "holds")
    assert found.recommended == "odd-mended"
    assert [student.model for student in found.students] == ["odd-mended"]  # the mended teacher is none
    assert found.headline == (
        "Ship odd-mended: 3 layers instead of 6, and within the margins of the mended teacher on the test rows and on "
        "the suite's sealed part. It gets 75% of the suite's sealed toxic cases right, the mended teacher 75%, the one "
        "without mending 75%."
    )


def test_it_is_held_against_the_mended_teacher():
    lost = (-0.1, -0.15, -0.05)
    assert states(judged(against("teacher-mended", METRIC, lost)), "odd-mended")[METRIC] == "fails"
    assert states(judged(against("teacher-mended", SEALED, lost)), "odd-mended")[SEALED] == "fails"
    found = judged(against("teacher-mended", SEALED_POSITIVE, lost))
    assert of(found, "odd-mended").kind == "not recommended"
    assert reason(found, SEALED_POSITIVE, "odd-mended") == (
        "accuracy on the suite's sealed toxic cases −10.0 points against the mended teacher's (95 % interval −15.0 to "
        "−5.0): clearly worse, and beyond the margin of 5 points"
    )


def test_what_it_wins_on_the_open_part_is_no_help():
    open_part = {("odd-mended", other, SUITE): WINS for other in ("teacher", "teacher-mended")}
    found = judged({**open_part, **against("teacher-mended", SEALED, LOSES)})
    assert of(found, "odd-mended").kind == "not recommended"
    assert found.recommended is None


def test_what_it_loses_on_the_open_part_is_no_harm():
    found = judged({("odd-mended", other, SUITE): LOSES for other in ("teacher", "teacher-mended")})
    assert found.recommended == "odd-mended"


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ((-0.01, -0.02, 0.0), "holds"),  # on the margin
        ((-0.01, -0.021, 0.0), "can't tell"),
        ((-0.03, -0.05, -0.01), "fails"),
    ],
)
def test_mending_may_not_cost_more_than_the_margin_on_the_test_rows(change, state):
    found = judged(against("teacher", METRIC, change))
    assert states(found, "odd-mended") == {**dict.fromkeys(REQUIREMENTS, "holds"), "mending": state}
    assert reason(found, "mending", "odd-mended").startswith("macro-F1 ")
    assert " points against the teacher's (" in reason(found, "mending", "odd-mended")


@pytest.mark.parametrize(
    ("change", "state"), [((-0.06, -0.1, -0.02), "fails"), ((-0.06, -0.1, 0.0), "holds"), (WINS, "holds")]
)
def test_a_mended_teacher_that_lost_the_sealed_part_is_no_excuse(change, state):
    assert states(judged(against("teacher", SEALED, change)), "odd-mended")["mending_sealed"] == state


def test_without_a_mended_teacher_it_is_held_against_the_teacher():
    found = judged(students=[mended("odd-mended", reference="teacher")])
    assert states(found, "odd-mended") == dict.fromkeys(REQUIREMENTS - {"mending", "mending_sealed"}, "holds")
    assert "of the teacher on the test rows" in found.headline
    lost = judged({("odd-mended", "teacher", SEALED): LOSES}, students=[mended("odd-mended", reference="teacher")])
    assert of(lost, "odd-mended").kind == "not recommended"


def test_it_must_see_on_the_sealed_part():
    blind = on_sealed(benign=(0.9, 0.85, 0.95), toxic=(0.1, 0.05, 0.15))
    found = judged(suite=[on_suite("odd-mended", sealed=blind)])
    assert reason(found, "sees", "odd-mended").startswith("50% right on the mean of the sealed part's sides")
    assert states(found, "odd-mended")["sees"] == "fails"
    seeing = on_suite("odd-mended", (0.9, 0.85, 0.95), (0.1, 0.05, 0.15), sealed=on_sealed())
    assert states(judged(suite=[seeing]), "odd-mended")["sees"] == "holds"


def test_functionalities_are_those_of_sealed_cases():
    lost = cell("threats", (-0.4, -0.5, -0.3))
    found = judged(suite=[on_suite("odd-mended", sealed=on_sealed(cells=[lost]))])
    assert reason(found, "functionalities", "odd-mended") == "loses threats (−40.0 points)"
    found = judged(suite=[on_suite("odd-mended", cells=[lost], sealed=on_sealed())])
    assert states(found, "odd-mended")["functionalities"] == "holds"


def test_where_nothing_is_sealed_its_behaviour_is_unknown():
    found = judged(has_sealed=False)
    assert of(found, "odd-mended").kind == "inconclusive"
    assert reason(found, "behaviour", "odd-mended") == (
        "nothing of the suite is sealed, so what it does on cases that it was not mended with is unknown"
    )
    assert "sees" not in states(found, "odd-mended")
    assert reason(judged(has_sealed=False, has_suite=False), "behaviour", "odd-mended").startswith("no suite was run")


def test_a_teacher_unknown_on_the_suite_leaves_the_sealed_labels():
    asked = evidence([mended("odd-mended", reference="teacher")], has_sealed=True)
    del asked.suite_results["teacher"]
    found = verdict(asked)
    assert "70% is asked for" in reason(found, "sees", "odd-mended")
    assert SEALED not in states(found, "odd-mended")


def test_probes_are_held_against_the_mended_teacher():
    found = judged(against("teacher-mended", PROBES, (-0.3, -0.5, -0.1)), has_probes=True)
    assert states(found, "odd-mended")[PROBES] == "fails"
    assert "against the mended teacher's" in reason(found, PROBES, "odd-mended")


# ---- beside students without mending ----


def test_students_without_mending_are_judged_as_ever():
    both = [TEACHER, candidate("odd"), STUDENT]
    lost = (-0.1, -0.15, -0.05)
    assert states(judged({("odd", "teacher", SUITE): lost}, both))[SUITE] == "fails"
    assert states(judged({("odd", "teacher-mended", SUITE): lost}, both))[SUITE] == "holds"
    assert not {"mending", SEALED} & states(judged(students=both)).keys()


def test_of_two_that_cost_the_same_the_sealed_part_decides():
    both = [TEACHER, candidate("odd", **{SEALED: 0.7}), replace(STUDENT, means={**STUDENT.means, SUITE: 0.5})]
    assert judged(students=both).recommended == "odd-mended"


def test_open_cases_raise_no_trap():
    both = [TEACHER, candidate("odd"), STUDENT]
    found = judged({("odd", "odd-mended", SUITE): LOSES, ("odd", "odd-mended", SUITE_POSITIVE): LOSES}, both)
    assert of(found, "odd").kind != "conflict"
    two = [TEACHER, STUDENT, mended("even-mended")]
    found = judged({("odd-mended", "even-mended", SUITE): LOSES}, two)
    assert {student.kind for student in found.students} == {"recommended", "acceptable"}


def test_sealed_cases_do():
    both = [TEACHER, candidate("odd", **{SEALED: 0.6, SEALED_POSITIVE: 0.55}), STUDENT]
    found = judged({("odd", "odd-mended", SEALED): LOSES}, both)
    assert of(found, "odd").reasons == [
        "odd is not clearly beaten by any student on the test rows (macro-F1 0.900), but gets only 60% of the suite's "
        "sealed cases right where odd-mended gets 80%"
    ]
    assert found.recommended == "odd-mended"


def test_a_mended_teacher_springs_no_trap():
    found = judged({("odd-mended", "teacher-mended", SUITE): LOSES, ("odd-mended", "teacher", SUITE): LOSES})
    assert found.kind == "recommended"


def test_a_blind_teacher_is_no_reproach_to_the_student_of_a_mended_one():
    blind = on_suite("teacher", (0.95, 0.9, 1.0), (0.05, 0.0, 0.1), sealed=on_sealed())
    assert "blind" not in judged(suite=[blind]).headline
    mended_one = on_suite("teacher-mended", sealed=on_sealed((0.95, 0.9, 1.0), (0.05, 0.0, 0.1)))
    assert "The mended teacher itself is hardly better than blind" in judged(suite=[mended_one]).headline


# ---- identity groups, by choice ----


def groups(*changes: Change, p_value: float = 0.001, margin: float = 0.05) -> Verdict:
    named = [
        GroupChange(name=f"group {number}", rows=50, difference=estimate(change), adjusted_p=p_value)
        for number, change in enumerate(changes, 1)
    ]
    asked = evidence([candidate("odd")], identity_margin=margin)
    return verdict(replace(asked, group_changes={"odd": named}))


@pytest.mark.parametrize(
    ("changes", "p_value", "state", "said"),
    [
        ([(0.0, -0.05, 0.05)], 1.0, "holds", "loses no identity group's subgroup AUC by more than 5 points"),
        (
            [(-0.1, -0.15, -0.05), (0.0, -0.01, 0.01)],
            0.001,
            "fails",
            "loses subgroup AUC on group 1 (−10.0 points)",
        ),
        (
            [(-0.1, -0.15, -0.05)],
            0.2,
            "can't tell",
            "subgroup AUC may be lost by more than 5 points on group 1 (−10.0 points, −15.0 to −5.0): too few test "
            "rows to tell",
        ),
        (
            [(0.0, -0.01, 0.01), (0.0, -0.06, 0.06)],
            1.0,
            "can't tell",
            "subgroup AUC may be lost by more than 5 points on group 2 (0.0 points, −6.0 to +6.0): too few test rows "
            "to tell",
        ),
        (
            [],
            1.0,
            "can't tell",
            "no identity group has enough test rows of both sides, so how it ranks them is unknown",
        ),
    ],
)
def test_no_group_may_be_lost(changes, p_value, state, said):
    found = groups(*changes, p_value=p_value)
    assert (states(found)["identity"], reason(found, "identity")) == (state, said)
    assert of(found, "odd").kind == {"holds": "recommended", "fails": "not recommended"}.get(state, "inconclusive")
    assert found.margins["identity_margin"] == 0.05


def test_a_wider_margin_lets_more_pass():
    assert states(groups((-0.1, -0.15, -0.05), margin=0.15))["identity"] == "holds"


def test_groups_decide_nothing_unless_asked():
    found = verdict(replace(evidence([candidate("odd")]), group_changes={"odd": []}))
    assert "identity" not in states(found)
    assert "identity_margin" not in found.margins
