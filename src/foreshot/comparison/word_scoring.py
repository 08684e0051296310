"""Word scoring: the stage that explains a model's decisions, by what each word of the explained texts does to them."""

from dataclasses import asdict, replace
from time import perf_counter

import numpy as np

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import EXPLAINED, LEFT_OUT, REDUCED, Inputs
from foreshot.comparison.making import open_model
from foreshot.comparison.scored import Scored, ask
from foreshot.comparison.scores import Kept, digest, read_kept, write_kept
from foreshot.files.fingerprints import fingerprint
from foreshot.models.batches import encode
from foreshot.progress import Progress
from foreshot.runtime.log_odds import Target, target_of
from foreshot.words.explained import ExplainedTexts
from foreshot.words.gradients import attribute
from foreshot.words.word_scores import leave_one_out_scores, reduced_texts, with_faithfulness

GRADIENTS = "explained-by-integrated-gradients"


def explain_decisions(model: Scored, inputs: Inputs, run: RunFolder, progress: Progress) -> Scored:
    """The model with its word scores on the explained texts; what is there already is not computed again."""
    explained, positive = inputs.explained, inputs.positive
    if explained is None or positive is None:
        return model
    assert inputs.task.judged_output is not None  # nothing is explained without one
    target = target_of(model.decisions, inputs.task.judged_output)
    probabilities = model.probabilities(EXPLAINED)[:, positive]
    decided = model.decided(EXPLAINED, positive) == positive
    if inputs.experiment.explanations.method == "leave-one-out":
        scores = leave_one_out_scores(explained, probabilities, model.probabilities(LEFT_OUT)[:, positive])
        whole, parts = (target.log_odds(model.scores.logits[rows]) for rows in (EXPLAINED, LEFT_OUT))
        log_odds = leave_one_out_scores(explained, whole, parts)
    else:
        scores = log_odds = _gradients(explained, model, target, inputs, run, progress)
    texts = reduced_texts(explained, log_odds, decided)
    rows = encode(texts, inputs.tokenizer, inputs.experiment.training.max_length)
    asked = {REDUCED: texts}, {REDUCED: rows}
    reduced = ask(model.job, *asked, inputs, run, progress, what="explaining", file=REDUCED)
    with_reduced = replace(model, scores=replace(model.scores, logits={**model.scores.logits, **reduced.logits}))
    of_reduced = with_reduced.probabilities(REDUCED)[:, positive]
    return replace(with_reduced, word_scores=with_faithfulness(scores, log_odds, decided, probabilities, of_reduced))


def _gradients(
    explained: ExplainedTexts, model: Scored, target: Target, inputs: Inputs, run: RunFolder, progress: Progress
) -> list[np.ndarray]:
    """Each text's word scores by integrated gradients, kept in the model's folder; words beyond its end have 0."""
    settings, folder = inputs.experiment.explanations, run.path / model.job.folder
    asked = [model.job.made_from, digest(inputs.rows[EXPLAINED]), settings.baselines, settings.steps, asdict(target)]
    made_from = fingerprint(asked)
    kept = read_kept(folder, GRADIENTS).get(GRADIENTS)
    if kept is None or kept.made_from != made_from:
        progress.begin(f"explaining {model.job.titled}, by gradients", len(explained.texts))
        began = perf_counter()
        try:
            found = attribute(
                open_model(inputs, folder),
                inputs.tokenizer,
                explained.texts,
                explained.words,
                [target] * len(explained.texts),
                max_length=inputs.experiment.training.max_length,
                baselines=settings.baselines,
                steps=settings.steps,
                progress=progress,
            )
        finally:
            progress.end()
        array = np.nan_to_num(np.concatenate([one.scores for one in found]))
        kept = Kept(array=array, made_from=made_from, seconds=perf_counter() - began)
        write_kept(folder, GRADIENTS, {GRADIENTS: kept})
    return np.split(kept.array, np.cumsum(explained.word_counts)[:-1])
