"""What a line of JSON asks for: positions of a game, and how to look at them. Fields are named as KataGo names them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from arena.kata import rules as kata_rules
from arena.kata.turn import turned
from envs import States
from envs.go import Go

Player = Literal["B", "W", "b", "w"]
Placed = tuple[Player, str]
DEFAULT_KOMI = 7.5
OVERRIDES = ("reportAnalysisWinratesAs", "maxTime")
PERSPECTIVES = ("BLACK", "WHITE", "SIDETOMOVE")


class QueryError(Exception):
    """What is wrong with a query, and with which of its fields."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class Restriction(BaseModel):
    """Moves of a player not to look at, or the only ones."""

    model_config = ConfigDict(strict=True)

    player: Player
    moves: list[str]
    untilDepth: int = Field(ge=1)  # noqa: N815  # the field's name


class Query(BaseModel):
    """A game, and which of its positions to analyse."""

    model_config = ConfigDict(strict=True)

    id: str
    moves: list[Placed]
    rules: str | dict[str, object]
    boardXSize: int = Field(ge=2, le=19)  # noqa: N815
    boardYSize: int = Field(ge=2, le=19)  # noqa: N815
    komi: float = Field(DEFAULT_KOMI, ge=-150, le=150)
    whiteHandicapBonus: str | int | None = None  # noqa: N815
    initialStones: list[Placed] = []  # noqa: N815
    initialPlayer: Player | None = None  # noqa: N815
    analyzeTurns: list[int] | None = None  # noqa: N815
    maxVisits: int | None = Field(None, ge=1)  # noqa: N815
    includePolicy: bool = False  # noqa: N815
    includeOwnership: bool = False  # noqa: N815
    includeMovesOwnership: bool = False  # noqa: N815
    includePVVisits: bool = False  # noqa: N815
    avoidMoves: list[Restriction] = []  # noqa: N815
    allowMoves: list[Restriction] = Field([], max_length=1)  # noqa: N815
    overrideSettings: dict[str, object] = {}  # noqa: N815
    reportDuringSearchEvery: float | None = Field(None, gt=0)  # noqa: N815
    priority: int = 0
    priorities: list[int] | None = None


class Turn(NamedTuple):
    """A position to analyse."""

    number: int
    state: States  # [1]
    priority: int
    avoid: NDArray[np.int64]  # actions not to look at


class Asked(NamedTuple):
    """A query that makes sense."""

    query: Query
    game: Go
    turns: list[Turn]
    perspective: str  # of `PERSPECTIVES`
    seconds: float | None  # for each turn
    warnings: list[tuple[str, str]]  # (field, message): what will not be as it was asked for


