"""What each model takes to train, to keep and to run."""

from collections.abc import Callable

from foreshot.reporting.section import Section, Shown
from foreshot.reporting.tables import (
    Cell,
    Column,
    ModelRuns,
    Table,
    bytes_text,
    count_text,
    known_spread,
    mean_text,
    mebibytes_text,
    models_of,
    rate_text,
    seconds_text,
    table,
    training_time,
)
from foreshot.results.models import Timing
from foreshot.results.results import Results


def section(results: Results) -> Section:
    """The section: one table."""
    return Section("cost", "Cost", "Cost", [Shown(cost_table(results))])


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
            model.cost_text(lambda cost: cost.layers, str),
            model.cost_text(lambda cost: cost.parameters, count_text),
            model.cost_text(lambda cost: cost.trained_parameters, count_text),
            model.cost_text(lambda cost: cost.size_on_disk, bytes_text),
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
