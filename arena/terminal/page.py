"""The game under way as it is shown: the board, and beside it the panel."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal

from arena.table import Table
from arena.terminal import panel
from arena.terminal.board import BoardView
from arena.terminal.drawing import Look
from arena.terminal.side import Side
from arena.terminal.territory import territory
from arena.terminal.turns import Turns
from envs import Game
from envs.game import move_name

LISTED = 7  # moves without a place that are named beside the board


class Page(Horizontal):
    """Shows `Turns`."""

    def __init__(self, game: Game) -> None:
        super().__init__(classes="page")
        self.board, self.side = BoardView(game), Side()
        self.grounds = False  # whose each point will be lies over the board
        self._note = ""  # beneath the players

    def compose(self) -> ComposeResult:
        yield from (self.board, self.side)

    def show(self, turns: Turns, look: Look) -> None:
        """Draw everything."""
        table, side, message, opinion = turns.table, self.side, turns.message, turns.current
        known = territory(table.game, table.state, turns.outlook) if self.grounds else None
        asked = opinion is not None and (turns.analysing or opinion.source == "hint")
        self._note = panel.expected(look, known.score) if known is not None and not table.over else ""
        self.board.show(
            table.state,
            playable=not table.over and table.seat.player is None,
            view=opinion.view if opinion is not None and asked and known is None else None,  # or the ground, not both
            owners=known.owners if known is not None else None,
        )
        self.show_players(table, look)
        if message is not None:
            side.show_status(message.text, warning=message.warning)
        else:
            side.show_status(self._standing(turns, look), warning=False)
        side.show_moves(panel.moves(table.names), len(table.actions) // 2)
        self._show_analysis(turns, look)

    def show_players(self, table: Table, look: Look) -> None:
        """Players and clocks alone."""
        self.side.show_players(panel.players(table, look, self._note))

    def _show_analysis(self, turns: Turns, look: Look) -> None:
        if not turns.analysing:
            self.side.show_analysis(None, None)
            return
        table, opinion = turns.table, turns.opinion
        width, most = self.side.width, 9 if self.app.size.height >= 32 else 4
        text: RenderableType | None = None if table.over else Text("looking ...", "dim")
        if opinion is not None:
            text = panel.analysis(table.game, opinion.view, look.names[opinion.side], width, most, opinion.source)
        self.side.show_analysis(text, panel.graph(table.values, len(table.actions), look, width))

    def _standing(self, turns: Turns, look: Look) -> str:
        """What the game waits for, or how it ended."""
        table, moves = turns.table, self.board.moves
        if table.over:
            return panel.verdict(table, look)
        if table.seat.player is not None:
            return "Stopped: Space goes on, . makes one move." if turns.paused else f"{table.seat.name} is thinking ..."
        who = "Your move" if len(table.persons) == 1 else f"{look.names[table.to_play]} to move"
        names = " or ".join(move_name(table.game, table.state[0], action) for action in moves.elsewhere)
        if not moves.placed and names:
            return f"{who}: press p for {names if len(moves.elsewhere) <= LISTED else 'the list'}."
        if len(table.actions) >= 2:
            return f"{who}."
        return f"{who}: {self.board.how}{f'; p: {names}' if names else ''}."
