"""The baseline: a bundle that every model is compared with, and that is neither teacher nor student."""

from foreshot.comparison.folder import RunFolder
from foreshot.comparison.inputs import Inputs
from foreshot.comparison.jobs import Job, baseline_job
from foreshot.comparison.model_folder import TrainingRecord
from foreshot.files.atomic import write_atomically
from foreshot.files.stages import building, is_finished
from foreshot.results.teachers import ASKED_FILE


def take_baseline(inputs: Inputs, run: RunFolder) -> list[Job]:
    """Keep where the baseline stands; none where none is named."""
    job = baseline_job(inputs)
    if job is None or job.asked is None:
        return []
    folder = run.path / job.folder
    if not is_finished(folder, job.made_from):
        with building(folder, job.made_from) as workplace:
            write_atomically(workplace / ASKED_FILE, job.asked.facts.model_dump_json(indent=1) + "\n")
            TrainingRecord().save(workplace)
    return [job]
