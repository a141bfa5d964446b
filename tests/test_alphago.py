"""AlphaGo 2016: what its stages claim, and whose side the results are for."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import envs
from agents.alphago import player as alphago
from agents.alphago import rollout
from agents.alphago.policies import mixed, sampler, sensible, sensibly
from agents.alphago.search import APVSettings, Parts
from agents.classic import Perfect
from agents.evaluators import Evaluation, rollouts, uniform
from agents.network import NetworkSettings, PolicyValueNetwork
from agents.players import make_player
from agents.runtime import NetworkEvaluator, RuntimeSettings, TorchRuntime
from arena import checkpoint
from arena.alphago import records, store, values
from arena.alphago.fit import FitSettings, fit
from arena.alphago.pipeline import Pipeline, rollout_records
from arena.alphago.records import RecordsSettings
from arena.alphago.reinforce import Reinforce, ReinforceSettings
from arena.alphago.settings import AlphaGoConfig
from arena.alphago.settings import smoke as shrink
from arena.alphago.store import Line
from arena.config import TrackingSettings
from arena.learner import TrainSettings
from arena.match import MatchResult, PlayedGame, play_match, random_openings
from arena.progress import Silent
from arena.settings import SettingsError, find_config, load
from arena.tracking import Tracker
from envs import Game, States, random_actions
from envs import records as game_records
from envs.records import GameRecord

TORCH = RuntimeSettings(engine="torch", device="cpu", precision="fp32")


def random_states(game: Game, n: int, plies: int, seed: int) -> States:
    """Unfinished positions after at most `plies` random moves."""
    rng = np.random.default_rng(seed)
    states = game.reset(n)
    for ply in range(plies):
        moved = game.step(states, random_actions(game.legal(states), rng))
        states = np.where(rng.random(n) < 1 - ply / plies / 4, moved, states)
    return states[~game.terminal(states)]


def random_lines(game: Game, n: int, seed: int) -> list[Line]:
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n):
        states, actions = game.reset(1), list[int]()
        while not game.terminal(states)[0]:
            actions.append(int(random_actions(game.legal(states), rng)[0]))
            states = game.step(states, np.array(actions[-1:]))
        result = float(game.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
        lines.append(Line(tuple(actions), result, range(len(actions))))
    return lines


def tracker(folder: Path) -> Tracker:
    return Tracker.start(folder, name="test", config={}, project="test", mode="disabled", last_row=None)


# Sensible moves


def plainly_sensible(game: Game, states: States) -> np.ndarray:
    """The definition, point by point."""
    size = game.board_shape[0]
    out = game.legal(states).copy()
    for b, board in enumerate(game.board(states)):
        own = 1 - 2 * int(states["to_play"][b])
        for y in range(size):
            for x in range(size):
                sides = [(y + dy, x + dx) for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))]
                if not all(not (0 <= i < size and 0 <= j < size) or board[i, j] == own for i, j in sides):
                    continue
                corners = [(y + dy, x + dx) for dy in (-1, 1) for dx in (-1, 1)]
                inside = [board[i, j] for i, j in corners if 0 <= i < size and 0 <= j < size]
                if inside.count(-own) <= (1 if len(inside) == 4 else 0):
                    out[b, y * size + x] = False
        out[b, -1] = game.legal(states[[b]])[0, -1] and not out[b, :-1].any()
    return out


@pytest.mark.parametrize("spec", ["go5", "go9"])
def test_sensible_moves_are_those_of_the_definition(spec: str) -> None:
    game = envs.make(spec)
    states = np.concatenate([random_states(game, 40, plies, plies) for plies in (5, 30, 60)])
    found = sensible(game, states)
    np.testing.assert_array_equal(found, plainly_sensible(game, states))
    assert (found <= game.legal(states)).all()
    assert found.any(axis=1).all()


def test_policies_play_until_every_point_has_an_owner() -> None:
    """Nobody passes early, nobody fills his eyes: at the end no sensible move but the pass is left to either side."""
    game = envs.make("go5")
    player = sampler(game, uniform(game))
    played = play_match(
        game, player, player, random_openings(game, 20, 2, np.random.default_rng(0)), np.random.default_rng(1)
    )
    for finished in played.games:
        states = game.reset(1)
        for action in finished.actions:
            assert sensible(game, states)[0, action] or states["ply"][0] < 2
            states = game.step(states, np.array([action]))


def test_a_policy_is_softened_and_sums_to_one() -> None:
    game = envs.make("go5")
    states = random_states(game, 20, 20, 0)

    def peaked(states: States) -> Evaluation:
        priors = game.legal(states) * np.linspace(0.1, 1, game.num_actions)
        return Evaluation(
            (priors / priors.sum(axis=1, keepdims=True)).astype(np.float32), np.zeros(len(states), np.float32)
        )

    plain, soft = (sensibly(game, peaked, temperature=t)(states).priors for t in (1.0, 4.0))
    np.testing.assert_allclose(plain.sum(axis=1), 1, atol=1e-5)
    assert (soft.max(axis=1) <= plain.max(axis=1) + 1e-6).all()
    assert ((plain > 0) == (sensible(game, states))).all()


# Stores


def test_a_store_holds_what_the_rules_say(tmp_path: Path) -> None:
    game = envs.make("connect_four")
    lines = random_lines(game, 7, 0)
    store.write(tmp_path / "s", game, lines, {"source": "test"}, territory=False)
    found = store.load(tmp_path / "s", game)
    assert len(found) == sum(len(line.actions) for line in lines)
    assert found.summary["games"] == 7
    at = 0
    for line in lines:
        states = game.reset(1)
        for action in line.actions:
            sample = found[np.array([at])]
            np.testing.assert_array_equal(
                np.unpackbits(sample.planes[0], count=game.observe(states)[0].size), game.observe(states)[0].reshape(-1)
            )
            assert int(sample.policy[0].argmax()) == action
            assert sample.value[0] == line.result * (1 - 2 * int(states["to_play"][0]))
            states = game.step(states, np.array([action]))
            at += 1


def test_ownership_and_score_are_the_side_to_moves(tmp_path: Path) -> None:
    """The score left komi out, which self-play's counts and `agents.insight` takes to be in it."""
    game = envs.make("go5")
    lines = random_lines(game, 3, 1)
    store.write(tmp_path / "s", game, lines, {}, territory=True)
    found = store.load(tmp_path / "s", game)
    at = 0
    for line in lines:
        states = game.reset(1)
        for action in line.actions:
            states = game.step(states, np.array([action]))
        final = game.ownership(states)[0].reshape(-1)  # type: ignore[attr-defined]  # a game of territory
        for ply in range(len(line.actions)):
            sample, sign = found[np.array([at])], 1 if ply % 2 == 0 else -1
            np.testing.assert_array_equal(sample.ownership[0], final * sign)
            np.testing.assert_allclose(sample.score, game.score(states) / 25 * sign)  # type: ignore[attr-defined]
            at += 1


