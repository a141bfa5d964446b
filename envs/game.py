"""The contract every game keeps, and the few functions that follow from it alone.

A state is one record of a numpy structured dtype, a batch is an array of records: copying, slicing, saving and handing
a batch to a kernel is plain numpy. Every function takes and returns whole batches and changes none of its arguments.

Letters: B states, A actions, C planes, H and W the board's height and width, S symmetries.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from envs.jit import kernel
from envs.rng import below

States = NDArray[np.void]  # [B] of `game.dtype`
BLOCK = 8  # actions that a random draw among many steps over at once


class Symmetries(NamedTuple):
    """The board symmetries that leave the rules unchanged; row 0 is the identity.

    Symmetry s turns a plane into `plane.reshape(H * W)[points[s]]` and a policy into `policy[actions[s]]`.
    """

    points: NDArray[np.int32]  # [S, H * W]
    actions: NDArray[np.int32]  # [S, A]


@runtime_checkable
class Game(Protocol):
    """Rules of a two-player, zero-sum game of perfect information, batch first.

    `dtype` has at least these fields: `to_play` (i1; 0 the first player, 1 the second), `ply` (i2; moves made so far),
    `last` (i2; flat board index of the stone just placed, -1 for none or a pass).
    """

    @property
    def name(self) -> str: ...  # as `envs.make` takes it, with its options: "connect_four", "go:size=9,komi=7"
    @property
    def version(self) -> int: ...  # raised when rules or planes change meaning; saved with every checkpoint
    @property
    def dtype(self) -> np.dtype[np.void]: ...
    @property
    def num_actions(self) -> int: ...
    @property
    def board_shape(self) -> tuple[int, int]: ...  # H, W
    @property
    def planes(self) -> tuple[str, ...]: ...  # what each of the C observation planes holds
    @property
    def max_plies(self) -> int: ...  # no game is longer
    @property
    def symmetries(self) -> Symmetries: ...

    def reset(self, n: int) -> States:
        """`n` games at the start position."""
        ...

    def step(self, states: States, actions: NDArray[np.integer]) -> States:
        """States after each player to move plays; terminal states absorb. Illegal actions are undefined here: check `legal`."""
        ...

    def legal(self, states: States) -> NDArray[np.bool_]:
        """[B, A], True where playable; all False in terminal states."""
        ...

    def terminal(self, states: States) -> NDArray[np.bool_]:
        """[B]."""
        ...

    def returns(self, states: States) -> NDArray[np.float32]:
        """[B] result for the side to move: -1 lost, 0 draw or not finished, 1 won."""
        ...

    def observe(self, states: States) -> NDArray[np.uint8]:
        """[B, C, H, W] binary planes, from the side to move."""
        ...

    def board(self, states: States) -> NDArray[np.int8]:
        """[B, H, W] stones, row 0 on top: 1 the first player's, -1 the second's, 0 empty.

        Where there are several kinds of pieces (chess), the sign tells whose and the number which kind.
        """
        ...

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """[B] cheap static estimate for the side to move, in (-1, 1); exact in terminal states."""
        ...

    def rollout(self, states: States, seeds: NDArray[np.uint64]) -> NDArray[np.float32]:
        """[B] result, for the side to move in `states`, of one uniformly random playout each, seeded by `seeds` [B]."""
        ...

    def action_name(self, action: int) -> str: ...

    def parse_action(self, text: str) -> int:
        """The action named `text`, in any letter case; ValueError that says what is expected."""
        ...

    def show(self, state: np.void) -> str:
        """The board as text with coordinates, the last move marked, the side to move or the result below."""
        ...


@runtime_checkable
class TerritoryGame(Game, Protocol):
    """A game scored by area (Go): what the auxiliary heads learn, KataGo's ownership and score targets."""

    def ownership(self, states: States) -> NDArray[np.int8]:
        """[B, H, W] who owns each point under area scoring: 1 first player, -1 second, 0 neither."""
        ...

    def score(self, states: States) -> NDArray[np.float32]:
        """[B] area of the first player minus area of the second minus komi, in points."""
        ...


@runtime_checkable
class EndingGame(Protocol):
    """Rules that know, without playing on, of an action that ends the game at once: in Go the pass that answers a pass."""

    def endings(self, states: States) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """[B] such an action in each of `states`, -1 where none is known, and [B] what it is worth to the side to move: -1, 0, 1.

        Not all of them: what is cheap to know. None in finished games.
        """
        ...


