"""AlphaGo Zero's parts of self-play: the gate, resignation, networks apart; and what AlphaZero leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import envs
from agents.evaluators import Evaluation, Evaluator, uniform
from agents.files import AgentFile, load_agent, save_agent
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.openvino_runtime import OpenVINORuntime
from agents.players import make_player
from agents.runtime import TorchRuntime
from agents.search import SearchSettings
from arena.gate import Gate, GateSettings, challenge, reaches
from arena.learner import Learner, TrainSettings
from arena.match import random_openings
from arena.replay import Learned, Samples, make_samples
from arena.resign import NEVER, THRESHOLDS, Resignation, ResignSettings, count, no_counts
from arena.selfplay import SelfPlay, SelfPlaySettings, SelfPlayStats
from envs import Game, States, TerritoryGame

GAME = envs.make("tictactoe")
GO = envs.make("go5")
RNG = np.random.default_rng


@pytest.mark.parametrize(
    ("challenger", "champion", "verdict"), [("solver", "random", "better"), ("random", "solver", "not better")]
)
def test_the_gate_opens_to_the_stronger_as_soon_as_that_is_certain(
    challenger: str, champion: str, verdict: str
) -> None:
    players = [make_player(GAME, spec, seed=0) for spec in (challenger, champion)]
    openings = random_openings(GAME, 100, 1, RNG(0)).repeated(100)
    found = challenge(GAME, players[0], players[1], openings, reaches(0.55, 100), RNG(0))
    assert found.verdict == verdict
    assert len(found.match.games) < 200


def test_the_gate_stays_shut_to_an_equal() -> None:
    player = make_player(GAME, "solver", seed=0)
    openings = random_openings(GAME, 4, 1, RNG(0)).repeated(8)
    assert challenge(GAME, player, player, openings, reaches(0.55, 8), RNG(0)).verdict == "not better"
    assert challenge(GAME, player, player, openings, reaches(0.5, 8), RNG(0)).verdict == "better"


def test_55_percent_of_400_games_are_220_points() -> None:
    decide = reaches(0.55, 200)
    assert decide([(1, 1)] * 110) == "better"
    assert decide([(1, 1)] * 109 + [(1, 0.5)]) == "undecided"
    assert decide([(0, 0)] * 90 + [(1, 1)] * 109 + [(1, 0.5)]) == "not better"


def test_what_the_gate_keeps_is_a_copy_that_training_does_not_reach() -> None:
    weights = {"w": torch.zeros(2)}
    gate = Gate(GateSettings(share=0.55, every=3), weights)
    weights["w"] += 1
    assert gate.best["w"].tolist() == [0, 0]
    assert [iteration for iteration in range(1, 8) if gate.due(iteration)] == [3, 6]
    gate.crown(weights, 6)
    again = Gate(gate.settings, {})
    again.restore(gate.tensors(), json.loads(json.dumps(gate.state())))
    assert again.best["w"].tolist() == [1, 1]
    assert again.iteration == 6
    assert not Gate(GateSettings(), weights).due(3), "AlphaZero has no gate"
    with pytest.raises(ValueError, match="began without a gate"):
        Gate(gate.settings, weights).restore({}, {"iteration": 0})


def fortunes(certain: float) -> tuple[list[float], list[int], float]:
    """Outlook, side to move and result of a game in which the second player despairs down to `certain`, then wins."""
    return [0.1, -certain + 0.2, 0.3, -certain, 0.5, -0.1], [0, 1, 0, 1, 0, 1], -1.0


def test_a_false_positive_is_a_game_that_the_side_given_up_did_not_lose() -> None:
    outlook, to_play, won_by_second = fortunes(0.9)
    for result, wrong in ((won_by_second, True), (0.0, True), (1.0, False)):
        ended, false = count(np.array(outlook, np.float32), np.array(to_play, np.int8), result)
        assert [bool(e) for e in ended] == [threshold < 0.9 - 1e-6 for threshold in THRESHOLDS]
        assert (false == ended * wrong).all()


def test_the_side_that_despairs_first_is_the_one_given_up() -> None:
    """At 0.6 the first player resigns a game that it wins, at 0.7 the second one the game that it loses."""
    ended, wrong = count(np.array([-0.65, -0.75], np.float32), np.array([0, 1], np.int8), 1.0)
    at = {0.6: 1, 0.7: 0}
    assert all(ended[np.searchsorted(THRESHOLDS, t)] == 1 for t in at)
    assert {t: wrong[np.searchsorted(THRESHOLDS, t)] for t in at} == at


def test_the_threshold_is_the_lowest_whose_false_positives_are_few_enough() -> None:
    """Games that go down to 0.8 are won after all half the time, those that go down to 0.95 one time in fifty."""
    resignation = Resignation(ResignSettings(enabled=True))
    assert resignation.threshold() == NEVER, "nothing is known yet"
    counts = no_counts()
    for deepest, result, times in ((0.805, -1, 30), (0.805, 1, 30), (0.955, -1, 2), (0.955, 1, 98)):
        outlook, to_play, _ = fortunes(deepest)
        counts += times * count(np.array(outlook, np.float32), np.array(to_play, np.int8), result)
    resignation.note(counts)
    assert resignation.threshold() == pytest.approx(0.81)
    figures = resignation.figures(3, 12)
    assert figures["selfplay/resigned"] == 0.25
    assert figures["selfplay/resign_false_positives"] == pytest.approx(0.02)
    assert figures["selfplay/resign_measured"] == 100
    again = Resignation(resignation.settings)
    again.restore(json.loads(json.dumps(resignation.state())))
    assert again.state() == resignation.state()
    assert Resignation(ResignSettings()).figures(0, 5) == {}


def test_no_game_is_no_reason_to_resign_whatever_the_limit() -> None:
    resignation = Resignation(ResignSettings(enabled=True, false_positives=0.9))
    assert resignation.threshold() == NEVER
    assert resignation.figures(0, 5)["selfplay/resign_threshold"] == NEVER


def test_few_games_are_no_reason_to_resign() -> None:
    resignation = Resignation(ResignSettings(enabled=True))
    for games in range(1, 12):
        resignation.counts = np.stack([np.full(len(THRESHOLDS), float(games)), np.zeros(len(THRESHOLDS))])
        assert (resignation.threshold() < NEVER) == (games >= 9)


def sure_of_the_second(game: Game, value: float) -> Evaluator:
    """An evaluator that is certain the second player wins."""
    plain = uniform(game)

    def evaluate(states: States) -> Evaluation:
        return Evaluation(plain(states).priors, np.where(states["to_play"] == 0, -value, value).astype(np.float32))

    return evaluate


def played(resign: float, played_out: float) -> tuple[Samples, SelfPlayStats]:
    settings = {"games": 70, "slots": 40, "simulations": 4, "resign": {"enabled": True, "played_out": played_out}}
    selfplay = SelfPlay(GO, SelfPlaySettings.model_validate(settings), SearchSettings())
    samples, stats = selfplay.play(sure_of_the_second(GO, 0.9), RNG(0), resign=resign)
    return samples, stats


def test_a_resigned_game_is_lost_and_says_nothing_about_territory() -> None:
    samples, stats = played(0.8, played_out=0.5)
    assert stats.resigned > 0
    resigned = [game for game in stats.games if not game.actions]
    assert len(resigned) == stats.resigned, "Black resigns before the first move"
    assert {game.result for game in resigned} == {-1.0}
    unknown = np.isnan(samples.score)
    assert unknown.sum() == stats.resigned, "one searched position each"
    assert set(samples.value[unknown]) == {-1.0}
    assert not samples.ownership[unknown].any()
    assert samples.ownership[~unknown].any()
    assert stats.played_out[0].max() > 0, "the games played out are what is counted"


def test_nobody_resigns_without_a_threshold_or_in_a_game_that_is_played_out() -> None:
    for resign, played_out in ((NEVER, 0.1), (0.5, 1.0)):
        samples, stats = played(resign, played_out)
        assert stats.resigned == 0
        assert not np.isnan(samples.score).any()


def test_unknown_territory_is_not_learned_from() -> None:
    """The heads' gradients come from the games that were played out alone; without any there are none."""
    states = GO.step(GO.reset(12), np.arange(12))
    policy = np.full((12, GO.num_actions), 1 / GO.num_actions, np.float32)
    values = np.zeros(12, np.float32)
    assert isinstance(GO, TerritoryGame)
    unknown = make_samples(GO, [Learned(states, policy, values, final=None)])
    settings = TrainSettings(batch=8, warmup=0, lr=0.01, weight_decay=0)

    def head(samples: Samples) -> torch.Tensor:
        torch.manual_seed(0)
        learner = Learner(GO, NetworkSettings(blocks=1, channels=8, territory=True), settings)
        before = learner.tensors()["network.territory.score.weight"]
        steps = list(learner.train(samples, 3, RNG(0), progress=0.0))
        assert all(np.isfinite(step["loss/total"]) for step in steps)
        return learner.tensors()["network.territory.score.weight"] - before

    assert not head(unknown).any()
    assert head(make_samples(GO, [Learned(states, policy, values, final=states[:1])])).any()


