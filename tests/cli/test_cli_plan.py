"""`foreshot plan`: what it prints is what the run's own intervals say, and what can't be planned is said in a line."""

import re
from pathlib import Path

import pytest
from results_factory import make_results

from foreshot.judging.power import error_of, power, rows_needed
from foreshot.reporting.sections.differences import against_teacher
from foreshot.results.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return make_results(seeds=(0, 1, 2))


@pytest.fixture
def finished(results: Results, tmp_path: Path) -> Path:
    (tmp_path / "results.json").write_text(results.to_json(), encoding="utf-8")
    return tmp_path


def check_refused(done, complaint: str) -> None:
    assert (done.exit_code, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def lines_of(shown: str, student: str) -> list[list[str]]:
    """The table's rows below a student's name, cell by cell."""
    lines = [line.strip() for line in shown.splitlines()]
    first = next(place for place in range(lines.index(student), len(lines)) if lines[place].endswith("─")) + 1
    return [re.split(r"\s{2,}", line) for line in lines[first : lines.index("", first)]]


def test_each_student_has_what_its_intervals_say(foreshot, results, finished):
    done = foreshot("plan", finished, "--difference", "-0.005", "--power", "0.9")
    assert done.exit_code == 0, done.stderr
    assert (
        "truly differs from its teacher by -0.5 points is within the margins, with a probability of 90%" in done.stdout
    )
    for student in results.verdict.students:
        (metric,) = [one for one in against_teacher(results, "macro_f1") if one.first == student.model]
        rows = results.data.parts["test"].rows
        error = error_of(metric.difference)
        needed = rows_needed(error, rows, margin=0.02, difference=-0.005, wanted=0.9)
        first, *_ = lines_of(done.stdout, student.model)
        assert first[:5] == [
            "macro-F1", "2 points", f"{rows:,}", f"{power(error, margin=0.02, difference=-0.005):.0%}",
            "none" if needed is None else f"{needed:,}",
        ]  # fmt: skip


def test_margins_can_be_others(foreshot, finished):
    done = foreshot("plan", finished, "--policy", "metric=0.2")
    assert "20 points" in done.stdout
    assert "2 points" not in done.stdout.replace("20 points", "")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--policy", "metric=x"], "--policy: metric=x is no number"),
        (["--policy", "speed=1"], "--policy: speed is none of metric, suite"),
        (["--power", "1"], "--power"),
        (["--difference", "2"], "--difference"),
    ],
)
def test_what_makes_no_sense(foreshot, finished, arguments, complaint):
    check_refused(foreshot("plan", finished, *arguments), complaint)


def test_a_run_that_is_not_finished(foreshot, tmp_path):
    check_refused(foreshot("plan", tmp_path / "nowhere"), "isn't finished; go on with: foreshot compare")
