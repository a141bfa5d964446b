"""Matches: paired, seat-swapped, counted; players are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from agents.players import SearchPlayer, make_player
from arena.match import play_match, random_openings
from arena.yardstick import keep_rate
from envs import States


def test_openings_are_distinct_unfinished_and_reached_by_their_moves() -> None:
    game = envs.make("connect_four")
    openings = random_openings(game, 60, 5, np.random.default_rng(0))
    assert len(openings.states) == 60
    assert len({state.tobytes() for state in game.board(openings.states)}) == 60
    assert not game.terminal(openings.states).any()
    for state, actions in zip(openings.states, openings.actions, strict=True):
        replayed = game.reset(1)
        for action in actions:
            replayed = game.step(replayed, np.array([action]))
        assert replayed[0].tobytes() == state.tobytes()


def test_a_game_with_few_openings_gives_all_it_has() -> None:
    game = envs.make("tictactoe")
    assert len(random_openings(game, 50, 1, np.random.default_rng(0)).states) == 9
    assert len(random_openings(game, 50, 0, np.random.default_rng(0)).states) == 1


def test_every_opening_is_played_from_both_seats_and_scored_for_a() -> None:
    """A player that always resigns its chances to the solver loses from both seats of tic-tac-toe's start."""
    game = envs.make("connect_four")
    rng = np.random.default_rng(0)
    openings = random_openings(game, 10, 2, rng)
    match = play_match(game, make_player(game, "minimax:4"), make_player(game, "random"), openings, rng)
    assert len(match.games) == 20
    assert [g.opening for g in match.games] == [*range(10), *range(10)]
    assert sum(g.a_first for g in match.games) == 10
    assert match.score > 0.9
    assert match.wins + match.draws + match.losses == 20
    turned = play_match(game, make_player(game, "random"), make_player(game, "minimax:4"), openings, rng)
    assert turned.score < 0.1
    for played in match.games:  # the moves replay to the result
        states = game.reset(1)
        for action in played.actions:
            assert game.legal(states)[0, action]
            states = game.step(states, np.array([action]))
        assert game.terminal(states)[0]
        first = float(game.returns(states)[0]) * (1 - 2 * int(states["to_play"][0]))
        assert played.score == (1 + (first if played.a_first else -first)) / 2


def test_an_illegal_move_is_an_error_that_names_the_player() -> None:
    game = envs.make("tictactoe")

    def stubborn(states: States, rng: np.random.Generator) -> np.ndarray:
        return np.zeros(len(states), np.int64)

    with pytest.raises(RuntimeError, match="player A made the illegal move a3"):
        play_match(
            game,
            stubborn,
            make_player(game, "random"),
            random_openings(game, 1, 0, np.random.default_rng(0)),
            np.random.default_rng(0),
        )


def test_equal_deterministic_games_are_not_counted_twice() -> None:
    game = envs.make("connect_four")
    rng = np.random.default_rng(0)
    openings = random_openings(game, 1, 0, rng)
    player = make_player(game, "mcts:20")
    match = play_match(game, player, player, openings, rng)
    assert match.distinct <= len(match.games)
    doubled = match._replace(games=match.games * 2)
    assert doubled.distinct == match.distinct


@pytest.mark.parametrize("name", ["tictactoe", "connect_four", "go3"])
def test_rollout_search_beats_random_from_both_seats(name: str) -> None:
    """60 games without a loss at tic-tac-toe, nine in ten elsewhere."""
    game = envs.make(name)
    rng = np.random.default_rng(1)
    openings = random_openings(game, 30, 0 if name == "tictactoe" else 2, rng)
    if name == "tictactoe":
        openings = openings._replace(states=np.repeat(openings.states, 30), actions=openings.actions * 30)
    match = play_match(game, make_player(game, "mcts:200"), make_player(game, "random"), openings, rng)
    if name == "tictactoe":
        assert match.losses == 0
    assert match.score > 0.85


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("minimax", "needs a whole number"),
        ("mcts:0", "needs a whole number"),
        ("mcts:x", "needs a whole number"),
        ("solver", "no exact solver of go"),
        ("nobody", "there is no player 'nobody'"),
    ],
)
def test_wrong_players_are_named(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_player(envs.make("go5"), spec)


def test_a_single_position_is_searched_with_several_leaves_and_reuse() -> None:
    """Playing on from its own line, the player starts from a tree, not from nothing."""
    game = envs.make("connect_four")
    player = make_player(game, "mcts:400")
    assert isinstance(player, SearchPlayer)
    rng = np.random.default_rng(0)
    search = player.search(game.reset(1)[0], rng)
    states = game.reset(1)
    for action in search.principal_variation(0)[:2]:
        states = game.step(states, np.array([action]))
    search = player.search(states[0], rng)
    assert search.tree.edge["visits"][0, 0].sum() >= 400


def test_the_champions_that_come_with_the_package_are_what_they_claim() -> None:
    """Connect Four's raw policy alone is better than alpha-beta of five plies, which keeps 92%; Go's plays under any komi."""
    game = envs.make("connect_four")
    kept = keep_rate(make_player(game, "champion:0"), np.random.default_rng(0))
    assert kept.overall > 0.92
    go = envs.make("go:size=9,komi=5.5")
    assert go.legal(go.reset(1))[0, make_player(go, "champion:8")(go.reset(1), np.random.default_rng(0))[0]]


def test_a_game_without_a_champion_is_refused() -> None:
    with pytest.raises(
        ValueError, match="no champion of tictactoe comes with the package; there is one of connect_four, go9"
    ):
        make_player(envs.make("tictactoe"), "champion")
