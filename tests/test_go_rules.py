"""Go's rules on drawn boards: captures, suicide, ko and superko, the end, handicaps, the score."""

from __future__ import annotations

import numpy as np
import pytest

from envs import go_kernels as kernels
from envs.go import Go, handicap_points
from tests.go_boards import SUPERKO, allowed, arranged, move, picture, played
from tests.marks import wrapping

pytestmark = wrapping

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


# Handicap


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
