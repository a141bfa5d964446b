"""What stands beside the board: players, moves, what a search sees."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from agents.levels import level
from arena.look import View, candidate_table, line_text, percent
from arena.table import Table
from arena.terminal.drawing import GLYPHS, PIECES, Look
from envs import Game, States
from envs.breakthrough import Breakthrough
from envs.chess_game import REASONS, Chess
from envs.go import Go
from envs.hex import Hex
from envs.othello import Othello
from envs.words import number_of

WORTH = (1, 3, 3, 5, 9, 0)  # of chess pieces, in pawns
BARS = " ▁▂▃▄▅▆▇█"
GRAPH_HEIGHT = 3  # lines


def players(table: Table, look: Look, note: str = "") -> Text:
    """A line a side: whose turn, stone, clock, who; then what the game counts, and a `note`."""
    lines = []
    for side in (0, 1):
        turn = "▶" if not table.over and side == table.to_play else "★" if table.winner == side else " "
        name, stone = look.names[side], GLYPHS[look.shapes[side]] if side == 0 else hollow(look)
        line = Text(f"{turn} {f'{stone} {name}' if len(name) > 1 else name:<9}")  # X is its own stone
        line.append(f"{table.clock.face(side):>5} ", "" if table.clock.control.limited else "dim")
        line.append(_who(table, side), "bold")
        lines.append(line)
    text = Text("\n", no_wrap=True, overflow="ellipsis").join(lines)
    for words in filter(None, (*strengths(table), counts(table, look), note)):
        text.append(f"\n{words}", "dim")
    return text


def _who(table: Table, side: int) -> str:
    if table.players is not None:
        return table.players[side] or "unknown"
    seat = table.seats[side]
    return "you" if seat.player is None and len(table.persons) == 1 else seat.name


def strengths(table: Table) -> list[str]:
    """What is known of the levels that play."""
    names = dict.fromkeys(seat.name for seat in table.seats if seat.name.startswith("level:"))
    steps = [(name, level(table.game, name.partition(":")[2])) for name in names]
    return [f"{name} {step.name}" + ("" if step.elo is None else f", Elo {step.elo:.0f}") for name, step in steps]


def hollow(look: Look) -> str:
    """The second side's stone as a character: an outline also where the board shows a white disc."""
    return GLYPHS["ring"] if look.shapes == ("disc", "disc") else GLYPHS[look.shapes[1]]


def counts(table: Table, look: Look) -> str:
    """What there is to know beside the board, the first side's number first."""
    game, state = table.game, table.state
    if isinstance(game, Go):
        black, white = state["captures"][0].tolist()
        return f"captures {black} : {white}, komi {game.komi:g}"
    if isinstance(game, Othello | Breakthrough):
        board = game.board(state)
        return f"on the board {(board > 0).sum()} : {(board < 0).sum()}"
    if isinstance(game, Chess):
        return captured(game, state)
    if isinstance(game, Hex):
        return f"{look.names[0]} joins top and bottom"
    return ""


def captured(game: Chess, state: States) -> str:
    """The pieces that each side has taken, as far as promotions do not hide them, and who is ahead by how many pawns' worth."""
    start, now = game.board(game.reset(1)).ravel(), game.board(state).ravel()
    taken, ahead = [], 0
    for sign in (-1, 1):  # White takes black pieces
        missing = [max(0, (start == sign * code).sum() - (now == sign * code).sum()) for code in range(1, 7)]
        taken.append("".join(PIECES[code] * count for code, count in reversed(list(enumerate(missing)))))
        ahead -= sign * sum(worth * (now == sign * code).sum() for code, worth in enumerate(WORTH, 1))
    lead = "" if ahead == 0 else f", {game.sides[0] if ahead < 0 else game.sides[1]} +{abs(ahead)}"
    return f"taken {taken[0] or '-'} : {taken[1] or '-'}{lead}"


def expected(look: Look, score: float) -> str:
    """What a network expects the first side's `score` to be."""
    return f"expected: {look.names[0 if score > 0 else 1]} by {abs(score):.1f}"


