"""Scores: those of the model itself, each computed once and never again unless something changed."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.comparison import scores as module
from foreshot.comparison.scores import Scores, score
from foreshot.models.batches import EncodedRows, encode
from foreshot.models.outputs import model_outputs
from heard import Heard

TOKENIZER = tiny_tokenizer()


def rows_of(*texts: str) -> EncodedRows:
    return encode(texts, TOKENIZER, 16)


ASKED = {"test": rows_of("w1 w2 w3", "w4", "w5 w6"), "suite": rows_of("w7", "w8 w9 w10 w11")}
FILE = Path("scores", "asked.safetensors")


class Opener:
    """Opens a tiny model, and counts how often."""

    def __init__(self, seed: int = 0) -> None:
        self.model, self.opened = tiny_classifier("bert", 2, seed=seed), 0

    def __call__(self):
        self.opened += 1
        return self.model


@pytest.fixture
def progress() -> Heard:
    return Heard()


@pytest.fixture
def computed(monkeypatch) -> list[EncodedRows]:
    """The rows that a model was run on, in order."""
    ran = []

    def watched(model, rows, **options):
        ran.append(rows)
        return model_outputs(model, rows, **options)

    monkeypatch.setattr(module, "model_outputs", watched)
    return ran


def scored(folder: Path, progress: Heard, opener, asked=ASKED, made_from: str = "abc") -> Scores:
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
        np.testing.assert_allclose(found.logits[name], expected, rtol=0, atol=1e-6)  # in another batch there
        assert found.logits[name].dtype == np.float32
        assert found.seconds[name] > 0
    assert progress.stages == [["odd, seed 0: scores", 5, 5]]
    assert progress.open == 0


def test_nothing_is_computed_twice(tmp_path, progress, computed):
    first = scored(tmp_path, progress, Opener())
    again = scored(tmp_path, progress, lambda: pytest.fail("opened"))
    assert equal(first, again)  # to the last bit, and with the seconds that it took then
    assert len(computed) == 1
    assert len(progress.stages) == 1


def test_a_text_is_asked_once_however_often_it_occurs(tmp_path, progress, computed):
    asked = {"test": rows_of("w1 w2", "w3", "w1 w2"), "suite": rows_of("w3", "w4 w5 w6")}
    found = scored(tmp_path, progress, Opener(), asked)
    assert computed[0].ids == rows_of("w1 w2", "w3", "w4 w5 w6").ids
    assert progress.stages == [["odd, seed 0: scores", 3, 3]]
    assert np.array_equal(found.logits["test"][0], found.logits["test"][2])
    assert np.array_equal(found.logits["test"][1], found.logits["suite"][0])
    for name, rows in asked.items():
        np.testing.assert_allclose(found.logits[name], model_outputs(Opener().model, rows).logits, rtol=0, atol=1e-6)


def test_the_seconds_of_a_pass_are_shared_by_tokens(tmp_path, progress, monkeypatch):
    times = iter([10.0, 12.0])
    monkeypatch.setattr(module, "perf_counter", lambda: next(times))
    found = scored(tmp_path, progress, Opener(), {"a": rows_of("w1"), "b": rows_of("w1 w2 w3 w4 w5 w6 w7")})
    # [CLS] and [SEP] beside the words: 3 and 9 tokens
    assert found.seconds == {"a": 2.0 * 3 / 12, "b": 2.0 * 9 / 12}


def test_one_model_is_opened_once(tmp_path, progress):
    opener = Opener()
    scored(tmp_path, progress, opener)
    assert opener.opened == 1


def test_only_rows_that_changed_are_computed(tmp_path, progress, computed):
    before = scored(tmp_path, progress, Opener())
    computed.clear()
    asked = {**ASKED, "suite": rows_of("w7", "w8 w9 w10 w12"), "probes": rows_of("w1")}
    after = scored(tmp_path, progress, Opener(), asked)
    assert [rows.ids for rows in computed] == [asked["suite"].ids + asked["probes"].ids]
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
    assert len(computed) == 2
    assert not np.array_equal(after.logits["test"], before.logits["test"])
    assert equal(scored(tmp_path, progress, lambda: pytest.fail("opened"), made_from="def"), after)


def test_rows_are_kept_by_name(tmp_path, progress, computed):
    scored(tmp_path, progress, Opener(), {"test": ASKED["test"]})
    scored(tmp_path, progress, Opener(), {"suite": ASKED["suite"]})
    scored(tmp_path, progress, lambda: pytest.fail("opened"), ASKED)
    assert len(computed) == 2


def test_what_is_kept_in_another_file_stays(tmp_path, progress, computed):
    scored(tmp_path, progress, Opener())
    score(tmp_path, "abc", {"more": rows_of("w9")}, Opener(), progress, what="more", file="more")
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["asked.safetensors", "more.safetensors"]
    assert len(computed) == 2


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


def rewritten(path: Path, **facts: str) -> None:
    save_file({"test": np.zeros((3, 2), dtype=np.float32)}, path, metadata=facts)


def of_another_name(path: Path) -> None:
    rewritten(path, other='{"made_from": "abc", "seconds": 1}')


def of_no_time(path: Path) -> None:
    rewritten(path, test='{"made_from": "abc", "seconds": "soon"}')


def of_no_facts(path: Path) -> None:
    rewritten(path, test="[1]")


@pytest.mark.parametrize(
    "damage", [truncated, emptied, overwritten, removed, of_no_model, of_another_name, of_no_time, of_no_facts]
)
def test_a_damaged_file_is_computed_again(tmp_path, progress, computed, damage):
    before = scored(tmp_path, progress, Opener())
    damage(tmp_path / FILE)
    after = scored(tmp_path, progress, Opener())
    assert len(computed) == 2
    assert np.array_equal(after.logits["test"], before.logits["test"])
    assert equal(scored(tmp_path, progress, lambda: pytest.fail("opened")), after)


def test_a_folder_in_the_place_of_the_file_is_an_error_of_the_system(tmp_path, progress):
    scored(tmp_path, progress, Opener())
    made_a_folder(tmp_path / FILE)
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


def test_a_pass_that_is_stopped_keeps_nothing(tmp_path, progress, monkeypatch):
    """Half of it would be asked in other batches the next time, whose last bits are others."""

    def stopped(model, rows, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "model_outputs", stopped)
    with pytest.raises(KeyboardInterrupt):
        scored(tmp_path, progress, Opener())
    assert progress.open == 0
    assert not (tmp_path / FILE).exists()


def test_nothing_asked_opens_nothing(tmp_path, progress):
    found = scored(tmp_path, progress, lambda: pytest.fail("opened"), {})
    assert found.logits == found.seconds == {}
    assert progress.stages == []
