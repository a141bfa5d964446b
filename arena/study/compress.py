"""The same agent with less: what pruning, fewer bits and smaller networks cost in Elo and save in time, memory and
energy.

    pruned      the smallest weights set to zero, over all layers together (Han et al. 2015), nothing learned again. Zeros
                are stored as one bit a weight; dense arithmetic is no faster for them
    bf16, int8  fewer bits in OpenVINO (agents/quantisation.py); where it is installed
    distilled   a smaller network learns the policies and values of the agent's network (Hinton et al. 2015) in positions
                of the agent's own games

Every one plays the original from paired openings, with the same search. Of all of them those are on the Pareto front that no
other beats in strength, time and memory at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from importlib import util
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from agents.evaluators import Evaluator
from agents.files import AgentFile
from agents.network import AUXILIARY, NetworkSettings
from agents.players import SearchPlayer
from agents.runtime import NetworkEvaluator, RuntimeSettings, create, set_threads
from arena import rating
from arena.footprint import FootprintSettings, Meter
from arena.learner import Learner, TrainSettings
from arena.match import MatchResult, gauntlet, random_openings
from arena.rater import agent_player
from arena.replay import Samples
from arena.study.inspect import evaluator
from arena.study.positions import own_games
from arena.study.report import Measured, Report, Row, new_figure
from envs import Game, States

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ORIGINAL = "original"
PRUNED = (0.5, 0.75, 0.9)  # shares of the weights set to zero
SMALLER = (2, 4)  # what blocks and channels are divided by
TIMED = 12  # moves; the median counts
OPENING_PLIES = 4
ENOUGH = 3.0  # seconds of moves that the energy of one is taken from
EXAMPLES = 256  # positions that 8-bit ranges are learned from
CHUNK = 20  # steps between changes of the learning rate

ENERGY = (
    "Millijoules a move: what codecarbon estimates for this process while it moves. Where it cannot read the processor's "
    "counters, as on most virtual machines, that is processor time at nominal power and a fixed power for memory over the time "
    "that passes: there they follow the milliseconds and tell agents apart no better. They are no part of the front."
)
NO_ENERGY = (
    "There is no energy a move here: codecarbon, which estimates it, is not installed (pip install codecarbon) or measures "
    "nothing on this machine."
)

Precision = Literal["fp32", "bf16", "int8"]


class Variant(NamedTuple):
    """One way to have the agent."""

    network: NetworkSettings
    weights: Mapping[str, Tensor]
    megabytes: float
    engine: Literal["torch", "openvino"] = "torch"
    precision: Precision = "fp32"


def prune(weights: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """`weights` with the `share` of least size set to zero, counted over all matrices and convolutions together."""
    matrices = [tensor for tensor in weights.values() if tensor.ndim > 1]
    sizes = torch.cat([tensor.abs().flatten() for tensor in matrices])
    least = sizes.kthvalue(max(1, int(share * len(sizes)))).values
    return {
        name: torch.where(tensor.abs() > least, tensor, 0.0) if tensor.ndim > 1 else tensor
        for name, tensor in weights.items()
    }


def megabytes(weights: Mapping[str, Tensor], precision: Precision = "fp32") -> float:
    """What the weights take. int8: convolutions in one byte a weight, the rest in four. Where zeros save more than they cost,
    only the others are stored, beside one bit a weight that says which."""
    total = 0.0
    for tensor in weights.values():
        if not tensor.is_floating_point():
            continue
        each = {"fp32": 4, "bf16": 2, "int8": 1 if tensor.ndim == 4 else 4}[precision]
        n, left = tensor.numel(), int(torch.count_nonzero(tensor))
        total += min(each * n, each * left + n / 8)
    return total / 1e6


def distil(
    agent: AgentFile, network: NetworkSettings, states: States, evaluate: Evaluator, steps: int, seed: int
) -> dict[str, Tensor]:
    """The weights of a network of another size that learned the agent's policies and values in `states`."""
    game, n = agent.game, len(states)
    seen = evaluate(states)
    samples = Samples(
        planes=np.packbits(game.observe(states).reshape(n, -1), axis=1),
        legal=np.packbits(game.legal(states), axis=1),
        policy=seen.priors,
        value=seen.values,
        ownership=np.zeros((n, 0), np.int8),
        score=np.zeros(n, np.float32),
        reply=np.zeros((n, 0), np.float32),
    )
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        learner = Learner(game, network, TrainSettings(batch=256, warmup=20, ema=0.98))
    while learner.steps < steps:
        for _ in learner.train(samples, min(CHUNK, steps - learner.steps), rng, progress=learner.steps / steps):
            pass
    return learner.play_weights()


