"""Rounds: before a mended student is trained, scouts find the unlabelled texts on which it and the teacher disagree.

A scout is that student, trained with what the round before found. Nothing of it is kept but these texts' numbers and
its losses. A round that was finished isn't carried out again, and one that was stopped goes on from its checkpoint.
"""

from dataclasses import replace

import numpy as np
from peft import PeftModel
from transformers import PreTrainedModel

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.comparison.making import checkpointing, train_into
from foreshot.comparison.mending import FLIPPED_FILE
from foreshot.comparison.students import adapted, untrained_student
from foreshot.comparison.targets import WINDOW, cache_states, teaching_of
from foreshot.files.stages import building, is_finished
from foreshot.judging.flips import decided_otherwise
from foreshot.models.batches import EncodedRows
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress
from foreshot.training.device import standing_on


def carry_out_rounds(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> None:
    """Find, round by round, which unlabelled texts come first in a job's training; nothing where it has no rounds."""
    for number, made_from in enumerate(job.rounds, 1):
        folder = run.round(job.folder, number)
        if is_finished(folder, made_from):
            continue
        scout = replace(job, made_from=made_from, rounds=job.rounds[: number - 1])
        round_name = f"{job.titled}, round {number} of {len(job.rounds)}"
        progress.say(f"{round_name}: a scout looks for texts that it and {job.teacher} disagree on")
        cache_states(scout, inputs, run, progress)
        teaching = teaching_of(scout, inputs, run)
        assert teaching is not None  # only students that learn from the teacher have rounds
        assert teaching.unlabelled is not None
        said = teaching.outputs.logits[len(inputs.labelled_rows) :]
        model = adapted(scout, untrained_student(scout, inputs, run), inputs)
        with building(folder, made_from) as workplace:
            train_into(workplace, scout, model, inputs, run, progress, teaching=teaching)
            progress.begin(f"{round_name}: asking about the unlabelled texts", len(said))
            try:
                flipped = _flipped(model, teaching.unlabelled, said, inputs, progress)
            finally:
                progress.end()
            np.save(workplace / FLIPPED_FILE, flipped)
        checkpointing(scout, inputs, run).remove()
        progress.say(
            f"{round_name}: they disagree on {len(flipped):,} of {len(said):,} unlabelled texts, which come first now"
        )


def _flipped(
    model: PreTrainedModel | PeftModel, rows: EncodedRows, said: np.ndarray, inputs: Inputs, progress: Progress
) -> np.ndarray:
    """The numbers of the rows on which a model and a teacher that `said` its logits decide otherwise, int64 (flips,).

    The teacher's surest decisions come first. Rows may be more than memory holds: some of them at a time are asked.
    """
    numbers, sureness = [np.empty(0, dtype=np.int64)], [np.empty(0)]
    with standing_on(model, inputs.device):
        for begin in range(0, len(rows), WINDOW):
            answers = model_outputs(model, rows.between(begin, begin + WINDOW), progress=progress).logits
            found, sure = decided_otherwise(answers, said[begin : begin + WINDOW], inputs.task)
            numbers.append(found + begin)
            sureness.append(sure)
    order = np.argsort(-np.concatenate(sureness), kind="stable")
    return np.concatenate(numbers)[order]
