"""Turn-based environments of PettingZoo (Terry et al. 2021), above all its classic board games:

    chess_v6    connect_four_v3    go_v5, go_v5(board_size=9,komi=5.5)    tictactoe_v3

Its other classic environments hide cards or let players move at the same time: they are refused. Names with a slash are
looked up in PettingZoo's registry as they are (`mine/nim_v0`). That such an environment hides nothing is its maker's word;
two players, one set of discrete actions, an action mask, a result at the end and independence of the seed are checked.

One parameter is ours: `max_moves`, the moves after which an unfinished game is a draw. Without it that is 1024, which
go_v5 needs: its simple ko lets games go round in circles.

Actions are called by PettingZoo's numbers. Observations are the library's for the side to move, channel by channel; Go's
have the stones of the side that has just moved in front.
"""

from __future__ import annotations

import ast
import copy
import difflib
import re
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envs import text
from envs.adapters.foreign import MOST_LEVELS, MOST_MOVES, whole_number

try:
    import pettingzoo
    from gymnasium.spaces import Box, Dict, Discrete
    from pettingzoo.env_registry.exceptions import FailedToImport, PettingZooRegistryError
except ImportError as error:
    raise ValueError("games of pettingzoo need PettingZoo: pip install 'pettingzoo[classic]>=1.27'") from error

HIDDEN, AT_ONCE = "hides cards from the players", "lets players move at the same time"
REFUSED = {
    "gin_rummy_v4": HIDDEN,
    "hanabi_v5": HIDDEN,
    "leduc_holdem_v4": HIDDEN,
    "rps_v2": AT_ONCE,
    "texas_holdem_no_limit_v6": HIDDEN,
    "texas_holdem_v4": HIDDEN,
}
_PROBED = 200  # plies of one game under two seeds
_STEPPING = threading.Lock()  # go_v5 keeps its board size in its module


class Played(NamedTuple):
    """A position: an environment and the moves that led there."""

    env: Any
    moves: list[int]


class Known(NamedTuple):
    """What is known of an environment beyond PettingZoo's interface: its turns alternate, and `_twin` copies it."""

    max_moves: int
    board: Callable[[Any], NDArray[np.int8]]  # [H, W] as in `Game.board`
    prepare: Callable[[Any], None] = lambda env: None  # before every step
    move_text: Callable[[Any, int], str] = lambda env, action: str(action)


