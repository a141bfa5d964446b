"""Go is proven on outcomes: counted positions, a plain twin, peers, real records, hand-made fights, symmetry."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from envs import States, TerritoryGame, make, random_actions, records
from envs import go_kernels as kernels
from envs.compiled import CompiledGame
from envs.go import Go, handicap_points
from envs.jit import kernel
from envs.records import GameRecord
from envs.rng import mix

SUPERKO = ["positional", "situational", "simple"]
GOLDEN = Path(__file__).parent / "golden"
GNUGO = shutil.which("gnugo", path=f"{os.environ.get('PATH', '')}:/usr/games")
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in scalar")  # SplitMix64 wraps by design
compiled = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="takes minutes in plain Python")
COLLECTIONS = Path(__file__).resolve().parents[2] / "shared" / "data"


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


class Bare(CompiledGame):
    """The kernels on a board of any height and width, which `Go` does not offer; suicide unless refused.

    Games are as long as their records.
    """

    state_kernels = kernels.KERNELS

    def __init__(self, height: int, width: int, *, suicide: bool = True) -> None:
        self.points, longest = height * width, len(kernels.empty_board(height * width)["history"][0]) - 1
        workspace = kernels.workspace(height, width, kernels.POSITIONAL, suicide, komi=0.0)
        self.board = workspace._replace(longest=longest)

    @property
    def num_actions(self) -> int:
        return self.points + 1

    def workspace(self) -> kernels.Workspace:
        return self.board

    def reset(self, n: int = 1) -> States:
        return np.repeat(kernels.empty_board(self.points), n)

    def score(self, states: States) -> NDArray[np.int32]:
        """[B] Black's area less White's."""
        owner, difference = np.empty((len(states), self.points), np.int8), np.empty(len(states), np.int32)
        kernels.areas(states, self.board.near, owner, difference)
        return difference


def played(game: Go, moves: str) -> States:
    """[1] the state after `moves`, all legal."""
    states = game.reset(1)
    for move in moves.split():
        action = game.parse_action(move)
        assert game.legal(states)[0, action], f"{move} is illegal:\n{game.show(states[0])}"
        states = game.step(states, np.array([action]))
        game.check(states[0])
    return states


def arranged(diagram: str, *, to_play: str, **options: object) -> tuple[Go, States]:
    """A game and [1] its state with the stones of `diagram` on the board, put there one by one, passes between."""
    rows = diagram.split()
    game = make("go", size=len(rows), **options)
    assert isinstance(game, Go)
    stones = {c: [i for i, s in enumerate("".join(rows)) if s == c] for c in "XO"}
    turns = max(len(stones["X"]) - (to_play == "O"), len(stones["O"]))
    passing = game.num_actions - 1
    black = [passing] * (turns + (to_play == "O") - len(stones["X"])) + stones["X"]
    white = [passing] * (turns - len(stones["O"])) + stones["O"]
    states = game.reset(1)
    for action in itertools.chain.from_iterable(itertools.zip_longest(black, white)):
        if action is not None:
            states = game.step(states, np.array([action]))
    assert picture(game, states) == rows
    assert states["to_play"][0] == "XO".index(to_play)
    return game, states


def picture(game: Go, states: States) -> list[str]:
    return ["".join(".XO"[stone] for stone in row) for row in game.board(states)[0]]


def move(game: Go, states: States, name: str) -> States:
    assert allowed(game, states, name)
    states = game.step(states, np.array([game.parse_action(name)]))
    game.check(states[0])
    return states


def allowed(game: Go, states: States, name: str) -> bool:
    return bool(game.legal(states)[0, game.parse_action(name)])


def random_game(game: Go, seed: int, *, passes: float = 0.05) -> Iterator[tuple[States, int]]:
    """States [1] and actions of a game of uniformly random moves, passing with probability `passes`."""
    rng = np.random.default_rng(seed)
    states = game.reset(1)
    while not game.terminal(states)[0]:
        legal = game.legal(states)
        if legal[0, :-1].any() and rng.random() >= passes:
            legal[0, -1] = False
            action = int(random_actions(legal, rng)[0])
        else:
            action = game.num_actions - 1
        yield states, action
        states = game.step(states, np.array([action]))


# Options and names


def test_names_can_be_parsed_back() -> None:
    for spec in (
        "go",
        "go9",
        "go19",
        "go:size=7,komi=5.5",
        "go:size=2,komi=-0,superko=simple",
        "go:komi=1e-7",
        "go9:handicap=4,komi=-3.5",
        "go9:rules=tromp-taylor",
        "go9:superko=situational,suicide=true",
    ):
        game = make(spec)
        assert isinstance(game, TerritoryGame)
        assert make(game.name) == game
    assert make("go9").name == make("go", size=9).name == make("go", size="9", komi="7.0").name == "go:size=9,komi=7"
    assert make("go19").name == "go:size=19,komi=7.5"
    assert make("go:size=5,superko=simple").name == "go:size=5,komi=7,superko=simple"
    assert make("go9:handicap=2").name == "go:size=9,komi=0.5,handicap=2"
    assert make("go9:rules=tromp-taylor").name == make("go9", suicide=True).name == "go:size=9,komi=7,suicide=true"
    assert make("go9:rules=tromp-taylor,suicide=false,superko=positional").name == make("go9:rules=area").name
    assert (
        make("go9:rules=tromp-taylor,superko=situational").name == "go:size=9,komi=7,superko=situational,suicide=true"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "size=1: choose a whole number from 2 to 19"),
        ({"size": "20"}, "size=20"),
        ({"size": 9.5}, "size=9.5"),
        ({"size": "nine"}, "size=nine"),
        ({"komi": "nan"}, "komi=nan: give a finite number"),
        ({"komi": float("inf")}, "komi=inf"),
        ({"komi": "abc"}, "komi=abc"),
        ({"superko": "natural"}, "superko=natural: choose positional, situational, simple"),
        ({"rules": "japanese"}, "rules=japanese: choose area or tromp-taylor"),
        ({"suicide": "maybe"}, "suicide=maybe: choose true or false"),
        ({"handicap": "few"}, "handicap=few: give a whole number of stones"),
        ({"handicap": 1}, "handicap=1 on 9x9: choose from 2 to 9 stones"),
        ({"handicap": -2}, "handicap=-2: give a whole number of stones"),
        ({"size": 8, "handicap": 5}, "handicap=5 on 8x8: choose from 2 to 4 stones"),
        ({"size": 5, "handicap": 2}, "handicap=2 on 5x5: boards below 7x7 have none"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("go", **options)


def test_action_names() -> None:
    game = make("go9")
    names = [game.action_name(action) for action in range(game.num_actions)]
    assert (names[0], names[8], names[72], names[80], names[81]) == ("A9", "J9", "A1", "J1", "pass")
    assert [game.parse_action(name.lower()) for name in names] == list(range(game.num_actions))
    for bad in ("I5", "A10", "A0", "K1", "", "5A", "A+1", "A²", "resign"):
        with pytest.raises(ValueError, match=r"A1 to J9 \(no column I\), or pass"):
            game.parse_action(bad)


# Moves


def test_capture_of_a_chain() -> None:
    game, states = arranged(".XX.. XOO.. .XX.. ..... O....", to_play="X")
    states = move(game, states, "D4")
    assert picture(game, states) == [".XX..", "X..X.", ".XX..", ".....", "O...."]
    assert states["captures"][0].tolist() == [2, 0]


def test_one_move_takes_three_chains_and_would_be_suicide_for_the_other_side() -> None:
    diagram = "XO.OX .XOX. ..X.. ..... ....."
    game, states = arranged(diagram, to_play="X")
    states = move(game, states, "C5")
    assert picture(game, states)[:2] == ["X.X.X", ".X.X."]
    assert states["captures"][0].tolist() == [3, 0]
    game, states = arranged(diagram, to_play="O")
    assert not allowed(game, states, "C5")
    assert allowed(game, states, "A4"), "one liberty is enough"


def test_suicide_of_one_stone_is_forbidden() -> None:
    game, states = arranged(".X. X.. ...", to_play="O")
    assert not allowed(game, states, "A3")
    assert game.observe(states)[0, 10].sum() == 0, "suicide is not forbidden by ko"


@pytest.mark.parametrize("superko", SUPERKO)
def test_suicide_takes_off_the_chain_and_counts_for_the_other_side(superko: str) -> None:
    diagram = ".OX. OX.. X... ...."
    game, states = arranged(diagram, to_play="O", superko=superko)
    assert not allowed(game, states, "A4")
    game, states = arranged(diagram, to_play="O", superko=superko, suicide=True)
    states = move(game, states, "A4")
    assert picture(game, states) == ["..X.", ".X..", "X...", "...."]
    assert states["captures"][0].tolist() == [3, 0]
    assert states["last"][0] == 0
    assert states["ko"][0] == kernels.NONE


@pytest.mark.parametrize("superko", SUPERKO)
def test_suicide_of_a_single_stone_is_forbidden_where_suicide_is_not(superko: str) -> None:
    game, states = arranged(".X. X.. ...", to_play="O", superko=superko, suicide=True)
    assert not allowed(game, states, "A3")


def test_suicide_may_not_repeat_a_position() -> None:
    """2x2: Black's fourth stone would take the others with it and leave the empty board of the start, where Black was to move."""
    for superko, allowed_ in (("positional", False), ("situational", True), ("simple", True)):
        game = Go(2, superko=superko, suicide=True)
        states = played(game, "A1 pass B2 pass A2 pass")
        assert allowed(game, states, "B1") == allowed_


