"""The main job: a teacher and its students under the same conditions, stage by stage, side by side.

Each stage is skipped when the run's folder already holds it finished and made from what is asked for now.
"""

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from foreshot.comparison.environment import describe_environment
from foreshot.comparison.folder import CHECKPOINTS_FOLDER, at_work, check_free
from foreshot.comparison.inputs import make_plan
from foreshot.comparison.judge import MOST_FLIPS, Findings, Scored, decision_for, find
from foreshot.comparison.model_folder import METRICS_FILE, TrainingRecord
from foreshot.comparison.plan import Plan
from foreshot.comparison.scores import score
from foreshot.comparison.search import search_learning_rates, tuned_recipes
from foreshot.comparison.stages import (
    TEACHER,
    compute_targets,
    make_student,
    make_teacher,
    measure_layers,
    open_model,
    store_data,
)
from foreshot.comparison.word_scoring import explain_decisions
from foreshot.files.atomic import write_atomically, write_json
from foreshot.judging.cost import cost
from foreshot.judging.flips import counts as flip_counts
from foreshot.judging.flips import to_csv as flips_csv
from foreshot.progress import Progress, Silent
from foreshot.reporting.report import write_report
from foreshot.reporting.tables import factor_text
from foreshot.results.models import ModelResult, Timing
from foreshot.results.results import Conditions, Made, Results
from foreshot.results.run_folder import ENVIRONMENT_FILE, RESULTS_FILE
from foreshot.runtime.decisions import save_decision
from foreshot.settings.experiment import Experiment
from foreshot.settings.recipes import Recipe
from foreshot.training.device import device_facts, device_name, told_in_one_line
from foreshot.training.loop import OPTIMIZER

FLIPS_FILE = "flips.csv"


def compare(
    experiment: Experiment,
    *,
    runs: str | Path = "runs",
    progress: Progress | None = None,
    command: str | None = None,
) -> Results:
    """Train a teacher and its students, judge them all, and write the run's folder `runs/NAME`.

    A run that was stopped goes on where it was. `command` is what the report says to reproduce it with.
    Raises ForeshotError for inputs that can't be used, for comparisons that would be wrong, and while another process
    is at work on the folder.
    """
    began = perf_counter()
    progress = progress or Silent()
    folder = Path(runs) / experiment.name
    check_free(folder)  # planning can take a while
    plan = make_plan(experiment, folder)
    settings = plan.experiment.training
    with at_work(folder, plan.experiment), told_in_one_line(plan.device, settings):
        return _carry_out(plan, progress, command or f"foreshot compare {folder}", began)


def _carry_out(plan: Plan, progress: Progress, command: str, began: float) -> Results:
    """All stages in order, in a folder that is this process's."""
    experiment, folder = plan.experiment, plan.folder
    environment = {**describe_environment(), "computing": device_facts(plan.device, experiment.training)}
    write_json(
        folder / ENVIRONMENT_FILE,
        {**environment, "fingerprints": {"data": plan.data_fingerprint, "encoder": plan.origin.fingerprint}},
    )
    describe_plan(plan, progress)
    store_data(plan)
    make_teacher(plan, progress)
    if any(recipe.objective == "distil" for recipe in experiment.recipes):
        compute_targets(plan, progress)
    measures = measure_layers(plan, progress)
    plan = plan.with_measured_layers(measures)
    for recipe in experiment.recipes:
        if recipe.measured:
            progress.say(describe_recipe(plan, recipe))
    scored = [score_model(plan, None, experiment.first_seed, progress)]
    for recipe in experiment.recipes:
        scored += train_and_score(plan, recipe, progress)
    trials = search_learning_rates(plan, scored, progress)
    for recipe in tuned_recipes(experiment, trials):
        scored += train_and_score(plan, recipe, progress)
    findings = find(plan, scored)
    results = Results(
        name=experiment.name,
        command=command,
        conditions=conditions(plan, findings.models),
        data=plan.data_facts(),
        encoder=plan.encoder_facts(),
        models=findings.models,
        summaries=findings.summaries,
        probes=plan.probes,
        suite=plan.suite.facts() if plan.suite else None,
        suite_results=findings.suite_results,
        evasion=findings.evasion,
        identity_bias=findings.identity_bias,
        reasons=findings.reasons,
        comparisons=findings.comparisons,
        flips=findings.all_flips[:MOST_FLIPS],
        flip_counts=flip_counts(findings.all_flips),
        layer_measures=tuple(measures),
        trials=trials,
        verdict=findings.verdict,
        timing=[timing(plan, model) for model in scored],
        made=Made(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=perf_counter() - began,
            environment=environment,
        ),
    )
    write_results(results, findings, folder)
    shutil.rmtree(folder / CHECKPOINTS_FOLDER, ignore_errors=True)  # of what is no longer asked for
    return results


def write_results(results: Results, findings: Findings, folder: Path) -> None:
    """Write what was found: each model's part beside it, all of it, the flip ledger, and the report."""
    for model in findings.models:
        write_atomically(folder / model.folder / METRICS_FILE, model.model_dump_json(indent=1) + "\n")
    write_atomically(folder / RESULTS_FILE, results.to_json())
    write_atomically(folder / FLIPS_FILE, flips_csv(findings.all_flips))
    write_report(results, folder)


