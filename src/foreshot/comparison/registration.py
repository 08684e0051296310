"""Registration: what a comparison will be judged by, written down before anything is trained."""

from datetime import UTC, datetime

from pydantic import ValidationError

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.errors import RunFolderError
from foreshot.files.atomic import write_atomically
from foreshot.files.bounded import read_small
from foreshot.files.fingerprints import fingerprint
from foreshot.files.stages import MARKER
from foreshot.results.registration import Registration
from foreshot.results.run_folder import REGISTRATION_FILE

MOST_BYTES = 2**20
OF_THE_MACHINE = frozenset({"name", "device", "checkpoint_seconds"})
"""Settings that change nothing about what is judged."""


def register(inputs: Inputs, run: RunFolder) -> Registration:
    """What the run was said to be judged by before its teacher was finished: until then anything may be set otherwise.

    Raises RunFolderError where what is written there can't be read.
    """
    path, is_made = run.path / REGISTRATION_FILE, (run.teacher / MARKER).exists()
    if not is_made or not path.exists():
        known = registration(inputs, after_training=is_made)
        write_atomically(path, known.model_dump_json(indent=1) + "\n")
        return known
    try:
        return Registration.model_validate_json(read_small(path, MOST_BYTES))
    except (OSError, ValidationError):
        raise RunFolderError(
            f"{path}: can't be read, so what this run was to be judged by isn't known; delete it to register it anew, "
            "which the report then says"
        ) from None


def registration(inputs: Inputs, *, after_training: bool = False) -> Registration:
    """What a comparison is judged by."""
    experiment = inputs.experiment
    return Registration(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        after_training=after_training,
        experiment=fingerprint(experiment.model_dump(mode="json", exclude=set(OF_THE_MACHINE))),
        suite=inputs.suite.fingerprint if inputs.suite else None,
        margins={name: value for name, value in experiment.policy.model_dump().items() if value is not None},
        decision=experiment.decision,
        recipes=[recipe.name for recipe in experiment.recipes],
        seeds=list(experiment.seeds),
    )


def changes(before: Registration, now: Registration) -> list[str]:
    """What is judged otherwise than was written down, in a few words each."""
    found = [
        f"{name} {_shown(before.margins.get(name))}, now {_shown(now.margins.get(name))}"
        for name in sorted(before.margins.keys() | now.margins.keys())
        if before.margins.get(name) != now.margins.get(name)
    ]
    if before.suite != now.suite:
        found.append("the suite")
    if before.decision != now.decision:
        found.append(f"decision {before.decision}, now {now.decision}")
    for what, old, new in (("recipes", before.recipes, now.recipes), ("seeds", before.seeds, now.seeds)):
        if set(old) != set(new):
            found.append(f"{what} {', '.join(map(str, old))}, now {', '.join(map(str, new))}")
    return found


def _shown(margin: float | None) -> str:
    return "none" if margin is None else f"{margin:g}"