def test_snapback() -> None:
    game, states = arranged("..... ..... XXX.. OOOX. ..OX.", to_play="X")
    for name in ("B1", "A1", "B1"):
        states = move(game, states, name)
    assert picture(game, states)[3:] == ["...X.", ".X.X."]
    assert states["captures"][0].tolist() == [5, 1]


@pytest.mark.parametrize("superko", SUPERKO)
def test_ko_is_retaken_only_after_an_exchange(superko: str) -> None:
    game, states = arranged(".XO. XO.O .XO. ....", to_play="X", superko=superko)
    states = move(game, states, "C3")
    assert not allowed(game, states, "B3")
    forbidden = game.observe(states)[0, game.planes.index("forbidden by ko")]
    assert np.argwhere(forbidden).tolist() == [[1, 1]]
    states = move(game, move(game, states, "A1"), "B1")
    assert allowed(game, states, "B3")


@pytest.mark.parametrize("superko", SUPERKO)
def test_two_stones_taken_may_be_answered_at_once_but_not_put_back(superko: str) -> None:
    """Send two, return one: the last move of the cycle takes nothing, and only superko forbids it."""
    game, states = arranged("OO.O XXOO .... ....", to_play="X", superko=superko)
    for name in ("C4", "B4", "pass"):
        states = move(game, states, name)
    assert picture(game, states)[0] == ".O.O"
    assert allowed(game, states, "A4") == (superko == "simple")


