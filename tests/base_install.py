"""A virtual environment with what `pip install foreshot` brings, or also extras: made offline, of links."""

import os
import subprocess
import tomllib
import venv
from collections.abc import Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[1]


class BaseInstall:
    """An interpreter that sees foreshot, its base dependencies and those of these extras alone."""

    def __init__(self, folder: Path, *, extras: Sequence[str] = ()) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        self.distributions = closure(dependencies(extras))
        (site_packages,) = (folder / "lib").glob("python*/site-packages")
        for installed in [distribution("foreshot"), *self.distributions.values()]:
            link(installed, site_packages)

    @property
    def environment(self) -> dict[str, str]:
        """The variables of its processes: none that would let Python look elsewhere."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return {**inherited, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200"}

    def run(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run its Python with these arguments."""
        command = [str(self.python), *map(str, arguments)]
        options = {"capture_output": True, "text": True, "timeout": PATIENCE, "env": self.environment, **options}
        return subprocess.run(command, check=False, **options)

    def foreshot(self, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run `foreshot` in it."""
        return self.run("-m", "foreshot", *arguments, **options)


def dependencies(extras: Sequence[str]) -> list[str]:
    """What pyproject.toml asks for, with these extras; the installed metadata may be older."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [*project["dependencies"], *(name for extra in extras for name in project["optional-dependencies"][extra])]


def closure(requirements: list[str]) -> dict[str, Distribution]:
    """The installed distributions that these need, and those that they need in turn, by canonical name."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(text), "") for text in requirements]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra_asked = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra_asked}):
            continue
        name = canonicalize_name(requirement.name)
        found[name] = distribution(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(Requirement(text), extra) for text in found[name].requires or []]
    return found


def link(installed: Distribution, site_packages: Path) -> None:
    """Link each file that a distribution has in its site-packages."""
    for file in installed.files or []:
        if ".." not in file.parts and file.locate().exists():
            place = site_packages / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file.locate())
