"""From every model's scores to the findings: all the numbers of `results.json` that judging makes."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foreshot.comparison.model_folder import TrainingRecord
from foreshot.comparison.plan import EVASIONS, PROBES_ROWS, SUITE_ROWS, Plan
from foreshot.comparison.scores import Scores
from foreshot.errors import DataError
from foreshot.judging import flips as ledger
from foreshot.judging.behaviour import evasion_results, suite_results, template_units
from foreshot.judging.calibration import calibration
from foreshot.judging.evidence import (
    METRIC,
    PROBES,
    PROBES_POSITIVE,
    SUITE,
    SUITE_POSITIVE,
    Candidate,
    Change,
    Evidence,
    metric_name,
)
from foreshot.judging.flips import Answered
from foreshot.judging.identity_bias import identity_bias
from foreshot.judging.metrics import cross_entropy, test_metrics
from foreshot.judging.multilabel import (
    binary_cross_entropy,
    fit_label_decisions,
    label_changes,
    label_results,
    label_task,
    mean_macro_f1,
)
from foreshot.judging.statistics import Task, accuracy, compare_all, macro_f1
from foreshot.judging.summary import summarise
from foreshot.judging.thresholds import STANDARD_POLICIES, fit_decision, policy_result
from foreshot.judging.verdict import verdict
from foreshot.results.behaviour import EvasionResult, Flip, SuiteResult
from foreshot.results.decisions import Decision, LabelDecisions, PolicyResult
from foreshot.results.identity import IdentityBias
from foreshot.results.models import Cost, ModelResult, Summary
from foreshot.results.reasons import Reasons
from foreshot.results.verdict import Comparison, Verdict
from foreshot.runtime.decisions import decide, flagged_labels, judged_view, scaled_probabilities
from foreshot.settings.recipes import Recipe
from foreshot.suites.builtin import derogatory_words
from foreshot.suites.probes import answer
from foreshot.words.reasons import notes, reasons
from foreshot.words.word_scores import WordScores

Part = Literal["test", "suite", "probes"]
PARTS: tuple[Part, ...] = ("test", SUITE_ROWS, PROBES_ROWS)
MOST_FLIPS = 500
"""Flips that results.json and the report hold, the most harmful ones; flips.csv holds all."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One trained model with its scores. `recipe` is None for the teacher.

    Of a multi-label task `decisions` has every label's; `decision`, and what the methods give, is of the judged one.
    """

    name: str
    seed: int
    recipe: Recipe | None
    layer_map: Sequence[int]
    folder: str  # inside the run's folder
    fingerprint: str
    record: TrainingRecord
    cost: Cost
    scores: Scores
    decisions: Decision | LabelDecisions
    word_scores: WordScores | None = None  # of the explained texts

    @property
    def decision(self) -> Decision:
        """How it decides what behaviour is judged by: its classes, or the judged label."""
        decisions = self.decisions
        return decisions if isinstance(decisions, Decision) else decisions.by_label[decisions.judged]

    def logits(self, rows: str) -> np.ndarray:
        """Its logits (rows, classes) of the classes, or of the judged label's view."""
        logits, decisions = self.scores.logits[rows], self.decisions
        return logits if isinstance(decisions, Decision) else judged_view(logits, decisions)[1]

    def decided(self, rows: str, positive: int | None) -> np.ndarray:
        """The classes (rows,) that it decides on, by its own thresholds."""
        return decide(self.decision, self.logits(rows), positive)

    def probabilities(self, rows: str) -> np.ndarray:
        """Its probabilities (rows, classes), temperature-scaled."""
        return scaled_probabilities(self.logits(rows), self.decision.temperature)

    def flagged_labels(self, rows: str) -> np.ndarray:
        """The labels (rows, labels) that it decides on, 0 or 1, by each label's own threshold."""
        assert isinstance(self.decisions, LabelDecisions)
        return flagged_labels(self.scores.logits[rows], self.decisions).astype(int)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What judging found, as `Results` holds it; `all_flips` goes to flips.csv."""

    models: list[ModelResult]
    summaries: list[Summary]
    suite_results: list[SuiteResult]
    evasion: dict[str, list[EvasionResult]]
    identity_bias: IdentityBias | None
    reasons: Reasons | None
    comparisons: list[Comparison]
    all_flips: list[Flip]
    verdict: Verdict


def decision_for(plan: Plan, scores: Scores) -> Decision | LabelDecisions:
    """The experiment's policy, fitted on the validation rows, for each label where there are several."""
    positive, marks = plan.split.classes.positive, plan.split.parts["validation"].marks
    if marks is not None:
        logits = scores.logits["validation"]
        return fit_label_decisions(plan.experiment.decision, logits, np.array(marks), plan.output_names)
    return fit_decision(
        plan.experiment.decision,
        scores.logits["validation"],
        np.array(plan.split.parts["validation"].labels),
        positive,
        positive_name=plan.positive or "",
    )


