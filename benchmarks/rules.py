"""How fast the rules are, beside PettingZoo and OpenSpiel in the same run.

    python -m benchmarks.rules                      # every game
    python -m benchmarks.rules go9 othello --seconds 2

Uniformly random play, the legal moves of every state asked for, finished games begun again; steps/s. Ours plays a batch
of games on one core, then on all; PettingZoo and OpenSpiel are driven from Python, as their users do. Then what happens
inside compiled code: random playouts to the end, and Monte-Carlo tree search with one playout a leaf, on one core, against
OpenSpiel's C++. Machines are noisy: every figure is the best of three slices, ratios are within one run. A peer that is not
installed, or has not the game, is left out.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib import import_module, util
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from rich import box
from rich.console import Console
from rich.table import Table

import envs
from agents.evaluators import rollouts
from agents.players import ROLLOUT_SEARCH
from agents.search import Search
from envs import Game
from envs.batch import Threaded

BATCH, SEARCHES, SIMULATIONS = 1024, 256, 200
PLIES = 512  # in a call: enough that waking the threads for it does not count


class Peers(NamedTuple):
    pettingzoo: str | None
    openspiel: str | None
    fewer: int = 1  # batches are this many times smaller: chess's rules are Python, and its trees large


GAMES = {
    "tictactoe": Peers("tictactoe_v3", "tic_tac_toe"),
    "connect_four": Peers("connect_four_v3", "connect_four"),
    "gomoku15": Peers(None, "mnk(m=15,n=15,k=5)"),
    "othello8": Peers(None, "othello"),
    "hex11": Peers(None, "hex(board_size=11)"),
    "breakthrough": Peers(None, "breakthrough"),
    "chess": Peers("chess_v6", "chess", fewer=64),
    "go9": Peers("go_v5:board_size=9", "go(board_size=9)"),
    "go19": Peers("go_v5:board_size=19", "go(board_size=19)"),
}


def best_rate(work: Callable[[], int], seconds: float) -> float:
    """Units a second of `work`, which returns how many it did: the best of three slices, after one call to warm up."""
    work()
    rates = []
    for _ in range(3):
        done, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds / 3:
            done += work()
        rates.append(done / passed)
    return max(rates)


def batched_steps(game: Threaded, batch: int) -> Callable[[], int]:
    """PLIES plies of `batch` games."""
    rng = np.random.default_rng(0)
    states = game.reset(batch)

    def work() -> int:
        nonlocal states
        states = game.random_play(states, PLIES, rng.integers(2**64, size=batch, dtype=np.uint64))
        return PLIES * batch

    return work


def playouts(game: Game, batch: int) -> Callable[[], int]:
    """Random playouts of `batch` games inside the kernel."""
    rng, states = np.random.default_rng(0), game.reset(batch)

    def work() -> int:
        game.rollout(states, rng.integers(2**63, size=batch, dtype=np.uint64))
        return batch

    return work


def searched(game: Game, searches: int) -> Callable[[], int]:
    """Rollout MCTS of many positions side by side."""
    search = Search(game, ROLLOUT_SEARCH, slots=searches, capacity=SIMULATIONS + 1)
    evaluate, rng, everyone = rollouts(game, 0), np.random.default_rng(0), np.arange(searches)

    def work() -> int:
        search.begin(everyone, game.reset(searches), SIMULATIONS)
        search.run(evaluate, rng)
        return searches * SIMULATIONS

    return work


def pettingzoo_steps(spec: str) -> Callable[[], int]:
    """One game of PettingZoo through its own interface."""
    name, _, option = spec.partition(":")
    key, _, value = option.partition("=")
    return random_turns(import_module(f"pettingzoo.classic.{name}").env(**({key: int(value)} if option else {})))


def random_turns(env: Any) -> Callable[[], int]:
    """One game of an environment with PettingZoo's interface."""
    rng = np.random.default_rng(0)

    def work() -> int:
        env.reset()
        steps = 0
        for _ in env.agent_iter():
            observation, _, terminated, truncated, _ = env.last()
            if terminated or truncated:
                env.step(None)
                continue
            env.step(int(rng.choice(np.flatnonzero(observation["action_mask"]))))
            steps += 1
        return steps

    return work


def openspiel_steps(name: str) -> Callable[[], int]:
    """One game of OpenSpiel, driven from Python."""
    game: Any = import_module("pyspiel").load_game(name)
    rng = np.random.default_rng(0)

    def work() -> int:
        state, steps = game.new_initial_state(), 0
        while not state.is_terminal():
            legal = state.legal_actions()
            state.apply_action(legal[int(rng.integers(len(legal)))])
            steps += 1
        return steps

    return work


