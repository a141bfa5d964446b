"""The full screen, driven as a person would: by keys and by clicks. The line interface is tested in test_play.py."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from textual import events
from typer.testing import CliRunner

import envs
from arena import cli
from arena.table import PERSON, Options, seat_names
from arena.terminal.app import PlayApp, play
from arena.terminal.dialogs import Choice, Help
from tests.screen import TWO_PEOPLE, Screen, drive

# Games


def test_tic_tac_toe_by_keyboard() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("left")  # the cursor appears in the middle
        await screen.press("enter")
        await screen.press("up", "enter", "left", "enter", "right", "right", "enter", "down", "enter")
        assert screen.moves == "b2 b3 a3 c3 c2"
        await screen.press("m", "a", "2", "enter")
        for point in (6, 8, 7):
            await screen.click(point)
        assert screen.text("#status") == "A draw after 9 moves."

    drive("tictactoe", TWO_PEOPLE, script)


def test_tic_tac_toe_by_mouse() -> None:
    async def script(screen: Screen) -> None:
        for point in (0, 3, 1, 4, 2):
            await screen.click(point)
        assert screen.moves == "a3 a2 b3 b2 c3"
        assert screen.text("#status") == "X has won after 5 moves."
        await screen.click(8)
        assert "The game is over" in screen.text("#status")

    drive("tictactoe", TWO_PEOPLE, script)


def test_connect_four_by_the_columns_numbers_and_by_clicks_anywhere_in_a_column() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("4", "5")
        await screen.click(3)  # the top of column 4
        await screen.click(4 + 7)
        await screen.press("4", "5", "4")
        assert screen.moves == "4 5 4 5 4 5 4"
        assert "Blue has won" in screen.text("#status")

    drive("connect_four", TWO_PEOPLE, script)


def test_a_game_against_an_agent_to_the_end() -> None:
    async def script(screen: Screen) -> None:
        while not screen.over:
            await screen.click(screen.app.page.board.moves.placed[0].target)
            await screen.persons_turn()
        assert "after" in screen.text("#status")
        assert "you" in screen.text("#players")

    drive("connect_four", (PERSON, "random"), script)


def test_undo_redo_resign_sides_and_a_new_game() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("u")
        assert screen.text("#status") == "There is nothing to take back."
        await screen.press("4")
        await screen.persons_turn()
        played = screen.moves
        await screen.press("u")
        assert screen.moves == ""
        await screen.press("r")
        assert screen.moves == played
        await screen.press("x")
        assert "by resignation" in screen.text("#status")
        await screen.press("u", "s")
        await screen.until(lambda: screen.moves)
        assert screen.table.persons == {1}
        await screen.press("n")
        assert isinstance(screen.app.screen, Choice)
        await screen.press("enter")
        await screen.until(lambda: len(screen.moves) == 1)  # the agent begins

    drive("connect_four", (PERSON, "random"), script)


def test_breakthrough_takes_a_piece_up_and_puts_it_down() -> None:
    async def script(screen: Screen) -> None:
        square = {"a2": 48, "a3": 40, "b3": 41, "h5": 31}
        await screen.click(square["a2"])
        assert set(screen.app.page.board.moves.starting(square["a2"])) == {square["a3"], square["b3"]}
        await screen.click(square["h5"])
        assert screen.text("#status") == "h5 is not possible here."
        await screen.click(square["b3"])
        assert screen.moves == "a2b3"

    drive("breakthrough", TWO_PEOPLE, script)


def test_pass_and_swap_are_keys() -> None:
    async def go(screen: Screen) -> None:
        assert "p Pass" in screen.picture
        await screen.press("p", "p")
        assert "White has won by 7" in screen.text("#status")

    async def hexagonal(screen: Screen) -> None:
        assert "p Swap" in screen.picture
        await screen.press("p")
        assert screen.text("#status") == "There is nothing to swap here."
        await screen.click(1)
        await screen.press("p")
        assert screen.moves == "b1 swap"

    drive("go5", TWO_PEOPLE, go)
    drive("hex5", TWO_PEOPLE, hexagonal)


def square(name: str) -> int:
    """The point of a chess board by its name."""
    return (8 - int(name[1])) * 8 + "abcdefgh".index(name[0])


def test_chess_by_clicks_and_by_notation() -> None:
    async def script(screen: Screen) -> None:
        for name in ("e2", "e4", "d7", "d5", "e4", "d5"):
            await screen.click(square(name))
        assert " ".join(screen.table.names) == "e4 d5 exd5"
        assert "taken ♟ : -, White +1" in screen.text("#players")
        await screen.press("m")
        await screen.enter("Qxd5")
        await screen.press("m")
        await screen.enter("Ke3")
        assert "is no legal move" in screen.picture
        await screen.press("escape", "m")
        await screen.enter("Nc3")
        assert "Qxd5" in screen.picture
        assert "♛" in screen.picture

    drive("chess", TWO_PEOPLE, script)


def test_the_king_castles_and_a_pawn_chooses_what_it_becomes() -> None:
    async def script(screen: Screen) -> None:
        moves = screen.app.page.board.moves
        assert square("g1") in moves.starting(square("e1"))
        assert moves.at(square("f1"), square("h1"))  # the rook's own move, no castling
        assert len(moves.at(square("g1"), square("h1"))) == 1
        await screen.click(square("b7"))
        await screen.click(square("b8"))
        assert isinstance(screen.app.screen, Choice)
        assert "b8=N" in screen.picture
        await screen.press("escape")
        await screen.click(square("b7"))
        await screen.click(square("e1"))
        await screen.click(square("g1"))
        assert screen.table.names == ["O-O"]

    drive("chess:fen=4k3/1P6/8/8/8/8/8/4K2R_w_K_-_0_1", TWO_PEOPLE, script)


def test_foreign_rules_are_shown_as_text_and_played_by_name() -> None:
    async def script(screen: Screen) -> None:
        assert "R N B Q K B N R" in screen.picture
        await screen.press("m", "7", "7", "enter")
        assert screen.moves == "77"
        await screen.press("enter")
        assert isinstance(screen.app.screen, Choice)
        await screen.press("enter")
        assert len(screen.table.actions) == 2

    drive("pettingzoo:chess_v6", TWO_PEOPLE, script)


# Keys and words


def test_what_is_not_possible_is_answered() -> None:
    async def script(screen: Screen) -> None:
        await screen.click(4)
        await screen.click(4)
        assert screen.text("#status") == "b2 is not possible here."
        await screen.press("m", "z", "9", "enter")
        assert "'z9' is not a cell" in screen.picture
        await screen.press("escape")
        assert screen.moves == "b2"

    drive("tictactoe", TWO_PEOPLE, script)


def test_the_first_turn_says_how_to_move() -> None:
    async def columns(screen: Screen) -> None:
        assert "click a column, or press its number" in screen.text("#status")
        await screen.press("4", "4")
        assert screen.text("#status") == "Blue to move."

    async def pieces(screen: Screen) -> None:
        assert "click a piece" in screen.text("#status")

    drive("connect_four", TWO_PEOPLE, columns)
    drive("breakthrough", TWO_PEOPLE, pieces)


def test_a_window_over_the_board_takes_the_keys_and_the_game_goes_on_under_it() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("question_mark")
        await screen.until(lambda: len(screen.table.actions) > 3)
        await screen.press("escape")

    async def shared(screen: Screen) -> None:
        await screen.press("4", "n", "4", "escape")
        assert screen.moves == "4"
        await screen.press("u", "x")
        assert "by resignation after 0 moves" in screen.text("#status")
        await screen.press("u")
        assert not screen.over

    drive("connect_four", ("random", "random"), script, pause=0.01)
    drive("connect_four", TWO_PEOPLE, shared)


@pytest.mark.parametrize(
    ("opens", "closes"), [("question_mark", "escape"), ("l", "enter"), ("w", "escape"), ("w", "enter")]
)
def test_keys_on_their_way_to_a_window_that_has_closed_do_no_harm(
    opens: str, closes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(screen: Screen) -> None:
        await screen.press("4", opens)
        assert len(screen.app.screen_stack) == 2
        for _ in range(3):  # faster than the window closes, as a key that is held down is on a busy machine
            screen.app.post_message(events.Key(closes, None))
        await screen.until(lambda: len(screen.app.screen_stack) == 1)
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, Help)

    monkeypatch.chdir(tmp_path)
    drive("connect_four", TWO_PEOPLE, script)


def test_a_click_too_many_is_refused() -> None:
    """The second click of a double click came before the board showed the first one's move. It ended the program with a
    traceback, or made the move of the agent.
    """

    async def double_click(screen: Screen, point: int) -> None:
        board = screen.app.page.board
        for _ in range(2):
            board.post_message(events.Click(board, *board.centre(point), 0, 0, 1, False, False, False))
        await screen.until(lambda: screen.table.actions)

    async def shared(screen: Screen) -> None:
        await double_click(screen, 3)
        assert screen.moves == "D5"
        assert screen.text("#status") == "D5 is not possible here."

    async def against_an_agent(screen: Screen) -> None:
        screen.turns.paused = True  # it takes its time
        await double_click(screen, 3)
        assert screen.moves == "4"
        assert screen.text("#status") == "It is the turn of random."

    drive("go5", TWO_PEOPLE, shared)
    drive("connect_four", (PERSON, "random"), against_an_agent)


def test_where_no_board_is_drawn_p_chooses_among_the_moves() -> None:
    """A game of six moves, each of them possible, was announced as 'only p', and p as a pass."""

    async def script(screen: Screen) -> None:
        assert screen.text("#status") == "First to move: press p for 1 or 2 or 3 or 4 or 5 or 6."
        assert "p Choose" in screen.picture
        await screen.press("p", "down", "enter")
        assert screen.moves == "2"

    async def many(screen: Screen) -> None:
        assert screen.text("#status") == "First to move: press p for the list."

    drive("openspiel:mancala", TWO_PEOPLE, script)
    drive("openspiel:dots_and_boxes", TWO_PEOPLE, many)


def test_help_and_light() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, Help)
        assert "type a move, such as a3" in screen.picture
        await screen.press("escape", "t")
        assert not screen.app.current_theme.dark

    async def narrow(screen: Screen) -> None:
        await screen.press("question_mark")
        assert "arrow keys and press Enter. Of pieces that move, first" in screen.picture  # the lines are this window's

    drive("tictactoe", TWO_PEOPLE, script)
    drive("tictactoe", TWO_PEOPLE, narrow, size=(60, 20))


def test_keys_that_mean_nothing_at_a_table_are_not_offered() -> None:
    async def shared(screen: Screen) -> None:
        await screen.until(lambda: "Undo" in screen.picture)
        assert "Territory" not in screen.picture
        assert "Pass" not in screen.picture
        assert "Step" not in screen.picture

    async def watched(screen: Screen) -> None:
        await screen.until(lambda: "Step" in screen.picture)
        assert "Level" not in screen.picture

    drive("tictactoe", TWO_PEOPLE, shared)
    drive("go5", ("random", "random"), watched, pause=1000.0)


def test_an_opponent_is_chosen_by_level_and_a_new_game_begins() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("5", "l")
        assert isinstance(screen.app.screen, Choice)
        await screen.press("down", "enter")
        await screen.until(lambda: "level:2" in screen.text("#players") and screen.moves == "")
        await screen.press("4")
        await screen.until(lambda: len(screen.moves) == 3)

    drive("connect_four", TWO_PEOPLE, script)


# How it is started


def test_who_sits_where() -> None:
    rng = np.random.default_rng(1)
    assert seat_names("human", "random", rng) == TWO_PEOPLE
    assert seat_names("greedy", "second", rng) == ("greedy", PERSON)
    assert seat_names("greedy", "watch", rng) == ("greedy", "greedy")


def test_an_unknown_player_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PlayApp, "run", lambda app: asyncio.run(app.run_async(headless=True)))
    with pytest.raises(ValueError, match="there is no player 'nobody'"):
        play(envs.make("tictactoe"), (PERSON, "nobody"), np.random.default_rng(1), Options())


def test_without_a_terminal_play_is_line_by_line() -> None:
    played = CliRunner().invoke(cli.app, ["play", "tictactoe", "human"], input="b2\nundo\nredo\nmoves\nquit\n")
    assert played.exit_code == 0
    assert "You are X and O" in played.output
    assert "your move> b2\n" in played.output  # the answer to `moves`
    watched = CliRunner().invoke(cli.app, ["play", "tictactoe", "--watch", "greedy", "random", "--seed", "1"])
    assert "greedy plays" in watched.output
    assert "random plays" in watched.output