@pytest.mark.parametrize("superko", SUPERKO)
def test_only_positional_superko_forbids_a_position_with_the_other_side_to_move(superko: str) -> None:
    """2x2: after B1 has taken three stones, A1 would bring back the position of ply 2, with the other side to move."""
    game = Go(2, superko=superko)
    states = played(game, "A1 B1 B2 pass A2 B1")
    assert picture(game, states) == ["..", ".O"]
    assert allowed(game, states, "A1") == (superko != "positional")
    assert allowed(game, states, "B2")
    assert allowed(game, states, "A2")


def test_two_passes_in_a_row_end_the_game() -> None:
    game = Go(3, komi=8.5)
    states = played(game, "B2 pass A1 pass pass")
    assert game.terminal(states)[0]
    assert not game.legal(states).any()
    assert game.returns(states)[0] == game.heuristic(states)[0] == -1, "White is to move and lost by half a point"
    assert game.show(states[0]).endswith("B+0.5 (last move pass; captures X 0, O 0)")
    assert np.array_equal(game.step(states, np.array([0])), states)
    drawn = Go(3, komi=9)
    states = played(drawn, "B2 pass pass")
    assert drawn.returns(states)[0] == drawn.heuristic(states)[0] == 0
    assert drawn.show(states[0]).endswith("draw (last move pass; captures X 0, O 0)")


def test_a_game_ends_as_it_stands_after_max_plies() -> None:
    game = Go(2, komi=0, superko="simple")
    assert (game.max_plies, Go(9).max_plies, Go(19).max_plies) == (64, 162, 722)
    states = played(game, "A1 B1 B2 pass A2 B1 " + "A1 pass B2 pass A2 B1 " * 9 + "A1 pass B2")
    assert not game.terminal(states)[0]
    assert game.returns(states)[0] == 0
    states = move(game, states, "pass")
    assert game.terminal(states)[0]
    assert not game.legal(states).any()
    assert game.returns(states)[0] == 1, "Black is to move and owns the board"


def test_a_handicap_stands_on_its_points_and_white_begins() -> None:
    game = Go(9, handicap=5)
    states = game.reset(2)
    assert picture(game, states)[2] == "..X...X.."
    assert [picture(game, states)[row][2:7:2] for row in (2, 4, 6)] == ["X.X", ".X.", "X.X"]
    assert (game.board(states).sum(axis=(1, 2)) == 5).all()
    assert (states["to_play"] == 1).all()
    assert (states["ply"] == 0).all()
    assert game.observe(states)[:, game.planes.index("second player to move")].all()
    assert game.score(states)[0] == 81 - 0.5
    game.check(states[0])
    states = move(game, states[:1], "E6")
    assert states["to_play"][0] == 0
    assert game.board(states)[0, 3, 4] == -1


@pytest.mark.parametrize(
    ("size", "stones", "points"),
    [
        (9, 2, "C3 G7"),
        (9, 3, "C3 G7 C7"),
        (9, 9, "C3 G7 C7 G3 C5 G5 E3 E7 E5"),
        (19, 7, "D4 Q16 D16 Q4 D10 Q10 K10"),
        (19, 8, "D4 Q16 D16 Q4 D10 Q10 K4 K16"),
        (8, 4, "C3 F6 C6 F3"),
        (7, 4, "C3 E5 C5 E3"),
    ],
)
def test_fixed_handicap_points(size: int, stones: int, points: str) -> None:
    """The table of the Go Text Protocol, section 4.1.1."""
    game = Go(size)
    assert {game.action_name(point) for point in handicap_points(size, stones)} == set(points.split())


