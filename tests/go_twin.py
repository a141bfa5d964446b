"""Go's rules in plain Python: slow, and easy to believe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envs.go import Go


class Twin:
    """The rules in plain Python: a position is a tuple of 1, -1 and 0; chains and regions are found by walking."""

    def __init__(self, game: Go, *, max_plies: int = 0) -> None:
        self.size, self.komi, self.superko, self.suicide = game.size, game.komi, game.superko, game.suicide
        self.max_plies = max_plies or game.max_plies
        self.board: tuple[int, ...] = (0,) * game.size**2
        self.colour = 1
        self.positions = [(self.board, self.colour)]  # and who is to move in them
        self.moves: list[int] = []
        self.afters = self.look()

    def neighbours(self, p: int) -> list[int]:
        y, x = divmod(p, self.size)
        around = ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        return [v * self.size + u for v, u in around if 0 <= v < self.size and 0 <= u < self.size]

    def region(self, board: Sequence[int], p: int) -> tuple[set[int], set[int]]:
        """The points of p's colour connected to p, and the points around them."""
        inside, border, todo = {p}, set(), [p]
        while todo:
            for q in self.neighbours(todo.pop()):
                if board[q] != board[p]:
                    border.add(q)
                elif q not in inside:
                    inside.add(q)
                    todo.append(q)
        return inside, border

    def liberties(self, board: Sequence[int], p: int) -> set[int]:
        return {q for q in self.region(board, p)[1] if board[q] == 0}

    def after(self, p: int) -> tuple[int, ...] | None:
        """The position after the side to move plays the empty point p; None for suicide that is not allowed."""
        board = list(self.board)
        board[p] = self.colour
        for q in self.neighbours(p):
            if board[q] == -self.colour and not self.liberties(board, q):
                for stone in self.region(board, q)[0]:
                    board[stone] = 0
        chain = self.region(board, p)[0]
        if not self.liberties(board, p):
            if not self.suicide or len(chain) == 1:
                return None
            for stone in chain:
                board[stone] = 0
        return tuple(board)

    def look(self) -> list[tuple[int, ...] | None]:
        """What `after` says of every point; None for the occupied ones too."""
        return [self.after(p) if stone == 0 else None for p, stone in enumerate(self.board)]

    def refused_by_ko(self, position: tuple[int, ...]) -> bool:
        if self.superko == "simple":
            return len(self.positions) > 1 and position == self.positions[-2][0]
        colours = (1, -1) if self.superko == "positional" else (-self.colour,)
        return any((position, colour) in self.positions for colour in colours)

    def terminal(self) -> bool:
        return self.moves[-2:] == [self.size**2] * 2 or len(self.moves) >= self.max_plies

    def legal(self) -> list[bool]:
        if self.terminal():
            return [False] * (self.size**2 + 1)
        return [*(after is not None and not self.refused_by_ko(after) for after in self.afters), True]

    def play(self, action: int) -> None:
        if action < self.size**2:
            after = self.afters[action]
            assert after is not None
            self.board = after
        self.moves.append(action)
        self.colour = -self.colour
        self.positions.append((self.board, self.colour))
        self.afters = self.look()

    def owner(self) -> list[int]:
        owner = list(self.board)
        for p, stone in enumerate(self.board):
            if stone == 0:
                _, border = self.region(self.board, p)
                owner[p] = sum({self.board[q] for q in border}) if border else 0
        return owner

    def score(self) -> float:
        return sum(self.owner()) - self.komi

    def result(self) -> float:
        return self.colour * float(np.sign(self.score())) if self.terminal() else 0.0

    def observe(self) -> NDArray[np.uint8]:
        """[13, points], as `Go.planes` says."""
        points = self.size**2
        planes = np.zeros((13, points), np.uint8)
        for p, stone in enumerate(self.board):
            if stone:
                planes[0 if stone == self.colour else 1, p] = 1
                liberties = len(self.liberties(self.board, p))
                if liberties <= 3:
                    planes[1 + liberties, p] = 1
            elif not self.terminal():
                after = self.afters[p]
                planes[10, p] = after is not None and self.refused_by_ko(after)
        for ago, action in enumerate(reversed(self.moves[-5:])):
            if action < points:
                planes[5 + ago, action] = 1
        planes[11] = self.moves[-1:] == [points]
        planes[12] = self.colour == -1
        return planes

    def eye(self, p: int) -> bool:
        y, x = divmod(p, self.size)
        corners = [(y + dy, x + dx) for dy in (-1, 1) for dx in (-1, 1)]
        inside = [v * self.size + u for v, u in corners if 0 <= v < self.size and 0 <= u < self.size]
        lost = sum(self.board[q] == -self.colour for q in inside)
        return all(self.board[q] == self.colour for q in self.neighbours(p)) and lost + (len(inside) < 4) < 2

    def playout(self, rng: np.random.Generator) -> float:
        """The result for Black of uniformly random moves that fill no eye."""
        while not self.terminal():
            legal = [p for p in np.flatnonzero(self.legal()[:-1]) if not self.eye(p)]
            self.play(int(rng.choice(legal)) if legal else self.size**2)
        return float(np.sign(self.score()))
