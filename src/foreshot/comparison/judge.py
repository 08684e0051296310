"""Judging: from every model's scores to the findings, all the numbers of `results.json` that judging makes."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from foreshot.comparison.inputs import EVASIONS, PROBES_ROWS, SUITE_ROWS, Inputs
from foreshot.comparison.judge_corrections import corrections
from foreshot.comparison.judge_mending import mended, references
from foreshot.comparison.judge_teachers import asked_teachers
from foreshot.comparison.scored import Scored
from foreshot.errors import DataError
from foreshot.judging import flips as ledger
from foreshot.judging.behaviour import evasion_results
from foreshot.judging.calibration import calibration
from foreshot.judging.evidence import METRIC, Candidate, Change
from foreshot.judging.identity_bias import identity_bias
from foreshot.judging.metrics import test_metrics
from foreshot.judging.samples import Answered, Asked, by_reference, comparisons, evidence, on_suite, samples
from foreshot.judging.statistics import PairedSample
from foreshot.judging.summary import summarise
from foreshot.judging.thresholds import STANDARD_POLICIES, fit_decision, policy_result
from foreshot.judging.verdict import verdict
from foreshot.results.behaviour import EvasionResult, Flip, SuiteResult
from foreshot.results.corrections import Corrections
from foreshot.results.decisions import PolicyResult
from foreshot.results.identity import IdentityBias
from foreshot.results.mending import Mended
from foreshot.results.models import ModelResult, Summary
from foreshot.results.reasons import Reasons
from foreshot.results.scores import ScoreComparison
from foreshot.results.teachers import AskedTeachers
from foreshot.results.verdict import Comparison, Verdict
from foreshot.runtime.decisions import scaled_probabilities, scores_of
from foreshot.suites.builtin import derogatory_words
from foreshot.suites.probes import answer
from foreshot.words.reasons import notes, reasons

Part = Literal["test", "suite", "probes"]
PARTS: tuple[Part, ...] = ("test", SUITE_ROWS, PROBES_ROWS)
MOST_FLIPS = 500
"""Flips that results.json and the report hold, the most harmful ones; flips.csv holds all."""


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What judging found, as `Results` holds it; `all_flips` goes to flips.csv."""

    models: list[ModelResult]
    summaries: list[Summary]
    suite_results: list[SuiteResult]
    evasion: dict[str, list[EvasionResult]]
    mending: Mended | None
    identity_bias: IdentityBias | None
    corrections: Corrections | None
    asked_teachers: AskedTeachers | None
    reasons: Reasons | None
    comparisons: list[Comparison]
    file_comparisons: list[Comparison]
    score_comparisons: list[ScoreComparison]
    all_flips: list[Flip]
    verdict: Verdict


def find(inputs: Inputs, scored: Sequence[Scored]) -> Findings:
    """Judge models by their scores; the teacher comes first, seeds of a student stand together.

    Comparisons are of recipes: over rows and seeds. The verdict is about files: of each student the seed that does best
    on the validation rows, judged by itself. Each of several teachers is judged by itself; students are compared with
    the mean of them alone. The baseline is judged and compared with all, and is neither reference nor candidate.
    """
    everyone: dict[str, list[Scored]] = {}
    for model in scored:
        everyone.setdefault(model.name, []).append(model)
    by_name = {name: models for name, models in everyone.items() if not models[0].job.is_one_of_several}
    models = [model_result(inputs, model) for model in scored]
    taught = {name: models for name, models in by_name.items() if not models[0].job.is_baseline}
    baseline = next((name for name in by_name if name not in taught), None)
    asked, answered, candidates = _asked(inputs), _answered(inputs, by_name), _candidates(taught)
    compared = samples(asked, answered)
    pairs = comparisons(compared, candidates, baseline=baseline)
    suite = on_suite(asked, _answered(inputs, everyone), candidates)
    bias = _identity_bias(inputs, by_name)
    chosen = {name: _best_seed(inputs, of) for name, of in taught.items()}
    files = {name: [of[chosen[name]]] for name, of in taught.items()}
    bias_of_files = _identity_bias(inputs, files) if inputs.experiment.policy.identity_margin is not None else None
    found = evidence(
        asked,
        answered.of_files(chosen),
        candidates,
        inputs.experiment.policy,
        group_changes=_group_changes(bias_of_files) if bias_of_files else {},
    )
    scores = {name: np.stack([_scores(model) for model in models]) for name, models in by_name.items()}
    why = _reasons(inputs, taught)
    return Findings(
        models=models,
        summaries=summarise(models, inputs.probes, inputs.positive_name),
        suite_results=suite,
        evasion=_evasion(inputs, everyone),
        mending=_mended(inputs, taught, compared[METRIC], pairs),
        identity_bias=bias,
        corrections=corrections(inputs, everyone),
        asked_teachers=asked_teachers(inputs, scored),
        reasons=why,
        comparisons=pairs,
        file_comparisons=list(found.comparisons) if any(len(of) > 1 for of in taught.values()) else [],
        score_comparisons=inputs.task.score_comparisons(scores, inputs.answers("test")),
        all_flips=ledger.ranked(_flips(inputs, taught)),
        verdict=_with_folders(verdict(found), files).model_copy(update={"notes": notes(why) if why else []}),
    )


