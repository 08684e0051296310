"""Where a run was made: versions, machine, threads, and the state of the source tree."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil
import torch

PACKAGES = (
    "foreshot", "torch", "transformers", "peft", "accelerate", "datasets", "tokenizers", "scikit-learn", "numpy",
    "pyarrow", "pydantic",
)  # fmt: skip


def describe_environment() -> dict[str, object]:
    """What `environment.json` says besides the fingerprints of data and models."""
    return {
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
        "machine": {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
            "capability": torch.backends.cpu.get_cpu_capability(),
        },
        "threads": torch.get_num_threads(),
        "source": _source_tree(),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _source_tree() -> dict[str, object] | None:
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain")
    if commit is None or changes is None:
        return None  # installed from a wheel: its version says enough
    return {"commit": commit, "dirty": bool(changes)}


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()  # noqa: S603  # nosec B603
    except (OSError, subprocess.SubprocessError):
        return None
