"""Players: `(states [B], rng) -> actions [B]`. The arena knows nothing else about them, but that they may raise `Forfeit`.

`make_player` turns a short text into one, the same text on the command line and in configs:

    random            uniformly random moves
    greedy            one ply of the game's static estimate
    minimax:5         alpha-beta, five plies deep
    mcts:1000         Monte-Carlo tree search with random rollouts, 1000 simulations a move
    solver            exact: Connect Four and tic-tac-toe
    champion          the trained agent that comes with the package: Connect Four and Go 9x9; champion:800 searches more
    gtp:COMMAND       a Go program that speaks GTP: "gtp:gnugo --mode gtp --level 10"
    PATH              a trained agent: its file, or a run's folder (the newest agent in it)
    PATH:800          the same with 800 simulations a move; PATH:0 plays its raw policy
    clumsy:30:PLAYER  another player that moves at random 30 times in a hundred
    level:4           a step on the game's ladder of players of measured strength (`agents/levels.py`); level:expert too
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from agents.evaluators import Asynchronous, Evaluator, Rollouts, rollouts
from agents.search import Search, SearchSettings
from envs import Game, States
from envs.compiled import CompiledGame
from envs.go import Go

Player = Callable[[States, np.random.Generator], NDArray[np.int64]]
LossReason = Literal["resignation", "time", "illegal move", "crash"]


class Loss(NamedTuple):
    """Why a game is lost other than on the board."""

    reason: LossReason
    detail: str = ""  # one line for the record: what the engine said or did


class Forfeit(Exception):  # noqa: N818  # no error of the program: a player's way to lose
    """Raised by a player in place of an answer: some of the games that it was asked about are lost.

    `losses` says which and why, by row of the states [B] that it was given; `actions` [B] are its moves in the others
    (whatever stands in the lost rows is ignored). A match goes on with the others.

    >>> str(Forfeit({2: Loss("time", "no answer in 10 s")}, np.zeros(3, np.int64)))
    'time: no answer in 10 s'
    """

    def __init__(self, losses: Mapping[int, Loss], actions: NDArray[np.int64]) -> None:
        super().__init__("; ".join(dict.fromkeys(": ".join(filter(None, loss)) for loss in losses.values())))
        self.losses, self.actions = dict(losses), actions

    @property
    def resigned(self) -> bool:
        """Whether nothing but resignations is the reason."""
        return all(loss.reason == "resignation" for loss in self.losses.values())


def unless_lost(actions: NDArray[np.int64], values: NDArray[np.floating], resign: float | None) -> NDArray[np.int64]:
    """`actions` [B]; but `Forfeit`, by resignation, of games whose move is worth less than -`resign` (None: of none).

    `values` [B] are the moves' own, for the side to move. AlphaGo gave up below -0.8, a tenth of a chance to win.
    """
    if resign is not None:
        lost = {int(i): Loss("resignation", f"worth {values[i]:.2f}") for i in np.flatnonzero(values < -resign)}
        if lost:
            raise Forfeit(lost, actions)
    return actions


BUILT_IN = (
    "random",
    "greedy",
    "minimax:DEPTH",
    "mcts:SIMULATIONS",
    "solver",
    "champion",
    "gtp:COMMAND",
    "level:N",
    "clumsy:PERCENT:PLAYER",
)
CHAMPIONS = Path(__file__).parent / "data"  # one agent file a game; RESULTS.md says how each was trained
# Uniform priors: P sqrt(N) / (1 + n) explores like UCT when c is a few times larger than for a learned policy. On the
# Connect Four yardstick c = 2, 4 and 8 keep the value equally often (90 to 91%), 1 less (89%).
ROLLOUT_SEARCH = SearchSettings(rule="puct", c_init=3.0, fpu=0.0)
MEMORY = 32 << 20  # bytes, rounded up to a power of two of positions: what a player that searches for people remembers


class Pace(NamedTuple):
    """Leaves of a game that are under way at once."""

    leaves: int  # found together, under virtual loss
    batches: int  # of so many


class SearchPlayer:
    """Searches every position `simulations` deep and plays the search's choice.

    A batch of positions is searched side by side, one leaf each, from nothing: in a match the last game left is searched as
    all others were. `search` is for one game that goes on: several leaves at a time (`pace`), keeping the part of its tree
    that the game has reached and asking `remembering`, the same evaluator with a memory, where there is one. Where `resign`
    is set it gives up games whose move is worth less than -`resign`.
    """

    def __init__(
        self,
        game: Game,
        evaluate: Evaluator,
        settings: SearchSettings,
        simulations: int,
        *,
        leaves: int = 8,
        remembering: Evaluator | None = None,
    ) -> None:
        if simulations < 1:
            raise ValueError(f"a search needs at least 1 simulation, not {simulations}")
        self.game, self.evaluate, self.settings = game, evaluate, settings
        self.remembering = remembering or evaluate
        self.simulations, self.leaves = simulations, leaves
        self.resign: float | None = None
        self.ahead: dict[bytes, Search] = {}  # finished searches of positions that may come, by state: `pondering`
        self._batched: Search | None = None
        self._single: Search | None = None

    def __call__(self, states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        if self._batched is None or len(self._batched.states) < len(states):
            self._batched = Search(self.game, self.settings, slots=len(states), capacity=self.simulations + 1)
        slots = np.arange(len(states))
        self._batched.idle(np.arange(len(self._batched.states)))
        self._batched.begin(slots, states, self.simulations)
        if isinstance(self.evaluate, Rollouts):
            self._batched.seed_playouts(slots, rng)  # so that a match follows from its seed, whatever was played before
        self._batched.run(self.evaluate, rng)
        return self.decide(self._batched, slots)

    def decide(self, search: Search, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """The moves in `slots` of a finished search; `Forfeit` of the games that are given up."""
        found = search.results(slots)
        values = found.action_values[np.arange(len(slots)), found.choice]
        return unless_lost(found.choice, values, self.resign)

    def search(
        self,
        state: np.void,
        rng: np.random.Generator,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> Search:
        """The finished search of one position, in slot 0, for its moves, values and best line.

        It ends early once `stop`, which is asked after every step (`Search.proceed`), says so (PUCT judges by what there is;
        Gumbel's halving is cut short).
        """
        for search in self.steps(state, rng):
            if stop():
                return search
        return search

    def pace(self, simulations: int) -> Pace:
        """What a search of one game has under way: a sixteenth of its `simulations` at most, for virtual losses are guesses.

        One batch; two of up to twice as many leaves where the evaluator computes meanwhile.
        """
        most = max(1, simulations // 16)
        if most < 2 * self.leaves or not isinstance(self.remembering, Asynchronous):
            return Pace(min(self.leaves, most), 1)
        return Pace(min(2 * self.leaves, most // 2), 2)

    def steps(self, state: np.void, rng: np.random.Generator) -> Iterator[Search]:
        """The search of one position, in slot 0, as it is after every step; at least once."""
        if (known := self.ahead.pop(state.tobytes(), None)) is not None:
            yield known
            return
        if self._single is None:
            self._single = Search(self.game, self.settings, slots=1, capacity=2 * self.simulations + 1)
        self._single.advance(0, state, self.simulations)
        yield from self._steps(self._single, rng)

    def fresh(self, state: np.void, rng: np.random.Generator) -> Iterator[Search]:
        """The same with a tree of its own."""
        search = Search(self.game, self.settings, slots=1, capacity=self.simulations + 1)
        search.begin(np.array([0]), np.array([state], self.game.dtype), self.simulations)
        yield from self._steps(search, rng)

    def _steps(self, search: Search, rng: np.random.Generator) -> Iterator[Search]:
        leaves, batches = self.pace(self.simulations)
        while search.proceed(self.remembering, rng, per_game=leaves, batches=batches):
            yield search
        yield search


@runtime_checkable
class TimedPlayer(Protocol):
    """A player that can be told to come to an end."""

    def move(self, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> int:
        """The move in one position, the best that is known once `stop`, which is asked again and again, says so."""
        ...


def move_in_time(player: Player, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> int:
    """The move of `player` in one position: as soon as `stop` says so where it can be told, else when it is ready."""
    if isinstance(player, SearchPlayer):
        return int(player.decide(player.search(state, rng, stop=stop), np.array([0]))[0])
    if isinstance(player, TimedPlayer):
        return player.move(state, rng, stop)
    return int(player(np.array([state]), rng)[0])


def looker(player: Player) -> SearchPlayer | None:
    """The search that can say what `player` thinks of a position: itself, or the one it has for that; None if it cannot."""
    found = player if isinstance(player, SearchPlayer) else getattr(player, "looker", None)
    return found if isinstance(found, SearchPlayer) else None


@runtime_checkable
class Resigning(Protocol):
    """A player that can give up: one that searches."""

    resign: float | None  # it does where its move is worth less than minus this; None: never


def resigner(player: Player) -> Resigning | None:
    """Who decides whether `player` gives up: itself, or who makes the considered moves of one that is clumsy; None where
    nobody searches.
    """
    inside = getattr(player, "player", None)
    if inside is not None:
        return resigner(inside)
    return player if isinstance(player, Resigning) else None


def resigning(player: Player, resign: float) -> Player:
    """`player`, which from now on gives up games that it takes for lost: worth less than -`resign`, 0 to 1; AlphaGo 0.8.

    ValueError where it does not search, and so has no opinion of its games.
    """
    if not 0 <= resign <= 1:
        raise ValueError(f"resign is {resign:g}: give a number from 0 to 1, such as AlphaGo's 0.8")
    if (searching := resigner(player)) is None:
        raise ValueError("resigning is for players that search: this one does not say what its games are worth")
    searching.resign = resign
    if (other := looker(player)) is not None:
        other.resign = resign
    return player


def policy_player(evaluate: Evaluator) -> Player:
    """Plays the most probable move of the evaluator's policy: no search."""

    def play(states: States, rng: np.random.Generator) -> NDArray[np.int64]:
        return np.asarray(evaluate(states).priors.argmax(axis=1), np.int64)

    return play


def make_player(game: Game, spec: str, *, seed: int = 0) -> Player:
    """The player that `spec` describes (see above), for `game`. ValueError says what is wrong with `spec`."""
    from agents import classic

    name, _, number = spec.partition(":")
    if name == "random":
        return classic.random_player(game)
    if name == "greedy":
        return classic.Greedy(game)
    if name == "minimax":
        return classic.AlphaBeta(game, _number(spec, number, "minimax:5"))
    if name == "mcts":
        simulations = _number(spec, number, "mcts:1000")
        return SearchPlayer(game, rollouts(game, seed), ROLLOUT_SEARCH, simulations, leaves=1)
    if name == "clumsy":
        share, inner = clumsy_spec(spec)
        return classic.Clumsy(game, make_player(game, inner, seed=seed), share)
    if name == "level":
        from agents.levels import level

        return make_player(game, level(game, number).player, seed=seed)
    if name == "gtp":
        from agents.gtp_player import GTPPlayer

        return GTPPlayer(game, number)
    if name == "solver":
        return _solver(game)
    if name == "champion":
        return _trained(game, champion_spec(game, spec))
    return _trained(game, spec)


def repeatable(spec: str) -> bool:
    """Whether the player makes the same moves again from the same generator: no clock and no other program decides."""
    from agents.alphago.player import is_alphago  # its networks answer when they are ready

    if spec.startswith("clumsy:"):
        return repeatable(clumsy_spec(spec)[1])
    return not spec.startswith("gtp:") and not is_alphago(trained_spec(spec)[0])


def built_in(game: Game) -> list[str]:
    """Players that need nothing but the package, from weak to strong: whom a rating list of `game` begins with.

    Without playouts where rules are no kernels: chess's would take minutes a game.
    """
    players = ["random", "greedy", "minimax:2"]
    if isinstance(game, CompiledGame):
        players += ["mcts:100", "mcts:400"]
    if has_champion(game):
        players += ["champion:0", "champion"]
    return [*players, "solver"] if game.name in ("connect_four", "tictactoe") else players


def has_champion(game: Game) -> bool:
    """Whether a trained agent of `game` comes with the package."""
    return _champion_path(game).exists()


def champion(game: Game) -> Path:
    """The agent file that comes with the package for `game`. ValueError where there is none."""
    path = _champion_path(game)
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in CHAMPIONS.glob("*.safetensors")))
        raise ValueError(f"no champion of {game.name} comes with the package; there is one of {known}")
    return path


