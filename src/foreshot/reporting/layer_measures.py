"""What the teacher's layers were found to do, where a strategy asked: a small plot for each measure, and a table."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from foreshot.reporting.drawing import BLUE, MUTED, Drawing, styled, svg
from foreshot.reporting.tables import Cell, Column, Table, table
from foreshot.results.models import LayerMeasure
from foreshot.results.results import Results

TITLES = {"influence": "Block influence", "greedy": "Loss as layers are dropped"}


def drawings(results: Results) -> list[Drawing]:
    """A panel for each measure."""
    return [
        Drawing(
            title=TITLES[measure.strategy],
            remark=f"on {measure.rows:,} training rows",
            description=_described(measure),
            svg=svg(_figure(measure), prefix=f"layers-{measure.strategy}"),
        )
        for measure in results.layer_measures
    ]


def measures_table(results: Results) -> Table | None:
    """Each layer's influence, and the loss when it was dropped; None where nothing was measured."""
    if not results.layer_measures:
        return None
    columns = [Column("layer"), *(Column(f"{measure.strategy}") for measure in results.layer_measures)]
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
    for measure in results.layer_measures:
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


def _described(measure: LayerMeasure) -> str:
    values = ", ".join(
        f"layer {layer} {value:.3f}" for layer, value in zip(measure.layers, measure.values, strict=True)
    )
    return f"{TITLES[measure.strategy]}: {values}."


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
