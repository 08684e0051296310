"""What can go wrong, by name. Each message is one line: what is wrong, where, what to do.

A message names a setting as ⟨max_train_rows⟩. Who calls Foreshot from Python reads max_train_rows, who types commands
--max-train-rows.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches

SETTING = re.compile(r"⟨([a-z_]+)⟩")


def did_you_mean(name: str, known: Mapping[str, str]) -> str:
    """The end of a message about an unknown name: what the nearest known one is called in full, or nothing."""
    near = get_close_matches(name, known, 1)
    return f"; did you mean {known[near[0]]}?" if near else ""


class ForeshotError(Exception):
    """Base of every error that Foreshot raises on purpose; the command line prints it and exits with `exit_code`."""

    exit_code = 2

    def __str__(self) -> str:
        return self.naming_settings(lambda name: name)

    def naming_settings(self, named: Callable[[str], str]) -> str:
        """The message, with settings called what `named` makes of their names."""
        return SETTING.sub(lambda found: named(found[1]), super().__str__())


class ConfigError(ForeshotError):
    """What was asked for makes no sense: an unknown recipe, a layer that isn't there, a wrong type."""


class DataError(ForeshotError):
    """A table can't be used; the message names the file, the row and the column."""


class ModelError(ForeshotError):
    """An encoder or a classifier can't be loaded, or hasn't the structure that a recipe needs."""


class DeviceError(ForeshotError):
    """A device isn't there, can't do what is asked of it, or has too little memory."""


class RunFolderError(ForeshotError):
    """The run's folder can't be used: made by another experiment, damaged, or no room to write."""


class GuardError(ForeshotError):
    """The comparison would be wrong: one of the checks in `judging/guards.py` fired."""


class BundleError(ForeshotError):
    """A bundle can't be used: damaged, incomplete, of another format, or not what the runtime can run."""


class ServeError(ForeshotError):
    """A server can't be started: the address is in use, or no such host is there."""


class NotATextError(DataError, TypeError):
    """Something that is no string was given to be scored."""
