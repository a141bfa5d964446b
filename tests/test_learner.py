"""The learner: it overfits one batch, its losses are least at their targets, and it goes on from what it saved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

import envs
from agents.network import NetworkSettings, Output, for_play
from arena.learner import Batch, Learner, TrainSettings, calibration_error, losses, softened, unpack
from arena.replay import Replay, ReplaySettings
from tests.learning import start_samples


@pytest.mark.parametrize("name", ["connect_four", "go5"])
def test_overfits_one_batch(name: str) -> None:
    game = envs.make(name)
    torch.manual_seed(0)
    settings = TrainSettings(batch=64, lr=0.01, warmup=0, ema=0.9)
    learner = Learner(game, NetworkSettings(blocks=1, channels=16, territory=name == "go5"), settings)
    samples = start_samples(game, 16, seed=1)
    steps = list(learner.train(samples, 150, np.random.default_rng(0), progress=0.0))
    assert steps[0]["train/value_mse"] > 0.3
    assert steps[-1]["train/value_mse"] < 0.15
    assert steps[-1]["loss/policy"] - steps[-1]["train/target_entropy"] < 0.25


def test_the_step_that_breaks_the_weights_ends_the_run_before_they_play() -> None:
    """The next loss would tell, but after the last step of an iteration there is none."""
    game = envs.make("tictactoe")
    settings = TrainSettings(batch=8, optimiser="sgd", lr=1e38, weight_decay=1e10, warmup=0)
    learner = Learner(game, NetworkSettings(blocks=0, channels=4), settings)
    with pytest.raises(FloatingPointError, match="weights are no numbers after step 1"):
        list(learner.train(start_samples(game, 8, seed=1), 1, np.random.default_rng(0), progress=0.0))


@pytest.mark.parametrize(
    ("schedule", "middle", "end"), [("cosine", 0.55, 0.1), ("linear", 0.55, 0.1), ("constant", 1.0, 1.0)]
)
def test_learning_rate_warms_up_and_follows_its_schedule(schedule: str, middle: float, end: float) -> None:
    settings = TrainSettings.model_validate({"schedule": schedule, "lr": 1.0, "lr_final": 0.1, "warmup": 4})
    learner = Learner(envs.make("tictactoe"), NetworkSettings(blocks=0, channels=4), settings)
    assert learner.learning_rate(0.0) == 0.25
    learner.steps = 4
    assert [learner.learning_rate(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, middle, end])
    quarter = learner.learning_rate(0.25)
    assert quarter == {"cosine": pytest.approx(0.868, abs=1e-3), "linear": 0.775, "constant": 1.0}[schedule]


@pytest.mark.parametrize(("optimiser", "momentum"), [("adamw", 0.9), ("sgd", 0.9), ("sgd", 0.0)])
def test_every_optimiser_goes_on_from_its_saved_state(optimiser: str, momentum: float) -> None:
    game = envs.make("tictactoe")
    settings = TrainSettings.model_validate({"optimiser": optimiser, "momentum": momentum, "batch": 16})
    samples, network = start_samples(game, 32, seed=1), NetworkSettings(blocks=1, channels=8)
    torch.manual_seed(0)
    whole, part = Learner(game, network, settings), Learner(game, network, settings)
    rng = np.random.default_rng(0)
    list(whole.train(samples, 3, rng, progress=0.0))
    part.restore(whole.tensors(), whole.steps)
    state = rng.bit_generator.state
    list(whole.train(samples, 3, rng, progress=0.5))
    rng.bit_generator.state = state
    list(part.train(samples, 3, rng, progress=0.5))
    assert all(torch.equal(tensor, part.tensors()[name]) for name, tensor in whole.tensors().items())


def test_losses_are_least_at_their_targets() -> None:
    """Worked: cross-entropy against a uniform target over two legal moves is log 2 when right and more when not."""
    legal = torch.tensor([[True, True, False]])
    target = torch.tensor([[0.5, 0.5, 0.0]])
    nothing = torch.zeros(1, 0)
    batch = Batch(torch.zeros(1, 1, 1, 1), legal, target, torch.tensor([1.0]), nothing, torch.zeros(1), nothing)
    right = losses(Output(torch.tensor([[1.0, 1.0, 9.0]]), torch.tensor([20.0]), None, None), batch)
    wrong = losses(Output(torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([-2.0]), None, None), batch)
    assert right.policy.item() == pytest.approx(np.log(2), abs=1e-6)
    assert wrong.policy > right.policy
    assert right.value.item() == pytest.approx(0, abs=1e-6)
    assert wrong.value.item() == pytest.approx(np.log1p(np.exp(2)), abs=1e-5)


@pytest.mark.parametrize("name", ["connect_four", "go5"])
def test_auxiliary_heads_learn_their_targets_and_do_not_play(name: str) -> None:
    """The opponent's reply, and the policy flattened, where the policy itself is learned with next to no weight."""
    game = envs.make(name)
    torch.manual_seed(0)
    network = NetworkSettings(blocks=1, channels=16, reply=True, soft_policy=True)
    settings = TrainSettings(
        batch=64, lr=0.01, warmup=0, ema=0.9, policy_weight=1e-3, reply_weight=1.0, soft_weight=1.0
    )
    learner = Learner(game, network, settings)
    samples = start_samples(game, 16, seed=1)
    replies = np.eye(game.num_actions, dtype=np.float32)[np.arange(len(samples)) % game.num_actions]
    replies[0] = 0  # the game was over
    samples = dataclasses.replace(samples, reply=replies)
    steps = list(learner.train(samples, 150, np.random.default_rng(0), progress=0.0))
    assert steps[0]["loss/reply"] > 1.5
    assert steps[-1]["loss/reply"] < 0.3
    soft = softened(torch.from_numpy(samples.policy))
    floor = -torch.special.xlogy(soft, soft).sum(dim=1).mean().item()
    assert steps[-1]["loss/soft_policy"] == pytest.approx(floor, abs=0.1)
    played = for_play(game, network, learner.play_weights())
    assert not {name.partition(".")[0] for name in played.state_dict()} & {"reply", "soft"}
    batch = unpack(game, samples, np.zeros(len(samples), np.int64), torch.device("cpu"))
    with torch.inference_mode():
        output, expected = played(batch.planes), learner.averaged.module.eval()(batch.planes)
    assert torch.allclose(output.policy, expected.policy, atol=1e-4)
    assert output.reply is output.soft is None


