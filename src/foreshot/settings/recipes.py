"""Recipes: how a student is made, as values; and the table of those that have names."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from foreshot.errors import ConfigError
from foreshot.settings.base import Settings
from foreshot.settings.losses import Distillation
from foreshot.settings.reading import validated
from foreshot.settings.training import LearningRate

MEASURED_STRATEGIES = ("influence", "greedy")
"""Strategies that look at what the teacher's layers do; the others know the number of layers alone."""
COUNTED_STRATEGIES = ("first", "last", "spaced", "ends", *MEASURED_STRATEGIES)
STRATEGIES = ("all", "odd", "even", *(f"{name}:K" for name in COUNTED_STRATEGIES))
LAYER_STRATEGY = re.compile(rf"(all|odd|even|({'|'.join(COUNTED_STRATEGIES)}):(?P<count>\d+))\Z")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
OF_TEACHERS = re.compile(r"teacher(-\d+|-mended)?\Z")
"""What the teacher is called, each of several, and the one that is mended."""
MENDED = "-mended"
"""What the name of a recipe's twin with mending ends with, and that of the mended teacher."""
RateFactor = Annotated[float, Field(gt=0, le=1000)]


class Recipe(Settings):
    """How a student is made: which layers, what is trained, what it learns from, where its weights come from.

    `layers` is one of STRATEGIES or layer numbers, counted from 1 at the embedding side, in the order that the
    student has them. Trained is at the experiment's learning rate times `learning_rate_factor`, or at `learning_rate`
    instead; where that is another rate than the experiment's, the report marks the student as not matched.
    `distillation` overrides the experiment's. With `mend` what the experiment's `mend` says is done to its training
    texts, and it learns from a teacher that was mended likewise, where the run trains one.
    """

    name: str
    layers: str | tuple[int, ...]
    tuning: Literal["full", "lora"]
    objective: Literal["labels", "distil"]
    init: Literal["teacher", "encoder"]
    learning_rate: LearningRate | None = None
    learning_rate_factor: RateFactor = 1.0
    distillation: Distillation | None = None
    mend: bool = False

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if not FILE_NAME.match(name) or OF_TEACHERS.match(name):
            raise ValueError("must be letters, digits, '.', '_' or '-', and not 'teacher'")
        return name

    @field_validator("layers")
    @classmethod
    def _is_a_strategy(cls, layers: str | tuple[int, ...]) -> str | tuple[int, ...]:
        if isinstance(layers, str):
            found = LAYER_STRATEGY.match(layers)
            if not found:
                raise ValueError(f"{layers!r} is not one of {', '.join(STRATEGIES)} or a list")
            if found["count"] is not None and int(found["count"]) < 1:
                raise ValueError(f"{layers!r} keeps no layer; K must be at least 1")
        elif not layers or min(layers) < 1:
            raise ValueError("layer numbers count from 1, and there must be one")
        return layers

    @model_validator(mode="after")
    def _distils_something(self) -> "Recipe":
        if self.distillation is not None and self.objective != "distil":
            raise ValueError("distillation: is for the objective distil alone")
        return self

    @model_validator(mode="after")
    def _is_called_what_it_is(self) -> "Recipe":
        if self.name.endswith(MENDED) and not self.mend:
            raise ValueError(f"name: {self.name} ends as a mended twin's does; set mend, or choose another")
        return self

    @model_validator(mode="after")
    def _one_learning_rate(self) -> "Recipe":
        if self.learning_rate is not None and self.learning_rate_factor != 1:
            raise ValueError("give learning_rate or learning_rate_factor, not both")
        return self

    def at(self, learning_rate: float) -> "Recipe":
        """The same recipe with a learning rate of its own."""
        return self.model_copy(update={"learning_rate": learning_rate, "learning_rate_factor": 1.0})

    @property
    def mended(self) -> "Recipe":
        """The same recipe with mending."""
        return self.model_copy(update={"name": self.name + MENDED, "mend": True})

    @property
    def measured(self) -> str | None:
        """The strategy that looks at the teacher's layers, if it is one."""
        strategy = self.layers.partition(":")[0] if isinstance(self.layers, str) else None
        return strategy if strategy in MEASURED_STRATEGIES else None


LORA_FACTOR = 10.0
"""How many times the experiment's learning rate the named LoRA recipes take: what suits LoRA is about ten times what
suits full fine-tuning (Schulman et al. 2025, "LoRA Without Regret"). In our trial of few updates at a low rate thirty
times was better (docs/results/lora-rates.md)."""


RECIPES: Mapping[str, Recipe] = {
    name: Recipe(
        name=name,
        layers=layers,
        tuning=tuning,
        objective=objective,
        init=init,
        learning_rate_factor=LORA_FACTOR if tuning == "lora" else 1.0,
    )
    for name, layers, tuning, objective, init in (
        ("odd", "odd", "full", "distil", "teacher"),
        ("even", "even", "full", "distil", "teacher"),
        ("odd-labels", "odd", "full", "labels", "encoder"),
        ("even-labels", "even", "full", "labels", "encoder"),
        ("lora", "all", "lora", "labels", "encoder"),
        ("lora-distil", "all", "lora", "distil", "encoder"),
        ("odd-lora", "odd", "lora", "distil", "teacher"),
        ("even-lora", "even", "lora", "distil", "teacher"),
    )
}


DEFAULT_RECIPES = ("odd", "even", "lora", "odd-lora")


TUNED = "-tuned"
"""What the name of a recipe at its best learning rate ends with."""


class Lora(Settings):
    """LoRA (Hu et al. 2021): rank, alpha, dropout, and the linear layers it adapts (None: by architecture)."""

    rank: Annotated[int, Field(ge=1, le=4096)] = 8
    alpha: Annotated[int, Field(ge=1, le=10**6)] = 16
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    target_modules: tuple[str, ...] | None = None


def named_recipe(name: str) -> Recipe:
    """The row of the recipe table with this name, or its twin with mending: "odd-mended".

    Raises ConfigError when there is none.
    """
    if name.removesuffix(MENDED) in RECIPES and name.endswith(MENDED):
        return RECIPES[name.removesuffix(MENDED)].mended
    if name not in RECIPES:
        raise ConfigError(f"unknown recipe {name!r}: choose from {', '.join(RECIPES)}, or give layers of your own")
    return RECIPES[name]


def with_mended_twins(recipes: Iterable[Recipe]) -> tuple[Recipe, ...]:
    """The recipes, and after them for each one without mending its twin with it, where that isn't there."""
    given = tuple(recipes)
    names = {recipe.name for recipe in given}
    return (*given, *(recipe.mended for recipe in given if not recipe.mend and recipe.name + MENDED not in names))


def recipe_of_layers(layers: str | Iterable[int]) -> Recipe:
    """A recipe like `odd`, but with these layers: a strategy such as "first:3", or layer numbers."""
    value = layers if isinstance(layers, str) else tuple(layers)
    name = value.replace(":", "-") if isinstance(value, str) else "layers-" + "-".join(map(str, value))
    return validated(Recipe, {**RECIPES["odd"].model_dump(), "name": name, "layers": value}, source="layers")
