"""What stands beside the board, as a widget: players and clocks, status, analysis, graph, moves. `panel` writes the texts."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

WIDTH = 33  # characters before the panel has been laid out


class Side(Vertical):
    """The panel, a text a part."""

    def __init__(self) -> None:
        super().__init__()
        self._players, self._status, self._analysis, self._graph, self._moves = (
            Static(id=name, markup=False) for name in ("players", "status", "analysis", "graph", "moves")
        )
        self._scroll = VerticalScroll(self._moves, id="scroll", can_focus=False)

    def compose(self) -> ComposeResult:
        yield from (self._players, self._status, self._analysis, self._graph, self._scroll)

    @property
    def width(self) -> int:
        """Characters in a line."""
        return self._players.size.width or WIDTH

    def show_players(self, text: Text) -> None:
        self._players.update(text)

    def show_status(self, text: str, *, warning: bool) -> None:
        self._status.set_class(warning, "warning")
        self._status.update(text)

    def show_analysis(self, analysis: RenderableType | None, graph: Text | None) -> None:
        """Either may be absent, and then takes no room."""
        for part, content in ((self._analysis, analysis), (self._graph, graph)):
            part.display = content is not None
            if content is not None:
                part.update(content)

    def show_moves(self, text: Text, line: int) -> None:
        """The list of moves, scrolled so that `line` of it is seen."""
        self._moves.update(text)
        self.call_after_refresh(
            lambda: self._scroll.scroll_to(y=max(0, line - self._scroll.size.height // 2), animate=False)
        )
