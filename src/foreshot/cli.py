"""The command line: parse, call, print; each error becomes one line and an exit code."""

import contextlib
import errno
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from foreshot.config import DEMO_SETTINGS, LEARNING_RATES, Experiment, load_settings, make_experiment, recipe_of_layers
from foreshot.errors import ConfigError, ForeshotError
from foreshot.progress import Terminal, printable
from foreshot.rundir import EXPERIMENT_FILE, NO_ROOM, read_run

VIOLATED = 1
INTERRUPTED = 130
POLICY_FIELDS = {
    "metric": "metric_margin",
    "suite": "suite_margin",
    "functionality": "functionality_margin",
    "seeds": "min_seeds",
}
app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def main() -> None:
    """Entry point of the `foreshot` command."""
    app()


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
    probes: Annotated[str | None, typer.Option(help="Probe file: one text a line, or a table with text,label.")] = None,
    suite: Annotated[
        str | None, typer.Option(help="Behavioural suite: builtin, none, or a file (own format or HateCheck's).")
    ] = None,
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the data's: hateful=toxic,non-hateful=benign.")
    ] = None,
    decision: Annotated[
        str | None, typer.Option(help="argmax, best-f1, recall>=R, fpr<=F or review:recall>=R,fpr<=F.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="The verdict's margins: metric=0.02,suite=0.05,functionality=0.25,seeds=3.")
    ] = None,
    tune_lr: Annotated[
        bool | None, typer.Option("--tune-lr", help="Also train each recipe at its best of a few learning rates.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training rows.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Learning rate of every model.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in a batch.")] = None,
    max_length: Annotated[int | None, typer.Option(help="Tokens that a text is cut to.")] = None,
    temperature: Annotated[float | None, typer.Option(help="Temperature of the divergence loss.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run's folder.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder that holds the runs.")] = Path("runs"),
) -> None:
    """Train a teacher and its students under the same conditions and lay them side by side."""
    given: dict[str, Any] = {
        "name": name, "data": data, "validation": validation, "test": test, "text": text, "label": label,
        "positive": _listed(positive), "skip_bad_rows": skip_bad_rows, "max_train_rows": max_train_rows,
        "encoder": encoder, "teacher": teacher, "recipes": _listed(recipes), "seeds": _listed(seeds), "probes": probes,
        "suite": suite, "decision": decision,
        "tune_learning_rates": LEARNING_RATES if tune_lr else None,
    }  # fmt: skip
    given["training"] = _given(
        {"epochs": epochs, "learning_rate": learning_rate, "batch_size": batch_size, "max_length": max_length}
    )
    given["distillation"] = _given({"temperature": temperature})
    console = Console(highlight=False)
    with _errors_as_one_line():
        given["suite_labels"] = _assigned("--suite-label", suite_label)
        given["policy"] = _policy(policy)
        settings, runs = _starting_point(experiment, demo, runs)
        source = str(experiment) if experiment else "settings"
        asked = _asked(settings, _given(given), layers or [], source)
        with _interruption_as_one_line(runs / asked.name):
            # Loading PyTorch takes seconds, so it waits until the arguments are known to be good.
            from foreshot.compare import compare
            from foreshot.reporting.terminal import print_table

            results = compare(asked, runs=runs, progress=Terminal(console), command=_command())
    print_table(results, console)
    console.print(f"report: {runs / asked.name / 'report.html'}", markup=False, soft_wrap=True)


