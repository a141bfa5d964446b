"""The commands. Each imports what it needs when it runs, so that `--help` answers at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from arena.study.cli import study

app = typer.Typer(
    help="Game agents that learn by self-play: train them, play them, rate them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
agents = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Agents as files: list, describe, export, import."
)
app.add_typer(agents, name="agents")
app.add_typer(study, name="study")

SEARCHING = (
    "mcts:1000, champion (trained, for Connect Four and Go 9x9), level:4 (`arena levels`), an agent file or a run's folder "
    "(PATH or PATH:SIMULATIONS)"
)
PLAYERS = f"random, greedy, minimax:5, solver, {SEARCHING}"
GameName = Annotated[str, typer.Argument(metavar="GAME", help="as `arena games` lists it: connect_four, go9, ...")]
Seed = Annotated[int, typer.Option(min=0, help="of every random draw")]
Resign = Annotated[
    float | None,
    typer.Option(help="give up once the best move is worth less than minus this, 0 to 1; AlphaGo 0.8; else never"),
]
Plies = Annotated[
    int | None,
    typer.Option(min=0, help="random moves an opening consists of; else 4, against Connect Four's solver 12"),
]
Sprt = Annotated[
    tuple[float, float] | None,
    typer.Option(
        metavar="ELO0 ELO1", help="stop a meeting once it is plain which of the two differences holds (5% errors)"
    ),
]
Parallel = Annotated[int, typer.Option(min=2, help="games side by side")]
Adjudicate = Annotated[
    int | None,
    typer.Option(min=1, metavar="PLIES", help="stop longer games: on points where there are any, else drawn"),
]
LedgerFile = Annotated[Path | None, typer.Option(help="where games are kept; else runs/ledger.sqlite")]
AgentName = Annotated[Path, typer.Argument(metavar="AGENT", help="an agent file, a run's folder, or champion")]
AgentGame = Annotated[str, typer.Option(help="whose champion; any other agent has to play it")]
Markdown = Annotated[bool, typer.Option("--markdown", help="lists as Markdown")]


@app.command(context_settings={"ignore_unknown_options": True})
def train(
    context: typer.Context,
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="a YAML file, or the name of one in configs/")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="settings to change: train.lr=0.001 seed=3")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="continue the run in this folder")] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="shrink the experiment to seconds")] = False,
    runs: Annotated[Path, typer.Option(help="where runs are kept")] = Path("runs"),
) -> None:
    """Train an agent from nothing, or continue a run."""
    from arena import train as training

    given = list(overrides or [])
    if resume is not None:
        if smoke or _given(context, "runs"):
            raise ValueError("--smoke and --runs are for new runs, not for one that is resumed")
        if config and "=" not in config and not config.startswith("--"):
            raise ValueError(f"{config}: a run that is resumed has its config; its settings are changed as key=value")
        training.resume(resume, [config, *given] if config else given)
    elif config is None:
        raise ValueError("name a config, such as connect_four, or continue a run with --resume RUN")
    else:
        training.start(config, given, runs=runs, smoke=smoke)


@app.command()
def play(
    context: typer.Context,
    game: GameName,
    opponent: Annotated[str, typer.Argument(help=f"{PLAYERS}; human: two people at one board")] = "mcts:1000",
    side: Annotated[
        str, typer.Option(help="first, second or random; both: two people; watch: it plays itself")
    ] = "random",
    watch: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="look on at two players, A moves first")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="line by line, for pipes and screen readers; so without a terminal")
    ] = False,
    time: Annotated[
        str,
        typer.Option(
            metavar="CONTROL", help="clocks: 1h30m, 10m+3x30s (byo-yomi), 10m+10m/25, 5m+3s (increment), 20s/move"
        ),
    ] = "",
    load: Annotated[Path | None, typer.Option(metavar="FILE", help="go on with the first game of a record")] = None,
    review: Annotated[
        Path | None, typer.Option(metavar="FILE", help="step through the first game of a record, its mistakes marked")
    ] = None,
    resign: Resign = None,
    ponder: Annotated[bool, typer.Option("--ponder", help="an opponent that searches thinks on your time too")] = False,
    light: Annotated[bool, typer.Option("--light", help="begin with dark letters on light (t changes it)")] = False,
    seed: Seed = 0,
) -> None:
    """Play in the terminal, on the full screen. Keyboard and mouse, analysis; ? there lists the keys."""
    import sys

    import envs
    from arena.clock import parse
    from arena.table import Options, rules_of

    if load and review:
        raise ValueError("--load and --review: a game is gone on with or reviewed, not both")
    if watch and (_given(context, "opponent") or _given(context, "side")):
        raise ValueError("--watch names both players: name no other, and no --side")
    rules, record = envs.make(game), review or load
    if record is not None and not record.exists():  # before anything is compiled or loaded
        raise ValueError(f"there is no file {record}")
    if record is not None and ":" not in game:  # no rules were asked for but the file's
        rules = rules_of(record, rules)
    options = Options(
        control=parse(time) if time else None,
        record=record,
        review=review is not None,
        resign=resign,
        ponder=ponder,
        dark=not light,
    )
    if plain or not (sys.stdin.isatty() and sys.stdout.isatty()):
        if ponder:
            raise ValueError("--ponder: line by line nobody thinks on your time; it is for the full screen")
        from rich.console import Console

        from arena.play import play as play_lines

        console = Console(emoji=False)
        play_lines(rules, opponent, side=side, seed=seed, console=console, read=input, watch=watch, options=options)
    else:
        import numpy as np

        from arena.table import seat_names
        from arena.terminal.app import play as play_full_screen

        rng = np.random.default_rng(seed or None)
        play_full_screen(rules, watch or seat_names(opponent, side, rng), rng, options)


@app.command()
def match(
    a: Annotated[str, typer.Argument(help=PLAYERS)],
    b: Annotated[str, typer.Argument(help="likewise")],
    game: Annotated[
        str, typer.Option(help="as `arena games` lists it; needed where no player is a trained agent")
    ] = "",
    openings: Annotated[
        int, typer.Option(min=1, help="paired openings, repeated where the game has fewer; twice as many games")
    ] = 50,
    plies: Plies = None,
    sprt: Sprt = None,
    parallel: Parallel = 100,
    adjudicate: Adjudicate = None,
    ledger: LedgerFile = None,
    seed: Seed = 0,
) -> None:
    """Let two players meet: paired openings, seats swapped. Stopped and repeated, it goes on where it was."""
    from arena import standings, tables
    from arena.tournament import Tournament

    settings = Tournament(
        tables.game_of(game, [a, b]).name, (a, b), "match", 0, openings, plies, seed, parallel, adjudicate
    )
    standings.play_and_show(settings, ledger, anchor=b, sprt=sprt)


@app.command()
def tournament(
    game: Annotated[str, typer.Argument(metavar="GAME", help="as `arena games` lists it; all: every game in turn")],
    players: Annotated[list[str] | None, typer.Argument(help=f"{PLAYERS}; none: all that come with the game")] = None,
    format: Annotated[
        str,
        typer.Option(
            help="round-robin; gauntlet: the first against the others; ladder: neighbours, from the top; swiss"
        ),
    ] = "round-robin",
    rounds: Annotated[int, typer.Option(min=0, help="0: once all pairs; a ladder one a player; swiss log2 + 1")] = 0,
    openings: Annotated[int, typer.Option(min=1, help="paired openings a meeting; twice as many games")] = 25,
    plies: Plies = None,
    sprt: Sprt = None,
    parallel: Parallel = 100,
    adjudicate: Adjudicate = None,
    ledger: LedgerFile = None,
    anchor: Annotated[str, typer.Option(help="the player whose Elo is 0; none of them: their mean is")] = "random",
    markdown: Markdown = False,
    seed: Seed = 0,
) -> None:
    """Let players meet each other and rate them. Every game is kept; stopped and repeated, it goes on where it was."""
    from arena import standings

    shared = (format, rounds, openings, plies, seed, parallel, adjudicate)
    for settings in standings.tournaments(game, players or [], shared):
        standings.play_and_show(settings, ledger, anchor=anchor, sprt=sprt, markdown=markdown)


@app.command()
def rate(
    context: typer.Context,
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|LEDGER|GAME", help="a run's folder or a ledger: its rating lists. A game: rate PLAYERS anew"
        ),
    ],
    players: Annotated[list[str] | None, typer.Argument(help=f"{PLAYERS}; none: all that come with the game")] = None,
    anchor: Annotated[str, typer.Option(help="the player whose Elo is 0; none of them: their mean is")] = "random",
    openings: Annotated[int, typer.Option(min=1, help="paired openings a pairing; twice as many games")] = 25,
    plies: Plies = None,
    ledger: LedgerFile = None,
    markdown: Markdown = False,
    seed: Seed = 0,
) -> None:
    """Print a rating list. Of a run, of a ledger, or of PLAYERS in a round robin."""
    from arena import standings, tables
    from arena.folders import config_of

    new = [p for p in ("players", "openings", "plies", "ledger", "seed") if _given(context, p)]
    if Path(what).is_dir():
        _no_use(new + ["anchor"] * _given(context, "anchor"), f"the run {what}, which has rated its agents")
        tables.run_ratings(Path(what), markdown=markdown)
    elif Path(what).is_file():
        _no_use(new, f"the games in {what}, which have been played")
        standings.show_ledger(Path(what), anchor=anchor, markdown=markdown)
    elif Path(what).suffix == ".sqlite":
        raise ValueError(f"there is no ledger {what}: `arena tournament GAME --ledger {what}` makes one")
    elif Path(what.partition(":")[0]).parent != Path():
        config_of(Path(what))  # no game has such a name
    else:
        shared = ("round-robin", 0, openings, plies, seed, 100, None)
        for settings in standings.tournaments(what, players or [], shared):
            standings.play_and_show(settings, ledger, anchor=anchor, sprt=None, markdown=markdown)


def _given(context: typer.Context, parameter: str) -> bool:
    """Whether the command line has this parameter."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _no_use(parameters: list[str], subject: str) -> None:
    """ValueError where `parameters` are given, which mean nothing for `subject`."""
    if parameters:
        names = ", ".join("PLAYERS" if p == "players" else f"--{p}" for p in parameters)
        raise ValueError(f"{names}: of no use to {subject}; `arena rate GAME PLAYERS...` rates anew")


