"""Go on any square board, scored by area: superko or simple ko, with or without suicide, even or with a handicap.

The rules are Tromp and Taylor's (tromp.github.io/go.html): a move takes the opponent's chains that have no liberty left,
and may not repeat a position of the game; two passes in a row end the game; a player's area is his stones and the empty
regions that only his stones border. Options choose what differs from one rule set to the next:

    superko=positional   no position comes back, whoever is to move in it (the default)
    superko=situational  none comes back with the same side to move
    superko=simple       only the immediate retaking of a single stone is forbidden
    suicide=true         a chain of two stones or more may be left without a liberty; it is taken off. Never a single stone:
                         it would leave the board as it was, which only a pass may do
    rules=tromp-taylor   superko=positional,suicide=true; rules=area, the default, is without suicide
    handicap=4           as many black stones on the points fixed for them, and White begins

Either way a game also ends, scored as it stands, after `max_plies`. The kernels and the layout of a state are in
`go_kernels`.

>>> game = Go(size=5, komi=0.5)
>>> states = game.reset(1)
>>> for move in ("c3", "pass", "Pass"):
...     states = game.step(states, np.array([game.parse_action(move)]))
>>> print(game.show(states[0]))
  A  B  C  D  E
5 .  .  .  .  .
4 .  .  .  .  .
3 .  .  X  .  .
2 .  .  .  .  .
1 .  .  .  .  .
B+24.5 (last move pass; captures X 0, O 0)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from envs import go_check, text
from envs import go_kernels as kernels
from envs.compiled import CompiledGame, StateKernels
from envs.game import States, Symmetries, square_symmetries

COLUMNS = "ABCDEFGHJKLMNOPQRST"
SIZES = range(2, len(COLUMNS) + 1)
SUPERKO = {"positional": kernels.POSITIONAL, "situational": kernels.SITUATIONAL, "simple": kernels.SIMPLE}
RULES = {"area": ("positional", False), "tromp-taylor": ("positional", True)}  # superko, suicide


def default_komi(size: int, handicap: int = 0) -> float:
    """Komi where none is given: 7 up to 9x9, 7.5 above (area scoring's usual value), 0.5 in handicap games."""
    return 0.5 if handicap else 7.0 if size <= 9 else 7.5


def handicap_points(size: int, stones: int) -> list[int]:
    """The points of a fixed handicap, as actions (Go Text Protocol, version 2, section 4.1.1): 2 to 9 stones.

    ValueError where this board has none of so many stones: up to 4 on 7x7 and on boards of even size, none below 7x7.
    """
    odd = size % 2 == 1
    most = 0 if size < 7 else 9 if odd and size > 7 else 4
    if not 2 <= stones <= most:
        allowed = f"choose from 2 to {most} stones" if most else "boards below 7x7 have none"
        raise ValueError(f"go cannot have handicap={stones} on {size}x{size}: {allowed}")
    near = 2 if size < 13 else 3
    far, middle = size - 1 - near, size // 2
    corners = [(far, near), (near, far), (near, near), (far, far)]  # rows from above; lower left first
    left_right, up_down = [(middle, near), (middle, far)], [(far, middle), (near, middle)]
    places = corners[: min(stones, 4)]
    if stones >= 6:
        places += left_right
    if stones >= 8:
        places += up_down
    if stones in (5, 7, 9):
        places.append((middle, middle))
    return [row * size + column for row, column in places]


@dataclass(frozen=True, init=False)
class Go(CompiledGame):
    """Go. Action y * size + x plays a point, row 0 on top; action size * size passes. X, the first player, is Black.

    In a handicap game the second player moves first. White gets no points for the stones but komi.
    """

    size: int
    komi: float
    superko: str
    suicide: bool
    handicap: int

    version: ClassVar[int] = 1
    planes: ClassVar[tuple[str, ...]] = (
        "own stones",
        "other stones",
        "chains with 1 liberty",
        "chains with 2 liberties",
        "chains with 3 liberties",
        "last move",
        "move 2 plies ago",
        "move 3 plies ago",
        "move 4 plies ago",
        "move 5 plies ago",
        "forbidden by ko",
        "pass just played",
        "second player to move",
    )

    def __init__(
        self,
        size: int | str = 9,
        komi: float | str | None = None,
        superko: str | None = None,
        suicide: bool | str | None = None,
        handicap: int | str = 0,
        rules: str = "area",
    ) -> None:
        """Options may be text, as `envs.make` takes them; ValueError names the one that is wrong.

        `superko` and `suicide`, where given, hold instead of what `rules` says.
        """
        if str(size) not in map(str, SIZES):
            raise ValueError(f"go cannot have size={size}: choose a whole number from {SIZES[0]} to {SIZES[-1]}")
        if rules not in RULES:
            raise ValueError(f"go cannot have rules={rules}: choose {' or '.join(RULES)}")
        superko = RULES[rules][0] if superko is None else superko
        if superko not in SUPERKO:
            raise ValueError(f"go cannot have superko={superko}: choose {', '.join(SUPERKO)}")
        suicide = str(RULES[rules][1] if suicide is None else suicide).lower()
        if suicide not in ("true", "false"):
            raise ValueError(f"go cannot have suicide={suicide}: choose true or false")
        if not str(handicap).isdecimal():
            raise ValueError(f"go cannot have handicap={handicap}: give a whole number of stones, 0 for an even game")
        if int(handicap):
            handicap_points(int(size), int(handicap))
        object.__setattr__(self, "size", int(size))
        object.__setattr__(self, "komi", default_komi(self.size, int(handicap)) if komi is None else _finite(komi))
        object.__setattr__(self, "superko", superko)
        object.__setattr__(self, "suicide", suicide == "true")
        object.__setattr__(self, "handicap", int(handicap))

    @property
    def name(self) -> str:
        options = [f"size={self.size}", f"komi={repr(self.komi).removesuffix('.0')}"]
        options += [f"superko={self.superko}"] * (self.superko != "positional") + ["suicide=true"] * self.suicide
        options += [f"handicap={self.handicap}"] * (self.handicap > 0)
        return f"go:{','.join(options)}"

    @property
    def dtype(self) -> np.dtype[np.void]:
        return kernels.record(self.size * self.size)

    @property
    def num_actions(self) -> int:
        return self.size * self.size + 1

    @property
    def board_shape(self) -> tuple[int, int]:
        return self.size, self.size

    @property
    def max_plies(self) -> int:
        return kernels.max_plies(self.size * self.size)

    @property
    def state_kernels(self) -> StateKernels:
        return kernels.KERNELS

    def workspace(self) -> kernels.Workspace:
        return kernels.workspace(self.size, self.size, SUPERKO[self.superko], self.suicide, self.komi)

    @property
    def symmetries(self) -> Symmetries:
        return _symmetries(self.size)

    def reset(self, n: int) -> States:
        states = np.empty(n, self.dtype)
        states[:] = _start(self.size, self.handicap)
        return states

    def position(self, stones: Sequence[tuple[int, int]], to_play: int = 0) -> States:
        """[1] the start of a game with `stones`, (player, point), on the board. ValueError where these are no position."""
        return _placed(self.size, stones, to_play)

    def observe(self, states: States) -> NDArray[np.uint8]:
        out = np.empty((len(states), len(self.planes), self.size * self.size), np.uint8)
        side = kernels.beside(self.size, self.size)
        kernels.observe(states, self._near, side, self.max_plies, SUPERKO[self.superko], self.suicide, out)
        return out.reshape(len(states), len(self.planes), self.size, self.size)

    def board(self, states: States) -> NDArray[np.int8]:
        return np.asarray(states["board"][:, : self.size * self.size].reshape(-1, self.size, self.size), np.int8)

    def ownership(self, states: States) -> NDArray[np.int8]:
        return self._areas(states)[0].reshape(-1, self.size, self.size)

    def score(self, states: States) -> NDArray[np.float32]:
        return np.asarray(self._areas(states)[1] - self.komi, np.float32)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """0.99 tanh(score / size): what the area of the moment says, empty regions included; exact at the end."""
        difference = self._areas(states)[1]
        sign = 1 - 2 * states["to_play"]
        estimate = 0.99 * np.tanh(sign * (difference - self.komi) / self.size)
        ended = self.terminal(states)
        return np.where(ended, self._result(states, difference), estimate).astype(np.float32)

    def action_name(self, action: int) -> str:
        if action == self.size * self.size:
            return "pass"
        return f"{COLUMNS[action % self.size]}{self.size - action // self.size}"

    def parse_action(self, text: str) -> int:
        move = text.strip().upper()
        if move == "PASS":
            return self.size * self.size
        column, row = COLUMNS[: self.size].find(move[:1]), move[1:]
        if not move or column < 0 or row not in map(str, range(1, self.size + 1)):
            corner = self.action_name(self.size - 1)
            raise ValueError(f"'{text}' is not a move: type a column and a row, A1 to {corner} (no column I), or pass")
        return (self.size - int(row)) * self.size + column

    def show(self, state: np.void) -> str:
        batch = np.array([state], self.dtype)
        last, ply = int(state["last"]), int(state["ply"])
        moved = "" if ply == 0 else f"last move {self.action_name(last if last >= 0 else self.size * self.size)}; "
        note = f"{moved}captures X {state['captures'][0]}, O {state['captures'][1]}"
        if self.terminal(batch)[0]:
            score = float(self.score(batch)[0])
            below_board = f"{'B' if score > 0 else 'W'}+{abs(score):g} ({note})" if score else f"draw ({note})"
        else:
            below_board = text.footer(to_play=int(state["to_play"]), terminal=False, result=0, note=note)
        rows = [str(row) for row in range(self.size, 0, -1)]
        return text.draw(self.board(batch)[0], columns=COLUMNS[: self.size], rows=rows, last=last, footer=below_board)

    def check(self, state: np.void) -> None:
        """ValueError where what `state` keeps up to date move by move is not what its stones say."""
        go_check.check(state, self._near)

    @property
    def _near(self) -> NDArray[np.int16]:
        return kernels.neighbours(self.size, self.size)

    def _areas(self, states: States) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
        """[B, points] who owns each point, [B] Black's area minus White's."""
        owner = np.empty((len(states), self.size * self.size), np.int8)
        difference = np.empty(len(states), np.int32)
        kernels.areas(states, self._near, owner, difference)
        return owner, difference

    def _result(self, states: States, difference: NDArray[np.int32]) -> NDArray[np.float32]:
        """[B] -1, 0 or 1 for the side to move, from Black's area minus White's."""
        return np.asarray((1 - 2 * states["to_play"]) * np.sign(difference - self.komi), np.float32)


def _finite(komi: float | str) -> float:
    """`komi` as a number; ValueError where it is none. Adding 0.0 turns -0.0 into 0.0: one game, one name."""
    try:
        number = float(komi)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"go cannot have komi={komi}: give a finite number of points, such as 7.5")
    return number + 0.0


