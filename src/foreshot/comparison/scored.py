"""Scored: a model that was made, asked about everything, and what it decides."""

from dataclasses import dataclass

import numpy as np

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job
from foreshot.comparison.making import open_model
from foreshot.comparison.model_folder import TrainingRecord
from foreshot.comparison.scores import Scores, score
from foreshot.judging.cost import cost
from foreshot.progress import Progress
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.results.models import Cost
from foreshot.runtime.decisions import decide, save_decision, scaled_probabilities, view_of
from foreshot.words.word_scores import WordScores


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One model that was made, with its scores.

    Of a multi-label task `decisions` has every label's; `decision`, and what the methods give, is of the judged one.
    """

    job: Job
    record: TrainingRecord
    cost: Cost
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
    """Ask a saved model about every row, probe and case, and fit how its scores become decisions."""
    folder = run.path / job.folder
    record = TrainingRecord.load(folder)
    scores = score(
        folder,
        job.made_from,
        inputs.asked,
        lambda: open_model(inputs, folder),
        progress,
        what=f"scoring {job.titled}",
    )
    decisions = inputs.task.fit(inputs.experiment.decision, scores.logits["validation"], inputs.answers("validation"))
    save_decision(decisions, folder)
    return Scored(
        job=job,
        record=record,
        cost=cost(folder, layers=len(job.layers), trained_parameters=record.trained_parameters),
        scores=scores,
        decisions=decisions,
    )
