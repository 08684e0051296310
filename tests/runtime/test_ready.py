"""The ready model: what its name stands for, and what is said when its bundle is broken."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_bundles import tiny_bundle

import foreshot
from foreshot.errors import BundleError
from foreshot.runtime.bundle import MANIFEST_FILE, is_bundle, read_bundle
from foreshot.runtime.ready import READY, ready_folder
from foreshot.runtime.verifying import verify

REMEDY = "; install Foreshot anew: pip install --force-reinstall --no-deps foreshot"
MOST_BYTES = 16e6
"""What the ready model may add to the package."""


def test_it_answers_by_its_name(ready_model: Path) -> None:
    (found,) = foreshot.load(READY)("you absolute walnut")
    assert found == foreshot.load(ready_model)("you absolute walnut")[0]
    assert found.labels == ("toxicity", "hate")
    assert is_bundle(Path(READY))
    assert read_bundle(READY).folder == ready_model
    assert verify(READY).files == verify(ready_model).files


def test_a_folder_of_its_name_is_meant_itself(ready_model: Path) -> None:
    tiny_bundle(Path(READY), name="of my own")
    assert read_bundle(READY).manifest.name == "of my own"
    (Path(READY) / MANIFEST_FILE).unlink()
    with pytest.raises(BundleError, match=r"^ready/foreshot\.json: is missing"):  # a broken bundle isn't passed over
        read_bundle(READY)


def test_a_folder_of_its_name_that_holds_no_model_is_in_nobodys_way(ready_model: Path) -> None:
    Path(READY).mkdir()
    (Path(READY) / "notes.txt").touch()
    assert read_bundle(READY).folder == ready_model


def cut_short(folder: Path) -> None:
    graph = folder / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("break_it", "wrong"),
    [
        (shutil.rmtree, "no such folder"),
        (lambda folder: (folder / MANIFEST_FILE).unlink(), r"foreshot\.json: is missing"),
        (lambda folder: (folder / "model.onnx").unlink(), r"model\.onnx: is missing"),
        (cut_short, r"model\.onnx: is not what was exported \(its SHA-256 differs from SHA256SUMS\)"),
        (lambda folder: (folder / "notes.txt").touch(), r"holds notes\.txt, which is not in SHA256SUMS"),
    ],
)
def test_a_broken_one_says_to_install_it_anew(ready_model: Path, break_it: Callable[[Path], None], wrong: str) -> None:
    break_it(ready_model)
    with pytest.raises(BundleError, match=f"^the ready model can't be used: .*{wrong}{REMEDY}$"):
        foreshot.load(READY)


def test_its_files_may_be_links_as_some_installers_make_them(ready_model: Path, tmp_path: Path) -> None:
    kept = shutil.move(ready_model, tmp_path / "kept")
    ready_model.mkdir()
    for file in Path(kept).iterdir():
        (ready_model / file.name).symlink_to(file)
    assert foreshot.load(READY)("thank you")[0].labels == ()
    with pytest.raises(BundleError, match="is no plain file"):
        read_bundle(shutil.copytree(ready_model, tmp_path / "of-a-stranger", symlinks=True))


def test_what_comes_with_foreshot_is_whole_and_small() -> None:
    """The real one."""
    verified = verify(ready_folder())
    assert verified.differences
    assert sum(file.stat().st_size for file in ready_folder().parent.rglob("*") if file.is_file()) <= MOST_BYTES
    manifest = read_bundle(ready_folder()).manifest
    assert manifest.labels[:2] == ["toxicity", "hate"]
    assert manifest.positive == "toxicity"
    (rude,) = foreshot.load(ready_folder())("you are worth nothing")
    (kind,) = foreshot.load(ready_folder())("thank you, that was kind of you")
    assert rude.scores["toxicity"] > kind.scores["toxicity"]
