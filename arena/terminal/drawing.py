"""Boards as coloured characters: a grid of cells, stones in quarters of characters, marks on top.

A character is about twice as high as wide. Lengths are in characters across and half characters down, so that a disc of
equal radii is round, and a cell of w x h characters is w x 2h long:  ▟██▙
                                                                      ▜██▛
The two sides differ in shape and in brightness as well as in hue (blue and orange after Okabe and Ito's palette,
jfly.uni-koeln.de/color), so that no eye and no terminal of few colours takes one for the other.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from envs import Game
from envs.adapters.foreign import ForeignGame
from envs.chess_game import Chess
from envs.connect_four import ConnectFour
from envs.go import Go
from envs.hex import Hex
from envs.mnk import MNK
from envs.othello import Othello
from envs.tictactoe import TicTacToe

Shape = Literal["disc", "ring", "cross"]
GLYPHS: dict[Shape, str] = {"disc": "●", "ring": "○", "cross": "X"}
PIECES = "♟♞♝♜♛♚"  # of chess, in the order of their codes
SMALL = {"crossings": 2, "cells": 2, "rhombus": 4}  # width of cells without room for a hole
CURSOR = "#009E73"  # bluish green of the same palette
SIZES = ((16, 8), (12, 6), (10, 5), (8, 4), (6, 3), (4, 2), (2, 1))  # of a cell, in characters
PIECE_SIZES = ((11, 5), (7, 3), (5, 2), (3, 1))  # a figure stands in the middle


class Look(NamedTuple):
    """How the board of a game looks, in light and in dark."""

    kind: Literal["crossings", "cells", "rhombus"]
    names: tuple[str, str]  # of the sides
    shapes: tuple[Shape, Shape]
    stones: tuple[str, str]  # colours
    ground: str
    ink: str  # lines and dots
    other_ground: str  # of every second cell
    holes: str = ""  # colour of an empty cell's hole, "" for none
    pieces: bool = False  # of several kinds, shown by figures on discs
    heat: str = "#CC79A7"  # of the likeliest points: reddish purple, which is neither side's


def look(game: Game, *, dark: bool) -> Look:
    """The look of `game`."""
    if isinstance(game, Go):
        wood, line = ("#C8A063", "#5A4220") if dark else ("#E3BE7C", "#7A5C2E")
        return Look(
            "crossings", ("Black", "White"), ("disc", "disc"), ("#101010", "#FFFFFF"), wood, line, wood, heat="#0072B2"
        )
    if isinstance(game, Othello):
        green, other = ("#2F7D5B", "#2A7253") if dark else ("#4C9F79", "#459470")
        return Look(
            "cells",
            ("Black", "White"),
            ("disc", "disc"),
            ("#101010", "#FFFFFF"),
            green,
            "#D7EBDD",
            other,
            heat="#F0E442",
        )
    if isinstance(game, Chess):
        light, other = ("#8A7B66", "#5F5444") if dark else ("#D9C9AE", "#B79F7C")
        return Look(
            *("cells", ("White", "Black"), ("ring", "disc"), ("#FFFFFF", "#101010"), light, "#101010", other),
            pieces=True,
        )
    blue, orange = ("#56B4E9", "#F0A800") if dark else ("#0064A8", "#B84F00")
    ground, ink, other, hole = (
        ("#262E3B", "#8A97AB", "#2F3948", "#151B24") if dark else ("#E6EAF0", "#67748A", "#D5DCE6", "#FFFFFF")
    )
    if isinstance(game, MNK) and max(game.board_shape) > 8:
        return Look("crossings", ("Blue", "Orange"), ("disc", "ring"), (blue, orange), ground, ink, ground)
    if isinstance(game, Hex):
        return Look("rhombus", ("Blue", "Orange"), ("disc", "ring"), (blue, orange), ground, ink, ground, other)
    if isinstance(game, TicTacToe | MNK):
        return Look("cells", ("X", "O"), ("cross", "ring"), (blue, orange), ground, ink, other)
    if isinstance(game, ConnectFour):
        frame = ground if dark else "#C3CEDD"
        return Look("cells", ("Blue", "Orange"), ("disc", "ring"), (blue, orange), frame, ink, frame, hole)
    names = ("First", "Second") if isinstance(game, ForeignGame) else ("Blue", "Orange")
    return Look("cells", names, ("disc", "ring"), (blue, orange), ground, ink, other)


@dataclass(frozen=True)
class Scene:
    """What there is to see on a board."""

    stones: NDArray[np.int8]  # [H, W] as `Game.board` gives it
    last: int = -1  # flat index of the stone just placed
    cursor: int | None = None
    taken: int | None = None  # the stone taken up, whose goal is still to be chosen
    dots: Sequence[int] = ()  # points to mark as playable
    heat: Mapping[int, float] = field(default_factory=dict)  # point -> 0 to 1
    notes: Mapping[int, tuple[str, ...]] = field(
        default_factory=dict
    )  # point -> lines, the first alone where room is short
    owners: Mapping[int, float] = field(default_factory=dict)  # point -> 1 surely the first side's, -1 the second's


class Geometry(NamedTuple):
    """Where the cells are, in characters from the upper left corner of the board's picture, labels included."""

    rows: int
    columns: int
    width: int  # of a cell
    height: int
    left: int  # columns left of the board, for the names of the rows
    top: int  # lines above it
    slant: int  # columns by which every row stands to the right of the one above

    @property
    def size(self) -> tuple[int, int]:
        """Characters across and down."""
        across = self.left + self.columns * self.width + (self.rows - 1) * self.slant + 1
        return across, self.top + self.rows * self.height + 1

    def corner(self, point: int) -> tuple[int, int]:
        """The upper left character of a cell."""
        y, x = divmod(point, self.columns)
        return self.left + x * self.width + y * self.slant, self.top + y * self.height

    def point(self, x: int, y: int) -> int | None:
        """The cell at a character, None outside of the board."""
        row = (y - self.top) // self.height
        column = (x - self.left - row * self.slant) // self.width
        inside = 0 <= row < self.rows and 0 <= column < self.columns
        return row * self.columns + column if inside else None


