"""Learning: it overfits one batch, solves tic-tac-toe, repeats bit for bit, and resumes as if never stopped."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from numpy.typing import NDArray

import envs
from agents import openvino_runtime
from agents import runtime as runtime_module
from agents.classic import Perfect
from agents.evaluators import Evaluation, rollouts, uniform
from agents.files import load_agent
from agents.network import NetworkSettings, PolicyValueNetwork, fold_normalisation, for_play
from agents.openvino_runtime import OpenVINORuntime
from agents.players import champion, make_player, policy_player
from agents.roots import Findings, write_down
from agents.runtime import NetworkEvaluator, RuntimeSettings, TorchRuntime, candidates, resolve
from agents.search import Search, SearchSettings
from arena import checkpoint
from arena import train as training
from arena.config import Config, smoke
from arena.learner import Batch, Learner, TrainSettings, calibration_error, losses, softened, unpack
from arena.match import play_match, random_openings
from arena.progress import Silent
from arena.replay import Learned, Replay, ReplaySettings, Samples, make_samples
from arena.run import Run
from arena.selfplay import SelfPlay, SelfPlaySettings, choose, surprise_weights
from arena.settings import find_config, kind, load
from arena.tracking import Tracker
from envs import Game
from envs.batch import random_play

CONFIGS = sorted(path.stem for path in (Path(__file__).parent.parent / "configs").glob("*.yaml"))
TINY = [
    "iterations=4",
    "workers.engine=threads",  # processes take seconds to start
    "network.blocks=1",
    "network.channels=8",
    "runtime.engine=torch",
    "runtime.precision=fp32",
    "selfplay.games=24",
    "selfplay.slots=32",
    "selfplay.simulations=12",
    "train.batch=64",
    "rating.every=2",
    "rating.openings=3",
    "rating.simulations=8",
    "footprint.enabled=false",
]


LEAGUE = [
    "league.share=0.5",
    "league.anchors=[random, minimax:2]",
    "league.gate_openings=8",
    "rating.every=1",
]
ZERO = [
    "search.rule=puct",
    "selfplay.resign={enabled: true, played_out: 0.5, false_positives: 0.3}",
    "gate={share: 0.5, openings: 4, every: 1}",
    "network.separate=true",
]


KATAGO = [
    "network.reply=true",
    "network.soft_policy=true",
    "selfplay.surprise=0.5",
    "selfplay.full_fraction=0.5",
    "selfplay.value_mix=0.3",
    "search.rule=puct",
    "search.forced_playouts=2.0",
    "search.noise_shaped=0.5",
]


def run_here(config: Config, folder: Path) -> Run:
    """Train `config` in this process."""
    run = Run(config, folder, Silent())
    if (folder / "config.yaml").exists():
        run.resume()
    else:
        run.create_folder()
    tracker = Tracker.start(folder, name="test", config={}, project="test", mode="disabled", last_row=run.row)
    run.train(tracker)
    tracker.finish(0)
    return run


def outcome(folder: Path) -> tuple[str, list[object]]:
    """What a run came to: a hash of its last agent, and its ratings."""
    found, problems = checkpoint.newest(folder)
    assert found is not None
    assert not problems
    digest = hashlib.sha256()
    for table in (found.learner, found.best):
        for name in sorted(table):
            digest.update(name.encode() + table[name].numpy().tobytes())
    return digest.hexdigest(), [*found.state["results"], found.state["gate"], found.state["resignation"]]


def start_samples(game: envs.Game, n: int, seed: int) -> Samples:
    """`n` random positions with arbitrary targets."""
    rng = np.random.default_rng(seed)
    states = game.reset(n)
    for ply in range(4):
        moved = game.step(states, envs.random_actions(game.legal(states), rng))
        states = np.where(rng.random(n) < 0.7, moved, states) if ply else moved
    states = states[~game.terminal(states)]
    legal = game.legal(states)
    policy = rng.random(legal.shape) ** 4 * legal
    policy /= policy.sum(axis=1, keepdims=True)
    values = rng.choice([-1, 0, 1], len(states)).astype(np.float32)
    return make_samples(game, [Learned(states, policy.astype(np.float32), values, final=states[:1])])


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


@pytest.mark.parametrize("override", ["network.channels=9", "network.trunk=mlp", "network.reply=true"])
def test_a_run_does_not_go_on_with_another_network(override: str, tmp_path: Path) -> None:
    """It was a traceback of torch's."""
    config = load(Config, find_config("tictactoe"), TINY)
    run_here(config, tmp_path / "run")
    before = (tmp_path / "run" / "config.yaml").read_text()
    with pytest.raises(ValueError, match=r"leave network\.\* as it was"):
        training.resume(tmp_path / "run", [override])
    assert (tmp_path / "run" / "config.yaml").read_text() == before


