"""Token ids on disk: the same rows, batches and trained weights as from memory, and no more of them there."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_tokenizer

from foreshot.errors import RunFolderError
from foreshot.files.arrays import ArrayFile
from foreshot.models.batches import EncodedRows, collate, mixed_batches
from foreshot.models.outputs import Outputs, model_outputs
from foreshot.models.token_store import TOKENS_FILE, StoredTokens, write_tokens
from foreshot.progress import Silent
from foreshot.settings.experiment import Training
from foreshot.settings.losses import Distillation
from foreshot.training.loop import Teaching, train
from foreshot.training.losses import BatchOutputs, distillation_losses

IDS = [[2, *(10 + (row * at) % 23 for at in range(row % 7)), 3] for row in range(50)]


def in_memory(ids=IDS) -> EncodedRows:
    return EncodedRows(ids=ids, tokenizer=tiny_tokenizer())


@pytest.fixture
def stored(tmp_path):
    write_tokens([IDS[:1], IDS[1:30], IDS[30:]], tmp_path, vocabulary=300)
    return EncodedRows(ids=StoredTokens(tmp_path), tokenizer=tiny_tokenizer())


def test_stored_rows_are_those_that_were_written(stored):
    assert [ids.tolist() for ids in stored.ids] == IDS
    assert len(stored) == 50
    assert stored.lengths.tolist() == [len(ids) for ids in IDS]
    assert (
        stored.occurring.tolist() == sorted({token for ids in IDS for token in ids}) == in_memory().occurring.tolist()
    )
    assert [ids.tolist() for ids in stored.between(48, 99).ids] == IDS[48:]


@pytest.mark.parametrize(("vocabulary", "size"), [(200, 1), (65_536, 2), (65_537, 4)])
def test_a_token_takes_as_many_bytes_as_its_vocabulary_needs(tmp_path, vocabulary, size):
    write_tokens([[[0, vocabulary - 1]]], tmp_path, vocabulary=vocabulary)
    assert ArrayFile(tmp_path / TOKENS_FILE).dtype.itemsize == size
    assert StoredTokens(tmp_path)[0].tolist() == [0, vocabulary - 1]


def test_rows_from_both_places_follow_each_other(stored):
    first = in_memory([[2, 7, 3], [2, 3]])
    both = first.followed_by(stored)
    assert len(both) == 52
    assert [list(ids) for ids in both.ids] == [[2, 7, 3], [2, 3], *IDS]
    assert both.lengths.tolist() == [3, 2, *map(len, IDS)]
    assert both.occurring.tolist() == sorted({7, *(token for ids in IDS for token in ids)})
    numbers = np.array([51, 0, 2, 1])
    expected = collate(in_memory([[2, 7, 3], [2, 3], *IDS]), numbers)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in collate(both, numbers).items())


def test_damaged_tokens_are_refused(tmp_path):
    write_tokens([IDS], tmp_path, vocabulary=300)
    (tmp_path / TOKENS_FILE).write_bytes((tmp_path / TOKENS_FILE).read_bytes()[:-2])
    with pytest.raises(RunFolderError, match=rf"{TOKENS_FILE}: is damaged; remove {tmp_path}"):
        StoredTokens(tmp_path)


def test_a_student_learns_the_same_bits_from_both(stored):
    labelled = in_memory([[2, 10 + row, 11 + row, 3] for row in range(12)])
    outputs = model_outputs(tiny_classifier("bert", 2, seed=9), labelled.followed_by(in_memory()))
    trained = []
    for unlabelled in (in_memory(), stored):
        student = tiny_classifier("bert", 2, seed=1)
        teaching = Teaching(settings=Distillation(), outputs=outputs, unlabelled=unlabelled)
        train(
            student,
            labelled,
            [row % 2 for row in range(12)],
            settings=Training(epochs=2, batch_size=4, max_length=16),
            learning_rate=1e-3,
            seed=3,
            teaching=teaching,
            progress=Silent(),
        )
        trained.append(student.state_dict())
    assert all(torch.equal(one, trained[1][name]) for name, one in trained[0].items())


def test_rows_whose_representations_are_not_known_are_left_out_of_the_cosine_loss():
    """By hand: cosine similarities 1 and 0 of the two rows that are known, whatever the third is."""
    student = BatchOutputs(logits=torch.zeros(3, 2), representations=torch.tensor([[1.0, 0], [0, 1], [5, 7]]))
    teacher = BatchOutputs(logits=torch.zeros(3, 2), representations=torch.tensor([[2.0, 0], [3, 0]]))
    labels, mask = torch.tensor([0]), torch.ones(3, 4)
    assert distillation_losses(student, teacher, labels, mask, Distillation()).parts["cosine"] == 0.5
    none = replace(teacher, representations=torch.zeros(0, 2))
    assert distillation_losses(student, none, labels, mask, Distillation()).parts["cosine"] == 0
    without = distillation_losses(student, replace(teacher, representations=None), labels, mask, Distillation())
    assert "cosine" not in without.parts


def test_parts_of_a_batch_learn_together_what_it_does_where_some_rows_have_no_representations():
    """To rounding; of a batch of six rows in three parts, one part has a single row with a representation."""
    labelled, unlabelled = in_memory(IDS[:12]), in_memory(IDS[12:])
    outputs = model_outputs(tiny_classifier("bert", 2, seed=9), labelled.followed_by(unlabelled))
    found = []
    for parts in (1, 3):
        student = tiny_classifier("bert", 2, seed=1)
        for module in student.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        known = Outputs(logits=outputs.logits, representations=outputs.representations[:12])
        history = train(
            student,
            labelled,
            [row % 2 for row in range(12)],
            settings=Training(epochs=2, batch_size=6, max_length=16, accumulate=parts),
            learning_rate=1e-3,
            seed=3,
            teaching=Teaching(settings=Distillation(), outputs=known, unlabelled=unlabelled),
            progress=Silent(),
        )
        found.append(history.losses)
    assert found[0].keys() == found[1].keys() == {"objective", "classification", "divergence", "cosine"}
    for name, losses in found[0].items():
        assert np.allclose(losses, found[1][name], rtol=1e-3), name


def reference_batches(lengths, batch_size, rng, labelled, without, steps, pool):
    """Rows one by one from endless shuffled rounds, as lists: what `mixed_batches` does in arrays."""

    def rounds(first, end):
        while True:
            yield from (first + rng.permutation(end - first)).tolist()

    kinds = rounds(0, labelled), rounds(labelled, len(lengths))
    while True:
        batches = []
        for start in range(0, steps, pool):
            count = min(pool, steps - start)
            halves = []
            for kind, size in zip(kinds, (batch_size - without, without), strict=True):
                rows = sorted(islice(kind, count * size), key=lambda row: lengths[row])
                halves.append([rows[at : at + size] for at in range(0, len(rows), size)])
            batches += [one + other for one, other in zip(*halves, strict=True)]
        yield [batches[index] for index in rng.permutation(len(batches))]


@pytest.mark.parametrize(("labelled", "others"), [(40, 100), (1200, 7), (1, 90)])
def test_the_order_of_rows_is_that_of_rounds_taken_row_by_row(labelled, others):
    lengths = np.random.default_rng(0).integers(3, 40, labelled + others)
    made = mixed_batches(lengths, 8, np.random.default_rng(5), labelled=labelled, unlabelled_share=0.5)
    expected = reference_batches(lengths, 8, np.random.default_rng(5), labelled, 4, -(-labelled // 8), 50)
    for batches, wanted in islice(zip(made, expected, strict=False), 4):
        assert [rows.tolist() for rows in batches] == wanted
