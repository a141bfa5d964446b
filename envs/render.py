"""Boards as pictures, each game the way its players know it: stones on wood, discs in a blue rack, hexagons, chess pieces.

A picture is the empty board with small images pasted on it, stones and marks; both are painted once and kept. All points lie
on whole pixels, so what is pasted stands exactly where it would have been painted. The two players' colours differ in
lightness, not in hue alone: colour-blind people tell them apart.

The last move is marked by a ring on its stone or, where pieces stand in squares, by a lit square.

    image = picture(envs.make("go9"), state)
    Image.fromarray(image).save("board.png")
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from envs import chess_pieces
from envs.game import Game
from envs.pen import Colour, Pen, Point

WANTED = 480  # pixels that the points take on the longer side, from SMALLEST to LARGEST a cell
SMALLEST, LARGEST = 28, 72
TINIEST = 16  # that can be asked for: coordinates would not fit
TEXT_SIDE = 480  # pixels of the square that a game without a look of its own is written in

PAPER, INK = (250, 247, 240), (60, 52, 44)
BLACK, WHITE, SHELL = (28, 29, 33), (240, 238, 232), (214, 212, 206)
BLACK_LIT, WHITE_LIT = (104, 106, 114), (255, 255, 253)  # where the light falls
RED, YELLOW, SKY = (180, 42, 36), (247, 202, 64), (122, 192, 240)
WOOD, FELT, FELT_LINE, RACK, RACK_DARK = (223, 181, 117), (42, 122, 90), (22, 78, 56), (44, 94, 170), (30, 68, 130)
LIGHT, DARK, LIT = (238, 220, 190), (178, 132, 94), (236, 196, 72)
SHADOW, HINT = (0, 0, 0, 70), (20, 20, 20, 110)
ROOT3 = 3**0.5
HEX_RIM = 0.85  # cells that the coloured rhombus reaches beyond the middles of the outermost hexagons


class Grid(NamedTuple):
    """Where the points of a board lie, in whole pixels; a point of squares or hexagons is the middle of one."""

    height: int  # points
    width: int
    cell: int  # pixels from a point to its right neighbour, an even number
    down: int  # pixels from a row to the next
    aside: int  # pixels that a row lies further right than the row above
    edge: int  # pixels around the cells on sides with coordinates
    bare: int  # pixels around the cells on the other sides
    sides: tuple[str, ...]  # that have coordinates

    def at(self, row: float, column: float) -> tuple[int, int]:
        """x, y of a point; fractions and places off the board are for what is painted around it."""
        left, top = self._around("left") + self.cell // 2, self._around("above") + self.cell // 2
        return round(left + column * self.cell + row * self.aside), round(top + row * self.down)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        x, y = self.at(self.height - 1, self.width - 1)
        return x + self.cell // 2 + self._around("right"), y + self.cell // 2 + self._around("below")

    def _around(self, side: str) -> int:
        return self.edge if side in self.sides else self.bare


class Look(NamedTuple):
    """How a game is painted."""

    ground: Colour
    board: Callable[[Pen, Grid], None]  # the empty board without coordinates
    stone: Callable[[Pen, float, float, int, int], None]  # x, y, cell, the number on the board; 1 and -1 but for chess
    sides: tuple[str, ...]  # where coordinates stand: above, below, left, right
    edges: tuple[float, float] = (0.5, 0.3)  # cells around the board on these sides and on the others
    rings: tuple[Colour, Colour] = (WHITE_LIT, BLACK)  # that mark the last move on the first and second player's stone
    lit: float = 0.0  # share of the cell that is lit instead, where a ring would hide what stands there
    hexagons: bool = False


def picture(game: Game, state: np.void, *, cell: int | None = None, hints: bool = False) -> NDArray[np.uint8]:
    """[height, width, 3] u1 the board of `state`, its last move marked; of one size through a game.

    `cell` is the size of a point in pixels, by default such that boards come out about as large as each other. With
    `hints` a dot stands on every point that may be played, where actions are points or columns. A game
    that has no look of its own is shown as its text.
    """
    kind, labelled = kind_of(game)
    if kind not in LOOKS:
        return _written(game.show(state))
    if cell is not None and (cell < TINIEST or cell % 2):
        raise ValueError(f"cell={cell}: choose an even number of pixels from {TINIEST}")
    look, grid = LOOKS[kind], _grid(kind, game.board_shape, cell, labelled=labelled)
    image = _empty(kind, grid, _labels(game, kind) if labelled else None).copy()
    batch = np.array([state], game.dtype)
    board, last = game.board(batch)[0], int(state["last"])
    if look.lit and last >= 0:
        _paste(image, _lit_square(grid.cell, look.lit), grid.at(*divmod(last, grid.width)))
    for row, column in np.argwhere(board).tolist():
        marked = row * grid.width + column == last and not look.lit
        _paste(image, _stone(kind, grid.cell, int(board[row, column]), marked), grid.at(row, column))
    if hints:
        for row, column in _playable(game, batch, board):
            _paste(image, _hint(grid.cell), grid.at(row, column))
    return np.array(image)


def places(game: Game, cell: int) -> NDArray[np.int64]:
    """[H, W, 2] where the points of the board lie in `picture(game, state, cell=cell)`: x, y in pixels, for what is laid over it.

    ValueError where the game has no look of its own.
    """
    kind, labelled = kind_of(game)
    if kind not in LOOKS:
        raise ValueError(f"{game.name} is shown as text: its points have no place in a picture")
    h, w = game.board_shape
    grid = _grid(kind, game.board_shape, cell, labelled=labelled)
    return np.array([[grid.at(row, column) for column in range(w)] for row in range(h)])


def kind_of(game: Game) -> tuple[str, bool]:
    """The key in `LOOKS`, if it has one, and whether its actions are named by the points of the board."""
    name = re.split(r"[:(]", game.name)
    if name[0] == "pettingzoo":
        return {"connect_four_v3": "connect_four", "go_v5": "go", "tictactoe_v3": "tictactoe"}.get(name[1], ""), False
    return name[0], True


def _grid(kind: str, shape: tuple[int, int], cell: int | None, *, labelled: bool) -> Grid:
    look, (h, w) = LOOKS[kind], shape
    longest = 0.8 * (w + h / 2) if look.hexagons else max(h, w)
    if cell is None:
        cell = min(max(int(WANTED / longest), SMALLEST), LARGEST) // 2 * 2
    down, aside = (round(cell * ROOT3 / 2), cell // 2) if look.hexagons else (cell, 0)
    edge, bare = (max(int(share * cell), least) for share, least in zip(look.edges, (20, 6), strict=True))
    return Grid(h, w, cell, down, aside, edge, bare, look.sides if labelled else ())


# What is kept. A board has few sizes and a game few different stones.


@functools.lru_cache(64)
def _empty(kind: str, grid: Grid, labels: tuple[tuple[str, ...], tuple[str, ...]] | None) -> Image.Image:
    """The board before the first stone, with its coordinates."""
    look = LOOKS[kind]
    pen = Pen(*grid.size, look.ground)
    look.board(pen, grid)
    if labels:
        columns, rows = labels
        size = min(max(0.27 * grid.cell, 12), 0.8 * grid.edge)
        away = HEX_RIM + 0.5 if look.hexagons else 0.5 + 0.53 * grid.edge / grid.cell
        ends = {"above": -away, "below": grid.height - 1 + away, "left": -away, "right": grid.width - 1 + away}
        for side in look.sides:
            for i, label in enumerate(columns if side in ("above", "below") else rows):
                x, y = grid.at(ends[side], i) if side in ("above", "below") else grid.at(i, ends[side])
                pen.text(x, y, label, size, INK)
    return pen.picture()


@functools.lru_cache(256)
def _stone(kind: str, cell: int, code: int, marked: bool) -> Image.Image:
    side = cell + 2 * (cell // 8)  # with room for a shadow
    pen = Pen(side, side)
    look = LOOKS[kind]
    look.stone(pen, side / 2, side / 2, cell, code)
    if marked:
        pen.ring(side / 2, side / 2, 0.24 * cell, max(0.06 * cell, 1.5), look.rings[code < 0])
    return pen.picture()


@functools.lru_cache(16)
def _lit_square(cell: int, share: float) -> Image.Image:
    pen = Pen(cell, cell)
    rest = cell * (1 - share) / 2
    pen.box(rest, rest, cell - rest, cell - rest, LIT, corner=rest)
    return pen.picture()


@functools.lru_cache(16)
def _hint(cell: int) -> Image.Image:
    pen = Pen(cell, cell)
    pen.disc(cell / 2, cell / 2, 0.1 * cell, HINT)
    return pen.picture()


def _paste(image: Image.Image, sprite: Image.Image, middle: tuple[int, int]) -> None:
    x, y = middle
    image.paste(sprite, (x - sprite.width // 2, y - sprite.height // 2), sprite)


# Empty boards.


def _crossings(pen: Pen, grid: Grid) -> None:
    """Lines through the points, and star points."""
    h, w, thin = grid.height, grid.width, 1.0 if grid.cell < 40 else 2.0
    (left, top), (right, bottom) = grid.at(0, 0), grid.at(h - 1, w - 1)
    for row in range(h):
        _, y = grid.at(row, 0)
        pen.path([(left, y), (right, y)], thin, INK)
    for column in range(w):
        x, _ = grid.at(0, column)
        pen.path([(x, top), (x, bottom)], thin, INK)
    pen.path([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)], 1.5 * thin, INK)
    for row, column in _stars(h, w):
        pen.disc(*grid.at(row, column), max(0.075 * grid.cell, 2.5), INK)


def _stars(h: int, w: int) -> list[tuple[int, int]]:
    """Rows and columns of the star points: near the corners and in the middle; from 17 lines on along the sides too."""
    if h % 2 == 0 or w % 2 == 0 or min(h, w) < 5:
        return []
    if min(h, w) < 7:
        return [(h // 2, w // 2)]
    rows, columns = ((_edge(n), n // 2, n - 1 - _edge(n)) for n in (h, w))
    everywhere = min(h, w) >= 17
    return [(y, x) for y in rows for x in columns if everywhere or (y == rows[1]) == (x == columns[1])]


def _edge(lines: int) -> int:
    """Lines between the border and the star points."""
    return 3 if lines >= 12 else 2


def _checkers(pen: Pen, grid: Grid) -> None:
    """Light and dark squares; the one at the lower left is dark, as in chess."""
    _frame(pen, grid, INK, 2)
    for row in range(grid.height):
        for column in range(grid.width):
            pen.box(*_square(grid, row, column), LIGHT if (grid.height - row + column) % 2 == 0 else DARK)


def _felt(pen: Pen, grid: Grid) -> None:
    """Green squares, with the four dots of Othello boards."""
    _frame(pen, grid, BLACK, max(3, grid.cell // 12))
    line = max(1.0, grid.cell / 36)
    left, top, right, bottom = _outside(grid)
    pen.box(left, top, right, bottom, FELT)
    for row in range(1, grid.height):
        y = top + row * grid.cell
        pen.box(left, y - line / 2, right, y + line / 2, FELT_LINE)
    for column in range(1, grid.width):
        x = left + column * grid.cell
        pen.box(x - line / 2, top, x + line / 2, bottom, FELT_LINE)
    if min(grid.height, grid.width) >= 6:
        for row in (2, grid.height - 2):
            for column in (2, grid.width - 2):
                pen.disc(left + column * grid.cell, top + row * grid.cell, 0.07 * grid.cell, FELT_LINE)


def _rack(pen: Pen, grid: Grid) -> None:
    """A blue rack with round holes."""
    left, top, right, bottom = _outside(grid)
    rim = 0.14 * grid.cell
    pen.box(left - rim, top - rim, right + rim, bottom + rim, RACK, corner=0.25 * grid.cell)
    for row in range(grid.height):
        for column in range(grid.width):
            x, y = grid.at(row, column)
            pen.disc(x, y, 0.43 * grid.cell, RACK_DARK)
            pen.disc(x, y + 0.015 * grid.cell, 0.4 * grid.cell, PAPER)


def _lines(pen: Pen, grid: Grid) -> None:
    """The lines between cells, none around them."""
    width, end = 0.06 * grid.cell, 0.06 * grid.cell
    left, top, right, bottom = _outside(grid)
    for row in range(1, grid.height):
        y = top + row * grid.cell
        pen.path([(left + end, y), (right - end, y)], width, INK)
    for column in range(1, grid.width):
        x = left + column * grid.cell
        pen.path([(x, top + end), (x, bottom - end)], width, INK)


def _hexagons(pen: Pen, grid: Grid) -> None:
    """The rhombus; its top and bottom edges in the first player's colour, left and right in the second's."""
    h, w, cell = grid.height, grid.width, grid.cell
    low, below, right = -HEX_RIM, h - 1 + HEX_RIM, w - 1 + HEX_RIM
    corners = [grid.at(*place) for place in ((low, low), (low, right), (below, right), (below, low))]
    middle = grid.at((h - 1) / 2, (w - 1) / 2)
    for i in range(4):  # top, right, bottom, left
        pen.polygon([corners[i], corners[(i + 1) % 4], middle], (RED, SKY)[i % 2])
    for row in range(h):
        for column in range(w):
            x, y = grid.at(row, column)
            pen.polygon(_hexagon(x, y, cell + 1), INK)
    for row in range(h):
        for column in range(w):
            x, y = grid.at(row, column)
            pen.polygon(_hexagon(x, y, cell - 1.5), PAPER)


def _hexagon(x: float, y: float, across: float) -> list[Point]:
    """The corners of a hexagon that stands on one, `across` from one upright side to the other."""
    half, quarter = across / 2, across / 2 / ROOT3
    right = [(x, y - 2 * quarter), (x + half, y - quarter), (x + half, y + quarter)]
    return [*right, (x, y + 2 * quarter), (x - half, y + quarter), (x - half, y - quarter)]


def _square(grid: Grid, row: int, column: int) -> tuple[float, float, float, float]:
    x, y = grid.at(row, column)
    half = grid.cell // 2
    return x - half, y - half, x + half, y + half


def _outside(grid: Grid) -> tuple[float, float, float, float]:
    """The rectangle around all squares."""
    left, top, *_ = _square(grid, 0, 0)
    *_, right, bottom = _square(grid, grid.height - 1, grid.width - 1)
    return left, top, right, bottom


def _frame(pen: Pen, grid: Grid, colour: Colour, width: float) -> None:
    left, top, right, bottom = _outside(grid)
    pen.box(left - width, top - width, right + width, bottom + width, colour)


# Stones and pieces, around the middle x, y.


def _ball(pen: Pen, x: float, y: float, cell: int, code: int) -> None:
    """A stone, the first player's black."""
    radius, off = 0.47 * cell, 0.035 * cell
    pen.disc(x + off, y + off, radius, SHADOW)
    pen.ball(x, y, radius, *((BLACK, BLACK_LIT) if code > 0 else (SHELL, WHITE_LIT)))