def test_check_finds_what_is_wrong() -> None:
    game = Go(5)
    for states, _ in itertools.islice(random_game(game, 1), 30):
        game.check(states[0])
    stone = int(np.flatnonzero(game.board(states))[0])
    empty = int(np.flatnonzero(game.board(states) == 0)[0])
    chain = int(states["chain"][0, stone])
    for field, index, value in (
        ("board", 25, 0),
        ("board", empty, 1),
        ("chain", stone, empty),
        ("chain", empty, 0),
        ("next", chain, empty),
        ("libs", chain, 7),
        ("stood", stone, 0),
        ("room", kernels.FIRST + stone, 3),
        ("room", kernels.FIRST + empty, 1),
        ("room", kernels.FIRST - 1, 1),
        ("history", int(states["ply"][0]), 0),
    ):
        wrong = states.copy()
        wrong[field][0, index] = value
        with pytest.raises(ValueError, match=r"is wrong for point|history does not end|off the board"):
            game.check(wrong[0])
    wrong = states.copy()
    wrong["anchor"], wrong["since"] = empty, 1
    with pytest.raises(ValueError, match=f"anchor {empty} is no stone that stands since ply 1"):
        game.check(wrong[0])


# Scores


@pytest.mark.parametrize(
    ("diagram", "owner", "score"),
    [
        ("... ... ...", "... ... ...", 0),
        ("... .X. ...", "XXX XXX XXX", 9),
        ("X.O X.O X.O", "X.O X.O X.O", 0),
        (".XO. XXO. .XOO .XO.", "XXOO XXOO XXOO XXOO", 0),
        ("XX. XXO .OO", "XX. XXO .OO", 1),  # seki: liberties shared by both belong to neither
        ("..X O.. ...", "..X O.. ...", 0),
        ("OOOOO O.O.O OOOOO XXXXX .X.X.", "OOOOO OOOOO OOOOO XXXXX XXXXX", -5),
    ],
)
def test_area_scores(diagram: str, owner: str, score: int) -> None:
    game, states = arranged(diagram, to_play="X", komi=2.5)
    assert ["".join(".XO"[who] for who in row) for row in game.ownership(states)[0]] == owner.split()
    assert game.score(states)[0] == score - 2.5
    assert np.sign(game.heuristic(states)[0]) == np.sign(score - 2.5)


def black_reaches(board: Bare, target: int) -> bool:
    """Black's area less White's is at least `target` under best play from the empty board."""

    def wins(states: States) -> bool:
        """The side to move gets what it wants; the pass is tried first, it ends the most."""
        actions = np.flatnonzero(board.legal(states)[0])[::-1]
        children = board.step(states.repeat(len(actions)), actions)
        assert children["ply"][0] < board.board.longest
        ended = children["passes"] >= 2
        if ((board.score(children[ended]) >= target) == (states["to_play"][0] == 0)).any():
            return True
        return any(not wins(children[i : i + 1]) for i in np.flatnonzero(~ended))

    return wins(board.reset())


# Tromp and Farneback, Combinatorics of Go (2007), section 7: height, width, the optimal area score.
AREAS = [(1, 1, 0), (1, 2, 0), (1, 3, 3), (1, 4, 4), (1, 5, 0), (2, 2, 1)]


@compiled
@pytest.mark.parametrize("suicide", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("height", "width", "area"), AREAS)
def test_optimal_areas_under_positional_superko(height: int, width: int, area: int, suicide: bool) -> None:
    board = Bare(height, width, suicide=suicide)
    assert black_reaches(board, area)
    assert not black_reaches(board, area + 1)


# Counts and peers


@pytest.mark.parametrize(("size", "count"), [(1, 1), (2, 57), (3, 12_675)])
def test_number_of_positions_without_dead_chains_in_the_twin(size: int, count: int) -> None:
    twin = Twin(Go(max(size, 2)))
    twin.size = size
    boards = itertools.product((0, 1, -1), repeat=size * size)
    assert count == sum(all(not s or twin.liberties(board, p) for p, s in enumerate(board)) for board in boards)


def followers(board: Bare, states: States) -> tuple[States, NDArray[np.int64]]:
    """All positions one stone after each of `states` [B], either side to move, and which of [B] each comes from.

    Each begins a game of its own, so that no ko forbids anything.
    """
    found, sources = [], []
    for colour in (0, 1):
        begun = states.copy()
        begun["to_play"] = colour
        rows, actions = np.nonzero(board.legal(begun)[:, :-1])
        children = board.step(begun[rows], actions)
        for field in ("ply", "passes", "stood", "since"):
            children[field] = 0
        children["ko"] = children["anchor"] = kernels.NONE
        found.append(children)
        sources.append(rows)
    return np.concatenate(found), np.concatenate(sources)


