"""The full screen, driven as a person would: keys, clicks, sizes. The line interface is tested in test_play.py."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static
from typer.testing import CliRunner

import envs
from agents import players
from arena import cli
from arena.clock import Clocks, parse
from arena.table import PERSON, Options, Table, choose, hint_player, seat_names, sit
from arena.terminal import drawing, panel, territory
from arena.terminal.app import PlayApp, play
from arena.terminal.board import BoardView
from arena.terminal.dialogs import Choice, Help
from arena.terminal.pointing import labels, legal_moves
from arena.terminal.review import ReviewScreen
from arena.terminal.turns import Turns
from envs import records

TwoPeople = (PERSON, PERSON)
Script = Callable[["Screen"], Awaitable[None]]


class Screen:
    """A running application and the person before it."""

    def __init__(self, app: PlayApp, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for the thinking thread; the test's own time limit ends what never comes true."""
        while not condition():
            await self.pilot.pause(0.01)
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def enter(self, text: str) -> None:
        """Type `text` into an empty line and send it off."""
        self.app.screen.query_one(Input).value = text
        await self.press("enter")

    async def click(self, point: int) -> None:
        """Click the middle of a point, by its flat index."""
        await self.pilot.click(BoardView, offset=self.app.page.board.centre(point))
        await self.pilot.pause()

    async def persons_turn(self) -> None:
        await self.until(lambda: self.over or self.table.seat.player is None)

    @property
    def turns(self) -> Turns:
        assert self.app.turns is not None
        return self.app.turns

    @property
    def table(self) -> Table:
        return self.turns.table

    @property
    def over(self) -> bool:
        return self.table.over

    @property
    def moves(self) -> str:
        return " ".join(self.table.game.action_name(action) for action in self.table.actions)

    def text(self, widget: str) -> str:
        """What stands in a part of the panel."""
        content: Any = self.app.page.side.query_one(widget, Static).content
        return str(content)

    @property
    def picture(self) -> str:
        """All characters on the screen."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())


def drive(
    game: str,
    names: tuple[str, str],
    script: Script,
    size: tuple[int, int] = (80, 24),
    pause: float = 0.0,
    options: Options | None = None,
) -> PlayApp:
    """Run `script` in an application at a table with these players, ready to play."""

    async def run() -> PlayApp:
        app = PlayApp(envs.make(game), names, np.random.default_rng(1), options or Options(pause=pause))
        async with app.run_test(size=size) as pilot:
            screen = Screen(app, pilot)
            await screen.until(lambda: app.turns)
            await script(screen)
        return app

    return asyncio.run(run())


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

    drive("tictactoe", TwoPeople, script)


def test_tic_tac_toe_by_mouse() -> None:
    async def script(screen: Screen) -> None:
        for point in (0, 3, 1, 4, 2):
            await screen.click(point)
        assert screen.moves == "a3 a2 b3 b2 c3"
        assert screen.text("#status") == "X has won after 5 moves."
        await screen.click(8)
        assert "The game is over" in screen.text("#status")

    drive("tictactoe", TwoPeople, script)


def test_connect_four_by_the_columns_numbers_and_by_clicks_anywhere_in_a_column() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("4", "5")
        await screen.click(3)  # the top of column 4
        await screen.click(4 + 7)
        await screen.press("4", "5", "4")
        assert screen.moves == "4 5 4 5 4 5 4"
        assert "Blue has won" in screen.text("#status")

    drive("connect_four", TwoPeople, script)


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


def test_the_analysis_marks_the_board_and_is_switched_off_again() -> None:
    """X holds c3 and b2; a1 wins."""

    async def script(screen: Screen) -> None:
        for point in (2, 0, 4, 7):
            await screen.click(point)
        await screen.press("a")
        await screen.until(lambda: screen.turns.opinion is not None and "100%" in screen.picture)
        assert "proven won" in screen.picture
        assert "X's chance 100%" in screen.picture
        await screen.press("a")
        assert "proven won" not in screen.picture

    drive("tictactoe", TwoPeople, script)


def test_a_hint_names_the_winning_move() -> None:
    async def script(screen: Screen) -> None:
        for point in (2, 0, 4, 7):
            await screen.click(point)
        await screen.press("h")
        await screen.until(lambda: "Hint: a1, 100.0% to win" in screen.text("#status"))

    drive("tictactoe", TwoPeople, script)


def test_what_is_not_possible_is_answered() -> None:
    async def script(screen: Screen) -> None:
        await screen.click(4)
        await screen.click(4)
        assert screen.text("#status") == "b2 is not possible here"
        await screen.press("m", "z", "9", "enter")
        assert "'z9' is not a cell" in screen.picture
        await screen.press("escape")
        assert screen.moves == "b2"

    drive("tictactoe", TwoPeople, script)


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

    drive(game, TwoPeople, script)


def test_breakthrough_takes_a_piece_up_and_puts_it_down() -> None:
    async def script(screen: Screen) -> None:
        square = {"a2": 48, "a3": 40, "b3": 41, "h5": 31}
        await screen.click(square["a2"])
        assert set(screen.app.page.board.moves.starting(square["a2"])) == {square["a3"], square["b3"]}
        await screen.click(square["h5"])
        assert screen.text("#status") == "h5 is not possible here"
        await screen.click(square["b3"])
        assert screen.moves == "a2b3"

    drive("breakthrough", TwoPeople, script)


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

    drive("go5", TwoPeople, go)
    drive("hex5", TwoPeople, hexagonal)


def test_two_agents_are_watched_stopped_stepped_and_come_to_a_result() -> None:
    async def script(screen: Screen) -> None:
        table = screen.table
        await screen.press("space", "full_stop")
        await screen.until(lambda: len(table.actions) == 1)
        assert "Stopped" in screen.text("#status")
        await screen.press("u")
        assert table.actions == []
        screen.turns.options = Options(pause=0.0)
        await screen.press("space")
        await screen.until(lambda: screen.over)
        assert "after" in screen.text("#status")

    drive("connect_four", ("random", "mcts:5"), script, pause=1000.0)


def stuck(game: envs.Game, spec: str, *, seed: int = 0) -> players.Player:
    """Players that a test cannot do without: one never answers, one fails, one breaks the rules."""
    if spec == "never":
        return lambda states, rng: threading.Event().wait() or np.zeros(1, np.int64)
    if spec == "fails":
        return lambda states, rng: np.zeros(1, np.int64) // np.array("x")  # type: ignore[operator]
    if spec == "illegal":
        return lambda states, rng: np.zeros(1, np.int64)
    return MAKE(game, spec, seed=seed)


MAKE = players.make_player


def test_quitting_while_an_agent_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.table.make_player", stuck)
    monkeypatch.setattr("arena.terminal.app.PATIENCE", 0.1)

    async def script(screen: Screen) -> None:
        await screen.click(4)
        assert screen.text("#status") == "never is thinking ..."
        await screen.click(0)
        assert screen.text("#status") == "It is the turn of never."
        await screen.press("q")

    assert drive("tictactoe", (PERSON, "never"), script).return_code == 0


def test_leaving_while_an_analysis_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.terminal.jobs.REPORTS", 0.05)

    async def script(screen: Screen) -> None:
        await screen.press("a")
        await screen.until(lambda: screen.turns.opinion)

    drive("connect_four", TwoPeople, script)


def test_keys_while_the_players_are_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = threading.Event()
    monkeypatch.setattr("arena.table.make_player", lambda *args, **options: ready.wait() and MAKE(*args, **options))

    async def run() -> None:
        app = PlayApp(envs.make("tictactoe"), (PERSON, "random"), np.random.default_rng(1))
        async with app.run_test() as pilot:
            await pilot.press("up", "enter", "enter", "1", *"uhagpnvlrxsmwo", "space", "full_stop")
            await pilot.click(BoardView)
            assert len(app.screen_stack) == 1
            ready.set()
            await Screen(app, pilot).until(lambda: app.turns)

    asyncio.run(run())


def test_a_long_search_stops_at_once_when_its_move_is_taken_back() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("4", "u")
        assert screen.moves == ""
        await screen.press("h", "x")
        assert screen.over

    drive("connect_four", (PERSON, "mcts:20000"), script)


@pytest.mark.parametrize("agent", ["fails", "illegal"])
def test_an_agents_failure_is_a_message(agent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.table.make_player", stuck)

    async def script(screen: Screen) -> None:
        await screen.click(0)
        await screen.until(lambda: f"{agent} has failed" in screen.text("#status"))
        await screen.press("u")
        assert screen.moves == ""

    drive("tictactoe", (PERSON, agent), script)


def test_a_program_that_gives_up_or_fails_has_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(states: object, rng: object) -> None:
        raise players.Forfeit({0: players.Loss("crash", "it ended")}, np.zeros(1, np.int64))

    monkeypatch.setattr("arena.table.make_player", lambda *args, **options: lose)

    async def script(screen: Screen) -> None:
        await screen.click(0)
        await screen.until(lambda: screen.over)
        assert "has won since the other side's program stopped after 1 moves: it ended" in screen.text("#status")
        await screen.press("u")
        assert screen.moves == ""

    drive("tictactoe", (PERSON, "gtp:program"), script)


def test_an_opponent_gives_up_what_is_lost_and_undo_takes_it_back() -> None:
    """X threatens two lines; O sees it."""

    async def script(screen: Screen) -> None:
        for move in ("a1", "b1", "a3", "a2"):
            screen.table.play(screen.table.game.parse_action(move))
        screen.turns.play(screen.table.game.parse_action("c3"))
        await screen.until(lambda: screen.over)
        assert screen.text("#status") == "X has won by resignation after 5 moves."
        await screen.press("u")
        assert not screen.over

    drive("tictactoe", (PERSON, "mcts:200"), script, options=Options(resign=0.8))


def test_a_level_that_does_not_search_says_that_it_never_resigns() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("l", "home", "enter")
        await screen.until(lambda: "level:1 does not search" in screen.text("#status"))
        assert "level:1 novice" in screen.text("#players")

    drive("tictactoe", (PERSON, "mcts:20"), script, options=Options(resign=0.8))


def test_a_hint_against_a_weak_level_is_not_the_levels_own() -> None:
    game = envs.make("connect_four")
    seats = sit(game, (PERSON, "level:4"), np.random.default_rng(1)).seats
    assert hint_player(game, seats, seed=0).simulations > 50
    seats = sit(game, (PERSON, "mcts:50"), np.random.default_rng(1)).seats
    assert hint_player(game, seats, seed=0) is seats[1].player


def test_the_first_turn_says_how_to_move() -> None:
    async def columns(screen: Screen) -> None:
        assert "click a column, or press its number" in screen.text("#status")
        await screen.press("4", "4")
        assert screen.text("#status") == "Blue to move."

    async def pieces(screen: Screen) -> None:
        assert "click a piece" in screen.text("#status")

    drive("connect_four", TwoPeople, columns)
    drive("breakthrough", TwoPeople, pieces)


def test_a_window_too_small_says_what_the_board_needs() -> None:
    async def script(screen: Screen) -> None:
        assert "The board needs 42 x 21 characters, and here are 60 x 10." in " ".join(screen.picture.split())

    drive("go19", TwoPeople, script, size=(60, 20))


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
    drive("connect_four", TwoPeople, shared)


def test_help_and_light() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, Help)
        assert "type a move, such as a3" in screen.picture
        await screen.press("escape", "t")
        assert not screen.app.current_theme.dark

    drive("tictactoe", TwoPeople, script)


def test_keys_that_mean_nothing_at_a_table_are_not_offered() -> None:
    async def shared(screen: Screen) -> None:
        await screen.until(lambda: "Undo" in screen.picture)
        assert "Territory" not in screen.picture
        assert "Pass" not in screen.picture
        assert "Step" not in screen.picture

    async def watched(screen: Screen) -> None:
        await screen.until(lambda: "Step" in screen.picture)
        assert "Level" not in screen.picture

    drive("tictactoe", TwoPeople, shared)
    drive("go5", ("random", "random"), watched, pause=1000.0)


def test_foreign_rules_are_shown_as_text_and_played_by_name() -> None:
    async def script(screen: Screen) -> None:
        assert "R N B Q K B N R" in screen.picture
        await screen.press("m", "7", "7", "enter")
        assert screen.moves == "77"
        await screen.press("enter")
        assert isinstance(screen.app.screen, Choice)
        await screen.press("enter")
        assert len(screen.table.actions) == 2

    drive("pettingzoo:chess_v6", TwoPeople, script)


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


def test_the_graph_is_the_first_sides_share() -> None:
    look = drawing.look(envs.make("connect_four"), dark=True)
    lines = panel.graph({0: 0.0, 1: 1.0, 2: -1.0}, 2, look, 9).plain.splitlines()
    assert lines[0].startswith("Blue's chance 0%")
    assert [line[0] for line in lines[1:]] == [" ", "▄", "█"]  # half of three lines
    assert {line[4] for line in lines[1:]} == {"█"}
    assert {line[8] for line in lines[1:]} == {" "}


def test_who_sits_where() -> None:
    rng = np.random.default_rng(1)
    assert seat_names("human", "random", rng) == TwoPeople
    assert seat_names("greedy", "second", rng) == ("greedy", PERSON)
    assert seat_names("greedy", "watch", rng) == ("greedy", "greedy")


def test_a_search_that_is_stopped_answers_from_what_it_has() -> None:
    game, asked = envs.make("go9"), 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    player = players.make_player(game, "mcts:500", seed=1)
    thought = choose(player, game.reset(1), np.random.default_rng(1), stop)
    assert thought.view is not None
    assert thought.view.simulations < 500
    assert game.legal(game.reset(1))[0, thought.action]


def test_a_game_is_written_to_a_file_and_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    async def script(screen: Screen) -> None:
        await screen.press("w")
        assert screen.text("#status") == "There is no move to write yet."
        for point in (6, 8, 12):
            await screen.click(point)
        await screen.press("w", "enter")  # the name that is offered
        assert "Written to go-" in screen.text("#status")
        (path,) = tmp_path.glob("go-*.sgf")
        await screen.press("w")
        await screen.enter(str(path))
        assert "choose another name" in screen.picture
        await screen.press("escape", "u", "u")
        assert screen.moves == "B4"
        await screen.press("o")
        await screen.enter(str(tmp_path / "no.sgf"))
        assert "there is no file" in screen.picture
        await screen.press("escape", "o")
        await screen.enter(str(path))
        assert screen.moves == "B4 D4 C3"
        assert "3 moves of you - you are on the board." in " ".join(screen.text("#status").split())
        await screen.press("p", "p")
        assert "has won" in screen.text("#status")

    drive("go5", TwoPeople, script)


def test_a_file_on_the_command_line_is_opened_or_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "game.moves"
    records.write(path, [records.GameRecord("connect_four", (3, 3, 2), players=("Ann", "Bob"))])

    async def script(screen: Screen) -> None:
        assert screen.moves == "4 4 3"
        assert "Ann" in screen.text("#players")

    drive("connect_four", TwoPeople, script, options=Options(record=path))
    monkeypatch.setattr(PlayApp, "run", lambda app: asyncio.run(app.run_async(headless=True)))
    with pytest.raises(ValueError, match="there is no file"):
        play(envs.make("tictactoe"), TwoPeople, np.random.default_rng(1), Options(record=tmp_path / "x.txt"))


def test_an_opponent_is_chosen_by_level_and_a_new_game_begins() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("5", "l")
        assert isinstance(screen.app.screen, Choice)
        await screen.press("down", "enter")
        await screen.until(lambda: "level:2" in screen.text("#players") and screen.moves == "")
        await screen.press("4")
        await screen.until(lambda: len(screen.moves) == 3)

    drive("connect_four", TwoPeople, script)


class Hand:
    """A clock whose hand a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_flag_falls_and_undo_gives_the_time_back() -> None:
    async def script(screen: Screen) -> None:
        app, hand = screen.app, Hand()
        screen.table.clock.run(None)
        screen.table.clock.now = hand
        screen.turns.begin()
        hand.now = 50.0
        await screen.press("4")  # 12 seconds are left
        hand.now = 51.0
        await screen.press("4")
        hand.now = 60.5
        app._tick()
        assert "2.5" in screen.text("#players")
        hand.now = 63.0
        app._tick()
        assert screen.text("#status") == "Orange has won on time after 2 moves."
        await screen.press("3")
        await screen.press("u", "u")
        assert screen.moves == ""
        assert "1:00" in screen.text("#players")

    drive("connect_four", TwoPeople, script, options=Options(parse("1m+2s")))


