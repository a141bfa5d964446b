"""`arena study ...`: the commands. Each imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from arena.study.report import Report

study = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Look into trained agents and game records; leaves a report page."
)

Agent = Annotated[Path, typer.Argument(metavar="AGENT", help="an agent file or a run's folder")]
Records = Annotated[Path, typer.Option(metavar="PATH", help="game records: a file or a folder")]
Out = Annotated[Path | None, typer.Option(metavar="FOLDER", help="where the report goes; else runs/study/...")]
HeldOut = Annotated[
    float,
    typer.Option(min=0, max=1, help="only games that training with this records.test_share never saw; 0: all"),
]
Seed = Annotated[int, typer.Option(min=0, help="of every random draw")]


def _report(out: Path | None, theme: str, subject: Path | str, title: str) -> Report:
    """The report of `theme` on `subject`, in `out` or in a folder named after both."""
    from rich.console import Console

    from arena.study.report import Report

    subject = Path(subject)
    names = [part for part in subject.resolve().parts[-3:] if part not in ("agents", "runs", "data")]
    name = "-".join(names[-2:]).split(".")[0]
    return Report(out or Path("runs") / "study" / f"{theme}-{name}", title, Console(emoji=False))


@study.command()
def blackbox(
    agent: Agent,
    records: Annotated[
        Path | None, typer.Option(metavar="PATH", help="positions of these game records; else of the agent's own games")
    ] = None,
    positions: Annotated[int, typer.Option(min=1, help="positions explained")] = 40,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Explain an agent's moves: occlusion, saliency, integrated gradients, attention; and test the explanations."""
    import numpy as np

    from agents.files import find_agent, load_agent
    from arena.study import blackbox as theme
    from arena.study import inspect
    from arena.study import positions as source

    loaded = load_agent(find_agent(agent))
    report = _report(out, "blackbox", agent, f"Why these moves? {agent} ({loaded.game.name})")
    rng = np.random.default_rng(seed)
    if records is None:
        found = source.own_games(loaded.game, inspect.evaluator(loaded), max(8, positions // 4), rng)
    else:
        found = source.recorded(loaded.game, records, count=20 * positions, rng=rng, games=2000, note=report.note)
    rows = np.sort(rng.permutation(len(found))[:positions])
    theme.study(loaded, found.states[rows], report, seed=seed)
    report.finish(_config(theme="blackbox", agent=agent, records=records, positions=positions, seed=seed))


@study.command()
def bias(
    agent: Agent,
    records: Records,
    positions: Annotated[int, typer.Option(min=100, help="positions measured on")] = 20_000,
    held_out: HeldOut = 0.0,
    out: Out = None,
    seed: Seed = 0,
) -> None:
    """Measure policy and value by colour, symmetry, game phase, player rank and source of the records."""
    import numpy as np

    from agents.files import find_agent, load_agent
    from arena.study import bias as theme
    from arena.study import positions as source

    loaded = load_agent(find_agent(agent))
    report = _report(out, "bias", agent, f"For whom is it better? {agent} ({loaded.game.name})")
    rng = np.random.default_rng(seed)
    found = source.recorded(
        loaded.game, records, count=positions, rng=rng, held_out=held_out, games=0, note=report.note
    )
    theme.study(loaded, found, report, seed=seed)
    options = {"agent": agent, "records": records, "positions": len(found), "held_out": held_out, "seed": seed}
    report.finish(_config(theme="bias", **options))


def _config(**options: Any) -> dict[str, Any]:
    """What a study was given, as text and numbers."""
    return {key: str(value) if isinstance(value, Path) else value for key, value in options.items()}