LEGAL_POSITIONS = [
    (1, 1),
    (2, 57),
    (3, 12_675),
    pytest.param(4, 24_318_165, marks=[pytest.mark.slow, pytest.mark.timeout(3600)]),
]


@compiled
@pytest.mark.parametrize(("size", "count"), LEGAL_POSITIONS)
def test_number_of_legal_positions(size: int, count: int) -> None:
    """All are reached from the empty board (OEIS A094777). A position is a number in base 3."""
    board = Bare(size, size)
    digits = 3 ** np.arange(size * size)
    seen = np.zeros(3 ** (size * size), bool)
    seen[0] = True
    waiting = [board.reset()]
    while waiting:
        children, _ = followers(board, waiting.pop())
        codes, first = np.unique((children["board"][:, : size * size] % 3) @ digits, return_index=True)
        fresh = children[first[~seen[codes]]]
        seen[codes] = True
        waiting += [fresh[i : i + 256] for i in range(0, len(fresh), 256)]
    assert seen.sum() == count


@pytest.mark.parametrize(("height", "width", "count"), [(1, 1, 1), (1, 2, 9), (1, 3, 907)])
def test_number_of_games(height: int, width: int, count: int) -> None:
    """Tromp and Farneback: lines of positions from the empty board in which none comes back, passes not counted."""
    board = Bare(height, width)

    def games(states: States, past: frozenset[bytes]) -> int:
        past |= {states["board"].tobytes()}
        children, _ = followers(board, states)
        lines = [children[i : i + 1] for i in range(len(children))]
        return 1 + sum(games(line, past) for line in lines if line["board"].tobytes() not in past)

    assert games(board.reset(), frozenset()) == count


@kernel
def count_lines(here, free, moves, turns, keys, counts):
    """Lines from position `here` through positions of the bitboard `free`, each at most once; the empty line counts.

    `moves` [P] are the positions one move on; `turns` [S, P] the symmetric ones. What can still be reached, turned to where
    its bits are the smallest number, is looked up in the hash table of `keys` and `counts`.
    """
    one, reached, todo = np.uint64(1), np.uint64(0), moves[here] & free
    while todo != 0:
        bit = todo & (~todo + one)
        reached |= bit
        todo = (todo | (moves[ones(bit - one)] & free)) & ~reached
    if reached == 0:
        return np.int64(1)
    key = ~np.uint64(0)
    for s in range(len(turns)):
        turned = np.uint64(turns[s, here] + 1) << np.uint64(57)
        todo = reached
        while todo != 0:
            bit = todo & (~todo + one)
            todo ^= bit
            turned |= one << np.uint64(turns[s, ones(bit - one)])
        key = min(key, turned)
    last = np.uint64(len(keys) - 1)
    slot = mix(key) & last
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + one) & last
    if keys[slot] == key:
        return counts[slot]
    count, todo = np.int64(1), moves[here] & reached
    while todo != 0:
        bit = todo & (~todo + one)
        todo ^= bit
        count += count_lines(ones(bit - one), reached ^ bit, moves, turns, keys, counts)
    while keys[slot] != 0:
        slot = (slot + one) & last
    keys[slot], counts[slot] = key, count
    return count


