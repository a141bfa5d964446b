"""Matches: paired, seat-swapped, counted; players are what their names say."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from agents.evaluators import heuristic
from agents.identity import identify
from agents.players import Forfeit, Loss, SearchPlayer, make_player
from agents.search import SearchSettings
from arena.match import PlayedGame, gauntlet, play_match, random_openings
from arena.yardstick import keep_rate
from envs import States
from envs.batch import random_play


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


def test_a_player_that_forfeits_loses_those_games_and_plays_on_in_the_others() -> None:
    """It gives up wherever a first stone stands in the left column, on its first move."""
    game = envs.make("connect_four")

    def quitter(states: States, rng: np.random.Generator) -> np.ndarray:
        actions = np.full(len(states), 6)
        gone = np.flatnonzero((states["ply"] < 3) & (game.board(states)[:, -1, 0] != 0))
        if len(gone):
            actions[gone] = -1
            raise Forfeit({int(i): Loss("crash", "broken pipe") for i in gone}, actions)
        return np.where(game.legal(states)[np.arange(len(states)), actions], actions, game.legal(states).argmax(axis=1))

    rng = np.random.default_rng(0)
    openings = random_openings(game, 7, 1, rng)
    heard: list[tuple[str, PlayedGame]] = []
    match = gauntlet(
        game, quitter, {"greedy": (make_player(game, "greedy"), openings)}, rng, finished=lambda *end: heard.append(end)
    )["greedy"]
    left = [i for i, actions in enumerate(openings.actions) if actions == (0,)]
    as_second = next(played for played in match.games if played.opening in left and not played.a_first)
    assert (as_second.score, as_second.reason, as_second.detail) == (0.0, "crash", "broken pipe")
    assert as_second.actions == (0,)  # a forfeit is no move
    others = [played for played in match.games if played.opening not in left and not played.a_first]
    assert {played.reason for played in others} == {"normal"}
    assert sorted(played for _, played in heard) == sorted(match.games)
    assert {name for name, _ in heard} == {"greedy"}


def test_the_opponents_forfeit_is_a_point_for_a() -> None:
    game = envs.make("tictactoe")

    def absent(states: States, rng: np.random.Generator) -> np.ndarray:
        raise Forfeit(dict.fromkeys(range(len(states)), Loss("time")), np.zeros(len(states), np.int64))

    openings = random_openings(game, 3, 1, np.random.default_rng(0))
    match = play_match(game, make_player(game, "random"), absent, openings, np.random.default_rng(0))
    assert [(played.score, played.reason) for played in match.games] == [(1.0, "time")] * 6


def test_adjudication_stops_long_games_and_counts_points_where_there_are_any() -> None:
    """Black has the only stone of 5x5 Go without komi: all the area is its own, from both seats."""
    game, rng = envs.make("go:size=5,komi=0"), np.random.default_rng(0)

    def places_only_as_black(states: States, rng: np.random.Generator) -> np.ndarray:
        black = states["ply"] == 0
        return np.where(black, 12, 0 + np.where(states["ply"] == 1, game.num_actions - 1, 0))

    openings = random_openings(game, 1, 0, rng)
    rivals = {"twin": (places_only_as_black, openings)}
    match = gauntlet(game, places_only_as_black, rivals, rng, adjudicate=2)["twin"]
    assert [(played.score, played.a_first) for played in match.games] == [(1.0, True), (0.0, False)]
    assert {played.reason for played in match.games} == {"adjudication"}
    game = envs.make("connect_four")
    random = make_player(game, "random")
    stopped = gauntlet(game, random, {"b": (random, random_openings(game, 4, 2, rng))}, rng, adjudicate=4)["b"]
    assert [len(played.actions) for played in stopped.games] == [4] * 8
    assert stopped.score == 0.5


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


def test_simulations_of_a_champion_that_are_no_number_are_named_as_typed() -> None:
    """The file that `champion` stands for was named, which nobody had typed: there was no such player or agent."""
    game = envs.make("go9")
    for made in (make_player, identify):
        with pytest.raises(
            ValueError, match=r"^'champion:x' needs a whole number after the colon, as in champion:800$"
        ):
            made(game, "champion:x")
    assert identify(game, "champion:0").details["simulations"] == 0


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


def test_the_last_game_of_a_match_is_searched_as_all_others() -> None:
    game, rng = envs.make("connect_four"), np.random.default_rng(0)
    states = random_play(game, game.reset(24), 6, rng.integers(2**63, size=24, dtype=np.uint64))
    player = SearchPlayer(game, heuristic(game), SearchSettings(rule="puct"), 200)
    together = player(states, rng)
    assert [int(player(states[i : i + 1], rng)[0]) for i in range(len(states))] == together.tolist()


def test_a_match_follows_from_its_seed_whatever_its_players_have_played_before() -> None:
    game = envs.make("connect_four")
    player, other = make_player(game, "mcts:60"), make_player(game, "greedy")

    def games(openings: int) -> list[tuple[int, ...]]:
        rng = np.random.default_rng(1)
        starts = random_openings(game, openings, 4, rng)
        return [tuple(played.actions) for played in play_match(game, player, other, starts, rng).games]

    first = games(3)
    games(5)  # for which there were more streams of playouts, all drawn from then on
    assert games(3) == first


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