def champion_spec(game: Game, spec: str) -> str:
    """The trained agent of `game` that "champion" or "champion:800" means. ValueError where it is none."""
    _, colon, number = spec.partition(":")
    if colon and not number.isdigit():
        raise ValueError(f"'{spec}' needs a whole number after the colon, as in champion:800")
    return f"{champion(game)}{colon}{number}"


def _champion_path(game: Game) -> Path:
    return CHAMPIONS / f"{f'go{game.size}' if isinstance(game, Go) else game.name}.safetensors"


def trained_spec(spec: str) -> tuple[Path, int | None]:
    """The path in the `spec` of a trained agent, and the simulations a move where it says any.

    >>> [(path.name, number) for path, number in map(trained_spec, ("runs/go9", "runs/go9:800"))]
    [('go9', None), ('go9', 800)]
    """
    path, colon, number = spec.rpartition(":")
    return (Path(path), int(number)) if colon and number.isdigit() else (Path(spec), None)


def clumsy_spec(spec: str) -> tuple[float, str]:
    """The share of random moves in "clumsy:30:mcts:50", and the player who makes the others. ValueError where it has none.

    >>> clumsy_spec("clumsy:30:mcts:50")
    (0.3, 'mcts:50')
    """
    _, _, rest = spec.partition(":")
    percent, _, inner = rest.partition(":")
    if not percent.isdigit() or int(percent) > 100 or not inner:
        raise ValueError(f"'{spec}' needs the random moves in a hundred and a player, as in clumsy:30:mcts:50")
    return int(percent) / 100, inner


