"""The dialect of delimited tables as it is asked for: what parts the fields, and whether quotes hold them together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

from foreshot.errors import ConfigError

SEPARATORS = MappingProxyType({"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "none": ""})
"""By name; "none" is a table of one column, in which a comma is a letter."""
QUOTINGS = ("csv", "none")
"""Fields in double quotes as CSV has them (RFC 4180), or a double quote is a letter like others."""
SPELLINGS = MappingProxyType({**{sign: name for name, sign in SEPARATORS.items() if sign}, "\\t": "tab"})


def separator_name(given: str) -> str:
    """A separator's name; a sign that `SEPARATORS` hasn't stands for itself. Raises ValueError for what is none."""
    name = SPELLINGS.get(given, given)
    if name not in SEPARATORS and (len(name) != 1 or name.isalnum() or name.isspace() or name in "\"'"):
        raise ValueError(f"{given!r} is none of {', '.join(SEPARATORS)}, nor a sign such as ^")
    return name


def _say_nothing(message: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class AskedDialect:
    """What is asked of reading a table; what is None is found from the table's head, and told to `say`.

    `separator` is a character, "" for a table of one column. Not `firm` is what was asked of another table: then it
    decides only where several dialects fit.
    """

    separator: str | None = None
    quoting: str | None = None
    firm: bool = True
    say: Callable[[str], None] = field(default=_say_nothing, compare=False)


FOUND = AskedDialect()


def asked_dialect(
    separator: str | None, quoting: str | None, *, say: Callable[[str], None] = _say_nothing
) -> AskedDialect:
    """The dialect that options or settings ask for; raises ConfigError for values that mean none."""
    if quoting is not None and quoting not in QUOTINGS:
        raise ConfigError(f"⟨quoting⟩ {quoting}: must be {' or '.join(QUOTINGS)}")
    try:
        name = None if separator is None else separator_name(separator)
    except ValueError as error:
        raise ConfigError(f"⟨separator⟩: {error}") from None
    return AskedDialect(separator=None if name is None else SEPARATORS.get(name, name), quoting=quoting, say=say)
