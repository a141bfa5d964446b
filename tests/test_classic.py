"""The classic players do what they are named for, in every game."""

from __future__ import annotations

import numpy as np
import pytest

from agents.classic import AlphaBeta, Greedy, Perfect, action_values, best_actions, random_player
from agents.players import Player
from agents.solver import Solver
from envs import Game, States, make, random_actions

GAMES = {spec: make(spec) for spec in ("tictactoe", "connect_four", "go5")}
every_game = pytest.mark.parametrize("game", GAMES.values(), ids=GAMES)


def positions(game: Game, n: int, seed: int = 0) -> States:
    """[n] unfinished positions of random games, from all their plies."""
    rng = np.random.default_rng(seed)
    line = [game.reset(n)]
    while not game.terminal(line[-1]).all():
        line.append(game.step(line[-1], random_actions(game.legal(line[-1]), rng)))
    states = np.concatenate(line)
    return rng.permutation(states[~game.terminal(states)])[:n]


def plain_minimax(game: Game, state: States, depth: int) -> float:
    """Minimax of one position [1], by its definition."""
    if game.terminal(state)[0]:
        return float((1 + depth) * game.returns(state)[0])
    if depth == 0:
        return float(game.heuristic(state)[0])
    actions = np.flatnonzero(game.legal(state)[0])
    return max(-plain_minimax(game, game.step(state, actions[i : i + 1]), depth - 1) for i in range(len(actions)))


def results(game: Game, first: Player, second: Player, games: int, seed: int = 0) -> np.ndarray:
    """[games] results for `first`, who moves first."""
    rng = np.random.default_rng(seed)
    states = game.reset(games)
    while len(going := np.flatnonzero(~game.terminal(states))):
        player = (first, second)[states["to_play"][going[0]]]
        states[going] = game.step(states[going], player(states[going], rng))
    return game.returns(states) * (1 - 2 * states["to_play"])


@every_game
def test_every_player_plays_legally(game: Game) -> None:
    states = positions(game, 20)
    for player in (random_player(game), Greedy(game), AlphaBeta(game, 2)):
        actions = player(states, np.random.default_rng(0))
        assert actions.shape == (20,)
        assert actions.dtype == np.int64
        assert game.legal(states)[np.arange(20), actions].all()
        assert len(player(states[:0], np.random.default_rng(0))) == 0


@pytest.mark.parametrize(
    ("spec", "depth"), [("tictactoe", 3), ("tictactoe", 5), ("connect_four", 2), ("connect_four", 4), ("go5", 1)]
)
def test_action_values_and_alpha_beta_are_minimax(spec: str, depth: int) -> None:
    game = GAMES[spec]
    states = positions(game, 12)
    found = action_values(game, states, depth)
    best = AlphaBeta(game, depth).best(states)
    for i in range(len(states)):
        expected = np.full(game.num_actions, -np.inf)
        for action in np.flatnonzero(game.legal(states[i : i + 1])[0]):
            child = game.step(states[i : i + 1], np.array([action]))
            expected[action] = -plain_minimax(game, child, depth - 1)
        np.testing.assert_array_equal(found[i], expected)
        np.testing.assert_array_equal(best[i], expected == expected.max())


def test_alpha_beta_cuts_nothing_that_matters() -> None:
    """With cuts and without them the same best actions, deep enough that there are cuts."""
    for spec, depth, n in (("connect_four", 5, 40), ("tictactoe", 6, 40), ("go5", 3, 3)):
        states = positions(GAMES[spec], n, seed=1)
        whole = best_actions(action_values(GAMES[spec], states, depth))
        np.testing.assert_array_equal(AlphaBeta(GAMES[spec], depth).best(states), whole)


@pytest.mark.parametrize("ply", [32, 34, 37])
def test_to_the_end_of_the_game_alpha_beta_is_exact(ply: int) -> None:
    """Sooner wins and later losses too: its best actions are those with the best score."""
    game = GAMES["connect_four"]
    states = positions(game, 4000)
    states = states[states["ply"] == ply][:20]
    exact = best_actions(Solver().scores(states))
    np.testing.assert_array_equal(AlphaBeta(game, 42 - ply).best(states), exact)


@pytest.mark.parametrize("spec", ["tictactoe", "connect_four"])
def test_a_win_in_one_is_taken_and_a_loss_in_one_is_averted(spec: str) -> None:
    game = GAMES[spec]
    states = positions(game, 300)
    now = action_values(game, states, 1)
    wins = now.max(axis=1) >= 1
    for player in (Greedy(game), AlphaBeta(game, 1), AlphaBeta(game, 3), AlphaBeta(game, 4)):
        actions = player(states[wins], np.random.default_rng(0))
        assert game.returns(game.step(states[wins], actions)).tolist() == [-1.0] * int(wins.sum())
    two = action_values(game, states, 2)
    threatened = ~wins & (two == -1).any(axis=1) & (two.max(axis=1) > -1)
    assert threatened.sum() > 10
    for player in (AlphaBeta(game, 2), AlphaBeta(game, 4)):
        after = game.step(states[threatened], player(states[threatened], np.random.default_rng(0)))
        after = after[~game.terminal(after)]
        assert (action_values(game, after, 1) < 1).all()


def test_equals_are_chosen_among_at_random() -> None:
    game = GAMES["tictactoe"]
    chosen = AlphaBeta(game, 2)(game.reset(400), np.random.default_rng(0))
    assert set(chosen) == set(range(9))


@pytest.mark.parametrize(("spec", "depth", "games", "share"), [("connect_four", 3, 40, 0.95), ("go5", 1, 40, 0.8)])
def test_alpha_beta_beats_a_random_player(spec: str, depth: int, games: int, share: float) -> None:
    game = GAMES[spec]
    strong, weak = AlphaBeta(game, depth), random_player(game)
    assert (results(game, strong, weak, games) > 0).mean() >= share
    assert (results(game, weak, strong, games) < 0).mean() >= share


def test_the_perfect_player_of_tictactoe_never_loses() -> None:
    """Whatever it chooses among its best and whatever the other side answers."""
    game = GAMES["tictactoe"]
    perfect = Perfect(game)
    assert len(perfect.table) == 5478
    for seat in (0, 1):
        states = game.reset(1)
        while len(states):
            if states["to_play"][0] == seat:
                rows, actions = np.nonzero(best_actions(perfect.action_values(states)))
            else:
                rows, actions = np.nonzero(game.legal(states))
            states = game.step(states[rows], actions)
            ended = states[game.terminal(states)]
            assert (game.returns(ended) * np.where(ended["to_play"] == seat, 1, -1) >= 0).all()
            states = states[~game.terminal(states)]


def test_perfect_players_of_tictactoe_draw_and_beat_a_random_one() -> None:
    game = GAMES["tictactoe"]
    perfect, rng_player = Perfect(game), random_player(game)
    assert not results(game, perfect, perfect, 100).any()
    assert results(game, perfect, rng_player, 200).mean() > 0.9
    assert results(game, rng_player, perfect, 200).mean() < -0.5


def test_perfect_is_minimax_to_the_end() -> None:
    game = GAMES["tictactoe"]
    states = positions(game, 60)
    best = best_actions(Perfect(game).action_values(states))
    for i in range(len(states)):
        depth = game.max_plies - int(states["ply"][i])
        np.testing.assert_array_equal(best[i], best_actions(action_values(game, states[i : i + 1], depth))[0])
