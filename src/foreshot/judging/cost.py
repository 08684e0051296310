"""What a model takes to keep: layers, parameters, bytes; read from its folder, without loading it."""

import math
from pathlib import Path

from safetensors import safe_open

from foreshot.results.models import Cost


def cost(folder: Path, *, layers: int, trained_parameters: int) -> Cost:
    """The cost of a saved classifier; `folder` holds its weights, adapters merged."""
    files = sorted(folder.glob("*.safetensors"))
    return Cost(
        layers=layers,
        parameters=sum(map(_parameters, files)),
        trained_parameters=trained_parameters,
        size_on_disk=sum(path.stat().st_size for path in files),
    )


def _parameters(path: Path) -> int:
    with safe_open(path, framework="numpy") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118  # no mapping
