"""The analysis commands: what they are told, and how Leela Zero (`lz-`) and KataGo (`kata-`) write what a search has found.

Leela Zero writes chances as ten-thousandths, KataGo as fractions, with the lead in points and ownership where the player's
network knows territory. What nobody has computed is left out. All is from the side to move.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agents.insight import Insight, Said
from arena.gtp import words
from arena.gtp.protocol import GTPError
from arena.kata.found import Found, Move
from envs.go import Go

SHORTEST = 0.05  # seconds between two reports


@dataclass
class Request:
    """`[colour] [centiseconds] [key value]...`"""

    colour: int
    interval: float = 0.5  # seconds between two reports
    least: int = 0  # moves in a report, if there are so many
    most: int = 1000
    flags: set[str] = field(default_factory=set)  # what else is reported, of `FLAGS`
    avoid: NDArray[np.int64] | None = None  # moves not to look at


FLAGS = ("ownership", "movesOwnership", "pvVisits", "rootInfo")
Format = Callable[[Found, Request], str]


def request(told: tuple[str, ...], game: Go, to_play: int) -> Request:
    """What `told` asks for. GTPError where it is not understood."""
    asked, rest = Request(to_play), list(told)
    if rest and words.is_colour(rest[0]):
        asked.colour = words.colour(rest.pop(0))
    if rest and rest[0].isdecimal():
        asked.interval = words.whole(rest.pop(0)) / 100
    allowed = np.zeros(game.num_actions, np.bool_)
    avoided = np.zeros(game.num_actions, np.bool_)
    while rest:
        key, *values = rest[:2]
        if key in ("avoid", "allow"):
            if len(rest) < 4:
                raise GTPError(f"syntax error: {key} needs a color, vertices and a depth")
            _, colour, vertices, depth = rest[:4]
            words.whole(depth)
            if words.colour(colour) == asked.colour:
                (avoided if key == "avoid" else allowed)[[vertex(game, text) for text in vertices.split(",")]] = True
            rest = rest[4:]
            continue
        if not values:
            raise GTPError(f"syntax error: {key} needs a value")
        if key == "interval":
            asked.interval = words.number(values[0]) / 100
        elif key == "minmoves":
            asked.least = words.whole(values[0])
        elif key == "maxmoves":
            asked.most = words.whole(values[0])
        elif key in FLAGS:
            asked.flags |= {key} if words.boolean(values[0]) else set()
        else:
            raise GTPError(f"syntax error: unknown key {key[:20]}")
        rest = rest[2:]
    asked.interval = max(asked.interval, SHORTEST)
    avoided |= ~allowed if allowed.any() else False
    asked.avoid = np.flatnonzero(avoided) if avoided.any() else None
    return asked


def vertex(game: Go, text: str) -> int:
    """The action of a vertex such as E5 or pass."""
    try:
        return game.parse_action(text)
    except ValueError:
        raise GTPError("syntax error: invalid vertex") from None


def leela(found: Found, asked: Request) -> str:
    return " ".join(
        f"info move {move.name} visits {move.visits} winrate {round(10_000 * move.chance)}"
        f" prior {round(10_000 * move.prior)} lcb {round(10_000 * move.bound)} order {order} pv {' '.join(move.line)}"
        for order, move in enumerate(found.moves)
    )


def kata(found: Found, asked: Request) -> str:
    text = " ".join(_kata_move(order, move, asked) for order, move in enumerate(found.moves))
    if "rootInfo" in asked.flags:
        chance = (1 + found.value) / 2
        text += f" rootInfo visits {found.visits} utility {found.value:.6f} winrate {chance:.6f}{_lead(found.lead)}"
    if "ownership" in asked.flags and found.ownership is not None:
        text += f" ownership {_numbers(found.ownership)}"
    return text


def _kata_move(order: int, move: Move, asked: Request) -> str:
    text = f"info move {move.name} visits {move.visits} utility {move.value:.6f} winrate {move.chance:.6f}{_lead(move.lead)}"
    text += f" prior {move.prior:.6f} lcb {move.bound:.6f} utilityLcb {2 * move.bound - 1:.6f} order {order}"
    text += f" pv {' '.join(move.line)}"
    if "pvVisits" in asked.flags:
        text += f" pvVisits {' '.join(map(str, move.line_visits))}"
    if "movesOwnership" in asked.flags and move.ownership is not None:
        text += f" movesOwnership {_numbers(move.ownership)}"
    return text


def _lead(lead: float | None) -> str:
    return "" if lead is None else f" scoreMean {lead:.6f} scoreLead {lead:.6f}"


def _numbers(values: NDArray[np.float32]) -> str:
    return " ".join(f"{value:.6f}" for value in values.reshape(-1).tolist())


def raw(insight: Insight, said: Said, symmetry: int, white_to_move: bool, legal: NDArray[np.bool_]) -> str:
    """`kata-raw-nn`: a network's answer about one position; values are White's, the policy NAN where illegal."""
    sign = 1.0 if white_to_move else -1.0
    h, w = insight.game.board_shape
    win = (1 + sign * float(said.values[0])) / 2
    policy = [f"{p:.6f}" if may else "NAN" for p, may in zip(said.priors[0].tolist(), legal.tolist(), strict=True)]
    lines = [f"symmetry {symmetry}", f"whiteWin {win:.6f}", f"whiteLoss {1 - win:.6f}", "noResult 0.000000"]
    if said.leads is not None and said.ownership is not None:
        lines.append(f"whiteLead {sign * float(said.leads[0]):.6f}")
    lines += ["policy", *(" ".join(policy[y * w : (y + 1) * w]) for y in range(h)), f"policyPass {policy[-1]}"]
    if said.ownership is not None:
        lines += ["whiteOwnership", *(" ".join(f"{sign * p:.6f}" for p in row) for row in said.ownership[0].tolist())]
    return "\n".join(lines)
