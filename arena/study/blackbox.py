"""Why this move? Which stones the policy's chosen move and the value rest on, and whether such maps can be believed.

Three methods give every point of the board a number (Captum computes them):

    occlusion              how much the answer falls when the point's stone is taken off (Zeiler & Fergus 2014)
    saliency               |gradient| of the answer by the point's planes (Simonyan et al. 2014)
    integrated gradients   gradients on the way from the board without stones, times the way (Sundararajan et al. 2017);
                           they add up to the difference of the two answers

"Taken off" means: the planes show at that point what they show at the start of a game, where nothing is; planes that are the
same all over the board, such as the side to move, stay. Liberties and other planes at neighbouring points stay too: the
network sees a position that no game leads to, which is the usual price of such methods.

Two tests. Deletion (Petsiuk et al. 2018): stones are taken off, the most important first; the answer should fall faster than
in random order. Random weights (Adebayo et al. 2018): a map that looks the same for a network that never learned
anything shows the position, not the network.

The answers are the log-probability of the move that the policy prefers, and the value for the side to move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from agents.files import AgentFile
from agents.network import PolicyValueNetwork
from arena.study.boards import draw, point_of
from arena.study.inspect import Answers, attention, load_network, random_network
from arena.study.report import Measured, Report, Row, missing, new_figure
from envs import Game, States

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ANSWERS = ("move", "value")
METHODS = ("occlusion", "saliency", "integrated gradients")
STEPS = 32  # of the integral
ORDERS = 8  # random orders that deletion is measured against
SHOWN = 4  # positions in a picture
FEWEST = 4  # stones a position needs to be asked about


class Question(NamedTuple):
    """A position as the network sees it, and its preferred move."""

    state: np.void
    planes: Tensor  # [1, C, H, W] f4
    empty: Tensor  # [1, C, H, W] the same with every stone taken off
    legal: Tensor  # [1, A]
    action: Tensor  # [1]

    @property
    def stones(self) -> NDArray[np.int64]:
        """Flat indices of the points where taking off changes anything."""
        return np.flatnonzero((self.planes != self.empty).any(dim=1).numpy().reshape(-1))


Map = NDArray[np.float64]  # [H, W]
Method = Callable[[Answers, Question, int], Map]  # (network, question, which of ANSWERS)


def ask(game: Game, network: PolicyValueNetwork, states: States) -> list[Question]:
    """What is asked about each of `states`: its preferred move and its value. Those with few stones are left out."""
    planes = torch.from_numpy(game.observe(states)).float()
    start = torch.from_numpy(game.observe(game.reset(1))).float()
    constant = (planes == planes[:, :, :1, :1]).all(dim=3).all(dim=2)[:, :, None, None]
    empty = torch.where(constant, planes, start.expand_as(planes))
    legal = torch.from_numpy(game.legal(states))
    with torch.no_grad():
        action = network(planes).policy.masked_fill(~legal, -1e9).argmax(dim=1)
    rows = (slice(i, i + 1) for i in range(len(states)))
    asked = [Question(states[r][0], planes[r], empty[r], legal[r], action[r]) for r in rows]
    return [question for question in asked if len(question.stones) >= FEWEST]


def occlusion(answers: Answers, question: Question, which: int) -> Map:
    """How much the answer falls when the stone of a point is taken off."""
    from captum.attr import FeatureAblation

    h, w = question.planes.shape[2:]
    groups = torch.arange(h * w).reshape(1, 1, h, w)
    found = FeatureAblation(answers).attribute(
        question.planes,
        baselines=question.empty,
        target=which,
        additional_forward_args=(question.legal, question.action),
        feature_mask=groups,
        perturbations_per_eval=h * w,
    )
    return _numbers(found[:, :1])  # the same number for every plane of a point


def saliency(answers: Answers, question: Question, which: int) -> Map:
    """|gradient| by the planes of a point, added up."""
    from captum.attr import Saliency

    planes = question.planes.clone().requires_grad_()
    found = Saliency(answers).attribute(planes, target=which, additional_forward_args=(question.legal, question.action))
    return _numbers(found)


def integrated_gradients(answers: Answers, question: Question, which: int) -> Map:
    """What a point adds to the answer on the straight way from the board without stones."""
    from captum.attr import IntegratedGradients

    found = IntegratedGradients(answers).attribute(
        question.planes,
        baselines=question.empty,
        target=which,
        additional_forward_args=(question.legal, question.action),
        n_steps=STEPS,
    )
    return _numbers(found)


MAPS: dict[str, Method] = dict(zip(METHODS, (occlusion, saliency, integrated_gradients), strict=True))


def _numbers(found: Tensor) -> Map:
    return np.asarray(found.detach().sum(dim=1)[0].numpy(), np.float64)


def maps_of(answers: Answers, questions: Sequence[Question]) -> dict[tuple[str, str], list[Map]]:
    """The map of every (method, answer) for each question."""
    return {
        (name, answer): [method(answers, question, which) for question in questions]
        for name, method in MAPS.items()
        for which, answer in enumerate(ANSWERS)
    }


@torch.inference_mode()
def deletion(answers: Answers, question: Question, order: NDArray[np.int64]) -> NDArray[np.float64]:
    """[len(order) + 1, 2] the move's probability and the value with 0, 1, ... stones taken off in `order` (points)."""
    k, area = len(order), question.planes.shape[2] * question.planes.shape[3]
    gone = torch.zeros(k + 1, area, dtype=torch.bool)
    for i, point in enumerate(order, 1):
        gone[i:, point] = True
    planes = torch.where(gone.reshape(k + 1, 1, *question.planes.shape[2:]), question.empty, question.planes)
    found = answers(planes, question.legal, question.action).double()
    found[:, 0] = found[:, 0].exp()
    return np.asarray(found.numpy())


