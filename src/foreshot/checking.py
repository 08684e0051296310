"""Check: one model judged by itself on a suite, fit to be a gate in someone's CI."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from foreshot.data.batches import encode
from foreshot.data.labels import Classes, find_classes
from foreshot.data.texts import excerpt, listing
from foreshot.errors import ConfigError, DataError
from foreshot.facts import Decision, Facts, SuiteFacts, SuiteResult
from foreshot.judging.builtin_suite import NAME as BUILTIN
from foreshot.judging.shares import suite_shares
from foreshot.judging.suites import read_suite
from foreshot.models.encoders import ModelSource, find_model, load_classifier, load_tokenizer, longest_input
from foreshot.models.outputs import model_outputs
from foreshot.progress import Progress, Silent
from foreshot.results import Results
from foreshot.rundir import EXPERIMENT_FILE, TEACHER_FOLDER
from foreshot.runtime.decisions import decide, load_decision

LONGEST = 512  # tokens


class Checked(Facts):
    """What `check` found about one model. `announcements` tell what was guessed."""

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
    suite: str = BUILTIN,
    *,
    suite_labels: Mapping[str, str] | None = None,
    positive: str | None = None,
    progress: Progress | None = None,
) -> Checked:
    """Judge a classifier, a folder or a hub id, by the share of a suite's cases that it gets right.

    Its own thresholds are used where they stand beside it (decision.json). `positive` names its class that counts
    as toxic, where its name doesn't tell. Raises ForeshotError for a model or a suite that can't be used.
    """
    progress = progress or Silent()
    if (Path(model) / EXPERIMENT_FILE).is_file():
        raise ConfigError(f"{model}: is a run's folder; name one of its models, such as {Path(model) / TEACHER_FOLDER}")
    source = find_model(str(model))
    classes = model_classes(source, positive)
    cases = read_suite(suite, classes, suite_labels)
    classifier = load_classifier(source, list(classes.names)).eval()
    tokenizer = load_tokenizer(source)
    rows = encode([case.text for case in cases.cases], tokenizer, min(longest_input(source), LONGEST))
    progress.begin(f"scoring {source.name} on {cases.name}", len(rows))
    try:
        logits = model_outputs(classifier, rows, progress=progress).logits
    finally:
        progress.end()
    decision = load_decision(source.folder) or Decision(policy="argmax")
    decided = decide(decision, logits, classes.positive)[np.newaxis]
    return Checked(
        model=source.name,
        fingerprint=source.fingerprint,
        classes=list(classes.names),
        positive=None if classes.positive is None else classes.names[classes.positive],
        decision=decision,
        suite=cases.facts(),
        result=suite_shares(source.name, cases.cases, decided, classes.names),
        announcements=list(classes.announcements),
    )


def model_classes(source: ModelSource, positive: str | None) -> Classes:
    """A classifier's classes in the order of its logits, and which of them counts as toxic.

    Without `positive` the names tell ("toxic", "hate", …); of LABEL_0 and LABEL_1 the second is taken.
    Raises ConfigError for a `positive` that is none of them.
    """
    names = tuple(str(name) for name in (source.config.id2label or {}).values())
    mapping = {name: name for name in names}
    if positive is not None:
        if positive not in names:
            raise ConfigError(
                f"--positive {excerpt(positive)}: is no class of {source.name}; its classes are {listing(names)}"
            )
        return Classes(names, names.index(positive), mapping, ())
    if names == ("LABEL_0", "LABEL_1"):
        return Classes(names, 1, mapping, ("LABEL_1 counts as toxic (guessed; --positive names another)",))
    if len(set(names)) < 2:
        return Classes(names, None, mapping, ())
    guessed = find_classes(names, None, source=source.name)
    if guessed.positive is None:
        return Classes(names, None, mapping, guessed.announcements)
    toxic = next(name for name in names if guessed.mapping[name] == guessed.names[guessed.positive])
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
        text = path.read_text(encoding="utf-8")
        found = json.loads(text)
        if "result" in found:
            earlier = Checked.model_validate(found)
        else:
            results = Results.model_validate(found)
            if results.suite is None:
                raise DataError(f"{path}: its run had no suite; run it again with one")
            earlier = checked.model_copy(update={"suite": results.suite, "result": results.suite_results[0]})
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, ValueError, TypeError):  # of pydantic and json too
        raise DataError(
            f"{path}: is neither the results.json of a run nor what foreshot check --json printed, of this version"
        ) from None
    if earlier.suite.fingerprint != checked.suite.fingerprint:
        raise DataError(
            f"{path}: is of another suite ({earlier.suite.name}, {earlier.suite.cases:,} cases, or other labels); "
            "make the baseline anew with this one"
        )
    return earlier.shares
