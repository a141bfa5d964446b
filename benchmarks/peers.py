"""How fast self-play's search is beside other programs': the same game, the same size of network, one after another in one run.

    python -m benchmarks.peers go9 network.blocks=6 network.channels=64
    python -m benchmarks.peers connect_four network.blocks=4 network.channels=32 --mctx /path/to/venv/bin/python

Rows, simulations/s of each:

- ours: self-play as the config has it, without its cache of evaluations: torch in fp32, then OpenVINO in bf16 and int8;
- one leaf at a time: a search in plain Python with dictionaries, each leaf alone through the same torch network, as
  alpha-zero-general's; it is a stand-in written here, on our rules, not that program;
- OpenSpiel: its Python MCTS (`open_spiel.python.algorithms.mcts`) on its own rules and observations, with a network of the
  same size as evaluator, each leaf alone, as its Python AlphaZero;
- mctx with pgx: Gumbel MuZero's search of a batch on pgx's rules, a residual tower of the same size without heads worth
  mentioning, on JAX's CPU backend. It needs a Python of its own (`pip install mctx pgx`), which --mctx names; left out without.

Peers run as their users run them: one process, torch and JAX with all cores. All networks are untrained: speed does not depend
on it. Self-play's rate is that while all workers play: a run's `selfplay/wait_share` says what the end of an iteration costs.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from importlib import util
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

import envs
from agents.evaluators import masked_softmax
from agents.network import PolicyValueNetwork, fold_normalisation
from agents.runtime import RuntimeSettings, TorchRuntime
from arena.bench import SelfPlayOnTime
from arena.config import Config
from arena.settings import find_config, load
from arena.workers import Job, jobs, resolve_count, resolve_engine
from envs import Game, States

OPENSPIEL = {"go:size=9,komi=7": "go(board_size=9)", "connect_four": "connect_four", "tictactoe": "tic_tac_toe"}
PGX = {"go:size=9,komi=7": "go_9x9", "connect_four": "connect_four", "tictactoe": "tic_tac_toe"}
TURNS = 3  # of which the best counts: machines are shared


def pipeline(config: Config, runtime: RuntimeSettings, seconds: float) -> float:
    """Simulations/s of our self-play, those counted that ask the network: a few more end in finished games."""
    workers = resolve_count(config.workers, runtime, config.selfplay.slots)
    whole = Job(config.game, config.network, runtime, config.search, config.selfplay, 0)
    selfplay = SelfPlayOnTime(jobs(whole, workers.count), resolve_engine(workers, runtime))
    selfplay.play(0.5)  # compiles
    fastest = max(selfplay.play(seconds / TURNS).positions for _ in range(TURNS))
    selfplay.close()
    return fastest


class OneLeaf:
    """PUCT, a leaf at a time: dictionaries by position, values backed up by recursion."""

    def __init__(self, game: Game, runtime: TorchRuntime, c: float) -> None:
        self.game, self.runtime, self.c = game, runtime, c
        self.value = dict[tuple[bytes, int], float]()  # mean, of (position, action), for the side to move
        self.visits = dict[tuple[bytes, int], int]()
        self.total = dict[bytes, int]()  # visits of a position
        self.prior = dict[bytes, dict[int, float]]()  # legal actions alone

    def simulate(self, state: States) -> float:
        """One simulation from `state` [1]; the value found, for the side to move there."""
        if self.game.terminal(state)[0]:
            return float(self.game.returns(state)[0])
        key = state.tobytes()
        if key not in self.prior:
            legal = self.game.legal(state)
            priors, values = self.runtime.evaluate(self.game.observe(state), legal)
            self.prior[key] = {int(a): float(priors[0, a]) for a in np.flatnonzero(legal[0])}
            self.total[key] = 0
            return float(values[0])
        explore = self.c * math.sqrt(self.total[key] + 1e-8)
        best, best_score = -1, -math.inf
        for action, prior in self.prior[key].items():
            edge = (key, action)
            score = self.value.get(edge, 0.0) + explore * prior / (1 + self.visits.get(edge, 0))
            if score > best_score:
                best, best_score = action, score
        value = -self.simulate(self.game.step(state, np.array([best])))
        edge, seen = (key, best), self.visits.get((key, best), 0)
        self.value[edge] = (seen * self.value.get(edge, 0.0) + value) / (seen + 1)
        self.visits[edge] = seen + 1
        self.total[key] += 1
        return value


def one_leaf(config: Config, seconds: float) -> float:
    """Simulations/s of `OneLeaf` in a game against itself, a fresh tree a move."""
    torch.set_num_threads(os.cpu_count() or 1)
    game = envs.make(config.game)
    runtime, state = TorchRuntime(game, config.network), game.reset(1)

    def move() -> int:
        nonlocal state
        search = OneLeaf(game, runtime, config.search.c_init)
        for _ in range(config.selfplay.simulations):
            search.simulate(state)
        key = state.tobytes()
        action = max(search.prior[key], key=lambda a: search.visits.get((key, a), 0))
        state = game.step(state, np.array([action]))
        if game.terminal(state)[0]:
            state = game.reset(1)
        return config.selfplay.simulations

    return best_rate(move, seconds)


def openspiel(config: Config, name: str, seconds: float) -> float:
    """Simulations/s of OpenSpiel's Python MCTS in a game against itself."""
    torch.set_num_threads(os.cpu_count() or 1)
    import pyspiel
    from open_spiel.python.algorithms import mcts

    game = pyspiel.load_game(name)
    planes, height, width = game.observation_tensor_shape()
    ours = envs.make(config.game)  # for a network of the same size, of which the first layer alone differs
    network = PolicyValueNetwork(ours, config.network.model_copy(update={"territory": False}))
    first = network.trunk.stem.conv if hasattr(network.trunk, "stem") else None
    if first is None or (height, width) != ours.board_shape or game.num_distinct_actions() != ours.num_actions:
        raise typer.BadParameter(
            f"OpenSpiel's {name} is not of the shape of {ours.name}, or the trunk is no residual tower"
        )
    network.trunk.stem.conv = torch.nn.Conv2d(planes, config.network.channels, 3, padding=1, bias=False)
    network.eval()
    fold_normalisation(network)

    class Evaluator(mcts.Evaluator):  # type: ignore[misc]  # OpenSpiel has no types
        """Asks the network once a position; MCTS asks for value and prior apart."""

        def __init__(self) -> None:
            self.known = dict[str, tuple[np.ndarray, list[tuple[int, float]]]]()

        def _ask(self, state: Any) -> tuple[np.ndarray, list[tuple[int, float]]]:
            key = state.history_str()
            if key not in self.known:
                x = torch.tensor(state.observation_tensor(), dtype=torch.float32).reshape(1, planes, height, width)
                with torch.inference_mode():
                    output = network(x)
                legal = np.array([state.legal_actions_mask()], np.bool_)
                priors = masked_softmax(output.policy.numpy(), legal)[0]
                value = float(torch.tanh(output.value / 2))
                own = np.array([value, -value]) if state.current_player() == 0 else np.array([-value, value])
                self.known[key] = own, [(a, float(priors[a])) for a in state.legal_actions()]
            return self.known[key]

        def evaluate(self, state: Any) -> np.ndarray:
            return self._ask(state)[0]

        def prior(self, state: Any) -> list[tuple[int, float]]:
            return self._ask(state)[1]

    state = game.new_initial_state()

    def move() -> int:
        nonlocal state
        bot = mcts.MCTSBot(
            game,
            config.search.c_init,
            config.selfplay.simulations,
            Evaluator(),
            child_selection_fn=mcts.SearchNode.puct_value,
        )
        state.apply_action(bot.step(state))
        if state.is_terminal():
            state = game.new_initial_state()
        return config.selfplay.simulations

    return best_rate(move, seconds)