def smaller(network: NetworkSettings, by: int) -> NetworkSettings:
    """The same kind of network with blocks and channels divided by `by`."""
    channels = max(network.attention_heads if network.trunk == "transformer" else 4, network.channels // by)
    if network.trunk == "transformer":
        channels -= channels % network.attention_heads
    changes = {"blocks": max(1, network.blocks // by), "channels": channels}
    return network.model_copy(update=changes | dict.fromkeys(AUXILIARY, False))


def variants(agent: AgentFile, report: Report, *, games: int, steps: int, seed: int) -> dict[str, Variant]:
    """The original and all that is made of it, by name."""
    game, network, weights = agent.game, agent.network, agent.weights
    found = {ORIGINAL: Variant(network, weights, megabytes(weights))}
    for share in PRUNED:
        less = prune(weights, share)
        found[f"pruned {share:.0%}"] = Variant(network, less, megabytes(less))
    if util.find_spec("openvino") is None:
        report.note("no bf16 and int8: pip install openvino")
    else:
        for precision in ("bf16", "int8"):
            found[precision] = Variant(network, weights, megabytes(weights, precision), "openvino", precision)
    evaluate = evaluator(agent)
    own = own_games(game, evaluate, games, np.random.default_rng(seed))
    for by in SMALLER:
        size = smaller(network, by)
        report.note(f"distilling {size.blocks}x{size.channels} in {len(own):,} positions")
        learned = distil(agent, size, own.states, evaluate, steps, seed)
        found[f"distilled {size.blocks}x{size.channels}"] = Variant(size, learned, megabytes(learned))
    return found


def ready(game: Game, variant: Variant, examples: States) -> Evaluator:
    """The variant's evaluator, on one thread."""
    settings = RuntimeSettings(engine=variant.engine, device="cpu", precision=variant.precision, threads=1)
    runtime = create(game, variant.network, settings)
    runtime.load(variant.weights, game.observe(examples))
    return NetworkEvaluator(game, runtime)


def mover(game: Game, evaluate: Evaluator, agent: AgentFile, simulations: int) -> Callable[[States], object]:
    """What moves in positions: the raw network (0 simulations) or its search."""
    if not simulations:
        return evaluate
    player, rng = SearchPlayer(game, evaluate, agent.search, simulations), np.random.default_rng(0)
    return lambda states: player(states, rng)


def move_seconds(move: Callable[[States], object], states: States) -> float:
    """Median time of a move in single positions."""
    seconds = []
    for i in range(len(states)):
        start = time.perf_counter()
        move(states[i : i + 1])
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def move_joules(move: Callable[[States], object], states: States, meter: Meter, enough: float) -> float:
    """Mean energy of a move in single positions, by a meter that is ready, from `enough` seconds of moves."""
    before, made, start = meter.read().kwh, 0, time.perf_counter()
    while time.perf_counter() - start < enough:
        move(states[made % len(states)][None])
        made += 1
    return 3.6e6 * (meter.read().kwh - before) / made


def pareto(costs: Sequence[tuple[float, ...]]) -> list[bool]:
    """Whether each of `costs`, all less is better, is beaten by none: no other is as good in everything and better in something.

    >>> pareto([(1, 5), (2, 2), (3, 3), (5, 1)])
    [True, True, False, True]
    """
    table = np.array(costs)
    return [not ((table <= mine).all(axis=1) & (table < mine).any(axis=1)).any() for mine in table]


def study(
    agent: AgentFile, report: Report, *, simulations: int, openings: int, games: int, steps: int, seed: int
) -> None:
    """Make the agent smaller in every way, and let all of them play the original."""
    game, rng = agent.game, np.random.default_rng(seed)
    found = variants(agent, report, games=games, steps=steps, seed=seed)
    own = own_games(game, evaluator(agent), 24, rng).states
    examples = own[rng.permutation(len(own))[:EXAMPLES]]
    evaluators = {name: ready(game, variant, examples) for name, variant in found.items()}
    starts = random_openings(game, openings, OPENING_PLIES, rng)
    players = {name: agent_player(game, e, agent.search, simulations) for name, e in evaluators.items()}
    report.note(f"{2 * len(starts.states)} games of each against the original, {simulations} simulations a move")
    others = {name: (player, starts) for name, player in players.items() if name != ORIGINAL}
    matches = gauntlet(game, players[ORIGINAL], others, rng)
    ratings = {r.name: r for r in rating.fit([_result(*match) for match in matches.items()], {ORIGINAL: 0.0})}
    teacher = evaluators[ORIGINAL](examples)
    rows: list[Row] = []
    meter = Meter(FootprintSettings(), lambda text: None)
    meter.start()
    measured, threads = meter.ready(), torch.get_num_threads()
    set_threads(RuntimeSettings(threads=1))  # OpenVINO's runtimes have one each; torch's is the process's
    for name, variant in found.items():
        seen, own_rating = evaluators[name](examples), ratings[name]
        move = mover(game, evaluators[name], agent, simulations)
        rows.append(
            {
                "agent": name,
                "engine": variant.engine,
                "Elo": Measured(own_rating.elo, (own_rating.high - own_rating.low) / 2),
                "ms a move": 1000 * move_seconds(move, examples[:TIMED]),
                **({"mJ a move": 1000 * move_joules(move, examples, meter, ENOUGH)} if measured else {}),
                "MB": variant.megabytes,
                "same choice": float((seen.priors.argmax(axis=1) == teacher.priors.argmax(axis=1)).mean()),
                "value apart": float(np.abs(seen.values - teacher.values).mean()),
            }
        )
    meter.stop()
    set_threads(RuntimeSettings(threads=threads))
    front = pareto([_costs(row) for row in rows])
    rows = [{**row, "front": "yes" if on else ""} for row, on in zip(rows, front, strict=True)]
    report.picture(
        "pareto",
        _figure(rows),
        "Strength against time and memory",
        "Up and to the left is better. Filled: on the Pareto front, beaten by no other in strength, time and memory at once. "
        "Lines are 95% intervals of the Elo, the original's is 0 by definition.",
    )
    report.table(
        "pareto",
        rows,
        "What less costs",
        f"Elo against the original from {2 * len(starts.states)} games, {simulations} simulations a move, the same for all. "
        "Milliseconds a move: median in single positions, one thread; of two engines the quicker saves some, too. MB: of the "
        "weights. Same choice, value apart: of the raw networks, against the original in positions of its own games.",
    )
    report.text(ENERGY if measured else NO_ENERGY)
    report.figures({f"compress/elo/{row['agent']}": _elo(row).value for row in rows if row["agent"] != ORIGINAL})


def _result(name: str, match: MatchResult) -> rating.Result:
    """A match of the original against `name`."""
    return rating.Result(ORIGINAL, name, match.wins, match.draws, match.losses)


def _elo(row: Row) -> Measured:
    elo = row["Elo"]
    assert isinstance(elo, Measured)
    return elo


def _costs(row: Row) -> tuple[float, float, float]:
    return (-_elo(row).value, float(str(row["ms a move"])), float(str(row["MB"])))


def _figure(rows: Sequence[Row]) -> Figure:
    from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

    figure = new_figure(10, 4.4)
    for axis, column, label in zip(
        figure.subplots(1, 2, sharey=True), (1, 2), ("milliseconds a move", "megabytes"), strict=True
    ):
        for i, row in enumerate(rows):
            x, elo, colour = _costs(row)[column], _elo(row), f"C{i}"
            face = colour if row["front"] else "white"
            bars = axis.errorbar(x, elo.value, yerr=elo.error, fmt="o", color=colour, markerfacecolor=face, capsize=3)
            bars.set_label(str(row["agent"]))
        axis.set(xlabel=label, xscale="log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.xaxis.set_minor_locator(NullLocator())  # whose names would run into each other
        axis.margins(x=0.25)
        axis.grid(alpha=0.3)
        axis.axhline(0, color="0.6", linestyle="--")
    figure.axes[0].set_ylabel("Elo against the original")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", fontsize=9)
    return figure