def test_an_unfinished_store_is_no_store(tmp_path: Path) -> None:
    game = envs.make("tictactoe")
    store.write(tmp_path / "s", game, random_lines(game, 3, 0), {}, territory=False)
    (tmp_path / "s" / "store.json").unlink()
    assert not store.is_whole(tmp_path / "s")
    with pytest.raises(ValueError, match="no whole store"):
        store.load(tmp_path / "s", game)


def test_records_are_split_by_day_and_passes_left_out(tmp_path: Path) -> None:
    game = envs.make("go5")
    found = [
        GameRecord(game.name, (*line.actions, 25, 25)[: 4 + i % 5], 1.0, headers={"date": f"2026-01-{1 + i % 20:02d}"})
        for i, line in enumerate(random_lines(game, 60, 2))
    ]
    found.append(dataclasses.replace(found[0], actions=(0, 0)))
    game_records.write(tmp_path / "games.sgf", found)
    settings = RecordsSettings(path=str(tmp_path / "games.sgf"), test_share=0.3)
    notes: list[str] = []
    records.build(tmp_path / "s", game, settings, seed=0, note=notes.append)
    assert notes[1:] == ["60 games, 1 skipped (1 an illegal move)"]
    train, test = (store.load(tmp_path / "s" / part, game) for part in ("train", "test"))
    assert train.summary["games"] + test.summary["games"] == 60
    assert test.summary["games"] % 3 == 0  # three games a day, all on one side
    moves = sum(action != 25 for record in found[:-1] for action in record.actions)
    assert len(train) + len(test) == moves
    fewer = settings.model_copy(update={"maximum": 20})
    records.build(tmp_path / "fewer", game, fewer, seed=0, note=notes.append)
    assert notes[-1] == "20 games, evenly spread over all (records.maximum), 1 skipped (1 an illegal move)"
    with pytest.raises(ValueError, match="holds no game of"):
        records.build(tmp_path / "t", envs.make("go9"), settings, seed=0, note=notes.append)


