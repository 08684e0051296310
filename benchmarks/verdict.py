"""How often the verdict errs: comparisons whose truth is known, simulated and put through the judging functions.

    python benchmarks/verdict.py [--tries 240] [--resamples 999] [--only NAME ...] [--seed 0]

Nothing is trained. A model decides a text rightly where a normal variable is above zero; its mean is the model's level
for that kind of text, and it is a sum of what all models share in the text, what a recipe shares, what a template
shares in one file, and what is that file's alone. So the share that each file gets right in the long run is known, and
with it macro-F1 and both sides of the suite. Test rows, validation rows and decisions are drawn anew in every try, the
suite's texts, templates and functionalities are the built-in one's. Prints JSON: for each scenario how often the
verdict was what, with the interval of that share, how often a file was recommended that is beyond a margin, and how
often the 95 % intervals of files and of recipes held the truth.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from foreshot.data.labels import Classes
from foreshot.judging import bootstrap
from foreshot.judging.behaviour import template_units
from foreshot.judging.evidence import METRIC, SUITE, SUITE_POSITIVE, Candidate
from foreshot.judging.samples import Answered, Asked, comparisons, evidence, samples
from foreshot.judging.shares import wilson
from foreshot.judging.statistics import macro_f1, turned
from foreshot.judging.task import ClassTask
from foreshot.judging.verdict import verdict
from foreshot.results.base import Estimate
from foreshot.results.behaviour import Case
from foreshot.results.verdict import Comparison
from foreshot.settings.experiment import VerdictPolicy
from foreshot.suites.builtin import builtin_cases

BENIGN, TOXIC = 0, 1
CLASSES = Classes(names=("benign", "toxic"), positive=TOXIC, mapping={}, announcements=())
COMMON, OF_RECIPE, OF_TEMPLATE, OWN = 0.80, 0.06, 0.05, 0.09
"""Shares of a text's variance: of all models, of a recipe, of a file in a template, of a file."""
ROWS_RIGHT = (0.96, 0.82)
"""Shares of benign and of toxic test rows that the teacher gets right: macro-F1 0.90 with one row in five toxic."""
CASES_RIGHT = (0.70, 0.65)
OF_FUNCTIONALITY = 0.6
"""How far functionalities lie apart, in standard deviations of a text."""
VALIDATION_ROWS = 1500
MARGINS = VerdictPolicy()
BY_MEASURE = {METRIC: MARGINS.metric_margin, SUITE: MARGINS.suite_margin, SUITE_POSITIVE: MARGINS.suite_margin}
SHIPS = ("recommended", "acceptable")


@dataclass(frozen=True)
class Scenario:
    """What is true: `metric` and `toxic` are the student's differences from the teacher in macro-F1 and on the suite's
    toxic side, `benign` that on its benign one. Seeds lie about them by `spread` (of levels, in standard deviations).
    """

    name: str
    metric: float = 0.0
    toxic: float = 0.0
    benign: float = 0.0
    rows: int = 2457
    positives: float = 0.2
    seeds: int = 3
    spread: float = 0.0
    beside: tuple[float, float, float] | None = None
    """Metric, toxic and benign differences of a second student, if there is one."""


SCENARIOS = (
    Scenario("as good, seeds alike"),
    Scenario("as good", spread=0.03),
    Scenario("as good, 200 rows", spread=0.03, rows=200),
    Scenario("as good, 800 rows", spread=0.03, rows=800),
    Scenario("as good, 5,000 rows", spread=0.03, rows=5000),
    Scenario("as good, 20,000 rows", spread=0.03, rows=20000),
    Scenario("as good, 1 seed", spread=0.03, seeds=1),
    Scenario("as good, 5 seeds", spread=0.03, seeds=5),
    Scenario("as good, 10 seeds", spread=0.03, seeds=10),
    Scenario("as good, 5 % toxic", spread=0.03, positives=0.05),
    Scenario("every file on the metric's margin", metric=-MARGINS.metric_margin),
    Scenario("every file on the toxic side's margin", toxic=-MARGINS.suite_margin),
    Scenario("recipe on the metric's margin", metric=-MARGINS.metric_margin, spread=0.03),
    Scenario("recipe on the toxic side's margin", toxic=-MARGINS.suite_margin, spread=0.03),
    Scenario("recipe on the metric's margin, 10 seeds", metric=-MARGINS.metric_margin, spread=0.03, seeds=10),
    Scenario("recipe on the toxic side's margin, 10 seeds", toxic=-MARGINS.suite_margin, spread=0.03, seeds=10),
    Scenario("every file on the metric's margin, 5 % toxic", metric=-MARGINS.metric_margin, positives=0.05),
    Scenario("beyond both margins", metric=-0.04, toxic=-0.10, spread=0.03),
    Scenario("blind, better on the metric", metric=0.005, toxic=-0.35, benign=0.15, spread=0.03),
    Scenario("blind, beside one that sees", metric=0.01, toxic=-0.35, benign=0.15, spread=0.03, beside=(0.0, 0.0, 0.0)),
    Scenario("flags too much", toxic=0.15, benign=-0.30, spread=0.03),
)


