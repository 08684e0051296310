"""What a bundle's card says of a file's verdict: that of this file, and not of another seed's."""

from pathlib import Path
from types import SimpleNamespace

from results_factory import make_results

from foreshot.results.finished import RunModel


def test_a_verdict_is_of_the_file_that_was_judged():
    results = make_results(seeds=(0, 1))
    first, second = [model for model in results.models if model.model == "odd"]
    students = [
        one.model_copy(update={"folder": second.folder if one.model == "odd" else None})
        for one in results.verdict.students
    ]
    judged = results.model_copy(update={"verdict": results.verdict.model_copy(update={"students": students})})
    (of_odd,) = [one for one in students if one.model == "odd"]

    def origin(found, model) -> dict:
        experiment = SimpleNamespace(given_teachers=())
        return RunModel(run=Path("runs/x"), experiment=experiment, results=found, model=model).origin()

    assert origin(judged, second)["verdict"] == of_odd.kind
    assert origin(judged, first)["verdict"] == "not judged"
    assert origin(judged, first)["verdict_reasons"] == [f"the verdict is about another seed's file: {second.folder}"]
    assert origin(results, first)["verdict"] == of_odd.kind  # of an earlier version, which names no file
