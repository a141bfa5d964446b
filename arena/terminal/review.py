"""Reviewing a game on the full screen: step through it, see the chances over the game and the moves that gave something away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer

from arena.review import Review, summary
from arena.table import Table
from arena.terminal import drawing, panel
from arena.terminal.board import BoardView
from arena.terminal.pointing import legal_moves
from arena.terminal.side import Side
from arena.terminal.territory import UNKNOWN, Outlook, territory
from envs import TerritoryGame


class ReviewScreen(Screen[int | None]):
    """Looks at the game on `table`; left with the number of moves from where to play on, None to leave all as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(-1)", "Back"),
        Binding("right,space", "go(1)", "Forward"),
        Binding("home", "to_end(False)", "Start", show=False),
        Binding("end", "to_end(True)", "End", show=False),
        Binding("up", "mistake(-1)", "Mistakes", key_display="↑↓"),
        Binding("down", "mistake(1)", "Next mistake", show=False),
        Binding("a", "analysis", "Analysis"),
        Binding("g", "ground", "Territory"),
        Binding("p", "play_on", "Play on"),
        Binding("escape,v,q", "leave", "Leave", key_display="Esc"),
    ]

    def __init__(self, table: Table, review: Review, outlook: Outlook | None, look: Callable[[], drawing.Look]) -> None:
        super().__init__()
        self._table, self._review, self._outlook, self._look = table, review, outlook, look
        self._ply = len(table.actions)
        self._analysing, self._grounds = True, False

    def compose(self) -> ComposeResult:
        with Horizontal(classes="page"):
            board = BoardView(self._review.game)
            board.can_focus = False
            yield board
            yield Side()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        self.show()

    def on_resize(self) -> None:
        self.call_after_refresh(self.show)

    # Keys

    def action_go(self, by: int) -> None:
        self._to(self._ply + by)

    def action_to_end(self, last: bool) -> None:
        self._to(len(self._review.actions) if last else 0)

    def action_mistake(self, direction: int) -> None:
        """To the position after the next marked move, or the one before."""
        plies = [ply + 1 for ply in self._review.marks()]
        found = [ply for ply in plies if (ply - self._ply) * direction > 0]
        if found:
            self._to(min(found) if direction > 0 else max(found))
        else:
            self.app.bell()

    def action_analysis(self) -> None:
        self._analysing = not self._analysing
        self.show()

    def action_ground(self) -> None:
        """Whose each point will be: shown in place of the analysis, or not any more."""
        self._grounds = not self._grounds
        self.show()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "ground" or isinstance(self._review.game, TerritoryGame)

    def action_play_on(self) -> None:
        self.dismiss(self._ply)

    def action_leave(self) -> None:
        self.dismiss(None)

    def _to(self, ply: int) -> None:
        self._ply = min(max(ply, 0), len(self._review.actions))
        self.show()

    # What is on the screen

    def show(self) -> None:
        """Draw everything as far as it is known."""
        review, ply, look, side = self._review, self._ply, self._look(), self.query_one(Side)
        view = review.views.get(ply) if self._analysing else None
        known = territory(review.game, review.states[ply], self._outlook) if self._grounds else None
        board = self.query_one(BoardView)
        if known is not None:
            board.show(review.states[ply], playable=False, owners=known.owners)
        else:
            board.show(review.states[ply], playable=False, view=view, notes=self._notes())
        side.show_players(panel.players(self._table, look))
        side.show_status(self._status(look), warning=False)
        most = 9 if self.app.size.height >= 32 else 0  # the moves need the room
        text = panel.analysis(review.game, view, look.names[review.side(ply)], side.width, most) if view else None
        side.show_analysis(text, self._graph(look, side.width))
        side.show_moves(panel.moves(self._table.names, review.marks(), ply), ply // 2)

    def _notes(self) -> Mapping[int, tuple[str, ...]]:
        """On the board: the mark of the move just made, and where the better one would have been played."""
        if self._ply == 0 or (judgement := self._review.judge(self._ply - 1)) is None or not judgement.mark:
            return {}
        before, after = self._review.states[self._ply - 1], self._review.states[self._ply]
        notes = {int(after["last"][0]): (judgement.mark, judgement.mark)} if after["last"][0] >= 0 else {}
        better = legal_moves(self._review.game, before).targets.get(judgement.best)
        if better is not None and better not in notes:
            notes[better] = ("!", "!")
        return notes

    def _status(self, look: drawing.Look) -> str:
        review, ply = self._review, self._ply
        lines = []
        if self._grounds and territory(review.game, review.states[ply], self._outlook) is None:
            lines.append(UNKNOWN)
        if missing := len(review.missing):
            lines.append(f"searched {len(review.states) - missing} of {len(review.states)} positions")
        if ply == 0:
            lines += [f"{look.names[side]}: {summary(review, side)}" for side in (0, 1)]
        elif (judgement := review.judge(ply - 1)) is not None:
            lines.append(f"{ply}. {look.names[review.side(ply - 1)]} {review.name(ply - 1)} {judgement.mark}".rstrip())
            if judgement.best != review.actions[ply - 1]:
                lines.append(f"gives away {judgement.loss:.0%}; better {review.better(ply - 1)}")
            else:
                lines.append("the move that the search prefers")
        else:
            lines.append(f"{ply}. {look.names[review.side(ply - 1)]} {review.name(ply - 1)}")
        if ply == len(review.actions) and self._table.over:
            lines.append(panel.verdict(self._table, look))
        return "\n".join(lines)

    def _graph(self, look: drawing.Look, width: int) -> Text:
        review = self._review
        text = panel.graph(review.values, len(review.actions), look, width, at=self._ply)
        if review.scores and text:
            lead = panel.lead(review.scores, len(review.actions), look, width, self._ply)
            text = Text("\n").join([text, lead])
        return text