def find(plan: Plan, scored: Sequence[Scored]) -> Findings:
    """Judge models by their scores; the teacher comes first, seeds of a student stand together."""
    by_name: dict[str, list[Scored]] = {}
    for model in scored:
        by_name.setdefault(model.name, []).append(model)
    models = [model_result(plan, model) for model in scored]
    suite = _suite_results(plan, by_name)
    tasks = _tasks(plan, by_name)
    comparisons = [found for measure, task in tasks.items() for found in compare_all(measure, task)]
    candidates = [
        Candidate(
            model=name,
            layers=same[0].cost.layers,
            parameters=same[0].cost.parameters,
            seeds=len(same),
            means={measure: task.mean(name) for measure, task in tasks.items()},
        )
        for name, same in by_name.items()
    ]
    evidence = Evidence(
        candidates=candidates,
        comparisons=comparisons,
        suite_results={found.model: found for found in suite},
        positive=plan.positive,
        sizes={measure: len(task.labels) for measure, task in tasks.items()} | {METRIC: len(plan.split.parts["test"])},
        policy=plan.experiment.policy,
        metric_name=metric_name(plan.is_multi_label),
        label_changes=_label_changes(plan, by_name),
    )
    why = _reasons(plan, by_name)
    concluded = verdict(evidence).model_copy(update={"notes": notes(why) if why else []})
    return Findings(
        models=models,
        summaries=summarise(models, plan.probes, plan.positive),
        suite_results=suite,
        evasion=_evasion(plan, by_name),
        identity_bias=_identity_bias(plan, by_name),
        reasons=why,
        comparisons=comparisons,
        all_flips=ledger.ranked(_flips(plan, by_name)),
        verdict=_with_folder(plan, concluded, by_name),
    )


def _label_changes(plan: Plan, by_name: dict[str, list[Scored]]) -> dict[str, list[Change]]:
    """Every student against the teacher, label by label; none but of a multi-label task."""
    marks = plan.split.parts["test"].marks
    if marks is None:
        return {}
    flagged = {name: np.stack([model.flagged_labels("test") for model in models]) for name, models in by_name.items()}
    return label_changes(flagged, np.array(marks), plan.output_names, teacher=next(iter(by_name)))


def _with_folder(plan: Plan, concluded: Verdict, by_name: dict[str, list[Scored]]) -> Verdict:
    """Name the seed to ship: the best one on the validation rows, since the test rows are for judging alone."""
    if concluded.recommended is None:
        return concluded

    def validation_macro_f1(model: Scored) -> float:
        return _metric_task(plan, {model.name: [model]}, "validation").mean(model.name)

    best = max(by_name[concluded.recommended], key=validation_macro_f1)
    return concluded.model_copy(update={"folder": best.folder})


