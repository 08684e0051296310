"""Judging what was mended: what each model is held against, and each mended one beside its twin without mending."""

from collections.abc import Mapping, Sequence

import numpy as np

from foreshot.comparison.inputs import Inputs
from foreshot.comparison.scored import Scored
from foreshot.judging.mending import Pair, escapes, kind_gains, part_gains
from foreshot.judging.statistics import PairedSample, turned
from foreshot.results.mending import EscapeGain, Gain, Mended, Twins
from foreshot.results.verdict import Comparison

Models = Mapping[str, list[Scored]]
"""By name the models of every seed, the teacher first."""


def references(by_name: Models) -> dict[str, str]:
    """What each mended model is held against: students the teacher of their arm, that one the first teacher."""
    teacher = next(iter(by_name))
    jobs = {name: models[0].job for name, models in by_name.items()}
    return {name: job.teacher if job.recipe else teacher for name, job in jobs.items() if job.mended}


def twins_of(by_name: Models) -> list[Pair]:
    """Models without mending and their mended twins: the teachers, and recipes that differ in nothing else."""
    jobs = {name: models[0].job for name, models in by_name.items()}

    def but_for_mending(name: str) -> object:
        recipe = jobs[name].recipe
        return recipe and recipe.model_dump(exclude={"name", "mend"})

    without = [name for name, job in jobs.items() if not job.mended]
    found = [
        (next((other for other in without if but_for_mending(other) == but_for_mending(name)), None), name)
        for name, job in jobs.items()
        if job.mended
    ]
    return [(other, name) for other, name in found if other is not None]


def mended(
    inputs: Inputs,
    by_name: Models,
    metric: PairedSample,
    comparisons: Sequence[Comparison],
    on_suite: Mapping[str, np.ndarray],
    escaping: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Mended | None:
    """What mending brought and cost; None where nothing was mended.

    `metric` and `comparisons` are those of the test rows; `on_suite` has what each model decides on the suite's cases,
    `escaping` what it decides on the test rows, and on disguised ones.
    """
    if inputs.mended is None:
        return None
    pairs = twins_of(by_name)
    asked = [pair for pair in pairs if set(pair) <= on_suite.keys()]
    cases = inputs.suite.cases if inputs.suite else ()
    parts = dict(zip(asked, part_gains(cases, on_suite, inputs.class_names, asked), strict=True))
    kinds = dict(zip(asked, kind_gains(cases, on_suite, inputs.class_names, asked), strict=True))
    return Mended(
        references=references(by_name),
        twins=[
            Twins(
                unmended=pair[0],
                mended=pair[1],
                metric=_metric_gain(pair, metric, comparisons),
                parts=parts.get(pair, {}),
                functionalities=kinds.get(pair, []),
                escapes=_escapes(inputs, pair, escaping),
            )
            for pair in pairs
        ],
    )


def _metric_gain(pair: Pair, metric: PairedSample, comparisons: Sequence[Comparison]) -> Gain:
    unmended, mended = pair
    found = next(one for one in comparisons if {one.first, one.second} == set(pair))
    difference = (found if found.first == mended else turned(found)).difference
    return Gain(before=metric.mean(unmended), after=metric.mean(mended), difference=difference)


def _escapes(inputs: Inputs, pair: Pair, escaping: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[EscapeGain]:
    positive = inputs.positive
    if inputs.evasions is None or inputs.mended is None or positive is None or not set(pair) <= escaping.keys():
        return []
    (decided, evading), (mended_decided, mended_evading) = (escaping[name] for name in pair)
    return escapes(
        inputs.evasions,
        inputs.split.parts["test"].texts,
        (decided, mended_decided),
        (evading, mended_evading),
        positive,
        inputs.mended.disguises,
    )
