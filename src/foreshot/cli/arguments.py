"""Arguments: which of the words that were typed are options and which are texts, and what is wrong with them."""

import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from typer.core import TyperCommand, TyperGroup, TyperOption

from foreshot.cli.exits import errors_as_one_line
from foreshot.data.texts import excerpt
from foreshot.errors import ConfigError, did_you_mean

OPTION = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]*(=.*)?", re.DOTALL)
"""The shape of an option. What begins with a dash and has another one, as "- so what", "-_-" or "-1", is a text."""
TEXTS = "inputs"
"""What the argument of a command that takes texts is called."""
MUST_BE = {
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge:g}",
    "less_than_equal": "at most {le:g}",
}
"""What a value must be, by pydantic's name of what is wrong with it."""


class Commands(TyperGroup):
    """All commands: what goes wrong in any of them, from its first word on, becomes one line and an exit code."""

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Carry out a command and leave; Typer's own way would put a box of five lines around what is wrong."""
        with errors_as_one_line():
            sys.exit(super().main(*args, **{**extra, "standalone_mode": False}))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the options before the command's name; raises ConfigError for one that isn't there."""
        if args in ([], ["--"]):
            typer.echo(ctx.get_help())
            ctx.exit(ConfigError.exit_code)
        if args[0] in _options(self, ctx):
            return super().parse_args(ctx, args[:1])
        if args[0].startswith("-") and args[0] != "--":
            raise ConfigError(f"{excerpt(args[0])}: is no command; options come after its name, but for --help")
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command by its name; raises ConfigError that names the nearest one."""
        if args[0] not in self.commands:
            near = did_you_mean(args[0], {name: name for name in self.commands}) or "; foreshot --help lists them"
            raise ConfigError(f"{excerpt(args[0])}: no such command{near}")
        return super().resolve_command(ctx, args)


class Command(TyperCommand):
    """A command, whose texts may begin with a dash."""

    allow_extra_args = True  # so that it is here that they are refused

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take options and arguments; raises ConfigError for what is missing, too many, or not what is meant."""
        try:
            left = super().parse_args(ctx, list(self._arranged(ctx, args)))
        except typer.BadParameter as error:
            raise ConfigError(_about_a_value(ctx, error)) from None
        if left:
            much = f"is more than foreshot {ctx.info_name} takes"
            raise ConfigError(f"{excerpt(left[0])}: {much}; put quotes around what belongs together")
        return left

    def _arranged(self, ctx: Any, args: Sequence[str]) -> Iterator[str]:
        """The words with all options before "--" and all else behind it, which leaves nothing to be guessed."""
        options = _options(self, ctx)
        others = []
        words = iter(args)
        for word in words:
            name, assigned, _ = word.partition("=")
            if word == "--":
                break
            if name not in options:
                if OPTION.fullmatch(word):
                    raise ConfigError(self._no_such_option(ctx, name, options))
                others.append(word)
                continue
            option = options[name]
            if option.is_flag and assigned:
                raise ConfigError(f"{name}: takes no value")
            yield word
            if not option.is_flag and not assigned:
                yield _value(name, next(words, None))
        yield from ("--", *others, *words)

    def _no_such_option(self, ctx: Any, name: str, options: dict[str, TyperOption]) -> str:
        bare = {one.lstrip("-"): one for one in options}  # dashes make all of them alike
        near = did_you_mean(name.lstrip("-"), bare) or f"; foreshot {ctx.info_name} --help lists them"
        is_text = any(parameter.name == TEXTS for parameter in self.params)
        return f"{excerpt(name)}: no such option{near}{' (if it is a text: write -- before it)' if is_text else ''}"


def _options(command: TyperCommand | TyperGroup, ctx: Any) -> dict[str, TyperOption]:
    """Every option of a command, by each of its names."""
    options = [one for one in command.get_params(ctx) if isinstance(one, TyperOption)]
    return {name: option for option in options for name in (*option.opts, *option.secondary_opts)}


def _value(option: str, word: str | None) -> str:
    """What follows an option, as its value; raises ConfigError where the next option, or nothing, does."""
    if word is None:
        raise ConfigError(f"{option}: needs a value")
    if word == "--" or (word.startswith("--") and OPTION.fullmatch(word)):
        raise ConfigError(f"{option}: needs a value; if it is {excerpt(word)}, write {option}={excerpt(word)}")
    return word


def _about_a_value(ctx: Any, error: typer.BadParameter) -> str:
    """What is wrong with a value, or that there is none."""
    assert error.param is not None
    name = error.param.opts[0]
    if not isinstance(error.__cause__, ValidationError):
        wrong = excerpt(error.message) if error.message else "is missing"
        return f"{name}: {wrong}; foreshot {ctx.info_name} --help says what it is"
    found = error.__cause__.errors(include_url=False)[0]
    must_be = MUST_BE.get(found["type"])
    wrong = f"must be {must_be.format(**found.get('ctx', {}))}" if must_be else excerpt(found["msg"])
    return f"{name} {excerpt(found['input'])}: {wrong}"
