"""Every registered game keeps the contract, its counted positions, its golden playthrough and its peers' rules.

`python -m tests.test_games` writes the golden playthroughs anew, after a deliberate change of rules or drawing: read
the difference before committing it.
"""

from __future__ import annotations

import importlib
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import envs
from envs import Game, States, random_actions
from envs.chess_game import Chess
from tests.marks import old_pettingzoo
from tests.positions import assert_same, expand, perft, random_games

SPECS = {
    "tictactoe": ["tictactoe"],
    "connect_four": ["connect_four"],
    "go": ["go5", "go9", "go5:superko=simple", "go5:superko=situational", "go5:rules=tromp-taylor"],
    "hex": ["hex5", "hex11", "hex4:swap=false"],
    "gomoku": ["gomoku9", "gomoku:exact=true"],
    "mnk": ["mnk:m=5,n=4,k=3", "mnk:m=3,n=3,k=3"],
    "othello": ["othello6", "othello", "othello4"],
    "breakthrough": ["breakthrough6", "breakthrough", "breakthrough:width=3,height=4"],
    "chess": ["chess:fen=k7/1R5P/1K6/8/8/8/8/8_w_-_-_94_60", "chess"],  # the first is a short endgame
}
ARRANGED = {"breakthrough", "chess", "othello"}  # games that begin with pieces on the board
GAMES = [envs.make(spec) for specs in SPECS.values() for spec in specs]
GOLDEN = Path(__file__).parent / "golden"
STONES = {1: "X", -1: "O"}

SLOW = {"chess"}  # names of games that need minutes, where a smaller one of their kind is checked as well

every_game = pytest.mark.parametrize(
    "game",
    [pytest.param(game, id=game.name, marks=[pytest.mark.slow] * (game.name in SLOW)) for game in GAMES],
)
every_game_of_stones = pytest.mark.parametrize(
    "game", [game for game in GAMES if not isinstance(game, Chess)], ids=lambda game: game.name
)  # two kinds of them, which the first two planes show as `board` does


def test_every_registered_game_is_tested_here() -> None:
    assert set(SPECS) == set(envs.GAMES)


def reached(game: Game, n: int = 12, seed: int = 0) -> States:
    """All states of `n` random games, the finished ones included."""
    return np.concatenate(random_games(game, n, seed))


@every_game
def test_shapes_and_types(game: Game) -> None:
    assert isinstance(game, Game)
    for field, kind in (("to_play", "i1"), ("ply", "i2"), ("last", "i2")):
        assert game.dtype[field] == np.dtype(kind)
    h, w = game.board_shape
    for states in (reached(game), game.reset(0)):
        b = len(states)
        actions = random_actions(game.legal(states), np.random.default_rng(0))
        for found, shape, kind in (
            (game.step(states, actions), (b,), game.dtype),
            (game.legal(states), (b, game.num_actions), bool),
            (game.terminal(states), (b,), bool),
            (game.returns(states), (b,), np.float32),
            (game.observe(states), (b, len(game.planes), h, w), np.uint8),
            (game.board(states), (b, h, w), np.int8),
            (game.heuristic(states), (b,), np.float32),
            (game.rollout(states, np.arange(b, dtype=np.uint64)), (b,), np.float32),
        ):
            assert found.shape == shape
            assert found.dtype == kind


@every_game
def test_the_start(game: Game) -> None:
    states = game.reset(3)
    assert (states["to_play"] == 0).all()
    assert (states["ply"] == 0).all()
    assert (states["last"] == -1).all()
    arranged = game.name.partition(":")[0] in ARRANGED
    assert (game.board(states) != 0).any(axis=(1, 2)).tolist() == [arranged] * 3
    if not arranged:
        refused = {game.action_name(action) for action in np.flatnonzero(~game.legal(states).all(axis=0)).tolist()}
        assert refused <= {"swap"}, "all may be played on an empty board but Hex's swap"


@every_game
def test_a_game_goes_on_exactly_while_there_is_a_legal_action(game: Game) -> None:
    states = reached(game)
    np.testing.assert_array_equal(game.legal(states).any(axis=1), ~game.terminal(states))