def best_rate(work: Callable[[], int], seconds: float) -> float:
    """Units a second of `work`, which returns how many it did: the best of the turns, after one call to warm up."""
    work()
    rates = []
    for _ in range(TURNS):
        done, start = 0, time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds / TURNS:
            done += work()
        rates.append(done / passed)
    return max(rates)


def mctx(python: Path, config: Config, name: str, seconds: float) -> dict[str, float]:
    """What `mctx_peer.py` prints under another Python."""
    arguments = [name, config.network.blocks, config.network.channels, config.selfplay.simulations, seconds]
    command = [str(python), str(Path(__file__).with_name("mctx_peer.py")), *map(str, arguments)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main(
    config: Annotated[str, typer.Argument(help="a YAML file, or the name of one in configs/")] = "go9",
    overrides: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    seconds: Annotated[float, typer.Option(help="of each program")] = 12.0,
    mctx_python: Annotated[Path | None, typer.Option("--mctx", help="a Python that has mctx and pgx")] = None,
) -> None:
    """Measure and print a table."""
    console = Console()
    experiment = load(Config, find_config(config), overrides or [])
    game, network = envs.make(experiment.game).name, experiment.network
    speeds = dict[str, float]()

    def measure(name: str, speed: Callable[[], float]) -> None:
        with console.status(name):
            speeds[name] = speed()
        console.print(f"{name}: {speeds[name]:,.0f} simulations/s")

    ways = [("torch", "fp32")] + [("openvino", p) for p in ("bf16", "int8")] * (util.find_spec("openvino") is not None)
    for engine, precision in ways:
        runtime = RuntimeSettings.model_validate({"engine": engine, "device": "cpu", "precision": precision})
        measure(f"ours, {engine} {precision}", lambda runtime=runtime: pipeline(experiment, runtime, seconds))
    measure("one leaf at a time, torch fp32", lambda: one_leaf(experiment, seconds))
    if util.find_spec("pyspiel") is not None and game in OPENSPIEL:
        measure("OpenSpiel's Python MCTS, torch fp32", lambda: openspiel(experiment, OPENSPIEL[game], seconds))
    else:
        console.print("OpenSpiel is not installed or has not this game: left out")
    if mctx_python is not None and game in PGX:
        with console.status("mctx"):
            found = mctx(mctx_python, experiment, PGX[game], seconds)
        speeds["mctx with pgx, JAX fp32"] = found["simulations"]
        own = f"{found['simulations'] / found['ceiling']:.0%} of its own network's {found['ceiling']:,.0f} positions/s"
        console.print(
            f"mctx with pgx: {found['simulations']:,.0f} simulations/s, {own}, {found['batch']:.0f} games at once;"
        )
        console.print(f"without a network {found['dummy']:,.0f} simulations/s")
    else:
        console.print("mctx: no --mctx, or pgx has not this game: left out")
    ours = {name: speed for name, speed in speeds.items() if name.startswith("ours")}
    table = Table(
        title=f"{game}, {network.blocks} blocks x {network.channels}, {experiment.selfplay.simulations} simulations"
    )
    table.add_column("program")
    table.add_column("simulations/s", justify="right")
    for name in ours:
        table.add_column(f"{name} over it", justify="right")
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:,.0f}", *[f"x {own / speed:.1f}" for own in ours.values()])
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
