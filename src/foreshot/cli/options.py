"""What the command line's options say, as settings of an experiment."""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from foreshot.data.reading.records import KINDS
from foreshot.errors import ConfigError
from foreshot.results.run_folder import read_run
from foreshot.runtime.ready import READY
from foreshot.settings.experiment import DEMO_SETTINGS, Experiment, make_experiment
from foreshot.settings.reading import load_settings, parse_yaml, run_name
from foreshot.settings.recipes import recipe_of_layers

Separator = Annotated[
    str | None,
    typer.Option(help="What parts a table's fields: comma, semicolon, tab, pipe, another sign, or none; else found."),
]
Quoting = Annotated[
    str | None, typer.Option(help="csv: double quotes hold a field together; none: they are letters; else found.")
]

POLICY_FIELDS = {
    "metric": "metric_margin",
    "suite": "suite_margin",
    "functionality": "functionality_margin",
    "label": "label_margin",
    "score": "score_margin",
    "floor": "suite_floor",
    "seeds": "min_seeds",
    "identity": "identity_margin",
}


def settings_to_start_from(experiment: Path | None, demo: bool, runs: Path) -> tuple[dict[str, Any], Path]:
    """The settings that the options change, and the folder of runs: of a YAML file, a run, the demo, or none."""
    if experiment is None:
        return (dict(DEMO_SETTINGS) if demo else {}), runs
    if demo:
        raise ConfigError("--demo: is an experiment of its own; leave out the file")
    if experiment.is_dir():
        folder = experiment.resolve()
        return {**read_run(experiment).model_dump(mode="json"), "name": folder.name}, experiment.parent
    return {"name": run_name(experiment), **load_settings(experiment)}, runs


def beside_the_run(settings: dict[str, Any]) -> dict[str, Any]:
    """A run's settings, of another name where it knew no corrections: the run itself stays as it is."""
    if settings["corrections"]["file"] is not None:
        return settings
    return {**settings, "name": f"{settings['name']}-corrected"}


def experiment_of(settings: dict[str, Any], given: dict[str, Any], layers: list[str], source: str) -> Experiment:
    """The experiment that settings, changed by what is given, and `--layers` ask for; raises ConfigError."""
    merged = {**settings, **given}
    if "suite" in given and "suite_labels" not in given:
        merged.pop("suite_labels", None)  # those of another suite
    for of_teacher in ("teacher_labels", "problem_type"):
        if "teacher" in given and of_teacher not in given:
            merged.pop(of_teacher, None)
    for identities, others in (("identity_columns", "identity_terms"), ("identity_terms", "identity_columns")):
        if identities in given and others not in given:
            merged.pop(others, None)  # a run may be asked about its groups anew
    for group in ("training", "distillation", "explanations", "policy", "corrections", "mend"):
        if isinstance(settings.get(group), dict) and group in given:
            merged[group] = {**settings[group], **given[group]}
    if "data" not in merged:
        raise ConfigError("nothing to compare on: give --data FILE, a YAML file, or --demo")
    merged.setdefault("name", run_name(str(merged["data"])))
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


def bundle_among(words: list[str]) -> tuple[str | None, list[str]]:
    """What a command's words name first as a bundle, READY too, and its inputs; None where they name inputs alone.

    Raises ConfigError where no inputs follow, and for what looks like a bundle's folder that isn't there.
    """
    first, *others = words
    if first == READY or _is_folder(first):
        if not others:
            also = f"; if it is the very text: foreshot predict {READY} {READY}" if first == READY else ""
            raise ConfigError(f"{first}: names a bundle; give what to score after it: texts, a file, or -{also}")
        return first, others
    if first == "-" or _names_a_file(first):
        return None, words
    if named := [given for given in others if given == "-" or _names_a_file(given)]:
        raise ConfigError(
            f"{first}: no such folder; give a bundle's before {named[0]}, or {named[0]} alone for the ready model"
        )
    if "/" in first.replace(os.sep, "/") and len(first.split()) == 1:
        raise ConfigError(
            f"{first}: no such folder; give a bundle's, or if it is a text for the ready model, {READY} before it"
        )
    return None, words


