"""Check: one model judged by itself on a suite, fit to be a gate in someone's CI."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from foreshot.data.labels import Classes, find_classes
from foreshot.data.marks import classes_of_mark
from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError, DataError, ModelError
from foreshot.files.bounded import read_small
from foreshot.files.fingerprints import fingerprint
from foreshot.judging.shares import suite_shares
from foreshot.progress import Progress, Silent
from foreshot.results.base import Facts
from foreshot.results.behaviour import SuiteFacts, SuiteResult
from foreshot.results.decisions import Decision, LabelDecisions
from foreshot.results.finished import run_of
from foreshot.results.results import MOST_BYTES, Results
from foreshot.results.run_folder import EXPERIMENT_FILE, TEACHER_FOLDER, read_run
from foreshot.runtime.bundle import MANIFEST_FILE, TOKENIZER_FILE, is_bundle, read_bundle
from foreshot.runtime.classifier import Classifier
from foreshot.runtime.decisions import decide, judging, view_of
from foreshot.settings.dialect import asked_dialect
from foreshot.settings.experiment import BUILTIN_SUITE
from foreshot.suites.cases import read_suite

WINDOW = 256  # texts that a bundle scores before it reports progress


class Checkable(Protocol):
    """A model that can be checked: what it calls its classes or labels, in the order of its logits, and how it decides.

    A model whose decision is of several labels is checked by the judged one.
    """

    name: str
    fingerprint: str
    labels: list[str]
    positive: str | None  # where the model says so
    decision: Decision | LabelDecisions
    announcements: tuple[str, ...]  # what was guessed about its labels

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """Logits (texts, classes or labels) of texts that are normalised already; each that is done is reported."""

    def looked_at(self, text: str) -> tuple[int, int] | None:
        """Begin and end of what is looked at of a normalised text that is cut; None of one that is looked at whole."""


class Checked(Facts):
    """What `check` found about one model, or about the judged label of one. `announcements` tell what was guessed."""

    model: str
    fingerprint: str
    classes: list[str]
    positive: str | None
    decision: Decision
    suite: SuiteFacts
    result: SuiteResult
    announcements: list[str]

    @property
    def shares(self) -> dict[str, float]:
        """What a gate looks at: the share of all cases that are right, and of each class's cases."""
        sides = {f"{name} cases": share.value for name, share in self.result.by_label.items()}
        return {"all cases": self.result.accuracy.value, **sides}