def openspiel_search(name: str, simulations: int, playouts_each: int) -> Callable[[], int]:
    """OpenSpiel's C++ MCTS with C++ playouts from the start position; counts playouts."""
    pyspiel: Any = import_module("pyspiel")
    game = pyspiel.load_game(name)
    evaluator = pyspiel.RandomRolloutEvaluator(n_rollouts=playouts_each, seed=1)
    bot = pyspiel.MCTSBot(
        game, evaluator, uct_c=2.0, max_simulations=simulations, max_memory_mb=500, solve=False, seed=1, verbose=False
    )

    def work() -> int:
        bot.step(game.new_initial_state())
        return simulations * playouts_each

    return work


def measure(spec: str, seconds: float) -> dict[str, float]:
    """Rates a second, by name."""
    game, peers = envs.make(spec), GAMES[spec]
    cores = os.cpu_count() or 1
    found = {}
    for name, threads in (("ours, one core", 1), ("ours, all cores", cores)):
        with Threaded(game, threads) as threaded:
            found[name] = best_rate(batched_steps(threaded, threads * BATCH // peers.fewer), seconds)
    if peers.pettingzoo and util.find_spec("pettingzoo"):
        found["PettingZoo"] = best_rate(pettingzoo_steps(peers.pettingzoo), seconds)
    spiel = peers.openspiel if util.find_spec("pyspiel") else None
    if spiel:
        found["OpenSpiel"] = best_rate(openspiel_steps(spiel), seconds)
    found["playouts, ours"] = best_rate(playouts(game, 256 // peers.fewer), seconds)
    found["MCTS, ours"] = best_rate(searched(game, SEARCHES // peers.fewer), seconds)
    if spiel:
        found["playouts, OpenSpiel"] = best_rate(openspiel_search(spiel, 2, 100), seconds)
        found["MCTS, OpenSpiel"] = best_rate(openspiel_search(spiel, SIMULATIONS, 1), seconds)
    return found


def main(
    games: Annotated[list[str] | None, typer.Argument(help="of: " + ", ".join(GAMES))] = None,
    seconds: float = 1.0,
    markdown: Annotated[bool, typer.Option("--markdown", help="tables as Markdown")] = False,
) -> None:
    """Measure and print one table a kind of work."""
    console = Console(width=200) if markdown else Console()
    frame = box.MARKDOWN if markdown else box.HEAVY_HEAD
    wanted = games or list(GAMES)
    if unknown := sorted(set(wanted) - set(GAMES)):
        raise typer.BadParameter(f"there is no benchmark of {', '.join(unknown)}; there is one of {', '.join(GAMES)}")
    found = {}
    for spec in wanted:
        with console.status(spec):
            found[spec] = measure(spec, seconds)
    steps = Table(
        "random play, steps/s",
        "ours, one core",
        "ours, all cores",
        "PettingZoo",
        "OpenSpiel",
        "all / one",
        "one core / best peer",
        box=frame,
    )
    inside = Table(
        "inside compiled code, one core, 1/s",
        "playouts, ours",
        "playouts, OpenSpiel",
        "ratio",
        "MCTS, ours",
        "MCTS, OpenSpiel",
        "ratio ",
        box=frame,
    )
    for spec, row in found.items():
        peer = max(row.get("PettingZoo", 0), row.get("OpenSpiel", 0))
        ratio = f"{row['ours, one core'] / peer:.1f}" if peer else ""
        cores = f"{row['ours, all cores'] / row['ours, one core']:.2f}"
        steps.add_row(spec, *(_figure(row.get(str(c.header))) for c in steps.columns[1:-2]), cores, ratio)
        ratios = [
            f"{row[f'{kind}, ours'] / row[f'{kind}, OpenSpiel']:.1f}" if f"{kind}, OpenSpiel" in row else ""
            for kind in ("playouts", "MCTS")
        ]
        cells = [
            _figure(row.get(f"{kind}, {whose}")) for kind in ("playouts", "MCTS") for whose in ("ours", "OpenSpiel")
        ]
        inside.add_row(spec, cells[0], cells[1], ratios[0], cells[2], cells[3], ratios[1])
    console.print(steps)
    console.print(inside)


def _figure(rate: float | None) -> str:
    return f"{rate:,.0f}" if rate else ""


if __name__ == "__main__":
    typer.run(main)