def _asked(inputs: Inputs) -> Asked:
    """What every model was asked."""
    return Asked(
        task=inputs.task,
        answers=inputs.answers("test"),
        class_names=inputs.class_names,
        positive=inputs.positive,
        cases=inputs.suite.cases if inputs.suite else (),
        probes=inputs.probes,
        repeats=inputs.split.parts["test"].repeats,
        has_sealed=inputs.mended is not None,
        is_reference=inputs.teacher_is_reference,
    )


def _answered(inputs: Inputs, by_name: dict[str, list[Scored]]) -> Answered:
    """What models decide."""
    return Answered(
        test=_answered_by(by_name, inputs, "test"),
        suite=_decided(inputs, by_name, SUITE_ROWS) if inputs.suite else {},
        probes=_decided(inputs, by_name, PROBES_ROWS) if inputs.probes else {},
    )


def _candidates(taught: dict[str, list[Scored]]) -> list[Candidate]:
    """The models as the verdict sees them, but for what they decide."""
    held_against = references(taught)
    return [
        Candidate(
            model=name,
            layers=same[0].cost.layers if same[0].cost else None,
            parameters=same[0].cost.parameters if same[0].cost else None,
            seeds=len(same),
            mended=same[0].job.mended,
            reference=held_against.get(name),
            is_teacher=same[0].job.recipe is None,
        )
        for name, same in taught.items()
    ]


def _best_seed(inputs: Inputs, models: Sequence[Scored]) -> int:
    """The place of the seed that is shipped: the best one on the validation rows, since test rows are for judging."""
    if len(models) == 1:
        return 0
    found = [_metric_sample(inputs, {model.name: [model]}, "validation").mean(model.name) for model in models]
    return int(np.argmax(found))


def _answered_by(by_name: dict[str, list[Scored]], inputs: Inputs, part: str) -> dict[str, np.ndarray]:
    """For each model what it decides on a part's rows, in the shape of the task's answers, seed after seed."""
    task = inputs.task
    return {
        name: np.stack([task.decided(model.decisions, model.scores.logits[part]) for model in models])
        for name, models in by_name.items()
    }


def _scores(model: Scored) -> np.ndarray:
    """A model's scores of the test rows, (rows, outputs)."""
    return scores_of(model.decisions, model.scores.logits["test"])


def _asked_about(by_name: dict[str, list[Scored]], rows: str) -> dict[str, list[Scored]]:
    """The models that were asked about these rows: a teacher of which scores alone are known may not have been."""
    return {name: models for name, models in by_name.items() if all(rows in model.scores.logits for model in models)}


def _with_folders(concluded: Verdict, files: dict[str, list[Scored]]) -> Verdict:
    """Name the file that each student's verdict is about, and the one to ship."""
    folders = {name: model.job.folder for name, (model,) in files.items()}
    students = [one.model_copy(update={"folder": folders[one.model]}) for one in concluded.students]
    shipped = folders[concluded.recommended] if concluded.recommended else None
    return concluded.model_copy(update={"students": students, "folder": shipped})