def test_handicap_stones_are_set_up_and_not_learned(tmp_path: Path) -> None:
    """Games that begin with stones on the board are learned from White's first move on, as they were played."""
    game = envs.make("go7")
    stones, moves = ((0, 16), (0, 30)), (10, 24, 11)
    found = [
        GameRecord(game.name, moves, 1.0, headers={"date": f"2026-01-{1 + i:02d}"}, setup=stones, to_play=1)
        for i in range(9)
    ]
    game_records.write(tmp_path / "games.sgf", found)
    settings = RecordsSettings(path=str(tmp_path / "games.sgf"), test_share=0.4)
    records.build(tmp_path / "s", game, settings, seed=0, note=lambda text: None)
    train = store.load(tmp_path / "s" / "train", game)
    assert len(train) == 3 * train.summary["games"]
    first = train[np.array([0])]
    planes = np.unpackbits(first.planes[0], count=len(game.planes) * 49).reshape(-1, 49)
    assert planes[1].nonzero()[0].tolist() == [16, 30]  # White to move sees two stones of the other's
    assert first.policy[0].argmax() == 10
    assert first.value[0] == -1
    columns, examples = train.columns, list[int]()
    weights = rollout.learn(
        rollout.Records(*(np.asarray(columns[name]) for name in rollout.Records._fields)),
        7,
        rollout.LearnSettings(epochs=1, min_count=1),
        np.random.default_rng(0),
        progress=lambda epoch, score: examples.append(score.examples),
    )
    assert examples == [len(train)]
    assert np.isfinite(weights.pattern).all()


def test_the_rollout_policy_learns_handicap_games_on_the_board_they_began_on(tmp_path: Path) -> None:
    """They were played through from the empty board, Black first, until a chain was joined to stones that were gone: for ever."""
    game = envs.make("go:size=7,handicap=4")
    store.write(tmp_path / "s", game, random_lines(game, 20, 0), {}, territory=False)
    found = rollout_records(game, tmp_path / "s")
    for moves, _, start in zip(*found, strict=True):
        states = envs.make("go7").reset(1)
        for action in moves[:start]:
            states = envs.make("go7").step(states, np.array([action]))
        assert states["to_play"] == 1
        assert np.array_equal(game.board(states), game.board(game.reset(1)))
    settings = rollout.LearnSettings(epochs=1, min_count=1)
    assert np.isfinite(rollout.learn(found, 7, settings, np.random.default_rng(0)).pattern).all()


# Learning


def learned(folder: Path, out: Path, rounds: int | None = None) -> dict[str, Tensor]:
    """The weights after learning the store in `folder`; interrupted after `rounds` measurements if given."""
    game = envs.make("tictactoe")
    train = TrainSettings(batch=32, passes=30.0, lr=0.01, warmup=5, ema=0.9, value_weight=0.0)
    settings = FitSettings(network=NetworkSettings(blocks=1, channels=16), train=train, every=50)
    table = store.load(folder, game)

    class Stopping(Silent):
        def finished(self, row: dict[str, Any]) -> None:
            if row["iteration"] == rounds:
                raise KeyboardInterrupt

    return fit(game, settings, table, table, out, seed=0, device="cpu", tracker=tracker(out), progress=Stopping())


