"""The main job: a teacher and its students under the same conditions, stage by stage, side by side.

Each stage is skipped when the run's folder already holds it finished and made from what is asked for now.
"""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from foreshot.comparison.arms import Arm, arms_of
from foreshot.comparison.baseline import take_baseline
from foreshot.comparison.environment import describe_environment
from foreshot.comparison.folder import CHECKPOINTS_FOLDER, RunFolder, at_work, check_free
from foreshot.comparison.inputs import Inputs, read_inputs
from foreshot.comparison.jobs import Job, all_layers, student_jobs
from foreshot.comparison.judge import MOST_FLIPS, Findings, find
from foreshot.comparison.layer_measures import measure_layers
from foreshot.comparison.model_folder import METRICS_FILE
from foreshot.comparison.registration import changes, register, registration
from foreshot.comparison.room import check_room
from foreshot.comparison.rounds import carry_out_rounds
from foreshot.comparison.scored import Scored, score_model
from foreshot.comparison.search import search_learning_rates, tuned_recipes
from foreshot.comparison.students import make_student
from foreshot.comparison.targets import compute_targets
from foreshot.comparison.teacher import make_teachers
from foreshot.comparison.unlabelled import store_unlabelled
from foreshot.comparison.word_scoring import explain_decisions
from foreshot.data.split import write_split
from foreshot.files.atomic import write_atomically, write_json
from foreshot.files.stages import building, is_finished
from foreshot.judging.flips import counts as flip_counts
from foreshot.judging.flips import to_csv as flips_csv
from foreshot.progress import Progress, Silent
from foreshot.reporting.report import write_report
from foreshot.reporting.tables import factor_text
from foreshot.results.models import LayerMeasure, ModelResult, Timing
from foreshot.results.results import Conditions, Made, Results
from foreshot.results.run_folder import ENVIRONMENT_FILE, RESULTS_FILE
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
    check_free(folder)  # reading the inputs can take a while
    inputs = read_inputs(experiment)
    check_room(inputs, RunFolder(folder))
    with at_work(folder, inputs.experiment), told_in_one_line(inputs.device, inputs.experiment.training):
        return _carry_out(inputs, RunFolder(folder), progress, command or f"foreshot compare {folder}", began)


def _carry_out(inputs: Inputs, run: RunFolder, progress: Progress, command: str, began: float) -> Results:
    """All stages in order, in a folder that is this process's."""
    experiment = inputs.experiment
    environment = {**describe_environment(), "computing": device_facts(inputs.device, experiment.training)}
    write_json(
        run.path / ENVIRONMENT_FILE,
        {**environment, "fingerprints": {"data": inputs.data_fingerprint, "encoder": inputs.origin.fingerprint}},
    )
    describe(inputs, progress)
    registered = register(inputs, run)
    store_data(inputs, run)
    inputs = store_unlabelled(inputs, run, progress)
    arms = arms_of(inputs, run)
    made: list[Job] = []
    teachers: dict[str, Job] = {}
    measures: list[LayerMeasure] = []
    layers: dict[str, tuple[int, ...]] = {}
    for arm in arms:
        if arm.inputs.teacher_name not in teachers:  # one that can't be mended is that of both arms
            made = make_teachers(arm.inputs, arm.run, progress)
            teachers |= {teacher.name: teacher for teacher in made}
        if any(recipe.objective == "distil" for recipe in arm.recipes):
            compute_targets(made[0], arm.inputs, arm.run, progress)
        measured = measure_layers(arm.inputs, arm.run, progress)
        layers |= all_layers(arm.inputs, measured)
        measures += [measure for measure in measured if measure not in measures]  # both arms may have one teacher
    for recipe in experiment.recipes:
        if recipe.measured:
            progress.say(describe_recipe(inputs, recipe, layers[recipe.name]))
    judged_first = (*teachers.values(), *take_baseline(inputs, run))
    scored = [_scored(job, inputs, run, progress) for job in judged_first]
    for arm in arms:
        scored += [_student(job, arm, inputs, run, progress) for job in _jobs(arm, layers)]
    trials = []
    for arm in arms:
        tried = search_learning_rates(scored, layers, arm.inputs, arm.run, progress)
        for name, tuned in tuned_recipes(arm.inputs.experiment, tried).items():
            jobs = student_jobs(arm.inputs, tuned, layers[name])
            scored += [_student(job, arm, inputs, run, progress) for job in jobs]
        trials += tried
    findings = find(inputs, scored)
    results = Results(
        name=experiment.name,
        command=command,
        conditions=conditions(inputs, findings.models),
        data=inputs.data_facts(),
        encoder=inputs.encoder_facts(),
        models=findings.models,
        summaries=findings.summaries,
        probes=inputs.probes,
        suite=inputs.suite.facts() if inputs.suite else None,
        suite_results=findings.suite_results,
        evasion=findings.evasion,
        mending=findings.mending,
        identity_bias=findings.identity_bias,
        corrections=findings.corrections,
        asked_teachers=findings.asked_teachers,
        reasons=findings.reasons,
        comparisons=findings.comparisons,
        file_comparisons=findings.file_comparisons,
        score_comparisons=findings.score_comparisons,
        flips=findings.all_flips[:MOST_FLIPS],
        flip_counts=flip_counts(findings.all_flips),
        layer_measures=tuple(measures),
        trials=trials,
        verdict=findings.verdict,
        timing=[timing(inputs, model) for model in scored],
        made=Made(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=perf_counter() - began,
            environment=environment,
            registered=registered,
            changed=changes(registered, registration(inputs)),
        ),
    )
    write_results(results, findings, run.path)
    shutil.rmtree(run.path / CHECKPOINTS_FOLDER, ignore_errors=True)  # of what is no longer asked for
    return results