def deletion_curves(
    answers: Answers,
    questions: Sequence[Question],
    maps: dict[tuple[str, str], list[Map]],
    rng: np.random.Generator,
    *,
    points: int = 21,
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """[questions, points] of every (method, answer): the answer over the share of stones gone, 0 to 1; "random" beside them."""
    share = np.linspace(0, 1, points)

    def curve(question: Question, order: NDArray[np.int64], which: int) -> NDArray[np.float64]:
        fallen = deletion(answers, question, order)[:, which]
        return np.interp(share, np.linspace(0, 1, len(fallen)), fallen)

    curves: dict[tuple[str, str], NDArray[np.float64]] = {}
    for (name, answer), found in maps.items():
        which = ANSWERS.index(answer)
        ordered = [q.stones[np.argsort(-m.reshape(-1)[q.stones])] for q, m in zip(questions, found, strict=True)]
        curves[name, answer] = np.array([curve(q, order, which) for q, order in zip(questions, ordered, strict=True)])
    for which, answer in enumerate(ANSWERS):
        curves["random", answer] = np.array(
            [np.mean([curve(q, rng.permutation(q.stones), which) for _ in range(ORDERS)], axis=0) for q in questions]
        )
    return curves


def agreement(
    questions: Sequence[Question], a: dict[tuple[str, str], list[Map]], b: dict[tuple[str, str], list[Map]]
) -> dict[tuple[str, str], float]:
    """Mean Spearman correlation of two sets of maps, over the stones, of the numbers' size."""
    return {
        key: float(
            np.mean(
                [
                    spearmanr(np.abs(x).reshape(-1)[q.stones], np.abs(y).reshape(-1)[q.stones]).statistic
                    for q, x, y in zip(questions, a[key], b[key], strict=True)
                    if np.ptp(np.abs(x).reshape(-1)[q.stones]) > 0 and np.ptp(np.abs(y).reshape(-1)[q.stones]) > 0
                ]
            )
        )
        for key in a
    }


def study(agent: AgentFile, states: States, report: Report, *, seed: int) -> None:
    """Explain the agent's answers in `states` and test the explanations."""
    try:
        import captum  # noqa: F401  # asked for here, used above
    except ImportError:
        raise missing("captum") from None
    rng = np.random.default_rng(seed)
    network = load_network(agent)
    questions = ask(agent.game, network, states)
    if not questions:
        raise ValueError(f"no position with at least {FEWEST} stones to ask about: give more, or later ones")
    answers = Answers(network)
    report.note(f"{len(questions)} positions, {len(METHODS)} methods")
    maps = maps_of(answers, questions)
    for part, answer in enumerate(ANSWERS):
        report.picture(answer, _boards(agent.game, questions, maps, answer), *_WORDS[part])
    report.note("stones are taken off in the order of every map")
    _report_deletion(report, deletion_curves(answers, questions, maps, rng))
    heads = random_network(agent.game, agent.network, seed)
    heads.trunk, heads.value_trunk = network.trunk, network.value_trunk
    everything = random_network(agent.game, agent.network, seed)
    rows: list[Row] = []
    report.note("maps of networks with random weights")
    agreements = [agreement(questions, maps, maps_of(Answers(n), questions)) for n in (heads, everything)]
    for name, answer in maps:
        only_heads, whole = (found[name, answer] for found in agreements)
        rows.append({"method": name, "answer": answer, "heads random": only_heads, "all random": whole})
        report.figures({f"blackbox/sanity/{name.replace(' ', '_')}_{answer}": whole})
    report.table(
        "sanity",
        rows,
        "Do the maps belong to the network?",
        "Mean rank correlation (Spearman, over the stones of each position) between the maps of the trained network and those "
        "of the same network with random weights: in its heads, and everywhere. Near 1 a method shows the position and not "
        "what was learned; the nearer to 0 the better.",
    )
    _report_attention(report, agent.game, network, questions)


_WORDS = (
    (
        "What the chosen move rests on",
        "The policy's first choice is framed. Blue: the stone speaks for the move, taking it off makes the move less likely; "
        "red: it speaks against it. Saliency has no sign. Each map is scaled by its own largest number.",
    ),
    (
        "What the value rests on",
        "Blue: good for the side to move; red: bad. The scale is each map's own.",
    ),
)


def _boards(game: Game, questions: Sequence[Question], maps: dict[tuple[str, str], list[Map]], answer: str) -> Figure:
    """A row a position: the board, then a map of each method."""
    chosen = np.linspace(0, len(questions) - 1, min(SHOWN, len(questions))).astype(int)
    h, w = game.board_shape
    figure = new_figure(2.6 * (1 + len(METHODS)), 2.75 * len(chosen) * h / w)
    axes = figure.subplots(len(chosen), 1 + len(METHODS), squeeze=False)
    for line, i in zip(axes, chosen, strict=True):
        question = questions[i]
        point = point_of(game, question.state, int(question.action))
        marks = [] if point is None or answer != "move" else [point]
        draw(line[0], game, question.state, marks=marks)
        mover = "second" if question.state["to_play"] else "first"
        line[0].set_title(f"move {int(question.state['ply']) + 1}, the {mover} to play", fontsize=9)
        for axis, name in zip(line[1:], METHODS, strict=True):
            heat = maps[name, answer][i]
            draw(axis, game, question.state, heat, limit=float(np.abs(heat).max()), marks=marks)
            axis.set_title(name, fontsize=9)
    return figure


def _report_deletion(report: Report, curves: dict[tuple[str, str], NDArray[np.float64]]) -> None:
    figure = new_figure(9, 3.6)
    for axis, answer, label in zip(
        figure.subplots(1, 2), ANSWERS, ("probability of the chosen move", "value for the side to move"), strict=True
    ):
        for name in ("random", *METHODS):
            curve = curves[name, answer].mean(axis=0)
            style = {"color": "0.45", "linestyle": "--"} if name == "random" else {}
            axis.plot(np.linspace(0, 100, len(curve)), curve, label=f"{name} order" if style else name, **style)
        axis.set(xlabel="stones taken off, %", ylabel=label)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    report.picture(
        "deletion",
        figure,
        "Deletion: do the maps find what matters?",
        "Stones are taken off, those that speak most for the answer first; means over the positions. A method that finds what "
        "the network goes by falls below the random order.",
    )
    rows: list[Row] = []
    for answer in ANSWERS:
        random = curves["random", answer].mean(axis=1)
        for name in METHODS:
            less = curves[name, answer].mean(axis=1) - random
            error = 1.96 * less.std(ddof=1) / np.sqrt(len(less)) if len(less) > 1 else np.nan
            row: Row = {
                "method": name,
                "answer": answer,
                "area": float(curves[name, answer].mean()),
                "random": float(random.mean()),
                "change": Measured(float(less.mean()), float(error)),
                "faster in": float((less < 0).mean()),
            }
            rows.append(row)
            report.figures({f"blackbox/deletion/{name.replace(' ', '_')}_{answer}": float(less.mean())})
    report.table(
        "deletion",
        rows,
        "Areas under the deletion curves",
        f"Mean answer over all shares of stones taken off, {len(random)} positions. Change: against the random order, with "
        "its 95% interval; negative is good. Faster in: share of positions where the method's order is below the random one. "
        "Saliency has no sign: it cannot know which stones speak for a value and which against it.",
    )


def _report_attention(report: Report, game: Game, network: PolicyValueNetwork, questions: Sequence[Question]) -> None:
    """For the point of the chosen move: where each block looks, the mean of its heads."""
    looks = attention(network, torch.cat([question.planes for question in questions]))
    if not looks:
        report.text("The trunk has no attention, so there are no attention maps.")
        return
    h, w = game.board_shape
    chosen = np.linspace(0, len(questions) - 1, min(SHOWN, len(questions))).astype(int)
    figure = new_figure(2.6 * len(looks), 2.75 * len(chosen) * h / w)
    for line, i in zip(figure.subplots(len(chosen), len(looks), squeeze=False), chosen, strict=True):
        question = questions[i]
        point = point_of(game, question.state, int(question.action))
        for axis, look in zip(line, looks, strict=True):
            weights = look.weights[i].mean(dim=0)
            heat = (weights[point] if point is not None else weights.mean(dim=0)).reshape(h, w).numpy()
            draw(axis, game, question.state, heat, limit=float(heat.max()), marks=[] if point is None else [point])
            axis.set_title(f"block {look.block + 1}", fontsize=9)
    report.picture(
        "attention",
        figure,
        "Where attention looks",
        "Seen from the point of the chosen move (framed): how much each block takes from every other point, mean of its heads. "
        "What a block looks at is not yet what the answer rests on: compare the maps above.",
    )
