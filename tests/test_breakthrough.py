"""Breakthrough: counted positions, a plain twin, small boards solved, both colours alike, OpenSpiel's games."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyspiel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.classic import action_values
from envs import States, make, random_actions
from envs.breakthrough import HEIGHTS, WIDTHS, Breakthrough, decided, diagonals, inner, source, targets
from envs.jit import kernel
from envs.rng import mix
from tests.marks import wrapping
from tests.positions import perft, random_games, won_by_greed

pytestmark = wrapping

EVERY_SIZE = [(width, height) for width in WIDTHS for height in HEIGHTS]


def arranged(game: Breakthrough, rows: str, *, to_play: str) -> States:
    """[1] the position drawn as `rows` of X, O and dots, the top one first."""
    squares = "".join(rows.split())
    assert len(squares) == game.width * game.height
    pieces = {colour: sum(1 << i for i, c in enumerate(squares) if c == colour) for colour in "XO"}
    states = game.reset(1)
    states["to_play"] = "XO".index(to_play)
    states["own"], states["other"] = pieces[to_play], pieces["O" if to_play == "X" else "X"]
    return states


def unfinished(game: Breakthrough, n: int, seed: int) -> States:
    """The unfinished states of `n` random games."""
    states = np.concatenate(random_games(game, n, seed))
    return states[~game.terminal(states)]


# The twin: sets of squares (column, row counted from White's home row), nothing shared with the kernels

Square = tuple[int, int]
Twin = tuple[frozenset[Square], frozenset[Square], int]  # White's pieces, Black's, whose turn


def twin_start(width: int, height: int) -> Twin:
    def camp(first: int) -> frozenset[Square]:
        return frozenset((x, y) for x in range(width) for y in (first, first + 1))

    return camp(0), camp(height - 2), 0


def twin_over(position: Twin, height: int) -> bool:
    white, black, _ = position
    return not white or not black or any(y == height - 1 for _, y in white) or any(y == 0 for _, y in black)


def twin_moves(position: Twin, width: int, height: int) -> Iterator[tuple[str, Twin]]:
    """Every legal move by name, and what it leads to; none when the game is over."""
    white, black, turn = position
    own, other = (black, white) if turn else (white, black)
    if twin_over(position, height):
        return
    for x, y in own:
        for aside in (-1, 0, 1):
            to = (x + aside, y - 1 if turn else y + 1)
            if 0 <= to[0] < width and to not in own and (aside or to not in other):
                moved, left = own - {(x, y)} | {to}, other - {to}
                name = f"{'abcdefgh'[x]}{y + 1}{'abcdefgh'[to[0]]}{to[1] + 1}"
                yield name, (left, moved, 0) if turn else (moved, left, 1)


def twin_perft(width: int, height: int, depth: int) -> list[int]:
    """Lines of play of 1 ... `depth` plies."""
    positions, counts = [twin_start(width, height)], []
    for _ in range(depth):
        positions = [after for position in positions for _, after in twin_moves(position, width, height)]
        counts.append(len(positions))
    return counts


# Lines of play of 1, 2, 3 ... plies, by board
PERFT = {
    (8, 8): [22, 484, 11132, 256036, 6182818],
    (6, 6): [16, 256, 4308, 71478, 1248290],
    (5, 5): [13, 156, 1924, 23084, 289828],
    (3, 8): [7, 49, 392, 3136, 28181, 251348],
    (8, 4): [14, 210, 3462, 52176],
    (3, 4): [4, 20, 112, 500, 2422, 9526, 40172, 136348],
}


@pytest.mark.parametrize(("width", "height"), PERFT)
def test_lines_of_play(width: int, height: int) -> None:
    """Our count to 300,000 lines, the twin's to 10,000."""
    counts = PERFT[width, height]
    few = sum(count < 10_000 for count in counts)
    assert twin_perft(width, height, few) == counts[:few]
    many = sum(count < 300_000 for count in counts)
    assert perft(Breakthrough(width=width, height=height), many) == counts[:many]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), PERFT)
def test_all_lines_of_play(width: int, height: int) -> None:
    """The twin's to 300,000; 10 s on 8 x 8."""
    counts = PERFT[width, height]
    many = sum(count < 300_000 for count in counts)
    assert twin_perft(width, height, many) == counts[:many]
    assert perft(Breakthrough(width=width, height=height), len(counts)) == counts


# Small boards solved