def test_without_symmetries_positions_are_learned_from_as_they_lie() -> None:
    """One position whose policy no symmetry leaves alone: as it lies it is learned fast, turned at random it is not."""
    states = GO.step(GO.reset(1), np.array([0]))
    policy = np.zeros((1, GO.num_actions), np.float32)
    policy[0, 7] = 1
    samples = make_samples(GO, [Learned(states, policy, np.ones(1, np.float32), final=states)])
    found = []
    for symmetries in (False, True):
        torch.manual_seed(0)
        settings = TrainSettings(batch=8, warmup=0, lr=0.01, symmetries=symmetries)
        learner = Learner(GO, NetworkSettings(blocks=1, channels=8), settings)
        found.append([step["loss/policy"] for step in learner.train(samples, 40, RNG(0), progress=0.0)][-1])
    assert found[0] < found[1]


@pytest.mark.parametrize("trunk", ["residual", "convolutional"])
def test_separate_networks_share_nothing_and_run_anywhere(trunk: str, tmp_path: Path) -> None:
    settings = NetworkSettings.model_validate({"trunk": trunk, "separate": True, "blocks": 1, "channels": 8})
    torch.manual_seed(0)
    learner = Learner(GAME, settings, TrainSettings(batch=16, warmup=0, lr=0.01, policy_weight=0.0, weight_decay=0))
    before = {name: tensor.clone() for name, tensor in learner.network.named_parameters()}
    states = GAME.step(GAME.reset(9), np.arange(9))
    policies, values = np.full((9, 9), 1 / 9, np.float32), np.ones(9, np.float32)
    samples = make_samples(GAME, [Learned(states, policies, values, final=states[:1])])
    list(learner.train(samples, 2, RNG(0), progress=0.0))
    moved = {
        name.partition(".")[0] for name, p in learner.network.named_parameters() if not torch.equal(p, before[name])
    }
    assert moved == {"value", "value_trunk"}, "the value's loss alone does not reach the policy's network"
    planes, legal = GAME.observe(states), GAME.legal(states)
    reference = TorchRuntime(GAME, settings)
    reference.load(learner.play_weights())
    expected = reference.evaluate(planes, legal)
    for runtime, tolerance in (
        (TorchRuntime(GAME, settings, precision="bf16"), 0.05),
        (OpenVINORuntime(GAME, settings, threads=1), 1e-4),
    ):
        runtime.load(learner.play_weights())
        np.testing.assert_allclose(runtime.evaluate(planes, legal).priors, expected.priors, atol=tolerance)
        np.testing.assert_allclose(runtime.evaluate(planes, legal).values, expected.values, atol=tolerance)
    path = tmp_path / "agent.safetensors"
    save_agent(path, AgentFile(GAME, settings, SearchSettings(), 8, learner.play_weights(), {}))
    assert load_agent(path).network.separate
    assert PolicyValueNetwork(GAME, settings.model_copy(update={"separate": False})).trunks() != []
