"""Evidence: all that the verdict looks at, and the measures that it is told in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from foreshot.judging.statistics import turned
from foreshot.results.base import Estimate
from foreshot.results.behaviour import SuiteResult
from foreshot.results.verdict import Comparison
from foreshot.settings.experiment import VerdictPolicy

METRIC, REPEAT, SUITE, SUITE_POSITIVE, SEALED, SEALED_POSITIVE, PROBES, PROBES_POSITIVE = MEASURES = (
    "macro_f1",
    "macro_f1_of_repeats",
    "suite",
    "suite_positive",
    "sealed",
    "sealed_positive",
    "probes",
    "probes_positive",
)
"""Macro-F1 on the test rows, and on those whose text was scored twice, where the teacher's word is the second score;
share right of the suite, and of its toxic cases; likewise, where models were mended, of its sealed cases, that nothing
was mended with; likewise of the labelled probes."""

SIDES = {
    SUITE: (SUITE, SUITE_POSITIVE),
    SUITE_POSITIVE: (SUITE, SUITE_POSITIVE),
    SEALED: (SEALED, SEALED_POSITIVE),
    SEALED_POSITIVE: (SEALED, SEALED_POSITIVE),
    PROBES: (PROBES, PROBES_POSITIVE),
    PROBES_POSITIVE: (PROBES, PROBES_POSITIVE),
}
"""For each measure of behaviour that of all cases, and that of the toxic ones."""


FEWEST_REPEATS = 100
"""Test rows whose text was scored twice: with fewer, what they say is too uncertain to be a measure."""


def metric_name(multi_label: bool, *, of_scores: bool = False) -> str:
    """What sentences call the metric on the test rows."""
    if of_scores:
        return "mean macro-F1 of what is flagged"
    return "mean macro-F1 over the labels" if multi_label else "macro-F1"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One model as the verdict sees it: its cost, how many seeds it has, and what the judged one gets in each measure.

    A mended student is judged by what it was not mended with. `reference` names the teacher that a student is held
    against, where it isn't the first candidate; a teacher beside that one is no student (`is_teacher`).
    """

    model: str
    layers: int | None  # None where nothing is known but its scores
    parameters: int | None
    seeds: int
    means: dict[str, float] = field(default_factory=dict)  # by measure
    mended: bool = False
    reference: str | None = None
    is_teacher: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """Student minus teacher in one of several things, by a paired bootstrap, on `rows` of its kind.

    `adjusted_p` is Holm's over all of them.
    """

    name: str
    rows: int
    difference: Estimate
    adjusted_p: float | None


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that the verdict looks at. The teacher is the first candidate; `sizes` has each measure's rows or cases."""

    candidates: Sequence[Candidate]
    comparisons: Sequence[Comparison]
    suite_results: dict[str, SuiteResult]  # by model; none without a suite
    positive: str | None
    sizes: dict[str, int]
    policy: VerdictPolicy
    metric_name: str = "macro-F1"
    label_changes: Mapping[str, Sequence[Change]] = field(default_factory=dict)  # by student; several labels alone
    group_changes: Mapping[str, Sequence[Change]] = field(default_factory=dict)  # by student: subgroup AUCs
    is_reference: bool = False  # whether the teacher is what the test rows say: stored scores

    def knows_reference(self, student: Candidate) -> bool:
        """Whether the teacher that a student is held against was asked about the suite."""
        return self.reference_of(student).model in self.suite_results

    @property
    def metric_margin(self) -> float:
        """How much worse than the teacher a student may be on the metric; no model is equal to the very reference."""
        return self.policy.score_margin if self.is_reference else self.policy.metric_margin

    @property
    def teacher(self) -> Candidate:
        """The model that the students are held against, but for those that have a reference of their own."""
        return self.candidates[0]

    def reference_of(self, student: Candidate) -> Candidate:
        """The teacher that a student is held against."""
        return next((found for found in self.candidates if found.model == student.reference), self.teacher)

    @property
    def students(self) -> Sequence[Candidate]:
        """All but the teachers."""
        return [candidate for candidate in self.candidates[1:] if not candidate.is_teacher]

    def difference(self, first: str, second: str, measure: str) -> Comparison | None:
        """`first` against `second` in a measure, if it was measured."""
        for found in self.comparisons:
            if found.measure == measure and {found.first, found.second} == {first, second}:
                return found if found.first == first else turned(found)
        return None