def verdict(table: Table, look: Look) -> str:
    """How the game ended."""
    moves = f"after {number_of(len(table.actions), 'move')}"
    if isinstance(table.game, Chess) and (reason := REASONS[int(table.state["status"][0])]):
        moves += f": {reason}"
    if table.winner is None:
        return f"A draw {moves}."
    name = look.names[table.winner]
    if table.lost is not None:
        detail = "" if table.lost.reason == "resignation" else table.lost.detail
        return f"{name} has won {table.lost.how} {moves}{': ' if detail else ''}{detail}."
    if isinstance(table.game, Go):
        return f"{name} has won by {abs(float(table.game.score(table.state)[0])):g} points {moves}."
    return f"{name} has won {moves}."


def moves(names: Sequence[str], marks: Mapping[int, str] | None = None, ply: int | None = None) -> Text:
    """The game, two moves a line, with `marks` by ply behind them; the last of the first `ply` moves is shown in reverse."""
    marks = marks or {}
    shown = [name + marks.get(i, "") for i, name in enumerate(names)]
    newest = (len(names) if ply is None else ply) - 1
    width = max(map(len, shown), default=0) + 2
    text = Text()
    for number in range(0, len(names), 2):
        text.append(f"{number // 2 + 1:>3}. ", "dim")
        for i in range(number, min(number + 2, len(names))):
            style = "reverse" if i == newest else "bold" if i in marks else ""
            text.append(shown[i], style).append(" " * (width - len(shown[i])))
        text.append("\n")
    return text or Text("no move yet", "dim")


def analysis(game: Game, view: View, side: str, width: int, most: int, source: str = "") -> RenderableType:
    """What a search by `source` sees when `side` is to move: its chance, `most` candidate moves, the expected line."""
    head = Text(", ".join(filter(None, (source, number_of(view.simulations, "visit")))), "dim")
    head.append(f"\n{side} {percent(view.value)} to win", "not dim bold")
    head.append(f", proven {view.proven}" if view.proven else "", "not dim")
    line = textwrap.wrap("line " + line_text(game, view), width, max_lines=2, placeholder=" …")
    table = candidate_table(game, view, most)
    table.padding = (0, 1, 0, 0)  # all five columns in the panel's width
    return Group(head, *([table] if most else []), Text("\n".join(line), "italic"))


def graph(values: Mapping[int, float], plies: int, look: Look, width: int, at: int | None = None) -> Text:
    """The first side's chance to win over the game so far, `values` in [-1, 1] by ply: its share of every column.

    Under it a mark stands where `at` of the `plies` moves are made, if that is asked for; its chance there stands above.
    """
    known = sorted(ply for ply in values if ply <= plies)
    if not known:
        return Text()

    def chance(ply: int) -> float:
        return (1 + values[known[max(0, int(np.searchsorted(known, ply, "right")) - 1)]]) / 2

    chances = [chance(ply) for ply in np.linspace(0, plies, width).round().astype(int)]
    lines = [Text(f"{look.names[0]}'s chance {chance(plies if at is None else at):.0%}, over the game", "dim")]
    first, second = look.stones
    for row in reversed(range(GRAPH_HEIGHT)):
        eighths = [int(np.clip(round(8 * (GRAPH_HEIGHT * chance - row)), 0, 8)) for chance in chances]
        lines.append(Text("".join(BARS[n] for n in eighths), f"{first} on {second}"))
    if at is not None:
        lines.append(Text(" " * round(at * (width - 1) / max(plies, 1)) + "▲"))
    return Text("\n").join(lines)


def lead(scores: Mapping[int, float], plies: int, look: Look, width: int, at: int) -> Text:
    """By how many points a side is ahead after `at` of `plies` moves, and over the game: `scores` by ply, for the first side.

    The line of bars is half full where the game is even, full at the greatest lead of the first side's or the second's
    reversed; what is not known yet is left out.
    """
    text, most = Text(), max(1.0, *map(abs, scores.values()))
    if (score := scores.get(at)) is not None:
        text.append(f"{look.names[0 if score > 0 else 1]} ahead by {abs(score):.1f} points", "dim")
    text.append("\n")
    first, second = look.stones
    for ply in np.linspace(0, plies, width).round().astype(int).tolist():
        if ply in scores:
            text.append(BARS[round(4 + 4 * scores[ply] / most)], f"{first} on {second}")
        else:
            text.append(" ")
    return text
