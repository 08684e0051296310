"""The teacher's states from a cache on disk and from a teacher that runs along: the same, in any order of rows."""

import numpy as np
import pytest
import torch
from tiny_models import CONFIGS, tiny_classifier, tiny_tokenizer

from foreshot.errors import ForeshotError
from foreshot.models.batches import EncodedRows, collate
from foreshot.models.outputs import forward
from foreshot.models.states import Look, looking
from foreshot.progress import Silent
from foreshot.training import teacher_states
from foreshot.training.teacher_states import (
    PROJECTIONS_FILE,
    STATES_FILE,
    CacheFacts,
    live_teacher,
    read_cache,
    write_cache,
)

ROWS = 70  # more than two batches of the cache
BOTH = Look(layers=(3, 1), projections_of=2)


def some_rows() -> EncodedRows:
    rng = np.random.default_rng(0)
    ids = [[2, *rng.integers(5, 50, rng.integers(1, 12)).tolist(), 3] for _ in range(ROWS)]
    return EncodedRows(ids=ids, tokenizer=tiny_tokenizer())


ENCODED = some_rows()


def facts_of(look: Look = BOTH, *, first_token: bool = False, precision: str = "float32") -> CacheFacts:
    return CacheFacts(look=look, first_token=first_token, lengths=ENCODED.lengths, hidden_size=16, precision=precision)


def cached(folder, facts: CacheFacts, teacher=None):
    write_cache(teacher or tiny_classifier("bert", 3), ENCODED, facts, folder, Silent())
    return read_cache(facts, folder)


def zero_padding(states: torch.Tensor, rows) -> torch.Tensor:
    """States (batch, kinds, tokens, hidden) with nothing where a row has no token."""
    mask = collate(ENCODED, rows)["attention_mask"][:, None, : states.shape[2], None]
    return states * mask


SUBSETS = [np.arange(ROWS), np.array([5]), np.array([69, 0, 31, 32]), np.array([8, 8, 3])]


@pytest.mark.parametrize("architecture", CONFIGS)
def test_the_cache_holds_what_a_live_teacher_says(architecture, tmp_path):
    teacher = tiny_classifier(architecture, 3)
    read = cached(tmp_path, facts_of(), teacher)
    ask = live_teacher(teacher, ENCODED, BOTH, first_token=False)
    rows = np.array([69, 0, 31, 32])
    for found, expected in zip(read(rows), ask(rows), strict=True):
        assert found.shape == expected.shape
        assert torch.allclose(found, zero_padding(expected, rows), atol=1e-5)


@pytest.mark.parametrize("rows", SUBSETS, ids=len)
def test_any_rows_in_any_order_with_nothing_for_padding(rows, tmp_path):
    teacher = tiny_classifier("bert", 3)
    states, projections = cached(tmp_path, facts_of(), teacher)(rows)
    longest = ENCODED.lengths[rows].max()
    assert states.shape == (len(rows), 2, longest, 16)
    assert projections.shape == (len(rows), 3, longest, 16)
    for index, row in enumerate(rows):
        with torch.inference_mode(), looking(teacher, BOTH) as seen:
            forward(teacher, collate(ENCODED, np.array([row])))
        length = ENCODED.lengths[row]
        assert torch.allclose(states[index, :, :length], seen.states[0], atol=1e-5)
        assert torch.allclose(projections[index, :, :length], seen.projections[0], atol=1e-5)
        assert not states[index, :, length:].any()
        assert not projections[index, :, length:].any()


def test_float32_is_exact_and_float16_is_rounded(tmp_path):
    teacher = tiny_classifier("bert", 3)
    (tmp_path / "32").mkdir()
    (tmp_path / "16").mkdir()
    exact = cached(tmp_path / "32", facts_of(), teacher)
    again = cached(tmp_path / "32", facts_of(), teacher)
    rounded = cached(tmp_path / "16", facts_of(precision="float16"), teacher)
    rows = np.arange(ROWS)
    for one, other, half in zip(exact(rows), again(rows), rounded(rows), strict=True):
        assert torch.equal(one, other)
        assert half.dtype == torch.float32
        assert torch.equal(half, one.half().float())
        assert not torch.equal(half, one)


