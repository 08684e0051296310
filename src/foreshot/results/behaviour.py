"""Behaviour on sentences that one can read: suites, probes, disguises, and decisions that flip."""

from typing import Literal

from foreshot.results.base import Estimate, Facts


class Case(Facts):
    """A behavioural test case; `label` is the class that the text must get.

    `pair` names a toxic case and its benign twin; cases of one `template` differ by a slot's filler alone, so
    they are one unit where intervals are computed; `group` is whom the text is about. `sealed` cases are those that
    nothing was mended with, neither their template nor, if they are disguised, their disguise (as far as
    `suites.cases.Suite.mended_with` knows it).
    """

    text: str
    label: str
    functionality: str
    group: str | None = None
    pair: str | None = None
    template: str | None = None
    note: str | None = None
    sealed: bool = False


class SuiteFacts(Facts):
    """The suite that every model answered."""

    name: str
    cases: int
    class_counts: dict[str, int]
    pairs: int
    fingerprint: str


class CellResult(Facts):
    """Cases of one kind, what share of them a model gets right (mean over seeds), and the change from the teacher.

    `name` is a functionality or a group; the interval of `accuracy` is Wilson's for this number of cases, that of
    `minus_teacher` a paired bootstrap's. `adjusted_p`, of that difference, is Holm's over all functionalities, or
    groups, of the model. Both are None for the teacher.
    """

    name: str
    label: str
    cases: int
    accuracy: Estimate
    minus_teacher: Estimate | None = None
    adjusted_p: float | None = None


class EvasionResult(Facts):
    """Toxic test rows that a model flags, rewritten by one perturbation: what share of them escapes (over seeds).

    `trained` is whether models were mended with this disguise; None where none was mended.
    """

    perturbation: str
    rows: int
    escaped: Estimate
    trained: bool | None = None


class SealedResult(Facts):
    """What one model does on the suite's sealed cases: those that nothing may be mended with.

    The fields are those of `SuiteResult`, of these cases alone.
    """

    cases: int
    accuracy: Estimate
    by_label: dict[str, Estimate]
    functionalities: list[CellResult]


class SuiteResult(Facts):
    """What one model does on the suite, over its seeds. `by_label` has a class's accuracy under its name."""

    model: str
    accuracy: Estimate
    by_label: dict[str, Estimate]
    functionalities: list[CellResult]
    groups: list[CellResult]
    pairs_right: Estimate | None  # share of contrast pairs with both cases right
    sealed: SealedResult | None = None  # None where no case is sealed


class Flip(Facts):
    """A text on which a student decides otherwise than the teacher; scores are P(positive class), else P(label).

    `harm` ranks kinds: "newly missed" (a toxic text), "newly flagged" (a benign one), then the changes for the
    better, "newly caught" and "newly cleared"; without a positive class "newly wrong", "newly right", "changed".
    """

    model: str
    kind: str
    part: Literal["test", "suite", "probes"]
    row: int
    label: str
    text: str
    teacher_score: float
    student_score: float  # mean over the seeds
    seeds_flipped: int
    seeds: int


class ProbeAnswer(Facts):
    """A model's answer to one probe: `score` is P(positive class), or of the predicted class where none is positive."""

    predicted: str
    score: float


class Probe(Facts):
    """A text that every model is asked about; `label` is the class it must get, if it has one."""

    text: str
    label: str | None
    note: str | None = None
