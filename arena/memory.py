"""How much memory this process holds: what a run reports and `benchmarks/memory.py` watches."""

from __future__ import annotations

from pathlib import Path

STATUS = Path("/proc/self/status")


def resident() -> float | None:
    """MiB of this process in memory; None where the system is not Linux, which alone has a file that says so."""
    if not STATUS.exists():
        return None
    return next(int(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith("VmRSS:")) / 1024