def test_agents_play_under_a_clock_and_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes on by a hundredth of a second with every look at it."""
    looks = itertools.count()
    monkeypatch.setattr("arena.terminal.app.Clocks", lambda control: Clocks(control, lambda: next(looks) / 100))

    async def script(screen: Screen) -> None:
        await screen.until(lambda: screen.over)
        assert screen.table.lost is None

    drive("connect_four", ("mcts:100000", "minimax:9"), script, options=Options(parse("3s/move"), pause=0.0))


def test_a_game_is_reviewed_step_by_step_and_played_on_from_its_mistake() -> None:
    """O's first move loses."""

    async def script(screen: Screen) -> None:
        for point in (4, 3, 6, 2, 7, 8, 1):
            await screen.click(point)
        assert "X has won" in screen.text("#status")
        await screen.press("v")
        assert isinstance(screen.app.screen, ReviewScreen)
        await screen.until(lambda: screen.turns.review is not None and not screen.turns.review.missing)
        assert "a2??" in screen.picture
        await screen.press("home")
        assert "O: 1 ??" in screen.picture
        await screen.press("down")
        assert "2. O a2 ??" in screen.picture
        assert "gives away" in screen.picture
        assert "▲" in screen.picture
        await screen.press("down", "left", "a")
        assert "prefers" in screen.picture or "gives away" in screen.picture
        await screen.press("p")
        assert screen.moves == "b2"
        await screen.click(6)
        assert screen.moves == "b2 a1"
        await screen.press("v", "escape")
        assert screen.text("#status") == "X to move."

    drive("tictactoe", TwoPeople, script)


