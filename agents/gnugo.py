"""GNU Go (gnu.org/software/gnugo), a free program, as teacher and as yardstick where it is installed."""

from __future__ import annotations

from agents.gtp_client import arguments

RULES = "--chinese-rules --capture-all-dead"  # area scoring, dead stones taken off: games end as the arena counts them


def player(level: int, seed: int | None = None) -> str | None:
    """GNU Go of this `level` (1 to 10) as `make_player` takes it; None where it is not installed.

    Without a `seed` it plays as it likes; with one, the same game the same way.
    """
    try:
        arguments("gnugo")
    except ValueError:
        return None
    chosen = "" if seed is None else f" --seed {seed}"
    return f"gtp:gnugo --mode gtp --level {level} {RULES}{chosen}"
