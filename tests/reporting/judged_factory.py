"""What judging finds about made-up decisions: the project's own functions on seeded answers, small and plausible."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from unittest.mock import patch

import numpy as np

from foreshot.judging import bootstrap
from foreshot.judging import flips as ledger
from foreshot.judging.behaviour import suite_results
from foreshot.judging.calibration import calibration
from foreshot.judging.evidence import METRIC, SUITE, SUITE_POSITIVE, Candidate, Evidence
from foreshot.judging.flips import Answered
from foreshot.judging.shares import contrast_pairs, wilson
from foreshot.judging.statistics import PairedSample, accuracy, compare_all, macro_f1
from foreshot.judging.thresholds import STANDARD_POLICIES, fit_decision, policy_result
from foreshot.judging.verdict import verdict
from foreshot.results.behaviour import Case, EvasionResult, Flip, SuiteFacts, SuiteResult
from foreshot.results.decisions import Calibration, Decision, PolicyResult
from foreshot.results.verdict import Comparison, Verdict
from foreshot.runtime.decisions import scaled_probabilities
from foreshot.settings.experiment import VerdictPolicy

KINDS = (
    ("derogatory word alone", 1),
    ("insult to a person", 1),
    ("insult to a group", 1),
    ("veiled threat", 1),
    ("dehumanisation", 1),
    ("implicit derogation", 1),
    ("leet spelling", 1),
    ("counter-speech", 0),
    ("friendly banter", 0),
    ("neutral mention of a group", 0),
    ("profanity without a target", 0),
    ("names that contain rude strings", 0),
)
"""Functionalities, and whether their cases are of the positive class."""

CASES_OF_A_KIND = 24
GROUPS = ("women", "Muslims", "disabled people")
PERTURBATIONS = ("leet", "spaced", "dots", "homoglyphs", "no vowels")
# Share right of the toxic cases, of the benign ones, and of the test rows.
SKILLS = {
    "teacher": (0.80, 0.82, 0.945),
    "odd": (0.79, 0.82, 0.940),
    "even": (0.70, 0.76, 0.925),
    "lora": (0.24, 0.95, 0.950),
    "odd-lora": (0.58, 0.74, 0.915),
}
USUAL_SKILL = (0.66, 0.78, 0.92)
POLICY = VerdictPolicy()
ROWS = 900


@dataclass(frozen=True)
class Judged:
    """The parts of Results that judging all models together makes."""

    suite: SuiteFacts | None
    suite_results: list[SuiteResult]
    evasion: dict[str, list[EvasionResult]]
    comparisons: list[Comparison]
    flips: list[Flip]
    flip_counts: dict[str, dict[str, int]]
    verdict: Verdict


@lru_cache
def judged(
    models: tuple[str, ...],
    seeds: tuple[int, ...],
    classes: tuple[str, ...],
    positive: str | None,
    kinds: tuple[tuple[str, int], ...],
    macro_f1s: tuple[float, ...],
    layers: tuple[int, ...],
    flip_texts: tuple[str, ...],
    group_names: tuple[str, ...],
) -> Judged:
    """Judge models that answer at random by their skills, the teacher first; no suite where there are no kinds."""
    cases = _cases(kinds, classes, positive, flip_texts, group_names)
    wanted = {
        "suite": np.array([classes.index(case.label) for case in cases], dtype=int),
        "test": np.arange(ROWS) % len(classes),
    }
    toxic = classes.index(positive) if positive is not None else None
    decided = {
        part: {
            model: np.stack(
                [
                    _decided(model, seed, labels, len(classes), toxic, part=part, cases=cases)
                    for seed in (seeds[:1] if model == "teacher" else seeds)
                ]
            )
            for model in models
        }
        for part, labels in wanted.items()
        if len(labels)
    }
    tasks = {METRIC: PairedSample.make(decided["test"], wanted["test"], macro_f1, classes=len(classes))}
    if cases:
        tasks[SUITE] = PairedSample.make(decided["suite"], wanted["suite"], accuracy, classes=len(classes))
        if toxic is not None:
            tasks[SUITE_POSITIVE] = tasks[SUITE].of_rows(wanted["suite"] == toxic)
    with patch.object(bootstrap, "RESAMPLES", 399):
        suite = suite_results(cases, decided["suite"], classes, teacher=models[0]) if cases else []
        comparisons = [found for measure, task in tasks.items() for found in compare_all(measure, task)]
    means = {model: {measure: task.mean(model) for measure, task in tasks.items()} for model in models}
    evidence = Evidence(
        candidates=[
            Candidate(
                model=model,
                layers=layers[index],
                parameters=layers[index] * 1_000_000 + 12_000_000,
                seeds=len(decided["test"][model]),
                means=means[model] | {METRIC: macro_f1s[index]},
            )
            for index, model in enumerate(models)
        ],
        comparisons=comparisons,
        suite_results={found.model: found for found in suite},
        positive=positive,
        sizes={measure: len(task.labels) for measure, task in tasks.items()},
        policy=POLICY,
    )
    texts = {"test": [flip_texts[row % len(flip_texts)] for row in range(ROWS)], "suite": [case.text for case in cases]}
    flips = ledger.ranked(
        [
            flip
            for model in models[1:]
            for part in decided
            for flip in ledger.flips(
                model,
                _answered(part, model, decided[part][model], texts[part], wanted[part], len(classes)),
                _answered(part, "teacher", decided[part][models[0]], texts[part], wanted[part], len(classes)),
                classes,
                toxic,
            )
        ]
    )
    return Judged(
        suite=SuiteFacts(
            name="builtin",
            cases=len(cases),
            class_counts={name: sum(case.label == name for case in cases) for name in classes},
            pairs=len(contrast_pairs(cases)),
            fingerprint="0f1e2d3c",
        )
        if cases
        else None,
        suite_results=suite,
        evasion={model: _evasion(model) for model in models} if positive is not None else {},
        comparisons=comparisons,
        flips=flips[:500],
        flip_counts=ledger.counts(flips),
        verdict=verdict(evidence),
    )


@lru_cache
def scores(
    model: str, seed: int, classes: tuple[str, ...], positive: str | None
) -> tuple[Decision, Calibration, Calibration, list[PolicyResult]]:
    """A model's decision, its calibration before scaling and after it, and what each policy does."""
    toxic = classes.index(positive) if positive is not None else None
    labels = np.arange(ROWS) % len(classes)
    validation, test = (_logits(model, seed, labels, len(classes), part=part) for part in ("validation", "test"))
    decision = fit_decision("argmax", validation, labels, toxic)
    policies = [
        policy_result(fit_decision(policy, validation, labels, toxic), test, labels, toxic)
        for policy in STANDARD_POLICIES
        if toxic is not None
    ]
    before = calibration(scaled_probabilities(test, 1.0), labels)
    return decision, before, calibration(scaled_probabilities(test, decision.temperature), labels), policies