def test_a_record_is_opened_for_review(tmp_path: Path) -> None:
    path = tmp_path / "game.sgf"
    go = envs.make("go9")
    records.write(path, [records.GameRecord(go.name, tuple(map(go.parse_action, ("E5", "C3", "G7"))))])

    async def script(screen: Screen) -> None:
        assert isinstance(screen.app.screen, ReviewScreen)
        await screen.until(lambda: screen.turns.review is not None and not screen.turns.review.missing)
        assert " ahead by " in screen.picture  # the champion's network has a head for it
        assert "■" not in screen.picture
        await screen.press("g")
        assert "■" in screen.picture or "▪" in screen.picture
        await screen.press("g", "escape")

    drive("go9", (PERSON, "champion:20"), script, options=Options(record=path, review=True))


def test_an_ended_game_is_reviewed_with_its_points_counted() -> None:
    async def script(screen: Screen) -> None:
        await screen.click(40)
        await screen.press("p", "p", "v", "g")
        assert screen.picture.count("■") >= 80
        await screen.until(lambda: screen.turns.review is not None and not screen.turns.review.missing)
        assert "Black ahead by 74.0 points" in screen.picture
        await screen.press("left", "left", "left")
        assert "ahead by" in screen.picture
        assert screen.picture.count("■") < 80

    async def nobody(screen: Screen) -> None:
        await screen.click(12)
        await screen.press("v", "g")
        assert "Nobody here knows" in " ".join(screen.picture.split())

    drive("go9", (PERSON, PERSON), script, size=(120, 40))
    drive("go5", TwoPeople, nobody)