def long_run_macro_f1(right: Sequence[float], positives: float) -> float:
    """Macro-F1 of one who gets such shares of benign and of toxic rows right, on any number of rows."""
    share = np.array([1 - positives, positives])
    counts = np.array([[right[0], 1 - right[0]], [1 - right[1], right[1]]]) * share[:, None]
    return float(macro_f1(counts))


class World:
    """What is true of the teacher's and the students' files, and what they decide on texts that are drawn."""

    def __init__(self, scenario: Scenario, cases: Sequence[Case]) -> None:
        self.scenario, self.cases = scenario, cases
        self.case_labels = np.array([TOXIC if case.label == "toxic" else BENIGN for case in cases])
        self.templates = template_units(cases)
        kinds = sorted({case.functionality for case in cases})
        apart = OF_FUNCTIONALITY * np.random.default_rng(0).standard_normal(len(kinds))
        self.offsets = apart[[kinds.index(case.functionality) for case in cases]]
        self.rows = ndtri(ROWS_RIGHT)
        self.on_cases = np.array([self._level(label, CASES_RIGHT[label]) for label in (BENIGN, TOXIC)])
        self.teacher_metric = long_run_macro_f1(ROWS_RIGHT, scenario.positives)

    def levels(self, metric: float, toxic: float, benign: float) -> np.ndarray:
        """The levels (4,) of a recipe that differs so from the teacher: on rows and on cases, benign and toxic."""
        shift = brentq(
            lambda by: long_run_macro_f1(ndtr(self.rows + by), self.scenario.positives) - self.teacher_metric - metric,
            -3, 3,
        )  # fmt: skip
        sides = [self._level(label, CASES_RIGHT[label] + by) for label, by in ((BENIGN, benign), (TOXIC, toxic))]
        return np.array([*(self.rows + shift), *sides])

    def drawn_seeds(self, levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The levels of its seeds, (seeds, 4): on the suite what a seed gains on one side it loses on the other."""
        seeds, spread = self.scenario.seeds, self.scenario.spread
        of_rows, of_cases = rng.standard_normal((2, seeds, 1)) * spread
        return levels + np.hstack([of_rows, of_rows, -3 * of_cases, 3 * of_cases])

    def truth(self, levels: np.ndarray) -> dict[str, float]:
        """What a file with these levels gets in the long run, minus the teacher."""
        sides = [self._share(label, levels[2 + label]) - CASES_RIGHT[label] for label in (BENIGN, TOXIC)]
        toxic = float((self.case_labels == TOXIC).mean())
        return {
            METRIC: long_run_macro_f1(ndtr(levels[:2]), self.scenario.positives) - self.teacher_metric,
            SUITE: (1 - toxic) * sides[BENIGN] + toxic * sides[TOXIC],
            SUITE_POSITIVE: sides[TOXIC],
        }

    def mean_truth(self, levels: np.ndarray, rng: np.random.Generator, seeds: int = 2000) -> dict[str, float]:
        """What a recipe gives in the mean over its seeds."""
        drawn = [
            self.truth(of) for _ in range(-(-seeds // self.scenario.seeds)) for of in self.drawn_seeds(levels, rng)
        ]
        return {name: float(np.mean([of[name] for of in drawn])) for name in drawn[0]}

    def decided(
        self, files: Sequence[np.ndarray], rows: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Labels of so many drawn rows, and what each recipe's files (seeds, 4) decide on them, (seeds, rows)."""
        labels = (rng.random(rows) < self.scenario.positives).astype(int)
        return labels, _decisions([of[:, labels] for of in files], labels, None, rng)

    def decided_cases(self, files: Sequence[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
        """What each recipe's files decide on the suite's cases, (seeds, cases)."""
        means = [of[:, 2 + self.case_labels] + self.offsets for of in files]
        return _decisions(means, self.case_labels, self.templates, rng)

    def _share(self, label: int, level: float) -> float:
        return float(ndtr(level + self.offsets[self.case_labels == label]).mean())

    def _level(self, label: int, share: float) -> float:
        return float(brentq(lambda level: self._share(label, level) - share, -6, 6))


def simulate(scenario: Scenario, tries: int, *, cases: Sequence[Case], seed: int = 0) -> dict[str, object]:
    """What the verdict says of the first student in so many comparisons."""
    world, rng = World(scenario, cases), np.random.default_rng(seed)
    students = [(scenario.metric, scenario.toxic, scenario.benign), *([scenario.beside] if scenario.beside else [])]
    levels = [world.levels(0, 0, 0), *(world.levels(*student) for student in students)]
    names = ["teacher", *(f"student {number}" for number in range(1, len(levels)))]
    candidates = [
        Candidate(model=name, layers=3 if place else 6, parameters=60, seeds=scenario.seeds if place else 1)
        for place, name in enumerate(names)
    ]
    of_recipe = world.mean_truth(levels[1], np.random.default_rng(1))
    kinds: Counter[str] = Counter()
    covered: Counter[str] = Counter()
    beyond = worse = 0
    for _ in range(tries):
        files = [levels[0][None], *(world.drawn_seeds(of, rng) for of in levels[1:])]
        validation, tuned = world.decided(files, VALIDATION_ROWS, rng)
        best = {name: _best(validation, of) for name, of in zip(names, tuned, strict=True)}
        labels, decided = world.decided(files, scenario.rows, rng)
        on_cases = world.decided_cases(files, rng)
        asked = Asked(task=ClassTask(CLASSES), answers=labels, class_names=CLASSES.names, positive=TOXIC, cases=cases)
        answered = Answered(test=dict(zip(names, decided, strict=True)), suite=dict(zip(names, on_cases, strict=True)))
        found = evidence(asked, answered.of_files(best), candidates, MARGINS)
        concluded = verdict(found).students[0]
        kinds[concluded.kind] += 1
        truth = world.truth(files[1][best[names[1]]])
        if concluded.kind in SHIPS:
            beyond += any(truth[name] < -margin - 1e-9 for name, margin in BY_MEASURE.items())
        over_seeds = comparisons(samples(asked, answered), candidates)
        for what, pairs, true in (("file", found.comparisons, truth), ("recipe", over_seeds, of_recipe)):
            for name in BY_MEASURE:
                difference = _against_teacher(pairs, names[1], name)
                covered[f"{what}, {name}"] += difference.low <= true[name] <= difference.high
        worse += _against_teacher(over_seeds, names[1], METRIC).high < 0
    return {
        "scenario": scenario.name,
        "tries": tries,
        "ships": _share(sum(kinds[kind] for kind in SHIPS), tries),
        **{kind: round(count / tries, 3) for kind, count in sorted(kinds.items())},
        "ships a file beyond a margin": _share(beyond, tries),
        "recipe called worse in macro-F1": round(worse / tries, 3),
        "coverage": {name: round(count / tries, 3) for name, count in covered.items()},
    }


def main(tries: int, resamples: int, only: Sequence[str], seed: int) -> None:
    """Print a line of JSON for each scenario, as it is done."""
    if unknown := set(only) - {scenario.name for scenario in SCENARIOS}:
        sys.exit(
            f"--only: there is no scenario {sorted(unknown)[0]!r}; one of: {'; '.join(one.name for one in SCENARIOS)}"
        )
    bootstrap.RESAMPLES = resamples
    bootstrap.RESAMPLES_PER_PAIR = 0
    cases = builtin_cases()
    for scenario in SCENARIOS:
        if not only or scenario.name in only:
            began = time.perf_counter()
            found = simulate(scenario, tries, cases=cases, seed=seed)
            print(json.dumps(found | {"seconds": round(time.perf_counter() - began)}), flush=True)


def _decisions(
    means: Sequence[np.ndarray], labels: np.ndarray, templates: np.ndarray | None, rng: np.random.Generator
) -> list[np.ndarray]:
    """For each recipe what its files decide, from the means of their normal variables, both (seeds, texts)."""
    common, found = np.sqrt(COMMON) * rng.standard_normal(len(labels)), []
    for mean in means:
        noise = common + np.sqrt(OF_RECIPE) * rng.standard_normal(len(labels))
        own = np.sqrt(OWN) * rng.standard_normal(mean.shape)
        if templates is None:
            own += np.sqrt(OF_TEMPLATE) * rng.standard_normal(mean.shape)
        else:
            own += np.sqrt(OF_TEMPLATE) * rng.standard_normal((len(mean), templates.max() + 1))[:, templates]
        found.append(np.where(mean + noise + own > 0, labels, 1 - labels))
    return found


def _best(labels: np.ndarray, decided: np.ndarray) -> int:
    """The place of the file with the best macro-F1; `decided` has shape (files, rows)."""
    counts = [np.bincount(2 * labels + of_file, minlength=4).reshape(2, 2) for of_file in decided]
    return int(np.argmax(macro_f1(np.array(counts, dtype=float))))


def _against_teacher(pairs: Sequence[Comparison], student: str, measure: str) -> Estimate:
    (found,) = (pair for pair in pairs if pair.measure == measure and {pair.first, pair.second} == {"teacher", student})
    return (found if found.first == student else turned(found)).difference


def _share(count: int, tries: int) -> list[float]:
    """A share with its 95 % interval (Wilson)."""
    found = wilson(count, tries)
    return [round(number, 3) for number in (found.value, found.low, found.high)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=240)
    parser.add_argument("--resamples", type=int, default=999)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--seed", type=int, default=0)
    main(**vars(parser.parse_args()))
