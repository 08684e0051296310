"""The projection between sentence representations of two widths: trained along with the student, then thrown away."""

from typing import Final

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedModel

from foreshot.models.outputs import Outputs
from foreshot.settings.losses import Distillation
from foreshot.training.seeding import derived_seed

PROJECTION: Final = "projection"
"""What a checkpoint calls its weights, and the seed's purpose."""


def projection_of(
    model: PreTrainedModel | PeftModel, outputs: Outputs, settings: Distillation, seed: int
) -> nn.Linear | None:
    """The linear map from the student's sentence representation to the teacher's, with first weights from `seed` alone.

    None where both are equally wide or the cosine loss doesn't look at them. A regressor as in FitNets (Romero et al.
    2015, eq. 3), there convolutional; here W h without a bias, as Jiao et al. 2020 (TinyBERT, eq. 8) have it. It is no
    part of the student, which is saved without it.
    """
    if not compares_representations(settings):
        return None
    narrow = int(model.config.hidden_size)
    if outputs.representations is None or outputs.representations.shape[1] == narrow:
        return None
    projection = nn.utils.skip_init(nn.Linear, narrow, outputs.representations.shape[1], bias=False)
    drawn = torch.Generator().manual_seed(derived_seed(seed, PROJECTION))
    with torch.no_grad():
        projection.weight.normal_(std=narrow**-0.5, generator=drawn)
    return projection


def compares_representations(settings: Distillation) -> bool:
    """Whether a loss ever looks at the sentence representations."""
    return settings.cosine_on == "representation" and settings.weights.ever("cosine")