@every_game
def test_no_game_is_longer_than_max_plies(game: Game) -> None:
    assert len(random_games(game, 64, seed=1)) - 1 <= game.max_plies


@every_game
def test_a_step_passes_the_turn_and_terminal_states_absorb(game: Game) -> None:
    line = random_games(game, 12, seed=2)
    for before, after in itertools.pairwise(line):
        ended = game.terminal(before)
        assert_same(after[ended], before[ended])
        assert (after["ply"] == before["ply"] + ~ended).all()
        np.testing.assert_array_equal(after["to_play"], np.where(ended, before["to_play"], 1 - before["to_play"]))


@every_game
def test_results_are_zero_until_the_end_and_the_heuristic_is_exact_there(game: Game) -> None:
    states = reached(game, n=64)
    ended, returns, estimate = game.terminal(states), game.returns(states), game.heuristic(states)
    assert not returns[~ended].any()
    assert np.isin(returns, (-1, 0, 1)).all()
    assert (np.abs(estimate[~ended]) < 1).all()
    np.testing.assert_array_equal(estimate[ended], returns[ended])


@every_game
def test_arguments_stay_as_they_were(game: Game) -> None:
    states = reached(game, n=4)
    actions = random_actions(game.legal(states), np.random.default_rng(0))
    seeds = np.arange(len(states), dtype=np.uint64)
    before = states.copy(), actions.copy(), seeds.copy()
    game.step(states, actions)
    game.rollout(states, seeds)
    for look in (game.legal, game.terminal, game.returns, game.observe, game.board, game.heuristic):
        look(states)
    assert_same(states, before[0])
    np.testing.assert_array_equal(actions, before[1])
    np.testing.assert_array_equal(seeds, before[2])


@every_game
def test_a_batch_is_its_states_one_by_one(game: Game) -> None:
    states = reached(game, n=3)
    actions = random_actions(game.legal(states), np.random.default_rng(0))
    seeds = np.arange(len(states), dtype=np.uint64)
    ones = [slice(i, i + 1) for i in range(len(states))]
    assert_same(game.step(states, actions), np.concatenate([game.step(states[i], actions[i]) for i in ones]))
    whole, single = game.rollout(states, seeds), [game.rollout(states[i], seeds[i]) for i in ones]
    np.testing.assert_array_equal(whole, np.concatenate(single))
    for look in (game.legal, game.terminal, game.returns, game.observe, game.board, game.heuristic):
        np.testing.assert_array_equal(look(states), np.concatenate([look(states[i]) for i in ones]))


@every_game
def test_symmetries_commute_with_the_rules(game: Game) -> None:
    """The same game played on the turned board stays the turned game, and ends the same."""
    points, actions = game.symmetries
    places = np.argsort(actions, axis=1)  # [S, A] where action a stands on the turned board
    np.testing.assert_array_equal(points[0], np.arange(points.shape[1]))
    np.testing.assert_array_equal(actions[0], np.arange(game.num_actions))
    np.testing.assert_array_equal(np.sort(points, axis=1), np.broadcast_to(points[0], points.shape))
    np.testing.assert_array_equal(np.sort(actions, axis=1), np.broadcast_to(actions[0], actions.shape))
    rng = np.random.default_rng(3)
    states = game.reset(8)
    turned = [states] * len(points)
    while not game.terminal(states).all():
        chosen = random_actions(game.legal(states), rng)
        states = game.step(states, chosen)
        planes = game.observe(states).reshape(len(states), len(game.planes), -1)
        for s in range(len(points)):
            turned[s] = game.step(turned[s], places[s][chosen])
            seen = game.observe(turned[s]).reshape(planes.shape)
            np.testing.assert_array_equal(seen, planes[:, :, points[s]])
            np.testing.assert_array_equal(game.legal(turned[s]), game.legal(states)[:, actions[s]])
            np.testing.assert_array_equal(game.returns(turned[s]), game.returns(states))
            np.testing.assert_allclose(game.heuristic(turned[s]), game.heuristic(states), rtol=1e-6)


