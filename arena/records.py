"""`arena records`: what a collection or ledger of games holds, what of it cannot be read, the same games in another format."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

import envs
from arena.ledger import Ledger, is_ledger
from envs import records
from envs.records import GameRecord, Skipped
from envs.words import number_of

BATCH = 1024  # games that are replayed side by side
SHOWN = 5  # examples of each reason, and players, that are shown
RESULTS = (1.0, -1.0, 0.0, None)
DATE = re.compile(r"\b[12]\d{3}(-\d\d){0,2}\b")


@dataclass
class Summary:
    """What has been read: counts over all games."""

    games: Counter[str] = field(default_factory=Counter)  # by game and board
    results: Counter[tuple[str, float | None]] = field(default_factory=Counter)  # by game and board, and result
    moves: Counter[str] = field(default_factory=Counter)  # by game and board
    players: Counter[str] = field(default_factory=Counter)
    dates: set[str] = field(default_factory=set)
    skipped: Counter[str] = field(default_factory=Counter)  # by reason
    examples: dict[str, list[Skipped]] = field(default_factory=dict)  # by reason

    def add(self, found: GameRecord | Skipped) -> None:
        if isinstance(found, Skipped):
            self.skipped[found.reason] += 1
            kept = self.examples.setdefault(found.reason, [])
            if len(kept) < SHOWN:
                kept.append(found)
            return
        kind = records.board_name(found.game)
        self.games[kind] += 1
        self.results[kind, found.result] += 1
        self.moves[kind] += len(found.actions)
        self.players.update(filter(None, found.players))
        if date := DATE.search(found.headers.get("date", "")):
            self.dates.add(date[0])


def summarise(paths: list[Path], *, game: str, check: bool, to: Path | None, console: Console) -> None:
    """Read `paths` and print what they hold. `check` skips games that the rules forbid; what is left is written to `to`.

    ValueError where no game could be read.
    """
    summary = Summary()
    found = itertools.chain.from_iterable([_read(path, game or None) for path in paths])
    kept = _counted(_legal(found) if check else found, summary)
    with console.status("reading"):
        first = next(kept, None)  # an old file is not written over with nothing
        if first is not None and to is not None:
            records.write(to, itertools.chain([first], kept))
        for _ in kept:
            pass
    _print(summary, console)
    if first is None:
        raise ValueError(f"no game could be read in {', '.join(map(str, paths))}")
    if to is not None:
        console.print(
            f"{number_of(summary.games.total(), 'game')} written to {to}", markup=False, highlight=False, soft_wrap=True
        )


def _read(path: Path, game: str | None) -> Iterator[GameRecord | Skipped]:
    """As `envs.records.read`, games of a ledger too."""
    if not is_ledger(path):
        return records.read(path, game)
    if game is not None:
        envs.make(game)  # ValueError where there is no such game
    return _ledger(path, game)


def _ledger(path: Path, game: str | None) -> Iterator[GameRecord | Skipped]:
    with Ledger(path) as ledger:
        for record in ledger.records():
            try:
                records.check_wanted(record.game, game)
            except records.RefusedError as refused:
                yield Skipped(record.source, *refused.args)
            else:
                yield record


def _counted(found: Iterable[GameRecord | Skipped], summary: Summary) -> Iterator[GameRecord]:
    for item in found:
        summary.add(item)
        if isinstance(item, GameRecord):
            yield item


def _legal(found: Iterable[GameRecord | Skipped]) -> Iterator[GameRecord | Skipped]:
    """Games that the rules forbid become skipped ones; those of a kind are replayed side by side."""
    found = iter(found)
    while batch := list(itertools.islice(found, BATCH)):
        kinds: dict[str, list[tuple[int, GameRecord]]] = {}
        for place, item in enumerate(batch):
            if isinstance(item, GameRecord):
                kinds.setdefault(item.game, []).append((place, item))
        for spec, kind in kinds.items():
            _, legal = records.last_states([record for _, record in kind], records.make_game(spec))
            for (place, record), allowed in zip(kind, legal, strict=True):
                if not allowed:
                    batch[place] = _refused(record)
        yield from batch


def _refused(record: GameRecord) -> Skipped:
    try:
        records.replay(record)
    except ValueError as error:
        return Skipped(record.source, "illegal", str(error).removeprefix(f"{record.source}: "))
    raise AssertionError(f"{record.source} replays alone, but not beside others")


def _print(summary: Summary, console: Console) -> None:
    if summary.games:
        table = Table(title="Games read")
        for column in ("game", "games", "first won", "second won", "drawn", "unknown", "moves"):
            table.add_column(column, justify="left" if column == "game" else "right", overflow="fold")
        for kind, count in summary.games.most_common():
            results = (summary.results[kind, result] for result in RESULTS)
            table.add_row(kind, *(f"{number:,}" for number in (count, *results, summary.moves[kind])))
        console.print(table)
    if summary.players:
        most = ", ".join(
            f"{records.printable(name, 40)} {count:,}" for name, count in summary.players.most_common(SHOWN)
        )
        more = " ..." if len(summary.players) > SHOWN else ""
        console.print(f"{number_of(len(summary.players), 'player')}: {most}{more}", markup=False, highlight=False)
    if summary.dates:
        console.print(f"played from {min(summary.dates)} to {max(summary.dates)}", highlight=False)
    if summary.skipped:
        table = Table(title="Games skipped")
        table.add_column("games", justify="right")
        table.add_column("reason")
        table.add_column("such as", overflow="fold")
        for reason, count in summary.skipped.most_common():
            examples = [f"{found.source} {found.detail}".rstrip() for found in summary.examples[reason]]
            table.add_row(f"{count:,}", reason, escape("\n".join(examples)))
        console.print(table)
    read, skipped = summary.games.total(), summary.skipped.total()
    console.print(f"{number_of(read, 'game')} read, {skipped:,} skipped", highlight=False)
