"""Small windows over the board: a choice, a line to type, the help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from rich.console import Group
from rich.table import Table
from textual import on
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static

MOVING = """\
Click a point to play there, or go there with the arrow keys and press Enter. Of pieces that move, first the piece, then its \
goal; Esc puts it back. The number of a column plays it."""
PAIRS = (
    (("m", "type a move, such as {example}"), ("p", "pass; swap in Hex")),
    (("u", "take back to your last turn"), ("r", "play again what was taken back")),
)
ALONE = (
    ("h", "hint: what a search would play"),
    (
        "a",
        "analysis: the policy as heat, and of the best moves the chance to win and visits, or ranks where there is little "
        "room; the graph is the first side's chance over the game",
    ),
    ("g", "Go: whose each point will be, and the score expected"),
    ("v", "review: step through the game, its mistakes marked (?!, ?, ??); a and g work there too"),
)
MORE_PAIRS = (
    (("l", "another opponent, by level"), ("s", "change sides")),
    (("x", "resign (u takes it back)"), ("n", "new game")),
    (("w", "write the game to a file"), ("o", "open one")),
    (("t", "light or dark"), ("q", "quit")),
)
WATCHING = """\
Watching: Space stops and goes on, a full stop makes one move. A chance counts a draw as half. Filled stones move first."""


def help_text(example: str) -> Group:
    """What the keys do, for windows of any width; `example` is a move."""
    keys = [_keys(PAIRS, example), _keys([(key,) for key in ALONE], example), _keys(MORE_PAIRS, example)]
    return Group(MOVING, "", *keys, "", WATCHING)


def _keys(rows: Sequence[Sequence[tuple[str, str]]], example: str) -> Table:
    """Keys and what they do, in as many columns as a row has keys."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for _ in rows[0]:
        table.add_column(width=1)
        table.add_column(ratio=1)
    for row in rows:
        table.add_row(*(cell for key, text in row for cell in (key, text.format(example=example))))
    return table


Answer = TypeVar("Answer")


class Window(ModalScreen[Answer]):
    """Closes once: keys and clicks that were on their way then would close what is under it, or end the program."""

    def dismiss(self, result: Answer | None = None) -> AwaitComplete:
        return super().dismiss(result) if self.is_current else AwaitComplete()


class Choice(Window[int | None]):
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


class Typed(Window[str | None]):
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
        if not event.value.strip() or not self.is_current:
            return
        try:
            self._accept(event.value.strip())
        except ValueError as error:
            self.query_one(Static).update(str(error))
        else:
            self.dismiss(event.value)


class Help(Window[None]):
    """What the keys do, until one is pressed; `example` is a move."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape,q,question_mark,enter,space", "dismiss", "Back")]

    def __init__(self, example: str) -> None:
        super().__init__()
        self._example = example

    def compose(self) -> ComposeResult:
        with VerticalScroll() as window:
            window.border_title = "help"
            window.border_subtitle = "Esc closes it"
            yield Static(help_text(self._example))