def model_result(inputs: Inputs, model: Scored) -> ModelResult:
    """All that is found about one model by itself."""
    task, positive, job = inputs.task, inputs.positive, model.job
    labels = {name: np.array(part.labels) for name, part in inputs.split.parts.items()}
    unscaled = scaled_probabilities(model.logits("test"), 1.0)
    logits, answers = model.scores.logits, inputs.answers("test")
    of_judged = test_metrics(
        model.logits("test"), model.decided("test", positive), labels["test"], inputs.class_names, positive
    )
    over_all = {
        "cross_entropy": task.cross_entropy(logits["test"], answers),
        "macro_f1": task.macro_f1(task.decided(model.decisions, logits["test"]), answers),
    }
    return ModelResult(
        model=model.name,
        seed=job.seed,
        recipe=inputs.experiment.as_trained(job.recipe).model_dump(mode="json") if job.recipe else None,
        layer_map=list(job.layers),
        training=model.record.facts,
        train_cross_entropy=_train_cross_entropy(inputs, model),
        test=of_judged.model_copy(update=over_all),
        cost=model.cost,
        probes=answer(model.probabilities(PROBES_ROWS), model.decided(PROBES_ROWS, positive), task.classes)
        if PROBES_ROWS in logits
        else [],
        decision=model.decision,
        calibration=calibration(unscaled, labels["test"]),
        calibration_after_scaling=calibration(model.probabilities("test"), labels["test"]),
        policies=_policies(inputs, model, labels),
        labels=task.label_results(model.decisions, logits["test"], answers),
        scores=task.score_results(model.decisions, logits["test"], inputs.split.parts["test"]),
        folder=job.folder,
        fingerprint=job.made_from,
        baseline=job.asked.name if job.is_baseline and job.asked else None,
    )


def _train_cross_entropy(inputs: Inputs, model: Scored) -> float | None:
    """On the asked training rows; of a teacher that is only asked on those that it says something about."""
    logits, answers = model.scores.logits["train"], inputs.answers("train")[inputs.asked_training_rows]
    said = ~np.isnan(logits).any(axis=1) if model.job.asked else np.ones(len(logits), dtype=bool)
    return inputs.task.cross_entropy(logits[said], answers[said]) if said.any() else None


def _policies(inputs: Inputs, model: Scored, labels: dict[str, np.ndarray]) -> list[PolicyResult]:
    positive = inputs.positive
    if positive is None:
        return []
    logits, found = {name: model.logits(name) for name in ("validation", "test")}, []
    for policy in dict.fromkeys((*STANDARD_POLICIES, inputs.experiment.decision)):
        with contextlib.suppress(DataError):  # too few validation rows for this one
            decision = fit_decision(policy, logits["validation"], labels["validation"], positive)
            found.append(policy_result(decision, logits["test"], labels["test"], positive))
    return found


def _decided(inputs: Inputs, by_name: dict[str, list[Scored]], rows: str) -> dict[str, np.ndarray]:
    """For each model that was asked about these rows the classes decided on, (seeds, rows)."""
    positive, asked = inputs.positive, _asked_about(by_name, rows)
    return {name: np.stack([model.decided(rows, positive) for model in models]) for name, models in asked.items()}


def _evasion(inputs: Inputs, by_name: dict[str, list[Scored]]) -> dict[str, list[EvasionResult]]:
    positive = inputs.positive
    if inputs.evasions is None or positive is None:
        return {}
    decided, evading = _decided(inputs, by_name, "test"), _decided(inputs, by_name, EVASIONS)
    texts = inputs.split.parts["test"].texts
    trained = inputs.mended.disguises if inputs.mended else None
    return {
        name: evasion_results(inputs.evasions, texts, decided[name], of_model, positive, trained)
        for name, of_model in evading.items()
    }