def _number(spec: str, number: str, example: str) -> int:
    if not number.isdigit() or int(number) < 1:
        raise ValueError(f"'{spec}' needs a whole number of at least 1 after the colon, as in {example}")
    return int(number)


def _solver(game: Game) -> Player:
    if game.name == "connect_four":
        from agents.solver import ExactPlayer, Solver

        return ExactPlayer(Solver())
    if game.name == "tictactoe":
        from agents.classic import Perfect

        return Perfect(game)
    raise ValueError(f"there is no exact solver of {game.name}; connect_four and tictactoe have one")


def same_board(trained: Game, game: Game) -> bool:
    """True where a network for the one game can play the other: Go with another komi or ko rule looks the same to it."""
    both_go = isinstance(trained, Go) and isinstance(game, Go) and trained.size == game.size
    return both_go or trained.name == game.name


def _trained(game: Game, spec: str) -> Player:
    from agents.alphago import player as alphago
    from agents.cache import EvaluationCache, entry_size
    from agents.files import find_agent, load_agent
    from agents.planes import seen_by
    from agents.runtime import NetworkEvaluator, create, for_players

    path, given = trained_spec(spec)
    if not path.exists():
        kind, colon, rest = spec.partition(":")
        near = difflib.get_close_matches(kind, [known.partition(":")[0] for known in BUILT_IN], n=1)
        if near:
            raise ValueError(f"there is no player '{spec}'; did you mean '{near[0]}{colon}{rest}'?")
        raise ValueError(f"there is no player '{spec}': neither a file or run folder nor one of {', '.join(BUILT_IN)}")
    if alphago.is_alphago(path):
        return alphago.alphago(game, path, alphago.SIMULATIONS if given is None else given)
    agent = load_agent(find_agent(path))
    if not same_board(agent.game, game):
        raise ValueError(f"{path} plays {agent.game.name}, not {game.name}")
    game = seen_by(agent.network.planes, game)
    runtime = create(game, agent.network, for_players())
    runtime.load(agent.weights)
    evaluate = NetworkEvaluator(game, runtime)
    simulations = agent.simulations if given is None else given
    if simulations == 0:
        return policy_player(evaluate)
    cache = EvaluationCache(game, runtime, MEMORY // entry_size(game))
    return SearchPlayer(game, evaluate, agent.search, simulations, remembering=cache)