@app.command()
def analyze(
    game: GameName,
    moves: Annotated[str, typer.Argument(help='the moves so far: "4 4 3", "D4 E5"; "" for the start')] = "",
    player: Annotated[str, typer.Option(help="who looks: a trained agent, mcts:1000, solver")] = "mcts:1000",
    json: Annotated[bool, typer.Option("--json", help="one line of JSON instead of tables")] = False,
    seed: Seed = 0,
) -> None:
    """Look at a position: policy, visits, values, best line."""
    from rich.console import Console

    import envs
    from arena.analyze import analyze as analyze_position

    analyze_position(envs.make(game), moves, player, as_json=json, seed=seed, console=Console(emoji=False))


@app.command()
def gtp(
    player: Annotated[str, typer.Argument(help=PLAYERS)] = "mcts:1000",
    game: Annotated[str, typer.Option(help="the board to begin with; else the trained agent's, or go19")] = "",
    resign: Resign = None,
    seed: Seed = 0,
) -> None:
    """Speak the Go Text Protocol, for Go GUIs. On standard input and output."""
    import sys

    from arena import tables
    from arena.gtp import engine

    engine.run(tables.go_game(game, player), player, seed, sys.stdin, sys.stdout, resign=resign)


@app.command()
def analysis(
    player: Annotated[str, typer.Argument(help=f"one that searches: {SEARCHING}")] = "mcts:1000",
    game: Annotated[str, typer.Option(help="a board that it must play on; else the trained agent's, or go19")] = "",
    parallel: Annotated[int, typer.Option(min=1, help="positions searched side by side")] = 16,
    seed: Seed = 0,
) -> None:
    """Analyse positions of Go for scripts and GUIs, in JSON. Lines in and out as KataGo's analysis engine has them."""
    import sys

    from arena import tables
    from arena.analysis import engine

    engine.run(tables.go_game(game, player), player, seed, parallel, sys.stdin, sys.stdout)


