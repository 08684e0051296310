"""Rounding: against values worked out by hand and against all there are; what it saves; that no CPU clips a pair."""

import itertools

import numpy as np
import pytest
import torch

from foreshot.exporting.rounding import Inputs, rounded, scales_of


def correlated(rows: int, inputs: int, seed: int = 0) -> torch.Tensor:
    """Inputs (rows, inputs) that much depend on each other, as activations do: of few directions, and some noise."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(max(2, inputs // 6), inputs, generator=generator)
    mixed = torch.randn(rows, len(directions), generator=generator) @ directions
    return mixed + 0.3 * torch.randn(rows, inputs, generator=generator)


def weights(outputs: int, inputs: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(outputs, inputs, generator=torch.Generator().manual_seed(seed)) * 0.05


def error(weight: torch.Tensor, scale: torch.Tensor, whole: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """The power (outputs,) of what rounding changes in the outputs, but for what it changes in their means."""
    return ((whole * scale[:, None] - weight) @ (states - states.mean(dim=0)).T).square().sum(dim=1)


def covariance(states: torch.Tensor) -> torch.Tensor:
    return torch.cov(states.T, correction=0)


def test_mean_and_covariance_are_those_of_all_rows() -> None:
    """However far from 0 a channel is: in float32 the squares of 1,000 and the square of 1,000 are the same."""
    states = correlated(300, 6) * 0.01 + torch.tensor([1000.0, 0, -50, 1, 0, 7])
    inputs = Inputs()
    for rows in states.split([7, 143, 150]):
        inputs.add(rows)
    assert inputs.mean.numpy() == pytest.approx(states.double().mean(dim=0).numpy(), rel=1e-6, abs=1e-6)
    expected = np.cov(states.double().T.numpy(), bias=True)
    assert inputs.covariance.numpy() == pytest.approx(expected, abs=0.01 * float(np.abs(expected).max()))


def test_scales_by_hand() -> None:
    """A largest weight of 127 steps, or a pair of 128; weights of unlike signs are no pair."""
    weight = torch.tensor([[1.0, -1, 0.5, 0.25], [0.5, 0.5, 0, 0.1], [-0.75, -0.25, 0.2, 0.5], [0, 0, 0, 0]])
    assert scales_of(weight)[:3].tolist() == pytest.approx([1 / 127, 1 / 128, 1 / 128])
    assert 0 < float(scales_of(weight)[3]) < 1e-6
    assert scales_of(weight[:, 1:])[:2].tolist() == pytest.approx([1 / 127, 0.5 / 127])  # the last one is alone


def test_a_weight_that_rounding_changed_is_made_up_for_by_the_next() -> None:
    """Two inputs that are always equal: their weights of 0.4 and 0.4 steps add up to 0.8, so one of them is 1.

    The first goes to 0; what it lacks, 0.4, goes to the second, which is 0.8 then. Alone each goes to 0.
    """
    weight = torch.tensor([[0.4, 0.4], [0.4, -0.4], [2.3, 1.3]])
    equal = torch.ones(2, 2)
    assert rounded(weight, torch.ones(3), equal).tolist() == [[0, 1], [0, 0], [2, 2]]
    assert rounded(weight, torch.ones(3)).tolist() == [[0, 0], [0, 0], [2, 1]]
    assert rounded(weight, torch.ones(3), torch.eye(2)).tolist() == [[0, 0], [0, 0], [2, 1]]


def test_the_error_is_below_that_of_rounding_to_nearest() -> None:
    """On the very inputs and on others of their kind: in all outputs together by more than half, in nearly each."""
    inputs = 200  # more than a block
    states, others = correlated(4000, inputs)[:3000], correlated(4000, inputs)[3000:]
    weight = weights(40, inputs)
    scale = scales_of(weight)
    by_inputs, nearest = rounded(weight, scale, covariance(states)), rounded(weight, scale)
    for seen in (states, others):
        ours, theirs = (error(weight, scale, whole, seen) for whole in (by_inputs, nearest))
        assert ours.sum() < 0.5 * theirs.sum()
        assert (ours < theirs).float().mean() > 0.9


def test_small_layers_come_near_the_best_there_is() -> None:
    """Of all ways to round four weights down or up: GPTQ is greedy, and at most half as good again in the mean."""
    states = correlated(200, 4, seed=3)
    weight = weights(30, 4)
    scale = weight.abs().amax(dim=1) / 5
    ways = torch.tensor(list(itertools.product((0, 1), repeat=4)))
    low = (weight / scale[:, None]).floor()
    best = torch.stack([error(weight, scale, low + way, states) for way in ways]).amin(dim=0)
    ours = error(weight, scale, rounded(weight, scale, covariance(states)), states)
    nearest = error(weight, scale, rounded(weight, scale), states)
    assert ours.sum() < 1.5 * best.sum()
    assert ours.sum() < nearest.sum()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    states, weight = correlated(500, 50), weights(8, 50)
    scale, moments = scales_of(weight), covariance(states)
    whole = rounded(weight, scale, moments)
    for block in (1, 7, 50):
        monkeypatch.setattr("foreshot.exporting.rounding.BLOCK", block)
        assert torch.equal(rounded(weight, scale, moments), whole)


@pytest.mark.parametrize("inputs", [63, 64])
@pytest.mark.parametrize("by_inputs", [True, False])
def test_no_pair_is_more_than_16_bits_hold(inputs: int, by_inputs: bool) -> None:
    """Also where rounding would put the whole of a row's error on a weight that is large already."""
    weight = weights(300, inputs)
    weight[::3] = weight[::3].sign() * 0.05  # all as large as can be: pairs of 64 and 64
    states = correlated(300, inputs) + 5
    whole = rounded(weight, scales_of(weight), covariance(states) if by_inputs else None).numpy().astype(int)
    pairs = np.pad(whole, ((0, 0), (0, inputs % 2))).reshape(len(whole), -1, 2)
    assert 255 * np.maximum(pairs, 0).sum(axis=2).max() == 255 * 128 < 2**15
    assert 255 * np.minimum(pairs, 0).sum(axis=2).min() == -255 * 128 >= -(2**15)
    assert np.abs(whole).max() <= 127


@pytest.mark.parametrize("power", [0.0, float("inf"), float("nan")])
def test_inputs_that_tell_nothing_are_left_out(power: float) -> None:
    weight = weights(4, 6)
    scale = scales_of(weight)
    assert torch.equal(rounded(weight, scale, torch.full((6, 6), power)), rounded(weight, scale))


def test_rounding_to_nearest_leaves_room_for_a_pair_too():
    """Both halves round up here: 10 and 119, of which a CPU without VNNI would clip the sum."""
    weight = torch.tensor([[0.13015, 1.62345]])
    assert int(rounded(weight, scales_of(weight)).to(torch.int32).sum()) <= 128
