"""What models are judged by: their decisions on the same rows, the samples that are made of these, and the evidence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from foreshot.judging.behaviour import suite_results, template_units
from foreshot.judging.evidence import (
    FEWEST_REPEATS,
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    REPEAT,
    SEALED,
    SEALED_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
    Candidate,
    Change,
    Evidence,
)
from foreshot.judging.shares import suite_shares
from foreshot.judging.statistics import PairedSample, accuracy, compare_all
from foreshot.judging.task import Decided, Task
from foreshot.results.behaviour import Case, Probe, SuiteResult
from foreshot.results.verdict import Comparison
from foreshot.settings.experiment import VerdictPolicy


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What every model was asked, and what is right.

    `answers` are those of the test rows as the task has them; `repeats` the second scores of the test rows whose text
    was scored twice, by row. Cases and probes are judged by `class_names`, of which `positive` is the toxic one, if any
    is. `has_sealed` says that models were mended, so that what they do on sealed cases is looked at by itself.
    """

    task: Task
    answers: np.ndarray
    class_names: Sequence[str]
    positive: int | None
    cases: Sequence[Case] = ()
    probes: Sequence[Probe] = ()
    repeats: Mapping[int, Sequence[float]] = field(default_factory=dict)
    has_sealed: bool = False
    is_reference: bool = False
    """Whether the teacher is what the test rows say: stored scores."""

    @property
    def case_labels(self) -> np.ndarray:
        """The class that each case must get, (cases,)."""
        return np.array([self.class_names.index(case.label) for case in self.cases], dtype=int)

    @property
    def probe_labels(self) -> np.ndarray:
        """The class that each probe must get, (probes,), -1 where it has none."""
        return np.array(
            [-1 if probe.label is None else self.class_names.index(probe.label) for probe in self.probes], dtype=int
        )


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What models decide, by name and the teacher first, seed after seed.

    On the test rows in the shape of the task's answers, on the suite's cases and the probes as class numbers (seeds,
    cases); without those that weren't asked.
    """

    test: Decided
    suite: Decided = field(default_factory=dict)
    probes: Decided = field(default_factory=dict)

    def of_files(self, chosen: Mapping[str, int]) -> "Answered":
        """What one seed of each model decides: the file that would be shipped. `chosen` has its place by model."""

        def files(decided: Decided) -> dict[str, np.ndarray]:
            return {name: found[[chosen[name]]] for name, found in decided.items() if name in chosen}

        return Answered(test=files(self.test), suite=files(self.suite), probes=files(self.probes))


def samples(asked: Asked, answered: Answered) -> dict[str, PairedSample]:
    """What the models are compared in, by measure."""
    found = {METRIC: asked.task.sample(answered.test, asked.answers), **_repeats(asked, answered)}
    behaviour = []
    if asked.cases:
        labels, units = asked.case_labels, template_units(asked.cases)
        behaviour.append((SUITE, SUITE_POSITIVE, answered.suite, labels, units))
        if asked.has_sealed:
            sealed = np.array([case.sealed for case in asked.cases], dtype=bool)
            behaviour.append((SEALED, SEALED_POSITIVE, answered.suite, np.where(sealed, labels, -1), units))
    if asked.probes:
        labels = asked.probe_labels
        behaviour.append((PROBES, PROBES_POSITIVE, answered.probes, labels, np.arange(len(labels))))
    for measure, measure_of_positive, decided, labels, units in behaviour:
        for name, kept in ((measure, labels >= 0), (measure_of_positive, labels == asked.positive)):
            if kept.any():
                sample = PairedSample.make(decided, labels, accuracy, classes=len(asked.class_names), units=units)
                found[name] = sample.of_rows(kept)
    return found


def comparisons(
    found: Mapping[str, PairedSample], candidates: Sequence[Candidate], *, baseline: str | None = None
) -> list[Comparison]:
    """Every pair of models in every measure; those that are held against each other are a family by themselves."""
    teacher = candidates[0].model
    asked = {one.model: one.reference or teacher for one in candidates[1:]}
    return [
        pair
        for measure, sample in found.items()
        for pair in compare_all(measure, sample, held_against=asked, baseline=baseline)
    ]


def on_suite(asked: Asked, answered: Answered, candidates: Sequence[Candidate]) -> list[SuiteResult]:
    """Every model on the suite, students with their changes from the teacher that they are held against.

    Models that are no candidates, as the baseline, stand after them without changes.
    """
    if not asked.cases:
        return []
    found: dict[str, SuiteResult] = {}
    mended = {one.model for one in candidates if one.mended}
    for group in _groups(candidates):
        of_group = {name: answered.suite[name] for name in group if name in answered.suite}
        for one in suite_results(asked.cases, of_group, asked.class_names, teacher=group[0], mended=mended):
            found.setdefault(one.model, one)
    return [
        found.get(name) or suite_shares(name, asked.cases, decided, asked.class_names)
        for name, decided in answered.suite.items()
    ]


def by_reference(names: Iterable[str], references: Mapping[str, str]) -> list[list[str]]:
    """Models that are held against the same teacher, in groups that it stands first in; the first one's first.

    The first of the names is the teacher of all that `references` names no other one for.
    """
    teacher, *others = names
    groups = {teacher: [teacher]}
    for name in others:
        reference = references.get(name, teacher)
        groups.setdefault(reference, [reference]).append(name)
    return list(groups.values())


def _groups(candidates: Sequence[Candidate]) -> list[list[str]]:
    return by_reference(
        [one.model for one in candidates], {one.model: one.reference for one in candidates if one.reference}
    )


def evidence(
    asked: Asked,
    answered: Answered,
    candidates: Sequence[Candidate],
    policy: VerdictPolicy,
    *,
    group_changes: Mapping[str, Sequence[Change]] | None = None,
) -> Evidence:
    """All that the verdict looks at, of what the candidates and nobody else decide; the teacher comes first."""
    found = samples(asked, answered)
    label_changes: dict[str, Sequence[Change]] = {}
    for group in _groups(candidates):
        label_changes |= asked.task.changes({name: answered.test[name] for name in group}, asked.answers)
    return Evidence(
        candidates=[
            replace(one, means={name: of.mean(one.model) for name, of in found.items() if one.model in of.predicted})
            for one in candidates
        ],
        comparisons=comparisons(found, candidates),
        suite_results={one.model: one for one in on_suite(asked, answered, candidates)},
        positive=None if asked.positive is None else asked.class_names[asked.positive],
        sizes={measure: len(sample.labels) for measure, sample in found.items()}
        | {METRIC: len(asked.answers), REPEAT: len(asked.repeats)},
        policy=policy,
        metric_name=asked.task.metric_name,
        label_changes=label_changes,
        group_changes=group_changes or {},
        is_reference=asked.is_reference,
    )


def _repeats(asked: Asked, answered: Answered) -> dict[str, PairedSample]:
    """The metric on the test rows whose text was scored twice: there the teacher's word is the second score.

    None where they are too few, or the teacher is a model.
    """
    rows = np.array([row for row in sorted(asked.repeats) if not np.isnan(asked.repeats[row][0])], dtype=int)
    if not asked.is_reference or len(rows) < FEWEST_REPEATS:
        return {}
    repeats = np.array([asked.repeats[row] for row in rows])
    answers = np.where(np.isnan(repeats), np.nan, asked.answers[rows])
    decided = {name: found[:, rows] for name, found in answered.test.items()}
    decided[next(iter(decided))] = asked.task.flagged(repeats)[None]
    return {REPEAT: asked.task.sample(decided, answers)}
