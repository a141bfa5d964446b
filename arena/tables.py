"""`arena rate RUN` and `arena games` as tables in the terminal, and which game the players on a command line play."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

import envs
from agents.files import find_agent, load_agent
from agents.levels import levels, measured
from arena import checkpoint, rating
from arena.config import Config
from arena.settings import load
from arena.standings import rating_table
from envs import Game
from envs.go import Go


def run_ratings(folder: Path) -> None:
    """Print the rating list of the run in `folder`."""
    config = load(Config, folder / "config.yaml", [])
    found, problems = checkpoint.newest(folder)
    console = Console(emoji=False)
    for problem in problems:
        console.print(problem)
    if found is None or not found.state["results"]:
        raise ValueError(f"{folder} has rated no agent yet")
    results = [rating.Result(*r) for r in found.state["results"]]
    console.print(rating_table(rating.estimate(results, anchors=dict(config.rating.anchors)), config.name))


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
    console = Console(emoji=False)
    console.print(table)
    if measurement is None:
        console.print("Not measured on this board: the order is that of other games.", soft_wrap=True)
    else:
        games = f"{measurement['games']} games between neighbours"
        console.print(f"{games}, {measurement['date']}: {measurement['command']}", soft_wrap=True, highlight=False)


def games() -> None:
    """Print the games and their sizes."""
    table = Table(title="Games")
    for column in ("name", "board", "actions", "planes", "longest game", "version"):
        table.add_column(column)
    for name in envs.GAMES:
        game = envs.make(name)
        h, w = game.board_shape
        row = (game.name, f"{w} x {h}", game.num_actions, len(game.planes), f"{game.max_plies} plies", game.version)
        table.add_row(*map(str, row))
    console = Console(emoji=False)
    console.print(table)
    console.print("Go of any size from 2 to 19: go7, go:size=13,komi=6.5,superko=simple")
    console.print("Chess from any position, as FEN with _ for blanks: chess:fen=4k3/8/8/8/8/8/8/R3K3_w_-_-_0_1")
    console.print("Games of other libraries: openspiel:breakthrough(rows=6,columns=6), pettingzoo:chess_v6")


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
        raise ValueError(f"the Go Text Protocol is for Go, not {game.name}")
    return game
