"""AlphaGo's feature planes: counted again in plain Python on random positions, ladders on drawn boards."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.alphago.features import (
    MEMORY,
    PLANES,
    Count,
    feature_planes,
    observe,
    own_boards,
    player_colour,
    recent_of_record,
    recent_of_states,
)
from envs import make, random_actions
from envs.game import square_symmetries
from envs.go import Go
from tests.go_boards import arranged
from tests.go_twin import Twin
from tests.marks import compiled

NO_MOVES = np.full(MEMORY, -1, np.int16)


class Recount:
    """Every plane by its definition, for one position from the side to move (its stones are 1), with nothing kept."""

    def __init__(self, board: NDArray[np.int8], legal: NDArray[np.bool_], recent: list[int]) -> None:
        self.size = len(board)
        self.board = tuple(int(stone) for stone in board.reshape(-1))
        self.legal = [p for p in range(len(self.board)) if legal[p]]
        self.recent = recent
        self.go = Twin(Go(self.size, komi=0, superko="simple"), max_plies=1000)

    def after(self, board: tuple[int, ...], p: int, colour: int) -> tuple[int, ...] | None:
        """The board once `colour` has played the empty point p; None for suicide."""
        self.go.board, self.go.colour = board, colour
        return self.go.after(p)

    def names(self, p: int) -> set[str]:
        """The planes in which point p is marked."""
        stone = self.board[p]
        found = {("empty", "own stones", "other stones")[stone], "ones"}
        if stone:
            turns = self.recent.index(p) + 1 if p in self.recent else 8
            found |= {eight("turns since", turns), eight("liberties", len(self.go.liberties(self.board, p)))}
        if p in self.legal:
            board = self.after(self.board, p, 1)
            assert board is not None
            liberties = len(self.go.liberties(board, p))
            found.add(eight("liberties after move", liberties))
            if taken := self.board.count(-1) - board.count(-1):
                found.add(eight("capture size", taken))
            if liberties == 1:
                found.add(eight("self-atari size", len(self.go.region(board, p)[0])))
            self.go.colour, self.go.board = 1, self.board
            if not self.go.eye(p):
                found.add("sensible")
            for prey, kind in ((-1, "ladder capture"), (1, "ladder escape")):
                if any(self.free(board, chain, prey > 0, self.board) == (prey > 0) for chain in self.preys(p, prey)):
                    found.add(kind)
        return found

    def preys(self, p: int, prey: int) -> Iterator[int]:
        """Stones of the chains that the move p could take (two liberties, p is one) or save (in atari) in a ladder."""
        for q, stone in enumerate(self.board):
            around = self.go.liberties(self.board, q) if stone == prey else set()
            if (stone == -1 and len(around) == 2 and p in around) or (
                stone == 1 and len(around) == 1 and p in self.answers(self.board, q)
            ):
                yield q

    def answers(self, board: tuple[int, ...], prey: int) -> set[int]:
        """Moves that might save the chain at `prey`, in atari: its last liberty, and those of neighbours in atari."""
        _, border = self.go.region(board, prey)
        found = set(self.go.liberties(board, prey))
        for q in border:
            if board[q] == -board[prey] and len(self.go.liberties(board, q)) == 1:
                found |= self.go.liberties(board, q)
        return found

    def free(self, board: tuple[int, ...], prey: int, hunting: bool, before: tuple[int, ...]) -> bool:
        """Whether the chain at `prey` gets away; `before` is the position before `board`, which ko forbids."""
        liberties = self.go.liberties(board, prey)
        if len(liberties) >= 3 or (len(liberties) == 2 and not hunting):
            return True
        if hunting and len(liberties) == 1:
            return False
        colour = -board[prey] if hunting else board[prey]
        for p in liberties if hunting else self.answers(board, prey):
            after = self.after(board, p, colour)
            if after is not None and after != before and self.free(after, prey, not hunting, board) != hunting:
                return not hunting
        return hunting


def eight(name: str, number: int) -> str:
    return f"{name} {number}" if number < 8 else f"{name} 8 or more"


def marked(planes: NDArray[np.uint8], p: int) -> set[str]:
    """The names of the planes [C, H, W] in which point p is marked."""
    assert planes.max() == 1
    return {name for name, plane in zip(PLANES, planes, strict=False) if plane.reshape(-1)[p]}


def random_line(size: int, seed: int, passes: float = 0.03) -> tuple[NDArray[np.void], NDArray[np.int64]]:
    """[plies] the states of a random game and the action in each."""
    game, rng = make("go", size=size), np.random.default_rng(seed)
    states, actions = [game.reset(1)], []
    while not game.terminal(states[-1])[0]:
        legal = game.legal(states[-1])
        if legal[0, :-1].any() and rng.random() > passes:
            legal[0, -1] = False
        actions.append(random_actions(legal, rng))
        states.append(game.step(states[-1], actions[-1]))
    return np.concatenate(states[:-1]), np.concatenate(actions)


@compiled
@pytest.mark.parametrize(("size", "seed"), [(4, 0), (5, 1), (7, 2), (9, 3)])
def test_every_plane_counted_again(size: int, seed: int) -> None:
    game = make("go", size=size)
    states, actions = random_line(size, seed)
    boards, legal, recent = own_boards(game, states), game.legal(states), recent_of_record(actions, size * size)
    planes = feature_planes(boards, legal, recent)
    assert planes.shape == (len(states), len(PLANES), size, size)
    for i in range(0, len(states), 1 if size < 9 else 9):
        newest_first = actions[:i][::-1][:MEMORY].tolist()
        slow = Recount(boards[i], legal[i], newest_first)
        for p in range(size * size):
            assert marked(planes[i], p) == slow.names(p), f"point {p} at ply {i}"


@compiled
def test_recounted_positions_have_every_plane_but_the_zeros() -> None:
    """So that the test above says something about each."""
    game = make("go9")
    shown = np.zeros(len(PLANES), bool)
    for seed in range(3, 9):
        states, actions = random_line(9, seed)
        recent = recent_of_record(actions, 81)
        shown |= feature_planes(own_boards(game, states), game.legal(states), recent).any(axis=(0, 2, 3))
    assert [name for name, there in zip(PLANES, shown, strict=True) if not there] == ["zeros"]


def test_the_smaller_sets_are_the_first_planes() -> None:
    game = make("go5")
    states, _ = random_line(5, 0)
    counts: tuple[Count, ...] = (4, 12, 20)
    for count in counts:
        assert np.array_equal(observe(game, states, count), observe(game, states)[:, :count])


def test_states_remember_what_their_record_says() -> None:
    """As far as they remember: five moves; a record cut to five moves gives the same planes."""
    game = make("go5")
    states, actions = random_line(5, 1)
    recent = recent_of_states(game, states)
    assert np.array_equal(recent, recent_of_record(actions, 25, memory=5))
    assert (recent[:, 5:] == -1).all()
    assert np.array_equal(observe(game, states), feature_planes(own_boards(game, states), game.legal(states), recent))


def test_a_point_played_twice_has_its_last_age() -> None:
    """A ko: the stone taken and put back counts from its return."""
    board = np.zeros((1, 3, 3), np.int8)
    board[0, 1, 1] = -1
    recent = np.array([[4, 0, 8, 4, -1, -1, -1]], np.int16)
    planes = feature_planes(board, np.ones((1, 10), bool), recent)
    assert {name for name in marked(planes[0], 4) if name.startswith("turns")} == {"turns since 1"}
    assert not any(name.startswith("turns") for name in marked(planes[0], 0)), "no stone, no age"


def test_the_value_network_is_told_who_is_black() -> None:
    game = make("go3")
    states = np.concatenate([game.reset(1), game.step(game.reset(1), np.array([4]))])
    assert player_colour(states, 3).reshape(2, 9).tolist() == [[1] * 9, [0] * 9]


def test_wrong_shapes_are_refused() -> None:
    legal, recent = np.ones((2, 10), bool), np.tile(NO_MOVES, (2, 1))
    with pytest.raises(ValueError, match="square Go boards, not of 3 by 4"):
        feature_planes(np.zeros((2, 3, 4), np.int8), legal, recent)
    with pytest.raises(ValueError, match="2 boards of 16 points, but legal"):
        feature_planes(np.zeros((2, 4, 4), np.int8), legal, recent)


def test_colours_and_symmetries_of_random_positions() -> None:
    game = make("go5")
    states, actions = random_line(5, 4)
    boards, legal, recent = own_boards(game, states), game.legal(states), recent_of_record(actions, 25)
    planes = feature_planes(boards, legal, recent).reshape(len(states), len(PLANES), 25)
    points, moves = square_symmetries(5, extra_actions=1)
    for turn, move in zip(points, moves, strict=True):
        to = np.append(np.argsort(turn), -1)  # where a point goes; no move stays none
        turned = feature_planes(boards.reshape(-1, 25)[:, turn].reshape(-1, 5, 5), legal[:, move], to[recent])
        assert np.array_equal(turned.reshape(planes.shape), planes[:, :, turn])


# Ladders. X is to move; `*` marks the points that the plane named shall have, all of them.

LADDERS = {
    "a ladder to the corner": (
        "ladder capture",
        "......... ......... ......... ....X.... ...XO*... ...X..... ......... ......... .........",
    ),
    "a breaker on its way": (
        "ladder capture",
        "......... ......... ......... ....X.... ...XO.... ...X..... ......... .......O. .........",
    ),
    "a breaker beside its way": (
        "ladder capture",
        "......... ......... ......... ....X.... ...XO*... ...X..... ......... ..O...... ....O....",
    ),
    "a breaker that the hunter has taken care of": (
        "ladder capture",
        "......... ......... ......... ....X.... ...XO*... ...X..... ......... ......OX. .........",
    ),
    "a stone in the corner helps nothing, and can itself be caught": (
        "ladder capture",
        "......... ......... ......... ....X.... ...XO*... ...X..... ......... ........* .......*O",
    ),
    "along the edge, only from the side where the hunter cannot be taken": (
        "ladder capture",
        ".O*.. .X... ..... ..... .....",
    ),
    "the hunter's stone can be taken": (
        "ladder capture",
        "......... ......... ....O.... ...OX.... ...XO.... ...X..... ......... ......... .........",
    ),
    "no escape without a breaker": (
        "ladder escape",
        "......... ......... ......... ....O.... ...OXO... ...O..... ......... ......... .........",
    ),
    "an escape to a breaker": (
        "ladder escape",
        "......... ......... ......... ....O.... ...OXO... ...O*.... ......... .......X. .........",
    ),
    "an escape by three liberties": (
        "ladder escape",
        "..... ..O.. .OXO. ..*.. .....",
    ),
    "an escape by taking": (
        "ladder escape",
        "..X.. .XO*. .OXO. .O... ..O..",
    ),
}


def drawn(diagram: str) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """[H, W] the stones of a diagram, and where its stars are."""
    signs = np.array([list(row) for row in diagram.split()])
    return ((signs == "X").astype(np.int8) - (signs == "O")), signs == "*"


def all_legal(board: NDArray[np.int8]) -> NDArray[np.bool_]:
    """[A] every move that is no suicide."""
    twin = Twin(Go(len(board), komi=0, superko="simple"), max_plies=1000)
    twin.board = tuple(int(stone) for stone in board.reshape(-1))
    return np.array([*(after is not None for after in twin.look()), True])


@pytest.mark.parametrize("name", LADDERS)
def test_ladders_in_all_symmetries(name: str) -> None:
    plane, diagram = LADDERS[name]
    board, expected = drawn(diagram)
    for flip, turns in itertools.product((False, True), range(4)):
        turned, wanted = (np.rot90(face.T if flip else face, turns) for face in (board, expected))
        planes = feature_planes(turned[None], all_legal(turned)[None], NO_MOVES[None])
        assert np.argwhere(planes[0, PLANES.index(plane)]).tolist() == np.argwhere(wanted).tolist()
    slow = Recount(board, all_legal(board), [])
    assert [p for p in range(board.size) if plane in slow.names(p)] == np.flatnonzero(expected).tolist()


@pytest.mark.parametrize("name", LADDERS)
def test_ladders_for_both_colours(name: str) -> None:
    """From the states of real games: Black to move as drawn, White to move with the colours changed."""
    plane, diagram = LADDERS[name]
    _, expected = drawn(diagram)
    black = diagram.replace("*", ".")
    for picture, to_play in ((black, "X"), (black.translate(str.maketrans("XO", "OX")), "O")):
        game, states = arranged(picture, to_play=to_play)
        assert np.array_equal(observe(game, states)[0, PLANES.index(plane)], expected)


def test_a_ladder_across_the_whole_19x19_board() -> None:
    board = np.zeros((19, 19), np.int8)
    board[1, 2], board[2, 1], board[3, 1], board[2, 2] = 1, 1, 1, -1
    capture = PLANES.index("ladder capture")
    planes = feature_planes(board[None], all_legal(board)[None], NO_MOVES[None])
    assert np.argwhere(planes[0, capture]).tolist() == [[2, 3]]
    board[16, 16] = -1
    planes = feature_planes(board[None], all_legal(board)[None], NO_MOVES[None])
    assert not planes[0, capture].any(), "a stone at the other end breaks it"
