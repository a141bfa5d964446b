"""Games of OpenSpiel and PettingZoo are their libraries' games move for move.

The fast tests play a few games of each kind; `pytest -m "peer or slow" tests/test_adapters_peers.py` plays many of every kind.
"""

from __future__ import annotations

import copy

import numpy as np
import pettingzoo
import pyspiel
import pytest

from envs import States
from envs.adapters.foreign import SKIP, ForeignGame
from envs.adapters.openspiel import ALTERNATING
from tests.foreign import OPENSPIEL, PETTINGZOO, actions_at_random, foreign, forgetful


def same_game_as_openspiel(spec: str, seed: int) -> int:
    """Play one random game beside OpenSpiel's own state; returns the skips in it."""
    game, rebuilt = foreign(spec), forgetful(spec)
    peer = pyspiel.load_game(game.name.removeprefix("openspiel:"))
    state, skips = peer.new_initial_state(), 0
    first = state.current_player()
    for states, action in actions_at_random(game, seed):
        player = first ^ int(states["to_play"][0])
        legal = np.flatnonzero(game.legal(states)[0]).tolist()
        np.testing.assert_array_equal(game.legal(states), rebuilt.legal(states))
        if len(game.rules.levels) == 1:  # binary already
            seen = game.observe(states)[0, : game.rules.shape[0]]
            np.testing.assert_array_equal(seen.reshape(-1), state.observation_tensor(player))
        if state.is_terminal():
            assert action == -1
            assert game.returns(states)[0] == state.returns()[player]
            assert legal == []
        elif action == -1:
            assert states["length"][0] == game.rules.max_moves
            assert game.returns(states)[0] == 0
        elif state.current_player() == player:
            assert legal == state.legal_actions()
            state.apply_action(action)
        else:
            assert [game.action_name(a) for a in legal] == [SKIP]
            assert game.observe(states)[0, -1].all()
            skips += 1
    return skips


@pytest.mark.parametrize(("spec", "games"), OPENSPIEL.items())
def test_games_are_openspiels(spec: str, games: int) -> None:
    skips = sum(same_game_as_openspiel(spec, seed) for seed in range(games))
    assert (skips > 0) == (spec.split(":")[1].split("(")[0] in ("dots_and_boxes", "mancala", "nine_mens_morris"))


def fitting() -> list[str]:
    """Every game of OpenSpiel that loads by its name alone and can be played here."""
    kinds, wanted = pyspiel.registered_games(), pyspiel.GameType
    return [
        f"openspiel:{kind.short_name}"
        for kind in kinds
        if kind.default_loadable
        and kind.min_num_players <= 2 <= kind.max_num_players
        and kind.information == wanted.Information.PERFECT_INFORMATION
        and kind.chance_mode == wanted.ChanceMode.DETERMINISTIC
        and kind.dynamics == wanted.Dynamics.SEQUENTIAL
        and kind.utility == wanted.Utility.ZERO_SUM
    ]


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("spec", fitting())
def test_every_fitting_game_of_openspiel_is_its_own(spec: str) -> None:
    """20 games; a game said to alternate that did not would raise an error."""
    skips = sum(same_game_as_openspiel(spec, seed) for seed in range(20))
    assert not (skips and spec.removeprefix("openspiel:") in ALTERNATING)
    game = foreign(spec)
    for states, _ in actions_at_random(game, seed=20):
        planes = game.observe(states)
        assert planes.shape == (1, len(game.planes), *game.board_shape)
        assert planes.max(initial=0) <= 1


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("spec", ["openspiel:tic_tac_toe", "openspiel:connect_four", "openspiel:dots_and_boxes"])
def test_ten_thousand_games_are_openspiels(spec: str) -> None:
    for seed in range(10_000):
        same_game_as_openspiel(spec, seed)


def same_game_as_pettingzoo(spec: str, seed: int) -> None:
    """Play one random game beside an environment with all of PettingZoo's wrappers, looking at every sibling of a move.

    A position is copied for each of its moves: were a copy to share anything with it, the game would go astray.
    """
    game, rebuilt = foreign(spec), forgetful(spec)
    name = spec.removeprefix("pettingzoo:").partition("(")[0]
    options = {"board_size": 4} if name == "go_v5" else {}
    env = pettingzoo.make("aec", f"classic/{name}", **options)
    env.reset(seed=7)
    for states, action in actions_at_random(game, seed):
        observation, _, ended, truncated, _ = env.last()
        assert env.possible_agents.index(env.agent_selection) == states["to_play"][0]
        planes = observation["observation"].transpose(2, 0, 1)
        for one in (game, rebuilt):
            np.testing.assert_array_equal(one.observe(states)[0, :-1], planes)
        if action == -1:
            assert (ended or truncated) or states["length"][0] == game.rules.max_moves
            reward = env.rewards[env.agent_selection] if ended else 0
            assert game.returns(states)[0] == reward
            return
        assert not ended
        np.testing.assert_array_equal(game.legal(states)[0], observation["action_mask"].astype(bool))
        np.testing.assert_array_equal(game.legal(states), rebuilt.legal(states))
        siblings = np.flatnonzero(game.legal(states)[0])[:8]
        game.step(np.repeat(states, len(siblings)), siblings)
        env.step(action)


@pytest.mark.parametrize(("spec", "games"), PETTINGZOO.items())
def test_games_are_pettingzoos(spec: str, games: int) -> None:
    for seed in range(games):
        same_game_as_pettingzoo(spec, seed)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize(
    ("spec", "games"),
    [
        ("pettingzoo:tictactoe_v3", 2000),
        ("pettingzoo:connect_four_v3", 300),
        ("pettingzoo:go_v5(board_size=4)", 50),
        ("pettingzoo:chess_v6", 2),
    ],
)
def test_many_games_are_pettingzoos(spec: str, games: int) -> None:
    for seed in range(games):
        same_game_as_pettingzoo(spec, seed)


def test_copies_of_environments_are_made_by_hand() -> None:
    """What `copy.deepcopy` makes of an environment: a new one that has not begun."""
    env = pettingzoo.make("aec", "classic/connect_four_v3").unwrapped
    env.reset()
    env.step(3)
    assert any(env.board)
    assert not any(copy.deepcopy(env).board)


def test_go_of_two_sizes_in_one_process() -> None:
    """PettingZoo's Go keeps its size in its module, where the environment made last decides it."""
    games = [foreign("pettingzoo:go_v5(board_size=4)"), foreign("pettingzoo:go_v5(board_size=3,komi=0.5,max_moves=30)")]
    alone = [list(actions_at_random(game, seed=3)) for game in games]
    lines = [actions_at_random(ForeignGame(game.rules), seed=3) for game in games]
    mixed: list[list[tuple[States, int]]] = [[], []]
    while len(mixed[0]) < len(alone[0]) or len(mixed[1]) < len(alone[1]):
        for line, played in zip(lines, mixed, strict=True):
            played += [ply for ply in [next(line, None)] if ply is not None]
    for one, other in zip(alone, mixed, strict=True):
        assert [action for _, action in one] == [action for _, action in other]


def test_a_game_too_long_is_a_draw() -> None:
    for spec in ("openspiel:chess(max_moves=7)", "pettingzoo:chess_v6(max_moves=7)"):
        game = foreign(spec)
        assert game.name == spec
        *_, (states, _) = actions_at_random(game, seed=0)
        assert (states["ply"][0], game.returns(states)[0], game.terminal(states)[0]) == (7, 0, True)
        assert game.rollout(game.reset(1), np.zeros(1, np.uint64))[0] == 0