def test_what_a_resumed_run_was_told_holds_when_it_is_resumed_again(tmp_path: Path) -> None:
    """Overrides left no trace in the run's folder, and were forgotten by the next resumption."""
    run_here(load(Config, find_config("tictactoe"), TINY), tmp_path / "run")
    kept = load(Config, tmp_path / "run" / "config.yaml")
    longer = kept.iterations + 1
    for overrides in ([f"iterations={longer}", "train.optimiser=sgd", "tracking.mode=disabled"], []):
        training.resume(tmp_path / "run", overrides)
        assert load(Config, tmp_path / "run" / "config.yaml").iterations == longer
    training.resume(tmp_path / "run", [f"iterations={longer + 1}", "train.optimiser=adamw"])
    assert checkpoint.newest(tmp_path / "run")[0].iteration == longer + 1  # type: ignore[union-attr]


def test_an_anchor_that_nobody_can_be_is_refused_before_the_first_game(tmp_path: Path) -> None:
    """It was found out at the first rating, and the iteration before it was lost."""
    config = smoke(load(Config, find_config("tictactoe")))
    config = config.model_copy(update={"rating": config.rating.model_copy(update={"anchors": {"mtcs:100": 0.0}})})
    with pytest.raises(ValueError, match="there is no player 'mtcs:100'"):
        Run(config, tmp_path / "run", Silent())


def test_an_iteration_without_a_full_search_says_what_to_change(tmp_path: Path) -> None:
    config = smoke(load(Config, find_config("tictactoe"), ["selfplay.full_fraction=1e-9"]))
    with pytest.raises(ValueError, match=r"raise selfplay\.full_fraction"):
        run_here(config, tmp_path / "run")


@pytest.mark.parametrize("temperature", [1e-300, 1e-3, 0.1])
def test_a_low_temperature_plays_the_likeliest_move_and_never_an_illegal_one(temperature: float) -> None:
    """At 0.001 all powers of the shares were zero, and action 0 was played."""
    policy, rng = np.array([[0, 0.2, 0.3, 0.5]], np.float32), np.random.default_rng(0)
    settings = SelfPlaySettings(temperature=temperature)
    played = [choose(settings, SearchSettings(), policy, np.array([3]), np.array([0]), rng)[0] for _ in range(20)]
    assert played.count(3) >= 18
    assert 0 not in played


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
    from agents.network import Output

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


def test_replies_are_the_next_positions_targets() -> None:
    game = envs.make("tictactoe")
    settings = SelfPlaySettings(slots=2, games=6, simulations=8, fast_simulations=4, full_fraction=0.7)
    selfplay = SelfPlay(game, settings, load(Config, find_config("tictactoe")).search, replies=True)
    samples, _ = selfplay.play(uniform(game), np.random.default_rng(0))
    legal = np.unpackbits(samples.legal, axis=1, count=9).astype(bool)
    planes = np.unpackbits(samples.planes, axis=1, count=len(game.planes) * 9).reshape(-1, len(game.planes), 9)
    has = samples.reply.sum(axis=1)
    assert np.isclose(has, 1).sum() + (has == 0).sum() == len(has)
    assert (has > 0).any()
    assert (samples.reply[~legal] == 0).all()  # no stone goes where one lies
    stones = planes[:, :2].sum(axis=(1, 2))
    rows = np.flatnonzero((stones[1:] == stones[:-1] + 1) & (has[:-1] > 0))  # neighbours in a game
    assert len(rows) > 5
    assert (samples.reply[rows] == samples.policy[rows + 1]).all()


