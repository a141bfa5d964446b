"""Stage 5: everybody meets everybody. The paper's ablation, the mixture λ swept, and whoever else is asked to join.

Every pair plays paired openings, seats swapped. Ratings are of all games together; the raw supervised policy is 0 Elo, in the
paper's column too (its extended data table 7), so that the figures say what each part adds to it.

TABLE/results.json   every pair that has met
      games/               a game of all of AlphaGo, as the paper has it, with each of the others
      table.csv, table.md, table.svg   the ratings
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from agents import gnugo
from agents.alphago.player import variant
from agents.alphago.search import APVSettings, Parts
from agents.files import write_atomically
from agents.players import Player, make_player
from agents.section import Section
from arena import rating
from arena.match import MatchResult, PlayedGame, play_match, random_openings
from arena.report import games as sample
from arena.report.chart import Interval, interval_chart, standalone
from envs import Game
from envs.go import Go

SUPERVISED = "supervised policy"  # the player of 0 Elo
PAPER = {  # Elo
    "AlphaGo rvp, λ 0.5": 2890,
    "AlphaGo rp, λ 1": 2416,
    "AlphaGo vp, λ 0": 2177,
    "AlphaGo rv, λ 0.5": 2077,
    "AlphaGo v": 1655,
    SUPERVISED: 1517,
    "AlphaGo r": 1457,
    "GNU Go": 431,
}
RESULTS = "results.json"
COLUMNS = ("player", "Elo", "low", "high", "games", "score", "ms a move", "paper")


class TableSettings(Section):
    """The comparison at the end: every pair of players meets."""

    simulations: int = Field(100, ge=1, description="a move of the players that search")
    openings: int = Field(10, ge=1, description="paired openings a pairing: twice as many games")
    opening_plies: int = Field(4, ge=0, description="random moves an opening consists of")
    search: APVSettings = APVSettings(asynchronous=False)
    mixes: tuple[float, ...] = Field(
        (0.25, 0.5, 0.75),
        description="weights λ of the rollout in all of AlphaGo; 0 and 1 are its vp and rp; paper 0.5",
    )
    gnu_go: int | None = Field(
        10, ge=1, le=10, description="level of GNU Go, which joins where it is installed; null: not"
    )
    opponents: tuple[str, ...] = Field(
        ("mcts:100",), description="players beside AlphaGo's own: champion:100, another run's folder"
    )


class Meeting(NamedTuple):
    """The games of a pair. Copies of others tell nothing new: they are no results, as in `arena match`."""

    a: str
    b: str
    wins: int  # of a
    draws: int
    losses: int
    moves: tuple[int, int]  # made by a and by b, in copies too
    seconds: tuple[float, float]  # that they took, games side by side
    reasons: dict[str, int]  # why games ended
    copies: int = 0  # of games; files of before they were left out do not tell

    @classmethod
    def of(cls, a: str, b: str, played: MatchResult, opening_plies: int, to_play: int) -> Meeting:
        """`to_play`: the player whose turn it is after the openings, all of `opening_plies`."""
        plies = np.array([len(game.actions) - opening_plies for game in played.games])
        first = (plies + 1) // 2  # moves of who began
        begins = np.array([game.a_first for game in played.games]) == (to_play == 0)
        ours = int(np.where(begins, first, plies - first).sum())
        seconds = np.sum([game.seconds for game in played.games], axis=0).tolist()
        moves = (ours, int(plies.sum()) - ours)
        counted = played.without_copies()
        reasons = Counter[str](game.reason for game in counted.games)
        copies = len(played.games) - len(counted.games)
        score = (counted.wins, counted.draws, counted.losses)
        return cls(a, b, *score, moves, (seconds[0], seconds[1]), dict(reasons), copies)

    @property
    def games(self) -> int:
        """Those that count."""
        return self.wins + self.draws + self.losses


class Row(NamedTuple):
    """A line of the table; Elo is over the supervised policy."""

    player: str
    elo: float
    low: float  # end of the 95% interval
    high: float
    games: int
    score: float  # mean
    milliseconds: float  # a move
    paper: int | None  # Elo over the supervised policy there


def whole_name(mix: float) -> str:
    """All of AlphaGo with the mixture λ."""
    return f"AlphaGo rvp, λ {mix:g}"


def ablation(game: Game, parts: Parts, settings: TableSettings) -> dict[str, Player]:
    """The paper's variants that search, by name; all of AlphaGo once for every λ that is none of its ends."""
    players: dict[str, Player] = {}
    for mix in settings.mixes:
        if 0 < mix < 1:
            search = settings.search.model_copy(update={"mix": mix})
            players[whole_name(mix)] = variant(game, "rvp", parts, settings.simulations, search)
    names = {"vp": "vp, λ 0", "rp": "rp, λ 1", "rv": f"rv, λ {settings.search.mix:g}", "v": "v", "r": "r"}
    for letters, name in names.items():
        players[f"AlphaGo {name}"] = variant(game, letters, parts, settings.simulations, settings.search)
    return players


