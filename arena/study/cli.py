"""`arena study ...`: the commands. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from arena.study.report import Report

study = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look into agents and game records; leaves a report."
)

Agent = Annotated[Path, typer.Argument(metavar="AGENT", help="an agent file, a run's folder, or champion")]
AgentGame = Annotated[str, typer.Option("--game", metavar="GAME", help="whose champion; other agents have to play it")]
Records = Annotated[Path, typer.Option(metavar="PATH", help="game records: a file or a folder")]
Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="where the report goes; else runs/study/...")]
HeldOut = Annotated[
    float,
    typer.Option(min=0, max=1, help="only games that training with this records.test_share never saw; 0: all"),
]
Seed = Annotated[int, typer.Option(min=0, help="of every random draw")]


def _report(out: Path | None, theme: str, subject: str, title: str) -> Report:
    """The report of `theme` on `subject`, in `out` or in a folder named after both."""
    from rich.console import Console

    from arena.study.report import Report

    folder = out or Path("runs") / "study" / f"{theme}-{subject}"
    return Report(folder, title, Console(emoji=False))


def _name(path: Path, game: str = "") -> str:
    """A short name of an agent or of records: that of the run, or of the champion's game, as well where it says little.

    >>> [_name(Path(text)) for text in ("runs/go9/agents/000040.safetensors", "runs/go9", "games.sgf.gz")]
    ['go9-000040', 'go9', 'games']
    >>> _name(Path("champion"), "go9")
    'champion-go9'
    """
    stem = path.name.split(".")[0]
    if str(path) == "champion":
        return f"champion-{game}"
    return f"{path.parent.parent.name}-{stem}" if path.parent.name == "agents" else stem


@study.command()
def blackbox(
    agent: Agent,
    records: Annotated[
        Path | None, typer.Option(metavar="PATH", help="positions of these game records; else of the agent's own games")
    ] = None,
    positions: Annotated[int, typer.Option(min=1, help="positions explained")] = 40,
    game: AgentGame = "",
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Explain an agent's moves, test the explanations. Occlusion, saliency, integrated gradients, attention."""
    import numpy as np

    from arena.catalogue import named
    from arena.study import blackbox as theme
    from arena.study import inspect
    from arena.study import positions as source

    loaded = named(agent, game)
    report = _report(out, "blackbox", _name(agent, game), f"Why these moves? {agent} ({loaded.game.name})")
    rng = np.random.default_rng(seed)
    if records is None:
        found = source.own_games(loaded.game, inspect.evaluator(loaded), max(8, positions // 4), rng)
    else:
        found = source.recorded(loaded.game, records, count=20 * positions, rng=rng, games=2000, note=report.note)
    rows = np.sort(rng.permutation(len(found))[:positions])
    theme.study(loaded, found.states[rows], report, seed=seed)
    report.finish(
        _config(theme="blackbox", agent=agent, game=loaded.game.name, records=records, positions=positions, seed=seed)
    )


@study.command()
def bias(
    agent: Agent,
    records: Records,
    positions: Annotated[int, typer.Option(min=100, help="positions measured on")] = 20_000,
    held_out: HeldOut = 0.0,
    game: AgentGame = "",
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Measure for whom an agent is better. By colour, symmetry, game phase, player rank and source of the records."""
    import numpy as np

    from arena.catalogue import named
    from arena.study import bias as theme
    from arena.study import positions as source

    loaded = named(agent, game)
    report = _report(out, "bias", _name(agent, game), f"For whom is it better? {agent} ({loaded.game.name})")
    rng = np.random.default_rng(seed)
    found = source.recorded(
        loaded.game, records, count=positions, rng=rng, held_out=held_out, games=0, note=report.note
    )
    theme.study(loaded, found, report, seed=seed)
    given = {"agent": agent, "game": loaded.game.name, "records": records, "positions": len(found)}
    report.finish(_config(theme="bias", **given, held_out=held_out, seed=seed))


@study.command()
def neighbours(
    agents: Annotated[
        list[Path], typer.Argument(metavar="AGENT...", help="agent files, runs' folders or champion, of one game")
    ],
    records: Records,
    positions: Annotated[int, typer.Option(min=100, help="positions in the index")] = 20_000,
    queries: Annotated[int, typer.Option(min=10, help="positions among them that are asked about")] = 2000,
    held_out: HeldOut = 0.0,
    game: AgentGame = "",
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Find recorded positions that a network holds to be alike. What was played there and who won."""
    import numpy as np

    from arena.catalogue import named
    from arena.study import neighbours as theme
    from arena.study import positions as source

    names = [_name(path, game) for path in agents]
    if len(set(names)) < len(names):
        names = [str(path) for path in agents]
    loaded = {name: named(path, game) for name, path in zip(names, agents, strict=True)}
    rules = loaded[names[0]].game
    for name, agent in loaded.items():
        if agent.game.name != rules.name:
            raise ValueError(f"{name} plays {agent.game.name}, not {rules.name} as {names[0]} does")
    report = _report(out, "neighbours", _name(agents[0], game), f"What is alike? Positions of {rules.name}")
    rng = np.random.default_rng(seed)
    found = source.recorded(rules, records, count=positions, rng=rng, held_out=held_out, games=0, note=report.note)
    theme.study(loaded, found, report, queries=queries, seed=seed)
    given = {"agents": ", ".join(map(str, agents)), "game": rules.name, "records": records, "positions": len(found)}
    report.finish(_config(theme="neighbours", **given, queries=queries, held_out=held_out, seed=seed))


@study.command()
def generate(
    records: Records,
    game: Annotated[str, typer.Option(metavar="GAME", help="the game and board of the records")] = "go9",
    positions: Annotated[int, typer.Option(min=100, help="boards learned from")] = 40_000,
    board_steps: Annotated[int, typer.Option(min=1, help="steps of the auto-encoder")] = 2000,
    game_steps: Annotated[int, typer.Option(min=1, help="steps of each recurrent network")] = 800,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Make up positions and games, count what is legal. By a variational auto-encoder, GRU and LSTM."""
    import numpy as np

    import envs
    from arena.study import generate as theme
    from arena.study import positions as source

    rules = envs.make(game)
    report = _report(out, "generate", _name(records), f"Made up: positions and games of {rules.name}")
    rng = np.random.default_rng(seed)
    found = source.recorded(rules, records, count=positions, rng=rng, games=0, note=report.note)
    theme.study(found, report, theme.Sizes(board_steps, game_steps), seed=seed)
    given = {"game": rules.name, "records": records, "positions": len(found)}
    report.finish(_config(theme="generate", **given, board_steps=board_steps, game_steps=game_steps, seed=seed))


@study.command()
def openings(
    records: Records,
    agent: Annotated[
        Path | None, typer.Option(metavar="AGENT", help="whose network says what is alike; else the stones do")
    ] = None,
    game: Annotated[str, typer.Option(metavar="GAME", help="of the records; else the agent's, or go9")] = "",
    plies: Annotated[int, typer.Option(min=1, help="moves that an opening consists of")] = 8,
    clusters: Annotated[int, typer.Option(min=2, max=40, help="kinds of openings to sort the games into")] = 12,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Sort the openings of recorded games into clusters. Typical boards, and who wins them."""
    import envs
    from arena.alphago.records import playable
    from arena.catalogue import named
    from arena.study import openings as theme

    loaded = named(agent, game) if agent is not None else None
    rules = loaded.game if loaded is not None and not game else envs.make(game or "go9")
    if loaded is not None and rules.board_shape != loaded.game.board_shape:
        raise ValueError(f"{agent} plays {loaded.game.name}, not {rules.name}")
    report = _report(out, "openings", _name(records), f"How games begin: {rules.name}")
    found, _ = playable(rules, records, 0)
    theme.study(rules, found, loaded, report, plies=plies, k=clusters, seed=seed)
    given = {"game": rules.name, "records": records, "agent": agent, "plies": plies, "clusters": clusters}
    report.finish(_config(theme="openings", **given, seed=seed))


@study.command()
def compress(
    agent: Agent,
    simulations: Annotated[int, typer.Option(min=0, help="a move of every player; 0: raw policies")] = 32,
    openings: Annotated[
        int, typer.Option(min=1, help="paired openings against the original; twice as many games")
    ] = 25,
    games: Annotated[int, typer.Option(min=1, help="of its own that smaller networks learn from")] = 300,
    steps: Annotated[int, typer.Option(min=1, help="that they learn, 256 positions each")] = 800,
    game: AgentGame = "",
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Prune, quantise and distil an agent. Elo against milliseconds a move and megabytes, and energy a move."""
    from arena.catalogue import named
    from arena.study import compress as theme

    loaded = named(agent, game)
    report = _report(out, "compress", _name(agent, game), f"The same with less: {agent} ({loaded.game.name})")
    theme.study(loaded, report, simulations=simulations, openings=openings, games=games, steps=steps, seed=seed)
    given = {"agent": agent, "game": loaded.game.name, "simulations": simulations, "openings": openings}
    report.finish(_config(theme="compress", **given, games=games, steps=steps, seed=seed))


def _config(**options: Any) -> dict[str, Any]:
    """What a study was given, as text and numbers."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
