"""Foreshot: a teacher, cheaper students, the same conditions, and a report that says which to trust.

    import foreshot
    results = foreshot.compare(foreshot.Experiment(...))
    classifier = foreshot.load("bundle/")

The public names are loaded when they are first used: importing the package imports nothing heavy.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foreshot.checking import Checked, check
    from foreshot.compare import compare
    from foreshot.config import Experiment, Recipe
    from foreshot.errors import ForeshotError
    from foreshot.explaining import Explanation, explain
    from foreshot.results import Results
    from foreshot.runtime.classifier import Classifier, Prediction, load

    __version__: str

__all__ = [
    "Checked",
    "Classifier",
    "Experiment",
    "Explanation",
    "ForeshotError",
    "Prediction",
    "Recipe",
    "Results",
    "__version__",
    "check",
    "compare",
    "explain",
    "load",
]

_HOMES = {
    "Checked": "foreshot.checking",
    "Classifier": "foreshot.runtime.classifier",
    "Experiment": "foreshot.config",
    "Explanation": "foreshot.explaining",
    "ForeshotError": "foreshot.errors",
    "Prediction": "foreshot.runtime.classifier",
    "Recipe": "foreshot.config",
    "Results": "foreshot.results",
    "check": "foreshot.checking",
    "compare": "foreshot.compare",
    "explain": "foreshot.explaining",
    "load": "foreshot.runtime.classifier",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("foreshot")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """The package itself, of which `compare` is always the function.

    Python binds a submodule to its package once it is imported, so `import foreshot.compare`, by
    anybody, would put the module in the function's place. This is the one point that every
    kind of import passes. The module stays where imports look for it, in `sys.modules`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "compare" and isinstance(value, ModuleType):
            value = value.compare
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