@every_game
def test_action_names_are_read_back(game: Game) -> None:
    names = [game.action_name(action) for action in range(game.num_actions)]
    assert len(set(names)) == game.num_actions
    for action, name in enumerate(names):
        for text in (name, name.upper(), name.lower(), f" {name} "):
            assert game.parse_action(text) == action


@every_game
@pytest.mark.parametrize("text", ["", "z99", "0", "-1", "a", "1.5", "²"])
def test_a_wrong_action_name_is_refused_by_name(game: Game, text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}'"):
        game.parse_action(text)


@every_game
def test_playouts_follow_their_seeds(game: Game) -> None:
    states = np.repeat(game.reset(1), 500)
    seeds = np.arange(500, dtype=np.uint64)
    results = game.rollout(states, seeds)
    np.testing.assert_array_equal(results, game.rollout(states, seeds))
    np.testing.assert_array_equal(results[::-1], game.rollout(states, seeds[::-1].copy()))
    assert len(np.unique(results)) > 1
    assert np.isin(results, (-1, 0, 1)).all()


@every_game
def test_playouts_of_finished_games_are_their_results(game: Game) -> None:
    states = random_games(game, 32, seed=4)[-1]
    np.testing.assert_array_equal(game.rollout(states, np.arange(32, dtype=np.uint64)), game.returns(states))


@pytest.mark.parametrize("spec", ["tictactoe", "connect_four"])
def test_playouts_are_random_games_seen_from_the_side_to_move(spec: str) -> None:
    """Mean result of playouts = mean result of playing a random action, then a playout, for the other side."""
    game = envs.make(spec)
    rng = np.random.default_rng(5)
    n = 20_000
    for state in random_games(game, 1, seed=6)[:-1]:
        states = np.repeat(state, n)
        after = game.step(states, random_actions(game.legal(states), rng))
        seeds = rng.integers(2**63, size=(2, n), dtype=np.uint64)
        assert game.rollout(states, seeds[0]).mean() == pytest.approx(-game.rollout(after, seeds[1]).mean(), abs=0.05)


@every_game_of_stones
@settings(deadline=None)  # the first call may compile a kernel
@given(choices=st.lists(st.integers(0, 2**16), max_size=60))
def test_any_line_of_play_looks_right(game: Game, choices: list[int]) -> None:
    states = game.reset(1)
    for choice in choices:
        playable = np.flatnonzero(game.legal(states)[0])
        if not len(playable):
            break
        states = game.step(states, playable[[choice % len(playable)]])
    board, planes = game.board(states)[0], game.observe(states)[0]
    to_play, last = int(states["to_play"][0]), int(states["last"][0])
    own = 1 if to_play == 0 else -1
    np.testing.assert_array_equal(planes[0], board == own)
    np.testing.assert_array_equal(planes[1], board == -own)
    assert planes.max() <= 1
    stands = last >= 0 and board.reshape(-1)[last] != 0
    assert stands == (last >= 0) or getattr(game, "suicide", False)  # Go's suicide takes off the stone just placed
    if stands:
        assert board.reshape(-1)[last] == -own
    lines = game.show(states[0]).splitlines()
    h, _w = game.board_shape
    assert len(lines) == h + 2
    drawn = "".join(lines[1 : h + 1])
    assert [drawn.count(STONES[colour]) for colour in STONES] == [(board == colour).sum() for colour in STONES]
    assert (f"({STONES[-own]})" in drawn) == stands
    assert ("to play" in lines[-1]) == (not game.terminal(states)[0])


# Counted positions.


def distinct(game: Game, states: States) -> States:
    """One state of each different board."""
    boards = game.board(states).reshape(len(states), math.prod(game.board_shape))
    return states[np.unique(boards.view(f"V{boards.shape[1]}"), return_index=True)[1]]


PERFT_CONNECT_FOUR = [7, 49, 343, 2401, 16807, 117649, 823536, 5673234]  # John Tromp's counts


def test_connect_four_lines_of_play() -> None:
    assert perft(envs.make("connect_four"), 6) == PERFT_CONNECT_FOUR[:6]


