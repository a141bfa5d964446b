"""Reading ladders: can the hunter keep a chain in atari until it is taken?

The hunter plays one of the chain's two liberties, the prey extends at the last one or takes a chain that gave the atari,
and so on. Three liberties are freedom, none or a hunted single one is capture. Every line is read (a ladder has few), to a
bounded depth and number of moves, beyond which the prey counts as free. Simple ko is kept.

Reading plays and takes back moves on a copy of the stones, chains being found by walking: a ladder's chains are short.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.alphago.kernels.board import AROUND, EMPTY, NONE, OFF, WALL, neighbourhood
from envs.jit import kernel

DEPTH = 200  # plies: a ladder across 19x19 has about 70
MOVES = 2000  # tried in one reading
WIDTH = 12  # answers looked at in one position
UNDECIDED, FREE, CAUGHT = 0, 1, 2
_COUNT, _NEXT, _TAKEN, _KO_BEFORE = 0, 1, 2, 3  # what a row of `frame` holds

SKETCH = np.dtype(
    [
        ("near", "i2", (OFF, len(AROUND))),
        ("points", "i8"),
        ("seen", "i4", (OFF + 1,)),  # number of the last walk that saw a point
        ("walk", "i4"),  # how many walks there have been
        ("tried", "i4"),  # moves tried in this reading
        ("logged", "i4"),  # length of the log
        ("ko", "i4"),  # the point that simple ko forbids, or NONE
        ("log", "i2", (OFF + 4 * DEPTH,)),  # stones taken in the line being read, oldest first
        ("chain", "i2", (OFF,)),  # the stones of the chain last walked
        ("prey", "i2", (OFF,)),  # a copy of those of the prey's
        ("around", "i2", (3,)),  # the first liberties found by the last walk
        ("answers", "i2", (DEPTH, WIDTH)),  # moves to try at each ply
        ("frame", "i2", (DEPTH + 1, 4)),  # how many, the next one's index, stones the current one took, ko before it
        ("stone", "i1", (OFF + 1,)),
    ],
    align=True,
)


def new_sketch(size: int) -> NDArray[np.void]:
    """[1] memory for readings on a board of `size` by `size`."""
    sketch = np.zeros(1, SKETCH)
    sketch["points"], sketch["stone"][0, OFF] = size * size, WALL
    sketch["near"][0, : size * size] = neighbourhood(size, AROUND)
    return sketch


@kernel
def walk(s, p, limit):
    """Walk the chain of the stone at `p` until it is known or `limit` <= 3 liberties are found (in `around`).

    Returns stones walked (in `chain`) and liberties found: exact where these are fewer than `limit`.
    """
    colour = s["stone"][p]
    s["walk"] += 1
    this = s["walk"]
    s["chain"][0], s["seen"][p] = p, this
    length, head, found = 1, 0, 0
    while head < length:
        for k in range(4):
            q = s["near"][s["chain"][head], k]
            if s["seen"][q] == this:
                continue
            if s["stone"][q] == colour:
                s["chain"][length] = q
                length += 1
            elif s["stone"][q] == EMPTY:
                s["around"][found] = q
                found += 1
                if found == limit:
                    return length, found
            s["seen"][q] = this
        head += 1
    return length, found


@kernel
def play(s, p, colour):
    """Play the empty point `p`; returns how many stones that took, or NONE, the board unchanged, where it is illegal."""
    if p == s["ko"]:
        return NONE
    s["stone"][p] = colour
    first = s["logged"]
    for k in range(4):
        q = s["near"][p, k]
        if s["stone"][q] == -colour:
            length, found = walk(s, q, 1)
            if found == 0:
                for t in range(length):
                    s["stone"][s["chain"][t]] = EMPTY
                    s["log"][s["logged"]] = s["chain"][t]
                    s["logged"] += 1
    count = s["logged"] - first
    length, found = walk(s, p, 2)
    if found == 0:
        s["stone"][p] = EMPTY
        return NONE
    s["ko"] = s["log"][first] if count == 1 and length == 1 and found == 1 else NONE
    s["tried"] += 1
    return count


@kernel
def take_back(s, p, count, ko):
    """Undo `play(s, p, ...)`, which took `count` stones; `ko` was the ko point before it."""
    colour = s["stone"][p]
    s["stone"][p] = EMPTY
    for _ in range(count):
        s["logged"] -= 1
        s["stone"][s["log"][s["logged"]]] = -colour
    s["ko"] = ko


@kernel
def find_answers(s, prey, ply):
    """Fill `answers` with the prey's answers to an atari, and return how many: captures, then the extension."""
    length, _ = walk(s, prey, 2)
    last = s["around"][0]
    for t in range(length):
        s["prey"][t] = s["chain"][t]
    count = 0
    for t in range(length):
        for k in range(4):
            q = s["near"][s["prey"][t], k]
            if s["stone"][q] == -s["stone"][prey] and count < WIDTH - 1:
                _, found = walk(s, q, 2)
                known = s["around"][0] == last
                for j in range(count):
                    known |= s["answers"][ply, j] == s["around"][0]
                if found == 1 and not known:
                    s["answers"][ply, count] = s["around"][0]
                    count += 1
    s["answers"][ply, count] = last
    return count + 1


