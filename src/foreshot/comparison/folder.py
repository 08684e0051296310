"""The run's folder: opened for one process alone, and for the experiment that made it."""

import contextlib
import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from foreshot.errors import RunFolderError
from foreshot.files.atomic import SET_ASIDE, UNFINISHED, remove_dead, write_atomically
from foreshot.files.locks import HeldError, NotALockError, locked
from foreshot.files.stages import MARKER
from foreshot.results.run_folder import EXPERIMENT_FILE, TEACHER_FOLDER, read_run
from foreshot.settings.experiment import Experiment, dump_experiment

LOCK_FILE = ".lock"
CHECKPOINTS_FOLDER = "checkpoints"

MAY_CHANGE = frozenset(
    {"name", "recipes", "seeds", "probes", "suite", "suite_labels", "decision", "policy", "tune_learning_rates"}
    | {"matched", "identity_columns", "identity_terms", "explanations", "checkpoint_seconds", "device", "exportable"}
    | {"teacher_scores", "teacher_scores_share", "mend", "baseline"}
)
"""Settings that a run's folder may be taken up with anew: what is finished stays, what is missing is added."""
MAY_CHANGE_OF_TRAINING = frozenset({"accumulate", "gradient_checkpointing"})
"""Of the group `training`, likewise: a run that ran out of memory goes on with less."""


@dataclass(frozen=True)
class RunFolder:
    """Where everything of a run stands, as one of its arms sees it: that of mended models has folders of its own."""

    path: Path
    teacher_name: str = TEACHER_FOLDER
    arm: str = ""

    @property
    def data(self) -> Path:
        """The split."""
        return self.path / "data"

    @property
    def teacher(self) -> Path:
        """The teacher's model folder."""
        return self.path / self.teacher_name

    @property
    def unlabelled(self) -> Path:
        """The texts without labels, as token ids, and their scores."""
        return self.path / "unlabelled"

    @property
    def targets(self) -> Path:
        """The teacher's outputs on the training rows."""
        return self.path / f"targets{self.arm}"

    def measure(self, strategy: str) -> Path:
        """What the teacher's layers were found to do."""
        return self.path / f"layers{self.arm}" / strategy

    def states(self, made_from: str) -> Path:
        """The teacher's hidden states that some recipes look at."""
        return self.path / "states" / made_from

    def base(self, name: str) -> Path:
        """What the LoRA adapters of a student stand on, where layers were left out."""
        return self.path / "students" / name / "base"

    def round(self, job_folder: str, number: int) -> Path:
        """Which unlabelled texts a round before a student found."""
        return self.path / "rounds" / job_folder / str(number)

    def checkpoints(self, made_from: str) -> Path:
        """What the training of a model needs to go on."""
        return self.path / CHECKPOINTS_FOLDER / made_from


@contextlib.contextmanager
def at_work(folder: Path, experiment: Experiment) -> Iterator[None]:
    """The run's folder, opened for this process alone and rid of what a killed one left.

    Raises RunFolderError as `open_run` does, while another process is at work on it, and where it holds what would have
    something else written or waited for.
    """
    _check_run(folder, experiment)
    _make_folder(folder)
    with _alone(folder):
        _refuse_no_files(folder)
        open_run(folder, experiment)
        for ending in (SET_ASIDE, UNFINISHED):
            remove_dead(folder.rglob(f".*{ending}"))
        yield


def _refuse_no_files(folder: Path) -> None:
    """A run holds plain files and folders; a stranger's may hold links to another run, which would be written to."""
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            what = "a link" if stat.S_ISLNK(mode) else "a pipe or a device"
            raise RunFolderError(f"{path}: is {what}, which no run holds; remove it, or copy the file itself")


def check_free(folder: Path) -> None:
    """Raise RunFolderError while another process is at work on the run's folder."""
    if (folder / LOCK_FILE).exists():
        with _alone(folder):
            pass


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        with locked(folder / LOCK_FILE):
            yield
    except HeldError as error:
        who = f"process {error.pid}" if error.pid else "another process"
        if not error.sure:
            raise RunFolderError(
                f"{folder / LOCK_FILE}: {who} is at work on this run or was killed: its file system has no locks "
                "that would tell; if nothing is at work, remove it and start again"
            ) from None
        raise RunFolderError(f"{folder}: {who} is at work on it; wait for its end, or choose another ⟨name⟩") from None
    except NotALockError:
        raise RunFolderError(f"{folder / LOCK_FILE}: is no lock of Foreshot's; remove it") from None


def open_run(folder: Path, experiment: Experiment) -> None:
    """Make the run's folder, or take up the one that is there, and record what was asked.

    Until its teacher is finished a folder holds nothing worth keeping, and any setting may change. Raises
    RunFolderError when the folder was made by another experiment, or isn't a run's folder.
    """
    _check_run(folder, experiment)
    _make_folder(folder)
    write_atomically(folder / EXPERIMENT_FILE, dump_experiment(experiment))


def _check_run(folder: Path, experiment: Experiment) -> None:
    recorded = folder / EXPERIMENT_FILE
    if recorded.exists() and not (folder / TEACHER_FOLDER / MARKER).exists():
        read_run(folder)
    elif recorded.exists():
        earlier = read_run(folder)
        kept = _kept_settings(earlier)
        for field, value in _kept_settings(experiment).items():
            if kept[field] != value:
                raise RunFolderError(
                    f"{folder}: was made by another experiment ({field}: {_brief(kept[field])} there, "
                    f"{_brief(value)} now); choose another ⟨name⟩ or remove the folder"
                )
        if earlier.first_seed != experiment.first_seed:
            raise RunFolderError(
                f"{folder}: was made with first seed {earlier.first_seed}, which split the data and trained the "
                f"teacher; {experiment.first_seed} was asked for; choose another ⟨name⟩"
            )
    elif folder.exists() and (not folder.is_dir() or any(not _is_unfinished_record(path) for path in folder.iterdir())):
        raise RunFolderError(
            f"{folder}: exists and is not a run's folder (it has no {EXPERIMENT_FILE}); choose another ⟨name⟩"
        )


def _kept_settings(experiment: Experiment) -> dict[str, Any]:
    """What a run's folder is made by, once its teacher is finished."""
    settings = experiment.model_dump(mode="json", exclude=set(MAY_CHANGE))
    for name in MAY_CHANGE_OF_TRAINING:
        del settings["training"][name]
    return settings


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{folder}: can't be made ({error.strerror}); choose another folder with ⟨runs⟩") from None


def _is_unfinished_record(path: Path) -> bool:
    """Whether this is what a process left that was killed while it first wrote what was asked."""
    return path.name == LOCK_FILE or path.name.startswith(f".{EXPERIMENT_FILE}.")


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else text[:57] + "..."
