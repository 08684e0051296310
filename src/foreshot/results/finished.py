"""Provenance: what a run's folder knows about one of its models; of any other model, what the model itself says."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from foreshot.data.table import read_texts
from foreshot.errors import DataError, RunFolderError
from foreshot.results.models import ModelResult
from foreshot.results.results import Results
from foreshot.results.run_folder import EXPERIMENT_FILE, RESULTS_FILE, TEACHER_FOLDER, read_run
from foreshot.settings.experiment import BUILTIN_SUITE, NO_SUITE, Experiment

Part = Literal["train", "validation", "test"]
DEEPEST = 3  # runs/NAME/students/RECIPE/seed-N


@dataclass(frozen=True, kw_only=True)
class RunModel:
    """A model of a finished run, with the run's results."""

    run: Path
    experiment: Experiment
    results: Results
    model: ModelResult

    @property
    def positive(self) -> str | None:
        """The class that counts as toxic."""
        return self.results.data.positive

    @property
    def suite(self) -> str | None:
        """The suite of the run, None where it had none."""
        if self.results.suite is None or self.experiment.suite == NO_SUITE:
            return None
        return BUILTIN_SUITE if self.results.suite.name == BUILTIN_SUITE else self.experiment.suite

    def texts(self, part: Part) -> list[str]:
        """The texts of a part's rows, normalised."""
        path = self.run / "data" / f"{part}.parquet"
        try:
            return read_texts(path, text="text")
        except DataError as error:
            raise RunFolderError(f"{error}; run it again") from None

    def origin(self) -> dict[str, Any]:
        """What a bundle's card says about where the model came from, as `runtime.bundle.Origin` names it."""
        data, verdict, mending = self.results.data, self.results.verdict, self.results.mending
        teacher = mending.references.get(self.model.model, TEACHER_FOLDER) if mending else TEACHER_FOLDER
        of_student = {student.model: student for student in verdict.students}.get(self.model.model)
        kind: str | None = of_student.kind if of_student else None
        reasons = of_student.reasons if of_student else []
        if of_student and of_student.folder not in (None, self.model.folder):  # None: of an earlier version
            kind, reasons = "not judged", [f"the verdict is about another seed's file: {of_student.folder}"]
        return {
            "run": self.results.name,
            "recipe": self.model.recipe,
            "layer_map": self.model.layer_map,
            "seed": self.model.seed,
            "teacher": ", ".join(self.experiment.given_teachers) or f"{self.results.name}/{teacher}",
            "encoder": self.results.encoder.name,
            "data": ", ".join(dict.fromkeys(part.source for part in data.parts.values())),
            "data_fingerprint": data.fingerprint,
            "training_rows": data.parts["train"].rows,
            "verdict": kind,
            "verdict_reasons": reasons,
        }

    def metrics(self) -> dict[str, float | None]:
        """Its test metrics, by the names that `judging.summary` has for them.

        Of a multi-label task macro-F1 is a mean over the labels, and all else is the judged label's.
        """
        test = self.model.test
        return {name: getattr(test, name) for name in ("accuracy", "macro_f1", "mcc", "auroc", "average_precision")}

    def label_metrics(self) -> dict[str, dict[str, float | None]] | None:
        """The test metrics of each label of a multi-label task, None for a task with classes."""
        names = ("auroc", "average_precision", "f1", "precision", "recall")
        return {
            of_label.name: {name: getattr(of_label, name) for name in names} for of_label in self.model.labels
        } or None


def run_of(folder: Path) -> Path | None:
    """The run's folder that a model's folder is in; None where it is in none."""
    if not folder.is_dir():
        return None
    return next((parent for parent in folder.resolve().parents[:DEEPEST] if (parent / EXPERIMENT_FILE).is_file()), None)


def find_in_run(folder: Path) -> RunModel | None:
    """The run's model that a folder holds; None where the folder is in no run.

    Raises RunFolderError where the run wasn't finished or is damaged, or the folder holds none of its models.
    """
    folder, run = folder.resolve(), run_of(folder)
    if run is None:
        return None
    results = results_of(run)
    inside = str(folder.relative_to(run))
    model = next((found for found in results.models if found.folder == inside), None)
    if model is None:
        raise RunFolderError(f"{folder}: is no model of the run {run}; they are {', '.join(_folders(results))}")
    return RunModel(run=run, experiment=read_run(run), results=results, model=model)


def to_ship(run: Path) -> tuple[Path, str]:
    """The model that a run's verdict says to ship, and why: the recommended student, or else the teacher."""
    results = results_of(run)
    if results.verdict.folder is not None:
        if results.verdict.folder not in _folders(results) or not is_inside(results.verdict.folder):
            raise RunFolderError(f"{run / RESULTS_FILE}: its verdict names no folder of the run; run it again")
        return run / results.verdict.folder, results.verdict.headline
    if results.models[0].cost is None:
        students = ", ".join(sorted({model.folder for model in results.models if model.recipe is not None})[:3])
        raise RunFolderError(
            f"{run}: no student is recommended, and the teacher is stored scores; to export a student anyway, name its "
            f"folder: {students}"
        )
    return (
        run / TEACHER_FOLDER,
        f"no student is recommended, so the teacher is exported: {results.verdict.headline}",
    )


def results_of(run: Path) -> Results:
    """The results of a finished run; raises RunFolderError where there are none."""
    try:
        return Results.load(run / RESULTS_FILE)
    except FileNotFoundError:
        raise RunFolderError(f"{run}: isn't finished; go on with: foreshot compare {run}") from None
    except (OSError, ValueError):  # of pydantic too
        raise RunFolderError(f"{run / RESULTS_FILE}: can't be read by this version; run it again") from None


def is_inside(name: str) -> bool:
    """Whether a path stays in the folder that it starts from."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _folders(results: Results) -> list[str]:
    return [model.folder for model in results.models]
