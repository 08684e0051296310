"""The tables of how the models were made: layers, losses, cost, conditions, data, environment."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from foreshot.reporting.comparison import model_cell, training_time
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Row,
    Table,
    bytes_text,
    count_text,
    known_spread,
    learning_rate_text,
    loss_text,
    mean_text,
    mebibytes_text,
    models_of,
    rate_text,
    seconds_text,
    spread_text,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.models import LOSS_PARTS, Loss, ModelResult, Timing
from foreshot.results.results import Conditions, Results
from foreshot.settings.losses import Distillation


def recipes_table(results: Results) -> Table:
    """What each model is: the layers that it keeps, what is trained, what it learns from, where it starts."""
    columns = [
        Column(title, is_number=False)
        for title in ("model", "layers kept", "trained", "learns from", "starts from", "learning rate")
    ]
    rows = [[model_cell(model), *_recipe_texts(results, model)] for model in models_of(results)]
    return table("recipes", "The models", columns, rows)


def layer_map_table(results: Results) -> Table:
    """Which of the encoder's layers each model keeps; a kept cell holds the number it has in the model."""
    depth = max(results.encoder.layers, *(max(model.layer_map, default=1) for model in results.models))
    columns = [Column("model", is_number=False), *(Column(str(number)) for number in range(1, depth + 1))]
    rows = []
    for model in models_of(results):
        kept: dict[int, list[str]] = {}
        for place, layer in enumerate(model.first.layer_map, 1):
            kept.setdefault(layer, []).append(str(place))
        cells = [
            Cell(", ".join(kept[layer]), mark="kept") if layer in kept else Cell("·") for layer in range(1, depth + 1)
        ]
        rows.append([Cell(model.name), *cells])
    note = (
        "Columns: the encoder's layers, counted from 1 at the embedding side. A filled cell holds the "
        "layer's number in the student, several where it stands there more than once."
    )
    return table("layers", "Layer maps", columns, rows, note)


def losses_table(results: Results) -> Table:
    """Each loss by itself: its mean over the last epoch, and how steady it was."""
    return _parts_table(
        results,
        "losses",
        "Losses of the last epoch",
        lambda run: run.training.final if run.training else None,
        "Means over the steps of the last epoch, in training mode. Divergence holds the factor T².",
    )


def steadiness_table(results: Results) -> Table:
    """How much each loss went up and down at the end of training."""
    return _parts_table(
        results,
        "steadiness",
        "Steadiness",
        lambda run: run.training.steadiness if run.training else None,
        "Standard deviation of each loss over the last third of the steps: lower is steadier. Losses of "
        "different kinds and sizes vary by different amounts, so compare within a column.",
    )


def epochs_table(results: Results) -> Table:
    """The losses of every epoch, means over the seeds."""
    columns = (Column("epoch", is_number=False), *(Column(part) for part in _parts(results)))
    rows: list[Row] = []
    for model in models_of(results):
        if model.first.training is None:
            continue
        rows.append(Row((Cell(model.name),), is_heading=True))
        for epoch in range(len(model.first.training.epoch_means)):
            find = partial(_epoch, epoch=epoch)
            cells = (_part_text(model, find, part) for part in _parts(results))
            rows.append(Row((Cell(str(epoch + 1)), *(Cell(text) for text in cells))))
    return Table("epochs", "Losses of every epoch", columns, tuple(rows))


def cost_table(results: Results) -> Table:
    """What each model takes to train, to keep and to run."""
    columns = [
        Column("model", is_number=False),
        Column("layers", group="size"),
        Column("parameters", group="size"),
        Column("trained", group="size"),
        Column("on disk", group="size"),
        Column("time", group="training"),
        Column("CPU time", group="training"),
        Column("rows/s", group="training"),
        Column("peak memory", group="training"),
        Column("rows/s", group="test"),
    ]

    def clock(model: ModelRuns, find: Callable[[Timing], float | None], form: Callable[[float], str]) -> str:
        return mean_text(known_spread([find(timing) for timing in model.timing]), form)

    rows = [
        [
            Cell(model.name),
            str(model.first.cost.layers),
            count_text(model.first.cost.parameters),
            count_text(model.first.cost.trained_parameters),
            bytes_text(model.first.cost.size_on_disk),
            mean_text(training_time(model), seconds_text),
            clock(model, lambda timing: timing.training_cpu_seconds, seconds_text),
            clock(model, lambda timing: timing.training_rows_per_second, rate_text),
            clock(model, lambda timing: timing.peak_memory, mebibytes_text),
            clock(model, lambda timing: timing.test_rows_per_second, rate_text),
        ]
        for model in models_of(results)
    ]
    return table(
        "cost",
        "Cost",
        columns,
        rows,
        "Weights as saved, adapters merged. Times and memory are those of this machine, means over the "
        "seeds; a student's time does not hold the teacher's training nor its outputs, computed once for "
        "all students.",
    )


def conditions_table(results: Results) -> Table:
    """What was the same for every model."""
    given = results.conditions
    own = "" if all(model.is_matched for model in models_of(results)) else "; of those that are not matched, their own"
    rows = [
        ("seeds", ", ".join(map(str, given.seeds))),
        ("epochs", str(given.epochs)),
        ("updates", count_text(given.steps)),
        ("batch size", _batches_text(given)),
        ("longest text", f"{given.max_length} tokens"),
        ("learning rate", learning_rate_text(given.learning_rate) + own),
        ("optimizer", given.optimizer),
        ("trained on", _devices_text(given)),
        ("classification loss", given.classification.described()),
        ("distillation", given.distillation.described()),
        ("LoRA", f"rank {given.lora_rank}, alpha {given.lora_alpha}, dropout {given.lora_dropout:g}"),
        (
            "encoder",
            f"{results.encoder.name} ({results.encoder.architecture}, {results.encoder.layers} layers of "
            f"width {results.encoder.hidden_size}; fingerprint {results.encoder.fingerprint})",
        ),
    ]
    return _facts("conditions", "The same for every model", rows)