@functools.cache
def _start(size: int, handicap: int) -> States:
    """[1] the start position."""
    points = handicap_points(size, handicap) if handicap else []
    start = _placed(size, [(0, point) for point in points], int(handicap > 0))
    start.setflags(write=False)
    return start


def _placed(size: int, stones: Sequence[tuple[int, int]], to_play: int) -> States:
    """[1] a game that begins with `stones`, (player, point). ValueError names the point that cannot be.

    None is captured on the way if each chain has a liberty in the end: until then it has one where the rest of it, or of a
    neighbour, will stand.
    """
    rules = Go(size)
    start: States = kernels.empty_board(size * size)
    for player, point in stones:
        if start["board"][0, point] != kernels.EMPTY:
            raise ValueError(f"two stones on point {point}")
        start["to_play"] = player
        placed = rules.step(start, np.array([point]))
        if placed["captures"].any():
            raise ValueError(f"a chain without a liberty beside the stone on point {point}")
        start = placed
        start["history"][:, 0] = start["history"][:, 1]
        start["history"][:, 1] = start["ply"] = 0
    start["to_play"] = to_play
    start["history"][:, 0] = (start["history"][:, 0] & ~np.uint64(1)) | np.uint64(to_play)
    for field in ("last", "earlier", "anchor", "ko"):
        start[field] = kernels.NONE
    start["since"] = 0
    return start


@functools.cache
def _symmetries(size: int) -> Symmetries:
    return square_symmetries(size, extra_actions=1)
