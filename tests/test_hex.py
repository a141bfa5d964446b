"""Hex: chains against a flood fill, no draws, small boards solved, the swap's geometry, OpenSpiel's games."""

from __future__ import annotations

import numpy as np
import pyspiel
import pytest
from numpy.typing import NDArray

from envs import States, make, random_actions
from envs.hex import FAR, FIRST_EDGE, SECOND_EDGE, SIZES, Hex, edges, joins, neighbours, two_distances
from tests.marks import wrapping
from tests.positions import played, random_games, random_lines, won_by_greed

pytestmark = wrapping

STEPS = ((-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1), (0, -1))  # to the six neighbours, (rows, columns)


def reach(stones: NDArray[np.bool_], sources: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """[B, H, W] the cells of `stones` [B, H, W] joined to `sources` [H, W]: a flood fill, all boards at once."""
    h, w = stones.shape[1:]
    reached = stones & sources
    while True:
        padded = np.pad(reached, ((0, 0), (1, 1), (1, 1)))
        spread = [padded[:, 1 + dy : 1 + dy + h, 1 + dx : 1 + dx + w] for dy, dx in STEPS]
        grown = stones & np.logical_or.reduce([reached, *spread])
        if np.array_equal(grown, reached):
            return reached
        reached = grown


def side(size: int, which: str) -> NDArray[np.bool_]:
    """[H, W] the cells of one edge."""
    cells = np.zeros((size, size), bool)
    cells[{"top": np.s_[0], "bottom": np.s_[-1], "left": np.s_[:, 0], "right": np.s_[:, -1]}[which]] = True
    return cells


def joined(board: NDArray[np.int8]) -> NDArray[np.bool_]:
    """[2, B]: does X join top and bottom, does O join left and right of `board` [B, H, W]?"""
    size = board.shape[1]
    top_down = reach(board > 0, side(size, "top")) & side(size, "bottom")
    across = reach(board < 0, side(size, "left")) & side(size, "right")
    return np.stack([top_down.any(axis=(1, 2)), across.any(axis=(1, 2))])


def check(game: Hex, states: States) -> None:
    """What a state keeps move by move is what a flood fill of its board finds."""
    board = game.board(states)
    touched = np.zeros(board.shape, np.int8)
    for colour, first, second in ((1, "top", "bottom"), (-1, "left", "right")):
        for which, bit in ((first, FIRST_EDGE), (second, SECOND_EDGE)):
            touched += np.int8(bit) * reach(board == colour, side(game.size, which))
    kept = states["board"][:, : game.size**2].reshape(board.shape)
    np.testing.assert_array_equal(kept, board * (1 + touched))
    assert not states["board"][:, game.size**2 :].any()
    won = joined(board)
    np.testing.assert_array_equal(game.terminal(states), won.any(axis=0))
    winner_moved = won[1 - states["to_play"], np.arange(len(states))]
    np.testing.assert_array_equal(winner_moved, game.terminal(states))
    np.testing.assert_array_equal(game.returns(states), -1.0 * winner_moved)
    planes = game.observe(states)
    own = board * (1 - 2 * states["to_play"])[:, None, None] > 0
    np.testing.assert_array_equal(planes[:, 2], own & (touched > 0))
    np.testing.assert_array_equal(planes[:, 3], ~own & (touched > 0))


# Connection


@pytest.mark.parametrize("size", [3, 4, 7, 11, 12, 19])
def test_chains_are_what_a_flood_fill_finds(size: int) -> None:
    game = Hex(size)
    line = random_games(game, 8, seed=size)
    check(game, np.concatenate(line[:: 1 + size // 6] + line[-1:]))


def count_draws(games: int, seed: int) -> int:
    """Plays `games` random games on boards of all sizes; how many ended without exactly one winner, found in time."""
    rng, bad, left = np.random.default_rng(seed), 0, games
    for number, size in enumerate(SIZES):
        n = left // (len(SIZES) - number)
        left -= n
        game = Hex(size, swap=bool(size % 2))
        states, before = game.reset(n), game.reset(n)
        while not game.terminal(states).all():
            going = ~game.terminal(states)
            before[going] = states[going]
            states = game.step(states, random_actions(game.legal(states), rng))
        won, early = joined(game.board(states)), joined(game.board(before))
        loser = states["to_play"]
        good = won[1 - loser, np.arange(n)] & ~won[loser, np.arange(n)] & ~early.any(axis=0)
        bad += int((~good | (game.returns(states) != -1)).sum())
    return bad


def test_no_draws() -> None:
    assert count_draws(5_000, seed=0) == 0


@pytest.mark.slow
def test_no_draws_in_100_000_games() -> None:
    assert count_draws(100_000, seed=1) == 0


def test_a_row_and_a_column() -> None:
    """X goes down column b, O along row 2: whoever is first there wins, and the row of the other colour joins nothing."""
    down = played(Hex(3, swap=False), "b1 a2 b2 a1 b3")
    across = played(Hex(3, swap=False), "a1 a2 b1 b2 c3 c2")
    for states in (down, across):
        assert Hex(3, swap=False).returns(states)[0] == -1
    top_row = played(Hex(3, swap=False), "a1 a2 b1 b2 c1")
    assert not Hex(3, swap=False).terminal(top_row)[0], "three X in the top row join nothing"


def test_the_board_slants_to_the_right() -> None:
    """b1, a2 and c1, b2 touch; a1 and b2 do not: the sharp corners are at the top left and the bottom right."""
    game = Hex(3, swap=False)
    assert game.terminal(played(game, "c1 a1 b2 a2 a3"))[0]
    assert not game.terminal(played(game, "a1 c1 b2 b1 c3"))[0]


# Solved boards


def wins(game: Hex, state: States, known: dict[bytes, bool]) -> bool:
    """Does the side to move win the unfinished position `state` [1]? Tries the promising moves first."""
    key = state["board"].tobytes() + state["ply"].tobytes()
    if key not in known:
        actions = np.flatnonzero(game.legal(state)[0])
        children = game.step(np.repeat(state, len(actions)), actions)
        won = game.terminal(children).any()
        order = np.argsort(game.heuristic(children))
        known[key] = bool(won) or any(not wins(game, children[i : i + 1], known) for i in order)
    return known[key]


def winning_openings(game: Hex) -> set[str]:
    """The names of the first moves that win against every defence."""
    known: dict[bytes, bool] = {}
    return {
        game.action_name(int(action))
        for action in np.flatnonzero(game.legal(game.reset(1))[0])
        if not wins(game, game.step(game.reset(1), np.array([action])), known)
    }


def test_3x3_and_4x4_are_won_by_the_first_player() -> None:
    """On 4x4 shown by the move c2, which wins."""
    three, four = Hex(3, swap=False), Hex(4, swap=False)
    assert wins(three, three.reset(1), {})
    assert not wins(four, played(four, "c2"), {})


# On every board from 3x3 a1 and b1 are known to lose (hexwiki.net/index.php/Swap_rule); half a turn takes a1 to the
# other sharp corner. On 4x4 only the short diagonal wins.
OPENINGS = {3: {"c1", "a2", "b2", "c2", "a3"}, 4: {"d1", "c2", "b3", "a4"}}


@pytest.mark.parametrize("size", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_the_winning_openings(size: int) -> None:
    """11 s on 4x4."""
    assert winning_openings(Hex(size, swap=False)) == OPENINGS[size]


@pytest.mark.parametrize("size", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_with_the_swap_rule_the_second_player_wins(size: int) -> None:
    """By swapping exactly the openings that win. 11 s on 4x4."""
    game, known = Hex(size), dict[bytes, bool]()
    assert not wins(game, game.reset(1), known)
    for action in range(size * size):
        swapped = played(game, f"{game.action_name(action)} swap")
        assert wins(game, swapped, known) != (game.action_name(action) in OPENINGS[size])


# The swap rule


def test_a_swapped_stone_is_mirrored_on_the_long_diagonal() -> None:
    game = Hex(5)
    states = played(game, "d1 swap")
    board = np.zeros((5, 5), np.int8)
    board[3, 0] = -1  # a4
    np.testing.assert_array_equal(game.board(states)[0], board)
    assert (states["to_play"], states["ply"], states["last"]) == (0, 2, 15)
    on_it = played(game, "c3 swap")
    assert game.board(on_it)[0, 2, 2] == -1
    for state in (states, on_it):
        check(game, state)


def test_swap_is_the_second_players_first_move_or_never() -> None:
    game = Hex(4)
    swap = game.parse_action("swap")
    assert swap == game.parse_action("swap-pieces") == 16
    line = random_games(game, 200, seed=0)
    for ply, states in enumerate(line):
        assert (game.legal(states)[:, swap] == (ply == 1)).all()
        assert (game.observe(states)[:, game.planes.index("swap allowed")] == (ply == 1)).all()
    assert game.legal(played(game, "a1"))[0].sum() == 16, "all cells but a1, and swap"
    without = Hex(4, swap=False)
    assert without.num_actions == 16
    assert "swap allowed" not in without.planes
    with pytest.raises(ValueError, match=r"'swap' is not a move: type a column and a row, a1 to d4$"):
        without.parse_action("swap")


@pytest.mark.parametrize("size", [3, 6, 11])
def test_a_swapped_game_is_the_other_game_with_the_players_changed_round(size: int) -> None:
    """Colours, edges and coordinates change places, and nothing else does: no kernel favours a colour."""
    plain, swapping = Hex(size, swap=False), Hex(size)
    line, chosen = random_lines(plain, 20, seed=size)
    mirror = np.arange(size * size).reshape(size, size).T.reshape(-1)
    swapped = swapping.step(swapping.step(swapping.reset(20), chosen[0]), np.full(20, size * size))
    for states, actions in zip(line[1:], [*chosen[1:], chosen[-1]], strict=True):
        np.testing.assert_array_equal(swapping.board(swapped), -plain.board(states).transpose(0, 2, 1))
        np.testing.assert_array_equal(swapping.legal(swapped)[:, :-1], plain.legal(states)[:, mirror])
        np.testing.assert_array_equal(swapping.terminal(swapped), plain.terminal(states))
        np.testing.assert_array_equal(swapping.returns(swapped), plain.returns(states))
        np.testing.assert_allclose(swapping.heuristic(swapped), plain.heuristic(states), rtol=1e-6)
        turned = plain.observe(states)[:, :4].transpose(0, 1, 3, 2)
        np.testing.assert_array_equal(swapping.observe(swapped)[:, :4], turned)
        swapped = swapping.step(swapped, mirror[actions])


# Playouts and estimates


@pytest.mark.parametrize("moves", ["", "b1", "b1 swap", "b1 c1 a2"])
def test_playouts_have_the_value_of_random_games(moves: str) -> None:
    """Within five standard errors, and the swap is drawn as often as any other move."""
    game, rng, n = Hex(3), np.random.default_rng(0), 20_000
    start = played(game, moves).repeat(n)
    states = start
    while not game.terminal(states).all():
        states = game.step(states, random_actions(game.legal(states), rng))
    results = game.returns(states) * np.where(states["to_play"] == start["to_play"], 1, -1)
    playouts = game.rollout(start, rng.integers(2**63, size=n, dtype=np.uint64))
    assert abs(playouts.mean() - results.mean()) < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("size", [3, 4, 11, 19])
def test_the_line_between_the_colours_finds_the_winner_of_a_full_board(size: int) -> None:
    board = np.random.default_rng(size).choice(np.array([1, -1], np.int8), (200, size, size))
    bordered = np.pad(board, ((0, 0), (0, 0), (1, 1)), constant_values=-1)
    bordered = np.pad(bordered, ((0, 0), (1, 1), (0, 0)), constant_values=1)
    found = [joins(colours.reshape(-1), size + 2) for colours in bordered]
    np.testing.assert_array_equal(found, joined(board)[0])
    np.testing.assert_array_equal(~joined(board)[0], joined(board)[1])


def test_two_distances_of_small_boards() -> None:
    """Worked by hand, for X from the top: the second best neighbour counts, and cells beside one chain are neighbours."""

    def from_the_top(moves: str) -> list[list[int]]:
        size = 3
        states = played(Hex(size, swap=False), moves)
        out, *work = np.empty((5, size * size), np.int32)
        near, edge = neighbours(size), edges(size)[0]
        two_distances(states["board"][0], near, edge, 1, FIRST_EDGE, out, *work)
        found: list[list[int]] = out.reshape(size, size).tolist()
        return found

    assert from_the_top("") == [[1, 1, 1], [2, 2, 3], [3, 4, 5]]
    assert from_the_top("b2") == [[1, 1, 1], [2, FAR, 2], [2, 2, 3]], "the stone reaches a3 and b3 by two ways up"
    assert from_the_top("b1") == [[1, FAR, 1], [1, 1, 2], [2, 3, 4]]


def test_the_estimate_knows_that_a_good_opening_is_swapped() -> None:
    game, plain = Hex(5), Hex(5, swap=False)
    assert plain.heuristic(played(plain, "c3"))[0] < 0 < game.heuristic(played(game, "c3"))[0]
    assert game.heuristic(played(game, "a1"))[0] == plain.heuristic(played(plain, "a1"))[0] > 0


def test_greedy_players_of_the_estimate_beat_random_ones() -> None:
    assert won_by_greed(Hex(6)) > 0.95


# The peer


def same_games_as_openspiel(size: int, swap: bool, games: int) -> None:
    """Random games, move for move: names and legal moves, the end, the result and the last board."""
    game = Hex(size, swap=swap)
    peer = pyspiel.load_game(f"hex(board_size={size},swap={swap})")
    line, chosen = random_lines(game, games, seed=size)
    legal, ended = [game.legal(states) for states in line], [game.terminal(states) for states in line]
    final, returns = game.board(line[-1]), game.returns(line[-1])
    for i in range(games):
        state = peer.new_initial_state()
        for ply, actions in enumerate(chosen):
            assert state.is_terminal() == ended[ply][i]
            if ended[ply][i]:
                break
            assert state.current_player() == line[ply]["to_play"][i]
            assert state.legal_actions() == np.flatnonzero(legal[ply][i]).tolist()
            action = int(actions[i])
            assert state.action_to_string(action) == game.action_name(action)
            state.apply_action(action)
        assert state.is_terminal()
        assert state.returns()[line[-1]["to_play"][i]] == returns[i]
        stones = str(state).lower().split()
        assert ["xo."[{1: 0, -1: 1, 0: 2}[int(stone)]] for stone in final[i].reshape(-1)] == stones


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("size", [3, 5, 8, 11])
def test_games_are_openspiels(size: int, swap: bool) -> None:
    same_games_as_openspiel(size, swap, games=25)


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize(("size", "games"), [(3, 2000), (4, 2000), (7, 2000), (9, 2000), (11, 1500), (19, 500)])
def test_ten_thousand_games_are_openspiels(size: int, games: int, swap: bool) -> None:
    """Ten thousand with the swap rule and ten thousand without."""
    same_games_as_openspiel(size, swap, games)


# Names and options


def test_cells_are_called_as_in_the_smart_game_format() -> None:
    game = Hex(19)
    assert [game.action_name(action) for action in (0, 18, 19, 360, 361)] == ["a1", "s1", "a2", "s19", "swap"]
    assert game.parse_action(" K10 ") == 9 * 19 + 10


@pytest.mark.parametrize("text", ["", "z99", "t1", "a0", "a20", "a01", "1a", "swop", "a1 b2"])
def test_a_wrong_move_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match=f"'{text}' is not a move: type a column and a row, a1 to s19, or swap"):
        Hex(19).parse_action(text)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("hex2", "hex cannot have size=2: choose a whole number from 3 to 19"),
        ("hex20", "hex cannot have size=20: choose a whole number from 3 to 19"),
        ("hex:size=x", "hex cannot have size=x: choose a whole number"),
        ("hex:swap=perhaps", "hex cannot have swap=perhaps: choose true or false"),
    ],
)
def test_wrong_options_are_refused_by_name(spec: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(spec)


def test_options() -> None:
    assert make("hex") == Hex(11, swap=True)
    assert make("hex5") == Hex(5)
    assert make("hex:size=7,swap=false") == Hex(7, swap=False) == make("hex:size=7,swap=False")
    assert [Hex(size).name for size in (5, 11)] == ["hex:size=5", "hex:size=11"]
    assert make("hex7:swap=false").name == "hex:size=7,swap=false"


def test_the_board_is_drawn_slanted() -> None:
    game = Hex(10)
    lines = game.show(played(game, "j1 a10 j10")[0]).splitlines()
    assert lines[0] == "   a b c d e f g h i j"
    assert lines[1] == " 1 . . . . . . . . . X"
    assert lines[2] == "  2 . . . . . . . . . ."
    assert lines[10] == "         10 O . . . . . . . .(X)"
    assert lines[11] == "O to play (left to right)"
    assert game.show(played(game, "j1")[0]).endswith("O to play (left to right; may swap)")
    assert game.show(played(Hex(3), "c1 a1 b2 a2 a3")[0]).endswith("X won (top to bottom)")