def model_result(plan: Plan, model: Scored) -> ModelResult:
    """All that is found about one model by itself."""
    parts, classes = plan.split.parts, plan.split.classes
    labels = {name: np.array(part.labels) for name, part in parts.items()}
    unscaled = scaled_probabilities(model.logits("test"), 1.0)
    found = ModelResult(
        model=model.name,
        seed=model.seed,
        recipe=plan.experiment.as_trained(model.recipe).model_dump(mode="json") if model.recipe else None,
        layer_map=list(model.layer_map),
        training=model.record.facts,
        train_cross_entropy=cross_entropy(model.logits("train"), labels["train"][plan.asked_training_rows]),
        test=test_metrics(
            model.logits("test"),
            model.decided("test", classes.positive),
            labels["test"],
            plan.class_names,
            classes.positive,
        ),
        cost=model.cost,
        probes=answer(model.probabilities(PROBES_ROWS), model.decided(PROBES_ROWS, classes.positive), classes)
        if plan.probes
        else [],
        decision=model.decision,
        calibration=calibration(unscaled, labels["test"]),
        calibration_after_scaling=calibration(model.probabilities("test"), labels["test"]),
        policies=_policies(plan, model, labels),
        folder=model.folder,
        fingerprint=model.fingerprint,
    )
    return _with_labels(plan, model, found) if plan.is_multi_label else found


def _with_labels(plan: Plan, model: Scored, found: ModelResult) -> ModelResult:
    """What was found about the judged label, with each label's own results, and means over them all."""
    assert isinstance(model.decisions, LabelDecisions)
    logits, parts = model.scores.logits, plan.split.parts
    marks = {name: np.array(part.marks) for name, part in parts.items()}
    over_labels = {
        "cross_entropy": binary_cross_entropy(logits["test"], marks["test"]),
        "macro_f1": mean_macro_f1(model.flagged_labels("test"), marks["test"]),
    }
    return found.model_copy(
        update={
            "train_cross_entropy": binary_cross_entropy(logits["train"], marks["train"][plan.asked_training_rows]),
            "test": found.test.model_copy(update=over_labels),
            "labels": label_results(model.decisions, logits["test"], marks["test"]),
        }
    )


def _policies(plan: Plan, model: Scored, labels: dict[str, np.ndarray]) -> list[PolicyResult]:
    positive = plan.split.classes.positive
    if positive is None:
        return []
    logits, found = {name: model.logits(name) for name in ("validation", "test")}, []
    for policy in dict.fromkeys((*STANDARD_POLICIES, plan.experiment.decision)):
        with contextlib.suppress(DataError):  # too few validation rows for this one
            decision = fit_decision(policy, logits["validation"], labels["validation"], positive)
            found.append(policy_result(decision, logits["test"], labels["test"], positive))
    return found


def _decided(plan: Plan, by_name: dict[str, list[Scored]], rows: str) -> dict[str, np.ndarray]:
    """For each model the classes decided on, (seeds, rows)."""
    positive = plan.split.classes.positive
    return {name: np.stack([model.decided(rows, positive) for model in models]) for name, models in by_name.items()}


def _suite_results(plan: Plan, by_name: dict[str, list[Scored]]) -> list[SuiteResult]:
    if plan.suite is None:
        return []
    teacher = next(iter(by_name))
    return suite_results(plan.suite.cases, _decided(plan, by_name, SUITE_ROWS), plan.class_names, teacher=teacher)


def _evasion(plan: Plan, by_name: dict[str, list[Scored]]) -> dict[str, list[EvasionResult]]:
    positive = plan.split.classes.positive
    if plan.evasions is None or positive is None:
        return {}
    decided, evading = _decided(plan, by_name, "test"), _decided(plan, by_name, EVASIONS)
    texts = plan.split.parts["test"].texts
    return {name: evasion_results(plan.evasions, texts, decided[name], evading[name], positive) for name in by_name}


def _identity_bias(plan: Plan, by_name: dict[str, list[Scored]]) -> IdentityBias | None:
    positive, test = plan.split.classes.positive, plan.split.parts["test"]
    if not test.identities or positive is None:
        return None
    return identity_bias(
        {name: np.stack([model.probabilities("test")[:, positive] for model in of]) for name, of in by_name.items()},
        np.array(test.labels) == positive,
        {group: np.array(mentioned) for group, mentioned in test.identities.items()},
        teacher=next(iter(by_name)),
        source=plan.experiment.identity_terms or test.source,
    )