@pytest.mark.slow
def test_connect_four_lines_of_play_to_ply_8() -> None:
    assert perft(envs.make("connect_four"), 8) == PERFT_CONNECT_FOUR


def test_connect_four_positions() -> None:
    """OEIS A212693."""
    game = envs.make("connect_four")
    states, counts = game.reset(1), [1]
    for _ in range(8):
        states = distinct(game, expand(game, states))
        counts.append(len(states))
    assert counts == [1, 7, 49, 238, 1120, 4263, 16422, 54859, 184275]


def test_every_game_of_tictactoe() -> None:
    """255,168 games: 131,184 won by the first player, 77,904 by the second, 46,080 drawn."""
    game = envs.make("tictactoe")
    states, results = game.reset(1), {1: 0, -1: 0, 0: 0}
    while len(states):
        ended = states[game.terminal(states)]
        first = game.returns(ended) * (1 - 2 * ended["to_play"])
        for result in results:
            results[result] += int((first == result).sum())
        states = expand(game, states)
    assert results == {1: 131184, -1: 77904, 0: 46080}


def test_every_position_of_tictactoe() -> None:
    """5,478 positions, 765 of them different under rotation and reflection."""
    game = envs.make("tictactoe")
    levels = [game.reset(1)]
    while len(levels[-1]):
        levels.append(distinct(game, expand(game, levels[-1])))
    boards = game.board(np.concatenate(levels)).reshape(-1, 9)
    assert len(boards) == 5478
    turned = boards[:, game.symmetries.points]  # [P, S, 9]
    assert len({min(face.tobytes() for face in faces) for faces in turned}) == 765


# Golden playthroughs: the text of one random game, ply by ply.


def golden(spec: str) -> Path:
    """The file of a game's playthrough; a colon is no part of a file's name everywhere, a slash nowhere."""
    return GOLDEN / f"{spec.replace(':', '-').replace('/', '-')}.txt"


def playthrough(game: Game) -> str:
    """A random game as text: what a player sees at each ply, and what is recorded of it."""
    h, w = game.board_shape
    lines = [
        f"{game.name} version {game.version}: {game.num_actions} actions on {h} x {w}, at most {game.max_plies} plies"
    ]
    lines += [f"planes: {', '.join(game.planes)}"]
    rng = np.random.default_rng(0)
    states = game.reset(1)
    while True:
        legal = game.legal(states)
        lines += ["", f"ply {states['ply'][0]}", game.show(states[0])]
        lines += [f"stones in planes: {' '.join(str(n) for n in game.observe(states)[0].sum(axis=(1, 2)))}"]
        lines += [f"heuristic: {game.heuristic(states)[0]:.4f}"]
        if not legal.any():
            return "\n".join([*lines, f"returns: {game.returns(states)[0]:g}", ""])
        lines += [f"legal: {' '.join(game.action_name(action) for action in np.flatnonzero(legal[0]))}"]
        action = random_actions(legal, rng)
        lines += [f"plays: {game.action_name(int(action[0]))}"]
        states = game.step(states, action)


@pytest.mark.parametrize("spec", [specs[0] for specs in SPECS.values()])
def test_the_golden_playthrough_is_unchanged(spec: str) -> None:
    file = golden(spec)
    assert file.exists(), f"{spec} has no golden playthrough: python -m tests.test_games writes it"
    assert playthrough(envs.make(spec)) == file.read_text(encoding="utf-8")


# Peers.


