"""How much memory a run holds: what it reports and `benchmarks/memory.py` watches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def resident() -> float | None:
    """MiB in memory of this process and of all that it has started, what they share counted once.

    None where the system is not Linux, which alone has files that say so.
    """
    if not (PROC / "self" / "smaps_rollup").exists():
        return None
    return sum(_share(pid) for pid in _family(os.getpid())) / 1024


def _family(pid: int) -> Iterator[int]:
    """The process and its descendants."""
    yield pid
    for thread in (PROC / str(pid) / "task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in thread.read_text().split():
                yield from _family(int(child))


def _share(pid: int) -> int:
    """KiB: pages of its own, and its part of those that it shares."""
    with suppress(OSError):
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return 0
