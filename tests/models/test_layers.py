"""Strategies and lists become layer numbers, counted from 1 at the embedding side."""

import itertools

import pytest

from foreshot.errors import ConfigError
from foreshot.models.layers import layer_map


@pytest.mark.parametrize(
    ("layers", "depth", "kept"),
    [
        ("all", 4, (1, 2, 3, 4)),
        ("odd", 12, (1, 3, 5, 7, 9, 11)),
        ("even", 12, (2, 4, 6, 8, 10, 12)),
        ("odd", 6, (1, 3, 5)),
        ("even", 6, (2, 4, 6)),
        ("odd", 7, (1, 3, 5, 7)),
        ("even", 7, (2, 4, 6)),
        ("odd", 1, (1,)),
        ("even", 2, (2,)),
        ("all", 1, (1,)),
        ("first:3", 12, (1, 2, 3)),
        ("first:12", 12, tuple(range(1, 13))),
        ("last:3", 12, (10, 11, 12)),
        ("last:12", 12, tuple(range(1, 13))),
        ("last:1", 1, (1,)),
        ("spaced:4", 12, (3, 6, 9, 12)),
        ("spaced:6", 12, (2, 4, 6, 8, 10, 12)),
        ("spaced:1", 12, (12,)),
        ("spaced:12", 12, tuple(range(1, 13))),
        ("spaced:5", 12, (3, 5, 8, 10, 12)),
        ("spaced:3", 7, (3, 5, 7)),
        ("ends:4", 12, (1, 2, 11, 12)),
        ("ends:5", 12, (1, 2, 3, 11, 12)),
        ("ends:4", 7, (1, 2, 6, 7)),
        ("ends:5", 7, (1, 2, 3, 6, 7)),
        ("ends:3", 6, (1, 2, 6)),
        ("ends:1", 6, (1,)),
        ("ends:2", 2, (1, 2)),
        ("ends:6", 6, (1, 2, 3, 4, 5, 6)),
        ((1, 4, 12), 12, (1, 4, 12)),
        ((4, 1), 6, (4, 1)),
        ((1, 3, 3, 2), 6, (1, 3, 3, 2)),
        ([12], 12, (12,)),
    ],
)
def test_layer_map(layers, depth, kept):
    assert layer_map(layers, depth) == kept


@pytest.mark.parametrize("depth", range(2, 26))
def test_odd_and_even_share_no_layer_and_leave_none_out(depth):
    odd, even = layer_map("odd", depth), layer_map("even", depth)
    assert sorted(odd + even) == list(range(1, depth + 1))
    assert odd[0] == 1
    assert even[0] == 2


@pytest.mark.parametrize("depth", range(1, 26))
def test_spaced_layers_are_as_many_as_asked_rise_evenly_and_end_with_the_last(depth):
    for count in range(1, depth + 1):
        kept = (0, *layer_map(f"spaced:{count}", depth))
        steps = [high - low for low, high in itertools.pairwise(kept)]
        assert len(steps) == count
        assert kept[-1] == depth
        assert min(steps) >= 1
        assert max(steps) - min(steps) <= 1


@pytest.mark.parametrize("strategy", ["first", "last", "spaced", "ends", "influence", "greedy"])
@pytest.mark.parametrize("depth", range(1, 14))
def test_counted_layers_are_as_many_as_asked_and_rise(strategy, depth):
    ranking = list(range(2, depth + 1, 2)) + list(range(1, depth + 1, 2))
    for count in range(1, depth + 1):
        kept = layer_map(f"{strategy}:{count}", depth, ranking=ranking)
        assert len(kept) == count
        assert 1 <= min(kept) <= max(kept) <= depth
        assert all(low < high for low, high in itertools.pairwise(kept))


@pytest.mark.parametrize("depth", range(2, 14))
def test_the_ends_are_what_is_left_when_the_middle_is_dropped(depth):
    for count in range(1, depth + 1):
        dropped = sorted(set(range(1, depth + 1)) - set(layer_map(f"ends:{count}", depth)))
        assert dropped == list(range(dropped[0], dropped[-1] + 1)) if dropped else count == depth
        below, above = (dropped[0] - 1, depth - dropped[-1]) if dropped else (0, 0)
        assert below - above in {0, 1}


@pytest.mark.parametrize("strategy", ["influence", "greedy"])
def test_measured_layers_are_the_first_of_the_ranking_in_the_encoders_order(strategy):
    ranking = (5, 1, 6, 2, 4, 3)
    assert layer_map(f"{strategy}:1", 6, ranking=ranking) == (5,)
    assert layer_map(f"{strategy}:3", 6, ranking=ranking) == (1, 5, 6)
    assert layer_map(f"{strategy}:6", 6, ranking=ranking) == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("layers", "depth", "message"),
    [
        ("first:13", 12, "layers 'first:13': the encoder has only 12 layers"),
        ("last:13", 12, "layers 'last:13': the encoder has only 12 layers"),
        ("spaced:7", 6, "layers 'spaced:7': the encoder has only 6 layers"),
        ("ends:7", 6, "layers 'ends:7': the encoder has only 6 layers"),
        ("influence:7", 6, "layers 'influence:7': the encoder has only 6 layers"),
        ("greedy:7", 6, "layers 'greedy:7': the encoder has only 6 layers"),
        ((7, 1), 6, r"layers \[7, 1\]: the encoder has only 6 layers"),
        ((1, 7), 6, r"layers \[1, 7\]: the encoder has only 6 layers"),
        ("even", 1, "layers 'even': the encoder has only 1 layer"),
    ],
)
def test_layers_beyond_the_encoder_are_refused(layers, depth, message):
    with pytest.raises(ConfigError, match=message):
        layer_map(layers, depth)
