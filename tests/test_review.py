"""Reviewing a game: what was given away, by searches and by exact play; on the screen and line by line."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console

import envs
from agents.classic import Perfect
from agents.players import SearchPlayer
from agents.search import SearchSettings
from agents.solver import exact
from arena.look import searcher
from arena.play import play
from arena.review import MARKS, Review, mistakes_table, searches, summary
from arena.table import PERSON, Options
from envs import Game, States, random_actions, records
from envs.tictactoe import TicTacToe


def line(game: Game, moves: str) -> tuple[list[States], list[int]]:
    """The positions and actions of a game."""
    states, actions = [game.reset(1)], [game.parse_action(move) for move in moves.split()]
    for action in actions:
        states.append(game.step(states[-1], np.array([action])))
    return states, actions


def reviewed(name: str, moves: str, player: SearchPlayer | None = None) -> Review:
    game = envs.make(name)
    review = Review(game, *line(game, moves))
    for ply, seen in searches(review, player or searcher(game, "mcts:300", 1), np.random.default_rng(1)):
        review.see(ply, seen)
    return review


def test_a_game_lost_by_one_move_has_that_move_marked() -> None:
    """O answers the middle at an edge and loses by force; X plays on as it should."""
    game = envs.make("tictactoe")  # with 300 simulations, half of all seeds see that it is lost
    review = reviewed("tictactoe", "b2 a2 a1 c3 b1 c1 b3", searcher(game, "mcts:3000", 1))
    assert review.missing == []
    assert review.marks() == {1: "??"}
    judgement = review.judge(1)
    assert judgement is not None
    assert review.game.action_name(judgement.best) in ("a1", "a3", "c1", "c3")
    assert judgement.loss > MARKS[0][0]
    assert review.better(1).split()[0] == review.game.action_name(judgement.best)
    assert "1 ??" in summary(review, 1)
    assert "no mistakes" in summary(review, 0)


def test_a_win_that_is_not_taken_is_given_away() -> None:
    """X does not play the fourth stone in column 4; O wins in column 1."""
    review = reviewed("connect_four", "4 1 4 1 4 1 5 1")
    assert review.marks()[6] == "??"
    assert review.values[8] == -1


def test_a_move_into_a_proven_loss_is_judged_by_the_proof() -> None:
    """The search before it, of 1000 rollouts, had looked at the move and found it half as bad: it was marked ?, not ??."""
    game = envs.make("tictactoe")
    review = reviewed("tictactoe", "b2 a2 a1 c3 b1 c1 b3", searcher(game, "mcts:1000", 0))
    assert review.views[2].proven == "won"
    assert review.marks() == {1: "??"}


def test_by_exact_values_the_marked_moves_are_those_that_give_away_a_win_or_a_draw() -> None:
    game = TicTacToe()
    perfect, rng = Perfect(game), np.random.default_rng(1)
    player = SearchPlayer(game, exact(game, perfect.action_values), SearchSettings(rule="puct"), 300)
    for _ in range(5):
        states, actions = [game.reset(1)], []
        while not game.terminal(states[-1])[0]:
            actions.append(int(random_actions(game.legal(states[-1]), rng)[0]))
            states.append(game.step(states[-1], np.array([actions[-1]])))
        review = Review(game, states, actions)
        for ply, seen in searches(review, player, rng):
            review.see(ply, seen)
        results = [np.sign(perfect.action_values(state)[0]) for state in states[:-1]]
        given_away = {ply for ply, action in enumerate(actions) if results[ply][action] < results[ply].max()}
        assert set(review.marks()) == given_away


def test_what_is_not_searched_yet_is_not_judged() -> None:
    game = envs.make("tictactoe")
    review = Review(game, *line(game, "a1 b1 b2"))
    assert review.judge(0) is None
    assert review.missing == [0, 1, 2, 3]
    found = searches(review, searcher(game, "mcts:50", 1), np.random.default_rng(1))
    review.see(*next(found))
    review.see(*next(found))
    assert review.judge(0) is not None
    assert review.judge(1) is None


def test_reviewing_line_by_line(tmp_path: Path) -> None:
    """O leaves a row of two open."""
    path = tmp_path / "game.moves"
    _, actions = line(envs.make("tictactoe"), "b2 a1 b1 a2 b3")
    records.write(path, [records.GameRecord("tictactoe", tuple(actions), 1.0)])
    out = io.StringIO()

    def read(prompt: str) -> str:
        raise EOFError

    console = Console(file=out, width=80, emoji=False)
    options = Options(record=path, review=True)
    play(envs.make("tictactoe"), PERSON, side="both", seed=1, console=console, read=read, options=options)
    assert "O: 1 ??" in out.getvalue()
    rows = [row.split() for row in out.getvalue().splitlines()]
    assert [row[:4] for row in rows if "??" in row[:4]] == [["4", "O", "a2", "??"]]


def test_the_table_has_a_row_for_every_mark() -> None:
    review = reviewed("tictactoe", "b2 a1 b1 a2 b3")
    assert mistakes_table(review, ("X", "O")).row_count == 1
