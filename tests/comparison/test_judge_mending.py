"""Who is held against whom, and whose twin is whose."""

from types import SimpleNamespace

from foreshot.comparison.judge_mending import references, twins_of
from foreshot.judging.samples import by_reference
from foreshot.settings.recipes import RECIPES, Recipe

ODD, EVEN = RECIPES["odd"], RECIPES["even"]


def models(*jobs: tuple[str, Recipe | None, bool], teacher: str = "teacher-mended") -> dict:
    """Each by its name, of one seed; mended ones learn from `teacher`."""
    return {
        name: [
            SimpleNamespace(job=SimpleNamespace(recipe=recipe, mended=mended, teacher=teacher if mended else "teacher"))
        ]
        for name, recipe, mended in jobs
    }


WHOLE = models(
    ("teacher", None, False),
    ("teacher-mended", None, True),
    ("odd", ODD, False),
    ("even", EVEN, False),
    ("odd-mended", ODD.mended, True),
)


def test_mended_students_are_held_against_the_teacher_of_their_arm():
    assert references(WHOLE) == {"teacher-mended": "teacher", "odd-mended": "teacher-mended"}
    assert by_reference(WHOLE, references(WHOLE)) == [
        ["teacher", "teacher-mended", "odd", "even"],
        ["teacher-mended", "odd-mended"],
    ]


def test_without_mending_there_is_one_group():
    usual = models(("teacher", None, False), ("odd", ODD, False))
    assert references(usual) == {}
    assert by_reference(usual, references(usual)) == [["teacher", "odd"]]
    assert by_reference(["teacher"], {}) == [["teacher"]]


def test_a_teacher_that_was_given_is_everybodys():
    given = models(("teacher", None, False), ("odd", ODD, False), ("odd-mended", ODD.mended, True), teacher="teacher")
    assert references(given) == {"odd-mended": "teacher"}
    assert by_reference(given, references(given)) == [["teacher", "odd", "odd-mended"]]
    assert twins_of(given) == [("odd", "odd-mended")]


def test_twins_differ_in_mending_alone():
    assert twins_of(WHOLE) == [("teacher", "teacher-mended"), ("odd", "odd-mended")]
    named = ODD.model_copy(update={"name": "seeing", "mend": True})
    faster = ODD.model_copy(update={"name": "odd-mended", "mend": True, "learning_rate": 1e-3})
    others = models(
        ("teacher", None, False), ("odd", ODD, False), ("seeing", named, True), ("odd-mended", faster, True)
    )
    assert twins_of(others) == [("odd", "seeing")]
