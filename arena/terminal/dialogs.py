"""Small windows over the board: a choice, a line to type, the help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

HELP = """\
Click a point to play there, or go there with the arrow keys and
press Enter. Of pieces that move, first the piece, then its goal;
Esc puts it back. The number of a column plays it.

m  type a move, such as {example:<6}    p  pass; swap in Hex
u  take back to your last turn    r  play again what was taken back
h  hint: what a search would play
a  analysis: the policy as heat, and of the best moves the chance
   to win and visits, or ranks where there is little room; the
   graph is the first side's chance over the game
g  Go: whose each point will be, and the score expected
v  review: step through the game, its mistakes marked (?!, ?, ??);
   a and g work there too
l  another opponent, by level     s  change sides
x  resign (u takes it back)       n  new game
w  write the game to a file       o  open one
t  light or dark                  q  quit

Watching: Space stops and goes on, a full stop makes one move.
A chance counts a draw as half. Filled stones move first."""


class Choice(ModalScreen[int | None]):
    """Asks for one of several answers: its number, None for none. The cursor begins `at` one of them."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss", "Back")]

    def __init__(self, question: str, answers: Sequence[str], at: int = 0) -> None:
        super().__init__()
        self._question, self._answers, self._at = question, answers, at

    def compose(self) -> ComposeResult:
        answers = OptionList(*self._answers, markup=False)
        answers.border_title = self._question
        answers.highlighted = self._at
        yield answers

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option_index)


class Typed(ModalScreen[str | None]):
    """Asks for a line of text, until `accept` takes one: its ValueError is shown, and the line can be mended."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "dismiss", "Back")]

    def __init__(self, title: str, accept: Callable[[str], object], *, hint: str = "", value: str = "") -> None:
        super().__init__()
        self._title, self._accept, self._hint, self._value = title, accept, hint, value

    def compose(self) -> ComposeResult:
        with Vertical():
            line = Input(self._value, placeholder=self._hint, select_on_focus=False)
            line.border_title = self._title
            yield line
            yield Static(markup=False)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        if not event.value.strip():
            return
        try:
            self._accept(event.value.strip())
        except ValueError as error:
            self.query_one(Static).update(str(error))
        else:
            self.dismiss(event.value)


class Help(ModalScreen[None]):
    """Text, until a key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,question_mark,enter,space", "dismiss", "Back")]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll() as window:
            window.border_title = "help"
            window.border_subtitle = "Esc closes it"
            yield Static(self._text, markup=False)
