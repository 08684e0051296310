"""Which layers a student keeps: a strategy or a list becomes layer numbers, counted from 1 at the embedding side."""

from collections.abc import Sequence

from foreshot.errors import ConfigError


def layer_map(layers: str | Sequence[int], depth: int, *, ranking: Sequence[int] = ()) -> tuple[int, ...]:
    """The numbers of the layers kept from an encoder with `depth` layers: student layer i is layer `map[i - 1]`.

    "odd" is 1, 3, 5, …; "even" is 2, 4, 6, …; "spaced:K" takes K layers at even distances and keeps the last
    (for 12 layers and K = 4: 3, 6, 9, 12), as in Sun et al. 2019, "skip". "ends:K" drops the middle: "symmetric" in
    Sajjad et al. 2023; of an odd K the lower end gets one more. Strategies that are measured need `ranking`, all
    layers from the one to keep first to the one to drop first; kept layers stay in their order.

    Raises ConfigError when a number is beyond the encoder's depth.
    """
    if not isinstance(layers, str):
        if max(layers) > depth:
            raise ConfigError(f"layers {list(layers)}: the encoder has only {depth} layers")
        return tuple(layers)
    strategy, _, count_text = layers.partition(":")
    count = int(count_text) if count_text else 0
    if count > depth:
        raise ConfigError(f"layers {layers!r}: the encoder has only {depth} layers")
    if strategy == "even" and depth < 2:
        raise ConfigError("layers 'even': the encoder has only 1 layer")
    numbers = {
        "all": range(1, depth + 1),
        "odd": range(1, depth + 1, 2),
        "even": range(2, depth + 1, 2),
        "first": range(1, count + 1),
        "last": range(depth - count + 1, depth + 1),
        "ends": [*range(1, count - count // 2 + 1), *range(depth - count // 2 + 1, depth + 1)],
        "influence": sorted(ranking[:count]),
        "greedy": sorted(ranking[:count]),
        "spaced": [-(-depth * i // count) for i in range(1, count + 1)] if count else [],
    }
    return tuple(numbers[strategy])
