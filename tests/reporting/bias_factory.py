"""What judging finds about identity groups: the project's own function on seeded scores, small and plausible."""

from functools import lru_cache
from unittest.mock import patch

import numpy as np

from foreshot.judging import bootstrap
from foreshot.judging import identity_bias as judging
from foreshot.results.identity import IdentityBias

IDENTITIES = ("women", "Muslims", "disabled people", "walnut growers")
"""The last one is hardly mentioned."""
ROWS = 600
SKILLS = {"teacher": 2.4, "odd": 2.3, "even": 2.0, "lora": 3.2, "odd-lora": 1.9}
BIASED = "lora"
"""A model that takes the mention of the first group for toxic."""


@lru_cache
def make_identity_bias(models: tuple[str, ...], seeds: tuple[int, ...], groups: tuple[str, ...]) -> IdentityBias:
    """The models' AUCs for these groups; the teacher, which is the first model, has the first seed alone."""
    rng = np.random.default_rng(11)
    positive = rng.random(ROWS) < 0.35
    mentions = {group: rng.random(ROWS) < 0.2 for group in groups}
    mentions[groups[-1]] = np.isin(np.arange(ROWS), np.flatnonzero(positive)[:4])
    common = rng.normal(size=ROWS)
    scores = {}
    for number, model in enumerate(models):
        noise = np.random.default_rng(number).normal(size=(1 if model == models[0] else len(seeds), ROWS))
        scores[model] = SKILLS.get(model, 2.0) * positive + common + 0.4 * noise
        if model == BIASED:
            scores[model] += 1.6 * mentions[groups[0]]
    with patch.object(bootstrap, "RESAMPLES", 199), patch.object(bootstrap, "RESAMPLES_PER_PAIR", 40):
        return judging.identity_bias(scores, positive, mentions, teacher=models[0], source="terms.csv")