@old_pettingzoo
@pytest.mark.usefixtures("without_pygame")
@pytest.mark.parametrize("name", ["tictactoe", "connect_four"])
def test_the_rules_are_pettingzoos(name: str) -> None:
    """200 random games, move for move: what may be played, when the game ends, and who has won."""
    game = envs.make(name)
    env = importlib.import_module(f"pettingzoo.classic.{name}_v3").env()
    rng = np.random.default_rng(7)
    for _ in range(200):
        env.reset()
        states = game.reset(1)
        while not game.terminal(states)[0]:
            observation, _, ended, _, _ = env.last()
            assert not ended
            assert env.agents.index(env.agent_selection) == states["to_play"][0]
            mask: NDArray[np.int8] = observation["action_mask"]
            np.testing.assert_array_equal(game.legal(states)[0], mask.astype(bool))
            # PettingZoo numbers the cells of tic-tac-toe down the columns: the same game on the board turned over.
            np.testing.assert_array_equal(game.observe(states)[0, :2], observation["observation"].transpose(2, 0, 1))
            action = random_actions(game.legal(states), rng)
            env.step(int(action[0]))
            states = game.step(states, action)
        assert all(env.terminations.values())
        player = env.possible_agents[states["to_play"][0]]
        assert env.rewards[player] == game.returns(states)[0]


OPENSPIEL = {"tictactoe": "tic_tac_toe", "connect_four": "connect_four", "othello": "othello"} | {
    spec: spec.replace(":", "(") + ")" for spec in ("mnk:m=6,n=5,k=4", "mnk:m=9,n=9,k=5")
}  # where actions are numbered alike; Go, Hex, Breakthrough and chess have tests of their own


@pytest.mark.parametrize("games", [50, pytest.param(10_000, marks=[pytest.mark.peer, pytest.mark.slow])])
@pytest.mark.parametrize("spec", OPENSPIEL)
def test_the_rules_are_openspiels(spec: str, games: int) -> None:
    """Random games, move for move: who is to move, what may be played, when the game ends, and who has won."""
    spiel = pytest.importorskip("pyspiel").load_game(OPENSPIEL[spec])
    game, rng = envs.make(spec), np.random.default_rng(8)
    states, others = game.reset(games), [spiel.new_initial_state() for _ in range(games)]
    while True:
        legal, ended, returns = game.legal(states), game.terminal(states), game.returns(states)
        actions = random_actions(legal, rng)
        for i, other in enumerate(others):
            assert other.is_terminal() == ended[i]
            assert other.legal_actions() == np.flatnonzero(legal[i]).tolist()
            if ended[i]:
                assert other.returns()[states["to_play"][i]] == returns[i]
            else:
                assert other.current_player() == states["to_play"][i]
                other.apply_action(int(actions[i]))
        if ended.all():
            break
        states = game.step(states, actions)


@pytest.mark.parametrize("width", [1, 2, 8, 16, 17, 24, 82, 362])
def test_random_actions_are_legal_and_all_are_drawn(width: int) -> None:
    rng = np.random.default_rng(width)
    legal = rng.random((64, width)) < 0.5
    legal[0], legal[1:, -1], legal[1], legal[2] = False, True, True, np.arange(width) == width - 1
    drawn = np.stack([random_actions(legal, rng) for _ in range(40 * width)], axis=1)
    assert not drawn[0].any(), "0 where there is none"
    counts = np.stack([np.bincount(row, minlength=width) for row in drawn[1:]])
    np.testing.assert_array_equal(counts > 0, legal[1:])
    expected = 40 * width / legal[1:].sum(axis=1)
    assert (np.abs(counts.max(axis=1) - expected) < 6 * np.sqrt(expected)).all()


# The way games are asked for.


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("conect_four", "'conect_four'.*did you mean 'connect_four'"),
        ("checkers", "there is no game 'checkers'.*tictactoe, connect_four"),
        ("tictactoe:size=3", "tictactoe has no option 'size'"),
        ("go:stones=2", "go has no option 'stones': it has size, komi, superko"),
        ("go1", "size=1: choose a whole number from 2 to 19"),
        ("go:size=x", "size=x: choose a whole number"),
        ("go9:komi=many", "komi=many: give a finite number"),
        ("go9:komi", "'komi' in 'go9:komi' is no option"),
    ],
)
def test_a_wrong_game_is_refused_with_what_there_is(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        envs.make(spec)


@every_game
def test_a_games_name_makes_it_again(game: Game) -> None:
    again = envs.make(game.name)
    assert again.name == game.name
    assert again.dtype == game.dtype


if __name__ == "__main__":
    for first, *_ in SPECS.values():
        golden(first).write_text(playthrough(envs.make(first)), encoding="utf-8")