def _mended(
    inputs: Inputs, by_name: dict[str, list[Scored]], metric: PairedSample, comparisons: Sequence[Comparison]
) -> Mended | None:
    if inputs.mended is None:
        return None
    on_test, evading = _decided(inputs, by_name, "test"), _decided(inputs, by_name, EVASIONS)
    return mended(
        inputs,
        by_name,
        metric,
        [found for found in comparisons if found.measure == METRIC],
        _decided(inputs, by_name, SUITE_ROWS),
        {name: (on_test[name], of_model) for name, of_model in evading.items()},
    )


def _identity_bias(inputs: Inputs, by_name: dict[str, list[Scored]]) -> IdentityBias | None:
    positive, test = inputs.positive, inputs.split.parts["test"]
    if not test.identities or positive is None:
        return None
    each = [
        identity_bias(
            {name: np.stack([model.probabilities("test")[:, positive] for model in by_name[name]]) for name in group},
            np.array(test.labels) == positive,
            {group: np.array(mentioned) for group, mentioned in test.identities.items()},
            teacher=group[0],
            source=inputs.experiment.identity_terms or test.source,
        )
        for group in by_reference(by_name, references(by_name))
    ]
    # A reference stands in two groups: what counts is where it is held against the first teacher.
    found = {one.model: one for bias in reversed(each) for one in bias.models}
    return each[0].model_copy(update={"models": [found[name] for name in by_name]})


def _group_changes(bias: IdentityBias) -> dict[str, list[Change]]:
    """For each student the changes of every group's subgroup AUC that is known."""
    rows = {group.name: group.positive + group.negative for group in bias.groups}
    return {
        model.model: [
            Change(name=group, rows=rows[group], difference=score.minus_teacher, adjusted_p=score.adjusted_p)
            for group, aucs in model.groups.items()
            if (score := aucs.get("subgroup")) and score.minus_teacher
        ]
        for model in bias.models
    }


def _reasons(inputs: Inputs, by_name: dict[str, list[Scored]]) -> Reasons | None:
    if inputs.explained is None:
        return None
    positive, names = inputs.positive, inputs.class_names
    assert positive is not None  # nothing is explained without one
    others = [name for index, name in enumerate(names) if index != positive]
    return reasons(
        inputs.explained,
        {name: [model.word_scores for model in of if model.word_scores] for name, of in by_name.items()},
        teacher=next(iter(by_name)),
        class_names=(others[0] if len(others) == 1 else f"not {names[positive]}", names[positive]),
        method=inputs.experiment.explanations.method,
        settings=inputs.experiment.explanations.method_settings,
        derogatory=derogatory_words(),
        seed=inputs.experiment.first_seed,
    )


def _metric_sample(inputs: Inputs, by_name: dict[str, list[Scored]], part: str) -> PairedSample:
    """What the metric on the rows of a part is computed of."""
    return inputs.task.sample(_answered_by(by_name, inputs, part), inputs.answers(part))


def _flips(inputs: Inputs, by_name: dict[str, list[Scored]]) -> list[Flip]:
    first, *students = by_name
    found: list[Flip] = []
    held_against = references(by_name)
    for student in students:
        teacher = held_against.get(student, first)
        for rows in PARTS:
            if {teacher, student} <= _asked_about(by_name, rows).keys():
                before, after = (_decisions(inputs, by_name[name], rows) for name in (teacher, student))
                found += ledger.flips(student, after, before, inputs.class_names, inputs.positive)
    return found


def _decisions(inputs: Inputs, models: list[Scored], rows: Part) -> ledger.Answered:
    asked, positive, test = _asked(inputs), inputs.positive, inputs.split.parts["test"]
    if rows == "test":
        texts, labels, numbers = test.texts, np.array(test.labels), test.rows
    elif rows == SUITE_ROWS:
        texts, labels = [case.text for case in inputs.suite.cases] if inputs.suite else [], asked.case_labels
        numbers = list(range(1, len(texts) + 1))
    else:
        texts, labels = [probe.text for probe in inputs.probes], asked.probe_labels
        numbers = list(range(1, len(texts) + 1))
    return ledger.Answered(
        part=rows,
        texts=texts,
        rows=numbers,
        labels=labels,
        decided=np.stack([model.decided(rows, positive) for model in models]),
        probabilities=np.stack([model.probabilities(rows) for model in models]),
    )