def test_surprising_moves_are_learned_from_more_often() -> None:
    surprise = np.array([0.0, 0.1, 0.1, 0.6], np.float32)
    weights = surprise_weights(surprise, 0.5)
    assert weights.mean() == pytest.approx(1)
    assert weights.tolist() == pytest.approx([0.5, 0.75, 0.75, 2.0])
    assert surprise_weights(np.zeros(3, np.float32), 0.5).tolist() == [1, 1, 1]


def divergence(policy: NDArray[np.float32], priors: NDArray[np.float32]) -> NDArray[np.float32]:
    """[n] KL(policy || priors), nats."""
    ratio = np.log(np.maximum(policy, 1e-9)) - np.log(np.maximum(priors, 1e-9))
    return np.asarray((policy * ratio).sum(axis=1), np.float32)


@pytest.mark.parametrize("rule", ["puct", "gumbel"])
def test_what_is_written_down_of_a_search_is_what_it_found(rule: str) -> None:
    game, rng = envs.make("tictactoe"), np.random.default_rng(0)
    settings = SearchSettings.model_validate({"rule": rule})
    search, slots, plies = Search(game, settings, slots=9, capacity=40), np.array([7, 2, 5]), np.array([0, 3, 1])
    states = np.concatenate([game.reset(1), random_play(game, game.reset(2), 5, np.arange(2, dtype=np.uint64))])
    search.begin(slots, states, 39, noisy=True)
    search.run(rollouts(game, 0), rng)
    expected, findings = search.results(slots), Findings.empty(9, 4, game.num_actions)
    choice = np.empty(3, np.int64)
    write_down(search.tree, search.rule, slots, plies, findings, choice)
    assert choice.tolist() == expected.choice.tolist()
    assert np.array_equal(findings.policies[slots, plies], expected.policy)
    assert np.array_equal(findings.values[slots, plies], expected.values)
    assert np.array_equal(findings.proven[slots, plies], expected.solved)
    best = expected.action_values[np.arange(3), choice]
    assert np.array_equal(findings.outlook[slots, plies], np.maximum(expected.values, best))
    surprise = divergence(expected.policy, expected.priors)
    assert findings.surprise[slots, plies] == pytest.approx(surprise, abs=1e-5)
    assert sum(np.count_nonzero(column.any(axis=-1) if column.ndim == 3 else column) for column in findings) <= 15


def test_surprise_moves_samples_within_a_game_and_makes_no_more_of_them() -> None:
    game = envs.make("connect_four")
    search = load(Config, find_config("connect_four")).search

    def played(surprise: float) -> Samples:
        settings = SelfPlaySettings(slots=64, games=64, simulations=8, surprise=surprise)
        return SelfPlay(game, settings, search).play(rollouts(game, 0), np.random.default_rng(0))[0]

    plain, weighted = played(0.0), played(1.0)
    assert len(weighted) == pytest.approx(len(plain), rel=0.1)
    uniform_policy = (
        np.unpackbits(plain.legal, axis=1, count=7) / np.unpackbits(plain.legal, axis=1, count=7).sum(1)[:, None]
    )
    surprises = divergence(plain.policy, uniform_policy.astype(np.float32))
    again = (
        np.unpackbits(weighted.legal, axis=1, count=7) / np.unpackbits(weighted.legal, axis=1, count=7).sum(1)[:, None]
    )
    assert divergence(weighted.policy, again.astype(np.float32)).mean() > 1.2 * surprises.mean()