def source_among(inputs: list[str], command: str = "predict") -> str | None:
    """The file, or "-" for a stream, that the inputs of a command name; None where they are texts.

    Raises ConfigError for several files, for a file among texts, and for a file that isn't there.
    """
    named = [given for given in inputs if given == "-" or _names_a_file(given)]
    if not named:
        return None
    if len(inputs) > 1:
        raise ConfigError(f"{named[0]}: give one file or stream at a time, or texts alone")
    if named[0] != "-" and not Path(named[0]).exists():
        raise ConfigError(f"{named[0]}: no such file; if it is the very text, pipe it into: foreshot {command} … -")
    return named[0]


def _names_a_file(given: str) -> bool:
    """Whether an input is a file's name: it is one word that ends as one does, or such a file is there."""
    path = Path(given)
    try:
        ends_as_one = path.suffix.lower() in KINDS
        return (ends_as_one and (len(given.split()) == 1 or os.path.lexists(path))) or path.is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False


def _is_folder(given: str) -> bool:
    try:
        return Path(given).is_dir()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it
        return False


def by_comma(text: str | None) -> list[str] | None:
    """What "a, b" lists."""
    return None if text is None else [part.strip() for part in text.split(",")]


def pairs_by_comma(option: str, text: str | None) -> dict[str, str] | None:
    """What an option such as "hateful=toxic,none=benign" says; raises ConfigError."""
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if any(not key.strip() or not sign or not value.strip() for key, sign, value in pairs):
        raise ConfigError(f"{option} {text}: must be name=value, by comma")
    keys = [key.strip() for key, _, _ in pairs]
    if repeated := next((key for index, key in enumerate(keys) if key in keys[:index]), None):
        raise ConfigError(f"{option} {text}: names {repeated} twice")
    return {key: value.strip() for key, (_, _, value) in zip(keys, pairs, strict=True)}


def thresholds_by_name(given: Sequence[str] | None) -> dict[str, list[str]] | None:
    """What --threshold says, "TOXICITY=0.7", repeated or by comma, by the scores' names; raises ConfigError."""
    if not given:
        return None
    found: dict[str, list[str]] = {}
    for part in (part for text in given for part in text.split(",")):
        name, sign, value = part.rpartition("=")
        if not sign or not name.strip() or not value.strip():
            raise ConfigError(f"--threshold {part}: must be a score's name and a number, such as TOXICITY=0.7")
        found.setdefault(name.strip(), []).append(value.strip())
    return found


def margins(text: str | None) -> dict[str, str] | None:
    """The verdict's margins from --policy; raises ConfigError for a name that is none."""
    assigned = pairs_by_comma("--policy", text)
    if assigned is None:
        return None
    if unknown := assigned.keys() - POLICY_FIELDS.keys():
        raise ConfigError(f"--policy: {min(unknown)} is none of {', '.join(POLICY_FIELDS)}")
    return {POLICY_FIELDS[name]: value for name, value in assigned.items()}


def assigned(settings: Mapping[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Settings with those that `--set` names, such as "training.epochs=2": a path of names, and a value as YAML has it.

    Raises ConfigError for what isn't one.
    """
    changed = copy.deepcopy(dict(settings))
    for assignment in assignments:
        path, sign, written = assignment.partition("=")
        names = [name.strip() for name in path.split(".")]
        if not sign or not all(names):
            raise ConfigError(f"--set {assignment}: must be a setting and its value, such as training.epochs=2")
        value = parse_yaml(written, source=f"--set {assignment}")
        group = changed
        for name in names[:-1]:
            inner = group.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"--set {assignment}: {name} is no group of settings")
            group = inner
        group[names[-1]] = value
    return changed


def given_ones(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that were given."""
    return {name: value for name, value in settings.items() if value is not None and value != {}}
