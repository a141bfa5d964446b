"""The game under way: its rules and its positions so far. Either side may move at any time, as the protocol has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from arena.gtp.protocol import GTPError
from arena.kata import rules as kata
from arena.kata.turn import stones, turned
from envs import States, make
from envs.go import Go, handicap_points
from envs.records import GameRecord, replay

LARGEST_KOMI = 1000.0


class Board:
    """A board with its past; what is refused leaves it as it was."""

    def __init__(self, game: Go) -> None:
        self.rules, self.komi = kata.of(game), game.komi
        self.game = Go(game.size, game.komi, game.superko, game.suicide)
        self.past: list[States] = [game.reset(1)]  # [1] each, the newest last
        self._moves: list[tuple[int, int]] = []  # (colour, action) of those after the first position
        self._stones = 0  # of a handicap

    @property
    def state(self) -> States:
        return self.past[-1]

    @property
    def to_play(self) -> int:
        return int(self.state["to_play"][0])

    def clear(self) -> None:
        self._begin(self.game.reset(1), 0)

    def resize(self, size: int) -> None:
        """An empty board of another size. GTPError where there is none so large or small."""
        try:
            self.game = Go(size, self.komi, self.rules.superko, self.rules.suicide)
        except ValueError:
            raise GTPError("unacceptable size") from None
        self.clear()

    def set_komi(self, komi: float) -> None:
        if not abs(komi) <= LARGEST_KOMI:
            raise GTPError("unacceptable komi")
        self.komi = komi
        self._remake()

    def set_rules(self, rules: kata.Rules) -> None:
        self.rules = rules
        self._remake()

    def ready(self, colour: int) -> States:
        """The position with `colour` to move, in a game that goes on."""
        return turned(self.game, self.state, colour)

    def play(self, colour: int, action: int) -> None:
        state = self.ready(colour)
        if not self.game.legal(state)[0, action]:
            raise GTPError("illegal move")
        self.past.append(self.game.step(state, np.array([action])))
        self._moves.append((colour, action))

    def undo(self) -> None:
        if not self._moves:
            raise GTPError("cannot undo")
        self.past.pop()
        self._moves.pop()

    def handicap(self, points: Sequence[int]) -> str:
        """Black stones on an empty board, White to move; the points by name."""
        if self.game.board(self.state).any():
            raise GTPError("board not empty")
        self.set_position([(0, point) for point in points], to_play=1, refusal="bad vertex list")
        return " ".join(self.game.action_name(point) for point in points)

    def set_position(self, placed: Sequence[tuple[int, int]], *, to_play: int, refusal: str) -> None:
        """A game that begins with the stones `placed`, (colour, point)."""
        try:
            state = self.game.position(placed, to_play)
        except ValueError:
            raise GTPError(refusal) from None
        black_alone = all(colour == 0 for colour, _ in placed)
        self._begin(state, len(placed) if black_alone else 0)

    def load(self, record: GameRecord, last: int | None) -> None:
        """The game of `record`, its first `last` moves or all of them. GTPError where the rules forbid it."""
        game = make(record.game)
        assert isinstance(game, Go)
        try:
            states = replay(record, game)
        except ValueError as error:
            raise GTPError(f"cannot load file: {error}") from None
        self.rules, self.komi = kata.of(game), game.komi
        self.game = Go(game.size, game.komi, game.superko, game.suicide)
        self._begin(states[:1], 0)
        for ply, action in enumerate(record.actions[:last], 1):
            self.past.append(states[ply : ply + 1])
            self._moves.append(((record.to_play + ply - 1) % 2, action))

    def record(self) -> GameRecord:
        """The game so far, for a file."""
        begun = stones(self.game, self.past[0])
        to_play = self._moves[0][0] if self._moves else self.to_play
        actions, mover = list[int](), to_play
        for colour, action in self._moves:
            if colour != mover:
                actions.append(self.game.num_actions - 1)
            actions.append(action)
            mover = 1 - colour
        return GameRecord(self.game.name, tuple(actions), setup=begun, to_play=to_play)

    def score(self) -> float:
        """Black's points ahead of White's, as the position stands."""
        return float(self.game.score(self.state)[0])

    def chains(self) -> Iterator[str]:
        """The points of each chain by name."""
        board = self.game.board(self.state)[0]
        for colour in (1, -1):
            labels, count = ndimage.label(board == colour)
            for chain in range(1, count + 1):
                yield " ".join(self.game.action_name(int(point)) for point in np.flatnonzero(labels == chain))

    def _begin(self, state: States, handicap: int) -> None:
        self.past, self._moves, self._stones = [state], [], handicap
        self._remake()

    def _remake(self) -> None:
        """The rules in force: komi with what White gets for handicap stones."""
        komi = self.komi + self.rules.bonus_points(self._stones)
        self.game = Go(self.game.size, komi, self.rules.superko, self.rules.suicide)


def fixed_handicap(size: int, stones: int) -> list[int]:
    """The points of a fixed handicap. GTPError where this board has none of so many stones."""
    try:
        return handicap_points(size, stones)
    except ValueError:
        raise GTPError("invalid number of stones: no such handicap on this board") from None
