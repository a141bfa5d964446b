"""Which moves a point on the board stands for, found out from the game's contract alone.

A move belongs to the point where it places a stone (`last` after it); where stones of the mover's leave their points, as in
Breakthrough, these are where it starts, of several the one that arrives: the king that castles. Moves that name no place (pass,
swap) belong to no point.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from envs import Game, States


class Move(NamedTuple):
    """A legal move on the board."""

    action: int
    target: int  # flat index of the point
    origins: frozenset[int]  # points the mover's stones leave


class Moves(NamedTuple):
    """The legal moves of a position."""

    placed: tuple[Move, ...]
    elsewhere: tuple[int, ...]  # actions that belong to no point
    columns: int  # points in a row where a move is a whole column, else 0

    @property
    def actions(self) -> list[int]:
        """All of them, those on the board first."""
        return [*(move.action for move in self.placed), *self.elsewhere]

    @property
    def targets(self) -> dict[int, int]:
        """Of every action on the board, its point."""
        return {move.action: move.target for move in self.placed}

    def at(self, point: int, origin: int | None) -> list[int]:
        """The actions that end at `point`, of those that start from `origin` where a stone has been taken up."""
        if self.columns:
            return [m.action for m in self.placed if m.target % self.columns == point % self.columns]
        return [
            m.action
            for m in self.placed
            if m.target == point and (origin in m.origins if m.origins else origin is None)
        ]

    def starting(self, point: int) -> list[int]:
        """The points where moves from `point` end."""
        return [move.target for move in self.placed if point in move.origins]


def legal_moves(game: Game, state: States) -> Moves:
    """The legal moves of the position `state` [1] by the points they are played at."""
    actions = np.flatnonzero(game.legal(state)[0])
    if len(actions) == 0:
        return Moves((), (), 0)
    sign = 1 - 2 * int(state["to_play"][0])
    after = game.step(np.repeat(state, len(actions)), actions)
    before, boards = game.board(state).reshape(-1), game.board(after).reshape(len(actions), -1)
    left = (np.sign(before) == sign) & (boards == 0)  # [n, H * W]
    placed, elsewhere = [], []
    for action, last, gone, board in zip(actions.tolist(), after["last"].tolist(), left, boards, strict=True):
        if last < 0 or not names_a_place(game, action):
            elsewhere.append(action)
            continue
        arriving = gone & (before == board[last])
        origins = arriving if gone.sum() > 1 and arriving.any() else gone
        placed.append(Move(action, last, frozenset(np.flatnonzero(origins).tolist())))
    width = game.board_shape[1]
    return Moves(tuple(placed), tuple(elsewhere), width if game.num_actions == width else 0)


def names_a_place(game: Game, action: int) -> bool:
    """False for moves such as pass and swap."""
    return any(letter.isdigit() for letter in game.action_name(action))


def labels(game: Game) -> tuple[list[str], list[str]]:
    """Names of the board's columns and rows as the game's own drawing has them, empty where it has none."""
    height, width = game.board_shape
    head, *lines = game.show(game.reset(1)[0]).splitlines()
    columns = head.split()
    if len(columns) != width:
        return [""] * width, [""] * height
    names = [line.split()[0] for line in lines[:height]]
    return columns, [name if name.isdigit() else "" for name in names]
