"""The three losses of the distillation objective, as plain functions on tensors, and their weighted sum."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from foreshot.loss_settings import Distillation
from foreshot.results import LOSS_PARTS


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The objective of one batch and its parts: scalar tensors, or None where there is no such part."""

    objective: torch.Tensor
    classification: torch.Tensor
    divergence: torch.Tensor | None = None
    cosine: torch.Tensor | None = None

    def parts(self) -> list[torch.Tensor]:
        """The losses that are there, in the order of `LOSS_PARTS`."""
        return [part for name in LOSS_PARTS if (part := getattr(self, name)) is not None]


@dataclass(frozen=True, kw_only=True)
class TargetBatch:
    """The teacher's outputs on a batch: `logits` (batch, classes), `representations` (batch, hidden)."""

    logits: torch.Tensor
    representations: torch.Tensor


def classification_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits (batch, classes) against labels (batch,), in nats."""
    return F.cross_entropy(logits, labels)


def divergence_loss(logits: torch.Tensor, teacher_logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """T² · KL(teacher ‖ student) of both softmaxes at temperature T, mean over the batch, in nats.

    Hinton et al. 2015, section 2: the factor T² keeps the gradient's size when T changes.
    """
    student = F.log_softmax(logits / temperature, dim=-1)
    teacher = F.log_softmax(teacher_logits / temperature, dim=-1)
    return F.kl_div(student, teacher, reduction="batchmean", log_target=True) * temperature**2


def cosine_loss(vectors: torch.Tensor, teacher_vectors: torch.Tensor) -> torch.Tensor:
    """1 − cosine similarity of vectors (batch, size), mean over the batch: 0 to 2. Sanh et al. 2019, section 3."""
    return (1 - F.cosine_similarity(vectors, teacher_vectors, dim=-1)).mean()


def label_losses(logits: torch.Tensor, labels: torch.Tensor) -> Losses:
    """The objective that learns from labels alone."""
    classification = classification_loss(logits, labels)
    return Losses(objective=classification, classification=classification)


def distillation_losses(
    logits: torch.Tensor,
    representations: torch.Tensor,
    labels: torch.Tensor,
    teacher: TargetBatch,
    settings: Distillation,
) -> Losses:
    """The weighted sum of classification, divergence and cosine losses.

    The cosine loss compares the sentence representations, or the logits as the origin experiment did.
    """
    classification = classification_loss(logits, labels)
    divergence = divergence_loss(logits, teacher.logits, settings.temperature)
    if settings.cosine_on == "logits":
        cosine = cosine_loss(logits, teacher.logits)
    else:
        cosine = cosine_loss(representations, teacher.representations)
    weights = settings.weights
    objective = weights.classification * classification + weights.divergence * divergence + weights.cosine * cosine
    return Losses(objective=objective, classification=classification, divergence=divergence, cosine=cosine)
