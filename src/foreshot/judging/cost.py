"""What a model takes to keep: layers, parameters, bytes."""

from pathlib import Path

from transformers import PreTrainedModel

from foreshot.models.encoders import layer_stack
from foreshot.models.students import parameters
from foreshot.results import Cost


def cost(model: PreTrainedModel, folder: Path, *, trained_parameters: int) -> Cost:
    """The cost of a saved classifier; `folder` holds its weights, adapters merged."""
    return Cost(
        layers=len(layer_stack(model)[1]),
        parameters=parameters(model)[0],
        trained_parameters=trained_parameters,
        size_on_disk=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
    )