@runtime_checkable
class RandomPlay(Protocol):
    """What rules in kernels have besides: random play as one call, the same as `envs.batch.random_play` does step by step."""

    def random_play(self, states: States, plies: int, seeds: NDArray[np.uint64]) -> States:
        """[B] where `plies` uniformly random moves lead from each of `states`, a game that has ended begun again.

        The legal moves of every state are computed; ply t of a row draws with its seed + t times `envs.rng.GOLDEN`.
        """
        ...


@runtime_checkable
class PositionalNotation(Protocol):
    """What a game has besides if its moves are called by what stands on the board: chess's Nf3.

    Its `action_name` and `parse_action` serve tables; people read and write these, through the functions below.
    """

    @property
    def sides(self) -> tuple[str, str]: ...  # what the players are called

    def move_name(self, state: np.void, action: int) -> str:
        """The legal `action` in `state`."""
        ...

    def parse_move(self, state: np.void, text: str) -> int:
        """The legal action that `text` names in `state`; ValueError that says what is expected."""
        ...


def move_name(game: Game, state: np.void, action: int) -> str:
    """The legal `action` in `state` as players write it."""
    return game.move_name(state, action) if isinstance(game, PositionalNotation) else game.action_name(action)


def parse_move(game: Game, state: np.void, text: str) -> int:
    """The action that `text` names in `state`. ValueError where there is none."""
    return game.parse_move(state, text) if isinstance(game, PositionalNotation) else game.parse_action(text)


def move_names(game: Game, state: np.void, actions: Iterable[int]) -> list[str]:
    """Legal moves, played one after another from `state`, as players write them."""
    names, states = [], np.array([state], game.dtype)
    for action in actions:
        names.append(move_name(game, states[0], action))
        states = game.step(states, np.array([action]))
    return names


def random_actions(legal: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int64]:
    """[B] one uniformly random legal action per row of `legal` [B, A]; 0 where a row has none."""
    return seeded_actions(legal, rng.integers(2**64, size=len(legal), dtype=np.uint64))


def seeded_actions(legal: NDArray[np.bool_], seeds: NDArray[np.uint64]) -> NDArray[np.int64]:
    """[B] as `random_actions`, each row's drawn by its own seed, a counter of `envs.rng`: alike in every batch."""
    actions = np.empty(len(legal), np.int64)
    _draw_each(legal, seeds, actions)
    return actions


@kernel
def draw(legal, seed):
    """A uniformly random action of `legal` [A], 0 where there is none.

    Blocks of actions that end before the wanted one are skipped, a sum of eight is one instruction; in the last block there
    are no branches, which random data would mispredict.
    """
    width, count = len(legal), 0
    for a in range(width):
        count += legal[a]
    wanted = below(seed, count)
    first, before = 0, 0  # legal actions before `first`
    while width > 2 * BLOCK and first + BLOCK <= width:
        within = 0
        for a in range(first, first + BLOCK):
            within += legal[a]
        if before + within > wanted:
            break
        before += within
        first += BLOCK
    action = 0
    for a in range(first, min(first + BLOCK, width) if width > 2 * BLOCK else width):
        action += a * (legal[a] & (before == wanted))
        before += legal[a]
    return action


@kernel
def _draw_each(legal, seeds, actions):
    for i in range(len(legal)):
        actions[i] = draw(legal[i], seeds[i])


def square_symmetries(size: int, extra_actions: int = 0) -> Symmetries:
    """The eight symmetries of a square board whose first `size * size` actions are its points, row by row.

    `extra_actions` actions (a pass) follow them and stay where they are.
    """
    points = np.arange(size * size, dtype=np.int32).reshape(size, size)
    turned = [np.rot90(face, k) for k in range(4) for face in (points, points.T)]
    turned.sort(key=lambda face: not np.array_equal(face, points))
    table = np.stack([face.reshape(-1) for face in turned]).astype(np.int32)
    rest = np.arange(size * size, size * size + extra_actions, dtype=np.int32)
    return Symmetries(table, np.concatenate([table, np.broadcast_to(rest, (len(table), extra_actions))], axis=1))
