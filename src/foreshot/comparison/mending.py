"""Mending of one training: which of its texts are disguised in each epoch, and how."""

import numpy as np

from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.models.batches import encode
from foreshot.suites.builtin import derogatory_words
from foreshot.suites.perturbations import perturb
from foreshot.training.mending import MendedEpochs
from foreshot.training.seeding import generator


def mended_epochs(job: Job, inputs: Inputs) -> MendedEpochs | None:
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
    return MendedEpochs(contrasts=len(mended), share=settings.contrasts, disguised=disguised)
