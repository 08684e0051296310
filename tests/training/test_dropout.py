"""Dropout from 16 bits an element: which values go, how the rest is scaled, and that nothing else changes."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from foreshot.training.dropout import attention, dropout, quick_dropout


def test_values_are_zero_or_scaled():
    torch.manual_seed(0)
    values = torch.arange(1.0, 5001.0)
    found = dropout(values, 0.25)
    kept = found != 0
    torch.testing.assert_close(found[kept], values[kept] / 0.75)
    # Of 5,000 draws the share that is dropped lies within four standard deviations.
    assert abs((~kept).float().mean() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 5000)


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_each_of_the_four_draws_of_a_word_drops_alike(probability):
    """The generator's integers have 63 bits unless all 64 are asked for: the fourth draw would never be negative."""
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(40_000), probability) == 0).view(-1, 4).float().mean(dim=0)
    deviation = math.sqrt(probability * (1 - probability) / 10_000)
    assert (dropped - probability).abs().max() < 4 * deviation


def test_neighbouring_draws_are_independent():
    torch.manual_seed(0)
    dropped = (dropout(torch.ones(40_000), 0.5) == 0).view(-1, 4).double()
    correlations = torch.corrcoef(dropped.T) - torch.eye(4)
    assert correlations.abs().max() < 4 / math.sqrt(10_000)


def test_a_seed_gives_the_same_mask_and_another_another():
    values, masks = torch.ones(3, 7, 5), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropout(values, 0.3))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_none_or_all(probability, expected):
    assert torch.equal(dropout(torch.ones(9), probability), torch.full((9,), expected))


def test_gradients_go_where_values_do():
    torch.manual_seed(0)
    values = torch.ones(100, requires_grad=True)
    found = dropout(values, 0.5)
    found.sum().backward()
    assert torch.equal(values.grad, found.detach())


@pytest.mark.parametrize("mask", ["none", "boolean", "added"])
def test_attention_is_pytorchs_where_nothing_is_dropped(mask):
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    seen = torch.ones(2, 1, 5, 5, dtype=torch.bool)
    seen[1, :, :, 3:] = False
    masks = {"none": None, "boolean": seen, "added": torch.randn(2, 3, 5, 5)}
    expected = F.scaled_dot_product_attention(query, key, value, masks[mask], scale=0.3)
    torch.testing.assert_close(attention(query, key, value, masks[mask], scale=0.3), expected)


def test_causal_attention_is_pytorchs():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 3, 5, 4) for _ in range(3))
    expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
    torch.testing.assert_close(attention(query, key, value, is_causal=True), expected)


def test_within_the_block_modules_and_attention_draw_so():
    values, module = torch.ones(1000), nn.Dropout(0.4)
    query = torch.randn(1, 2, 6, 4)
    torch.manual_seed(3)
    expected = dropout(values, 0.4), attention(query, query, query, dropout_p=0.2)
    torch.manual_seed(3)
    with quick_dropout():
        found = module(values), F.scaled_dot_product_attention(query, query, query, dropout_p=0.2)
        assert torch.equal(module.eval()(values), values)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    torch.manual_seed(3)
    assert not torch.equal(module.train()(values), expected[0])  # afterwards it is PyTorch's again
