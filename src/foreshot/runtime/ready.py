"""The ready model: the bundle that comes with Foreshot, where it is, and what to do when it is broken."""

import contextlib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from foreshot.errors import BundleError

MODEL_FILES = ("foreshot.json", "SHA256SUMS", "config.json", "experiment.yaml")
"""A folder that holds one of these is a bundle, a model's folder or a run's, if perhaps a broken one."""
READY = "ready"
"""What stands for the ready model wherever a bundle's folder is named."""


def ready_folder() -> Path:
    """The folder of the ready model's bundle, whether it is there or not."""
    return Path(str(resources.files("foreshot").joinpath("ready", "bundle")))


def names_ready(name: str | Path) -> bool:
    """Whether a name stands for the ready model: it is READY, and the working folder has no model of that name."""
    return str(name) == READY and not any((Path(READY) / file).exists() for file in MODEL_FILES)


def is_ready_folder(folder: Path) -> bool:
    """Whether a folder is where the ready model's bundle belongs."""
    return folder == ready_folder()


def bundle_folder(name: str | Path) -> Path:
    """The folder that a name stands for: the ready model's for READY, unless a model of that name is there."""
    return ready_folder() if names_ready(name) else Path(name)


@contextlib.contextmanager
def told_to_reinstall(folder: Path) -> Iterator[None]:
    """Have what is wrong with the ready model's bundle say how to mend it; of any other one what is raised stays."""
    try:
        yield
    except BundleError as error:
        if not is_ready_folder(folder):
            raise
        wrong, _, _ = str(error).rpartition("; ")  # without what to do about another one
        raise BundleError(
            f"the ready model can't be used: {wrong or error}; install Foreshot anew: "
            "pip install --force-reinstall --no-deps foreshot"
        ) from None
