"""`foreshot compare`: the main job."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from foreshot.cli.exits import interruption_as_one_line
from foreshot.cli.options import (
    Quoting,
    Separator,
    assigned,
    beside_the_run,
    by_comma,
    experiment_of,
    given_ones,
    margins,
    pairs_by_comma,
    settings_to_start_from,
    thresholds_by_name,
)
from foreshot.progress import Terminal, printable
from foreshot.settings.experiment import LEARNING_RATES
from foreshot.settings.recipes import with_mended_twins


def compare_command(
    experiment: Annotated[
        Path | None,
        typer.Argument(help="A YAML file of settings, or a run's folder to take up again.", show_default=False),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Built-in synthetic corpus and the demo extra's encoder.")
    ] = False,
    data: Annotated[str | None, typer.Option(help="CSV, TSV, JSONL or Parquet file, dataset folder or hub id.")] = None,
    validation: Annotated[str | None, typer.Option(help="Validation file; else split from the data.")] = None,
    test: Annotated[str | None, typer.Option(help="Test file; else split from the data.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts.")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the labels.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="Columns of 0 and 1, by comma, of which a text can have several; the first is judged. With --label, "
            "labels that stand in the cells of that column: toxic|rude, or lists."
        ),
    ] = None,
    scores: Annotated[
        str | None,
        typer.Option(
            help="Columns of stored scores, 0 to 1, by comma, or attributes of the API's answers; the first is judged. "
            "With --label they are the teacher, and the labels are what is right."
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(help="Threshold in use with a score: TOXICITY=0.7. Repeatable; its first one decides."),
    ] = None,
    teacher_from_scores: Annotated[
        bool | None, typer.Option("--teacher-from-scores", help="Fine-tune the encoder on the scores, then distil it.")
    ] = None,
    teacher_scores: Annotated[
        str | None,
        typer.Option(help="File with what the scores' owner gives the suite's cases (foreshot suite writes them)."),
    ] = None,
    positive: Annotated[str | None, typer.Option(help="Labels that count as toxic, by comma: 0,1.")] = None,
    separator: Separator = None,
    quoting: Quoting = None,
    classes: Annotated[
        str | None,
        typer.Option(help="All labels that are classes, by comma, where some look as if they were none: -1,0,1."),
    ] = None,
    leave_out: Annotated[
        str | None, typer.Option(help="Labels, by comma, that say that nobody labelled the row: --leave-out=-1,nan.")
    ] = None,
    skip_bad_rows: Annotated[
        bool | None,
        typer.Option("--skip-bad-rows", help="Leave out rows without text or label, and count them."),
    ] = None,
    max_train_rows: Annotated[int | None, typer.Option(help="Train on a sample of at most so many rows.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Pretrained encoder: a hub id or a folder.")] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="A ready classifier or bundle (ready: the one that comes with Foreshot), instead of fine-tuning the "
            "encoder. Repeatable: their mean."
        ),
    ] = None,
    teacher_labels: Annotated[
        str | None, typer.Option(help="The data's labels as the teacher calls them: toxic=LABEL_1,benign=LABEL_0.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(help="A bundle, or ready, that all are compared with: a row to beat, and no student."),
    ] = None,
    problem_type: Annotated[
        str | None, typer.Option(help="single-label or multi-label, where the teacher's config.json doesn't say.")
    ] = None,
    recipes: Annotated[str | None, typer.Option(help="Recipes by comma: odd,even,lora,odd-lora …")] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(help="One more distilled student, of these layers: 1,4,6 or first:3. Repeatable."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds by comma; the first also splits the data.")] = None,
    unlabelled: Annotated[
        str | None, typer.Option(help="File of texts without labels, which the teacher labels for the students.")
    ] = None,
    corrections: Annotated[
        str | None, typer.Option(help="File of texts and what is right for them, which overrules the data.")
    ] = None,
    probes: Annotated[str | None, typer.Option(help="Probe file: one text a line, or a table with text,label.")] = None,
    suite: Annotated[
        str | None, typer.Option(help="Behavioural suite: builtin, none, or a file (own format or HateCheck's).")
    ] = None,
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the data's, by comma: hateful=toxic,non-hateful=benign.")
    ] = None,
    identity_columns: Annotated[
        str | None, typer.Option(help="Columns of the test rows, by comma, that say which group a row mentions.")
    ] = None,
    identity_terms: Annotated[
        str | None, typer.Option(help="File with columns group,term: test rows with a term mention the group.")
    ] = None,
    rationales: Annotated[
        str | None, typer.Option(help="File of texts in which people marked what counts: spans, or tokens,rationale.")
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(help="argmax, best-f1, flag-rate, score>=S, recall>=R, fpr<=F or review:recall>=R,fpr<=F."),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(help="Verdict's margins, by comma: metric=0.02,suite=0.05,functionality=0.25,seeds=3."),
    ] = None,
    mend: Annotated[
        bool,
        typer.Option("--mend", help="Beside each recipe its twin whose training is mended by what suites look for."),
    ] = False,
    matched: Annotated[
        bool | None,
        typer.Option("--matched", help="Every recipe at the same learning rate; else LoRA takes ten times it."),
    ] = None,
    tune_lr: Annotated[
        bool | None, typer.Option("--tune-lr", help="Also train each recipe at its best of a few learning rates.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of teacher and students.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a batch.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens that a text is cut to.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Temperature of the divergence loss.")] = None,
    device: Annotated[
        str | None, typer.Option(help="Where models are trained and asked: auto, cpu, cuda, cuda:1 or mps.")
    ] = None,
    settings_given: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting of the YAML file: distillation.weights.hidden=1.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Train a teacher and its students under the same conditions and lay them side by side."""
    given: dict[str, Any] = {
        "name": name, "data": data, "validation": validation, "test": test, "text": text, "label": label,
        "labels": by_comma(labels), "positive": by_comma(positive), "classes": by_comma(classes),
        "leave_out": by_comma(leave_out), "separator": separator, "quoting": quoting,
        "skip_bad_rows": skip_bad_rows, "max_train_rows": max_train_rows,
        "encoder": encoder, "teacher": teacher or None, "problem_type": problem_type,
        "baseline": baseline, "corrections": given_ones({"file": corrections}),
        "scores": by_comma(scores), "thresholds": thresholds_by_name(threshold),
        "teacher_from_scores": teacher_from_scores, "teacher_scores": teacher_scores,
        "recipes": by_comma(recipes), "seeds": by_comma(seeds), "unlabelled": unlabelled, "probes": probes,
        "suite": suite, "decision": decision,
        "identity_columns": by_comma(identity_columns), "identity_terms": identity_terms,
        "matched": matched, "tune_learning_rates": LEARNING_RATES if tune_lr else None, "device": device,
    }  # fmt: skip
    given["training"] = given_ones(
        {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "max_length": max_length}
    )
    given["distillation"] = given_ones({"temperature": temperature})
    given["explanations"] = given_ones({"rationales": rationales})
    console = Console(highlight=False)
    given["suite_labels"] = pairs_by_comma("--suite-label", suite_label)
    given["teacher_labels"] = pairs_by_comma("--teacher-labels", teacher_labels)
    given["policy"] = margins(policy)
    settings, runs = settings_to_start_from(experiment, demo, runs)
    if corrections is not None and experiment is not None and experiment.is_dir():
        settings = beside_the_run(settings)
    source = str(experiment) if experiment else "settings"
    asked = experiment_of(assigned(settings, settings_given or []), given_ones(given), layers or [], source)
    if mend:
        asked = asked.model_copy(update={"recipes": with_mended_twins(asked.recipes)})
    with interruption_as_one_line(runs / asked.name):
        # Loading PyTorch takes seconds, so it waits until the arguments are known to be good.
        from foreshot.comparison.compare import compare
        from foreshot.reporting.terminal import print_table

        results = compare(asked, runs=runs, progress=Terminal(console), command=_command())
        print_table(results, console)
        report = printable(str(runs / asked.name / "report.html"))
        console.print(f"report: {report}", markup=False, soft_wrap=True)


def _command() -> str:
    return shlex.join(["foreshot", *sys.argv[1:]])
