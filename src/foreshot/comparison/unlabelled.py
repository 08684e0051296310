"""Texts without labels: their tokens and scores, written into the run's folder once for all students.

They may be more than memory holds. A process that was killed meanwhile leaves nothing, and the next begins anew.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import unlabelled_fingerprint
from foreshot.comparison.room import check_room
from foreshot.comparison.stored_teacher import as_classes, log_odds
from foreshot.data.unlabelled import Unlabelled
from foreshot.files.arrays import ArrayFile, growing_array
from foreshot.files.stages import building, is_finished
from foreshot.judging.task import Task
from foreshot.models.batches import EncodedRows, encode
from foreshot.models.token_store import StoredTokens, Tokens, write_tokens
from foreshot.progress import Progress

SCORES_FILE = "scores.npy"


def store_unlabelled(inputs: Inputs, run: RunFolder, progress: Progress) -> Inputs:
    """The inputs with their unlabelled rows, which then stand in the run's folder; raises RunFolderError for no room.

    How long the rows are is known now, and with it what the teacher's states take.
    """
    if inputs.unlabelled is None:
        return inputs
    made_from = unlabelled_fingerprint(inputs)
    if not is_finished(run.unlabelled, made_from):
        progress.begin("tokenising the unlabelled texts", len(inputs.unlabelled))
        try:
            with building(run.unlabelled, made_from) as workplace:
                _write(inputs, inputs.unlabelled, workplace, progress)
        finally:
            progress.end()
    rows = EncodedRows(ids=StoredTokens(run.unlabelled), tokenizer=inputs.tokenizer)
    stored = replace(inputs, unlabelled_rows=rows)
    check_room(stored, run)
    return stored


def stored_scores(inputs: Inputs, run: RunFolder) -> ArrayFile | None:
    """The scores of the unlabelled rows (rows, outputs), NaN where there is none; None where they have none."""
    return ArrayFile(run.unlabelled / SCORES_FILE) if inputs.unlabelled and inputs.unlabelled.scores else None


def logits_of_scores(scores: np.ndarray, task: Task) -> np.ndarray:
    """The logits (rows, outputs) of a teacher with these scores (rows, scores), float32; NaN where there is none."""
    return as_classes(log_odds(scores), None if task.multi_label else task.classes.positive).astype(np.float32)


def _write(inputs: Inputs, unlabelled: Unlabelled, folder: Path, progress: Progress) -> None:
    outputs = len(unlabelled.scores)
    scores = growing_array(folder / SCORES_FILE, outputs) if outputs else nullcontext()
    with scores as add_scores:

        def windows() -> Iterator[Tokens]:
            for window in unlabelled.windows():
                if add_scores and window.scores is not None:
                    add_scores(window.scores)
                yield encode(window.texts, inputs.tokenizer, inputs.experiment.training.max_length).ids
                progress.advance(len(window.texts))

        write_tokens(windows(), folder, vocabulary=max(inputs.tokenizer.get_vocab().values()) + 1)