def test_a_run_ends_when_its_budget_is_spent(tmp_path: Path) -> None:
    config = load(Config, find_config("tictactoe"), [*TINY, "iterations=50", "budget=20000"])
    run = run_here(config, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert run.iteration == len(rows) < 50
    assert rows[-1]["compute"] == run.compute >= 20000 > rows[-2]["compute"]
    assert rows[-1]["train/lr"] < 0.5 * max(row["train/lr"] for row in rows)
    assert "rating/elo" in rows[-1]


def test_calibration_error_of_an_overconfident_value() -> None:
    value = torch.tensor([0.9, 0.9, -0.9, -0.9])
    assert calibration_error(value, torch.tensor([1.0, 0.8, -1.0, -0.8])) == pytest.approx(0, abs=1e-6)
    assert calibration_error(value, torch.zeros(4)) == pytest.approx(0.9)


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


def test_folding_normalisation_changes_nothing_in_play() -> None:
    game = envs.make("connect_four")
    torch.manual_seed(0)
    network = PolicyValueNetwork(game, NetworkSettings(blocks=2, channels=16, global_pooling=True))
    x = torch.randint(0, 2, (64, 3, 6, 7)).float()
    network(x)  # moves the running statistics
    network.eval()
    before = network(x)
    fold_normalisation(network)
    after = network(x)
    assert torch.allclose(before.policy, after.policy, atol=1e-4)
    assert torch.allclose(before.value, after.value, atol=1e-4)


def test_bf16_answers_stay_close_to_fp32() -> None:
    game = envs.make("connect_four")
    torch.manual_seed(0)
    learner = Learner(game, NetworkSettings(), TrainSettings(batch=64))
    list(learner.train(start_samples(game, 64, seed=3), 30, np.random.default_rng(0), progress=0.0))
    answers = []
    states = game.step(game.reset(7), np.arange(7))
    for precision in ("fp32", "bf16"):
        runtime = TorchRuntime(game, NetworkSettings(), precision=precision)
        runtime.load(learner.play_weights())
        answers.append(runtime.evaluate(game.observe(states), game.legal(states)))
    assert np.abs(answers[0].priors - answers[1].priors).max() < 0.05
    assert np.abs(answers[0].values - answers[1].values).max() < 0.05


@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
def test_openvino_answers_as_torch_does_for_new_weights_and_any_batch(precision: str) -> None:
    game = envs.make("connect_four")
    settings = NetworkSettings(blocks=1, channels=16, global_pooling=True)
    torch.manual_seed(0)
    learner = Learner(game, settings, TrainSettings(batch=64))
    reference, served = TorchRuntime(game, settings), OpenVINORuntime(game, settings, precision=precision, threads=2)
    tolerance = 1e-5 if precision == "fp32" else 0.05
    states = game.step(game.reset(150), np.arange(150) % 7)
    planes, legal = game.observe(states), game.legal(states)
    for _ in range(2):
        list(learner.train(start_samples(game, 64, seed=3), 10, np.random.default_rng(0), progress=0.0))
        for runtime in (reference, served):
            runtime.load(learner.play_weights())
        for n in (1, 3, 7, 8, 12, 16, 35, 64, 128, 150):
            expected, found = reference.evaluate(planes[:n], legal[:n]), served.evaluate(planes[:n], legal[:n])
            np.testing.assert_allclose(found.priors, expected.priors, atol=tolerance)
            np.testing.assert_allclose(found.values, expected.values, atol=tolerance)
            again = served.evaluate(planes[:n], legal[:n])
            assert (again.priors.tobytes(), again.values.tobytes()) == (found.priors.tobytes(), found.values.tobytes())


def test_openvino_answers_questions_in_any_order_later_and_not_at_all() -> None:
    game, settings = envs.make("connect_four"), NetworkSettings(blocks=1, channels=16)
    served = OpenVINORuntime(game, settings, threads=2)
    weights = [PolicyValueNetwork(game, settings).state_dict() for _ in range(2)]
    states = game.step(game.reset(70), np.arange(70) % 7)
    planes, legal = game.observe(states), game.legal(states)
    parts = [slice(0, 8), slice(8, 16), slice(16, 70), slice(3, 4)]

    def bits(answer: Evaluation) -> tuple[bytes, bytes]:
        return answer.priors.tobytes(), answer.values.tobytes()

    served.load(weights[1])
    later = [bits(served.evaluate(planes[part], legal[part])) for part in parts]
    served.load(weights[0])
    expected = [bits(served.evaluate(planes[part], legal[part])) for part in parts]
    assert not set(later) & set(expected)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        questions = [planes[part].copy() for part in parts]
        asked = [served.ask(question, legal[part]) for question, part in zip(questions, parts, strict=True)]
        for question in questions:
            question[:] = 0  # theirs by now
        for i in order:
            assert bits(asked[i]()) == expected[i]
    asked = [served.ask(planes[part], legal[part]) for part in parts]
    served.load(weights[1])
    assert bits(asked[0]()) == expected[0]
    del asked
    for _ in range(3):
        for i, part in enumerate(parts):
            served.ask(planes[part], legal[part])
            assert bits(served.evaluate(planes[part], legal[part])) == later[i]


def test_a_converted_network_is_kept_for_the_next_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARENA_CACHE", str(tmp_path))
    game, settings, converted = envs.make("tictactoe"), NetworkSettings(blocks=1, channels=8), list[int]()
    convert = openvino_runtime._convert

    def counted(game: Game, settings: NetworkSettings) -> openvino.Model:
        converted.append(1)
        return convert(game, settings)

    monkeypatch.setattr(openvino_runtime, "_convert", counted)
    network, states = PolicyValueNetwork(game, settings), game.step(game.reset(9), np.arange(9))
    planes, legal = game.observe(states), game.legal(states)
    reference = TorchRuntime(game, settings)
    reference.load(network.state_dict())
    expected = reference.evaluate(planes, legal)

    def answers_again(times: int) -> None:
        openvino_runtime._model.cache_clear()  # as in a process of its own
        served = OpenVINORuntime(game, settings, threads=1)
        served.load(network.state_dict())
        found = served.evaluate(planes, legal)
        np.testing.assert_allclose(found.priors, expected.priors, atol=1e-5)
        np.testing.assert_allclose(found.values, expected.values, atol=1e-5)
        assert len(converted) == times

    answers_again(1)
    answers_again(1)
    (kept,) = (tmp_path / "networks").glob("*.xml")
    kept.write_text("<net>cut off")
    answers_again(2)
    answers_again(2)
    assert sorted(file.suffix for file in (tmp_path / "networks").iterdir()) == [".bin", ".xml"]
    monkeypatch.setenv("ARENA_CACHE", str(kept / "is no folder"))
    monkeypatch.setattr(tempfile, "tempdir", str(kept / "neither"))
    answers_again(3)


def test_players_move_as_the_network_in_full_precision_would() -> None:
    game = envs.make("connect_four")
    agent = load_agent(champion(game))
    reference = TorchRuntime(game, agent.network)
    reference.load(agent.weights)
    rng = np.random.default_rng(0)
    states = random_play(game, game.reset(256), 8, rng.integers(2**63, size=256, dtype=np.uint64))
    states = states[~game.terminal(states)]
    expected = policy_player(NetworkEvaluator(game, reference))(states, rng)
    assert (make_player(game, "champion:0")(states, rng) == expected).mean() > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_a_thousand_weight_updates_take_no_memory(precision: str) -> None:
    game, settings = envs.make("connect_four"), NetworkSettings(blocks=2, channels=16)
    runtime = OpenVINORuntime(game, settings, precision=precision, threads=1)
    weights = PolicyValueNetwork(game, settings).state_dict()
    states = game.reset(64)

    def update(times: int) -> int:
        for _ in range(times):
            runtime.load(weights)
            for n in (64, 32, 8):  # two compiled for their size, one for any
                runtime.evaluate(game.observe(states[:n]), game.legal(states[:n]))
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096  # bytes resident

    settled = update(200)  # allocators have what they want
    assert update(1000) - settled < 32e6


def test_what_the_runtime_settings_leave_open() -> None:
    def names(**settings: str) -> list[str]:
        return [f"{c.engine} {c.precision}" for c in candidates(RuntimeSettings.model_validate(settings))]

    assert names(device="cpu", engine="torch") == ["torch fp32", "torch bf16"]
    assert names(device="cpu", precision="fp32") == ["torch fp32", "openvino fp32"]
    assert names(engine="openvino", precision="bf16") == ["openvino bf16"]
    assert names(precision="int8") == ["openvino int8"]
    with pytest.raises(ValueError, match="which OpenVINO computes"):
        names(engine="torch", precision="int8")
    with pytest.raises(ValueError, match="runs on the CPU"):
        names(engine="openvino", device="cuda")


def test_the_fastest_runtime_is_measured_once_on_a_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ARENA_CACHE", str(tmp_path))
    game, network, asked = envs.make("tictactoe"), NetworkSettings(blocks=1, channels=8), list[int]()

    def fastest(*_: object) -> str:
        asked.append(1)
        return "torch bf16"

    monkeypatch.setattr(runtime_module, "_fastest", fastest)
    settings = RuntimeSettings(device="cpu")
    for batch, again, times in ((8, False, 1), (8, False, 1), (9, False, 2), (8, True, 3)):
        chosen = resolve(game, network, settings, batch, again=again)
        assert (chosen.engine, chosen.precision, len(asked)) == ("torch", "bf16", times)
    (tmp_path / "choices.json").write_text("not what was written")
    assert resolve(game, network, settings, 8).precision == "bf16"
    assert len(asked) == 4


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


def test_proven_results_replace_what_was_thrown_away_later() -> None:
    """A position that a search proved won is learned as won, and so are the moves before it, whoever blundered after."""
    game = envs.make("tictactoe")
    selfplay = SelfPlay(game, SelfPlaySettings(slots=1, games=1), load(Config, find_config("tictactoe")).search)
    states = game.reset(1)
    for ply, action in enumerate((0, 1, 3, 4, 8, 7)):  # X lets the open line a1-a3 pass, O wins on b1
        selfplay.games.history[0, ply] = states[0]
        states = game.step(states, np.array([action]))
    assert game.returns(states)[0] == -1
    selfplay.games.roots[:], selfplay.games.length[0] = states, 6
    selfplay.games.recorded[0, :6] = True
    selfplay.games.found.proven[0, 4], selfplay.games.found.values[0, 4] = True, 1.0  # X to move at ply 4 has a3
    values = selfplay._learned(0, -1.0, np.random.default_rng(0), played_out=True).values.tolist()
    assert values == [1, -1, 1, -1, 1, 1]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_smokes(name: str, tmp_path: Path) -> None:
    training.start(name, ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
    last = "reinforced_again" if kind(find_config(name)) == "alphago" else "000002"
    assert (tmp_path / f"{name}-smoke" / "agents" / f"{last}.safetensors").exists()


def test_a_smoke_run_begins_anew_but_not_while_another_one_is_there(tmp_path: Path) -> None:
    """The second one deleted the first one's folder, its lock included, before it looked for the lock."""
    old = tmp_path / "tictactoe-smoke" / "agents" / "000009.safetensors"
    old.parent.mkdir(parents=True)
    old.touch()
    with training._only_one(tmp_path / "tictactoe-smoke"):
        with pytest.raises(ValueError, match="another process is training in"):
            training.start("tictactoe", ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
        assert old.exists()
    training.start("tictactoe", ["tracking.mode=disabled"], runs=tmp_path, smoke=True)
    assert not old.exists()


def test_repeats_bit_for_bit(tmp_path: Path) -> None:
    config = load(Config, find_config("tictactoe"), TINY)
    run_here(config, tmp_path / "a")
    run_here(config, tmp_path / "b")
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")
    other = load(Config, find_config("tictactoe"), [*TINY, "seed=1"])
    run_here(other, tmp_path / "c")
    assert outcome(tmp_path / "a") != outcome(tmp_path / "c")


@pytest.mark.parametrize(
    "more", [[], LEAGUE, ZERO, [*KATAGO, *LEAGUE]], ids=["self-play", "league", "gate and resignation", "all methods"]
)
def test_resuming_in_the_middle_equals_never_stopping(more: list[str], tmp_path: Path) -> None:
    config = load(Config, find_config("tictactoe"), [*TINY, *more])
    run_here(config, tmp_path / "whole")
    half = config.model_copy(update={"iterations": 2})
    # The learning rate follows the length of the run, so the half run must believe it is the whole one.
    run = Run(config, tmp_path / "broken", Silent())
    run.create_folder()

    class StopError(Exception): ...

    class StoppingTracker(Tracker):
        def log(self, row, **kwargs):  # type: ignore[no-untyped-def]
            found = super().log(row, **kwargs)
            if row["iteration"] == half.iterations:
                raise StopError
            return found

    tracker = StoppingTracker.start(
        tmp_path / "broken", name="test", config={}, project="test", mode="disabled", last_row=None
    )
    with pytest.raises(StopError):
        run.train(tracker)
    run_here(config, tmp_path / "broken")
    assert outcome(tmp_path / "whole") == outcome(tmp_path / "broken")


def test_killed_at_random_points_ends_with_the_same_weights_and_ratings(tmp_path: Path) -> None:
    """SIGKILL, several times, somewhere in the first, third and fifth iteration; resumed until done."""
    arguments = ["tictactoe", *TINY, "iterations=6", "tracking.mode=disabled"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert arena("train", *arguments, "--runs", str(whole)).wait() == 0
    draws = random.Random(0)
    process = arena("train", *arguments, "--runs", str(broken))
    for finished in (1, 3, 5):
        metrics = broken / "tictactoe" / "metrics.jsonl"
        while not metrics.exists() or len(metrics.read_text().splitlines()) < finished:
            assert waits(process, 0.005), "the run ended before it was killed"
        waits(process, draws.uniform(0, 0.15))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process = arena("train", "--resume", str(broken / "tictactoe"))
    assert process.wait() == 0
    assert outcome(whole / "tictactoe") == outcome(broken / "tictactoe")
    iterations = [
        [json.loads(line)["iteration"] for line in (runs / "tictactoe" / "metrics.jsonl").read_text().splitlines()]
        for runs in (whole, broken)
    ]
    assert iterations[0] == iterations[1] == [1, 2, 3, 4, 5, 6]


def waits(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Give `process` some time; True if it is still running."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def arena(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "arena", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_corrupt_newest_checkpoint_falls_back_and_says_so(tmp_path: Path) -> None:
    config = load(Config, find_config("tictactoe"), TINY)
    run_here(config, tmp_path / "run")
    expected = outcome(tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "000004" / checkpoint.LEARNER
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    run = Run(config, tmp_path / "run", progress := Silent())
    run.resume()
    assert run.iteration == 3
    assert "damaged" in progress.notes[0]
    assert "000004" in progress.notes[0]
    run_here(config, tmp_path / "run")
    assert outcome(tmp_path / "run") == expected


def test_a_full_disk_loses_nothing_already_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load(Config, find_config("tictactoe"), TINY)
    folder = tmp_path / "run"
    run_here(config, folder)
    expected = outcome(folder)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    longer = config.model_copy(update={"iterations": 5})
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "write_atomically", full)
        run = Run(longer, folder, Silent())
        run.resume()
        tracker = Tracker.start(folder, name="t", config={}, project="t", mode="disabled", last_row=run.row)
        with pytest.raises(OSError, match="No space left"):
            run.train(tracker)
    assert outcome(folder) == expected
    assert not list(folder.rglob("*.tmp"))


def test_an_agent_of_another_game_is_refused(tmp_path: Path) -> None:
    run_here(smoke(load(Config, find_config("tictactoe"))), tmp_path / "run")
    with pytest.raises(ValueError, match=r"plays tictactoe, not connect_four"):
        make_player(envs.make("connect_four"), str(tmp_path / "run"))
    agent = next((tmp_path / "run" / "agents").glob("*.safetensors"))
    data = agent.read_bytes()
    agent.write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="damaged"):
        load_agent(agent)
    (tmp_path / "text").write_text("not an agent")
    with pytest.raises(ValueError, match="damaged or no agent file"):
        load_agent(tmp_path / "text")


@pytest.mark.strength
def test_learns_tictactoe_to_perfection(tmp_path: Path) -> None:
    """The shipped config, whole: no loss in 1,000 games against the exact player."""
    config = load(Config, find_config("tictactoe"))
    run_here(config, tmp_path / "run")
    game = envs.make("tictactoe")
    player = make_player(game, str(tmp_path / "run"))
    rng = np.random.default_rng(0)
    openings = random_openings(game, 1, 0, rng)
    losses_ = sum(play_match(game, player, Perfect(game), openings, rng).losses for _ in range(500))
    assert losses_ == 0
    shutil.rmtree(tmp_path / "run")
