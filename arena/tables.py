"""`arena rate RUN` and `arena games` as tables in the terminal, and which game the players on a command line play."""

from __future__ import annotations

from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

import envs
from agents.files import find_agent, load_agent
from agents.levels import levels, measured
from agents.players import has_champion
from arena import checkpoint, rating
from arena.alphago import table as alphago
from arena.alphago.settings import AlphaGoConfig
from arena.config import Config
from arena.folders import config_of
from arena.settings import kind, load
from arena.standings import rating_table, show
from envs import Game
from envs.go import Go
from envs.words import number_of

OTHERS = {  # what a game can be besides its default
    "go": ("go19", "go:size=13,komi=6.5", "go19:handicap=4", "go9:rules=tromp-taylor", "go9:superko=situational"),
    "hex": ("hex7", "hex11:swap=false"),
    "othello": ("othello6",),
    "gomoku": ("gomoku9", "gomoku15:exact=true"),
    "mnk": ("mnk:m=4,n=3,k=3", "mnk:m=7,n=7,k=4"),
    "breakthrough": ("breakthrough6",),
}


def run_ratings(folder: Path, *, markdown: bool = False) -> None:
    """Print the rating list of the run in `folder`, of AlphaGo's stages that of its table."""
    path, console = config_of(folder), Console(emoji=False, markup=False)
    if kind(path) == "alphago":
        meetings = alphago.load(folder / "table")
        if not meetings:
            raise ValueError(
                f"no players have met at the table of {folder} yet, its last stage: `arena report {folder}` shows the rest"
            )
        show(console, [rating_table(alphago.estimate(meetings), load(AlphaGoConfig, path).name)], markdown)
        return
    config = load(Config, path)
    found, problems = checkpoint.newest(folder)
    for problem in problems:
        console.print(problem)
    if found is None or not found.state["results"]:
        raise ValueError(
            f"{folder} has rated no agent yet: it does after every {number_of(config.rating.every, 'iteration')} (rating.every)"
        )
    results = [rating.Result(*r) for r in found.state["results"]]
    estimate = rating.estimate(results, anchors=dict(config.rating.anchors))
    show(console, [rating_table(estimate, config.name)], markdown)


def show_levels(name: str) -> None:
    """Print the levels of a game and how strong they were measured to be."""
    game = envs.make(name)
    measurement = measured().get(game.name)
    table = Table(title=f"Levels of {game.name}")
    for column in ("level", "name", "player", "Elo", "95%"):
        table.add_column(column, justify="left" if column in ("name", "player") else "right")
    for step in levels(game):
        known = step.elo is not None
        interval = f"{step.low:.0f} to {step.high:.0f}" if step.low < step.high else "fixed"
        table.add_row(
            str(step.number), step.name, step.player, f"{step.elo:.0f}" if known else "?", interval if known else ""
        )
    console = Console(emoji=False, markup=False)
    console.print(table)
    if measurement is None:
        console.print("Not measured on this board: the order is that of other games.", soft_wrap=True)
    else:
        games = f"{measurement['games']} games between neighbours"
        console.print(f"{games}, {measurement['date']}: {measurement['command']}", soft_wrap=True, highlight=False)


def games() -> None:
    """Print the games, how to write them, and the sizes and rules that they come in."""
    table = Table(
        "name", "board", "moves", "longest", "champion", "others, for example", box=box.SIMPLE_HEAD, pad_edge=False
    )
    for name in envs.GAMES:
        game = envs.make(name)
        h, w = game.board_shape
        champion = "yes" if has_champion(game) else ""
        sizes = f"{w} x {h}", f"{game.num_actions:,}", str(game.max_plies)
        table.add_row(name, *sizes, champion, "\n".join(OTHERS.get(name, ())))
    console = Console(emoji=False, markup=False)
    console.print(table)
    console.print(
        "Chess from any position, as FEN with _ for blanks: chess:fen=4k3/8/8/8/8/8/8/R3K3_w_-_-_0_1", soft_wrap=True
    )
    console.print(
        "Games of other libraries: openspiel:breakthrough(rows=6,columns=6), pettingzoo:chess_v6", soft_wrap=True
    )


def game_of(name: str, players: list[str]) -> Game:
    """The game named, else that of the first trained agent among `players`."""
    if name:
        return envs.make(name)
    for player in players:
        path = Path(player if Path(player).exists() else player.rpartition(":")[0])
        if path.name and path.exists():
            return load_agent(find_agent(path)).game
    raise ValueError("neither player is a trained agent: name the game with --game connect_four")


def go_game(name: str, player: str) -> Go:
    """The board that `arena gtp` begins with: 9x9 for the champion, which plays on no other."""
    try:
        game = game_of(name, [player])
    except ValueError:
        if name:
            raise
        game = envs.make("go9" if player.partition(":")[0] == "champion" else "go19")
    if not isinstance(game, Go):
        raise ValueError(f"engines for GUIs and scripts play Go, not {game.name}")
    return game
