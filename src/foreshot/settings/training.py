"""What every model of an experiment is trained with, as frozen, validated values."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from foreshot.settings.base import Settings
from foreshot.settings.losses import Classification

LearningRate = Annotated[float, Field(gt=0, le=1000)]


class Training(Settings):
    """What every model of an experiment is trained with: the same for the teacher and for all students.

    `precision` is that of the matrix products ("auto": `training.device` says which); weights, moments and losses are
    always in float32. With `accumulate` a batch is computed in so many parts, one after another, whose gradients add up
    to the batch's; with `gradient_checkpointing` each layer is computed again where its gradient is needed. Both take
    less memory and more time.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)] = 3
    learning_rate: LearningRate = 5e-5
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weight_decay: Annotated[float, Field(ge=0, le=1000)] = 0.0
    max_grad_norm: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    batch_size: Annotated[int, Field(ge=1, le=10**6)] = 32
    max_length: Annotated[int, Field(ge=8, le=10**6)] = 128
    classification: Classification = Classification()
    precision: Literal["float32", "bf16", "fp16", "auto"] = "float32"
    accumulate: Annotated[int, Field(ge=1, le=10**6)] = 1
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def _divides_the_batch(self) -> "Training":
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"accumulate: {self.accumulate} parts don't divide a batch of {self.batch_size}; choose a divisor"
            )
        return self

    def decisive(self) -> dict[str, Any]:
        """What decides about a trained model, but for rounding and the draws of dropout; fingerprints are made of it.

        A precision counts where it is not the one that there was before there was a choice.
        """
        how = {"accumulate", "gradient_checkpointing"}
        return self.model_dump(exclude=how if self.precision != "float32" else how | {"precision"})
