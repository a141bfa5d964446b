"""Othello: the published counts, a plain twin, a small board solved, OpenSpiel's rules."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import envs
from envs import random_actions
from envs.othello import Othello

PERFT = [4, 12, 56, 244, 1396, 8200, 55092, 390216, 3005288, 24571284]  # a pass is a ply, as www.aartbik.com counts


def perft(depth: int) -> list[int]:
    """Lines of 1 to `depth` plies; a finished game stays one line."""
    game, states, counts = Othello(8), Othello(8).reset(1), []
    for _ in range(depth):
        ended = game.terminal(states)
        rows, actions = np.nonzero(game.legal(states))
        states = np.concatenate([states[ended], game.step(states[rows], actions)])
        counts.append(len(states))
    return counts


def test_lines_of_play() -> None:
    assert perft(7) == PERFT[:7]


@pytest.mark.slow
def test_lines_of_play_to_ply_10() -> None:
    """The last ply is counted, not built: its lines are the legal moves before it."""
    game = Othello(8)
    states = game.reset(1)
    for count in PERFT[:9]:
        rows, actions = np.nonzero(game.legal(states))
        ended = game.terminal(states)
        states = np.concatenate([states[ended], game.step(states[rows], actions)])
        assert len(states) == count
    total = 0
    for part in np.array_split(states, 64):
        total += int(game.legal(part).sum()) + int(game.terminal(part).sum())
    assert total == PERFT[9]


def test_the_start_is_the_federations() -> None:
    """d5 and e4 are black, and Black's four moves are d3, c4, f5 and e6."""
    game = Othello(8)
    states = game.reset(1)
    names = {game.action_name(int(a)) for a in np.flatnonzero(game.legal(states)[0])}
    assert names == {"d3", "c4", "f5", "e6"}
    board = game.board(states)[0]
    assert (board[4, 3], board[3, 4], board[3, 3], board[4, 4]) == (1, 1, -1, -1)


def plain_step(board: list[list[int]], colour: int, y: int, x: int) -> list[list[int]] | None:
    """The board after `colour` places at (y, x); None where that turns nothing."""
    size = len(board)
    if board[y][x]:
        return None
    turned = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            run, v, u = [], y + dy, x + dx
            while 0 <= v < size and 0 <= u < size and board[v][u] == -colour:
                run.append((v, u))
                v, u = v + dy, u + dx
            if 0 <= v < size and 0 <= u < size and board[v][u] == colour:
                turned += run
    if not turned:
        return None
    after = [list(row) for row in board]
    for v, u in [*turned, (y, x)]:
        after[v][u] = colour
    return after


@pytest.mark.parametrize("size", [4, 6, 8, 10, 16])
def test_moves_and_turned_discs_are_a_plain_twins(size: int) -> None:
    game, rng = Othello(size), np.random.default_rng(size)
    states = game.reset(3)
    while not game.terminal(states).all():
        legal, boards = game.legal(states), game.board(states).tolist()
        actions = random_actions(legal, rng)
        after = game.board(game.step(states, actions)).tolist()
        for i, board in enumerate(boards):
            if game.terminal(states[i : i + 1])[0]:
                continue
            colour = 1 - 2 * int(states["to_play"][i])
            results = {y * size + x: plain_step(board, colour, y, x) for y in range(size) for x in range(size)}
            possible = [action for action, result in results.items() if result is not None]
            assert np.flatnonzero(legal[i]).tolist() == (possible or [size * size])
            assert after[i] == results.get(int(actions[i]), board)
        states = game.step(states, actions)


def test_the_small_board_is_lost_by_eight_for_the_first_player() -> None:
    """4x4 under perfect play: 3 discs to 11, as exhaustive searches have long found."""
    game = Othello(4)

    @functools.cache
    def value(key: bytes) -> int:
        """Discs of the side to move minus the other's at the end, both playing for discs."""
        state = np.frombuffer(key, game.dtype)
        if game.terminal(state)[0]:
            return int(game.difference(state)[0]) * (1 - 2 * int(state["to_play"][0]))
        actions = np.flatnonzero(game.legal(state)[0])
        children = game.step(np.repeat(state, len(actions)), actions)
        children["last"], children["ply"] = -1, 0
        return max(-value(child.tobytes()) for child in children)

    assert value(game.reset(1).tobytes()) == -8


@pytest.mark.parametrize("size", ["5", "2", "18", "x"])
def test_a_board_that_is_none_is_refused(size: str) -> None:
    with pytest.raises(ValueError, match=f"size={size}: choose an even number from 4 to 16"):
        envs.make(f"othello:size={size}")
