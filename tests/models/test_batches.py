"""Batches: every row once, the same for a seed, with little padding; and what the model gets of them."""

from itertools import islice

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from foreshot.models.batches import (
    POOL,
    EncodedRows,
    collate,
    encode,
    fixed_batches,
    length_grouped_batches,
    mixed_batches,
    rows_without_label,
)


@pytest.fixture
def tokenizer():
    words = ["[UNK]", "[CLS]", "[SEP]", "one", "two", "three", "four", "[PAD]"]
    rules = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="[UNK]"))
    rules.pre_tokenizer = Whitespace()
    rules.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    return PreTrainedTokenizerFast(tokenizer_object=rules, pad_token="[PAD]", unk_token="[UNK]")


def comment_lengths(rows: int) -> np.ndarray:
    """Lengths as comments have them: mostly short, some long."""
    return np.random.default_rng(0).lognormal(3, 0.8, rows).astype(np.int64).clip(4, 128)


def batches(lengths, batch_size=8, seed=0) -> list[list[int]]:
    return [rows.tolist() for rows in length_grouped_batches(lengths, batch_size, np.random.default_rng(seed))]


def test_tokens_are_the_same_from_one_thread_and_from_several(tokenizer, monkeypatch):
    words = ["one", "two", "three", "four", "five"]
    texts = [" ".join(words[(row * at) % 5] for at in range(row % 9 + 1)) for row in range(300)]
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    alone = encode(texts, tokenizer, 8)
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    assert encode(texts, tokenizer, 8).ids == alone.ids


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 8 * POOL, 8 * POOL + 1, 1003])
def test_every_row_occurs_once_an_epoch(rows):
    made = batches(comment_lengths(rows))
    assert sorted(row for batch in made for row in batch) == list(range(rows))
    sizes = sorted(len(batch) for batch in made)
    assert len(made) == -(-rows // 8)
    assert sizes[1:] == [8] * (len(made) - 1)  # one batch at most is smaller


def test_the_same_generator_gives_the_same_batches_and_another_gives_others():
    lengths = comment_lengths(300)
    assert batches(lengths, seed=1) == batches(lengths, seed=1)
    assert batches(lengths, seed=1) != batches(lengths, seed=2)


def test_one_generator_gives_other_batches_in_the_next_epoch():
    rng, lengths = np.random.default_rng(0), comment_lengths(300)
    first, second = (length_grouped_batches(lengths, 8, rng) for _ in range(2))
    assert [rows.tolist() for rows in first] != [rows.tolist() for rows in second]


def padding(lengths: np.ndarray, made: list[list[int]]) -> float:
    """The share of padding among all tokens."""
    padded = sum(lengths[batch].max() * len(batch) for batch in made)
    return 1 - lengths.sum() / padded


def test_grouping_by_length_spares_most_of_the_padding():
    lengths = comment_lengths(4000)
    order = np.random.default_rng(0).permutation(4000)
    in_random_order = padding(lengths, [order[at : at + 32].tolist() for at in range(0, 4000, 32)])
    grouped = padding(lengths, batches(lengths, batch_size=32))
    assert in_random_order > 0.5
    assert grouped < in_random_order / 5


def test_batches_of_a_pool_do_not_come_in_order_of_their_length():
    lengths = comment_lengths(8 * POOL)
    longest = [lengths[batch].max() for batch in batches(lengths)]
    assert len(longest) == POOL
    assert abs(np.corrcoef(longest, range(POOL))[0, 1]) < 0.4


def test_rows_of_equal_length_are_shuffled():
    made = batches(np.full(64, 10))
    assert all(batch != sorted(batch) for batch in made)


def test_batches_for_evaluation_take_the_longest_rows_first():
    made = [rows.tolist() for rows in fixed_batches(np.array([3, 9, 5, 9, 1]), 2)]
    assert made == [[1, 3], [2, 0], [4]]


# ---- batches of which a share has no label ----


def mixed(labelled: int, others: int, batch_size=8, share=0.5, epochs=3, seed=0) -> list[list[list[int]]]:
    rng = np.random.default_rng(seed)
    made = mixed_batches(comment_lengths(labelled + others), batch_size, rng, labelled=labelled, unlabelled_share=share)
    return [[rows.tolist() for rows in batches] for batches in islice(made, epochs)]


@pytest.mark.parametrize(
    ("batch_size", "share", "without"), [(8, 0.5, 4), (8, 0.25, 2), (8, 0.99, 7), (5, 0.5, 2), (3, 0.9, 2), (2, 0.5, 1)]
)
@pytest.mark.parametrize("labelled", [1, 13, 450])
def test_every_batch_has_its_share_of_rows_without_label_after_the_others(labelled, batch_size, share, without):
    assert rows_without_label(batch_size, share) == without
    for batches in mixed(labelled, 30, batch_size, share):
        assert len(batches) == -(-labelled // batch_size)  # as many as without them
        for batch in batches:
            assert len(batch) == batch_size
            assert all(row < labelled for row in batch[:-without])
            assert all(labelled <= row < labelled + 30 for row in batch[-without:])


@pytest.mark.parametrize(("labelled", "others"), [(40, 100), (100, 7), (450, 450)])
def test_no_row_comes_again_before_all_others_of_its_kind_did(labelled, others):
    epochs = mixed(labelled, others, epochs=8)
    batches = [batch for batches in epochs for batch in batches]
    for kind, count in ((range(labelled), labelled), (range(labelled, labelled + others), others)):
        seen = [row for batch in batches for row in batch if row in kind]
        counts = np.bincount(np.array(seen) - kind.start, minlength=count)
        assert len(seen) == 4 * len(batches)
        assert counts.max() - counts.min() <= 1
        # Also while it goes on: of the batches of a pool it isn't told which comes first.
        for end in range(POOL, len(batches), POOL) if labelled == 450 else ():
            part = np.bincount(np.array(seen[: 4 * end]) - kind.start, minlength=count)
            assert part.max() - part.min() <= 2


def test_mixed_batches_depend_on_their_seed_alone():
    assert mixed(40, 30, seed=1) == mixed(40, 30, seed=1)
    assert mixed(40, 30, seed=1) != mixed(40, 30, seed=2)
    first, second, _ = mixed(40, 30)
    assert first != second


def test_mixed_batches_spare_padding_too():
    lengths = comment_lengths(4000)
    made = mixed(2000, 2000, batch_size=32, epochs=1)[0]
    rows = np.concatenate(made)
    padded = sum(lengths[batch].max() * len(batch) for batch in made)
    assert 1 - lengths[rows].sum() / padded < 0.2
    assert abs(np.corrcoef([lengths[batch].max() for batch in made], range(len(made)))[0, 1]) < 0.4


def test_rows_follow_others(tokenizer):
    first, second = (EncodedRows(ids=ids, tokenizer=tokenizer) for ids in ([[1, 2]], [[1, 3, 2], [1, 4, 2]]))
    both = first.followed_by(second)
    assert list(both.ids) == [[1, 2], [1, 3, 2], [1, 4, 2]]
    assert both.lengths.tolist() == [2, 3, 3]
    assert len(first) == 1


def test_encode_cuts_texts_and_does_not_pad(tokenizer):
    encoded = encode(["one two", "three", "one two three four four four"], tokenizer, max_length=5)
    assert encoded.ids == [[1, 3, 4, 2], [1, 5, 2], [1, 3, 4, 5, 2]]
    assert encoded.lengths.tolist() == [4, 3, 5]
    assert len(encoded) == 3


def test_collate_pads_to_the_longest_of_the_batch(tokenizer):
    encoded = EncodedRows(ids=[[1, 3, 2], [1, 3, 4, 5, 6, 2], [1, 4, 5, 2]], tokenizer=tokenizer)
    inputs = collate(encoded, np.array([2, 0]))
    assert inputs.keys() == {"input_ids", "attention_mask"}
    assert inputs["input_ids"].tolist() == [[1, 4, 5, 2], [1, 3, 2, 7]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert inputs["input_ids"].dtype == inputs["attention_mask"].dtype == torch.int64
    assert collate(encoded, np.array([1]))["input_ids"].shape == (1, 6)
    assert encoded.ids[0] == [1, 3, 2]
