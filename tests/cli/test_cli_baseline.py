"""A bundle as a baseline, through the command line: it stands in every table, and changes nothing about the others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_bundles import label_decisions

from asked_teachers import word_bundle
from cli_runs import INSULTS, comparable, weights_times
from foreshot.data.table import read_texts
from foreshot.results.results import Results

Foreshot = Callable[..., Any]
DECISIONS = label_decisions("toxicity", "hate", judged="toxicity")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return word_bundle(tmp_path_factory.mktemp("baseline") / "bundle", decisions=DECISIONS)


@pytest.fixture(scope="module")
def of_baseline(
    finished_run: Path, foreshot: Foreshot, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Any]:
    """A finished run that was taken up again with a baseline."""
    run = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("of-baseline") / finished_run.name))
    before = weights_times(run)
    done = foreshot("compare", run, "--baseline", bundle)
    assert done.exit_code == 0, done.stderr + done.stdout
    assert weights_times(run) == before
    return run, done


def flags(text: str) -> bool:
    """Whether the bundle's first label has a logit above 0: (16 r − 3 (n − r)) / (n + 2), of n words r insults."""
    words = text.split()
    rude = sum(word in INSULTS for word in words)
    return 16 * rude - 3 * (len(words) - rude) > 0


def test_it_changes_nothing_about_the_others(of_baseline, finished_run):
    run, _ = of_baseline
    before, after = comparable(finished_run), comparable(run)
    assert [one["model"] for one in after["models"]].count("baseline") == 1
    for part in ("models", "summaries", "suite_results"):
        after[part] = [one for one in after[part] if one["model"] != "baseline"]
    in_pairs = [one for one in after["comparisons"] if "baseline" in (one["first"], one["second"])]
    after["comparisons"] = [one for one in after["comparisons"] if one not in in_pairs]
    assert after["evasion"].pop("baseline")
    after["data"]["announcements"] = [one for one in after["data"]["announcements"] if not one.startswith("baseline")]
    assert after == before
    measures = [one["measure"] for one in in_pairs]
    assert sorted(measures) == sorted(
        5 * list({one["measure"] for one in before["comparisons"]})
    )  # teacher and students
    assert {one["second"] for one in in_pairs if one["first"] == "teacher"} == {"baseline"}


def test_it_is_asked_as_the_others_are(of_baseline, bundle):
    run, _ = of_baseline
    results = Results.load(run / "results.json")
    (found,) = [model for model in results.models if model.model == "baseline"]
    assert (found.baseline, found.recipe, found.folder) == (str(bundle), None, "baseline")
    texts = read_texts(run / "data" / "test.parquet", text="text")
    toxic = np.array([any(word in INSULTS for word in text.split()) for text in texts])
    flagged = np.array([flags(text) for text in texts])
    assert 0 < flagged.sum() < toxic.sum()  # it misses longer ones
    expected = [[int(((toxic == side) & (flagged == said)).sum()) for said in (False, True)] for side in (False, True)]
    assert found.test.confusion_matrix == expected
    assert [answer.predicted for answer in found.probes] == [
        "toxic" if flags(probe.text) else "benign" for probe in results.probes
    ]
    (suite,) = [one for one in results.suite_results if one.model == "baseline"]
    assert all(cell.minus_teacher is None for cell in suite.functionalities)
    manifest = json.loads((bundle / "foreshot.json").read_text(encoding="utf-8"))
    assert found.cost is not None
    assert found.cost.parameters == manifest["origin"]["parameters"]
    assert found.cost.size_on_disk == (bundle / "model.onnx").stat().st_size
    assert "baseline" not in {one.model for one in results.verdict.students}
    assert results.asked_teachers is None
    assert not [flip for flip in results.flips if flip.model == "baseline"]


def test_the_report_says_that_it_is_one(of_baseline, bundle):
    run, done = of_baseline
    assert "no part of the verdict" in done.stdout
    announced = Results.load(run / "results.json").data.announcements
    assert announced[-1].startswith(f"baseline {bundle}: asked by its own labels ('toxicity' for 'toxic')")
    report = (run / "report.md").read_text(encoding="utf-8")
    rows = [line for line in report.splitlines() if line.startswith("| baseline")]
    assert len(rows) > 5
    assert "a row to beat: no part of the verdict" in rows[0]
    assert "a baseline: " in rows[0]
    assert "teacher − baseline" in report
    assert "The pairs with the baseline are corrected by themselves" in report
    assert "and 4 cheaper students" in report
    assert "a row to beat: no part of the verdict" in (run / "report.html").read_text(encoding="utf-8")


def test_it_is_no_model_to_export(of_baseline, foreshot, bundle, tmp_path):
    run, _ = of_baseline
    done = foreshot("export", run / "baseline", "--out", tmp_path / "out")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"is the bundle {bundle}, which was asked where it is" in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_takes_its_place(of_baseline, foreshot, tmp_path):
    run = Path(shutil.copytree(of_baseline[0], tmp_path / "run"))
    other = word_bundle(tmp_path / "other", labels=["benign", "toxic"])
    assert foreshot("compare", run, "--baseline", other).exit_code == 0
    results = Results.load(run / "results.json")
    (found,) = [model for model in results.models if model.baseline]
    assert found.baseline == str(other)
    assert found.test.macro_f1 == 1.0  # its logits are n − r and 16 r