@app.command("check")
def check_command(
    model: Annotated[str, typer.Argument(help="A classifier: a student's folder, any model folder, or a hub id.")],
    suite: Annotated[str, typer.Option(help="builtin, or a file (own format or HateCheck's).")] = "builtin",
    suite_label: Annotated[
        str | None, typer.Option(help="The suite's labels as the model's: hateful=toxic,non-hateful=benign.")
    ] = None,
    positive: Annotated[str | None, typer.Option(help="The model's class that counts as toxic.")] = None,
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
    with _errors_as_one_line(), _interruption_as_one_line(None):
        labels = _assigned("--suite-label", suite_label)
        from foreshot.checking import check, violations
        from foreshot.reporting.checked import print_check

        progress = Terminal(Console(stderr=True, highlight=False))
        checked = check(model, suite, suite_labels=labels, positive=positive, progress=progress)
        complaints = violations(checked, fail_under=fail_under, baseline=baseline, max_drop=max_drop)
    if as_json:
        typer.echo(checked.model_dump_json(indent=1))
    else:
        print_check(checked, console)
    for complaint in complaints:
        typer.echo(f"foreshot: {printable(complaint)}", err=True)
    if complaints:
        raise typer.Exit(VIOLATED)


def _starting_point(experiment: Path | None, demo: bool, runs: Path) -> tuple[dict[str, Any], Path]:
    if experiment is None:
        return (dict(DEMO_SETTINGS) if demo else {}), runs
    if demo:
        raise ConfigError("--demo: is an experiment of its own; leave out the file")
    if experiment.is_dir():
        folder = experiment.resolve()
        return {**read_run(experiment).model_dump(mode="json"), "name": folder.name}, experiment.parent
    return {"name": experiment.stem, **load_settings(experiment)}, runs


def _asked(settings: dict[str, Any], given: dict[str, Any], layers: list[str], source: str) -> Experiment:
    merged = {**settings, **given}
    if "suite" in given and "suite_labels" not in given:
        merged.pop("suite_labels", None)  # those of another suite
    for group in ("training", "distillation", "policy"):
        if isinstance(settings.get(group), dict) and group in given:
            merged[group] = {**settings[group], **given[group]}
    if "data" not in merged:
        raise ConfigError("nothing to compare on: give --data FILE, a YAML file, or --demo")
    merged.setdefault("name", Path(str(merged["data"])).stem)
    experiment = make_experiment(merged, source=source)
    if not layers:
        return experiment
    own = [recipe_of_layers(value if not value[:1].isdigit() else _numbers(value)) for value in layers]
    everything = {**experiment.model_dump(), "recipes": [*experiment.recipes, *own]}
    return make_experiment(everything, source=source)


def _numbers(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigError(f"--layers {text}: must be layer numbers by comma, or a strategy such as first:3") from None


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _assigned(option: str, text: str | None) -> dict[str, str] | None:
    """What an option such as "hateful=toxic,none=benign" says."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not key.strip() or not sign or not value.strip() for key, sign, value in pairs):
        raise ConfigError(f"{option} {text}: must be name=value, by comma")
    return {key.strip(): value.strip() for key, _, value in pairs}


def _policy(text: str | None) -> dict[str, str] | None:
    assigned = _assigned("--policy", text)
    if assigned is None:
        return None
    if unknown := assigned.keys() - POLICY_FIELDS.keys():
        raise ConfigError(f"--policy: {min(unknown)} is none of {', '.join(POLICY_FIELDS)}")
    return {POLICY_FIELDS[name]: value for name, value in assigned.items()}


def _given(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None and value != {}}


def _command() -> str:
    return shlex.join(["foreshot", *sys.argv[1:]])


@contextlib.contextmanager
def _errors_as_one_line() -> Iterator[None]:
    try:
        yield
    except ForeshotError as error:
        _stop(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM | {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise
        where = f"{error.filename}: " if error.filename else ""
        remedy = "make room" if error.errno in NO_ROOM else "make the folder writable"
        _stop(f"{where}{error.strerror}; what is finished is kept; {remedy} and start again", ForeshotError.exit_code)


@contextlib.contextmanager
def _interruption_as_one_line(folder: Path | None) -> Iterator[None]:
    """`folder` is the run's, or None for a command that writes nothing."""
    try:
        yield
    except KeyboardInterrupt:
        if folder and (folder / EXPERIMENT_FILE).exists():
            _stop(
                f"stopped; what is finished is kept; go on with: foreshot compare {shlex.quote(str(folder))}",
                INTERRUPTED,
            )
        _stop("stopped before anything was written", INTERRUPTED)


def _stop(message: str, code: int) -> None:
    typer.echo(f"foreshot: {printable(message)}", err=True)
    raise typer.Exit(code)