def describe_plan(plan: Plan, progress: Progress) -> None:
    """Say what will be trained on what, and which layers each student keeps."""
    for announcement in plan.split.announcements:
        progress.say(announcement)
    progress.say(f"computed on {device_name(plan.device)}, trained in {plan.experiment.training.precision}")
    counts = ", ".join(f"{len(part):,} {name}" for name, part in plan.split.parts.items())
    progress.say(f"rows: {counts}; {described_labels(plan)}")
    removed = sum(plan.split.duplicates_removed.values())
    if removed or plan.split.label_conflicts:
        progress.say(
            f"left out: {removed:,} repeated rows, {plan.split.label_conflicts:,} rows whose text has different labels"
        )
    progress.say(f"{plan.origin.name}: {plan.origin.depth} layers")
    if plan.unlabelled:
        left_out = "".join(f", {count:,} {reason} left out" for reason, count in plan.unlabelled.left_out.items())
        progress.say(f"unlabelled: {len(plan.unlabelled.texts):,} texts that the teacher labels{left_out}")
    for recipe in plan.experiment.recipes:
        progress.say(describe_recipe(plan, recipe))


def describe_recipe(plan: Plan, recipe: Recipe) -> str:
    """Which layers a student keeps, as far as is known, and how it is trained; what is odd about them is said."""
    layers = plan.layer_maps.get(recipe.name)
    if layers is None:
        kept = f"layers {recipe.layers}, once the teacher's are measured"
    else:
        kept = f"layers {{{', '.join(map(str, layers))}}}"
        if len(set(layers)) < len(layers):
            kept += " (as listed: one more than once)"
        elif list(layers) != sorted(layers):
            kept += " (as listed: not in the encoder's order)"
    rate, usual = plan.experiment.learning_rate_of(recipe), plan.experiment.training.learning_rate
    at = "" if rate == usual else f", learning rate {rate:g} (not matched: {factor_text(rate / usual)})"
    return f"{recipe.name}: {kept}, {recipe.tuning}, {recipe.objective}, from the {recipe.init}{at}"


def described_labels(plan: Plan) -> str:
    """The classes, or the labels of a multi-label task and which of them behaviour is judged by."""
    if not plan.is_multi_label:
        return f"classes: {', '.join(plan.class_names)}"
    judged, *others = plan.output_names
    return f"labels: {', '.join([f'{judged} (judged by suite and probes)', *others])}"


def train_and_score(plan: Plan, recipe: Recipe, progress: Progress) -> list[Scored]:
    """One recipe's students, a seed after another."""
    scored = []
    for seed in plan.experiment.seeds:
        make_student(plan, recipe, seed, progress)
        scored.append(score_model(plan, recipe, seed, progress))
    return scored


def score_model(plan: Plan, recipe: Recipe | None, seed: int, progress: Progress) -> Scored:
    """Ask a saved model about every row, probe and case, and fit how its scores become decisions."""
    name = recipe.name if recipe else TEACHER
    folder = plan.student_folder(recipe, seed) if recipe else plan.teacher_folder
    made_from = plan.student_fingerprint(recipe, seed) if recipe else plan.teacher_fingerprint()
    layer_map = plan.layer_maps[name] if recipe else tuple(range(1, plan.origin.depth + 1))
    record = TrainingRecord.load(folder)
    scores = score(
        folder, made_from, plan.asked, lambda: open_model(plan, folder), progress, what=f"scoring {name}, seed {seed}"
    )
    decisions = decision_for(plan, scores)
    save_decision(decisions, folder)
    scored = Scored(
        name=name,
        seed=seed,
        recipe=recipe,
        layer_map=layer_map,
        folder=str(folder.relative_to(plan.folder)),
        fingerprint=made_from,
        record=record,
        cost=cost(folder, layers=len(layer_map), trained_parameters=record.trained_parameters),
        scores=scores,
        decisions=decisions,
    )
    return explain_decisions(plan, scored, progress)


def timing(plan: Plan, model: Scored) -> Timing:
    """What the clock said about one model."""
    record = model.record
    return Timing(
        model=model.name,
        seed=model.seed,
        training_seconds=record.seconds,
        training_cpu_seconds=record.cpu_seconds,
        training_rows_per_second=record.facts.rows * record.facts.epochs / record.seconds
        if record.facts and record.seconds
        else None,
        test_rows_per_second=len(plan.rows["test"]) / model.scores.seconds["test"],
        peak_memory=record.peak_memory,
    )


def conditions(plan: Plan, models: Sequence[ModelResult]) -> Conditions:
    """What was the same for every model."""
    experiment, trained = plan.experiment, [model.training for model in models if model.training]
    settings, lora = experiment.training, experiment.lora
    return Conditions(
        seeds=list(experiment.seeds),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        max_length=settings.max_length,
        learning_rate=settings.learning_rate,
        steps=-(-len(plan.rows["train"]) // settings.batch_size) * settings.epochs,
        optimizer=OPTIMIZER,
        classification=settings.classification,
        distillation=experiment.distillation,
        lora_rank=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        devices=sorted({facts.device for facts in trained}),
        precision=settings.precision,
        accumulate=sorted({facts.accumulate for facts in trained}),
    )
