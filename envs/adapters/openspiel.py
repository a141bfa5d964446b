"""Games of OpenSpiel (Lanctot et al. 2019): two players, zero-sum, deterministic, perfect information, won, drawn or lost.

The name is OpenSpiel's own with its parameters: `tic_tac_toe`, `breakthrough(rows=6,columns=6)`, `misere(game=nim())`;
games written in Python count too, once their module is imported. What else OpenSpiel has is refused with the reason.

One parameter is ours: `max_moves`, the moves after which an unfinished game is a draw. Without it that is OpenSpiel's
own limit, or 1024 where OpenSpiel allows more (chess and its kin, shogi, Chinese checkers, cursor Go).

The player who moves first is player 0 here: White in chess, whom OpenSpiel calls player 1.
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs.adapters.foreign import MOST_LEVELS, MOST_MOVES, plain, whole_number

try:
    import pyspiel
except ImportError as error:
    raise ValueError("games of openspiel need OpenSpiel: pip install open_spiel") from error

# Games in which every move, a pass included, gives the turn to the other side; others get the action `skip`.
ALTERNATING = frozenset(
    {"antichess", "breakthrough", "chess", "clobber", "connect_four", "crazyhouse", "go", "gomoku", "havannah", "hex"}
    | {"hive", "mnk", "nim", "othello", "pentago", "shogi", "tic_tac_toe", "xiangqi", "y"}
)


class _Stones(NamedTuple):
    """Channels of the first player's observation tensor that hold stones."""

    first: slice
    second: slice
    bottom_up: bool = False  # row 0 is the lowest


REARRANGING = ("egocentric", "egocentric_obs_tensor", "plain_obs_tensor")  # parameters that change channels
_0, _1, _2 = slice(0, 1), slice(1, 2), slice(2, 3)
STONES = {
    "amazons": _Stones(_2, _1),
    "breakthrough": _Stones(_0, _1),
    "checkers": _Stones(slice(0, 2), slice(2, 4)),  # men and kings
    "clobber": _Stones(_0, _1),
    "connect_four": _Stones(_0, _1, bottom_up=True),
    "go": _Stones(_0, _1, bottom_up=True),
    "gomoku": _Stones(_0, _1),
    "havannah": _Stones(_0, _1),
    "hex": _Stones(slice(5, 9), slice(0, 4)),  # by the edges they are connected to
    "lines_of_action": _Stones(_0, _1, bottom_up=True),
    "mnk": _Stones(_2, _1),
    "nine_mens_morris": _Stones(_0, _1),
    "othello": _Stones(_1, _2),
    "pentago": _Stones(_0, _1),
    "tic_tac_toe": _Stones(_2, _1),
    "y": _Stones(_0, _1),
}
_SURVEYED = 2000  # plies of random play from which names and levels are read


class _Survey(NamedTuple):
    """What random games, the same every time, show of a game."""

    names: tuple[dict[int, str], dict[int, str]]  # by player, what OpenSpiel calls each action
    stable: bool  # no action was called two names
    values: NDArray[np.float32]  # rising, all that observations held


class OpenSpiel:
    """The `Rules` of a game of OpenSpiel; a position is a `pyspiel.State`."""

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        self._game, self.max_moves = _load(name, options)
        self.name = "openspiel:" + _text(self._game, self.max_moves)
        kind = self._game.get_type()
        self.num_actions: int = self._game.num_distinct_actions()
        self.alternates = kind.short_name in ALTERNATING
        self._tells = kind.provides_observation_tensor
        self.shape = _planes(self._game.observation_tensor_shape()) if self._tells else (0, 1, 1)
        self._first: int = self.start().current_player()
        usual = self._first == 0 and not any(self._game.get_parameters().get(key) for key in REARRANGING)
        self._stones = STONES.get(kind.short_name) if usual else None

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """All values but the least that observations hold in random games; of many the small ones close together.

        (1,) where observations are binary.
        """
        values = self._survey.values[1:]
        if len(values) > MOST_LEVELS:
            values = values[np.unique(np.geomspace(1, len(values), MOST_LEVELS).round().astype(int)) - 1]
        return tuple(values.tolist()) or (1.0,)

    @cached_property
    def names(self) -> dict[int, str]:
        """OpenSpiel's, without the player's mark (x0 and o0 are 0); none if they depend on the position (chess)."""
        first, second = self._survey.names
        marks = {_marks(first[a], second[a]) for a in first.keys() & second.keys()} - {("", "")}
        if not self._survey.stable or len(marks) > 1:
            return {}
        mark, other = marks.pop() if marks else ("", "")
        names = {a: plain(name.removeprefix(other)) for a, name in second.items()}
        names |= {a: plain(name.removeprefix(mark)) for a, name in first.items()}
        distinct = {names.get(a, str(a)).casefold() for a in range(self.num_actions)}
        return names if len(distinct) == self.num_actions and "" not in distinct else {}

    def start(self) -> Any:
        return self._game.new_initial_state()

    def copy(self, position: Any) -> Any:
        return position.clone()

    def apply(self, position: Any, action: int) -> None:
        position.apply_action(action)

    def player(self, position: Any) -> int:
        return -1 if position.is_terminal() else int(position.current_player()) ^ self._first

    def legal(self, position: Any) -> list[int]:
        return position.legal_actions()  # type: ignore[no-any-return]  # pyspiel has no types

    def result(self, position: Any) -> int:
        result = position.returns()[self._first]
        if result not in (-1, 0, 1):
            raise RuntimeError(f"{self.name} ended with the result {result}: only -1, 0 and 1 are known")
        return int(result)

    def tensor(self, position: Any, player: int) -> NDArray[np.generic]:
        if not self._tells:
            raise ValueError(f"{self.name} has no observation tensor: it can be searched and played, not learned from")
        return np.array(position.observation_tensor(player ^ self._first), np.float32).reshape(self.shape)

    def board(self, position: Any) -> NDArray[np.int8]:
        """From the channels of `STONES`; zeros for other games."""
        if self._stones is None:
            return np.zeros(self.shape[1:], np.int8)
        tensor = self.tensor(position, 0)
        own, other = (tensor[channels].sum(axis=0) for channels in self._stones[:2])
        board = np.asarray(own - other, np.int8)
        return board[::-1] if self._stones.bottom_up else board

    def last(self, before: Any, after: Any) -> int:
        return -1

    def text(self, position: Any) -> str:
        return str(position)

    def move_text(self, position: Any, action: int) -> str:
        return plain(position.action_to_string(position.current_player(), action))

    @cached_property
    def _survey(self) -> _Survey:
        names: tuple[dict[int, str], dict[int, str]] = ({}, {})
        stable, values = True, {0.0}
        for state in _random_play(self._game, _SURVEYED):
            player = state.current_player()
            if self._tells:
                values.update(state.observation_tensor(max(player, 0)))
            if player >= 0 and stable:
                known = names[player ^ self._first]
                for action in state.legal_actions():
                    name = state.action_to_string(player, action)
                    stable &= known.setdefault(action, name) == name
        return _Survey(names, stable, np.array(sorted(values), np.float32))