@pytest.mark.parametrize(
    ("setting", "refusal"),
    [
        ("supervised.network.territory=true", "games played out"),
        ("reinforce.games=127", "multiple of 2"),
        ("reinforce.test_games=3", "multiple of 2"),
    ],
)
def test_settings_that_no_stage_can_do_are_refused_before_the_first(setting: str, refusal: str) -> None:
    """The first was found by torch once the teacher had played all its games, the others played a game less than they said."""
    with pytest.raises(SettingsError, match=refusal):
        load(AlphaGoConfig, find_config("alphago_9x9"), [setting])


def test_expert_moves_are_learned_and_a_stopped_stage_ends_the_same(tmp_path: Path) -> None:
    game = envs.make("tictactoe")
    perfect = Perfect(game)

    def expert(states: States, rng: np.random.Generator) -> np.ndarray:
        return perfect.action_values(states).argmax(axis=1)  # the first of the best, so that it can be foretold

    openings = random_openings(game, 30, 2, np.random.default_rng(0))
    played = play_match(game, expert, expert, openings, np.random.default_rng(0)).games
    lines = [Line(g.actions, 2 * g.score - 1, range(2, len(g.actions))) for g in played]
    store.write(tmp_path / "s", game, lines, {}, territory=False)
    whole = learned(tmp_path / "s", tmp_path / "whole")
    row = checkpoint.newest(tmp_path / "whole")[0].state["row"]  # type: ignore[union-attr]  # it is there
    assert row["test/policy_top1"] > 0.7
    assert row["test/policy_top5"] > 0.95
    with pytest.raises(KeyboardInterrupt):
        learned(tmp_path / "s", tmp_path / "broken", rounds=2)
    again = learned(tmp_path / "s", tmp_path / "broken")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def reinforce(folder: Path, iterations: int, **changes: Any) -> dict[str, Tensor]:
    game = envs.make("tictactoe")
    torch.manual_seed(0)
    network = NetworkSettings(blocks=1, channels=16)
    start = PolicyValueNetwork(game, network).state_dict()
    given = {"settings": ReinforceSettings(games=64, every=5, pool_every=10, lr=0.01), "baseline": None, **changes}
    learner = Reinforce(game, network, runtime=TORCH, start=start, folder=folder, seed=(0,), **given)
    return learner.run(iterations, tracker(folder), Silent())


def test_reinforcement_beats_where_it_began(tmp_path: Path) -> None:
    """From random weights, 60 batches: the sampled policy then scores well above one half against random play."""
    game = envs.make("tictactoe")
    weights = reinforce(tmp_path / "r", 60)
    runtime = TorchRuntime(game, NetworkSettings(blocks=1, channels=16))
    runtime.load(weights)
    openings = random_openings(game, 1, 0, np.random.default_rng(0)).repeated(200)
    rng = np.random.default_rng(0)
    played = play_match(
        game, sampler(game, NetworkEvaluator(game, runtime)), make_player(game, "random"), openings, rng
    )
    assert played.score > 0.65


def test_reinforcement_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    whole = reinforce(tmp_path / "whole", 15)
    shutil.copytree(
        tmp_path / "whole" / "pool", tmp_path / "broken" / "pool"
    )  # as if killed after the second had joined
    reinforce(tmp_path / "broken", 5)
    again = reinforce(tmp_path / "broken", 15)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_pool_may_grow_faster_after_a_resumption(tmp_path: Path) -> None:
    """It was looked for under the numbers that the new setting would have given its members."""
    reinforce(tmp_path, 15)
    settings = ReinforceSettings(games=64, every=5, pool_every=4, lr=0.01)
    reinforce(tmp_path, 20, settings=settings)
    members = sorted(int(path.stem) for path in (tmp_path / "pool").iterdir())
    assert members == [0, 10, 16]


