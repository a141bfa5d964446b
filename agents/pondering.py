"""Thinking on the other side's time, so that the reply is there sooner or better founded.

PUCT lets the tree below the other side's turn grow, and its next search goes on from the part that the game reaches. Gumbel's
search is planned from its start and keeps no tree: there the positions after the likeliest moves are searched in advance, and
whichever comes up is answered as it would have been, at once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from agents.players import SearchPlayer

AHEAD = 8  # moves of the other side that are answered in advance


def ponder(player: SearchPlayer, state: np.void, rng: np.random.Generator, stop: Callable[[], bool]) -> None:
    """Think about `state`, where the other side is to move, until `stop` says so or there is nothing more to prepare."""
    search = player.search(state, rng, stop=stop)
    if player.settings.rule == "puct":
        search.advance(0, state, search.capacity)
        leaves, batches = player.pace(search.capacity)
        while not stop() and search.proceed(player.remembering, rng, per_game=leaves, batches=batches):
            pass
        return
    player.ahead.clear()
    results = search.results(np.array([0]))
    for action in np.argsort(-results.policy[0], kind="stable")[:AHEAD]:
        if results.policy[0, action] == 0:
            return
        after = player.game.step(np.array([state], player.game.dtype), np.array([action]))
        if player.game.terminal(after)[0]:
            continue
        for found in player.fresh(after[0], rng):
            if found.finished()[0]:
                player.ahead[after.tobytes()] = found
            elif stop():
                return
