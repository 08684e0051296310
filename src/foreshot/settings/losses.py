"""What the losses of training look at and weigh, as frozen, validated values."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from foreshot.settings.base import Settings

Weight = Annotated[float, Field(ge=0, le=1e6)]
ClassWeight = Annotated[float, Field(gt=0, le=1e6)]
Temperature = Annotated[float, Field(gt=0, le=1e6)]


class Classification(Settings):
    """The classification loss: cross-entropy, or for several labels binary cross-entropy, and what changes it.

    `label_smoothing` is that of Szegedy et al. 2016; `focal_gamma` the focusing parameter of Lin et al. 2017, 0 for
    none. `class_weights` are "balanced" (as scikit-learn: the rarer, the heavier), or one for each class in the order
    of the logits; with several labels they are those of the rows that have the label.
    """

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    focal_gamma: Annotated[float, Field(ge=0, le=1000)] = 0.0
    class_weights: Literal["balanced"] | tuple[ClassWeight, ...] | None = None

    def described(self) -> str:
        """In words, for people."""
        parts = ["cross-entropy"]
        if self.label_smoothing:
            parts.append(f"label smoothing {self.label_smoothing:g}")
        if self.focal_gamma:
            parts.append(f"focal γ {self.focal_gamma:g}")
        if self.class_weights == "balanced":
            parts.append("balanced class weights")
        elif self.class_weights is not None:
            parts.append(f"class weights {', '.join(f'{weight:g}' for weight in self.class_weights)}")
        return ", ".join(parts)


class Ramp(Settings):
    """A number that goes in a straight line from `start`, at the first update, to `end`, at the last."""

    start: Weight
    end: Weight

    def __str__(self) -> str:
        return f"{self.start:.3g} → {self.end:.3g}"


def value_at(setting: float | Ramp, progress: float) -> float:
    """What a setting is when this share of the updates, 0 to 1, is done."""
    return setting.start + (setting.end - setting.start) * progress if isinstance(setting, Ramp) else setting


class LossWeights(Settings):
    """Shares of the losses in the distillation objective; the default is the origin's plain mean of the first three."""

    classification: Weight | Ramp = 1 / 3
    divergence: Weight | Ramp = 1 / 3
    cosine: Weight | Ramp = 1 / 3
    hidden: Weight | Ramp = 0.0
    relations: Weight | Ramp = 0.0

    @model_validator(mode="after")
    def _weigh_something(self) -> "LossWeights":
        for progress, when in ((0.0, "at the start"), (1.0, "at the end")):
            if sum(self.at(progress).values()) == 0:
                raise ValueError(f"all weights are 0 {when}; at least one must be above 0")
        return self

    def at(self, progress: float) -> dict[str, float]:
        """Each loss's weight when this share of the updates, 0 to 1, is done."""
        return {name: value_at(getattr(self, name), progress) for name in type(self).model_fields}

    def ever(self, name: str) -> bool:
        """Whether a loss weighs anything at any time."""
        return self.at(0.0)[name] > 0 or self.at(1.0)[name] > 0


class HiddenLoss(Settings):
    """The loss between hidden states of mapped layers (Sun et al. 2019): its distance, and which tokens it looks at."""

    distance: Literal["cosine", "mse"] = "cosine"
    tokens: Literal["all", "first"] = "all"


class RelationLoss(Settings):
    """The loss between attention relations (Wang et al. 2021).

    `heads` relation heads must divide the width of teacher and student; `layer` is the teacher's layer whose
    queries, keys and values are looked at (None: the last); `projections` names the three linear layers, or the one
    that makes all three, in an attention layer of an unknown architecture.
    """

    heads: Annotated[int, Field(ge=1, le=1024)] = 12
    layer: Annotated[int, Field(ge=1, le=1000)] | None = None
    projections: tuple[str, ...] | None = None


class Distillation(Settings):
    """The distillation objective: its losses' weights, its temperature, and what the losses look at.

    `teacher_states` says where the teacher's hidden states and relations come from, where a loss needs them: "cached"
    on disk once, in `cache_precision`, or "live" from a teacher that runs beside the student. `unlabelled_share` is
    the share of each batch that is unlabelled texts, where the experiment has them.
    """

    weights: LossWeights = LossWeights()
    temperature: Temperature | Ramp = 2.0
    cosine_on: Literal["representation", "logits"] = "representation"
    hidden: HiddenLoss = HiddenLoss()
    relations: RelationLoss = RelationLoss()
    teacher_states: Literal["cached", "live"] = "cached"
    cache_precision: Literal["float16", "float32"] = "float16"
    unlabelled_share: Annotated[float, Field(ge=0, lt=1)] = 0.5

    @field_validator("temperature")
    @classmethod
    def _stays_above_0(cls, temperature: float | Ramp) -> float | Ramp:
        if isinstance(temperature, Ramp) and 0 in (temperature.start, temperature.end):
            raise ValueError("must be above 0 at the start and at the end")
        return temperature

    @property
    def compares_representations(self) -> bool:
        """Whether the sentence representations of teacher and student are compared."""
        return self.cosine_on == "representation" and self.weights.ever("cosine")

    def described(self) -> str:
        """In words, for people: the losses that weigh something, and what they look at."""
        weights = {name: getattr(self.weights, name) for name in LossWeights.model_fields if self.weights.ever(name)}
        parts = [f"weights: {', '.join(f'{name} {_number(weight)}' for name, weight in weights.items())}"]
        if "divergence" in weights:
            parts.append(f"temperature {_number(self.temperature)}")
        if "cosine" in weights:
            parts.append(f"cosine on the {self.cosine_on}")
        if "hidden" in weights:
            tokens = "all tokens" if self.hidden.tokens == "all" else "the first token"
            parts.append(f"hidden states by {self.hidden.distance} over {tokens}")
        if "relations" in weights:
            layer = "last layer" if self.relations.layer is None else f"layer {self.relations.layer}"
            parts.append(f"relations of the teacher's {layer} in {self.relations.heads} heads")
        return "; ".join(parts)


def _number(value: float | Ramp) -> str:
    return str(value) if isinstance(value, Ramp) else f"{value:.3g}"