@kernel
def ones(bits):
    """Number of set bits of a u8."""
    two, four = np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & two) + ((bits >> np.uint64(2)) & two)
    bits = (bits + (bits >> np.uint64(4))) & four
    return np.int64((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_number_of_games_on_2x2() -> None:
    """Tromp and Farneback: 386,356,909,593 by their definition above. Takes minutes and 1 GiB."""
    board = Bare(2, 2)
    positions, numbers, moves = [board.reset()], {(0, 0, 0, 0): 0}, []
    while len(moves) < len(positions):
        children, _ = followers(board, positions[len(moves)])
        bits = 0
        for i, stones in enumerate(map(tuple, children["board"][:, :4].tolist())):
            if stones not in numbers:
                numbers[stones] = len(positions)
                positions.append(children[i : i + 1])
            bits |= 1 << numbers[stones]
        moves.append(bits)
    assert len(positions) == 57
    turns = [
        [numbers[tuple(colour * stones[p] for p in points)] for stones in numbers]
        for points in Go(2).symmetries.points.tolist()
        for colour in (1, -1)
    ]
    keys, counts = np.zeros(2**26, np.uint64), np.zeros(2**26, np.int64)
    free = np.uint64(2**57 - 2)  # all but the empty board
    assert count_lines(0, free, np.array(moves, np.uint64), np.array(turns), keys, counts) == 386_356_909_593


def agrees_with_twin(game: Go, seed: int) -> None:
    twin = Twin(game)
    passes = (0.0, 0.05, 0.3)[seed % 3]
    states = game.reset(1)
    for states, action in random_game(game, seed, passes=passes):
        assert game.legal(states)[0].tolist() == twin.legal()
        assert not game.terminal(states)[0]
        assert not twin.terminal()
        assert game.observe(states).reshape(len(game.planes), -1).tolist() == twin.observe().tolist()
        twin.play(action)
        states = game.step(states, np.array([action]))
        game.check(states[0])
        assert game.board(states).reshape(-1).tolist() == list(twin.board)
        assert game.ownership(states).reshape(-1).tolist() == twin.owner()
        assert game.score(states)[0] == twin.score()
        assert game.returns(states)[0] == twin.result()
    assert game.terminal(states)[0]
    assert twin.terminal()
    assert game.observe(states).reshape(len(game.planes), -1).tolist() == twin.observe().tolist()


@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("superko", SUPERKO)
@pytest.mark.parametrize(("size", "games"), [(2, 30), (3, 20), (5, 5)])
def test_plain_twin_agrees_at_every_ply(size: int, games: int, superko: str, suicide: bool) -> None:
    for seed in range(games):
        agrees_with_twin(Go(size, komi=size % 3, superko=superko, suicide=suicide), seed)


@pytest.mark.slow
@pytest.mark.parametrize("suicide", [False, True])
@pytest.mark.parametrize("superko", SUPERKO)
@pytest.mark.parametrize(("size", "games"), [(2, 300), (3, 200), (5, 50), (9, 10), (13, 1)])
def test_plain_twin_agrees_at_every_ply_of_many_games(size: int, games: int, superko: str, suicide: bool) -> None:
    for seed in range(1000, 1000 + games):
        agrees_with_twin(Go(size, superko=superko, suicide=suicide), seed)


MANY = [pytest.param(4), pytest.param(10_000, marks=[pytest.mark.peer, pytest.mark.timeout(7200)])]


@pytest.mark.parametrize("games", MANY)
def test_pettingzoo_agrees_under_simple_ko(games: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOARD_SIZE", "9")
    same_games_as_pettingzoo(range(games))


def same_games_as_pettingzoo(seeds: Sequence[int]) -> None:
    """The rules behind PettingZoo's go_v5 (minigo's), which differ from ours in the following:

    simple ko only; no end after `max_plies`; and a cruder board size, an environment variable read at import.
    """
    go_base = importlib.reload(importlib.import_module("pettingzoo.classic.go.go_base"))
    game = Go(9, superko="simple")
    for seed in seeds:
        position = go_base.Position(komi=game.komi)
        for states, action in random_game(game, seed):
            assert game.legal(states)[0].tolist() == position.all_legal_moves().astype(bool).tolist()
            assert game.board(states)[0].tolist() == position.board.tolist()
            assert game.score(states)[0] == position.score()
            assert states["captures"][0].tolist() == list(position.caps)
            position = position.play_move(None if action == 81 else divmod(action, 9), mutate=True)


@compiled
@pytest.mark.parametrize("games", [pytest.param(200), pytest.param(10_000, marks=pytest.mark.peer)])
def test_openspiel_agrees_until_a_position_comes_back(games: int) -> None:
    pytest.importorskip("pyspiel")
    for seed in range(0, games, 200):
        same_games_as_openspiel(200, seed)


def same_games_as_openspiel(games: int, seed: int) -> None:
    """What may be played, when a game ends and who has won, in random games on 9x9. OpenSpiel's rules are ours under
    simple ko, but that a game is over and drawn where a position comes back (a pass aside), which our superko forbids.
    """
    import pyspiel

    peer = pyspiel.load_game("go(board_size=9,komi=7.5)")
    game, strict = Go(9, komi=7.5, superko="simple"), Go(9, komi=7.5)
    assert peer.max_game_length() == game.max_plies
    ours = np.append(np.arange(81).reshape(9, 9)[::-1], 81)  # [action] of OpenSpiel, which counts the rows from below
    theirs = np.argsort(ours)
    rng = np.random.default_rng(seed)
    states, others = game.reset(games), [peer.new_initial_state() for _ in range(games)]
    compared = repeated = 0
    while len(states):
        legal = game.legal(states)
        found = np.zeros_like(legal)
        for i, other in enumerate(others):
            found[i, ours[other.legal_actions()]] = True
        np.testing.assert_array_equal(legal, found)
        compared += len(states)
        actions = random_actions(legal, rng)
        repeats = ~strict.legal(states)[np.arange(len(states)), actions]
        states = game.step(states, actions)
        for other, action in zip(others, theirs[actions].tolist(), strict=True):
            other.apply_action(action)
        ended = np.array([other.is_terminal() for other in others])
        np.testing.assert_array_equal(ended, game.terminal(states) | repeats)
        black = game.returns(states) * (1 - 2 * states["to_play"])
        for i in np.flatnonzero(ended):
            assert others[i].returns()[0] == (0 if repeats[i] else black[i])
        repeated += int(repeats.sum())
        states, others = states[~ended], [other for other, over in zip(others, ended, strict=True) if not over]
    assert compared > 80 * games
    assert repeated < games / 10


@pytest.mark.peer
@pytest.mark.skipif(GNUGO is None, reason="GNU Go is not installed")
@pytest.mark.parametrize("superko", ["positional", "simple"])
def test_gnugo_agrees(superko: str) -> None:
    """GNU Go's `all_legal` and `captures` in random games on 5x5 (the smallest board that it plays) and 9x9."""
    command = [str(GNUGO), "--mode", "gtp", f"--{superko}" + ("-superko" if superko == "positional" else "-ko")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdin is not None
        assert engine.stdout is not None

        def ask(line: str) -> str:
            engine.stdin.write(line + "\n")
            engine.stdin.flush()
            answer = engine.stdout.readline()
            assert answer.startswith("="), f"{line}: {answer}"
            assert engine.stdout.readline() == "\n"
            return answer[1:].strip()

        for size, seeds in ((5, 20), (9, 5)):
            game = Go(size, superko=superko)
            for seed in range(seeds):
                ask(f"boardsize {size}")
                ask("clear_board")
                for states, action in random_game(game, seed):
                    colour = ("black", "white")[states["to_play"][0]]
                    ours = {game.action_name(int(a)) for a in np.flatnonzero(game.legal(states)[0, :-1])}
                    assert set(ask(f"all_legal {colour}").split()) == ours
                    ask(f"play {colour} {game.action_name(action)}")
        ask("quit")


# Real records


def collection(name: str) -> list[GameRecord]:
    """Every game of a collection; skips the test where it is missing."""
    if not (COLLECTIONS / name).exists():
        pytest.skip(f"{COLLECTIONS / name} is not there")
    games = list(records.read(COLLECTIONS / name))
    assert not [game for game in games if not isinstance(game, GameRecord)]
    return [game for game in games if isinstance(game, GameRecord)]


@compiled
def test_real_9x9_games_replay_and_score_as_their_servers_said() -> None:
    """Under simple ko: 9x9 servers do not all forbid longer cycles. CGOS counts area and leaves nothing to agree on."""
    games = collection("go9_strong.sgf.gz")
    states, legal = records.last_states(games, Go(9, superko="simple"))
    assert legal.all()
    _, legal = records.last_states(games, Go(9))
    assert 0 < (~legal).sum() < 20, "a few games repeat a position"
    scored = 0
    for record, state in zip(games, states, strict=True):
        result = re.fullmatch(r"([BW])\+([0-9.]+)", record.headers["result"])
        if record.headers["source"] == "cgos" and result:
            assert record.actions[-2:] == (81, 81)
            game = make(record.game)
            assert isinstance(game, Go)
            assert game.komi == float(record.headers["komi"])
            assert game.score(np.array([state]))[0] == float(result[2]) * (1 if result[1] == "B" else -1), record
            scored += 1
    assert scored > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["go9_ogs_dan.sgf.gz", "go19_fox_9d.sgf.gz"])
def test_real_games_replay(name: str) -> None:
    games = collection(name)
    game = make(records.board_name(games[0].game), superko="simple")
    for first in range(0, len(games), 1000):
        assert records.last_states(games[first : first + 1000], game)[1].all()


# Symmetry


@pytest.mark.parametrize("size", [2, 5, 9])
def test_the_eight_symmetries_commute_with_everything(size: int) -> None:
    game = Go(size)
    points, actions = game.symmetries
    for turn, moves in zip(points, actions, strict=True):
        where = np.argsort(moves)  # action a of the game is where[a] of the turned game
        turned = game.reset(1)
        for states, action in random_game(game, seed=size):
            assert np.array_equal(game.legal(turned), game.legal(states)[:, moves])
            planes = game.observe(states).reshape(len(game.planes), -1)[:, turn]
            assert np.array_equal(game.observe(turned).reshape(len(game.planes), -1), planes)
            assert np.array_equal(game.score(turned), game.score(states))
            turned = game.step(turned, where[[action]])


def test_colours_flipped() -> None:
    """After a first pass each player has the other's stones: the same game, colours and komi turned round."""
    game, mirror = Go(5, komi=1.5), Go(5, komi=-1.5)
    for seed in range(5):
        flipped = mirror.step(mirror.reset(1), np.array([25]))
        for states, action in itertools.islice(random_game(game, seed), game.max_plies - 1):
            assert np.array_equal(mirror.board(flipped), -game.board(states))
            assert np.array_equal(mirror.legal(flipped), game.legal(states))
            assert np.array_equal(mirror.score(flipped), -game.score(states))
            assert np.array_equal(mirror.heuristic(flipped), game.heuristic(states))
            planes = game.planes.index("pass just played")
            assert np.array_equal(mirror.observe(flipped)[:, :planes], game.observe(states)[:, :planes])
            flipped = mirror.step(flipped, np.array([action]))
            if game.terminal(game.step(states, np.array([action])))[0]:
                break


# Random play


@compiled
@settings(max_examples=25, deadline=None)
@given(
    size=st.integers(2, 10),
    superko=st.sampled_from(SUPERKO),
    suicide=st.booleans(),
    handicap=st.sampled_from([0, 2, 4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_random_play_keeps_the_books(size: int, superko: str, suicide: bool, handicap: int, seed: int) -> None:
    handicap *= size >= 7
    game = Go(size, superko=superko, suicide=suicide, handicap=handicap)
    rng = np.random.default_rng(seed)
    states = game.reset(8)
    placed = np.full(8, handicap)
    for ply in range(int(rng.integers(game.max_plies)) + 1):
        legal, going, before = game.legal(states), ~game.terminal(states), states.copy()
        assert np.array_equal(legal.any(axis=1), going)
        actions = random_actions(legal, rng)
        after = game.step(states, actions)
        assert np.array_equal(states, before), "step changed its argument"
        assert (after["ply"][going] == ply + 1).all()
        assert (after["to_play"][going] == 1 - states["to_play"][going]).all()
        placed += going & (actions < size * size)
        stones = np.abs(game.board(after)).sum(axis=(1, 2))
        assert (stones < size * size).all(), "a full board has no liberty"
        assert np.array_equal(stones + after["captures"].sum(axis=1), placed)
        states = after
    for state in states:
        game.check(state)


def test_rollouts_depend_on_their_seed_alone() -> None:
    game = Go(9)
    states = np.concatenate([states for states, _ in random_game(game, 3)])
    before, seeds = states.copy(), np.arange(len(states), dtype=np.uint64)
    together = game.rollout(states, seeds)
    assert np.array_equal(states, before)
    for i in range(0, len(states), 9):
        assert game.rollout(states[i : i + 1], seeds[i : i + 1])[0] == together[i]
    assert {-1, 1} <= set(np.unique(together)) <= {-1, 0, 1}
    last = game.step(states[-1:], np.array([game.num_actions - 1]))
    if game.terminal(last)[0]:
        assert game.rollout(last, seeds[:1])[0] == game.returns(last)[0]


def test_rollouts_fill_no_eye() -> None:
    seeds = np.arange(200, dtype=np.uint64)
    game, states = arranged("..... .XXX. XX.XX X.X.X XXXXX", to_play="O", komi=0)
    assert (game.rollout(states.repeat(200), seeds) == -1).all(), "White cannot live above two black eyes"


@compiled
def test_rollouts_have_the_value_of_plain_random_playouts() -> None:
    """Black's mean result within four standard errors of the twin's, from a position in the middle of a 4x4 game."""
    game = Go(4, komi=0.5, superko="simple")
    opening = "B3 C2 C3 B2 D2 A3"
    states = played(game, opening)
    fast = game.rollout(states.repeat(4000), np.arange(4000, dtype=np.uint64)).mean()
    rng = np.random.default_rng(0)
    results = []
    for _ in range(300):
        twin = Twin(game, max_plies=6 + 3 * 16)
        for name in opening.split():
            twin.play(game.parse_action(name))
        results.append(twin.playout(rng))
    assert abs(fast - np.mean(results)) < 4 / np.sqrt(300)


# The golden game


def playthrough(lines: list[str]) -> list[str]:
    """The text of a game: its name, then for every `> move` the board, the score and what may not be played."""
    game = make(lines[0])
    assert isinstance(game, Go)
    states, told = game.reset(1), [game.name]
    for line in lines:
        if line.startswith("> "):
            states = game.step(states, np.array([game.parse_action(line[2:])]))
            empty = np.flatnonzero(game.board(states).reshape(-1) == 0)
            refused = [game.action_name(int(p)) for p in empty if not game.legal(states)[0, p]]
            ko = [game.action_name(int(p)) for p in np.flatnonzero(game.observe(states)[0, 10])]
            told += ["", line, *game.show(states[0]).splitlines(), f"score {game.score(states)[0]:g}"]
            told += [f"empty but illegal: {' '.join(refused) or '-'}", f"by ko: {' '.join(ko) or '-'}"]
    return told


def test_golden_game() -> None:
    """A change of rules or drawing shows here; when it is meant, write `playthrough` of the old file over it."""
    lines = (GOLDEN / "go.txt").read_text().splitlines()
    assert playthrough(lines) == lines