def test_the_second_pass_plays_games_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It drew what the first had drawn: the same opponents and, as far as the policy was the same, the same games."""
    config = shrink(AlphaGoConfig(name="x", game="tictactoe", tracking=TrackingSettings(mode="disabled")))
    again = config.reinforce.model_copy(update={"iterations": 1, "games": 64, "lr": 1e-6})
    pipeline = Pipeline(config.model_copy(update={"reinforce": again}), tmp_path, Silent())
    pipeline.create_folder()
    network = config.supervised.network
    weights = PolicyValueNetwork(pipeline.game, network).state_dict()
    for name in (alphago.SUPERVISED, alphago.VALUE):
        pipeline._save(name, network, weights)
    passes: list[list[PlayedGame]] = []

    def kept(*arguments: Any, **more: Any) -> MatchResult:
        played = play_match(*arguments, **more)
        passes.append(played.games)
        return played

    monkeypatch.setattr("arena.alphago.reinforce.play_match", kept)
    pipeline._reinforced()
    pipeline._reinforced_again()
    first, second = passes
    assert sum(one.actions == other.actions for one, other in zip(first, second, strict=True)) < len(first) / 8


def test_a_perfect_baseline_leaves_nothing_to_learn(tmp_path: Path) -> None:
    """Where the baseline is the result itself, the gradient is zero and nothing moves."""
    game = envs.make("tictactoe")
    torch.manual_seed(0)
    network = NetworkSettings(blocks=1, channels=16)
    start = PolicyValueNetwork(game, network).state_dict()
    settings = ReinforceSettings(games=2, every=1)
    learner = Reinforce(game, network, settings, TORCH, start, tmp_path, seed=(0,), baseline=None)
    lines = random_lines(game, 1, 3)
    result = lines[0].result
    learner.baseline = lambda states: np.where(states["to_play"] == 0, result, -result).astype(np.float32)
    figures = learner._learn(MatchResult([PlayedGame(0, True, lines[0].actions, (1 + result) / 2)]))
    assert figures["train/gradient_norm"] == 0
    learner.baseline = None
    if result:
        assert (
            learner._learn(MatchResult([PlayedGame(0, True, lines[0].actions, (1 + result) / 2)]))[
                "train/gradient_norm"
            ]
            > 0
        )


def likelihood(game: Game, network: PolicyValueNetwork, actions: tuple[int, ...], plies: list[int]) -> float:
    """Log-likelihood of the moves at `plies` of a game."""
    states, total = game.reset(1), 0.0
    for ply, action in enumerate(actions):
        if ply in plies:
            with torch.no_grad():
                logits = network(torch.from_numpy(game.observe(states)).float()).policy[0]
            mask = torch.from_numpy(game.legal(states)[0])
            total += float(torch.log_softmax(logits.masked_fill(~mask, -torch.inf), 0)[action])
        states = game.step(states, np.array([action]))
    return total


@pytest.mark.parametrize("learner_first", [True, False])
def test_a_win_makes_its_moves_likelier_and_a_loss_less(tmp_path: Path, learner_first: bool) -> None:
    game = envs.make("tictactoe")
    line = next(line for line in random_lines(game, 50, 4) if line.result == 1)  # the first player won
    torch.manual_seed(0)
    network = NetworkSettings(blocks=1, channels=16)
    start = PolicyValueNetwork(game, network).state_dict()
    learner = Reinforce(game, network, ReinforceSettings(games=2), TORCH, start, tmp_path, seed=(0,), baseline=None)
    actions = tuple(line.actions)
    plies = list(range(0 if learner_first else 1, len(actions) - 1, 2))
    before = likelihood(game, learner.network, actions, plies)
    learner._learn(MatchResult([PlayedGame(0, learner_first, actions, float(learner_first))]))
    assert (likelihood(game, learner.network, actions, plies) > before) == learner_first


@pytest.mark.parametrize("learner_first", [True, False])
def test_the_moves_that_are_learned_are_the_learners_against_a_handicap_too(
    tmp_path: Path, learner_first: bool
) -> None:
    """There the second player begins: the rival's moves were learned."""
    game = envs.make("go:size=7,handicap=2")
    torch.manual_seed(0)
    network = NetworkSettings(blocks=1, channels=8)
    start = PolicyValueNetwork(game, network).state_dict()
    learner = Reinforce(game, network, ReinforceSettings(games=2), TORCH, start, tmp_path, seed=(0,), baseline=None)
    movers: list[int] = []

    def baseline(states: States) -> np.ndarray:
        movers.extend(states["to_play"].tolist())
        return np.zeros(len(states), np.float32)

    learner.baseline = baseline
    actions = tuple(random_lines(game, 1, 0)[0].actions)
    learner._learn(MatchResult([PlayedGame(0, learner_first, actions, 1.0)]))
    assert set(movers) == {0 if learner_first else 1}