def test_a_flattened_policy_keeps_its_order_and_its_zeros() -> None:
    soft = softened(torch.tensor([[0.0, 0.0625, 0.9375, 0.0]]))[0]
    assert soft.sum().item() == pytest.approx(1)
    assert soft[0] == soft[3] == 0
    assert soft[2] / soft[1] == pytest.approx(15**0.25)


def test_calibration_error_of_an_overconfident_value() -> None:
    value = torch.tensor([0.9, 0.9, -0.9, -0.9])
    assert float(calibration_error(value, torch.tensor([1.0, 0.8, -1.0, -0.8]))) == pytest.approx(0, abs=1e-6)
    assert float(calibration_error(value, torch.zeros(4))) == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "go5"])
def test_unpacked_symmetries_are_the_games_own(name: str) -> None:
    """Turning the planes of a sample is the same as observing the turned position: legal moves must agree with planes."""
    game = envs.make(name)
    samples = start_samples(game, 32, seed=2)
    n, device = len(samples), torch.device("cpu")
    plain = unpack(game, samples, np.zeros(n, np.int64), device)
    for s in range(len(game.symmetries.points)):
        turned = unpack(game, samples, np.full(n, s), device)
        points, actions = game.symmetries.points[s], game.symmetries.actions[s]
        assert torch.equal(turned.planes.flatten(2), plain.planes.flatten(2)[:, :, points])
        assert torch.equal(turned.policy, plain.policy[:, actions])
        assert torch.equal(turned.legal, plain.legal[:, actions])


def test_replay_keeps_whole_iterations_inside_a_growing_window() -> None:
    game = envs.make("tictactoe")
    replay = Replay(ReplaySettings(minimum=40, scale=0.5))
    part = start_samples(game, 64, seed=0)
    size = len(part)
    for iteration in range(1, 12):
        replay.add(iteration, part)
        assert len(replay) >= min(replay.settings.window(replay.made), replay.made)
        assert len(replay) - size < replay.settings.window(replay.made)
    assert replay.made == 11 * size
    assert sorted(replay.parts) == list(range(min(replay.parts), 12))