@agents.command("list")
def agents_list(runs: Annotated[Path, typer.Option(help="where runs are kept")] = Path("runs")) -> None:
    """List the agents. Those that came with the package, were imported, or are the newest of a run."""
    from rich.console import Console

    from arena import catalogue

    catalogue.list_agents(runs, runs / "agents", Console(emoji=False))


@agents.command("describe")
def agents_describe(agent: AgentName, game: AgentGame = "") -> None:
    """Say what an agent is: its game, network, search and origin."""
    from rich.console import Console

    from arena import catalogue

    catalogue.describe(catalogue.named(agent, game), Console(emoji=False))


@agents.command("export")
def agents_export(
    agent: AgentName,
    folder: Annotated[Path, typer.Argument(help="made where there is none")],
    game: AgentGame = "",
) -> None:
    """Write an agent with its model card. As ONNX too, where the onnx packages are installed."""
    from rich.console import Console

    from arena import catalogue

    catalogue.export(catalogue.named(agent, game), folder, Console(emoji=False))


@agents.command("import")
def agents_import(
    agent: AgentName,
    name: Annotated[str, typer.Option(help="what to call it; else as its file")] = "",
    game: AgentGame = "",
    runs: Annotated[Path, typer.Option(help="where runs are kept; the agent goes to the folder agents in it")] = Path(
        "runs"
    ),
) -> None:
    """Take an agent in from anywhere. Whatever the file holds, reading it runs no code."""
    from rich.console import Console

    from arena import catalogue

    catalogue.bring_in(catalogue.named(agent, game), runs / "agents", name or agent.stem, Console(emoji=False))