def _batches_text(given: Conditions) -> str:
    if given.accumulate == [1]:
        return str(given.batch_size)
    return f"{given.batch_size}, each computed in {' or '.join(map(str, given.accumulate))} parts"


def _devices_text(given: Conditions) -> str:
    several = "; the run went on on another device, so times can't be compared" if len(given.devices) > 1 else ""
    return f"{' and '.join(given.devices)}, in {given.precision}{several}"


def data_table(results: Results) -> Table:
    """The rows of each part, class by class, or label by label."""
    data = results.data
    counted = data.label_names or data.classes
    columns = [
        Column("part", is_number=False),
        Column("source", is_number=False),
        *(Column(shortened(name, 40), group="label" if data.label_names else "class") for name in counted),
        Column("rows"),
        Column("duplicates removed"),
    ]
    rows = [
        [
            name,
            shortened(part.source, 80),
            *(count_text((part.label_counts or part.class_counts).get(name, 0)) for name in counted),
            count_text(part.rows),
            count_text(data.duplicates_removed.get(name, 0)),
        ]
        for name, part in data.parts.items()
    ]
    notes = [
        f"Text column {shortened(data.text_column, 80)}, "
        + (
            f"{len(data.label_names)} label columns, of which a row can have several"
            if data.label_names
            else f"label column {shortened(data.label_column, 80)}"
        )
        + (
            f"; {shortened(data.positive, 80)} is the {'label' if data.label_names else 'class'} to flag."
            if data.positive
            else "; no class is the one to flag."
        ),
        f"Normalisation: {data.normalisation}.",
        f"Left out: {data.label_conflicts:,} rows whose text stands there with different labels, "
        f"{data.skipped_rows:,} bad rows.",
        f"Fingerprint of the data: {data.fingerprint}.",
    ]
    return table("data", "The data", columns, rows, *notes)


def folders_table(results: Results) -> Table:
    """Where each trained model stands in the run's folder."""
    columns = [
        Column("model", is_number=False),
        Column("seed"),
        Column("folder", is_number=False),
        Column("fingerprint", is_number=False),
    ]
    rows = [[run.model, str(run.seed), run.folder, run.fingerprint] for run in results.models]
    return table("folders", "What was made", columns, rows)


def environment_table(results: Results) -> Table:
    """Versions and machine."""
    rows = [(name.replace("_", " "), value) for name, value in _flattened(results.made.environment)]
    return _facts("environment", "Versions and machine", rows)


def _facts(key: str, title: str, rows: list[tuple[str, str]]) -> Table:
    columns = [Column("", is_number=False), Column("", is_number=False)]
    return table(key, title, columns, rows)


def _flattened(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flattened(inner, f"{path} {name}".strip() if path != "versions" else str(name))
    elif value is not None:
        yield path, {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _recipe_texts(results: Results, model: ModelRuns) -> list[str]:
    first = model.first
    layers = ", ".join(map(str, first.layer_map))
    if first.recipe is None:
        origin = f"encoder {results.encoder.name}"
        how = ("every weight", "the labels", origin) if first.training else ("nothing", NOTHING, "given ready")
    else:
        lora = first.recipe.get("tuning") == "lora"
        distils = first.recipe.get("objective") == "distil"
        how = (
            "LoRA adapters and the head" if lora else "every weight",
            _taught_by(first.recipe, results) if distils else "the labels",
            f"the {first.recipe.get('init')}",
        )
    rate = learning_rate_text(first.training.learning_rate) if first.training else NOTHING
    return [layers, *how, rate]


def _taught_by(recipe: dict[str, Any], results: Results) -> str:
    """What a distilled student learns from; what is its own, and not the experiment's, is told in full."""
    taught = "the labels and the teacher's outputs"
    own = recipe.get("distillation")
    if own is not None:
        taught += f" ({Distillation.model_validate(own).described()})"
    share = (own or results.conditions.distillation.model_dump())["unlabelled_share"]
    if results.data.unlabelled_rows and share:
        taught += f", also on {results.data.unlabelled_rows:,} unlabelled texts ({share:.0%} of each batch)"
    return taught


def _parts(results: Results) -> list[str]:
    """The losses that some model of the comparison has."""
    finals = [run.training.final for run in results.models if run.training]
    return [part for part in LOSS_PARTS if any(getattr(final, part) is not None for final in finals)]


def _parts_table(
    results: Results, key: str, title: str, find: Callable[[ModelResult], Loss | None], note: str
) -> Table:
    columns = [Column("model", is_number=False), *(Column(part) for part in _parts(results))]
    rows = [
        [model_cell(model), *(_part_text(model, find, part) for part in _parts(results))]
        for model in models_of(results)
        if model.first.training
    ]
    return table(key, title, columns, rows, note)


def _part_text(model: ModelRuns, find: Callable[[ModelResult], Loss | None], part: str) -> str:
    return spread_text(model.over_seeds(lambda run: getattr(find(run), part, None)), loss_text)


def _epoch(run: ModelResult, epoch: int) -> Loss | None:
    return run.training.epoch_means[epoch] if run.training else None