def _disc(pen: Pen, x: float, y: float, cell: int, code: int) -> None:
    """A disc, the first player's black."""
    radius, off = 0.42 * cell, 0.035 * cell
    pen.disc(x + off, y + off, radius, SHADOW)
    pen.disc(x, y, radius, BLACK if code > 0 else WHITE)


def _token(pen: Pen, x: float, y: float, cell: int, code: int) -> None:
    """A disc of Connect Four with a raised rim."""
    colour = YELLOW if code > 0 else RED
    y += 0.015 * cell
    pen.disc(x, y, 0.4 * cell, tuple(round(0.8 * c) for c in colour))
    pen.disc(x, y, 0.37 * cell, colour)
    pen.ring(x, y, 0.29 * cell, 0.025 * cell, tuple(round(0.86 * c) for c in colour))


def _tile(pen: Pen, x: float, y: float, cell: int, code: int) -> None:
    """A hexagon of a player's colour."""
    pen.polygon(_hexagon(x, y, cell - 1.5), RED if code > 0 else SKY)


def _mark(pen: Pen, x: float, y: float, cell: int, code: int) -> None:
    """A cross, the first player's, or a nought."""
    r, width = 0.27 * cell, 0.11 * cell
    if code > 0:
        pen.path([(x - r, y - r), (x + r, y + r)], width, BLACK)
        pen.path([(x - r, y + r), (x + r, y - r)], width, BLACK)
    else:
        pen.ring(x, y, r + width / 2, width, RED)


