"""A teacher of which stored scores alone are left: it says what it said of the texts that it was asked about."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from foreshot.data.split import Split
from foreshot.data.texts import listing
from foreshot.errors import ConfigError, DataError
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.task import Task
from foreshot.progress import Progress
from foreshot.results.teachers import STORED, AskedFacts
from foreshot.settings.dialect import AskedDialect
from foreshot.settings.experiment import Experiment
from foreshot.suites.cases import Suite
from foreshot.suites.handing_out import ScoredTexts, read_scored_texts, text_key

SURE = 1e-4
"""Stored scores are no nearer to 0 and 1 than this when log-odds are made of them: those of 0 and 1 are infinite."""


@dataclass(frozen=True, kw_only=True)
class StoredTeacher:
    """Stored scores as a teacher; `scored` has those of each text, as many as `outputs`, the task's in their order.

    Of two classes `positive` is the one whose score is stored, and each text has one.
    """

    name: str
    fingerprint: str
    scored: ScoredTexts
    outputs: int  # of a text's scores
    positive: int | None
    announcements: tuple[str, ...] = ()
    width = None
    cost = None

    @property
    def facts(self) -> AskedFacts:
        """See `AskedTeacher`."""
        where = [self.scored.source]
        return AskedFacts(kind=STORED, name=self.name, places=where, fingerprint=self.fingerprint)

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Log-odds of the stored scores, (texts, outputs), float32; NaN where there is none.

        Of two classes the others' logit is 0, so that the softmax of both is the score.
        """
        progress.advance(len(texts))
        odds = log_odds(self.scored.of(texts, self.outputs))
        return as_classes(odds, self.positive).astype(np.float32)


def log_odds(scores: np.ndarray) -> np.ndarray:
    """log(p / (1 − p)) of scores, none of them nearer to 0 or 1 than `SURE`; NaN stays."""
    kept = np.clip(scores, SURE, 1 - SURE)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def as_classes(odds: np.ndarray, positive: int | None) -> np.ndarray:
    """Log-odds (rows, 1) of the positive class as the logits of two classes, (rows, 2); as they are without one."""
    if positive is None:
        return odds
    logits = np.where(np.isnan(odds), np.nan, np.zeros_like(odds)).repeat(2, axis=1)
    logits[:, positive] = odds[:, 0]
    return logits


def stored_teacher(experiment: Experiment, split: Split, task: Task, suite: ScoredTexts | None) -> StoredTeacher:
    """The scores that stand in the data, and those of the suite's cases, as a teacher of the task.

    Raises ConfigError where there aren't as many scores as the task has outputs.
    """
    names = split.score_names or ()
    two_classes = split.labelled and split.label_names is None
    wanted = 1 if two_classes else len(task.names)
    if len(names) != wanted or (two_classes and len(task.names) != 2):
        raise ConfigError(
            f"scores: {len(names)} ({listing(names)}) can't teach {listing(task.names)}: give the score of "
            f"{'the one class that counts as toxic, of two' if two_classes else 'each label, in their order'}"
        )
    if two_classes and task.classes.positive is None:
        raise ConfigError("scores: of which class are they? name it with ⟨positive⟩")
    of_data: dict[str, tuple[float, ...]] = {}
    for part in split.parts.values():
        of_data |= dict(zip(map(text_key, part.texts), part.scores or (), strict=True))
    by_text = {**(suite.by_text if suite else {}), **of_data}
    said = [] if not split.labelled or split.label_names is None else [_pairs(names, task.names)]
    return StoredTeacher(
        name=f"{', '.join(names)} of {experiment.data}",
        fingerprint=fingerprint(sorted((text, *map(str, scores)) for text, scores in of_data.items())),
        scored=ScoredTexts(source=experiment.data, by_text=by_text),
        outputs=len(names),
        positive=task.classes.positive if two_classes else None,
        announcements=tuple(said),
    )


def _pairs(scores: Sequence[str], labels: Sequence[str]) -> str:
    return "scores: " + ", ".join(f"{score} teaches {label}" for score, label in zip(scores, labels, strict=True))


def judged_where_scored(split: Split) -> Split:
    """The split without the validation and test rows that lack a score, by which the teacher couldn't be judged.

    Raises DataError where a class, or every row, would be lost from one of them.
    """
    parts, said = dict(split.parts), []
    for name in ("validation", "test"):
        part = split.parts[name]
        known = [index for index, scores in enumerate(part.scores or ()) if not np.isnan(scores).any()]
        if len(known) == len(part):
            continue
        kept = part.choose(known)
        if missing := set(part.labels) - set(kept.labels):
            names = listing(split.classes.names[label] for label in sorted(missing))
            raise DataError(
                f"{part.source}: no {name} row of class {names} has a score, so the teacher can't be judged; have "
                "such rows scored, too, or leave out ⟨scores⟩"
            )
        parts[name] = kept
        said.append(f"{part.source}: {len(part) - len(known):,} rows without a score left out of {name}")
    return replace(split, parts=parts, announcements=(*split.announcements, *said))


def judged_as_stored(split: Split, as_stored: Split) -> Split:
    """The split in which validation and test rows have no score where none was stored, whatever a correction says.

    There the teacher said nothing, and models are compared in the same answers.
    """
    stored = {
        text_key(text): scores
        for part in as_stored.parts.values()
        for text, scores in zip(part.texts, part.scores or (), strict=True)
    }
    parts = dict(split.parts)
    for name in ("validation", "test"):
        part = split.parts[name]
        scores = [
            tuple(
                np.nan if np.isnan(before) else now for now, before in zip(of_row, stored[text_key(text)], strict=True)
            )
            for text, of_row in zip(part.texts, part.scores or (), strict=True)
        ]
        parts[name] = replace(part, scores=scores)
    return replace(split, parts=parts)


def scored_suite(
    experiment: Experiment, suite: Suite | None, dialect: AskedDialect
) -> tuple[ScoredTexts | None, Suite | None, list[str]]:
    """The scores of the suite's cases, the suite of the cases that have one, and what there is to say.

    Raises DataError where fewer cases have a score than the experiment asks for.
    """
    if experiment.teacher_scores is None or experiment.scores is None:
        return None, suite, []
    if suite is None:
        raise ConfigError("teacher_scores: are scores of the suite's cases, and there is no suite")
    found = read_scored_texts(experiment.teacher_scores, experiment.scores, dialect=dialect)
    scores = found.of([case.text for case in suite.cases], len(experiment.scores))
    known = ~np.isnan(scores).any(axis=1)
    share, least = float(known.mean()), experiment.teacher_scores_share
    said = f"{found.source}: {int(known.sum()):,} of the suite's {len(known):,} cases have a score ({share:.0%})"
    if share < least or not known.any():
        raise DataError(
            f"{said}; at least {least:.0%} are asked for (setting teacher_scores_share): is it the file that "
            "foreshot suite wrote, with its texts as they were?"
        )
    if known.all():
        return found, suite, [*found.announcements, said]
    cases = [case for case, is_known in zip(suite.cases, known, strict=True) if is_known]
    twins = Counter(case.pair for case in cases)
    kept = [case if twins[case.pair] == 2 else case.model_copy(update={"pair": None}) for case in cases]
    return found, Suite(name=suite.name, cases=tuple(kept)), [*found.announcements, f"{said}; the others are left out"]
