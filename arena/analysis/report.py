"""What a search has found, as KataGo's analysis engine reports it. What nobody has computed is left out."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from arena.analysis.query import Asked, Turn
from arena.kata.found import Found, Move
from envs import States
from envs.go import Go

DIGITS = 6
Report = dict[str, object]


def report(asked: Asked, turn: Turn, found: Found, policy: NDArray[np.float32], *, during: bool) -> Report:
    """The response for one turn; `policy` [A] are the priors before the search, -1 where illegal."""
    query = asked.query
    # 1 where values are reported as they are, from the side to move; -1 where from the other side
    sign = 1 if asked.perspective == "SIDETOMOVE" or asked.perspective == ("BLACK", "WHITE")[found.to_play] else -1
    answer: Report = {
        "id": query.id,
        "isDuringSearch": during,
        "turnNumber": turn.number,
        "moveInfos": [
            _move_info(order, move, sign, visits=query.includePVVisits, ownership=query.includeMovesOwnership)
            for order, move in enumerate(found.moves)
        ],
        "rootInfo": {
            "currentPlayer": "BW"[found.to_play],
            **_hashes(asked.game, turn.state),
            "visits": found.visits,
            "utility": _rounded(sign * found.value),
            "winrate": _rounded((1 + sign * found.value) / 2),
            **_lead(found.lead, sign),
        },
    }
    if query.includeOwnership and found.ownership is not None:
        answer["ownership"] = _numbers(sign * found.ownership)
    if query.includePolicy:
        answer["policy"] = _numbers(policy)
    return answer


def _move_info(order: int, move: Move, sign: int, *, visits: bool, ownership: bool) -> Report:
    info: Report = {
        "move": move.name,
        "order": order,
        "visits": move.visits,
        "winrate": _rounded((1 + sign * move.value) / 2),
        "utility": _rounded(sign * move.value),
        "lcb": _rounded(move.bound if sign > 0 else 1 - move.bound),
        "utilityLcb": _rounded(sign * (2 * move.bound - 1)),
        "prior": _rounded(move.prior),
        **_lead(move.lead, sign),
        "pv": move.line,
    }
    if visits:
        info["pvVisits"] = move.line_visits
    if ownership and move.ownership is not None:
        info["ownership"] = _numbers(sign * move.ownership)
    return info


def _lead(lead: float | None, sign: int) -> Report:
    return {} if lead is None else {"scoreLead": _rounded(sign * lead), "scoreMean": _rounded(sign * lead)}


def _hashes(game: Go, state: States) -> Report:
    """`thisHash` of stones, side to move and simple ko; `symHash`, the same for positions that are mirror images."""
    board = game.board(state).reshape(-1)
    rest = bytes([int(state["to_play"][0])])
    ko = np.zeros(board.size, np.int8)
    if state["ko"][0] >= 0:
        ko[state["ko"][0]] = 1
    looks = [board[points].tobytes() + ko[points].tobytes() + rest for points in game.symmetries.points]
    this, least = (hashlib.sha256(look).hexdigest()[:32].upper() for look in (looks[0], min(looks)))
    return {"thisHash": this, "symHash": least}


def _rounded(value: float) -> float:
    return round(float(value), DIGITS)


def _numbers(values: NDArray[np.float32]) -> list[float]:
    return [_rounded(value) for value in values.reshape(-1).tolist()]