def _reasons(plan: Plan, by_name: dict[str, list[Scored]]) -> Reasons | None:
    if plan.explained is None:
        return None
    positive, names = plan.split.classes.positive, plan.class_names
    assert positive is not None  # planning explains nothing without one
    others = [name for index, name in enumerate(names) if index != positive]
    return reasons(
        plan.explained,
        {name: [model.word_scores for model in of if model.word_scores] for name, of in by_name.items()},
        teacher=next(iter(by_name)),
        class_names=(others[0] if len(others) == 1 else f"not {names[positive]}", names[positive]),
        method=plan.experiment.explanations.method,
        settings=plan.experiment.explanations.method_settings,
        derogatory=derogatory_words(),
        seed=plan.experiment.first_seed,
    )


def _tasks(plan: Plan, by_name: dict[str, list[Scored]]) -> dict[str, Task]:
    """What the models are compared in, by measure."""
    classes, positive = len(plan.class_names), plan.split.classes.positive
    tasks = {METRIC: _metric_task(plan, by_name, "test")}
    behaviour = []
    if plan.suite is not None:
        behaviour.append((SUITE, SUITE_POSITIVE, SUITE_ROWS, _suite_labels(plan), template_units(plan.suite.cases)))
    if plan.probes:
        behaviour.append((PROBES, PROBES_POSITIVE, PROBES_ROWS, _probe_labels(plan), np.arange(len(plan.probes))))
    for measure, measure_of_positive, rows, labels, units in behaviour:
        decided = _decided(plan, by_name, rows)
        for name, kept in ((measure, labels >= 0), (measure_of_positive, labels == positive)):
            if kept.any():
                tasks[name] = Task.make(decided, labels, accuracy, classes=classes, units=units).of_rows(kept)
    return tasks


def _metric_task(plan: Plan, by_name: dict[str, list[Scored]], part: str) -> Task:
    """Macro-F1 on the rows of a part; of a multi-label task its mean over all labels, so that none is lost unseen."""
    rows = plan.split.parts[part]
    if rows.marks is not None:
        flagged = {name: np.stack([model.flagged_labels(part) for model in models]) for name, models in by_name.items()}
        return label_task(flagged, np.array(rows.marks))
    decided = _decided(plan, by_name, part)
    return Task.make(decided, np.array(rows.labels), macro_f1, classes=len(plan.class_names))


def _suite_labels(plan: Plan) -> np.ndarray:
    return np.array([plan.class_names.index(case.label) for case in plan.suite.cases]) if plan.suite else np.array([])


def _probe_labels(plan: Plan) -> np.ndarray:
    return np.array([-1 if probe.label is None else plan.class_names.index(probe.label) for probe in plan.probes])


def _flips(plan: Plan, by_name: dict[str, list[Scored]]) -> list[Flip]:
    teacher, *students = by_name
    found: list[Flip] = []
    for student in students:
        for rows in PARTS:
            if rows in by_name[teacher][0].scores.logits:
                before, after = (_answered(plan, by_name[name], rows) for name in (teacher, student))
                found += ledger.flips(student, after, before, plan.class_names, plan.split.classes.positive)
    return found


def _answered(plan: Plan, models: list[Scored], rows: Part) -> Answered:
    positive, test = plan.split.classes.positive, plan.split.parts["test"]
    if rows == "test":
        texts, labels, numbers = test.texts, np.array(test.labels), test.rows
    elif rows == SUITE_ROWS:
        texts, labels = [case.text for case in plan.suite.cases] if plan.suite else [], _suite_labels(plan)
        numbers = list(range(1, len(texts) + 1))
    else:
        texts, labels = [probe.text for probe in plan.probes], _probe_labels(plan)
        numbers = list(range(1, len(texts) + 1))
    return Answered(
        part=rows,
        texts=texts,
        rows=numbers,
        labels=labels,
        decided=np.stack([model.decided(rows, positive) for model in models]),
        probabilities=np.stack([model.probabilities(rows) for model in models]),
    )
