"""What networks are shown: the same game, other planes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import envs
from agents.alphago import features
from agents.files import AgentFile, load_agent, save_agent
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.planes import seen_by
from agents.players import make_player
from agents.runtime import RuntimeSettings, create
from agents.search import SearchSettings
from envs import TerritoryGame, random_actions
from envs.go import Go


def test_a_game_seen_by_other_planes_is_the_same_game() -> None:
    game = envs.make("go5:komi=2.5,superko=situational")
    states, rng = game.reset(30), np.random.default_rng(0)
    for _ in range(12):
        states = game.step(states, random_actions(game.legal(states), rng))
    for word, count in (("alphago48", 48), ("alphago49", 49)):
        seen = seen_by(word, game)
        assert isinstance(seen, Go)
        assert isinstance(seen, TerritoryGame)
        assert seen.name == game.name
        assert np.array_equal(seen.legal(states), game.legal(states))
        planes = seen.observe(states)
        assert planes.shape == (30, count, 5, 5)
        assert len(seen.planes) == count
        assert np.array_equal(planes[:, :48], features.observe(game, states))
        again = seen_by("game", seen)
        assert again.planes == game.planes
        assert np.array_equal(again.observe(states), game.observe(states))
    assert np.array_equal(planes[:, 48, 0, 0], states["to_play"] == 0)


def test_planes_of_go_are_refused_elsewhere() -> None:
    with pytest.raises(ValueError, match="planes=alphago48 is for Go; for hex"):
        seen_by("alphago48", envs.make("hex5"))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_openvino_is_shown_the_same(precision: str) -> None:
    pytest.importorskip("openvino")
    game, network = seen_by("alphago49", envs.make("go5")), NetworkSettings(planes="alphago49", blocks=1, channels=8)
    settings = RuntimeSettings.model_validate({"engine": "openvino", "precision": precision, "threads": 1})
    answers = []
    for choice in (settings, RuntimeSettings(engine="torch", device="cpu", precision="fp32")):
        torch.manual_seed(0)
        runtime = create(envs.make("go5"), network, choice)
        states = game.step(game.reset(3), np.array([3, 7, 12]))
        answers.append(runtime.evaluate(game.observe(states), game.legal(states)))
    np.testing.assert_allclose(answers[0].priors, answers[1].priors, atol=0.02)
    np.testing.assert_allclose(answers[0].values, answers[1].values, atol=0.05)


def test_an_agent_of_other_planes_plays_from_its_file(tmp_path: Path) -> None:
    game, network = envs.make("go5"), NetworkSettings(planes="alphago48", blocks=1, channels=8)
    weights = PolicyValueNetwork(game, network).state_dict()
    save_agent(tmp_path / "a.safetensors", AgentFile(game, network, SearchSettings(), 4, weights, {}))
    assert len(load_agent(tmp_path / "a.safetensors").game.planes) == 48
    states = game.reset(2)
    actions = make_player(game, str(tmp_path / "a.safetensors"), seed=0)(states, np.random.default_rng(0))
    assert game.legal(states)[np.arange(2), actions].all()
