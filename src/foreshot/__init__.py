"""Foreshot: a teacher, cheaper students, the same conditions, and a report that says which to trust.

    import foreshot
    results = foreshot.compare(foreshot.Experiment(...))
    classifier = foreshot.load("bundle/")

The public names are loaded when they are first used: importing the package imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from foreshot.checking.check import Checked, check
    from foreshot.comparison.compare import compare
    from foreshot.errors import ForeshotError
    from foreshot.explaining.explain import Explainer, Explanation, explain
    from foreshot.perspective.migrate import migrate
    from foreshot.results.results import Results
    from foreshot.runtime.classifier import Classifier, Prediction, load
    from foreshot.settings.experiment import Experiment
    from foreshot.settings.recipes import Recipe

    __version__: str

__all__ = [
    "Checked",
    "Classifier",
    "Experiment",
    "Explainer",
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
    "migrate",
]

_HOMES = {
    "Checked": "foreshot.checking.check",
    "Classifier": "foreshot.runtime.classifier",
    "Experiment": "foreshot.settings.experiment",
    "Explainer": "foreshot.explaining.explain",
    "Explanation": "foreshot.explaining.explain",
    "ForeshotError": "foreshot.errors",
    "Prediction": "foreshot.runtime.classifier",
    "Recipe": "foreshot.settings.recipes",
    "Results": "foreshot.results.results",
    "check": "foreshot.checking.check",
    "compare": "foreshot.comparison.compare",
    "explain": "foreshot.explaining.explain",
    "load": "foreshot.runtime.classifier",
    "migrate": "foreshot.perspective.migrate",
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