def check(
    model: str | Path,
    suite: str = BUILTIN_SUITE,
    *,
    suite_labels: Mapping[str, str] | None = None,
    positive: str | None = None,
    file: str | None = None,
    separator: str | None = None,
    quoting: str | None = None,
    problem_type: str | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Judge a classifier (a bundle, a model's folder or a hub id) by the share of a suite's cases that it gets right.

    A bundle needs the base install alone; `file` chooses one of its graphs. Of other models their own thresholds
    are used where they stand beside them (decision.json). `positive` names the class that counts as toxic, where
    the model or its classes' names don't tell; of a multi-label model it names the label to judge. `problem_type` says
    whether a text has one of the labels of a model or can have several ("single-label" or "multi-label"), where its
    config.json doesn't. `separator` and `quoting` are the suite's (`settings.dialect`), else found. Raises
    ForeshotError for a model or a suite that can't be used.
    """
    progress = progress or Silent()
    said: list[str] = []
    dialect = asked_dialect(separator, quoting, say=said.append)
    judged = load_checkable(model, file, positive, problem_type)
    classes = classes_of(judged, positive)
    cases = read_suite(suite, classes, suite_labels, dialect)
    progress.begin(f"scoring {judged.name} on {cases.name}", len(cases.cases))
    try:
        logits = judged.logits([case.text for case in cases.cases], progress)
    finally:
        progress.end()
    decision, view, toxic = view_of(judged.decision, logits, classes.positive)
    decided = decide(decision, view, toxic)[np.newaxis]
    return Checked(
        model=judged.name,
        fingerprint=judged.fingerprint,
        classes=list(classes.names),
        positive=None if classes.positive is None else classes.names[classes.positive],
        decision=decision,
        suite=cases.facts(),
        result=suite_shares(judged.name, cases.cases, decided, classes.names),
        announcements=[*classes.announcements, *said],
    )


class BundleGraph:
    """One graph of a bundle, ready to be checked: `file`, or the one that the bundle prefers.

    `judged` is the label to judge of a multi-label bundle, where it is another than the bundle's.
    """

    def __init__(self, folder: Path, file: str | None, judged: str | None) -> None:
        bundle = read_bundle(folder)
        self._classifier = Classifier(bundle, file=file)
        parts = (self._classifier.file, TOKENIZER_FILE, MANIFEST_FILE)
        self.name = str(folder / self._classifier.file)
        self.fingerprint = fingerprint({part: bundle.sums[part] for part in parts})
        self.labels = bundle.manifest.labels
        self.positive = bundle.manifest.positive
        self.decision = bundle.manifest.deciding
        self.announcements = bundle.manifest.announcements
        if isinstance(self.decision, LabelDecisions):
            self.decision = judging(self.decision, judged, source=str(folder))

    def logits(self, texts: Sequence[str], progress: Progress) -> np.ndarray:
        """See `Checkable`."""
        windows = []
        for start in range(0, len(texts), WINDOW):
            tokens = self._classifier.tokenize(texts[start : start + WINDOW], normalised=True)
            windows.append(self._classifier.logits(tokens))
            progress.advance(len(tokens.ids))
        return np.concatenate(windows)

    def looked_at(self, text: str) -> tuple[int, int] | None:
        """See `Checkable`."""
        return self._classifier.looked_at(text)


def load_checkable(
    model: str | Path, file: str | None, judged: str | None, problem_type: str | None = None
) -> Checkable:
    """A bundle, a model's folder or a hub id, ready to be asked; see `check` for the options, and for what is raised.

    `judged` is the label to judge of a multi-label model, where it is another than the model's.
    """
    if not is_bundle(Path(model)):
        return _load(str(model), file, judged, problem_type)
    if problem_type is not None:
        raise ConfigError(f"⟨problem_type⟩: is for other models; the bundle {model} says it itself: export it again")
    return BundleGraph(Path(model), file, judged)


def _load(name: str, file: str | None, judged: str | None, problem_type: str | None) -> Checkable:
    """A model of Hugging Face's layout; only this needs PyTorch."""
    if (Path(name) / EXPERIMENT_FILE).is_file():
        raise ConfigError(f"{name}: is a run's folder; name one of its models, such as {Path(name) / TEACHER_FOLDER}")
    if file is not None:
        raise ConfigError(f"⟨file⟩ {excerpt(file)}: {name} is no bundle, which alone has graphs to choose from")
    if find_spec("torch") is None:
        raise ModelError(f"{name}: is no bundle, and any other model needs PyTorch: pip install 'foreshot[train]'")
    from foreshot.models.classifiers import HubClassifier

    return HubClassifier(name, max_length=_run_max_length(Path(name)), judged=judged, problem_type=problem_type)


def _run_max_length(model: Path) -> int | None:
    """Tokens that the texts of a run's model are cut to in its run, as in its bundle; None for a model of no run."""
    run = run_of(model)
    return None if run is None else read_run(run).training.max_length


def classes_of(model: Checkable, positive: str | None) -> Classes:
    """What a model's texts are judged as: its classes, or the two of its judged label's view; see `model_classes`."""
    if isinstance(model.decision, LabelDecisions):
        classes = judged_classes(model.name, model.decision, announced=positive is None)
    else:
        classes = model_classes(model.name, model.labels, model.positive if positive is None else positive)
    return replace(classes, announcements=(*model.announcements, *classes.announcements))


def judged_classes(name: str, decisions: LabelDecisions, *, announced: bool) -> Classes:
    """The two classes of the view of a multi-label model's judged label, which is `announced` where nobody named it."""
    told = f"{name}: of its labels, {excerpt(decisions.judged)!r} is judged (--positive names another)"
    return replace(classes_of_mark(decisions.judged), announcements=(told,) if announced else ())


def model_classes(name: str, labels: Sequence[str], positive: str | None) -> Classes:
    """A classifier's classes in the order of its logits, and which of them counts as toxic.

    Without `positive` the labels tell ("toxic", "hate", …); of LABEL_0 and LABEL_1 the second is taken.
    Raises ConfigError for a `positive` that is none of them.
    """
    names = tuple(labels)
    mapping = {label: label for label in names}
    if positive is not None:
        if positive not in names:
            raise ConfigError(
                f"⟨positive⟩ {excerpt(positive)}: is no class of {name}; its classes are {listing(names)}"
            )
        return Classes(names, names.index(positive), mapping, ())
    if names == ("LABEL_0", "LABEL_1"):
        return Classes(names, 1, mapping, ("LABEL_1 counts as toxic (guessed; --positive names another)",))
    if len(set(names)) != 2:
        return Classes(names, None, mapping, ())
    guessed = find_classes(names, None, source=name)
    if guessed.positive is None:
        return Classes(names, None, mapping, guessed.announcements)
    toxic = next(label for label in names if guessed.mapping[label] == guessed.names[guessed.positive])
    return Classes(names, names.index(toxic), mapping, guessed.announcements)


def violations(
    checked: Checked, *, fail_under: float | None = None, baseline: Path | None = None, max_drop: float = 0.0
) -> list[str]:
    """What a gate complains of, a line each: shares below `fail_under`, or lower than the baseline's by `max_drop`.

    Both look at all cases and at each class's. `baseline` is a results.json, whose teacher counts, or what
    `foreshot check --json` printed. Raises DataError when it can't be read or is of another suite.
    """
    complaints = []
    if fail_under is not None:
        complaints += [
            f"{name}: {share:.1%} right, under {fail_under:.1%}"
            for name, share in checked.shares.items()
            if share < fail_under
        ]
    if baseline is not None:
        earlier = _baseline_shares(baseline, checked)
        complaints += [
            f"{name}: {share:.1%} right, {earlier[name] - share:.1%} less than the baseline's {earlier[name]:.1%} "
            f"(at most {max_drop:.1%} is allowed)"
            for name, share in checked.shares.items()
            if name in earlier and earlier[name] - share > max_drop + 1e-9
        ]
    return complaints


def _baseline_shares(path: Path, checked: Checked) -> dict[str, float]:
    try:
        found = json.loads(read_small(path, MOST_BYTES))
        if "result" in found:
            earlier = Checked.model_validate(found)
        else:
            results = Results.model_validate(found)
            if results.suite is None:
                raise DataError(f"{path}: its run had no suite; run it again with one")
            earlier = checked.model_copy(update={"suite": results.suite, "result": results.suite_results[0]})
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):  # of pydantic and json too
        raise DataError(
            f"{path}: is neither the results.json of a run nor what foreshot check --json printed, of this version"
        ) from None
    if earlier.suite.fingerprint != checked.suite.fingerprint:
        raise DataError(
            f"{path}: is of another suite ({earlier.suite.name}, {earlier.suite.cases:,} cases, or other labels); "
            "make the baseline anew with this one"
        )
    return earlier.shares