def twin_wins(position: Twin, width: int, height: int, known: dict[Twin, bool]) -> bool:
    """Does the side to move win `position`?"""
    if position not in known:
        after = [child for _, child in twin_moves(position, width, height)]
        known[position] = any(not twin_wins(child, width, height, known) for child in after)
    return known[position]


@kernel
def solve(own, other, player, size, table):
    """Does `player`, to move, win on `size` (width, height)? `table` remembers positions of boards up to 25 squares."""
    width, height = size
    not_left, not_right = inner(width)
    left, right = diagonals(own, player, width, not_left, not_right)
    sure = decided(own, other, left | right, player, width, height)
    if sure != 0:
        return sure > 0
    key = ((own | (other << np.uint64(25))) << np.uint64(1)) | np.uint64(player)
    place = mix(key) & np.uint64(len(table) - 1)
    if table[place] >> np.uint64(1) == key:
        return table[place] & np.uint64(1) != np.uint64(0)
    won = False
    ways = targets(own, other, player, width, not_left, not_right)
    for capturing in (True, False):
        for direction in range(3):
            to = ways[direction] & other if capturing else ways[direction] & ~other
            while to != np.uint64(0) and not won:
                arrival = to & (~to + np.uint64(1))
                to ^= arrival
                moved = (own ^ source(arrival, direction, player, width)) | arrival
                left_over = other & ~arrival
                won = left_over == np.uint64(0) or not solve(left_over, moved, 1 - player, size, table)
    table[place] = (key << np.uint64(1)) | np.uint64(won)
    return won


def first_player_wins(width: int, height: int, log2_entries: int) -> bool:
    states = Breakthrough(width=width, height=height).reset(1)
    table = np.zeros(1 << log2_entries, np.uint64)
    return bool(solve(states["own"][0], states["other"][0], 0, (width, height), table))


FIRST_PLAYER_WINS = {(3, 4): False, (3, 5): False, (3, 6): True, (4, 4): False, (4, 5): False, (5, 4): False}


@pytest.mark.parametrize(("width", "height"), FIRST_PLAYER_WINS)
def test_small_boards_solved(width: int, height: int) -> None:
    assert first_player_wins(width, height, log2_entries=20) == FIRST_PLAYER_WINS[width, height]


@pytest.mark.parametrize("size", [(3, 4), *(pytest.param(size, marks=pytest.mark.slow) for size in ((3, 5), (4, 4)))])
def test_the_twin_solves_them_alike(size: tuple[int, int]) -> None:
    assert twin_wins(twin_start(*size), *size, {}) == FIRST_PLAYER_WINS[size]


@pytest.mark.slow
def test_5x5_is_won_by_the_second_player() -> None:
    """As found on Little Golem in 2006 (littlegolem.net/jsp/forum/topic2.jsp?forum=120&topic=19). 15 s."""
    assert not first_player_wins(5, 5, log2_entries=24)


# Random play


@pytest.mark.parametrize(("width", "height"), EVERY_SIZE)
def test_random_games_are_won_in_time(width: int, height: int) -> None:
    """The winner has moved last and stands on the far side or alone; nobody is stuck and no game is drawn."""
    game = Breakthrough(width=width, height=height)
    line = random_games(game, 40, seed=width * height)
    assert len(line) - 1 <= game.max_plies
    for states in line:
        board, winner_sign = game.board(states), 2 * states["to_play"] - 1  # of the side that has just moved
        through = (board[:, 0] == 1).any(axis=1) | (board[:, -1] == -1).any(axis=1)
        alone = ~(board == -winner_sign[:, None, None]).any(axis=(1, 2))
        np.testing.assert_array_equal(game.terminal(states), through | alone)
        np.testing.assert_array_equal(game.legal(states).any(axis=1), ~game.terminal(states))
        np.testing.assert_array_equal(game.returns(states), np.where(game.terminal(states), -1, 0))
        stones = np.abs(board).sum(axis=(1, 2))
        assert (stones <= 4 * width).all()
        assert (states["own"] & states["other"] == 0).all()


def test_the_last_piece_taken_ends_the_game() -> None:
    game = Breakthrough(width=3, height=5)
    states = arranged(game, "... .O. X.. ... ...", to_play="X")
    after = game.step(states, np.array([game.parse_action("a3xb4")]))
    assert game.returns(after)[0] == -1
    assert game.show(after[0]).endswith("X won (X 1, O 0)")