@app.command()
def games() -> None:
    """List the games."""
    from arena import tables

    tables.games()


@app.command("levels")
def list_levels(game: GameName) -> None:
    """List the levels of a game. Opponents from weak to strong, with their Elo."""
    from arena import tables

    tables.show_levels(game)


@app.command()
def records(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="files (.sgf, .pgn, .moves, .gz), folders, ledgers")
    ],
    game: Annotated[str, typer.Option(metavar="GAME", help="the only game and board wanted: go19, hex:size=11")] = "",
    check: Annotated[bool, typer.Option("--check", help="play every game through the rules; skip the illegal")] = False,
    to: Annotated[Path | None, typer.Option(metavar="FILE", help="write the games here, as its suffix says")] = None,
) -> None:
    """Show what game records hold; convert them."""
    from rich.console import Console

    from arena.records import summarise

    summarise(paths, game=game, check=check, to=to, console=Console(emoji=False))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="folder of a run")],
    out: Annotated[
        Path | None, typer.Option(help="file or folder to write to; else report.html in the run's folder")
    ] = None,
) -> None:
    """Write a run as one HTML page. Ratings, losses, scores, sample games; AlphaGo's stage by stage."""
    from arena.report.page import write

    print(write(run, out))


@app.command()
def sync(run: Annotated[Path, typer.Argument(help="folder of a run, or of many")]) -> None:
    """Send runs that were tracked offline to Weights & Biases."""
    from arena import sync as sending

    sending.sync(run)


@app.command()
def bench(
    config: Annotated[str, typer.Argument(help="a YAML file, or the name of one in configs/")] = "connect_four",
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    seconds: Annotated[float, typer.Option(min=0.01, help="of each measurement")] = 5.0,
    json: Annotated[bool, typer.Option("--json", help="the figures as JSON")] = False,
) -> None:
    """Measure this machine: network, search, self-play."""
    from rich.console import Console

    from arena.bench import bench as measure
    from arena.config import Config
    from arena.settings import find_config, load

    experiment = load(Config, find_config(config), overrides or [])
    measure(experiment, seconds=seconds, console=Console(emoji=False, stderr=json), as_json=json)
