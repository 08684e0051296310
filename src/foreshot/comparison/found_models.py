"""The models that a comparison starts from: found, examined, and checked against what its recipes want of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from foreshot.comparison.asked_teachers import (
    AskedTeacher,
    FoundBundle,
    check_asked,
    find_teachers,
    ready,
    told_of_projection,
)
from foreshot.comparison.stored_teacher import StoredTeacher
from foreshot.errors import BundleError, ConfigError, ModelError
from foreshot.exporting.exportable import check_architecture
from foreshot.judging.task import Task
from foreshot.models.encoders import (
    ModelSource,
    carried_head,
    find_model,
    layer_stack,
    load_classifier,
    load_encoder,
    load_tokenizer,
    longest_input,
)
from foreshot.models.examination import examine
from foreshot.models.layers import layer_map
from foreshot.models.states import Look, check_look
from foreshot.models.students import add_lora, check_layers
from foreshot.models.tokenizer_json import check_tokenization, tokenizer_json
from foreshot.runtime.tokenization import TextTokenizer
from foreshot.settings.experiment import (
    Experiment,
)
from foreshot.settings.losses import Distillation
from foreshot.settings.recipes import TUNED, Recipe
from foreshot.training.projection import compares_representations


@dataclass(frozen=True, kw_only=True)
class Models:
    """The models that were found.

    `given_teacher` is a ready classifier, of which students may take layers, and `asked_teachers` those that are only
    asked. `encoder` may be missing where a teacher was given. `tokenizer` is the encoder's and the given teacher's.
    """

    encoder: ModelSource | None
    given_teacher: ModelSource | None
    asked_teachers: tuple[AskedTeacher, ...]
    tokenizer: PreTrainedTokenizerBase
    announcements: list[str]

    @property
    def origin(self) -> ModelSource:
        """The model that students take their layers from, unless a recipe says otherwise."""
        origin = self.given_teacher or self.encoder
        assert origin is not None  # Experiment asks for one of them
        return origin


def from_encoder(experiment: Experiment, *, by_labels: bool = False) -> Experiment:
    """The experiment with every student cut from the encoder: of teachers that are only asked there are no layers.

    With `by_labels` the teacher's scores are what is known of the rows, and students learn them as such.
    """
    change = {"init": "encoder", **({"objective": "labels"} if by_labels else {})}
    recipes = tuple(recipe.model_copy(update=change) for recipe in experiment.recipes)
    return experiment.model_copy(update={"recipes": recipes})


def find_models(
    experiment: Experiment, task: Task, device: torch.device, stored: StoredTeacher | None = None
) -> Models:
    """The encoder, and the teachers that were given: examined, and checked against what the recipes want of them."""
    names, multi_label, layers_at = task.names, task.multi_label, experiment.layer_stack
    encoder = find_model(experiment.encoder, layers_at=layers_at) if experiment.encoder else None
    found = find_teachers(experiment, task)
    teacher = _with_layers(found, encoder)
    asked: tuple[AskedTeacher, ...] = (stored,) if stored else ()
    if not teacher and not stored:
        asked = tuple(ready(one, experiment, task, device) for one in found)
    origin = teacher or encoder
    assert origin is not None
    tokenizer = load_tokenizer(origin)
    announcements = list(teacher.announcements) if teacher else []
    if asked and encoder:
        announcements += check_asked(experiment, asked, encoder)
        experiment = from_encoder(experiment)
    if encoder:
        model = load_encoder(encoder, names, seed=0, multi_label=multi_label)
        _examine(encoder, model, load_tokenizer(encoder) if teacher else tokenizer, experiment)
        _check_inside(model, experiment, teaches=not found and not stored)
        if carried_head(encoder):
            announcements.append(
                f"{encoder.name}: carries a head of its own, which is not used; give it as --teacher to learn from it"
            )
    if teacher:
        model = load_classifier(teacher, names, multi_label=multi_label)
        _examine(teacher, model, tokenizer, experiment)
        _check_inside(model, experiment, teaches=True)
    if tokenizer.truncation_side != "right":
        tokenizer.truncation_side = "right"
        announcements.append(
            f"{origin.name}: its tokenizer cuts long texts at their start; here, as by a bundle, their end is cut"
        )
    return Models(
        encoder=encoder,
        given_teacher=teacher,
        asked_teachers=asked,
        tokenizer=tokenizer,
        announcements=announcements,
    )


def _with_layers(found: Sequence[ModelSource | FoundBundle], encoder: ModelSource | None) -> ModelSource | None:
    """The teacher, where students can take its layers: one ready classifier, with the encoder's vocabulary.

    None for teachers that can only be asked; raises ConfigError where there is no encoder then.
    """
    teacher = found[0] if len(found) == 1 else None
    if isinstance(teacher, FoundBundle) and encoder is None:
        raise ConfigError(f"{teacher.name}: a bundle has no layers to start from; give ⟨encoder⟩ beside ⟨teacher⟩")
    if not isinstance(teacher, ModelSource) or encoder is None:
        return teacher if isinstance(teacher, ModelSource) else None
    return teacher if load_tokenizer(encoder).get_vocab() == load_tokenizer(teacher).get_vocab() else None


def _examine(
    source: ModelSource, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, experiment: Experiment
) -> None:
    """What `examine` refuses, and what can be asked but not compared."""
    max_length, longest = experiment.training.max_length, longest_input(model)
    if max_length > longest:
        raise ConfigError(
            f"training.max_length: {max_length}, but {source.name} has positions for {longest} tokens only"
        )
    if examine(source, model, tokenizer, max_length).first_token_blind:
        raise ModelError(
            f"{source.name}: the first token of {model.config.model_type} doesn't see the others, and its state is "
            "what students learn; give an encoder such as BERT, RoBERTa or MPNet"
        )


def _check_inside(model: PreTrainedModel, experiment: Experiment, *, teaches: bool) -> None:
    """Layers, and queries, keys and values where a loss needs them, must be found before anything is trained."""
    _, layers = layer_stack(model)
    model.eval()
    if experiment.training.gradient_checkpointing and not model.supports_gradient_checkpointing:
        raise ModelError(
            f"{model.config.model_type}: its layers can't be computed again for the backward pass; leave out "
            "training.gradient_checkpointing"
        )
    for recipe in experiment.recipes:
        if _starts_from(recipe, experiment, teaches=teaches):
            check_layers(model, layer_map(recipe.layers, len(layers), ranking=range(1, len(layers) + 1)))
    if teaches and any(recipe.measured == "influence" for recipe in experiment.recipes):
        check_look(model, Look(layers=tuple(range(1, len(layers) + 1))))
    for recipe in experiment.recipes:
        settings = recipe.distillation or experiment.distillation
        if recipe.objective == "distil" and settings.weights.ever("hidden"):
            check_look(model, Look(layers=(len(layers),)))
        if recipe.objective == "distil" and settings.weights.ever("relations"):
            number = (settings.relations.layer if teaches else None) or len(layers)
            if number > len(layers):
                raise ConfigError(f"relations.layer: {number}, but the model has only {len(layers)} layers")
            if model.config.hidden_size % settings.relations.heads:
                raise ConfigError(
                    f"relations.heads: {settings.relations.heads} don't divide the model's width, "
                    f"{model.config.hidden_size}"
                )
            check_look(model, Look(projections_of=number, projections=settings.relations.projections))
    if "lora" in {recipe.tuning for recipe in experiment.recipes if _starts_from(recipe, experiment, teaches=teaches)}:
        add_lora(model, experiment.lora, seed=0, base_name="")  # the model is of no more use


def _starts_from(recipe: Recipe, experiment: Experiment, *, teaches: bool) -> bool:
    """Whether a recipe's students are cut from the model that teaches, or from the one that doesn't."""
    return experiment.teacher is None or (recipe.init == "teacher") == teaches


def check_exportable(
    sources: Sequence[ModelSource], tokenizer: PreTrainedTokenizerBase, max_length: int, ids: Mapping[str, list[int]]
) -> None:
    """Raise ModelError where what is trained could be exported to no bundle; `ids` are those of some texts."""
    name = sources[0].name
    try:
        alone = TextTokenizer(tokenizer_json(name, tokenizer), max_length=max_length, where=name)
        check_tokenization(name, alone, list(ids), list(ids.values()))
        for source in {source.config.model_type: source for source in sources}.values():
            check_architecture(source)
    except (BundleError, ModelError) as error:
        raise ModelError(
            f"{error}; give another encoder, or compare without a bundle at the end (exportable: false)"
        ) from None


def layer_maps(experiment: Experiment, models: Models) -> dict[str, tuple[int, ...]]:
    """The layers of every recipe, but of those that have to wait for a measure; all of them are checked."""
    maps = {recipe.name: _checked_layers(recipe, experiment, models) for recipe in experiment.recipes}
    if taken := sorted(maps.keys() & {name + TUNED for name in maps}) if experiment.tune_learning_rates else []:
        raise ConfigError(f"recipe {taken[0]}: the search for learning rates takes this name; choose another")
    return {recipe.name: maps[recipe.name] for recipe in experiment.recipes if not recipe.measured}


def _checked_layers(recipe: Recipe, experiment: Experiment, models: Models) -> tuple[int, ...]:
    if recipe.init == "encoder" and models.encoder is None:
        raise ConfigError(f"recipe {recipe.name}: starts from the encoder; give ⟨encoder⟩ beside ⟨teacher⟩")
    source = _source(recipe, models)
    if recipe.objective == "distil":
        _check_teacher_fits(recipe, recipe.distillation or experiment.distillation, source, models.origin)
    if recipe.measured and recipe.init == "encoder" and models.given_teacher is not None:
        raise ConfigError(
            f"recipe {recipe.name}: {recipe.layers} looks at the teacher's layers, which are not the encoder's; "
            "set init: teacher, or name layers"
        )
    return layer_map(recipe.layers, source.depth)


def _source(recipe: Recipe, models: Models) -> ModelSource:
    return models.encoder if recipe.init == "encoder" and models.encoder else models.origin


def _check_teacher_fits(recipe: Recipe, settings: Distillation, source: ModelSource, origin: ModelSource) -> None:
    """Losses between hidden states need students as wide, and for each layer one of the teacher's."""
    narrower = source.config.hidden_size != origin.config.hidden_size
    if settings.weights.ever("hidden") and (narrower or source.depth != origin.depth):
        raise ConfigError(
            f"recipe {recipe.name}: the encoder's layers are not those of the teacher; set weights.hidden: 0 "
            "(relations work between any two widths)"
        )


def projections(experiment: Experiment, models: Models) -> list[str]:
    """What is announced of students that are not as wide as the given teacher."""
    width = int(models.origin.config.hidden_size)
    return [
        told_of_projection(width, source)
        for recipe in experiment.recipes
        if recipe.objective == "distil" and (source := _source(recipe, models)).config.hidden_size != width
        if compares_representations(recipe.distillation or experiment.distillation)
    ]
