"""Play in the terminal, driven by a script of typed lines."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from rich.console import Console

import envs
from arena.analyze import position
from arena.look import searcher, view
from arena.play import play


def session(game: str, opponent: str, lines: list[str], side: str = "first") -> str:
    """What a person sees who types `lines` and then ends the input."""
    typed: Iterator[str] = iter(lines)
    out = io.StringIO()

    def read(prompt: str) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    play(envs.make(game), opponent, side=side, seed=1, console=Console(file=out, width=80, emoji=False), read=read)
    return out.getvalue()


def test_mistakes_are_answered_and_the_game_goes_on() -> None:
    seen = session("connect_four", "random", ["9", "x", "", "4", "moves", "quit"])
    assert seen.count("is not a column") == 2
    assert "random plays" in seen
    assert "\n4 " in seen


def test_a_taken_cell_is_refused() -> None:
    assert "b2 is not possible here" in session("tictactoe", "minimax:1", ["b2", "b2"])


def test_undo_goes_back_to_the_persons_last_turn() -> None:
    seen = session("connect_four", "random", ["undo", "4", "undo", "moves"])
    assert "there is nothing to take back" in seen
    assert "none yet" in seen


def test_the_opponent_begins_when_the_person_is_second() -> None:
    seen = session("connect_four", "random", ["moves"], side="second")
    assert seen.index("random plays") < seen.index("O to play")


def test_a_hint_proves_the_win() -> None:
    """X has three in the bottom row with an open end: the hint names column 4 and calls it won."""
    game = envs.make("connect_four")
    states, _ = position(game, "1 1 2 2 3 3")
    seen = view(searcher(game, "mcts:200", 0), states[0], np.random.default_rng(0))
    assert seen.proven == "won"
    assert game.action_name(seen.candidates[0].action) == "4"
    assert seen.candidates[0].proven == "won"
    assert "best line" in session("tictactoe", "random", ["hint"])


def test_a_lost_game_can_be_played_again() -> None:
    moves = [f"{c}{r}" for r in "123" for c in "abc"]
    seen = session("tictactoe", "solver", [*moves, *moves, "moves", "new", "moves"])
    assert "you lost" in seen or "a draw" in seen
    assert "none yet" in seen


@pytest.mark.parametrize("command", ["help", "swap", "resign"])
def test_every_command_answers(command: str) -> None:
    assert session("go5", "random", [command]).count("\n") > 8


def test_wrong_side_and_wrong_moves_are_errors() -> None:
    with pytest.raises(ValueError, match="--side is first, second or random"):
        session("tictactoe", "random", [], side="left")
    with pytest.raises(ValueError, match="move 2: b2 is not possible there"):
        position(envs.make("tictactoe"), "b2 b2")
    with pytest.raises(ValueError, match="move 1: 'z9'"):
        position(envs.make("tictactoe"), "z9")