def loaded(line: str) -> dict[str, object]:
    """The dictionary in `line`. QueryError where it holds none."""
    try:
        told = json.loads(line, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise QueryError(f"Could not parse input line as JSON: {error}"[:200], "") from None
    if not isinstance(told, dict):
        raise QueryError("Input line was valid JSON but was not an object", "")
    return told


def _finite(text: str) -> float:
    """JSON has no other numbers; Python's reader would take NaN and Infinity."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text[:20]} is not a finite number")
    return number


def asked(line: str, told: Mapping[str, object], play: Callable[[Go], object]) -> Asked:
    """The query in `line`, which is `told` once read. QueryError where it cannot be answered.

    `play` raises ValueError of a game that is not played here; it is asked before a move is made, for which kernels may have to
    be compiled.
    """
    try:
        query = Query.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else ""
        raise QueryError(first["msg"], field) from None
    warnings = [(name[:40], "Unexpected or unused field") for name in told if name not in Query.model_fields]
    if query.boardXSize != query.boardYSize:
        raise QueryError("Only square boards are supported", "boardYSize")
    rules, missing = _rules(query)
    if missing:
        warnings.append(("rules", f"Not supported, nearest rules used instead: {', '.join(missing)}"))
    perspective, seconds = _overrides(query, warnings)
    for restriction in query.avoidMoves + query.allowMoves:
        if restriction.untilDepth > 1:
            field = "avoidMoves" if query.avoidMoves else "allowMoves"
            warnings.append((field, "Only the first move is restricted, as with untilDepth 1"))
            break
    game = Go(query.boardXSize, query.komi, rules.superko, rules.suicide)
    stones = [(_player(who), _point(game, where, "initialStones")) for who, where in query.initialStones]
    bonus = rules.bonus_points(len(stones)) if all(colour == 0 for colour, _ in stones) else 0
    game = Go(game.size, game.komi + bonus, game.superko, game.suicide)
    try:
        play(game)
    except ValueError as error:
        raise QueryError(str(error), "boardXSize") from None
    return Asked(query, game, _turns(query, game, stones), perspective, seconds, warnings)


def _rules(query: Query) -> tuple[kata_rules.Rules, list[str]]:
    try:
        rules, missing = kata_rules.parse(query.rules)
    except ValueError as error:
        raise QueryError(str(error), "rules") from None
    bonus = query.whiteHandicapBonus
    if bonus is None:
        return rules, missing
    if str(bonus) not in kata_rules.BONUSES:
        raise QueryError(f"Choose one of {', '.join(kata_rules.BONUSES)}", "whiteHandicapBonus")
    return rules._replace(bonus=str(bonus)), missing


def _overrides(query: Query, warnings: list[tuple[str, str]]) -> tuple[str, float | None]:
    """Perspective and seconds."""
    settings = query.overrideSettings
    perspective, seconds = settings.get("reportAnalysisWinratesAs", "BLACK"), settings.get("maxTime")
    if perspective not in PERSPECTIVES:
        raise QueryError(f"reportAnalysisWinratesAs is one of {', '.join(PERSPECTIVES)}", "overrideSettings")
    if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds <= 0):
        raise QueryError("maxTime is a number of seconds", "overrideSettings")
    if people := [name for name in settings if name.startswith("humanSL")]:
        raise QueryError(f"{people[0][:40]}: there is no model of people's play here", "overrideSettings")
    unknown = [name[:40] for name in settings if name not in OVERRIDES]
    if unknown:
        warnings.append(("overrideSettings", f"Unknown config params: {', '.join(unknown)}"))
    return str(perspective), None if seconds is None else float(seconds)


def _turns(query: Query, game: Go, stones: list[tuple[int, int]]) -> list[Turn]:
    """The positions asked for, after the moves before them."""
    numbers = [len(query.moves)] if query.analyzeTurns is None else query.analyzeTurns
    if any(not 0 <= number <= len(query.moves) for number in numbers):
        raise QueryError("Invalid turn number, out of range of the moves", "analyzeTurns")
    if len(set(numbers)) < len(numbers):
        raise QueryError("A turn is asked for twice", "analyzeTurns")
    priorities = query.priorities if query.priorities is not None else [query.priority] * len(numbers)
    if len(priorities) != len(numbers):
        raise QueryError("Must be as many as analyzeTurns", "priorities")
    if any(point == game.num_actions - 1 for _, point in stones):
        raise QueryError("Stones are not placed by passing", "initialStones")
    first = query.initialPlayer or (query.moves[0][0] if query.moves else "W" if _black_alone(stones) else "B")
    try:
        state = game.position(stones, _player(first))
    except ValueError as error:
        raise QueryError(f"Illegal initial stones: {error}", "initialStones") from None
    states = [state]
    for count, (who, where) in enumerate(query.moves):
        action, state = _point(game, where, "moves"), turned(game, states[-1], _player(who))
        if not game.legal(state)[0, action]:
            raise QueryError(f"Illegal move {count}: {where[:10]}", "moves")
        states.append(game.step(state, np.array([action])))
    turns = []
    for number, priority in zip(numbers, priorities, strict=True):
        state = turned(game, states[number], int(states[number]["to_play"][0]))
        avoid = _avoid(query, game, int(state["to_play"][0]))
        legal = game.legal(state)[0]
        if not np.delete(legal, avoid).any():
            field = "allowMoves" if query.allowMoves else "avoidMoves"
            raise QueryError(f"No move is left to look at in turn {number}", field)
        turns.append(Turn(number, state, priority, avoid))
    return turns


def _avoid(query: Query, game: Go, to_play: int) -> NDArray[np.int64]:
    avoided, allowed = np.zeros(game.num_actions, np.bool_), np.ones(game.num_actions, np.bool_)
    for restriction in query.avoidMoves:
        if _player(restriction.player) == to_play:
            avoided[[_point(game, move, "avoidMoves") for move in restriction.moves]] = True
    for restriction in query.allowMoves:
        if _player(restriction.player) == to_play:
            allowed[:] = False
            allowed[[_point(game, move, "allowMoves") for move in restriction.moves]] = True
    return np.flatnonzero(avoided | ~allowed)


def _black_alone(stones: list[tuple[int, int]]) -> bool:
    return bool(stones) and all(colour == 0 for colour, _ in stones)


def _player(name: str) -> int:
    return "bw".index(name.lower())


def _point(game: Go, text: str, field: str) -> int:
    """The action of C4, pass, or (2,15), which counts columns and rows from the top left corner."""
    try:
        if text.startswith("(") and text.endswith(")"):
            x, y = (int(number) for number in text[1:-1].split(","))
            if not (0 <= x < game.size and 0 <= y < game.size):
                raise ValueError
            return y * game.size + x
        return game.parse_action(text)
    except ValueError:
        raise QueryError(f"Could not parse board location: {text[:10]}", field) from None
