"""The board as a widget: it shows a position, and turns clicks and the cursor's keys into moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from arena.look import View
from arena.terminal import drawing
from arena.terminal.drawing import Geometry, Scene
from arena.terminal.pointing import Moves, labels, legal_moves
from envs import Game, States
from envs.adapters.foreign import ForeignGame

NOTES = 9  # moves that are marked on the board
Marks = tuple[dict[int, float], dict[int, tuple[str, ...]]]  # heat and notes, as `Scene` takes them


class BoardView(Widget, can_focus=True):
    """A board of any game; rules of other libraries, whose pieces it does not know, are shown as their own text."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "go(-1, 0)", "Up", show=False),
        Binding("down", "go(1, 0)", "Down", show=False),
        Binding("left", "go(0, -1)", "Left", show=False),
        Binding("right", "go(0, 1)", "Right", show=False),
        Binding("enter", "choose", "Play", show=False),
        Binding("escape", "release", "Put back", show=False),
    ]

    class Chosen(Message):
        """The person wants one of these moves: more than one where the point does not say which."""

        def __init__(self, actions: Sequence[int]) -> None:
            super().__init__()
            self.actions = actions

    class Refused(Message):
        """Nothing can be played there."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    def __init__(self, game: Game) -> None:
        super().__init__()
        self.game = game
        self.moves = Moves((), (), 0)
        self._state: States | None = None
        self._marks: Marks = ({}, {})
        self._owners: Mapping[int, float] = {}
        self._cursor: int | None = None
        self._taken: int | None = None  # the stone taken up
        self._picture: list[Strip] | None = None  # None: to be drawn anew
        self._names: tuple[list[str], list[str]] = ([], [])

    @property
    def pictured(self) -> bool:
        """False where the position is shown as text, and moves are named instead of pointed at."""
        return not isinstance(self.game, ForeignGame)

    def show(
        self,
        state: States,
        *,
        playable: bool,
        view: View | None = None,
        notes: Mapping[int, tuple[str, ...]] | None = None,
        owners: NDArray[np.float32] | None = None,
    ) -> None:
        """Show the position `state` [1], with what a search sees in it, `notes` by point over that, and whose points will be.

        `owners` [H, W] is 1 where a point will surely be the first side's, -1 the second's; `playable` where a person is to move.
        """
        if self._state is None:
            self._names = labels(self.game)
        if self._state is None or self._state.tobytes() != state.tobytes():
            self._taken = None
        self._state = state
        moves = legal_moves(self.game, state)
        self.moves = moves if playable else Moves((), (), 0)
        heat, seen = marks(view, moves.targets) if view else ({}, {})
        self._marks = heat, {**seen, **(notes or {})}
        self._owners = {} if owners is None else dict(enumerate(owners.ravel().tolist()))
        self._redraw()

    @property
    def how(self) -> str:
        """How a move is made here, for those who play for the first time."""
        if not self.pictured:
            return "m, then its name"
        if self.moves.columns:
            return "click a column, or press its number"
        if any(move.origins for move in self.moves.placed):
            return "click a piece, then where it goes; or arrow keys and Enter"
        return "click a point; or arrow keys and Enter"

    def geometry(self) -> Geometry | None:
        """How large the board is drawn, None where it does not fit."""
        return drawing.fit(
            self.game.board_shape, self._look(), any(self._names[1]), (self.size.width, self.size.height)
        )

    def centre(self, point: int) -> tuple[int, int]:
        """The character in the middle of a point's cell, from the widget's corner."""
        geometry = self.geometry()
        assert geometry is not None
        x, y = geometry.corner(point)
        left, top = self._margins(geometry.size)
        return left + x + geometry.width // 2, top + y + geometry.height // 2

    def render_line(self, y: int) -> Strip:
        """A line of the picture, which stands in the middle."""
        page, width = self._page(), self.size.width
        style = drawing.style(drawing.contrast(page), page)
        if self._picture is None:
            self._picture = self._draw(page)
        left, top = self._margins((self._picture[0].cell_length if self._picture else 0, len(self._picture)))
        if not top <= y < top + len(self._picture):
            return Strip.blank(width, style)
        return Strip.join([Strip.blank(left, style), self._picture[y - top]]).adjust_cell_length(width, style)

    def on_resize(self) -> None:
        self._redraw()

    def on_click(self, event: events.Click) -> None:
        geometry = self.geometry()
        if self._state is None or geometry is None or not self.pictured:
            return
        left, top = self._margins(geometry.size)
        point = geometry.point(event.x - left, event.y - top)
        if point is not None:
            self._cursor = None  # that is the keyboard's
            self._select(point)

    def action_go(self, down: int, right: int) -> None:
        """Move the cursor."""
        if self._state is None:
            return
        height, width = self.game.board_shape
        if self._cursor is None:
            self._cursor = height // 2 * width + width // 2
        else:
            y, x = divmod(self._cursor, width)
            self._cursor = (y + down) % height * width + (x + right) % width
        self._redraw()

    def action_choose(self) -> None:
        """Play at the cursor, or take up the stone there."""
        if not self.pictured:
            self.post_message(self.Chosen(self.moves.elsewhere + tuple(self.moves.targets)))
        elif self._cursor is None:
            self.action_go(0, 0)
        else:
            self._select(self._cursor)

    def action_release(self) -> None:
        """Put a stone back, hide the cursor."""
        self._taken = self._cursor = None
        self._redraw()

    def _select(self, point: int) -> None:
        fitting = self.moves.at(point, self._taken)
        self._redraw()
        if fitting:
            self.post_message(self.Chosen(fitting))
        elif point == self._taken:
            self._taken = None
        elif self.moves.starting(point):
            self._taken = point
        else:
            y, x = divmod(point, self.game.board_shape[1])
            self.post_message(self.Refused(f"{self._names[0][x]}{self._names[1][y]} is not possible here."))

    def _look(self) -> drawing.Look:
        return drawing.look(self.game, dark=self.app.current_theme.dark)

    def _page(self) -> str:
        return self.background_colors[1].hex6

    def _margins(self, size: tuple[int, int]) -> tuple[int, int]:
        """Empty columns to the left of a picture of that size, lines above it."""
        return max(0, (self.size.width - size[0]) // 2), max(0, (self.size.height - size[1]) // 2)

    def _redraw(self) -> None:
        self._picture = None
        self.refresh()

    def _draw(self, page: str) -> list[Strip]:
        if self._state is None:
            return []
        geometry, ink = self.geometry(), drawing.contrast(page)
        if not self.pictured:
            return drawing.lines_of_text(self.game.show(self._state[0]), self.size.width, ink, page)
        if geometry is None:
            return drawing.lines_of_text(self._too_small(), self.size.width, ink, page)
        return drawing.draw(self._scene(self._state), self._look(), geometry, self._names, page)

    def _too_small(self) -> str:
        across, down = drawing.smallest(self.game.board_shape, self._look(), any(self._names[1])).size
        return (
            f"The board needs {across} x {down} characters, and here are {self.size.width} x {self.size.height}. "
            "Enlarge the window, or play with --plain."
        )

    def _scene(self, state: States) -> Scene:
        heat, notes = self._marks
        return Scene(
            stones=self.game.board(state)[0],
            last=int(state["last"][0]),
            cursor=self._cursor,
            taken=self._taken,
            dots=self._dots(state),
            heat=heat,
            notes=notes,
            owners=self._owners,
        )

    def _dots(self, state: States) -> list[int]:
        """Where a stone taken up may go; the playable points where they are few among the empty ones."""
        if self._taken is not None:
            return [move.target for move in self.moves.placed if self._taken in move.origins]
        pointed = not self.moves.columns and not any(move.origins for move in self.moves.placed)
        few = len(self.moves.placed) < int((self.game.board(state) == 0).sum())
        return list(self.moves.targets.values()) if pointed and few and self._look().kind == "cells" else []


def marks(view: View, targets: Mapping[int, int]) -> Marks:
    """The policy as heat, and of the first candidates rank, chance to win and visits, by point."""
    heat: dict[int, float] = {}
    notes: dict[int, tuple[str, ...]] = {}
    for rank, row in enumerate(view.candidates, 1):
        point = targets.get(row.action)
        if point is None:
            continue
        heat[point] = max(heat.get(point, 0.0), float(np.sqrt(row.prior)))  # the root, that small ones show too
        if rank <= NOTES and row.visits > 0 and point not in notes:
            notes[point] = (str(rank), f"{np.clip(50 * (1 + row.value), 0, 100):.0f}%", short(row.visits))
    return {point: share for point, share in heat.items() if share > 0.1}, notes


def short(count: int) -> str:
    """A count in at most four characters.

    >>> short(950), short(1234), short(56789)
    ('950', '1.2k', '57k')
    """
    if count < 1000:
        return str(count)
    return f"{count / 1000:.1f}k" if count < 9950 else f"{count / 1000:.0f}k"
