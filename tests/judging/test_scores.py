"""Scores: those of the model itself, each computed once and never again unless something changed."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.data.batches import EncodedRows, encode
from foreshot.judging import scores as module
from foreshot.judging.scores import Scores, score
from foreshot.models.outputs import model_outputs

TOKENIZER = tiny_tokenizer()


def rows_of(*texts: str) -> EncodedRows:
    return encode(texts, TOKENIZER, 16)


ASKED = {"test": rows_of("w1 w2 w3", "w4", "w5 w6"), "suite": rows_of("w7", "w8 w9 w10 w11")}


class Counted:
    """Progress that remembers: the stages as (name, units, units done), and how many are open."""

    def __init__(self) -> None:
        self.stages: list[list] = []
        self.open = 0

    def say(self, message: str) -> None:
        raise AssertionError("nothing to say")

    def begin(self, stage: str, units: int) -> None:
        self.stages.append([stage, units, 0])
        self.open += 1

    def advance(self, units: int, state: str = "") -> None:
        self.stages[-1][2] += units

    def end(self) -> None:
        self.open -= 1


class Opener:
    """Opens a tiny model, and counts how often."""

    def __init__(self, seed: int = 0) -> None:
        self.model, self.opened = tiny_classifier("bert", 2, seed=seed), 0

    def __call__(self):
        self.opened += 1
        return self.model


@pytest.fixture
def progress() -> Counted:
    return Counted()


@pytest.fixture
def computed(monkeypatch) -> list[EncodedRows]:
    """The rows that a model was run on, in order."""
    ran = []

    def watched(model, rows, **options):
        ran.append(rows)
        return model_outputs(model, rows, **options)

    monkeypatch.setattr(module, "model_outputs", watched)
    return ran


def scored(folder: Path, progress: Counted, opener, asked=ASKED, made_from: str = "abc") -> Scores:
    return score(folder, made_from, asked, opener, progress, what="odd, seed 0: scores")


def equal(first: Scores, second: Scores) -> bool:
    return (
        first.logits.keys() == second.logits.keys()
        and all(np.array_equal(first.logits[name], second.logits[name]) for name in first.logits)
        and first.seconds == second.seconds
    )


def test_logits_are_the_models(tmp_path, progress):
    opener = Opener()
    found = scored(tmp_path, progress, opener)
    assert list(found.logits) == list(found.seconds) == ["test", "suite"]
    for name, rows in ASKED.items():
        expected = model_outputs(opener.model, rows).logits
        assert expected.shape == (len(rows), 2)
        assert np.array_equal(found.logits[name], expected)
        assert found.logits[name].dtype == np.float32
        assert 0 < found.seconds[name] < 60
    assert progress.stages == [["odd, seed 0: scores", 5, 5]]
    assert progress.open == 0


def test_nothing_is_computed_twice(tmp_path, progress, computed):
    first = scored(tmp_path, progress, Opener())
    again = scored(tmp_path, progress, lambda: pytest.fail("opened"))
    assert equal(first, again)  # to the last bit, and with the seconds that it took then
    assert len(computed) == 2
    assert len(progress.stages) == 1


def test_one_model_is_opened_once(tmp_path, progress):
    opener = Opener()
    scored(tmp_path, progress, opener)
    assert opener.opened == 1


def test_only_rows_that_changed_are_computed(tmp_path, progress, computed):
    before = scored(tmp_path, progress, Opener())
    computed.clear()
    asked = {**ASKED, "suite": rows_of("w7", "w8 w9 w10 w12"), "probes": rows_of("w1")}
    after = scored(tmp_path, progress, Opener(), asked)
    assert computed == [asked["suite"], asked["probes"]]
    assert progress.stages[-1][1:] == [3, 3]
    assert np.array_equal(after.logits["test"], before.logits["test"])
    assert after.seconds["test"] == before.seconds["test"]
    assert not np.array_equal(after.logits["suite"], before.logits["suite"])
    assert after.logits["probes"].shape == (1, 2)


@pytest.mark.parametrize(
    "other",
    [
        rows_of("w4", "w1 w2 w3", "w5 w6"),  # another order
        rows_of("w1 w2 w3", "w4"),
        rows_of("w1 w2 w3", "w4 w5", "w6"),  # the same words, parted otherwise
    ],
)
def test_other_rows_of_the_same_name_are_computed(tmp_path, progress, computed, other):
    scored(tmp_path, progress, Opener(), {"test": ASKED["test"]})
    found = scored(tmp_path, progress, Opener(), {"test": other})
    assert len(computed) == 2
    assert np.array_equal(found.logits["test"], model_outputs(Opener().model, other).logits)


def test_where_a_row_ends_counts():
    parted = (
        EncodedRows(ids=[[2, 5], [3, 6]], tokenizer=TOKENIZER),
        EncodedRows(ids=[[2], [5, 3, 6]], tokenizer=TOKENIZER),
    )
    assert module.digest(parted[0]) != module.digest(parted[1])


def test_another_model_in_the_folder_is_asked_anew(tmp_path, progress, computed):
    before = scored(tmp_path, progress, Opener())
    after = scored(tmp_path, progress, Opener(seed=1), made_from="def")
    assert len(computed) == 4
    assert not np.array_equal(after.logits["test"], before.logits["test"])
    assert equal(scored(tmp_path, progress, lambda: pytest.fail("opened"), made_from="def"), after)


def test_rows_are_kept_by_name(tmp_path, progress, computed):
    scored(tmp_path, progress, Opener(), {"test": ASKED["test"]})
    scored(tmp_path, progress, Opener(), {"suite": ASKED["suite"]})
    scored(tmp_path, progress, lambda: pytest.fail("opened"), ASKED)
    assert len(computed) == 2
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["suite.safetensors", "test.safetensors"]


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def overwritten(path: Path) -> None:
    path.write_bytes(b"\xff" * 300)


def removed(path: Path) -> None:
    path.unlink()


def of_no_model(path: Path) -> None:
    save_file({"logits": np.zeros((3, 2), dtype=np.float32)}, path)


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def rewritten(path: Path, name: str = "logits", **facts: str) -> None:
    with module.safe_open(path, framework="numpy") as file:
        metadata = {**file.metadata(), **facts}
    save_file({name: np.zeros((3, 2), dtype=np.float32)}, path, metadata=metadata)


def of_another_name(path: Path) -> None:
    rewritten(path, "other")


def of_no_time(path: Path) -> None:
    rewritten(path, seconds="soon")


@pytest.mark.parametrize("damage", [truncated, emptied, overwritten, removed, of_no_model, of_another_name, of_no_time])
def test_a_damaged_file_is_computed_again(tmp_path, progress, computed, damage):
    before = scored(tmp_path, progress, Opener())
    damage(tmp_path / "scores" / "test.safetensors")
    computed.clear()
    after = scored(tmp_path, progress, Opener())
    assert computed == [ASKED["test"]]
    assert np.array_equal(after.logits["test"], before.logits["test"])
    assert equal(scored(tmp_path, progress, lambda: pytest.fail("opened")), after)


def test_a_folder_in_the_place_of_the_file_is_an_error_of_the_system(tmp_path, progress):
    scored(tmp_path, progress, Opener())
    made_a_folder(tmp_path / "scores" / "test.safetensors")
    with pytest.raises(OSError, match="directory"):
        scored(tmp_path, progress, Opener())
    assert progress.open == 0


def test_a_model_that_cannot_be_opened_ends_the_stage(tmp_path, progress):
    def fail():
        raise RuntimeError("no such model")

    with pytest.raises(RuntimeError, match="no such model"):
        scored(tmp_path, progress, fail)
    assert progress.open == 0
    assert not (tmp_path / "scores").exists()


def test_what_was_computed_before_an_error_stays(tmp_path, progress, monkeypatch):
    def fail_on_the_suite(model, rows, **options):
        if rows is ASKED["suite"]:
            raise KeyboardInterrupt
        return model_outputs(model, rows, **options)

    monkeypatch.setattr(module, "model_outputs", fail_on_the_suite)
    with pytest.raises(KeyboardInterrupt):
        scored(tmp_path, progress, Opener())
    assert progress.open == 0
    assert [path.name for path in (tmp_path / "scores").iterdir()] == ["test.safetensors"]
    monkeypatch.undo()
    scored(tmp_path, progress, Opener())
    assert progress.stages[-1][1:] == [2, 2]  # the suite's two cases alone


def test_nothing_asked_opens_nothing(tmp_path, progress):
    found = scored(tmp_path, progress, lambda: pytest.fail("opened"), {})
    assert found.logits == found.seconds == {}
    assert progress.stages == []
