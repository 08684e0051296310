"""Settings as YAML spells them: read within bounds, and validated; every error is one line that names what is wrong."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError

from foreshot.errors import ConfigError, did_you_mean
from foreshot.files.bounded import read_small
from foreshot.settings.base import Settings

UNION_BRANCHES = frozenset(
    {"str", "constrained-str", "constrained-float", "Ramp", "literal['balanced']", "literal['equal','fitted']"}
    | {"tuple[int, ...]", "tuple[constrained-str, ...]", "tuple[constrained-float, ...]"}
)
"""What Pydantic puts into the place of an error besides the fields' names."""
DEEPEST = 20
"""Levels of groups and lists in settings; ours have five."""

Model = TypeVar("Model", bound=Settings)


def load_settings(path: Path) -> dict[str, Any]:
    """The settings in a YAML file, not yet validated; raises ConfigError."""
    try:
        text = read_small(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: can't be read as UTF-8 text ({error})") from None
    settings = parse_yaml(text, source=str(path))
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: must hold settings as 'name: value' lines")
    return settings


def parse_yaml(text: str, *, source: str) -> Any:
    """The value that YAML spells, as `yaml.safe_load` gives it; raises ConfigError that names `source` and the line.

    Aliases (*name) are refused, since a few lines of them stand for more than any memory holds, and so are deep levels.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
                what = f"more than {DEEPEST} levels" if depth > DEEPEST else "an alias; write its value out"
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise ConfigError(f"{source}, line {line}: has {what}")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{source}{where}: is not YAML ({getattr(error, 'problem', None) or 'syntax'})") from None
    except ConfigError:
        raise
    except Exception as error:  # of a day that no month has, or a number of 5000 digits; each conversion has its own
        raise ConfigError(f"{source}: holds a value that can't be read ({str(error)[:80]}); quote it") from None


def run_name(source: str | Path) -> str:
    """What a run is called after the file of its data or settings: its name, in letters that a folder may have."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(source).stem).lstrip("._-").rstrip("-") or "run"


def validated(model: type[Model], settings: Mapping[str, Any], *, source: str) -> Model:
    """Settings as a model of them; raises ConfigError that names `source` and the first field that is wrong."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        found = [
            (
                place := [str(part) for part in one["loc"] if part not in UNION_BRANCHES],
                _what_is_wrong(one, place, model),
            )
            # An unknown name first: it says more than that another one is missing.
            for one in sorted(error.errors(include_url=False), key=lambda one: one["type"] != "extra_forbidden")
        ]
        first, _ = found[0]
        # Of a union every branch complains; the one that got deepest is the one that was meant.
        field, message = max((one for one in found if one[0][: len(first)] == first), key=lambda one: len(one[0]))
        raise ConfigError(f"{source}: {'.'.join(field) + ': ' if field else ''}{message}") from None


def _what_is_wrong(error: Mapping[str, Any], place: Sequence[str], model: type[Settings]) -> str:
    """What Pydantic says; of an unknown name, which setting was meant: of its group, or one of the name in another."""
    if error["type"] != "extra_forbidden":
        return str(error["msg"]).removeprefix("Value error, ")
    *groups, name = place
    own = model
    for group in groups:
        if group in own.model_fields:  # and no number in a list, nor a name in a table
            own = next(_settings_in(own.model_fields[group].annotation), own)
    others = {
        one: f"{group}.{one}"
        for group, field in model.model_fields.items()
        for inner in _settings_in(field.annotation)
        for one in inner.model_fields
    }
    return f"no such setting{did_you_mean(name, {one: one for one in own.model_fields}) or did_you_mean(name, others)}"


def _settings_in(annotation: Any) -> Iterator[type[Settings]]:
    """The groups of settings that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for inner in get_args(annotation):
        yield from _settings_in(inner)