def fit(board: tuple[int, int], look: Look, named_rows: bool, room: tuple[int, int]) -> Geometry | None:
    """The largest picture of a `board` of H, W cells that `room`, characters across and down, holds; None if none does."""
    for geometry in _pictures(board, look, named_rows):
        if geometry.size[0] <= room[0] and geometry.size[1] <= room[1]:
            return geometry
    return None


def smallest(board: tuple[int, int], look: Look, named_rows: bool) -> Geometry:
    """The smallest picture of a `board` that there is."""
    return list(_pictures(board, look, named_rows))[-1]


def _pictures(board: tuple[int, int], look: Look, named_rows: bool) -> Iterator[Geometry]:
    """The pictures of a `board`, the largest first."""
    for width, height in PIECE_SIZES if look.pieces else SIZES:
        left, top, slant = (4, 2, width // 2) if look.kind == "rhombus" else (3 * named_rows, 1, 0)
        yield Geometry(*board, width, height, left, top, slant)


def draw(
    scene: Scene, look: Look, geometry: Geometry, names: tuple[Sequence[str], Sequence[str]], page: str
) -> list[Strip]:
    """The board in lines of characters; `names` of columns and rows, `page` the colour around it."""
    canvas = Canvas(*geometry.size, page)
    _draw_names(canvas, look, geometry, names)
    if look.kind == "rhombus":
        _draw_edges(canvas, look, geometry)
    for point in range(scene.stones.size):
        _draw_ground(canvas, scene, look, geometry, point)
    for point in range(scene.stones.size):  # stones reach into the cells around them
        _draw_point(canvas, scene, look, geometry, point)
    for point, owner in scene.owners.items():
        if point not in scene.notes:
            _draw_owner(canvas, scene, look, geometry, point, owner)
    for point, lines in scene.notes.items():
        _draw_note(canvas, look, geometry, point, lines)
    return canvas.strips()


def lines_of_text(text: str, room: int, ink: str, page: str) -> list[Strip]:
    """Plain text, its lines broken where they are longer than `room` characters and filled up to the longest."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, max(room, 1)) or [""]]
    width = max(map(cell_len, lines), default=0)
    return [Strip([Segment(set_cell_size(line, width), style(ink, page))], width) for line in lines]


class Canvas:
    """Characters with colours, and quarters of characters that lie over the background."""

    def __init__(self, width: int, height: int, page: str) -> None:
        self.width, self.height = width, height
        self._ground = [[page] * width for _ in range(height)]
        self._quarters: list[list[str]] = [[""] * (2 * width) for _ in range(2 * height)]
        self._text = [[(" ", "")] * width for _ in range(height)]

    def fill(self, x: int, y: int, width: int, height: int, colour: str) -> None:
        """Colour the background of a block of characters."""
        for row in self._ground[y : y + height]:
            row[x : x + width] = [colour] * width

    def write(self, x: int, y: int, text: str, colour: str) -> None:
        """Characters over whatever is there; what does not fit is cut off."""
        for i, letter in enumerate(text):
            if 0 <= x + i < self.width and 0 <= y < self.height:
                self._text[y][x + i] = (letter, colour)

    def ground(self, x: int, y: int) -> str:
        """The colour behind what would be written there."""
        return self._quarters[2 * y][2 * x] or self._ground[y][x]

    def stamp(self, shape: Shape, centre: tuple[float, float], radius: float, colour: str) -> None:
        """Paint a shape around `centre`; lengths in characters across and half characters down."""
        covers = COVERS[shape]
        for y in range(max(0, int(centre[1] - radius)), min(2 * self.height, int(centre[1] + radius) + 1)):
            for x in range(
                max(0, int(2 * (centre[0] - radius))), min(2 * self.width, int(2 * (centre[0] + radius)) + 1)
            ):
                if covers((x / 2 + 0.25 - centre[0]) / radius, (y + 0.5 - centre[1]) / radius):
                    self._quarters[y][x] = colour
                    self._text[y // 2][x // 2] = (" ", "")

    def strips(self) -> list[Strip]:
        """One strip a line."""
        return [
            Strip(Segment.simplify([self._segment(x, y) for x in range(self.width)]), self.width)
            for y in range(self.height)
        ]

    def _segment(self, x: int, y: int) -> Segment:
        (letter, colour), ground = self._text[y][x], self._ground[y][x]
        quarters = [part or ground for row in self._quarters[2 * y : 2 * y + 2] for part in row[2 * x : 2 * x + 2]]
        if letter != " ":
            return Segment(letter, style(colour, max(quarters, key=quarters.count)))
        # a character has two colours: where three meet, the last one gives way to the first
        front = next((part for part in quarters if part != ground), ground)
        back = next((part for part in quarters if part != front), ground)
        filled = sum(1 << i for i, part in enumerate(quarters) if part == front)
        return Segment(QUARTERS[filled], style(front, back)) if front != ground else Segment(" ", style(ground, ground))


QUARTERS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"  # by the sum of 1 for upper left, 2 upper right, 4 lower left, 8 lower right
COVERS: dict[Shape, Callable[[float, float], bool]] = {  # is (dx, dy), in radii from the centre, in the shape?
    "disc": lambda dx, dy: dx * dx + dy * dy <= 1,
    "ring": lambda dx, dy: 0.3 < dx * dx + dy * dy <= 1,
    "cross": lambda dx, dy: abs(abs(dx) - abs(dy)) < 0.25 and max(abs(dx), abs(dy)) <= 1,
}


def contrast(ground: str) -> str:
    """Black or white, whichever is read better on `ground`."""
    return Color.parse(ground).get_contrast_text(1.0).hex6


def blend(ground: str, colour: str, share: float) -> str:
    """`ground` with so much of `colour` in it."""
    return Color.parse(ground).blend(Color.parse(colour), share).hex6


@cache
def style(colour: str, ground: str) -> Style:
    """Characters of `colour` on `ground`."""
    return Style(color=colour, bgcolor=ground)


def _draw_names(canvas: Canvas, look: Look, geometry: Geometry, names: tuple[Sequence[str], Sequence[str]]) -> None:
    muted = blend(canvas.ground(0, 0), contrast(canvas.ground(0, 0)), 0.6)
    columns, rows = names
    for x, name in enumerate(columns):
        canvas.write(geometry.corner(x)[0] + geometry.width // 2, 0, name, muted)
    for y, name in enumerate(rows):
        left, top = geometry.corner(y * geometry.columns)
        canvas.write(left - geometry.left, top + geometry.height // 2, f"{name:>2}", muted)


def _draw_edges(canvas: Canvas, look: Look, geometry: Geometry) -> None:
    """Hex: above and below the first side's edges, left and right the second's."""
    first, second = look.stones
    across = geometry.columns * geometry.width
    x, y = geometry.corner(0)
    canvas.write(x, y - 1, "▄" * across, first)
    x, y = geometry.corner((geometry.rows - 1) * geometry.columns)
    canvas.write(x, y + geometry.height, "▀" * across, first)
    for row in range(geometry.rows):
        x, y = geometry.corner(row * geometry.columns)
        for line in range(y, y + geometry.height):
            canvas.write(x - 1, line, "▐", second)
            canvas.write(x + across, line, "▌", second)


def _draw_ground(canvas: Canvas, scene: Scene, look: Look, geometry: Geometry, point: int) -> None:
    """What lies under a stone: colour, heat, the cursor, lines."""
    x, y = geometry.corner(point)
    ground = look.ground if sum(divmod(point, geometry.columns)) % 2 == 0 else look.other_ground
    if point in scene.heat:
        ground = blend(ground, look.heat, scene.heat[point])
    if point in (scene.cursor, scene.taken):
        ground = blend(ground, CURSOR, 0.75 if point == scene.cursor else 0.45)
    canvas.fill(x, y, geometry.width, geometry.height, ground)
    if look.kind == "crossings" and (point not in scene.notes or geometry.width == 2):
        _draw_lines(canvas, look, geometry, point)


def _draw_point(canvas: Canvas, scene: Scene, look: Look, geometry: Geometry, point: int) -> None:
    """A stone, the hole where there is none, and the marks on both."""
    (x, y), (w, h) = geometry.corner(point), (geometry.width, geometry.height)
    middle = (x + w // 2, y + h // 2)
    stone = int(scene.stones.flat[point])
    if stone:
        side = 0 if stone > 0 else 1
        if look.pieces:
            _draw_piece(canvas, geometry, point, PIECES[abs(stone) - 1], look.stones[side])
        else:
            _draw_stone(canvas, geometry, look, point, look.shapes[side], look.stones[side])
        if point == scene.last and (geometry.width > 2 or point not in scene.notes):  # the note is where they would be
            _mark_last(canvas, look, geometry, point, side)
    elif look.holes and w > SMALL[look.kind] and point not in scene.heat and point != scene.cursor:
        _draw_stone(canvas, geometry, look, point, "disc", look.holes)
    elif look.holes:
        canvas.write(*middle, "·", look.ink)
    if point in scene.dots:
        canvas.write(*middle, "x" if stone else "•", contrast(canvas.ground(*middle)))
    if point == scene.cursor and h == 1:
        canvas.write(middle[0] - 1, middle[1], "[", contrast(canvas.ground(*middle)))
        canvas.write(middle[0] + 1, middle[1], "]", contrast(canvas.ground(*middle)))


def _draw_stone(canvas: Canvas, geometry: Geometry, look: Look, point: int, shape: Shape, colour: str) -> None:
    (x, y), (w, h) = geometry.corner(point), (geometry.width, geometry.height)
    if w == 2:
        canvas.write(x + 1, y, GLYPHS[shape], colour)
    elif look.kind == "crossings":  # around the middle of the character that holds the crossing
        canvas.stamp(shape, (x + w // 2 + 0.5, 2 * (y + h // 2) + 1), w / 2 - 0.25, colour)
    else:
        canvas.stamp(shape, (x + w / 2, 2 * y + h), w / 2 - (0.2 if w == 4 else 0.8), colour)


def _draw_piece(canvas: Canvas, geometry: Geometry, point: int, figure: str, colour: str) -> None:
    """A figure on a disc of its side, so that sides are told apart whatever the font makes of the figures."""
    (x, y), (w, h) = geometry.corner(point), (geometry.width, geometry.height)
    middle = (x + w // 2, y + h // 2)
    if h == 2:  # three half lines
        canvas.write(x + 1, y, "▄" * (w - 2), colour)
    if h <= 2:
        canvas.fill(x + 1, middle[1], w - 2, 1, colour)
    else:
        canvas.stamp("disc", (x + w / 2, 2 * y + h), h - 0.8, colour)
    canvas.write(*middle, figure, contrast(colour))


def _mark_last(canvas: Canvas, look: Look, geometry: Geometry, point: int, side: int) -> None:
    """Parentheses where cells are small, a dot in the stone where they are not."""
    (x, y), (w, h) = geometry.corner(point), (geometry.width, geometry.height)
    if w == 2:
        canvas.write(x, y, "(", look.stones[side])
        canvas.write(x + 2, y, ")", look.stones[side])
    elif look.pieces:  # brackets: the figure needs the middle
        canvas.write(x, y + h // 2, "▐", CURSOR)
        canvas.write(x + w - 1, y + h // 2, "▌", CURSOR)
    elif look.kind == "crossings":
        canvas.write(x + w // 2, y + h // 2, "◆", contrast(canvas.ground(x + w // 2, y + h // 2)))
    else:
        canvas.stamp("disc", (x + w / 2, 2 * y + h), 1, contrast(canvas.ground(x + w // 2, y + h // 2)))


def _draw_lines(canvas: Canvas, look: Look, geometry: Geometry, point: int) -> None:
    """The lines through a crossing, to the edges of its cell, and the star points."""
    (x, y), (w, h) = geometry.corner(point), (geometry.width, geometry.height)
    row, column = divmod(point, geometry.columns)
    left, right = column > 0, column < geometry.columns - 1
    up, down = row > 0, row < geometry.rows - 1
    cx, cy = w // 2, h // 2
    for i in range(w):
        if (i < cx and left) or (i > cx and right):
            canvas.write(x + i, y + cy, "─", look.ink)
    for i in range(h):
        if (i < cy and up) or (i > cy and down):
            canvas.write(x + cx, y + i, "│", look.ink)
    star = point in stars(geometry.rows, geometry.columns)
    canvas.write(x + cx, y + cy, "•" if star else CROSSINGS[up, down, left, right], look.ink)


CROSSINGS = {
    (True, True, True, True): "┼",
    (False, True, True, True): "┬",
    (True, False, True, True): "┴",
    (True, True, False, True): "├",
    (True, True, True, False): "┤",
    (False, True, False, True): "┌",
    (False, True, True, False): "┐",
    (True, False, False, True): "└",
    (True, False, True, False): "┘",
}


@cache
def stars(rows: int, columns: int) -> frozenset[int]:
    """The points that a square Go board is marked with: corners and middle, from 13x13 the sides' middles too."""
    if rows != columns or rows < 7 or rows % 2 == 0:
        return frozenset()
    near, middle = 2 if rows < 13 else 3, rows // 2
    lines = (near, middle, rows - 1 - near)
    points = {(y, x) for y in lines for x in lines}
    if rows < 15:
        points = {(y, x) for y, x in points if (y == middle) == (x == middle)}
    return frozenset(y * columns + x for y, x in points)


def _draw_owner(canvas: Canvas, scene: Scene, look: Look, geometry: Geometry, point: int, owner: float) -> None:
    """A square of the side that will own the point, the surer the larger; on stones only where these are lost."""
    side, sure = (0 if owner > 0 else 1), abs(owner)
    if sure < 0.25 or scene.stones.flat[point] * owner > 0:
        return
    x, y = geometry.corner(point)
    across = 1 if geometry.width == 2 else 1 + 2 * round(sure * geometry.width / 4.1)
    left = x + geometry.width // 2 - across // 2
    if across == 1 and sure < 0.6:
        canvas.write(left, y + geometry.height // 2, "▪", look.stones[side])
    else:
        canvas.write(left, y + geometry.height // 2, "■" * across, look.stones[side])


def _draw_note(canvas: Canvas, look: Look, geometry: Geometry, point: int, lines: tuple[str, ...]) -> None:
    """Rank, chance and visits, as many of them as the cell has room for."""
    (x, y), (w, h) = geometry.corner(point), (geometry.width, geometry.height)
    if h == 1:
        shown, top = lines[:1], y
    elif w == 4 and look.kind == "crossings":  # stones reach into the other line
        shown, top = lines[1:2], y + h // 2
    else:
        shown, top = lines[1:3], y + (h - 2) // 2
    for i, line in enumerate(shown):
        left = x + 1 if w == 2 else x + (w - len(line) + 1) // 2  # a row's name ends where the first cell begins
        canvas.write(left, top + i, line, contrast(canvas.ground(left, top + i)))