def _cases(
    kinds: Sequence[tuple[str, int]],
    classes: Sequence[str],
    positive: str | None,
    texts: Sequence[str],
    group_names: Sequence[str],
) -> list[Case]:
    toxic = positive if positive is not None else classes[-1]
    benign = next(name for name in classes if name != toxic)
    cases = []
    for name, is_toxic in kinds:
        for number in range(CASES_OF_A_KIND):
            about = group_names[number % len(group_names)] if "group" in name else None
            cases.append(
                Case(
                    text=f"{texts[number % len(texts)]} ({name}, {number})",
                    label=toxic if is_toxic else benign,
                    functionality=name,
                    group=about,
                    pair=f"p{number}" if name in ("insult to a group", "neutral mention of a group") else None,
                )
            )
    return cases


def _decided(
    model: str, seed: int, labels: np.ndarray, classes: int, toxic: int | None, *, part: str, cases: Sequence[Case]
) -> np.ndarray:
    of_toxic, of_benign, of_test = SKILLS.get(model, USUAL_SKILL)
    if part == "test":
        rates = np.full(len(labels), of_test)
    else:
        is_toxic = labels == (classes - 1 if toxic is None else toxic)
        ease = np.array([_draw(case.functionality).uniform(-0.18, 0.18) for case in cases])
        rates = np.clip(np.where(is_toxic, of_toxic, of_benign) + ease, 0.02, 0.99)
    shared, own = _draw(part).random(len(labels)), _draw(f"{part}{model}{seed}").random(len(labels))
    luck = np.where(_draw(f"{part}{model}").random(len(labels)) < 0.85, shared, own)
    return np.where(luck < rates, labels, (labels + 1) % classes)


def _answered(
    part: str, model: str, decided: np.ndarray, texts: list[str], labels: np.ndarray, classes: int
) -> Answered:
    sureness = _draw(f"{part}{model}/sure").uniform(0.55, 0.97, decided.shape)
    probabilities = np.repeat(((1 - sureness) / (classes - 1))[..., None], classes, axis=-1)
    np.put_along_axis(probabilities, decided[..., None], sureness[..., None], axis=-1)
    return Answered(
        part=part,
        texts=texts,
        rows=list(range(1, len(texts) + 1)),
        labels=labels,
        decided=decided,
        probabilities=probabilities,
    )


def _evasion(model: str) -> list[EvasionResult]:
    draw = _draw(f"{model}/evasion")
    return [
        EvasionResult(perturbation=name, rows=rows, escaped=wilson(round(rows * share), rows))
        for name in PERTURBATIONS
        for rows, share in [(int(draw.integers(90, 180)), float(draw.uniform(0.05, 0.7)))]
    ]


def _logits(model: str, seed: int, labels: np.ndarray, classes: int, *, part: str) -> np.ndarray:
    draw = _draw(f"{model}{seed}{part}/logits")
    logits = draw.normal(0, 2.2, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += 5.5 * SKILLS.get(model, USUAL_SKILL)[2] - 1.2
    return logits


def _draw(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