def store_data(inputs: Inputs, run: RunFolder) -> None:
    """Write the split that every model sees."""
    if not is_finished(run.data, inputs.data_fingerprint):
        with building(run.data, inputs.data_fingerprint) as workplace:
            write_split(inputs.split, workplace)


def _jobs(arm: Arm, layers: Mapping[str, tuple[int, ...]]) -> list[Job]:
    """An arm's students."""
    return [job for recipe in arm.recipes for job in student_jobs(arm.inputs, recipe, layers[recipe.name])]


def _student(job: Job, arm: Arm, inputs: Inputs, run: RunFolder, progress: Progress) -> Scored:
    """A student, made in its arm, and asked what all models are."""
    if not is_finished(arm.run.path / job.folder, job.made_from):
        carry_out_rounds(job, arm.inputs, arm.run, progress)
    make_student(job, arm.inputs, arm.run, progress)
    return _scored(job, inputs, run, progress)


def _scored(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> Scored:
    """A model that was made, asked about everything, and its decisions explained.

    Those of one of several teachers and of the baseline, which nothing was taught by, are not.
    """
    if job.is_only_judged:
        return score_model(job, inputs, run, progress)
    return explain_decisions(score_model(job, inputs, run, progress), inputs, run, progress)


def write_results(results: Results, findings: Findings, folder: Path) -> None:
    """Write what was found: each model's part beside it, all of it, the flip ledger, and the report."""
    for model in findings.models:
        write_atomically(folder / model.folder / METRICS_FILE, model.model_dump_json(indent=1) + "\n")
    write_atomically(folder / RESULTS_FILE, results.to_json())
    write_atomically(folder / FLIPS_FILE, flips_csv(findings.all_flips))
    write_report(results, folder)


def describe(inputs: Inputs, progress: Progress) -> None:
    """Say what will be trained on what, and which layers each student keeps."""
    for announcement in (*inputs.split.announcements, *inputs.announcements):
        progress.say(announcement)
    progress.say(f"computed on {device_name(inputs.device)}, trained in {inputs.experiment.training.precision}")
    counts = ", ".join(f"{len(part):,} {name}" for name, part in inputs.split.parts.items())
    progress.say(f"rows: {counts}; {inputs.task.described}")
    removed, conflicts = sum(inputs.split.duplicates_removed.values()), inputs.split.label_conflicts
    if removed or conflicts:
        progress.say(f"left out: {removed:,} repeated rows, {conflicts:,} rows whose text has different labels")
    progress.say(f"{inputs.origin.name}: {inputs.origin.depth} layers")
    if inputs.unlabelled:
        known_by = "have scores" if inputs.unlabelled.scores else "the teacher labels"
        left_out = "".join(f", {count:,} {reason} left out" for reason, count in inputs.unlabelled.left_out.items())
        progress.say(f"unlabelled: {len(inputs.unlabelled):,} texts that {known_by}{left_out}")
    for recipe in inputs.experiment.recipes:
        progress.say(describe_recipe(inputs, recipe, inputs.layer_maps.get(recipe.name)))


def describe_recipe(inputs: Inputs, recipe: Recipe, layers: tuple[int, ...] | None) -> str:
    """Which layers a student keeps, as far as is known, and how it is trained; what is odd about them is said."""
    if layers is None:
        kept = f"layers {recipe.layers}, once the teacher's are measured"
    else:
        kept = f"layers {{{', '.join(map(str, layers))}}}"
        if len(set(layers)) < len(layers):
            kept += " (as listed: one more than once)"
        elif list(layers) != sorted(layers):
            kept += " (as listed: not in the encoder's order)"
    rate, usual = inputs.experiment.learning_rate_of(recipe), inputs.experiment.training.learning_rate
    at = "" if rate == usual else f", learning rate {rate:g} (not matched: {factor_text(rate / usual)})"
    mended = ", mended" if recipe.mend else ""
    return f"{recipe.name}: {kept}, {recipe.tuning}, {recipe.objective}, from the {recipe.init}{mended}{at}"


def timing(inputs: Inputs, model: Scored) -> Timing:
    """What the clock said about one model."""
    record = model.record
    return Timing(
        model=model.name,
        seed=model.job.seed,
        training_seconds=record.seconds,
        training_cpu_seconds=record.cpu_seconds,
        training_rows_per_second=record.facts.rows * record.facts.epochs / record.seconds
        if record.facts and record.seconds
        else None,
        test_rows_per_second=len(inputs.rows["test"]) / model.scores.seconds["test"] if model.cost else None,
        peak_memory=record.peak_memory,
    )


def conditions(inputs: Inputs, models: Sequence[ModelResult]) -> Conditions:
    """What was the same for every model."""
    experiment, trained = inputs.experiment, [model.training for model in models if model.training]
    settings, lora = experiment.training, experiment.lora
    return Conditions(
        seeds=list(experiment.seeds),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        max_length=settings.max_length,
        learning_rate=settings.learning_rate,
        steps=-(-len(inputs.rows["train"]) // settings.batch_size) * settings.epochs,
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