def test_pieces_capture_diagonally_alone() -> None:
    game = Breakthrough(width=3, height=5)
    states = arranged(game, "... OOO .X. ... ...", to_play="X")
    assert [game.action_name(int(a)) for a in np.flatnonzero(game.legal(states)[0])] == ["b3a4", "b3c4"]
    states = arranged(game, "... OOO .X. ... ...", to_play="O")
    names = {game.action_name(int(a)) for a in np.flatnonzero(game.legal(states)[0])}
    assert names == {"a4a3", "a4b3", "b4a3", "b4c3", "c4c3", "c4b3"}


@given(choices=st.lists(st.integers(0, 2**16), max_size=80), size=st.sampled_from(EVERY_SIZE))
def test_any_line_of_play_is_the_twins(choices: list[int], size: tuple[int, int]) -> None:
    game, position = Breakthrough(width=size[0], height=size[1]), twin_start(*size)
    states = game.reset(1)
    for choice in choices:
        legal = {game.action_name(int(a)): int(a) for a in np.flatnonzero(game.legal(states)[0])}
        moves = dict(twin_moves(position, *size))
        assert legal.keys() == moves.keys()
        if not moves:
            assert game.terminal(states)[0]
            break
        name = sorted(moves)[choice % len(moves)]
        states, position = game.step(states, np.array([legal[name]])), moves[name]
    board = game.board(states)[0][::-1]
    assert {(int(x), int(y)) for y, x in np.argwhere(board == 1)} == position[0]
    assert {(int(x), int(y)) for y, x in np.argwhere(board == -1)} == position[1]


# Colours, playouts, estimates


@pytest.mark.parametrize(("width", "height"), [(8, 8), (5, 6), (3, 4)])
def test_black_is_white_seen_from_the_other_side(width: int, height: int) -> None:
    """The board turned upside down with the players changed round is the same game: no kernel favours a colour."""
    game = Breakthrough(width=width, height=height)
    turn = str.maketrans("12345678"[:height], "12345678"[:height][::-1])
    names = [game.action_name(action) for action in range(game.num_actions)]
    mirror = np.array([game.parse_action(name.translate(turn)) for name in names])

    def upside_down(states: States) -> States:
        rows = [(1 << width) - 1 << width * y for y in range(height)]
        turned = states.copy()
        turned["to_play"] = 1 - states["to_play"]
        for field in ("own", "other"):
            whole = states[field].astype(object)
            flipped = [((whole & row) >> width * y) << width * (height - 1 - y) for y, row in enumerate(rows)]
            turned[field] = sum(flipped).astype(np.uint64)
        return turned

    states = np.concatenate(random_games(game, 20, seed=0))
    turned = upside_down(states)
    np.testing.assert_array_equal(game.board(turned), -game.board(states)[:, ::-1])
    np.testing.assert_array_equal(game.legal(turned), game.legal(states)[:, mirror])
    np.testing.assert_array_equal(game.heuristic(turned), game.heuristic(states))
    going = ~game.terminal(states)
    actions = random_actions(game.legal(states), np.random.default_rng(1))
    after, after_turned = game.step(states, actions)[going], game.step(turned, mirror[actions])[going]
    np.testing.assert_array_equal(game.board(after_turned), -game.board(after)[:, ::-1])
    np.testing.assert_array_equal(game.returns(after_turned), game.returns(after))


@pytest.mark.parametrize(("size", "ply"), [((8, 8), 0), ((8, 8), 31), ((5, 6), 14)])
def test_playouts_have_the_value_of_random_games(size: tuple[int, int], ply: int) -> None:
    """Within five standard errors."""
    game, rng, n = Breakthrough(width=size[0], height=size[1]), np.random.default_rng(0), 10_000
    start = random_games(game, 20, seed=ply)[ply]
    start = start[~game.terminal(start)][:1].repeat(n)
    states = start
    while not game.terminal(states).all():
        states = game.step(states, random_actions(game.legal(states), rng))
    results = np.where(states["to_play"] == start["to_play"], -1, 1)
    playouts = game.rollout(start, rng.integers(2**63, size=n, dtype=np.uint64))
    assert abs(playouts.mean() - results.mean()) < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("size", [(8, 8), (5, 6), (3, 4)])
def test_the_estimate_sees_who_breaks_through_within_two_plies(size: tuple[int, int]) -> None:
    """0.99 is a win and -0.99 a loss; where it is neither, two plies decide nothing but the taking of a last piece."""
    game = Breakthrough(width=size[0], height=size[1])
    states = unfinished(game, 60, seed=1)
    estimate = game.heuristic(states)
    best = action_values(game, states, depth=2).max(axis=1)  # at least 1 where won, at most -1 where lost
    sure = np.where(np.abs(estimate) > 0.985, np.sign(estimate), 0)
    assert {-1, 0, 1} == set(sure.tolist())
    assert (best[sure == 1] >= 1).all()
    assert (best[sure == -1] <= -1).all()
    few = np.array([min(int(own).bit_count(), int(other).bit_count()) < 2 for *_, own, other in pieces(states)])
    assert (np.abs(best[(sure == 0) & ~few]) < 1).all()


