"""Evidence for the verdict, where all is the same but what a test says."""

from collections.abc import Mapping, Sequence
from itertools import combinations

from foreshot.judging.evidence import (
    MEASURES,
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    SEALED,
    SEALED_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
    Candidate,
    Evidence,
)
from foreshot.results.base import Estimate
from foreshot.results.behaviour import CellResult, SealedResult, SuiteResult
from foreshot.results.verdict import Comparison, StudentVerdict, Verdict
from foreshot.settings.experiment import VerdictPolicy

SIZES = {METRIC: 2000, SUITE: 1500, SUITE_POSITIVE: 800, SEALED: 600, SEALED_POSITIVE: 320}
PROBE_SIZES = {PROBES: 40, PROBES_POSITIVE: 20}
SAME = (0.0, -0.005, 0.005)
MEANS = {METRIC: 0.9, SUITE: 0.8, SUITE_POSITIVE: 0.75, PROBES: 0.8, PROBES_POSITIVE: 0.75}
MEANS |= {SEALED: 0.8, SEALED_POSITIVE: 0.75}
Change = tuple[float, float, float]


def estimate(change: Change) -> Estimate:
    return Estimate(value=change[0], low=change[1], high=change[2])


def candidate(model: str, layers=3, parameters=60, seeds=3, **means: float) -> Candidate:
    return Candidate(model=model, layers=layers, parameters=parameters, seeds=seeds, means={**MEANS, **means})


TEACHER = candidate("teacher", 6, 100, 1)


def compared(first: str, second: str, measure: str, change: Change = SAME, outcome: str | None = None) -> Comparison:
    if outcome is None:
        outcome = "better" if change[1] > 0 else "worse" if change[2] < 0 else "not distinguishable"
    return Comparison(
        first=first,
        second=second,
        measure=measure,
        difference=estimate(change),
        p_value=0.5,
        adjusted_p=0.5,
        outcome=outcome,
    )


def cell(name: str, change: Change | None, cases: int = 50) -> CellResult:
    change = None if change is None else estimate(change)
    return CellResult(name=name, label="toxic", cases=cases, accuracy=estimate((0.5, 0.4, 0.6)), minus_teacher=change)


def on_suite(
    model: str, benign: Change = (0.8, 0.77, 0.83), toxic: Change = (0.75, 0.72, 0.78), cells=(), sealed=None
) -> SuiteResult:
    return SuiteResult(
        model=model,
        accuracy=estimate((0.8, 0.78, 0.82)),
        by_label={"benign": estimate(benign), "toxic": estimate(toxic)},
        functionalities=[*cells],
        groups=[],
        pairs_right=None,
        sealed=sealed,
    )


def on_sealed(benign: Change = (0.8, 0.75, 0.85), toxic: Change = (0.75, 0.7, 0.8), cells=()) -> SealedResult:
    return SealedResult(
        cases=SIZES[SEALED],
        accuracy=estimate((0.8, 0.76, 0.84)),
        by_label={"benign": estimate(benign), "toxic": estimate(toxic)},
        functionalities=[*cells],
    )


def evidence(
    students: Sequence[Candidate],
    changes: Mapping[tuple[str, str, str], Change] | None = None,
    *,
    suite: Sequence[SuiteResult] = (),
    has_suite: bool = True,
    has_sealed: bool = False,
    has_probes: bool = False,
    positive: str | None = "toxic",
    sizes: Mapping[str, int] | None = None,
    teacher: Candidate = TEACHER,
    **policy: float,
) -> Evidence:
    """All is the same as the teacher, but for `changes[first, second, measure]` and the results in `suite`."""
    changes = dict(changes or {})
    measures = {METRIC: True, SUITE: has_suite, SUITE_POSITIVE: has_suite and positive is not None}
    measures |= {SEALED: has_sealed, SEALED_POSITIVE: has_sealed and positive is not None}
    measures |= {PROBES: has_probes, PROBES_POSITIVE: has_probes and positive is not None}
    comparisons = []
    for measure in (name for name in MEASURES if measures.get(name)):
        for first, second in combinations([teacher, *students], 2):
            turned = (second.model, first.model, measure)
            if turned in changes:
                comparisons.append(compared(*turned, changes.pop(turned)))
            else:
                named = (first.model, second.model, measure)
                comparisons.append(compared(*named, changes.pop(named, SAME)))
    assert not changes, f"no such comparison: {changes}"
    sealed = on_sealed() if has_sealed else None
    results = {one.model: on_suite(one.model, sealed=sealed) for one in (teacher, *students)}
    results |= {one.model: one for one in suite}
    return Evidence(
        candidates=[teacher, *students],
        comparisons=comparisons,
        suite_results=results if has_suite else {},
        positive=positive,
        sizes={name: {**SIZES, **PROBE_SIZES, **(sizes or {})}[name] for name in MEASURES if measures.get(name)},
        policy=VerdictPolicy(**policy),
    )


def against_teacher(measure: str, *change: float) -> dict[tuple[str, str, str], Change]:
    return {("odd", "teacher", measure): change}


def of(found: Verdict, model: str) -> StudentVerdict:
    (student,) = [student for student in found.students if student.model == model]
    return student


def states(found: Verdict, model: str = "odd") -> dict[str, str]:
    return {requirement.name: requirement.state for requirement in of(found, model).requirements}


def reason(found: Verdict, name: str, model: str = "odd") -> str:
    (requirement,) = [requirement for requirement in of(found, model).requirements if requirement.name == name]
    return requirement.reason