@kernel
def look(s, prey, hunting, ply):
    """FREE, CAUGHT, or UNDECIDED and then the moves to try are in `answers`. `hunting`: the hunter is to move."""
    _, found = walk(s, prey, 3)
    if found >= 3 or ply >= DEPTH or s["tried"] >= MOVES or (found == 2 and not hunting):
        return FREE
    if hunting and found < 2:
        return CAUGHT
    if hunting:
        s["answers"][ply, 0], s["answers"][ply, 1] = s["around"][0], s["around"][1]
    s["frame"][ply, _COUNT] = 2 if hunting else find_answers(s, prey, ply)
    s["frame"][ply, _NEXT] = 0
    return UNDECIDED


@kernel
def survives(s, prey, hunting):
    """True where the chain of the stone at `prey` gets away; `hunting` says that the hunter is to move.

    Depth first, with its own stack: numba crashes on a recursive function that comes out of its cache.
    """
    colour = s["stone"][prey]
    ply, verdict = 0, look(s, prey, hunting, 0)
    while True:
        frame = s["frame"][ply]
        if verdict == UNDECIDED and frame[_NEXT] < frame[_COUNT]:
            p = s["answers"][ply, frame[_NEXT]]
            frame[_NEXT] += 1
            frame[_KO_BEFORE] = s["ko"]
            frame[_TAKEN] = play(s, p, -colour if hunting else colour)
            if frame[_TAKEN] != NONE:
                ply, hunting = ply + 1, not hunting
                verdict = look(s, prey, hunting, ply)
            continue
        if verdict == UNDECIDED:  # the side to move has tried everything
            verdict = FREE if hunting else CAUGHT
        if ply == 0:
            return verdict == FREE
        ply, hunting = ply - 1, not hunting
        frame = s["frame"][ply]
        take_back(s, s["answers"][ply, frame[_NEXT] - 1], frame[_TAKEN], frame[_KO_BEFORE])
        if hunting == (verdict == FREE):  # this move has failed
            verdict = UNDECIDED


@kernel
def begin(s, stones):
    """Start readings from `stones` [points or more], of which no capture by ko is known."""
    for p in range(s["points"]):
        s["stone"][p] = stones[p]
    s["ko"], s["logged"] = NONE, 0


@kernel
def after(s, p, colour, prey):
    """True where the chain at `prey` gets away after `colour` has played the legal point `p`; leaves the board unchanged."""
    s["tried"] = 0
    taken = play(s, p, colour)
    free = survives(s, prey, s["stone"][prey] == colour)
    take_back(s, p, taken, NONE)
    return free
