"""Rules as kernels of one state: what kernels of whole games and searches are put together from.

A game in kernels offers five of them, all with the same arguments, so that one text serves every game (`envs.jit.specialised`).
They take `board`, which is what the rules need besides the state: the board's size, tables, and room to work in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from envs.jit import kernel

UNFINISHED, LOST = 0, 1  # `status` of the games that have this field; whatever else is a draw


class StateKernels(NamedTuple):
    """The rules of one game; g is the record of a state."""

    play: Callable[..., None]  # (g, action, board): the side to move plays, in place; g is no finished game
    mark_legal: Callable[..., None]  # (g, board, out [A] bool), as `Game.legal`
    ended: Callable[..., bool]  # (g, board), as `Game.terminal`
    result: Callable[..., float]  # (g, board) of a finished game, as `Game.returns`
    playout: Callable[..., float]  # (g, seed, board), as `Game.rollout`; g is left as it is

    @property
    def name(self) -> str:
        """Whose rules they are."""
        return self.play.__module__


@runtime_checkable
class CompiledGame(Protocol):
    """What a game has besides if its rules are kernels."""

    @property
    def state_kernels(self) -> StateKernels: ...

    def workspace(self) -> tuple[object, ...]:
        """A new `board` for the kernels. They write in it: each thread needs its own."""
        ...


@kernel
def has_status(g, board):
    """`ended` of the games whose `status` says so."""
    return g["status"] != UNFINISHED


@kernel
def status_result(g, board):
    """`result` of the same."""
    return -1.0 if g["status"] == LOST else 0.0
