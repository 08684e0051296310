"""Word scoring: the stage that explains a model's decisions, by what each word of the explained texts does to them."""

from dataclasses import asdict, replace
from time import perf_counter

import numpy as np

from foreshot.comparison.judge import Scored
from foreshot.comparison.plan import EXPLAINED, LEFT_OUT, REDUCED, Plan
from foreshot.comparison.scores import Kept, digest, read_kept, score, write_kept
from foreshot.comparison.stages import open_model
from foreshot.files.fingerprints import fingerprint
from foreshot.models.batches import encode
from foreshot.progress import Progress
from foreshot.results.decisions import LabelDecisions
from foreshot.words.explained import ExplainedTexts
from foreshot.words.gradients import Target, attribute
from foreshot.words.word_scores import leave_one_out_scores, reduced_texts, with_faithfulness

GRADIENTS = "explained-by-integrated-gradients"


def explain_decisions(plan: Plan, model: Scored, progress: Progress) -> Scored:
    """The model with its word scores on the explained texts; what is there already is not computed again."""
    explained, positive = plan.explained, plan.split.classes.positive
    if explained is None or positive is None:
        return model
    probabilities = model.probabilities(EXPLAINED)[:, positive]
    decided = model.decided(EXPLAINED, positive) == positive
    if plan.experiment.explanations.method == "leave-one-out":
        scores = leave_one_out_scores(explained, probabilities, model.probabilities(LEFT_OUT)[:, positive])
    else:
        scores = _gradients(plan, explained, model, progress)
    rows = encode(reduced_texts(explained, scores, decided), plan.tokenizer, plan.experiment.training.max_length)
    folder = plan.folder / model.folder
    reduced = score(
        folder,
        model.fingerprint,
        {REDUCED: rows},
        lambda: open_model(plan, folder),
        progress,
        what=f"explaining {model.name}, seed {model.seed}",
        file=REDUCED,
    )
    with_reduced = replace(model, scores=replace(model.scores, logits={**model.scores.logits, **reduced.logits}))
    of_reduced = with_reduced.probabilities(REDUCED)[:, positive]
    return replace(with_reduced, word_scores=with_faithfulness(scores, decided, probabilities, of_reduced))


def _gradients(plan: Plan, explained: ExplainedTexts, model: Scored, progress: Progress) -> list[np.ndarray]:
    """Each text's word scores by integrated gradients, kept in the model's folder; words beyond its end have 0."""
    settings, folder = plan.experiment.explanations, plan.folder / model.folder
    target = _target(plan, model)
    asked = [model.fingerprint, digest(plan.rows[EXPLAINED]), settings.baselines, settings.steps, asdict(target)]
    made_from = fingerprint(asked)
    kept = read_kept(folder, GRADIENTS).get(GRADIENTS)
    if kept is None or kept.made_from != made_from:
        progress.begin(f"explaining {model.name}, seed {model.seed}, by gradients", len(explained.texts))
        began = perf_counter()
        try:
            found = attribute(
                open_model(plan, folder),
                plan.tokenizer,
                explained.texts,
                explained.words,
                [target] * len(explained.texts),
                max_length=plan.experiment.training.max_length,
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


def _target(plan: Plan, model: Scored) -> Target:
    """The log-odds of the class that counts as toxic, or of having the judged label."""
    temperature, decisions = model.decision.temperature, model.decisions
    if isinstance(decisions, LabelDecisions):
        return Target(index=decisions.judged_index, multi_label=True, temperature=temperature)
    positive = plan.split.classes.positive
    assert positive is not None  # nothing is explained without one
    return Target(index=positive, temperature=temperature)
