"""The catalogue: which folders are served by which names, and which bundles are refused before any text is scored."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from served import damaged, newer
from tiny_bundles import SELF_TEST, probabilities_of, tiny_bundle, with_token

from foreshot.errors import BundleError, ConfigError
from foreshot.runtime.bundle import SUMS_FILE, SelfTest
from foreshot.serving.catalogue import load_catalogue, parse_models
from foreshot.serving.observing import Metrics
from foreshot.serving.settings import Limits

# ---- names ----


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["bundle-odd"], {"bundle-odd": "bundle-odd"}),
        (["bundles/odd/"], {"odd": "bundles/odd"}),
        (["odd=bundles/1"], {"odd": "bundles/1"}),
        (["odd=a", "lora=a"], {"odd": "a", "lora": "a"}),  # one folder by two names
        (["b=x", "a=y", "c=z"], {"b": "x", "a": "y", "c": "z"}),  # in the order that was asked
        (["odd=runs/lr=3e-5"], {"odd": "runs/lr=3e-5"}),  # a folder with "=" in it, by a name
        (["runs/lr=1/odd"], {"odd": "runs/lr=1/odd"}),  # and without one
        (["v1.2_b-c=x"], {"v1.2_b-c": "x"}),
    ],
)
def test_models_are_named_or_called_as_their_folders(asked: list[str], expected: dict[str, str]) -> None:
    found = parse_models(asked)
    assert {name: str(folder) for name, folder in found.items()} == expected
    assert list(found) == list(expected)


def test_this_folder_is_called_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd").mkdir()
    monkeypatch.chdir(tmp_path / "odd")
    assert list(parse_models(["."])) == ["odd"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (["a=x", "a=y"], r"two models are called a; .* first=x second=y"),
        (["one/odd", "two/odd"], "two models are called odd"),
        (["two words=x"], "needs a name of letters"),
        (["ключ=x"], "needs a name"),
        (["=x"], "needs a name"),
        (["/"], "needs a name"),
        (["my bundle"], "needs a name.*NAME=my bundle"),
        (["a\nb=x"], "needs a name"),
        (["odd="], "odd=: needs a folder"),
        ([""], "a model: needs a folder"),
    ],
)
def test_names_that_are_none_or_given_twice_are_refused(asked: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as refused:
        parse_models(asked)
    assert "\n" not in str(refused.value)


# ---- bundles ----


def test_models_are_served_in_their_order_and_the_first_by_default(tmp_path: Path) -> None:
    folders = {name: tiny_bundle(tmp_path / name, name=f"title of {name}") for name in ("odd", "lora")}
    catalogue = load_catalogue(folders, Limits(), Metrics(), threads=1)
    assert (list(catalogue), len(catalogue), catalogue.default.name) == (["odd", "lora"], 2, "odd")
    for name, folder in folders.items():
        model = catalogue[name]
        assert model.classifier.manifest.name == f"title of {name}"
        assert model.checksum == f"sha256:{sha256((folder / SUMS_FILE).read_bytes()).hexdigest()}"
    assert catalogue["odd"].checksum != catalogue["lora"].checksum
    with pytest.raises(KeyError):
        catalogue["nope"]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (damaged, "SHA-256 differs"),
        (newer, "is of format 99.*upgrade Foreshot"),
        (lambda folder: with_token(folder, "<who>"), r"model\.onnx: fails on '<who>', a token of its tokenizer"),
    ],
)
def test_a_broken_bundle_is_refused_beside_a_whole_one(
    tmp_path: Path, broken: Callable[[Path], Path], complaint: str
) -> None:
    folders = {"whole": tiny_bundle(tmp_path / "whole"), "broken": broken(tiny_bundle(tmp_path / "broken"))}
    with pytest.raises(BundleError, match=complaint) as refused:
        load_catalogue(folders, Limits(), Metrics(), threads=1)
    assert str(tmp_path / "broken") in str(refused.value)


def test_a_bundle_that_scores_otherwise_here_is_refused(tmp_path: Path) -> None:
    def tested(shift: float) -> list[SelfTest]:
        found = []
        for text in SELF_TEST:
            benign, toxic = probabilities_of(text)
            found.append(SelfTest(text=text, scores={"model.onnx": [benign + shift, toxic - shift]}))
        return found

    near = tiny_bundle(tmp_path / "near", self_test=tested(0.00005))
    assert load_catalogue({"near": near}, Limits(), Metrics(), threads=1).default.name == "near"
    far = tiny_bundle(tmp_path / "far", self_test=tested(0.001))
    with pytest.raises(BundleError, match=r"far/model.onnx: scores the self-test otherwise .* differs by 0.001,"):
        load_catalogue({"far": far}, Limits(), Metrics(), threads=1)


def test_a_bundle_without_a_self_test_is_refused(tmp_path: Path) -> None:
    for name, self_test in (("none", []), ("other", [SelfTest(text="x", scores={"model.int8.onnx": [0.5, 0.5]})])):
        with pytest.raises(BundleError, match=r"its self-test lacks scores of model\.onnx"):
            load_catalogue({name: tiny_bundle(tmp_path / name, self_test=self_test)}, Limits(), Metrics(), threads=1)