def test_the_first_token_alone(tmp_path):
    facts = facts_of(first_token=True)
    teacher = tiny_classifier("bert", 3)
    rows = np.array([4, 40, 2])
    states, projections = cached(tmp_path, facts, teacher)(rows)
    live_states, live_projections = live_teacher(teacher, ENCODED, BOTH, first_token=True)(rows)
    assert states.shape == live_states.shape == (3, 2, 1, 16)
    assert torch.allclose(states, live_states, atol=1e-5)
    assert torch.allclose(projections, zero_padding(live_projections, rows), atol=1e-5)
    assert projections.shape[2] == ENCODED.lengths[rows].max()  # relations look at all of them


@pytest.mark.parametrize(
    ("look", "files"),
    [
        (Look(layers=(2,)), {STATES_FILE}),
        (Look(projections_of=1), {PROJECTIONS_FILE}),
        (BOTH, {STATES_FILE, PROJECTIONS_FILE}),
    ],
    ids=["states", "projections", "both"],
)
def test_only_what_is_looked_at_is_kept_as_plain_arrays_as_large_as_foretold(look, files, tmp_path):
    facts = facts_of(look, precision="float16")
    states, projections = cached(tmp_path, facts)(np.array([1, 2]))
    assert (states is not None) == (STATES_FILE in files)
    assert (projections is not None) == (PROJECTIONS_FILE in files)
    assert {path.name for path in tmp_path.iterdir()} == files
    arrays = [np.load(tmp_path / name, allow_pickle=False) for name in files]
    assert {array.dtype for array in arrays} == {np.dtype("float16")}
    assert sum(array.nbytes for array in arrays) == facts.size
    tokens = int(ENCODED.lengths.sum())
    expected = {STATES_FILE: (tokens, len(look.layers), 16), PROJECTIONS_FILE: (tokens, 3, 16)}
    assert facts.shapes == {name: expected[name] for name in files}


def test_a_layer_named_twice_is_kept_twice(tmp_path):
    states, _ = cached(tmp_path, facts_of(Look(layers=(2, 1, 2))))(np.array([3, 9]))
    assert torch.equal(states[:, 0], states[:, 2])
    assert not torch.equal(states[:, 0], states[:, 1])


def test_a_live_teacher_does_not_learn_and_drops_nothing_out():
    teacher = tiny_classifier("bert", 3).train()
    ask = live_teacher(teacher, ENCODED, BOTH, first_token=False)
    rows = np.array([1, 2])
    states, projections = ask(rows)
    assert not states.requires_grad
    assert not projections.requires_grad
    assert torch.equal(states, ask(rows)[0])


def test_states_that_16_bits_cannot_hold_are_refused(tmp_path, monkeypatch):
    teacher = tiny_classifier("bert", 3)
    with torch.no_grad():
        teacher.bert.encoder.layer[1].attention.self.value.bias[3] = 1e5
    with pytest.raises(ForeshotError, match=r"too large for float16; set .*: float32, or .*: live"):
        cached(tmp_path, facts_of(precision="float16"), teacher)
    _, projections = cached(tmp_path, facts_of(), teacher)(np.array([0]))
    assert projections[0, 2, 0, 3] > 9e4


def test_progress_counts_every_row(tmp_path):
    class Counting(Silent):
        rows = 0

        def advance(self, units: int, state: str = "") -> None:
            self.rows += units

    progress = Counting()
    write_cache(tiny_classifier("bert", 3), ENCODED, facts_of(), tmp_path, progress)
    assert progress.rows == ROWS > 2 * teacher_states.BATCH_SIZE
