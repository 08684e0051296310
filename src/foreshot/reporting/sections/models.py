"""The models: what each is made of, and what the teacher's layers were found to do."""

from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foreshot.reporting.drawing import BLUE, MUTED, Drawing, styled
from foreshot.reporting.section import Drawings, Heading, Prose, Section, Shown, blocks
from foreshot.reporting.tables import (
    NOTHING,
    Cell,
    Column,
    ModelRuns,
    Table,
    learning_rate_text,
    model_cell,
    models_of,
    table,
)
from foreshot.reporting.texts import shortened
from foreshot.results.models import LayerMeasure
from foreshot.results.results import Results
from foreshot.results.run_folder import TEACHER_FOLDER
from foreshot.settings.losses import Distillation

LONGEST_NAME = 80
TITLES = {"influence": "Block influence", "greedy": "Loss as layers are dropped"}


def section(results: Results) -> Section:
    """The section: recipes, layer maps, and what layers were chosen by."""
    measures = measures_table(results)
    return Section(
        "models",
        "The models",
        "The models",
        blocks(
            Prose(same_conditions(results)),
            Shown(recipes_table(results), "wordy"),
            Shown(layer_map_table(results), "maps", titled=True),
            [
                Heading(measures.title),
                Drawings(drawings(results)),
                Shown(measures, folded="closed", summary="The numbers"),
            ]
            if measures
            else None,
        ),
    )


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
        if not model.first.layer_map:  # a teacher that was only asked has layers of its own
            continue
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


def _recipe_texts(results: Results, model: ModelRuns) -> list[str]:
    first = model.first
    layers = ", ".join(map(str, first.layer_map)) or NOTHING
    if first.recipe is None:
        origin = f"encoder {results.encoder.name}"
        given = model.remark if model.is_baseline else _given(results, model)
        how = ("every weight", "the labels", origin) if first.training else ("nothing", NOTHING, given)
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


def _given(results: Results, model: ModelRuns) -> str:
    """What a teacher that was not trained here is."""
    if results.asked_teachers is None:
        return "given ready"
    names = {one.model: one.name for one in results.asked_teachers.teachers}
    if model.name not in names:
        return f"the mean of {len(names)} teachers"
    return f"{shortened(names[model.name], LONGEST_NAME)}, only asked"


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


def same_conditions(results: Results) -> str:
    """What "the same conditions" means."""
    said = (
        "Every model trained here saw the same rows, in the same batches and the same order for each seed, "
        "with the same number of updates, optimizer and learning rate, unless it is marked as not matched."
    )
    if results.data.unlabelled_rows:
        said += (
            " Where unlabelled texts take a share of each batch, the updates are as many, and a student sees fewer "
            "rows with labels."
        )
    return said


def drawings(results: Results) -> list[Drawing]:
    """A panel for each measure."""
    return [
        Drawing(
            title=TITLES[measure.strategy] + _whose(measure),
            remark=f"on {measure.rows:,} training rows",
            description=_described(measure),
            figure=partial(_figure, measure),
            prefix=f"layers-{measure.teacher}-{measure.strategy}",
        )
        for measure in results.layer_measures
    ]


def measures_table(results: Results) -> Table | None:
    """Each layer's influence, and the loss when it was dropped; None where nothing was measured."""
    if not results.layer_measures:
        return None
    columns = [Column("layer"), *(Column(measure.strategy + _whose(measure)) for measure in results.layer_measures)]
    depth = max(max(measure.ranking) for measure in results.layer_measures)
    rows = []
    for number in range(1, depth + 1):
        cells = [Cell(str(number))]
        for measure in results.layer_measures:
            text = "stays" if number not in measure.layers else f"{measure.values[measure.layers.index(number)]:.4f}"
            remark = f"dropped {_ordinal(measure, number)}" if measure.strategy == "greedy" and text != "stays" else ""
            cells.append(Cell(text, remark=remark))
        rows.append(cells)
    notes = []
    for measure in {measure.strategy: measure for measure in results.layer_measures}.values():
        if measure.strategy == "influence":
            notes.append(
                "Influence: 1 − mean cosine similarity of the layer's input and output. A layer of little influence "
                f"changes little. On {measure.rows:,} training rows."
            )
        else:
            whole = "" if measure.whole is None else f"; with all layers it is {measure.whole:.4f}"
            notes.append(
                "Greedy: the teacher's loss, in nats, once this layer and those dropped before it are gone, nothing "
                f"trained in between{whole}. On {measure.rows:,} training rows."
            )
    return table("layer-measures", "What the teacher's layers do", columns, rows, *notes)


def _ordinal(measure: LayerMeasure, number: int) -> str:
    place = measure.layers.index(number) + 1
    return {1: "1st", 2: "2nd", 3: "3rd"}.get(place, f"{place}th")


def _whose(measure: LayerMeasure) -> str:
    """Whose layers were measured, where that isn't the one teacher."""
    return "" if measure.teacher == TEACHER_FOLDER else f", {measure.teacher}"


def _described(measure: LayerMeasure) -> str:
    values = ", ".join(
        f"layer {layer} {value:.3f}" for layer, value in zip(measure.layers, measure.values, strict=True)
    )
    return f"{TITLES[measure.strategy]}{_whose(measure)}: {values}."


def _figure(measure: LayerMeasure) -> Figure:
    with styled():
        figure = Figure(figsize=(3.3, 2.0), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        axes.yaxis.set_major_locator(MaxNLocator(4))
        if measure.strategy == "influence":
            axes.bar(measure.layers, measure.values, color=BLUE, width=0.6)
            axes.set_xticks(measure.layers)
            axes.set_xlabel("layer")
        else:
            places = list(range(len(measure.layers) + 1))
            whole = measure.values[0] if measure.whole is None else measure.whole
            axes.plot(places, [whole, *measure.values], color=BLUE, marker=".", linewidth=1.4)
            axes.set_xticks(places, ["all", *(f"−{layer}" for layer in measure.layers)])
            axes.set_xlabel("dropped, one after another")
            axes.set_ylim(bottom=0)
        axes.xaxis.label.set_color(MUTED)
    return figure
