"""Go's rules counted out on small boards: legal positions, games, and the areas of best play, against published numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from envs import States
from envs import go_kernels as kernels
from envs.compiled import CompiledGame
from envs.go import Go
from envs.jit import kernel
from envs.rng import mix
from tests.go_twin import Twin
from tests.marks import compiled


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


# Areas of best play


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


# Positions


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


# Games


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
