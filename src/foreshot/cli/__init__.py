"""The command line: parse, call, print; each error becomes one line and an exit code."""

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from foreshot.cli.exits import VIOLATED, errors_as_one_line, interruption_as_one_line
from foreshot.cli.explain import explain_command
from foreshot.cli.options import (
    assigned,
    by_comma,
    experiment_of,
    given_ones,
    margins,
    pairs_by_comma,
    settings_to_start_from,
    source_among,
)
from foreshot.cli.serve import new_key_command, serve_command
from foreshot.cli.streams import prepare_streams
from foreshot.progress import Terminal, printable
from foreshot.settings.experiment import LEARNING_RATES
from foreshot.threads import wait_asleep

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point of the `foreshot` command."""
    try:
        with errors_as_one_line():
            prepare_streams()
            wait_asleep()
            app()
    except typer.Exit as stopped:
        sys.exit(stopped.exit_code)


@app.callback()
def describe() -> None:
    """Make a big text classifier small without making it blind."""


@app.command("compare")
def compare_command(
    context: typer.Context,
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
        typer.Option(help="Columns of 0 and 1, by comma, of which a text can have several; the first is judged."),
    ] = None,
    positive: Annotated[str | None, typer.Option(help="Labels that count as toxic, by comma: 0,1.")] = None,
    skip_bad_rows: Annotated[
        bool | None,
        typer.Option("--skip-bad-rows", help="Leave out rows without text or label, and count them."),
    ] = None,
    max_train_rows: Annotated[int | None, typer.Option(help="Train on a sample of at most so many rows.")] = None,
    encoder: Annotated[str | None, typer.Option(help="Pretrained encoder: a hub id or a folder.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A ready classifier, instead of fine-tuning the encoder.")] = None,
    recipes: Annotated[str | None, typer.Option(help="Recipes by comma: odd,even,lora,odd-lora …")] = None,
    layers: Annotated[
        list[str] | None,
        typer.Option(help="One more distilled student, of these layers: 1,4,6 or first:3. Repeatable."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Seeds by comma; the first also splits the data.")] = None,
    unlabelled: Annotated[
        str | None, typer.Option(help="File of texts without labels, which the teacher labels for the students.")
    ] = None,
    probes: Annotated[str | None, typer.Option(help="Probe file: one text a line, or a table with text,label.")] = None,
    suite: Annotated[
        str | None, typer.Option(help="Behavioural suite: builtin, none, or a file (own format or HateCheck's).")
    ] = None,
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the data's: hateful=toxic,non-hateful=benign.")
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
        str | None, typer.Option(help="argmax, best-f1, recall>=R, fpr<=F or review:recall>=R,fpr<=F.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="The verdict's margins: metric=0.02,suite=0.05,functionality=0.25,seeds=3.")
    ] = None,
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
        "labels": by_comma(labels), "positive": by_comma(positive), "skip_bad_rows": skip_bad_rows,
        "max_train_rows": max_train_rows, "encoder": encoder, "teacher": teacher, "recipes": by_comma(recipes),
        "seeds": by_comma(seeds), "unlabelled": unlabelled, "probes": probes, "suite": suite, "decision": decision,
        "identity_columns": by_comma(identity_columns), "identity_terms": identity_terms,
        "matched": matched, "tune_learning_rates": LEARNING_RATES if tune_lr else None, "device": device,
    }  # fmt: skip
    given["training"] = given_ones(
        {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "max_length": max_length}
    )
    given["distillation"] = given_ones({"temperature": temperature})
    given["explanations"] = given_ones({"rationales": rationales})
    console = Console(highlight=False)
    with errors_as_one_line():
        given["suite_labels"] = pairs_by_comma("--suite-label", suite_label)
        given["policy"] = margins(policy)
        settings, runs = settings_to_start_from(experiment, demo, runs)
        source = str(experiment) if experiment else "settings"
        asked = experiment_of(assigned(settings, settings_given or []), given_ones(given), layers or [], source)
        with interruption_as_one_line(runs / asked.name):
            # Loading PyTorch takes seconds, so it waits until the arguments are known to be good.
            from foreshot.comparison.compare import compare
            from foreshot.reporting.terminal import print_table

            results = compare(asked, runs=runs, progress=Terminal(console), command=_command())
            print_table(results, console)
            report = printable(str(runs / asked.name / "report.html"))
            console.print(f"report: {report}", markup=False, soft_wrap=True)


@app.command("check")
def check_command(
    model: Annotated[
        str, typer.Argument(help="A classifier: a bundle, a student's folder, any model folder, or a hub id.")
    ],
    suite: Annotated[str, typer.Option(help="builtin, or a file (own format or HateCheck's).")] = "builtin",
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the model's: hateful=toxic,non-hateful=benign.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The model's class that counts as toxic, or the label to judge.")
    ] = None,
    file: Annotated[str | None, typer.Option(help="Which of a bundle's graphs: model.onnx or model.int8.onnx.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    fail_under: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit with 1 if a share right is below: 0.8.")
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="results.json of a run (its teacher), or an earlier --json, to compare with.")
    ] = None,
    max_drop: Annotated[
        float, typer.Option(min=0, max=1, help="How far a share may fall below the baseline's: 0.02.")
    ] = 0.0,
) -> None:
    """Judge one model by itself on a suite; fit to be a gate in CI."""
    console = Console(highlight=False)
    with errors_as_one_line(), interruption_as_one_line(None):
        labels = pairs_by_comma("--suite-label", suite_label)
        from foreshot.checking.check import check, violations
        from foreshot.cli.check_table import print_check

        progress = Terminal(Console(stderr=True, highlight=False))
        checked = check(model, suite, suite_labels=labels, positive=positive, file=file, progress=progress)
        complaints = violations(checked, fail_under=fail_under, baseline=baseline, max_drop=max_drop)
        if as_json:
            # ASCII alone, so that no terminal obeys it
            typer.echo(json.dumps(checked.model_dump(mode="json"), indent=1))
        else:
            print_check(checked, console)
        for complaint in complaints:
            typer.echo(f"foreshot: {printable(complaint)}", err=True)
        if complaints:
            raise typer.Exit(VIOLATED)


def _command() -> str:
    return shlex.join(["foreshot", *sys.argv[1:]])


@app.command("export")
def export_command(
    model: Annotated[str, typer.Argument(help="A run (what its verdict ships), a model's folder, or a hub id.")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; one that is there is replaced.")],
    bits: Annotated[str, typer.Option(help="The graphs that are wanted: 32, 8, or both by comma.")] = "32,8",
    max_length: Annotated[
        int | None, typer.Option(min=8, help="Tokens that a text is cut to; else as in training.")
    ] = None,
    rows: Annotated[
        str | None, typer.Option(help="File of texts to prove the graphs on; else the run's validation rows.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts of --rows.")] = None,
    suite: Annotated[str | None, typer.Option(help="builtin, or a file; else the run's.")] = None,
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the model's: hateful=toxic,non-hateful=benign.")
    ] = None,
    positive: Annotated[
        str | None, typer.Option(help="The model's class that counts as toxic, or the label to judge.")
    ] = None,
) -> None:
    """Make a bundle that runs without PyTorch from a model, and prove that it decides as the model does."""
    console = Console(highlight=False)
    with errors_as_one_line(), interruption_as_one_line(None):
        labels = pairs_by_comma("--suite-label", suite_label)
        from foreshot.exporting.export import export

        manifest = export(
            model,
            out,
            bits=by_comma(bits) or (),
            max_length=max_length,
            rows=rows,
            text=text,
            suite=suite,
            suite_labels=labels,
            positive=positive,
            progress=Terminal(console),
        )
        graphs = " and ".join(graph.file for graph in manifest.graphs)
        console.print(f"bundle: {printable(str(out))} ({graphs})", markup=False, soft_wrap=True)


@app.command("predict")
def predict_command(
    bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")],
    inputs: Annotated[
        list[str], typer.Argument(help="Texts; or a CSV, TSV, JSONL, Parquet or .txt file; or - for a stream.")
    ],
    out: Annotated[Path | None, typer.Option(help="File for the scored rows; its name says the format.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts.")] = None,
    stream: Annotated[str, typer.Option(help="What a stream holds: lines, csv, tsv or jsonl.")] = "lines",
    bad_rows: Annotated[
        Path | None, typer.Option(help="Set rows that can't be read aside in this file, instead of stopping.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print texts' predictions as JSON lines.")] = False,
    file: Annotated[str | None, typer.Option(help="Which of the graphs: model.onnx or model.int8.onnx.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads to compute on; else all cores.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Texts in a batch.")] = None,
    max_length: Annotated[int | None, typer.Option(min=1, help="Tokens that a text is cut to.")] = None,
) -> None:
    """Score texts, a file, or a stream with a bundle."""
    with errors_as_one_line(), interruption_as_one_line(None):
        source = source_among(inputs)
        from foreshot.runtime.classifier import load

        settings = given_ones({"threads": threads, "batch_size": batch_size, "max_length": max_length, "file": file})
        classifier = load(bundle, **settings)
        if source is None:
            from foreshot.cli.predictions import prediction_lines, prediction_table

            found = classifier(inputs)
            lines = (
                prediction_lines(inputs, found)
                if as_json
                else prediction_table(inputs, found, classifier.manifest.positive)
            )
            for line in lines:
                typer.echo(line)
            return
        from foreshot.runtime.scoring import score_file

        summary = score_file(
            classifier,
            source,
            out,
            kind=stream,
            text_column=text,
            bad_rows=bad_rows,
            progress=Terminal(Console(stderr=True, highlight=False)),
        )
        for line in summary.lines():
            typer.echo(f"foreshot: {printable(line)}", err=True)


app.command("explain")(explain_command)


@app.command("migrate")
def migrate_command(
    stored: Annotated[
        Path, typer.Argument(help="CSV, TSV, JSONL or Parquet file of texts with the scores that Perspective gave.")
    ],
    model: Annotated[Path, typer.Option(help="A bundle's folder.")],
    text: Annotated[str | None, typer.Option(help="Column with the texts.")] = None,
    score: Annotated[str | None, typer.Option(help="Column with Perspective's scores, 0 to 1.")] = None,
    label: Annotated[str | None, typer.Option(help="The label of a multi-label bundle; else the judged one.")] = None,
    threshold: Annotated[
        list[str] | None, typer.Option(help="Thresholds in use with Perspective, by comma; else 0.5,0.7,0.9.")
    ] = None,
    skip_bad_rows: Annotated[
        bool, typer.Option("--skip-bad-rows", help="Leave out rows without text or score, and count them.")
    ] = False,
    worst: Annotated[int, typer.Option(min=0, help="How many of the worst disagreements to show, each way.")] = 10,
    out: Annotated[
        Path | None, typer.Option(help="File for all rows with both scores; its name says the format.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a report.")] = False,
) -> None:
    """Compare stored Perspective scores with a bundle's, and find the thresholds that keep the flag rate."""
    with errors_as_one_line(), interruption_as_one_line(None):
        from foreshot.perspective.migrate import migrate, parse_thresholds
        from foreshot.perspective.migration_report import migration_json, print_migration

        found = migrate(
            stored,
            model,
            text=text,
            score=score,
            label=label,
            thresholds=parse_thresholds(threshold),
            skip_bad_rows=skip_bad_rows,
            worst=worst,
            out=out,
            progress=Terminal(Console(stderr=True, highlight=False)),
        )
        if as_json:
            typer.echo(migration_json(found))
        else:
            print_migration(found, Console(highlight=False))


@app.command("verify")
def verify_command(bundle: Annotated[Path, typer.Argument(help="A bundle's folder.")]) -> None:
    """Check a bundle's files against their sums, and its scores on this machine against those at its export."""
    with errors_as_one_line(), interruption_as_one_line(None):
        from foreshot.runtime.verifying import verify

        verified = verify(bundle)
        typer.echo(f"{printable(str(bundle))}: {len(verified.files)} files are as they were exported")
        for file, difference in verified.differences.items():
            typer.echo(f"{file}: scores {verified.texts} texts as at export (largest difference {difference:.1e})")


app.command("serve")(serve_command)
app.command("new-key")(new_key_command)