def opponents(game: Game, settings: TableSettings, seed: int, note: Callable[[str], None]) -> dict[str, Player]:
    """Those from outside, by name; `note` is told where GNU Go is missing."""
    players = {spec: make_player(game, spec, seed=seed) for spec in dict.fromkeys(settings.opponents)}
    if settings.gnu_go is not None and isinstance(game, Go):
        spec = gnugo.player(settings.gnu_go)
        if spec is None:
            note("table: GNU Go is not installed, so it does not join (apt install gnugo)")
        else:
            players[f"GNU Go, level {settings.gnu_go}"] = make_player(game, spec, seed=seed)
    return players


def play(
    game: Game,
    players: Mapping[str, Player],
    settings: TableSettings,
    folder: Path,
    *,
    seed: int,
    progress: Callable[[int], None],
) -> list[Meeting]:
    """All meetings: those that `folder` holds, and the others, each kept as it ends. `progress` hears of games."""
    file = folder / RESULTS
    done = [meeting for meeting in load(folder) if {meeting.a, meeting.b} <= set(players)]
    progress(sum(meeting.games + meeting.copies for meeting in done))
    met = {(meeting.a, meeting.b) for meeting in done}
    for number, (a, b) in enumerate(combinations(players, 2)):
        if (a, b) in met:
            continue
        rng = np.random.default_rng([seed, 3, number])
        openings = random_openings(game, settings.openings, settings.opening_plies, rng).repeated(settings.openings)
        played = play_match(game, players[a], players[b], openings, rng, progress=progress)
        to_play = int(openings.states["to_play"][0])
        done.append(Meeting.of(a, b, played, settings.opening_plies, to_play))
        write_atomically(file, json.dumps([meeting._asdict() for meeting in done]).encode())
        for me, opponent in ((a, b), (b, a)):
            if me == whole_name(settings.search.mix):
                _keep(folder, me, opponent, played.games[0], first=me == a)
    return done


def load(folder: Path) -> list[Meeting]:
    """The meetings that `folder` holds, in the order in which they were played."""
    file = folder / RESULTS
    return [Meeting(**meeting) for meeting in json.loads(file.read_bytes())] if file.exists() else []


def _keep(folder: Path, me: str, opponent: str, game: PlayedGame, *, first: bool) -> None:
    """Add a game to the samples of `me`, who is the match's first player if `first`."""
    score = game.score if first else 1 - game.score
    shown = sample.SampleGame(opponent, game.a_first == first, score, list(game.actions))
    sample.save(folder, me, [*sample.load(folder).get(me, []), shown])


def estimate(meetings: Iterable[Meeting]) -> rating.Estimate:
    """Ratings, the supervised policy's 0."""
    return rating.estimate([rating.Result(*meeting[:5]) for meeting in meetings], anchors={SUPERVISED: 0.0})


def rows(meetings: Sequence[Meeting]) -> list[Row]:
    """The table, best first."""
    moves, seconds = Counter[str](), defaultdict[str, float](float)
    for meeting in meetings:
        for name, count, time in zip((meeting.a, meeting.b), meeting.moves, meeting.seconds, strict=True):
            moves[name] += count
            seconds[name] += time
    return [
        Row(
            r.name,
            r.elo,
            r.low,
            r.high,
            r.games,
            r.score,
            1000 * seconds[r.name] / max(1, moves[r.name]),
            paper(r.name),
        )
        for r in estimate(meetings).ratings()
    ]


def paper(name: str) -> int | None:
    """Elo over the supervised policy in the paper, None for whom it does not rate.

    >>> paper("AlphaGo rvp, λ 0.5"), paper("GNU Go, level 10"), paper("mcts:100")
    (1373, -1086, None)
    """
    found = PAPER.get(name, PAPER.get(name.partition(", level")[0]))
    return None if found is None else found - PAPER[SUPERVISED]


def write(meetings: Sequence[Meeting], folder: Path) -> None:
    """`table.csv`, `table.md` and `table.svg` in `folder`."""
    found = rows(meetings)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS)
    for row in found:
        numbers = (f"{x:.0f}" for x in row[1:4])
        shown = "" if row.paper is None else row.paper
        lines.writerow([row.player, *numbers, row.games, f"{row.score:.3f}", f"{row.milliseconds:.1f}", shown])
    write_atomically(folder / "table.csv", text.getvalue().encode())
    markdown = "| player | Elo (95%) | score of games | ms a move | paper |\n|---|---|---|---|---|\n"
    for row in found:
        shown = "" if row.paper is None else f"{row.paper:+d}"
        markdown += (
            f"| {row.player} | {row.elo:.0f} ({row.low:.0f} to {row.high:.0f}) | {row.score:.1%} of {row.games} "
            f"| {row.milliseconds:.1f} | {shown} |\n"
        )
    write_atomically(folder / "table.md", markdown.encode())
    write_atomically(folder / "table.svg", standalone(picture(found)).encode())


def picture(found: Sequence[Row]) -> str:
    """The table as a chart, SVG."""
    intervals = [Interval(row.player, row.elo, row.low, row.high, row.paper) for row in found]
    return interval_chart(intervals, "Elo over the raw supervised policy, with 95% intervals", mark="the paper, 19x19")
