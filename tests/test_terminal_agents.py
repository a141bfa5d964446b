"""Agents on the full screen: they are watched, stopped, asked for hints, out of time, and a message if they fail."""

from __future__ import annotations

import asyncio
import itertools
import threading

import numpy as np
import pytest

import envs
from agents import players
from arena.clock import Clocks, parse
from arena.table import PERSON, Options, choose, hint_player, sit
from arena.terminal.app import PlayApp
from arena.terminal.board import BoardView
from tests.screen import TWO_PEOPLE, Screen, drive


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


# Players that never answer, fail or give up


MAKE = players.make_player


def stuck(game: envs.Game, spec: str, *, seed: int = 0) -> players.Player:
    """Players that a test cannot do without: one never answers, one fails, one breaks the rules."""
    if spec == "never":
        return lambda states, rng: threading.Event().wait() or np.zeros(1, np.int64)
    if spec == "fails":
        return lambda states, rng: np.zeros(1, np.int64) // np.array("x")  # type: ignore[operator]
    if spec == "illegal":
        return lambda states, rng: np.zeros(1, np.int64)
    return MAKE(game, spec, seed=seed)


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

    drive("connect_four", TWO_PEOPLE, script)


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
        assert "has won since the other side's program stopped after 1 move: it ended" in screen.text("#status")
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


# Hints


def test_a_hint_names_the_winning_move() -> None:
    async def script(screen: Screen) -> None:
        for point in (2, 0, 4, 7):
            await screen.click(point)
        await screen.press("h")
        await screen.until(lambda: "Hint: a1, 100.0% to win" in screen.text("#status"))

    drive("tictactoe", TWO_PEOPLE, script)


def test_a_hint_against_a_weak_level_is_not_the_levels_own() -> None:
    game = envs.make("connect_four")
    seats = sit(game, (PERSON, "level:4"), np.random.default_rng(1)).seats
    assert hint_player(game, seats, seed=0).simulations > 50
    seats = sit(game, (PERSON, "mcts:50"), np.random.default_rng(1)).seats
    assert hint_player(game, seats, seed=0) is seats[1].player


# Clocks


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

    drive("connect_four", TWO_PEOPLE, script, options=Options(parse("1m+2s")))


def test_a_flag_falls_while_a_pawn_chooses_what_it_becomes() -> None:
    """The choice, made after the game was lost on time, ended the program with a traceback."""

    async def script(screen: Screen) -> None:
        hand = Hand()
        screen.table.clock.run(None)
        screen.table.clock.now = hand
        screen.turns.begin()
        await screen.click(8 + 1)
        await screen.click(1)
        hand.now = 21.0
        screen.app._tick()
        await screen.press("enter")
        assert screen.over
        assert screen.moves == ""
        assert "The game is over" in screen.text("#status")

    drive("chess:fen=4k3/1P6/8/8/8/8/8/4K3_w_-_-_0_1", TWO_PEOPLE, script, options=Options(parse("20s/move")))


def test_agents_play_under_a_clock_and_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time goes on by a hundredth of a second with every look at it."""
    looks = itertools.count()
    monkeypatch.setattr("arena.terminal.app.Clocks", lambda control: Clocks(control, lambda: next(looks) / 100))

    async def script(screen: Screen) -> None:
        await screen.until(lambda: screen.over)
        assert screen.table.lost is None

    drive("connect_four", ("mcts:100000", "minimax:9"), script, options=Options(parse("3s/move"), pause=0.0))
