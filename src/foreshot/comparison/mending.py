"""Mending of one training: which of its texts are disguised in each epoch, and how; and which come first."""

import numpy as np

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.files.arrays import ArrayFile
from foreshot.models.batches import encode
from foreshot.suites.builtin import derogatory_words
from foreshot.suites.perturbations import perturb
from foreshot.training.mending import MendedEpochs
from foreshot.training.seeding import generator

FLIPPED_FILE = "flipped.npy"
"""The unlabelled rows that a round found, in the order that they come in: (rows,)."""


def flipped_in_rounds(job: Job, run: RunFolder) -> list[np.ndarray]:
    """What each of the rounds before a job found."""
    files = [ArrayFile(run.round(job.folder, number) / FLIPPED_FILE) for number in range(1, len(job.rounds) + 1)]
    return [file.span(0, len(file)) for file in files]


def mended_epochs(job: Job, inputs: Inputs, *, unlabelled_first: np.ndarray | None = None) -> MendedEpochs | None:
    """What mending changes in the epochs of a job's training; None where it isn't mended.

    Toxic texts are disguised as often as benign ones, and contrast texts as often as rows. A text that a disguise
    leaves as it is isn't disguised.
    """
    mended = inputs.contrasts
    if mended is None:
        return None
    settings, disguised = inputs.experiment.mend, []
    texts = [*inputs.texts["train"], *mended.texts]
    for epoch in range(inputs.experiment.training.epochs if mended.disguises else 0):
        draw = generator(job.seed, f"disguises/{epoch}")
        chosen = np.flatnonzero(draw.random(len(texts)) < settings.disguises)
        kinds = draw.integers(len(mended.disguises), size=len(chosen))
        written = {
            int(row): perturb(mended.disguises[kind], texts[row], words=derogatory_words(), seed=f"{job.seed}/{epoch}")
            for row, kind in zip(chosen, kinds, strict=True)
        }
        changed = {row: text for row, text in written.items() if text != texts[row]}
        ids = encode(list(changed.values()), inputs.tokenizer, inputs.experiment.training.max_length).ids
        disguised.append(dict(zip(changed, ids, strict=True)))
    return MendedEpochs(
        contrasts=inputs.contrast_count,
        share=settings.contrasts,
        disguised=disguised,
        unlabelled_first=unlabelled_first,
    )
