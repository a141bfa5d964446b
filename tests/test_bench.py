"""What the measurements measure: self-play goes on, whatever ends it, and the second call is the same network's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import envs
from agents.evaluators import masked_softmax, uniform
from agents.network import NetworkSettings
from agents.runtime import RuntimeSettings
from agents.search import SearchSettings
from arena.bench import SelfPlayOnTime
from arena.selfplay import SelfPlay, SelfPlaySettings
from arena.workers import Job, jobs

GAME, SEARCH = envs.make("tictactoe"), SearchSettings(rule="gumbel")


def test_games_may_open_with_more_random_plies_than_they_can_have() -> None:
    settings = SelfPlaySettings(games=8, slots=32, simulations=4, random_plies=40)
    samples, stats = SelfPlay(GAME, settings, SEARCH).play(uniform(GAME), np.random.default_rng(0))
    assert len(stats.games) >= 8
    assert len(samples) > 0


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_self_play_on_time_can_be_asked_again_with_and_without_cache_and_second_calls(engine: str) -> None:
    network = NetworkSettings(blocks=1, channels=4)
    runtime = RuntimeSettings(engine="torch", device="cpu", precision="fp32", threads=2)
    for cache in (0, 64):
        whole = Job(GAME.name, network, runtime, SEARCH, SelfPlaySettings(slots=8, simulations=4), cache)
        selfplay = SelfPlayOnTime(jobs(whole, 2), engine)
        first, second = selfplay.play(0.0), selfplay.play(0.0, twice=cache == 0)
        assert first.positions > 0
        assert (second.ratio > 0) == (cache == 0)
        selfplay.close()


def test_masked_softmax_is_torchs_over_the_legal_actions() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=9, size=(50, 82)).astype(np.float32)
    legal = rng.random(logits.shape) < 0.5
    legal[:, 0] = True
    logits[~legal] += 300  # what stands there must not matter
    truth = torch.from_numpy(np.where(legal, logits, -np.inf)).softmax(dim=1).numpy()
    np.testing.assert_allclose(masked_softmax(logits, legal), truth, atol=1e-6)
    for wrong in (np.nan, np.inf):
        broken = logits.copy()
        broken[7, 0] = wrong
        with pytest.raises(FloatingPointError, match="no number"):
            masked_softmax(broken, legal)
