"""Where there are no records, a teacher plays the games: GNU Go where it is installed, else our own search.

Every game has a random opening of its own, of none to `teacher_plies` moves, which are not learned from: a program that always
plays the same would else play one game again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np

from agents import gnugo
from agents.players import Forfeit, Player, make_player
from arena.alphago.store import Line, line
from arena.match import Openings, random_openings
from envs import Game
from envs.go import Go

GNU_GO_LEVEL = 10
SEARCH = "mcts:200"  # who teaches without GNU Go
TOGETHER = 256  # games of one of our own players side by side; a program plays one after the other


def choose(game: Game, given: str | None, seed: int) -> str:
    """Who teaches, as `make_player` takes it: the `given` player, else the best there is."""
    program = gnugo.player(GNU_GO_LEVEL, seed + 1) if isinstance(game, Go) else None  # it takes seed 0 for none
    return given or program or SEARCH


def games(
    game: Game, teacher: str, count: int, plies: int, rng: np.random.Generator, progress: Callable[[int], None]
) -> tuple[list[Line], Counter[str]]:
    """`count` games of `teacher` against itself, and why some of them are not used. `progress` hears of games.

    Fewer where there are not so many different openings.
    """
    player = make_player(game, teacher, seed=int(rng.integers(2**32)))
    together = 1 if teacher.startswith("gtp:") else TOGETHER
    starts = _openings(game, count, plies, rng)
    found: list[Line] = []
    skipped = Counter[str]()
    for first in range(0, len(starts.states), together):
        part = starts.part(range(first, min(first + together, len(starts.states))))
        lines, lost = _play(game, player, part, rng)
        found += lines
        skipped += lost
        progress(len(part.states))
    return found, skipped


def _openings(game: Game, count: int, plies: int, rng: np.random.Generator) -> Openings:
    """Up to `count` different positions, as many as can be after each number of random moves up to `plies`."""
    states, actions = [], list[tuple[int, ...]]()
    for number in range(plies + 1):
        share = (count - len(actions)) // (plies + 1 - number)
        if share:
            found = random_openings(game, share, number, rng)
            states.append(found.states)
            actions += found.actions
    order = rng.permutation(len(actions))
    return Openings(np.concatenate(states)[order], [actions[i] for i in order])


def _play(game: Game, player: Player, openings: Openings, rng: np.random.Generator) -> tuple[list[Line], Counter[str]]:
    """The games from `openings`; a resigned one counts, one lost by an illegal move, by time or by a crash does not."""
    states, moves = openings.states.copy(), [list(actions) for actions in openings.actions]
    results: dict[int, float] = {}  # of games that ended otherwise than on the board, for the first player
    skipped = Counter[str]()
    going = np.flatnonzero(~game.terminal(states))
    while len(going):
        try:
            actions = player(states[going], rng)
        except Forfeit as forfeit:
            actions = forfeit.actions
            for i, loss in forfeit.losses.items():
                sign = 2 * int(states["to_play"][going[i]]) - 1  # who is to move has lost
                results[int(going[i])] = float(sign) if loss.reason == "resignation" else np.nan
                skipped[f"{loss.reason} of the teacher's"] += loss.reason != "resignation"
        on = ~np.isin(going, list(results))
        going, actions = going[on], actions[on]
        states[going] = game.step(states[going], actions)
        for row, action in zip(going, actions, strict=True):
            moves[row].append(int(action))
        going = going[~game.terminal(states[going])]
    ended = game.returns(states) * (1 - 2 * states["to_play"])
    lines = []
    for number, played in enumerate(moves):
        result = results.get(number, float(ended[number]))
        if not np.isnan(result):
            lines.append(line(game, played, result, len(openings.actions[number])))
    return lines, +skipped
