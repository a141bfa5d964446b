"""A position with either side to move in a game that goes on, as the protocols have it; our rules know turns, and an end."""

from __future__ import annotations

from envs import States
from envs.go import Go


def turned(game: Go, state: States, colour: int) -> States:
    """`state` [1] with `colour` to move: two passes end nothing, and a game as long as games get begins anew from its stones."""
    if state["ply"][0] >= game.max_plies:
        renewed = game.position(stones(game, state), colour)
        renewed["captures"] = state["captures"]
        return renewed
    if state["to_play"][0] == colour and state["passes"][0] < 2:
        return state
    state = state.copy()
    if state["to_play"][0] != colour:
        state["ko"] = -1
    state["to_play"], state["passes"] = colour, 0
    return state


def stones(game: Go, state: States) -> tuple[tuple[int, int], ...]:
    """(colour, point) of the stones on the board, sorted."""
    board = game.board(state).reshape(-1)
    return tuple(sorted((int(board[point] < 0), int(point)) for point in board.nonzero()[0]))
