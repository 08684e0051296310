"""Layer measures: what the teacher's layers do, for recipes whose layers are chosen by it."""

import numpy as np

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import measure_fingerprint
from foreshot.comparison.making import open_model
from foreshot.files.atomic import write_atomically
from foreshot.files.stages import building, is_finished, read_record
from foreshot.models.batches import EncodedRows
from foreshot.models.importance import (
    block_influence,
    first_layer_stays,
    greedy_removal,
    ranked_by_influence,
    ranked_by_removal,
)
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress
from foreshot.results.models import LayerMeasure
from foreshot.training.seeding import generator

MEASURE_FILE = "measure.json"


def measure_layers(inputs: Inputs, run: RunFolder, progress: Progress) -> list[LayerMeasure]:
    """Find out what the teacher's layers do, for the strategies that ask, on a sample of the training rows."""
    strategies = list(dict.fromkeys(recipe.measured for recipe in inputs.experiment.recipes if recipe.measured))
    measures = []
    for strategy in strategies:
        folder, made_from = run.measure(strategy), measure_fingerprint(inputs, strategy)
        if not is_finished(folder, made_from):
            with building(folder, made_from) as workplace:
                measure = _measured(strategy, inputs, run, progress)
                write_atomically(workplace / MEASURE_FILE, measure.model_dump_json(indent=1) + "\n")
        kept = read_record(folder / MEASURE_FILE, LayerMeasure)
        measures.append(kept.model_copy(update={"teacher": run.teacher_name}))
    return measures


def _measured(strategy: str, inputs: Inputs, run: RunFolder, progress: Progress) -> LayerMeasure:
    teacher, train_rows, depth = open_model(inputs, run.teacher), inputs.rows["train"], inputs.origin.depth
    count = min(inputs.experiment.layer_sample, len(train_rows))
    chosen = np.sort(generator(inputs.experiment.first_seed, "layers").choice(len(train_rows), count, replace=False))
    rows = EncodedRows(ids=[train_rows.ids[row] for row in chosen], tokenizer=inputs.tokenizer)
    if strategy == "influence":
        influence = block_influence(teacher, rows)
        return LayerMeasure(
            strategy="influence",
            rows=count,
            layers=list(range(1, depth + 1)),
            values=influence.tolist(),
            ranking=ranked_by_influence(influence, first_stays=first_layer_stays(teacher)),
        )
    answers = inputs.answers("train")[chosen]

    def loss_of(logits: np.ndarray) -> float:
        return inputs.task.cross_entropy(logits, answers)

    progress.begin(f"dropping the teacher's layers one by one, on {count:,} training rows", depth - 1)
    try:
        dropped = greedy_removal(
            teacher, rows, loss_of, removed=lambda number, loss: progress.advance(1, f"layer {number}: loss {loss:.3f}")
        )
    finally:
        progress.end()
    return LayerMeasure(
        strategy="greedy",
        rows=count,
        layers=[number for number, _ in dropped],
        values=[loss for _, loss in dropped],
        whole=loss_of(model_outputs(teacher, rows).logits),
        ranking=ranked_by_removal(dropped, depth),
    )
