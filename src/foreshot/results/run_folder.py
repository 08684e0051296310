"""A run's folder as it is read: the names of its parts, and what was asked."""

from pathlib import Path

from foreshot.errors import RunFolderError
from foreshot.settings.experiment import BASELINE, Experiment, load_experiment

EXPERIMENT_FILE = "experiment.yaml"
ENVIRONMENT_FILE = "environment.json"
RESULTS_FILE = "results.json"
REGISTRATION_FILE = "registration.json"
TEACHER_FOLDER = "teacher"
MENDED_TEACHER_FOLDER = "teacher-mended"
TEACHERS_FOLDER = "teachers"
"""Holds each of several teachers; their mean stands in TEACHER_FOLDER."""
BASELINE_FOLDER = BASELINE
"""Where the run keeps what a bundle says that its models are only compared with."""


def read_run(folder: Path) -> Experiment:
    """The experiment that made a run's folder; raises RunFolderError when it isn't one."""
    if not (folder / EXPERIMENT_FILE).is_file():
        raise RunFolderError(f"{folder}: is not a run's folder (it has no {EXPERIMENT_FILE})")
    return load_experiment(folder / EXPERIMENT_FILE)