# Positions for the value network


def test_each_game_gives_one_position_after_a_random_move() -> None:
    game = envs.make("connect_four")
    calls: list[str] = []

    def named(name: str) -> Any:
        def play(states: States, rng: np.random.Generator) -> np.ndarray:
            calls.append(name)
            return random_actions(game.legal(states), rng)

        return play

    lines = values.one_position_games(
        game, named("before"), named("after"), 300, 30, np.random.default_rng(0), lambda games: None
    )
    assert len(lines) == 300
    assert {"before", "after"} == set(calls)
    for line in lines[:50]:
        (ply,) = line.learned
        assert 1 <= ply < len(line.actions)
        states = game.reset(1)
        for action in line.actions:
            assert game.legal(states)[0, action]
            states = game.step(states, np.array([action]))
        assert game.terminal(states)[0]
        assert line.result == float(game.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
    assert len({line.learned[0] for line in lines}) > 15


# The search


def test_the_leaf_is_the_mixture_and_asks_only_what_counts() -> None:
    game = envs.make("connect_four")
    states = random_states(game, 10, 6, 0)

    def constant(value: float) -> Any:
        return lambda states: Evaluation(uniform(game)(states).priors, np.full(len(states), value, np.float32))

    def never(states: States) -> Evaluation:
        raise AssertionError("asked although it has no weight")

    np.testing.assert_allclose(mixed(uniform(game), constant(1), constant(-1), 0.25)(states).values, 0.5)
    np.testing.assert_allclose(mixed(uniform(game), constant(1), never, 0.0)(states).values, 1)
    np.testing.assert_allclose(mixed(uniform(game), never, constant(-1), 1.0)(states).values, -1)
    for value, playout, mix in ((None, constant(1), 0.5), (constant(1), None, 0.5), (constant(1), constant(1), 1.5)):
        with pytest.raises(ValueError, match="mix is"):
            mixed(uniform(game), value, playout, mix)


@pytest.mark.parametrize("letters", ["rv", "r", "rvp", "rp"])
def test_no_variant_loses_at_tic_tac_toe(letters: str) -> None:
    """Sixty games against random play without a loss: a search with a wrong sign anywhere loses at once."""
    game = envs.make("tictactoe")
    parts = Parts(uniform(game), uniform(game), rollouts(game, 0, 8), uniform(game))
    openings = random_openings(game, 1, 0, np.random.default_rng(0)).repeated(30)
    search = APVSettings(c_puct=3.0, asynchronous=False)  # for even priors over nine moves
    player = alphago.variant(game, letters, parts, 200, search)
    played = play_match(game, player, make_player(game, "random"), openings, np.random.default_rng(0))
    assert played.losses == 0
    assert played.wins > 40


def test_an_unknown_variant_is_refused() -> None:
    game = envs.make("tictactoe")
    with pytest.raises(ValueError, match="no variant 'x'"):
        alphago.variant(game, "x", Parts(uniform(game), uniform(game), uniform(game), uniform(game)), 10)
