"""The contract over rules that live in another library, one position an object of theirs.

A record holds the moves of its game, nothing of the library's: it can be saved, sent to another process and rebuilt
there by playing them again. The positions used last are kept, so that a step costs one copy and one move.

Turns. In the contract and in the search the side to move changes with every ply. Where a library lets a player move
again (dots and boxes), the other side gets one legal action, `skip`, which is ours: the library never sees it.
"""

from __future__ import annotations

import random
import re
import textwrap
import threading
from collections import OrderedDict
from functools import cached_property
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.game import Game, States, Symmetries

Position = TypeVar("Position")
PLAYING, OVER = 0, 1  # `over`
SKIP = "skip"
MOST_MOVES = 1024  # a game that may be longer is a draw here, unless its parameter max_moves says another number
MOST_ACTIONS = 2**15 - 2  # a move and `skip` are i2
MOST_LEVELS = 16  # of a thermometer that makes counts and fractions binary
KEPT = 4096  # positions; a few kilobytes each, tens of them for PettingZoo's chess and Go


class Rules(Protocol[Position]):
    """A game of another library. Players are 0, who moves first, and 1."""

    name: str  # as `envs.make` takes it, the library first
    num_actions: int
    max_moves: int  # a game that is not over by then is a draw
    alternates: bool  # the turn changes with every move: no `skip` is needed
    shape: tuple[int, int, int]  # C, H, W of `tensor`

    @property
    def levels(self) -> tuple[float, ...]:
        """Rising values; every channel of `tensor` becomes one binary plane a level, `channel >= level`."""
        ...

    @property
    def names(self) -> dict[int, str]:
        """Names of actions that hold in every position; actions without one are called by their number."""
        ...

    def start(self) -> Position: ...

    def copy(self, position: Position) -> Position: ...

    def apply(self, position: Position, action: int) -> None:
        """Play the legal `action` in `position`, which changes."""
        ...

    def player(self, position: Position) -> int:
        """Who is to move; -1 when the game is over."""
        ...

    def legal(self, position: Position) -> list[int]:
        """Never empty while the game goes on."""
        ...

    def result(self, position: Position) -> int:
        """-1, 0 or 1 for player 0, of a game that is over."""
        ...

    def tensor(self, position: Position, player: int) -> NDArray[np.generic]:
        """[C, H, W] what `player` observes. ValueError if the library has no observations of the game."""
        ...

    def board(self, position: Position) -> NDArray[np.int8]:
        """[H, W] as in `Game.board`; all 0 where it is not known how to tell."""
        ...

    def last(self, before: Position, after: Position) -> int:
        """Flat index on `board` of the stone that the move between two positions placed; -1 where it is not known."""
        ...

    def text(self, position: Position) -> str:
        """The position as the library writes it."""
        ...

    def move_text(self, position: Position, action: int) -> str:
        """A legal action as the library writes it here."""
        ...