def pieces(states: States) -> Iterator[tuple[int, int]]:
    """Both sides' bitboards."""
    return zip(states["own"].tolist(), states["other"].tolist(), strict=True)


def test_the_estimate_knows_what_hangs() -> None:
    """A piece that can be taken for nothing counts half; one that costs the capturer as much counts less."""
    game = Breakthrough(width=5, height=6)
    quiet = arranged(game, "OO.OO ..... .O... ..... X.... XX.XX", to_play="X")
    hangs = arranged(game, "OO.OO ..... .O... X.... ..... XX.XX", to_play="X")
    held = arranged(game, "O..OO O.... .O... X.... ..... XX.XX", to_play="X")
    low, high, middle = (float(game.heuristic(states)[0]) for states in (quiet, hangs, held))
    assert low < middle < high


def test_greedy_players_of_the_estimate_beat_random_ones() -> None:
    assert won_by_greed(Breakthrough(6)) > 0.95


# The peer


def same_games_as_openspiel(width: int, height: int, games: int) -> None:
    """Random games, move for move: legal moves by name, the end and the result.

    OpenSpiel's first player starts at the top, so its rows are counted the other way; it marks captures with a star,
    and below six rows gives each side one row of pieces, not two.
    """
    game = Breakthrough(width=width, height=height)
    peer = pyspiel.load_game(f"breakthrough(rows={height},columns={width})")
    turn = str.maketrans("12345678"[:height], "12345678"[:height][::-1], "*")
    rng = np.random.default_rng(width * height)
    for _ in range(games):
        states, state = game.reset(1), peer.new_initial_state()
        while not game.terminal(states)[0]:
            assert not state.is_terminal()
            player = state.current_player()
            assert player == states["to_play"][0]
            theirs = {state.action_to_string(player, a).translate(turn): a for a in state.legal_actions()}
            ours = {game.action_name(int(a)): int(a) for a in np.flatnonzero(game.legal(states)[0])}
            assert theirs.keys() == ours.keys()
            name = sorted(ours)[rng.integers(len(ours))]
            state.apply_action(theirs[name])
            states = game.step(states, np.array([ours[name]]))
        assert state.is_terminal()
        assert state.returns()[states["to_play"][0]] == game.returns(states)[0] == -1


@pytest.mark.parametrize(("width", "height"), [(8, 8), (6, 6), (5, 7), (3, 6)])
def test_games_are_openspiels(width: int, height: int) -> None:
    same_games_as_openspiel(width, height, games=50)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("games", [5_000])
@pytest.mark.parametrize(("width", "height"), [(8, 8), (6, 6)])
def test_ten_thousand_games_are_openspiels(width: int, height: int, games: int) -> None:
    same_games_as_openspiel(width, height, games)


# Names and options


def test_moves_are_called_by_their_squares() -> None:
    game = make("breakthrough")
    assert game.num_actions == 2 * 7 * 22
    for text in ("a2b3", "A2B3", " a2-b3 ", "a2xb3"):
        assert game.action_name(game.parse_action(text)) == "a2b3"
    assert game.parse_action("b3a2") != game.parse_action("a2b3")


@pytest.mark.parametrize("text", ["", "a2", "a2a4", "a2a2", "a2b2", "a2c3", "a8a9", "h2i3", "a2--a3", "a2a3x", "a02a3"])
def test_a_wrong_move_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is not a step forward on this board: type both squares, such as "):
        Breakthrough().parse_action(text)


@pytest.mark.parametrize("spec", ["breakthrough3", "breakthrough9", "breakthrough:width=2", "breakthrough:height=tall"])
def test_wrong_sizes_are_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="choose a width from 3 to 8 and a height from 4 to 8"):
        make(spec)


def test_options() -> None:
    assert make("breakthrough") == Breakthrough(8) == Breakthrough(width=8, height=8)
    assert make("breakthrough6").name == "breakthrough:size=6"
    assert make("breakthrough:width=5,height=7").name == "breakthrough:width=5,height=7"
    assert make("breakthrough:height=6").board_shape == (6, 8)
