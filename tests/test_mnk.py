"""m,n,k games: small ones solved, lines against a plain twin, tic-tac-toe and OpenSpiel move for move."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from envs import random_actions
from envs.mnk import MNK


def outcome(game: MNK) -> int:
    """Result for the first player under perfect play: alpha-beta, positions and their mirror images met once."""
    points = game.symmetries.points
    table: dict[bytes, int] = {}

    def value(state: np.ndarray) -> int:
        if game.terminal(state)[0]:
            return int(game.returns(state)[0])
        board = game.board(state).reshape(-1)
        key = min(board[order].tobytes() for order in points)
        if key not in table:
            actions = np.flatnonzero(game.legal(state)[0])
            children = game.step(np.repeat(state, len(actions)), actions)
            best = -1
            for i in np.argsort(~game.terminal(children), kind="stable"):
                best = max(best, -value(children[i : i + 1]))
                if best == 1:
                    break
            table[key] = best
        return table[key]

    return value(game.reset(1))


@pytest.mark.parametrize(("m", "n", "k", "result"), [(3, 3, 3, 0), (4, 3, 3, 1), (3, 4, 3, 1), (2, 2, 2, 1)])
def test_small_games_have_their_known_results(m: int, n: int, k: int, result: int) -> None:
    """Uiterwijk and van den Herik, "The advantage of the initiative" (2000)."""
    assert outcome(MNK(m, n, k)) == result


@pytest.mark.slow
def test_four_in_a_row_on_four_by_four_is_a_draw() -> None:
    assert outcome(MNK(4, 4, 4)) == 0


def test_three_in_a_row_is_tictactoe() -> None:
    one, other, rng = MNK(3, 3, 3), envs.make("tictactoe"), np.random.default_rng(0)
    a, b = one.reset(300), other.reset(300)
    while not other.terminal(b).all():
        np.testing.assert_array_equal(one.legal(a), other.legal(b))
        actions = random_actions(other.legal(b), rng)
        a, b = one.step(a, actions), other.step(b, actions)
        np.testing.assert_array_equal(one.board(a), other.board(b))
        np.testing.assert_array_equal(one.terminal(a), other.terminal(b))
        np.testing.assert_array_equal(one.returns(a), other.returns(b))


def plain_winner(board: list[list[int]], k: int, exact: bool) -> int:
    """1, -1 or 0: whose maximal row is long enough."""
    n, m = len(board), len(board[0])
    for y in range(n):
        for x in range(m):
            for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
                colour = board[y][x]
                before_y, before_x = y - dy, x - dx
                inside = 0 <= before_y < n and 0 <= before_x < m
                if colour == 0 or (inside and board[before_y][before_x] == colour):
                    continue  # not where a row begins
                length, v, u = 0, y, x
                while 0 <= v < n and 0 <= u < m and board[v][u] == colour:
                    length, v, u = length + 1, v + dy, u + dx
                if length == k or (length > k and not exact):
                    return colour
    return 0


@pytest.mark.parametrize(
    "game",
    [MNK(5, 4, 3), MNK(4, 7, 4), MNK(6, 6, 3, exact=True), MNK(7, 7, 4, exact=True), MNK(9, 3, 3)],
    ids=lambda g: g.name,
)
def test_wins_are_a_plain_twins(game: MNK) -> None:
    rng = np.random.default_rng(0)
    states = game.reset(60)
    while not game.terminal(states).all():
        before = states
        states = game.step(states, random_actions(game.legal(states), rng))
        for i, board in enumerate(game.board(states).tolist()):
            if not game.terminal(before)[i]:
                winner = plain_winner(board, game.k, game.exact)
                assert (game.returns(states)[i] != 0) == (winner != 0)
                assert winner in (0, 1 - 2 * int(before["to_play"][i]))


def test_six_in_a_row_wins_freestyle_only() -> None:
    for exact, ended in ((False, True), (True, False)):
        game = envs.make(f"gomoku:exact={str(exact).lower()}")
        states = game.reset(1)
        black, white = ("a1", "b1", "c1", "e1", "f1", "d1"), ("a3", "c5", "e7", "g9", "i11")
        for i, move in enumerate(black):
            states = game.step(states, np.array([game.parse_action(move)]))
            if i < len(white):
                assert not game.terminal(states)[0]
                states = game.step(states, np.array([game.parse_action(white[i])]))
        assert game.terminal(states)[0] == ended


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("mnk:m=0", "m=0: choose a whole number from 1 to 19"),
        ("mnk:m=3,n=3,k=4", "k=4: no row of a board of 3 by 3 is so long"),
        ("mnk:exact=perhaps", "exact=perhaps: choose true or false"),
        ("gomoku4", "size=4: choose a whole number from 5 to 19"),
    ],
)
def test_a_game_that_is_none_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        envs.make(spec)