def test_the_lead_over_the_game_leaves_out_what_is_not_known() -> None:
    look = drawing.look(envs.make("go9"), dark=True)
    assert panel.lead({0: 0.0, 1: 4.0, 3: -4.0}, 3, look, 4, at=3).plain == "White ahead by 4.0 points\n▄█  "
    assert panel.lead({0: 0.0}, 3, look, 4, at=1).plain == "\n▄   "


def test_the_opponent_thinks_on_the_persons_time_if_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    thought: list[int] = []
    monkeypatch.setattr(
        "arena.terminal.jobs.ponder", lambda player, state, rng, stop: thought.append(int(state["ply"]))
    )

    async def script(screen: Screen) -> None:
        await screen.press("4")
        await screen.persons_turn()
        await screen.until(lambda: 2 in thought)

    drive("connect_four", (PERSON, "mcts:20"), script, options=Options(ponder=True))
    played = set(thought)
    thought.clear()
    assert 0 in played

    async def without(screen: Screen) -> None:
        await screen.press("4")
        await screen.persons_turn()
        assert thought == []

    drive("connect_four", (PERSON, "mcts:20"), without)


def test_ground_shows_whose_points_will_be_and_are() -> None:
    async def script(screen: Screen) -> None:
        await screen.press("g")
        assert "expected: " in screen.text("#players")
        await screen.press("g")
        assert "expected: " not in screen.text("#players")
        await screen.click(40)
        await screen.press("p", "p", "g")
        assert screen.picture.count("■") >= 80  # the whole board is Black's but for the stone itself

    async def nobody(screen: Screen) -> None:
        for keys in ("g", "xg"):  # a resignation leaves the points as unknown as they were
            await screen.press(*keys)
            assert "Nobody here knows" in screen.text("#status")

    drive("go9", TwoPeople, script, size=(120, 40))
    drive("go5", TwoPeople, nobody)


def test_chess_by_clicks_and_by_notation() -> None:
    def square(name: str) -> int:
        return (8 - int(name[1])) * 8 + "abcdefgh".index(name[0])

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

    drive("chess", TwoPeople, script)


def test_the_king_castles_and_a_pawn_chooses_what_it_becomes() -> None:
    def square(name: str) -> int:
        return (8 - int(name[1])) * 8 + "abcdefgh".index(name[0])

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

    drive("chess:fen=4k3/1P6/8/8/8/8/8/4K2R_w_K_-_0_1", TwoPeople, script)


def test_only_a_network_that_knows_territory_is_asked_whose_points_will_be() -> None:
    assert territory.outlook_of(envs.make("go13"), TwoPeople) is None
    assert territory.outlook_of(envs.make("connect_four"), (PERSON, "champion")) is None
    outlook = territory.outlook_of(envs.make("go9"), ("mcts:10", PERSON))
    assert outlook is not None
    start = envs.make("go9").reset(1)
    moved = envs.make("go9").step(start, np.array([40]))
    assert outlook(moved).owners.mean() > -0.5  # for Black, though White is to move
    assert abs(outlook(start).score) < 8
