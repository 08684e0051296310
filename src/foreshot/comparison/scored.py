"""Scored: a model that was made, asked about everything, and what it decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.comparison.making import open_model
from foreshot.comparison.model_folder import TrainingRecord
from foreshot.comparison.scores import ASKED, Scores, score, score_texts
from foreshot.data.correcting import HELD_OUT
from foreshot.judging.cost import cost
from foreshot.models.batches import EncodedRows
from foreshot.progress import Progress, Silent
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.results.models import Cost
from foreshot.results.teachers import STORED
from foreshot.runtime.decisions import decide, save_decision, scaled_probabilities, view_of
from foreshot.training.losses import mean_of_teachers
from foreshot.words.word_scores import WordScores


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One model that was made, with its scores.

    Of a multi-label task `decisions` has every label's; `decision`, and what the methods give, is of the judged one.
    """

    job: Job
    record: TrainingRecord
    cost: Cost | None  # None of a teacher of which scores alone are known
    scores: Scores
    decisions: Decision | LabelDecisions
    word_scores: WordScores | None = None  # of the explained texts

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.job.name

    @property
    def decision(self) -> Decision:
        """How it decides what behaviour is judged by: its classes, or the judged label."""
        return self.decisions.of_judged

    def logits(self, rows: str) -> np.ndarray:
        """Its logits (rows, classes) of the classes, or of the judged label's view."""
        return view_of(self.decisions, self.scores.logits[rows], None)[1]

    def decided(self, rows: str, positive: int | None) -> np.ndarray:
        """The classes (rows,) that it decides on, by its own thresholds."""
        return decide(self.decision, self.logits(rows), positive)

    def probabilities(self, rows: str) -> np.ndarray:
        """Its probabilities (rows, classes), temperature-scaled."""
        return scaled_probabilities(self.logits(rows), self.decision.temperature)


def score_model(job: Job, inputs: Inputs, run: RunFolder, progress: Progress) -> Scored:
    """Ask a model that was made about every row, probe and case, and fit how its scores become decisions."""
    folder = run.path / job.folder
    record = TrainingRecord.load(folder)
    asked = inputs.asked_texts if job.asked or job.mean_of else {}
    scores = ask(job, asked, inputs.asked, inputs, run, progress, what="scoring")
    if job.asked:
        scores = replace(scores, logits=_said(scores.logits))
    decisions = inputs.task.fit(inputs.experiment.decision, scores.logits["validation"], inputs.answers("validation"))
    save_decision(decisions, folder)
    return Scored(
        job=job,
        record=record,
        cost=_cost(job, folder, record),
        scores=scores,
        decisions=decisions,
    )


def _said(logits: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a teacher that is only asked said something about: of all but the data's parts every text."""
    parts = ("train", "validation", "test", HELD_OUT)
    return {name: found for name, found in logits.items() if name in parts or not np.isnan(found).any()}


def ask(
    job: Job,
    texts: Mapping[str, Sequence[str]],
    rows: Mapping[str, EncodedRows],
    inputs: Inputs,
    run: RunFolder,
    progress: Progress,
    *,
    what: str,
    file: str = ASKED,
) -> Scores:
    """What a job's model says about texts by name, or, of a model of the run, about the same as `rows`; all is kept."""
    folder, what_of = run.path / job.folder, f"{what} {job.titled}"
    if job.mean_of:
        each = [ask(one, texts, rows, inputs, run, progress, what=what, file=file) for one in job.mean_of]
        return mean_scores(each, job.weights, several=inputs.task.multi_label)
    if job.asked and job.asked.facts.kind == STORED:  # looked up, and other cases may have scores now
        logits = {name: job.asked.logits(asked, Silent()) for name, asked in texts.items()}
        return Scores(logits=logits, seconds=dict.fromkeys(texts, 0.0))
    if job.asked:
        return score_texts(folder, job.made_from, texts, job.asked.logits, progress, what=what_of, file=file)
    return score(folder, job.made_from, rows, lambda: open_model(inputs, folder), progress, what=what_of, file=file)


def mean_scores(each: Sequence[Scores], weights: Sequence[float], *, several: bool) -> Scores:
    """The mean of several teachers' probabilities, as logits, and the seconds that all of them took."""
    of_teachers = torch.tensor(weights, dtype=torch.float64)

    def mean(name: str) -> np.ndarray:
        logits = torch.from_numpy(np.stack([scores.logits[name] for scores in each], axis=1)).double()
        return np.asarray(mean_of_teachers(logits, of_teachers, several=several).float().numpy())

    return Scores(
        logits={name: mean(name) for name in each[0].logits},
        seconds={name: sum(scores.seconds[name] for scores in each) for name in each[0].seconds},
    )


def _cost(job: Job, folder: Path, record: TrainingRecord) -> Cost | None:
    """What a model takes; the mean of several teachers takes all of them."""
    if job.asked:
        return job.asked.cost
    if not job.mean_of:
        return cost(folder, layers=len(job.layers), trained_parameters=record.trained_parameters)
    each = [one.asked.cost for one in job.mean_of if one.asked and one.asked.cost]
    return Cost(**{name: sum(getattr(of_one, name) for of_one in each) for name in Cost.model_fields})
