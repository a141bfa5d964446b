"""Random numbers inside kernels: a counter-based generator (SplitMix64, Steele, Lea and Flood 2014).

A kernel carries one u8 counter a game, so a playout is a function of its seed alone, whatever batch or thread it runs in.
"""

from __future__ import annotations

import numpy as np

from envs.jit import kernel

GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # add this to the counter before every draw
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


@kernel
def mix(counter: np.uint64) -> np.uint64:
    """64 random bits for a counter value."""
    z = (counter ^ (counter >> _30)) * _MIX_1
    z = (z ^ (z >> _27)) * _MIX_2
    return z ^ (z >> _31)


@kernel
def below(counter: np.uint64, n: int) -> np.int64:
    """A random integer in [0, n) for a counter value, n < 2**31 (Lemire's multiply-shift; bias below n / 2**32)."""
    return np.int64(((mix(counter) >> _32) * np.uint64(n)) >> _32)