def _chess_board(env: Any) -> NDArray[np.int8]:
    board = np.zeros((8, 8), np.int8)
    for square, piece in env.board.piece_map().items():
        board[7 - square // 8, square % 8] = 1 if piece.color else -1
    return board


def _chess_move_text(env: Any, action: int) -> str:
    from pettingzoo.classic.chess.chess_utils import action_to_move

    return str(action_to_move(env.board, action, env.agents.index(env.agent_selection)))


def _connect_four_board(env: Any) -> NDArray[np.int8]:
    return _by_number(np.reshape(env.board, (6, 7)))


def _go_board(env: Any) -> NDArray[np.int8]:
    return np.asarray(env._go.board, np.int8)


def _tictactoe_board(env: Any) -> NDArray[np.int8]:
    """As its observations have it: action 3 y + x is the cell in row y and column x. Its pictures turn that over."""
    return _by_number(np.reshape(env.board.squares, (3, 3)))


def _by_number(cells: NDArray[np.int64]) -> NDArray[np.int8]:
    return np.array([0, 1, -1], np.int8)[cells]


def _set_go_board_size(env: Any) -> None:
    """Go's rules read the board's size from their module, where another environment may have put its own."""
    from pettingzoo.classic.go import go_base

    if env._N != go_base.N:
        env._overwrite_go_global_variables(board_size=env._N)


KNOWN = {
    "chess_v6": Known(MOST_MOVES, _chess_board, move_text=_chess_move_text),
    "connect_four_v3": Known(42, _connect_four_board),
    "go_v5": Known(MOST_MOVES, _go_board, _set_go_board_size),
    "tictactoe_v3": Known(9, _tictactoe_board),
}


class PettingZoo:
    """The `Rules` of an environment of PettingZoo; a position is an environment in it."""

    def __init__(self, name: str, options: Mapping[str, object]) -> None:
        called, parameters = _parsed(name, options)
        self._known = KNOWN.get(called)
        longest = self._known.max_moves if self._known else MOST_MOVES
        wanted = parameters.pop("max_moves", longest)
        self.max_moves = whole_number(f"pettingzoo:{called}", "max_moves", wanted)
        self.name = _name(called, parameters | ({"max_moves": wanted} if wanted != longest else {}))
        self.alternates = self._known is not None
        self.names: dict[int, str] = {}
        self._id, self._parameters = called if "/" in called else f"classic/{called}", parameters
        self._writes = "ansi" in self._make().metadata.get("render_modes", ())
        if self._writes:
            self._parameters = {"render_mode": "ansi", **parameters}
        env = self.start().env
        self.num_actions, space = _spaces(self.name, env)
        self._agents = sorted(env.possible_agents, key=lambda agent: bool(agent != env.agent_selection))
        self.levels = _levels(space)
        self.shape = _channels_first(np.zeros(space.shape)).shape if self.levels else (0, 1, 1)
        if not self._known and self._depends_on_seed():
            raise ValueError(f"{self.name} leaves something to chance: its games differ with the seed")

    def start(self, seed: int = 0) -> Played:
        with _STEPPING:
            env = self._make()
            env.reset(seed=seed)
        env.observe(env.agent_selection)  # chess numbers a move when it first lists it, and steps only numbered ones
        return Played(env, [])

    def copy(self, position: Played) -> Played:
        if self._known:
            return Played(_twin(position.env), [*position.moves])
        again = self.start()
        for action in position.moves:
            self.apply(again, action)
        return again

    def apply(self, position: Played, action: int) -> None:
        with _STEPPING:
            if self._known:
                self._known.prepare(position.env)
            position.env.step(action)
        position.moves.append(action)
        if self.player(position) >= 0 and any(position.env.rewards.values()):
            raise RuntimeError(f"{self.name} rewards a move before the end: only the result of a game is known here")

    def player(self, position: Played) -> int:
        env = position.env
        over = all(env.terminations[agent] or env.truncations[agent] for agent in self._agents)
        return -1 if over else self._agents.index(env.agent_selection)

    def legal(self, position: Played) -> list[int]:
        mask = position.env.observe(position.env.agent_selection)["action_mask"]
        return [int(action) for action in np.flatnonzero(mask)]

    def result(self, position: Played) -> int:
        first, second = (position.env.rewards[agent] for agent in self._agents)
        if first != -second or first not in (-1, 0, 1):
            raise RuntimeError(
                f"{self.name} ended with the rewards {first} and {second}: only 1 and -1, or 0 are known"
            )
        return int(first)

    def tensor(self, position: Played, player: int) -> NDArray[np.generic]:
        if not self.levels:
            raise ValueError(f"{self.name} observes no planes of small numbers: it can be searched, not learned from")
        return _channels_first(np.asarray(position.env.observe(self._agents[player])["observation"]))

    def board(self, position: Played) -> NDArray[np.int8]:
        return self._known.board(position.env) if self._known else np.zeros(self.shape[1:], np.int8)

    def last(self, before: Played, after: Played) -> int:
        """Where the mover has a stone it had not; castling places two, so none is marked."""
        stone = 1 if self.player(before) == 0 else -1
        placed = np.flatnonzero((self.board(after) == stone) & (self.board(before) != stone))
        return int(placed[0]) if len(placed) == 1 else -1

    def text(self, position: Played) -> str:
        """What the environment writes, else its board; a cell's action is its row's number plus its column's."""
        if self._writes:
            return str(position.env.render())
        if not self._known:
            return " ".join(["moves:", *map(str, position.moves)])
        h, w = self.shape[1:]
        rows = [str(y * w) if self.num_actions > w else "" for y in range(h)]
        columns = [str(x) for x in range(w)]
        return text.draw(self.board(position), columns=columns, rows=rows, last=-1, footer="")

    def move_text(self, position: Played, action: int) -> str:
        return self._known.move_text(position.env, action) if self._known else str(action)

    def _make(self) -> Any:
        """A new environment; a known one without its wrappers, which check what is checked here too."""
        try:
            env = pettingzoo.make("aec", self._id, **self._parameters)
        except FailedToImport as error:
            raise ValueError(f"{self.name}: {error.__cause__}: pip install 'pettingzoo[classic]'") from error
        except (PettingZooRegistryError, TypeError, ValueError, AssertionError) as error:
            raise ValueError(f"{self.name}: {str(error).partition(' Available environments')[0]}") from error
        return env.unwrapped if self._known else env

    def _depends_on_seed(self) -> bool:
        """Play the same actions under two seeds, as long as both allow them, and compare all that is seen."""
        one, other = self.start(seed=1), self.start(seed=2)
        rng = np.random.default_rng(0)
        for _ in range(_PROBED):
            if _seen(one.env) != _seen(other.env):
                return True
            if self.player(one) < 0:
                return False
            action = int(rng.choice(self.legal(one)))
            self.apply(one, action)
            self.apply(other, action)
        return False


def _parsed(name: str, options: Mapping[str, object]) -> tuple[str, dict[str, object]]:
    """The environment and its parameters from `go_v5(board_size=9)`; ValueError if it cannot be one of ours."""
    match = re.fullmatch(r"([\w/.-]+)(?:\((.*)\))?", name.strip())
    try:
        call = ast.parse(f"f({match[2] or ''})", mode="eval").body if match else None
        keywords = call.keywords if isinstance(call, ast.Call) and not call.args else None
        given = {str(word.arg): ast.literal_eval(word.value) for word in keywords} if keywords is not None else None
    except (SyntaxError, ValueError):
        given = None
    if match is None or given is None:
        raise ValueError(f"pettingzoo:{name}: write the environment's name, then key=value in parentheses if need be")
    called = match[1]
    if called in REFUSED:
        raise ValueError(f"pettingzoo:{name} {REFUSED[called]}; the games of PettingZoo here are {', '.join(KNOWN)}")
    if called not in KNOWN and "/" not in called:
        near = difflib.get_close_matches(called, KNOWN, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"There are {', '.join(KNOWN)}, and namespace/name"
        raise ValueError(f"PettingZoo's classic board games have no '{called}'; {hint}")
    return called, {**given, **options}


def _name(called: str, parameters: Mapping[str, object]) -> str:
    listed = ",".join(f"{key}={value!r}" for key, value in sorted(parameters.items()))
    return f"pettingzoo:{called}" + (f"({listed})" if listed else "")


def _spaces(name: str, env: Any) -> tuple[int, Box]:
    """The number of actions and the space of observations, the same for both players; ValueError for other kinds."""
    agents = env.possible_agents
    if len(agents) != 2:
        raise ValueError(f"{name} is for {len(agents)} players: only two can play here")
    actions, seen = ([space(agent) for agent in agents] for space in (env.action_space, env.observation_space))
    if actions[0] != actions[1] or not isinstance(actions[0], Discrete) or actions[0].start != 0:
        raise ValueError(f"{name} needs actions 0, 1, 2 ... that are the same for both players, not {actions[0]}")
    if not isinstance(seen[0], Dict) or not {"observation", "action_mask"} <= seen[0].keys():
        raise ValueError(f"{name} needs observations of an 'observation' and an 'action_mask', not {seen[0]}")
    observed = seen[0]["observation"]
    if not isinstance(observed, Box):
        raise ValueError(f"{name} needs observations in a Box, not {observed}")
    return int(actions[0].n), observed


def _levels(space: Box) -> tuple[float, ...]:
    """Every number that observations can hold but the least; none if they are not planes of a few whole numbers."""
    if space.dtype is None or space.dtype.kind not in "biu" or len(space.shape) > 3:
        return ()
    least, most = int(space.low.min()), int(space.high.max())
    return tuple(float(level) for level in range(least + 1, most + 1)) if most - least <= MOST_LEVELS else ()


def _channels_first(observation: NDArray[np.generic]) -> NDArray[np.generic]:
    """[C, H, W] of an observation [H, W, C], [H, W] or [W]."""
    if observation.ndim == 3:
        return observation.transpose(2, 0, 1)
    return np.atleast_2d(observation)[None]


def _twin(env: Any) -> Any:
    """A copy of a bare environment, position and all; only its spaces, which never change, are shared.

    `copy.deepcopy(env)` would return a fresh environment: PettingZoo's are EzPickle, which copies the constructor's
    arguments alone.
    """
    twin = object.__new__(type(env))
    shared = {id(spaces): spaces for spaces in (env.observation_spaces, env.action_spaces)}
    vars(twin).update(copy.deepcopy(vars(env), {id(env): twin, **shared}))
    return twin


def _seen(env: Any) -> tuple[object, ...]:
    """All that PettingZoo tells of an environment, to be compared."""
    agents = env.possible_agents
    observed = [np.asarray(part).tobytes() for agent in agents for part in env.observe(agent).values()]
    return observed, env.agent_selection, [(env.rewards[a], env.terminations[a], env.truncations[a]) for a in agents]
