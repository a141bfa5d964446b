"""What half precision and 8-bit arithmetic cost: error of policy and value, and Elo, against full precision.

    python -m benchmarks.precision runs/connect_four
    python -m benchmarks.precision runs/go9 --openings 200 --simulations 64

The newest agent of a run plays itself in OpenVINO, once in the precision in question and once in fp32, from paired random
openings with seats swapped. Errors are measured on positions of the run's replay, other than those the 8-bit ranges were
learned from: total variation of the policies, largest and mean difference of the values in [-1, 1], agreement on the best
move. An Elo difference of equals over 400 games has a 95% interval of about 34 Elo to both sides.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from agents.evaluators import Evaluation
from agents.files import AgentFile, find_agent, load_agent
from agents.players import SearchPlayer
from agents.runtime import EXAMPLES, NetworkEvaluator, Runtime, RuntimeSettings, create
from arena import checkpoint
from arena.match import play_match, random_openings
from arena.rating import elo_difference
from arena.replay import Replay, ReplaySettings

TESTED = 4096  # positions the errors are measured on


class Errors(NamedTuple):
    """Of one precision against full precision."""

    policy: float  # mean total variation distance
    top1: float  # share of positions with the same likeliest move
    value: float  # mean absolute difference
    value_worst: float


def errors(answer: Evaluation, truth: Evaluation) -> Errors:
    """How far `answer` is from `truth` on the same positions."""
    gap = np.abs(answer.values - truth.values)
    return Errors(
        policy=float(np.abs(answer.priors - truth.priors).sum(axis=1).mean() / 2),
        top1=float((answer.priors.argmax(axis=1) == truth.priors.argmax(axis=1)).mean()),
        value=float(gap.mean()),
        value_worst=float(gap.max()),
    )


def load(agent: AgentFile, precision: str, examples: NDArray[np.uint8]) -> Runtime:
    """The agent's network on one thread of OpenVINO."""
    settings = RuntimeSettings.model_validate({"engine": "openvino", "precision": precision, "threads": 1})
    runtime = create(agent.game, agent.network, settings)
    runtime.load(agent.weights, examples)
    return runtime


def speed(runtime: Runtime, planes: NDArray[np.uint8], legal: NDArray[np.bool_]) -> float:
    """Positions/s, the best of ten calls."""
    times = []
    for _ in range(10):
        start = time.perf_counter()
        runtime.evaluate(planes, legal)
        times.append(time.perf_counter() - start)
    return len(planes) / min(times)


def main(
    run: Annotated[Path, typer.Argument(help="folder of a trained run")],
    openings: Annotated[int, typer.Option(help="each is played twice, seats swapped")] = 200,
    simulations: Annotated[int, typer.Option(help="a move")] = 200,
    plies: Annotated[int, typer.Option(help="random moves of an opening")] = 4,
) -> None:
    """Measure and print a table."""
    console = Console()
    agent = load_agent(find_agent(run))
    found, _ = checkpoint.newest(run)
    if found is None or not found.replay:
        raise typer.BadParameter(f"{run} has no replay: name the folder of a run")
    game, replay = agent.game, Replay(ReplaySettings())
    replay.parts = found.replay
    planes = replay.planes(game, EXAMPLES + TESTED, np.random.default_rng(0))
    examples, tested = planes[:EXAMPLES], planes[EXAMPLES:]
    everything = np.ones((TESTED, game.num_actions), np.bool_)
    runtimes = {name: load(agent, name, examples) for name in ("fp32", "bf16", "int8")}
    truth = runtimes["fp32"].evaluate(tested, everything)
    players = {
        name: SearchPlayer(game, NetworkEvaluator(game, runtime), agent.search, simulations)
        for name, runtime in runtimes.items()
    }
    table = Table(title=f"{game.name}, {agent.network.blocks}x{agent.network.channels}, {simulations} simulations")
    for column in ("precision", "positions/s", "policy", "same move", "value", "worst", "games", "score", "Elo (95%)"):
        table.add_column(column, justify="right")
    for name, runtime in runtimes.items():
        found_errors = errors(runtime.evaluate(tested, everything), truth)
        cells = [f"{share:.4f}" for share in found_errors]
        result = ["", "", ""]
        if name != "fp32":
            with console.status(f"{name} against fp32"):
                rng = np.random.default_rng(0)
                start = random_openings(game, openings, plies, rng)
                match = play_match(game, players[name], players["fp32"], start, rng)
            elo = elo_difference(match.score, len(match.games))
            result = [
                f"{len(match.games)} ({match.distinct} distinct)",
                f"{match.score:.1%}",
                f"{elo.elo:+.0f} ({elo.low:+.0f} to {elo.high:+.0f})",
            ]
        table.add_row(name, f"{speed(runtime, tested[:256], everything[:256]):,.0f}", *cells, *result)
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
