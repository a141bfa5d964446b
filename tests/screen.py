"""A person before the full screen, who presses keys, clicks and reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from textual.pilot import Pilot
from textual.widgets import Input, Static

import envs
from arena.table import PERSON, Options, Table
from arena.terminal.app import PlayApp
from arena.terminal.board import BoardView
from arena.terminal.turns import Turns

TWO_PEOPLE = (PERSON, PERSON)
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
