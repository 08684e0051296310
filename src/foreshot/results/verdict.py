"""The comparison of students with their teacher, and what is concluded from it."""

from typing import Literal

from pydantic import Field

from foreshot.results.base import Estimate, Facts


class Comparison(Facts):
    """`first` minus `second` in one measure, by a paired bootstrap; the outcome is `first`'s.

    Models of several seeds are compared in the mean over these, and the interval knows their chance too. `measure` is
    one of `judging.evidence.MEASURES`. `adjusted_p` is Holm's over the pair's family in that measure
    (`judging.statistics.compare_all`). `mcnemar_p` is there for models of one seed.
    """

    first: str
    second: str
    measure: str
    difference: Estimate
    p_value: float
    adjusted_p: float
    outcome: Literal["better", "worse", "not distinguishable"]
    mcnemar_p: float | None = None


class Requirement(Facts):
    """One thing that the verdict asks of a student: what, whether it holds, and why, in words."""

    name: str
    state: Literal["holds", "fails", "can't tell"]
    reason: str


class StudentVerdict(Facts):
    """What the comparison concludes about one student: about the file in `folder`, inside the run's."""

    model: str
    folder: str | None = None
    kind: Literal["recommended", "acceptable", "not recommended", "conflict", "inconclusive"]
    reasons: list[str]
    requirements: list[Requirement]


class Verdict(Facts):
    """What the comparison concludes: the student to ship, if any, and every student's verdict.

    `folder`, inside the run's, holds the recommended student's seed that does best on the validation rows.
    """

    kind: Literal["recommended", "not recommended", "conflict", "inconclusive"]
    headline: str
    recommended: str | None
    folder: str | None = None
    students: list[StudentVerdict]
    margins: dict[str, float]
    notes: list[str] = Field(default_factory=list)  # worth knowing, and decides nothing
