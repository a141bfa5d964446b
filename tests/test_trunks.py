"""Every trunk is at home in the same network: heads, learner, both runtimes, files and training take it."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest
import torch

import agents
import envs
from agents.files import load_agent
from agents.network import TRUNKS, NetworkSettings, PolicyValueNetwork, Trunk, fold_normalisation
from agents.openvino_runtime import OpenVINORuntime
from agents.runtime import TorchRuntime
from arena.config import Config, smoke
from arena.learner import Learner, TrainSettings
from arena.settings import SettingsError, find_config, load
from envs import Game
from tests.learning import run_here, start_samples

GAME = envs.make("connect_four")
each_trunk = pytest.mark.parametrize("trunk", TRUNKS)


def small(trunk: Trunk, blocks: int = 2) -> NetworkSettings:
    return NetworkSettings(
        trunk=trunk, blocks=blocks, channels=16, mlp_hidden=64, squeeze_excitation=trunk == "residual"
    )


@functools.cache
def trained(settings: NetworkSettings) -> dict[str, torch.Tensor]:
    """Weights after a few steps: statistics have moved, answers differ."""
    torch.manual_seed(0)
    learner = Learner(GAME, settings, TrainSettings(batch=32, lr=0.01, warmup=0, ema=0.5))
    list(learner.train(start_samples(GAME, 64, seed=3), 10, np.random.default_rng(0), progress=0.0))
    return learner.play_weights()


def positions(game: Game, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Observations and legal actions of `n` positions three random plies deep."""
    states, rng = game.reset(n), np.random.default_rng(0)
    for _ in range(3):
        states = game.step(states, envs.random_actions(game.legal(states), rng))
    return game.observe(states), game.legal(states)


@each_trunk
@pytest.mark.parametrize("blocks", [0, 2])
def test_trunks_give_channels_for_every_point(trunk: Trunk, blocks: int) -> None:
    game = envs.make("breakthrough")
    network = PolicyValueNetwork(game, small(trunk, blocks)).eval()
    planes, _ = positions(game, 5)
    assert network.trunk(torch.from_numpy(planes).float()).shape == (5, 16, *game.board_shape)
    assert network(torch.from_numpy(planes).float()).policy.shape == (5, game.num_actions)


@each_trunk
def test_how_far_a_trunk_sees(trunk: Trunk) -> None:
    """A stone in one corner of 9x9, the features of the other: seen at once by MLP and attention, convolutions need depth."""
    game = envs.make("gomoku9")
    torch.manual_seed(0)
    plain = NetworkSettings(trunk=trunk, blocks=1, channels=16)
    seen = []
    for blocks in (1, 12):
        network = PolicyValueNetwork(game, plain.model_copy(update={"blocks": blocks})).double().eval()
        empty = torch.zeros(1, len(game.planes), 9, 9, dtype=torch.float64)
        stone = empty.clone()
        stone[0, 0, 0, 0] = 1
        difference = (network.trunk(stone) - network.trunk(empty))[0].abs().amax(dim=0)
        seen.append([bool(difference[4, 4] > 0), bool(difference[8, 8] > 0)])
    everywhere = trunk in ("mlp", "transformer")
    assert seen == [[everywhere, everywhere], [True, True]]


@each_trunk
def test_every_trunk_overfits_one_batch(trunk: Trunk) -> None:
    torch.manual_seed(0)
    learner = Learner(GAME, small(trunk, blocks=1), TrainSettings(batch=32, lr=0.01, warmup=10))
    samples = start_samples(GAME, 16, seed=1)
    steps = list(learner.train(samples, 240, np.random.default_rng(0), progress=0.0))
    excess = [step["loss/policy"] - step["train/target_entropy"] for step in steps]
    errors = [step["train/value_mse"] for step in steps]
    assert errors[0] > 0.3
    assert excess[0] > 0.7
    # Of twenty steps: what a single step shows depends on the samples it drew, and on the processor's rounding.
    assert np.mean(errors[-20:]) < 0.15
    assert np.mean(excess[-20:]) < 0.2


@each_trunk
def test_folding_changes_nothing_in_play_whatever_the_trunk(trunk: Trunk) -> None:
    settings = small(trunk, blocks=1)
    network = PolicyValueNetwork(GAME, settings)
    network.load_state_dict(trained(settings))
    network.eval()
    planes = torch.from_numpy(positions(GAME, 64)[0]).float()
    before = network(planes)
    fold_normalisation(network)
    after = network(planes)
    assert before.value.std() > 1e-3
    assert torch.allclose(before.policy, after.policy, atol=1e-4)
    assert torch.allclose(before.value, after.value, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


@each_trunk
def test_all_runtimes_answer_alike_whatever_the_trunk(trunk: Trunk) -> None:
    settings = small(trunk, blocks=1)
    weights = trained(settings)
    planes, legal = positions(GAME, 35)
    runtimes = {
        "torch fp32": TorchRuntime(GAME, settings),
        "torch bf16": TorchRuntime(GAME, settings, precision="bf16"),
        "openvino fp32": OpenVINORuntime(GAME, settings, precision="fp32", threads=2),
    }
    answers = {}
    for name, runtime in runtimes.items():
        runtime.load(weights)
        answers[name] = runtime.evaluate(planes, legal)
    reference = answers.pop("torch fp32")
    assert reference.values.std() > 1e-3  # there is something to agree on
    for name, found in answers.items():
        tolerance = 1e-4 if name.endswith("fp32") else 0.05
        np.testing.assert_allclose(found.priors, reference.priors, atol=tolerance, err_msg=name)
        np.testing.assert_allclose(found.values, reference.values, atol=tolerance, err_msg=name)
        one = runtimes[name].evaluate(planes[:1], legal[:1])
        np.testing.assert_allclose(one.values, reference.values[:1], atol=tolerance, err_msg=name)


@each_trunk
def test_bf16_training_is_finite_and_learns(trunk: Trunk) -> None:
    torch.manual_seed(0)
    settings = TrainSettings(batch=32, lr=0.005, warmup=5, precision="bf16")
    learner = Learner(GAME, small(trunk, blocks=1), settings)
    steps = list(learner.train(start_samples(GAME, 16, seed=1), 20, np.random.default_rng(0), progress=0.0))
    assert steps[-1]["loss/total"] < steps[0]["loss/total"]


@each_trunk
def test_a_tiny_run_trains_saves_and_rates_an_agent(trunk: Trunk, tmp_path: Path) -> None:
    run_here(smoke(load(Config, find_config("tictactoe"), [f"network.trunk={trunk}"])), tmp_path / "run")
    agent = load_agent(tmp_path / "run" / "agents" / "000002.safetensors")
    assert agent.network.trunk == trunk


def test_shipped_agents_of_before_there_were_trunks_still_load() -> None:
    files = sorted((Path(agents.__file__).parent / "data").glob("*.safetensors"))
    assert files
    for file in files:
        assert load_agent(file).network.trunk == "residual"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("network.trunk=resnet", "trunk"),
        ("network.global_pooling=true", "global_pooling is for the residual trunk"),
        ("network.channels=30", "attention_heads must divide channels: 30 is no multiple of 4"),
    ],
)
def test_settings_that_do_not_fit_the_trunk_are_named(override: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(Config, find_config("tictactoe"), ["network.trunk=transformer", override])
