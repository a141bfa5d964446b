"""`arena match`, `arena tournament` and `arena rate LEDGER`: what was played, as tables for the terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import envs
from agents.players import built_in
from arena import rating
from arena.ledger import DEFAULT, Ledger, LedgerGame, is_ledger
from arena.rating import Estimate, Result
from arena.schedule import Format, ladder_order, swiss_points
from arena.sprt import SPRT, pair_counts
from arena.tournament import Played, Tournament, distinct, pairs, play
from envs.words import number_of

REPEATED = ("gomoku",)  # a name for a game that is in the list under another one too


def tournaments(game: str, players: Sequence[str], shared: tuple[Any, ...]) -> Iterator[Tournament]:
    """The tournament of `game`, or of every game for "all"; `shared` is the rest of the settings, in their order.

    Where no players are named, those that come with the game take part.
    """
    if shared[0] not in get_args(Format):
        raise ValueError(f"there is no tournament '{shared[0]}': choose one of {', '.join(get_args(Format)[1:])}")
    for name in [name for name in envs.GAMES if name not in REPEATED] if game == "all" else [game]:
        yield Tournament(name, tuple(players or built_in(envs.make(name))), *shared)


def play_and_show(
    settings: Tournament,
    ledger_file: Path | None,
    *,
    anchor: str,
    sprt: tuple[float, float] | None,
    markdown: bool = False,
) -> None:
    """Play what is missing of a tournament and print how it ended."""
    settings = replace(settings, sprt=SPRT(*sprt) if sprt else None)
    console = Console(emoji=False, markup=False)
    with Ledger(ledger_file or DEFAULT) as ledger:
        try:
            with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
                task = bar.add_task("", total=None)
                played = play(
                    settings,
                    ledger,
                    begin=lambda title, games: bar.reset(task, description=title, total=games),
                    progress=lambda games: bar.advance(task, games),
                )
        except KeyboardInterrupt:
            console.print(
                f"stopped; the finished games are in {ledger.path}, and the same command goes on from there",
                soft_wrap=True,
                highlight=False,
            )
            raise
        game = envs.make(settings.game)
        if settings.format == "match":
            games = distinct(played.games)
            show(console, [match_table(settings, games, game.name)], markdown)
            _show_copies(console, len(played.games) - len(games))
            if settings.sprt:
                console.print(_decision(settings.sprt, played), soft_wrap=True, highlight=False)
            return
        results, copies = ledger.results(game.name, game.version, played.event)
        show(console, [crosstable(results, settings.players, game.name)], markdown)
        show_ratings(console, results, copies, anchor=anchor, title=game.name, markdown=markdown)
        show_losses(console, ledger, game.name, game.version, played.event)
    if settings.format == "ladder":
        order = ", ".join(ladder_order(settings.players, played.rounds))
        console.print(f"The ladder, from the top: {order}", soft_wrap=True, highlight=False)
    if settings.format == "swiss":
        points = swiss_points(settings.players, played.rounds)
        found = ", ".join(f"{name} {points[name]:g}" for name in sorted(points, key=lambda name: -points[name]))
        console.print(f"Points: {found}", soft_wrap=True, highlight=False)


def show_ledger(path: Path, *, anchor: str, markdown: bool = False) -> None:
    """Print a rating list of every game that the ledger in `path` has games of. ValueError where it is no ledger."""
    if not is_ledger(path):
        raise ValueError(
            f"{path} is no ledger: `arena rate` takes a run's folder, a ledger such as {DEFAULT}, or a game and its players"
        )
    console = Console(emoji=False, markup=False)
    with Ledger(path) as ledger:
        rules = ledger.rules()
        if not rules:
            raise ValueError(f"{path} has no games yet: `arena tournament GAME --ledger {path}` plays some")
        for game, version in rules:
            results, copies = ledger.results(game, version)
            title = game if len({v for g, v in rules if g == game}) == 1 else f"{game}, rules of version {version}"
            show_ratings(console, results, copies, anchor=anchor, title=title, markdown=markdown)
            show_losses(console, ledger, game, version)


def show_ratings(
    console: Console, results: list[Result], copies: int, *, anchor: str, title: str, markdown: bool = False
) -> None:
    """Print the rating list of every group of players that games link, and what a list does not tell."""
    found = rating.groups(results)
    for group in found:
        inside = [r for r in results if r.a in group]
        estimate = rating.estimate(inside, {anchor: 0.0} if anchor in group else {}, a_first=True)
        show(console, [rating_table(estimate, title)], markdown)
        if estimate.first_move is not None:
            value, low, high = (round(figure) for figure in estimate.first_move)  # no "-0"
            note = f"The first move is worth {value:+d} Elo ({low:+d} to {high:+d})"
            console.print(f"{note}; equals draw {estimate.draws:.0%} of their games.", soft_wrap=True)
        for circle in rating.cycles(inside):
            beats = " beats ".join([*circle, circle[0]])
            console.print(f"A circle, which no rating can tell: {beats}.", soft_wrap=True)
    if len(found) > 1:
        console.print(f"No games link these {len(found)} groups: their ratings do not compare.", soft_wrap=True)
    _show_copies(console, copies)


def _show_copies(console: Console, copies: int) -> None:
    """Say how many games are left out of a table because they are copies of others."""
    if copies:
        console.print(f"Not counted, since they are copies of other games: {copies:,}.", soft_wrap=True)


def show_losses(console: Console, ledger: Ledger, game: str, version: int, event: str | None = None) -> None:
    """Print who lost games other than on the board, how many, and why: "gtp:foo lost 2 by crash"."""
    for loss in ledger.losses(game, version, event):
        console.print(
            f"{loss.player} lost {loss.games} by {loss.reason}: {loss.detail}".rstrip(": "),
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def rating_table(estimate: Estimate, title: str) -> Table:
    """A rating list, best first; the last column: how likely each player is stronger than the next."""
    table = Table(title=f"Ratings: {title}")
    table.add_column("player")
    for column in ("Elo", "95%", "games", "score", "stronger than the next"):
        table.add_column(column, justify="right")
    rows = estimate.ratings()
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        superiority = f"{estimate.superiority(row.name, after.name):.1%}" if after else ""
        interval = f"{round(row.low)} to {round(row.high)}" if row.low < row.high else "fixed"  # no "-0"
        table.add_row(row.name, str(round(row.elo)), interval, str(row.games), f"{row.score:.1%}", superiority)
    return table


def crosstable(results: Iterable[Result], players: Sequence[str], title: str) -> Table:
    """The mean score of every player, a row, against every other, a column with the number of its row: names would not fit."""
    points: dict[tuple[str, str], list[float]] = {}
    for r in results:
        for pair, won in (((r.a, r.b), r.wins), ((r.b, r.a), r.losses)):
            total = points.setdefault(pair, [0, 0])
            total[0] += won + r.draws / 2
            total[1] += r.wins + r.draws + r.losses
    names = sorted({a for a, _ in points}, key=lambda name: players.index(name) if name in players else len(players))
    table = Table(title=f"Scores: {title}")
    table.add_column("", justify="right")
    table.add_column("player")
    for number, _ in enumerate(names, 1):
        table.add_column(str(number), justify="right")
    for number, a in enumerate(names, 1):
        table.add_row(
            str(number), a, *(f"{points[a, b][0] / points[a, b][1]:.0%}" if (a, b) in points else "" for b in names)
        )
    return table


def match_table(settings: Tournament, games: Sequence[LedgerGame], title: str) -> Table:
    """A match of these games in one row, seen from its first player."""
    scores = [g.score if g.a_first else 1 - g.score for g in games]
    elo = rating.elo_difference(sum(scores) / len(scores), len(scores))
    cells = {
        "games": str(len(games)),
        "won": str(scores.count(1)),
        "drawn": str(scores.count(0.5)),
        "lost": str(scores.count(0)),
        "score": f"{sum(scores) / len(scores):.1%}",
        "Elo difference (95%)": f"{elo.elo:+.0f} ({elo.low:+.0f} to {elo.high:+.0f})",
    }
    if adjudicated := sum(g.reason == "adjudication" for g in games):
        cells["adjudicated"] = str(adjudicated)
    if forfeits := _forfeits(games):
        cells["lost otherwise"] = forfeits
    table = Table(title=f"{title}: {settings.players[0]} against {settings.players[1]}")
    for column in cells:
        table.add_column(column, justify="right")
    table.add_row(*cells.values())
    return table


def _decision(test: SPRT, played: Played) -> str:
    counts = pair_counts(pairs(played.games))
    (low, high), ratio = test.bounds(), test.log_likelihood_ratio(counts)
    after = number_of(sum(counts), "distinct pair")
    return (
        f"SPRT of {test.elo1:+g} Elo against {test.elo0:+g}: {test.verdict(counts)} after {after}"
        f" (log likelihood ratio {ratio:.2f}, bounds {low:.2f} and {high:.2f})"
    )


def _forfeits(games: Sequence[LedgerGame]) -> str:
    """Games that were lost other than on the board, by reason: "2 crash, 1 time"."""
    reasons = [g.reason for g in games if g.reason not in ("normal", "adjudication")]
    return ", ".join(f"{reasons.count(reason)} {reason}" for reason in dict.fromkeys(reasons))


def show(console: Console, tables: Iterable[Table], markdown: bool) -> None:
    """Print tables, or write them as Markdown."""
    for table in tables:
        if not markdown:
            console.print(table)
            continue
        heads = [str(column.header) for column in table.columns]
        rows = zip(*(list(column.cells) for column in table.columns), strict=True)
        lines = [f"**{table.title}**", "", "| " + " | ".join(heads) + " |"]
        lines.append("|" + "|".join("---:" if column.justify == "right" else "---" for column in table.columns) + "|")
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
        console.print("\n".join(lines) + "\n", soft_wrap=True, markup=False, highlight=False)
