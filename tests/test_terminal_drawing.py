"""What the full screen draws: boards that fit, points that answer to their clicks, sides told apart, graphs."""

from __future__ import annotations

import numpy as np
import pytest

import envs
from arena.terminal import drawing, panel
from arena.terminal.pointing import labels, legal_moves
from tests.screen import TWO_PEOPLE, Screen, drive

# The window


@pytest.mark.parametrize("game", ["connect_four", "go19", "hex", "breakthrough"])
def test_boards_fit_80x24_and_grow_with_the_window(game: str) -> None:
    async def script(screen: Screen) -> None:
        widths = []
        for size in ((80, 24), (120, 40), (160, 50), (80, 24)):
            await screen.pilot.resize_terminal(*size)
            await screen.pilot.pause()
            geometry = screen.app.page.board.geometry()
            assert geometry is not None
            widths.append(geometry.width)
            assert "Quit" in screen.picture
        assert widths[0] == widths[3] <= widths[1] <= widths[2]
        assert widths[0] < widths[2]
        await screen.pilot.resize_terminal(24, 9)
        await screen.pilot.pause()

    drive(game, TWO_PEOPLE, script)


def test_a_window_too_small_says_what_the_board_needs() -> None:
    async def script(screen: Screen) -> None:
        assert "The board needs 42 x 21 characters, and here are 60 x 12." in " ".join(screen.picture.split())

    drive("go19", TWO_PEOPLE, script, size=(60, 20))


def test_a_board_of_nine_fits_into_a_small_window() -> None:
    """A line was missing, which the panel below had to spare."""

    async def script(screen: Screen) -> None:
        assert "9  ┌─┬─" in screen.picture
        assert "1  └─┴─" in screen.picture
        assert "Black to move" in screen.picture
        await screen.click(40)
        assert "1. E5" in screen.picture

    drive("go9", TWO_PEOPLE, script, size=(60, 20))


# Points


@pytest.mark.parametrize("game", [name for name in envs.GAMES if name not in ("go", "chess")] + ["go9"])
def test_every_action_belongs_to_one_point_or_to_none(game: str) -> None:
    """Along a random game, pointing at where an action was found gives that action back."""
    rules, rng = envs.make(game), np.random.default_rng(1)
    state = rules.reset(1)
    while not rules.terminal(state)[0]:
        moves = legal_moves(rules, state)
        legal = np.flatnonzero(rules.legal(state)[0]).tolist()
        assert sorted([*moves.targets, *moves.elsewhere]) == legal
        for move in moves.placed:
            origin = min(move.origins) if move.origins else None
            assert moves.at(move.target, origin) == [move.action]
        state = rules.step(state, rng.choice(legal, 1))


def test_every_character_of_a_cell_is_the_cells() -> None:
    for slant in (0, 2):
        geometry = drawing.Geometry(rows=5, columns=7, width=4, height=2, left=3, top=1, slant=slant)
        for point in range(35):
            x, y = geometry.corner(point)
            assert {geometry.point(x + i, y + j) for i in range(4) for j in range(2)} == {point}
        assert geometry.point(geometry.corner(0)[0] - 1, 1) is None


def test_labels_are_those_of_the_games_own_drawing() -> None:
    assert labels(envs.make("go5")) == (list("ABCDE"), list("54321"))
    assert labels(envs.make("hex5")) == (list("abcde"), list("12345"))
    assert labels(envs.make("connect_four")) == (list("1234567"), [""] * 6)


def test_a_mark_on_the_last_stone_of_a_small_board_takes_the_place_of_its_parentheses() -> None:
    """It was drawn as 4?!), the row's name before it and half of the parentheses behind."""
    game = envs.make("go9")
    look = drawing.look(game, dark=True)
    small = drawing.smallest(game.board_shape, look, True)
    stones = np.zeros((9, 9), np.int8)
    stones[5, [0, 1]] = 1, -1
    scene = drawing.Scene(stones, last=45, notes={45: ("?!", "?!")})
    assert drawing.draw(scene, look, small, labels(game), "#000000")[6].text.startswith(" 4  ?!")
    assert drawing.draw(drawing.Scene(stones, last=45), look, small, labels(game), "#000000")[6].text.startswith(
        " 4 (●)"
    )


# Colours


def test_the_two_sides_differ_in_brightness_too() -> None:
    """For eyes and terminals without colours: at least a contrast of 3 to 1 between stones and board, WCAG 1.4.11."""
    for game in ("connect_four", "hex", "go9", "othello", "gomoku", "breakthrough", "tictactoe"):
        for dark in (True, False):
            look = drawing.look(envs.make(game), dark=dark)
            assert look.shapes[0] != look.shapes[1] or look.stones == ("#101010", "#FFFFFF")
            if look.shapes[0] != look.shapes[1]:
                assert all(_contrast(stone, look.ground) >= 3 for stone in look.stones), (game, dark)


def _contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted([luminance(one), luminance(other)], reverse=True)
    return (high + 0.05) / (low + 0.05)


# Graphs


def test_the_graph_is_the_first_sides_share() -> None:
    look = drawing.look(envs.make("connect_four"), dark=True)
    lines = panel.graph({0: 0.0, 1: 1.0, 2: -1.0}, 2, look, 9).plain.splitlines()
    assert lines[0].startswith("Blue's chance 0%")
    assert [line[0] for line in lines[1:]] == [" ", "▄", "█"]  # half of three lines
    assert {line[4] for line in lines[1:]} == {"█"}
    assert {line[8] for line in lines[1:]} == {" "}


def test_the_lead_over_the_game_leaves_out_what_is_not_known() -> None:
    look = drawing.look(envs.make("go9"), dark=True)
    assert panel.lead({0: 0.0, 1: 4.0, 3: -4.0}, 3, look, 4, at=3).plain == "White ahead by 4.0 points\n▄█  "
    assert panel.lead({0: 0.0}, 3, look, 4, at=1).plain == "\n▄   "