class Recent(Generic[Position]):
    """The positions used last, by the moves that led there. Threads may share it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Position] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, moves: bytes) -> Position | None:
        with self._lock:
            if moves in self._kept:
                self._kept.move_to_end(moves)
            return self._kept.get(moves)

    def put(self, moves: bytes, position: Position) -> None:
        with self._lock:
            self._kept[moves] = position
            self._kept.move_to_end(moves)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)


class ForeignGame(Generic[Position]):
    """A game of another library. Its symmetries are unknown, so only the identity is given.

    Observations are the library's for the side to move, binary (`Rules.levels`), then a plane of ones where the second
    player is to move (most libraries draw the board the same for both), then one where only `skip` is possible.
    """

    version = 1

    def __init__(self, rules: Rules[Position], *, kept: int = KEPT) -> None:
        if rules.num_actions > MOST_ACTIONS:
            raise ValueError(f"{rules.name} has {rules.num_actions} actions: at most {MOST_ACTIONS} can be recorded")
        self.rules, self.name = rules, rules.name
        self.dtype = np.dtype(
            [
                ("moves", "i2", (rules.max_moves,)),  # as the library numbers them; zero after the first `length`
                ("length", "i2"),
                ("ply", "i2"),  # moves and skips
                ("last", "i2"),
                ("to_play", "i1"),
                ("over", "i1"),
                ("result", "i1"),  # for the side to move
                ("unused", "i1"),
            ]
        )  # no padding: equal states are equal bytes
        self._skip = None if rules.alternates else rules.num_actions
        self.num_actions = rules.num_actions + (not rules.alternates)
        self.max_plies = rules.max_moves if rules.alternates else 2 * rules.max_moves - 1
        self.board_shape = rules.shape[1:]
        self._start = rules.start()
        self._recent: Recent[Position] = Recent(kept)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return _made_again, (self.name,)

    @cached_property
    def planes(self) -> tuple[str, ...]:
        channels, levels = range(self.rules.shape[0]), self.rules.levels
        seen = [f"channel {c}" + (f" >= {level:.3g}" if len(levels) > 1 else "") for c in channels for level in levels]
        return (*seen, "second player to move") + (("only skip is possible",) if self._skip else ())

    @property
    def symmetries(self) -> Symmetries:
        h, w = self.board_shape
        return Symmetries(np.arange(h * w, dtype=np.int32)[None], np.arange(self.num_actions, dtype=np.int32)[None])

    def reset(self, n: int) -> States:
        states = np.zeros(n, self.dtype)
        states["last"] = -1
        return states

    def step(self, states: States, actions: NDArray[np.integer]) -> States:
        out = states.copy()
        for state, action in zip(out, actions, strict=True):
            if not state["over"]:
                self._move(state, int(action))
        return out

    def legal(self, states: States) -> NDArray[np.bool_]:
        out = np.zeros((len(states), self.num_actions), np.bool_)
        for row, state in zip(out, states, strict=True):
            if not state["over"]:
                position = self._position(state)
                row[self._skip if self._skipping(state, position) else self.rules.legal(position)] = True
        return out

    def terminal(self, states: States) -> NDArray[np.bool_]:
        return np.asarray(states["over"] == OVER)

    def returns(self, states: States) -> NDArray[np.float32]:
        return states["result"].astype(np.float32)

    def observe(self, states: States) -> NDArray[np.uint8]:
        levels = np.asarray(self.rules.levels, np.float32)[:, None, None]
        out = np.zeros((len(states), len(self.planes), *self.board_shape), np.uint8)
        seen = self.rules.shape[0] * len(levels)
        for planes, state in zip(out, states, strict=True):
            position = self._position(state)
            tensor = np.asarray(self.rules.tensor(position, int(state["to_play"])), np.float32)
            planes[:seen] = (tensor[:, None] >= levels).reshape(seen, *self.board_shape)
            planes[seen] = state["to_play"]
            if self._skip:
                planes[seen + 1] = self._skipping(state, position)
        return out

    def board(self, states: States) -> NDArray[np.int8]:
        boards = [self.rules.board(self._position(state)) for state in states]
        return np.array(boards, np.int8).reshape(len(states), *self.board_shape)

    def heuristic(self, states: States) -> NDArray[np.float32]:
        """Zero until the game ends: nothing is known about it."""
        return self.returns(states)

    def rollout(self, states: States, seeds: NDArray[np.uint64]) -> NDArray[np.float32]:
        out = self.returns(states)
        for i in np.flatnonzero(states["over"] == PLAYING):
            for_first = self._playout(self._position(states[i]), int(states[i]["length"]), int(seeds[i]))
            out[i] = for_first if states[i]["to_play"] == 0 else -for_first
        return out

    def action_name(self, action: int) -> str:
        return SKIP if action == self._skip else self.rules.names.get(action, str(action))

    def parse_action(self, text: str) -> int:
        """The action that `text` names, brackets and signs between its parts aside."""
        action = self._actions.get(plain(text).casefold())
        if action is None:
            example = self.action_name(self.rules.legal(self._start)[0])
            raise ValueError(f"'{text}' is not an action of {self.name}: type a name such as {example}")
        return action

    def show(self, state: np.void) -> str:
        """The ply, the position as the library writes it, who is to move or has won.

        Below, what actions are called here where no name of theirs holds everywhere: chess's Nf3.
        """
        position, over = self._position(state), bool(state["over"])
        to_play, skipping = int(state["to_play"]), self._skipping(state, position)
        lines = [f"ply {state['ply']}", self.rules.text(position).strip("\n")]
        note = f"{SKIP}: the other side moves again" if skipping else ("first player", "second player")[to_play]
        lines += [text.footer(to_play=to_play, terminal=over, result=float(state["result"]), note="" if over else note)]
        if not over and not skipping and not self.rules.names:
            texts = {action: self.rules.move_text(position, action) for action in self.rules.legal(position)}
            told = [f"{action}={move}" for action, move in texts.items() if move != str(action)]
            lines += textwrap.wrap(" ".join(told), 78)
        return "\n".join(lines)

    @cached_property
    def _actions(self) -> dict[str, int]:
        """Actions by their names in small letters."""
        return {self.action_name(action).casefold(): action for action in range(self.num_actions)}

    def _move(self, state: np.void, action: int) -> None:
        """Play `action`, in the record itself."""
        mover = int(state["to_play"])
        state["ply"] += 1
        state["to_play"] = 1 - mover
        if action == self._skip:
            state["last"] = -1
            return
        before = self._position(state)
        position = self.rules.copy(before)
        self.rules.apply(position, action)
        state["moves"][state["length"]] = action
        state["length"] += 1
        self._recent.put(_key(state["moves"][: state["length"]]), position)
        state["last"] = self.rules.last(before, position)
        player = self.rules.player(position)
        if player < 0:
            for_first = self.rules.result(position)
            state["over"], state["result"] = OVER, for_first if mover == 1 else -for_first
        elif state["length"] == self.rules.max_moves:
            state["over"] = OVER
        elif player == mover and not self._skip:
            raise RuntimeError(f"{self.name}: a player moves twice in a row, which was ruled out")

    def _position(self, state: np.void) -> Position:
        """The library's position of a record: a kept one, else played on from the longest kept part of its game.

        Others hold it too: copy it before a move. ValueError names the first move of a record that is none.
        """
        moves = state["moves"][: state["length"]]
        for known in range(len(moves), 0, -1):
            found = self._recent.get(_key(moves[:known]))
            if found is not None:
                break
        else:
            known, found = 0, self._start
        if known == len(moves):
            return found
        position = self.rules.copy(found)
        for number, action in enumerate(moves[known:].tolist(), known + 1):
            if self.rules.player(position) < 0 or action not in self.rules.legal(position):
                raise ValueError(f"this record is no game of {self.name}: its move {number}, {action}, is not legal")
            self.rules.apply(position, action)
        self._recent.put(_key(moves), position)
        return position

    def _skipping(self, state: np.void, position: Position) -> bool:
        """True where the side to move in the record is not the library's."""
        return not state["over"] and self.rules.player(position) != state["to_play"]

    def _playout(self, position: Position, length: int, seed: int) -> int:
        """Result for player 0 of uniformly random moves from `position`, which `length` moves led to."""
        rules, rng = self.rules, random.Random(seed)
        position = rules.copy(position)
        for _ in range(length, rules.max_moves):
            legal = rules.legal(position)
            rules.apply(position, legal[int(rng.random() * len(legal))])
            if rules.player(position) < 0:
                return rules.result(position)
        return 0


def plain(name: str) -> str:
    """`name` in one word without commas: `(0, 1)` is 0_1.

    >>> plain("(0, 1)"), plain("Move 3 -> 4")
    ('0_1', 'Move_3_->_4')
    """
    return re.sub(r"[\s,;:()]+", "_", name).strip("_")


def whole_number(owner: str, key: str, value: object) -> int:
    """`value` of the parameter `key` as a number of at least 1, ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 2**14:
        raise ValueError(f"{owner}: {key}={value}: choose a whole number from 1 to {2**14 - 1}")
    return value


def _key(moves: NDArray[np.int16]) -> bytes:
    return moves.tobytes()


def _made_again(name: str) -> Game:
    import envs

    return envs.make(name)