def _piece(pen: Pen, x: float, y: float, cell: int, code: int) -> None:
    """A chess piece, White's where `code` is positive."""
    fill, edge, detail = (WHITE_LIT, INK, INK) if code > 0 else (INK, BLACK, LIGHT)
    chess_pieces.paint(pen, x, y, 1.1 * cell, abs(code), fill=fill, edge=edge, detail=detail)


ALL_ROUND = ("above", "below", "left", "right")
LOOKS = {
    "go": Look(WOOD, _crossings, _ball, ALL_ROUND, edges=(0.35, 0.15)),
    "mnk": Look(WOOD, _crossings, _ball, ALL_ROUND, edges=(0.35, 0.15)),
    "othello": Look(PAPER, _felt, _disc, ("above", "left")),
    "connect_four": Look(PAPER, _rack, _token, ("above",), edges=(0.6, 0.3), rings=(BLACK, WHITE_LIT)),
    "hex": Look(PAPER, _hexagons, _tile, ("above", "left"), edges=(1.15, 0.9), hexagons=True),
    "tictactoe": Look(PAPER, _lines, _mark, ("below", "left"), lit=0.84),
    "breakthrough": Look(PAPER, _checkers, _piece, ("below", "left"), lit=1.0),
    "chess": Look(PAPER, _checkers, _piece, ("below", "left"), lit=1.0),
}


