"""A Go program as a player: `gtp:gnugo --mode gtp --level 10`.

A player is given positions; a program wants to be told moves. Of every game whose moves were asked for before, the player
knows them all, by the hashes of its positions, and tells the program what is new, or, where it was busy with another
game, all of it. A game that it meets in its middle is set up stone by stone, and known from there on.

The arena counts the board as it stands, dead stones too. A program that passes is asked, where it knows how, to take off what
is dead first (`kgs-genmove_cleanup`, which the KGS server asks for; it passes once nothing is): else GNU Go, which passes as
soon as it is sure, would lose games that it has won.

A program that crashes, does not answer in time, makes an illegal move or resigns loses that game, for that reason; the
next game finds it started anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.gtp_client import Engine, EngineError, RefusedError
from agents.players import Forfeit, Loss
from envs import Game, States
from envs.go import Go

MOVE_SECONDS = 300.0  # for a move: what a busy machine may take, so that only a program that hangs is lost
START_SECONDS = 30.0  # for the first answer: a program may have a network to load
BOARD_SECONDS = 120.0  # for another board, for which it may load and tune that anew, or all of it where it crashed
SECONDS = 20.0  # for any other
REMEMBERED = 10_000  # games; older ones are forgotten, and set up anew should they go on

Told = tuple[str, ...]  # the commands after clear_board that lead to a position


class GTPPlayer:
    """One program, which plays any number of games in turn."""

    def __init__(self, game: Game, command: str, *, move_seconds: float = MOVE_SECONDS) -> None:
        """ValueError for a game that is not Go, and where the program is missing or cannot play on this board."""
        if not isinstance(game, Go):
            raise ValueError(f"gtp: programs play Go, not {game.name}")
        self.game, self.command, self.move_seconds = game, command, move_seconds
        self.engine = Engine(command)
        self._games: dict[bytes, Told] = {}  # by the hashes of all positions up to one after our move
        self._at: Told | None = None  # what the running process has been told
        self._prepare()

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        actions, losses = np.zeros(len(states), np.int64), dict[int, Loss]()
        for i in range(len(states)):
            try:
                actions[i] = self._move(states[i : i + 1])
            except _LostError as lost:
                losses[i] = lost.loss
        if losses:
            raise Forfeit(losses, actions)
        return actions

    def _prepare(self) -> None:
        """Start the process, ask what it knows and tell it the board. ValueError where it refuses."""
        try:
            try:
                known = self.engine.ask("list_commands", START_SECONDS).split()
            except RefusedError:
                known = []
            self._cleans_up = "kgs-genmove_cleanup" in known and "undo" in known
            self._begin()
        except RefusedError as refusal:
            raise ValueError(f"'{self.command}' does not play {self.game.name}: {refusal}") from None
        except EngineError as error:
            slow = "; if it tunes itself when it first starts, let it do so by hand" if error.kind == "time" else ""
            raise ValueError(f"'{self.command}' does not speak GTP: {error}{slow}") from None

    def _begin(self) -> None:
        self.engine.ask(f"boardsize {self.game.size}", BOARD_SECONDS)
        self.engine.ask(f"komi {self.game.komi:g}", SECONDS)
        self.engine.ask("clear_board", SECONDS)
        self._at = ()

    def _move(self, state: States) -> int:
        """The program's move; _LostError where it has none."""
        colour = "bw"[int(state["to_play"][0])]
        try:
            told = self._lead_to(state)
            answer = self.engine.ask(f"genmove {colour}", self.move_seconds).lower()
            if answer == "pass" and self._cleans_up:
                self.engine.ask("undo", SECONDS)
                answer = self.engine.ask(f"kgs-genmove_cleanup {colour}", self.move_seconds).lower()
        except EngineError as error:
            self._at = None
            raise _LostError("time" if error.kind == "time" else "crash", f"{error}") from None
        except RefusedError as refusal:
            self._at = None
            raise _LostError("illegal move", f"refused a legal position: {refusal}") from None
        if answer == "resign":
            self._at = None  # whether it has changed its own mind about the position is not known
            raise _LostError("resignation", "")
        try:
            action = self.game.parse_action(answer)
        except ValueError:
            self._at = None
            raise _LostError("illegal move", f"answered '{answer[:40]}'") from None
        if not self.game.legal(state)[0, action]:
            self._at = None
            raise _LostError("illegal move", f"played {answer}")
        self._at = (*told, f"play {colour} {self.game.action_name(action)}")
        self._remember(self.game.step(state, np.array([action])), self._at)
        return action

    def _lead_to(self, state: States) -> Told:
        """Bring the program to the position of `state`; what it has been told of that game."""
        ply = int(state["ply"][0])
        own = self._games.pop(_hashes(state, ply + 1), None)  # after its own move: it plays both sides
        known = own or self._games.pop(_hashes(state, ply), None)
        if known is None:
            told = self._set_up(state)
        elif own:
            told = own
        else:
            last = int(state["last"][0])
            name = "pass" if last < 0 else self.game.action_name(last)
            told = (*known, f"play {'wb'[int(state['to_play'][0])]} {name}")
        if not self.engine.alive:
            self._begin()
        start: Sequence[str] = told
        if self._at is not None and told[: len(self._at)] == self._at:
            start = told[len(self._at) :]
        else:
            self.engine.ask("clear_board", SECONDS)
        for command in start:
            self.engine.ask(command, SECONDS)
        self._at = told
        return told

    def _set_up(self, state: States) -> Told:
        """The position stone by stone: no stone takes another, since each chain has the liberties it has at the end, or more."""
        board = self.game.board(state)[0].reshape(-1)
        return tuple(
            f"play {'b' if board[p] > 0 else 'w'} {self.game.action_name(int(p))}" for p in np.flatnonzero(board)
        )

    def _remember(self, state: States, told: Told) -> None:
        self._games[_hashes(state, int(state["ply"][0]) + 1)] = told
        while len(self._games) > REMEMBERED:
            del self._games[next(iter(self._games))]


class _LostError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.loss = Loss(reason, detail)  # type: ignore[arg-type]  # one of LossReason


def _hashes(state: States, count: int) -> bytes:
    """The hashes of the first `count` positions of the game: which game it is."""
    return state["history"][0, :count].tobytes()