def _random_play(game: Any, plies: int) -> Iterator[Any]:
    """The states of seeded random games, at least `plies` of them."""
    rng, seen = random.Random(0), 0
    while seen < plies:
        state = game.new_initial_state()
        while True:
            yield state
            seen += 1
            if state.is_terminal():
                break
            legal = state.legal_actions()
            state.apply_action(legal[int(rng.random() * len(legal))])


def _load(name: str, options: Mapping[str, object]) -> tuple[Any, int]:
    """The game and the moves it may have; ValueError in one line if there is no such game or it does not fit."""
    try:
        parameters = {**pyspiel.game_parameters_from_string(name), **options}
        known = pyspiel.registered_names()
        if parameters.get("name") not in known:
            near = difflib.get_close_matches(str(parameters.get("name")), known, n=1)
            raise ValueError(f"OpenSpiel has no game '{name}'" + (f"; did you mean '{near[0]}'?" if near else ""))
        wanted = parameters.pop("max_moves", None)
        game = pyspiel.load_game(pyspiel.game_parameters_to_string(parameters))
    except (pyspiel.SpielError, IndexError) as error:  # IndexError: a parameter that has no default is missing
        raise ValueError(f"openspiel:{name} cannot be loaded: {str(error).splitlines()[0]}") from None
    if misfit := _misfit(game):
        raise ValueError(f"openspiel:{name} {misfit}: only deterministic games of two without secrets can be searched")
    longest = game.max_game_length()
    if wanted is None:
        return game, min(longest, MOST_MOVES)
    return game, min(longest, whole_number(f"openspiel:{name}", "max_moves", wanted))


def _misfit(game: Any) -> str:
    """Why the game does not fit the contract; empty if it does."""
    kind = game.get_type()
    if game.num_players() != 2:
        return f"is for {game.num_players()} player{'s' * (game.num_players() > 1)}"
    if kind.dynamics != pyspiel.GameType.Dynamics.SEQUENTIAL:
        return "lets players move at the same time"
    if kind.chance_mode != pyspiel.GameType.ChanceMode.DETERMINISTIC:
        return "leaves something to chance"
    if kind.information != pyspiel.GameType.Information.PERFECT_INFORMATION:
        return "hides something from the players"
    if kind.utility != pyspiel.GameType.Utility.ZERO_SUM:
        return "is not zero-sum"
    if (game.min_utility(), game.max_utility()) != (-1, 1):
        return f"pays from {game.min_utility():g} to {game.max_utility():g}, not just a win, a draw or a loss"
    return ""


def _text(game: Any, max_moves: int) -> str:
    """The name that loads the game again, `max_moves` in it where it is not the default."""
    parameters = pyspiel.game_parameters_from_string(str(game))
    if max_moves != min(game.max_game_length(), MOST_MOVES):
        parameters["max_moves"] = max_moves
    return str(pyspiel.game_parameters_to_string(parameters)).removesuffix("()")


def _planes(shape: list[int]) -> tuple[int, int, int]:
    """A tensor's shape as C, H, W.

    Flat channels become boards where they are square (Gomoku's 225), rows elsewhere.
    """
    if len(shape) >= 3:
        return int(np.prod(shape[:-2])), shape[-2], shape[-1]
    channels, length = (1, *shape)[-2:]
    side = round(length**0.5)
    return (channels, side, side) if len(shape) == 2 and side * side == length else (channels, 1, length)


def _marks(first: str, second: str) -> tuple[str, str]:
    """What precedes the end that two names share; nothing of names that differ in nothing but small and capital letters."""
    if first.casefold() == second.casefold():
        return "", ""
    same = [a == b for a, b in zip(reversed(first), reversed(second), strict=False)]
    shared = [*same, False].index(False)
    return first[: len(first) - shared], second[: len(second) - shared]