# What the rules say of points.


def _labels(game: Game, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What stands beside columns and rows, as the game names its points."""
    h, w = game.board_shape
    if kind == "connect_four":
        return tuple(game.action_name(column) for column in range(w)), ()
    if kind in ("breakthrough", "chess"):
        return tuple("abcdefgh"[:w]), tuple(str(h - row) for row in range(h))
    columns = (re.sub(r"\d", "", game.action_name(column)) for column in range(w))
    rows = (re.sub(r"\D", "", game.action_name(row * w)) for row in range(h))
    return tuple(columns), tuple(rows)


def _playable(game: Game, batch: NDArray[np.void], board: NDArray[np.int8]) -> list[tuple[int, int]]:
    """Rows and columns of the points that may be played."""
    h, w = board.shape
    actions = np.flatnonzero(game.legal(batch)[0]).tolist()
    if game.num_actions == w:  # columns: a disc falls to the lowest empty cell
        return [(int((board[:, column] == 0).sum()) - 1, column) for column in actions]
    if game.num_actions in (h * w, h * w + 1):  # a pass or swap comes last
        return [divmod(action, w) for action in actions if action < h * w]
    return []


def _written(text: str) -> NDArray[np.uint8]:
    """Text in a square, each letter in a cell of its own as on a terminal, as large as fits."""
    lines = text.splitlines()
    longest = max(len(line) for line in lines)
    size = min(20.0, 0.92 * TEXT_SIDE / (0.62 * longest), 0.92 * TEXT_SIDE / (1.3 * len(lines)))
    pen = Pen(TEXT_SIDE, TEXT_SIDE, PAPER)
    left, top = (TEXT_SIDE - 0.62 * size * (longest - 1)) / 2, (TEXT_SIDE - 1.3 * size * (len(lines) - 1)) / 2
    for row, line in enumerate(lines):
        for column, letter in enumerate(line):
            if letter != " ":
                pen.text(left + 0.62 * size * column, top + 1.3 * size * row, letter, size, INK)
    return np.array(pen.picture())
